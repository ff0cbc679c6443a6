"""Predictions for test images, and exports of a model.

ensemble          averages the probabilities of several models
background_check  warns if images have another background than the model expects
views             slightly moved views of an image
file_predictions  predicts parquet files, one after the other
probabilities     stores predictions on disk; predict.py resumes from them
submission        submission.csv
export_formats    SavedModel, LiteRT, ONNX
"""
