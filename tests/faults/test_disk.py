"""A full disk, a folder that may only be read, no home, and names beyond ASCII."""

import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from inputs import HOME
from oracles import equal_weights
from small_runs import images, small

from vaelib import checkpoint, cli, data
from vaelib.checkpoint import load_vae, save
from vaelib.training import fit
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.refuses
ROOM = 2000  # bytes


@contextmanager
def full_disk():
    """No file can grow beyond ROOM bytes: writing fails half-way, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path):
    """Nobody may write into the folder, also where the tests run as root."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)  # for whom permissions hold
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def place():
    """A folder that every user can open, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def big():
    return LatentExplorer(small(), images())


TROUBLES = {"full": lambda folder: full_disk(), "read-only": read_only}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_checkpoint(place, trouble):
    path = place / "vae.safetensors"
    save(path, small())
    with TROUBLES[trouble](place):
        with pytest.raises(OSError, match=f"cannot write to {place} .*expected"):
            save(path, small(seed=1))
        assert equal_weights(load_vae(path), small())
    assert files(place) == {"vae.safetensors"}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_run(place, trouble):
    """Refused before the first step, not after the last; the model is as it was."""
    vae = small()
    with TROUBLES[trouble](place), pytest.raises(OSError, match="cannot write to .*run"):
        fit(vae, images(), epochs=1, checkpoint=place / "run" / checkpoint.NAME, progress=False)
    assert equal_weights(vae, small())
    assert files(place) <= {"run"}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_explorer(place, trouble):
    path = place / "explorer.html"
    widget = big()
    widget.save(path)
    before = path.read_bytes()
    with TROUBLES[trouble](place), pytest.raises(OSError) as error:
        widget.save(path)
    assert "explorer.html" in str(error.value)
    assert path.read_bytes() == before and files(place) == {"explorer.html"}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_command_line(place, trouble, capsys):
    fit(small(), images(), epochs=1, checkpoint=place / checkpoint.NAME, progress=False)
    data.load("digits")  # the user without rights could not import what it needs
    import vaelib.widgets.bundle  # noqa: F401

    page = ["explore", "faces", "--no-browser", "--html", str(place / "faces.html")]
    run = ["train", "--data", "digits", "--epochs", "1", "--quiet", "--out", str(place / "run")]
    for command in (page, run):
        with TROUBLES[trouble](place):
            code = cli.main(command)
        said = capsys.readouterr().err
        assert code == 2 and said.count("\n") == 1 and str(place) in said, said
    assert files(place) <= {checkpoint.NAME, "run", "run/run.json"}


def test_the_cache(place, monkeypatch):
    """Nothing is asked of any mirror: the folder is made first."""
    monkeypatch.setenv("VAELIB_DATA", str(place / "cache"))
    monkeypatch.setattr(data, "MIRRORS", ())
    with read_only(place), pytest.raises(OSError, match="VAELIB_DATA"):
        data.load("mnist", download=True)
    assert files(place) == set()


NAMES = ("two words", "größer ✓ 模型", "#1 100 %", "'quoted' \"twice\"", "-dash")


@pytest.mark.parametrize("name", NAMES)
def test_names_with_spaces_and_other_letters(tmp_path, name, capsys):
    folder = tmp_path / name
    history = fit(small(), images(), epochs=1, checkpoint=folder / f"{name}.vae", progress=False)
    resumed = fit(small(), images(), epochs=2, checkpoint=folder / f"{name}.vae", progress=False)
    assert resumed.elbo[:1] == history.elbo
    vae = load_vae(folder / f"{name}.vae")
    assert LatentExplorer(vae, images()).save(folder / f"{name}.html").stat().st_size > 10_000
    train = ["train", "--data", "digits", "--epochs", "1", "--quiet", "--hidden", "8"]
    assert cli.main([*train, "--out", str(folder / "run")]) == 0
    assert str(folder / "run") in capsys.readouterr().out
    assert cli.main(["evaluate", str(folder / "run"), "--samples", "2"]) == 0
    assert cli.main(["explore", str(folder / "run"), "--no-browser"]) == 0
    assert (folder / "run" / "explorer.html").is_file()


def test_no_home(tmp_path):
    """Training, evaluation and the page need none; MNIST says where it would be stored."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HOME", "XDG_"))}
    environment |= {"PYTHONPATH": str(HOME), "HOME": "/proc/nothing"}
    environment.pop("VAELIB_DATA", None)
    script = (
        "import sys\n"
        "from vaelib.cli import main\n"
        "short = ['--epochs', '1', '--quiet', '--out', 'run']\n"
        "codes = [main(['train', '--data', 'digits', *short]),\n"
        "         main(['explore', 'run', '--no-browser']),\n"
        "         main(['train', '--data', 'mnist', '--epochs', '1'])]\n"
        "print(*codes)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "0 0 2", done.stderr
    assert "Traceback" not in done.stderr and "VAELIB_DATA" in done.stderr


def test_a_user_of_whom_the_system_knows_nothing(monkeypatch):
    """As in a container that is run with a number for its user."""
    import pwd

    def unknown(*_):
        raise KeyError("getpwuid(): uid not found: 123456")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(data.DataError, match="VAELIB_DATA"):
        data.load("mnist")
