"""The parent's end of a submission's process: starts it, asks it, ends it in time."""

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

from vaelib import _marking_child, _marking_preload, _marking_wire
from vaelib.check import Outcome, Probe

START = 60.0  # seconds to start, and to read the files
GRACE = 3.0  # seconds after which a process that does not answer is ended
ONE_AT_A_TIME = threading.Lock()
T = TypeVar("T")


class Broken(Exception):
    """The process died, did not answer, or answered what was not asked for."""


def context() -> BaseContext:
    """Where it can be, a server that has PyTorch imported and divides itself for each process."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["vaelib._marking_preload"])
    settings = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", _marking_preload.HERE: "1"}
    with ONE_AT_A_TIME:
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    return chosen


@contextmanager
def without_main() -> Iterator[None]:
    """A new process runs the file of `__main__` again; it could bring the references along."""
    with ONE_AT_A_TIME:
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
        given: dict[int, list[str]],
        wanted: list[tuple[str, int]],
        scratch: Path,
    ) -> None:
        self.connection, its = multiprocessing.Pipe()
        arguments = (its, files, given, wanted, scratch)
        self.process = context().Process(target=_marking_child.main, args=arguments, daemon=True)  # type: ignore[attr-defined]
        with without_main():
            self.process.start()
        its.close()
        with self._closing():
            self.hello: dict[str, Any] = self._receive(START, 0, _marking_wire.unpack)[0]

    def load(self, name: str) -> str:
        """Load a function; returns what was wrong, if anything."""
        wait = _marking_child.LOADING + GRACE
        return _marking_wire.text(self._ask(wait, _marking_wire.unpack, "load", name)[0]["error"])

    def call(self, probe: Probe, seconds: float) -> Outcome:
        """Call the function loaded last. Raises TimeoutError if it cannot be stopped otherwise."""
        return self._ask(seconds + GRACE, _marking_wire.unpack_outcome, "call", probe, seconds)

    def _ask(self, wait: float, read: Callable[[bytes, int], T], *question: Any) -> T:
        number = secrets.randbits(62)  # so that no answer can be laid ready
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
            return read(self.connection.recv_bytes(_marking_wire.LARGEST), number)
        except (EOFError, OSError):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """What goes wrong on the way is the end of the process."""
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
                os.killpg(self.process.pid, signal.SIGKILL)  # with all that it has started
        self.process.kill()

    def close(self) -> None:
        self.kill()
        self.process.join(5)
        self.connection.close()
