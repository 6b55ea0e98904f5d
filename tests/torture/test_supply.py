"""What is installed comes as wheels, for each system and Python; known vulnerabilities.

Asks the package index, and is left out where there is none.
"""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "windows", "aarch64-apple-darwin")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="session")
def tool(tmp_path_factory):
    """Programs that the project itself does not need: uv, pip-audit."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "uv", "pip-audit"]
    if subprocess.run(install, capture_output=True).returncode != 0:
        pytest.skip("no package index can be reached")
    return lambda name: str(folder / "bin" / name)


@pytest.mark.parametrize(("system", "python"), [*product(SYSTEMS, PYTHONS)])
def test_nothing_is_compiled(tool, system, python):
    """The versions of the lock, of which no package may be without a wheel."""
    command = [tool("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--all-extras", "--constraint", "requirements.lock", "--only-binary", ":all:"]
    command += ["--python-platform", system, "--python-version", python, "pyproject.toml"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"},  # as the README says
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lock = (ROOT / "requirements.lock").read_text()
    for line in done.stdout.split():
        assert f"\n{line}" in lock, f"{line} is not the lock's"


def test_no_known_vulnerability(tool, tmp_path, record_property):
    listed = tmp_path / "listed.txt"
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    releases = [line.split(" ;")[0] for line in lines if "==" in line and line[0] not in "# "]
    listed.write_text("\n".join(releases) + "\n")
    command = [tool("pip-audit"), "--requirement", listed, "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    found = json.loads(done.stdout)["dependencies"] if done.stdout else []
    looked_up = [one for one in found if "skip_reason" not in one]
    if not looked_up:
        record_property("worst", "no database of vulnerabilities can be reached here")
        pytest.skip("no database of vulnerabilities can be reached")
    record_property("cases", len(looked_up))
    assert not [(one["name"], one["vulns"]) for one in looked_up if one["vulns"]]
