"""What the process that runs submissions has imported, once for all: never the references.

Importing this puts a `vaelib.check` in place that has the calling of functions and no exercise, so
that a submission finds neither an answer nor anything to tamper with there.
"""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: several submissions share a machine
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy  # noqa: E402
import scipy.special  # noqa: E402
import scipy.stats  # noqa: E402
import torch  # noqa: E402

import vaelib  # noqa: E402

__all__ = ["numpy", "scipy", "torch"]


class Inert(ModuleType):
    """Answers to every name with something that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **settings: None


if "vaelib.check" in sys.modules:
    raise ImportError("the checks are here already: this is no process for submissions")
_package = Inert("vaelib.check")
_package.__path__ = [str(Path(__file__).parent / "check")]
sys.modules["vaelib.check"] = vaelib.check = _package  # type: ignore[attr-defined]
for _name in ("_limits", "_functions", "_probe"):
    importlib.import_module(f"vaelib.check.{_name}")
importlib.import_module("vaelib._marking_wire")
_package.__path__ = []
