"""Endless answers are stopped in time, even those that catch everything; all is as before then."""

import builtins
import contextlib
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from kl_bernoulli_answers import judged, right

from vaelib.check.machinery.limits import Late, run_limited

SHORT = 0.2  # seconds that an endless call may take


def loops(p, q):
    while True:
        pass


def sleeps(p, q):
    time.sleep(100)


def swallows(p, q):
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass


def swallows_twice(p, q):
    while True:
        with contextlib.suppress(BaseException):
            while True:
                try:
                    loops(p, q)
                finally:
                    continue  # noqa: B012


def starts_again(p, q):
    try:
        loops(p, q)
    except BaseException:
        return starts_again(p, q)


def prints_for_ever(p, q):
    while True:
        print("x" * 1000)


def waits(p, q):
    threading.Event().wait()


ENDLESS = [loops, sleeps, swallows, swallows_twice, starts_again, prints_for_ever, waits]


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_stopped(answer):
    handler = signal.getsignal(signal.SIGALRM)
    trace = sys.gettrace()
    started = time.monotonic()
    result = judged(answer, seconds=SHORT)
    assert time.monotonic() - started < 10
    assert result.misconception == "never ends" and "within 0.2 s" in result.message
    assert (signal.getsignal(signal.SIGALRM), sys.gettrace()) == (handler, trace)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.12)  # nothing comes later
    assert judged(right).passed


@pytest.mark.parametrize("answer", [loops, swallows_twice])
def test_an_endless_answer_is_stopped_in_another_thread_too(answer):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(judged(answer, seconds=SHORT)), daemon=True
    )
    thread.start()
    thread.join(30)
    assert not thread.is_alive() and results[0].misconception == "never ends"


def test_a_timer_that_was_running_goes_on():
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        with pytest.raises(Late):
            run_limited(lambda: time.sleep(10), 0.1)
        patience = time.monotonic() + 20
        while not fired and time.monotonic() < patience:
            time.sleep(0.05)
        assert fired == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def messes_up(p, q):
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    torch.set_grad_enabled(False)
    sys.setrecursionlimit(5000)
    sys.stdout = sys.stderr = None
    builtins.input = None
    sys.stdin.close()
    return right(p, q)


def test_everything_that_an_answer_sets_is_restored():
    def state():
        streams = sys.stdout, sys.stderr, sys.stdin, builtins.input, sys.getrecursionlimit()
        return *streams, torch.get_default_dtype(), torch.is_grad_enabled()

    def draws():
        return random.random(), np.random.random(), torch.rand(()).item()

    before = state()
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state()
    wanted = draws()
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)
    judged(messes_up)
    assert all(a is b or a == b for a, b in zip(state(), before, strict=True))
    assert draws() == wanted


def test_a_notebooks_exit_does_not_end_the_kernel():
    space = {"exit": lambda: pytest.fail("the kernel would be gone")}
    exec("def leaves(p, q):\n    exit()", space)
    kept = space["exit"]
    assert judged(space["leaves"]).misconception == "calls exit"
    assert space["exit"] is kept
