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
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from course.marking import child, preload, wire
from vaelib.check import Outcome, Probe

SECONDS_TO_START = 60.0  # with reading the files
GRACE = 3.0  # seconds after which a process that does not answer is ended
# Starting a process changes the environment and `__main__`, which all threads share.
STARTING = threading.Lock()
T = TypeVar("T")


class Broken(Exception):
    """The process died, or sent something that is not an answer to the question."""


def context() -> BaseContext:
    """How processes are started: if possible, as copies of one that has PyTorch imported."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["course.marking.preload"])
    settings = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", preload.INSTALL_ON_IMPORT: "1"}
    with STARTING:
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
    return chosen


@contextmanager
def without_main() -> Iterator[None]:
    """Hide `__main__`: a new process runs its file again, and that could import the references."""
    with STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


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
        arguments = (childs_end, files, handed_out, wanted, scratch)
        self.process = context().Process(target=child.main, args=arguments, daemon=True)  # type: ignore[attr-defined]
        with without_main():
            self.process.start()
        childs_end.close()
        with self._closing():
            self.hello: dict[str, Any] = self._receive(SECONDS_TO_START, 0, wire.unpack)[0]

    def load(self, name: str) -> str:
        """Load a function; returns what was wrong, if anything."""
        wait = child.LOADING + GRACE
        return wire.text(self._ask(wait, wire.unpack, "load", name)[0]["error"])

    def call(self, probe: Probe, seconds: float) -> Outcome:
        """Call the function loaded last. Raises TimeoutError if it cannot be stopped otherwise."""
        return self._ask(seconds + GRACE, wire.unpack_outcome, "call", probe, seconds)

    def _ask(self, wait: float, read: Callable[[bytes, int], T], *question: Any) -> T:
        number = secrets.randbits(62)  # so that no answer can be prepared
        with self._closing():
            self.connection.send_bytes(pickle.dumps((number, *question)))
            return self._receive(wait, number, read)

    def _receive(self, wait: float, number: int, read: Callable[[bytes, int], T]) -> T:
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(wait, end)
        timer.start()
        try:
            return read(self.connection.recv_bytes(wire.LARGEST), number)
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

    def _how(self) -> str:
        """How the process ended, in brackets; empty if it is not known."""
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
        self.kill()
        self.process.join(5)
        self.connection.close()
