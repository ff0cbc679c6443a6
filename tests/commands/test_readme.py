"""The shell blocks of README.md, and then of docs/, are run as they stand.

A reader copies the ```bash blocks from top to bottom into one shell; so does
this test, in a copy of the project, with small sizes put in by SMALLER. A
block that no test can run carries the reason on the line before it:

    <!-- not run: needs Google Drive -->
    ```bash
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What the test writes in place of what the reader types: (text, smaller).
# Each must be found in a block that is run, so that none goes stale.
SMALLER: list[tuple[str, str]] = [
    (
        "bash scripts/demo.sh",
        "DEMO_IMAGES=600 DEMO_EPOCHS=8 bash scripts/demo.sh",
    ),
    ("--num_images=4000", "--num_images=300"),
    ("--epochs=8", "--epochs=1"),
]

_FENCE = re.compile(
    r"^(?P<before>[^\n]*)\n+```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*?) -->")
_SHELLS = {"bash", "sh", "shell", "console"}


def read_blocks(markdown: str) -> list[tuple[str, str | None]]:
    """Returns the shell blocks as (text, None or the reason not to run it)."""
    blocks = []
    for match in _FENCE.finditer("\n" + markdown):
        if match["language"] not in _SHELLS:
            continue
        before = match["before"]
        reason = _NOT_RUN.fullmatch(before.strip())
        if "not run" in before and before.startswith("<!--") and not reason:
            raise ValueError(f"no reason in {before!r}: <!-- not run: why -->")
        blocks.append((match["text"], reason and reason["reason"]))
    return blocks


def make_script(
    blocks: list[tuple[str, str | None]], smaller: list[tuple[str, str]]
) -> str:
    """Joins the blocks that are run into one script of the smaller sizes."""
    script = "\n".join(text for text, reason in blocks if reason is None)
    for text, replacement in smaller:
        if text not in script:
            raise ValueError(
                f"{text!r} is in no block of README.md that is run"
            )
        script = script.replace(text, replacement)
    return "set -euo pipefail\nPS4='\n$ '\nset -x\n" + script


def test_blocks_are_found():
    markdown = """```bash
first
```
text
```python
not_a_shell()
```
<!-- not run: needs a GPU -->
```bash
second
```

<!-- not run: needs Drive -->

```sh
third
```
"""
    assert read_blocks(markdown) == [
        ("first\n", None),
        ("second\n", "needs a GPU"),
        ("third\n", "needs Drive"),
    ]
    with pytest.raises(ValueError, match="no reason"):
        read_blocks("<!-- not run -->\n```bash\nx\n```\n")


def test_script_has_the_smaller_sizes():
    blocks = [("run --epochs=9\n", None), ("lost\n", "why"), ("end\n", None)]
    script = make_script(blocks, [("--epochs=9", "--epochs=1")])
    assert script.splitlines()[3:] == ["set -x", "run --epochs=1", "", "end"]
    with pytest.raises(ValueError, match="--epochs=8"):
        make_script(blocks, [("--epochs=8", "")])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_readme_runs(tmp_path):
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in read_blocks(page.read_text(encoding="utf-8"))
    ]
    script = make_script(blocks, SMALLER)
    assert any(reason is None for _, reason in blocks)
    # A copy, so that what the reader's commands leave behind goes with it.
    # Nothing is installed: `python` is the one that runs this test, and
    # PYTHONPATH puts the copy before the installed project.
    copy = tmp_path / "project"
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__"),
    )
    environment = os.environ | {
        "PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ["PATH"]]),
        "PYTHONPATH": str(copy),
        "READY_PYTHON": sys.executable,
    }
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
