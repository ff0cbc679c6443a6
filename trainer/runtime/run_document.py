"""The document of a backup: the state of a run besides arrays, as JSON values.

format 1   "trace", "bad_steps" and some entries of a leg may be missing: the
           first versions did not have them
format 2   has all of them, and the settings of each leg
format 3   also has the age of each leg and the work that it repeats

FORMAT is the format of RunState.document(). It is increased when a key is added
or removed or changes its meaning; parse() reads every format so far.
"""

from typing import Any

from trainer.runtime import legs

FORMAT = 3
FORMATS = (1, 2, 3)
# By key: the type of its value and, for a list, the type of its items.
_TYPES: dict[str, tuple[type | tuple[type, ...], type | None]] = {
    "step": (int, None),
    "loss_sum": ((int, float), None),
    "history": (list, dict),
    "legs": (list, dict),
    "speed": (list, dict),
    "trace": (list, list),
    "bad_steps": (list, dict),
}


def parse(document: Any, format_number: int = FORMAT) -> dict[str, Any]:
    """Returns a document in the newest format.

    Args:
        document: A result of RunState.document(), of this or an earlier
            version.
        format_number: The format of the backup that it comes from.

    Raises:
        ValueError: The format is unknown, or the document lacks a key.
    """
    refuse_format(format_number)
    if not isinstance(document, dict):
        raise ValueError("its document is no JSON object")
    if format_number == 1:
        document = {"trace": [], "bad_steps": []} | document
    if missing := sorted(_TYPES.keys() - document.keys()):
        raise ValueError(f"its document lacks {', '.join(missing)}")
    for key, (kind, item_kind) in _TYPES.items():
        value = document[key]
        if not isinstance(value, kind) or not (
            item_kind is None
            or all(isinstance(item, item_kind) for item in value)
        ):
            raise ValueError(f"its document has no proper {key}")
    return document | {"legs": _parse_legs(document["legs"], format_number)}


def refuse_format(format_number: Any) -> None:
    """Raises ValueError if this version cannot read a format."""
    if format_number not in FORMATS:
        raise ValueError(
            f"it has format {format_number}, this version reads formats "
            f"{FORMATS[0]} to {FORMATS[-1]}"
        )


def _parse_legs(rows: list[dict], format_number: int) -> list[dict]:
    """Returns the legs with all entries of the newest format."""
    if not rows:
        raise ValueError("its document names no leg")
    empty = legs.make(0, devices="", step=0, settings={}, lost=legs.Lost())
    needed = empty.keys()
    if format_number == 1:
        needed = {"leg", "devices", "first_step", "last_step"}
    if format_number == 2:
        needed -= {"age", "lost_seconds", "lost_steps"}
    for row in rows:
        if missing := sorted(needed - row.keys()):
            raise ValueError(f"a leg in its document lacks {missing[0]}")
    return [empty | row for row in rows]
