"""scripts/colab.sh and kaggle.sh, with stand-ins for the services' commands.

Each stand-in writes its arguments to a log, and loses two machines.
"""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import fake_tools
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "colab.ipynb"
FINISHED = "The run is finished: its results are in /content"
COLAB = r"""
echo "$@" >>"$LOG"
case $1 in
  new) [[ $(grep -c ^new "$LOG") != "${REFUSED:-}" ]] ;;
  upload) cp "$4" "$KEPT" ;;
  exec)
    echo "[colab] Executing cell 1/9..."
    case $(grep -c ^exec "$LOG") in
      "$LOST") exit 1 ;; # The connection was lost.
      "$SILENT") exec sleep 60 ;;
      *) echo "$LAST" ;;
    esac
    ;;
esac
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script with a fake of the service's command.

    Returns the completed process, and the lines of the log.
    """

    def run(service, stand_in, *arguments, **variables):
        fake_tools.write(tmp_path / "bin", service, stand_in)
        done = subprocess.run(
            ["bash", ROOT / f"scripts/{service}.sh", *arguments],
            env=os.environ
            | {
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "PYTHON": sys.executable,
                "LOG": str(tmp_path / "log"),
            }
            | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        return done, (tmp_path / "log").read_text().splitlines()

    return run


@pytest.fixture
def colab(run, tmp_path):
    settings = {
        "TMPDIR": str(tmp_path),
        "KEPT": str(tmp_path / "kept.zip"),
        "COLAB_WAIT_SECONDS": "0",
        "COLAB_QUIET_SECONDS": "1",
        "LOST": "1",
        "SILENT": "2",
        "LAST": FINISHED,
    }

    def start(**variables):
        done, calls = run(
            "colab", COLAB, NOTEBOOK, "--gpu", "T4", **settings | variables
        )
        return done, [call.split()[0] for call in calls], calls

    return start


def test_colab_loses_a_machine_and_another_hangs(colab, tmp_path):
    done, names, calls = colab()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        FINISHED,
        "== finished on machine 3",
    ]
    assert names == ["new", "drivemount", "upload", "exec", "stop"] * 3
    assert calls[0].startswith("new -s bengali-")
    assert calls[0].endswith(" --gpu T4")
    assert calls[3].endswith("run.ipynb --timeout 86400")
    with zipfile.ZipFile(tmp_path / "kept.zip") as archive:
        assert "trainer/main.py" in archive.namelist()
    # Nothing temporary is left.
    assert {path.name for path in tmp_path.iterdir()} == {
        "bin",
        "kept.zip",
        "log",
    }


def test_colab_refuses_a_machine(colab):
    done, names, _ = colab(REFUSED="1", LOST="", SILENT="")
    assert done.returncode == 0, done.stderr
    assert names[:3] == ["new", "stop", "new"]


def test_colab_stops_when_machines_come_to_nothing(colab):
    done, names, _ = colab(LOST="", SILENT="", LAST="SystemExit: no token")
    assert done.returncode == 1
    assert done.stderr == (
        "error: three machines in a row failed within ten minutes: see above\n"
    )
    assert names.count("new") == names.count("stop") == 3


KAGGLE = r"""
echo "$@" >>"$LOG"
count=$(grep -c "^kernels push" "$LOG")
case "$1 $2" in
  "datasets status") [[ -e $FOLDER/made ]] && echo ready ;;
  "datasets create") touch "$FOLDER/made" ;;
  "kernels push") cp "$4/kernel-metadata.json" "$FOLDER/$count.json" ;;
  "kernels status")
    ((count)) || exit 1
    # Each version is running first.
    looks=$(tac "$LOG" | sed '/^kernels push/q' | grep -c "^kernels status")
    names=(RUNNING "$(sed -n "${count}p" <<<"$ENDS")")
    echo "$3 has status \"KernelWorkerStatus.${names[looks > 1]}\""
    ;;
  "kernels output")
    ((count < 3)) || install -D /dev/null "$5/bengali/submission.csv"
    ;;
esac
"""


@pytest.fixture
def kaggle(run, tmp_path):
    return lambda ends: run(
        "kaggle",
        KAGGLE,
        "me",
        NOTEBOOK,
        "--accelerator",
        "X",
        FOLDER=str(tmp_path),
        KAGGLE_POLL_SECONDS="0",
        ENDS=ends,
    )


def test_kaggle_fails_once_and_stops_once(kaggle, tmp_path):
    done, calls = kaggle("ERROR\nCOMPLETE\nCOMPLETE")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "== finished: kaggle kernels output me/bengali-trainer-run"
    )
    pushes = [call for call in calls if call.startswith("kernels push")]
    assert len(pushes) == 3
    assert pushes[0].endswith("--accelerator X")
    metadata = [
        json.loads((tmp_path / f"{i}.json").read_text()) for i in (1, 2, 3)
    ]
    assert [m["kernel_sources"] for m in metadata] == [
        [],
        ["me/bengali-trainer-run"],
        ["me/bengali-trainer-run"],
    ]
    assert metadata[0]["dataset_sources"] == ["me/bengali-trainer"]
    assert sum(call.startswith("datasets create") for call in calls) == 1


def test_kaggle_stops_when_versions_come_to_nothing(kaggle):
    done, calls = kaggle("ERROR\nERROR\nERROR")
    assert done.returncode == 1
    assert done.stderr == (
        "error: three versions in a row failed within ten minutes: "
        "see kaggle kernels logs me/bengali-trainer-run\n"
    )
    assert sum(call.startswith("kernels push") for call in calls) == 3


@pytest.mark.parametrize("name", ["colab.sh", "kaggle.sh"])
def test_no_notebook(name):
    done = subprocess.run(
        ["bash", ROOT / "scripts" / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: expected ")
