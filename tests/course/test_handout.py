"""The students' zip: what is in it and what is not, and the way from it to a first green check."""

import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from course.handout import students_zip
from notebooks import build

ROOT = Path(__file__).resolve().parents[2]

ANSWER = "return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()"
# What a student does in lesson 1: the imports, the exercise with something in it, the check.
FIRST_CHECK = """
import json, sys
cells = json.load(open("notebooks/01_kl_divergence.ipynb", encoding="utf-8"))["cells"]
code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
(exercise,) = [source for source in code if source.startswith("def kl_bernoulli(")]
(call,) = [source for source in code if source == "check.kl_bernoulli(kl_bernoulli)"]
assert "raise NotImplementedError" in exercise
exec(code[0])
for answer in ["raise NotImplementedError", *sys.argv[1:]]:
    exec(exercise.replace("raise NotImplementedError", answer))
    print(eval(call))
"""


@pytest.fixture(scope="module")
def content() -> bytes:
    return students_zip.zipped(students_zip.handout())


@pytest.fixture
def unpacked(content, tmp_path) -> Path:
    """The zip, unpacked at a path with a space in it."""
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / "my course")
    (folder,) = (tmp_path / "my course").iterdir()
    return folder


def files(content: bytes) -> dict[str, bytes]:
    """Every file of the zip and of the wheel in it."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    found = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    (wheel,) = (name for name in found if name.endswith(".whl"))
    inside = zipfile.ZipFile(io.BytesIO(found[wheel]))
    return found | {f"wheel/{name}": inside.read(name) for name in inside.namelist()}


def test_the_same_bytes_every_time(content):
    assert students_zip.zipped(students_zip.handout()) == content


def test_what_is_in_it(content):
    names = set(files(content))
    assert {"START.md", "start.py", "requirements.lock", "environment.yml", "LICENSE"} <= names
    assert {f"notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")} <= names
    assert {"data/faces_vae.safetensors", "wheel/vaelib/_data/faces_vae.safetensors"} <= names
    wheel = {"divergences.py", "widgets/static/explorer/explorer.js"}
    assert {f"wheel/vaelib/{name}" for name in wheel} <= names
    setting = "share/jupyter/lab/settings/overrides.d/vaelib.json"  # of JupyterLab, for widgets
    assert f"wheel/vaelib-{students_zip.version()}.data/data/{setting}" in names


def test_no_solution_no_test_no_marking(content):
    found = files(content)
    for name in found:
        assert not any(part in name for part in ("source/", "tests/", "course/", "marking"))
        assert not name.startswith("notebooks/") or name.endswith(".ipynb")
    for name, text in found.items():
        assert b"BEGIN SOLUTION" not in text, name
    (stub,) = [
        "".join(cell["source"])
        for cell in json.loads(found["notebooks/01_kl_divergence.ipynb"])["cells"]
        if "".join(cell["source"]).startswith("def kl_bernoulli(")
    ]
    assert stub.endswith("raise NotImplementedError")


def test_no_reference_can_be_read_in_the_files(content):
    found = files(content)
    paths = [p.relative_to(ROOT).as_posix() for p in (ROOT / "vaelib/check").rglob("*.py")]
    open_paths = [p for p in paths if students_zip.module_in_check(p) in students_zip.OPEN]
    packed_paths = [p for p in paths if p not in open_paths]
    assert len(open_paths) == len(students_zip.OPEN) and len(packed_paths) >= 10
    known = b"".join((ROOT / path).read_bytes() for path in open_paths)
    shown = b"".join(text for name, text in found.items() if "/check/" in name)
    for path in packed_paths:
        assert found[f"wheel/{path}"] == students_zip.STAND_IN
        text = (ROOT / path).read_bytes()
        for line in text.splitlines():
            assert len(line.strip()) < 20 or line in known or line not in shown


def test_the_environment_is_the_wheels(content):
    text = files(content)["environment.yml"].decode()
    assert f"./vaelib-{students_zip.version()}-py3-none-any.whl[lab]" in text and "-e ." not in text
    metadata = files(content)[f"wheel/vaelib-{students_zip.version()}.dist-info/METADATA"].decode()
    assert "Requires-Dist: torch>=" in metadata and "pytest" not in metadata


def borrow_packages(folder: Path) -> Path:
    """A virtual environment in `folder` with every package of this one but vaelib; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    base = {"base": str(folder / ".venv"), "platbase": str(folder / ".venv")}
    theirs = Path(sysconfig.get_path("purelib", "venv", vars=base))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "vaelib" not in path.name and not path.name.startswith("__"):
            (theirs / path.name).symlink_to(path)
    return Path(sysconfig.get_path("scripts", "venv", vars=base)) / "python"


def run(folder: Path, *command: object, **settings: str) -> subprocess.CompletedProcess:
    """A command as a student would type it, to whom no setting of the tests applies."""
    ours = ("PYTHONPATH", "OMP_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in ours} | settings
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def start(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess:
    """start.py as START.md says, by the Python that the tests run with."""
    return run(folder, sys.executable, "start.py", *options, **settings)


def first_check(python: Path, folder: Path, *answers: str) -> list[str]:
    done = run(folder, python, "-c", FIRST_CHECK, *answers)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.skipif(os.name != "posix", reason="the borrowed packages are symbolic links")
def test_from_the_zip_to_a_green_check(unpacked):
    """Nothing is fetched: the packages of this environment are lent, vaelib is the zip's."""
    python = borrow_packages(unpacked)
    done = start(unpacked, "--setup", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.endswith("✓ Ready. The same command without --setup opens the lessons.\n")
    assert "PyTorch" not in start(unpacked, "--setup").stdout  # the second time it only says so
    said = first_check(python, unpacked, ANSWER, ANSWER.replace("p / q", "q / p"))
    assert "not attempted yet" in said[0]
    assert said[1] == "✓ 1.1 kl_bernoulli: right"
    assert said[2].startswith("✗ 1.1 kl_bernoulli")
    prying = (
        "import inspect, io, contextlib, vaelib\n"
        "from vaelib import check, data\n"
        "assert '.venv' in vaelib.__file__ and data.shipped('faces_vae.safetensors').exists()\n"
        "shown = io.StringIO()\n"
        "with contextlib.redirect_stdout(shown):\n"
        "    help(check.kl_bernoulli); help(check)\n"
        "for thing in (check.EXERCISES['kl_bernoulli'].variant, check.EXERCISES['elbo'].variant):\n"
        "    assert not thing.__doc__\n"
        "    try: shown.write(inspect.getsource(thing))\n"
        "    except (OSError, TypeError): pass\n"
        "text = shown.getvalue().replace('log_', '').replace('catalogue', '')\n"
        "assert 'log' not in text, text\n"
        "print(len(check.EXERCISES))\n"
    )
    done = run(unpacked, python, "-c", prying)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
@pytest.mark.network
def test_a_machine_that_has_nothing(unpacked):
    """The command of START.md, with everything fetched."""
    if not os.environ.get("VAELIB_REQUIRE_NETWORK"):
        pytest.skip("fetches everything afresh, which it does where VAELIB_REQUIRE_NETWORK is set")
    index = os.environ.get("TORCH_INDEX")  # of a machine that has the CPU-only build
    done = start(unpacked, "--setup", **({"PIP_EXTRA_INDEX_URL": index} if index else {}))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    python = unpacked / ".venv" / Path(sysconfig.get_path("scripts")).name / "python"
    assert first_check(python, unpacked, ANSWER)[1] == "✓ 1.1 kl_bernoulli: right"


def test_a_python_that_is_too_old(unpacked):
    """It says so, in syntax that an old Python understands."""
    program = (unpacked / "start.py").read_text(encoding="utf-8")
    old = program.replace("if not (3, 11) <= sys.version_info", "if not (3, 99) <= (3, 6)", 1)
    (unpacked / "start.py").write_text(old, encoding="utf-8")
    done = start(unpacked)
    assert done.returncode == 1 and "✗ Python 3.11 to 3.14 is needed" in done.stderr
    compile(program, "start.py", "exec", dont_inherit=True, flags=0)


def fake_venv(folder: Path, program: str) -> None:
    """An environment whose Python does as the program says."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="needs a stand-in for Python")
def test_a_set_up_that_was_cut_off_starts_afresh(unpacked):
    """A killed pip leaves half a package; one that failed has cleaned up, and its packages stay."""
    fake_venv(unpacked, '[ "$1" = hashed.py ] && echo torch || kill -9 $$')
    assert "✗ PyTorch was not installed" in start(unpacked, "--setup").stderr
    (unpacked / ".venv" / "rubbish").touch()
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    again = start(unpacked, "--setup", **offline)
    assert "1 of 3" in again.stdout and not (unpacked / ".venv" / "rubbish").exists()
    (unpacked / ".venv" / "kept").touch()
    again = start(unpacked, "--setup", **offline)
    assert "1 of 3" not in again.stdout and (unpacked / ".venv" / "kept").exists()
    assert "✗ PyTorch was not installed" in again.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a stand-in for Python")
def test_a_home_that_cannot_be_written(unpacked):
    fake_venv(unpacked, 'echo "home is $HOME"')
    (unpacked / ".venv" / "ready").touch()
    said = start(unpacked, HOME="/proc/nothing").stdout
    assert "/proc/nothing cannot be written" in said
    assert f"home is {unpacked / '.venv' / 'home'}" in said


def test_nothing_can_be_fetched(unpacked):
    if os.name != "posix":
        pytest.skip("needs a stand-in for Python")
    fake_venv(unpacked, "exit 1")
    done = start(unpacked, "--setup")
    assert done.returncode == 1
    assert "✗ PyTorch was not installed" in done.stderr and "same command again" in done.stderr
    shutil.rmtree(unpacked / ".venv")


def test_a_stale_notebook_stops_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build, "main", lambda arguments: 1)
    assert students_zip.main(tmp_path) == 1
    assert "make notebooks" in capsys.readouterr().err and not list(tmp_path.iterdir())
