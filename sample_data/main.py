"""Draws a dataset in the layout of the Bengali.AI grapheme competition.

    python sample_data/main.py --output_dir=DIR --num_images=N

The graphemes, their labels and frequencies are real; the writers are invented.
It needs no download and no account.
"""

from absl import flags

from console import command
from flags import sample_data_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(sample_data_flags, importing="numpy")

import dataclasses
import json
import pathlib

from console.progress import Progress
from sample_data import combinations, fonts, graphemes, layout, paper, workers
from sample_data.workers import Workers
from storage import UserError

FLAGS = flags.FLAGS
_DRAWING = 1  # increased when the same flags give other pixels
_PIXELS = paper.HEIGHT * paper.WIDTH


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The planned content of a dataset.

    Attributes:
        texts: For "train" and "test", the grapheme of each image.
        image_files: The parquet files: (name, split, indices of images).
        small_files: The other files except train.csv: name -> bytes.
        train_csv: Its bytes.
        recipe: The recipe that is stored in the parquet files.
    """

    texts: dict[str, list[str]]
    image_files: list[tuple[str, str, range]]
    small_files: dict[str, bytes]
    train_csv: bytes
    recipe: str


def main() -> int:
    """Draws the dataset, or its missing files."""
    folder = _folder(FLAGS.output_dir)
    font_paths = fonts.find_fonts(FLAGS.font_dir)
    plan = _make_plan(font_paths)
    missing = _missing(folder, plan)
    if missing is None:
        print(f"{folder} already holds these {FLAGS.num_images:,} images.")
        return _print_next(folder)

    num_workers = FLAGS.num_workers or workers.count_cores()
    print(
        f"Drawing {FLAGS.num_images:,} training and "
        f"{layout.NUM_TEST_IMAGES} test images of "
        f"{len(set(plan.texts['train'])):,} graphemes in {len(font_paths)} "
        f"fonts into {folder} (processes: {num_workers})",
        flush=True,
    )
    num_drawn = len(plan.image_files) - len(missing)
    if num_drawn:
        print(f"Continuing: {num_drawn} files exist already.", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    layout.remove_partial(folder)
    for name, data in plan.small_files.items():
        layout.write_bytes(folder / name, data)
    with Workers(
        num_workers=num_workers, font_paths=font_paths, seed=FLAGS.seed
    ) as pool:
        _draw_files(folder, missing, plan, pool)
    layout.write_bytes(folder / layout.TRAIN_CSV, plan.train_csv)
    print(f"Wrote {FLAGS.num_images:,} images to {folder}.")
    return _print_next(folder)


def _make_plan(font_paths: list[pathlib.Path]) -> _Plan:
    """Assigns the images to graphemes and to files."""
    if FLAGS.num_train_files > FLAGS.num_images:
        raise UserError(
            f"--num_train_files={FLAGS.num_train_files} is more than "
            f"--num_images={FLAGS.num_images}: a file would be empty"
        )
    table = combinations.choose(FLAGS.graphemes, graphemes.read_graphemes())
    rows = {
        "train": graphemes.deal(
            table, num_images=FLAGS.num_images, seed=FLAGS.seed
        ),
        "test": graphemes.draw_test(
            table, num_images=layout.NUM_TEST_IMAGES, seed=FLAGS.seed
        ),
    }
    recipe = {
        "drawing": _DRAWING,
        "seed": FLAGS.seed,
        "num_images": FLAGS.num_images,
        "num_train_files": FLAGS.num_train_files,
        "graphemes": graphemes.digest(table),
        "fonts": fonts.digest(font_paths),
    }
    return _Plan(
        texts={
            split: [table[row].text for row in dealt]
            for split, dealt in rows.items()
        },
        image_files=list(
            layout.image_files(FLAGS.num_images, FLAGS.num_train_files)
        ),
        small_files=layout.small_files(),
        train_csv=layout.train_csv(table, rows["train"]),
        recipe=json.dumps(recipe),
    )


def _folder(url: str) -> pathlib.Path:
    if "://" in url:
        raise UserError(
            f"--output_dir={url}: expected a local folder; draw into a local "
            "folder and copy it"
        )
    folder = pathlib.Path(url)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output_dir={url}: this is a file")
    return folder


def _missing(
    folder: pathlib.Path, plan: _Plan
) -> list[tuple[str, str, range]] | None:
    """Returns the image files to draw; None if the dataset is complete.

    Raises:
        storage.UserError: The folder holds files of another dataset.
    """
    existing = layout.dataset_files(folder)
    texts = {**plan.small_files, layout.TRAIN_CSV: plan.train_csv}
    for name in existing:
        if name in texts:
            ours = (folder / name).read_bytes() == texts[name]
        else:
            ours = layout.read_recipe(folder / name) == plan.recipe
        if not ours:
            raise UserError(
                f"{folder} holds another dataset (its {name} was made with "
                "other flags); choose another --output_dir, or remove that "
                "dataset first"
            )
    missing = [file for file in plan.image_files if file[0] not in existing]
    return missing if missing or set(texts) - set(existing) else None


def _draw_files(
    folder: pathlib.Path,
    files: list[tuple[str, str, range]],
    plan: _Plan,
    pool: Workers,
) -> None:
    """Draws and writes files one after the other.

    The workers continue to draw while a file is written. Memory holds the
    pixels of one file: 1.6 GB for 50,210 images.
    """
    total = sum(len(indices) for _, _, indices in files)
    with Progress("drawing", total=total, megabytes=_PIXELS / 1e6) as progress:
        batches = pool.draw(
            (
                [
                    (int(split == "test"), index, plan.texts[split][index])
                    for index in indices
                ]
                for _, split, indices in files
            ),
            on_drawn=progress.advance,
        )
        for name, split, indices in files:
            columns = layout.take_columns(batches, len(indices))
            ids = [layout.image_id(split, index) for index in indices]
            layout.write_images(folder / name, ids, columns, plan.recipe)
            del columns


def _print_next(folder: pathlib.Path) -> int:
    """Prints the command to run next; returns exit code 0."""
    print(
        f"Next: python tfrecord_builder/main.py --input_dir={folder} "
        "--output_dir=RECORDS"
    )
    return 0


if __name__ == "__main__":
    command.run(main, sample_data_flags, user_errors=(UserError,))
