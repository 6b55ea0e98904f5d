"""The set-up on a bad morning: it says in one line what to do, and the second try works.

The set-up is the project's own; the packages are small stand-ins from an index on this machine.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import package_index
import pytest
from package_index import Index

pytestmark = pytest.mark.skipif(os.name != "posix", reason="make is for POSIX systems")
README = package_index.ROOT / "README.md"


@pytest.fixture
def index():
    server = Index()
    yield server
    server.close()


@pytest.fixture
def environment(index, tmp_path) -> dict[str, str]:
    """A user of that index, whose pip has a cache."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    settings |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.address, "NEED_MB": "1"}
    settings |= {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "2", "PYTHON": sys.executable}
    return settings | {"PIP_CACHE_DIR": str(tmp_path / "cache")}


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        ["sh", "tools/setup.sh"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in a terminal reaches the whole group
    )


def set_up(folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, standard output, and the last line of what went wrong."""
    with start(folder, environment) as process:
        out, error = process.communicate(timeout=300)
    print(out, error)
    return process.returncode, out, (error.strip().splitlines() or [""])[-1]


def check_ready(folder: Path, environment: dict[str, str]) -> None:
    """The second try works, the packages are whole, and a third has nothing to do."""
    code, out, error = set_up(folder, environment)
    assert code == 0 and "✓ Ready" in out, error
    site = next((folder / ".venv" / "lib").glob("python*")) / "site-packages"
    assert (site / "torch.bin").read_bytes() == package_index.TORCH
    inside = [folder / ".venv" / "bin" / "python", "-c", "import torch, jupyterlab"]
    assert subprocess.call(inside) == 0
    assert set_up(folder, environment)[:2] == (0, "")


def test_a_slow_index(index, environment, tmp_path):
    index.answer = package_index.slow
    check_ready(package_index.project(tmp_path / "project"), environment)


BROKEN = {
    "cut": (package_index.cut, "cannot be fetched"),
    "stalled": (package_index.stalled, "cannot be fetched"),
    "hangs up": (package_index.hangs_up, "cannot be fetched"),
    "login page": (package_index.login_page, "cannot be fetched"),
    "429": (package_index.status(429), "cannot be fetched"),
    "404": (package_index.status(404), "cannot be fetched"),
    "503": (package_index.status(503), "cannot be fetched"),
    "damaged": (package_index.damaged, "not the file that this class was tested with"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_index(index, environment, tmp_path, kind):
    folder = package_index.project(tmp_path / "project")
    index.answer, says = BROKEN[kind]
    code, _, line = set_up(folder, environment)
    assert code == 1
    assert line.startswith("✗ ") and says in line and "same command again" in line
    index.answer = package_index.good
    check_ready(folder, environment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("seconds", [0.3, 2, 5])
def test_stopped_at_any_moment(index, environment, tmp_path, number, seconds):
    folder = package_index.project(tmp_path / "project")
    index.answer = package_index.slow
    with start(folder, environment) as process:
        time.sleep(seconds)
        os.killpg(process.pid, number)
        _, error = process.communicate(timeout=60)
    if process.returncode > 0:  # below 0: there was nothing to say yet, or nobody to say it
        assert error.strip().splitlines()[-1].startswith("✗ "), error
    index.answer = package_index.good
    check_ready(folder, environment)


def test_half_a_package(index, environment, tmp_path):
    """A set-up that lost power: of torch there is a part, and nobody has cleaned up."""
    folder = package_index.project(tmp_path / "project")
    assert set_up(folder, environment)[0] == 0
    site = next((folder / ".venv" / "lib").glob("python*")) / "site-packages"
    (site / "torch.bin").write_bytes(b"half")
    (folder / ".venv" / ".ready").rename(folder / ".venv" / ".installing")
    (folder / ".venv" / ".installing").write_text("999999999\n")
    check_ready(folder, environment)


@contextmanager
def small_disk(folder: Path, megabytes: int):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can make a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("megabytes", [1, 10, 40, 60])
def test_a_disk_that_fills_up(index, environment, tmp_path, megabytes):
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes):
        folder = package_index.project(disk / "project")
        (disk / "tmp").mkdir()
        settings = environment | {"TMPDIR": str(disk / "tmp")}
        code, _, line = set_up(folder, settings)
        assert code == 1 and line.startswith("✗ The disk is "), line
        assert "same command again" in line
        subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
        check_ready(folder, settings)


NAMES = ("two words", "größer ✓ 模型", "#1 100 %", "'quoted' \"twice\"", "$HOME `x`")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_name_of_the_folder(environment, tmp_path, name, locale):
    folder = package_index.project(tmp_path / name)
    check_ready(folder, environment | {"LC_ALL": locale})


def test_a_home_that_cannot_be_written(environment, tmp_path):
    del environment["PIP_CACHE_DIR"]
    folder = package_index.project(tmp_path / "project")
    check_ready(folder, environment | {"HOME": "/proc/nothing"})


def test_without_make(environment, tmp_path):
    """The lines of the README, with the words that it gives for Linux."""
    folder = package_index.project(tmp_path / "a project")
    lines = re.findall(
        r"^(?:py|\.venv\\Scripts\\python) -m (?:venv|pip) .*", README.read_text(), re.M
    )
    assert len(lines) == 3
    for line in lines:
        line = re.sub(r"^py ", f"'{sys.executable}' ", line)
        line = line.replace(r".venv\Scripts\python", ".venv/bin/python")
        done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
    inside = [folder / ".venv" / "bin" / "python", "-c", "import torch, jupyterlab"]
    assert subprocess.call(inside) == 0
