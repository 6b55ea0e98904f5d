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
BUSY = HERE / ".venv" / "installing"  # there while a set-up is at work, and after one was cut off
FAILED = HERE / ".venv" / "failed"
CPU_ONLY = "https://download.pytorch.org/whl/cpu"
# JupyterLab's question about news is one dialogue too many on the first morning of a class.
NO_NEWS = """{"@jupyterlab/apputils-extension:notification":
  {"fetchNews": "false", "checkForUpdates": false}}
"""


def fail(message):
    sys.exit(f"\n✗ {message}")


def find_home():
    """Jupyter writes there; where nobody can, a folder of ours serves."""
    home = os.path.expanduser("~")
    if os.name == "posix" and not os.access(home, os.W_OK | os.X_OK):
        ours = HERE / ".venv" / "home"
        ours.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(ours)
        print(f"{home} cannot be written: what Jupyter keeps for you is in {ours}", flush=True)


def run(*command):
    others = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    environment = {name: value for name, value in os.environ.items() if name not in others}
    return subprocess.call([str(part) for part in command], cwd=str(HERE), env=environment)


def pip(python):
    """What it needs has its own line in requirements.lock; what pip has kept may be damaged."""
    options = "--disable-pip-version-check --no-deps --only-binary :all:".split()
    cache = ["--no-cache-dir"] if FAILED.exists() else []
    return [python, "-m", "pip", "install", *options, *cache]


def torch(python, cpu):
    """With --cpu, or where pip knows a folder of wheels, the lock may not have the hashes."""
    settings = subprocess.run([str(python), "-m", "pip", "config", "list"], stdout=subprocess.PIPE)
    if not cpu and b"find-links" not in settings.stdout:
        return hashed(python, "torch")
    index = ["--extra-index-url", CPU_ONLY] if cpu else []
    return run(*pip(python), "-c", "requirements.lock", *index, "torch")


def hashed(python, section, *options):
    """Installs a section of requirements.lock, each file by its hash; 0 if all is well."""
    wanted = HERE / ".venv" / "hashed.txt"
    with open(wanted, "w") as file:
        code = subprocess.call([str(python), "hashed.py", section], cwd=str(HERE), stdout=file)
    if code != 0 or wanted.stat().st_size == 0:
        return code
    return run(*pip(python), *options, "--require-hashes", "-r", wanted)


def done(what, code):
    """Goes on if it is; a pip that was killed (a signal, below 0) leaves rubbish behind."""
    if code == 0:
        return
    FAILED.write_text("")
    if code > 0:
        BUSY.unlink()
    fail(
        f"{what} not installed, see above. Is there a network, and room? "
        "Then type the same command again: it goes on from there."
    )


def set_up(python, cpu):
    if BUSY.exists() or not python.exists():
        print("1 of 3: a Python environment of its own, in .venv", flush=True)
        if run(sys.executable, "-m", "venv", "--clear", ".venv") != 0:
            fail("Python has no venv module. On Debian or Ubuntu: sudo apt install python3-venv")
    BUSY.write_text("")
    print("2 of 3: PyTorch (some minutes, once)", flush=True)
    done("PyTorch was", torch(python, cpu))
    done("PyTorch was", hashed(python, "cuda"))
    print("3 of 3: JupyterLab and vaelib (a minute)", flush=True)
    done("JupyterLab was", hashed(python, "lab", "--quiet"))
    (wheel,) = HERE.glob("vaelib-*.whl")
    done("vaelib was", run(*pip(python), "--quiet", "./" + wheel.name))
    settings = HERE / ".venv" / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(NO_NEWS)


def main(options):
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # of a terminal that has no ✓
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
        BUSY.unlink()
    if "--setup" in options:
        print("✓ Ready. The same command without --setup opens the lessons.")
        return 0
    print("✓ JupyterLab opens in your browser. Ctrl-C here stops it.", flush=True)
    first = sorted((HERE / "notebooks").glob("01_*.ipynb"))[0].relative_to(HERE)
    find_home()
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return run(python, "-m", "jupyterlab", *root, first)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        fail(f"{error}. Is there room on the disk, and may you write in {HERE}?")
