"""How many images each grapheme gets, and the files that hold them."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from console.progress import Progress
from pretraining.drawing import Desk
from sample_data import (
    combinations,
    fonts,
    graphemes,
    layout,
    paper,
    workers,
)
from sample_data.graphemes import Grapheme
from sample_data.workers import Workers

DRAWING = 1  # counts the changes that give other pixels for the same flags
_FILE = 25_000  # images; twice their 0.8 GB are held while one is written
_RARE = 0.25  # of a root's frequency, how much less often it is drawn
_KNOWN = 1 / 3  # of a root's images, of graphemes that the competition has


def weigh(table: Sequence[Grapheme]) -> list[Grapheme]:
    """Returns every grapheme that can be written, with how often to draw it.

    A root of few real images is drawn more often, of 130 images 2.6 times as
    often as one of 5,736. A third of a root's images are of the graphemes that
    the table has, which mostly lack a consonant diacritic; the rest are of the
    others. Within both, each is drawn as often.

    Args:
        table: The competition's graphemes with their frequencies.
    """
    known = {grapheme.labels for grapheme in table}
    every = combinations.all_graphemes(table)
    roots = np.array([grapheme.labels[0] for grapheme in every])
    is_known = np.array([grapheme.labels in known for grapheme in every])
    frequencies = np.bincount(
        [grapheme.labels[0] for grapheme in table],
        weights=[grapheme.count for grapheme in table],
    )
    weights = frequencies[roots] ** -_RARE
    group = 2 * roots + is_known
    sizes = np.bincount(group, minlength=2 * len(frequencies))
    share = np.where(is_known, _KNOWN, 1 - _KNOWN)
    alone = sizes[group ^ 1] == 0  # The root has no grapheme of the other kind.
    weights *= np.where(alone, 1, share) / sizes[group]
    counts = np.maximum(np.round(1e9 * weights), 1).astype(int).tolist()
    return [
        Grapheme(grapheme.text, grapheme.labels, count)
        for grapheme, count in zip(every, counts, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is drawn.

    Attributes:
        num_images: How many images.
        seed: Of the deal and of the drawing.
        font_paths: The designs.
        shares: How many images each is for, beside the others.
        designs: For each text the fonts that it may be drawn with.
        chosen: What weigh returned.
    """

    num_images: int
    seed: int
    font_paths: Sequence[pathlib.Path]
    shares: Sequence[float]
    designs: Mapping[str, Sequence[int]]
    chosen: Sequence[Grapheme]

    def recipe(self) -> str:
        """Returns what a file says that it was drawn from."""
        designs = json.dumps(self.designs).encode()
        return json.dumps(
            {
                "pretraining": DRAWING,
                "seed": self.seed,
                "num_images": self.num_images,
                "graphemes": graphemes.digest(self.chosen),
                "designs": hashlib.sha256(designs).hexdigest(),
                "fonts": fonts.digest(list(self.font_paths)),
                "shares": list(self.shares),
            }
        )


def draw(folder: pathlib.Path, plan: Plan) -> None:
    """Draws the dataset, or the files of it that are not there yet.

    Args:
        folder: Takes the competition's layout, without test images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout.remove_partial(folder)
    rows = graphemes.deal(
        plan.chosen, num_images=plan.num_images, seed=plan.seed
    )
    num_files = -(-plan.num_images // _FILE)
    recipe = plan.recipe()
    files = {
        name: indices
        for name, split, indices in layout.image_files(
            plan.num_images, num_files
        )
        if split == "train" and not _is_drawn(folder / name, recipe)
    }
    if files:
        _draw_files(folder, files, rows, plan)
    for name, data in layout.small_files().items():
        layout.write_bytes(folder / name, data)
    layout.write_bytes(
        folder / layout.TRAIN_CSV, layout.train_csv(plan.chosen, rows)
    )


def _is_drawn(path: pathlib.Path, recipe: str) -> bool:
    return path.exists() and layout.read_recipe(path) == recipe


def _draw_files(
    folder: pathlib.Path,
    files: Mapping[str, range],
    rows: np.ndarray,
    plan: Plan,
) -> None:
    """Draws files one after the other.

    Args:
        files: Names, and the indices of their images.
        rows: For each image its row of plan.chosen.
    """
    total = sum(len(indices) for indices in files.values())
    megabytes = paper.HEIGHT * paper.WIDTH / 1e6
    recipe = plan.recipe()
    with (
        Workers(
            num_workers=workers.count_cores(),
            make_desk=Desk,
            font_paths=plan.font_paths,
            shares=plan.shares,
            designs=plan.designs,
            seed=plan.seed,
        ) as pool,
        Progress("drawing", total=total, megabytes=megabytes) as progress,
    ):
        batches = pool.draw(
            (
                [(0, index, plan.chosen[rows[index]].text) for index in indices]
                for indices in files.values()
            ),
            on_drawn=progress.advance,
        )
        for name, indices in files.items():
            columns = layout.take_columns(batches, len(indices))
            ids = [layout.image_id("train", index) for index in indices]
            layout.write_images(folder / name, ids, columns, recipe)
            del columns  # Else two files' images are held.
