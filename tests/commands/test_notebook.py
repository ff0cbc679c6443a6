"""notebooks/colab.ipynb, run whole on a small sample."""

import json
import pathlib
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "colab.ipynb"
# What the test writes in place of what the notebook says: (text, smaller).
SMALLER = (
    ("NUM_IMAGES = 4000", "NUM_IMAGES = 300"),
    (
        "RECIPE = []",
        'RECIPE = ["--backbone=tiny", "--nopretrained", "--epochs=1", '
        '"--global_batch_size=64"]',
    ),
)


def test_it_is_short_and_holds_no_outputs():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = notebook["cells"]
    assert len(cells) < 17
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert {json.dumps(cell["outputs"]) for cell in code} == {"[]"}
    assert {cell["execution_count"] for cell in code} == {None}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_it_runs_whole_and_again_after_a_reset(tmp_path, monkeypatch):
    nbformat = pytest.importorskip(
        "nbformat", reason="nbformat is not installed"
    )
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed"
    )
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("NOTEBOOK_DIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    parameters = notebook.cells[1]
    for text, smaller in SMALLER:
        assert text in parameters.source
        parameters.source = parameters.source.replace(text, smaller)

    def run_cells():
        began = time.monotonic()
        client = nbclient.NotebookClient(
            notebook,
            timeout=900,
            resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        )
        client.execute()
        print(f"the notebook took {time.monotonic() - began:.0f} s")
        return [
            "".join(
                output.get("text", "") or str(output.get("data", ""))
                for output in cell.get("outputs", [])
            )
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]

    outputs = run_cells()
    assert "Not on Colab: no Drive" in outputs[1]
    assert "flags/presets/" in outputs[5]
    assert "Training report" in outputs[7]  # Inline.
    assert (tmp_path / "keep" / "submission.csv").stat().st_size > 100
    # The machine is lost: all but what is kept.
    (tmp_path / "run").rename(tmp_path / "lost")
    # The cells behind the training read what it brings back.
    del notebook.cells[12:]
    again = run_cells()
    assert "This run is finished" in again[5]
    for name in ("model.keras", "report.html"):
        assert (tmp_path / "run" / name).read_bytes() == (
            tmp_path / "lost" / name
        ).read_bytes()
