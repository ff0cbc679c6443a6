"""The sample data: its layout, its deal, its drawing and its refusals."""

import collections
import csv
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import features

from sample_data import fonts, graphemes, layout, paper, workers
from sample_data.fonts import Fields
from sample_data.graphemes import Grapheme
from sample_data.handwriting import Desk
from sample_data.workers import Workers
from storage import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [
    "class_map.csv",
    "sample_submission.csv",
    "test.csv",
    "test_image_data_0.parquet",
    "test_image_data_1.parquet",
    "test_image_data_2.parquet",
    "test_image_data_3.parquet",
    "train.csv",
    "train_image_data_0.parquet",
]


def run_main(folder, *extra):
    return subprocess.run(
        [
            sys.executable,
            ROOT / "sample_data" / "main.py",
            f"--output_dir={folder}",
            "--num_images=5",
            "--num_train_files=1",
            *extra,
        ],
        capture_output=True,
        text=True,
        cwd=folder.parent,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "data"
    result = run_main(folder, "--num_workers=1")
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.fixture(scope="module")
def table():
    return graphemes.read_graphemes()


@pytest.fixture(scope="module")
def font_paths():
    return fonts.find_fonts(None)


@pytest.fixture(scope="module")
def desk(font_paths):
    return Desk(font_paths=font_paths, seed=0)


# The files.


def test_files_have_the_competitions_layout(dataset):
    folder, result = dataset
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert result.stdout.splitlines() == [
        "Drawing 5 training and 12 test images of 5 graphemes in 5 fonts "
        f"into {folder} (processes: 1)",
        f"Wrote 5 images to {folder}.",
        f"Next: python tfrecord_builder/main.py --input_dir={folder} "
        "--output_dir=RECORDS",
    ]
    with open(folder / "train.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [
        "image_id",
        "grapheme_root",
        "vowel_diacritic",
        "consonant_diacritic",
        "grapheme",
    ]
    assert [row[0] for row in rows] == [f"Train_{i}" for i in range(5)]
    for name, ids in (
        ("train_image_data_0", [f"Train_{i}" for i in range(5)]),
        ("test_image_data_0", ["Test_0", "Test_1", "Test_2"]),
        ("test_image_data_3", ["Test_9", "Test_10", "Test_11"]),
    ):
        file = pq.ParquetFile(folder / f"{name}.parquet")
        assert file.metadata.num_row_groups == 1
        schema = file.schema_arrow
        assert schema.names == ["image_id", *map(str, range(137 * 236))]
        assert schema.types == [pa.string()] + [pa.uint8()] * (137 * 236)
        column = file.metadata.row_group(0).column(5)
        assert column.compression == "SNAPPY"
        assert column.has_dictionary_page
        assert file.read(["image_id"])["image_id"].to_pylist() == ids


def test_pixels_are_stored_row_by_row(dataset, desk):
    folder, _ = dataset
    with open(folder / "train.csv", newline="", encoding="utf-8") as file:
        texts = [row["grapheme"] for row in csv.DictReader(file)]
    drawn = desk.draw(0, 3, texts[3])
    columns = ["0", "235", "236", "16000", "16100", "32331"]
    read = pq.read_table(folder / "train_image_data_0.parquet", columns=columns)
    assert [read[name][3].as_py() for name in columns] == [
        drawn.ravel()[int(name)] for name in columns
    ]


def test_the_small_files_are_the_competitions():
    files = layout.small_files()
    rows = files["test.csv"].decode().splitlines()
    assert len(rows) == 37
    assert rows[:3] == [
        "row_id,image_id,component",
        "Test_0_consonant_diacritic,Test_0,consonant_diacritic",
        "Test_0_grapheme_root,Test_0,grapheme_root",
    ]
    assert rows[-1] == "Test_11_vowel_diacritic,Test_11,vowel_diacritic"
    rows = files["sample_submission.csv"].decode().splitlines()
    assert rows[:2] == ["row_id,target", "Test_0_consonant_diacritic,0"]
    classes = csv.DictReader(files["class_map.csv"].decode().splitlines())
    assert collections.Counter(row["component_type"] for row in classes) == {
        "grapheme_root": 168,
        "vowel_diacritic": 11,
        "consonant_diacritic": 7,
    }


def test_images_are_split_over_files_in_order():
    assert list(layout.image_files(10, 4))[4:] == [
        ("train_image_data_0.parquet", "train", range(0, 3)),
        ("train_image_data_1.parquet", "train", range(3, 6)),
        ("train_image_data_2.parquet", "train", range(6, 8)),
        ("train_image_data_3.parquet", "train", range(8, 10)),
    ]


def test_a_killed_run_goes_on_where_it_was(dataset, tmp_path):
    folder, _ = dataset
    copy = tmp_path / "data"
    copy.mkdir()
    (copy / ".train_image_data_0.parquet.3f9a21bc.tmp").write_bytes(b"half")
    for name in FILES[:7]:  # no train.csv, no training images
        (copy / name).hardlink_to(folder / name)
    kept = (copy / FILES[3]).stat().st_ino
    result = run_main(copy, "--num_workers=3")
    assert result.returncode == 0, result.stderr
    assert "Continuing: 4 files exist already." in result.stdout
    assert sorted(path.name for path in copy.iterdir()) == FILES
    assert (copy / FILES[3]).stat().st_ino == kept
    for name in FILES[7:]:  # byte for byte, drawn by another number
        assert (copy / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_complete_dataset_stays_unchanged(dataset):
    folder, _ = dataset
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = run_main(folder)
    assert again.returncode == 0, again.stderr
    assert "already holds these 5 images" in again.stdout
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir()}


def test_another_dataset_is_refused(dataset):
    folder, _ = dataset
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    other = run_main(folder, "--seed=1")
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1] == (
        f"error: {folder} holds another dataset (its train.csv was made with "
        "other flags); choose another --output_dir, or remove that dataset "
        "first"
    )
    assert "Traceback" not in other.stderr
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--num_train_files=6",), "more than --num_images=5"),
        (("--output_dir=gs://bucket/x",), "expected a local folder"),
        (("--font_dir=nowhere",), "expected a folder with .ttf or .otf"),
    ],
)
def test_mistakes_get_one_line(tmp_path, flags, message):
    result = run_main(tmp_path / "data", *flags)
    assert result.returncode == 1
    importing, error = result.stderr.splitlines()
    assert importing.endswith(" importing numpy")
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "data").exists()


# Which graphemes.


def test_the_table_is_the_competitions(table):
    assert len(table) == len({grapheme.text for grapheme in table}) == 1295
    assert sum(grapheme.count for grapheme in table) == 200_840
    assert Grapheme("ক্ট্রো", (15, 9, 5), 164) in table
    for output, classes in enumerate((168, 11, 7)):
        labels = {grapheme.labels[output] for grapheme in table}
        assert labels == set(range(classes))


def test_every_class_is_dealt_from_4000_images_on(table):
    counts = graphemes.count_images(table, 4000)
    assert counts.sum() == 4000
    for output, classes in enumerate((168, 11, 7)):
        dealt = {
            grapheme.labels[output]
            for grapheme, count in zip(table, counts, strict=True)
            if count
        }
        assert len(dealt) == classes


def test_the_whole_deal_is_the_real_one(table):
    counts = graphemes.count_images(table, 200_840)
    assert counts.tolist() == [grapheme.count for grapheme in table]


def test_a_small_deal_covers_the_classes_first():
    few = [
        Grapheme("a", (0, 0), 70),
        Grapheme("b", (0, 1), 20),
        Grapheme("c", (1, 1), 10),
    ]
    assert graphemes.covering_graphemes(few) == [0, 2]
    assert graphemes.count_images(few, 1).tolist() == [1, 0, 0]
    assert graphemes.count_images(few, 2).tolist() == [1, 0, 1]
    assert graphemes.count_images(few, 4).tolist() == [2, 1, 1]
    assert graphemes.count_images(few, 10).tolist() == [7, 2, 1]


def test_the_deal_is_mixed_and_hangs_on_the_seed(table):
    deal = graphemes.deal(table, num_images=3000, seed=0)
    again = graphemes.deal(table, num_images=3000, seed=0)
    other = graphemes.deal(table, num_images=3000, seed=1)
    assert (deal == again).all()
    assert (deal != other).any()
    assert (np.sort(deal) == np.sort(other)).all()
    assert (np.diff(deal) < 0).mean() > 0.4


# The drawing.


def test_conjuncts_are_shaped(font_paths):
    font = fonts.load(font_paths[1])
    joined, _ = fonts.render(font, "ক্ষ")
    apart, _ = fonts.render(font, "ক\u200c্\u200cষ")
    assert joined.shape[1] + 15 < apart.shape[1]


@pytest.mark.parametrize("feature", ["raqm", "fribidi"])
def test_missing_shaping_is_reported(monkeypatch, feature):
    monkeypatch.setattr(features, "check", lambda name: name != feature)
    with pytest.raises(UserError, match=f"finds no {feature}"):
        fonts.find_fonts(None)


def test_fonts_are_added_if_they_have_the_letters(font_paths, tmp_path):
    (tmp_path / "mine.ttf").write_bytes(font_paths[0].read_bytes())
    assert fonts.find_fonts(str(tmp_path)) == [
        *font_paths,
        tmp_path / "mine.ttf",
    ]
    (tmp_path / "other.ttf").write_bytes(b"no font")
    with pytest.raises(UserError, match="not a readable font"):
        fonts.find_fonts(str(tmp_path))


def test_a_signs_path_is_as_thin_for_every_weight(font_paths):
    fields = Fields(font_paths)
    covered = [
        (fields.get(font, "ক").distance <= 16 * 2.5).mean()
        for font in range(len(font_paths))
    ]
    assert max(covered) < 1.3 * min(covered)
    assert fields.get(0, "ক").headline
    assert fields.get(0, "ত্র").headline
    assert not fields.get(0, "এ").headline  # all that tells it from the last


def test_distances_are_exact():
    mask = np.zeros((9, 30), bool)
    mask[4, 6] = True
    squares = fonts.squared_distances(mask)
    assert squares[4, 6] == 0
    assert squares[0, 3] == 4 * 4 + 3 * 3
    assert squares[8, 14] == 4 * 4 + 8 * 8
    assert squares[8, 15] == squares[4, 29] == 9 * 9  # cut


def test_an_image_hangs_on_seed_split_and_index_alone(desk, font_paths):
    image = desk.draw(0, 7, "ক্ষ")
    assert image.shape == (137, 236)
    assert image.dtype == np.uint8
    fresh = Desk(font_paths=font_paths, seed=0)
    assert (fresh.draw(0, 7, "ক্ষ") == image).all()
    for other in (desk.draw(0, 8, "ক্ষ"), desk.draw(1, 7, "ক্ষ")):
        assert (other != image).any()
    reseeded = Desk(font_paths=font_paths, seed=1)
    assert (reseeded.draw(0, 7, "ক্ষ") != image).any()


def test_images_look_like_scanned_handwriting(desk, table):
    images = np.stack(
        [desk.draw(0, i, table[i * 12].text) for i in range(100)]
    ).astype(np.float32)
    ground = np.median(images, (1, 2))
    assert 248 <= np.median(ground) <= 255
    ink = (images < 150).mean((1, 2))
    assert 0.02 < np.median(ink) < 0.07  # real: 0.05
    assert ink.min() > 0.005
    darkest = np.percentile(images.reshape(100, -1), 1, axis=1)
    assert 30 < np.median(darkest) < 65  # real: 47


def test_workers_keep_the_order(font_paths, monkeypatch):
    monkeypatch.setattr(workers, "BATCH", 3)
    texts = ("কা", "খ", "গি")
    images = [(0, index, texts[index % 3]) for index in range(10)]
    with Workers(num_workers=2, font_paths=font_paths, seed=5) as pool:
        batches = list(pool.draw([images[:7], images[7:]]))
    assert [len(batch) for batch in batches] == [6, 1, 3]
    alone = Desk(font_paths=font_paths, seed=5)
    expected = np.stack([alone.draw(*image) for image in images])
    assert (np.concatenate(batches) == expected).all()


def test_a_dead_worker_is_reported(font_paths):
    with Workers(num_workers=1, font_paths=font_paths, seed=5) as pool:
        pool.processes[0].kill()
        pool.processes[0].join()
        with pytest.raises(OSError, match="a drawing process died"):
            list(pool.draw([[(0, 0, "ক")]]))


def test_a_killed_parent_leaves_no_workers(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        """
from sample_data import fonts, workers
if __name__ == "__main__":
    paths = fonts.find_fonts(None)
    pool = workers.Workers(num_workers=2, font_paths=paths, seed=0)
    images = [(0, index, "ka") for index in range(2048)]
    batches = pool.draw([images, images])
    next(batches)
    print("drawing", flush=True)
    list(batches)
    input()
"""
    )
    parent = subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout.readline() == "drawing\n"
    parent.kill()
    # Its pipe to us stays open for as long as a worker holds a copy of it.
    parent.communicate(timeout=60)


def test_frames_stay_on_their_side():
    light = np.full((20, 30), 255, np.float32)
    frames = (0.0, 100.0, 0.0, 0.0)
    for seed in range(5):
        paper.add_frame(light, frames, np.random.default_rng(seed))
    assert (light[:17] == 255).all()
    assert (light[-1] < 255).all()
