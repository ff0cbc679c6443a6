"""Writes a Kaggle kernel that predicts the competition's hidden test set.

    python scripts/kaggle_kernel.py --model=a.keras[,b.keras] \\
        --output_dir=kernel --user=NAME [--tta=4]

The competition accepts no submission.csv, only a kernel that writes one with
Internet off. OUTPUT_DIR/dataset holds the project and the models.
OUTPUT_DIR/kernel holds the script that runs trainer/predict.py. The command
prints the commands that upload them.
"""

import pathlib
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags
from session import kernel

from console import command
from flags import kaggle_kernel_flags
from storage import UserError

FLAGS = flags.FLAGS


def main() -> None:
    """Writes the two folders, and prints how to upload them."""
    models = [pathlib.Path(path) for path in FLAGS.model]
    for path in models:
        if not zipfile.is_zipfile(path):
            raise UserError(
                f"--model={path}: expected the model.keras of a run"
            )
    output = pathlib.Path(FLAGS.output_dir)
    names = kernel.write_dataset(output / "dataset", models, user=FLAGS.user)
    kernel.write_kernel(
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
        f"kaggle competitions submit {kernel.COMPETITION} "
        f"-k {FLAGS.user}/{kernel.KERNEL} -v 1 -f submission.csv "
        "-m 'trained with bengali-trainer'"
    )


if __name__ == "__main__":
    command.run(main, kaggle_kernel_flags, user_errors=(UserError,))
