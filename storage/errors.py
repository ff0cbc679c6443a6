"""Errors that mean the same all over the project."""


class UserError(ValueError):
    """A mistake of the user or of the data: what, where, expected, got, do."""


class LostError(UserError):
    """Another process owns the folder now; this one must not change it."""


class DigestError(ValueError):
    """A copy whose sha256 is not the expected one."""


class GaveUpError(OSError):
    """A failure that was tried again already for as long as is sensible."""
