"""Runs a command of the project inside the test's process.

TensorFlow takes seconds to import: what needs no process of its own shares
this one.
"""

import sys

from absl import flags
from absl.testing import flagsaver


def run(module, *args: object) -> int:
    """Runs `module` as `python module.py args` would; returns the exit code.

    Args:
        module: A main module of the project, imported; it is run as its
            `if __name__ == "__main__"` line runs it.
        *args: Flags.
    """
    argv, values = sys.argv, flagsaver.save_flag_values(flags.FLAGS)
    sys.argv = [module.__file__, *map(str, args)]
    try:
        module.run()
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = argv
        flagsaver.restore_flag_values(values)
    return 0
