"""Compiles a program for a device that this machine lacks.

    AOT_PYTHON scripts/ahead/compiling.py PROGRAM.hlo TARGET RESULT.json

It runs as a separate process, in the environment of requirements-aot.txt.
RESULT.json has the bytes of arguments, outputs and temporaries, the seconds,
and the kernels (hlo.py). For a program that does not fit the device's memory it
has only the bytes of temporaries, because libtpu refuses to compile it.
"""

import dataclasses
import json
import os
import pathlib
import re
import sys
import tempfile
import time
from typing import Any

# This is no machine in Google's cloud; set before libtpu is loaded.
os.environ["TPU_SKIP_MDS_QUERY"] = "1"
os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
# No device is used, so two compilations may run at the same time.
os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import jax  # noqa: F401  It must be imported before the next lines.
import jaxlib.xla_client as xla
import numpy as np
from jax._src.lib import _jax

from ahead import hlo
from ahead.targets import TARGETS, Target

# "Used 17.60G of 15.75G hbm", in a libtpu's error.
_TOO_LARGE = re.compile(r"Used ([\d.]+)([MG]) of [\d.]+[MG] hbm")


def main() -> None:
    program, name, result = sys.argv[1:]
    target = TARGETS[name]
    compile_program = {"tpu": compile_for_tpu, "gpu": compile_for_gpu}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        found = compile_program[target.kind](
            pathlib.Path(program).read_bytes(), target, pathlib.Path(folder)
        )
    found["seconds"] = time.monotonic() - began
    partial = pathlib.Path(f"{result}.partial")
    partial.write_text(json.dumps(found))
    partial.replace(result)


def compile_for_tpu(
    program: bytes, target: Target, folder: pathlib.Path
) -> dict[str, Any]:
    """Compiles a program with libtpu; returns the content of RESULT.json."""
    del folder
    from jax.experimental import topologies

    os.environ["TPU_ACCELERATOR_TYPE"] = "v5litepod-1"
    topology = topologies.get_topology_desc(
        platform="tpu",
        topology_name=target.compiler,
        chips_per_host_bounds=[1, 1, 1],
    )
    try:
        compiled = _compile(program, topology.devices[0], [])
    except jax.errors.JaxRuntimeError as error:
        used = _TOO_LARGE.search(str(error))
        if used is None:
            raise
        unit = {"M": 2**20, "G": 2**30}[used[2]]
        return _result(float(used[1]) * unit)
    return _measured(compiled, compiled.hlo_modules()[0].to_string())


def compile_for_gpu(
    program: bytes, target: Target, folder: pathlib.Path
) -> dict[str, Any]:
    """Compiles a program with XLA for a GPU; returns RESULT.json's content."""
    import jax_plugins.xla_cuda12 as plugin

    library = next(pathlib.Path(plugin.__file__).parent.glob("*_plugin.so"))
    xla.load_pjrt_plugin_dynamically("cuda", str(library))
    _jax.initialize_pjrt_plugin("cuda")
    topology = _jax.get_default_c_api_topology(
        "cuda", "1x1x1", {"target_config": target.compiler, "topology": "1x1x1"}
    )
    # Without a GPU the compiler cannot time kernels. The plugin does not return
    # the program's text, but writes it to a file.
    options = [
        ("xla_gpu_autotune_level", "0"),
        ("xla_gpu_enable_triton_gemm", "False"),
        ("xla_dump_to", str(folder)),
        ("xla_dump_hlo_as_text", "True"),
    ]
    device = topology._make_compile_only_devices()[0]
    compiled = _compile(program, device, options)
    text = next(folder.glob("*gpu_after_optimizations.txt")).read_text()
    return _measured(compiled, text)


def _compile(
    program: bytes, device: Any, overrides: list[tuple[str, str]]
) -> Any:
    options = xla.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    options.device_assignment = xla.DeviceAssignment.create(
        np.array([[device.id]])
    )
    options.env_option_overrides = overrides
    return device.client.compile(
        _jax.mlir.hlo_to_stablehlo(program), _jax.DeviceList((device,)), options
    )


def _measured(compiled: Any, text: str) -> dict[str, Any]:
    stats = compiled.get_compiled_memory_stats()
    return _result(
        stats.temp_size_in_bytes,
        arguments=stats.argument_size_in_bytes,
        outputs=stats.output_size_in_bytes,
        kernels=list(map(dataclasses.asdict, hlo.read_kernels(text))),
    )


def _result(temporaries: float, **more: Any) -> dict[str, Any]:
    return {
        "temporaries": temporaries,
        "arguments": 0,
        "outputs": 0,
        "kernels": [],
        **more,
    }


if __name__ == "__main__":
    main()
