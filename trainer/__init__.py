"""Trains, evaluates and applies the classifier."""

import os

# Before any module here imports TensorFlow: its C++ start-up notes (level 0
# and 1) say nothing to a user. Errors and warnings stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
