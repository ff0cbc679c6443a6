"""Functions for the cells of notebooks/colab.ipynb."""
