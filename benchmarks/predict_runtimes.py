"""Compares TensorFlow, ONNX Runtime and OpenVINO on the same net and batches.

    python3 -m venv .data/runtimes-venv
    .data/runtimes-venv/bin/pip install onnxruntime openvino
    python benchmarks/predict_runtimes.py

The untrained resnet9 of cpu_15min (64 x 64, cropped from 137 x 236) is exported
to ONNX with the real command; all compute in float32. Each row is a separate
process. The rows run in turn, several times, and the median over all turns is
printed in images/s. TensorFlow's row is the function that trainer/predict.py
calls.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEIGHT, WIDTH = 137, 236
ROWS = ("tensorflow", "onnxruntime", "openvino")
WARM_UP = 3
# A runtime is worth a flag if it is so many times as fast as TensorFlow.
WORTH = 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--runtimes_python",
        default=str(ROOT / ".data" / "runtimes-venv" / "bin" / "python"),
        help="the Python of an environment with onnxruntime and openvino",
    )
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--row", nargs=2, metavar=("NAME", "FILE"))
    args = parser.parse_args()
    if args.row:
        name, path = args.row
        print(json.dumps(measure(name, path, args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report(measure_all(pathlib.Path(folder), args), args)


def measure_all(
    folder: pathlib.Path, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Returns for each row the seconds per batch of each turn."""
    keras_file, onnx_file = folder / "model.keras", folder / "model.onnx"
    code = (
        "import pathlib, predict; predict.NETS['net'] = ('resnet9', 64, 72); "
        f"predict.write_net(pathlib.Path({str(keras_file)!r}), 'net')"
    )
    run([sys.executable, "-c", code], cwd=ROOT / "benchmarks")
    command = [sys.executable, ROOT / "trainer" / "export.py", "--format=onnx"]
    run([*command, f"--model={keras_file}", f"--output={onnx_file}"])
    turns = {name: [] for name in ROWS}
    for _ in range(args.turns):
        for name in ROWS:
            is_ours = name == "tensorflow"
            python = sys.executable if is_ours else args.runtimes_python
            command = [python, __file__, f"--batch_size={args.batch_size}"]
            command += [f"--batches={args.batches}", "--row", name]
            command += [keras_file if is_ours else onnx_file]
            turns[name].append(json.loads(run(command).splitlines()[-1]))
    return turns


def run(command: list, *, cwd: pathlib.Path | None = None) -> str:
    """Runs a process; returns its stdout."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def measure(name: str, path: str, args: argparse.Namespace) -> float:
    """Returns the median time of a batch in seconds."""
    rng = np.random.default_rng(0)
    images = np.full((args.batch_size, HEIGHT, WIDTH), 240, np.uint8)
    inside = images[:, 30:100, 60:180]
    inside[:] = rng.integers(0, 255, inside.shape)
    call = LOADERS[name](path, args.batch_size)
    seconds = []
    for _ in range(WARM_UP + args.batches):
        began = time.perf_counter()
        call(images)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[WARM_UP:])


def load_tensorflow(path: str, batch_size: int) -> Callable:
    from trainer.inference import ensemble

    return ensemble.make_predict(ensemble.read([path]), batch_size=batch_size)


def load_onnxruntime(path: str, batch_size: int) -> Callable:
    import onnxruntime

    del batch_size
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images[..., None]})


def load_openvino(path: str, batch_size: int) -> Callable:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([batch_size, HEIGHT, WIDTH, 1])
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    return lambda images: compiled(images[..., None])


LOADERS = {
    "tensorflow": load_tensorflow,
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
}


def report(turns: dict[str, list[float]], args: argparse.Namespace) -> None:
    """Prints images/s of each row, and whether one is worth a flag."""
    speeds = {
        name: args.batch_size / statistics.median(seconds)
        for name, seconds in turns.items()
    }
    own = speeds["tensorflow"]
    print("| runtime | images/s | x TensorFlow |\n|---|---|---|")
    for name, speed in speeds.items():
        print(f"| {name} | {speed:.0f} | {speed / own:.2f} |")
    faster = [name for name in ROWS if speeds[name] >= WORTH * own]
    print(f"at least {WORTH} x as fast: {', '.join(faster) or 'none'}")


if __name__ == "__main__":
    main()
