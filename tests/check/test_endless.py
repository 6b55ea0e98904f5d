"""Endless answers: stopped in time, even those that catch everything, and nothing comes after."""

import contextlib
import signal
import sys
import threading
import time

import pytest
import torch

from vaelib import check
from vaelib.check._limits import Late, run_limited

SHORT = 0.2  # seconds that an endless call may take


def right(p, q):
    return p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))


def judged(answer, seed=2, name="kl_bernoulli", seconds=3.0):
    return getattr(check, name)(answer, seed=seed, seconds=seconds)


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
    handler, trace = signal.getsignal(signal.SIGALRM), sys.gettrace()
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


def test_slow_calls_are_stopped_all_together(monkeypatch):
    monkeypatch.setattr(check, "SECONDS_IN_ALL", 0.3)
    result = judged(lambda p, q: time.sleep(0.12) or right(p, q), seconds=0.3)
    assert result.misconception == "never ends"


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
