"""Builds the shards: reads ranges of rows, writes records at their offsets.

    read a range ──► raw: write its records to the shards ──► journal
                     PNG: encode it into the spool ─────────► journal
    finish a shard: (PNG: gather its records) ─► check, digest ─► journal

The next range is read while the present one is written, if memory allows. The
offset of a raw record is known before its pixels, so it is written only once.
"""

import concurrent.futures
import os
import pathlib
import shutil

import numpy as np

import storage
from console.progress import Progress
from storage import UserError
from tfrecord_builder.building.png_spool import PngSpool
from tfrecord_builder.building.staging import Staging
from tfrecord_builder.parquet import parquet_reader
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.parquet.row_ranges import RowRange
from tfrecord_builder.planning.plan import BuildRecipe, Plan, PlannedShard
from tfrecord_builder.records import framing, resize


class Builder:
    """One build, with everything that its steps need."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        recipe: BuildRecipe,
        staging: Staging,
        *,
        num_workers: int,
        progress: Progress,
    ) -> None:
        self._source = source
        self._plan = plan
        self._recipe = recipe
        self._spec = resize.make_spec(
            (source.height, source.width),
            (recipe.image_height, recipe.image_width),
        )
        self._staging = staging
        self._path = staging.path
        self._pool = concurrent.futures.ThreadPoolExecutor(num_workers)
        self._spool = PngSpool(self._path / "images", self._pool)
        self._progress = progress
        self._resumed = False
        # Decoding takes nine tenths of a raw build, and half of a PNG build.
        self._read_share = 0.9 if recipe.image_encoding == "raw" else 0.5
        self._first = np.cumsum([0] + [sum(f.groups) for f in source.files])

    def write_ranges(self) -> None:
        """Reads and writes all images that are not written yet."""
        done = self._staging.done_ranges()
        self._resumed = bool(done)
        if self._recipe.image_encoding == "raw":
            self._make_shards()
        image_bytes = self._source.height * self._source.width
        if self._spec:
            image_bytes += self._recipe.image_bytes
        most = parquet_reader.RANGE_BYTES // image_bytes
        with concurrent.futures.ThreadPoolExecutor(1) as keeper:
            writing, rows_held = None, 0
            for rows in self._source.ranges(most):
                count = rows.stop - rows.start
                if rows in done:
                    continue
                if writing and rows_held + count > most:
                    writing.result()  # There is no memory for both.
                images = self._source.read_pixels(rows, self._count_read)
                if writing:
                    writing.result()
                writing = keeper.submit(self._write_range, rows, images)
                rows_held = count
                del images
            if writing:
                writing.result()

    def finish_shards(self, moved_to: pathlib.Path | None) -> dict[str, str]:
        """Returns the SHA-256 of each shard, by name.

        If an earlier start wrote records, every record is checked: after a
        crash of the machine the journal may be on disk while the records are
        not.

        Args:
            moved_to: The folder that an earlier start may have moved shards to.

        Raises:
            UserError: A record is damaged. Then the journal is empty, so that
                the next start builds everything again.
        """
        self._progress.set_text("finishing the shards")
        done = self._staging.done_shards()
        png = self._recipe.image_encoding == "png"
        if png and len(done) < len(self._plan.shards):
            self._spool.find(
                {
                    self._first[rows.file] + rows.first: (
                        rows.stop - rows.start,
                        offset,
                    )
                    for rows, offset in self._staging.done_ranges().items()
                },
                len(self._plan.ids),
            )
            check_space(self._path, self._spool.num_bytes)

        def finish(shard: PlannedShard) -> tuple[str, str]:
            path = self._path / shard.name
            if moved_to and shard.name in done and not path.exists():
                path = moved_to / shard.name
            if png and shard.name not in done:
                self._gather(shard)
            if self._resumed:
                self._check(shard, path)
            sha256 = storage.file_digest(path)
            if shard.name not in done:
                framing.sync(path)  # In parallel with the next shard's digest.
                self._staging.shard_done(shard.name, sha256)
            return shard.name, sha256

        return dict(self._pool.map(finish, self._plan.shards))

    def __enter__(self) -> "Builder":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _count_read(self, images: float) -> None:
        self._progress.advance(images * self._read_share)

    def _count_written(self, images: float) -> None:
        self._progress.advance(images * (1 - self._read_share))

    def _make_shards(self) -> None:
        """Creates the missing raw shards at full size: reserves disk space."""
        sizes = zip(self._plan.shards, self._plan.sizes.tolist(), strict=True)
        done = self._staging.done_shards()
        missing = [
            (self._path / shard.name, size)
            for shard, size in sizes
            if shard.name not in done and not (self._path / shard.name).exists()
        ]
        check_space(self._path, sum(size for _, size in missing))
        for path, size in missing:
            temp = path.with_suffix(".new")
            with open(temp, "wb") as file:
                _allocate(file.fileno(), size)
            os.replace(temp, path)

    def _write_range(self, rows: RowRange, images: np.ndarray) -> None:
        first = self._first[rows.file] + rows.first
        images = resize.resize_images(images, self._spec)
        offset = 0
        if self._recipe.image_encoding == "raw":
            self._write_raw(first, images.reshape(len(images), -1))
        else:
            offset = self._spool.write(images, self._count_written)
        self._staging.range_done(rows, offset)

    def _write_raw(self, first: int, images: np.ndarray) -> None:
        """Writes rows from image `first` on, at their offsets in shards."""
        plan = self._plan
        here = slice(first, first + len(images))
        order = np.lexsort((plan.offsets[here], plan.shard_of[here]))
        shards = plan.shard_of[here][order]
        offsets = plan.offsets[here].tolist()
        starts = np.flatnonzero(np.r_[True, shards[1:] != shards[:-1]])

        def record(row: int) -> tuple[int, list]:
            image = images[row]
            header = plan.header(first + row, image.nbytes)
            return offsets[row], framing.frame(header, image)

        def write(part: np.ndarray) -> None:
            """Writes the images of one shard, front to back."""
            shard = plan.shards[plan.shard_of[first + part[0]]]
            descriptor = os.open(self._path / shard.name, os.O_WRONLY)
            try:
                framing.write_at(descriptor, map(record, part.tolist()))
            finally:
                os.close(descriptor)
            self._count_written(len(part))

        for _ in self._pool.map(write, np.split(order, starts[1:])):
            pass

    def _gather(self, shard: PlannedShard) -> None:
        """Writes a PNG shard from the spool."""
        temp = self._path / f"{shard.name}.new"
        with open(temp, "wb") as file, self._spool.reader() as read:
            for i in shard.images.tolist():
                png = read(i)
                header = self._plan.header(i, len(png))
                file.writelines(framing.frame(header, png))
        os.replace(temp, self._path / shard.name)

    def _check(self, shard: PlannedShard, path: pathlib.Path) -> None:
        """Reads a shard; checks that each record is complete and of its image.

        Raises:
            UserError: A record is damaged.
        """
        records = framing.read_records(path)
        png = self._recipe.image_encoding == "png"
        for i in shard.images.tolist():
            record = next(records, None)
            header = self._plan.header(i, self._recipe.image_bytes)
            if record is None or not (png or record.startswith(header)):
                self._staging.start_over()
                raise UserError(
                    f"{path}: the record of image {self._plan.ids[i]} was "
                    "damaged after it was written (a crash of the machine, or "
                    "a failing disk); run the same command again, it builds "
                    "everything again"
                )


def check_space(path: pathlib.Path, needed: int) -> None:
    """Raises UserError if a disk has less than `needed` bytes free."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise UserError(
            f"{path}: the disk is too small: {needed >> 20} MiB needed, "
            f"{free >> 20} MiB free; free some space and run the same command "
            "again"
        )


def _allocate(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.ftruncate(descriptor, size)
