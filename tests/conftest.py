"""Fixtures that several test files share."""

import signal

import pytest
import tiny_data

# A job in the background ignores Ctrl-C, and would hand that on to commands.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory):
    """A folder of 60 images of 12 x 16 in 2 parquet files, 3 label columns."""
    folder = tmp_path_factory.mktemp("tiny_source")
    tiny_data.write_dataset(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_records(tiny_source, tmp_path_factory):
    """`tiny_source` built: raw, 3 folds of 20 images. Do not write to it.

    Its images are bright on dark. They are recorded as light, as all were
    before there was --background: golden runs and backups are of these records.
    """
    return tiny_data.build_records(
        tiny_source,
        tmp_path_factory.mktemp("tiny") / "records",
        "--background=light",
    )
