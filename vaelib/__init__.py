"""Variational auto-encoders from first principles: the helper package of the lessons."""

import os

# While they wait, OpenMP's threads spin, which slows a shared machine ten times; asleep, they take
# long to wake. To spin for a moment and then sleep costs little of both: benchmarks/README.md. It
# must be said before torch is first imported, and what the user has set stays as it is.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__version__ = "0.1.0"
