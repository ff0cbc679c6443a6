"""The optimizers: Muon on the products that accelerators make."""

import re

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from trainer.runtime import devices
from trainer.training import optimizers

# Of operands cut into bfloat16 parts, those that a TPU multiplies: by the
# precision that a program asks for (XLA's PrecisionConfig).
_PRODUCTS = {
    "default": [(0, 0)],
    "highest": [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)],
}


def steep_matrix(rows, columns):
    """Returns a matrix with the singular values 1, 1/2, 1/3, …"""
    rng = np.random.default_rng(0)
    u = np.linalg.qr(rng.normal(size=(rows, columns)))[0]
    v = np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    return tf.constant(u / np.arange(1, columns + 1) @ v.T, tf.float32)


def asked_precision(function, matrix):
    """Returns the one precision that a function's matrix products ask for."""
    compiled = tf.function(function, jit_compile=True)
    hlo = compiled.experimental_get_compiler_ir(matrix)(stage="hlo")
    products = [line for line in hlo.splitlines() if " dot(" in line]
    assert len(products) == 19  # All that orthogonalize multiplies.
    found = {
        match[1] if match else "default"
        for match in (
            re.search(r"operand_precision=\{(\w+),\1\}", line)
            for line in products
        )
    }
    (precision,) = found
    return precision


def multiply_bfloat16(products):
    """Returns a float32 matmul made of products of bfloat16 operands."""

    def cut(x):
        parts = []
        for _ in range(3):
            parts.append(tf.cast(tf.cast(x, tf.bfloat16), tf.float32))
            x = x - parts[-1]
        return parts

    def matmul(a, b):
        a, b = cut(a), cut(b)
        return tf.add_n([tf.matmul(a[i], b[j]) for i, j in products])

    return matmul


@pytest.fixture
def chosen_devices():
    yield devices.prepare("cpu")
    tf.config.experimental.enable_tensor_float_32_execution(False)


@pytest.mark.usefixtures("chosen_devices")
def test_muon_survives_the_products_of_a_tpu(monkeypatch):
    """A TPU multiplies float32 numbers as bfloat16 parts of them."""
    matrix = steep_matrix(576, 64)
    expected = optimizers.orthogonalize(matrix)
    products = _PRODUCTS[asked_precision(optimizers.orthogonalize, matrix)]
    monkeypatch.setattr(ops, "matmul", multiply_bfloat16(products))
    result = optimizers.orthogonalize(matrix)
    assert np.linalg.norm(result, 2) == pytest.approx(1.13, abs=0.02)
    np.testing.assert_allclose(result, expected, atol=1e-3)
    # One product of rounded operands is not enough.
    monkeypatch.setattr(ops, "matmul", multiply_bfloat16(_PRODUCTS["default"]))
    assert np.linalg.norm(optimizers.orthogonalize(matrix), 2) > 2
