"""OUTPUT/.beam: files that the driver and Beam's workers exchange.

    <run>-ids-00003         ids and sizes of input file 3           Arrow IPC
    <run>-plan-00003        shard and offset of file 3's images     Arrow IPC
    <run>-fold0-00000-of-…  a finished shard
    <run>-shards            records, bytes and SHA-256 of each      JSON
    <run>-error-2-…         a mistake in the data                   text

Every file appears completely or not at all, under a name that no other run
uses. So a bundle that is repeated, or run twice at once, writes the same bytes
to the same name, and a worker of an abandoned run cannot harm a later run.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

import storage
from storage import Folder, Scratch, UserError, whole_file

NAME = ".beam"


@dataclasses.dataclass(frozen=True)
class Exchange:
    """The files of one run. It is sent to workers, so it holds only names.

    Attributes:
        output_dir: The folder or gs:// prefix of the dataset.
        run: A name that no other run has.
    """

    output_dir: str
    run: str

    @property
    def output(self) -> Folder:
        return storage.open_folder(self.output_dir)

    @property
    def folder(self) -> Folder:
        return storage.open_folder(f"{self.output_dir.rstrip('/')}/{NAME}")

    def name(self, what: str) -> str:
        """Returns the name of a file of this run in the folder."""
        return f"{self.run}-{what}"

    def write(self, what: str, data: bytes) -> None:
        folder = self.folder
        folder.make()
        folder.replace(self.name(what), data)

    def read(self, what: str) -> bytes:
        return self.folder.read_bytes(self.name(what))

    def write_table(self, what: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        self.write(what, sink.getvalue().to_pybytes())

    def read_table(self, what: str) -> pa.Table:
        return pa.ipc.open_stream(self.read(what)).read_all()

    @contextlib.contextmanager
    def whole_file(self, what: str) -> Iterator[BinaryIO]:
        """Yields a large file to write; it appears when it is closed."""
        folder = self.folder
        folder.make()
        if folder.path is not None:
            path = folder.path / self.name(what)
            with whole_file.whole_file(path) as sink:
                yield sink
        else:
            with Scratch() as scratch:
                with open(scratch / what, "wb") as sink:
                    yield sink
                folder.upload(scratch / what, self.name(what))

    @contextlib.contextmanager
    def report_errors(self, *order: int) -> Iterator[None]:
        """Reports a mistake in the data to the driver, and continues.

        Otherwise a runner would try the bundle four times, and then log a
        traceback.

        Args:
            order: Numbers that order the mistakes. The driver raises the lowest
                one, which is also the first that the local engine finds.
        """
        try:
            yield
        except UserError as error:
            self.write(_error_name(order), str(error).encode())

    def failed_before(self, *order: int) -> bool:
        """Returns whether a mistake before `order` was reported."""
        return any(name < _error_name(order) for name in self._errors())

    def raise_error(self) -> None:
        """Raises the first mistake that workers reported, if any."""
        for error in self._errors()[:1]:
            raise UserError(self.read(error).decode())

    def clear(self, run: str = "") -> None:
        """Removes the files of a run; without `run`, of all runs."""
        folder = self.folder
        for name in folder.list():
            if name.startswith(run):
                folder.delete(name)
        if folder.path is not None:
            with contextlib.suppress(OSError):  # Missing, or in use again.
                folder.path.rmdir()

    def _errors(self) -> list[str]:
        start = self.name("error-")
        names = sorted(n for n in self.folder.list() if n.startswith(start))
        return [name.removeprefix(f"{self.run}-") for name in names]


def _error_name(order: tuple[int, ...]) -> str:
    return "error-" + "-".join(f"{number:012d}" for number in order)
