"""The labs and the states that their tests put them in."""

import itertools

import pytest

from vaelib.widgets import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab

LABS = (KLLab, LikelihoodLab, JensenLab, ElboLab, ReparameterisationLab)
each_lab = pytest.mark.parametrize("kind", LABS, ids=lambda kind: kind.__name__)


def corners(kind, *more):
    """All combinations of the controls' ends and middles, and of positions at n // k for k in more.

    n is the number of positions of a control.
    """
    choices = []
    for control in kind.controls().values():
        at = control.positions()
        n = len(at)
        places = {0, n // 2, n - 1, *(n // k for k in more)}
        choices.append([at[place] for place in sorted(places)])
    names = list(kind.controls())
    return [dict(zip(names, state, strict=True)) for state in itertools.product(*choices)]


def states(kind, count):
    """About `count` of the corners and of states between them, evenly chosen."""
    grid = corners(kind, 3)
    return grid[:: max(1, len(grid) // count)]
