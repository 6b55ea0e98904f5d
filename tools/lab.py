"""Opens JupyterLab at the first lesson: `make lab`. PORT= chooses the port, LAB_ARGS= adds more."""

import errno
import os
import shlex
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from secrets import token_hex

ROOT = Path(__file__).resolve().parents[1]
FIRST = "notebooks/00_start_here.ipynb"


def is_free(port: int) -> bool:
    """Whether a server can be bound to the port at every address of localhost."""
    absent = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)  # a machine without IPv6, say
    places = socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)
    for family, kind, _, _, address in places:
        try:
            with socket.socket(family, kind) as probe:
                if os.name == "posix":  # as the server itself does: a port just left is free
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno not in absent:
                return False
    return True


def choose_port(wanted: str) -> int:
    """The port asked for, or the first free one from 8888; says what to do when it is taken."""
    if not wanted:
        for port in range(8888, 8988):
            if is_free(port):
                return port
        sys.exit("✗ The ports 8888 to 8987 are all taken: name another, make lab PORT=9000")
    if not wanted.isdigit() or not 1 <= int(wanted) <= 65535:
        sys.exit(
            f"✗ PORT is a number from 1 to 65535, and {wanted!r} was given: make lab PORT=8890"
        )
    port = int(wanted)
    if port < 1024 and os.name == "posix" and os.geteuid() != 0:
        sys.exit(f"✗ Port {port} is kept for the system: name one from 1024 up, make lab PORT=8890")
    if not is_free(port):
        sys.exit(
            f"✗ Port {port} is taken by another program: stop that one, or name another port "
            f"(make lab PORT={port + 1}), or none (make lab finds a free one)"
        )
    return port


def has_browser() -> bool:
    """Whether there is a screen with a browser; a browser refuses to run as root."""
    if os.environ.get("CI") or (hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not (screen or os.environ.get("BROWSER")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def announce(base: str, token: str, url: str, browser: bool) -> None:
    """Waits until the server answers, then prints the address, and opens it where it can."""
    status = f"{base}/api/status?token={token}"
    while True:
        try:
            urllib.request.urlopen(status, timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    where = "JupyterLab is open in your browser" if browser else "Open this address in a browser"
    print(f"\n✓ {where}:\n    {url}\n  Ctrl-C here stops it.\n", flush=True)
    if browser:
        webbrowser.open(url)


def find_home() -> None:
    """Jupyter, IPython and matplotlib write there; where nobody can, a folder of ours serves."""
    home = os.path.expanduser("~")
    if os.name == "posix" and not os.access(home, os.W_OK | os.X_OK):
        ours = ROOT / ".venv" / "home"
        ours.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(ours)
        print(f"{home} cannot be written: what JupyterLab keeps for you is in {ours}", flush=True)


def main() -> None:
    sys.stdout.reconfigure(errors="replace")  # of a terminal that has no ✓
    find_home()
    port = choose_port(os.environ.get("PORT", ""))
    token = os.environ.get("JUPYTER_TOKEN") or token_hex(24)
    os.environ["JUPYTER_TOKEN"] = token
    # Else threads that wait keep both cores busy: a lesson imports torch before vaelib can say it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    base = f"http://localhost:{port}"
    url = f"{base}/lab/tree/{FIRST}?token={token}"
    arguments = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    arguments += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{FIRST}"]
    # A class needs the address, not the server's diary; and one Ctrl-C is enough.
    arguments += ["--ServerApp.log_level=WARN", "--LabApp.log_level=WARN", "-y"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    arguments += shlex.split(os.environ.get("LAB_ARGS", ""))
    details = (base, token, url, has_browser())
    threading.Thread(target=announce, args=details, daemon=True).start()

    from jupyterlab.labapp import main as jupyterlab

    os.chdir(ROOT)
    jupyterlab(arguments)


if __name__ == "__main__":
    main()
