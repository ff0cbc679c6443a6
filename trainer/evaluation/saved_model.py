"""Loads a model.keras to predict splits of a dataset."""

import os
from collections.abc import Callable

import keras
from absl import logging

from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import model_file
from trainer.runtime import devices


def load(
    path: str | os.PathLike,
    *,
    info: DatasetInfo,
    data_dir: str,
    accelerator: str,
    batch_size: int,
    change: Callable[[keras.Model, dict], Callable] = lambda model, card: model,
) -> tuple[SplitPredictor, dict]:
    """Loads a model; call it before any other call of TensorFlow.

    Args:
        path: The model.keras.
        info: The dataset.
        data_dir: Folder of its shards.
        accelerator: See flags/trainer/accelerator_flags.py.
        batch_size: Number of images in a batch; rounded up so that all replicas
            have equally many.
        change: Maps the model and its card to the function that predicts.

    Returns:
        The predictor; the model's card.

    Raises:
        UserError: The model cannot be read, or does not fit the dataset.
    """
    used = devices.choose(
        accelerator=accelerator,
        virtual_devices=0,
        precision="float32",
        exact=True,
    )
    logging.info("Devices: %s", used.description)
    # A model loaded outside the scope is not on the strategy's devices.
    with used.strategy.scope():
        model, card = model_file.read(path)
        net = change(model, card)
    model_file.check_fits(card, info, data_dir)
    predictor = SplitPredictor(
        used.strategy,
        net,
        info=info,
        data_dir=data_dir,
        batch_size=-(-batch_size // used.replicas) * used.replicas,
    )
    return predictor, card
