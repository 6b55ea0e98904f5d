"""The files in binder/, from which Binder builds its image: what they name is there."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCRIPTS = ("postBuild", "start")
posix = pytest.mark.skipif(os.name != "posix", reason="scripts of a Linux image")


def requirements() -> list[str]:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_requirements_are_the_projects_own():
    """Torch's CPU-only build under the lock, and the package with what the notebooks need."""
    options = dict(line.split(maxsplit=1) for line in requirements() if line.startswith("-"))
    assert [line for line in requirements() if not line.startswith("-")] == ["torch"]
    assert options["--extra-index-url"] in (ROOT / "README.md").read_text()
    lock = BINDER / options["--constraint"]
    assert re.search(r"^torch==", lock.read_text(), re.MULTILINE)
    folder, extra = re.fullmatch(r"(.+)\[(\w+)\]", options["-e"]).groups()
    assert (ROOT / folder / "pyproject.toml").is_file()  # pip runs in the project's folder
    assert extra in PROJECT["optional-dependencies"]


def test_the_python_is_one_that_the_project_takes():
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert version in SpecifierSet(PROJECT["requires-python"])


@posix
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_can_be_run(name):
    assert os.access(BINDER / name, os.X_OK)
    subprocess.run(["sh", "-n", BINDER / name], check=True)


@posix
def test_start_sets_the_threads_and_runs_what_it_is_given():
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[1])"
    command = [BINDER / "start", sys.executable, "-c", code, "two words"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "1 two words\n"
