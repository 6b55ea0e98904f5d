"""A submission's process gets nothing of the marking program's, and is ended if it is greedy."""

import gc
import json
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from course.marking import process, sandbox, scratch

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="what is tested is the copy of a process"),
    pytest.mark.refuses,
]
SECRET = "the-seed-is-4711"


def look_around(connection, scratch_folder: Path) -> None:
    """Send everything that a new process can find out about the one that started it."""
    found = {
        "arguments": sys.argv,
        "environment": dict(os.environ),
        "modules": sorted(sys.modules),
        "objects": [str(one)[:2000] for one in gc.get_objects() if type(one) in (list, tuple)],
    }
    for name in ("environ", "cmdline"):
        path = Path(f"/proc/self/{name}")
        found[name] = path.read_text(errors="replace") if path.exists() else ""
    connection.send_bytes(json.dumps(found, default=str).encode())


def fill(connection, scratch_folder: Path) -> None:
    sandbox.alone()
    number = 0
    while True:
        (scratch_folder / str(number)).touch()
        number += 1


def test_a_new_process_gets_no_secret_of_the_marking_program(monkeypatch, tmp_path):
    monkeypatch.setenv("LMS_PASSWORD", SECRET)
    monkeypatch.setattr(sys, "argv", ["marking", "--seed", SECRET])
    mine, its = multiprocessing.Pipe()
    started = process.start(look_around, (its, tmp_path))
    try:
        assert mine.poll(60)
        found = json.loads(mine.recv_bytes())
    finally:
        started.kill()
        started.join(10)
    assert SECRET not in json.dumps(found)
    assert found["arguments"] == ["marking"]
    assert set(found["environment"]) & {"PATH", "OMP_NUM_THREADS"}
    assert not [name for name in found["modules"] if "lesson" in name or "judge" in name]
    # And the marking program has everything as it was.
    assert os.environ["LMS_PASSWORD"] == SECRET
    assert sys.argv[2] == SECRET
    assert process.preload.INSTALL_ON_IMPORT not in os.environ
    assert sys.modules["__main__"].__name__ == "__main__"


def deaf(connection, scratch_folder: Path) -> None:
    sandbox.alone()
    connection.send_bytes(b"ready")
    time.sleep(100)


def child_that_runs(target, folder: Path) -> process.Child:
    """A child of another program than that which runs notebooks."""
    child = process.Child.__new__(process.Child)
    child.connection, its = multiprocessing.Pipe()
    child.process = process.start(target, (its, folder))
    child.ended = threading.Event()
    child.too_much = ""
    its.close()
    return child


def test_a_process_that_does_not_listen_cannot_hold_up_the_marking(tmp_path):
    child = child_that_runs(deaf, tmp_path)
    assert child.connection.recv_bytes() == b"ready"
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        child._ask(0.5, process.wire.unpack, "load", "x" * 10_000_000)
    assert time.monotonic() - started < 30
    assert not child.process.is_alive()


def test_a_process_that_fills_its_folder_is_ended(monkeypatch):
    monkeypatch.setattr(scratch, "MOST_FILES", 50)
    with scratch.scratch_folder() as folder:
        child = child_that_runs(fill, folder)
        watch = threading.Thread(target=child._watch, args=(folder,))
        watch.start()
        watch.join(60)
        child.process.join(10)
        assert not child.process.is_alive()
        assert "made more than 50 files" in child._how()
    assert not folder.exists()


def test_where_a_promise_cannot_be_kept_no_process_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "tried", lambda: ([], ["this kernel has no Landlock"]))
    monkeypatch.setattr(sandbox, "unsafe", lambda: False)
    started: list[str] = []
    monkeypatch.setattr(multiprocessing, "get_context", started.append)
    with pytest.raises(sandbox.Unconfined, match="no Landlock.*--unsafe"):
        process.start(time.sleep, (0,))
    assert started == []
