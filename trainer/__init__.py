"""Trains, evaluates and applies the classifier."""

import os

# Show only errors from TensorFlow's C++ parts. They read this variable when
# TensorFlow is imported, so nothing may import TensorFlow before this package.
# TensorFlow 2.19 to 2.21 still logs a few lines before it reads the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
