"""Threads: as many as are fastest now, on a clock of the test's own."""

from itertools import islice

import pytest
import torch

from vaelib import _threads, models
from vaelib._threads import thread_numbers

DENSE = models.dense((4,), 2, hidden=(8,))


@pytest.fixture
def four():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Machine:
    """A step takes `cost[threads]` seconds, whatever a clock on the wall says."""

    def __init__(self, monkeypatch, cost):
        self.cost, self.now = cost, 0.0
        self.spent = dict.fromkeys(cost, 0.0)
        monkeypatch.setattr(_threads.time, "perf_counter", lambda: self.now)
        self.numbers = thread_numbers(DENSE, fixed=False)

    def step(self):
        threads = next(self.numbers)
        self.now += self.cost[threads]
        self.spent[threads] += self.cost[threads]
        return threads


QUIET = {1: 6.0, 2: 3.5, 4: 2.0}
BUSY = {1: 6.0, 2: 11.0, 4: 90.0}


@pytest.mark.parametrize(("cost", "best"), [(QUIET, 4), (BUSY, 1), ({1: 3.0, 2: 2.0, 4: 2.5}, 2)])
def test_most_of_the_time_goes_to_the_fastest(monkeypatch, four, cost, best):
    machine = Machine(monkeypatch, cost)
    for _ in range(5000):
        machine.step()
    others = sum(spent for threads, spent in machine.spent.items() if threads != best)
    assert others < 0.06 * machine.now


def test_a_machine_that_becomes_busy_is_noticed_and_one_that_calms_down_too(monkeypatch, four):
    machine = Machine(monkeypatch, QUIET)
    for now, best in ((QUIET, 4), (BUSY, 1), (QUIET, 4)):
        machine.cost = now
        seen = [machine.step() for _ in range(3000)]
        assert seen[-300:].count(best) > 250


def test_one_slow_step_decides_nothing(monkeypatch, four):
    """A checkpoint written in the middle of a trial, or a picture drawn by a callback."""
    machine = Machine(monkeypatch, QUIET)
    for i in range(18):
        machine.step()
        machine.now += 100.0 if i == 15 else 0.0
    assert {machine.step() for _ in range(50)} == {4}


@pytest.mark.parametrize(
    ("model", "fixed"), [(DENSE, True), (models.conv((4, 4), 2, channels=(2,), hidden=4), False)]
)
def test_where_the_number_must_not_change_it_does_not(four, model, fixed):
    assert set(islice(thread_numbers(model, fixed), 200)) == {4}


def test_one_thread_stays_one():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert set(islice(thread_numbers(DENSE, fixed=False), 50)) == {1}
    finally:
        torch.set_num_threads(before)
