"""Lists the backups of a run, and the one that a start would resume from.

  python trainer/backups.py --backup_dir=DRIVE [--verify]

Writes nothing. The exit code is 1 if there is no backup to resume from. Only
the run itself can check that a backup fits its flags, its data and its net.
"""

from absl import flags

from console import command
from flags.trainer import backups_flags, settle_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(backups_flags, settle_flags, importing="NumPy")

import os
import pathlib
import time
import zipfile
from collections.abc import Mapping, Sequence

import storage
from console.progress import Progress
from storage import Scratch, UserError, mounts
from storage.mount_guard import MountGuard
from storage.ownership.lease import Lease
from trainer.backup import archive, choice, finished_run
from trainer.backup.choice import Choice
from trainer.backup.generation import Backup, Generation
from trainer.backup.generations import OWNER, Generations
from trainer.runtime import run_document

FLAGS = flags.FLAGS
# The error of reading each generation; "" if there was none.
Faults = Mapping[Generation, str]
HEADER = ("backup", "leg", "step", "epochs", "age", "size", "state")


def main() -> None:
    generations = open_generations(FLAGS.backup_dir)
    sizes = generations.listing()
    backups = generations.newest_first()
    faults = find_faults(generations, backups) if FLAGS.verify else {}
    run = newest_run(backups)
    path = generations.folder.path
    # A mount may upload files some time after they were written.
    on_mount = path is not None and mounts.is_mount(path)
    rows = [
        describe(b, sizes[b.generation], faults, run, on_mount=on_mount)
        for b in backups
    ]
    print(format_table([HEADER, *rows]))
    lease = Lease(generations.folder, OWNER)
    print(f"in use by: {lease.describe_holder()}")
    if (leg := finished_run.finished_leg(FLAGS.backup_dir)) is not None:
        print(f"finished by leg {leg}: a start copies its results from final/")
        return
    chosen = choose(backups, faults, run)
    saved = lease.last_extra.get(choice.SAVED)
    choice.refuse_start_over(FLAGS.backup_dir, backups, chosen, saved)
    if chosen.backup is None:
        raise UserError(
            f"{FLAGS.backup_dir} holds no complete backup: a start begins at "
            "step 0"
        )
    print(
        f"a start resumes from: {chosen.backup.generation.stem}"
        f"{'' if FLAGS.verify else ' (not read; --verify reads every byte)'}"
    )
    older = backups[backups.index(chosen.backup) :]
    safe = find_settled(older, faults, run) if on_mount else chosen.backup
    print(describe_safety(safe, chosen.backup))


def open_generations(url: str) -> Generations:
    """Returns the generations in a backup folder.

    Raises:
        UserError: The folder does not exist, or its mount is missing.
    """
    folder = storage.open_folder(url)
    MountGuard(folder, pathlib.Path(os.devnull))
    if folder.path is not None and not folder.path.is_dir():
        raise UserError(f"--backup_dir={url}: no such folder")
    return Generations(folder)


def find_faults(
    generations: Generations, backups: Sequence[Backup]
) -> dict[Generation, str]:
    """Reads every complete backup; returns the error of each, or ""."""
    readable = [b for b in backups if b.is_readable]
    total = sum(b.usable["bytes"] for b in readable) / (1 << 20)
    faults = {}
    with (
        Scratch() as scratch,
        Progress("verifying", total=total, unit="MiB") as progress,
    ):
        path = scratch / "backup.zip"
        for backup in readable:
            faults[backup.generation] = ""
            try:
                generations.fetch(backup, path)
                _, document = archive.read(path)
                run_document.parse(document, backup.usable["format"])
            except UserError:
                raise
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                faults[backup.generation] = str(error)
            progress.advance(backup.usable["bytes"] / (1 << 20))
    return faults


def find_settled(
    backups: Sequence[Backup], faults: Faults, run: dict
) -> Backup | None:
    """Returns the newest settled backup of a run; None if there is none.

    Args:
        backups: The backups, the newest first.
        faults: The result of find_faults().
        run: The manifest of the newest backup of the run.
    """
    usable = [
        b for b in backups if b.is_readable and not faults.get(b.generation)
    ]
    mine = [b for b in usable if b.usable["run"] == run["run"]]
    return next(filter(has_settled, mine), None)


def has_settled(backup: Backup) -> bool:
    """Returns whether a backup is assumed to be fully uploaded to Drive."""
    age = time.time() - backup.usable["written"]
    return age >= 60.0 * FLAGS.backup_settle_minutes


def newest_run(backups: Sequence[Backup]) -> dict:
    """Returns the manifest of the newest backup that has one."""
    return next((b.usable for b in backups if b.is_readable), {})


def choose(backups: Sequence[Backup], faults: Faults, run: dict) -> Choice:
    """Returns the backup that a start of the newest run resumes from."""

    # An old backup lacks the newest flags: that alone makes no other run.
    identity = run.get("identity", {})

    def read(backup: Backup) -> None:
        if fault := faults.get(backup.generation):
            raise ValueError(fault)

    return choice.choose(
        backups, identity=identity, defaults=identity, read=read
    )


def describe(
    backup: Backup,
    sizes: Mapping[str, int],
    faults: Faults,
    run: dict,
    *,
    on_mount: bool,
) -> tuple[str, ...]:
    """Returns a backup as a row of the table.

    Args:
        backup: The backup.
        sizes: Bytes of its "zip" and "json" files.
        faults: The result of find_faults().
        run: The manifest of the newest backup.
        on_mount: Whether the folder is a mount.
    """
    manifest = backup.manifest or {}
    age = "-"
    if "written" in manifest:
        age = format_age(time.time() - manifest["written"])
    if not backup.is_readable:
        state = backup.why or f"unknown format {manifest['format']}"
    elif fault := faults.get(backup.generation):
        state = fault
    else:
        state = "complete" if faults else "looks complete"
        if on_mount:
            settled = has_settled(backup)
            state += ", settled" if settled else ", may still be uploading"
        if manifest["run"] != run["run"]:
            state += ", of a run before --restart"
    return (
        backup.generation.stem,
        str(backup.generation.leg),
        str(backup.generation.step),
        str(manifest.get("epochs", "-")),
        age,
        f"{sum(sizes.values()) / 1e6:.1f} MB",
        state,
    )


def describe_safety(safe: Backup | None, newest: Backup) -> str:
    """Returns the last line: what remains if the machine is lost now.

    Args:
        safe: The newest backup that is assumed to be fully uploaded, or None.
        newest: The backup that a start would resume from.
    """
    text = (
        f"safe up to {describe_step(safe)}" if safe else "nothing is safe yet"
    )
    where = "there"
    if newest != safe:
        where = f"at {describe_step(newest)}, which may still be uploading"
    return f"{text}; a start would resume {where}"


def describe_step(backup: Backup) -> str:
    """Returns a backup's step and the local time when it was written."""
    written = time.localtime(backup.usable["written"])
    date = time.strftime("%Y-%m-%d %H:%M", written)
    return f"step {backup.generation.step} ({date})"


def format_age(seconds: float) -> str:
    """Returns an age in its largest unit; negative if the clock went back."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows in columns; those in the middle are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        cells = [f"{first:<{widths[0]}}"]
        cells += [f"{c:>{w}}" for c, w in zip(middle, widths[1:], strict=False)]
        lines.append("  ".join([*cells, last]))
    return "\n".join(lines)


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, backups_flags, settle_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
