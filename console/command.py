"""Runs a command: parses its flags, and turns a user's mistake into one line.

A command file has this order. So `--help`, `--version` and a mistyped flag are
answered at once, and a start shows that it is importing:

    from absl import flags
    from console import command
    from flags import my_flags

    if __name__ == "__main__":
        command.begin(my_flags, importing="TensorFlow")

    import tensorflow as tf  # And everything else that is slow.

    def main() -> int | None: …

    if __name__ == "__main__":
        command.run(main, my_flags)

Exit codes: 0 after success; 1 after a mistake of the user or the data, with one
line about it as the last line on stderr; 143 after SIGTERM. A bug shows its
traceback.
"""

import argparse
import inspect
import logging as std_logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn, TypeVar

from absl import app, flags, logging

from console import errors, short_help, version
from console.importing import Importing

# absl's message for a required flag that is not given.
_MISSING = re.compile(
    r"flag --(\w+)=None: Flag --\1 must have a value .*None\.?"
)

# Then --help shows the adopted flags as flags of the calling script.
flags.disclaim_key_flags()

_T = TypeVar("_T")
_importing: Importing | None = None  # From begin() to run().


def begin(
    *flag_modules: ModuleType, importing: str, takes_rest: bool = False
) -> None:
    """Parses sys.argv before the slow imports, and shows that they run.

    Exits if the flags ask for help or are wrong. run() ends the display.

    Args:
        *flag_modules: See run().
        importing: The slowest package that is imported next.
        takes_rest: See run().
    """
    global _importing
    _adopt(flag_modules)
    _parse(flag_modules, takes_rest=takes_rest)
    _log_plainly()
    _importing = Importing(importing)


def run(
    main: Callable[..., int | None],
    *flag_modules: ModuleType,
    user_errors: tuple[type[Exception], ...] = (),
    takes_rest: bool = False,
) -> NoReturn:
    """Runs `main`; parses sys.argv if begin() has not; never returns.

    Args:
        main: The command; returns the exit code, None for 0.
        *flag_modules: Modules with the command's flags, for `--help`. GROUPS in
            a module names the first flag of each group and the group, for
            `--helpshort`.
        user_errors: Exception types that end as `error: …`, exit code 1.
            OSError is always one of them: a file, disk or mount failed.
        takes_rest: Whether `main` gets the arguments after a `--`.
    """

    _adopt(flag_modules)

    def parse(argv: list[str]) -> list[str]:
        if _importing is None:
            _parse(flag_modules, takes_rest=takes_rest)
        return argv

    def guarded(argv: list[str]) -> int:
        _log_plainly()
        try:
            if _importing is not None:
                _importing.close()
            rest = (_rest(argv),) if takes_rest else ()
            return main(*rest) or 0
        except (OSError, *user_errors) as error:
            return errors.fail(str(error))
        except KeyboardInterrupt:
            return errors.fail(errors.INTERRUPTED)

    app.run(guarded, flags_parser=parse)


def with_flags(function: Callable[..., _T], **given: object) -> _T:
    """Calls a function; its parameters get the values of flags by name.

    This is how the value of a flag reaches its use: a parameter or a field has
    the name of the flag.

    Args:
        function: A function or class.
        **given: Parameters that do not get the value of a flag.
    """
    values = flags.FLAGS
    names = inspect.signature(function).parameters.keys() - given.keys()
    flag_values = {name: values[name].value for name in names if name in values}
    return function(**flag_values, **given)


def flagfiles(argv: list[str]) -> list[str]:
    """Returns the files of --flagfile, which absl itself does not store."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--flagfile", "-flagfile", action="append", default=[])
    return parser.parse_known_args(argv)[0].flagfile


def _adopt(flag_modules: Sequence[ModuleType]) -> None:
    """Makes flags key flags of the calling script."""
    for module in flag_modules:
        flags.adopt_module_key_flags(module)


def _parse(flag_modules: Sequence[ModuleType], *, takes_rest: bool) -> None:
    """Parses sys.argv; exits if it asks for help or is wrong."""
    try:
        _parse_or_answer(flag_modules, takes_rest=takes_rest)
    except BrokenPipeError:  # Such as `--help | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _parse_or_answer(
    flag_modules: Sequence[ModuleType], *, takes_rest: bool
) -> None:
    logging.set_verbosity(logging.INFO)  # --verbosity overrides it.
    app.define_help_flags()
    own = sys.argv[1 : len(sys.argv) - len(_rest(sys.argv))]
    if {"--version", "-version"} & set(own):
        print(version.NAME, version.VERSION)
        sys.exit(0)
    if {"--helpshort", "-helpshort"} & set(own):
        print(
            short_help.make(sys.modules["__main__"].__doc__ or "", flag_modules)
        )
        sys.exit(0)
    try:
        unknown = flags.FLAGS(sys.argv)[1:]
    except flags.Error as error:
        message = _MISSING.sub(r"--\1 is missing.", str(error))
        message = message.removeprefix("ERROR:: ").rstrip(".")
        sys.exit(errors.fail(f"{message} (see --helpshort)"))
    if takes_rest:
        unknown = unknown[: len(unknown) - len(_rest(sys.argv))]
    if unknown:
        sys.exit(
            errors.fail(
                f"unexpected argument {unknown[0]!r}: every option is a flag "
                "of the form --name=value (see --help)"
            )
        )


def _rest(argv: list[str]) -> list[str]:
    """Returns the arguments after a `--`."""
    return argv[argv.index("--") + 1 :] if "--" in argv else []


def _log_plainly() -> None:
    """Makes log lines consist of the time and the message."""
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(_Formatter())


class _Formatter(std_logging.Formatter):
    """Formats a record as `12:34:56 message`, with a mark for warnings."""

    def format(self, record: std_logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        mark = "" if record.levelno <= std_logging.INFO else record.levelname
        return f"{clock} {mark + ': ' if mark else ''}{record.getMessage()}"
