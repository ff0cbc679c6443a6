"""Makes the engine of a build: local, or Apache Beam."""

from collections.abc import Sequence
from types import ModuleType

from storage import UserError
from tfrecord_builder.building.local_engine import LocalEngine
from tfrecord_builder.building.staging import Staging


def make(
    build: Staging,
    output_dir: str,
    *,
    num_workers: int,
    spool_dir: str | None,
    always_spool: bool,
    beam_options: Sequence[str] | None,
) -> LocalEngine:
    """Returns the engine, local or Beam, that builds into `build`.

    Args:
        build: The folder of the build.
        beam_options: Beam's own flags, if Apache Beam does the work. None: this
            machine builds alone.

    The other arguments are flags, see flags/builder_flags.py.
    """
    if beam_options is None:
        return LocalEngine(
            build, num_workers=num_workers, always_spool=always_spool
        )
    return _import_beam_engine().BeamEngine(
        output_dir,
        options=beam_options,
        spool_dir=spool_dir,
        always_spool=always_spool,
    )


def _import_beam_engine() -> ModuleType:
    """Imports Apache Beam, which needs its own environment."""
    try:
        from tfrecord_builder.beam_engine import engine
    except ImportError as error:
        raise UserError(
            f"--engine=beam: {error}; make a separate environment for it: "
            "pip install -r requirements-beam.txt -c constraints-beam.txt -e ."
        ) from None
    return engine
