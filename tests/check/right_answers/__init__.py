"""Right answers to the exercises, each written in several ways: one module per lesson.

They test the references too: SciPy, torch.distributions, quadrature, finite sums.
"""

from right_answers import lesson1, lesson2, lesson3, lesson4, lesson5, lesson6, lesson7
from right_answers.bank import ANSWERS

__all__ = ["ANSWERS", "lesson1", "lesson2", "lesson3", "lesson4", "lesson5", "lesson6", "lesson7"]
