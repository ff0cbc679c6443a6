"""Whether the history of a run says to stop early.

Keras's EarlyStopping keeps a count of its own that a resume forgets. This is
a function of the history alone, which is backed up.
"""


def is_over(history: list[dict], *, patience: int) -> bool:
    """Returns whether `patience` epochs have passed without a gain.

    Args:
        history: Rows of epochs: the higher "score" is the better, or, where
            no fold is held out and it is None, the lower "loss".
        patience: Epochs; 0: never over.
    """
    values = [
        -row["loss"] if row["score"] is None else row["score"]
        for row in history
    ]
    if not patience or not values:
        return False
    best = values.index(max(values))
    return len(values) - 1 - best >= patience
