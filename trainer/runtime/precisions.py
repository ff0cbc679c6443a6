"""Chooses the precision of the backbone for the devices."""

import contextlib
import pathlib
from collections.abc import Sequence

import tensorflow as tf

_CPU_INFO = pathlib.Path("/proc/cpuinfo")
# Without these instructions bfloat16 is emulated, at less than half the speed
# of float32.
_BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16"})


def choose(
    wanted: str, *, kind: str, gpus: Sequence[tf.config.PhysicalDevice]
) -> str:
    """Returns a Keras dtype policy.

    Args:
        wanted: A Keras dtype policy, which is returned unchanged; or "auto":
            mixed_bfloat16 on a TPU and on GPUs from compute capability 8,
            mixed_float16 on GPUs from 7, else float32; or "fast": the same,
            but mixed_bfloat16 on CPUs that have instructions for it.
        kind: "tpu", "gpu" or "cpu".
        gpus: The GPUs, all of one model; only used if `kind` is "gpu".
    """
    if wanted not in ("auto", "fast"):
        return wanted
    if kind == "tpu":
        return "mixed_bfloat16"
    if kind == "cpu" and wanted == "fast" and _cpu_has_bfloat16():
        return "mixed_bfloat16"
    if kind == "gpu":
        details = tf.config.experimental.get_device_details(gpus[0])
        major = details.get("compute_capability", (0, 0))[0]
        if major >= 8:
            return "mixed_bfloat16"
        if major >= 7:
            return "mixed_float16"
    return "float32"


def _cpu_has_bfloat16() -> bool:
    with contextlib.suppress(OSError):
        return not _BFLOAT16.isdisjoint(_CPU_INFO.read_text("utf-8").split())
    return False
