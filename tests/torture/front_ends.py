"""The front ends that a student may have, each in an environment of its own.

Such an environment has its own JupyterLab or Notebook and widgets; everything else, PyTorch above
all, it takes from the environment that runs the tests. `vaelib` is installed into it as a student's
`pip install` does it, with the settings for JupyterLab that come along.
"""

import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
LOWEST = [line.replace(">=", "==") for line in EXTRAS["lab"] if "ipykernel" not in line]
# The program, and all that its page consists of. jupyterlab_widgets is ipywidgets' part of it.
WIDGETS = ["ipywidgets", "jupyterlab_widgets", "anywidget"]
FRONT_ENDS = {
    "JupyterLab 4.0": ("jupyterlab", ["jupyterlab==4.0.13", "jupyterlab_server==2.25.4", *WIDGETS]),
    "JupyterLab, lowest": ("jupyterlab", [*LOWEST, "jupyterlab_widgets==3.0.13"]),
    "JupyterLab, newest": ("jupyterlab", ["jupyterlab", *WIDGETS]),
    "Notebook 7.0": ("notebook", ["notebook==7.0.8", "jupyterlab==4.0.13", *WIDGETS]),
    "Notebook, newest": ("notebook", ["notebook", "jupyterlab", *WIDGETS]),
}


def installed(folder: Path, packages: list[str]) -> str:
    """A new environment in `folder` with these packages; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = str(folder / "bin" / "python")
    ours = sysconfig.get_path("purelib")
    theirs = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (theirs / "shared.pth").write_text(f"{ours}\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    run(*pip, "--no-deps", "--editable", str(ROOT))
    # A page loads what lies in its own environment, so a package elsewhere does not count.
    run(*pip, "--no-deps", "--ignore-installed", *packages)
    run(*pip, *packages)
    return python


def run(*command: str) -> str:
    """What a command prints; raises with all that it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def version(python: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return re.sub(r"\s", "", run(python, "-c", code))
