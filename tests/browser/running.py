"""A real browser and a real JupyterLab, as fixtures: what starts and stops them.

`started` runs JupyterLab or Notebook, with any Python and options, on a copy of the notebooks and
with settings of its own.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pages import PATIENCE, opened

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# The headless shell opens a window in a fifth of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
NAMES += ("google-chrome", "google-chrome-stable")
NO_BROWSER = (
    "no browser found: install one (Debian, Ubuntu: apt-get install chromium), "
    "or name it in VAELIB_BROWSER"
)
# No sound, no graphics card, and no calls to anyone: the tests run with the network off.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW = {"width": 1280, "height": 900}


def find_browser() -> str | None:
    """The browser to drive: $VAELIB_BROWSER, or the first known name on the PATH."""
    wanted = os.environ.get("VAELIB_BROWSER")
    for name in (wanted,) if wanted else NAMES:
        found = shutil.which(name)
        if found:
            return found
    return None


def browser_is_required() -> bool:
    """In CI a skipped browser test would hide a broken page."""
    answers = (os.environ.get("CI", ""), os.environ.get("VAELIB_REQUIRE_BROWSER", ""))
    return any(answer.lower() not in ("", "0", "false") for answer in answers)


@pytest.fixture(scope="session")
def chromium():
    """A headless browser for the whole session; skips, or in CI fails, where there is none."""
    path = find_browser()
    if path is None:
        if browser_is_required():
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS + (["--no-sandbox"] if as_root else [])
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A fresh page in a context of its own."""
    context = chromium.new_context(viewport=WINDOW)
    with opened(context) as page:
        yield page
    context.close()


@pytest.fixture(scope="session")
def lab_context(chromium):
    """One context for all pages of JupyterLab, which then loads its scripts once."""
    context = chromium.new_context(viewport=WINDOW)
    yield context
    context.close()


@pytest.fixture
def lab_tab(lab_context):
    with opened(lab_context) as page:
        yield page


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab or Notebook: where it is, how to enter, and the folder that it shows."""

    base: str
    token: str
    root: Path
    app: str = "jupyterlab"

    def url(self, notebook: str, workspace: str = "test") -> str:
        """The address that opens one notebook, in JupyterLab in a workspace laid out afresh."""
        if self.app == "notebook":
            return f"{self.base}/notebooks/{notebook}?token={self.token}"
        return f"{self.base}/lab/workspaces/{workspace}/tree/{notebook}?reset&token={self.token}"

    def get(self, path: str, method: str = "GET") -> bytes:
        """The body of an answer of the server's, for example of `/api/sessions`."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.base + path, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def stop_kernels(self) -> None:
        """Shut down every kernel, as the page's own command does."""
        for session in json.loads(self.get("/api/sessions")):
            self.get(f"/api/sessions/{session['id']}", method="DELETE")


@pytest.fixture(scope="session")
def jupyterlab(chromium, tmp_path_factory):
    """JupyterLab on a copy of the notebooks, with settings of its own, stopped at the end.

    It needs `chromium` only so that a machine without a browser skips before a server starts.
    """
    with started(tmp_path_factory.mktemp("jupyterlab")) as lab:
        yield lab


@contextmanager
def started(home: Path, python: str = sys.executable, app: str = "jupyterlab", options=()):
    """A server of that Python's, with all it writes in `home`."""
    root = home / "notebooks"
    root.mkdir(parents=True)
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, root)
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16), root, app)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment.pop("OMP_NUM_THREADS", None)  # the lessons run as they run for a student
    environment |= {
        "JUPYTER_TOKEN": lab.token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [python, "-m", app, "--no-browser", "--allow-root", *options]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    with open(home / "log.txt", "w") as log:
        server = subprocess.Popen(command, env=environment, cwd=root, stdout=log, stderr=log)
        try:
            wait_until_it_answers(lab, server, home / "log.txt")
            yield lab
        finally:
            # A server that ends waits for its kernels; these have nothing to save.
            with suppress(psutil.NoSuchProcess):
                for kernel in psutil.Process(server.pid).children(recursive=True):
                    kernel.kill()
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_until_it_answers(lab: Lab, server: subprocess.Popen, log: Path, seconds: float = 90):
    """Returns once the server answers; fails with its log if it ends or stays silent."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            lab.get("/api/status")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}", pytrace=False)
