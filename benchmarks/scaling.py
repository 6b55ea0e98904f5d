"""How cost grows: training, a class on a hub, a learner's wait. `make bench-scaling` (PARTS=).

    python benchmarks/scaling.py [PART ...] [--download] [--page]

Each part keeps what it found in build/scaling/PART.json; out of all that are there
benchmarks/scaling.md is written. `--page` measures nothing and only writes it.
"""

import argparse
import json
import os
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import scaling_hub  # isort: skip
import scaling_page
import scaling_training
import scaling_wait

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "scaling"
PARTS = {**scaling_training.PARTS, **scaling_hub.PARTS, **scaling_wait.PARTS}
PACKAGES = ("torch", "jupyterlab", "ipykernel")


def processor() -> str:
    """The processor's name, where the system tells it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--download", action="store_true", help="MNIST, where it is not there yet")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in [] if arguments.page else arguments.parts or PARTS:
        print(f"--- {part}", flush=True)
        about = {"date": str(date.today()), "processor": processor(), "cores": os.cpu_count()}
        about |= {"load": os.getloadavg()[0], **{name: version(name) for name in PACKAGES}}
        started = time.monotonic()
        found = PARTS[part](arguments.download)
        about["took"] = time.monotonic() - started
        (KEPT / f"{part}.json").write_text(json.dumps({"about": about, **found}, indent=1))
    kept = {part: KEPT / f"{part}.json" for part in PARTS}
    found = {part: json.loads(path.read_text()) for part, path in kept.items() if path.exists()}
    text = scaling_page.page(found)
    (HERE / "scaling.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
