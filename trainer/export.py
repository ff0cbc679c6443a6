"""Writes a trained model for another runtime: TensorFlow, LiteRT or ONNX.

    python trainer/export.py --model=WORKDIR/model.keras --format=litert

    image: [N, H, W, 1] uint8, as in the parquet files
        -> the builder's resize, the preprocessing, the net, the calibration
        -> <output>: [N, classes] float32 probabilities, by name

dataset.json, with the class names in their order, is stored in the assets.extra
of a SavedModel, in the metadata of an ONNX model, or in the zip archive that is
appended to a LiteRT file, where LiteRT expects a model's associated files.
"""

from absl import flags

from console import command
from flags.trainer import export_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(export_flags, importing="TensorFlow")

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil

from console.progress import Progress
from storage import Scratch, UserError
from trainer.inference import export_formats
from trainer.models import model_file
from trainer.runtime import devices

FLAGS = flags.FLAGS


def main() -> None:
    path, format_ = pathlib.Path(FLAGS.model), FLAGS.format
    output = make_output(FLAGS.output, path, format_)
    check_packages(format_)
    output.parent.mkdir(parents=True, exist_ok=True)
    devices.prepare("cpu")
    model, card = model_file.read(path)
    exported = export_formats.make_exported(model, card)
    with Scratch(output.parent) as folder:
        made = folder / f"model{export_formats.SUFFIXES[format_]}"
        metadata = export_formats.make_metadata(card)
        with Progress(f"exporting {path} as {format_}"):
            export_formats.write(format_, made, exported, metadata)
        if output.is_dir():
            shutil.rmtree(output)
        os.replace(made, output)
    print(f"wrote {output}: {size(output) / 1e6:.1f} MB")


def check_packages(format_: str) -> None:
    """Raises UserError if a package that the format needs is missing."""
    version = importlib.metadata.version("keras")
    installed = tuple(map(int, version.split(".")[:2]))
    needed = export_formats.NEEDS_KERAS.get(format_, installed)
    if installed < needed:
        first = ".".join(map(str, needed))
        raise UserError(
            f"--format={format_} needs Keras {first} or later, this is Keras "
            f"{version}: pip install 'keras>={first}'"
        )
    needs = export_formats.NEEDS.get(format_, ())
    for package in needs:
        if importlib.util.find_spec(package) is None:
            # For onnx: a protobuf release that works with TensorFlow's.
            protobuf = importlib.metadata.version("protobuf")
            raise UserError(
                f"--format={format_} needs the package {package}, which is "
                f"not installed: pip install {' '.join(needs)} "
                f"protobuf=={protobuf}"
            )


def make_output(
    output: str | None, model: pathlib.Path, format_: str
) -> pathlib.Path:
    """Returns the path to write to, after checking it.

    Raises:
        UserError: The path does not fit the format, or has other files.
    """
    suffix = export_formats.SUFFIXES[format_]
    default = model.with_name(f"{model.stem}{suffix or '_saved_model'}")
    path = pathlib.Path(output) if output else default
    if path.suffix != suffix and suffix:
        raise UserError(
            f"--output={path}: expected a name that ends in {suffix} for "
            f"--format={format_}, such as {path.with_suffix(suffix)}"
        )
    if path.is_dir() and (suffix or not is_replaceable(path)):
        raise UserError(
            f"--output={path} is a folder with other files: give the name "
            f"of the {'file' if suffix else 'new folder'} to write"
        )
    if path.is_file() and not suffix:
        raise UserError(
            f"--output={path} is a file: expected the folder to write"
        )
    return path


def is_replaceable(folder: pathlib.Path) -> bool:
    """Returns whether a folder is a SavedModel or empty."""
    return not any(folder.iterdir()) or (folder / "saved_model.pb").exists()


def size(path: pathlib.Path) -> int:
    """Returns the size in bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, export_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
