"""The sandbox: which promises hold on which systems, and that honest work is still possible."""

import os
import pickle
import sys
import threading
from pathlib import Path

import pytest
from confinable import confining

import vaelib
from course.marking import landlock, sandbox
from course.marking.scratch import scratch_folder

pytestmark = pytest.mark.refuses
if sys.platform == "linux":
    from course.marking import syscalls

PACKAGE = Path(vaelib.__file__).parent
TEXTS = [promise.text for promise in sandbox.PROMISES if promise.required]
IN_SIGHT = sandbox.PROMISES[-1].text


def in_a_copy(work, *arguments):
    """What `work` returns in a copy of this process, or its error as a text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = work(*arguments)
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    return pickle.loads(answer)


def confined(work=lambda: None, unsafe: bool = False, before=lambda: None):
    """The promises that hold, and what `work` then returns, in a copy of this process."""

    def both(scratch):
        os.chdir(scratch)
        before()
        sandbox.unsafe = lambda: unsafe
        return sandbox.confine(scratch, [PACKAGE]), work()

    with scratch_folder() as scratch:
        return in_a_copy(both, scratch)


def no_library():
    raise OSError("libseccomp.so.2: cannot open shared object file")


@confining
def test_all_promises_hold_here():
    lines, _ = confined()
    assert sandbox.not_held(lines) == []
    assert [line.partition(":")[0] for line in lines][: len(TEXTS)] == TEXTS
    assert len(TEXTS) >= 5
    assert sandbox.refusal() == ""


@confining
@pytest.mark.parametrize("version", range(1, 8))
def test_all_promises_hold_with_each_landlock(version, monkeypatch):
    if version > landlock.version():
        pytest.skip("this kernel has not got that far")
    monkeypatch.setattr(landlock, "version", lambda: version)
    lines, _ = confined()
    assert sandbox.not_held(lines) == []
    assert f"Landlock {version}" in lines[0]


def not_allowed():
    raise PermissionError("no mount namespace")


@confining
def test_without_landlock_its_own_root_folder_is_enough(monkeypatch):
    if not sandbox.own_disk(sandbox.tried()[0]):
        pytest.skip("this system lets nobody have a root folder of one's own")
    monkeypatch.setattr(landlock, "version", lambda: 0)
    lines, _ = confined()
    assert sandbox.not_held(lines) == []
    assert lines[0].startswith(f"{TEXTS[0]}: a root folder of its own")


@confining
def test_with_neither_nothing_is_run(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(sandbox.sight, "own_mounts", not_allowed)
    refused = confined()
    assert refused.startswith("Unconfined: no file outside its folder changes; it reads only")
    assert refused.endswith("; no mount namespace; this kernel has no Landlock")
    lines, _ = confined(unsafe=True)
    assert sandbox.not_held(lines) == [TEXTS[0], TEXTS[1], TEXTS[3]]


@confining
def test_without_the_library_for_system_calls_nothing_is_run(monkeypatch):
    monkeypatch.setattr(syscalls, "library", no_library)
    refused = confined()
    assert refused.startswith("Unconfined: ") and "libseccomp" in refused
    lines, _ = confined(unsafe=True)
    assert sandbox.not_held(lines) == [text for text in TEXTS if text != TEXTS[1]]


@confining
def test_a_filter_that_the_kernel_does_not_take_is_a_promise_broken(monkeypatch):
    def not_loaded(self):
        raise OSError("seccomp_load: Invalid argument")

    monkeypatch.setattr(syscalls.Filter, "load", not_loaded)
    assert "seccomp_load: Invalid argument" in confined()


@confining
@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="no limit on threads binds root"
)
def test_root_that_cannot_become_another_user_is_a_promise_broken(monkeypatch):
    def refused(*users):
        raise PermissionError("not allowed to become another user")

    monkeypatch.setattr(os, "setresuid", refused)
    assert confined() == f"Unconfined: {TEXTS[4]}; not allowed to become another user"


@confining
def test_a_process_with_threads_already_is_not_confined():
    """Landlock binds the thread that asks for it, and those that it starts."""

    def start_a_thread():
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    assert "has started threads already" in confined(before=start_a_thread)


@pytest.mark.skipif(os.name != "posix", reason="needs a copy of the process")
@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_on_other_systems_nothing_is_run(system, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    refused = confined()
    assert refused.startswith("Unconfined: ") and all(text in refused for text in TEXTS)


def test_unsafe_python_itself_still_refuses_what_it_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")

    def tries():
        found = []
        for attempt in (
            lambda: (tmp_path / "x").write_text("x"),
            lambda: os.chmod(tmp_path, 0o700),
            lambda: os.system("true"),
            lambda: __import__("socket").socket(),
        ):
            try:
                attempt()
            except PermissionError as error:
                found.append(str(error))
        Path("own").write_text("x")
        return found

    lines, found = confined(tries, unsafe=True)
    assert "an audit hook" in lines[0]
    assert lines[1:] == [f"not kept on this system: {text}" for text in [*TEXTS, IN_SIGHT]]
    assert sandbox.not_held(lines) == TEXTS
    assert len(found) == 4


def test_the_lecturer_can_say_unsafe(monkeypatch):
    monkeypatch.delenv(sandbox.UNSAFE, raising=False)
    assert not sandbox.unsafe()
    monkeypatch.setenv(sandbox.UNSAFE, "1")
    assert sandbox.unsafe()


def test_the_refusal_says_what_is_missing_and_what_to_do(monkeypatch):
    found = ([TEXTS[4] + ": resource limits"], ["this kernel has no Landlock"])
    monkeypatch.setattr(sandbox, "tried", lambda: found)
    why = sandbox.refusal()
    assert all(text in why for text in TEXTS[:4]) and TEXTS[4] not in why
    assert "this kernel has no Landlock" in why and "--unsafe" in why and "libseccomp2" in why


def test_the_command_prints_each_promise(monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "tried", lambda: ([TEXTS[0] + ": Landlock 9"], ["no library"]))
    sandbox.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"✓ {TEXTS[0]}: Landlock 9"
    assert printed[1:6] == [f"✗ {text}" for text in [*TEXTS[1:], IN_SIGHT]]
    assert printed[6] == "no library"


@confining
def test_the_references_are_hidden_wherever_they_are_installed(tmp_path):
    site = tmp_path / "site-packages"
    for name in ("numpy/core.py", "vaelib/models.py", "vaelib/check/catalogue/kl.py", "one.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("x")
    hidden = [site / "vaelib" / "check"]
    places = sandbox.visible(site, hidden)
    assert places == {
        site: landlock.READ_DIR,
        site / "numpy": landlock.READ,
        site / "one.py": landlock.READ,
        site / "vaelib": landlock.READ_DIR,
        site / "vaelib" / "models.py": landlock.READ,
    }
    assert sandbox.visible(site / "numpy", hidden) == {site / "numpy": landlock.READ}
    assert sandbox.visible(hidden[0] / "catalogue", hidden) == {}


@confining
def test_the_references_cannot_be_read_but_the_package_can(tmp_path, monkeypatch):
    def read():
        found = {}
        for path in (PACKAGE / "models.py", PACKAGE / "check" / "catalogue" / "kl.py"):
            try:
                found[path.name] = len(path.read_bytes()) > 100
            except OSError:
                found[path.name] = "refused"
        return found

    _, found = confined(read)
    assert found == {"models.py": True, "kl.py": "refused"}


def threads():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(abs, range(-50, 0)))


def figure():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.plot([1, 2])
    plt.savefig("figure.png")
    return os.path.getsize("figure.png") > 1000


def torch_work():
    import torch

    x = torch.ones(3, requires_grad=True)
    (x**2).sum().backward()
    torch.save({"x": x.grad}, "x.pt")
    kept = torch.load("x.pt", mmap=True)["x"]
    product = torch.ones(300, 300) @ torch.ones(300, 300)
    return kept.tolist(), torch.vmap(torch.sum)(product)[0].item()


def numpy_work():
    import numpy as np

    np.save("x.npy", np.arange(10))
    written = np.memmap("y", mode="w+", shape=4)
    written[:] = 7
    return int(np.load("x.npy", mmap_mode="r").sum()), int(written[0])


def asynchronous():
    import asyncio

    async def later():
        await asyncio.sleep(0.001)
        return 5

    return asyncio.run(later())


def files():
    import shutil
    import tempfile

    Path("folder").mkdir()
    Path("a").write_text("x" * 10)
    shutil.copy("a", "folder/b")
    os.rename("folder/b", "c")
    Path("new").touch()
    Path("new").touch()
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile():
        Path(folder, "d").write_text("y")
    return sorted(os.listdir())


def notebook():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    return shell.run_cell("%time x = 1\nx + 1").result


def imports():
    import sklearn.decomposition

    return sklearn.decomposition.PCA(1).fit([[0.0, 1.0], [1.0, 2.0]]).n_components_


@confining
@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (threads, 1275),
        (figure, True),
        (torch_work, ([2.0, 2.0, 2.0], 90000.0)),
        (numpy_work, (45, 7)),
        (asynchronous, 5),
        (files, ["a", "c", "folder", "new"]),
        (notebook, 2),
        (imports, 1),
    ],
    ids=lambda work: getattr(work, "__name__", ""),
)
def test_honest_work_is_possible(work, expected):
    answer = confined(work)
    assert answer[1] == expected, answer


@confining
def test_a_file_that_is_not_there_is_not_said_to_have_been_changed():
    def change():
        found = []
        for function in (os.chmod, os.utime):
            try:
                function("nothing", 0o600) if function is os.chmod else function("nothing")
            except OSError as error:
                found.append(type(error).__name__)
        return found

    assert confined(change)[1] == ["FileNotFoundError"] * 2
