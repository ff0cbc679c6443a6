"""Runs a command: parses its flags, and turns a user's mistake into one line.

Exit codes: 0 in good order; 1 a mistake of the user or the data, told in one
line, the last on stderr; 143 after SIGTERM. A bug keeps its traceback.
"""

import logging as std_logging
import sys
import time
from collections.abc import Callable

from absl import app, flags, logging


def run(
    main: Callable[..., int | None],
    *flag_modules,
    user_errors: tuple = (),
    takes_rest: bool = False,
) -> None:
    """Parses sys.argv and runs `main`; never returns.

    Args:
        main: The command; returns the exit code, None for 0.
        *flag_modules: Modules whose flags `--help` shows as the command's own.
        user_errors: Exception types told as `error: …` with exit code 1.
            OSError is always one of them: a file, disk or mount failed.
        takes_rest: Whether `main` is given what follows a `--`.
    """
    logging.set_verbosity(logging.INFO)  # A --verbosity given overrides it.
    for module in flag_modules:
        flags.adopt_module_key_flags(module)

    def guarded(argv: list[str]) -> int:
        rest = []
        if takes_rest and "--" in sys.argv:
            rest = sys.argv[sys.argv.index("--") + 1 :]
            argv = argv[: len(argv) - len(rest)]
        if len(argv) > 1:
            return fail(
                f"unexpected argument {argv[1]!r}: every option is a flag of "
                "the form --name=value (see --help)"
            )
        _log_plainly()
        try:
            return (main(rest) if takes_rest else main()) or 0
        except (OSError, *user_errors) as error:
            return fail(str(error))
        except KeyboardInterrupt:
            return fail("interrupted; run the same command again to go on")

    app.run(guarded)


def _log_plainly() -> None:
    """Logs a time and a line."""
    logging.get_absl_handler().setFormatter(_Formatter())


class _Formatter(std_logging.Formatter):
    """Formats a record as `12:34:56 message`, warnings marked as such."""

    def format(self, record):
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        mark = "" if record.levelno <= std_logging.INFO else record.levelname
        return f"{clock} {mark + ': ' if mark else ''}{record.getMessage()}"


def fail(message: str) -> int:
    """Prints one `error: …` line to stderr and returns exit code 1."""
    sys.stdout.flush()
    print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return 1
