"""--engine=beam: the local engine's bytes and errors.

Beam has an environment of its own, see beam_environment.py. One process in it
serves all tests, with the runner that works in that process.
"""

import os
import pathlib
import re
import sys
import tempfile

import bad_inputs
import beam_builds
import beam_environment
import commands
import drawn_datasets
import pytest
import tiny_data
from hypothesis import given, settings

from storage import UserError
from tfrecord_builder.beam_engine import exchange
from tfrecord_builder.beam_engine.exchange import Exchange
from tfrecord_builder.records import dataset_info

beam_builds.DASK[1] += "DaskRunner"


@pytest.fixture(scope="module")
def python():
    return beam_environment.python()


@pytest.fixture(scope="module")
def command(python):
    """The builder's command in a process of Beam's environment."""
    served = commands.Command("beam_in_small_pieces", python)
    yield served
    served.close()


@pytest.mark.long
@settings(max_examples=12, deadline=None)
@given(drawn_datasets.datasets(), drawn_datasets.WAYS)
def test_bytes_of_the_local_engine(command, dataset, way):
    recipe = dataset[-1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        drawn_datasets.write_source(folder / "in", *dataset[:-1], way)
        tiny_data.build(
            str(folder / "in"),
            str(folder / "local"),
            recipe,
            label_columns=["a", "b"],
        )
        done = command(
            f"--input_dir={folder / 'in'}",
            f"--output_dir={folder / 'beam'}",
            "--label_columns=a,b",
            f"--image_height={recipe.image_height}",
            f"--image_width={recipe.image_width}",
            f"--image_encoding={recipe.image_encoding}",
            f"--num_folds={recipe.num_folds}",
            f"--shard_mb={recipe.shard_mb}",
            f"--seed={recipe.seed}",
            *beam_builds.IN_PROCESS,
        )
        assert done.returncode == 0, done.stderr
        assert beam_builds.read(folder / "beam") == beam_builds.read(
            folder / "local"
        )


@pytest.mark.long
def test_resized_png_unseen(command, tiny_source, tmp_path):
    flags = ["--image_height=7", "--image_width=9", "--image_encoding=png"]
    flags += [
        "--unseen_graphemes=0.1",
        *beam_builds.SIZE,
        f"--input_dir={tiny_source}",
    ]
    for output, engine in (("beam", beam_builds.IN_PROCESS), ("local", [])):
        done = command(*flags, f"--output_dir={tmp_path / output}", *engine)
        assert done.returncode == 0, done.stderr
    assert beam_builds.read(tmp_path / "beam") == beam_builds.read(
        tmp_path / "local"
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "break_it",
    [case[0] for case in bad_inputs.CASES],
    ids=lambda break_it: break_it.__name__,
)
def test_errors_of_the_local_engine(command, tiny_source, tmp_path, break_it):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in tiny_source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    break_it(folder)
    output = tmp_path / "out"
    relative = os.path.relpath(folder, tiny_data.ROOT)  # The command's folder.
    flags = [f"--input_dir={relative}", "--num_folds=3"]
    flags += ["--image_height=12", "--image_width=16"]
    beam = command(*flags, f"--output_dir={output}", *beam_builds.IN_PROCESS)
    local = command(*flags, f"--output_dir={tmp_path / 'local'}")
    assert beam.returncode == 1
    assert beam.error == local.error
    assert not (output / dataset_info.NAME).exists()
    assert not (output / exchange.NAME).exists()


@pytest.mark.long
def test_the_first_mistake_is_reported(command, tiny_source, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in tiny_source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    bad_inputs.null_pixel(folder)  # In file 1.
    bad_inputs.change_table(
        folder / "train_image_data_0.parquet",
        bad_inputs.set_column("9", [7] * 29 + [-1]),
    )
    done = command(
        f"--input_dir={folder}",
        f"--output_dir={tmp_path / 'out'}",
        *beam_builds.SIZE,
        *beam_builds.IN_PROCESS,
    )
    assert re.search("data_0.parquet: column 9, row 29: .* got -1", done.error)


@pytest.mark.long
def test_bad_options(command, tiny_source, tmp_path):
    flags = [f"--input_dir={tiny_source}", f"--output_dir={tmp_path / 'out'}"]
    flags += [*beam_builds.SIZE, "--engine=beam"]
    done = command(*flags, "--runner=NoRunner")
    assert done.error.startswith("error: --runner=NoRunner: Unexpected pipel")
    done = command(*flags, "--", "--direct_num_workers=x")
    assert "does not accept the options" in done.error
    assert not (tmp_path / "out").exists()


def test_without_beam(tiny_source, tmp_path):
    if "apache_beam" in sys.modules:
        pytest.skip("apache-beam is installed beside the tests")
    flags = [f"--input_dir={tiny_source}", f"--output_dir={tmp_path / 'out'}"]
    done = tiny_data.run_builder(*flags, "--engine=beam")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: --engine=beam: No module named 'apa")
    assert "pip install -r requirements-beam.txt" in error
    done = tiny_data.run_builder(*flags, "--", "--region=x")
    assert done.stderr.splitlines()[-1] == (
        "error: --region=x: options after -- are Beam's; add --engine=beam"
    )
    assert not (tmp_path / "out").exists()


def test_mistakes_are_reported_in_the_order_of_the_source(tmp_path):
    ours = Exchange(str(tmp_path), "run")
    other = Exchange(str(tmp_path), "other")
    for order in ((2, 10, 0), (2, 9, 70), (2, 9, 500)):
        with ours.report_errors(*order):
            raise UserError(f"mistake {order}")
    assert not ours.failed_before(2, 9, 70)
    assert ours.failed_before(2, 9, 71)
    assert ours.failed_before(3)
    assert not other.failed_before(3)
    other.raise_error()
    with pytest.raises(UserError, match=r"mistake \(2, 9, 70\)"):
        ours.raise_error()
    ours.clear()
    assert not (tmp_path / exchange.NAME).exists()
