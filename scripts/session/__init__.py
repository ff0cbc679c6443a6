"""What the cells of notebooks/colab.ipynb call, once the project is there."""
