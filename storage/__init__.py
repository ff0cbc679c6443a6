"""One interface over a local (or Drive) folder, a .zip and a gs:// prefix.

    folder = storage.open_folder("gs://bucket/records")
    folder.list()                     # {"dataset_info.json": 5120, …}
    folder.replace("marker", b"…")    # The complete file, or the old one.

Errors of the user or of the data are `storage.UserError` all over the project.
"""

from storage.errors import UserError
from storage.folder import Folder
from storage.local_folder import file_digest, write_whole
from storage.spool import Spool
from storage.urls import open_folder

__all__ = [
    "Folder",
    "Spool",
    "UserError",
    "file_digest",
    "open_folder",
    "write_whole",
]
