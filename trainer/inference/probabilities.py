"""Predicted probabilities on disk: a part for each source file, then all.

    image_id: string, <output>: fixed_size_list<float>[classes], …

A part is written when its file is predicted, and says what it was made from
and by; a process that is started again uses the parts that exist. A
column's metadata names its classes.
"""

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import logging

from storage import whole_file

_KEY = b"made_from"


class Parts:
    """The parts of one submission.

    Args:
        folder: Where they lie; made when the first is written.
        classes: By output, the names of its classes.
        made_by: Whatever else decides the numbers: models, settings.
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
        """Returns whether the part of the file `name` of that sha256 exists."""
        path = self._path(name)
        if not path.exists():
            return False
        try:
            key = pq.read_schema(path).metadata[_KEY]
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            logging.warning("%s is damaged: made anew (%s)", path, error)
            return False
        if key != self._key(digest):
            logging.warning(
                "%s was made from another file, by other models or with other "
                "flags: made anew",
                path,
            )
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
        schema = self._schema.with_metadata({_KEY: self._key(digest)})
        table = pa.table(columns, schema=schema)
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file.whole_file(self._path(name)) as sink:
            pq.write_table(table, sink, use_dictionary=False)

    def read(self, name: str) -> tuple[list[str], dict[str, np.ndarray]]:
        """Returns a part's image ids and, by output, [n, C] float32."""
        table = pq.read_table(self._path(name))
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
        """Writes the parts of `names` to one parquet file, in that order."""
        with (
            whole_file.whole_file(path) as sink,
            pq.ParquetWriter(sink, self._schema, use_dictionary=False) as all_,
        ):
            for name in names:
                table = pq.read_table(self._path(name))
                all_.write_table(table.cast(self._schema))

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _path(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}.probabilities"

    def _key(self, digest: str) -> bytes:
        key = {"source": digest, **self._made_by}
        return json.dumps(key, sort_keys=True).encode()
