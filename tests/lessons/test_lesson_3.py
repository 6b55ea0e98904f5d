"""The numbers that lesson 3 prints, computed without its code and without vaelib's mathematics."""

import functools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import integrate, stats

from vaelib import faces

DATA = Path(__file__).resolve().parents[2] / "data"
SIX = Fraction(1, 6)
FAIR = [SIX] * 6
DICE = {
    "loaded": [Fraction(1, 10)] * 5 + [Fraction(1, 2)],
    "no six": [Fraction(1, 5)] * 5 + [Fraction(0)],
    "no six, uneven": [Fraction(n, 10) for n in (4, 2, 2, 1, 1, 0)],
}
SIDE, BOTTOM = (0.5, 0.6), (0.0, -1.0)
NAMES = ("prior", "poor q", "good q")


def log_normal(x, mu, sigma):
    return -(((x - mu) / sigma) ** 2) / 2 - np.log(sigma * math.sqrt(2 * math.pi))


def log_joint(x, z):
    """log p(x|z) + log p(z) of the arc with σ_x = 0.2, from the densities as they are defined."""
    return sum(log_normal(a, b, 0.2) for a, b in zip(x, (np.sin(z), np.cos(z)), strict=True)) + (
        log_normal(z, 0.0, 1.0)
    )


@functools.cache
def moments(x, low=-6.0, high=6.0):
    """∫ p(x, z) dz over [low, high], and the mean and standard deviation of z there."""

    def integral(f):
        options = {"points": [-3, 0, 0.7, 3], "limit": 300, "epsabs": 1e-13}
        return integrate.quad(lambda z: f(z) * np.exp(log_joint(x, z)), low, high, **options)[0]

    mass = integral(lambda z: 1.0)
    mean = integral(lambda z: z) / mass
    return mass, mean, math.sqrt(integral(lambda z: (z - mean) ** 2) / mass)


def proposals():
    _, mean, deviation = moments(SIDE)
    return (0.0, 1.0), (mean + deviation, 2 * deviation), (mean, 1.25 * deviation)


def log_w(x, z, mu, sigma):
    return log_joint(x, z) - log_normal(z, mu, sigma)


def under_q(f, mu, sigma):
    """E_q[f(z)] by a midpoint rule over ε = (z − μ)/σ."""
    eps = (np.arange(200_000) + 0.5) / 200_000 * 20 - 10
    chance = np.exp(-(eps**2) / 2)
    return (f(mu + sigma * eps) * chance).sum() / chance.sum()


@functools.cache
def face():
    """log w of 20,000 codes of q for the lesson's face, by the shipped weights in NumPy, and 1 + V
    of the prior's weights."""
    weights = load_file(DATA / "faces_vae.safetensors")
    x = faces.render(0.5, 0.7).numpy().reshape(-1).astype(np.float64)

    def layer(name, h):
        weight = weights[f"model.{name}.weight"].astype(np.float64)
        return h @ weight.T + weights[f"model.{name}.bias"].astype(np.float64)

    def silu(h):
        return h / (1 + np.exp(-h))

    h = silu(layer("encoder.body.3", silu(layer("encoder.body.1", x))))
    mu, sigma = layer("encoder.mu", h), np.exp(layer("encoder.log_sigma", h))
    eps = np.random.default_rng(0).normal(size=(20_000, 4))
    z = mu + sigma * eps
    x_hat = layer("decoder.body.4", silu(layer("decoder.body.2", silu(layer("decoder.body.0", z)))))
    log_px_z = log_normal(x, x_hat, 0.12).sum(1)
    w = log_px_z + log_normal(z, 0, 1).sum(1) - log_normal(z, mu, sigma).sum(1)
    relative = np.exp(w - np.logaddexp.reduce(w))
    log_px = np.logaddexp.reduce(w) - math.log(len(w))
    return w, relative @ np.exp(log_px_z - log_px)


def log_mean(w):
    return np.logaddexp.reduce(w, axis=-1) - math.log(w.shape[-1])


def test_twenty_times_fifty_codes(printed):
    mean, spread = printed.numbers("seed=run")
    w, _ = face()
    estimates = log_mean(w.reshape(400, 50))
    assert mean == pytest.approx(estimates.mean(), abs=4 * estimates.std() / math.sqrt(20))
    assert spread == pytest.approx(estimates.std(), abs=4 * estimates.std() / math.sqrt(40))


def test_the_mean_of_the_log_weights(printed):
    w, _ = face()
    (said,) = printed.numbers("one_by_one =")
    assert said == pytest.approx(w.mean(), abs=4.5 * w.std() / math.sqrt(1000))
    mean, _ = printed.numbers("seed=run")
    assert 0.1 < mean - said < 0.3


def test_five_thousand_codes_of_the_face(printed):
    w, _ = face()
    count, tight, loose = printed.numbers("tight =")
    assert count == 5000
    # The relative error of each mean is about √(V/K), with V below 1.
    assert tight == pytest.approx(log_mean(w), abs=4 * math.sqrt(1 / 5000 + 1 / 20_000))
    assert loose == pytest.approx(w.mean(), abs=4.5 * w.std() * math.sqrt(1 / 5000 + 1 / 20_000))
    assert 0.1 < tight - loose < 0.3  # "about 0.2 nats too low"


def test_the_game(printed):
    median, share, euro = printed.numbers("money = torch.where")
    sixes = stats.binom(100, 1 / 6)
    middle = int(sixes.ppf(0.5))
    assert median == pytest.approx(3.0**middle * 0.6 ** (100 - middle), rel=0.05)
    rich = next(n for n in range(101) if n * math.log(3) + (100 - n) * math.log(0.6) > 0)
    assert share == pytest.approx(100 * sixes.sf(rich - 1), abs=0.02)
    assert euro == 1
    assert SIX * 3 + (1 - SIX) * Fraction(6, 10) == 1
    assert (math.log(3) + 5 * math.log(0.6)) / 6 == pytest.approx(-0.243, abs=5e-4)
    assert math.exp(100 * (math.log(3) + 5 * math.log(0.6)) / 6) == pytest.approx(3e-11, rel=0.1)


def test_the_kl_and_the_gap_of_each_die(printed):
    head, *rows = printed.text("no six, uneven").splitlines()
    assert head.split() == ["KL", "gap", "misses"]
    for row, (name, p) in zip(rows, DICE.items(), strict=True):
        assert row[:14].strip() == name
        pairs = [(a, b) for a, b in zip(p, FAIR, strict=True) if a > 0]
        kl = sum(a * (math.log(a) - math.log(b)) for a, b in pairs)
        missed = -math.log(sum(b for _, b in pairs))
        said = [float(number) for number in row[14:].split()]
        assert said == pytest.approx([kl, kl - missed, missed], abs=6e-5)


def pool(k):
    """Mean and standard deviation of the log of what k stakes give back, term by term."""
    logs, chances = [], []
    for sixes in range(k + 1):
        chances.append(
            math.exp(
                math.lgamma(k + 1) - math.lgamma(sixes + 1) - math.lgamma(k - sixes + 1)
                + sixes * math.log(1 / 6) + (k - sixes) * math.log(5 / 6)
            )
        )  # fmt: skip
        logs.append(math.log((2.4 * sixes + 0.6 * k) / k))
    mean = math.fsum(c * x for c, x in zip(chances, logs, strict=True))
    square = math.fsum(c * (x - mean) ** 2 for c, x in zip(chances, logs, strict=True))
    return mean, math.sqrt(square)


def test_the_log_of_a_pool(printed):
    v = SIX * 9 + (1 - SIX) * Fraction(36, 100) - 1
    assert v == Fraction(8, 10)
    said = np.array(printed.numbers("for K in (1, 10, 100, 1000, 10_000)")).reshape(-1)
    said = said[1:] if len(said) % 5 else said  # the head says "V/2K", which holds a number
    rows = said.reshape(-1, 5)
    assert rows[:, 0].tolist() == [1, 10, 100, 1000, 10_000]
    for k, bias, predicted, spread, rough in rows.tolist():
        exact, deviation = pool(int(k))
        assert bias == pytest.approx(exact, abs=6e-6)
        assert spread == pytest.approx(deviation, abs=6e-5)
        assert predicted == pytest.approx(-float(v) / (2 * k), abs=6e-6)
        assert rough == pytest.approx(math.sqrt(float(v) / k), abs=6e-5)
    assert pool(100)[0] / pool(10_000)[0] == pytest.approx(100, rel=0.01)  # "a hundredth"


def test_the_bounds_on_the_arc(printed):
    log_px, *bounds = printed.numbers("log p(x) = {log_px")
    assert log_px == pytest.approx(math.log(moments(SIDE)[0]), abs=0.006)
    for said, (mu, sigma) in zip(bounds, proposals(), strict=True):
        exact = under_q(lambda z, mu=mu, sigma=sigma: log_w(SIDE, z, mu, sigma), mu, sigma)
        assert said == pytest.approx(exact, abs=0.006)


def test_the_means_of_the_log_weights_on_the_arc(printed):
    said = np.array(printed.numbers("mean of log w")).reshape(-1, 2)
    for (mean, error), (mu, sigma) in zip(said.tolist(), proposals(), strict=True):

        def log_weight(z, mu=mu, sigma=sigma):
            return log_w(SIDE, z, mu, sigma)

        exact = under_q(log_weight, mu, sigma)
        square = under_q(lambda z, f=log_weight, m=exact: (f(z) - m) ** 2, mu, sigma)
        assert error == pytest.approx(math.sqrt(square / 100_000), abs=0.006)
        assert mean == pytest.approx(exact, abs=4 * math.sqrt(square / 100_000) + 0.006)


def test_how_many_draws_are_above(printed):
    lines = printed.text("log w is above").splitlines()
    assert [line.split(":")[0] for line in lines] == list(NAMES)
    log_px = math.log(moments(SIDE)[0])
    for line, (mu, sigma) in zip(lines, proposals(), strict=True):
        said = float(line.split("% of")[0].split()[-1])
        exact = under_q(lambda z, m=mu, s=sigma: log_w(SIDE, z, m, s) > log_px, mu, sigma)
        assert said == pytest.approx(100 * exact, abs=1.2)
        for c in (0.1, 0.5, 1.0, 1.5):  # Markov's inequality
            tail = under_q(
                lambda z, m=mu, s=sigma, c=c: log_w(SIDE, z, m, s) > log_px + c, mu, sigma
            )
            assert tail <= math.exp(-c)


def variance(mu, sigma):
    """V of the arc's weights at the side, over the turn of the circle on which x is."""
    mass, mean, _ = moments(SIDE)

    def square(z):
        return math.exp(2 * (log_joint(SIDE, z) - math.log(mass)) - log_normal(z, mu, sigma))

    ends = mean - math.pi, mean + math.pi
    return integrate.quad(square, *ends, points=[mean], limit=300)[0] - 1


def test_the_gaps_of_k_draws(printed):
    rng = np.random.default_rng(0)
    log_px = math.log(moments(SIDE)[0])
    lines = printed.text("gap at K = 1, 8, 256").splitlines()
    for line, name, (mu, sigma) in zip(lines, NAMES, proposals(), strict=True):
        assert line.split(":")[0] == name
        v = float(line.split("V = ")[1].split(",")[0])
        assert v == pytest.approx(variance(mu, sigma), rel=0.006)
        one, eight, many = (float(n.split()[0]) for n in line.split("256: ")[1].split(", "))
        bound = under_q(lambda z, m=mu, s=sigma: log_w(SIDE, z, m, s), mu, sigma)
        assert one == pytest.approx(log_px - bound, rel=0.13)
        z = mu + sigma * rng.normal(size=(40_000, 8))
        delta = np.exp(log_w(SIDE, z, mu, sigma) - log_px).mean(1) - 1
        assert eight == pytest.approx((delta - np.log1p(delta)).mean(), rel=0.15)
        assert many == pytest.approx(v / 512, rel=0.12)


def test_leaving_one_out_of_any_weights():
    rng = np.random.default_rng(1)
    for n in (2, 3, 10):
        w = rng.exponential(size=(1000, n)) ** 3
        means = (w.sum(1, keepdims=True) - w) / (n - 1)
        assert (np.log(w.mean(1)) >= np.log(means).mean(1) - 1e-12).all()


def ess(w):
    """K / (1 + V), with V estimated as the lesson does."""
    squares = ((w / w.mean(-1, keepdims=True)) ** 2).mean(-1)
    return w.shape[-1] / (1 + (squares - 1) * w.shape[-1] / (w.shape[-1] - 1))


def test_what_the_samples_are_worth(printed):
    w, one_plus_v = face()
    count, from_q, codes, from_prior = printed.numbers("from_prior = ")
    sizes = ess(np.exp(w - w.max()).reshape(400, 50))
    assert count == 50
    assert from_q == pytest.approx(sizes.mean(), abs=4 * sizes.std() / math.sqrt(20) + 0.5)
    assert codes == 20_000
    assert 0.4 < from_prior / (20_000 / one_plus_v) < 2.2  # so few codes count that it varies a lot
    assert from_q > from_prior
    assert 1000 < one_plus_v < 2200  # "about 1,500" in the answer


def test_the_missed_bump(printed):
    mass, mean, deviation = moments(BOTTOM, 0.0, 6.0)
    log_px = math.log(2 * mass)  # the two bumps are mirror images
    sigma = 1.25 * deviation
    lines = printed.text("bump = posterior").splitlines()
    rng = np.random.default_rng(2)
    for line, k in zip(lines, (10, 100, 1000), strict=False):
        z = mean + sigma * rng.normal(size=(2000, k))
        logs = log_w(BOTTOM, z, mean, sigma)
        said, gap, share = (float(n) for n in _numbers(line))
        assert said == k
        assert gap == pytest.approx(log_px - log_mean(logs).mean(), abs=0.02)
        assert gap == pytest.approx(math.log(2), abs=0.02)
        assert share == pytest.approx(100 * (ess(np.exp(logs)) / k).mean(), abs=1.6)
    exponent = float(lines[3].rpartition("e^")[2])
    assert exponent == pytest.approx(stats.norm.logcdf(-2 * mean / sigma), abs=1)
    assert exponent == pytest.approx(-300, abs=5)


def _numbers(line):
    words = line.replace(":", " ").replace("%", " ").replace(",", " ").split()
    return [word for word in words if word.replace(".", "").isdigit()]


def test_a_supporting_line_touches_a_strictly_convex_curve_once():
    for f, slope in ((lambda t: -np.log(t), lambda m: -1 / m), (np.exp, np.exp)):
        t = np.linspace(0.1, 4, 400)
        for m in (0.3, 1.0, 2.7):
            above = f(t) - (f(np.array(m)) + slope(m) * (t - m))
            assert (above[np.abs(t - m) > 0.02] > 0).all()
            assert above.min() > -1e-12
