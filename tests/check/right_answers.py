"""Banks of right answers: a list for `parametrize`, and the decorator that fills it."""

import pytest


def bank():
    """`ANSWERS, answer = bank()`; `@answer("kl_gaussian")` keeps a function under its own name."""
    answers = []

    def answer(name):
        def keep(function):
            answers.append(pytest.param(name, function, id=f"{name}-{function.__name__}"))
            return function

        return keep

    return answers, answer
