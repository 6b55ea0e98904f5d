"""The numbers that lesson 2 prints, computed without its code and without vaelib's mathematics."""

import math
from pathlib import Path

import numpy as np
import pytest
from lesson_output import numbers
from safetensors.numpy import load_file
from scipy import integrate, stats

from vaelib import faces

DATA = Path(__file__).resolve().parents[2] / "data"
LOADED = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
MEAN, VARIANCE = 0.6 * -2 + 0.4 * 2, 0.36 + 4 - 0.4**2  # of the two bumps
POINTS = ((0.0, 0.0), (0.5, 0.6), (0.0, -1.0))
FACE = faces.render(0.5, 0.7).numpy().reshape(-1).astype(np.float64)
NORMALISER = 1024 * math.log(0.12 * math.sqrt(2 * math.pi))  # of N(x̂, 0.12² I)


def layers(part, names, h):
    """Layers of the shipped model in NumPy, with SiLU between them."""
    weights = load_file(DATA / "faces_vae.safetensors")
    for i, name in enumerate(names):
        weight = weights[f"model.{part}.{name}.weight"].astype(np.float64)
        h = h @ weight.T + weights[f"model.{part}.{name}.bias"].astype(np.float64)
        h = h / (1 + np.exp(-h)) if i < 2 else h
    return h


def decoded(z):
    """The squared distance of the images of z (K, 4) from the lesson's face, (K,)."""
    images = layers("decoder", ("body.0", "body.2", "body.4"), z)
    return ((images - FACE) ** 2).sum(1)


def encoded():
    """μ and σ of the shipped encoder for the face."""
    mu = layers("encoder", ("body.1", "body.3", "mu"), FACE)
    return mu, np.exp(layers("encoder", ("body.1", "body.3", "log_sigma"), FACE))


@pytest.fixture(scope="module")
def posterior():
    """Codes from the encoder's bells (a bit wider), with their weights for prior and posterior."""
    rng = np.random.default_rng(0)
    mu, sigma = encoded()
    sigma = np.minimum(1.5 * sigma, 1)
    z = rng.normal(mu, sigma, (6000, 4))
    error = decoded(z)
    log_prior = stats.norm.logpdf(z).sum(1)
    log_w = -error / (2 * 0.12**2) - NORMALISER + log_prior - stats.norm.logpdf(z, mu, sigma).sum(1)
    top = log_w.max()
    log_px = top + math.log(np.exp(log_w - top).mean())
    weight = np.exp(log_w - log_px) / len(z)  # of the posterior, sum 1
    log_px_z = -error / (2 * 0.12**2) - NORMALISER
    near = np.sqrt(error / 1024) < 0.02
    share = (near * np.exp(log_prior - stats.norm.logpdf(z, mu, sigma).sum(1))).mean()
    nats = weight @ (log_px_z - log_px)
    one_plus_v = weight @ np.exp(log_px_z - log_px)
    return {"log_px": log_px, "nats": nats, "V": one_plus_v - 1, "share": share}


def bumps(x):
    return 0.6 * stats.norm.pdf(x, -2, 0.6) + 0.4 * stats.norm.pdf(x, 2, 0.6)


def over_bumps(f):
    return integrate.quad(lambda x: bumps(x) * f(x), -8, 8, points=[-2, 2], epsabs=1e-11)[0]


def joint(x, z):
    """p(x|z) p(z) of the arc."""
    error = (x[0] - np.sin(z)) ** 2 + (x[1] - np.cos(z)) ** 2
    return np.exp(-error / 0.08) / (0.08 * math.pi) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def on_the_arc(x):
    """p(x), the nats that x tells about z, and 1 + V, by sums over a grid of one's own."""
    z, step = np.linspace(-9, 9, 18001, retstep=True)
    product = joint(x, z)
    p_x = product.sum() * step
    weight = product * step / p_x
    ratio = product / p_x / (np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))
    return p_x, weight @ np.log(np.maximum(ratio, 1e-300)), weight @ ratio


def linear(mu, sigma, dims=1):
    """Nats and 1 + V of `dims` independent codes with posterior N(μ, σ²), by quadrature."""
    ends = max(-12.0, mu - 15 * sigma), min(12.0, mu + 15 * sigma)

    def expected(f):
        def integrand(z):
            ratio = stats.norm.logpdf(z, mu, sigma) - stats.norm.logpdf(z)
            return stats.norm.pdf(z, mu, sigma) * f(ratio)

        return integrate.quad(integrand, *ends, points=[mu], epsabs=1e-9, limit=200)[0]

    return dims * expected(lambda r: r), expected(math.exp) ** dims


def in_one_dimension(W, x, noise):
    """Mean and deviation of the posterior of z ~ N(0, 1) given the pixels x = W z + noise ε."""
    precision = 1 + len(W) * W[0] ** 2 / noise**2
    return sum(w * v for w, v in zip(W, x, strict=True)) / noise**2 / precision, precision**-0.5


def rows(text):
    """The lines of a table: name and numbers."""
    return [(line[:25].strip(), line[25:].split()) for line in text.splitlines()[1:]]


# The face


def test_random_codes_that_look_like_the_face(printed, posterior):
    hits, codes, one_in = printed.numbers("hits = int")
    assert posterior["share"] == pytest.approx(1 / 600, rel=0.15)
    expected = codes * posterior["share"]
    assert abs(hits - expected) < 4 * math.sqrt(expected)
    assert (codes, one_in) == (100_000, 600)


def test_the_closest_faces(printed):
    off = printed.numbers("closest = [face]")
    assert off == sorted(off, reverse=True)
    assert 0.08 < off[0] < 0.2 and off[2] < 0.06 and off[3] < 0.025 and 0.0155 < off[4] < 0.0175


def test_look_alikes_of_five_seeds():
    for seed in range(5):
        z = np.random.default_rng(seed).standard_normal((20_000, 4))
        share = (np.sqrt(decoded(z) / 1024) < 0.02).mean()
        assert abs(share - 1 / 620) < 4 * math.sqrt(1 / 620 / 20_000)


def test_the_likelihood_of_the_face(printed, posterior):
    said = printed.text("off = bounds").splitlines()
    assert float(said[0].split("=")[1].split()[0]) == pytest.approx(posterior["log_px"], abs=1)
    (low, high), (lowest, highest) = (numbers(line.split("off by")[1]) for line in said[1:])
    assert -25 < low < -4 < 1 < high < 3.5  # "off by many nats, and mostly downwards"
    assert -1.6 < lowest < 0 < highest < 0.9  # "usually off by less than one"
    assert [line.split()[0] for line in said[1:]] == ["100", "10"]


def test_what_the_face_tells(printed, posterior):
    nats, e_nats, _, one_plus_v, codes, error = printed.numbers(
        "one_plus_v = (weight * ratio).sum()"
    )
    assert nats == pytest.approx(posterior["nats"], abs=0.3)
    assert e_nats == pytest.approx(math.exp(nats), rel=0.1)
    assert one_plus_v == pytest.approx(1 + posterior["V"], rel=0.25)
    assert codes == 100_000
    assert error == pytest.approx(math.sqrt(posterior["V"] / 1e5), abs=0.02)
    mu, sigma = encoded()
    by_encoder = (mu**2 + sigma**2 - 1 - 2 * np.log(sigma)).sum() / 2
    assert abs(nats - by_encoder) < 0.4 and round(by_encoder) == 7


def test_the_logarithms_are_too_large_for_exp(printed):
    best, overflow = printed.numbers("best.exp()")
    assert 1220 < best <= round(-NORMALISER)
    assert overflow == math.inf


# Cross-entropy


def test_the_die(printed):
    entropy, cross, gap = printed.numbers("cross_entropy - entropy")
    assert entropy == pytest.approx(stats.entropy(LOADED), abs=5e-4)
    assert cross == pytest.approx(math.log(6), abs=5e-4)
    assert gap == pytest.approx(stats.entropy(LOADED, np.full(6, 1 / 6)), abs=5e-4)


def test_the_best_bell_for_two_bumps(printed):
    entropy, theta, cross, kl = printed.numbers("best = kl.argmin()")
    assert entropy == pytest.approx(over_bumps(lambda x: -math.log(bumps(x))), abs=0.006)
    assert theta == pytest.approx(MEAN, abs=0.051)  # the grid's step is 0.1
    assert cross == pytest.approx(over_bumps(lambda x: -stats.norm.logpdf(x, MEAN, 2)), abs=0.006)
    assert kl == pytest.approx(cross - entropy, abs=0.011)
    assert kl > 0.4  # "well above zero"


# Optimism


def test_a_likelihood_is_too_good(printed):
    said = np.array(printed.numbers("fitted_and_new(*pair) for")).reshape(-1, 2)
    assert said[:, 0].tolist() == [5, 10, 20, 50, 100, 200]
    exact = 20 * VARIANCE / 4 / said[:, 0]
    # The gap of one run: the fourth moments of 20 · N terms, twice.
    spread = [deviation_of_the_gap(int(n)) / math.sqrt(500) for n in said[:, 0]]
    assert (np.abs(said[:, 1] - exact) < 4 * np.array(spread) + 0.005).all()
    assert round(20 * VARIANCE / 4 / 10, 1) == 2.1


def deviation_of_the_gap(n):
    rng = np.random.default_rng(n)
    side = np.where(rng.random((2, 100, n, 20)) < 0.4, 2, -2)
    x, new = side + 0.6 * rng.standard_normal((2, 100, n, 20))
    mean = x.mean(1, keepdims=True)
    fit = -((x - mean) ** 2).sum(2).mean(1) / 8
    return (fit + ((new - mean) ** 2).sum(2).mean(1) / 8).std()


# The arc


def test_the_integral_and_the_points(printed):
    p_x = on_the_arc(POINTS[1])[0]
    assert printed.numbers("p_x = arc.log_px(x[None])[0].exp()") == [
        pytest.approx(p_x, abs=5e-5),
        pytest.approx(math.log(p_x), abs=5e-4),
    ]
    lines = printed.text("nats = torch.trapezoid").splitlines()
    for line, point in zip(lines, POINTS, strict=True):
        p, nats = (float(line.split(mark)[1].split()[0].strip(",")) for mark in ("p(x) =", "tells"))
        assert p == pytest.approx(on_the_arc(point)[0], rel=0.06)
        assert nats == pytest.approx(on_the_arc(point)[1], abs=0.006)


def test_the_posterior_at_the_bottom_has_two_equal_bumps(printed):
    said = np.array(printed.numbers("bottom = torch.tensor")).reshape(2, 5)[:, [1, 2, 4]]
    prior = stats.norm.cdf(-2.5)
    np.testing.assert_allclose(said[0], [prior, 1 - 2 * prior, prior], atol=0.006)
    tail = integrate.quad(lambda z: joint((0.0, -1.0), z), 2.5, 8)[0] / on_the_arc((0, -1))[0]
    np.testing.assert_allclose(said[1], [tail, 1 - 2 * tail, tail], atol=0.006)
    z = np.linspace(-6, 6, 12001)
    density = joint((0.0, -1.0), z)
    left, right = density[z < 0], density[z > 0]
    assert abs(z[z < 0][left.argmax()] + math.pi) < 0.15
    assert abs(z[z > 0][right.argmax()] - math.pi) < 0.15
    assert left.sum() == pytest.approx(right.sum())
    assert density[np.abs(z) < 1].max() < 1e-6 * density.max()


def test_sigma_is_found_again(printed):
    said = printed.numbers("sigmas, best")
    assert len(said) == 5
    assert all(0.17 < s < 0.23 for s in said)
    z, step = np.linspace(-9, 9, 3001, retstep=True)
    prior = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * step
    found = []
    for seed in range(5):  # the same experiment with other data, as a measure of its spread
        rng = np.random.default_rng(seed)
        code = rng.standard_normal(200)
        x = np.stack([np.sin(code), np.cos(code)], 1) + 0.2 * rng.standard_normal((200, 2))
        error = (x[:, :1] - np.sin(z)) ** 2 + (x[:, 1:] - np.cos(z)) ** 2

        def average(s, error=error):
            return np.log(np.exp(-error / (2 * s * s)) @ prior / (2 * math.pi * s * s)).mean()

        grid = np.linspace(0.16, 0.24, 9)
        found.append(grid[np.argmax([average(s) for s in grid])])
    assert np.mean(said) == pytest.approx(np.mean(found), abs=0.015)
    assert np.mean(said) == pytest.approx(0.2, abs=0.01)


def test_the_error_from_a_thousand_codes(printed):
    lines = printed.text("errors = (relative - 1)").splitlines()
    said = [float(line.split("codes")[1].split("%")[0]) for line in lines]
    for error, point in zip(said, POINTS, strict=True):
        exact = math.sqrt(max(on_the_arc(point)[2] - 1, 0) / 1000)
        assert error == pytest.approx(100 * exact, rel=0.15, abs=0.05)
    assert said[0] == 0 and said[1] < said[2]


def test_nats_and_one_plus_v(printed):
    lines = printed.text("one_plus_v = torch").splitlines()[1:]
    for line, point in zip(lines, POINTS, strict=True):
        nats, e_nats, one_plus_v, error = (float(n.strip("%")) for n in line[15:].split())
        _, kl, exact = on_the_arc(point)
        assert nats == pytest.approx(kl, abs=0.006)
        assert e_nats == pytest.approx(math.exp(kl), abs=0.006)
        assert one_plus_v == pytest.approx(exact, abs=0.006)
        assert error == pytest.approx(100 * math.sqrt(max(exact - 1, 0) / 1000), abs=0.06)
        assert one_plus_v >= e_nats


# Nats, not dimensions


MODELS = {
    "D = 1, 1 pixel": ([1.0], 0.5, 1),
    "D = 1, 1,024 pixels": ([1.0] * 1024, 0.5, 1),
    "D = 1, 1 sharp pixel": ([1.0], 0.0001, 1),
    "D = 12, 12 pixels": ([1.0], 0.5, 12),
    "D = 50, 50 pixels": ([1.0], 0.5, 50),
    "D = 50, 50 faint pixels": ([0.2], 0.5, 50),
}


def test_linear_models(printed):
    said = dict(rows(printed.text("D = 12, 12 pixels")))
    assert said.keys() == MODELS.keys()
    for name, (W, noise, dims) in MODELS.items():
        nats, one_plus_v = linear(*in_one_dimension(W, W, noise), dims)
        figures = [float(n) for n in said[name]]
        assert figures[0] == pytest.approx(nats, abs=0.06), name
        assert figures[1] == pytest.approx(one_plus_v, rel=0.06), name
        assert figures[2] == pytest.approx(100 * (one_plus_v - 1), rel=0.06), name
    nats, one_plus_v = linear(*in_one_dimension([1.0], [1.0], 0.5))
    assert round(nats, 2) == 0.72 and round(one_plus_v, 1) == 2.4  # "adds", "multiplies by"


def test_the_error_bar(printed):
    """Other draws, with NumPy: five times 400 runs."""
    said = np.array(printed.numbers("in (1, 6, 12)")).reshape(3, 5)
    assert said[:, 0].tolist() == [1, 6, 12]
    _, one_plus_v = linear(*in_one_dimension([1.0], [1.0], 0.5))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(5):
        w = np.ones((400, 1000))
        part = []
        for d in range(1, 13):
            z = rng.standard_normal(w.shape)
            w *= np.exp(0.4 - 2 * (1 - z) ** 2) * math.sqrt(1.25) / 0.5  # N(1; z, ¼)/N(1; 0, 5/4)
            if d in (1, 6, 12):
                bar = w.std(1, ddof=1) / math.sqrt(1000)
                covered = (abs(w.mean(1) - 1) < 2 * bar).mean()
                part.append((np.median(w.mean(1)), covered, np.median(bar)))
        found.append(part)
    found = np.array(found)  # (5, 3 dimensions, 3 numbers)
    mean, spread = found.mean(0), found.std(0, ddof=1)
    for line, expected, error, d in zip(said, mean, spread, (1, 6, 12), strict=True):
        assert line[1] == pytest.approx(expected[0], abs=4 * error[0] + 0.006)
        assert line[2] / 100 == pytest.approx(expected[1], abs=max(4 * error[1], 0.05))
        assert line[3] == pytest.approx(expected[2], abs=4 * error[2] + 0.006)
        assert line[4] == pytest.approx(math.sqrt((one_plus_v**d - 1) / 1000), abs=0.006)
    assert 0.2 < mean[2, 1] < 0.33  # "about a quarter of the runs"
    assert said[2, 4] / said[2, 3] > 50  # "more than fifty times too small"
