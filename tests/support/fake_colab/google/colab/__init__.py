"""A stand-in for Colab's own module, with a Drive that uploads later."""
