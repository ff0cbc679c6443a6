"""Makes trainer/models/weights/resnet9.npz: resnet9 trained on drawn graphemes.

    python scripts/pretrain.py --output_dir=DIR

Draws 40,000 images of every root x vowel x consonant that can be written, each
equally often, builds them, trains for 8 epochs and packs the weights that are
best on a twentieth of them. No image was written by a hand. 20 minutes on 2
cores, 8 GB of disk; killed and run again, it goes on.
"""

import pathlib
import subprocess
import sys

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parent.parent

FLAGS = flags.FLAGS
_OUTPUT = flags.DEFINE_string(
    "output_dir", None, "Where images, records and run go.", required=True
)


def main(argv):
    del argv
    images, records, workdir, backup = (
        pathlib.Path(_OUTPUT.value, name)
        for name in ("images", "records", "run", "backup")
    )
    if not (records / "dataset_info.json").exists():
        _run(
            "sample_data/main.py",
            f"--output_dir={images}",
            "--num_images=40000",
            "--graphemes=all",
            "--seed=5",
        )
        _run(
            "tfrecord_builder/main.py",
            f"--input_dir={images}",
            f"--output_dir={records}",
            "--num_folds=20",
        )
    _run(
        "trainer/main.py",
        f"--flagfile={ROOT / 'flags/presets/cpu_15min.flags'}",
        f"--data_dir={records}",
        f"--workdir={workdir}",
        f"--backup_dir={backup}",
        "--precision=mixed_bfloat16",
        "--cutmix=0.5",
        "--nopretrained",
        "--grapheme_head=0",
        "--logit_adjustment=0",
        "--epochs=8",
        "--warmup_epochs=0.5",
        "--shuffle_window_mb=2000",
    )
    from trainer.models import initial_weights

    path = ROOT / "trainer/models/weights/resnet9.npz"
    path.parent.mkdir(exist_ok=True)
    initial_weights.pack(
        initial_weights.read_model(str(workdir / "model.keras")), path
    )
    print(f"wrote {path}")


def _run(script, *arguments):
    subprocess.run([sys.executable, ROOT / script, *arguments], check=True)


if __name__ == "__main__":
    app.run(main)
