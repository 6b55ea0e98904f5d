"""How long a learner waits: from `make lab` to the first picture, the imports, each lesson.

A part of scaling.py. Everything has been set up before and its files have been read before; the
browser runs already.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median

import nbformat
import psutil
from jupyterlab_page import MINUTE, chromium
from nbclient import NotebookClient

HOME = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((HOME / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SHOWN = ("00", "06", "07")  # lessons whose first cells are imported
LATER = {  # what need not be there before it is used
    "scipy": "import torch, scipy.integrate, scipy.special, scipy.stats",
    "sympy": "import torch; torch.broadcast_shapes((2,), (2,))",
}
TURNS = 3  # of `make lab`
FRESH = 3  # processes a thing imported
KEEP = {  # settings of a JupyterLab that asks nothing and writes nothing into the notebooks
    "apputils-extension/notification": {"fetchNews": "false"},
    "docmanager-extension/plugin": {"autosave": False},
}
STORED = """() => [...document.querySelectorAll(".jp-OutputArea-output img")]
  .some((image) => image.complete && image.naturalWidth > 0)"""
LIVE = """() => { const canvas = document.querySelector(".vaelib-picture canvas");
  if (!canvas || !canvas.width) return false;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, i) => i % 4 < 3 && value > 0); }"""


def lab(download: bool) -> dict:
    """From `make lab` to the picture that is stored in lesson 0, and on to the live explorer."""
    with chromium() as browser:
        turns = [first_picture(browser) for _ in range(TURNS)]
        return {"turns": turns, "browser": browser.version}


def first_picture(browser) -> dict:
    """Seconds since `make lab` of all that happens; the server's memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen in KEEP.items():
            path = Path(folder, "settings", "@jupyterlab", f"{name}.jupyterlab-settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(chosen))
        environment = {k: v for k, v in os.environ.items() if k != "PORT"} | {"CI": "1"}
        environment |= {f"JUPYTER_{n}_DIR": f"{folder}/{n}" for n in ("CONFIG", "DATA", "RUNTIME")}
        environment |= {"JUPYTERLAB_SETTINGS_DIR": f"{folder}/settings"}
        environment |= {"JUPYTERLAB_WORKSPACES_DIR": f"{folder}/workspaces"}
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        server = subprocess.Popen(
            ["make", "--no-print-directory", "lab"],
            **{"cwd": HOME, "env": environment, "stdout": subprocess.PIPE, "text": True},
            **{"stderr": subprocess.DEVNULL, "start_new_session": True},
        )
        try:
            found: dict[str, float] = {}

            def at(what: str) -> None:
                found[what] = time.perf_counter() - started

            said = iter(server.stdout.readline, "")
            url = next(line.strip() for line in said if line.strip().startswith("http"))
            at("address")
            page.goto(url)
            page.wait_for_function(STORED, timeout=MINUTE)
            at("stored picture")
            page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=MINUTE)
            at("kernel")
            pressed = time.perf_counter()
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            page.wait_for_function(LIVE, timeout=MINUTE)
            at("live picture")
            found["run to live picture"] = time.perf_counter() - pressed
            time.sleep(2)
            family = psutil.Process(server.pid).children(recursive=True)
            process = next(p for p in family if "lab.py" in " ".join(p.cmdline()))
            memory = process.memory_full_info()
            found |= {"server own": memory.uss / 2**20, "server share": memory.pss / 2**20}
            print({name: round(value, 2) for name, value in found.items()}, flush=True)
            return found
        finally:
            page.close()
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def code_cells(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def imports(download: bool) -> dict:
    """Fresh processes: Python alone, torch alone, and what the first cells of lessons import."""
    codes = {"python": "pass", "torch": "import torch", "vaelib alone": "import vaelib"}
    lessons = {path.stem[:2]: code_cells(path) for path in NOTEBOOKS}
    codes |= {name: lessons[name][0] for name in SHOWN}
    # The explorer is shown as the last value of the second cell; here that is asked for.
    codes["explorer"] = "\n".join(lessons["00"][:2]) + "._repr_mimebundle_()"
    codes |= LATER
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    for turn in range(FRESH + 1):
        for name, code in codes.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd=HOME / "notebooks")
            if turn:  # the first reads the files
                seconds[name].append(time.perf_counter() - started)
    packages = {name: by_package(codes[name]) for name in ("torch", *SHOWN)}
    seen = "import sys; print(*({'scipy.stats', 'scipy.integrate', 'sympy'} & {*sys.modules}))"
    command = [sys.executable, "-c", f"{codes['explorer']}\n{seen}"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=HOME / "notebooks")
    return {"seconds": seconds, "packages": packages, "loaded": run.stdout.split()}


def by_package(code: str) -> dict[str, float]:
    """Milliseconds of each package's own modules while they are imported: -X importtime."""
    runs = []
    for _ in range(FRESH):
        command = [sys.executable, "-X", "importtime", "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, cwd=HOME / "notebooks")
        taken: Counter[str] = Counter()
        for line in re.finditer(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)", run.stderr, re.M):
            taken[line[2].partition(".")[0]] += int(line[1])
        runs.append(taken)
    return {name: median(run[name] for run in runs) / 1e3 for name in runs[0]}


def lessons(download: bool) -> dict:
    """Each lesson by itself from top to bottom, as a student has it: the exercises unsolved."""
    found = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, kernel_name="python3", timeout=600)
        started = time.perf_counter()
        client.execute(cwd=str(HOME / "notebooks"))
        whole = time.perf_counter() - started
        cells = []
        for cell in notebook.cells:
            times = cell.metadata.get("execution", {})
            if cell.cell_type == "code" and "shell.execute_reply" in times:
                begin, end = (times[w] for w in ("iopub.execute_input", "shell.execute_reply"))
                cells.append([between(begin, end), cell.source])
        found[path.stem] = {"whole": whole, "cells": cells}
        print(f"{path.stem}: {whole:.1f} s", flush=True)
    return found


def between(begin: str, end: str) -> float:
    first, last = (datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (begin, end))
    return (last - first).total_seconds()


def kind(source: str, position: int) -> str:
    """What a cell is for, from its code."""
    if position == 0:
        return "imports"
    if re.search(r"\bfit(_faces)?\(|\.backward\(\)|\btrain\w*\(", source):
        return "training"
    if re.search(r"\bcheck\.\w+\(", source):
        return "checks"
    if re.search(r"\b(lesson_)?plots\.|\bsnapshot\(|Explorer\(|Lab\(", source):
        return "pictures"
    return "the rest"


PARTS = {"lab": lab, "imports": imports, "lessons": lessons}
