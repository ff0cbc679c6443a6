"""Datasets that hypothesis draws, and the ways in which they are written."""

import numpy as np
import tiny_data
from hypothesis import strategies as st

from tfrecord_builder.planning.plan import BuildRecipe


@st.composite
def datasets(draw):
    """Returns (ids, images, labels, graphemes, recipe) of any small table."""
    count = draw(st.integers(2, 24))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    ids = draw(
        st.lists(
            st.text(
                st.characters(
                    exclude_categories=["Cs"], exclude_characters="\0\r"
                ),
                min_size=1,
                max_size=12,
            ),
            min_size=count,
            max_size=count,
            unique=True,
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    recipe = BuildRecipe(
        image_height=height,
        image_width=width,
        image_encoding=draw(st.sampled_from(["raw", "png"])),
        num_folds=draw(st.integers(1, min(4, count))),
        unseen_graphemes=0.0,
        shard_mb=draw(st.sampled_from([1, 100])),
        seed=draw(st.integers(0, 2**63 - 1)),
    )
    images = rng.integers(0, 256, (count, height, width), np.uint8)
    labels = rng.integers(0, draw(st.integers(1, 300)), (count, 2))
    graphemes = draw(
        st.lists(
            st.sampled_from(["ক", "ক্ট্রো", "", "a,b"]),
            min_size=count,
            max_size=count,
        )
    )
    return ids, images, labels.astype(np.int64), graphemes, recipe


WAYS = st.fixed_dictionaries(
    {
        "files": st.integers(1, 4),
        "group": st.sampled_from([None, 1, 3, 5]),
        "workers": st.integers(1, 4),
        "stops": st.lists(st.integers(1, 8), max_size=3),
        "reverse": st.booleans(),
    }
)


def write_source(folder, ids, images, labels, graphemes, way) -> None:
    """Writes the table in one of many ways."""
    folder.mkdir()
    order = np.arange(len(ids))[:: -1 if way["reverse"] else 1]
    for k, part in enumerate(np.array_split(order, way["files"])):
        tiny_data.write_parquet(
            folder / f"train_image_data_{k}.parquet",
            [ids[i] for i in part],
            images[part],
            row_group_size=way["group"],
        )
    rows = zip(ids, labels.tolist(), graphemes, strict=True)
    tiny_data.write_csv(
        folder / "train.csv",
        [["image_id", "a", "b", "grapheme"], *([i, *r, g] for i, r, g in rows)],
    )
