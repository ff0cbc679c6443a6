"""Writes a Kaggle kernel that predicts the competition's hidden test set.

    python scripts/kaggle_kernel.py --model=a.keras[,b.keras] \\
        --output_dir=kernel --user=NAME [--tta=4]

The competition takes no submission.csv, only a kernel that writes one with
Internet off. OUTPUT_DIR/dataset holds the project and the models, and
OUTPUT_DIR/kernel the script that runs trainer/predict.py; the commands that
upload them are printed.
"""

import json
import pathlib
import shutil
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import pack
from absl import flags

from console import command
from flags import kaggle_kernel_flags
from storage import UserError
from storage.whole_file import whole_file, write_whole

FLAGS = flags.FLAGS
COMPETITION = "bengaliai-cv19"
DATASET = "bengali-trainer-models"
KERNEL = "bengali-trainer-predict"
ZIP = "bengali-trainer.zip"
# On Kaggle. It unpacks a zip that is uploaded in a dataset, and shows what is
# attached in folders of /kaggle/input, deeper in some versions than in others.
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


def main() -> None:
    """Writes the two folders, and prints how to upload them."""
    models = [pathlib.Path(path) for path in FLAGS.model]
    for path in models:
        if not zipfile.is_zipfile(path):
            raise UserError(
                f"--model={path}: expected the model.keras of a run"
            )
    output = pathlib.Path(FLAGS.output_dir)
    names = write_dataset(output / "dataset", models, user=FLAGS.user)
    write_kernel(
        output / "kernel",
        names,
        user=FLAGS.user,
        tta=FLAGS.tta,
        gpu=FLAGS.gpu,
    )
    if not FLAGS["user"].present:
        print(
            f"write your Kaggle name for {FLAGS.user} into dataset-metadata."
            "json and kernel-metadata.json, and below; or give --user"
        )
    print(
        f"kaggle datasets create -p {output / 'dataset'}\n"
        f"kaggle kernels push -p {output / 'kernel'}\n"
        f"kaggle competitions submit {COMPETITION} -k {FLAGS.user}/{KERNEL} "
        "-v 1 -f submission.csv -m 'trained with bengali-trainer'"
    )


def write_dataset(
    folder: pathlib.Path, models: list[pathlib.Path], *, user: str
) -> list[str]:
    """Writes what `kaggle datasets create` takes.

    Args:
        folder: Where to.
        models: The model files.
        user: Kaggle name of the owner.

    Returns:
        The names that the models have there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("model-*.keras"):
        path.unlink()
    names = [f"model-{i}.keras" for i in range(len(models))]
    for name, model in zip(names, models, strict=True):
        with whole_file(folder / name) as sink, open(model, "rb") as source:
            shutil.copyfileobj(source, sink)
    pack.pack(pack.ROOT, folder / ZIP)
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
    """Writes what `kaggle kernels push` takes.

    Args:
        folder: Where to.
        names: The models' names in the dataset.
        user: Kaggle name of the owner.
        tta: Views of each image.
        gpu: Whether the kernel asks for a GPU.
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


if __name__ == "__main__":
    command.run(main, kaggle_kernel_flags, user_errors=(UserError,))
