"""Tests with other versions of the packages, or with another Python: `make test-lowest`, and so on.

    python tools/versions.py lowest|locked|newest [--python python3.13] [--lessons] [--remove]

A fresh environment in build/versions, as a student would make it. lowest: what pyproject.toml
admits at least; locked: the versions of the class; newest: the newest releases, but the class's
torch. Then `doctor` and the unit tests; or, with --lessons, some of them and each lesson in strict
nbval, with this processor's instructions on two threads and with plain ones on one. Needs the
network.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"}
TESTS = ["-q", "-n", "2", "-p", "no:cacheprovider"]
UNIT = ["-m", "not network", "--doctest-modules", "--ignore=tests/browser", "tests", "vaelib"]
SOME = [f"tests/test_{name}.py" for name in "divergences bounds exact models training data".split()]
LESSONS = ["--nbval", "--nbval-current-env", "--dist", "loadscope"]
LESSONS += ["--nbval-sanitize-with", "notebooks/nbval.cfg"]


def lowest(project: dict) -> list[str]:
    """The lower bounds of a project's dependencies, extras included, as constraints."""
    extras = project["optional-dependencies"].values()
    lines = project["dependencies"] + [line for extra in extras for line in extra]
    return [line.replace(">=", "==") for line in lines]


def constraints(versions: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    if versions == "lowest":
        return lowest(project)
    return locked if versions == "locked" else [n for n in locked if n.startswith("torch==")]


def environment(**settings: str) -> dict[str, str]:
    """The caller's, in which no other project's packages are found."""
    ours = ("PYTHONPATH", "PYTHONHOME", "MPLBACKEND", "VAELIB_TORTURE")
    return {k: v for k, v in os.environ.items() if k not in ours} | settings


def set_up(folder: Path, python: str, lines: list[str]) -> str:
    """Makes the environment; its Python."""
    print(f"Setting up {folder} with {python}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True)
    wanted = folder / "constraints.txt"
    wanted.write_text("\n".join(lines) + "\n")
    inside = str(folder / "bin" / "python")
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--constraint", str(wanted), "--editable", f"{ROOT}[lab,test]"]
    subprocess.run(install, check=True, cwd=ROOT, env=environment())
    return inside


def checks(python: str, lessons: bool) -> int:
    """How many of doctor, unit tests and lessons fail; each says its own result."""
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("[0-9]*.ipynb")))
    test = [python, "-m", "pytest", *TESTS]
    tries: list[tuple[list[str], dict[str, str]]] = [([python, "-m", "vaelib", "doctor"], {})]
    tries += [([*test, *(SOME if lessons else UNIT)], {})]
    if lessons:
        tries += [([*test, *LESSONS, *notebooks], other) for other in ({}, PLAIN)]
    codes = []
    for command, settings in tries:
        print(*(f"{k}={v}" for k, v in settings.items()), *command[1:], flush=True)
        codes.append(subprocess.call(command, cwd=ROOT, env=environment(**settings)))
    print(f"{len(codes) - codes.count(0)} of {len(codes)} failed", flush=True)
    return len(codes) - codes.count(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", choices=("lowest", "locked", "newest"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--lessons", action="store_true", help="see above")
    parser.add_argument("--remove", action="store_true", help="the environment, afterwards")
    options = parser.parse_args()
    folder = ROOT / "build" / "versions" / f"{options.versions}-{Path(options.python).name}"
    try:
        python = set_up(folder, options.python, constraints(options.versions))
        return int(checks(python, options.lessons) > 0)
    finally:
        if options.remove:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
