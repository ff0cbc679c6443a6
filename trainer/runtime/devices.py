"""Chooses the devices and the distribution strategy.

Every command that computes chooses its devices before any other call of
TensorFlow, because memory growth and visible devices can be set only then. It
builds and loads its models inside `devices.strategy.scope()`.
"""

import dataclasses
import os
import pathlib

import tensorflow as tf

from storage import UserError
from trainer.runtime import precisions

_DEVICE_NODES = pathlib.Path("/dev")
# By kind: the device files of a driver, and how to make TensorFlow use them.
_NODES = {
    "gpu": ("nvidiactl", "nvidia[0-9]*"),
    "tpu": ("accel[0-9]*", "vfio/[0-9]*"),
}
_INSTALLS = {
    "gpu": "pip install 'tensorflow[and-cuda]', and look at its messages above",
    "tpu": "pip install -r requirements-tpu.txt in an environment without "
    "tensorflow; or another process holds it, such as a notebook's kernel",
}


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices of a run.

    Attributes:
        strategy: Distributes a step over the replicas.
        kind: "tpu", "gpu" or "cpu".
        precision: Keras dtype policy of the backbone.
        description: One line of text for the log.
    """

    strategy: tf.distribute.Strategy
    kind: str
    precision: str
    description: str

    @property
    def replicas(self) -> int:
        return self.strategy.num_replicas_in_sync

    def check_batch(
        self, *, global_batch_size: int, mix_group: int, norm_group: int
    ) -> None:
        """Checks that the replicas can share a batch.

        Args:
            global_batch_size: Examples in a step, over all replicas.
            mix_group: Number of examples that must stay on one replica.
            norm_group: The same, for batch normalisation; 0: no such groups.

        Raises:
            UserError: They cannot. It names the nearest batch sizes that they
                can share, or valid groups.
        """
        if norm_group % mix_group:
            raise UserError(
                f"--norm_group={norm_group} is not a multiple of --mix_group="
                f"{mix_group}: examples that are mixed must stay together"
            )
        name = "--norm_group" if norm_group else "--mix_group"
        group = norm_group or mix_group
        unit = self.replicas * group
        if global_batch_size % unit:
            below = global_batch_size // unit * unit
            choices = f"{below} or {below + unit}" if below else f"{unit}"
            raise UserError(
                f"--global_batch_size={global_batch_size} cannot be shared: "
                f"{self.replicas} replicas in groups of {name}={group} "
                f"examples need a multiple of {unit}; use {choices}"
            )

    def memory_mb(self) -> int | None:
        """Returns the peak memory use of one accelerator so far, in MiB.

        None on a CPU and on a TPU, where TensorFlow does not know it.
        """
        if self.kind != "gpu":
            return None
        gpus = tf.config.list_logical_devices("GPU")
        return max(
            tf.config.experimental.get_memory_info(gpu.name)["peak"] >> 20
            for gpu in gpus
        )


def choose(
    *,
    accelerator: str,
    virtual_devices: int,
    precision: str,
    exact: bool,
) -> Devices:
    """Chooses the devices; call it before any other call of TensorFlow.

    Args:
        accelerator: "auto" uses a TPU, else GPUs, else the CPU.
        virtual_devices: Splits the CPU into that many devices; 0: does not.
        precision: A Keras dtype policy, "auto" or "fast"; see precisions.py.
        exact: Whether GPUs use only deterministic kernels.

    Raises:
        UserError: The accelerator that was asked for is missing.
    """
    gpus = prepare(accelerator)
    if virtual_devices > 1:
        _cut_cpu(accelerator, virtual_devices)
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        kind = "gpu" if gpus else "cpu"
    else:
        kind, strategy = _single_machine(accelerator, gpus)
    if kind == "cpu" and accelerator == "auto" and virtual_devices <= 1:
        _refuse_idle_accelerator()
    if kind == "gpu" and exact:
        # Otherwise each process chooses cuDNN's algorithms again by timing
        # them, and some kernels add numbers in the order in which threads
        # finish.
        tf.config.experimental.enable_op_determinism()
    policy = precisions.choose(precision, kind=kind, gpus=gpus)
    spread = type(strategy).__name__
    if strategy is tf.distribute.get_strategy():
        spread = "no tf.distribute strategy"
    return Devices(
        strategy=strategy,
        kind=kind,
        precision=policy,
        description=(
            f"{strategy.num_replicas_in_sync} x {_names(kind, gpus)}, "
            f"{spread}, {policy}"
        ),
    )


def prepare(accelerator: str) -> list[tf.config.PhysicalDevice]:
    """Sets up TensorFlow; call it before any other call of TensorFlow.

    Args:
        accelerator: "cpu" hides the GPUs.

    Returns:
        The GPUs that TensorFlow sees.
    """
    tf.get_logger().setLevel("WARNING")  # INFO reports every attempt.
    # By default float32 products are rounded to TensorFloat-32 on new GPUs
    # and to bfloat16 on TPUs: too few digits for heads, crop, scores, Muon.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if accelerator == "cpu":
        tf.config.set_visible_devices([], "GPU")
    gpus = tf.config.get_visible_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def _cut_cpu(accelerator: str, virtual_devices: int) -> None:
    if accelerator not in ("auto", "cpu"):
        raise UserError(
            f"--virtual_devices={virtual_devices} splits the CPU: it cannot "
            f"be used with --accelerator={accelerator}"
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * virtual_devices
    )


def _refuse_idle_accelerator() -> None:
    """Raises an error if the machine has an accelerator that is not used.

    Raises:
        UserError: It names the accelerator, and what is missing.
    """
    for kind, patterns in _NODES.items():
        for pattern in patterns:
            for node in sorted(_DEVICE_NODES.glob(pattern)):
                raise UserError(
                    f"this machine has a {kind.upper()} ({node}), but "
                    f"TensorFlow {tf.__version__} cannot use it: "
                    f"{_INSTALLS[kind]}. To compute on the CPU instead, give "
                    "--accelerator=cpu"
                )


def _single_machine(
    accelerator: str, gpus: list
) -> tuple[str, tf.distribute.Strategy]:
    """Returns the kind of accelerator, and the strategy for it."""
    if accelerator in ("auto", "tpu"):
        try:
            return "tpu", _tpu()
        except (ValueError, tf.errors.OpError) as error:
            if accelerator == "tpu":
                raise UserError(
                    "--accelerator=tpu, but TensorFlow finds no TPU that it "
                    f"can use ({type(error).__name__}): choose a TPU runtime "
                    "and pip install -r requirements-tpu.txt; if another "
                    "process holds the TPU, such as a notebook's kernel, "
                    "restart it"
                ) from None
    cpus = tf.config.list_logical_devices("CPU")
    if accelerator == "gpu" and not gpus:
        raise UserError(
            "--accelerator=gpu, but TensorFlow sees no GPU: choose a GPU "
            "runtime, or --accelerator=auto"
        )
    if gpus and accelerator != "cpu" and len(cpus) == 1:
        if len(gpus) > 1:
            return "gpu", tf.distribute.MirroredStrategy()
        return "gpu", tf.distribute.OneDeviceStrategy("/gpu:0")
    if len(cpus) > 1:
        return "cpu", tf.distribute.MirroredStrategy([c.name for c in cpus])
    return "cpu", tf.distribute.get_strategy()


def _tpu() -> tf.distribute.Strategy:
    """Returns a TPUStrategy.

    Raises:
        ValueError: There is no TPU.
        tf.errors.OpError: There is no TPU, or another process uses it.
            TensorFlow raises NotFoundError, tensorflow-tpu InternalError.
    """
    # Without a TPU the constructor succeeds and the initialisation fails.
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _names(kind: str, gpus: list) -> str:
    if kind == "gpu":
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU")
    if kind == "tpu":
        return "TPU core"
    return "CPU"
