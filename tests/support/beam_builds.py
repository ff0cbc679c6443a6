"""How the tests build with Beam, and what a build leaves."""

import pathlib

IN_PROCESS = ["--engine=beam", "--runner=FnApiRunner"]


DASK = ["--engine=beam", "--runner=apache_beam.runners.dask.dask_runner."]


SIZE = ["--num_folds=3", "--source_height=12", "--source_width=16"]


# Neither in dataset_info.json nor in the shards is a time.
TIMED = "build_log.json"


def read(folder) -> dict[str, bytes]:
    """Returns name -> bytes of all that lies in a folder, but the log."""
    return {
        path.name: path.read_bytes()
        for path in pathlib.Path(folder).iterdir()
        if path.name != TIMED
    }
