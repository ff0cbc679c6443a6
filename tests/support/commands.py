"""Runs one command of the project many times in one process of its own.

TensorFlow takes seconds to import, and two commands cannot share a process:
both define flags. So each command gets a process, which imports it once and
then runs it with one list of flags after another.

    train = commands.Command("trainer.main")
    done = train("--data_dir=…")      # returncode, stdout, stderr
"""

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The last line on stderr; there must be no traceback."""
        if "Traceback" in self.stderr:
            raise AssertionError(self.stderr)
        return self.stderr.strip().splitlines()[-1]


class Command:
    """A command's process; `close` ends it.

    Args:
        module: Name of a main module with a function `run`.
        python: The interpreter, of another environment say.
    """

    def __init__(self, module: str, python: str = sys.executable):
        self._process = subprocess.Popen(
            [python, __file__, module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def __call__(self, *arguments: object) -> Done:
        with tempfile.TemporaryDirectory() as folder:
            request = {"flags": list(map(str, arguments)), "folder": folder}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            code = json.loads(self._process.stdout.readline())
            out, err = (
                pathlib.Path(folder, name).read_text(encoding="utf-8")
                for name in ("1", "2")
            )
        return Done(code, out, err)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def _serve(name: str) -> None:
    """Runs what each line on stdin asks for, and answers its exit code."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(name)
    from absl import app, flags
    from absl.testing import flagsaver

    app.define_help_flags()  # Else the saver would take them away again.
    for line in sys.stdin:
        request = json.loads(line)
        values = flagsaver.save_flag_values(flags.FLAGS)
        sys.argv = [module.__file__, *request["flags"]]
        kept = _redirect(pathlib.Path(request["folder"]))
        code = 0
        try:
            module.run()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 70
        _restore(kept)
        flagsaver.restore_flag_values(values)
        answers.write(json.dumps(code) + "\n")
        answers.flush()


def _redirect(folder):
    kept = [os.dup(1), os.dup(2)]
    for number in (1, 2):
        with open(folder / str(number), "wb") as file:
            os.dup2(file.fileno(), number)
    return kept


def _restore(kept):
    sys.stdout.flush()
    sys.stderr.flush()
    for number, copy in zip((1, 2), kept, strict=True):
        os.dup2(copy, number)
        os.close(copy)


if __name__ == "__main__":
    _serve(sys.argv[1])
