"""The second half of benchmarks/scaling.md: a class on a hub, and a learner's wait."""

from collections import Counter
from collections.abc import Callable
from statistics import median
from textwrap import shorten

from scaling_hub import RATE, REST
from scaling_text import load, table, text
from scaling_wait import FRESH, SHOWN, TURNS, kind

STUDENTS, NODE, SYSTEM, LESSON = 300, 64, 4, 15  # GiB of a node, GiB for itself; minutes
HUBS = ("hub-1", "hub-4", "hub-8", "hub-20")
Found = dict


def blocks(found: dict[str, Found], absent: Callable[[str], str]) -> list[str]:
    hubs = {part: found[part] for part in HUBS if part in found}
    whole = {part: run for part, run in hubs.items() if "seconds" in run}
    result = ["## A class on a hub", *([class_table(hubs)] if hubs else [])]
    if whole:
        result += [class_words(whole), kernel_table(whole)]
    result += [absent(part) for part in HUBS if part not in found]
    if "hub-20" in whole and "lab" in found:
        result += arithmetic(whole["hub-20"], whole.get("hub-1"), found["lab"])
    result.append("## A learner's wait")
    for part, write in WAIT.items():
        result += write(found[part]) if part in found else [absent(part)]
    return result


def class_table(hubs: dict[str, Found]) -> str:
    lines = []
    for run in hubs.values():
        cells = [run["kernels"]]
        if "seconds" in run:
            s, cpu = run["seconds"], run["cpu"]
            cells += [f"{run['all']:.0f}", f"{median(s):.0f}", f"{max(s):.0f}"]
            cells += [f"{median(cpu):.1f}"]
        else:
            cells += ["stopped: too little memory left", "", "", ""]
        most = run["most"]
        cells += [f"{most['pss'] / 1024:.2f}", f"{most['taken'] / 1024:.2f}"]
        lines.append([*cells, f"{run['about']['load']:.1f}"])
    heads = "kernels | all have run after, s | a student's wait, s | the longest, s"
    heads += " | CPU s a kernel | GiB (PSS) at most | GiB less available | load before"
    return table(heads, lines)


def class_words(hubs: dict[str, Found]) -> str:
    said = [
        "Each kernel runs lesson 7 from top to bottom, two trainings in it, on these cores; a",
        "student's wait is from asking for a kernel to the last cell. The threads are set as `make",
        "lab` and `vaelib` set them",
    ]
    settings = next((run["threads"] for run in hubs.values() if run["threads"]), {})
    said.append(f"({', '.join(f'`{k}={v}`' for k, v in settings.items())}).")
    if {"hub-1", "hub-20"} <= hubs.keys():
        one, many = hubs["hub-1"], hubs["hub-20"]
        cores = many["about"]["cores"]
        perfect = many["kernels"] * one["cpu"][0] / cores
        said += [
            f"{many['kernels']} at once would take {perfect:.0f} s on {cores} cores if each cost",
            f"what one alone does ({one['cpu'][0]:.1f} CPU seconds): they took {many['all']:.0f}",
            f"s, {many['all'] / perfect:.2f} times that.",
        ]
    return text(*said)


def kernel_table(hubs: dict[str, Found]) -> str:
    def mean(run: Found, name: str) -> str:
        return f"{sum(m[name] for m in run['memory']) / len(run['memory']):.0f}"

    lines = []
    for run in (run for run in hubs.values() if "memory" in run):
        slider, faces = run["slider"], run["faces"]
        lines.append(
            [
                run["kernels"],
                *(mean(run, name) for name in ("own", "shared", "pss", "peak_rss")),
                *(f"{100 * run['idle']:.2f}", f"{max(run['first']):.0f}"),
                *(f"{slider['p50']:.0f} / {slider['p95']:.0f}", f"{slider['cpu']:.1f}"),
                *(f"{faces['p50']:.0f} / {faces['p95']:.0f}", f"{faces['cpu']:.1f}"),
            ]
        )
    heads = "kernels | own MiB | shared MiB | PSS MiB | peak RSS MiB"
    heads += " | at rest, % of a core | first move, ms | drag p50 / p95 ms | CPU ms"
    heads += " | faces p50 / p95 ms | CPU ms"
    words = text(
        "After the lesson, means over the kernels: memory; what a kernel takes of a core in",
        f"{REST:.0f} s at rest; then one slider move in all kernels at the same moment (the",
        f"slowest answer); then all students drag a slider at once, {RATE:.0f} messages a second",
        "each as the page sends them, and then all go from one face to the next as fast, which",
        "runs the encoder: from message to the kernel at rest again, and what a message costs it.",
        "The picture waits for none of these: the page decodes by itself.",
    )
    return f"{words}\n\n{table(heads, lines)}"


def arithmetic(run: Found, alone: Found | None, lab: Found) -> list[str]:
    own = max(m["own"] for m in run["memory"])
    shared = max(m["shared"] for m in run["memory"])
    server = max(turn["server own"] for turn in lab["turns"])
    each = (own + server) / 1024
    total = STUDENTS * each + shared / 1024
    room = int((NODE - SYSTEM - shared / 1024) / each)
    cpu, lone = median(run["cpu"]), median((alone or run)["cpu"])
    core_seconds = STUDENTS * cpu
    drag = STUDENTS * RATE * run["slider"]["cpu"] / 1e3
    idle = STUDENTS * run["idle"]
    cores = core_seconds / (60 * LESSON)
    two = int((NODE - SYSTEM - shared / 1024) / (each + own / 1024))
    lines = [
        text(
            f"- **Memory.** A student has a kernel with {own:.0f} MiB of its own after lesson 7",
            f"and a server with {server:.0f}; {shared:.0f} MiB of libraries are shared by all",
            f"kernels of a node, if its containers have one image. {STUDENTS} × ({own:.0f} +",
            f"{server:.0f}) MiB + {shared:.0f} MiB = {total:.0f} GiB. A node of {NODE} GiB,",
            f"{SYSTEM} of them for itself, holds ({NODE} − {SYSTEM} − {shared / 1024:.1f}) /",
            f"{each:.2f} = {room} students, so {STUDENTS} need {-(-STUDENTS // room)} nodes; with",
            f"a second lesson left open by each, {two} students a node and {-(-STUDENTS // two)}",
            f"nodes. A limit of 1 GiB a student leaves {1024 - own - server:.0f} MiB for what they",
            "do themselves.",
        ),
        text(
            f"- **Cores, lesson 7 from top to bottom.** {STUDENTS} × {cpu:.1f} CPU s =",
            f"{core_seconds:,.0f} core seconds, as much as a kernel needed with",
            f"{run['kernels'] // run['about']['cores']} to a core. If all press Run All within",
            f"{LESSON} minutes, {core_seconds:,.0f} / {60 * LESSON} = {cores:.0f} cores keep up;",
            f"on 32 cores all have run after {core_seconds:,.0f} / 32 = {core_seconds / 32:.0f} s,",
            f"however they come. Where a kernel has a core to itself it needs {lone:.1f} CPU s,",
            f"and {STUDENTS * lone / (60 * LESSON):.0f} cores do.",
        ),
        text(
            "- **Cores, sliders.** The page draws; the kernel only hears of it.",
            f"{STUDENTS} students who all drag at once: {STUDENTS} × {RATE:.0f}/s ×",
            f"{run['slider']['cpu']:.1f} ms = {drag:.1f} cores; at rest {STUDENTS} ×",
            f"{100 * run['idle']:.2f} % = {idle:.2f} of a core. (The server that passes the",
            "messages on is not in this.)",
        ),
    ]
    return [
        f"### What that means for {STUDENTS} students",
        "\n".join(line.replace("\n", "\n  ") for line in lines),
    ]


def lab_wait(part: Found) -> list[str]:
    steps = ("address", "stored picture", "kernel", "live picture")
    names = ("the address is printed", "the first picture, as stored in lesson 0")
    names += ("the kernel is ready", "the live explorer, Run All Cells pressed at once")
    seen = {step: [turn[step] for turn in part["turns"]] for step in steps}
    lines = [
        [name, f"{median(seen[step]):.1f} ({min(seen[step]):.1f} to {max(seen[step]):.1f})"]
        for name, step in zip(names, steps, strict=True)
    ]
    run = median(turn["run to live picture"] for turn in part["turns"])
    return [
        text(
            f"From `make lab`, set up before, in headless Chromium {part['browser']} that runs",
            f"already; medians (least to most) of {TURNS} turns, files in the system's cache.",
        ),
        table("seconds after `make lab` until | s", lines),
        text(
            load(part),
            f"The live explorer comes {run:.1f} s after Run All Cells was pressed: the imports,",
            "see next, and then the faces, the model and the explorer's own script.",
        ),
    ]


def imports(part: Found) -> list[str]:
    s = {name: median(values) for name, values in part["seconds"].items()}
    lessons = {name: value for name, value in s.items() if name.isdigit()}
    bare = part["packages"]["torch"]
    lines = []
    for name in SHOWN:
        more = {k: v - bare.get(k, 0) for k, v in part["packages"][name].items()}
        top = Counter(more).most_common(6)
        lines.append([f"lesson {int(name)}", ", ".join(f"{k} {v:.0f}" for k, v in top)])
    rows = [["import torch", f"{s['torch']:.2f}", ""]]
    rows += [["import vaelib", f"{s['vaelib alone']:.2f}", ""]]
    rows += [
        [f"lesson {int(name)}'s first cell", f"{value:.2f}", f"{value - s['torch']:.2f}"]
        for name, value in lessons.items()
    ]
    rows.append(
        ["lesson 0's first two: the explorer is there", f"{s['explorer']:.2f}"]
        + [f"{s['explorer'] - s['torch']:.2f}"]
    )
    loaded = ", ".join(f"`{name}`" for name in sorted(part["loaded"])) or "none of them"
    return [
        "### Imports",
        text(
            "A fresh Python that runs one line or a lesson's first cell and ends, medians of",
            f"{FRESH} in turn; Python itself takes {s['python']:.2f} s of each.",
        ),
        table("what | s | beyond torch's", rows),
        text("Whose modules these are beyond torch's, ms of each package's own (`-X importtime`):"),
        table("first cell of | ms", lines),
        text(
            load(part),
            "What is dear and not needed for a picture: SciPy's quadrature, special functions and",
            f"statistics, {s['scipy'] - s['torch']:.2f} s, and SymPy, which the first call of",
            f"`torch.broadcast_shapes` brings, {s['sympy'] - s['torch']:.2f} s. Of these lesson 0",
            f"had loaded, when its explorer was there: {loaded}.",
        ),
    ]


def lessons(part: Found) -> list[str]:
    runs = {name: run for name, run in part.items() if name != "about"}
    kinds, lines, slow = ("imports", "training", "pictures", "checks", "the rest"), [], []
    sums: Counter[str] = Counter()
    for name, run in runs.items():
        of: Counter[str] = Counter()
        for i, (seconds, source) in enumerate(run["cells"]):
            of[kind(source, i)] += seconds
            slow.append((seconds, int(name[:2]), source))
        of["kernel"] = run["whole"] - sum(of.values())
        sums.update(of)
        most = max(seconds for seconds, _ in run["cells"])
        of_kinds = [f"{of[k]:.1f}" for k in ("kernel", *kinds)]
        lines.append([int(name[:2]), f"{run['whole']:.1f}", *of_kinds, f"{most:.1f}"])
    total = sum(run["whole"] for run in runs.values())
    lines.append(["all", f"{total:.1f}", *(f"{sums[k]:.1f}" for k in ("kernel", *kinds)), ""])
    largest = sorted(slow, reverse=True)[:6]
    return [
        "### Each lesson",
        text("From top to bottom with its exercises unsolved, one after the other; seconds."),
        table(
            "lesson | whole | kernel's start and end | " + " | ".join(kinds) + " | slowest cell",
            lines,
        ),
        text(
            load(part),
            f"Of {total:.0f} s in all, {sums['training'] / total:.0%} are training,",
            f"{sums['imports'] / total:.0%} imports, {sums['kernel'] / total:.0%} kernels that",
            "start and end. The slowest cells:",
        ),
        table(
            "s | lesson | cell",
            [[f"{s:.1f}", number, f"`{code(source)}`"] for s, number, source in largest],
        ),
    ]


def code(source: str) -> str:
    """A cell in one short line, from where it trains if it does."""
    start = max(0, source.find("fit"))
    start = source.rfind("\n", 0, start) + 1
    return shorten(" ".join(source[start:].split()), 80, placeholder=" …").replace("|", "\\|")


WAIT = {"lab": lab_wait, "imports": imports, "lessons": lessons}
