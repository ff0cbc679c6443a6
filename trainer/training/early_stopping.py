"""Decides from the history of a run whether to stop early.

Keras's EarlyStopping counts in an attribute that a resume loses. This is a
function of the history, which is in the backup.
"""


def is_over(history: list[dict], *, patience: int) -> bool:
    """Returns whether the last `patience` epochs brought no improvement.

    Args:
        history: One row for each epoch. A higher "score" is better. If "score"
            is None, because no fold is held out, a lower "loss" is better.
        patience: Number of epochs; 0: never stop early.
    """
    values = [
        -row["loss"] if row["score"] is None else row["score"]
        for row in history
    ]
    if not patience or not values:
        return False
    best = values.index(max(values))
    return len(values) - 1 - best >= patience
