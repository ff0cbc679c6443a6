"""Names of files: those read from a manifest, and those that Drive doubled."""

import re

from storage.errors import UserError

_DOUBLED = re.compile(r"(.+) \([1-9]\d{0,2}\)(\.\w+)")


def check(name: object, where: str) -> str:
    r"""Returns a name if it is that of a file directly in a folder.

    Joined to a folder, another one, as "../x", "/x" or "a\x", would lead out of
    it, on some system at least.

    Args:
        name: What was read.
        where: The file that it was read from, for the error.

    Raises:
        UserError: It is no such name.
    """
    text = name if isinstance(name, str) else ""
    if text in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(text):
        raise UserError(
            f"{where}: {name!r} is no name of a file beside it; the file was "
            "damaged or changed: copy it again, or make it anew"
        )
    return text


def original(name: str) -> str | None:
    """Returns "a.zip" for "a (1).zip"; None for a name that has no number.

    Google Drive keeps two files of one name in a folder, those of an upload
    that was sent twice, say, and its mounts show the second as "a (1).zip".
    """
    match = _DOUBLED.fullmatch(name)
    return match[1] + match[2] if match else None
