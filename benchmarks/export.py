"""Measures the size, speed and accuracy of each exported format.

  python benchmarks/export.py --model=WORKDIR/model.keras --input_dir=DIR

Exports the model with the real command and runs each format in its own runtime:
on the first images of the parquet files for the difference from the Keras
model, and on one image at a time for the latency (the median of many calls).
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert import interpreter

from tfrecord_builder.parquet import parquet_reader, row_spool
from trainer.inference import ensemble
from trainer.inference.ensemble import Member

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = {"saved_model": "model", "litert": "model.tflite", "onnx": "model.onnx"}
CALLS = 50
# Maps [1, H, W, 1] uint8 to probabilities of each output.
Predict = Callable[[np.ndarray], dict[str, np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--input_dir", required=True)
    parser.add_argument("--input_glob", default="train_image_data_*.parquet")
    parser.add_argument("--images", type=int, default=200)
    args = parser.parse_args()
    members = ensemble.read([args.model])
    images = read_images(members[0], args)
    one = ensemble.make_predict(members, batch_size=1)
    expected = [one(image[None]) for image in images]
    print("| format | MB | ms an image | largest difference | same answers |")
    print("|---|---|---|---|---|")
    size = pathlib.Path(args.model).stat().st_size
    print_row("Keras", size, lambda image: one(image[..., 0]), images, expected)
    with tempfile.TemporaryDirectory() as folder:
        for format_, name in NAMES.items():
            path = pathlib.Path(folder) / name
            command = [sys.executable, ROOT / "trainer" / "export.py"]
            command += [f"--model={args.model}", f"--format={format_}"]
            subprocess.run(
                [*command, f"--output={path}"], check=True, capture_output=True
            )
            files = path.rglob("*") if path.is_dir() else [path]
            size = sum(f.stat().st_size for f in files if f.is_file())
            print_row(format_, size, LOADERS[format_](path), images, expected)


def read_images(member: Member, args: argparse.Namespace) -> np.ndarray:
    """Returns the first images, [N, H, W] uint8."""
    source = parquet_reader.open_source(
        args.input_dir, args.input_glob, guesses=(member.source_size,)
    )
    group = next(row_spool.spool_groups(source, [0]))
    return group.read(0, min(args.images, len(group.image_ids)))


def load_saved_model(path: pathlib.Path) -> Predict:
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    signature.loaded = loaded  # Otherwise its variables would be deleted.
    return lambda image: {
        name: value.numpy()
        for name, value in signature(image=tf.constant(image)).items()
    }


def load_litert(path: pathlib.Path) -> Predict:
    runner = interpreter.Interpreter(str(path)).get_signature_runner()
    return lambda image: runner(image=image)


def load_onnx(path: pathlib.Path) -> Predict:
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda image: dict(
        zip(names, session.run(names, {"image": image}), strict=True)
    )


LOADERS = {
    "saved_model": load_saved_model,
    "litert": load_litert,
    "onnx": load_onnx,
}


def print_row(
    name: str,
    size: int,
    run: Predict,
    images: np.ndarray,
    expected: list[dict[str, np.ndarray]],
) -> None:
    """Prints a format's row of the table.

    Args:
        name: The format.
        size: Bytes of the format's files.
        run: The format's model.
        images: [N, H, W] uint8.
        expected: The Keras model's probabilities of each image.
    """
    made = [run(image[None, ..., None]) for image in images]
    difference, same = 0.0, 0
    for mine, theirs in zip(made, expected, strict=True):
        difference = max(
            [difference, *(np.abs(mine[k] - theirs[k]).max() for k in theirs)]
        )
        same += all(mine[k].argmax() == theirs[k].argmax() for k in theirs)
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        run(images[:1, ..., None])
        seconds.append(time.perf_counter() - start)
    print(
        f"| {name} | {size / 1e6:.1f} | {statistics.median(seconds) * 1e3:.1f} "
        f"| {difference:.1e} | {same} of {len(images)} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
