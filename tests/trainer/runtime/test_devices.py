"""What a run on this machine's CPU computes on, and in what precision."""

import types

import pytest
import tensorflow as tf

from storage import UserError
from trainer.runtime import devices, precisions
from trainer.runtime.devices import Devices


@pytest.mark.parametrize(
    ("cpu", "fast"),
    [
        ("flags : fpu sse2 avx512f", "float32"),
        ("flags : fpu avx512_bf16 avx512f", "mixed_bfloat16"),
        ("flags : fpu amx_bf16", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_bfloat16_is_fast_where_the_cpu_has_it(
    tmp_path, monkeypatch, cpu, fast
):
    path = tmp_path / "cpuinfo"
    if cpu is not None:
        path.write_text(f"processor : 0\n{cpu}\n")
    monkeypatch.setattr(precisions, "_CPU_INFO", path)
    for asked, found in (("auto", "float32"), ("fast", fast)):
        chosen = choose(accelerator="cpu", precision=asked)
        assert chosen.precision == found
        assert chosen.description.startswith("1 x CPU, no tf.distribute")


def choose(*, accelerator="auto", precision="auto"):
    return devices.choose(
        accelerator=accelerator,
        virtual_devices=0,
        precision=precision,
        exact=True,
    )


@pytest.mark.parametrize("accelerator", ["tpu", "gpu"])
def test_an_accelerator_that_is_not_there_is_one_line(accelerator):
    if choose().kind == accelerator:
        pytest.skip(f"this machine has a {accelerator}")
    with pytest.raises(UserError, match=f"--accelerator={accelerator}"):
        choose(accelerator=accelerator)


def test_a_batch_that_cannot_be_shared_names_those_next_to_it():
    four = Devices(
        types.SimpleNamespace(num_replicas_in_sync=4), "cpu", "float32", ""
    )
    four.check_batch(global_batch_size=64, mix_group=8, norm_group=0)
    four.check_batch(global_batch_size=64, mix_group=8, norm_group=16)
    with pytest.raises(UserError, match="mix_group=8 .* use 64 or 96$"):
        four.check_batch(global_batch_size=70, mix_group=8, norm_group=0)
    with pytest.raises(UserError, match="use 32$"):
        four.check_batch(global_batch_size=8, mix_group=8, norm_group=0)
    with pytest.raises(UserError, match="norm_group=32 .* use 128$"):
        four.check_batch(global_batch_size=64, mix_group=8, norm_group=32)
    with pytest.raises(UserError, match="norm_group=12 is not a multiple"):
        four.check_batch(global_batch_size=64, mix_group=8, norm_group=12)


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    """A /dev without any accelerator."""
    monkeypatch.setattr(devices, "_DEVICE_NODES", tmp_path)
    (tmp_path / "vfio").mkdir()
    (tmp_path / "vfio" / "vfio").touch()  # The driver alone is no device.
    return tmp_path


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("nvidiactl", r"has a GPU .*tensorflow\[and-cuda\].*accelerator=cpu"),
        ("accel0", r"has a TPU .*requirements-tpu.txt.*accelerator=cpu"),
        ("vfio/0", r"has a TPU .*requirements-tpu.txt.*accelerator=cpu"),
    ],
)
def test_an_accelerator_does_not_stand_idle(nodes, node, message):
    assert choose().kind == "cpu"
    (nodes / node).touch()
    with pytest.raises(UserError, match=message):
        choose()
    assert choose(accelerator="cpu").kind == "cpu"


def test_a_tpu_that_another_process_holds_is_one_line(nodes, monkeypatch):
    def fail():
        raise tf.errors.InternalError(None, None, "Graph error:\nRET_CHECK")

    monkeypatch.setattr(devices, "_tpu", fail)
    assert choose().kind == "cpu"
    with pytest.raises(UserError, match=r"\(InternalError\).*holds the TPU"):
        choose(accelerator="tpu")


def test_float32_products_keep_all_of_their_digits():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    choose(accelerator="cpu")
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_the_cpu_is_asked_for_on_a_machine_with_gpus(monkeypatch):
    hidden = []
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda *args: hidden.append(args)
    )
    choose(accelerator="cpu")
    assert hidden == [([], "GPU")]
