"""Predictions of a split, the score, and the calibration."""
