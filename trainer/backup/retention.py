"""Chooses the generations that are kept after a save: at most four.

These generations of this run are kept: the newest two, the newest that has
settled, and the oldest that has not settled. A mount may still be uploading the
latest generation when the machine is lost, so no generation is deleted before a
later one has had time to be uploaded. After a --restart the newest generation
of the run before it is also kept, until a generation of this run has settled.
"""

from collections.abc import Callable, Sequence

from trainer.backup.generation import Backup


def choose_kept(
    backups: Sequence[Backup],
    *,
    first_leg: int,
    has_settled: Callable[[Backup], bool],
) -> list[Backup]:
    """Returns the generations to keep.

    Args:
        backups: The complete generations, the newest first.
        first_leg: The leg in which this run began.
        has_settled: Returns whether a generation is assumed to be fully
            uploaded.
    """
    mine = [b for b in backups if b.usable.get("run") == first_leg]
    settled = [b for b in mine if has_settled(b)]
    unsettled = [b for b in mine if b not in settled]
    kept = mine[:2] + settled[:1] + unsettled[-1:]
    if not settled:
        kept += [b for b in backups if b not in mine][:1]
    return kept
