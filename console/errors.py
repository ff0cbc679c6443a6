"""The one-line message for a mistake of the user or of the data."""

import sys

INTERRUPTED = "interrupted; run the same command again to continue"


def fail(message: str) -> int:
    """Prints one `error: …` line to stderr and returns exit code 1."""
    sys.stdout.flush()
    print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return 1
