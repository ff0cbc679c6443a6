"""The builder's command with pieces so small that a tiny set has many.

Steps that run in this process see it, so those of an in-memory runner.
"""

from tfrecord_builder import beam_steps, main, parquet_reader

beam_steps._ELEMENT_BYTES = 100
beam_steps._SORT_BYTES = 1000
parquet_reader.RANGE_BYTES = 200

run = main.run
