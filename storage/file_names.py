"""Names of files: those read from a manifest, and of copies that Drive made."""

import re

from storage.errors import UserError

_DOUBLED = re.compile(r"(.+) \([1-9]\d{0,2}\)(\.\w+)")


def check(name: object, where: str) -> str:
    r"""Returns a name if it is the name of a file directly in a folder.

    Another name, such as "../x", "/x" or "a\x", could be a path outside the
    folder, at least on some system.

    Args:
        name: The value that was read.
        where: The file that it was read from, for the error.

    Raises:
        UserError: It is not such a name.
    """
    text = name if isinstance(name, str) else ""
    if text in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(text):
        raise UserError(
            f"{where}: {name!r} is not the name of a file in the same folder; "
            "the file was damaged or changed: copy it or make it again"
        )
    return text


def original(name: str) -> str | None:
    """Returns "a.zip" for "a (1).zip"; None for a name without a number.

    Google Drive can keep two files of one name in a folder, for example of an
    upload that was sent twice. Its mounts show the second as "a (1).zip".
    """
    match = _DOUBLED.fullmatch(name)
    return match[1] + match[2] if match else None
