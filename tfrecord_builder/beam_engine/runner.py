"""Runs pipelines to their end, on the runner in Beam's own flags."""

import logging as std_logging
from collections.abc import Callable, Sequence

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineState

from storage import UserError
from tfrecord_builder.beam_engine.exchange import Exchange

# Beam logs a lot: show only errors and Dataflow's progress.
_LOGGED = {
    "apache_beam": std_logging.WARNING,
    "apache_beam.runners.dataflow": std_logging.INFO,
    "apache_beam.runners.portability.local_job_service": std_logging.ERROR,
}


class Runner:
    """Beam's runner of one build.

    Attributes:
        name: The value of --runner.
    """

    def __init__(self, options: Sequence[str]) -> None:
        """Makes a runner; `options` are Beam's flags."""
        for logger, level in _LOGGED.items():
            std_logging.getLogger(logger).setLevel(level)
        try:
            self._options = PipelineOptions(list(options))
            self._options.get_all_options()  # Parses them.
        except SystemExit:  # argparse has printed its usage.
            raise UserError(
                f"Beam does not accept the options {' '.join(options)}"
            ) from None
        self.name = self._options.view_as(StandardOptions).runner

    def run(
        self, build: Callable[[beam.Pipeline], object], exchange: Exchange
    ) -> None:
        """Runs the pipeline that `build` makes, until it ends.

        Raises:
            UserError: A worker reported a mistake in the data; or the runner
                failed, with its traceback in the log.
        """
        try:
            pipeline = beam.Pipeline(options=self._options)
        except ValueError as error:
            raise UserError(f"--runner={self.name}: {error}") from None
        build(pipeline)
        result = None
        try:
            result = pipeline.run()
            state = result.wait_until_finish() or result.state
        except KeyboardInterrupt:
            if result:  # It runs elsewhere, and would continue.
                result.cancel()
            raise
        except Exception as error:
            exchange.raise_error()
            logging.exception("Beam's %s failed", self.name)
            lines = str(error).strip().splitlines() or [repr(error)]
            raise UserError(f"Beam's {self.name} failed: {lines[-1]}") from None
        exchange.raise_error()
        if state != PipelineState.DONE:
            raise UserError(f"Beam's {self.name} ended the job as {state}")
