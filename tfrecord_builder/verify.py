"""Re-reads a whole dataset and tells every difference to dataset_info.json."""

import storage
from tfrecord_builder import dataset_info, writer


def verify(output_dir: str) -> int:
    """Prints a line a shard; returns 1 on any difference, else 0."""
    folder = storage.open_folder(output_dir)
    info = dataset_info.read_only(folder, folder.list())
    bad = 0
    for split in info.splits.values():
        for shard in split.shards:
            path = folder.path / shard.name
            problem = ""
            if not path.exists():
                problem = "missing"
            elif path.stat().st_size != shard.bytes:
                problem = f"{path.stat().st_size} bytes, not {shard.bytes}"
            elif writer.digest(path) != shard.sha256:
                problem = "another sha256"
            bad += bool(problem)
            print(f"{shard.name}: {problem or 'whole'}")
    if bad:
        raise storage.UserError(f"{output_dir}: {bad} bad shards")
    return 0
