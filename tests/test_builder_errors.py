"""Bad input: one clear line, exit code 1, nothing that looks finished."""

import csv
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_data

from storage import UserError
from tfrecord_builder import dataset_info, run, staging
from tfrecord_builder.plan import Recipe
from tfrecord_builder.staging import Staging

RECIPE = Recipe(
    image_height=12,
    image_width=16,
    image_encoding="raw",
    num_folds=3,
    unseen_graphemes=0.0,
    shard_mb=100,
    seed=0,
)


@pytest.fixture
def folder(tiny_source, tmp_path):
    """A copy of the tiny source to break."""
    return pathlib.Path(shutil.copytree(tiny_source, tmp_path / "in"))


def build(folder, output, recipe=RECIPE, **options):
    return run.run(str(folder), str(output), recipe, **options)


def change_csv(path, change) -> None:
    """Rewrites a csv by `change(rows)`, the header being rows[0]."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    tiny_data.write_csv(path, change(rows))


def change_table(path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def set_column(name, values):
    """Returns a change of a table: a column with other values."""
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array(values)
    )


def no_parquet(folder):
    for path in folder.glob("*.parquet"):
        path.unlink()


def no_csv(folder):
    (folder / "train.csv").unlink()


def no_class_map(folder):
    (folder / "class_map.csv").unlink()


def no_label_column(folder):
    change_csv(folder / "train.csv", lambda rows: [r[:2] for r in rows])


def no_image_id_column(folder):
    change_csv(folder / "train.csv", lambda rows: [r[1:] for r in rows])


def image_without_label(folder):
    change_csv(folder / "train.csv", lambda rows: rows[:-1])


def doubled_label(folder):
    change_csv(folder / "train.csv", lambda rows: [*rows, rows[5]])


def doubled_image(folder):
    shutil.copy(
        folder / "train_image_data_1.parquet",
        folder / "train_image_data_2.parquet",
    )


def label_too_large(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:7], [rows[7][0], "4", *rows[7][2:]], *rows[8:]],
    )


def label_no_number(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:7], [rows[7][0], "x", *rows[7][2:]], *rows[8:]],
    )


def label_of_20_digits(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:-1], [rows[-1][0], "9" * 20, *rows[-1][2:]]],
    )


def short_row(folder):
    change_csv(folder / "train.csv", lambda rows: [*rows, ["Train_60", "1"]])


def no_utf8(folder):
    (folder / "train.csv").write_bytes(b"image_id,\xff\xfe")


def holed_class_map(folder):
    change_csv(folder / "class_map.csv", lambda rows: [*rows[:2], *rows[3:]])


def no_pixel_column(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        lambda table: table.drop_columns(["77"]),
    )


def no_last_pixel_column(folder):
    for path in folder.glob("*.parquet"):
        change_table(path, lambda table: table.drop_columns(["191"]))


def truncated(folder):
    path = folder / "train_image_data_1.parquet"
    path.write_bytes(path.read_bytes()[:-1000])


def truncated_inside(folder):
    """Its footer is whole, its pages are not."""
    path = folder / "train_image_data_1.parquet"
    data = path.read_bytes()
    middle = len(data) // 4
    path.write_bytes(data[:middle] + b"\xff" * 2000 + data[middle + 2000 :])


def null_pixel(folder):
    values = [None, *range(29)]
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", pa.array(values, pa.uint8())),
    )


def null_id(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("image_id", [*(f"Train_{i}" for i in range(30, 59)), None]),
    )


def large_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0] * 20 + [256] + [0] * 9, np.int32)),
    )


def broken_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0.0] * 20 + [1.5] + [0.0] * 9)),
    )


def nan_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0.0] * 20 + [np.nan] + [0.0] * 9)),
    )


def text_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet", set_column("5", ["a"] * 30)
    )


CASES = [
    (no_parquet, "no file named train_image_data_.*it holds class_map.csv"),
    (no_csv, "train.csv: no such file"),
    (no_class_map, "no class_map.csv.*--label_columns"),
    (no_label_column, "missing column vowel_diacritic, consonant_diacritic"),
    (no_image_id_column, "missing column image_id"),
    (
        image_without_label,
        "1 of 60 images have no labels.*Train_59 in train_im",
    ),
    (doubled_label, "train.csv: 1 doubled image ids, the first Train_4"),
    (doubled_image, r"data_2.parquet: image Train_30 is there twice.*data_1"),
    (label_too_large, "Train_6: grapheme_root: expected .* 0 to 3, got 4"),
    (label_no_number, "Train_6: grapheme_root: expected a whole .* got 'x'"),
    (label_of_20_digits, "Train_59: .* expected a whole number, got '9{20}'"),
    (short_row, "row 61 has 2 columns, expected 5"),
    (no_utf8, "not a csv file in UTF-8: invalid start byte at byte 9"),
    (holed_class_map, r"grapheme_root: expected the labels 0 to 2, got \[0, 2"),
    (no_pixel_column, "data_1.parquet: missing column 77 .1 of 193 are"),
    (no_last_pixel_column, "191 pixel columns, expected .* 12 x 16 = 192"),
    (truncated, "data_1.parquet: not a whole parquet file"),
    (truncated_inside, "data_1.parquet: not a whole parquet file"),
    (null_pixel, "data_1.parquet: column 5, row 0: .* got null"),
    (null_id, "data_1.parquet: row 29: expected an image_id, got null"),
    (large_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got 256"),
    (broken_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got 1.5"),
    (nan_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got nan"),
    (text_pixel, "data_1.parquet: column 5: .* got the type string"),
]


@pytest.mark.parametrize(
    ("break_it", "message"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_bad_input(folder, tmp_path, break_it, message):
    break_it(folder)
    with pytest.raises(UserError, match=message):
        build(folder, tmp_path / "out")
    assert not (tmp_path / "out" / dataset_info.NAME).exists()


def test_a_mistake_found_early_leaves_nothing(folder, tmp_path):
    no_pixel_column(folder)
    with pytest.raises(UserError):
        build(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_images_for_the_folds(folder, tmp_path):
    recipe = Recipe(12, 16, "raw", 61, 0.0, 100, 0)
    with pytest.raises(UserError, match="60 images cannot fill 61 folds"):
        build(folder, tmp_path / "out", recipe)


def test_label_column_of_a_reserved_name(folder, tmp_path):
    change_csv(
        folder / "train.csv",
        lambda rows: [[*rows[0], "image"], *([*r, "0"] for r in rows[1:])],
    )
    with pytest.raises(UserError, match="cannot be called image"):
        build(folder, tmp_path / "out", label_columns=["image"])


def test_rows_without_image_are_a_warning(folder, tmp_path, caplog):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows, ["x", "0", "0", "0", "a"], ["y", *"000", "b"]],
    )
    info = build(folder, tmp_path / "out")
    assert info.build["source"]["images"] == 60
    assert "2 of 62 rows of the label csv have no image" in caplog.text


def test_extra_columns_are_a_warning(folder, tmp_path, caplog):
    for path in folder.glob("*.parquet"):
        change_table(path, lambda t: t.append_column("font", [["a"] * len(t)]))
    build(folder, tmp_path / "out")
    assert "1 columns beside image_id and the pixels" in caplog.text
    assert "left out: font" in caplog.text


def test_another_dataset_is_refused(folder, tmp_path):
    build(folder, tmp_path / "out")
    before = (tmp_path / "out" / dataset_info.NAME).read_bytes()
    other = Recipe(12, 16, "raw", 4, 0.0, 100, 0)
    with pytest.raises(UserError, match="--num_folds was 3, is 4.*--overwrite"):
        build(folder, tmp_path / "out", other)
    no_pixel = folder / "train_image_data_1.parquet"
    pq.write_table(pq.read_table(no_pixel), no_pixel, compression="gzip")
    with pytest.raises(UserError, match="other input files"):
        build(folder, tmp_path / "out")
    assert (tmp_path / "out" / dataset_info.NAME).read_bytes() == before
    info = build(folder, tmp_path / "out", other, overwrite=True)
    assert info.folds == ("fold0", "fold1", "fold2", "fold3")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    shards = {s.name for p in info.splits.values() for s in p.shards}
    assert names == shards | {dataset_info.NAME, "build_log.json"}


def test_an_unfinished_build_of_other_flags_is_refused(folder, tmp_path):
    null_pixel(folder)
    with pytest.raises(UserError, match="got null"):
        build(folder, tmp_path / "out")
    assert (tmp_path / "out" / staging.NAME / "identity.json").exists()
    other = Recipe(12, 16, "raw", 4, 0.0, 100, 0)
    with pytest.raises(UserError, match="num_folds was 3, is 4"):
        build(folder, tmp_path / "out", other)
    with pytest.raises(UserError, match="got null"):
        build(folder, tmp_path / "out", other, overwrite=True)


def test_the_second_builder_is_refused(folder, tmp_path):
    output = tmp_path / "out"
    with (
        Staging(output / staging.NAME, str(output)),
        pytest.raises(UserError, match="another builder is at work on this"),
    ):
        build(folder, output)
    build(folder, output)


def test_a_shard_that_is_gone_or_short(folder, tmp_path):
    output = tmp_path / "out"
    build(folder, output)
    shard = output / "fold1-00001-of-00002.tfrecord"
    data = shard.read_bytes()
    shard.write_bytes(data[:-1])
    match = f"fold1-00001.* has {len(data) - 1} bytes, expected {len(data)}"
    with pytest.raises(UserError, match=match):
        dataset_info.read(output)
    shard.unlink()
    with pytest.raises(UserError, match="fold1-00001-of-00002.* is missing"):
        dataset_info.read(output)
    with pytest.raises(UserError, match="fold1-00001-of-00002.* is missing"):
        build(folder, output)
    build(folder, output, overwrite=True)
    assert shard.read_bytes() == data


def test_no_dataset(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        dataset_info.read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a finished dataset; run the buil"):
        dataset_info.read(tmp_path)
    (tmp_path / dataset_info.NAME).write_text("{")
    with pytest.raises(UserError, match="not a dataset_info.json"):
        dataset_info.read(tmp_path)
    (tmp_path / dataset_info.NAME).write_text('{"schema_version": 9}')
    with pytest.raises(UserError, match="schema version 9, expected 1"):
        dataset_info.read(tmp_path)
    (tmp_path / dataset_info.NAME).write_text('{"schema_version": 1}')
    with pytest.raises(UserError, match="broken dataset_info.json"):
        dataset_info.read(tmp_path)


def test_damaged_zip(folder, tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="all.zip: not a whole zip file"):
        build(path, tmp_path / "out")


def command(*args) -> subprocess.CompletedProcess:
    return tiny_data.run_builder(*map(str, args))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--input_dir=/nowhere", "--output_dir=OUT"], "/nowhere: no such fol"),
        (["--input_dir=/nowhere"], "--output_dir: missing"),
        (["--output_dir=OUT"], "--input_dir: missing"),
        (["--output_dir=OUT", "--verify"], "OUT: no such folder"),
    ],
)
def test_the_command_tells_it_in_one_line(tmp_path, args, message):
    output = str(tmp_path / "out")
    done = command(*[arg.replace("OUT", output) for arg in args])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert message.replace("OUT", output) in done.stderr
    assert not (tmp_path / "out").exists()


FULL = """
mount -t tmpfs -o size={small} none {place} || exit 77
{command}
echo "exit $?"
ls {place}/out
mount -o remount,size=64m none {place}
{command}
echo "exit $?"
{command} --verify
"""


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_disk_full(tmp_path, encoding):
    """On a tiny file system of its own; space is made, and it goes on."""
    folder, place = tmp_path / "in", tmp_path / "place"
    tiny_data.write_dataset(folder, num_images=3000, num_files=3)
    place.mkdir()
    line = f"{sys.executable} {tiny_data.ROOT}/tfrecord_builder/main.py "
    line += f"--input_dir={folder} --output_dir={place}/out --num_folds=2 "
    line += f"--source_height=12 --source_width=16 --image_encoding={encoding}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c"]
        + [FULL.format(small="300k", place=place, command=line)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "exit" not in done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    first, second = done.stdout.split("exit 1\n")
    assert "error: " in done.stderr
    assert "make space and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert dataset_info.NAME not in second.split("building")[0]
    assert "exit 0" in second
    assert "is whole: 3000 records" in second
