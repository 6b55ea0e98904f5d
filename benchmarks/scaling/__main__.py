"""How cost grows: training, a class on a hub, a learner's wait. `make bench-scaling` (PARTS=).

    python -m benchmarks.scaling [PART ...] [--download] [--page]

Each part saves what it found in build/scaling/PART.json, and benchmarks/scaling.md is written from
all the parts that are there. `--page` measures nothing and only writes it.
"""

import argparse
import json
import time
from pathlib import Path

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

from benchmarks.scaling import hub, training, wait  # isort: skip
from benchmarks.tables import circumstances

BENCHMARKS = Path(__file__).resolve().parents[1]
RESULTS = BENCHMARKS.parent / "build" / "scaling"
PARTS = training.PARTS | hub.PARTS | wait.PARTS
TOP = """# How cost grows

Written by `make bench-scaling`. What the columns mean: [README.md](README.md#how-cost-grows)."""


def measure(part: str, download: bool) -> None:
    """Measure one part and save it, with its circumstances."""
    print(f"--- {part}", flush=True)
    about = circumstances("torch", "jupyterlab", "ipykernel")
    started = time.monotonic()
    found = PARTS[part](download)
    about["seconds in all"] = f"{time.monotonic() - started:.0f}"
    (RESULTS / f"{part}.json").write_text(json.dumps({"about": about, **found}, indent=1))


def page(found: dict[str, dict]) -> str:
    """All tables of the parts that were measured, and the names of the others."""
    blocks = [TOP, *training.tables(found), *hub.tables(found), *wait.tables(found)]
    if missing := [part for part in PARTS if part not in found]:
        blocks.append(f"Not measured yet: {', '.join(missing)}.")
    return "\n\n".join(block.strip() for block in blocks if block) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--download", action="store_true", help="MNIST, if it is not there yet")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for part in [] if arguments.page else arguments.parts or PARTS:
        measure(part, arguments.download)
    files = {part: RESULTS / f"{part}.json" for part in PARTS}
    found = {part: json.loads(file.read_text()) for part, file in files.items() if file.exists()}
    text = page(found)
    (BENCHMARKS / "scaling.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
