"""The numbers that lesson 1 prints, computed without its code and without vaelib's mathematics."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import integrate, optimize, stats

from vaelib import faces

DATA = Path(__file__).resolve().parents[2] / "data"
FAIR = [Fraction(1, 6)] * 6
LOADED = [Fraction(1, 10)] * 5 + [Fraction(1, 2)]
NO_SIX = [Fraction(1, 5)] * 5 + [Fraction(0)]
UNEVEN = [Fraction(4, 10), Fraction(2, 10), Fraction(2, 10), *[Fraction(1, 10)] * 2, Fraction(0)]
BUMPS = ((0.6, -2.0), (0.4, 2.0))  # the weight and the mean of each


def kl(p, q):
    """KL of two lists of fractions, by the logarithms of numerators and denominators."""
    total = 0.0
    for a, b in zip(p, q, strict=True):
        if a > 0:
            ratio = a / b
            total += float(a) * (math.log(ratio.numerator) - math.log(ratio.denominator))
    return total


def kl_of_bells(mu_q, sigma_q, mu_p, sigma_p):
    """KL of two Gaussians by adaptive quadrature, from the densities as they are defined."""

    def log_density(z, mu, sigma):
        return -(((z - mu) / sigma) ** 2) / 2 - math.log(sigma * math.sqrt(2 * math.pi))

    def integrand(z):
        at = log_density(z, mu_q, sigma_q)
        return math.exp(at) * (at - log_density(z, mu_p, sigma_p))

    ends = mu_q - 12 * sigma_q, mu_q + 12 * sigma_q
    return integrate.quad(integrand, *ends, epsabs=1e-13, points=[mu_q], limit=200)[0]


def encoded():
    """μ and σ of the lesson's face: the shipped encoder, layer by layer, in NumPy."""
    weights = load_file(DATA / "faces_vae.safetensors")
    h = faces.render(0.5, 0.7).numpy().reshape(-1).astype(np.float64)

    def layer(name, h):
        weight = weights[f"model.encoder.{name}.weight"].astype(np.float64)
        return weight @ h + weights[f"model.encoder.{name}.bias"].astype(np.float64)

    for name in ("body.1", "body.3"):
        h = layer(name, h)
        h = h / (1 + np.exp(-h))
    return layer("mu", h), np.exp(layer("log_sigma", h))


def backward(width):
    """KL(q ‖ p) and its gradient in (μ, log σ), by a fine sum over ε = (z − μ)/σ."""
    eps = np.linspace(-9, 9, 2001)
    chance = np.exp(-(eps**2) / 2)
    chance /= chance.sum()

    def value(at):
        sigma = math.exp(at[1])
        z = at[0] + sigma * eps
        logs = [math.log(w) - ((z - m) / width) ** 2 / 2 for w, m in BUMPS]
        log_p = np.logaddexp(*logs)
        left = np.exp(logs[0] - log_p)
        slope = -(left * (z + 2) + (1 - left) * (z - 2)) / width**2
        cross = chance @ log_p - math.log(width * math.sqrt(2 * math.pi))
        entropy = at[1] + math.log(2 * math.pi * math.e) / 2
        return -entropy - cross, np.array([-chance @ slope, -1 - sigma * (chance @ (slope * eps))])

    return value


def minimum(width, mu, sigma):
    """(μ, σ, KL) where a descent from (μ, σ) ends."""
    found = optimize.minimize(
        backward(width), [mu, math.log(sigma)], jac=True, method="BFGS", options={"gtol": 1e-7}
    )
    return found.x[0], math.exp(found.x[1]), found.fun


def test_the_face_before_and_after(printed):
    mu, sigma = encoded()
    said = np.array(printed.numbers("before 0 ± 1")).reshape(-1, 5)  # z, before (2), now (2)
    assert said[:, 0].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(said[:, 3], mu, atol=0.006)
    np.testing.assert_allclose(said[:, 4], sigma, atol=0.0006)
    assert (1 / sigma[1:3] > 17).all() and (1 / sigma[1:3] < 22).all()  # "about twenty times"


def test_what_the_face_tells(printed):
    told = [kl_of_bells(m, s, 0, 1) for m, s in zip(*encoded(), strict=True)]
    said = printed.numbers("answer.log_sigma")
    assert said[:8:2] == [1, 2, 3, 4]
    np.testing.assert_allclose(said[1:8:2], told, atol=0.006)
    assert said[8] == pytest.approx(sum(told), abs=0.006)
    assert said[9] == pytest.approx(math.exp(sum(told)), abs=51)
    assert max(told[0], told[3]) < 0.01  # "the others get less than 0.01 nats each"


def test_the_die(printed):
    assert printed.numbers("a six adds") == [1.10, -0.51]
    per_roll = (math.log(3) + math.log(Fraction(6, 10))) / 2
    said = printed.numbers("the loaded die adds")
    assert said == [round(per_roll, 3), round(10 * per_roll, 2), 19, 1]
    assert round(math.exp(10 * per_roll)) == 19


def test_ten_rolls_vary(printed):
    mean, share = printed.numbers("six = torch.rand(100_000")
    chances = stats.binom(10, 0.5).pmf(range(11))
    log_odds = np.array([k * math.log(3) + (10 - k) * math.log(0.6) for k in range(11)])
    assert mean == pytest.approx(chances @ log_odds, abs=0.06)
    below = chances[log_odds < 0].sum()
    assert share == pytest.approx(100 * below, abs=1)
    assert below == pytest.approx(1 / 6, abs=0.01)  # "about one run in six"


def test_eleven_rolls_convict_and_thirteen_acquit(printed):
    there, back = printed.numbers("KL(fair ‖ loaded)")
    assert there == pytest.approx(kl(LOADED, FAIR), abs=5e-4)
    assert back == pytest.approx(kl(FAIR, LOADED), abs=5e-4)
    assert 10 * kl(LOADED, FAIR) < math.log(20) < 11 * kl(LOADED, FAIR)
    assert 12 * kl(FAIR, LOADED) < math.log(20) < 13 * kl(FAIR, LOADED)


def test_a_certain_six(printed):
    assert printed.numbers("certain =") == [round(math.log(6), 3), math.inf]


def test_the_candidates_on_coins(printed):
    coins = [Fraction(i, 20) for i in range(1, 20)]
    candidates = {
        "difference of means": lambda a, b: a - b,
        "distance of variances": lambda a, b: abs(a * (1 - a) - b * (1 - b)),
        "distance of means": lambda a, b: abs(a - b),
    }
    said = dict(line.strip().split(": ") for line in printed.text("candidates = {").splitlines())
    assert said.keys() == candidates.keys()
    for name, d in candidates.items():
        pairs = [(a, b, d(a, b)) for a in coins for b in coins]
        passes = all(value >= 0 and (value == 0) == (a == b) for a, b, value in pairs)
        assert said[name] == ("passes" if passes else "fails")
    assert all(kl([a, 1 - a], [b, 1 - b]) > 1e-6 for a in coins for b in coins if a != b)
    assert printed.text("coins = torch.stack").strip() == "KL: passes"


def test_two_dice_with_one_mean(printed):
    extremes = [Fraction(1, 2), *[Fraction(0)] * 4, Fraction(1, 2)]
    means = [sum(p * x for p, x in zip(die, range(1, 7), strict=True)) for die in (extremes, FAIR)]
    assert means[0] == means[1]
    assert printed.numbers("extremes @ pips") == [0, round(kl(extremes, FAIR), 3)]


def test_each_line_of_the_proof(printed):
    lines = printed.text("for line in proof").splitlines()
    assert lines[0].split() == ["KL", "(1)", "(2)", "(3)", "(4)"]
    dice = {"loaded": LOADED, "no six": NO_SIX, "no six, uneven": UNEVEN, "fair": FAIR}
    for line, (name, p) in zip(lines[1:], dice.items(), strict=True):
        assert line[:14].strip() == name
        left = -math.log(sum(b for a, b in zip(p, FAIR, strict=True) if a > 0))
        said = [float(number) for number in line[14:].split()]
        assert said == pytest.approx([kl(p, FAIR)] * 2 + [left] * 2 + [0], abs=5e-5)


def test_two_bells_three_ways(printed):
    exact = kl_of_bells(1, 0.5, 0, 1)
    assert printed.numbers("in closed form:") == [pytest.approx(exact, abs=5e-7)]
    assert printed.numbers("by strips: {kl") == [pytest.approx(exact, abs=5e-7)]
    estimate, error = printed.numbers("by Monte Carlo:")
    # Var[log q − log p] = ½(ρ² − 1)² + ρ²δ², with ρ = σ_q/σ_p and δ = (μ_q − μ_p)/σ_p.
    deviation = math.sqrt((0.25 - 1) ** 2 / 2 + 0.25)
    assert error == pytest.approx(deviation / math.sqrt(1000), abs=0.006)
    assert estimate == pytest.approx(exact, abs=4 * deviation / math.sqrt(1000))


def test_the_estimates_of_ten_seeds_are_within_their_errors():
    exact = kl_of_bells(1, 0.5, 0, 1)
    for seed in range(10):
        z = np.random.default_rng(seed).normal(1, 0.5, 1000)
        ratio = stats.norm.logpdf(z, 1, 0.5) - stats.norm.logpdf(z)
        assert abs(ratio.mean() - exact) < 4 * ratio.std() / math.sqrt(1000)


def test_not_a_distance(printed):
    wanted = [kl_of_bells(1, 0.5, 0, 1), kl_of_bells(0, 1, 1, 0.5)]
    assert printed.numbers('"narrow to wide') == pytest.approx(wanted, abs=5e-4)
    direct, detour = kl_of_bells(0, 1, 2, 1), kl_of_bells(0, 1, 1, 1) + kl_of_bells(1, 1, 2, 1)
    said = printed.numbers("from 0 to 2:")
    assert said == pytest.approx([0, 2, direct, 0, 1, 1, 2, detour], abs=0.06)
    assert direct > 1.9 * detour
    said = printed.numbers("[0, 2] to [0, 1]")
    assert said == [0, 1, 0, 2, round(math.log(2), 3), 0, 2, 0, 1, math.inf]


def test_forward_and_backward_minima(printed):
    rows = [line.split(": ") for line in printed.text('"forward": minima').splitlines()]
    assert [name.strip() for name, _ in rows] == ["forward"] + ["backward"] * 3
    said = np.array(printed.numbers('"forward": minima')).reshape(-1, 3)
    mean = sum(w * m for w, m in BUMPS)
    variance = sum(w * (0.36 + m**2) for w, m in BUMPS) - mean**2
    wanted = [(mean, math.sqrt(variance), forward_kl(mean, math.sqrt(variance)))]
    wanted += [minimum(0.6, *start) for start in ((-2, 0.6), (-0.3, 1.8), (2, 0.6))]
    steps = np.array([0.055, 0.03, 0.011])  # half a step of the grid, and what is printed
    assert (np.abs(said - np.array(wanted)) <= steps).all()


def forward_kl(mu, sigma):
    def integrand(z):
        p = sum(w * stats.norm.pdf(z, m, 0.6) for w, m in BUMPS)
        return p * (math.log(p) - stats.norm.logpdf(z, mu, sigma))

    return integrate.quad(integrand, -8, 8, points=[-2, 0, 2], limit=200)[0]


@pytest.mark.parametrize(("width", "count"), [(0.3, 2), (0.6, 3), (0.8, 2)])
def test_descents_from_everywhere_end_in_so_many_minima(width, count):
    starts = [(mu, sigma) for mu in np.linspace(-4, 4, 9) for sigma in (0.5, 1.8, 3.0)]
    found = {tuple(np.round(minimum(width, *start), 2)) for start in starts}
    assert len(found) == count


def test_the_best_backward_fit_by_width(printed):
    said = printed.numbers("lowest at μ")
    assert said[::2] == [0.3, 0.6, 0.8]
    for width, mu in zip(said[::2], said[1::2], strict=True):
        found = [minimum(width, *start) for start in ((-2, width), (-0.3, 1.8), (2, width))]
        assert min(found, key=lambda one: one[2])[0] == pytest.approx(mu, abs=0.11)


def test_half_the_deviation(printed):
    wide, narrow = kl_of_bells(0, 0.05, 0, 1), kl_of_bells(0, 0.025, 0, 1)
    said = printed.numbers("σ = 0.025:")
    assert said == pytest.approx([0.05, wide, 0.025, narrow], abs=0.006)
    assert narrow - wide == pytest.approx(math.log(2), abs=0.01)


def test_two_mistakes_in_numbers(printed):
    right, taken_for, from_p = printed.numbers("log σ² for log σ")
    assert right == pytest.approx(kl_of_bells(1, 0.5, 0, 1), abs=5e-4)
    assert taken_for == pytest.approx(kl_of_bells(1, 0.25, 0, 1), abs=5e-4)
    assert from_p == pytest.approx(-kl_of_bells(0, 1, 1, 0.5), abs=0.11)
