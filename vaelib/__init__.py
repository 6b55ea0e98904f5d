"""Variational auto-encoders from first principles: the helper package of the lessons."""

import os

# OpenMP workers that spin while they wait slow a shared machine ten times over; they must be told
# to sleep before torch is first imported. A setting of the user's own is left as it is.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"
