"""The set-up: what it says when something is missing, and that environment.yml really works."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "setup.sh"
posix = pytest.mark.skipif(os.name != "posix", reason="make and its scripts are for POSIX systems")


def set_up(folder: Path, **settings: str) -> subprocess.CompletedProcess:
    """Runs the set-up of a copy of the project, with no package index unless one is given."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_RETRIES": "0"}
    environment |= settings
    return subprocess.run(
        ["sh", str(folder / "tools" / "setup.sh")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the project that is not set up, at a path with a space in it."""
    folder = tmp_path / "a clone"
    (folder / "tools").mkdir(parents=True)
    for script in (SCRIPT, SCRIPT.with_name("hashed.py")):
        shutil.copy(script, folder / "tools")
    for name in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def fake_python(folder: Path, version: str, suits: bool = False) -> str:
    """A Python that only answers what its version is, and whether it has venv and ensurepip."""
    path = folder / f"python-{version}"
    path.write_text(
        '#!/bin/sh\ncase "$2" in\n'
        f"*ensurepip*) exit {0 if suits else 1} ;;\n*version_info*) echo {version} ;;\nesac\n"
    )
    path.chmod(0o755)
    return str(path)


def python_whose_pip_says(folder: Path, log: str) -> str:
    """A suitable Python, in whose environments pip fails at once and leaves this log behind."""
    (folder / "log.txt").write_text(log)
    pip = folder / "pip"
    pip.write_text(f"#!/bin/sh\ncp '{folder / 'log.txt'}' .venv/setup.log\nexit 1\n")
    python = folder / "python3"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] || exec "{sys.executable}" "$@"\n'
        f'mkdir -p "$3/bin"\ncp "{pip}" "$3/bin/python"\n'
    )
    for program in (pip, python):
        program.chmod(0o755)
    return str(python)


def last_line(run: subprocess.CompletedProcess) -> str:
    return run.stderr.strip().splitlines()[-1]


@posix
@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("3.10.4", "✗ Python is too old: "),
        ("2.7.18", "✗ Python is too old: "),
        ("3.15.0", "✗ Python is too new "),
        ("3.11.2", "apt install python3.11-venv"),
    ],
)
def test_an_unsuitable_python(project, tmp_path, version, says):
    run = set_up(project, PYTHON=fake_python(tmp_path, version))
    assert run.returncode == 1
    assert says in last_line(run)
    assert "make setup" in last_line(run) or "same command" in last_line(run)
    assert not (project / ".venv").exists()


@posix
def test_no_python_at_all(project):
    run = set_up(project, PYTHON="no-such-python")
    assert run.returncode == 1
    assert last_line(run).startswith("✗ No Python found (looked for: no-such-python)")


@posix
def test_a_python_that_does_not_run_is_passed_over(project, tmp_path):
    """A version manager's stand-in is on the PATH but fails when the version is not installed."""
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    (tmp_path / "python3.13").symlink_to(fake_python(tmp_path, "3.15.0"))
    (tmp_path / "python3.12").symlink_to(fake_python(tmp_path, "3.9.0"))
    (tmp_path / "python3.11").symlink_to(sys.executable)
    run = set_up(project, PATH=f"{tmp_path}:{os.environ['PATH']}", NEED_MB="1")
    assert "(python3.11)" in run.stdout
    assert "packages cannot be fetched" in last_line(run)


@posix
def test_no_room(project):
    run = set_up(project, PYTHON=sys.executable, NEED_MB="999999999")
    assert run.returncode == 1
    assert last_line(run).startswith("✗ The disk is too full: the set-up needs 999999999 MB")
    assert not (project / ".venv").exists()


NOTHING = "Given no hashes to check 0 links for project 'torch': discarding no candidates\n"


@posix
@pytest.mark.parametrize(
    ("log", "says", "afresh"),
    [
        ("ERROR: [Errno 28] No space left on device", "✗ The disk is full", True),
        ("Retrying after connection broken by 'NewConnection…'", "✗ The packages cannot", False),
        ("Could not fetch URL …: connection error: … - skipping", "✗ The packages cannot", False),
        ("Could not find … torch (from versions: none)", "✗ The packages cannot", False),
        (NOTHING, "✗ The packages cannot be fetched: no network", False),
        (
            f"Skipping link: none of the tags: torch-2.13.0-cp399.whl\n{NOTHING}",
            "✗ torch has no build for Python",
            False,
        ),
        ("Checked 0 links for project 'torch' against 3 hashes", "✗ The packages cannot", False),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "✗ A package is not the file", False),
        ("ERROR: something else", "✗ pip could not install everything", False),
    ],
)
def test_what_pip_says_becomes_what_to_do(project, tmp_path, log, says, afresh):
    python = python_whose_pip_says(tmp_path, log)
    run = set_up(project, PYTHON=python, NEED_MB="1")
    assert run.returncode == 1
    assert last_line(run).startswith(says)
    assert not (project / ".venv" / ".ready").exists()
    # A full disk leaves rubbish behind; after the others what was fetched is kept.
    again = set_up(project, PYTHON=python, NEED_MB="1")
    assert ("was cut off: starting afresh" in again.stdout) == afresh
    assert last_line(again) == last_line(run)


@posix
def test_pip_is_killed(project, tmp_path):
    python = python_whose_pip_says(tmp_path, "")
    pip = tmp_path / "pip"
    pip.write_text(pip.read_text().replace("exit 1", "kill -9 $$"))
    run = set_up(project, PYTHON=python, NEED_MB="1")
    assert run.returncode == 1
    assert last_line(run).startswith("✗ pip was stopped from outside")
    again = set_up(project, PYTHON=python, NEED_MB="1")
    assert "was cut off: starting afresh" in again.stdout


@posix
def test_a_set_up_that_was_cut_off_starts_afresh(project, tmp_path):
    venv = project / ".venv"
    venv.mkdir()
    (venv / "rubbish").touch()
    (venv / ".installing").write_text("999999999")
    run = set_up(project, PYTHON=python_whose_pip_says(tmp_path, ""), NEED_MB="1")
    assert "was cut off: starting afresh" in run.stdout
    assert not (venv / "rubbish").exists()


@posix
def test_two_at_once(project):
    (project / ".venv").mkdir()
    (project / ".venv" / ".installing").write_text(str(os.getpid()))
    run = set_up(project)
    assert run.returncode == 1
    assert last_line(run).startswith("✗ Another set-up is at work here")


@posix
def test_ready_means_nothing_to_do(project, tmp_path):
    """A finished set-up returns at once; new requirements or a moved folder do not."""
    venv = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    sums = subprocess.run(
        "cat pyproject.toml requirements.lock | cksum",
        shell=True,
        cwd=project,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (venv / ".ready").write_text(f"{sums} {project}\n")
    run = set_up(project)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert set_up(project, PYTHON=sys.executable).returncode == 0
    assert "too old" in set_up(project, PYTHON=fake_python(tmp_path, "3.9.1")).stderr
    assert (venv / ".ready").exists()  # a refusal leaves what works alone
    (project / "requirements.lock").write_text("torch==2.13.0\n# renewed\n")
    python = python_whose_pip_says(tmp_path, "")
    assert "Setting up .venv" in set_up(project, PYTHON=python, NEED_MB="1").stdout
    shutil.rmtree(venv)
    venv.mkdir()
    (venv / ".ready").write_text(f"{sums} /somewhere/else\n")
    run = set_up(project, PYTHON=python, NEED_MB="1")
    assert "was moved since its set-up: starting afresh" in run.stdout


def index_answers() -> bool:
    """Whether pip can look a small package up; no download."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--ignore-installed"]
    command += ["--no-deps", "--dry-run", "--retries", "1", "--timeout", "10", "packaging"]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_environment_yml_lists_no_package_twice():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    names = [line for line in environment["dependencies"] if isinstance(line, str)]
    assert [name.split()[0] for name in names] == ["python", "pip"]
    (pip,) = [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)]
    assert pip == ["-c requirements.lock", "-e .[lab,test]"]


@pytest.mark.long
@pytest.mark.network
def test_environment_yml_gives_an_environment_that_trains(tmp_path):
    """What conda would do: a fresh environment from the pip section, then a VAE trained in it."""
    if not os.environ.get("VAELIB_REQUIRE_NETWORK"):
        pytest.skip("installs everything afresh, which it does where VAELIB_REQUIRE_NETWORK is set")
    if not index_answers():
        pytest.fail("no package index can be reached, and VAELIB_REQUIRE_NETWORK is set")
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "build", "__pycache__", "notebooks", "tests")
    shutil.copytree(ROOT, project, ignore=ignored)
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)]
    (project / "requirements.txt").write_text("\n".join(pip) + "\n")

    def run(*command: str, **options) -> str:
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CI")}
        done = subprocess.run(
            [str(part) for part in command], cwd=project, env=clean, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    run(sys.executable, "-m", "venv", "venv")
    python = project / "venv" / Path(sysconfig.get_path("scripts")).name / "python"
    index = os.environ.get("TORCH_INDEX")  # of a machine that has the CPU-only build
    extra = ["--extra-index-url", index] if index else []
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", *extra, "-r", "requirements.txt")
    program = (
        "import torch, vaelib.data, vaelib.models, vaelib.training, jupyterlab, anywidget, nbval\n"
        "x = vaelib.data.load('faces').train[:256]\n"
        "vae = vaelib.models.dense((32, 32), 2, hidden=(32,))\n"
        "elbo = vaelib.training.fit(vae, x, epochs=5, progress=False).elbo\n"
        "assert elbo[-1] > elbo[0]\n"
        "print(torch.__version__, vaelib.__file__)\n"
    )
    version, where = run(python, "-c", program).split(maxsplit=1)
    assert version.split("+")[0] == "2.13.0"
    assert Path(where.strip()).is_relative_to(project)
