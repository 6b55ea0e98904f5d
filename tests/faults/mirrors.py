"""A stand-in for MNIST's mirrors, on this machine, with all that a network can do to a download."""

import gzip
import hashlib
import http.server
import json
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler as Handler

import numpy as np

SHAPES = {
    "train-images-idx3-ubyte": (300, 28, 28),
    "train-labels-idx1-ubyte": (300,),
    "t10k-images-idx3-ubyte": (20, 28, 28),
    "t10k-labels-idx1-ubyte": (20,),
}


def idx(shape: tuple[int, ...]) -> bytes:
    """Random bytes as an IDX file."""
    head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return head + np.random.default_rng(len(shape)).bytes(int(np.prod(shape)))


RAW = {name: idx(shape) for name, shape in SHAPES.items()}
PACKED = {f"{name}.gz": gzip.compress(raw, mtime=0) for name, raw in RAW.items()}
DIGESTS = {name: hashlib.sha256(raw).hexdigest() for name, raw in RAW.items()}
WRONG = gzip.compress(b"some other file", mtime=0)


def give(handler: Handler, content: bytes, promised: int | None = None) -> None:
    """Answer 200 with that content; its length may be promised otherwise."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if promised is None else promised))
    handler.end_headers()
    handler.wfile.write(content)


def good(handler: Handler, name: str) -> None:
    give(handler, PACKED[name])


def slow(handler: Handler, name: str) -> None:
    """A third at a time, with pauses."""
    content = PACKED[name]
    third = len(content) // 3
    give(handler, content[:third], len(content))
    for part in (content[third : 2 * third], content[2 * third :]):
        time.sleep(0.1)
        handler.wfile.flush()
        handler.wfile.write(part)


def stalled(handler: Handler, name: str) -> None:
    """Half of it, and then silence."""
    content = PACKED[name]
    give(handler, content[: len(content) // 2], len(content))
    handler.wfile.flush()
    time.sleep(1.5)


def silent(handler: Handler, name: str) -> None:
    time.sleep(1.5)


def cut(handler: Handler, name: str) -> None:
    give(handler, PACKED[name][: len(PACKED[name]) // 2], len(PACKED[name]))


def wrong(handler: Handler, name: str) -> None:
    give(handler, WRONG)


def login_page(handler: Handler, name: str) -> None:
    give(handler, b"<html><body>Welcome to the hotel's network: please log in</body></html>")


def status(code: int, **headers: str) -> Callable[[Handler, str], None]:
    def answer(handler: Handler, name: str) -> None:
        handler.send_response(code)
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirects(handler: Handler, name: str) -> None:
    if "elsewhere" in handler.path:
        good(handler, name)
    else:
        status(302, Location=f"/elsewhere/{name}")(handler, name)


def circle(handler: Handler, name: str) -> None:
    status(302, Location=handler.path)(handler, name)


def hangs_up(handler: Handler, name: str) -> None:
    handler.close_connection = True
    handler.connection.close()


class Mirror:
    """A web server that answers in one way; `asked` lists the files it was asked for."""

    def __init__(self, answer: Callable[[Handler, str], None]) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                asked.append(name)
                try:
                    answer(self, name)
                except OSError:  # the other end has gone
                    pass

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def stand_in(mirrors: list[Mirror]) -> str:
    """The mirrors and the hashes as JSON, for another process."""
    return json.dumps({"MIRRORS": [m.address for m in mirrors], "MNIST": DIGESTS})
