"""Builds TFRecords from parquet files, once.

main, run, verify  the command; a build from start to end; a check of a dataset
records/           the format of the records: all that the trainer needs
parquet/           parquet files to pixels
planning/          labels, folds, and which record goes where
building/          pixels to shards; continues a build that was killed
beam_engine/       the same on many machines
"""
