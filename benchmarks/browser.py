"""A JupyterLab for a benchmark alone, and a headless Chromium that looks at it."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.async_api import Page
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MINUTE = 60_000


def launching() -> dict[str, Any]:
    """The browser's path and its flags."""
    wanted = os.environ.get("VAELIB_BROWSER")
    found = [path for name in ([wanted] if wanted else NAMES) if (path := shutil.which(name))]
    if not found:
        raise SystemExit("no browser found: install chromium, or name it in VAELIB_BROWSER")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = ["--disable-gpu", *(["--no-sandbox"] if as_root else [])]
    return {"executable_path": found[0], "args": flags}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launching())
        yield browser
        browser.close()


@contextmanager
def serve(home: Path) -> Iterator[tuple[str, str, Path]]:
    """Address, token and folder of a server with its own settings; it stops at the end."""
    root = home / "notebooks"
    token = secrets.token_hex(16)
    news = home / "settings" / "@jupyterlab" / "apputils-extension"
    for folder in (root, news):
        folder.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = ("CONFIG", "DATA", "RUNTIME")
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in places}
    environment |= {"JUPYTER_TOKEN": token, "IPYTHONDIR": str(home / "ipython")}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    environment |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    base = f"http://127.0.0.1:{port}"
    with open(home / "log.txt", "w") as log:
        server = subprocess.Popen(command, env=environment, cwd=root, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{base}/api/status?token={token}", timeout=30).read()
                break
            except OSError:
                time.sleep(0.3)
        else:
            raise SystemExit((home / "log.txt").read_text())
        yield base, token, root
    finally:
        server.terminate()
        server.wait(30)


async def open_notebook(lab: tuple[str, str, Path], page: Page, name: str, notebook) -> None:
    """Open a notebook in its own workspace and run all its cells."""
    base, token, root = lab
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata |= {"kernelspec": python}
    nbformat.write(notebook, root / f"{name}.ipynb")
    await page.goto(f"{base}/lab/workspaces/{name}/tree/{name}.ipynb?reset&token={token}")
    await page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=MINUTE)
    await page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=MINUTE)
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
