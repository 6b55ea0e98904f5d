"""How OpenMP's threads wait."""

import os


def spin_for_a_moment() -> None:
    """What the user has set stays as it is.

    While they wait, the threads spin, which slows a shared machine ten times; asleep, they take
    long to wake. To spin for a moment and then sleep costs little of both: benchmarks/README.md.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
