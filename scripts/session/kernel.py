"""Writes the files of a Kaggle kernel that predicts with Internet off.

They are a dataset with the project and the models, and a kernel with the script
that runs trainer/predict.py.
"""

import json
import pathlib
import shutil

from session import project_zip
from storage.whole_file import whole_file, write_whole

COMPETITION = "bengaliai-cv19"
DATASET = "bengali-trainer-models"
KERNEL = "bengali-trainer-predict"
ZIP = "bengali-trainer.zip"
# It runs on Kaggle, which unpacks a zip in a dataset. Attached files are in
# folders of /kaggle/input, at a depth that differs between versions of Kaggle.
SCRIPT = '''\
"""Predicts the test images with the attached models; needs no Internet."""

import pathlib, shutil, subprocess, sys

inputs, folder = map(pathlib.Path, ("/kaggle/input", "/kaggle/temp/project"))
for path in filter(pathlib.Path.is_file, inputs.glob("**/{zip}")):
    shutil.unpack_archive(path, folder)
mains = [*folder.glob("trainer/main.py"), *inputs.glob("**/trainer/main.py")]
project = mains[0].parents[1]
models = [str(next(inputs.glob(f"**/{{name}}"))) for name in {models}]
images = next(inputs.glob("**/test_image_data_0.parquet")).parent
command = [sys.executable, "-m", "trainer.predict", "--tta={tta}"]
command += [f"--model={{','.join(models)}}", f"--input_dir={{images}}"]
command += ["--output=/kaggle/working/submission.csv"]
sys.exit(subprocess.run(command, cwd=project).returncode)
'''


def write_dataset(
    folder: pathlib.Path, models: list[pathlib.Path], *, user: str
) -> list[str]:
    """Writes the files for `kaggle datasets create`.

    Args:
        folder: The folder to write to.
        models: The model files.
        user: Kaggle name of the owner.

    Returns:
        The names of the models in the dataset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("model-*.keras"):
        path.unlink()
    names = [f"model-{i}.keras" for i in range(len(models))]
    for name, model in zip(names, models, strict=True):
        with whole_file(folder / name) as sink, open(model, "rb") as source:
            shutil.copyfileobj(source, sink)
    project_zip.pack(project_zip.ROOT, folder / ZIP)
    write_json(
        folder / "dataset-metadata.json",
        {
            "id": f"{user}/{DATASET}",
            "title": DATASET,
            "licenses": [{"name": "other"}],
        },
    )
    return names


def write_kernel(
    folder: pathlib.Path, names: list[str], *, user: str, tta: int, gpu: bool
) -> None:
    """Writes the files for `kaggle kernels push`.

    Args:
        folder: The folder to write to.
        names: The models' names in the dataset.
        user: Kaggle name of the owner.
        tta: Number of views of each image.
        gpu: Whether the kernel uses a GPU.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = SCRIPT.format(zip=ZIP, models=names, tta=tta)
    write_whole(folder / "predict.py", script.encode())
    write_json(
        folder / "kernel-metadata.json",
        {
            "id": f"{user}/{KERNEL}",
            "title": KERNEL,
            "code_file": "predict.py",
            "language": "python",
            "kernel_type": "script",
            "is_private": True,
            "enable_gpu": gpu,
            "enable_internet": False,
            "competition_sources": [COMPETITION],
            "dataset_sources": [f"{user}/{DATASET}"],
        },
    )


def write_json(path: pathlib.Path, value: dict) -> None:
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())
