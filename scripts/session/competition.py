"""The competition's files: attached on Kaggle, otherwise downloaded.

kagglehub downloads to this machine's own disk. It continues an incomplete
download, and checks the MD5 of a complete file.
"""

import getpass
import os
import pathlib
import zipfile
import zlib

import kagglehub
import requests
from kagglehub import config
from kagglehub.exceptions import DataCorruptionError

from session import running

NAME = "bengaliai-cv19"
RULES = f"https://www.kaggle.com/competitions/{NAME}/rules"
TOKENS = "https://www.kaggle.com/settings/api"
INPUTS = pathlib.Path("/kaggle/input")
# The files that predict.py reads: a few MB instead of 4.8 GB.
TEST_FILES = (
    *(f"test_image_data_{i}.parquet" for i in range(4)),
    "sample_submission.csv",
)
# Errors of the extraction of a damaged archive.
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError)


def find(
    cache: pathlib.Path,
    *,
    only_tests: bool = False,
    inputs: pathlib.Path = INPUTS,
) -> pathlib.Path:
    """Returns the folder of the competition's files.

    Args:
        cache: Folder on this machine's disk to download to.
        only_tests: Whether only the test images are needed.
        inputs: The folder of files that are attached to a Kaggle notebook.

    Raises:
        SystemExit: The files are not attached and cannot be downloaded. The
            message explains what to do.
    """
    attached = sorted(inputs.glob("**/train_image_data_0.parquet"))
    if attached:
        return attached[0].parent
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        raise SystemExit(
            f"The competition's files are not attached: Add Input, "
            f"Competitions, {NAME}. Its rules must be accepted: {RULES}"
        )
    return download(cache, TEST_FILES if only_tests else ())


def download(cache: pathlib.Path, names: tuple[str, ...] = ()) -> pathlib.Path:
    """Downloads files of the competition; returns their folder.

    Args:
        cache: kagglehub's cache; its files are not downloaded again.
        names: The files; none: all, as one zip that is extracted.

    Raises:
        SystemExit: There is no token, Kaggle refuses it, or the network fails.
    """
    os.environ["KAGGLEHUB_CACHE"] = str(cache)
    log_in()
    try:
        with running.alive(f"downloading {NAME}"):
            if not names:
                return pathlib.Path(kagglehub.competition_download(NAME))
            paths = [kagglehub.competition_download(NAME, n) for n in names]
            return pathlib.Path(paths[0]).parent
    except requests.HTTPError as error:
        raise SystemExit(_explain(error)) from None
    except requests.RequestException as error:
        raise SystemExit(
            f"The download was interrupted ({type(error).__name__}): run this "
            "cell again, it continues where it stopped"
        ) from None
    except (DataCorruptionError, *_NO_ARCHIVE) as error:
        # kagglehub would use a damaged file of the right size.
        for path in cache.glob("competitions/*.archive"):
            path.unlink()
        raise SystemExit(
            f"The download is damaged ({type(error).__name__}): run this cell "
            "again, it starts from the beginning"
        ) from None


def log_in() -> None:
    """Asks for a token, unless a secret, the environment or a file has one."""
    if config.get_kaggle_credentials():
        return
    try:
        token = getpass.getpass(f"Kaggle API token (from {TOKENS}): ").strip()
    except (EOFError, NotImplementedError):  # There is no terminal.
        token = ""
    if not token:
        raise SystemExit(
            f"Kaggle needs a token: make one at {TOKENS} and save it as the "
            "Colab secret KAGGLE_API_TOKEN (the key on the left)"
        )
    os.environ["KAGGLE_API_TOKEN"] = token


def _explain(error: requests.HTTPError) -> str:
    status = error.response.status_code if error.response is not None else 0
    if status == 403:
        return (
            f"Kaggle answers 403: accept the competition's rules once, at "
            f"{RULES}, then run this cell again"
        )
    if status == 401:
        return (
            f"Kaggle answers 401: the token is not valid, make one at {TOKENS}"
        )
    return f"Kaggle answers {status}: {error}".splitlines()[0]
