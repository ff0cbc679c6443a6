"""The nets, the served model, and the model file."""
