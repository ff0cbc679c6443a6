"""The report: what it finds, and how a browser shows it."""

import dataclasses
import json
import re

import browser
import numpy as np
import pytest

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.outputs import workdir
from trainer.outputs.report import (
    charts,
    class_views,
    mistakes,
    page,
    run_files,
    run_views,
)
from trainer.outputs.report.mistakes import Confusion, Mistake
from trainer.outputs.report.run_files import ScoredSplit

BENGALI = {
    "grapheme_root": ("ক্ষ", "ক", "ত্র", "<b>"),
    "vowel_diacritic": ("0", "া", "ৌ"),
    "consonant_diacritic": ("0", "্র"),
}
WEIGHTS = {"grapheme_root": 2.0, "vowel_diacritic": 1.0}
WEIGHTS["consonant_diacritic"] = 1.0


def softmax(rows):
    exp = np.exp(rows)
    return exp / exp.sum(axis=1, keepdims=True)


def test_confusions_are_counted_and_the_surest_comes_first():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [
            [0.9, 0.1, 0.0],
            [0.4, 0.6, 0.0],
            [0.2, 0.8, 0.0],
            [0.0, 1.0, 0.0],
            [0.5, 0.3, 0.2],
            [0.1, 0.2, 0.7],
        ]
    )
    confusions = mistakes.find_confusions(labels, probabilities, limit=5)
    assert confusions == [
        Confusion(0, 1, count=2, total=3, indices=(2, 1)),
        Confusion(1, 0, count=1, total=2, indices=(4,)),
    ]


def test_an_image_appears_once_with_its_surest_mistake():
    labels = {"a": np.array([0, 0, 1]), "b": np.array([0, 1, 0])}
    probabilities = {
        "a": np.array([[0.3, 0.7], [0.9, 0.1], [0.4, 0.6]]),
        "b": np.array([[0.1, 0.9], [0.8, 0.2], [1.0, 0.0]]),
    }
    surest = mistakes.find_surest(labels, probabilities, limit=9)
    assert surest == [
        Mistake(0, "b", true=0, taken=1, probability=0.9),
        Mistake(1, "b", true=1, taken=0, probability=0.8),
    ]


def test_examples_are_read_by_their_index_in_the_split(tiny_records):
    info = dataset_info.read(tiny_records)
    whole = mistakes.read_examples(
        info, str(tiny_records), ("fold0",), range(20)
    )
    assert len({e.image_id for e in whole.values()}) == 20
    some = mistakes.read_examples(info, str(tiny_records), ("fold0",), {13, 2})
    assert {k: e.image_id for k, e in some.items()} == {
        k: whole[k].image_id for k in (2, 13)
    }
    assert some[2].image.shape == (12, 16)
    np.testing.assert_array_equal(some[2].image, whole[2].image)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1.23, 3.54, [1, 1.5, 2, 2.5, 3, 3.5, 4]),
        (7.0, 7.0, [7, 7.2, 7.4, 7.6, 7.8, 8]),
    ],
)
def test_ticks_are_round_and_span_the_values(low, high, expected):
    if low == high:
        expected = [7]
    assert charts.nice_ticks(low, high) == expected


def test_a_sign_gets_a_circle():
    assert class_views.with_circle("া") == "◌া"
    assert class_views.with_circle("ক") == "ক"


def test_a_folder_of_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"neither summary\.json nor"):
        page.write(
            tmp_path, scored={}, output_weights={}, info=None, data_dir=""
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workdir of a run of two legs, killed at step 7."""
    path = tmp_path_factory.mktemp("report")
    metrics = [
        {
            "epoch": epoch,
            "step": 5 * epoch,
            "loss": 3.0 / epoch,
            "score": score,
            **{f"recall_{name}": score for name in BENGALI},
        }
        for epoch, score in ((1, 0.25), (2, 0.75), (3, 0.5))
    ]
    (path / "metrics.csv").write_text(workdir.to_csv(metrics))
    speed = [{"epoch": e, "evaluation_seconds": 10.0} for e in (1, 2, 3)]
    (path / "speed.csv").write_text(workdir.to_csv(speed))
    (path / "flags.txt").write_text("--backbone=tiny\n--epochs=3\n--nocrop\n")
    leg = {
        "devices": "1 x Tesla T4",
        "seconds": 100.0,
        "seconds_to_first_loop": 20.0,
        "first_loop_seconds": 5.0,
        "input_seconds": 25.0,
        "backup_seconds": 2.0,
        "images_per_second": 1234.0,
    }
    summary = {
        "finished": True,
        "legs": [
            leg | {"leg": 1, "first_step": 0, "last_step": 7, "age": 138.0},
            leg
            | {
                "leg": 2,
                "first_step": 7,
                "last_step": 15,
                "age": 150.0,
                "lost_seconds": 12.0,
                "lost_steps": 4,
            },
        ],
        "judged": {
            "validation": {
                "score": 0.8,
                "score_uncalibrated": 0.7,
                "recall": dict.fromkeys(BENGALI, 0.8),
            }
        },
        "calibration": {"score": 0.78},
    }
    (path / "summary.json").write_text(json.dumps(summary))
    return path


@pytest.fixture(scope="module")
def report(run, tiny_records):
    """The report of that run, whose model errs in a third of the images."""
    info = dataset_info.read(tiny_records)
    info = dataclasses.replace(
        info,
        outputs=tuple(
            dataclasses.replace(o, classes=BENGALI[o.name])
            for o in info.outputs
        ),
    )
    rng = np.random.default_rng(0)
    labels = {n: np.arange(20) % len(c) for n, c in BENGALI.items()}
    logits = {
        n: np.float32(
            np.eye(len(c))[np.where(rng.random(20) < 0.3, 0, labels[n])] * 4
        )
        for n, c in BENGALI.items()
    }
    zeros = {n: np.zeros(len(c)) for n, c in BENGALI.items()}
    return page.write(
        run,
        scored={"validation": ScoredSplit(("fold0",), labels, logits, zeros)},
        output_weights=WEIGHTS,
        info=info,
        data_dir=str(tiny_records),
    )


def test_the_curves_alone_without_a_model(run, tmp_path):
    for name in ("metrics.csv", "flags.txt"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    path = page.write(
        tmp_path, scored={}, output_weights={}, info=None, data_dir=""
    )
    text = path.read_text("utf-8")
    assert re.findall("<h2>(.*?)</h2>", text) == ["Learning", "This run"]
    assert "unfinished" in text
    assert "0.7500" in text  # The best score so far.


@pytest.mark.parametrize(
    ("epochs", "label"),
    [
        (None, "best"),
        ([2], "best"),
        ([3], "model"),
        ([2, 3], "model: mean from"),
    ],
)
def test_the_epochs_of_the_model_are_marked(run, epochs, label):
    parsed = run_files.read(run)
    if epochs:
        parsed.summary["model_epochs"] = epochs
    marks = run_views.curves(parsed)[1].marks
    assert [m.label for m in marks if m.style == "best"] == [label]


def test_what_a_run_left_is_text_and_no_html(run, report, tmp_path):
    """Of the classes the fixture has one named <b>."""
    assert '<b class="letter">&lt;b&gt;</b>' in report.read_text("utf-8")
    evil = "<i>&'\""
    (tmp_path / "flags.txt").write_text(f"--backbone={evil}\n")
    leg = json.loads((run / "summary.json").read_text())["legs"][0]
    legs = [leg, leg | {"leg": 2, "first_step": 7, "devices": evil}]
    score = {"score": None, "recall": {}}
    summary = {"legs": legs, "judged": {"validation": score}}
    summary["versions"] = {evil: evil}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "metrics.csv").write_bytes((run / "metrics.csv").read_bytes())
    path = page.write(
        tmp_path, scored={}, output_weights={}, info=None, data_dir=""
    )
    text = path.read_text("utf-8")
    assert evil not in text
    # Backbone and flag, a version twice, a leg in the table and both charts.
    assert text.count("&lt;i&gt;&amp;&#39;&#34;") == 7


def test_the_report_needs_nothing_but_itself(report):
    text = report.read_text("utf-8")
    assert "<script" not in text
    links = re.findall(r"(?:src=\"|url\(|href=\")(\w+:[^;]*)", text)
    assert {link.partition("/")[0] for link in links} == {
        "data:image",
        "data:font",
    }
    assert len(text) < 300_000


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_report(report, tmp_path, width, dark):
    with browser.open_page(report.as_uri(), width=width, dark=dark) as page:
        assert page.locator("h2").all_inner_texts() == [
            "Learning",
            "Before and after calibration",
            "Recall of each class",
            "Most frequent confusions",
            "Most confident mistakes",
            "How the time was spent",
            "This run",
        ]
        body = page.inner_text("main")
        for part in ("0.8000", "0.7000 before", "0.7800", "leg 2", "1,234"):
            assert part in body
        # 300 s: 2 legs of 100 s of steps, 25 s of them waiting; 40 s until the
        # first steps, 30 s of evaluations, 4 s of backups, 12 s lost, 14 s.
        for part in (
            "50 % of the time was spent on steps; 4 steps were computed twice.",
            "steps 2 min 50 %",
            "waiting for input 50 s 17 %",
            "lost at resets 12 s 4 %",
        ):
            assert part in body.replace("\n", " ")
        # Nothing sticks out of the screen, every picture is drawn.
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.evaluate("[...document.images].map(i => i.naturalWidth)")
        assert sizes
        assert set(sizes) == {16}
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 150) == dark
        picture = page.screenshot(full_page=True, path=tmp_path / "report.png")
    assert len(picture) > 50_000


def test_a_browser_joins_bengali_letters(report):
    """A conjunct is one glyph: narrower than its two letters."""
    with browser.open_page(report.as_uri()) as page:
        assert page.evaluate(
            "[...document.fonts].map("
            "f => `${f.family} ${f.weight} ${f.status}`)"
        ) == [
            "Hind Siliguri 400 loaded",
            "Hind Siliguri 600 loaded",
        ]
        conjunct, apart, circle, sign, two_parts = (
            page.evaluate(
                """text => {
                  const b = document.createElement("b");
                  b.className = "letter"; b.textContent = text;
                  document.querySelector("main").append("read as ", b);
                  return b.getBoundingClientRect().width;
                }""",
                text,
            )
            for text in ("ক্ষ", "কষ", "◌", "◌া", "◌ৌ")
        )
    assert conjunct < 0.8 * apart
    # One circle, not the one of the text and another of the shaper.
    assert circle < sign < 1.9 * circle
    assert sign < two_parts < 2.4 * circle


def test_flags_are_read_back(run):
    flags = run_files.read(run).flags
    assert flags == {"backbone": "tiny", "epochs": "3", "crop": "false"}
