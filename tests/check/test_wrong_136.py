"""Wrong answers to lessons 1, 3 and 6: what the table lists is named, and nothing passes."""

import sys
from pathlib import Path

import pytest

from vaelib import check

sys.path.insert(0, str(Path(__file__).parent))
from wrong_answers_136 import LISTED, UNLISTED, loss, pictures, prior_terms, ratios  # noqa: E402

listed = [pytest.param(n, m, f, id=f"{n}: {m}") for n in LISTED for m, f in LISTED[n].items()]
unlisted = [
    pytest.param(name, *case, id=f"{name}-{i}")
    for name, cases in UNLISTED.items()
    for i, case in enumerate(cases)
]


@pytest.mark.parametrize("name, mistake, answer", listed)
def test_a_listed_mistake_is_named_on_every_seed(name, mistake, answer):
    for seed in range(2):
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed, (seed, result)
        assert result.misconception == mistake, (seed, result)


@pytest.mark.parametrize("name, answer, word", unlisted)
def test_an_unlisted_wrong_answer_does_not_pass_and_is_told_more_than_that(name, answer, word):
    for seed in range(2):
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed, seed
        assert (word or "") in result.message, (seed, result)
        assert "\n" in result.message or "differs" not in result.message


def test_two_in_three_unlisted_wrong_answers_are_told_what_it_is():
    results = [
        (p.id, getattr(check, p.values[0])(p.values[1], seed=1).misconception) for p in unlisted
    ]
    unnamed = [name for name, said in results if said is None]
    assert len(unnamed) <= len(results) / 3, unnamed


def test_of_two_mistakes_both_are_named():
    result = check.kl_to_standard_normal(lambda m, s: 2 * prior_terms(m, 2 * s).mean(1), seed=1)
    assert sorted(result.misconception.split(" + ")) == ["mean over D", "no ½"]
    result = check.vae_loss(
        lambda x, y, *a: -loss(x, y, *a, log_px_z=pictures(x, y, a[2]).mean(1)), seed=1
    )
    assert sorted(result.misconception.split(" + ")) == ["mean over pixels", "sign"]
    result = check.kl_monte_carlo(
        lambda q, p, z: (ratios(p, q, z)[0].mean(), ratios(p, q, z)[0].std()), seed=1
    )
    assert sorted(result.misconception.split(" + ")) == ["arguments swapped", "std without √K"]
