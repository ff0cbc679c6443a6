"""Reads parquet files with one column per pixel, in bounded memory.

parquet_files      finds and opens the files
parquet_reader     reads the images of all files, range by range
row_ranges         ranges of rows that are read at once
background_sample  counts the backgrounds of a sample of the images
pixels             checks pixel columns, and transposes columns to rows
row_spool          the rows of a row group in a scratch file, for predict.py
"""
