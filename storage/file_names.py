"""Names of files that were read from a file, such as a manifest."""

from storage.errors import UserError


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
