"""A model.keras of any supported Keras loads in any other, logits and all."""

import keras
import keras_versions
import numpy as np
import pytest

from trainer.models import portable_config


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The models as this Keras writes them, and their logits."""
    folder = tmp_path_factory.mktemp("here")
    keras_versions.write(folder)
    return folder


@pytest.mark.long
@pytest.mark.lane
@pytest.mark.parametrize(
    "version", sorted(set(keras_versions.VERSIONS) - {keras.__version__})
)
def test_models_cross_versions(here, tmp_path, version):
    keras_versions.run(version, here, tmp_path)
    for name in keras_versions.MODELS:
        there = dict(np.load(tmp_path / f"{name}.read.npz"))
        written_there = dict(np.load(tmp_path / f"{name}.npz"))
        read_here = keras_versions.read(tmp_path / f"{name}.keras")
        written_here = dict(np.load(here / f"{name}.npz"))
        for output in keras_versions.OUTPUTS:
            for written, read in (
                (written_here[output], there[output]),
                (written_there[output], read_here[output]),
            ):
                assert np.ptp(written) > 1e-2
                np.testing.assert_allclose(read, written, atol=1e-4)


def test_defaults_are_left_out_and_nothing_else():
    layer = keras.layers.Conv2D(3, 5, kernel_initializer="he_normal", name="a")
    config = keras.saving.serialize_keras_object(layer)
    made = portable_config.without_defaults(config)
    assert {"name", "filters", "kernel_size"} < set(made["config"])
    assert not {"padding", "use_bias", "strides"} & set(made["config"])
    assert made["config"]["kernel_initializer"]["config"] == {}
    loaded = keras.saving.deserialize_keras_object(made)
    assert loaded.get_config() == layer.get_config()
    changed = keras.layers.Conv2D(3, 5, use_bias=False)
    config = keras.saving.serialize_keras_object(changed)
    made = portable_config.without_defaults(config)
    assert made["config"]["use_bias"] is False
