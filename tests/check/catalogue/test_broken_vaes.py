"""The numbers of exercise 6.4 reveal the mistake of each VAE, and no other mistake."""

import math

import pytest

from vaelib import check
from vaelib.check.catalogue.lesson6 import BROKEN, broken_runs


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


def test_every_mistake_was_trained_as_often():
    assert {name: len(runs) for name, runs in broken_runs()["vaes"].items()} == dict.fromkeys(
        BROKEN, 4
    )
