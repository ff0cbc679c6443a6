"""How a command meets its user: short help, and flags that are wrong."""

import ast
import re
import subprocess
import sys

import commands
import pytest
from absl import flags

from console import command
from flags.trainer import main_flags

BUILDER = commands.ROOT / "tfrecord_builder" / "main.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, BUILDER, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_short_help_groups_every_flag_on_a_screen():
    text = command.short_help("Trains.\n\n  main.py --x\n", (main_flags,))
    lines = text.splitlines()
    assert lines[0] == "Trains."
    assert len(lines) <= 45
    assert max(map(len, lines)) < 80
    titles = [line for line in lines if re.match(r"[A-Z][a-z ]+$", line)]
    assert titles == list(main_flags.GROUPS.values())
    names = re.findall(r"--(?:\[no\])?(\w+)", text.split("\n", 3)[3])
    assert len(names) == len(set(names))
    assert {"data_dir", "backbone", "epochs", "rotation", "dry_run"} < set(
        names
    )
    assert main_flags.GROUPS.keys() <= set(names)


def test_the_trainer_has_the_flags_of_all_its_groups():
    values = flags.FLAGS
    defined = {
        flag.name
        for module, found in values.flags_by_module_dict().items()
        if re.fullmatch(
            r"flags\.trainer\.(data|model|optimization|augmentation|machine)_flags",
            module,
        )
        for flag in found
    }
    keys = {f.name for f in values.get_key_flags_for_module(main_flags)}
    assert keys == defined
    assert {"data_dir", "pool", "seed", "cutmix", "xla", "on_nan"} < keys
    assert main_flags.FREE - keys == {"verbosity"}


def test_the_flagfiles_of_a_command_line():
    line = "main.py --flagfile=a.flags --epochs 3 -flagfile b.flags --nocrop"
    assert command.flagfiles(line.split()) == ["a.flags", "b.flags"]
    assert command.flagfiles(["main.py", "--noflagfile"]) == []


def test_short_help_of_a_command():
    done = run("--helpshort")
    assert done.returncode == 0
    assert "--input_dir=…" in done.stdout
    assert "--num_folds=5" in done.stdout
    assert "--[no]overwrite" in done.stdout


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (
            "--num_fold=3",
            "Unknown command line flag 'num_fold'. Did you mean: num_folds ?",
        ),
        ("--num_folds=x", "flag --num_folds=x: "),
        ("--image_encoding=jpg", "value should be one of <raw|png>"),
        ("num_folds=3", "unexpected argument 'num_folds=3'"),
        ("--flagfile=none.flags", "error: Unable to open flagfile: "),
    ],
)
def test_a_wrong_flag_is_one_line(flag, expected):
    done = run("--output_dir=records", "--input_dir=input", flag)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line


def test_what_is_missing_is_named():
    done = subprocess.run(
        [sys.executable, commands.ROOT / "sample_data" / "main.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: --output_dir is missing. --num_images is missing "
        "(see --helpshort)\n"
    )


def synopses():
    """Yields the docstring of every command, by its path."""
    for path in commands.ROOT.glob("*/*.py"):
        if "command.run(" in (text := path.read_text("utf-8")):
            name = path.relative_to(commands.ROOT).as_posix()
            yield pytest.param(ast.get_docstring(ast.parse(text)), id=name)


@pytest.mark.parametrize("synopsis", list(synopses()))
def test_a_synopsis_leaves_room_for_the_flags(synopsis):
    lines = synopsis.splitlines()
    assert len(lines) < 16
    assert max(map(len, lines)) <= 80
