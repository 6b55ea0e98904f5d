"""What the benchmarks share: Markdown tables, and a line that says when and where one was made."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median

Circumstances = dict[str, str]


def processor() -> str:
    """The processor's name, where the system gives it, and the number of cores."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def circumstances(*packages: str, **more: str) -> Circumstances:
    """When and where a measurement was made: date, machine, load average, versions."""
    facts = {
        "date": str(date.today()),
        "machine": processor(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    return facts | {name: version(name) for name in packages} | more


def heading(title: str, command: str, *runs: Circumstances) -> str:
    """The title, the command that makes what follows, and the circumstances of one or more runs."""
    facts = []
    for name in dict.fromkeys(chain(*runs)):
        values = dict.fromkeys(run[name] for run in runs if name in run)
        label = "" if name in ("date", "machine") else f"{name} "
        facts.append(label + " and ".join(values))
    return f"{title}\n\n`{command}`: {', '.join(facts)}.\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(line(cells) for cells in lines) + "\n"


def line(cells: Iterable[object]) -> str:
    """One line of a Markdown table, for a table that is printed row by row."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """A rounded number with a proper minus sign; `sign="+"` shows a plus as well."""
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def with_error(value: float, error: float, sign: str = "") -> str:
    """A mean and its standard error."""
    return f"{number(value, sign=sign)} ± {number(error)}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median and, of several values, the least and the most."""
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"
