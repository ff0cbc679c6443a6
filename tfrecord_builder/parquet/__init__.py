"""Parquet files of one column a pixel, read in bounded memory."""
