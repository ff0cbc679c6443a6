"""Any small table in, its records out, whatever the way there was."""

import pathlib
import tempfile

import drawn_datasets
import numpy as np
import tensorflow as tf
import tiny_data
from hypothesis import given, settings

from tfrecord_builder.building.staging import Staging
from tfrecord_builder.planning import folds
from tfrecord_builder.records import dataset_info


def build(folder, output, recipe, way) -> dict[str, bytes]:
    """Builds, stopped after so many lines of the journal, and then whole."""
    options = {"label_columns": ["a", "b"], "num_workers": way["workers"]}
    add = Staging._add

    class StopError(Exception):
        pass

    for stop in way["stops"]:
        lines = []

        def add_and_stop(self, line, lines=lines, stop=stop):
            if len(lines) == stop:
                raise StopError
            lines.append(line)
            add(self, line)

        Staging._add = add_and_stop
        try:
            tiny_data.build(str(folder), str(output), recipe, **options)
        except StopError:
            pass
        finally:
            Staging._add = add
    tiny_data.build(str(folder), str(output), recipe, **options)
    return {
        path.name: path.read_bytes()
        for path in pathlib.Path(output).iterdir()
        if path.name != "build_log.json"
    }


def read_plainly(path, height, width) -> list[tuple]:
    """Reads a shard by TensorFlow alone."""
    schema = {
        "image_id": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
        "grapheme": tf.io.FixedLenFeature([], tf.string),
        "a": tf.io.FixedLenFeature([], tf.int64),
        "b": tf.io.FixedLenFeature([], tf.int64),
    }
    rows = []
    for record in tf.data.TFRecordDataset(str(path)):
        f = tf.io.parse_single_example(record, schema)
        image = f["image"].numpy()
        if path.parent.name.endswith("png"):
            image = tf.io.decode_png(image, channels=1).numpy().tobytes()
        pixels = np.frombuffer(image, np.uint8).reshape(height, width)
        rows.append(
            (
                f["image_id"].numpy().decode(),
                pixels.tolist(),
                [int(f["a"]), int(f["b"])],
                f["grapheme"].numpy().decode(),
            )
        )
    return rows


@settings(deadline=None, max_examples=25)
@given(drawn_datasets.datasets(), drawn_datasets.WAYS, drawn_datasets.WAYS)
def test_any_table(dataset, way, other_way):
    ids, images, labels, graphemes, recipe = dataset
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        built = []
        for name, w in (("one", way), ("two", other_way)):
            drawn_datasets.write_source(
                folder / name, ids, images, labels, graphemes, w
            )
            output = folder / f"{name}-{recipe.image_encoding}"
            built.append(build(folder / name, output, recipe, w))
        assert built[0] == built[1]

        info = dataset_info.read(output)
        all_rows = []
        for split in info.splits.values():
            rows = [
                row
                for shard in split.shards
                for row in read_plainly(output / shard.name, *images.shape[1:])
            ]
            assert len(rows) == split.records
            order = [(folds.text_hash(recipe.seed, r[0]), r[0]) for r in rows]
            assert order == sorted(order)
            all_rows += rows
        expected = zip(
            ids, images.tolist(), labels.tolist(), graphemes, strict=True
        )
        assert sorted(all_rows) == sorted(expected)
