"""The devices that a step can be compiled for.

Sources: Google's and NVIDIA's data sheets; the memory is the number that the
driver reports. The specifications of the GPUs are those of openxla/xla's folder
xla/backends/gpu/target_config/specs, with the data sheets' numbers for T4, L4.
"""

import dataclasses

_GPU = (
    "gpu_device_info {{ threads_per_block_limit: 1024 threads_per_warp: 32 "
    "shared_memory_per_block: 49152 shared_memory_per_core: {core_shared} "
    "threads_per_core_limit: {threads} core_count: {cores} "
    "fpus_per_core: {units} block_dim_limit_x: 2147483647 "
    "block_dim_limit_y: 65535 block_dim_limit_z: 65535 "
    "memory_bandwidth: {bandwidth} l2_cache_size: {cache} "
    "clock_rate_ghz: {clock} device_memory_size: {memory} "
    "shared_memory_per_block_optin: {block_shared} "
    "cuda_compute_capability {{ major: {major} minor: {minor} }} "
    "registers_per_core_limit: 65536 registers_per_block_limit: 65536 }} "
    'platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 10 }} '
    'device_description_str: "{name}"'
)


@dataclasses.dataclass(frozen=True)
class Target:
    """A device.

    Attributes:
        name: Its name in texts.
        kind: "gpu" or "tpu", as in trainer/runtime/devices.py.
        precision: The Keras dtype policy that the trainer chooses on it.
        memory: Bytes of memory for programs.
        bandwidth: Bytes of memory per second.
        flops: Operations per second of the units for 16-bit products.
        float32_flops: Operations per second of float32 products.
        clock: Cycles per second.
        compiler: The argument for the compiler: a TPU's topology, or a GPU's
            specification.
    """

    name: str
    kind: str
    precision: str
    memory: float
    bandwidth: float
    flops: float
    float32_flops: float
    clock: float
    compiler: str


def _tpu(name: str, topology: str, **fields: float) -> Target:
    return Target(
        name,
        kind="tpu",
        precision="mixed_bfloat16",
        # A float32 product consists of six bfloat16 products.
        float32_flops=fields["flops"] / 6,
        compiler=topology,
        **fields,
    )


def _gpu(
    name: str,
    capability: tuple[int, int],
    *,
    memory: float,
    bandwidth: float,
    flops: float,
    float32_flops: float,
    clock: float,
    **specification: int,
) -> Target:
    return Target(
        name,
        kind="gpu",
        precision="mixed_bfloat16" if capability[0] >= 8 else "mixed_float16",
        memory=memory,
        bandwidth=bandwidth,
        flops=flops,
        float32_flops=float32_flops,
        clock=clock,
        compiler=_GPU.format(
            name=name,
            major=capability[0],
            minor=capability[1],
            memory=int(memory),
            bandwidth=int(bandwidth),
            clock=clock / 1e9,
            **specification,
        ),
    )


TARGETS = {
    "v5e": _tpu(
        "TPU v5e, one chip",
        "v5e:1x1",
        memory=15.75 * 2**30,
        bandwidth=819e9,
        flops=197e12,
        clock=1.5e9,
    ),
    "v6e": _tpu(
        "TPU v6e, one chip",
        "v6e:1x1",
        memory=31.25 * 2**30,
        bandwidth=1640e9,
        flops=918e12,
        clock=1.75e9,
    ),
    "t4": _gpu(
        "NVIDIA T4",
        (7, 5),
        memory=15655829504,
        bandwidth=320.064e9,
        flops=65e12,
        float32_flops=8.1e12,
        clock=1.59e9,
        core_shared=65536,
        block_shared=65536,
        threads=1024,
        cores=40,
        units=64,
        cache=4 << 20,
    ),
    "l4": _gpu(
        "NVIDIA L4",
        (8, 9),
        memory=23674486784,
        bandwidth=300.096e9,
        flops=121e12,
        float32_flops=30.3e12,
        clock=2.04e9,
        core_shared=102400,
        block_shared=101376,
        threads=1536,
        cores=58,
        units=128,
        cache=48 << 20,
    ),
    "a100": _gpu(
        "NVIDIA A100, 40 GB",
        (8, 0),
        memory=42298834944,
        bandwidth=1555e9,
        flops=312e12,
        float32_flops=19.5e12,
        clock=1.41e9,
        core_shared=167936,
        block_shared=166912,
        threads=2048,
        cores=108,
        units=64,
        cache=40 << 20,
    ),
}
