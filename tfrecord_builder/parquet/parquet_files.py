"""The parquet files of a folder, sorted by name, opened one at a time."""

import contextlib
import fnmatch
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

import storage
from storage import Folder, Spool, UserError


class ParquetFiles:
    """Parquet files; each is identified by its index in the list of names.

    Args:
        folder: The folder of the files; it can be a .zip.
        names: Their names in the folder.
        spool: Copies files that are not on a local disk.
    """

    def __init__(
        self,
        folder: Folder,
        names: Sequence[str],
        spool: Spool,
    ) -> None:
        self._url = folder.url
        self._names = names
        self._spool = spool
        self._opened: tuple[int, pq.ParquetFile] | None = None

    def where(self, i: int) -> str:
        """Returns a file's URL or path, for errors."""
        return f"{self._url}/{self._names[i]}"

    def open(self, i: int) -> pq.ParquetFile:
        """Opens a file; the last one stays open (a footer has 5-13 MB)."""
        if self._opened is None or self._opened[0] != i:
            self._opened = None
            path = self._spool.local_path(self._names[i])
            with _clear_errors(self.where(i)):
                self._opened = (i, pq.ParquetFile(path))
        return self._opened[1]

    @contextlib.contextmanager
    def readable(self, i: int) -> Iterator[pq.ParquetFile]:
        """Opens a file to read from it within the block.

        Raises:
            UserError: It is not a complete parquet file.
        """
        parquet = self.open(i)
        with _clear_errors(self.where(i)):
            yield parquet

    def read_ids(self, i: int) -> pa.LargeStringArray:
        """Returns the image ids of a file, in row order."""
        with self.readable(i) as parquet:
            column = parquet.read(columns=["image_id"]).column("image_id")
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(
                f"{self.where(i)}: row {row}: expected an image_id, got null"
            )
        return column.cast(pa.large_string()).combine_chunks()

    def digest(self, i: int) -> str:
        """Returns the sha256 of a file's bytes, in hex."""
        return storage.file_digest(self._spool.local_path(self._names[i]))


@contextlib.contextmanager
def _clear_errors(where: str) -> Iterator[None]:
    """Raises one clear error for a file that pyarrow cannot read."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # An error of the disk or of the mount.
        raise UserError(
            f"{where}: not a complete parquet file ({_first_line(error)}); "
            "copy or download it again"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


def find_files(folder: Folder, glob: str) -> list[str]:
    """Returns the names that match `glob`, in natural order.

    Raises:
        UserError: No name matches, or the folder does not exist.
    """
    files = folder.list()
    if not files and folder.path is not None and not folder.path.is_dir():
        raise UserError(f"{folder.url}: no such folder (--input_dir)")
    names = sorted(fnmatch.filter(files, glob), key=_natural)
    if not names:
        raise UserError(
            f"{folder.url}: no file named {glob} in it; it holds "
            f"{', '.join(sorted(files)[:8]) or 'nothing'}; select files with "
            "--input_glob"
        )
    return names


def _natural(name: str) -> list:
    """Returns a sort key that puts data_10 after data_2."""
    return [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", name)]
