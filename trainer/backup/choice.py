"""Which generation a start resumes from, and when a start is refused.

A start without a complete generation begins at step 0 only if no save ever
succeeded. If there are backups and none can be used, the start is refused: a
new run would delete them sooner or later.
"""

import dataclasses
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from console import differences
from storage import UserError
from trainer.backup.generation import Backup, Generation
from trainer.runtime import run_document

SAVED = "saved"  # Key in the lease: the newest backup that its owner knows.
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Choice(Generic[_T]):
    """The generation that a start resumes from.

    Attributes:
        looked_at: All generations in the folder.
        backup: The one to resume from; None if there is none.
        content: Its content, as read; None if there is none.
        passed_over: The newer generations that were skipped, with the reasons.
    """

    looked_at: frozenset[Generation]
    backup: Backup | None
    content: _T | None
    passed_over: Mapping[Generation, str]


def choose(
    backups: Sequence[Backup],
    *,
    identity: dict,
    defaults: Mapping[str, Any],
    read: Callable[[Backup], _T],
) -> Choice[_T]:
    """Returns the newest generation of a run that can be used.

    Args:
        backups: The generations, the newest first.
        identity: The identity of the run; only its generations are used.
        defaults: Values for the flags that an older identity lacks.
        read: Reads a generation whose manifest is of the run; raises
            ValueError, KeyError, BadZipFile or OSError if it cannot be used.

    Raises:
        storage.UserError: `read` raised it.
    """
    looked_at = frozenset(b.generation for b in backups)
    passed_over: dict[Generation, str] = {}
    first_leg = None
    for backup in backups:
        try:
            manifest = _manifest(backup)
            other = defaults | manifest["identity"] != identity
            if other or first_leg not in (None, manifest["run"]):
                raise ValueError("it is of another run, before --restart")
            first_leg = manifest["run"]
            return Choice(looked_at, backup, read(backup), passed_over)
        except UserError:
            raise
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            passed_over[backup.generation] = str(error)
    return Choice(looked_at, None, None, passed_over)


def refuse_other_run(
    url: str,
    backups: Sequence[Backup],
    *,
    identity: dict,
    defaults: Mapping[str, Any],
) -> None:
    """Raises an error if the newest backup is of another run.

    Args:
        url: The backup folder.
        backups: The generations in it, the newest first.
        identity: See choose().
        defaults: See choose().

    Raises:
        storage.UserError: It names the flags that differ or, if this version
            cannot read the backup, its format.
    """
    for backup in backups:
        if backup.manifest is None:
            continue
        try:
            run_document.refuse_format(backup.manifest["format"])
        except ValueError as error:
            raise UserError(
                f"{url}: {backup.generation.stem} cannot be read ({error}): "
                "use the version that wrote it, another --backup_dir, or "
                "--restart to start from the beginning"
            ) from None
        _refuse_difference(
            defaults | backup.manifest["identity"], identity, url
        )
        return


def refuse_start_over(
    url: str, backups: Sequence[Backup], choice: Choice, saved: str | None
) -> None:
    """Refuses to begin at step 0 if there are backups that cannot be used.

    Args:
        url: The backup folder.
        backups: The generations in it.
        choice: The result of choose() for them.
        saved: The newest backup that the folder's last owner knew; None if it
            knew none.

    Raises:
        storage.UserError: It names each generation and why it cannot be used.
    """
    if choice.backup:
        return
    unusable = [
        f"{b.generation.stem}: {choice.passed_over[b.generation]}"
        for b in backups
        if not b.unfinished
    ]
    if unusable:
        raise UserError(
            f"{url} holds backups, but none can be restored "
            f"({'; '.join(unusable)}). Nothing was changed: run the same "
            "command again when they can be read, or give --restart to start "
            "from the beginning"
        )
    if saved:
        raise UserError(
            f"{url} shows no complete backup, but its last owner had saved "
            f"{saved}. Nothing was changed: check that it is the right folder "
            "and that it shows all files, and run the same command again, or "
            "give --restart to start from the beginning"
        )


def _manifest(backup: Backup) -> dict:
    """Returns the manifest of a backup that can be used."""
    if backup.manifest is None:
        raise backup.error or ValueError(backup.why)
    run_document.refuse_format(backup.manifest["format"])
    return backup.manifest


def _refuse_difference(old: dict, new: dict, where: str) -> None:
    """Raises an error if two identities differ.

    Raises:
        UserError: It names the differences, with both values.
    """
    changed = differences.describe(
        {**old, "dataset": None}, {**new, "dataset": None}, prefix="--"
    )
    if old.get("dataset") != new.get("dataset"):
        changed.append(
            "the dataset in --data_dir (dataset_info.json had the digest "
            f"{old.get('dataset')}, now has {new.get('dataset')})"
        )
    if changed:
        raise UserError(
            f"{where} holds another run, which differs in "
            f"{', '.join(changed)}: give the old values, another "
            "--backup_dir, or --restart to start from the beginning"
        )
