"""Opens a path or a URL as a folder."""

import pathlib

from storage.errors import UserError
from storage.folder import Folder
from storage.local_folder import LocalFolder
from storage.zip_folder import ZipFolder


def open_folder(url: str | pathlib.Path) -> Folder:
    """Returns the folder of a local path, a .zip or a `gs://bucket/prefix`."""
    text = str(url)
    if text.startswith("gs://"):
        # Imported when needed: google-cloud-storage takes half a second.
        from storage.gcs_folder import GcsFolder

        return GcsFolder(text)
    if "://" in text:
        raise UserError(
            f"{text}: expected a folder or gs://bucket/prefix, got the scheme "
            f"{text.split('://')[0]}://"
        )
    if text.endswith(".zip") and pathlib.Path(text).expanduser().is_file():
        return ZipFolder(text)
    return LocalFolder(text)
