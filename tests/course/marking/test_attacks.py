"""What a submission might try: it succeeds without the sandbox, and is held in it.

`make torture` tries every attack against every kernel that can be emulated here.
"""

import os
import sys

import pytest
from confinable import confining

from course.marking import sandbox

pytestmark = [confining, pytest.mark.refuses]
if sys.platform == "linux":
    from course.marking import attacks, landlock
    from course.marking.attacks import Way

    POSSIBLE = [one for one in attacks.ATTACKS if os.geteuid() == 0 or not one.as_root]
else:
    POSSIBLE = []
SOMEBODY = 12345


@pytest.mark.parametrize("one", POSSIBLE, ids=lambda one: f"{one.kind}: {one.name}")
def test_an_attack_is_held_by_the_least_that_is_promised(one):
    """The oldest Landlock, and no root folder of its own where that is not what holds it."""
    if one.kind == "sight" and not attacks.own_root():
        pytest.skip("this system lets nobody have a root folder of one's own")
    assert not attacks.succeeds(one, Way(1, own_root=one.kind == "sight"))


SOME = ["open for writing", "the seed", "kill", "shmget", "threads", "statx"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another")
@pytest.mark.parametrize("name", SOME)
def test_an_attack_by_a_user_who_is_not_root_is_held(name):
    (one,) = [one for one in POSSIBLE if one.name == name]
    for way in {Way(1), Way(1, own_root=one.kind == "sight")} & set(attacks.ways()):
        assert not attacks.succeeds(one, way, SOMEBODY), way.name


@pytest.mark.parametrize("name", SOME)
def test_an_attack_succeeds_without_the_sandbox(name):
    (one,) = [one for one in POSSIBLE if one.name == name]
    assert attacks.succeeds(one, None)


def test_without_a_root_folder_of_its_own_what_exists_is_in_sight():
    (one,) = [one for one in POSSIBLE if one.name == "statx"]
    assert attacks.succeeds(one, Way(landlock.version(), own_root=False))


def test_the_table_says_what_succeeds(monkeypatch, capsys):
    chosen = [one for one in POSSIBLE if one.name in ("chmod", "shmget")]
    monkeypatch.setattr(attacks, "ATTACKS", chosen)
    attacks.main()
    printed = capsys.readouterr().out
    chmod = next(line for line in printed.splitlines() if line.startswith("files: chmod"))
    assert chmod.count("✗") == 1
    assert chmod.count("✓") == len(attacks.ways())
    assert "0 succeed in the sandbox" in printed
    assert sandbox.refusal() == ""
