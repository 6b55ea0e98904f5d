"""The lessons print the same numbers with other instructions and other numbers of threads."""

import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SETTINGS = [*product(("", "default"), ("1", "2"))]


@pytest.mark.parametrize(("capability", "threads"), SETTINGS)
def test_strict_nbval(capability, threads, record_property):
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    if capability:
        environment["ATEN_CPU_CAPABILITY"] = capability
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "-n", "2"]
    command += ["--dist", "loadscope", "-p", "no:cacheprovider"]
    command += ["--nbval-sanitize-with", "notebooks/nbval.cfg", *map(str, NOTEBOOKS)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    last = run.stdout.strip().splitlines()[-1]  # such as "2 failed, 352 passed in 61.20s"
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (failed|passed)", last)}
    record_property("cases", sum(counts.values()))
    record_property("held", counts.get("passed", 0))
    assert run.returncode == 0, run.stdout[-5000:]
