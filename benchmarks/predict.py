"""Compares the speed of trainer/predict.py with the net alone; its memory.

  python benchmarks/predict.py [--input_dir=DIR] [--input_glob=…]

For each net, untrained, it measures the forward pass over batches in memory,
then the real command over the parquet files, then the forward pass again. The
command reports its own images/s: from the start of reading to the last part on
disk, including the compilation of the net but not the start of Python and
TensorFlow. So give it minutes of work. Without --input_dir 10,000 images are
drawn.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from trainer.models import model_file, network
from trainer.models.preprocessing import Preprocessing

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEIGHT, WIDTH = 137, 236
OUTPUTS = {
    "grapheme_root": 168,
    "vowel_diacritic": 11,
    "consonant_diacritic": 7,
}
# Name: backbone, side of its input, million multiply-adds per image.
NETS = {"small": ("small", 64, 4), "resnet9": ("resnet9", 128, 286)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--input_dir", help="parquet files of 137 x 236")
    parser.add_argument("--input_glob", default="test_image_data_*.parquet")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--forward_seconds", type=float, default=20.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if args.input_dir:
            folder, glob = pathlib.Path(args.input_dir), args.input_glob
        else:
            folder, glob = draw(scratch / "drawn"), "train_image_data_*.parquet"
        # Only the parquet files: a sample_submission.csv would not fit.
        inputs = scratch / "input"
        inputs.mkdir()
        for path in folder.glob(glob):
            (inputs / path.name).symlink_to(path.resolve())
        print(
            "| net | M multiply-adds | forward images/s | predict images/s | "
            "of the forward | peak RSS MB |\n|---|---|---|---|---|---|"
        )
        for name in args.nets.split(","):
            _, _, operations = NETS[name]
            net = write_net(scratch / "model.keras", name)
            sizes = args.batch_size, args.forward_seconds
            before = forward_speed(net, *sizes)
            speed, peak = predict_speed(scratch, inputs, args.batch_size)
            own = (before + forward_speed(net, *sizes)) / 2
            print(
                f"| {name} | {operations} | {own:.0f} | {speed:.0f} | "
                f"{speed / own:.3f} | {peak:.0f} |",
                flush=True,
            )


def draw(folder: pathlib.Path) -> pathlib.Path:
    """Draws 10,000 images with the project's own command."""
    command = [sys.executable, ROOT / "sample_data" / "main.py"]
    command += [f"--output_dir={folder}", "--num_images=10000"]
    subprocess.run([*command, "--num_train_files=1"], check=True, cwd=ROOT)
    return folder


def write_net(path: pathlib.Path, name: str) -> keras.Model:
    """Writes an untrained model.keras and returns its model."""
    backbone, side, _ = NETS[name]
    core = network.build_core(
        backbone=backbone,
        height=side,
        width=side,
        outputs=OUTPUTS,
        dropout=0.0,
        pool="average",
        pool_per_output=False,
        seed=0,
    )
    served = network.build_served(
        core,
        preprocess=Preprocessing(side, side, crop=True),
        image_shape=(HEIGHT, WIDTH),
        calibration={k: [0.0] * classes for k, classes in OUTPUTS.items()},
    )
    size = {"height": HEIGHT, "width": WIDTH}
    card = {
        "format": model_file.FORMAT,
        "outputs": [
            {"name": k, "classes": list(map(str, range(classes)))}
            for k, classes in OUTPUTS.items()
        ],
        "image": size,
        "source_image": size,
        "resize": None,
    }
    model_file.write(path, served, card)
    return served


def forward_speed(net: keras.Model, batch_size: int, seconds: float) -> float:
    """Returns images/s of the net alone on batches in memory."""
    shape = (batch_size, HEIGHT, WIDTH, 1)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return net(images, training=False)

    rng = np.random.default_rng(0)
    batches = [tf.constant(rng.integers(0, 256, shape, np.uint8))] * 4
    forward(batches[0])
    start, images = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        for batch in batches:
            for logits in forward(batch).values():
                logits.numpy()  # Waits for an asynchronous device.
            images += batch_size
    return images / (time.monotonic() - start)


def predict_speed(
    scratch: pathlib.Path, inputs: pathlib.Path, batch_size: int
) -> tuple[float, float]:
    """Returns the real command's images/s and its peak RSS in MB."""
    process = subprocess.Popen(
        [
            sys.executable,
            ROOT / "trainer" / "predict.py",
            f"--model={scratch / 'model.keras'}",
            f"--input_dir={inputs}",
            "--input_glob=*.parquet",
            f"--output={scratch / 'submission.csv'}",
            f"--batch_size={batch_size}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(match[1]) / 1e3 if match else 0)
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    speed = re.search(r"([\d.]+) images/s", output)
    if process.returncode or speed is None:
        raise RuntimeError(f"trainer/predict.py failed: {output}")
    return float(speed[1]), peak


if __name__ == "__main__":
    main()
