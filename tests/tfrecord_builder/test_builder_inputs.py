"""Input as people have it gives the bytes that plain input gives."""

import csv
import pathlib
import zipfile

import gcs_emulators
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_data

import storage
from storage import UserError
from tfrecord_builder import verify
from tfrecord_builder.parquet import parquet_reader
from tfrecord_builder.planning.plan import BuildRecipe
from tfrecord_builder.records import dataset_info

RECIPE = tiny_data.RECIPE
WHOLE = {"build_log.json"}  # Holds seconds.


def read_dataset(folder) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in pathlib.Path(folder).iterdir()
        if path.name not in WHOLE
    }


@pytest.fixture
def source(tmp_path):
    """A folder of 60 images in 2 files, and their arrays."""
    return tmp_path / "in", tiny_data.write_dataset(tmp_path / "in")


@pytest.fixture(scope="module")
def expected(tiny_source, tmp_path_factory):
    """What `tiny_source` gives."""
    return build(tiny_source, tmp_path_factory.mktemp("expected") / "out")


def build(folder, output, **options) -> dict[str, bytes]:
    tiny_data.build(str(folder), str(output), RECIPE, **options)
    return read_dataset(output)


def rewrite(folder, change, **options) -> None:
    """Rewrites each parquet file by `change(table)`."""
    for path in folder.glob("*.parquet"):
        pq.write_table(change(pq.read_table(path)), path, **options)


def cast_pixels(kind):
    def change(table):
        fields = [
            pa.field(f.name, kind if f.name.isdecimal() else f.type)
            for f in table.schema
        ]
        return table.cast(pa.schema(fields))

    return change


def cast_ids(kind):
    def change(table):
        column = table.column("image_id").combine_chunks()
        if pa.types.is_dictionary(kind):
            column = column.dictionary_encode()
        return table.set_column(0, "image_id", column.cast(kind))

    return change


def mix_types(table):
    """Neighbouring pixel columns are of several types."""
    kinds = [pa.uint8(), pa.int64(), pa.float32()]
    for i, name in enumerate(table.column_names[1:]):
        column = table.column(name).cast(kinds[i % 3])
        table = table.set_column(i + 1, name, column)
    return table


def shuffle_columns(table):
    order = np.random.default_rng(0).permutation(table.num_columns)
    return table.select([table.column_names[i] for i in order])


def keep(table):
    return table


VARIANTS = {
    "groups of 7 rows": (keep, {"row_group_size": 7}),
    "groups of 1 row": (keep, {"row_group_size": 1}),
    "zstd": (keep, {"compression": "zstd"}),
    "gzip": (keep, {"compression": "gzip"}),
    "uncompressed": (keep, {"compression": "none"}),
    "no dictionaries": (keep, {"use_dictionary": False}),
    "int32": (cast_pixels(pa.int32()), {}),
    "int64": (cast_pixels(pa.int64()), {}),
    "float32": (cast_pixels(pa.float32()), {"row_group_size": 7}),
    "float64": (cast_pixels(pa.float64()), {}),
    "mixed types": (mix_types, {}),
    "columns in any order": (shuffle_columns, {"row_group_size": 7}),
    "large_string": (cast_ids(pa.large_string()), {}),
    "dictionary": (cast_ids(pa.dictionary(pa.int32(), pa.string())), {}),
    "extra column": (lambda t: t.append_column("x", [["a"] * len(t)]), {}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_parquet_variants(source, tmp_path, expected, name):
    change, options = VARIANTS[name]
    rewrite(source[0], change, **options)
    assert build(source[0], tmp_path / "out") == expected


def test_other_files_of_the_same_rows(source, tmp_path, expected):
    """5 files; their names sort by number, though the order decides nothing."""
    folder, (ids, images, _, _) = source
    for path in folder.glob("*.parquet"):
        path.unlink()
    for k, part in enumerate(np.array_split(np.arange(60)[::-1], 5)):
        tiny_data.write_parquet(
            folder / f"train_image_data_{k + 8}.parquet",
            [ids[i] for i in part],
            images[part],
        )
    assert build(folder, tmp_path / "out") == expected
    opened = parquet_reader.open_source(
        folder, "*.parquet", height=12, width=16
    )
    numbers = [file.name.split("_")[-1] for file in opened.files]
    assert numbers == [f"{k}.parquet" for k in (8, 9, 10, 11, 12)]


def test_an_empty_file_among_others(source, tmp_path, expected):
    folder = source[0]
    table = pq.read_table(folder / "train_image_data_0.parquet")
    pq.write_table(table.slice(0, 0), folder / "train_image_data_2.parquet")
    assert build(folder, tmp_path / "out") == expected


def test_csv_of_windows(source, tmp_path, expected):
    for name in ("train.csv", "class_map.csv"):
        path = source[0] / name
        text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert build(source[0], tmp_path / "out") == expected


def test_csv_with_quotes_and_other_columns(source, tmp_path, expected):
    path = source[0] / "train.csv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([[*row[::-1], "a,\nb"] for row in rows])
    assert build(source[0], tmp_path / "out") == expected


def test_labels_of_other_spellings(source, tmp_path, expected):
    """1, 01 and +1 are one label, so such images show one grapheme."""
    path = source[0] / "train.csv"
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    ways = ["{}", "0{}", " +{}"]
    rows = [
        [i, *map(ways[k % 3].format, labels), text]
        for k, (i, *labels, text) in enumerate(rows)
    ]
    tiny_data.write_csv(path, [header, *rows])
    assert build(source[0], tmp_path / "out") == expected


def test_without_grapheme_the_labels_stand_in(tmp_path):
    dataset = tiny_data.write_dataset(tmp_path / "in", grapheme=False)
    build(tmp_path / "in", tmp_path / "out")
    info = dataset_info.read(tmp_path / "out")
    expected = {tuple(row) for row in dataset[2].tolist()}
    assert {g.labels for g in info.graphemes} == expected
    assert {g.text for g in info.graphemes} == {
        ",".join(map(str, row)) for row in expected
    }


def test_other_outputs_and_size(tmp_path):
    """No class_map.csv: classes are 0 to the highest label."""
    outputs = {"letter": 5, "style": 2}
    tiny_data.write_dataset(
        tmp_path / "in", height=7, width=5, outputs=outputs, class_map=False
    )
    recipe = BuildRecipe(7, 5, "raw", 3, 0.0, 100, 0)
    info = tiny_data.build(
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        recipe,
        label_columns=["letter", "style"],
    )
    assert [o.name for o in info.outputs] == ["letter", "style"]
    assert [o.classes for o in info.outputs] == [
        ("0", "1", "2", "3", "4"),
        ("0", "1"),
    ]
    assert (info.image.height, info.image.width) == (7, 5)
    assert info.resize is None


def test_resized(source, tmp_path):
    """Stored at half the size; the source's is recorded."""
    recipe = BuildRecipe(6, 8, "raw", 3, 0.0, 100, 0)
    info = tiny_data.build(
        str(source[0]),
        str(tmp_path / "out"),
        recipe,
        source_height=12,
        source_width=16,
    )
    assert info.source_image == {"height": 12, "width": 16}
    assert info.resize == {"method": "area", "height": 6, "width": 8}
    assert (info.image.height, info.image.width) == (6, 8)
    verify.verify(str(tmp_path / "out"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(source, tmp_path, expected, method):
    path = tmp_path / "bengaliai-cv19.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in source[0].iterdir():
            archive.write(file, file.name)
    assert build(path, tmp_path / "out") == expected
    # The second start neither unpacks nor builds.
    assert build(path, tmp_path / "out") == expected


def test_through_a_spool(source, tmp_path, expected):
    """As on a mount: copied in, built on local disk, copied out."""
    spool = tmp_path / "spool"
    files = build(
        source[0], tmp_path / "out", spool="always", spool_dir=str(spool)
    )
    assert files == expected
    assert list(spool.iterdir()) == []


def test_ranges_of_a_large_row_group(source, tmp_path, expected, monkeypatch):
    """A row group that is too large for memory is read in several passes."""
    monkeypatch.setattr(parquet_reader, "RANGE_BYTES", 11 * 192)
    monkeypatch.setattr(parquet_reader, "BLOCK_BYTES", 100)
    assert build(source[0], tmp_path / "out") == expected


@pytest.mark.parametrize("server", ["gcp_storage_emulator", "fake_gcs_server"])
def test_gs(source, tmp_path, expected, monkeypatch, server):
    """From gs:// to gs://, and a second time: nothing to do."""
    with getattr(gcs_emulators, server)() as host:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        from storage import gcs_folder

        gcs_folder._clients.__dict__.clear()
        bucket = f"gs://{gcs_emulators.BUCKET}"
        bucket_folder = storage.open_folder(f"{bucket}/competition")
        bucket_folder.upload_many({p.name: p for p in source[0].iterdir()})
        output = f"{bucket}/records"
        options = {"spool_dir": str(tmp_path / "spool")}
        tiny_data.build(f"{bucket}/competition", output, RECIPE, **options)
        folder = storage.open_folder(output)
        files = {n: folder.read_bytes(n) for n in folder.list()}
        assert {k: v for k, v in files.items() if k not in WHOLE} == expected
        assert list((tmp_path / "spool").iterdir()) == []
        assert storage.open_folder(f"{output}/lease").list() == {}

        verify.verify(output)
        tiny_data.build(f"{bucket}/competition", output, RECIPE, **options)
        assert not list((tmp_path / "spool").iterdir())
        folder.delete("fold1-00001-of-00002.tfrecord")
        with pytest.raises(UserError, match="1 of 6 shards"):
            verify.verify(output)
        with pytest.raises(UserError, match="fold1-00001.* is missing"):
            dataset_info.read(output)
