"""How many inputs are drawn: 25 for each property, 500 with HYPOTHESIS_PROFILE=thorough."""

import os

import mpmath
import pytest
from hypothesis import HealthCheck, Phase, settings

mpmath.mp.dps = 120  # e^{2s} − 1 − 2s at s = 1e-30 is 2e-60

COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
# The quick one reports the first input that fails, and does not look for a simpler one.
QUICK = {"max_examples": 25, "derandomize": True, "phases": (Phase.explicit, Phase.generate)}
settings.register_profile("quick", **QUICK, **COMMON)
settings.register_profile("thorough", max_examples=500, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items):
    """Here every warning is an error, and wrong arguments meet vaelib's own refusals."""
    for item in items:
        if item.path.parent.name == "properties":
            item.add_marker(pytest.mark.refuses)
            item.add_marker(pytest.mark.filterwarnings("error"))
