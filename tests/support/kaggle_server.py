"""A server that answers as Kaggle's does to kagglehub's downloads."""

import base64
import hashlib
import http.server
import json
import threading

_API = "/api/v1/competitions.CompetitionApiService/"


class KaggleServer(http.server.ThreadingHTTPServer):
    """Serves one competition's files, and its zip as "all".

    Args:
        files: Bytes by name.

    Attributes:
        url: Its address.
        status: What the API answers: 200 to let a download through.
        break_at: Bytes of a body after which the line breaks, once.
        ranges: What was asked for with a Range header, and was not.
    """

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.break_at: int | None = None
        self.ranges: list[str] = []

    def __enter__(self) -> "KaggleServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:  # noqa: N802 (http.server's own name)
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if server.status != 200:
            self.send_response(server.status)
            self.end_headers()
            return
        request = json.loads(body)
        name = request.get("fileName", "all")
        self.send_response(302)
        self.send_header("Location", f"{server.url}/{name}")
        self.end_headers()

    def do_GET(self) -> None:  # noqa: N802
        server = self.server
        data = server.files[self.path[1:]]
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        asked = self.headers.get("Range", "")
        server.ranges.append(asked)
        start = int(asked[len("bytes=") : -1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={digest}")
        self.send_header("Last-Modified", "Thu, 19 Dec 2019 12:00:00 GMT")
        self.end_headers()
        end, server.break_at = server.break_at, None
        self.wfile.write(data[start:end])

    def log_message(self, *arguments: object) -> None:
        pass
