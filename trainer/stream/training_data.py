"""What a run is trained on, and what it is judged by.

data = run_data.read("RECORDS", validation_fold=0)
data.folds                                     trained on
data.judged                                    {"validation": ("fold0",), …}
stream = data.make_stream(batch_size=128, …)
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from storage import UserError
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.augmentation import augment
from trainer.stream import extra_data, input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.shard_cache import Dataset, ShardCache


@dataclasses.dataclass(frozen=True)
class RunData:
    """The datasets of a run, and what each split is for.

    Attributes:
        data_dir: Folder of the records.
        info: The dataset there.
        folds: Its splits that are trained on.
        judged: By name ("validation", "unseen"), its splits that are judged.
        extra_dir: Folder of a second dataset to train on, if there is one.
        extra_info: The dataset there.
    """

    data_dir: str
    info: DatasetInfo
    folds: tuple[str, ...]
    judged: Mapping[str, tuple[str, ...]]
    extra_dir: str | None = None
    extra_info: DatasetInfo | None = None

    @property
    def infos(self) -> list[DatasetInfo]:
        """The dataset, and the second one if there is one."""
        return [self.info, *([self.extra_info] if self.extra_info else [])]

    def make_stream(
        self,
        *,
        batch_size: int,
        window_mb: int,
        seed: int,
        extra_fraction: float = 0.0,
        fetch: Callable[[Sequence[bytes]], list[str]] | None = None,
    ) -> TrainStream:
        """Returns the training examples.

        Args:
            batch_size: Examples a step.
            window_mb: MiB of records shuffled at a time.
            seed: The run's seed.
            extra_fraction: Part of a batch that the second dataset has.
            fetch: See TrainStream.
        """
        more = None
        if self.extra_info:
            more = extra_data.make_stream(
                self.extra_info,
                self.extra_dir,
                batch_size=extra_data.share(batch_size, extra_fraction),
                window_mb=window_mb,
                seed=seed,
                fetch=fetch,
            )
            batch_size -= more.batch_size
        return input_pipeline.make_train_stream(
            self.info,
            self.data_dir,
            self.folds,
            batch_size=batch_size,
            window_mb=window_mb,
            seed=seed,
            draws=augment.NUM_DRAWS,
            extra=more,
            fetch=fetch,
        )

    def make_cache(self, cache_dir: str) -> ShardCache:
        """Returns the cache of the records that are read."""
        judged = [split for splits in self.judged.values() for split in splits]
        splits = (*self.folds, *judged)
        datasets = [Dataset(self.info, self.data_dir, splits)]
        if self.extra_info:
            splits = tuple(self.extra_info.splits)
            datasets.append(Dataset(self.extra_info, self.extra_dir, splits))
        return ShardCache(datasets, cache_dir=cache_dir)


def read(
    data_dir: str, *, validation_fold: int, extra_dir: str | None = None
) -> RunData:
    """Reads what datasets there are; their records are read later.

    Args:
        data_dir: Folder of the records.
        validation_fold: The fold to judge by; -1: all are trained on.
        extra_dir: Folder of a second dataset to train on.

    Raises:
        storage.UserError: A dataset or the fold is not there, or the two
            datasets do not fit.
    """
    info = dataset_info.read(data_dir)
    folds, judged = list(info.folds), {}
    if validation_fold >= 0:
        held_out = f"fold{validation_fold}"
        if held_out not in folds:
            raise UserError(
                f"--validation_fold={validation_fold}: {data_dir} has "
                f"{', '.join(folds)}; -1 trains on all"
            )
        folds.remove(held_out)
        judged["validation"] = (held_out,)
    if "unseen" in info.splits:
        judged["unseen"] = ("unseen",)
    extra_info = extra_data.read(extra_dir, like=info) if extra_dir else None
    return RunData(data_dir, info, tuple(folds), judged, extra_dir, extra_info)
