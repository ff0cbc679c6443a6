"""The order of the training examples: a pure function of (seed, step).

An epoch is a permutation of the training records. It consists of windows:

  shards of the training folds, in an order drawn from (seed, epoch)
    -> windows of `shards_per_window` consecutive shards
       -> within a window, records in the order of hash(seed, epoch, window, i)

Step `s` of the run reads positions [b*B, (b+1)*B) of its epoch, where epoch = s
// steps_per_epoch and b = s % steps_per_epoch. At the end of an epoch N mod B
records are not read; they are different records in each epoch.

The hash is implemented here (splitmix64, Steele et al. 2014, "Fast splittable
pseudorandom number generators"), because no library promises that its shuffle
stays the same across versions. A golden test checks it.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from storage import UserError

_MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX1 = 0xBF58476D1CE4E5B9
MIX2 = 0x94D049BB133111EB


def mix64(x: int) -> int:
    """Returns the finalizer of splitmix64 of `x`, an integer in [0, 2**64)."""
    x = ((x ^ (x >> 30)) * MIX1) & _MASK
    x = ((x ^ (x >> 27)) * MIX2) & _MASK
    return x ^ (x >> 31)


def key(*words: int) -> int:
    """Returns an integer in [0, 2**64) that depends on the words, in order."""
    state = 0
    for word in words:
        state = mix64((state + GOLDEN + word) & _MASK)
    return state


@dataclasses.dataclass(frozen=True)
class Window:
    """The part of a window that is read in one epoch.

    Attributes:
        epoch: The epoch.
        shards: Indices of its shards, in reading order.
        key: Seed of the hash that orders its records, in [0, 2**64).
        skip: Number of records at its start that are not read (after a resume).
        take: Number of records that are read after those.
        position: Position in the epoch of the first record that is read.
    """

    epoch: int
    shards: tuple[int, ...]
    key: int
    skip: int
    take: int
    position: int


class Order:
    """Decides which records are read at which step.

    Args:
        shard_records: Number of records of each training shard.
        batch_size: Global batch size B.
        shards_per_window: Largest number of shards in a window.
        seed: The run's seed.

    Raises:
        storage.UserError: There are fewer records than one batch needs.
    """

    def __init__(
        self,
        shard_records: Sequence[int],
        *,
        batch_size: int,
        shards_per_window: int,
        seed: int,
    ) -> None:
        self.shard_records = tuple(shard_records)
        self.records = sum(shard_records)
        self.batch_size = batch_size
        self.shards_per_window = min(shards_per_window, len(shard_records))
        self.seed = seed
        if self.records < batch_size:
            raise UserError(
                f"the training folds hold {self.records} records, fewer than "
                f"one batch of {batch_size}: lower --global_batch_size"
            )
        self.steps_per_epoch = self.records // batch_size

    @property
    def in_memory(self) -> bool:
        """Whether one window holds every shard."""
        return self.shards_per_window == len(self.shard_records)

    def shard_order(self, epoch: int) -> tuple[int, ...]:
        """Returns the indices of the shards in the order of `epoch`."""
        return tuple(
            sorted(
                range(len(self.shard_records)),
                key=lambda shard: (key(self.seed, epoch, 0, shard), shard),
            )
        )

    def windows(self, epoch: int, start: int = 0) -> list[Window]:
        """Returns the windows of `epoch` from position `start` on."""
        order = self.shard_order(epoch)
        end = self.steps_per_epoch * self.batch_size
        windows, position = [], 0
        for index in range(0, len(order), self.shards_per_window):
            shards = order[index : index + self.shards_per_window]
            size = sum(self.shard_records[shard] for shard in shards)
            skip = max(0, start - position)
            take = min(size, end - position) - skip
            if take > 0:
                windows.append(
                    Window(
                        epoch,
                        shards,
                        key(self.seed, epoch, 1, index),
                        skip,
                        take,
                        position + skip,
                    )
                )
            position += size
        return windows

    def plan(self, first_step: int, last_step: int) -> list[Window]:
        """Returns the windows that steps [first_step, last_step) read."""
        first_epoch, batch = divmod(first_step, self.steps_per_epoch)
        last_epoch = -(-last_step // self.steps_per_epoch)
        plan = []
        for epoch in range(first_epoch, last_epoch):
            start = batch * self.batch_size if epoch == first_epoch else 0
            plan += self.windows(epoch, start)
        return plan


def spread(main: int, extra: int) -> list[int]:
    """Returns how to interleave two lists, with the second spread evenly.

    Args:
        main: Length of the first list.
        extra: Length of the second list.

    Returns:
        For each position of the result, an index into the concatenated lists.
    """
    indices, used, size = [], 0, main + extra
    for position in range(size):
        if (position + 1) * extra // size > used:
            indices.append(main + used)
            used += 1
        else:
            indices.append(position - used)
    return indices


def window_permutation(window_key: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns the order of a window's records.

    Record `i` of the window (its shards one after another) has the sort key
    mix64(window_key + GOLDEN * (i + 1)); equal keys are sorted by i.

    Args:
        window_key: Scalar uint64.
        size: Scalar int32 or int64, the number of records of the window.

    Returns:
        [size] int32, a permutation of 0 ... size - 1.
    """

    def constant(value: int) -> tf.Tensor:
        return tf.constant(value, tf.uint64)

    def shift(x: tf.Tensor, bits: int) -> tf.Tensor:
        return tf.bitwise.bitwise_xor(
            x, tf.bitwise.right_shift(x, constant(bits))
        )

    index = tf.cast(tf.range(1, size + 1), tf.uint64)
    x = shift(window_key + index * constant(GOLDEN), 30) * constant(MIX1)
    x = shift(shift(x, 27) * constant(MIX2), 31)
    return tf.argsort(x, stable=True)
