"""The graphemes that pretrain.py draws: fonts, shapes, hands, deal, files."""

import base64
import collections
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile

import fontpkg
import numpy as np
import pyarrow.parquet as pq
import pytest
from pretraining import dataset, designs, downloads, hands, strokes
from pretraining.dataset import Plan
from pretraining.downloads import Source
from pretraining.drawing import Desk
from pretraining.strokes import StrokesOf

from sample_data import combinations, graphemes, layout
from sample_data.graphemes import Grapheme
from storage import UserError

FONTS = [fontpkg.path("Hind Siliguri", weight) for weight in (400, 700)]
# In Hind Siliguri: one glyph, joined; two, one with a hasanta; a half form.
GRADES = {"ক": 2, "ক্ষ": 2, "র্ক": 2, "র\u200d্যা": 2, "জ্জ্র": 0, "ক্ক্র": 1}


# The fonts.


def package_of(tmp_path, content):
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("package/files/a-bengali-400-normal.woff2")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    digest = hashlib.sha512(path.read_bytes()).digest()
    return path, Source(
        "a", "1.0", "400-normal", base64.b64encode(digest).decode(), share=1
    )


def test_a_font_is_read_from_the_package_that_was_checked(tmp_path):
    path, source = package_of(tmp_path, b"a font")
    assert downloads.read_font(path, source) == b"a font"
    package_of(tmp_path, b"another font")
    with pytest.raises(UserError, match=r"a.tgz: its SHA-512 is not the one"):
        downloads.read_font(path, source)


def test_what_is_there_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    for source in downloads.SOURCES:
        (tmp_path / source.file_name).write_bytes(source.name.encode())
    paths = downloads.fetch_fonts(tmp_path)
    described = downloads.describe(paths)
    assert len({entry["file"] for entry in described}) == len(paths) == 10
    assert described[2] == {
        "package": "@fontsource/atma@5.3.0",
        "file": "atma-bengali-400-normal.woff2",
        "licence": "OFL-1.1",
        "sha256": hashlib.sha256(b"atma").hexdigest(),
    }
    paths[2].unlink()
    with pytest.raises(UserError, match=r"no npm to .* @fontsource/atma@5.3.0"):
        downloads.fetch_fonts(tmp_path)


def test_conjuncts_that_a_font_lacks_are_seen():
    assert designs.grade(FONTS[0], list(GRADES)) == list(GRADES.values())


def test_a_text_is_drawn_by_the_fonts_that_join_it_best(tmp_path, monkeypatch):
    texts = ["ক", "খ", "গ", "ঘ"]
    grades = {FONTS[0]: [2, 2, 0, 0], FONTS[1]: [2, 1, 1, 0]}
    path = tmp_path / "designs_0.json"
    monkeypatch.setattr(designs, "_answers", lambda *_: path)
    path.write_text(str([grades[font] for font in FONTS]))
    assert designs.find_designs(FONTS, texts, tmp_path) == {
        "ক": (0, 1),
        "খ": (0,),
        "গ": (1,),
        "ঘ": (0, 1),
    }


def test_grades_are_kept(tmp_path):
    found = designs.find_designs(FONTS[:1], list(GRADES), tmp_path)
    assert found == dict.fromkeys(GRADES, (0,))
    (path,) = tmp_path.iterdir()
    assert path.read_text("utf-8") == str([list(GRADES.values())])
    assert designs.find_designs(FONTS[:1], ["ক"], tmp_path) == {"ক": (0,)}
    assert len(list(tmp_path.iterdir())) == 2


# The strokes.


def test_the_headline_is_found_and_taken_off():
    path = np.zeros((90, 120), bool)
    path[20, 5:40] = path[20, 80:112] = True  # Two parts of a headline,
    path[20:60, 38] = True  # a stem that hangs from it,
    path[8:60, 12] = True  # one that crosses it,
    path[21, 48:72] = True  # and the flat top of a letter.
    row, spans = strokes.find_headline(path, top=18)
    assert (row, spans) == (20, ((5, 39), (80, 111)))
    letters = strokes.without_headline(path, row, spans)
    assert letters[18:23, 5:40].any(0).nonzero()[0].tolist() == [6, 7, 8]
    assert letters[:, 12].sum() == 52
    assert letters[23:60, 38].all()
    assert letters[21, 48:72].all()


def test_a_letter_without_headline_has_none():
    shapes = StrokesOf(FONTS)
    assert len(shapes.get(0, "ক").spans) == 1
    assert len(shapes.get(0, "ত্র").spans) == 1
    for letter in "ংওএণ":  # A headline is all that tells the third from TRA.
        assert shapes.get(0, letter).spans == ()


# The hands.


def test_a_headline_is_whole_a_bar_a_part_or_left_out():
    spans = ((10, 40), (60, 90))
    kinds = collections.Counter()
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        parts = hands.choose_headline(spans, (5.0, 7.0), rng)
        assert all(start <= stop for start, stop in parts)
        if len(parts) == 2:
            assert parts[0][0] <= 5
            assert parts[1][1] >= 97
        kinds[len(parts)] += 1
    assert 600 < kinds[2] < 720
    assert 30 < kinds[0] < 90
    assert hands.choose_headline((), (5.0, 7.0), rng) == []


# The deal.


def test_rare_roots_are_drawn_more_often_and_a_third_is_known():
    table = graphemes.read_graphemes()
    chosen = dataset.weigh(table)
    assert [g.labels for g in chosen] == [
        g.labels for g in combinations.all_graphemes(table)
    ]
    known = {g.labels for g in table}
    real, drawn = collections.Counter(), collections.Counter()
    of_known = collections.Counter()
    for grapheme in table:
        real[grapheme.labels[0]] += grapheme.count
    for grapheme in chosen:
        drawn[grapheme.labels[0]] += grapheme.count
        if grapheme.labels in known:
            of_known[grapheme.labels[0]] += grapheme.count
    (often, most), *_, (seldom, least) = real.most_common()
    assert drawn[seldom] / drawn[often] == pytest.approx(
        (most / least) ** 0.25, rel=1e-6
    )
    assert of_known[often] / drawn[often] == pytest.approx(1 / 3, rel=1e-6)
    assert of_known[0] == drawn[0]  # The sign takes nothing beside it.


# The images and files.

TEXTS = {"কা": (0, 1), "ক্ষ": (1,), "ত্রী": (0,)}
CHOSEN = [
    Grapheme("কা", (13, 1, 0), 3),
    Grapheme("ক্ষ", (20, 0, 0), 2),
    Grapheme("ত্রী", (55, 3, 5), 1),
]


def make_desk(seed=0, designs=TEXTS):
    return Desk(font_paths=FONTS, shares=[1, 2], designs=designs, seed=seed)


def test_an_image_hangs_on_seed_split_index_and_text_alone():
    desk = make_desk()
    image = desk.draw(0, 7, "ক্ষ")
    assert image.shape == (137, 236)
    assert image.dtype == np.uint8
    assert 0.005 < (image < 150).mean() < 0.2
    assert (make_desk().draw(0, 7, "ক্ষ") == image).all()
    for other in (
        desk.draw(0, 8, "ক্ষ"),
        desk.draw(1, 7, "ক্ষ"),
        make_desk(seed=1).draw(0, 7, "ক্ষ"),
        make_desk(designs={"ক্ষ": (0,)}).draw(0, 7, "ক্ষ"),
    ):
        assert (other != image).any()


def test_files_are_the_competitions_and_drawing_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_FILE", 4)

    plan = Plan(
        num_images=6,
        seed=3,
        font_paths=FONTS,
        shares=[1, 2],
        designs=TEXTS,
        chosen=CHOSEN,
    )
    whole, partial = tmp_path / "whole", tmp_path / "partial"
    dataset.draw(whole, plan)
    assert sorted(path.name for path in whole.iterdir()) == [
        "class_map.csv",
        "sample_submission.csv",
        "test.csv",
        "train.csv",
        "train_image_data_0.parquet",
        "train_image_data_1.parquet",
    ]
    rows = (whole / "train.csv").read_text("utf-8").splitlines()[1:]
    texts = [row.split(",")[-1] for row in rows]
    assert collections.Counter(texts) == {"কা": 3, "ক্ষ": 2, "ত্রী": 1}
    columns = ["image_id", "0", "16000", "16100", "32331"]
    second = whole / "train_image_data_1.parquet"
    read = pq.read_table(second, columns=columns).to_pydict()
    assert read.pop("image_id") == ["Train_3", "Train_4", "Train_5"]
    expected = make_desk(seed=3).draw(0, 4, texts[4]).ravel()
    assert [read[name][1] for name in columns[1:]] == [
        expected[int(name)] for name in columns[1:]
    ]

    partial.mkdir()
    kept = partial / "train_image_data_0.parquet"
    shutil.copy2(whole / kept.name, kept)
    before = kept.stat().st_mtime_ns
    other = partial / second.name
    recipe = layout.read_recipe(kept)
    layout.write_images(other, ["a"], np.zeros((2, 1), np.uint8), recipe + "x")
    dataset.draw(partial, plan)
    assert kept.stat().st_mtime_ns == before
    assert other.read_bytes() == second.read_bytes()


# The command.


def test_a_folder_of_other_images_is_refused(tmp_path):
    note = {"drawing": dataset.DRAWING, "num_images": 2000, "seed": 5}
    (tmp_path / "pretrain.json").write_text(json.dumps(note))
    script = pathlib.Path(dataset.__file__).parents[1] / "pretrain.py"
    done = subprocess.run(
        [sys.executable, script, f"--output_dir={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: --output_dir={tmp_path} is for {note}, not for "
        f"{note | {'num_images': 300_000}}; give another"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pretrain.json"]
