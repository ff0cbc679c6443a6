"""One interface over a local (or Drive) folder, a .zip and a gs:// prefix.

    folder = storage.open_folder("gs://bucket/records")
    folder.list()                     # {"dataset_info.json": 5120, …}
    folder.replace("marker", b"…")    # The complete file, or the old one.

Errors of the user or of the data are `storage.UserError` all over the project.
"""

from storage.digests import file_digest
from storage.errors import DigestError, UserError
from storage.folder import Folder
from storage.spool import Spool
from storage.urls import open_folder
from storage.whole_file import write_whole

__all__ = [
    "DigestError",
    "Folder",
    "Spool",
    "UserError",
    "file_digest",
    "open_folder",
    "write_whole",
]
