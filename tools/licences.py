"""Writes docs/licences.md: `make licences`. Under what licence is all that the lock names?

pip says it, from the package index, for each platform: nothing is downloaded but metadata, or
installed. Needs the network. Reads the table of what is vendored in course/site/vendor as well.
"""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
WORK = ROOT / "build" / "licences"
VENDORED = ROOT / "course" / "site" / "vendor" / "README.md"
PLATFORMS = {"linux": "", "win32": "win_amd64", "darwin": "macosx_14_0_arm64"}
LINE = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)(.*)$", re.MULTILINE)
HEADER = """\
# Licences

Made by `make licences` from what each package says of itself; a test compares it with
`requirements.lock`. The project's own licence is MIT ([LICENSE](../LICENSE)); the data's are in
[data/README.md](../data/README.md). No package is part of this repository or of the students' zip:
pip fetches them. "cuda" and "nbgrader" are not installed by default.

| package | version | licence | for |
|---|---|---|---|
"""
SERVED = """
What is copied into the repository and served with the site, unchanged, each with its licence beside
it (`course/site/vendor`):

| folder | what | version | licence | from |
|---|---|---|---|---|
"""


def releases(lock: str) -> dict[str, tuple[str, str, str]]:
    """Version, marker and section of each package in the lock."""
    found = {}
    for part in lock.split("\n# [")[1:]:
        section = part.split("]")[0]
        for name, version, marker in LINE.findall(part):
            found[name] = version, marker, section
    return found


def platform(marker: str, _: str) -> str:
    """Where the package can be asked for: Linux, if it is not another system's."""
    for system in ("win32", "darwin"):
        if f"sys_platform == '{system}'" in marker:
            return system
    return "win32" if "os_name == 'nt'" in marker and "!=" not in marker else "linux"


def first_line_of_the_file(name: str) -> str:
    """Of the licence that an installed package brings along; "" where there is none."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    texts = [f.read_text().strip() for f in files if f.name.upper().startswith("LICEN")]
    return texts[0].split("\n")[0] if texts else ""


def licence(metadata: dict) -> str:
    """In the words of the package: an expression, classifiers, or the first line of a text."""
    if expression := metadata.get("license_expression"):
        return expression
    classifiers = metadata.get("classifier", [])
    named = [c.split(" :: ")[-1] for c in classifiers if c.startswith("License ::")]
    named = [name for name in named if name not in ("OSI Approved", "Other/Proprietary License")]
    line = metadata.get("license", "").strip().split("\n")[0]
    return ", ".join(named) or line[:60] or first_line_of_the_file(metadata["name"]) or "not stated"


def asked(pip: list[str], wanted: list[str], tag: str) -> dict[str, str]:
    """The licences of these releases, by name; pip is asked, and installs nothing."""
    listed = WORK / "wanted.txt"
    listed.write_text("\n".join(wanted) + "\n")
    report = WORK / "report.json"
    command = [*pip, "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--only-binary", ":all:", "--report", str(report), "--requirement", str(listed)]
    if tag:
        command += ["--platform", tag, "--python-version", "3.12", "--target", str(WORK / "none")]
    subprocess.run(command, check=True)
    found = (one["metadata"] for one in json.loads(report.read_text())["install"])
    return {re.sub(r"[-_.]+", "-", data["name"]).lower(): licence(data) for data in found}


def vendored() -> str:
    """The table of what is copied into the repository."""
    lines = VENDORED.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("| `")) + "\n"


def main() -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    venv.create(WORK / "venv", with_pip=True)
    pip = [str(WORK / "venv" / "bin" / "python"), "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip"], check=True)  # which says more
    locked = releases((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    licences: dict[str, str] = {}
    for system, tag in PLATFORMS.items():
        names = [name for name, (_, *place) in locked.items() if platform(*place) == system]
        licences |= asked(pip, [f"{name}=={locked[name][0]}" for name in names], tag)
    rows = [
        f"| {name} | {version} | {licences[name].replace('|', '/')} | {section} |\n"
        for name, (version, _, section) in sorted(locked.items())
    ]
    PAGE.write_text(HEADER + "".join(rows) + SERVED + vendored(), encoding="utf-8")
    shutil.rmtree(WORK)
    print(f"{PAGE.relative_to(ROOT)}: {len(rows)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
