"""The model card says what the run's files say."""

import json

import pytest

from trainer.outputs import model_card

CARD = {
    "outputs": [
        {"name": "root", "classes": ["ক", "খ", "<গ>"]},
        {"name": "vowel", "classes": [str(i) for i in range(202)]},
    ],
    "image": {"height": 12, "width": 16},
    "source_image": {"height": 24, "width": 32},
    "resize": {"method": "area", "height": 12, "width": 16},
    "output_weights": {"root": 2.0, "vowel": 1.0},
}


def figures(images, score):
    return {
        "images": images,
        "score": score,
        "score_uncalibrated": score - 0.25,
        "recall": {"root": score, "vowel": None},
    }


def make(judged, calibration, **card):
    summary = {
        "judged": judged,
        "calibration": calibration,
        "parameters": 12345,
        "epochs": 7,
        "versions": {"keras": "3.13.2", "tensorflow": "2.20.0"},
    }
    return model_card.make(summary, CARD | card)


@pytest.fixture(scope="module")
def text():
    judged = {"validation": figures(1200, 0.875), "unseen": figures(80, 0.5)}
    return make(judged, {"score": 0.8125})


def test_data_and_scores(text):
    assert (
        "Images of 24 x 32 pixels, reduced to 12 x 16 (method area) before the "
        "model sees them. Not trained on: 1,200 (validation), 80 (unseen)."
    ) in text
    assert (
        "| split | images | score | before calibration | root | vowel |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| validation | 1,200 | 0.8750 | 0.6250 | 0.8750 | - |\n"
        "| unseen | 80 | 0.5000 | 0.2500 | 0.5000 | - |\n"
    ) in text
    assert "mean, weighted root 2, vowel 1." in text
    assert "(cross-fitted), the score on them is 0.8125." in text
    assert "no image of the training has" in text
    assert "12,345 parameters" in text
    assert "7 epochs with Keras 3.13.2 and TensorFlow 2.20.0" in text


def test_what_the_images_look_like(text):
    assert "uint8, ink dark on light paper\n" in text
    image = CARD["image"] | {"background": "dark"}
    assert "uint8, ink light on dark paper\n" in make({}, None, image=image)


def test_classes(text):
    assert "**root**, 3 classes: `ক` `খ` `<গ>`\n" in text
    assert "`198` `199` and 2 more\n" in text


def test_the_head_is_yaml(text):
    yaml = pytest.importorskip("yaml")
    _, head, body = text.split("---\n", 2)
    head = yaml.safe_load(head)
    assert head["library_name"] == "keras"
    assert head["pipeline_tag"] == "image-classification"
    results = head["model-index"][0]["results"]
    assert [
        (r["dataset"]["name"], r["metrics"][0]["value"]) for r in results
    ] == [("validation", 0.875), ("unseen", 0.5)]
    assert body.startswith("\n# Classifier of root, vowel\n")


def test_a_run_that_held_nothing_out_has_no_score():
    text = make({}, None, resize=None)
    assert "Images of 24 x 32 pixels. No image was held out." in text
    assert "It has no score" in text
    assert "model-index" not in text


def test_it_is_whole_or_not_there(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"judged": {}}))
    with pytest.raises(FileNotFoundError):
        model_card.write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_the_users_own_readme_stays(tmp_path):
    own = tmp_path / "README.md"
    own.write_text("# My experiments\n")
    assert not model_card.is_card(own)
    model_card.write(tmp_path)  # There is no model to read, either.
    assert own.read_text() == "# My experiments\n"
    own.write_text(make({}, None, resize=None))
    assert model_card.is_card(own)
