"""What is read back from the scratch file are the file's rows."""

import collections
import gc

import numpy as np
import pytest
import tiny_data

from storage import UserError
from tfrecord_builder.parquet import parquet_reader, row_spool


def spool(folder, files=(0, 1, 2)):
    source = parquet_reader.open_source(
        folder, "train_*.parquet", height=12, width=16
    )
    return row_spool.spool_groups(source, files)


@pytest.mark.parametrize("row_group_size", [None, 1, 5])
@pytest.mark.parametrize("block_bytes", [1, 64 << 20])  # 3 blocks, 1 block
def test_rows(tmp_path, monkeypatch, row_group_size, block_bytes):
    monkeypatch.setattr(parquet_reader, "BLOCK_BYTES", block_bytes)
    ids, images, _, _ = tiny_data.write_dataset(
        tmp_path, num_images=31, num_files=3, row_group_size=row_group_size
    )
    groups = list(spool(tmp_path))
    sizes = collections.Counter()
    for group in groups:
        sizes[group.file] += len(group.image_ids)
    assert sizes == {0: 11, 1: 10, 2: 10}
    assert [i for group in groups for i in group.image_ids] == ids
    read = [
        group.read(start, min(start + 4, len(group.image_ids)))
        for group in groups
        for start in range(0, len(group.image_ids), 4)
    ]
    np.testing.assert_array_equal(np.concatenate(read), images)


def test_some_files(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=9, num_files=3)
    groups = list(spool(tmp_path, files=[0, 2]))
    assert [(g.file, g.image_ids[0]) for g in groups] == [
        (0, "Train_0"),
        (2, "Train_6"),
    ]


def test_scratch_file_goes_with_the_group(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=3, num_files=1)
    (group,) = spool(tmp_path, files=[0])
    scratch = group._scratch
    del group
    gc.collect()
    assert scratch.closed


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    tiny_data.write_dataset(tmp_path, num_images=3, num_files=1)
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(
        row_spool.shutil, "disk_usage", lambda _: usage(3 * 192 - 1)
    )
    with pytest.raises(UserError, match=r"no space .*set TMPDIR"):
        list(spool(tmp_path, files=[0]))
