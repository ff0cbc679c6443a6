"""Blocks hold every row once, in order, within the memory that was asked."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_data

from storage import UserError
from tfrecord_builder.parquet import parquet_reader, pixels


def read(folder, max_rows=1000, **options):
    source = parquet_reader.open_source(
        folder, "train_*.parquet", height=12, width=16, **options
    )
    blocks = [
        (
            source.read_file_ids(rows.file)[rows.first :][
                : rows.stop - rows.start
            ],
            source.read_pixels(rows),
        )
        for rows in source.ranges(max_rows)
    ]
    return source, blocks


@pytest.mark.parametrize("row_group_size", [None, 1, 7, 20])
@pytest.mark.parametrize("rows", [1, 5, 100])
def test_blocks(tmp_path, row_group_size, rows):
    ids, images, _, _ = tiny_data.write_dataset(
        tmp_path, num_images=41, num_files=3, row_group_size=row_group_size
    )
    source, blocks = read(tmp_path, rows)
    assert source.num_images == 41
    assert [i for block in blocks for i in block[0]] == ids
    np.testing.assert_array_equal(
        np.concatenate([block[1] for block in blocks]), images
    )
    group = min(row_group_size or 14, 14)  # A file has 14, 14 or 13 rows.
    most = -(-group // -(-group // rows))  # Ranges of a group are even.
    assert max(len(block[0]) for block in blocks) == most <= rows
    assert all(block[1].dtype == np.uint8 for block in blocks)
    assert all(block[1].flags.c_contiguous for block in blocks)


def test_ids(tmp_path):
    ids = tiny_data.write_dataset(tmp_path, num_images=7)[0]
    source, _ = read(tmp_path)
    assert source.scan()[0].to_pylist() == ids
    assert source.read_file_ids(1) == ids[4:]


def test_digest_is_of_the_bytes(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=7)
    source, _ = read(tmp_path)
    data = (tmp_path / "train_image_data_1.parquet").read_bytes()
    assert source.digest(1) == hashlib.sha256(data).hexdigest()


def test_progress_adds_up(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=20, num_files=1)
    source, _ = read(tmp_path)
    progress = []
    (rows,) = source.ranges(100)
    source.read_pixels(rows, progress.append)
    assert sum(progress) == pytest.approx(20)


def test_size_is_guessed_by_the_number_of_columns(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=3, height=4, width=6)
    guesses = ((137, 236), (3, 8))
    source = parquet_reader.open_source(tmp_path, "*.parquet", guesses=guesses)
    assert (source.height, source.width) == (3, 8)
    message = "24 pixel columns, expected 137 x 236 = 32332; look again"
    with pytest.raises(UserError, match=message):
        parquet_reader.open_source(
            tmp_path, "*.parquet", guesses=guesses[:1], advice="look again"
        )


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (1025, 513)])
def test_transpose(shape):
    columns = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    out = np.zeros((shape[1], shape[0] + 5), np.uint8)
    pixels.transpose(columns, out[:, 2:-3])
    np.testing.assert_array_equal(out[:, 2:-3], columns.T)
    assert not out[:, :2].any()
    assert not out[:, -3:].any()


def test_real_width(tmp_path):
    """137 x 236: 32,332 columns in blocks of 2,048."""
    rows = 50
    images = np.random.default_rng(0).integers(
        0, 256, (rows, 137, 236), np.uint8
    )
    path = tmp_path / "train_image_data_0.parquet"
    tiny_data.write_parquet(path, [f"i{k}" for k in range(rows)], images)
    source = parquet_reader.open_source(
        tmp_path, "*.parquet", guesses=((137, 236),)
    )
    (everything,) = source.ranges(rows)
    np.testing.assert_array_equal(source.read_pixels(everything), images)


def test_no_pixel_columns_are_no_size_of_0(tmp_path):
    tiny_data.write_dataset(tmp_path, num_images=3, num_files=1)
    (path,) = tmp_path.glob("*.parquet")
    pq.write_table(pq.read_table(path, columns=["image_id"]), path)
    with pytest.raises(UserError, match=f"{path.name}: no pixel columns in it"):
        parquet_reader.open_source(tmp_path, "*.parquet", guesses=[(0, 0)])
