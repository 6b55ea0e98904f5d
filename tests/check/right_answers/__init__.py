"""Right answers to the exercises, each written in several ways: one module per lesson.

They test the references too: SciPy, torch.distributions, quadrature, finite sums.
"""

from importlib import import_module

from right_answers.bank import ANSWERS

for name in (*(f"lesson{n}" for n in range(1, 8)), "second_edition", "more_styles"):
    import_module(f"right_answers.{name}")

__all__ = ["ANSWERS"]
