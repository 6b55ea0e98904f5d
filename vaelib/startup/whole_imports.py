"""The stop button never cuts the import of a package in half: what is half imported stays broken.

PyTorch takes seconds, and so does its compiler, which the first optimiser imports. Stopped there,
the first cell or every later training would fail with an error that nobody understands.
"""

import _thread
import importlib.machinery
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

INSTALLED = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
SOON = 0.1  # seconds, by when the import system has stored the module


class WholeImports:
    """A finder for installed packages, in which a press on stop is heeded after the import."""

    def __init__(self) -> None:
        self.importing = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if self.importing or threading.current_thread() is not threading.main_thread():
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        # A student's own module can be stopped: it may contain a loop that does not end.
        if spec is None or not (spec.origin or "").startswith(INSTALLED):
            return None
        loader: Any = spec.loader
        loader.exec_module = partial(self.execute, loader.exec_module)
        return spec

    def execute(self, exec_module: Callable[[ModuleType], None], module: ModuleType) -> None:
        """Run a module's code; a press on stop meanwhile comes a moment after it."""
        pressed = threading.Event()
        before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
        self.importing = True
        try:
            exec_module(module)
        finally:
            self.importing = False
            signal.signal(signal.SIGINT, before)
            if pressed.is_set():
                threading.Timer(SOON, _thread.interrupt_main).start()


def import_whole() -> None:
    """From now on, if this is a notebook's process."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and not any(isinstance(f, WholeImports) for f in sys.meta_path):
        sys.meta_path.insert(0, WholeImports())
