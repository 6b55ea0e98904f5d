"""The students' zip: make handout -> build/handout/vaelib-VERSION.zip, the same bytes every time.

It contains START.md and start.py, the notebooks unsolved, vaelib as a wheel, the data and the
environment; no source with solutions, no test, no marking. The modules that hold the references of
the exercises are compressed into one file that nobody reads by accident.
"""

import base64
import hashlib
import json
import re
import sys
import tomllib
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import nbformat

from notebooks import build
from notebooks.conventions import without_spoilers

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).resolve().parent / "files"

# Modules of vaelib.check that hold no answer; the others are packed.
OPEN = {
    "__init__",
    "catalogue",
    "machinery",
    "machinery.result",
    "machinery.probe",
    "machinery.limits",
}
STAND_IN = b'''"""Packed: see _packed.py."""

from vaelib.check._packed import load

load(globals())
'''

Files = dict[str, bytes]  # contents by name


def version() -> str:
    text = (ROOT / "vaelib" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if not found:
        sys.exit("✗ vaelib/__init__.py does not say its version")
    return found[1]


def tree(folder: Path, prefix: str) -> Files:
    """Every file of a folder, without what Python and editors leave there."""
    paths = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    named = {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in paths}
    return {name: path.read_bytes() for name, path in named.items() if "/." not in name}


def package() -> Files:
    """vaelib as students get it, with the answers of the checks packed."""
    files = tree(ROOT / "vaelib", "vaelib")
    modules = {}
    for path in [name for name in files if name.startswith("vaelib/check/")]:
        name = module_in_check(path)
        if path.endswith(".py") and name not in OPEN:
            modules[name] = files[path].decode()
            files[path] = STAND_IN
    files["vaelib/check/_packed.py"] = (FILES / "packed.py").read_bytes()
    packed = json.dumps(modules, sort_keys=True).encode()
    return files | {"vaelib/check/packed.bin": zlib.compress(packed, 9)}


def module_in_check(path: str) -> str:
    """`vaelib/check/a/b.py` is the module `a.b` of vaelib.check, and `a/__init__.py` is `a`."""
    name = path.removeprefix("vaelib/check/").removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def data() -> Files:
    """The data without the programs that made it."""
    return {n: b for n, b in tree(ROOT / "data", "data").items() if not n.endswith(".py")}


def zipped(files: Files) -> bytes:
    """A zip with no trace of when and where it was made."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16  # readable by all, writable by the owner
            entry.create_system = 3  # Unix
            archive.writestr(entry, files[name])
    return out.getvalue()


def wheel() -> Files:
    """vaelib as a wheel, by its file name; the data is inside as vaelib/_data."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    needs = [f"Requires-Dist: {line}" for line in project["dependencies"]]
    lab = project["optional-dependencies"]["lab"]
    needs += ["Provides-Extra: lab", *(f"Requires-Dist: {x}; extra == 'lab'" for x in lab)]
    metadata = ["Metadata-Version: 2.1", "Name: vaelib", f"Version: {version()}"]
    metadata += [f"Summary: {project['description']}", "License: MIT"]
    metadata += [f"Requires-Python: {project['requires-python']}", *needs, ""]
    about = f"vaelib-{version()}.dist-info"
    files = package() | {n.replace("data/", "vaelib/_data/", 1): b for n, b in data().items()}
    settings = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    for path, place in settings.items():
        files[f"vaelib-{version()}.data/data/{place}"] = (ROOT / path).read_bytes()
    files[f"{about}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    files[f"{about}/METADATA"] = "\n".join(metadata).encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={digest(files[name])},{len(files[name])}" for name in sorted(files)]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    return {f"vaelib-{version()}-py3-none-any.whl": zipped(files)}


def digest(content: bytes) -> str:
    """The SHA-256 of a file, as the RECORD of a wheel has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def environment(wheel_name: str) -> bytes:
    """environment.yml with the wheel in place of the clone."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    changed, count = re.subn(r"-e \.\[[\w,]+\]", f"./{wheel_name}[lab]", text)
    if count != 1:
        sys.exit("✗ environment.yml has no line `-e .[…]` to be replaced")
    return "\n".join(line for line in changed.split("\n") if not line.startswith("#")).encode()


def handout() -> Files:
    """All files of the zip, by their names in it."""
    files = wheel()
    (wheel_name,) = files
    files |= data() | {"environment.yml": environment(wheel_name)}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = without_spoilers(nbformat.read(path, as_version=4))
        files[f"notebooks/{path.name}"] = nbformat.writes(notebook).encode()
    for path in (FILES / "START.md", FILES / "start.py"):
        files[path.name] = path.read_bytes()
    for path in (ROOT / "requirements.lock", ROOT / "LICENSE", ROOT / "tools" / "hashed.py"):
        files[path.name] = path.read_bytes()
    return {f"vaelib-{version()}/{name}": content for name, content in files.items()}


def main(into: Path = ROOT / "build" / "handout") -> int:
    """Returns the exit code: 1 if a stored notebook is not what its source gives."""
    if build.main(["--check"]) != 0:
        print("✗ a notebook is stale: make notebooks, then make handout", file=sys.stderr)
        return 1
    files = handout()
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"vaelib-{version()}.zip"
    path.write_bytes(zipped(files))
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    print(f"✓ {path.relative_to(ROOT)}: {len(files)} files, {size}, unsolved; start: START.md")
    return 0
