"""A web page for drawing a grapheme, or dropping an image, to predict it.

    python demo/app.py --model=WORKDIR/model.keras

The page is one file, page.html, and this process predicts. Neither of them
sends requests to other machines.
"""

from absl import flags

from console import command
from flags import demo_flags
from flags.trainer import accelerator_flags, ensemble_flags, views_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(
        ensemble_flags,
        views_flags,
        demo_flags,
        accelerator_flags,
        importing="TensorFlow",
    )

import http.server
import json
import pathlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fontpkg
import image_files
import numpy as np
from absl import logging

from console.progress import Progress
from sample_data import combinations, graphemes
from storage import UserError
from trainer.inference import ensemble
from trainer.inference.ensemble import Predict
from trainer.runtime import devices

FLAGS = flags.FLAGS
# Gradio is not used (6.31 and Colab's 6.24 were tried): both refuse Pillow 13.
# Its Sketchpad takes 3 to 8 s to answer a stroke, this page 1 s (in Chromium
# without a GPU). After "Clear" it draws nothing until a tool is chosen, and on
# a phone its tools cover the paper.
PAGE = pathlib.Path(__file__).with_name("page.html")
FONT = "Hind Siliguri"
MAX_BYTES = 4 << 20  # 4 MiB, the largest upload.
TOP = 5  # Number of classes shown for each output.
_SECONDS = 30.0  # Time limit for a client to send its request.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; "
    "img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def main() -> None:
    devices.prepare(FLAGS.accelerator)
    members = ensemble.read(FLAGS.model)
    predict = ensemble.make_predict(members, batch_size=1, num_views=FLAGS.tta)
    with Progress("compiling"):
        predict(np.full((1, *members[0].source_size), 255, np.uint8))
    with make_server(
        (FLAGS.host, FLAGS.port),
        predict,
        classes=members[0].classes,
        size=members[0].source_size,
        paper=members[0].background,
    ) as server:
        host, port = server.server_address[:2]
        print(f"draw at http://{host}:{port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def make_server(
    address: tuple[str, int],
    predict: Predict,
    *,
    classes: Mapping[str, Sequence[str]],
    size: tuple[int, int],
    paper: str,
) -> http.server.ThreadingHTTPServer:
    """Returns a server that listens on `address`.

    Args:
        address: Host and port.
        predict: Maps [1, H, W] uint8 to probabilities of each output.
        classes: The names of the classes of each output.
        size: Height and width of the images that `predict` expects.
        paper: The background of these images, "light" or "dark".
    """
    one_at_a_time = threading.Lock()

    def answer(data: bytes) -> dict:
        image = image_files.read(data, size, paper)
        with one_at_a_time:
            return make_answer(predict(image[None]), classes)

    class Handler(_Handler):
        answer_image = staticmethod(answer)

    return _Server(address, Handler)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # A ConnectionError means that a page was closed.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Handles the requests of the page.

    GET / returns the page, GET /font.ttf its font. POST /predict takes an image
    file and returns JSON.
    """

    timeout = _SECONDS
    answer_image: Callable[[bytes], dict]

    def do_GET(self) -> None:  # noqa: N802 (http.server's own name)
        if self.path == "/":
            self._send(200, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path == "/font.ttf":
            path = pathlib.Path(fontpkg.path(FONT, 400))
            self._send(200, "font/ttf", path.read_bytes())
        else:
            self._refuse(404, "no such page")

    def do_POST(self) -> None:  # noqa: N802
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self._refuse(404, "no such page")
        elif not length.isdecimal():
            self._refuse(411, "expected the length of the image")
        elif int(length) > MAX_BYTES:
            self._refuse(413, f"expected at most {MAX_BYTES >> 20} MiB")
        else:
            try:
                answer = self.answer_image(self.rfile.read(int(length)))
            except UserError as error:
                self._refuse(415, str(error))
            else:
                self._send_json(200, answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        logging.debug(format, *args)

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True  # The body may not have been read.
        self._send_json(status, {"error": message})

    def _send_json(self, status: int, value: dict) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self._send(status, "application/json; charset=utf-8", data)

    def _send(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def make_answer(
    probabilities: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
) -> dict:
    """Returns the values that the page shows.

    Args:
        probabilities: For each output, [1, C] float32.
        classes: The names of the classes of each output.
    """
    order = {
        name: np.argsort(-probabilities[name][0], kind="stable")[:TOP]
        for name in classes
    }
    outputs = {
        name: [
            {
                "class": classes[name][i],
                "probability": round(float(probabilities[name][0, i]), 6),
            }
            for i in indices
        ]
        for name, indices in order.items()
    }
    best = {name: indices[0] for name, indices in order.items()}
    probability = np.prod([top[0]["probability"] for top in outputs.values()])
    return {
        "grapheme": {
            "text": spell(best, classes),
            "probability": round(float(probability), 6),
        },
        "outputs": outputs,
    }


def spell(best: Mapping[str, int], classes: Mapping[str, Sequence[str]]) -> str:
    """Returns the text of a combination of classes, one for each output."""
    if set(classes) == set(graphemes.OUTPUTS):
        parts = tuple(tuple(classes[name]) for name in graphemes.OUTPUTS)
        if parts == combinations.read_classes():
            labels = [best[name] for name in graphemes.OUTPUTS]
            return combinations.spell(labels, parts)
    # For another dataset it is not known how classes make a word.
    return " ".join(classes[name][i] for name, i in best.items())


def run() -> None:
    """Runs the command; never returns."""
    command.run(
        main,
        ensemble_flags,
        views_flags,
        demo_flags,
        accelerator_flags,
        user_errors=(UserError,),
    )


if __name__ == "__main__":
    run()
