"""Predictions for test images, and exports of a model.

ensemble          models whose probabilities are averaged
views             slightly moved views of an image
file_predictions  predicts parquet files, one after the other
probabilities     what is predicted, on disk: predict.py resumes from it
submission        submission.csv
export_formats    SavedModel, LiteRT, ONNX
"""
