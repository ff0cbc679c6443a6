"""Predictions for test images, and exports of a model."""
