"""The unit tests with the lowest versions that pyproject.toml admits: `make test-lowest`.

A fresh environment in build/lowest, with every `name>=version` taken as `name==version`. It needs
the network, and is run when a lower bound is changed.
"""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lowest(project: dict) -> list[str]:
    """The lower bounds of a project's dependencies, extras included, as constraints."""
    extras = project["optional-dependencies"].values()
    lines = project["dependencies"] + [line for extra in extras for line in extra]
    return [line.replace(">=", "==") for line in lines]


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folder = ROOT / "build" / "lowest"
    print(f"Setting up {folder} with the lowest versions", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest(project)) + "\n")
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--constraint", str(constraints), "--editable", f"{ROOT}[lab,test]"]
    subprocess.run(install, check=True, cwd=ROOT)
    test = [python, "-m", "pytest", "-q", "-n", "2", "-m", "not network", "--doctest-modules"]
    test += ["--ignore=tests/browser", "-p", "no:cacheprovider", "tests", "vaelib"]
    return subprocess.run(test, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
