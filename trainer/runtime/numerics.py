"""Describes what decides the last bits of predictions, besides the model."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

_CPU_INFO = pathlib.Path("/proc/cpuinfo")


def describe(gpus: list[tf.config.PhysicalDevice]) -> dict[str, str]:
    """Returns the versions of the libraries, and the device, by name.

    Args:
        gpus: The GPUs that devices.prepare returned.
    """
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "device": _gpu_name(gpus[0]) if gpus else _cpu_name(),
    }


def _gpu_name(gpu: tf.config.PhysicalDevice) -> str:
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("device_name", "GPU")


def _cpu_name() -> str:
    """Returns the name of the processor.

    Another processor may use other vector instructions, and so give other last
    bits.
    """
    try:
        lines = _CPU_INFO.read_text("utf-8").splitlines()
    except OSError:  # A Mac has no such file.
        return "CPU"
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "CPU"
