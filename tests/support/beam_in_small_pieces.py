"""The builder's command with pieces so small that a tiny set has many.

Each piece comes twice, as from a bundle that is run twice. Steps that run in
this process see all that, so those of an in-memory runner.
"""

import functools

from tfrecord_builder import main
from tfrecord_builder.beam_engine import steps
from tfrecord_builder.beam_engine.steps import ReadRange
from tfrecord_builder.parquet import parquet_reader

steps._ELEMENT_BYTES = 100
steps._SORT_BYTES = 1000
parquet_reader.RANGE_BYTES = 200


def twice(process):
    @functools.wraps(process)
    def process_twice(self, element):
        for piece in process(self, element):
            yield piece
            yield piece

    return process_twice


ReadRange.process = twice(ReadRange.process)

run = main.run
