"""Which public function each property is about."""

from collections.abc import Callable
from typing import Any

COVERED: set[str] = set()


def about(*names: str) -> Callable[[Any], Any]:
    """Say that a test is a property of these functions, named from below `vaelib`."""
    COVERED.update(names)
    return lambda test: test
