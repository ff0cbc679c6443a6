"""What errors call the owners of a folder."""

import dataclasses

from storage.errors import LostError, UserError


@dataclasses.dataclass(frozen=True)
class Owner:
    """The words of an owner.

    Attributes:
        name: "trainer".
        activity: "training".
        work: "run": what another owner goes on with.
        flag: The flag that names the folder.
    """

    name: str
    activity: str
    work: str
    flag: str

    def in_use(self, url: str, who: str) -> UserError:
        """Returns the error of a start that finds another owner."""
        return UserError(
            f"{url} is in use: {who}. Wait for it, stop it, or give another "
            f"{self.flag}"
        )

    def lost(self, url: str, who: str) -> LostError:
        """Returns the error of an owner that finds another one."""
        return LostError(
            f"{url} was taken over by {who}: this {self.name} stops, and "
            f"leaves the {self.work} to the other"
        )
