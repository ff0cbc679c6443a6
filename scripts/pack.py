"""Packs the project into a zip, for machines that cannot clone it.

    python scripts/pack.py --output=bengali-trainer.zip

The files that git tracks, as they are in the working tree. The same files
give the same bytes, with the same version of zlib.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags
from session import project_zip

from console import command
from flags import pack_flags
from storage import UserError

FLAGS = flags.FLAGS


def main() -> None:
    """Writes the zip that the flags name."""
    output = pathlib.Path(FLAGS.output)
    count = project_zip.pack(project_zip.ROOT, output)
    print(f"wrote {output}: {count} files, {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    command.run(main, pack_flags, user_errors=(UserError,))
