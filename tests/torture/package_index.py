"""A package index on this machine with small stand-ins, and a project whose set-up uses it."""

import hashlib
import http.server
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler as Handler
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = bytes(40_000_000)  # the large one: 40 MB on disk, little on the way
# A build backend in the project itself, so that an editable installation fetches nothing.
BACKEND = '''\
import pathlib, zipfile
ABOUT = "vaelib-0.1.dist-info"
METADATA = """Metadata-Version: 2.1
Name: vaelib
Version: 0.1
Requires-Dist: torch
Provides-Extra: lab
Requires-Dist: jupyterlab; extra == "lab"
"""
WHEEL = """Wheel-Version: 1.0
Root-Is-Purelib: true
Tag: py3-none-any
"""

def build_editable(folder, settings=None, metadata=None):
    name = "vaelib-0.1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("vaelib.pth", str(pathlib.Path.cwd()))
        wheel.writestr(ABOUT + "/METADATA", METADATA)
        wheel.writestr(ABOUT + "/WHEEL", WHEEL)
        wheel.writestr(ABOUT + "/RECORD", "")
    return name

build_wheel = build_editable
'''
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "vaelib"
version = "0.1"
dependencies = ["torch"]
optional-dependencies = { lab = ["jupyterlab"] }
"""


def wheel(name: str, version: str, content: bytes) -> bytes:
    """A wheel of one module."""
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in {
            f"{name}.py": b"",
            f"{name}.bin": content,
            f"{about}/METADATA": metadata.encode(),
            f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": b"",
        }.items():
            archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


VERSIONS = {"torch": "2.13.0", "jupyterlab": "4.6.6"}
FILES = {
    f"{name}-{version}-py3-none-any.whl": wheel(name, version, TORCH if name == "torch" else b"x")
    for name, version in VERSIONS.items()
}


def lock() -> str:
    """The index's files as requirements.lock has them."""
    text = "# [lab] stand-ins\n"
    for file, content in FILES.items():
        name, version, *_ = file.split("-")
        digest = hashlib.sha256(content).hexdigest()
        text += f"{name}=={version}\n    # --hash=sha256:{digest}\n"
    return text


def project(folder: Path) -> Path:
    """A small project with the set-up of this one."""
    (folder / "tools").mkdir(parents=True)
    for name in ("setup.sh", "hashed.py"):
        shutil.copy(ROOT / "tools" / name, folder / "tools")
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "requirements.lock").write_text(lock())
    return folder


def give(handler: Handler, content: bytes, promised: int = 0) -> None:
    handler.send_response(200)
    kind = "text/html" if content.startswith(b"<") else "application/octet-stream"
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(promised or len(content)))
    handler.send_header("Cache-Control", "max-age=365000000, immutable")
    handler.end_headers()
    handler.wfile.write(content)


def good(handler: Handler, content: bytes) -> None:
    give(handler, content)


def slow(handler: Handler, content: bytes) -> None:
    """Forty pieces with pauses: two seconds for a file."""
    size = len(content) // 40 + 1
    give(handler, content[:size], len(content))
    for start in range(size, len(content), size):
        time.sleep(0.05)
        handler.wfile.write(content[start : start + size])


def cut(handler: Handler, content: bytes) -> None:
    give(handler, content[: len(content) // 2], len(content))


def stalled(handler: Handler, content: bytes) -> None:
    cut(handler, content)
    handler.wfile.flush()
    time.sleep(4)


def hangs_up(handler: Handler, content: bytes) -> None:
    handler.close_connection = True
    handler.connection.close()


def login_page(handler: Handler, content: bytes) -> None:
    give(handler, b"<html><body>Welcome to the hotel's network: please log in</body></html>")


def damaged(handler: Handler, content: bytes) -> None:
    """A file of the right length with other bytes in it."""
    give(handler, content if content.startswith(b"<") else content[:-40] + bytes(40))


def status(code: int) -> Callable[[Handler, bytes], None]:
    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Index:
    """Answers in the way of `answer`, which may be changed."""

    def __init__(self) -> None:
        self.answer = good
        index = self

        class Answer(Handler):
            def do_GET(self) -> None:
                *_, name = self.path.rstrip("/").split("/")
                links = (f'<a href="/files/{f}">{f}</a>' for f in FILES if f.startswith(f"{name}-"))
                content = FILES.get(name) or f"<html>{''.join(links)}</html>".encode()
                try:
                    index.answer(self, content)
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
        self.address = f"http://127.0.0.1:{self.server.server_port}/simple/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
