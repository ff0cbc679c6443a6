"""A real Chromium for tests of pages; they are skipped where there is none.

with browser.open_page(path.as_uri(), width=390, dark=True) as page:
    page.evaluate("…")
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

_DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo" / "app.py"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MILLISECONDS = 120_000  # Patience on a busy machine.
# No sandbox inside a container; no request but the page's own, and no other
# host is to be found.
_ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def open_page(url: str, *, width: int = 1280, dark: bool = False):
    """Yields Playwright's page of `url`; fails on an error in its console."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    )
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=list(_ARGUMENTS)
        )
        page = chromium.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        page.set_default_timeout(_MILLISECONDS)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda line: line.type == "error" and errors.append(line.text),
        )
        page.goto(url)
        page.evaluate("document.fonts.ready")
        yield page
        chromium.close()
        assert errors == []


@contextlib.contextmanager
def serve_demo(model: pathlib.Path, *, stderr=None):
    """Yields the address of demo/app.py, which runs with `model`."""
    with subprocess.Popen(
        [sys.executable, _DEMO, f"--model={model}", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield process.stdout.readline().split()[2]
        finally:
            process.terminate()


def draw(page, *fractions) -> None:
    """Draws a stroke on demo/app.py's page.

    Args:
        page: Playwright's page.
        *fractions: Points (x, y), as fractions of the paper's width and height.
    """
    box = page.locator("#pad").bounding_box()
    points = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"])
        for x, y in fractions
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
