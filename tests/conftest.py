"""What every test shares: shapes enforced, one thread, and a way to test a refusal."""

import os
import pkgutil
import signal
from pathlib import Path

# Before torch is imported: several workers share two cores, and workers that wait must sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A script's `make test &` has all below it ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jaxtyping
import pytest

# Every jaxtyping annotation in vaelib is enforced from here on, in the tests only. The checks have
# none, and a type checker that draws random numbers of its own would disturb what they look at.
PACKAGE = Path(__file__).parents[1] / "vaelib"
ROOMS = [m.name for m in pkgutil.iter_modules([str(PACKAGE)]) if m.name != "check"]
jaxtyping.install_import_hook([f"vaelib.{room}" for room in ROOMS], "shapes.typechecker")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models on busy machines: one thread is both faster and repeatable."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_refusals(request):
    """With `@pytest.mark.refuses` a wrong argument meets vaelib's own check, as it does for users.

    Otherwise the annotation of the function would refuse it first, with an error of jaxtyping's.
    """
    if request.node.get_closest_marker("refuses") is None:
        yield
        return
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
