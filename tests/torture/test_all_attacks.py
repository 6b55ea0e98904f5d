"""Attacks on whoever marks, on every kernel that can be emulated."""

import os
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the sandbox is Linux's", allow_module_level=True)

from course.marking import attacks, sandbox
from course.marking.attacks import Way

pytestmark = pytest.mark.refuses
POSSIBLE = [one for one in attacks.ATTACKS if os.geteuid() == 0 or not one.as_root]
SOMEBODY = 12345


def name(one) -> str:
    return f"{one.kind}: {one.name}"


@pytest.fixture(autouse=True)
def confining():
    if why := sandbox.refusal():
        pytest.skip(why)


def held_by(one):
    """All that there is here, but what is in sight is only hidden by a root folder of its own."""
    return [way for way in attacks.ways() if way.own_root or one.kind != "sight"]


@pytest.mark.parametrize("one", POSSIBLE, ids=name)
def test_an_attack_succeeds_without_the_sandbox_and_is_held_in_it(one, record_property):
    if not attacks.succeeds(one, None):
        pytest.skip("it is not possible on this machine at all")
    ways = held_by(one)
    through = [way.name for way in ways if attacks.succeeds(one, way)]
    record_property("cases", len(ways))
    record_property("held", len(ways) - len(through))
    assert not through


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another")
@pytest.mark.parametrize("one", [one for one in POSSIBLE if not one.as_root], ids=name)
def test_an_attack_by_a_user_who_is_not_root_is_held(one):
    for way in {Way(1, own_root=one.kind == "sight"), Way(1)} & set(attacks.ways()):
        assert not attacks.succeeds(one, way, SOMEBODY), way.name
