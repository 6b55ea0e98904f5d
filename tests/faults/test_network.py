"""Downloads of MNIST, from mirrors that do what networks do."""

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import mirrors
import pooch
import pytest
from inputs import HOME
from mirrors import DIGESTS, PACKED, RAW, Mirror

from vaelib import cli, data
from vaelib.data import DataError

pytestmark = pytest.mark.refuses

BAD = {
    "stalled": mirrors.stalled,
    "silent": mirrors.silent,
    "cut": mirrors.cut,
    "wrong": mirrors.wrong,
    "login page": mirrors.login_page,
    "in a circle": mirrors.circle,
    "hangs up": mirrors.hangs_up,
    "429": mirrors.status(429, Retry_After="1"),
    "429 for an hour": mirrors.status(429, Retry_After="3600"),
    "503": mirrors.status(503),
    "404": mirrors.status(404),
}
SAID = {"429": "429", "429 for an hour": "429", "503": "503", "404": "404", "wrong": "SHA-256"}


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """An empty cache with spaces in its path; a mirror may be silent for half a second."""
    folder = tmp_path / "Daten für VAEs"
    monkeypatch.setattr(data, "MNIST", DIGESTS)
    monkeypatch.setenv("VAELIB_DATA", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    get = pooch.downloaders.DEFAULT_TIMEOUT
    assert 1 < get <= 60, "a mirror that falls silent is left alone after a while"
    monkeypatch.setattr(pooch.downloaders, "DEFAULT_TIMEOUT", 0.5)
    return folder


@pytest.fixture
def serve(monkeypatch):
    running = []

    def start(*answers) -> list[Mirror]:
        running.extend(map(Mirror, answers))
        monkeypatch.setattr(data, "MIRRORS", tuple(m.address for m in running))
        return running

    yield start
    for mirror in running:
        mirror.close()


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def check_whole(folder: Path) -> None:
    """The four files and nothing else."""
    assert files(folder) == ["mnist", *sorted(f"mnist/{name}" for name in PACKED)]
    for name, raw in RAW.items():
        assert gzip.decompress((folder / "mnist" / f"{name}.gz").read_bytes()) == raw


@pytest.mark.parametrize("answer", [mirrors.slow, mirrors.redirects])
def test_a_mirror_that_takes_its_time_or_sends_elsewhere(cache, serve, answer):
    serve(answer)
    assert data.load("mnist", download=True).train.shape == (300, 28, 28)
    check_whole(cache)


@pytest.mark.parametrize("kind", BAD)
def test_the_next_mirror(cache, serve, kind):
    bad, good = serve(BAD[kind], mirrors.good)
    assert data.load("mnist", download=True).test.shape == (20, 28, 28)
    check_whole(cache)
    assert set(good.asked) == set(PACKED) and bad.asked


@pytest.mark.parametrize("kind", BAD)
def test_where_no_mirror_works(cache, serve, kind):
    one, two = serve(BAD[kind], BAD[kind])
    with pytest.raises(DataError) as error:
        data.load("mnist", download=True)
    said = str(error.value)
    assert one.address in said and two.address in said and SAID.get(kind, "") in said
    assert "network" in said and str(cache) in said
    assert files(cache) == ["mnist"], "something half-written was left"


def test_where_no_mirror_works_one_line_says_so(cache, serve, capsys):
    serve(BAD["429"], BAD["503"])
    run = ["train", "--data", "mnist", "--download", "--epochs", "1", "--quiet"]
    assert cli.main(run) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "vaelib" in line]
    assert len(said) == 1 and "429" in said[0] and "503" in said[0]


def test_a_second_try_takes_up_what_is_there(cache, serve):
    """The first file comes, the second does not; the next day only three are asked for."""

    def first_only(handler, name):
        (mirrors.good if "train-images" in name else mirrors.cut)(handler, name)

    first, second = serve(first_only, mirrors.hangs_up)
    with pytest.raises(DataError, match="train-labels"):
        data.load("mnist", download=True)
    assert files(cache) == ["mnist", "mnist/train-images-idx3-ubyte.gz"]
    (*_, good) = serve(mirrors.good)
    data.load("mnist", download=True)
    check_whole(cache)
    assert not any("train-images" in name for name in good.asked)


def test_a_disk_that_fills_up_in_the_middle(cache, serve):
    serve(mirrors.good)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DataError, match=f"room in {cache}"):
            data.load("mnist", download=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(cache) == ["mnist"]
    data.load("mnist", download=True)
    check_whole(cache)


@pytest.fixture
def at_once(cache, serve) -> dict:
    """Three downloads killed in the middle, and then two at once."""
    serve(mirrors.slow)
    script = Path(__file__).with_name("downloads_at_once.py")
    command = [sys.executable, script, cache, mirrors.stand_in(serve()), "3"]
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_processes_at_once(cache, at_once):
    assert at_once["codes"] == [0, 0]
    stored = [name for name in at_once["left"] if "/." not in name]
    assert stored == ["mnist", *sorted(f"mnist/{name}" for name in PACKED)]
    for name, raw in RAW.items():
        assert gzip.decompress((cache / "mnist" / f"{name}.gz").read_bytes()) == raw


def test_what_a_killed_download_leaves_goes_after_a_day(cache, serve):
    serve(mirrors.good)
    old, new = cache / "mnist" / ".vaelib-old", cache / "mnist" / ".vaelib-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    a_day_ago = time.time() - 90_000
    os.utime(old, (a_day_ago, a_day_ago))
    data.load("mnist", download=True)
    assert new.exists() and not old.exists()
