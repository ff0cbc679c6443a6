"""An ensemble: the mean of the calibrated probabilities of several models.

source images -> each model's resize -> preprocessing -> views -> core
              -> softmax -> mean over models and views
"""

import dataclasses
import json
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from storage import UserError
from tfrecord_builder.records import resize
from trainer.inference import views
from trainer.models import model_file

# Maps source images [B, H, W] uint8 to [B, C] float32 for each output.
Predict = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Member:
    """One of the models, with its card."""

    path: str
    model: keras.Model
    card: dict

    @property
    def classes(self) -> dict[str, list[str]]:
        """The names of the classes of each output."""
        return {o["name"]: o["classes"] for o in self.card["outputs"]}

    @property
    def source_size(self) -> tuple[int, int]:
        """Height and width of a source image, in pixels."""
        image = self.card["source_image"]
        return image["height"], image["width"]

    @property
    def background(self) -> str:
        """The background of its images: "light" or "dark"."""
        return model_file.card_background(self.card)


def read(paths: Sequence[str]) -> list[Member]:
    """Reads models, and checks that they can be averaged.

    Raises:
        UserError: A model cannot be read, or has other outputs, classes or
            source images than the first.
    """
    members = [Member(str(path), *model_file.read(path)) for path in paths]
    first = members[0]
    for member in members[1:]:
        for what, mine, theirs in (
            ("outputs and classes", first.classes, member.classes),
            ("source image size", first.source_size, member.source_size),
            ("background", first.background, member.background),
        ):
            if mine != theirs:
                raise UserError(
                    f"{first.path} and {member.path} differ in their {what} "
                    f"({_short(mine)} and {_short(theirs)}): only models of "
                    "the same dataset can be averaged"
                )
    return members


def make_predict(
    members: Sequence[Member], *, batch_size: int, num_views: int = 1
) -> Predict:
    """Returns a function from source images to probabilities.

    Args:
        members: The models.
        batch_size: Number of images of every call, so that one graph is enough.
        num_views: Number of views of an image to average; see views.py.

    Returns:
        A function from [batch_size, H, W] uint8 source images to [batch_size,
        C] float32 probabilities of each output. It raises UserError if a
        probability is not finite.
    """
    steps = [_make_step(m, batch_size, num_views) for m in members]

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        made = [step(images) for step in steps]
        mean = {
            name: np.asarray(
                sum(m[name].numpy() for m in made) / np.float32(len(made))
            )
            for name in members[0].classes
        }
        for name, value in mean.items():
            if not np.isfinite(value).all():
                raise UserError(
                    f"the model's probabilities of {name} are not all finite "
                    "numbers: expected a model of a finished run; train it "
                    "again"
                )
        return mean

    return predict


def average_views(
    member: Member, num_views: int
) -> Callable[..., dict[str, tf.Tensor]]:
    """Returns a function that averages a model over views of an image.

    Returns:
        A function of stored images [B, h, w, 1] uint8, and of Keras's
        `training`, that returns the logarithm of the mean probabilities, [B, C]
        float32 for each output.
    """
    predict_views = _make_views(member, num_views)

    def call(stored: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        del training
        means = _mean_probabilities(predict_views(stored))
        return {name: tf.math.log(value) for name, value in means.items()}

    return call


def _mean_probabilities(
    views_logits: Sequence[dict[str, tf.Tensor]],
) -> dict[str, tf.Tensor]:
    """Returns mean probabilities, [B, C] float32 for each output.

    Args:
        views_logits: The logits of each view, by output.
    """
    made = [
        {name: tf.nn.softmax(value) for name, value in logits.items()}
        for logits in views_logits
    ]
    return {name: sum(m[name] for m in made) / len(made) for name in made[0]}


def _make_step(
    member: Member, batch_size: int, num_views: int
) -> Callable[[np.ndarray], dict[str, tf.Tensor]]:
    """Returns a function from source images to one model's probabilities."""
    predict_views = _make_views(member, num_views)
    image, spec = member.card["image"], member.card["resize"]
    shape = (batch_size, image["height"], image["width"], 1)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def graph(stored: tf.Tensor) -> dict[str, tf.Tensor]:
        return _mean_probabilities(predict_views(stored))

    return lambda images: graph(resize.resize_images(images, spec)[..., None])


def _make_views(
    member: Member, num_views: int
) -> Callable[[tf.Tensor], list[dict[str, tf.Tensor]]]:
    """Returns a function from stored images to the logits of each view."""
    model = member.model
    if num_views == 1:
        return lambda stored: [model(stored, training=False)]
    preprocess, rest = _split(member)
    _, height, width, _ = rest.input_shape
    rows, columns = views.make_matrices(num_views, height, width)

    def predict_views(stored: tf.Tensor) -> list[dict[str, tf.Tensor]]:
        ink = preprocess(stored, training=False)[..., 0]
        return [
            rest((r @ ink @ tf.transpose(c))[..., None], training=False)
            for r, c in zip(rows, columns, strict=True)
        ]

    return predict_views


def _split(member: Member) -> tuple[keras.Model, keras.Model]:
    """Splits a model into its preprocessing and the rest."""
    operations = member.model.operations
    cores = [o for o in operations if isinstance(o, keras.Model)]
    if len(cores) != 1:
        raise UserError(
            f"{member.path} has no separate core after its preprocessing, "
            "which --tta needs: give --tta=1, or a model of trainer/main.py"
        )
    # Operations are in the order of computation: the operation right before the
    # core makes its input.
    ink = operations[operations.index(cores[0]) - 1].output
    return (
        keras.Model(member.model.input, ink),
        keras.Model(ink, member.model.output),
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 80 else text[:80] + "…"
