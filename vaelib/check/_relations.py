"""What a wrong result has to do with the right one, where no known mistake explains it."""

from vaelib.check._exercise import Exercise
from vaelib.check._probe import Outcome, Probe


def relation(
    exercise: Exercise, probes: list[Probe], got: list[Outcome], want: list[Outcome]
) -> str | None:
    """A sentence that holds on all ordinary inputs, or None."""
    return None
