"""Predicted probabilities on disk: a part for each source file, then all.

    image_id: string, <output>: fixed_size_list<float>[classes], …

A part is written when its file is predicted, and says what it was made from
and by; a process that is started again uses the parts that exist. A part is a
line with the sha256 of what follows, and a parquet file: a parquet's own
checksums leave out its footer. A column's metadata names its classes.
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
        folder: Where they lie; made when the first is written.
        classes: By output, the names of its classes.
        made_by: Whatever else decides the numbers, by name: models, settings,
            versions of libraries, the device.
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
        """Returns whether the part of the file `name` of that sha256 exists.

        One that is damaged or was made otherwise does not count.
        """
        path = self._path(name)
        if not path.exists():
            return False
        try:
            schema = pq.read_schema(self._open(name))
        except (DigestError, OSError) as error:
            logging.warning("%s is damaged: made anew (%s)", path, error)
            return False
        made = json.loads(schema.metadata[_KEY])
        if differ := _differences(made, self._key(digest)):
            logging.warning("%s differs in its %s: made anew", path, differ)
            return False
        return True

    def write(
        self,
        name: str,
        digest: str,
        image_ids: Sequence[str],
        probabilities: Mapping[str, np.ndarray],
    ) -> None:
        """Writes the part of the file `name`, whole or not at all.

        Args:
            name: The source file's name.
            digest: Its sha256.
            image_ids: [n] ids.
            probabilities: By output, [n, C] float32.
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
        """Returns a part's image ids and, by output, [n, C] float32.

        Raises:
            UserError: It is damaged.
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
            UserError: One of them is damaged.
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
                f"makes it anew ({error})"
            ) from error

    def _open(self, name: str) -> pa.BufferReader:
        """Returns the parquet file of a part.

        Raises:
            DigestError: Its bytes are not those that were written.
        """
        data = self._path(name).read_bytes()
        digest, _, content = data.partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            raise DigestError("its bytes are not those of its sha256")
        return pa.BufferReader(content)

    def _key(self, digest: str) -> dict:
        return {"source": digest, **self._made_by}


def _differences(old: Mapping, new: Mapping) -> str:
    """Returns the names of the values that differ, with them if short."""
    return ", ".join(
        f"{name} ({old.get(name)}, now {new.get(name)})"
        if name != "source" and isinstance(new.get(name), (str, int))
        else name
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )
