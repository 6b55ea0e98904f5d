"""Sets everything up in the folder .venv beside this file, once, and opens the first lesson.

python3 start.py          on Windows: py start.py
python3 start.py --cpu    without CUDA: on Linux a much smaller download
python3 start.py --setup  opens nothing
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CPU_ONLY = "https://download.pytorch.org/whl/cpu"
# JupyterLab's question about news is one dialogue too many on the first morning of a class.
NO_NEWS = """{"@jupyterlab/apputils-extension:notification":
  {"fetchNews": "false", "checkForUpdates": false}}
"""


def fail(message):
    sys.exit(f"\n✗ {message}")


def run(*command):
    others = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    environment = {name: value for name, value in os.environ.items() if name not in others}
    return subprocess.call([str(part) for part in command], cwd=str(HERE), env=environment)


def set_up(python, cpu):
    if not python.exists():
        print("1 of 3: a Python environment of its own, in .venv", flush=True)
        if run(sys.executable, "-m", "venv", ".venv") != 0:
            fail("Python has no venv module. On Debian or Ubuntu: sudo apt install python3-venv")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "-c", "requirements.lock"]
    pip += ["--extra-index-url", CPU_ONLY] if cpu else []
    print("2 of 3: PyTorch (some minutes, once)", flush=True)
    again = "Then type the same command again: it goes on from there."
    if run(*pip, "torch") != 0:
        fail(f"PyTorch was not installed, see above. Is there a network, and room? {again}")
    print("3 of 3: JupyterLab and vaelib (a minute)", flush=True)
    (wheel,) = HERE.glob("vaelib-*.whl")
    if run(*pip, "--quiet", f"./{wheel.name}[lab]") != 0:
        fail(f"Not everything was installed, see above. Is there a network, and room? {again}")
    settings = HERE / ".venv" / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(NO_NEWS)


def main(options):
    if not (3, 11) <= sys.version_info < (3, 15):
        fail(
            f"Python 3.11 to 3.14 is needed, and this is {sys.version.split()[0]}. Install one\n"
            "  (python.org) and call it by name: python3.13 start.py (Windows: py -3.13 start.py)"
        )
    python = HERE / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = HERE / ".venv" / "ready"
    if not ready.exists():
        set_up(python, "--cpu" in options)
        ready.write_text("")
    if "--setup" in options:
        print("✓ Ready. The same command without --setup opens the lessons.")
        return 0
    print("✓ JupyterLab opens in your browser. Ctrl-C here stops it.", flush=True)
    first = sorted((HERE / "notebooks").glob("01_*.ipynb"))[0].relative_to(HERE)
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return run(python, "-m", "jupyterlab", *root, first)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
