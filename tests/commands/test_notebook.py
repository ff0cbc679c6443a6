"""notebooks/colab.ipynb: run on Colab, on Kaggle and on neither.

Colab is a module of the same name whose Drive is a FUSE mount; Kaggle is its
folders. In each a trainer is killed, the machine is lost, and the notebook is
run again. A run takes a minute, so each environment is tested with one set of
library versions: Colab and Kaggle with Colab's, any other with the newest.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import drive_mount
import fake_tools
import other_root
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
NOTEBOOK = ROOT / "notebooks" / "colab.ipynb"
PARAMETERS = (
    "NUM_IMAGES = 300",
    'RECIPE = ["--backbone=tiny", "--nopretrained", "--epochs=40", '
    '"--global_batch_size=64", "--backup_every_steps=2"]',
)
MOUNT = "from google.colab import drive; drive.mount('/content/drive')"


def test_it_is_short_and_holds_no_outputs():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = notebook["cells"]
    assert len(cells) < 17
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert {json.dumps(cell["outputs"]) for cell in code} == {"[]"}
    assert {cell["execution_count"] for cell in code} == {None}
    assert max(len(cell["source"]) for cell in code) <= 45


def run_first_cells(tmp_path, repository):
    """Runs the cells that fetch the project; returns the process's result."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    sources = ["".join(cells[i]["source"]) for i in (1, 3, 5)]
    sources.insert(1, f"REPOSITORY = {repository!r}")
    sources.append("print(os.getcwd())")
    return subprocess.run(
        [sys.executable, "-c", "\n".join(sources)],
        cwd=tmp_path,
        env=os.environ | {"NOTEBOOK_DIR": str(tmp_path / "local")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_project_comes_from_an_address(tmp_path):
    repository = tmp_path / "repository"
    (repository / "trainer").mkdir(parents=True)
    (repository / "trainer/main.py").touch()
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    # What a clone that was killed has left.
    (tmp_path / "local/project.new/trainer").mkdir(parents=True)
    for _ in range(2):
        done = run_first_cells(tmp_path, f"file://{repository}")
        assert done.stdout.splitlines()[-1] == str(tmp_path / "local/project")


def test_no_project_is_one_line(tmp_path):
    done = run_first_cells(tmp_path, "")
    assert done.returncode == 1
    assert done.stderr == (
        "The project is not here: set REPOSITORY, or make bengali-trainer.zip "
        f"with scripts/pack.py and put it into {tmp_path / 'local'} (on "
        "Kaggle: attach it as a dataset)\n"
    )


class Machine:
    """What runs the notebook: a root folder of its own, but for "neither".

    Args:
        tmp_path: A folder for it.
        cwd: What the kernel is started in.
        folders: What is at which path; see other_root.wrap().
        variables: Of the environment.

    Attributes:
        before: Python code that it runs before the notebook.
    """

    def __init__(self, tmp_path, *, cwd, folders=None, **variables):
        self.folder = tmp_path
        self.cwd = cwd
        self.folders = folders
        self.variables = variables
        self.before = ""

    def start(self, *parameters):
        """Returns the process that runs all cells, after `self.before`."""
        command = [sys.executable, SUPPORT / "run_notebook.py", self.cwd]
        command += [*PARAMETERS, *parameters]
        if self.before:
            both = '"$1" -c "$2" && shift 2 && exec "$@"'
            start = ["bash", "-c", both, "_", sys.executable, self.before]
            command = [*start, *command]
        if self.folders is not None:
            empty = self.folder / "root"
            empty.mkdir(exist_ok=True)
            command = other_root.wrap(command, self.folders, empty=empty)
        path = [SUPPORT / "fake_colab", ROOT / "scripts"]
        if "DRIVE_FOLDER" not in self.variables:
            path = []
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ
            | {"PYTHONPATH": ":".join(map(str, path))}
            | self.variables,
        )

    def run(self, *parameters):
        """Returns what the notebook shows, run to its end."""
        process = self.start(*parameters)
        shown, _ = process.communicate(timeout=500)
        assert process.returncode == 0, shown
        return shown

    def run_and_kill_trainer(self, backup, *parameters):
        """Kills the trainer once `backup` holds one; returns what is shown."""
        process = self.start(*parameters)
        end = time.monotonic() + 300
        while not any(backup.glob("backup-*.json")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.05)
        (trainer,) = find_processes(b"trainer/main.py", below=process.pid)
        os.kill(trainer, signal.SIGKILL)
        shown, _ = process.communicate(timeout=100)
        assert process.returncode == 1
        assert shown.splitlines()[-1] == (
            "SystemExit: trainer/main.py ended with -9: see above"
        )
        return shown


def find_processes(name, *, below):
    """Returns the pids of the descendants that run a script."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            pid = parent = int(path.name)
            while parent not in (0, below):
                stat = pathlib.Path(f"/proc/{parent}/stat").read_text()
                parent = int(stat.rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == below and name in words:
            found.append(pid)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's zip, as scripts/pack.py makes it."""
    path = tmp_path_factory.mktemp("packed") / "bengali-trainer.zip"
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "pack.py", f"--output={path}"],
        check=True,
    )
    return path


@pytest.fixture
def _notebooks():
    for module in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason=f"{module} is not installed")


@pytest.fixture
def _other_root(_notebooks):
    if reason := other_root.why_not():
        pytest.skip(reason)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_notebooks")
def test_neither(tmp_path):
    machine = Machine(tmp_path, cwd=NOTEBOOK.parent, NOTEBOOK_DIR=str(tmp_path))
    keep = tmp_path / "keep"

    def lose_machine():
        for path in tmp_path.iterdir():
            if path != keep:
                shutil.rmtree(path)

    first = machine.run_and_kill_trainer(keep / "backup")
    assert "cpu_15min.flags" in first
    lose_machine()
    unfinished = machine.run("MAX_MINUTES = 0.01")
    assert "RESUMED at step" in unfinished
    assert "Training report" in unfinished
    assert unfinished.strip().endswith(
        "The run is not finished: run all cells again"
    )
    again = machine.run()
    assert "RESUMED at step" in again
    assert "Training report" in again
    assert "http://127.0.0.1:" in again
    assert f"The run is finished: its results are in {keep}" in again
    assert (keep / "submission.csv").stat().st_size > 100
    assert json.loads((keep / "scores.json").read_text())["score"] > 0
    model = (tmp_path / "run" / "model.keras").read_bytes()
    lose_machine()
    assert "This run is finished" in machine.run()
    assert (tmp_path / "run" / "model.keras").read_bytes() == model


@pytest.mark.long
@pytest.mark.only_lane
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_other_root")
def test_colab(tmp_path, project):
    if reason := drive_mount.why_not():
        pytest.skip(reason)
    drive = tmp_path / "drive" / "store" / "MyDrive"
    drive.mkdir(parents=True)
    shutil.copy(project, drive)
    machine = Machine(
        tmp_path,
        cwd="/content",
        folders={"/content": tmp_path / "content"},
        DRIVE_FOLDER=str(tmp_path / "drive"),
    )
    keep = drive / "bengali"
    (tmp_path / "content").mkdir()
    first = machine.run_and_kill_trainer(keep / "backup")
    assert "Mounted at /content/drive" in first
    shutil.rmtree(tmp_path / "content")
    (tmp_path / "content").mkdir()
    # The next machine has another accelerator; the run keeps its preset.
    fake_tools.write(tmp_path / "tools", "nvidia-smi", "echo 40960, 8.0")
    path = f"{tmp_path / 'tools'}:{os.environ['PATH']}"
    machine.variables["PATH"] = path
    # Drive is mounted already, as the Colab CLI does it.
    machine.before = MOUNT
    again = machine.run()
    assert "/cpu_15min.flags" in again
    assert again.count("Mounted at /content/drive") == 1
    assert "RESUMED at step" in again
    assert "Training report" in again
    assert "shown: port" in again
    assert (keep / "submission.csv").stat().st_size > 100
    info = json.loads((keep / "records-sample/dataset_info.json").read_text())
    assert info["image"]["encoding"] == "png"


@pytest.fixture(scope="module")
def kaggle_input(tmp_path_factory, project):
    """What is attached: the competition, and the project as a dataset."""
    inputs = tmp_path_factory.mktemp("kaggle")
    competition = inputs / "bengaliai-cv19"
    subprocess.run(
        [
            sys.executable,
            ROOT / "sample_data" / "main.py",
            f"--output_dir={competition}",
            "--num_images=300",
        ],
        check=True,
    )
    with zipfile.ZipFile(project) as packed:  # As Kaggle shows a zip.
        packed.extractall(inputs / "project" / "bengali-trainer")
    return inputs


@pytest.mark.long
@pytest.mark.only_lane
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_other_root")
def test_kaggle(tmp_path, kaggle_input):
    def version(number, **more):
        working = tmp_path / f"working{number}"
        working.mkdir()
        return working, Machine(
            tmp_path,
            cwd="/kaggle/working",
            folders={
                "/kaggle/input/bengaliai-cv19": kaggle_input / "bengaliai-cv19",
                "/kaggle/input/project": kaggle_input / "project",
                "/kaggle/working": working,
                **more,
            },
            KAGGLE_KERNEL_RUN_TYPE="Batch",
        )

    first, machine = version(1)
    machine.run_and_kill_trainer(first / "bengali/backup", 'SOURCE = "kaggle"')
    second, machine = version(2, **{"/kaggle/input/last-version": first})
    again = machine.run('SOURCE = "kaggle"')
    assert "RESUMED at step" in again
    assert "Training report" in again
    assert (second / "bengali/submission.csv").stat().st_size > 100
    assert not pathlib.Path("/kaggle").exists()
