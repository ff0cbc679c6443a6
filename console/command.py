"""Runs a command: parses its flags, and turns a user's mistake into one line.

Exit codes: 0 in good order; 1 a mistake of the user or the data, told in one
line, the last on stderr; 143 after SIGTERM. A bug keeps its traceback.
"""

import argparse
import logging as std_logging
import re
import sys
import textwrap
import time
from collections.abc import Callable
from types import ModuleType

from absl import app, flags, logging

# What absl says of a flag that is required and not given.
_MISSING = re.compile(
    r"flag --(\w+)=None: Flag --\1 must have a value .*None\.?"
)

# So that --help shows what run() adopts as flags of the script that calls it.
flags.disclaim_key_flags()


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
            GROUPS in a module names the first flag of each group and the
            group, for `--helpshort`.
        user_errors: Exception types told as `error: …` with exit code 1.
            OSError is always one of them: a file, disk or mount failed.
        takes_rest: Whether `main` is given what follows a `--`.
    """
    logging.set_verbosity(logging.INFO)  # A --verbosity given overrides it.
    for module in flag_modules:
        flags.adopt_module_key_flags(module)
    if {"--helpshort", "-helpshort"} & set(sys.argv[1:]):
        print(short_help(sys.modules["__main__"].__doc__ or "", flag_modules))
        sys.exit(0)

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

    app.run(guarded, flags_parser=_parse)


def flagfiles(argv: list[str]) -> list[str]:
    """Returns the files that --flagfile names; absl itself forgets them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--flagfile", "-flagfile", action="append", default=[])
    return parser.parse_known_args(argv)[0].flagfile


def short_help(synopsis: str, flag_modules: tuple[ModuleType, ...]) -> str:
    """Returns what a command is for, and its flags in groups, on a screen.

    Args:
        synopsis: The command's docstring.
        flag_modules: As of run().
    """
    groups: dict[str, list[str]] = {}
    title = "Flags"
    for module in flag_modules:
        titles = getattr(module, "GROUPS", {})
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            title = titles.get(flag.name, title)
            groups.setdefault(title, []).append(_summary(flag))
    lines = [synopsis.strip()]
    for title, summaries in groups.items():
        lines.append(title)
        lines += textwrap.wrap(
            "  ".join(summaries),
            width=79,
            initial_indent="  ",
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    lines.append("--help tells what each of them means.")
    return "\n".join(lines)


def _summary(flag):
    """Returns a flag with its default, without a space."""
    if flag.boolean:
        return f"--{'' if flag.default else '[no]'}{flag.name}"
    if flag.default is None:
        return f"--{flag.name}=…"
    default = flag.default_as_str.strip("'")
    return f"--{flag.name}={default}" if default else f"--{flag.name}"


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; a mistake is one line."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        told = _MISSING.sub(r"--\1 is missing.", str(error))
        told = told.removeprefix("ERROR:: ").rstrip(".")
        sys.exit(fail(f"{told} (see --helpshort)"))


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
