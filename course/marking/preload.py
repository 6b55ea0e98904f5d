"""What the process that runs submissions has imported before it starts: never the references.

Linux starts these processes by copying one that has PyTorch imported already. That one imports this
module, with the variable `INSTALL_ON_IMPORT` set in its environment.
"""

import importlib
import multiprocessing
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from course.marking import sandbox

INSTALL_ON_IMPORT = "VAELIB_MARKING"


class Inert(ModuleType):
    """Answers to every name with a function that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **settings: None


def install() -> None:
    """Put a `vaelib.check` in place that can call functions, and has no exercise.

    A submission finds no answer there, and nothing to tamper with. Raises ImportError if the real
    one is imported already.
    """
    if isinstance(sys.modules.get("vaelib.check"), Inert):
        return
    if "vaelib.check" in sys.modules:
        raise ImportError("the checks are imported already: submissions must not run here")
    sandbox.libraries()  # once for all copies of this process
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: many submissions, few cores
    for name in ("numpy", "scipy.special", "scipy.stats", "torch"):
        importlib.import_module(name)
    import vaelib

    package = Inert("vaelib.check")
    package.__path__ = [str(Path(vaelib.__file__).parent / "check")]
    sys.modules["vaelib.check"] = package
    vaelib.check = package  # type: ignore[attr-defined]
    for name in ("machinery.limits", "catalogue.functions", "machinery.probe"):
        importlib.import_module(f"vaelib.check.{name}")
    for name in ("wire", "find"):
        importlib.import_module(f"course.marking.{name}")
    # No other module of the checks can be imported from here on.
    for name in ("vaelib.check", "vaelib.check.machinery", "vaelib.check.catalogue"):
        sys.modules[name].__path__ = []


def import_slow_parts() -> None:
    """What notebooks use, so that not each copy of this process takes seconds to import it.

    No submission can run a compiler: what it hands to `torch.compile` runs as it is.
    """
    import torch

    torch.compiler.set_stance("force_eager")  # imports what `torch.func` needs too
    for name in ("IPython.core.interactiveshell", "matplotlib.pyplot", "sklearn.mixture"):
        with suppress(ImportError):  # not all of them are needed to mark
            importlib.import_module(name)
    for name in ("data", "evaluation", "plots", "training", "widgets"):
        with suppress(ImportError):
            importlib.import_module(f"vaelib.{name}")


if INSTALL_ON_IMPORT in os.environ:
    install()
    if "forkserver" in multiprocessing.get_all_start_methods():
        import_slow_parts()
