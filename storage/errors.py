"""The one exception that a command turns into a single clear line."""


class UserError(ValueError):
    """A mistake of the user or of the data: what, where, expected, got, do."""
