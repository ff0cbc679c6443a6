"""A picture of training images before and after the augmentation."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer.augmentation.augment import Augmentation
from trainer.stream import eval_dataset, input_pipeline
from trainer.stream.input_pipeline import TrainStream

_COLUMNS = 8
_ROWS = 4
_GAP = 2  # pixels


@dataclasses.dataclass(frozen=True)
class ContactSheet:
    """Draws the first training records, each next to its augmented version.

    It reads the records separately, so that the stream does not change. The
    random numbers are those of the step.

    Attributes:
        stream: The training examples.
        preprocess: Maps stored images to the net's input.
        augmentation: The augmentation to draw.
    """

    stream: TrainStream
    preprocess: Callable[[tf.Tensor], tf.Tensor]
    augmentation: Augmentation

    def __call__(self, step: int) -> np.ndarray:
        """Returns [h, w] uint8, ink on white, in pairs (plain, augmented)."""
        group = self.augmentation.mix_group
        size = -(-_COLUMNS // 2 * _ROWS // group) * group
        info = self.stream.info
        with tf.device("/cpu:0"):
            features = next(
                iter(
                    eval_dataset.make(
                        info, self.stream.paths[:1], batch_size=size
                    )
                )
            )
            images = self.preprocess(features["image"])
            labels = {
                o.name: tf.one_hot(features[o.name], len(o.classes))
                for o in info.outputs
            }
            draws = input_pipeline.step_draws(
                self.stream.order.seed, step, (size, self.stream.draws)
            )
            augmented, _ = self.augmentation(images, labels, draws, step)
        pairs = np.stack([images.numpy(), augmented.numpy()], axis=1)
        return tile(pairs[..., 0].reshape(-1, *pairs.shape[2:4]))


def tile(ink: np.ndarray) -> np.ndarray:
    """Returns one picture of [N, h, w] ink in [0, 1], 8 images in a row."""
    paper = np.uint8(np.round(255 * (1.0 - np.clip(ink, 0.0, 1.0))))
    pad = ((0, 0), (_GAP, _GAP), (_GAP, _GAP))
    paper = np.pad(paper, pad, constant_values=224)[: _COLUMNS * _ROWS]
    rows = [
        np.concatenate(list(paper[k : k + _COLUMNS]), axis=1)
        for k in range(0, len(paper) // _COLUMNS * _COLUMNS, _COLUMNS)
    ]
    return np.concatenate(rows, axis=0)
