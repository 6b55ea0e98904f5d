"""A check of an exercise never raises and never passes junk; the command line answers in a line."""

import math

import pytest
import torch
from covered import about
from drawn import few
from hypothesis import given
from hypothesis import strategies as st

from vaelib import check, cli

JUNK = [None, True, "text", 7, math.nan, math.inf, 1j, [], {}, object(), torch.zeros(0), print]
JUNK += [torch.tensor(math.nan), torch.zeros(2, 3).long(), torch.full((1,), 1e30), RuntimeError()]


@pytest.mark.filterwarnings("default")  # a student's own code may warn
@about("check")
@few(12)
@given(st.sampled_from(sorted(check.EXERCISES)), st.sampled_from(JUNK), st.integers(0, 2**32 - 1))
def test_no_junk_passes_a_check(name, junk, seed):
    def answer(*_, **__):
        if isinstance(junk, Exception):
            raise junk
        return junk

    one = getattr(check, name)
    for given_answer in (answer, junk):
        result = one(given_answer, seed=seed, seconds=1.0)
        assert isinstance(result, check.CheckResult) and not result.passed
        assert str(result).strip()


words = st.text("abc-=0123456789 é", max_size=6)
COMMANDS = ("train", "evaluate", "explore", "doctor?", "", "--help?")


@about("cli", "commands")
@given(st.sampled_from(COMMANDS), st.lists(words, max_size=3))
def test_a_command_line_of_junk_is_refused(command, more):
    try:
        code = cli.main([command, "--data", "nothing", *more])
    except SystemExit as end:
        code = end.code
    assert code == 2
