"""Right answers to the exercises, each written in several ways: one module per lesson.

They test the references too: SciPy, torch.distributions, quadrature, finite sums.
"""

from importlib import import_module

from right_answers.bank import ANSWERS

for n in range(1, 8):
    import_module(f"right_answers.lesson{n}")

__all__ = ["ANSWERS"]
