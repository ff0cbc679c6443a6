"""One interface over a local (or Drive) folder and a gs:// prefix."""

from storage.errors import UserError

__all__ = ["UserError"]
