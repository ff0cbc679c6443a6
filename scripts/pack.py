"""Packs the project into a zip, for machines that cannot clone it.

    python scripts/pack.py --output=bengali-trainer.zip

The zip holds the files that git tracks, with their content in the working tree.
The command also prints the names of up to three files that git does not track.
With the same version of zlib, the same files give the same bytes.
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
    """Writes the zip."""
    output = pathlib.Path(FLAGS.output)
    count = project_zip.pack(project_zip.ROOT, output)
    print(f"wrote {output}: {count} files, {output.stat().st_size:,} bytes")
    if left_out := project_zip.list_left_out(project_zip.ROOT, output):
        more = ", …" if len(left_out) > 3 else ""
        print(
            "left out because git does not track them: "
            f"{len(left_out)} file(s) ({', '.join(left_out[:3])}{more}); to "
            "include one: git add FILE, then pack again"
        )


if __name__ == "__main__":
    command.run(main, pack_flags, user_errors=(UserError,))
