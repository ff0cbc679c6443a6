"""The builder finds which side of the images is the background."""

import json
import shutil

import numpy as np
import pytest
import tiny_data

from storage import UserError
from tfrecord_builder.parquet import background_sample
from tfrecord_builder.planning.plan import BuildRecipe
from tfrecord_builder.records import background, dataset_info
from tfrecord_builder.records.background import Sides

SIDE = 28
RECIPE = BuildRecipe(SIDE, SIDE, "raw", 3, 0.0, 100, 0)


def draw(num_images=60, *, paper=0, ink=255, seed=0) -> np.ndarray:
    """Returns [N, 28, 28] uint8: a thick stroke in the middle of each."""
    rng = np.random.default_rng(seed)
    images = np.full((num_images, SIDE, SIDE), paper, np.uint8)
    for image, column in zip(
        images, rng.integers(6, 19, num_images), strict=True
    ):
        image[4:24, column : column + 4] = ink
    return images


def write(folder, images, *, num_files=2, **options):
    """Writes images in parquet files, with a label of 0 or 1 each."""
    folder.mkdir()
    ids = [f"Train_{i}" for i in range(len(images))]
    for k, part in enumerate(np.array_split(np.arange(len(ids)), num_files)):
        tiny_data.write_parquet(
            folder / f"train_image_data_{k}.parquet",
            [ids[i] for i in part],
            images[part],
            **options,
        )
    rows = [[image_id, i % 2] for i, image_id in enumerate(ids)]
    tiny_data.write_csv(folder / "train.csv", [["image_id", "bar"], *rows])
    return folder


def build(folder, output, **options):
    return tiny_data.build(
        folder, output, RECIPE, label_columns=["bar"], **options
    )


def shadowed() -> np.ndarray:
    """Returns images on paper that is darker at its border."""
    images = draw(paper=235, ink=30)
    images[:, :3], images[:, -3:] = 200, 200
    images[:, :, :3], images[:, :, -3:] = 200, 200
    return images


def embossed() -> np.ndarray:
    """Returns images whose strokes are as light as dark."""
    images = draw(paper=128, ink=200)
    images[:, 4:14][images[:, 4:14] == 200] = 56
    return images


@pytest.mark.parametrize(
    ("images", "sides"),
    [
        (draw(), Sides(dark=60)),
        (255 - draw(), Sides(light=60)),
        (draw(ink=16), Sides(dark=60)),  # As scikit-learn's digits.
        (draw(paper=100, ink=20), Sides(light=60)),
        (draw(paper=160, ink=240), Sides(dark=60)),
        (shadowed(), Sides(light=60)),
        (draw(ink=0), Sides(unclear=60)),
        (embossed(), Sides(unclear=60)),
        (np.concatenate([draw(20), 255 - draw(7)]), Sides(7, 20, 0)),
    ],
)
def test_sides(images, sides):
    border = np.concatenate([images[:, 0], images[:, -1]], axis=1).T
    assert background.count(border, images.reshape(len(images), -1).T) == sides


def test_side_of_one_image():
    assert background.of_image(draw(1)[0]) == "dark"
    assert background.of_image(255 - draw(1)[0]) == "light"
    assert background.of_image(draw(1, ink=0)[0]) == "light"


def test_pixels_of_the_sample():
    assert background_sample.border_pixels(3, 4) == [
        *(0, 1, 2, 3),
        *(7, 11),
        *(10, 9, 8),
        4,
    ]
    assert background_sample.border_pixels(1, 3) == [0, 1, 2]
    assert background_sample.border_pixels(3, 1) == [0, 1, 2]
    assert background_sample.border_pixels(1, 1) == [0]
    for height, width in ((137, 236), (28, 28), (8, 8), (1, 5), (5, 1)):
        border = background_sample.border_pixels(height, width)
        inner = background_sample.inner_pixels(height, width)
        assert 0 <= min(inner) <= max(inner) < height * width
        assert len(set(border)) == len(border)
        assert len({*border, *inner}) <= max(32, height * width // 32)
    # Of the competition's images, at most 128 columns.
    border = np.array(background_sample.border_pixels(137, 236))
    assert len(border) == 64
    rows, columns = np.divmod(border, 236)
    edges = (rows == 3) | (rows == 133) | (columns == 3) | (columns == 232)
    assert edges.all()
    inner = np.array(background_sample.inner_pixels(137, 236))
    assert len(np.unique(inner // 236 // 35)) == 4
    assert len(np.unique(inner % 236 // 24)) == 10


@pytest.mark.parametrize("group", [None, 1, 7])
def test_a_set_of_white_on_black(tmp_path, capsys, group):
    source = write(tmp_path / "in", draw(), row_group_size=group)
    info = build(source, tmp_path / "out")
    assert (
        "background: dark; light in 0 and dark in 60 of 60 images of a sample\n"
        in capsys.readouterr().out
    )
    assert info.image.background == "dark"
    assert dataset_info.read(tmp_path / "out") == info
    # The pixels are stored as they came: only the entry is another.
    light = build(source, tmp_path / "light", background="light")
    assert light.image.background == "light"
    assert light.splits == info.splits
    assert light.digest() != info.digest()


def test_a_light_set_is_written_as_before_there_was_the_entry(tmp_path):
    source = write(tmp_path / "in", draw(paper=180, ink=60))
    info = build(source, tmp_path / "out")
    assert info.image.background == "light"
    text = (tmp_path / "out" / dataset_info.NAME).read_text("utf-8")
    assert "background" not in text
    assert dataset_info.from_json(text) == info


def test_any_other_value_is_refused(tmp_path):
    source = write(tmp_path / "in", draw())
    build(source, tmp_path / "out")
    path = tmp_path / "out" / dataset_info.NAME
    fields = json.loads(path.read_text("utf-8"))
    fields["image"]["background"] = "pink"
    path.write_text(json.dumps(fields), "utf-8")
    with pytest.raises(UserError) as raised:
        dataset_info.read(tmp_path / "out")
    assert str(raised.value) == (
        f"{path}: background 'pink': expected 'light' or 'dark'"
    )


@pytest.mark.parametrize("spread", [True, False])
def test_a_mixed_set_is_told_in_one_line(tmp_path, caplog, spread):
    images = draw(100)
    dark = slice(None, None, 3) if spread else slice(0, 34)
    images = 255 - images
    images[dark] = 255 - images[dark]
    source = write(tmp_path / "in", images, row_group_size=9)
    info = build(source, tmp_path / "out")
    assert info.image.background == "light"
    (line,) = [r.message for r in caplog.records if "background" in r.message]
    assert line == (
        "background: mixed, light in 66 and dark in 34 of 100 images of a "
        "sample; it is recorded as light, and the model will treat the paper "
        "of the other images as ink: invert those images, or give "
        "--background=light or dark"
    )


def test_an_unclear_set_is_light_as_before(tmp_path, caplog):
    info = build(write(tmp_path / "in", draw(ink=0)), tmp_path / "out")
    assert info.image.background == "light"
    (line,) = [r.message for r in caplog.records if "background" in r.message]
    assert line == (
        "background: unclear in all 60 images of a sample, so it is recorded "
        "as light; if it is dark, give --background=dark"
    )


def test_the_flag_decides(tmp_path, capsys):
    source = write(tmp_path / "in", 255 - draw())
    info = build(source, tmp_path / "out", background="dark")
    assert info.image.background == "dark"
    assert (
        "background: dark, from --background; light in 60 and dark in 0 of 60 "
        "images of a sample\n" in capsys.readouterr().out
    )
    # The same command again, and one that leaves the side open.
    assert build(source, tmp_path / "out", background="dark") == info
    assert build(source, tmp_path / "out") == info
    with pytest.raises(UserError, match="with a dark background, not a light"):
        build(source, tmp_path / "out", background="light")
    again = build(source, tmp_path / "out", background="light", overwrite=True)
    assert again.image.background == "light"


def test_records_of_an_earlier_version_are_complete(tmp_path, capsys):
    source = write(tmp_path / "in", draw())
    old = build(source, tmp_path / "out", background="light")
    shutil.rmtree(tmp_path / "out" / ".build", ignore_errors=True)
    capsys.readouterr()
    assert build(source, tmp_path / "out") == old
    assert "is already complete" in capsys.readouterr().out


def test_the_real_command(tmp_path):
    source = write(tmp_path / "in", draw())
    done = tiny_data.run_builder(
        f"--input_dir={source}",
        f"--output_dir={tmp_path / 'out'}",
        "--label_columns=bar",
        f"--image_height={SIDE}",
        f"--image_width={SIDE}",
    )
    assert done.returncode == 0, done.stderr
    assert "\nbackground: dark; light in 0 and dark in 60" in done.stdout
    text = (tmp_path / "out" / dataset_info.NAME).read_text("utf-8")
    assert json.loads(text)["image"]["background"] == "dark"


def test_a_value_that_is_no_pixel_is_reported_by_the_build(tmp_path):
    images = draw().astype(np.int32)
    images[:, 1, 1] = 300
    source = write(tmp_path / "in", images)
    with pytest.raises(UserError, match="column 29, row 0: expected a whole"):
        build(source, tmp_path / "out")
