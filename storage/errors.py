"""Errors with the same meaning in the whole project."""


class UserError(ValueError):
    """A mistake of the user or of the data.

    The message has: what, where, expected, got, what to do.
    """


class LostError(UserError):
    """Another process now owns the folder; this process must not change it."""


class DigestError(ValueError):
    """A file does not have the expected sha256."""


class GaveUpError(OSError):
    """A failure after many retries; another retry is not sensible."""
