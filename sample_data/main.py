"""Draws a dataset in the layout of the Bengali.AI grapheme competition.

    python sample_data/main.py --output_dir=DIR --num_images=N

Real Bengali graphemes with their labels and frequencies, written by hands
that are made up: needs no download and no account.
"""

import json
import pathlib

import numpy as np
from absl import flags

import storage
from flags import command, sample_data_flags
from sample_data import fonts, graphemes, handwriting, layout, progress, workers

FLAGS = flags.FLAGS
_DRAWING = 1  # counts the changes that give other pixels for the same flags
_PIXELS = handwriting.HEIGHT * handwriting.WIDTH
_SCATTER = 1024  # images put in place at a time


def main() -> int:
    """Draws the dataset, or what is missing of it."""
    folder = _folder(FLAGS.output_dir)
    if FLAGS.num_train_files > FLAGS.num_images:
        raise storage.UserError(
            f"--num_train_files={FLAGS.num_train_files} is more than "
            f"--num_images={FLAGS.num_images}: a file would stay empty"
        )
    font_paths = fonts.find_fonts(FLAGS.font_dir)
    table = graphemes.read_graphemes()
    places = {
        "train": graphemes.deal(
            table, num_images=FLAGS.num_images, seed=FLAGS.seed
        ),
        "test": graphemes.draw_test(
            table, num_images=layout.NUM_TEST_IMAGES, seed=FLAGS.seed
        ),
    }
    recipe = json.dumps(
        {
            "drawing": _DRAWING,
            "seed": FLAGS.seed,
            "num_images": FLAGS.num_images,
            "num_train_files": FLAGS.num_train_files,
            "fonts": fonts.digest(font_paths),
        }
    )
    files = list(layout.image_files(FLAGS.num_images, FLAGS.num_train_files))
    small = layout.small_files()
    train_csv = layout.train_csv(table, places["train"])
    missing = _missing(folder, files, small, train_csv, recipe)
    if missing is None:
        print(f"{folder} already holds these {FLAGS.num_images:,} images.")
        _say_next(folder)
        return 0

    num_workers = FLAGS.num_workers or workers.count_cores()
    print(
        f"Drawing {FLAGS.num_images:,} training and "
        f"{layout.NUM_TEST_IMAGES} test images of {len(table):,} graphemes "
        f"in {len(font_paths)} fonts into {folder} (processes: {num_workers})",
        flush=True,
    )
    if len(missing) < len(files):
        print(f"Going on: {len(files) - len(missing)} files are there already.")
    folder.mkdir(parents=True, exist_ok=True)
    layout.remove_partial(folder)
    for name, data in small.items():
        layout.write_bytes(folder / name, data)
    with workers.Workers(
        num_workers=num_workers, font_paths=font_paths, seed=FLAGS.seed
    ) as pool:
        _draw_files(folder, missing, places, table, pool, recipe)
    layout.write_bytes(folder / layout.TRAIN_CSV, train_csv)
    print(f"Wrote {FLAGS.num_images:,} images to {folder}.")
    _say_next(folder)
    return 0


def _folder(url: str) -> pathlib.Path:
    if "://" in url:
        raise storage.UserError(
            f"--output_dir={url}: expected a local folder; draw into one and "
            "copy it there"
        )
    folder = pathlib.Path(url)
    if folder.exists() and not folder.is_dir():
        raise storage.UserError(f"--output_dir={url}: this is a file")
    return folder


def _missing(
    folder: pathlib.Path,
    files: list[tuple[str, str, range]],
    small: dict[str, bytes],
    train_csv: bytes,
    recipe: str,
) -> list[tuple[str, str, range]] | None:
    """Lists the image files yet to draw; None: the dataset is whole.

    Raises:
        storage.UserError: The folder holds files of another dataset.
    """
    there = layout.dataset_files(folder)
    texts = {**small, layout.TRAIN_CSV: train_csv}
    for name in there:
        if name in texts:
            ours = (folder / name).read_bytes() == texts[name]
        else:
            ours = layout.read_recipe(folder / name) == recipe
        if not ours:
            raise storage.UserError(
                f"{folder} holds another dataset (its {name} is not what "
                "these flags give); choose another --output_dir, or remove "
                "that one first"
            )
    missing = [file for file in files if file[0] not in there]
    return missing if missing or set(texts) - set(there) else None


def _draw_files(
    folder: pathlib.Path,
    files: list[tuple[str, str, range]],
    places: dict[str, np.ndarray],
    table: list[graphemes.Grapheme],
    pool: workers.Workers,
    recipe: str,
) -> None:
    """Draws and writes files one after the other.

    The workers draw on while a file is written. One file's pixels are held
    in memory: 1.6 GB for 50,210 images.
    """
    shown = progress.Progress(sum(len(indices) for _, _, indices in files))
    batches = pool.draw(
        (int(split == "test"), index, table[places[split][index]].text)
        for _, split, indices in files
        for index in indices
    )
    surplus = np.empty((0, _PIXELS), np.uint8)
    for name, split, indices in files:
        columns = np.empty((_PIXELS, len(indices)), np.uint8)
        filled = 0
        while filled < len(indices):
            rows = [surplus]
            held = len(surplus)
            while held < min(_SCATTER, len(indices) - filled):
                rows.append(next(batches).reshape(-1, _PIXELS))
                held += len(rows[-1])
                shown.advance(len(rows[-1]))
            rows = np.concatenate(rows)
            taken = min(held, len(indices) - filled)
            _transpose(rows[:taken], columns[:, filled : filled + taken])
            surplus = rows[taken:].copy()
            filled += taken
        ids = [layout.image_id(split, index) for index in indices]
        layout.write_images(folder / name, ids, columns, recipe)
        del columns
    shown.finish()


def _transpose(rows: np.ndarray, columns: np.ndarray) -> None:
    """Copies rows [n, pixels] to columns [pixels, n], in cache-sized parts."""
    for start in range(0, rows.shape[1], 512):
        columns[start : start + 512] = rows[:, start : start + 512].T


def _say_next(folder: pathlib.Path) -> None:
    print(
        f"Next: python tfrecord_builder/main.py --input_dir={folder} "
        "--output_dir=RECORDS"
    )


if __name__ == "__main__":
    command.run(main, sample_data_flags, user_errors=(storage.UserError,))
