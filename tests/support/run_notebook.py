"""Runs notebooks/colab.ipynb with other parameters; prints what cells show.

    python run_notebook.py FOLDER 'NUM_IMAGES = 300' 'RECIPE = ["--epochs=2"]'

FOLDER is what the kernel is started in. Exit code 1, and the error last, if a
cell failed.
"""

import pathlib
import re
import sys

import nbclient
import nbformat

NOTEBOOK = pathlib.Path(__file__).parents[2] / "notebooks" / "colab.ipynb"
PARAMETERS = 1  # Index of the cell.


def main() -> int:
    folder, *parameters = sys.argv[1:]
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cell = notebook.cells[PARAMETERS]
    for line in parameters:
        name = line.partition(" ")[0]
        pattern = re.compile(rf"^{name} = .*$", re.MULTILINE)
        if len(pattern.findall(cell.source)) != 1:
            raise ValueError(f"{name} is no parameter of the notebook")
        cell.source = pattern.sub(lambda match, line=line: line, cell.source)
    client = nbclient.NotebookClient(
        notebook, timeout=500, resources={"metadata": {"path": folder}}
    )
    error = ""
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as failed:
        error = f"{failed.ename}: {failed.evalue}"
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            print(output.get("text") or output.get("data", ""))
    print(error)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
