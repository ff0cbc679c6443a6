"""A prefix of a Google Cloud Storage bucket as a folder.

The crc32c of every transfer is checked in both directions. The client library
repeats a failed transfer for up to two minutes. STORAGE_EMULATOR_HOST selects
an emulator.
"""

import base64
import contextlib
import errno
import hashlib
import pathlib
import threading
from collections.abc import Iterator, Mapping

import google_crc32c
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage import exceptions as transfer
from google.cloud.storage import transfer_manager
from google.cloud.storage.retry import DEFAULT_RETRY

from storage import hangs, whole_file
from storage.errors import GaveUpError, UserError
from storage.folder import Folder

_RETRY = DEFAULT_RETRY.with_timeout(120.0)
_OPTIONS = {"checksum": "crc32c", "retry": _RETRY, "timeout": (10, 120)}
_FILES_AT_ONCE = 8
_clients = threading.local()


@hangs.all_reported
class GcsFolder:
    """A prefix of a bucket; see `storage.folder.Folder`."""

    path = None

    def __init__(self, url: str) -> None:
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        if not bucket:
            raise UserError(f"{url}: expected gs://bucket/prefix")
        self.url = url
        self._bucket_name = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

    def list(self) -> dict[str, int]:
        with self._errors("listing"):
            blobs = self._bucket().list_blobs(
                prefix=self._prefix, delimiter="/", retry=_RETRY
            )
            names = {b.name[len(self._prefix) :]: b.size for b in blobs}
        return {name: size for name, size in names.items() if name}

    def read_bytes(self, name: str) -> bytes:
        with self._errors(name, reading=True):
            return self._blob(name).download_as_bytes(**_OPTIONS)

    def replace(self, name: str, data: bytes) -> None:
        with self._errors(name):
            self._blob(name).upload_from_string(
                data, content_type="application/octet-stream", **_OPTIONS
            )

    def create(self, name: str, data: bytes) -> None:
        try:
            with self._errors(name):
                self._blob(name).upload_from_string(
                    data,
                    content_type="application/octet-stream",
                    if_generation_match=0,
                    **_OPTIONS,
                )
        except FileExistsError:
            # An earlier try may have succeeded, but its response was lost.
            if self.read_bytes(name) != data:
                raise

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        self.upload_many({name: path})

    def upload_many(self, files: Mapping[str, str | pathlib.Path]) -> None:
        pairs = [(str(path), self._blob(n)) for n, path in files.items()]
        results = transfer_manager.upload_many(
            pairs,
            upload_kwargs={"if_generation_match": 0, **_OPTIONS},
            worker_type=transfer_manager.THREAD,
            max_workers=_FILES_AT_ONCE,
        )
        for (name, path), result in zip(files.items(), results, strict=True):
            try:
                with self._errors(name):
                    if isinstance(result, Exception):
                        raise result
            except FileExistsError:
                # An earlier try may have succeeded, but its response was lost.
                if not self.has_same_bytes(path, name):
                    raise

    def download(
        self, name: str, path: str | pathlib.Path, *, sha256: str | None = None
    ) -> None:
        with (
            self._errors(name, reading=True),
            whole_file.whole_file(path, sha256=sha256) as sink,
        ):
            self._blob(name).download_to_file(sink, **_OPTIONS)

    def move_in(self, source: Folder, name: str, new_name: str) -> None:
        if not isinstance(source, GcsFolder):
            raise TypeError(f"{source.url} is not in a bucket")
        blob, target = source._blob(name), self._blob(new_name)
        with self._errors(new_name, reading=True):
            token, _, _ = target.rewrite(blob, retry=_RETRY)
            while token:  # A large file needs several calls.
                token, _, _ = target.rewrite(blob, token=token, retry=_RETRY)
            blob.delete(retry=_RETRY)

    def has_same_bytes(
        self,
        path: str | pathlib.Path,
        name: str,
        *,
        sha256: str | None = None,
    ) -> bool:
        with self._errors(name, reading=True):
            blob = self._bucket().get_blob(self._prefix + name, retry=_RETRY)
        if blob is None or blob.size != pathlib.Path(path).stat().st_size:
            return False
        crc, digest = google_crc32c.Checksum(), hashlib.sha256()
        with open(path, "rb") as file:
            for data in crc.consume(file, 8 << 20):
                if sha256 is not None:
                    digest.update(data)
        if sha256 not in (None, digest.hexdigest()):
            return False
        return base64.b64encode(crc.digest()).decode() == blob.crc32c

    def delete(self, name: str) -> None:
        with (
            contextlib.suppress(FileNotFoundError),
            self._errors(name, reading=True),
        ):
            self._blob(name).delete(retry=_RETRY)

    def make(self) -> None:
        """Does nothing: a prefix exists when it has an object."""

    def _bucket(self) -> storage.Bucket:
        # One client per thread: its connection pool is not thread-safe.
        if not hasattr(_clients, "client"):
            _clients.client = storage.Client()
        return _clients.client.bucket(self._bucket_name)

    def _blob(self, name: str) -> storage.Blob:
        return self._bucket().blob(self._prefix + name)

    @contextlib.contextmanager
    def _errors(self, what: str, *, reading: bool = False) -> Iterator[None]:
        """Converts the library's errors to OSError or UserError."""
        where = f"gs://{self._bucket_name}/{self._prefix}{what}"
        try:
            yield
        except api.NotFound:
            if not reading:
                raise UserError(
                    f"gs://{self._bucket_name}: no such bucket"
                ) from None
            raise FileNotFoundError(errno.ENOENT, "not there", where) from None
        except api.PreconditionFailed:
            raise FileExistsError(
                errno.EEXIST, "already there", where
            ) from None
        except (auth.GoogleAuthError, api.Forbidden, api.Unauthorized) as error:
            raise UserError(
                f"{where}: no access ({_first_line(error)}); log in, in Colab "
                "by google.colab.auth.authenticate_user(), else by gcloud auth "
                "application-default login"
            ) from None
        except (transfer.DataCorruption, transfer.InvalidResponse) as error:
            raise OSError(errno.EIO, _first_line(error), where) from error
        except (api.GoogleAPIError, requests.RequestException) as error:
            # The library has already repeated it for two minutes.
            raise GaveUpError(errno.EIO, _first_line(error), where) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
