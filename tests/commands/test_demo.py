"""The page of demo/app.py, used in a real browser and asked over HTTP.

The model's answers are where the ink is: 7 roots from left to right, 4 vowels
from top to bottom, 3 consonant diacritics from left to right.
"""

import http.client
import io
import json
import socket
import struct
import urllib.parse

import browser
import keras
import numpy as np
import pytest
import served
from PIL import Image, ImageOps

from demo import image_files
from sample_data import combinations, graphemes

HEIGHT, WIDTH = 28, 42
CLASSES = dict(zip(graphemes.OUTPUTS, combinations.read_classes(), strict=True))


def make_model() -> keras.Model:
    images = keras.Input((HEIGHT, WIDTH, 1), dtype="uint8")
    ink = 1.0 - keras.ops.cast(images[..., 0], "float32") / 255.0

    def bands(count, axis):
        """Returns [B, count] logits: the ink of each band."""
        total = keras.ops.sum(ink, axis=3 - axis)
        return keras.ops.sum(
            keras.ops.reshape(total, (-1, count, ink.shape[axis] // count)), 2
        )

    logits = {  # Of seven roots from ক on, of four vowels, of three marks.
        "grapheme_root": pad(bands(7, 2), 13, 168),
        "vowel_diacritic": pad(bands(4, 1), 0, 11),
        "consonant_diacritic": pad(bands(3, 2), 0, 7),
    }
    return keras.Model(images, logits)


def pad(logits, before: int, classes: int):
    """Returns [B, classes] logits, those given from `before` on."""
    behind = classes - before - logits.shape[1]
    return keras.ops.pad(
        logits, ((0, 0), (before, behind)), constant_values=-9.0
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a running demo/app.py."""
    path = tmp_path_factory.mktemp("demo") / "model.keras"
    size = {"height": HEIGHT, "width": WIDTH}
    served.write(
        path,
        make_model(),
        outputs=[{"name": k, "classes": v} for k, v in CLASSES.items()],
        image=size,
        source_image=size,
        resize=None,
    )
    with open(path.with_name("stderr.txt"), "w+", encoding="utf-8") as errors:
        with browser.serve_demo(path, stderr=errors) as address:
            yield address
        errors.seek(0)
        assert "Traceback" not in errors.read()


def shows(page, text: str, selector: str = "#grapheme") -> None:
    """Waits until the page shows `text`."""
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.locator(selector)).to_have_text(text, timeout=30_000)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_draw_and_read_the_answer(url, width, dark):
    with browser.open_page(url, width=width, dark=dark) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        browser.draw(page, (0.05, 0.05), (0.1, 0.2))
        shows(page, "ক")
        browser.draw(page, (0.95, 0.8), (0.95, 0.99), (0.9, 0.8), (0.9, 0.99))
        shows(page, "র্ক্ষ্ণী")
        lists = page.locator("#outputs ol")
        assert lists.count() == 3
        assert lists.nth(0).inner_text().split()[0] == "ক্ষ্ণ"
        assert page.locator("#outputs li").count() == 3 * 5
        assert page.locator("#probability").inner_text().endswith("%")
        page.get_by_text("Undo").click()
        shows(page, "ক")
        page.get_by_text("Clear").click()
        shows(page, "nothing drawn yet", "#probability")
        assert page.evaluate(
            "document.documentElement.scrollWidth <= innerWidth"
        )
        assert {urllib.parse.urlsplit(a).netloc for a in asked} == {
            urllib.parse.urlsplit(url).netloc
        }


def test_a_finger_draws(url):
    with browser.open_page(url, width=390) as page:
        box = page.locator("#pad").bounding_box()
        finger = page.context.new_cdp_session(page)
        finger.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
        for kind, x in (("touchStart", 0.5), ("touchMove", 0.52)):
            point = {
                "x": box["x"] + x * box["width"],
                "y": box["y"] + 0.4 * box["height"],
            }
            finger.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [point]},
            )
        finger.send(
            "Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []}
        )
        shows(page, "ক্তাঁ")


def test_open_an_image(url):
    with browser.open_page(url) as page:
        image = {"name": "a.png", "mimeType": "image/png", "buffer": png()}
        page.locator("#file").set_input_files(image)
        shows(page, "ক্ক")
        # The image lies on the paper.
        # Not wait_for_function(): the page forbids what it polls with.
        while not page.evaluate(
            "document.getElementById('pad').getContext('2d')"
            ".getImageData(944 / 7 * 1.5, 40, 1, 1).data[0] < 60"
        ):
            page.wait_for_timeout(50)
        large = {"name": "b.png", "mimeType": "image/png"}
        large["buffer"] = bytes(5 << 20)
        page.locator("#file").set_input_files(large)
        page.get_by_text("the file has 5.0 MiB: expected at most 4").wait_for()
        shows(page, "ক্ক")


def png(size=(WIDTH, HEIGHT)) -> bytes:
    """Returns a white image with ink at the top of the second band."""
    image = Image.new("L", size, 255)
    image.paste(0, (6, 0, 12, 6))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def post(url, data, path="/predict", **headers):
    """Returns (status, answer) of a request, the headers as they are given."""
    connection = http.client.HTTPConnection(
        urllib.parse.urlsplit(url).netloc, timeout=60
    )
    headers = headers or {"Content-Length": str(len(data))}
    connection.putrequest("POST", path)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(data)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_answers_over_http(url):
    assert urllib.parse.urlsplit(url).hostname == "127.0.0.1"
    status, answer = post(url, png())
    assert status == 200
    assert answer["grapheme"]["text"] == "ক্ক"
    tops = [top[0] for top in answer["outputs"].values()]
    assert [top["class"] for top in tops] == ["ক্ক", "0", "0"]
    product = tops[0]["probability"] * tops[1]["probability"]
    assert answer["grapheme"]["probability"] == pytest.approx(
        product * tops[2]["probability"], abs=1e-5
    )


def test_what_is_no_image_or_too_large_is_refused(url):
    assert post(url, b"MZ\0")[0] == 415
    assert post(url, png()[:60])[1] == {
        "error": "not a complete image: expected one of PNG, JPEG, WEBP, BMP, "
        "GIF"
    }
    status, answer = post(url, png((5000, 5000)))
    assert (status, answer["error"][:34]) == (
        415,
        "the image has 5000 x 5000 pixels: ",
    )
    assert post(url, b"", Content_Length=str(5 << 20)) == (
        413,
        {"error": "expected at most 4 MiB"},
    )
    assert post(url, b"", Transfer_Encoding="chunked")[0] == 411
    assert post(url, b"", path="/etc/passwd")[0] == 404
    assert post(url, png())[0] == 200  # It still answers.


def test_an_image_on_the_other_paper_is_inverted():
    drawn = png((84, 28))  # Wider than the model's images: padded.
    light = image_files.read(drawn, (HEIGHT, WIDTH), "light")
    dark = image_files.read(drawn, (HEIGHT, WIDTH), "dark")
    assert light[0, 0] == light[-1, -1] == 255
    assert light.min() == 0
    np.testing.assert_array_equal(dark, 255 - light)
    # White on black is taken as it is for a model of such images.
    image = ImageOps.invert(Image.open(io.BytesIO(drawn)))
    data = io.BytesIO()
    image.save(data, "PNG")
    for paper, expected in (("light", light), ("dark", dark)):
        made = image_files.read(data.getvalue(), (HEIGHT, WIDTH), paper)
        np.testing.assert_array_equal(made, expected)


def test_a_page_closed_while_it_sends_is_no_error(url):
    """The fixture looks for a traceback."""
    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        # Closed at once, with a reset.
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert post(url, png())[0] == 200
