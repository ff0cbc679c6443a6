"""One interface for a local (or Drive) folder, a .zip and a gs:// prefix.

    folder = storage.open_folder("gs://bucket/records")
    folder.list()                     # {"dataset_info.json": 5120, …}
    folder.replace("marker", b"…")    # The complete file, or the old one.

folder        the interface of a folder
urls          opens the folder of a path or URL
local_folder  a folder on this machine; also zip_folder and gcs_folder
file_names    names read from a manifest, and names of copies that Drive made
whole_file    files that appear complete, or not at all
digests       sha256 of files
retry         repeats operations that failed for a moment
hangs         reports calls of a folder that do not end
ownership     only one process at a time owns a folder
mounts        whether a folder is on a mount
mount_guard   whether a folder is still on its mount
spool         local copies for readers that seek
scratch       temporary folders that are removed even after a kill

Errors of the user or of the data are `storage.UserError` in the whole project.
"""

from storage.digests import file_digest
from storage.errors import DigestError, LostError, UserError
from storage.folder import Folder
from storage.scratch import Scratch
from storage.spool import Spool
from storage.urls import open_folder
from storage.whole_file import write_whole

__all__ = [
    "DigestError",
    "Folder",
    "LostError",
    "Scratch",
    "Spool",
    "UserError",
    "file_digest",
    "open_folder",
    "write_whole",
]
