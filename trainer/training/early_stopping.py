"""What the history of a run decides: to stop early, to lower the rate.

Keras's EarlyStopping and ReduceLROnPlateau keep counts of their own that a
resume forgets. These are functions of the history alone, which is backed up.
"""


def epochs_without_gain(history: list[dict]) -> list[int]:
    """Returns, for each epoch, how many epochs ago the best one was.

    Args:
        history: Rows of epochs: the higher "score" is the better, or, where
            no fold is held out and it is None, the lower "loss".
    """
    counts, best, best_epoch = [], float("-inf"), 0
    for epoch, row in enumerate(history):
        value = -row["loss"] if row["score"] is None else row["score"]
        if value > best:
            best, best_epoch = value, epoch
        counts.append(epoch - best_epoch)
    return counts


def is_over(history: list[dict], *, patience: int) -> bool:
    """Whether `patience` epochs have passed without a gain; 0: never."""
    counts = epochs_without_gain(history)
    return bool(patience and counts and counts[-1] >= patience)


def rate_factor(history: list[dict], *, patience: int, factor: float) -> float:
    """Returns what the learning rate is multiplied by after this history.

    Args:
        history: Rows of epochs.
        patience: Epochs without a gain, since the best one or since the last
            time, after which the rate is lowered; 0: never.
        factor: By what.
    """
    if not patience:
        return 1.0
    return factor ** sum(
        count > 0 and count % patience == 0
        for count in epochs_without_gain(history)
    )
