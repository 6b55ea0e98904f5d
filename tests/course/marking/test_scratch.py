"""The folder into which a submission writes: bounded, and gone afterwards."""

import os
import sys
from contextlib import contextmanager

import pytest

from course.marking import scratch


def deep(folder, levels: int) -> None:
    """A folder in a folder, deeper than a path can be long or a function can call itself."""
    home = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(levels):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        with open("file", "w") as file:
            file.write("x")
    finally:
        os.fchdir(home)
        os.close(home)


def test_nothing_stays_of_a_folder_deeper_than_a_path_can_be():
    with scratch.scratch_folder() as folder:
        deep(folder, 1500)
        (folder / "plain").mkdir()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions and names")
def test_nothing_stays_of_what_cannot_be_read_or_named(tmp_path):
    target = tmp_path / "outside"
    target.mkdir()
    (target / "kept").write_text("x")
    with scratch.scratch_folder() as folder:
        (folder / "closed").mkdir(mode=0o700)
        (folder / "closed" / "file").write_text("x")
        (folder / "closed").chmod(0)
        os.mkdir(os.fsencode(folder) + b"/\xff\xfe\n")
        os.symlink(target, folder / "link")
        os.symlink(folder, folder / "loop")
        os.symlink("nowhere", folder / "broken")
        os.mkfifo(folder / "pipe")
    assert not folder.exists()
    assert (target / "kept").read_text() == "x"


def test_a_folder_that_is_gone_is_no_error():
    with scratch.scratch_folder() as folder:
        folder.rmdir()
    assert not folder.exists()


def test_a_folder_may_hold_some_files_but_not_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "MOST_FILES", 20)
    monkeypatch.setattr(scratch, "MOST_BYTES", 20_000)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(10_000))
    assert scratch.too_much(tmp_path) == ""
    with (tmp_path / "a" / "sparse").open("wb") as file:
        file.truncate(20_000)
    assert "wrote more than" in scratch.too_much(tmp_path)
    (tmp_path / "a" / "sparse").unlink()
    for number in range(20):
        (tmp_path / str(number)).touch()
    assert "made more than 20 files" in scratch.too_much(tmp_path)


def test_a_disk_that_fills_while_it_runs_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "free", lambda folder: (10 << 30, 500_000))
    assert scratch.too_much(tmp_path) == ""
    assert scratch.too_much(tmp_path, (13 << 30, 600_000)) == ""
    assert "the disk was filled" in scratch.too_much(tmp_path, (15 << 30, 500_000))
    assert "the disk was filled" in scratch.too_much(tmp_path, (10 << 30, 800_000))


def test_what_comes_and_goes_hides_nothing_else(tmp_path, monkeypatch):
    """An entry that has vanished before it is looked at does not end the look at its folder."""
    monkeypatch.setattr(scratch, "MOST_BYTES", 50_000)
    for name in "abcdef":
        (tmp_path / name).write_bytes(bytes(20_000))
    real = os.scandir

    @contextmanager
    def scandir(path):
        with real(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        (tmp_path / "a").unlink(missing_ok=True)
        yield entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert "wrote more than" in scratch.too_much(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit on paths")
def test_a_folder_too_deep_to_be_looked_into_is_too_much(monkeypatch):
    with scratch.scratch_folder() as folder:
        deep(folder, 100)
        assert "cannot be looked into" in scratch.too_much(folder)
