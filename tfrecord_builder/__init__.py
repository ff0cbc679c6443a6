"""Builds TFRecords from parquet files, once.

main, run, verify  the command; a build from start to end; a check of a dataset
engines            makes the engine of a build: local, or Apache Beam
records/           the format of the records; the trainer needs only this
parquet/           reads parquet files into pixels
planning/          labels, folds, and the shard of each record
building/          writes pixels to shards; continues a build that was killed
beam_engine/       does the same on many machines
"""
