"""The data that a run is trained on and evaluated on.

data = training_data.read(data_dir="RECORDS", validation_fold=0, …)
data.folds                        the splits to train on
data.evaluated                    {"validation": ("fold0",), …}
stream = data.make_stream(global_batch_size=128, …)
"""

import dataclasses
from collections.abc import Mapping

from storage import UserError
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.augmentation import augment
from trainer.stream import extra_data, input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.shard_cache import Dataset, ShardCache


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The datasets of a run, and how each split is used.

    Attributes:
        data_dir: Folder of the records.
        info: The dataset in `data_dir`.
        folds: Its splits that are trained on.
        evaluated: By name ("validation", "unseen"), its splits that are
            evaluated.
        extra_dir: Folder of a second dataset to train on, if there is one.
        extra_info: The dataset in `extra_dir`.
    """

    data_dir: str
    info: DatasetInfo
    folds: tuple[str, ...]
    evaluated: Mapping[str, tuple[str, ...]]
    extra_dir: str | None = None
    extra_info: DatasetInfo | None = None

    @property
    def infos(self) -> list[DatasetInfo]:
        """The main dataset, and the second dataset if there is one."""
        return [self.info, *([self.extra_info] if self.extra_info else [])]

    def make_stream(
        self,
        *,
        global_batch_size: int,
        shuffle_window_mb: int,
        seed: int,
        extra_fraction: float,
        cache: ShardCache | None = None,
    ) -> TrainStream:
        """Returns the training examples.

        Args:
            global_batch_size: Number of examples in a step.
            shuffle_window_mb: MiB of records that are shuffled together.
            seed: The run's seed.
            extra_fraction: Fraction of a batch from the second dataset.
            cache: The cache to read shards from; None: read them in their own
                folders.
        """
        fetch = cache.fetch if cache else None
        batch_size, more = global_batch_size, None
        if self.extra_info and self.extra_dir:
            more = extra_data.make_stream(
                self.extra_info,
                self.extra_dir,
                batch_size=extra_data.share(batch_size, extra_fraction),
                window_mb=shuffle_window_mb,
                seed=seed,
                fetch=fetch,
            )
            batch_size -= more.batch_size
        return input_pipeline.make_train_stream(
            self.info,
            self.data_dir,
            self.folds,
            batch_size=batch_size,
            window_mb=shuffle_window_mb,
            seed=seed,
            draws=augment.NUM_DRAWS,
            extra=more,
            fetch=fetch,
        )

    def make_cache(self, cache_dir: str | None) -> ShardCache | None:
        """Returns the cache of the records; None if `cache_dir` is empty."""
        if not cache_dir:
            return None
        evaluated = [
            name for names in self.evaluated.values() for name in names
        ]
        splits = (*self.folds, *evaluated)
        datasets = [Dataset(self.info, self.data_dir, splits)]
        if self.extra_info and self.extra_dir:
            splits = tuple(self.extra_info.splits)
            datasets.append(Dataset(self.extra_info, self.extra_dir, splits))
        return ShardCache(datasets, cache_dir=cache_dir)


def read(
    *, data_dir: str, validation_fold: int, extra_data_dir: str | None
) -> TrainingData:
    """Reads the information of the datasets; their records are read later.

    Args:
        data_dir: Folder of the records.
        validation_fold: The fold to evaluate on; -1: all folds are trained on.
        extra_data_dir: Folder of a second dataset to train on.

    Raises:
        UserError: A dataset or the fold is missing, or the two datasets do not
            fit together.
    """
    info = dataset_info.read(data_dir)
    if validation_fold >= len(info.folds):
        raise UserError(
            f"--validation_fold={validation_fold}: {data_dir} has "
            f"{', '.join(info.folds)}; -1 trains on all"
        )
    evaluated = evaluated_splits(info, validation_fold=validation_fold)
    held_out = evaluated.get("validation", ())
    extra_info = None
    if extra_data_dir:
        extra_info = extra_data.read(extra_data_dir, like=info)
    return TrainingData(
        data_dir,
        info,
        folds=tuple(fold for fold in info.folds if fold not in held_out),
        evaluated=evaluated,
        extra_dir=extra_data_dir,
        extra_info=extra_info,
    )


def evaluated_splits(
    info: DatasetInfo, *, validation_fold: int
) -> dict[str, tuple[str, ...]]:
    """Returns by name ("validation", "unseen") the splits to evaluate on.

    Args:
        info: The dataset.
        validation_fold: The fold that is held out; -1 for none.
    """
    splits: dict[str, tuple[str, ...]] = {}
    if validation_fold >= 0:
        splits["validation"] = (f"fold{validation_fold}",)
    if dataset_info.UNSEEN in info.splits:
        splits["unseen"] = (dataset_info.UNSEEN,)
    return splits
