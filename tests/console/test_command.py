"""How a command meets its user: short help, and flags that are wrong."""

import ast
import os
import re
import signal
import subprocess
import sys

import commands
import pytest
from absl import flags
from absl.testing import flagsaver

from console import command, short_help, version
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
    text = short_help.make("Trains.\n\n  main.py --x\n", (main_flags,))
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
        for module, module_flags in values.flags_by_module_dict().items()
        if re.fullmatch(
            r"flags\.trainer\.(data|model|optimization|augmentation|accelerator|machine|settle)_flags",
            module,
        )
        for flag in module_flags
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


# The files that are commands, below the root.
FILES = [
    path.relative_to(commands.ROOT).as_posix()
    for path in sorted(commands.ROOT.glob("*/*.py"))
    if path.parent.name != "console" and "command.run(" in path.read_text()
]


@pytest.mark.parametrize("file", FILES)
def test_a_synopsis_leaves_room_for_the_flags(file):
    text = (commands.ROOT / file).read_text("utf-8")
    lines = ast.get_docstring(ast.parse(text)).splitlines()
    assert len(lines) < 16
    assert max(map(len, lines)) <= 80


def start(python_flags, file, *arguments):
    """Starts a command; what it imports is on stderr with -X importtime."""
    return subprocess.Popen(
        [sys.executable, *python_flags, commands.ROOT / file, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(commands.ROOT)},
    )


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("--help", "flags:"),
        ("--helpshort", "--help explains each of them."),
        ("--version", "bengali-trainer "),
        ("--datadir", "error: Unknown command line flag 'datadir'"),
    ],
)
def test_the_first_answers_do_not_wait_for_imports(file, argument, answer):
    out, err = start(["-X", "importtime"], file, argument).communicate()
    assert answer in out + err
    assert "Traceback" not in err
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in err.splitlines()
        if line.startswith("import time:")
    }
    assert {"absl", "console", "flags"} < imported
    slow = {"tensorflow", "keras", "keras_cv", "numpy", "pyarrow", "PIL"}
    assert imported & slow == set()


def test_help_into_a_pipe_that_closes_is_quiet():
    """The pipe is closed long before Python has started."""
    done = subprocess.run(
        ["bash", "-c", '"$0" "$1" --help | true', sys.executable, BUILDER],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_command_prints_its_version_alone():
    """Whatever else is given or missing."""
    process = start([], "trainer/main.py", "--data_dir=records", "--version")
    assert process.communicate() == (f"bengali-trainer {version.VERSION}\n", "")
    assert process.returncode == 0


def test_the_version_of_a_pipeline_is_not_ours():
    """What follows a `--` is Beam's."""
    process = start([], "tfrecord_builder/main.py", "--", "--version")
    out, err = process.communicate()
    assert (out, process.returncode) == ("", 1)
    assert "error: " in err


def test_all_commands_are_found():
    assert FILES == [
        "demo/app.py",
        "sample_data/main.py",
        "scripts/accelerator_check.py",
        "scripts/aot.py",
        "scripts/kaggle_kernel.py",
        "scripts/pack.py",
        "scripts/preset.py",
        "scripts/pretrain.py",
        "tfrecord_builder/main.py",
        "trainer/backups.py",
        "trainer/evaluate.py",
        "trainer/export.py",
        "trainer/main.py",
        "trainer/predict.py",
        "trainer/report.py",
    ]


def run_with_imports(tmp_path, imports, signals=()):
    """Runs a command whose slow imports are the statements `imports`."""
    file = tmp_path / "a_command.py"
    file.write_text(
        f"""
from absl import flags, logging
from console import command
from flags import sample_data_flags
if __name__ == "__main__":
    command.begin(sample_data_flags, importing="what is slow")
{imports}
def main():
    logging.info("%s of %s", flags.FLAGS.seed, flags.FLAGS["seed"].present)
if __name__ == "__main__":
    command.run(main, sample_data_flags)
"""
    )
    process = start([], file, "--output_dir=x", "--num_images=1", "--seed=3")
    line = process.stderr.readline()
    if signals:
        assert process.stderr.readline() == "ready\n"
    assert re.fullmatch(r"\d\d:\d\d:\d\d importing what is slow\n", line)
    for number in signals:
        process.send_signal(number)
    _, err = process.communicate()
    return process.returncode, err


def test_a_command_that_began_parses_its_flags_once(tmp_path):
    code, err = run_with_imports(tmp_path, "import json")
    assert code == 0
    assert re.fullmatch(r"\d\d:\d\d:\d\d 3 of 1\n", err)


def test_ctrl_c_while_it_imports_is_one_line(tmp_path):
    code, err = run_with_imports(
        tmp_path,
        "import signal, sys\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "while True:\n"
        "    signal.pause()",
        [signal.SIGINT],
    )
    assert (code, err) == (
        1,
        "error: interrupted; run the same command again to continue\n",
    )


def test_an_import_that_fails_keeps_its_traceback(tmp_path):
    code, err = run_with_imports(tmp_path, "import no_such_package")
    assert code == 1
    assert err.startswith("Traceback")
    assert err.endswith("No module named 'no_such_package'\n")


@pytest.mark.parametrize(
    ("text", "value", "line"),
    [("auto", None, ""), ("true", True, "--xla"), ("false", False, "--noxla")],
)
def test_xla_is_automatic_unless_it_is_said(text, value, line):
    flag = flags.FLAGS["xla"]
    assert flag.default is None
    assert flag.boolean  # So that --xla and --noxla are understood.
    with flagsaver.flagsaver():
        flag.parse(text)
        assert flag.value is value
        # What flags.txt of the run says of it.
        assert flag.serialize() == line
