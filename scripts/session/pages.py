"""Shows the report and the drawing page inside a notebook."""

import html
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from IPython import display, get_ipython

from session import running

START_SECONDS = 300.0
_servers: dict[str, tuple[subprocess.Popen, int]] = {}


def show_tensorboard(workdir: pathlib.Path) -> None:
    """Shows the curves of a running run; only on Colab."""
    if "google.colab" in sys.modules:
        shell = get_ipython()
        with running.alive("starting TensorBoard"):
            shell.run_line_magic("load_ext", "tensorboard")
            shell.run_line_magic("tensorboard", f"--logdir {workdir}")


def show_report(workdir: pathlib.Path) -> None:
    """Shows a workdir's report, also of an unfinished run."""
    summary = json.loads((workdir / "summary.json").read_text("utf-8"))
    if not summary["finished"]:  # A finished run has written its report.
        running.run("trainer/report.py", f"--workdir={workdir}")
    page = html.escape((workdir / "report.html").read_text("utf-8"))
    display.display(
        display.HTML(
            f'<iframe srcdoc="{page}" width="100%" height="800"></iframe>'
        )
    )


def show_drawing_page(model: pathlib.Path) -> None:
    """Shows the drawing page, served by a separate process.

    The process ends with the notebook's kernel.
    """
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        print(
            "Kaggle cannot show pages of a notebook's machine: download "
            "model.keras, and run demo/app.py on your own machine"
        )
        return
    port = serve(model)
    if "google.colab" in sys.modules:
        from google.colab import output

        output.serve_kernel_port_as_iframe(port, height=700)
    else:
        url = f"http://127.0.0.1:{port}/"
        display.display(display.IFrame(url, width="100%", height=700))


def serve(model: pathlib.Path) -> int:
    """Returns the port of demo/app.py; starts it unless it is running.

    Raises:
        SystemExit: It did not start.
    """
    process, port = _servers.get(str(model), (None, 0))
    if process is not None and process.poll() is None:
        return port
    log = model.with_name("drawing-page.log")
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "demo/app.py", f"--model={model}", "--port=0"],
            cwd=running.ROOT,
            stdout=sink,
            stderr=sink,
            env=os.environ | {"PYTHONPATH": str(running.ROOT)},
        )
    end = time.monotonic() + START_SECONDS
    with running.alive("starting the page to draw on"):
        while process.poll() is None and time.monotonic() < end:
            text = log.read_text("utf-8", errors="replace")
            if match := re.search(r"draw at http://[^:]+:(\d+)/", text):
                _servers[str(model)] = process, int(match[1])
                return int(match[1])
            time.sleep(0.2)
    process.kill()
    raise SystemExit(f"demo/app.py did not start: see {log}")
