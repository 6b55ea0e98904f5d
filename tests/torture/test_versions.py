"""Other versions of the packages, and each Python that can be had.

A fresh environment each, from the package index; it is left out where there is none.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ("3.11", "3.12", "3.13", "3.14")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOM = 8  # GB: the default build of torch on Linux is a CUDA build


def find_python(minor: str) -> str | None:
    """On the PATH, or among those of pyenv."""
    if minor == HERE:
        return sys._base_executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    known = sorted(str(path) for path in pyenv.glob(f"{minor}.*/bin/python{minor}"))
    found = [shutil.which(f"python{minor}"), *known]
    runs = (p for p in found if p and subprocess.call([p, "-c", ""], stderr=-3) == 0)
    return next(runs, None)


CASES = [("lowest", HERE), ("newest", HERE), *(("locked", m) for m in OTHERS if m != HERE)]


@pytest.mark.parametrize(("versions", "minor"), CASES)
def test_lessons_and_mathematics(versions, minor, record_property):
    python = find_python(minor)
    if python is None:
        record_property("worst", f"no Python {minor} here")
        pytest.skip(f"no Python {minor} here")
    if shutil.disk_usage(ROOT).free < ROOM * 2**30:
        pytest.skip(f"needs {ROOM} GB")
    command = [sys.executable, "tools/versions.py", versions, "--python", python]
    command += ["--lessons", "--remove"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "Could not find a version" in run.stderr or "Failed to establish" in run.stderr:
        pytest.skip("no package index can be reached")
    counts = re.findall(r"(\d+) (failed|passed)", run.stdout)
    record_property("cases", sum(int(n) for n, _ in counts))
    record_property("held", sum(int(n) for n, word in counts if word == "passed"))
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
