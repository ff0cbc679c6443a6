"""Predictions of a split, the score, and the calibration.

split_predictor   predicts the logits of every image of a split
saved_model       makes a split_predictor from a model.keras
metrics           macro recall and the score
output_weights    the weights of the outputs in the score
calibrate         fits the calibration for macro recall
epoch_evaluation  evaluates each epoch, and chooses the weights to keep
"""
