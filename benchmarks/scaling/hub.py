"""A class on a hub: the memory and processor time of two kernels with lessons 6 and 7, and of many.

Real kernels, all started at once, each with lesson 6 or 7 executed in it as JupyterLab would.
Afterwards they rest for a while; then every student drags a slider of the explorer at once, and
every student goes from face to face. Linux only: memory is read from /proc/PID/smaps_rollup. The
run stops itself when less than 3 GiB are left.
"""

import asyncio
import functools
import math
import os
import re
import time
from pathlib import Path
from statistics import mean, median, quantiles

import nbformat
import psutil
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import vaelib  # noqa: F401  (its thread settings go to the kernels, as `make lab` sets them)

from benchmarks.tables import heading, table  # isort: skip

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ("06_the_vae", "07_latent_traversals")  # of every other kernel
MEMORY_LEFT = 3.0  # GiB; below it the run stops
REST = 30.0  # seconds at rest
DRAG = 5.0  # seconds of dragging
RATE = 10.0  # messages per second while dragging
STUDENTS = 300
NODE = 64  # GiB of memory
SYSTEM = 4  # GiB of it that a node needs itself
WITHIN = 15  # minutes in which everyone presses Run All


def memory(pid: int) -> dict[str, float]:
    """MiB of a process: its proportional share (PSS), its own alone, what it shares, all (RSS)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"(\w+): +(\d+) kB", text)}
    own = kib["Private_Clean"] + kib["Private_Dirty"]
    found = {"pss": kib["Pss"], "own": own, "shared": kib["Rss"] - own, "rss": kib["Rss"]}
    status = Path(f"/proc/{pid}/status").read_text()
    found["peak_rss"] = int(status.partition("VmHWM:")[2].split()[0])
    return {name: value / 1024 for name, value in found.items()}


def memory_left() -> float:
    return psutil.virtual_memory().available / 2**30


class Student:
    """A kernel, and the lesson that runs in it."""

    def __init__(self, lesson: str, environment: dict[str, str]) -> None:
        self.lesson = lesson
        self.manager = AsyncKernelManager(kernel_name="python3")
        self.environment = environment
        self.process: psutil.Process | None = None
        self.client: NotebookClient | None = None
        self.began = 0.0
        self.done = 0.0

    async def run(self) -> None:
        """Start a kernel and run all cells of the lesson."""
        self.began = time.monotonic()
        await self.manager.start_kernel(
            env=self.environment,
            cwd=str(ROOT / "notebooks"),
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        self.process = psutil.Process(self.manager.provisioner.pid)
        notebook = nbformat.read(ROOT / "notebooks" / f"{self.lesson}.ipynb", as_version=4)
        self.client = NotebookClient(notebook, km=self.manager, timeout=900, startup_timeout=600)
        await self.client.async_execute(cleanup_kc=False)
        self.done = time.monotonic()

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    async def move(self, state: dict) -> float:
        """Seconds from the message that a moved slider sends until the kernel is idle again."""
        models = self.client.widget_state.items()
        comm = next(name for name, traits in models if "image_index" in traits)
        content = {"method": "update", "state": state, "buffer_paths": []}
        kc = self.client.kc
        message = kc.session.msg("comm_msg", {"comm_id": comm, "data": content})
        started = time.perf_counter()
        kc.shell_channel.send(message)
        while True:
            answer = await kc.get_iopub_msg(timeout=120)
            is_ours = answer["parent_header"].get("msg_id") == message["header"]["msg_id"]
            if is_ours and answer["content"].get("execution_state") == "idle":
                return time.perf_counter() - started

    async def drag(self, states) -> list[float]:
        """One message after another, as often as the page sends them."""
        waits = []
        start = time.monotonic()
        for i, state in enumerate(states):
            await asyncio.sleep(max(0.0, start + i / RATE - time.monotonic()))
            waits.append(await self.move(state))
        return waits

    async def end(self) -> None:
        if self.manager.has_kernel:
            if self.client and self.client.kc:
                self.client.kc.stop_channels()
            await self.manager.shutdown_kernel(now=True)


# Measuring


async def watch(students: list[Student], most: dict, everyone: asyncio.Task) -> None:
    """Record the most memory that all take together; stop them before the machine runs short."""
    at_start = memory_left()
    while True:
        alive = [s.process.pid for s in students if s.process]
        try:
            most["pss"] = max(most["pss"], sum(memory(pid)["pss"] for pid in alive))
        except OSError:
            pass  # a kernel has just ended
        most["taken"] = max(most["taken"], 1024 * (at_start - memory_left()))
        if memory_left() < MEMORY_LEFT:
            most["stopped"] = True
            everyone.cancel()
        await asyncio.sleep(2)


def code(i: int) -> list[float]:
    """The z of the i-th message of a drag."""
    return [0.05 * (i % 40), 0.0, -0.3, 0.1]


async def dragging(students: list[Student], states) -> dict:
    """All students at once: their waits, and the processor time per message."""
    before = [s.cpu() for s in students]
    started = time.monotonic()
    waits = [w for ws in await asyncio.gather(*(s.drag(states) for s in students)) for w in ws]
    seconds = time.monotonic() - started
    cpu = sum(s.cpu() - b for s, b in zip(students, before, strict=True))
    return {
        "p50": 1e3 * median(waits),
        "p95": 1e3 * quantiles(waits, n=20)[-1],
        "messages": len(waits),
        "cpu": 1e3 * cpu / len(waits),
        "rate": len(waits) / seconds,
    }


async def hub(count: int, environment: dict[str, str]) -> dict:
    students = [Student(LESSONS[i % len(LESSONS)], environment) for i in range(count)]
    most = {"pss": 0.0, "taken": 0.0, "stopped": False}
    runs = asyncio.gather(*(s.run() for s in students))
    watcher = asyncio.create_task(watch(students, most, runs))
    started = time.monotonic()
    result = {"kernels": count, "most": most, "cores": os.cpu_count()}
    result["threads"] = {k: v for k, v in environment.items() if re.match("G?OMP_", k)}
    try:
        try:
            await runs
        except asyncio.CancelledError:
            if most["stopped"]:
                return result
            raise
        result["all"] = time.monotonic() - started
        result["seconds"] = [s.done - s.began for s in students]
        result["cpu"] = [s.cpu() for s in students]
        print(f"{count} kernels: all have run after {result['all']:.0f} s", flush=True)
        await asyncio.sleep(3)
        watcher.cancel()
        result |= await after_the_lesson(students)
    finally:
        watcher.cancel()
        await asyncio.gather(*(s.end() for s in students), return_exceptions=True)
    return result


async def after_the_lesson(students: list[Student]) -> dict:
    """Memory; the processor time of kernels at rest; one move; a drag; from face to face."""
    result: dict = {"memory": [memory(s.process.pid) for s in students]}
    before = [s.cpu() for s in students]
    await asyncio.sleep(REST)
    spent = sum(s.cpu() - b for s, b in zip(students, before, strict=True))
    result["idle"] = spent / REST / len(students)
    first = await asyncio.gather(*(s.move({"z": code(9)}) for s in students))
    result["first"] = [1e3 * seconds for seconds in first]
    moves = int(DRAG * RATE)
    result["slider"] = await dragging(students, [{"z": code(i)} for i in range(moves)])
    faces = [{"image_index": i % 50} for i in range(1, moves + 1)]
    result["faces"] = await dragging(students, faces)
    return result


def kernels(count: int, download: bool) -> dict:
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    return asyncio.run(hub(count, environment))


PARTS = {f"hub-{count}": functools.partial(kernels, count) for count in (2, 8, 20)}


# Showing


def tables(found: dict[str, dict]) -> list[str]:
    """The tables of the runs that were made."""
    runs = [found[part] for part in PARTS if part in found]
    complete = [run for run in runs if "seconds" in run]
    blocks = ["## A class on a hub"]
    if runs:
        blocks.append(class_table(runs))
    if complete:
        blocks.append(kernel_table(complete))
    if "lab" in found and complete:
        server = max(turn["server own"] for turn in found["lab"]["turns"])
        blocks.append(students_table(complete[-1], complete[0], server))
    return blocks


def class_table(runs: list[dict]) -> str:
    lines = []
    for run in runs:
        cells = [run["kernels"]]
        if "seconds" in run:
            seconds = run["seconds"]
            cells += [f"{run['all']:.0f}", f"{median(seconds):.0f}", f"{max(seconds):.0f}"]
            cells += [f"{median(run['cpu']):.1f}"]
        else:
            cells += ["stopped: too little memory left", "", "", ""]
        most = run["most"]
        cells += [f"{most['pss'] / 1024:.2f}", f"{most['taken'] / 1024:.2f}"]
        lines.append([*cells, run["about"]["load"]])
    header = ["kernels", "all have run after, s", "a student's wait, s", "the longest, s"]
    header += ["CPU s per kernel", "GiB (PSS) at most", "GiB less available", "load before"]
    abouts = [run["about"] | run["threads"] for run in runs]
    top = heading(
        "### Lesson 6 in half of the kernels, lesson 7 in the others", "make bench-scaling", *abouts
    )
    return f"{top}\n{table(header, lines)}"


def kernel_table(runs: list[dict]) -> str:
    lines = []
    for run in runs:
        slider = run["slider"]
        faces = run["faces"]
        means = [mean(m[name] for m in run["memory"]) for name in ("own", "shared", "pss")]
        peak = mean(m["peak_rss"] for m in run["memory"])
        cells = [run["kernels"], *(f"{value:.0f}" for value in (*means, peak))]
        cells += [f"{100 * run['idle']:.2f}", f"{max(run['first']):.0f}"]
        cells += [f"{slider['p50']:.0f} / {slider['p95']:.0f}", f"{slider['cpu']:.1f}"]
        cells += [f"{faces['p50']:.0f} / {faces['p95']:.0f}", f"{faces['cpu']:.1f}"]
        lines.append(cells)
    header = ["kernels", "own MiB", "shared MiB", "PSS MiB", "peak RSS MiB"]
    header += ["at rest, % of a core", "first move, ms", "drag p50 / p95 ms", "CPU ms"]
    header += ["faces p50 / p95 ms", "CPU ms"]
    return f"### After the lesson\n\n{table(header, lines)}"


def students_table(run: dict, alone: dict, server: float) -> str:
    """What a class needs; `server` is the memory of one student's JupyterLab server, in MiB."""
    own = max(m["own"] for m in run["memory"])
    shared = max(m["shared"] for m in run["memory"])
    each = (own + server) / 1024
    room = NODE - SYSTEM - shared / 1024
    one_lesson = int(room / each)
    two_lessons = int(room / (each + own / 1024))
    cpu = median(run["cpu"])
    cpu_alone = median(alone["cpu"])
    lines = [
        ["MiB per student: a kernel after its lesson, at most", f"{own:.0f}"],
        ["MiB per student: a JupyterLab server", f"{server:.0f}"],
        ["MiB shared by all kernels of one node", f"{shared:.0f}"],
        ["GiB for the class", f"{STUDENTS * each + shared / 1024:.0f}"],
        [f"students on a node of {NODE} GiB, {SYSTEM} of them its own", one_lesson],
        ["nodes", math.ceil(STUDENTS / one_lesson)],
        ["students on a node, a second lesson left open by each", two_lessons],
        ["nodes then", math.ceil(STUDENTS / two_lessons)],
        [f"CPU s per student and lesson, {run['kernels']} kernels at once", f"{cpu:.1f}"],
        [f"cores, if all press Run All within {WITHIN} minutes", cores_needed(cpu)],
        [f"CPU s per student and lesson, {alone['kernels']} kernels", f"{cpu_alone:.1f}"],
        ["cores then", cores_needed(cpu_alone)],
        [
            f"cores, if all drag a slider at once ({RATE:.0f} messages per second)",
            f"{STUDENTS * RATE * run['slider']['cpu'] / 1e3:.1f}",
        ],
        ["cores, if all kernels rest", f"{STUDENTS * run['idle']:.2f}"],
    ]
    return f"### {STUDENTS} students\n\n{table(['what', 'how much'], lines)}"


def cores_needed(cpu: float) -> str:
    return f"{STUDENTS * cpu / (60 * WITHIN):.0f}"
