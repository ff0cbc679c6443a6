"""What is made of the figures of two compiled programs."""

import pytest
from ahead import estimate
from ahead.targets import TARGETS

STEP = {
    "batch": 100,
    "variables": 1e9,
    "features": 5e8,
    "gradients": 3e8,
    "images": 3600,
    "epochs": 10,
}


def kernel(**fields):
    return {
        "count": 1,
        "bytes": 0,
        "flops": 0.0,
        "float32": False,
        "cycles": 0.0,
        "gathers": False,
        **fields,
    }


def make(target, *kernels, temporaries=1e9):
    programs = {
        "gradients": {"temporaries": temporaries, "kernels": list(kernels)},
        "update": {"temporaries": 1.0, "kernels": []},
    }
    return estimate.make(TARGETS[target], STEP, programs)


def test_each_kernel_of_a_gpu_takes_the_longest_of_three():
    found = make(
        "t4",
        kernel(bytes=320.064e9 * 0.85 * 2),  # 2 s
        kernel(flops=65e12 * 0.4, bytes=1),  # 1 s
        kernel(count=250_000),  # 1 s of launches
    )
    assert found.seconds == {"gradients": pytest.approx(4.0), "update": 0.0}
    assert found.limit == ("memory's speed 50 %, products 25 %, launches 25 %")
    assert found.images_per_second == pytest.approx(25)
    # 10 epochs of 3,600 images at 25 a second.
    assert found.hours == pytest.approx(0.4)
    assert found.kernels == 250_002


def test_cycles_of_a_tpu():
    found = make(
        "v5e", kernel(cycles=1.5e9, count=3), kernel(cycles=1.5e9, gathers=True)
    )
    assert found.seconds["gradients"] == pytest.approx(4.0)
    assert found.limit == "vector units 75 %, gathers 25 %"


def test_a_tenth_of_the_memory_is_spare():
    # 2 GB of variables and batches, 0.3 GB of gradients, and temporaries.
    limit = 0.9 * 15655829504 - 2.3e9
    assert make("t4", kernel(count=1), temporaries=limit - 1).fits
    assert not make("t4", kernel(count=1), temporaries=limit + 1).fits


def test_what_was_not_compiled_has_no_speed():
    found = make("v5e", temporaries=99e9)
    assert (found.images_per_second, found.limit) == (0.0, "memory's size")
    assert not found.fits
