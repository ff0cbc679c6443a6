"""Tests for trainer/inference/ensemble.py: averaging over models and views."""

import cores
import keras
import numpy as np
import pytest
import served

from storage import UserError
from trainer.inference import ensemble, views
from trainer.inference.ensemble import Member
from trainer.models import network
from trainer.models.preprocessing import Preprocessing

IMAGES = np.arange(2, dtype=np.uint8)[:, None, None] * np.ones(
    (1, served.HEIGHT, served.WIDTH), np.uint8
)


def member(made: keras.Model, **changes) -> Member:
    card = served.make_card(resize=None, **changes)
    return Member("model.keras", made, card)


def softmax(*logits: float) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def test_probabilities_are_the_mean_of_the_models():
    predict = ensemble.make_predict(
        [member(served.make_model()), member(served.make_model(3.0, add=1))],
        batch_size=2,
    )
    made = predict(IMAGES)
    assert set(made) == {"root", "vowel"}
    np.testing.assert_allclose(
        made["vowel"],
        [
            (softmax(1, 0, 0) + softmax(0, 3, 0)) / 2,
            (softmax(0, 1, 0) + softmax(0, 0, 3)) / 2,
        ],
        rtol=1e-6,
    )
    assert made["root"].shape == (2, 7)
    assert made["root"].dtype == np.float32


def test_each_model_has_its_own_resize():
    twice = np.repeat(np.repeat(IMAGES, 2, axis=1), 2, axis=2)
    small = {"method": "area", "height": served.HEIGHT, "width": served.WIDTH}
    large = keras.Sequential(
        [
            keras.layers.Input((8, 12, 1), dtype="uint8"),
            keras.layers.Cropping2D(((0, 4), (0, 6))),
            served.make_model(),
        ]
    )
    alone, both = (
        ensemble.make_predict(members, batch_size=2)(twice)
        for members in (
            [Member("a", served.make_model(), served.make_card())],
            [
                Member("a", served.make_model(), served.make_card()),
                member(large, image={"height": 8, "width": 12}),
            ],
        )
    )
    assert served.make_card()["resize"] == small
    for name in alone:
        np.testing.assert_allclose(alone[name], both[name], rtol=1e-6)


def test_numbers_that_are_not_finite_are_refused():
    predict = ensemble.make_predict(
        [member(served.make_model(float("nan")))], batch_size=2
    )
    with pytest.raises(UserError, match="probabilities of root are not all fi"):
        predict(IMAGES)


def test_models_of_two_datasets_are_refused(tmp_path):
    outputs = served.make_card()["outputs"]
    served.write(tmp_path / "a.keras")
    served.write(tmp_path / "b.keras", outputs=outputs[::-1])
    served.write(tmp_path / "c.keras", outputs=outputs[:1])
    served.write(tmp_path / "d.keras", source_image={"height": 1, "width": 2})
    image = served.make_card()["image"]
    served.write(tmp_path / "e.keras", image=image | {"background": "dark"})
    members = ensemble.read([tmp_path / "a.keras", tmp_path / "b.keras"])
    assert [m.path[-7:] for m in members] == ["a.keras", "b.keras"]
    with pytest.raises(UserError, match="differ in their outputs and classes"):
        ensemble.read([tmp_path / "a.keras", tmp_path / "c.keras"])
    with pytest.raises(UserError, match=r"size \(\[8, 12\] and \[1, 2\]\)"):
        ensemble.read([tmp_path / "a.keras", tmp_path / "d.keras"])
    with pytest.raises(UserError, match=r'background \("light" and "dark"\)'):
        ensemble.read([tmp_path / "a.keras", tmp_path / "e.keras"])


@pytest.fixture(scope="module")
def trained_like():
    """A member as the trainer makes it: preprocessing, core, calibration."""
    core = cores.build("tiny", served.OUTPUTS, side=8)
    return member(
        network.build_served(
            core,
            preprocess=Preprocessing(8, 8, crop=True),
            image_shape=(24, 32),
            calibration={"root": np.arange(7) / 9, "vowel": [0.0, 0.1, 0.0]},
        ),
        image={"height": 24, "width": 32},
    )


def test_views_are_taken_of_the_ink_that_the_core_sees(trained_like):
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 32), np.uint8)
    made = ensemble.make_predict([trained_like], batch_size=2, num_views=3)(
        images
    )
    ink = np.asarray(Preprocessing(8, 8, crop=True)(images[..., None]))[..., 0]
    core = trained_like.model.get_layer("core")
    expected = 0
    for rows, columns in zip(*views.make_matrices(3, 8, 8), strict=True):
        logits = core((rows @ ink @ columns.T)[..., None])["root"]
        shifted = np.asarray(logits) + np.arange(7) / 9
        expected = expected + np.apply_along_axis(
            lambda row: softmax(*row), 1, shifted
        )
    np.testing.assert_allclose(made["root"], expected / 3, rtol=1e-5)


def test_the_judge_sees_the_same_views(trained_like):
    images = np.random.default_rng(1).integers(0, 256, (2, 24, 32), np.uint8)
    predict = ensemble.make_predict([trained_like], batch_size=2, num_views=3)
    net = ensemble.average_views(trained_like, 3)
    logits = net(images[..., None], training=False)
    for name, expected in predict(images).items():
        np.testing.assert_allclose(np.exp(logits[name]), expected, rtol=1e-5)


def test_views_need_the_core():
    with pytest.raises(UserError, match="no separate core"):
        ensemble.make_predict(
            [member(served.make_model())], batch_size=2, num_views=2
        )
