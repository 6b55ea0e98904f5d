"""Renews requirements.lock: `make lock`, or `make lock TORCH=2.14.0 WHEELS=folder`.

Resolves for every Python and platform the project admits, so that one file serves Linux, macOS and
Windows. Without TORCH= torch stays where it is. The hashes are those of all files of a release on
the package index, for torch also those of the wheels in the folder WHEELS: builds from elsewhere. A
torch that stays keeps them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
WORK = ROOT / "build" / "lock"
CUDA = ("cuda-", "nvidia-", "triton")  # what only the CUDA build of torch needs
HEADER = """\
# The exact versions of a class, used as constraints: pip install -c requirements.lock …
# Made by 'make lock' from pyproject.toml; not edited by hand.
# Hashes are comments, since pip admits neither '-e .' nor a bare name beside a constraint that has
# one. tools/hashed.py prints requirements with hashes, which 'make setup' installs.
"""
SECTIONS = {
    "lab": "what vaelib and the lessons need",
    "cuda": "what the CUDA build of torch needs on Linux",
    "test": "what `make test` needs besides, and what an editable installation is built with",
    "nbgrader": "what nbgrader needs besides",
}
Lines = dict[str, list[str]]  # the line of a release, and of its hashes, by the name


def compiled(uv: Path, *arguments: str) -> Lines:
    """What uv resolves."""
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--no-header", "--no-annotate"]
    command += ["--fork-strategy", "fewest", *arguments]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return releases(text.replace(" \\\n", "\n"))


def releases(text: str) -> Lines:
    """The releases in a lock, whose hashes may be comments."""
    found: Lines = {}
    for line in text.splitlines():
        if match := re.match(r"[a-z0-9][a-z0-9.-]*(?===)", line):
            release = found.setdefault(match[0], [])
            release.append(line)
        elif match := re.match(r"\s+(?:# )?(--hash=\S+)", line):
            release.append(f"    # {match[1]}")
    return found


def other_builds(old: Lines, torch: str, folder: str) -> set[str]:
    """Hashes of builds of this torch that are not on the package index."""
    kept = old["torch"][1:] if old.get("torch", [""])[0] == f"torch=={torch}" else []
    wheels = Path(folder).glob(f"torch-{torch}*.whl") if folder else []
    sums = (hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels)
    return {*kept, *(f"    # --hash=sha256:{one}" for one in sums)}


def text_of(everything: Lines, lab: Lines, test: Lines) -> str:
    """The lock, a section for each of SECTIONS."""

    def section(name: str) -> str:
        if name.startswith(CUDA):
            return "cuda"
        return "lab" if name in lab else "test" if name in test else "nbgrader"

    text = HEADER
    for title, what in SECTIONS.items():
        text += f"\n# [{title}] {what}\n"
        for name in sorted(everything):
            if section(name) == title:
                text += "\n".join(everything[name]) + "\n"
    return text


def main() -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    venv.create(WORK / "venv", with_pip=True)
    pip = [str(WORK / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", "uv"], check=True)
    uv = WORK / "venv" / "bin" / "uv"

    old = releases(LOCK.read_text(encoding="utf-8"))
    torch = os.environ.get("TORCH") or old["torch"][0].removeprefix("torch==")
    fixed = WORK / "torch.txt"
    fixed.write_text(f"torch=={torch}\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = WORK / "build.in"
    build.write_text("\n".join([*project["build-system"]["requires"], "editables"]) + "\n")

    ours = ["pyproject.toml", str(build), "--all-extras", "--generate-hashes", "--upgrade"]
    everything = compiled(uv, *ours, "--constraint", str(fixed))
    builds = other_builds(old, torch, os.environ.get("WHEELS", ""))
    everything["torch"][1:] = sorted({*everything["torch"][1:], *builds})
    fixed.write_text("".join(f"{release[0]}\n" for release in everything.values()))
    again = ["pyproject.toml", "--constraint", str(fixed), "--extra", "lab"]
    lab = compiled(uv, *again)
    test = compiled(uv, *again, str(build), "--extra", "test")
    LOCK.write_text(text_of(everything, lab, test), encoding="utf-8")
    shutil.rmtree(WORK)
    print(f"requirements.lock is renewed: {len(everything)} versions. Now type: make test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
