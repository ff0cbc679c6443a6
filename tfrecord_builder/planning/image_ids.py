"""Image ids by the hundred million: sorted and looked up by their hashes.

    ids = image_ids.sort(texts, seed)
    ids.texts[ids.order[0]]            # the first in the order of the records
    table.find(ids)                    # the index of each in `table`

`folds.text_hash` is the hash. Different ids rarely have the same hash, so all
sorting and searching uses numbers; texts are compared only if hashes are equal.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrecord_builder.planning import folds

BLOCK = 1 << 16  # Number of ids that are Python objects at one time.


@dataclasses.dataclass(frozen=True)
class Ids:
    """N image ids.

    Attributes:
        texts: The ids in the source's order.
        order: [N] int64, indices into `texts` in the order of (hash, text).
        hashes: [N] uint64, the hash of each, in that order.
    """

    texts: pa.LargeStringArray
    order: np.ndarray
    hashes: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def doubled(self) -> list[list[int]]:
        """Returns the indices of each text that occurs more than once."""
        groups = [
            list(group)
            for tie in _ties(self.hashes)
            for _, group in itertools.groupby(
                self.order[tie].tolist(), lambda i: self.texts[i].as_py()
            )
        ]
        return [group for group in groups if len(group) > 1]

    def find(self, ids: "Ids") -> np.ndarray:
        """Returns the index of each of `ids` in this object.

        No id may occur twice in this object.

        Returns:
            [len(ids)] int64, in the order of `ids.texts`; -1 if it is missing
            here.
        """
        indices = np.full(len(ids), -1, np.int64)
        for start in range(0, len(ids), BLOCK):
            wanted = ids.order[start : start + BLOCK]
            hashes = ids.hashes[start : start + BLOCK]
            at = np.searchsorted(self.hashes, hashes)
            while len(wanted):  # Continue where another text has the same hash.
                known = at < len(self)
                known[known] = self.hashes[at[known]] == hashes[known]
                wanted, hashes, at = wanted[known], hashes[known], at[known]
                matches = self.order[at]
                same = pc.equal(
                    ids.texts.take(pa.array(wanted)),
                    self.texts.take(pa.array(matches)),
                ).to_numpy(zero_copy_only=False)
                indices[wanted[same]] = matches[same]
                wanted, hashes, at = wanted[~same], hashes[~same], at[~same] + 1
        return indices


def sort(texts: pa.LargeStringArray, seed: int) -> Ids:
    """Sorts ids by their hashes."""
    # Arrow keeps the memory of the parts that `texts` was made from.
    pa.default_memory_pool().release_unused()
    hashes = np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), BLOCK):
        block = texts.slice(start, BLOCK).to_numpy(zero_copy_only=False)
        hashes[start : start + len(block)] = folds.text_hashes(seed, block)
    order = np.argsort(hashes)
    hashes = hashes[order]
    for tie in _ties(hashes):
        order[tie] = sorted(
            order[tie].tolist(), key=lambda i: (texts[i].as_py(), i)
        )
    return Ids(texts, order, hashes)


def _ties(hashes: np.ndarray) -> Iterator[slice]:
    """Yields a slice for each hash that occurs more than once."""
    same = np.flatnonzero(hashes[1:] == hashes[:-1])
    for part in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1):
        if len(part):
            yield slice(part[0], part[-1] + 2)
