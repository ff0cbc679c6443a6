"""Predicted probabilities on disk: a part for each source file, then all.

    image_id: string, <output>: fixed_size_list<float>[classes], …

A part is written when its file is predicted. It stores the digest of the file
and what made the predictions; a process that is started again uses the parts
that exist. A part is one line with the sha256 of the rest, then a parquet file,
because the checksums of parquet do not cover its footer. The metadata of a
column names its classes.
"""

import hashlib
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import logging

from storage import DigestError, UserError, whole_file

_KEY = b"made_from"


class Parts:
    """The parts of one submission.

    Args:
        folder: Folder of the parts; created when the first part is written.
        classes: The names of the classes of each output.
        made_by: Everything else that the numbers depend on, by name: models,
            settings, versions of libraries, the device.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        classes: Mapping[str, Sequence[str]],
        made_by: Mapping,
    ) -> None:
        self.folder = folder
        self._made_by = made_by
        fields = [
            pa.field(
                name,
                pa.list_(pa.float32(), len(names)),
                metadata={"classes": json.dumps(names, ensure_ascii=False)},
            )
            for name, names in classes.items()
        ]
        self._schema = pa.schema([("image_id", pa.string()), *fields])

    def has(self, name: str, digest: str) -> bool:
        """Returns whether there is a part of the file `name` with that sha256.

        A part that is damaged or was made with other values of `made_by` does
        not count.
        """
        path = self._path(name)
        if not path.exists():
            return False
        try:
            schema = pq.read_schema(self._open(name))
        except (DigestError, OSError) as error:
            logging.warning("%s is damaged: made again (%s)", path, error)
            return False
        made = json.loads(schema.metadata[_KEY])
        if differ := _differences(made, self._key(digest)):
            logging.warning("%s differs in its %s: made again", path, differ)
            return False
        return True

    def write(
        self,
        name: str,
        digest: str,
        image_ids: Sequence[str],
        probabilities: Mapping[str, np.ndarray],
    ) -> None:
        """Writes the part of the file `name`, completely or not at all.

        Args:
            name: The source file's name.
            digest: Its sha256.
            image_ids: [n] ids.
            probabilities: For each output, [n, C] float32.
        """
        columns = [pa.array(image_ids, pa.string())]
        for field in list(self._schema)[1:]:
            columns.append(
                pa.FixedSizeListArray.from_arrays(
                    pa.array(probabilities[field.name].reshape(-1)),
                    field.type.list_size,
                )
            )
        key = json.dumps(self._key(digest), sort_keys=True)
        schema = self._schema.with_metadata({_KEY: key})
        table = pa.table(columns, schema=schema)
        content = pa.BufferOutputStream()
        pq.write_table(table, content, use_dictionary=False)
        content = content.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file.whole_file(self._path(name)) as sink:
            sink.write(hashlib.sha256(content).hexdigest().encode() + b"\n")
            sink.write(content)

    def read(self, name: str) -> tuple[list[str], dict[str, np.ndarray]]:
        """Returns a part's image ids and, for each output, [n, C] float32.

        Raises:
            UserError: The part is damaged.
        """
        table = self._read_table(name)
        probabilities = {
            field.name: table.column(field.name)
            .combine_chunks()
            .flatten()
            .to_numpy()
            .reshape(-1, field.type.list_size)
            for field in list(self._schema)[1:]
        }
        return table.column("image_id").to_pylist(), probabilities

    def join(self, path: pathlib.Path, names: Sequence[str]) -> None:
        """Writes the parts of `names` to one parquet file, in that order.

        Raises:
            UserError: A part is damaged.
        """
        with (
            whole_file.whole_file(path) as sink,
            pq.ParquetWriter(sink, self._schema, use_dictionary=False) as all_,
        ):
            for name in names:
                table = self._read_table(name)
                all_.write_table(table.cast(self._schema))

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _path(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}.probabilities"

    def _read_table(self, name: str) -> pa.Table:
        try:
            return pq.read_table(self._open(name))
        except (DigestError, OSError) as error:
            raise UserError(
                f"{self._path(name)} is damaged: run the command again, which "
                f"makes it again ({error})"
            ) from error

    def _open(self, name: str) -> pa.BufferReader:
        """Returns the parquet file of a part.

        Raises:
            DigestError: Its bytes do not have the sha256 in its first line.
        """
        data = self._path(name).read_bytes()
        digest, _, content = data.partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            raise DigestError("its bytes are not those of its sha256")
        return pa.BufferReader(content)

    def _key(self, digest: str) -> dict:
        return {"source": digest, **self._made_by}


def _differences(old: Mapping, new: Mapping) -> str:
    """Returns the names of the values that differ, with short values."""
    return ", ".join(
        f"{name} ({old.get(name)}, now {new.get(name)})"
        if name != "source" and isinstance(new.get(name), (str, int))
        else name
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )
