"""Images/s, memory, waiting for input and transfers of the presets."""

import pathlib

from checks.machine import Machine, Run

ROOT = pathlib.Path(__file__).resolve().parents[2]
_FOLDER = ROOT / "flags" / "presets"
# By kind of accelerator: the first letters of the names of its presets.
_KINDS = {"gpu": ("t4", "l4", "a100"), "tpu": ("tpu",), "cpu": ("cpu",)}
_PROFILED = (4, 8)  # Steps.


def presets(asked: list[str] | None, kind: str) -> list[str]:
    """Returns the names of the presets to measure.

    Args:
        asked: The presets that the user named; None: those for the accelerator.
        kind: The kind of accelerator.
    """
    if asked is not None:
        return [name for name in asked if name]
    names = sorted(path.stem for path in _FOLDER.glob("*.flags"))
    return [name for name in names if name.startswith(_KINDS[kind])]


def measure(machine: Machine, preset: str) -> dict:
    """Trains two epochs of a preset; the first loop does not count."""
    run = Run(
        machine.folder,
        f"preset_{preset}",
        f"--flagfile={_FOLDER / preset}.flags",
        "--epochs=2",
        "--warmup_epochs=0",
        "--steps_per_loop=2",
        f"--profile_steps={_PROFILED[0]},{_PROFILED[1]}",
        data="large",
        recipe=(),
    )
    run.start().wait()
    (leg,) = run.summary()["legs"]
    speeds = (run.workdir / "speed.csv").read_text("utf-8").splitlines()
    last = dict(zip(speeds[0].split(","), speeds[-1].split(","), strict=True))
    steps = _PROFILED[1] - _PROFILED[0]
    return {
        "ok": True,
        "images_per_second": leg["images_per_second"],
        "input_share": leg["input_seconds"] / leg["seconds"],
        "memory_mb": int(last["memory_mb"]) if last["memory_mb"] else None,
        "transfers_per_step": transfers(run.workdir / "profile", steps),
    }


def transfers(folder: pathlib.Path, steps: int) -> dict[str, float]:
    """Returns the copies between host and device per step, by kind.

    Args:
        folder: The folder with the profile.
        steps: Number of steps that were profiled.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    counts: dict[str, float] = {}
    for path in folder.rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
        for plane in space.planes:
            if not plane.name.startswith("/device:"):
                continue
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    for kind in ("MemcpyH2D", "MemcpyD2H", "MemcpyP2P"):
                        if kind in name:
                            counts[kind] = counts.get(kind, 0) + 1 / steps
    return {kind: round(count, 1) for kind, count in counts.items()}
