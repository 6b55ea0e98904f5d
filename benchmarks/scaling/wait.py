"""How long a learner waits: from `make lab` to the first picture, the imports, each lesson.

Everything has been set up before, the files have been read before, and the browser runs already.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median

import nbformat
import psutil
from nbclient import NotebookClient

from benchmarks.browser import MINUTE, chromium
from benchmarks.tables import heading, spread, table

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SHOWN = ("00", "06", "07")  # lessons whose first cells are timed
LATER = {  # what a lesson can import when it uses it
    "scipy": "import torch, scipy.integrate, scipy.special, scipy.stats",
    "sympy": "import torch; torch.broadcast_shapes((2,), (2,))",
}
TURNS = 3  # of `make lab`
FRESH = 3  # processes per import
SETTINGS = {  # settings of a JupyterLab that asks nothing and writes nothing into the notebooks
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
    """Seconds from `make lab` to each event; the server's own memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        server = subprocess.Popen(
            ["make", "--no-print-directory", "lab"],
            cwd=ROOT,
            env=lab_environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            found = watch(page, server, started)
            found["server own"] = server_memory(server.pid)
            print({name: round(value, 2) for name, value in found.items()}, flush=True)
            return found
        finally:
            page.close()
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def lab_environment(folder: str) -> dict[str, str]:
    """A JupyterLab whose settings and workspaces are in `folder`."""
    for name, chosen in SETTINGS.items():
        path = Path(folder, "settings", "@jupyterlab", f"{name}.jupyterlab-settings")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen))
    environment = {k: v for k, v in os.environ.items() if k != "PORT"} | {"CI": "1"}
    environment |= {f"JUPYTER_{n}_DIR": f"{folder}/{n}" for n in ("CONFIG", "DATA", "RUNTIME")}
    environment["JUPYTERLAB_SETTINGS_DIR"] = f"{folder}/settings"
    environment["JUPYTERLAB_WORKSPACES_DIR"] = f"{folder}/workspaces"
    return environment


def watch(page, server: subprocess.Popen, started: float) -> dict[str, float]:
    """Open lesson 0 as soon as its address is printed, and run all its cells."""
    found: dict[str, float] = {}

    def record(event: str) -> None:
        found[event] = time.perf_counter() - started

    printed = iter(server.stdout.readline, "")
    url = next(line.strip() for line in printed if line.strip().startswith("http"))
    record("address")
    page.goto(url)
    page.wait_for_function(STORED, timeout=MINUTE)
    record("stored picture")
    page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=MINUTE)
    record("kernel")
    pressed = time.perf_counter()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(LIVE, timeout=MINUTE)
    record("live picture")
    found["run to live picture"] = time.perf_counter() - pressed
    return found


def server_memory(pid: int) -> float:
    """MiB that the JupyterLab server below that process has to itself."""
    time.sleep(2)
    family = psutil.Process(pid).children(recursive=True)
    process = next(p for p in family if "lab.py" in " ".join(p.cmdline()))
    return process.memory_full_info().uss / 2**20


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
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "notebooks")
            if turn:  # the first reads the files
                seconds[name].append(time.perf_counter() - started)
    packages = {name: by_package(codes[name]) for name in ("torch", *SHOWN)}
    seen = "import sys; print(*({'scipy.stats', 'scipy.integrate', 'sympy'} & {*sys.modules}))"
    command = [sys.executable, "-c", f"{codes['explorer']}\n{seen}"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "notebooks")
    return {"seconds": seconds, "packages": packages, "loaded": run.stdout.split()}


def by_package(code: str) -> dict[str, float]:
    """Milliseconds of each package's own modules while they are imported: -X importtime."""
    runs = []
    for _ in range(FRESH):
        command = [sys.executable, "-X", "importtime", "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "notebooks")
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
        client.execute(cwd=str(ROOT / "notebooks"))
        whole = time.perf_counter() - started
        cells = []
        for cell in notebook.cells:
            times = cell.metadata.get("execution", {})
            if cell.cell_type == "code" and "shell.execute_reply" in times:
                begin = times["iopub.execute_input"]
                end = times["shell.execute_reply"]
                cells.append([seconds_between(begin, end), cell.source])
        found[path.stem] = {"whole": whole, "cells": cells}
        print(f"{path.stem}: {whole:.1f} s", flush=True)
    return found


def seconds_between(begin: str, end: str) -> float:
    first = datetime.fromisoformat(begin.replace("Z", "+00:00"))
    last = datetime.fromisoformat(end.replace("Z", "+00:00"))
    return (last - first).total_seconds()


def kind(source: str, position: int) -> str:
    """What a cell does, judged by its code."""
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


# Showing


def tables(found: dict[str, dict]) -> list[str]:
    """The tables of the parts that were measured."""
    show = {"lab": lab_table, "imports": imports_tables, "lessons": lessons_tables}
    blocks = [shown(found[part]) for part, shown in show.items() if part in found]
    return ["## A learner's wait", *blocks]


def above(title: str, part: str, about: dict[str, str]) -> str:
    return heading(f"### {title}", f"make bench-scaling PARTS={part}", about)


def lab_table(part: dict) -> str:
    names = {
        "address": "the address is printed",
        "stored picture": "the first picture, as stored in lesson 0",
        "kernel": "the kernel is ready",
        "live picture": "the live explorer, Run All Cells pressed at once",
        "run to live picture": "from Run All Cells to the live explorer",
    }
    lines = [
        [name, spread([turn[step] for turn in part["turns"]], digits=1)]
        for step, name in names.items()
    ]
    about = part["about"] | {"Chromium": part["browser"], "turns": str(len(part["turns"]))}
    top = above("From `make lab`", "lab", about)
    return f"{top}\n{table(['seconds after `make lab` until', 's'], lines)}"


def imports_tables(part: dict) -> str:
    seconds = {name: median(values) for name, values in part["seconds"].items()}
    names = {"python": "Python alone", "torch": "import torch", "vaelib alone": "import vaelib"}
    names |= {name: f"lesson {int(name)}'s first cell" for name in SHOWN}
    names["explorer"] = "lesson 0's first two cells: the explorer is there"
    names["scipy"] = "torch, and SciPy's quadrature, special functions and statistics"
    names["sympy"] = "torch, and SymPy through `torch.broadcast_shapes`"
    lines = []
    for key, name in names.items():
        without_torch = key in ("python", "torch", "vaelib alone")
        beyond = "" if without_torch else f"{seconds[key] - seconds['torch']:.2f}"
        lines.append([name, f"{seconds[key]:.2f}", beyond])
    loaded = ", ".join(f"`{name}`" for name in sorted(part["loaded"])) or "none"
    about = part["about"] | {"of SciPy and SymPy loaded by the explorer:": loaded}
    first = table(["what", "s", "beyond torch's"], lines)
    lines = []
    for name in SHOWN:
        packages = part["packages"][name].items()
        beyond = {k: v - part["packages"]["torch"].get(k, 0) for k, v in packages}
        largest = Counter(beyond).most_common(6)
        lines.append([f"lesson {int(name)}", ", ".join(f"{k} {v:.0f}" for k, v in largest)])
    second = table(["first cell of", "ms of each package's own modules, beyond torch's"], lines)
    return f"{above('Imports', 'imports', about)}\n{first}\n{second}"


def lessons_tables(part: dict) -> str:
    kinds = ("kernel", "imports", "training", "pictures", "checks", "the rest")
    lines = []
    cells_of_all = []
    sums: Counter[str] = Counter()
    for name, run in part.items():
        if name == "about":
            continue
        number = int(name[:2])
        spent: Counter[str] = Counter()
        for position, (seconds, source) in enumerate(run["cells"]):
            spent[kind(source, position)] += seconds
            cells_of_all.append((seconds, number, source))
        spent["kernel"] = run["whole"] - sum(spent.values())
        spent["whole"] = run["whole"]
        sums.update(spent)
        slowest = max(seconds for seconds, _ in run["cells"])
        row = [number, *(f"{spent[what]:.1f}" for what in ("whole", *kinds)), f"{slowest:.1f}"]
        lines.append(row)
    lines.append(["all", *(f"{sums[what]:.1f}" for what in ("whole", *kinds)), ""])
    header = ["lesson", "whole", "kernel's start and end", *kinds[1:], "slowest cell"]
    largest = sorted(cells_of_all, reverse=True)[:6]
    slow = [[f"{s:.1f}", number, f"`{shortened(source)}`"] for s, number, source in largest]
    top = above("Each lesson, in seconds", "lessons", part["about"])
    return f"{top}\n{table(header, lines)}\n{table(['s', 'lesson', 'slowest cells'], slow)}"


def shortened(source: str) -> str:
    """A cell in one short line, from the line that trains if there is one."""
    start = max(0, source.find("fit"))
    start = source.rfind("\n", 0, start) + 1
    text = " ".join(source[start:].split())
    return textwrap.shorten(text, 80, placeholder=" …").replace("|", "\\|")
