"""Any small table in, its records out, whatever the way there was."""

import pathlib
import tempfile

import numpy as np
import tensorflow as tf
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_builder import dataset_info, folds, run
from tfrecord_builder.plan import Recipe
from tfrecord_builder.staging import Staging


@st.composite
def datasets(draw):
    """Returns (ids, images, labels, graphemes, recipe) of any small table."""
    count = draw(st.integers(2, 24))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    ids = draw(
        st.lists(
            st.text(
                st.characters(
                    exclude_categories=["Cs"], exclude_characters="\0\r"
                ),
                min_size=1,
                max_size=12,
            ),
            min_size=count,
            max_size=count,
            unique=True,
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    recipe = Recipe(
        image_height=height,
        image_width=width,
        image_encoding=draw(st.sampled_from(["raw", "png"])),
        num_folds=draw(st.integers(1, min(4, count))),
        unseen_graphemes=0.0,
        shard_mb=draw(st.sampled_from([1, 100])),
        seed=draw(st.integers(0, 2**63 - 1)),
    )
    images = rng.integers(0, 256, (count, height, width), np.uint8)
    labels = rng.integers(0, draw(st.integers(1, 300)), (count, 2))
    graphemes = draw(
        st.lists(
            st.sampled_from(["ক", "ক্ট্রো", "", "a,b"]),
            min_size=count,
            max_size=count,
        )
    )
    return ids, images, labels.astype(np.int64), graphemes, recipe


WAYS = st.fixed_dictionaries(
    {
        "files": st.integers(1, 4),
        "group": st.sampled_from([None, 1, 3, 5]),
        "workers": st.integers(1, 4),
        "stops": st.lists(st.integers(1, 8), max_size=3),
        "reverse": st.booleans(),
    }
)


def write_source(folder, ids, images, labels, graphemes, way) -> None:
    """Writes the table in one of many ways."""
    folder.mkdir()
    order = np.arange(len(ids))[:: -1 if way["reverse"] else 1]
    for k, part in enumerate(np.array_split(order, way["files"])):
        tiny_data.write_parquet(
            folder / f"train_image_data_{k}.parquet",
            [ids[i] for i in part],
            images[part],
            row_group_size=way["group"],
        )
    rows = zip(ids, labels.tolist(), graphemes, strict=True)
    tiny_data.write_csv(
        folder / "train.csv",
        [["image_id", "a", "b", "grapheme"], *([i, *r, g] for i, r, g in rows)],
    )


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
            run.run(str(folder), str(output), recipe, **options)
        except StopError:
            pass
        finally:
            Staging._add = add
    run.run(str(folder), str(output), recipe, **options)
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
@given(datasets(), WAYS, WAYS)
def test_any_table(dataset, way, other_way):
    ids, images, labels, graphemes, recipe = dataset
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        built = []
        for name, w in (("one", way), ("two", other_way)):
            write_source(place / name, ids, images, labels, graphemes, w)
            output = place / f"{name}-{recipe.image_encoding}"
            built.append(build(place / name, output, recipe, w))
        assert built[0] == built[1]

        info = dataset_info.read(output)
        found = []
        for split in info.splits.values():
            rows = [
                row
                for shard in split.shards
                for row in read_plainly(output / shard.name, *images.shape[1:])
            ]
            assert len(rows) == split.records
            order = [(folds.place(recipe.seed, r[0]), r[0]) for r in rows]
            assert order == sorted(order)
            found += rows
        expected = zip(
            ids, images.tolist(), labels.tolist(), graphemes, strict=True
        )
        assert sorted(found) == sorted(expected)
