"""What the process that runs submissions has imported, once for all: never the references."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = "VAELIB_MARKING"  # set where importing this is to install it: in the server of processes


class Inert(ModuleType):
    """Answers to every name with something that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **settings: None


def install() -> None:
    """Put a `vaelib.check` in place that has the calling of functions and no exercise.

    So a submission finds neither an answer nor anything to tamper with there. Raises ImportError
    where the real one is.
    """
    if isinstance(sys.modules.get("vaelib.check"), Inert):
        return
    if "vaelib.check" in sys.modules:
        raise ImportError("the checks are here already: this is no process for submissions")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: many submissions, few cores
    for name in ("numpy", "scipy.special", "scipy.stats", "torch"):
        importlib.import_module(name)
    import vaelib

    package = Inert("vaelib.check")
    package.__path__ = [str(Path(__file__).parent / "check")]
    sys.modules["vaelib.check"] = vaelib.check = package  # type: ignore[attr-defined]
    for name in ("machinery.limits", "catalogue.functions", "machinery.probe"):
        importlib.import_module(f"vaelib.check.{name}")
    importlib.import_module("vaelib._marking_wire")
    for name in ("vaelib.check", "vaelib.check.machinery", "vaelib.check.catalogue"):
        sys.modules[name].__path__ = []


if HERE in os.environ:
    install()
