"""What the commands print, put into the README as they really print it: `make readme`.

Each block that follows a line `<!-- prints: COMMAND -->` is replaced by the output of that command.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- prints: (?P<command>.+?) -->\n```\n.*?```\n", re.DOTALL)


def tidy(output: bytes) -> str:
    """What is left on a terminal, at nobody's place: a bar that was drawn over is gone."""
    text = output.decode().replace(str(ROOT), "~/vaelib").replace("\x1b[A", "")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join(line.rstrip() for line in lines if "samples/s" not in line).strip()


def lab() -> str:
    """`make lab`, until it has printed the address."""
    environment = os.environ | {"CI": "true"}
    with subprocess.Popen(
        ["make", "--no-print-directory", "lab"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as server:
        assert server.stdout is not None
        said = ""
        while not said.endswith("stops it.\n"):
            line = server.stdout.readline()
            if not line:
                sys.exit("make lab ended before it printed an address")
            said += line
        os.killpg(server.pid, signal.SIGTERM)
    return said.strip()


def run(command: str, folder: str) -> str:
    """The output of a command, run in `folder` with this Python for `python`."""
    print(f"$ {command}", flush=True)
    if command == "make lab":
        return lab()
    words = command.split()
    words[0] = sys.executable if words[0] == "python" else words[0]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stdout.decode()}")
    return f"$ {command}\n" + tidy(done.stdout)


def main() -> None:
    path = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as folder:

        def block(match: re.Match) -> str:
            command = match["command"]
            return f"<!-- prints: {command} -->\n```\n{run(command, folder)}\n```\n"

        text = BLOCK.sub(block, path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
