"""What a submission might try: it succeeds without the sandbox, and is held in it."""

import os
import sys

import pytest
from confinable import confining

from course.marking import sandbox

pytestmark = [confining, pytest.mark.refuses]
if sys.platform == "linux":
    from course.marking import attacks, landlock

    POSSIBLE = [one for one in attacks.ATTACKS if os.geteuid() == 0 or not one.as_root]
    VERSIONS = sorted({1, landlock.version()} - {0})
else:
    POSSIBLE = []
    VERSIONS = []
SOMEBODY = 12345


@pytest.mark.parametrize("one", POSSIBLE, ids=lambda one: f"{one.kind}: {one.name}")
def test_an_attack_succeeds_without_the_sandbox_and_is_held_in_it(one):
    if not attacks.succeeds(one, None):
        pytest.skip("it is not possible on this machine at all")
    assert sandbox.refusal() == ""
    # Of the rest, the oldest promises least.
    for version in VERSIONS if one.kind in ("files", "reading") else VERSIONS[:1]:
        assert not attacks.succeeds(one, version), f"with Landlock {version}"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another")
@pytest.mark.parametrize(
    "one", [one for one in POSSIBLE if not one.as_root], ids=lambda one: f"{one.kind}: {one.name}"
)
def test_an_attack_by_a_user_who_is_not_root_is_held(one):
    assert not attacks.succeeds(one, 1, SOMEBODY)


def test_the_table_says_what_succeeds(monkeypatch, capsys):
    chosen = [one for one in POSSIBLE if one.name in ("chmod", "shmget")]
    monkeypatch.setattr(attacks, "ATTACKS", chosen)
    attacks.main()
    printed = capsys.readouterr().out
    chmod = next(line for line in printed.splitlines() if line.startswith("files: chmod"))
    assert chmod.count("✗") == 1
    assert chmod.count("✓") == landlock.version()
    assert "0 succeed in the sandbox" in printed
