"""Trains, evaluates and applies the classifier."""

import os

# Only errors from TensorFlow's C++ parts, which read this when TensorFlow is
# imported: so nothing may import it before this package. A few lines that
# TensorFlow 2.19 to 2.21 logs earlier still come.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
