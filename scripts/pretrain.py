"""Makes trainer/models/weights/resnet9.npz: resnet9 trained on drawn graphemes.

    python scripts/pretrain.py --output_dir=DIR

Downloads ten fonts from npm, draws 300,000 images of every root x vowel x
consonant that can be written, each by a hand of its own, builds them, trains
for 8 epochs and packs the weights that are best on a fiftieth of them. No image
was written by a hand. About an hour on 2 cores, 20 GB of disk; killed and run
again, it goes on. resnet9.json beside the weights says how they were made, with
the fonts and their licences.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags

from console import command
from flags import pretrain_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(pretrain_flags, importing="pyarrow")

from pretraining import dataset, designs, downloads
from pretraining.dataset import Plan

import storage
from sample_data import fonts, graphemes
from storage import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent
FONTS = ROOT / ".data" / "fonts"
FLAGS = flags.FLAGS
# Images/s on 2 idle cores of a CPU with bfloat16, for the time that is shown.
_DRAWN, _BUILT, _TRAINED = 1200, 4000, 900


def main() -> int:
    """Draws, builds, trains and packs, each where it is not done yet."""
    images, records, workdir, backup = (
        pathlib.Path(FLAGS.output_dir, name)
        for name in ("images", "records", "run", "backup")
    )
    _claim(pathlib.Path(FLAGS.output_dir))
    _print_time()
    fonts.check_shaping()
    paths = downloads.fetch_fonts(FONTS)
    if not (records / "dataset_info.json").exists():
        _draw(images, paths)
        _run(
            "tfrecord_builder/main.py",
            f"--input_dir={images}",
            f"--output_dir={records}",
            "--num_folds=50",
            f"--seed={FLAGS.seed}",
        )
    _run("trainer/main.py", *_recipe(records, workdir, backup))
    _pack(workdir / "model.keras", paths)
    return 0


def _claim(folder: pathlib.Path) -> None:
    """Notes in the folder what it is for.

    Raises:
        storage.UserError: It is for other images.
    """
    path = folder / "pretrain.json"
    wanted = {
        "drawing": dataset.DRAWING,
        "num_images": FLAGS.num_images,
        "seed": FLAGS.seed,
    }
    if path.exists():
        noted = json.loads(path.read_bytes())
        if noted != wanted:
            raise UserError(
                f"--output_dir={folder} is for {noted}, not for {wanted}; "
                "give another"
            )
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_whole(path, json.dumps(wanted).encode())


def _print_time() -> None:
    """Shows how long it takes where nothing is done yet."""
    minutes = [
        FLAGS.num_images * passes / rate / 60
        for passes, rate in (
            (1, _DRAWN),
            (1, _BUILT),
            (FLAGS.epochs, _TRAINED),
        )
    ]
    print(
        f"{FLAGS.num_images:,} images: about {minutes[0]:.0f} minutes to draw, "
        f"{minutes[1]:.0f} to build, {minutes[2]:.0f} to train on for "
        f"{FLAGS.epochs} epochs; on 2 idle cores",
        flush=True,
    )


def _draw(images: pathlib.Path, paths: list[pathlib.Path]) -> None:
    """Draws the dataset; what of it is there already is left."""
    chosen = dataset.weigh(graphemes.read_graphemes())
    plan = Plan(
        num_images=FLAGS.num_images,
        seed=FLAGS.seed,
        font_paths=paths,
        shares=[source.share for source in downloads.SOURCES],
        designs=designs.find_designs(paths, [g.text for g in chosen], FONTS),
        chosen=chosen,
    )
    dataset.draw(images, plan)


def _recipe(
    records: pathlib.Path, workdir: pathlib.Path, backup: pathlib.Path
) -> list[str]:
    """Returns the trainer's flags."""
    return [
        f"--flagfile={ROOT / 'flags/presets/cpu_15min.flags'}",
        f"--data_dir={records}",
        f"--workdir={workdir}",
        f"--backup_dir={backup}",
        "--precision=mixed_bfloat16",
        "--cutmix=0.5",
        "--nopretrained",
        "--grapheme_head=0",
        "--logit_adjustment=0",
        f"--epochs={FLAGS.epochs}",
        "--warmup_epochs=0.5",
        "--shuffle_window_mb=2000",
        f"--seed={FLAGS.seed}",
    ]


def _pack(model: pathlib.Path, paths: list[pathlib.Path]) -> None:
    """Writes the weights and the note of how they were made."""
    from trainer.models import initial_weights  # Imports TensorFlow.

    folder = pathlib.Path(FLAGS.weights_dir or ROOT / "trainer/models/weights")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "resnet9.npz"
    initial_weights.pack(initial_weights.read_model(str(model)), path)
    note = {
        "made_by": "python scripts/pretrain.py",
        "num_images": FLAGS.num_images,
        "epochs": FLAGS.epochs,
        "seed": FLAGS.seed,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "fonts": downloads.describe(paths),
    }
    storage.write_whole(
        path.with_suffix(".json"), (json.dumps(note, indent=2) + "\n").encode()
    )
    print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _run(script: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / script, *arguments], check=False
    )
    if done.returncode:
        raise UserError(
            f"{script} ended with exit code {done.returncode}; run this again "
            "to go on"
        )


if __name__ == "__main__":
    command.run(main, pretrain_flags, user_errors=(UserError,))
