"""Prints what requirements.lock says of one step of the set-up, with hashes, for pip install -r.

python hashed.py torch    torch alone
python hashed.py cuda     what the installed torch needs for CUDA, which may be nothing
python hashed.py lab      the rest of that section; several may be named
"""

import importlib.metadata
import sys
from pathlib import Path

LOCK = Path("requirements.lock")
CUDA = ("cuda-", "nvidia-", "triton")


def has_cuda() -> bool:
    return any(need.startswith(CUDA) for need in importlib.metadata.requires("torch") or [])


def requirements(text: str, sections: list[str]) -> list[str]:
    """The lines of these sections, each hash behind its release."""
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("# ["):
            section = line[3 : line.index("]")]
        elif "==" in line and not line.startswith("#"):
            step = "torch" if line.startswith("torch==") else section
            lines.append(line if step in sections else "")
        elif line.startswith("    # --hash=") and lines[-1]:
            lines[-1] += line.replace("    # ", " ")
    return [line for line in lines if line]


def main() -> int:
    sections = sys.argv[1:]
    if sections == ["cuda"] and not has_cuda():
        return 0
    print(*requirements(LOCK.read_text(encoding="utf-8"), sections), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
