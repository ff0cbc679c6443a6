"""The words that error messages use for the owners of a folder."""

import dataclasses

from storage.errors import LostError, UserError


@dataclasses.dataclass(frozen=True)
class Owner:
    """The words for an owner in error messages.

    Attributes:
        name: The kind of process, such as "trainer".
        activity: What it does, such as "training".
        work: What it works on, such as "run".
        flag: The flag that names the folder.
    """

    name: str
    activity: str
    work: str
    flag: str

    def in_use(self, url: str, who: str) -> UserError:
        """Returns the error of a start if there is another owner."""
        return UserError(
            f"{url} is in use: {who}. Wait for it, stop it, or give another "
            f"{self.flag}"
        )

    def lost(self, url: str, who: str) -> LostError:
        """Returns the error of an owner that was replaced."""
        return LostError(
            f"{url} was taken over by {who}: this {self.name} stops, and the "
            f"other {self.name} continues the {self.work}"
        )
