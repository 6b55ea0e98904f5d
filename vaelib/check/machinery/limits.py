"""Running a student's code: it is stopped in time, kept quiet, and leaves no trace."""

import builtins
import ctypes
import io
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import torch

RETRY_AFTER = 0.05  # seconds between two attempts to stop a function
PATIENCE = 6  # attempts before every line of the function is interrupted


class Stopped(BaseException):
    """Raised inside a function whose time is over; no `except Exception` catches it."""


class Late(Exception):
    """The function did not return within its time."""


# Two arguments that it uses, then the three of a trace function, which C does not look at.
_raise_in_thread = ctypes.PYFUNCTYPE(None, ctypes.c_ulong, *(4 * [ctypes.py_object]))(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


class _Clock:
    """Raises `Stopped` repeatedly in the thread that made it, until it is switched off."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.thread = threading.get_ident()
        self.on = True
        self.fired = 0

    def alarm(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        if not self.on:
            return
        self.fired += 1
        if self.fired > PATIENCE:
            self.insist(frame)
        raise Stopped

    def insist(self, frame: FrameType | None) -> None:
        """For a function that catches everything: each of its lines raises the exception again.

        So it is raised between an `except` and the next round of the loop around it. The trace
        function is written in C, because the exception would stop one that is written in Python.
        """
        trace = partial(_raise_in_thread, self.thread, Stopped)
        sys.settrace(trace)
        while frame is not None and frame.f_code is not run_limited.__code__:
            frame.f_trace = trace
            frame = frame.f_back

    def watch(self, done: threading.Event) -> None:
        """Used where there is no such signal: another thread raises the exception."""
        clock = self

        class Insisting(Stopped):
            def __init__(self) -> None:  # called in the function's own thread
                clock.insist(sys._getframe(1))

        if done.wait(self.seconds):
            return
        while self.on:
            self.fired += 1
            self.raise_in_thread(Stopped if self.fired <= PATIENCE else Insisting)
            done.wait(RETRY_AFTER)

    def raise_in_thread(self, exception: type[BaseException]) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self.thread), ctypes.py_object(exception)
        )

    def drain(self) -> None:
        """Receive an exception that was requested and has not been raised yet.

        Cancelling it (by requesting None) would leave a flag of the interpreter set, and
        everything after it would run slowly.
        """
        try:
            self.raise_in_thread(Stopped)
            while True:
                pass
        except Stopped:
            pass


def run_limited(function: Callable[[], Any], seconds: float) -> Any:
    """function(), or `Late` if it takes more than `seconds`; whatever it raises is raised."""
    clock = _Clock(seconds)
    done = threading.Event()
    trace = sys.gettrace()
    by_signal = (
        hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    )
    started = time.monotonic()
    if by_signal:
        handler = signal.signal(signal.SIGALRM, clock.alarm)
        timer = signal.setitimer(signal.ITIMER_REAL, seconds, RETRY_AFTER)
    else:
        watcher = threading.Thread(target=clock.watch, args=(done,), daemon=True)
        watcher.start()
    try:
        try:
            result = function()
        finally:
            clock.on = False
    except Stopped:
        result = None
    finally:
        # A `Stopped` that was requested earlier may interrupt these lines; they can be run twice.
        for _ in (1, 2):
            try:
                sys.settrace(trace)
                clock.on = False
                done.set()
                if by_signal:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    signal.signal(signal.SIGALRM, handler)
                else:
                    watcher.join()
                break
            except Stopped:
                continue
        if clock.fired:
            clock.drain()
        if by_signal and timer[0] > 0:
            remaining = timer[0] - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(remaining, 1e-3), timer[1])
    if clock.fired:
        raise Late
    return result


class _Sink(io.TextIOBase):
    """Counts what is written to it, and passes on the first `echo` characters."""

    def __init__(self, stream: Any, echo: int) -> None:
        self.stream = stream
        self.echo = echo
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.written < self.echo:
            self.stream.write(text[: self.echo - self.written])
        self.written += len(text)
        return len(text)


class Watch:
    """What the guarded block did besides computing its result."""

    used_global_random: bool = False
    printed: int = 0


def _random_states() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _same_random_states(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return (
        torch.equal(a[0], b[0])
        and a[1][2:] == b[1][2:]
        and np.array_equal(a[1][1], b[1][1])
        and a[2] == b[2]
    )


def _no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to answer it here")


def _exit(code: object = None) -> None:
    raise SystemExit(code)


@contextmanager
def guarded(echo: int = 0, namespace: dict[str, Any] | None = None) -> Iterator[Watch]:
    """A block whose prints, warnings, input() and global settings have no effect outside it.

    `namespace`, the function's globals, may hold a notebook's own `exit`, which ends the kernel.
    """
    names = {} if namespace is None else namespace
    exits: dict[str, Any] = {name: names[name] for name in ("exit", "quit") if name in names}
    names.update(dict.fromkeys(exits, _exit))
    watch = Watch()
    random_states = _random_states()
    streams = sys.stdout, sys.stderr, sys.stdin
    out = _Sink(sys.stdout, echo)
    err = _Sink(sys.stderr, 0)
    own_input = builtins.input
    recursion_limit = sys.getrecursionlimit()
    dtype = torch.get_default_dtype()
    grad_enabled = torch.is_grad_enabled()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sys.stdout = out
        sys.stderr = err
        sys.stdin = io.StringIO()
        builtins.input = _no_input
        torch.set_grad_enabled(True)
        try:
            yield watch
        finally:
            sys.stdout, sys.stderr, sys.stdin = streams
            builtins.input = own_input
            names.update(exits)
            sys.setrecursionlimit(recursion_limit)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad_enabled)
            watch.printed = out.written + err.written
            watch.used_global_random = not _same_random_states(random_states, _random_states())
            torch.set_rng_state(random_states[0])
            np.random.set_state(random_states[1])
            random.setstate(random_states[2])
