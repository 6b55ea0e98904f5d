"""The root folder of a submission's own: what is in sight in it, and that nothing stays of it."""

import os
import sys
from pathlib import Path

import pytest
from confinable import confining
from test_sandbox import IN_SIGHT, PACKAGE, in_a_copy

from course.marking import landlock, sandbox
from course.marking.scratch import MOST_BYTES, scratch_folder

pytestmark = [confining, pytest.mark.refuses]
if sys.platform == "linux":
    from course.marking import sight


@pytest.fixture
def own_root():
    if not sandbox.own_disk(sandbox.tried()[0]):
        pytest.skip("this system lets nobody have a root folder of one's own")


def confined(scratch: Path, readable: list[Path], work):
    def both():
        lines = sandbox.confine(scratch, readable)
        return lines, work()

    return in_a_copy(both)


def seen(*paths: Path) -> list[bool]:
    return [os.path.lexists(path) for path in paths]


def test_what_is_not_its_own_does_not_exist(tmp_path, own_root):
    own, other = tmp_path / "ada.ipynb", tmp_path / "ben.ipynb"
    own.write_text("ada")
    other.write_text("ben")

    def look():
        here = os.getcwd()
        process = seen(Path("/proc/self/status"), Path(f"/proc/{os.getppid()}"))
        package = seen(PACKAGE / "models.py", PACKAGE / "check" / "catalogue")
        return here, own.read_text(), seen(other, PACKAGE.parent / "README.md"), process, package

    with scratch_folder() as scratch:
        lines, found = confined(scratch, [own, PACKAGE], look)
        assert lines[-1].startswith(f"{IN_SIGHT}: ")
        assert found == (str(scratch), "ada", [False, False], [True, False], [True, False])


def test_what_may_be_read_cannot_be_written_to(tmp_path, own_root, monkeypatch):
    """Also without Landlock, and by whoever owns the file."""
    shown = tmp_path / "a b" / "shown"
    shown.parent.mkdir()
    shown.write_text("x")
    shown.chmod(0o666)
    shown.parent.chmod(0o777)
    monkeypatch.setattr(landlock, "version", lambda: 0)

    def write():
        found = []
        for path in (shown, shown.parent / "new", Path("/new"), Path("/proc/self/comm")):
            try:
                path.write_text("y")
            except OSError as error:
                found.append(error.strerror)
        Path("own").write_text("y")
        Path(os.devnull).write_text("y")
        return found

    with scratch_folder() as scratch:
        lines, found = confined(scratch, [shown.parent], write)
    assert "a root folder" in lines[0]
    assert found == ["Read-only file system"] * 4
    assert shown.read_text() == "x"


def test_a_folder_is_found_by_its_other_name_too(tmp_path, own_root):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    with scratch_folder() as scratch:
        named = tmp_path / "link" / "file"
        assert confined(scratch, [named], lambda: named.read_text())[1] == "x"


def test_its_disk_is_its_own_and_holds_so_much(own_root):
    def fill():
        text = Path("helper.py").read_text()
        Path("helper.py").write_text("changed")
        size = 0
        try:
            for number in range(2 * MOST_BYTES // sandbox.FILE):
                Path(str(number)).write_bytes(bytes(sandbox.FILE))
                size += sandbox.FILE
        except OSError as error:
            return text, error.strerror, size
        return text, "", size

    with scratch_folder() as scratch:
        (scratch / "helper.py").write_text("x = 1")
        text, error, size = confined(scratch, [], fill)[1]
        assert (text, error) == ("x = 1", "No space left on device")
        assert MOST_BYTES // 2 < size <= MOST_BYTES
        assert (scratch / "helper.py").read_text() == "x = 1"
        assert os.listdir(scratch) == ["helper.py"]


@pytest.mark.parametrize("fails", ["own_mounts", "show"])
def test_where_the_system_refuses_it_works_on_the_disk_and_the_report_says_so(monkeypatch, fails):
    def refused(*arguments):
        raise PermissionError("not allowed")

    def work():
        Path("written").write_text("y")
        return Path("helper.py").read_text()

    monkeypatch.setattr(sight, fails, refused)
    with scratch_folder() as scratch:
        (scratch / "helper.py").write_text("x = 1")
        monkeypatch.chdir(scratch)
        lines, text = confined(scratch, [], work)
        assert text == "x = 1"
        assert sandbox.not_held(lines) == []
        assert lines[-1] == f"not kept on this system: {IN_SIGHT}"
        assert not sandbox.own_disk(lines)
        assert (scratch / "written").read_text() == "y"
