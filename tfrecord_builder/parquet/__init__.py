"""Parquet files of one column a pixel, read in bounded memory.

parquet_files      finds and opens the files
parquet_reader     the images of all files, range by range
background_sample  counts the backgrounds of a sample of the images
pixels             checks pixel columns, and turns columns into rows
row_spool          the rows of a row group in a scratch file, for predict.py
"""
