"""Trains, evaluates and applies the classifier."""

import os

from trainer.runtime import startup_notes

# Of what TensorFlow's C++ parts tell later, warnings and errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
with startup_notes.left_out():
    import tensorflow as tf

    tf.config.list_physical_devices()
# And of what its Python parts tell.
tf.get_logger().setLevel("WARNING")
