"""A submission's process as the marking program sees it: started, asked, and ended in time."""

import multiprocessing
import os
import pickle
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from course.marking import child, preload, sandbox, wire
from course.marking.scratch import free, too_much
from vaelib.check import Outcome, Probe

SECONDS_TO_START = 60.0  # with reading the files
BETWEEN_LOOKS = 0.25  # seconds between two looks at the folder that it writes into
SECONDS_PER_CELL = 10.0
GRACE = 3.0  # seconds after which a process that does not answer is ended
# Starting a process changes the environment and `__main__`, which all threads share.
STARTING = threading.Lock()
COPIED = threading.Event()  # the process of which the others are copies runs
# What these variables say is needed to start Python and PyTorch; they hold no secret.
PASSED_ON = (
    *("PATH", "PYTHON", "LANG", "LC_", "LD_", "DYLD_", "SYSTEMROOT", "TEMP", "TMP"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "VAELIB_"),
)
T = TypeVar("T")


class Broken(Exception):
    """The process died, or sent something that is not an answer to the question."""


def start(target: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
    """A new process, which runs `target`, and of the marking program knows its arguments only.

    If possible it is a copy of one that has PyTorch imported. Raises Unconfined where a submission
    could do harm, unless the lecturer has said `--unsafe`.
    """
    if not sandbox.unsafe() and (why := sandbox.refusal()):
        raise sandbox.Unconfined(why)
    method = "spawn"
    if "forkserver" in multiprocessing.get_all_start_methods():
        method = "forkserver"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["course.marking.preload"])
    process = context.Process(target=target, args=arguments, daemon=True)
    with STARTING, without_traces(), clean_environment(method == "spawn" or not COPIED.is_set()):
        process.start()
        COPIED.set()
    return process


@contextmanager
def without_traces() -> Iterator[None]:
    """Hide the command line, which may hold the seed, and `__main__`.

    A new process gets the one, and runs the file of the other again, which could import the
    references.
    """
    before = (sys.argv, sys.modules["__main__"])
    sys.argv = ["marking"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.argv = before[0]
        sys.modules["__main__"] = before[1]


@contextmanager
def clean_environment(needed: bool) -> Iterator[None]:
    """Hide the lecturer's environment, which may hold passwords.

    That is `needed` only for the process that is copied later: other threads may be reading the
    environment at any time.
    """
    if not needed:
        yield
        return
    kept = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    settings = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
    before = dict(os.environ)
    replace_environment(kept | settings | {preload.INSTALL_ON_IMPORT: "1"})
    try:
        yield
    finally:
        replace_environment(before)


def replace_environment(new: dict[str, str]) -> None:
    for name in set(os.environ) - set(new):
        del os.environ[name]
    os.environ.update(new)


class Child:
    """One submission's process; `hello` is what it found in the files."""

    def __init__(
        self,
        files: list[tuple[str, Path]],
        handed_out: dict[int, list[str]],
        wanted: list[tuple[str, int]],
        scratch: Path,
    ) -> None:
        self.connection, childs_end = multiprocessing.Pipe()
        arguments = (childs_end, files, handed_out, wanted, scratch, SECONDS_PER_CELL)
        self.process = start(child.main, arguments)
        self.ended = threading.Event()
        self.too_much = ""
        childs_end.close()
        with self._closing(), self._within(SECONDS_TO_START):
            frame = self.connection.recv_bytes(wire.LARGEST)
            self.hello: dict[str, Any] = wire.unpack(frame, 0)[0]  # no student's code has run yet
        if not sandbox.own_disk(self.hello["limits"]):
            threading.Thread(target=self._watch, args=(scratch,), daemon=True).start()

    def load(self, name: str) -> str:
        """Load a function or run a cell; returns what the process says of it (see `child`)."""
        return self._ask(SECONDS_PER_CELL + GRACE, wire.unpack_text, "load", name)

    def call(self, probe: Probe, seconds: float) -> Outcome:
        """Call the function loaded last. Raises TimeoutError if it cannot be stopped otherwise."""
        return self._ask(seconds + GRACE, wire.unpack_outcome, "call", probe, seconds)

    def _ask(self, wait: float, read: Callable[[bytes, int], T], *question: Any) -> T:
        number = secrets.randbits(62)  # so that no answer can be prepared
        with self._closing(), self._within(wait):
            self.connection.send_bytes(pickle.dumps((number, *question)))
            return read(self.connection.recv_bytes(wire.LARGEST), number)

    @contextmanager
    def _within(self, wait: float) -> Iterator[None]:
        """End the process if what is inside takes longer: it may neither answer nor listen."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(wait, end)
        timer.start()
        try:
            yield
        except (EOFError, OSError):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Whatever goes wrong inside ends the process."""
        try:
            yield
        except TimeoutError:
            self.close()
            raise
        except (EOFError, OSError):
            how = self._how()
            self.close()
            raise Broken(f"ended the process that runs it{how}") from None
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise Broken(f"sent the marking program something else ({error})") from None

    def _watch(self, scratch: Path) -> None:
        """End the process if it fills its folder."""
        with suppress(FileNotFoundError):  # the folder is gone: so is the process
            free_before = free(scratch)
            while not self.ended.wait(BETWEEN_LOOKS):
                self.too_much = too_much(scratch, free_before)
                if self.too_much:
                    self.kill()
                    return

    def _how(self) -> str:
        """How the process ended, in brackets; empty if it is not known."""
        if self.too_much:
            return f": it {self.too_much}"
        self.process.join(0.5)
        code = self.process.exitcode
        if code is None or code >= 0:
            return "" if code is None else f" (exit code {code})"
        with suppress(ValueError):
            return f" ({signal.Signals(-code).name})"
        return ""

    def kill(self) -> None:
        if self.process.pid and hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)  # with every process it has started
        self.process.kill()

    def close(self) -> None:
        self.ended.set()
        self.kill()
        self.process.join(5)
        self.connection.close()
