"""Bad input: one clear line, exit code 1, nothing that looks finished."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

import bad_inputs
import pyarrow.parquet as pq
import pytest
import tiny_data

from storage import UserError
from tfrecord_builder.building import staging
from tfrecord_builder.building.staging import Staging
from tfrecord_builder.planning.plan import BuildRecipe
from tfrecord_builder.records import dataset_info

RECIPE = tiny_data.RECIPE


@pytest.fixture
def folder(tiny_source, tmp_path):
    """A copy of the tiny source to break."""
    return pathlib.Path(shutil.copytree(tiny_source, tmp_path / "in"))


def build(folder, output, recipe=RECIPE, **options):
    return tiny_data.build(str(folder), str(output), recipe, **options)


@pytest.mark.parametrize(
    ("break_it", "message"),
    bad_inputs.CASES,
    ids=[c[0].__name__ for c in bad_inputs.CASES],
)
def test_bad_input(folder, tmp_path, break_it, message):
    break_it(folder)
    with pytest.raises(UserError, match=message):
        build(folder, tmp_path / "out")
    assert not (tmp_path / "out" / dataset_info.NAME).exists()


def test_an_early_mistake_leaves_no_files(folder, tmp_path):
    bad_inputs.no_pixel_column(folder)
    with pytest.raises(UserError):
        build(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_images_for_the_folds(folder, tmp_path):
    recipe = BuildRecipe(12, 16, "raw", 61, 0.0, 100, 0)
    with pytest.raises(UserError, match="60 images cannot fill 61 folds"):
        build(folder, tmp_path / "out", recipe)


def test_label_column_of_a_reserved_name(folder, tmp_path):
    bad_inputs.change_csv(
        folder / "train.csv",
        lambda rows: [[*rows[0], "image"], *([*r, "0"] for r in rows[1:])],
    )
    with pytest.raises(UserError, match="cannot be called image"):
        build(folder, tmp_path / "out", label_columns=["image"])


def test_rows_without_image_are_a_warning(folder, tmp_path, caplog):
    bad_inputs.change_csv(
        folder / "train.csv",
        lambda rows: [*rows, ["x", "0", "0", "0", "a"], ["y", *"000", "b"]],
    )
    info = build(folder, tmp_path / "out")
    assert info.build["source"]["images"] == 60
    assert "2 of 62 rows of the label csv have no image" in caplog.text


def test_extra_columns_are_a_warning(folder, tmp_path, caplog):
    for path in folder.glob("*.parquet"):
        bad_inputs.change_table(
            path, lambda t: t.append_column("font", [["a"] * len(t)])
        )
    build(folder, tmp_path / "out")
    assert "1 columns other than image_id and the pixels" in caplog.text
    assert "ignored: font" in caplog.text


def test_another_dataset_is_refused(folder, tmp_path):
    build(folder, tmp_path / "out")
    before = (tmp_path / "out" / dataset_info.NAME).read_bytes()
    other = BuildRecipe(12, 16, "raw", 4, 0.0, 100, 0)
    with pytest.raises(
        UserError, match=r"--num_folds \(was 3, now 4\).*--overwrite"
    ):
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
    bad_inputs.null_pixel(folder)
    with pytest.raises(UserError, match="got null"):
        build(folder, tmp_path / "out")
    assert (tmp_path / "out" / staging.NAME / "identity.json").exists()
    other = BuildRecipe(12, 16, "raw", 4, 0.0, 100, 0)
    with pytest.raises(UserError, match=r"num_folds \(was 3, now 4\)"):
        build(folder, tmp_path / "out", other)
    with pytest.raises(UserError, match="got null"):
        build(folder, tmp_path / "out", other, overwrite=True)


def test_the_second_builder_is_refused(folder, tmp_path):
    output = tmp_path / "out"
    with (
        Staging(output / staging.NAME, str(output)),
        pytest.raises(UserError, match="another builder is writing to it"),
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
    with pytest.raises(UserError, match="all.zip: not a complete zip file"):
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
def test_the_command_reports_it_in_one_line(tmp_path, args, message):
    output = str(tmp_path / "out")
    done = command(*[arg.replace("OUT", output) for arg in args])
    assert done.returncode == 1
    importing, error = done.stderr.splitlines()
    assert importing.endswith(" importing pyarrow")
    assert error.startswith("error: ")
    assert message.replace("OUT", output) in error
    assert not (tmp_path / "out").exists()


FULL = """
mount -t tmpfs -o size={small} none {disk} || exit 77
{command}
echo "exit $?"
ls {disk}/out
mount -o remount,size=64m none {disk}
{command}
echo "exit $?"
{command} --verify
"""


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_disk_full(tmp_path, encoding):
    """On a tiny file system of its own; space is made, and it goes on."""
    folder, disk = tmp_path / "in", tmp_path / "disk"
    tiny_data.write_dataset(folder, num_images=3000, num_files=3)
    disk.mkdir()
    line = f"{sys.executable} {tiny_data.ROOT}/tfrecord_builder/main.py "
    line += f"--input_dir={folder} --output_dir={disk}/out --num_folds=2 "
    line += f"--source_height=12 --source_width=16 --image_encoding={encoding}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c"]
        + [FULL.format(small="300k", disk=disk, command=line)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "exit" not in done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    first, second = done.stdout.split("exit 1\n")
    assert "error: " in done.stderr
    assert "free some space and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert dataset_info.NAME not in second.split("building")[0]
    assert "exit 0" in second
    assert "is complete: 3000 records" in second
