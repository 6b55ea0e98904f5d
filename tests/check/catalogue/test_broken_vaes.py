"""The numbers of exercise 6.4 reveal the mistake of each VAE, and no other mistake."""

import math

import numpy as np
import pytest

from vaelib import check
from vaelib.check.catalogue.lesson6 import BROKEN, broken_runs, made_up


def signs(vae: dict[str, float]) -> set[str]:
    """The mistakes that the numbers reveal, each by a relation that a correct VAE would keep."""
    log_px_z = vae["log p(x|z)"]
    kl = vae["KL"]
    squares = -vae["pixels"] * vae["x - x_hat"] ** 2 / (2 * vae["sigma_x"] ** 2)
    constant = -vae["pixels"] * math.log(vae["sigma_x"] * math.sqrt(2 * math.pi))
    found = set()
    if vae["ELBO"] == pytest.approx(log_px_z + kl, rel=1e-3) and kl > 1:
        found.add("sign")
    if vae["spread of z for one x"] == pytest.approx(math.sqrt(vae["exp(log_sigma)"]), rel=0.1):
        if vae["exp(log_sigma)"] < 0.9:
            found.add("variance")
    elif kl == pytest.approx(2 * vae["KL, measured on z"], rel=0.01) and kl > 1:
        found.add("half")
    if log_px_z == pytest.approx((squares + constant) / vae["pixels"], rel=0.02):
        found.add("mean")
    if log_px_z == pytest.approx(squares, rel=0.02):
        found.add("constant")
    return found


@pytest.mark.parametrize("run", range(4))
@pytest.mark.parametrize("name", BROKEN)
def test_the_numbers_reveal_the_mistake_and_no_other(name, run):
    vae = check.broken_vaes((name,) * 3, run)["A"]
    assert signs(vae) == {name}


@pytest.mark.parametrize("name", BROKEN)
def test_the_numbers_that_are_made_up_reveal_it_too(name):
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert signs(made_up(rng, name)) == {name}


def test_who_looks_the_shipped_numbers_up_is_wrong():
    """The nearest of the shipped runs, in any of three measures, is not the answer."""

    def nearest(measure):
        def answer(numbers):
            return [
                min(
                    (measure(vae, run), number)
                    for number, mistake in enumerate(BROKEN, start=1)
                    for run in broken_runs()["vaes"][mistake]
                )[1]
                for vae in numbers.values()
            ]

        return answer

    def logs(a):
        return np.sign(a) * np.log1p(np.abs(a))

    for change in (np.asarray, logs, np.sign):
        result = check.diagnose(
            nearest(lambda a, b, f=change: sum(abs(f(a[k]) - f(b[k])) for k in b)), seed=1
        )
        assert not result.passed


def test_every_mistake_was_trained_as_often():
    assert {name: len(runs) for name, runs in broken_runs()["vaes"].items()} == dict.fromkeys(
        BROKEN, 4
    )
