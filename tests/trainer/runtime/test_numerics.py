"""What a model's answers depend on is named: versions, and the device."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.runtime import numerics


@pytest.mark.parametrize(
    ("cpu_info", "device"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC: 2\n", "AMD EPYC: 2"),
        ("Features : fp asimd\n", "CPU"),
        (None, "CPU"),
    ],
)
def test_versions_and_processor(tmp_path, monkeypatch, cpu_info, device):
    path = tmp_path / "cpuinfo"
    if cpu_info is not None:
        path.write_text(cpu_info)
    monkeypatch.setattr(numerics, "_CPU_INFO", path)
    assert numerics.describe([]) == {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "device": device,
    }
