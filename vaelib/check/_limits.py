"""Running somebody else's code: stopped in time, kept quiet, and everything put back after it."""

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

AGAIN = 0.05  # seconds from one attempt to stop a function to the next
PATIENCE = 6  # attempts before the hard way


class Stopped(BaseException):
    """Raised inside a function whose time is over; no `except Exception` catches it."""


class Late(Exception):
    """The function did not come back within its time."""


# Its two arguments, and three that a trace function is called with and that C does not look at.
_ask = ctypes.PYFUNCTYPE(None, ctypes.c_ulong, *(4 * [ctypes.py_object]))(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


class _Clock:
    """Raises `Stopped` in the thread that made it, again and again, until it is switched off."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.thread = threading.get_ident()
        self.on, self.fired = True, 0

    def alarm(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        if not self.on:
            return
        self.fired += 1
        if self.fired > PATIENCE:
            self.insist(frame)
        raise Stopped

    def insist(self, frame: FrameType | None) -> None:
        """For a function that catches everything: each line of it asks for the exception anew.

        So it is raised again between a handler and the next round of the loop around it. The trace
        function is C throughout, since one in Python would be hit by the exception itself.
        """
        ask = partial(_ask, self.thread, Stopped)
        sys.settrace(ask)
        while frame is not None and frame.f_code is not run_limited.__code__:
            frame.f_trace = ask
            frame = frame.f_back

    def watch(self, done: threading.Event) -> None:
        """Where there is no such signal: another thread asks."""
        clock = self

        class Insisting(Stopped):
            def __init__(self) -> None:  # called in the function's own thread
                clock.insist(sys._getframe(1))

        if done.wait(self.seconds):
            return
        while self.on:
            self.fired += 1
            self.ask(Stopped if self.fired <= PATIENCE else Insisting)
            done.wait(AGAIN)

    def ask(self, exception: type[BaseException]) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self.thread), ctypes.py_object(exception)
        )

    def drain(self) -> None:
        """Take what was asked for and has not come yet.

        To ask for None instead would leave the interpreter's flag set, and all that follows slow.
        """
        try:
            self.ask(Stopped)
            while True:
                pass
        except Stopped:
            pass


def run_limited(work: Callable[[], Any], seconds: float) -> Any:
    """work(), or `Late` if it takes more than `seconds`; whatever it raises is let through."""
    clock, done, trace = _Clock(seconds), threading.Event(), sys.gettrace()
    by_signal = (
        hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    )
    started = time.monotonic()
    if by_signal:
        handler = signal.signal(signal.SIGALRM, clock.alarm)
        timer = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    else:
        watcher = threading.Thread(target=clock.watch, args=(done,), daemon=True)
        watcher.start()
    try:
        try:
            result = work()
        finally:
            clock.on = False
    except Stopped:
        result = None
    finally:
        # A `Stopped` that is still under way may hit these lines; they can all be run again.
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
            left = timer[0] - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-3), timer[1])
    if clock.fired:
        raise Late
    return result


class _Sink(io.TextIOBase):
    """Counts what is written to it, and hands on the first `echo` characters."""

    def __init__(self, through: Any, echo: int) -> None:
        self.through, self.echo, self.written = through, echo, 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.written < self.echo:
            self.through.write(text[: self.echo - self.written])
        self.written += len(text)
        return len(text)


class Watch:
    """What the guarded block did besides its work."""

    used_global_random: bool = False
    printed: int = 0


def _random_states() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to answer it here")


def _exit(code: object = None) -> None:
    raise SystemExit(code)


@contextmanager
def guarded(echo: int = 0, namespace: dict[str, Any] | None = None) -> Iterator[Watch]:
    """A block whose prints, warnings, questions and global settings stay its own.

    `namespace`, the function's globals, may hold a notebook's own `exit`, which ends the kernel.
    """
    names = {} if namespace is None else namespace
    exits: dict[str, Any] = {name: names[name] for name in ("exit", "quit") if name in names}
    names.update(dict.fromkeys(exits, _exit))
    watch, before = Watch(), _random_states()
    streams = sys.stdout, sys.stderr, sys.stdin
    out, err = _Sink(sys.stdout, echo), _Sink(sys.stderr, 0)
    asked, depth, dtype = builtins.input, sys.getrecursionlimit(), torch.get_default_dtype()
    graph = torch.is_grad_enabled()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sys.stdout, sys.stderr, sys.stdin = out, err, io.StringIO()
        builtins.input = _no_input
        torch.set_grad_enabled(True)
        try:
            yield watch
        finally:
            sys.stdout, sys.stderr, sys.stdin = streams
            builtins.input = asked
            names.update(exits)
            sys.setrecursionlimit(depth)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(graph)
            after = _random_states()
            watch.printed = out.written + err.written
            watch.used_global_random = not (
                torch.equal(before[0], after[0])
                and before[1][2:] == after[1][2:]
                and np.array_equal(before[1][1], after[1][1])
                and before[2] == after[2]
            )
            torch.set_rng_state(before[0])
            np.random.set_state(before[1])
            random.setstate(before[2])
