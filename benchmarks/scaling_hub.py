"""A class on a hub: what a kernel with lesson 7 takes of memory and processor, one and many.

A part of scaling.py. Real kernels, all started at once, each with lesson 7 executed in it as
JupyterLab would. Afterwards they rest for a while, and then every student drags a slider of the
explorer at once, and every student goes from face to face. Linux only: memory is read from
/proc/PID/smaps_rollup. When less than 3 GiB are left the run stops itself.
"""

import asyncio
import os
import re
import time
from pathlib import Path
from statistics import median, quantiles

import nbformat
import psutil
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import vaelib  # noqa: F401  (its threads' setting goes to the kernels, as `make lab` gives it)

HOME = Path(__file__).resolve().parents[1]
LESSON = "07_latent_traversals"
LEFT = 3.0  # GiB
REST, DRAG, RATE = 30.0, 5.0, 10.0  # seconds at rest, seconds of dragging, messages a second


def memory(pid: int) -> dict[str, float]:
    """MiB of a process: its share of all, its own alone, what it shares, and all that it maps."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"(\w+): +(\d+) kB", text)}
    own = kib["Private_Clean"] + kib["Private_Dirty"]
    found = {"pss": kib["Pss"], "own": own, "shared": kib["Rss"] - own, "rss": kib["Rss"]}
    status = Path(f"/proc/{pid}/status").read_text()
    found["peak_rss"] = int(status.partition("VmHWM:")[2].split()[0])
    return {name: value / 1024 for name, value in found.items()}


def left() -> float:
    return psutil.virtual_memory().available / 2**30


class Student:
    """A kernel, and the lesson that runs in it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.km = AsyncKernelManager(kernel_name="python3")
        self.environment = environment
        self.process: psutil.Process | None = None
        self.began = self.done = 0.0

    async def run(self) -> None:
        """Start a kernel and run all cells of the lesson."""
        self.began = time.monotonic()
        options = {"env": self.environment, "cwd": str(HOME / "notebooks")}
        options["extra_arguments"] = ["--HistoryManager.hist_file=:memory:"]
        await self.km.start_kernel(**options)
        self.process = psutil.Process(self.km.provisioner.pid)
        notebook = nbformat.read(HOME / "notebooks" / f"{LESSON}.ipynb", as_version=4)
        self.client = NotebookClient(notebook, km=self.km, timeout=900, startup_timeout=600)
        await self.client.async_execute(cleanup_kc=False)
        self.done = time.monotonic()

    def cpu(self) -> float:
        assert self.process is not None
        times = self.process.cpu_times()
        return times.user + times.system

    async def move(self, state: dict) -> float:
        """Seconds from what the page sends when a slider moves until the kernel rests again."""
        models = self.client.widget_state.items()
        comm = next(name for name, traits in models if "image_index" in traits)
        data = {"method": "update", "state": state, "buffer_paths": []}
        kc = self.client.kc
        message = kc.session.msg("comm_msg", {"comm_id": comm, "data": data})
        started = time.perf_counter()
        kc.shell_channel.send(message)
        while True:
            told = await kc.get_iopub_msg(timeout=120)
            own = told["parent_header"].get("msg_id") == message["header"]["msg_id"]
            if own and told["content"].get("execution_state") == "idle":
                return time.perf_counter() - started

    async def drag(self, states) -> list[float]:
        """One message after another, as often as the page sends them."""
        waits, start = [], time.monotonic()
        for i, state in enumerate(states):
            await asyncio.sleep(max(0.0, start + i / RATE - time.monotonic()))
            waits.append(await self.move(state))
        return waits

    async def leave(self) -> None:
        if self.km.has_kernel:
            if getattr(self, "client", None) and self.client.kc:
                self.client.kc.stop_channels()
            await self.km.shutdown_kernel(now=True)


async def watch(students: list[Student], most: dict, everyone: asyncio.Task) -> None:
    """Note the most memory that all take together, and stop them before the machine is short."""
    start = left()
    while True:
        alive = [s.process.pid for s in students if s.process]
        try:
            most["pss"] = max(most["pss"], sum(memory(pid)["pss"] for pid in alive))
        except OSError:
            pass  # one is going
        most["taken"] = max(most["taken"], 1024 * (start - left()))
        if left() < LEFT:
            most["stopped"] = True
            everyone.cancel()
        await asyncio.sleep(2)


def z(i: int) -> list[float]:
    return [0.05 * (i % 40), 0.0, -0.3, 0.1]


async def dragging(students: list[Student], states) -> dict:
    """All at once: the waits, and what each message costs the kernel."""
    before, started = [s.cpu() for s in students], time.monotonic()
    waits = [w for ws in await asyncio.gather(*(s.drag(states) for s in students)) for w in ws]
    seconds = time.monotonic() - started
    cpu = sum(s.cpu() - b for s, b in zip(students, before, strict=True))
    late = quantiles(waits, n=20)[-1]
    found = {"p50": 1e3 * median(waits), "p95": 1e3 * late, "messages": len(waits)}
    return found | {"cpu": 1e3 * cpu / len(waits), "rate": len(waits) / seconds}


async def hub(count: int, environment: dict[str, str]) -> dict:
    students = [Student(environment) for _ in range(count)]
    most = {"pss": 0.0, "taken": 0.0, "stopped": False}
    runs = asyncio.gather(*(s.run() for s in students))
    watcher = asyncio.create_task(watch(students, most, runs))
    started = time.monotonic()
    result = {"kernels": count, "most": most, "left_before": left()}
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
        result["memory"] = [memory(s.process.pid) for s in students]
        before = [s.cpu() for s in students]
        await asyncio.sleep(REST)
        spent = sum(s.cpu() - b for s, b in zip(students, before, strict=True))
        result["idle"] = spent / REST / count
        result["first"] = [
            1e3 * w for w in await asyncio.gather(*(s.move({"z": z(9)}) for s in students))
        ]
        moves = int(DRAG * RATE)
        result["slider"] = await dragging(students, [{"z": z(i)} for i in range(moves)])
        chosen = [{"image_index": i % 50} for i in range(1, moves + 1)]
        result["faces"] = await dragging(students, chosen)
    finally:
        watcher.cancel()
        await asyncio.gather(*(s.leave() for s in students), return_exceptions=True)
    return result


def kernels(count: int) -> dict:
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    return asyncio.run(hub(count, environment))


PARTS = {
    "hub-1": lambda download: kernels(1),
    "hub-4": lambda download: kernels(4),
    "hub-8": lambda download: kernels(8),
    "hub-20": lambda download: kernels(20),
}
