"""The call of a check: what it prints, what it accepts, when it gives up."""

import signal
import sys
import time

import torch
from kl_bernoulli_answers import judged, right

from vaelib import check


def test_prints_are_shown_once_and_not_without_end(capsys):
    def prints(p, q):
        print("hello", len(p.shape) if hasattr(p, "shape") else 0)
        return right(p, q)

    assert judged(prints).passed
    assert capsys.readouterr().out == "hello 1\n"

    def prints_megabytes(p, q):
        for _ in range(40):
            print("x" * 100_000)
            print("y" * 100_000, file=sys.stderr)

    judged(prints_megabytes)
    assert len(capsys.readouterr().out) == check.ECHO


def test_what_is_not_a_function_is_reported():
    for thing in (None, right(torch.tensor(0.2), torch.tensor(0.5)), "kl_bernoulli"):
        result = judged(thing)
        assert result.misconception == "not a function" and "without brackets" in result.message


def test_a_half_written_answer_is_not_called_unattempted():
    def half(p, q):
        if torch.is_tensor(p) and p.numel() > 1:
            raise NotImplementedError
        return right(p, q)

    result = judged(half)
    assert not result.passed


def test_the_users_stop_button_ends_the_check_quietly():
    result = judged(lambda p, q: signal.raise_signal(signal.SIGINT))
    assert result.message == "✗ 1.1 kl_bernoulli: stopped by you before it came back"


def test_slow_calls_are_stopped_all_together(monkeypatch):
    monkeypatch.setattr(check, "SECONDS_IN_ALL", 0.3)
    result = judged(lambda p, q: time.sleep(0.12) or right(p, q), seconds=0.3)
    assert result.misconception == "never ends"


def test_a_check_that_fails_itself_says_so(monkeypatch):
    monkeypatch.setattr(check, "judge", lambda *_: 1 / 0)
    result = judged(right)
    assert not result.passed and "the check itself failed (ZeroDivisionError" in result.message
