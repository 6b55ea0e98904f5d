"""Wrong answers written by hand: the usual mistakes are named, and no wrong answer passes."""

import pytest
import wrong_answers
from wrong_answers.lesson1 import full, ratios
from wrong_answers.lesson7 import moments, unbiased

from vaelib import check

listed = [
    pytest.param(name, mistake, answer, id=f"{name}: {mistake}")
    for name, cases in wrong_answers.LISTED.items()
    for mistake, answer in cases
]
unlisted = [
    pytest.param(name, *case, id=f"{name}-{i}")
    for name, cases in wrong_answers.UNLISTED.items()
    for i, case in enumerate(cases)
]
SEEDS = (0, 1)  # `make torture` tries eight more
# In each lesson the largest number of unlisted wrong answers for which no mistake is named.
UNNAMED = {1: 3, 2: 3, 3: 3, 4: 2, 5: 2, 6: 4, 7: 1}


@pytest.mark.parametrize("name, mistake, answer", listed)
def test_a_listed_mistake_is_named_on_every_seed(name, mistake, answer):
    for seed in SEEDS:
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed, (seed, result)
        assert result.misconception == mistake, (seed, result)


@pytest.mark.parametrize("name, answer, text", unlisted)
def test_an_unlisted_wrong_answer_does_not_pass_and_the_message_says_why(name, answer, text):
    for seed in SEEDS:
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed, seed
        assert "\n" in result.message or "differs" not in result.message, (seed, result)
        if text is None:
            fails = [prop.fails for prop in check.EXERCISES[name].properties]
            named = result.misconception or any(words in result.message for words in fails)
            assert named, (seed, result)
        else:
            assert text in result.message, (seed, result)


@pytest.mark.parametrize("lesson", UNNAMED)
def test_most_unlisted_wrong_answers_are_named(lesson):
    cases = [p for p in unlisted if check.EXERCISES[p.values[0]].number[0] == str(lesson)]
    results = [(p.id, getattr(check, p.values[0])(p.values[1], seed=1)) for p in cases]
    unnamed = [name for name, result in results if result.misconception is None]
    assert len(unnamed) <= UNNAMED[lesson], unnamed


def test_every_exercise_has_its_share_of_wrong_answers():
    assert list(wrong_answers.LISTED) == list(wrong_answers.UNLISTED)
    assert {"diagnose", *wrong_answers.LISTED, *wrong_answers.BANK} == {*check.EXERCISES}
    assert all(len(answers) >= 5 for answers in wrong_answers.UNLISTED.values())


def no_half_and_no_dimensions(mu, covariance):
    return full(mu, covariance, D=0, half=1)


def unbiased_and_not_squared(mu, sigma):
    return moments(mu, sigma, unbiased(mu), sigma.mean(0).diag())


def swapped_and_no_root(log_q, log_p, z):
    each, _ = ratios(log_p, log_q, z)
    return each.mean(), each.std()


@pytest.mark.parametrize(
    "name, answer, mistakes",
    [
        ("kl_to_standard_normal_full", no_half_and_no_dimensions, ["no ½", "−D forgotten"]),
        ("aggregate_moments", unbiased_and_not_squared, ["N−1 for N", "σ for σ²"]),
        ("kl_monte_carlo", swapped_and_no_root, ["arguments swapped", "std without √K"]),
    ],
)
def test_of_two_mistakes_both_are_named(name, answer, mistakes):
    result = getattr(check, name)(answer, seed=1)
    assert sorted(result.misconception.split(" + ")) == mistakes
