"""dataset_info.json: the content of a dataset. It is written last.

    info = dataset_info.read("RECORDS")     # UserError if it is not complete
    info.outputs[0].classes, info.splits["fold0"].shards[0].name

It contains no time, host or path, so that the same input and flags give the
same bytes.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import storage
from storage import Folder, UserError, file_names
from tfrecord_builder.records import background

_T = TypeVar("_T")

NAME = "dataset_info.json"
SCHEMA_VERSION = 1
UNSEEN = "unseen"


@dataclasses.dataclass(frozen=True)
class Image:
    """Size in pixels, encoding and background of the stored images.

    `background` is "light" or "dark"; it does not change the stored pixels.
    """

    height: int
    width: int
    channels: int = 1
    encoding: str = "raw"
    encoder: str | None = None  # Name and version of the PNG encoder.
    background: str = background.LIGHT

    def __post_init__(self) -> None:
        background.check(self.background)


@dataclasses.dataclass(frozen=True)
class Output:
    """A label column: its class names and the images of each class."""

    name: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Grapheme:
    """A distinct pair of text and labels; `split` is "folds" or "unseen"."""

    text: str
    labels: tuple[int, ...]
    count: int
    split: str


@dataclasses.dataclass(frozen=True)
class Shard:
    name: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    records: int
    counts: dict[str, tuple[int, ...]]  # Images per class of each output.
    shards: tuple[Shard, ...]


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    image: Image
    source_image: dict[str, int]  # "height" and "width" in the parquet files.
    resize: dict[str, Any] | None  # See `resize`.
    outputs: tuple[Output, ...]
    graphemes: tuple[Grapheme, ...]
    splits: dict[str, Split]
    build: dict[str, Any]  # The flags and the source that determine the bytes.

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds in their order, without unseen."""
        return tuple(name for name in self.splits if name != UNSEEN)

    def class_counts(self, splits: Iterable[str]) -> dict[str, list[int]]:
        """Returns the images of each class of each output in `splits`."""
        splits = tuple(splits)
        return {
            output.name: [
                sum(
                    self.splits[split].counts[output.name][label]
                    for split in splits
                )
                for label in range(len(output.classes))
            ]
            for output in self.outputs
        }

    def to_json(self) -> str:
        """Returns the file's text, the same for the same dataset."""
        fields = dataclasses.asdict(self)
        if self.image.encoder is None:
            del fields["image"]["encoder"]
        # "light" is not written, because older datasets lack the key: so their
        # digest, which identifies the dataset of a run, stays the same.
        if self.image.background == background.LIGHT:
            del fields["image"]["background"]
        fields = {"schema_version": SCHEMA_VERSION, **fields}
        return json.dumps(fields, ensure_ascii=False, indent=1) + "\n"

    def digest(self) -> str:
        """Returns the SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def from_json(text: str) -> DatasetInfo:
    """Parses the text of `to_json`.

    Raises:
        UserError: The text is not one of `to_json`, or of another version.
    """
    try:
        fields = json.loads(text)
        version = fields.pop("schema_version")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"not a {NAME}: {error!r}") from None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"schema version {version!r}, expected {SCHEMA_VERSION}: made by "
            "another version of the builder; build the records again"
        )
    try:
        return DatasetInfo(
            image=Image(**fields["image"]),
            source_image=fields["source_image"],
            resize=fields["resize"],
            outputs=tuple(_tuples(Output, o) for o in fields["outputs"]),
            graphemes=tuple(_tuples(Grapheme, g) for g in fields["graphemes"]),
            splits={
                name: Split(
                    records=split["records"],
                    counts={k: tuple(v) for k, v in split["counts"].items()},
                    shards=tuple(_shard(s) for s in split["shards"]),
                )
                for name, split in fields["splits"].items()
            },
            build=fields["build"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"broken {NAME}: {error!r}; build the records again"
        ) from None


def read(folder_url: str | pathlib.Path) -> DatasetInfo:
    """Reads a dataset's information and checks that it has all its shards.

    Raises:
        storage.UserError: The folder has no finished dataset, or a shard is
            missing or has another size.
    """
    folder = storage.open_folder(folder_url)
    files = folder.list()
    if not files and folder.path is not None and not folder.path.is_dir():
        raise UserError(f"{folder.url}: no such folder")
    info = read_only(folder, files)
    for shard in (s for split in info.splits.values() for s in split.shards):
        size = files.get(shard.name)
        if size != shard.bytes:
            got = "is missing" if size is None else f"has {size} bytes"
            raise UserError(
                f"{folder.url}/{shard.name} {got}, expected {shard.bytes} "
                "bytes; copy the dataset again, or build it again with "
                "--overwrite"
            )
    return info


def read_only(folder: Folder, files: dict[str, int]) -> DatasetInfo:
    """Reads a folder's information without checking its shards.

    Raises:
        UserError: The folder has no valid dataset_info.json.
    """
    if NAME not in files:
        raise UserError(
            f"{folder.url}: no {NAME} in it, so it is not a finished dataset; "
            "run the builder: python tfrecord_builder/main.py --input_dir=… "
            f"--output_dir={folder.url}"
        )
    try:
        return from_json(folder.read_bytes(NAME).decode())
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{folder.url}/{NAME}: {error}") from None


def _shard(fields: dict[str, Any]) -> Shard:
    shard = Shard(**fields)
    file_names.check(shard.name, "shards")
    return shard


def _tuples(kind: Callable[..., _T], fields: dict[str, Any]) -> _T:
    """Returns `kind(**fields)` with lists converted to tuples."""
    return kind(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    )
