"""Lesson 6's numbers, computed another way: NumPy, or PyTorch's layers in a loop of their own.

Taken from vaelib are the pictures and the shipped weights, which are the lesson's data. What the
lesson shows of data/evidence/ is computed from the files again; one seed of each is trained again.
"""

import json
import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from inputs import HOME
from safetensors.numpy import load_file
from torch import nn

from vaelib import data


@cache
def evidence(name):
    return json.loads((HOME / "data" / "evidence" / f"{name}.json").read_text(encoding="utf-8"))


@cache
def faces():
    return data.load("faces").train.flatten(1)


def moments(runs, name):
    """Mean and standard deviation over seeds."""
    values = np.array([run[name] for run in runs], float)
    return values.mean(), values.std(ddof=1)


def rows(text):
    """The numbers of each line."""
    number = re.compile(r"[-−]?\d[\d,]*\.?\d*")
    return [
        [float(n.replace(",", "").replace("−", "-")) for n in number.findall(line)]
        for line in text.splitlines()
    ]


# ------------------------------------------------------------------ before training


def test_the_numbers_of_a_model_whose_weights_are_zero(printed):
    first, total, log_px_z = re.findall(r": (-?[\d.]+)", printed.text("of all together"))
    pixels = faces()[0].double().numpy()
    known = -512 * math.log(2 * math.pi * 0.12**2) - (pixels**2).sum() / (2 * 0.12**2)
    assert (float(first), float(total)) == (0, 0)
    assert float(log_px_z) == pytest.approx(known, abs=0.51)
    # Two dimensions of N(1, 4) against N(0, 1).
    kl = 2 * (math.log(1 / 2) + (4 + 1) / 2 - 1 / 2)
    assert printed.numbers("by hand {2") == pytest.approx([kl, kl], abs=6e-5)


def test_the_checks_say_that_they_passed(printed):
    checks = [text for source, text in printed if source.startswith("# ") and "✓" in source]
    assert len(checks) == 4
    assert all(text.startswith("✓ ") for text in checks)


# ------------------------------------------------------------------ the faces


def test_the_noise_that_was_learned(printed):
    sigma_x, error = printed.numbers("learned σ_x: {")
    run = evidence("face_noise")["runs"]["learned"][0]
    assert sigma_x == pytest.approx(run["sigma_x"], abs=0.006)
    assert error == pytest.approx(run["error"], abs=0.006)


def test_the_ladder(printed):
    """The seed of the lesson, by another quadrature."""
    thousands, missed = printed.numbers("the ELBO misses")
    run = evidence("face_noise")["runs"]["learned"][0]
    assert 1000 * thousands == pytest.approx(run["elbo"], abs=120)
    assert missed == pytest.approx(evidence("face_ladder")["test"][0]["ELBO"], abs=0.7)


def test_the_ladder_over_ten_seeds(printed):
    for line, kind in zip(
        printed.text("ladder_study[kind]").splitlines(), ("test", "training"), strict=True
    ):
        runs = evidence("face_ladder")[kind]
        mean, spread = moments(runs, "ELBO")
        assert rows(line)[0][-2:] == pytest.approx([mean, spread], abs=0.051)


def test_what_the_elbo_thinks_of_the_noise(printed):
    runs = evidence("face_noise")["runs"]
    lines = printed.text("'error of a pixel':>18").splitlines()[1:]
    for line, name in zip(lines, ("0.5", "0.12", "0.02", "learned"), strict=True):
        said = rows(line.replace("learned", ""))[0][-6:]
        expected = [v for key in ("elbo", "kl", "error") for v in moments(runs[name], key)]
        assert said == pytest.approx(expected, abs=0.51)
        assert said[2:] == pytest.approx(expected[2:], abs=6e-3)
        assert said[4:] == pytest.approx(expected[4:], abs=6e-5)
    first, noisy, ratio = printed.text("faces with noise 0.1").splitlines()
    pairs = runs["learned"][0], evidence("face_noise")["twice as long"]["learned"]
    expected = [value for run in pairs for value in (run["sigma_x"], run["elbo"])]
    assert rows(first)[0] == pytest.approx(expected, rel=6e-3)
    assert rows(noisy)[0][1:] == pytest.approx(moments(runs["noisy"], "sigma_x"), abs=6e-4)
    learned = moments(runs["learned"], "sigma_x")[0]
    assert rows(ratio)[0][-1] == pytest.approx((0.12 / learned) ** 2, abs=0.51)


def test_no_five_seeds_contradict_the_text():
    """What the lesson says of each seed."""
    runs = evidence("face_noise")["runs"]
    for seed in zip(*(runs[name] for name in ("0.5", "0.12", "0.02", "learned")), strict=True):
        elbos = [run["elbo"] for run in seed]
        assert elbos == sorted(elbos)
    assert evidence("face_noise")["twice as long"]["learned"]["elbo"] > -512 * math.log(
        2 * math.pi * 0.02**2
    )
    strong = evidence("strong_decoder")["runs"]
    for name in ("z", "z and pixels, linear", "z and pixels, network"):
        pairs = zip(strong[name], strong["pixels, network"], strict=True)
        assert all(run["elbo"] < other["elbo"] for run, other in pairs)
    collapse = evidence("collapse")
    for a, b in zip(collapse["cold"]["1.3"], collapse["cold, annealed"]["1.3"], strict=True):
        assert a["elbo"] == pytest.approx(b["elbo"], abs=0.02)


def test_the_ceilings(printed):
    said = rows(printed.text("no ELBO above {"))
    assert [row[-1] for row in said] == pytest.approx(
        [-512 * math.log(2 * math.pi * s**2) for s in (0.5, 0.12, 0.02)], abs=0.51
    )
    for name, ceiling in zip(("0.5", "0.12", "0.02"), said, strict=True):
        assert all(run["elbo"] < ceiling[-1] for run in evidence("face_noise")["runs"][name])


class Net(nn.Module):
    """The face VAE from PyTorch's layers, made in the order in which vaelib draws its weights."""

    def __init__(self, latent_dim, hidden, log_sigma_x, learn, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        sizes = [1024, *hidden]
        pairs = list(zip(sizes, sizes[1:], strict=False))
        self.down = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.mu, self.log_sigma = nn.Linear(sizes[-1], latent_dim), nn.Linear(sizes[-1], latent_dim)
        back = [latent_dim, *hidden[::-1]]
        self.top = nn.Linear(back[-1], 1024)
        self.up = nn.ModuleList(nn.Linear(a, b) for a, b in zip(back, back[1:], strict=False))
        self.log_sigma_x = nn.Parameter(torch.tensor(log_sigma_x), requires_grad=learn)

    def encode(self, x):
        for layer in self.down:
            x = nn.functional.silu(layer(x))
        return self.mu(x), self.log_sigma(x)

    def decode(self, z):
        for layer in self.up:
            z = nn.functional.silu(layer(z))
        return self.top(z)

    def terms(self, x, eps):
        mu, log_sigma = self.encode(x)
        error = (x - self.decode(mu + log_sigma.exp() * eps)).square().sum(1)
        per_pixel = self.log_sigma_x + 0.5 * math.log(2 * math.pi)
        kl = ((mu**2 + (2 * log_sigma).exp() - 1) / 2 - log_sigma).sum(1)
        return -error / (2 * (2 * self.log_sigma_x).exp()) - x.shape[1] * per_pixel, kl


def train(net, x, epochs, steps, stop=None):
    """Adam, batches of 64, a cosine from the middle on; the KL of each epoch."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad])
    step, history = 0, []
    for _ in range(epochs):
        seen = []
        for index in torch.randperm(len(x), generator=generator).split(64):
            late = max(0.0, step / steps - 0.5) / 0.5
            optimiser.param_groups[0]["lr"] = 2e-3 * (1 + math.cos(math.pi * late)) / 2
            mu_shape = (len(index), net.mu.out_features)
            log_px_z, kl = net.terms(x[index], torch.randn(mu_shape, generator=generator))
            optimiser.zero_grad()
            (kl - log_px_z).mean().backward()
            optimiser.step()
            seen.append(kl.detach())
            step += 1
        history.append(torch.cat(seen).mean().item())
    return history


@pytest.mark.long
def test_one_seed_of_the_noise_again():
    net = Net(2, (128, 128), math.log(0.12), learn=True)
    train(net, faces(), 46, 3000)
    test = data.load("faces").test.flatten(1)
    with torch.no_grad():
        log_px_z, kl = net.terms(test, torch.randn(1000, 2))
    run = evidence("face_noise")["runs"]["learned"][0]
    assert net.log_sigma_x.exp().item() == pytest.approx(run["sigma_x"], rel=0.1)
    assert (log_px_z - kl).mean().item() == pytest.approx(run["elbo"], abs=120)


def test_one_seed_of_the_slow_waking_again():
    net = Net(4, (128,), math.log(1.3), learn=False)
    found = train(net, faces(), 8, 48 * 63)
    stored = evidence("collapse")["cold"]["1.3"][0]["epochs"][:8]
    assert found == pytest.approx(stored, rel=0.1, abs=0.01)


# ------------------------------------------------------------------ digits


@cache
def digits():
    """The sample, black and white as in the lesson, and grey."""
    grey = data.load("mnist_sample").test
    u = torch.rand(grey.shape, generator=torch.Generator().manual_seed(0))
    return (u < grey).double().flatten(1).numpy(), grey.double().flatten(1).numpy()


class Dense:
    """A shipped dense model in NumPy."""

    def __init__(self, name):
        loaded = load_file(HOME / "data" / f"{name}.safetensors")
        self.weights = {key.removeprefix("model."): v.astype(float) for key, v in loaded.items()}

    def layers(self, prefix, h):
        names = [k for k in self.weights if k.startswith(prefix) and k.endswith("weight")]
        names.sort(key=lambda k: int(k.split(".")[-2]))
        for i, name in enumerate(names):
            h = h @ self.weights[name].T + self.weights[name.replace("weight", "bias")]
            if prefix.startswith("encoder") or i < len(names) - 1:
                h = h / (1 + np.exp(-h))
        return h

    def encode(self, x):
        h = self.layers("encoder.body", x)
        heads = (
            h @ self.weights[f"encoder.{n}.weight"].T + self.weights[f"encoder.{n}.bias"]
            for n in ("mu", "log_sigma")
        )
        mu, log_sigma = heads
        return mu, np.exp(log_sigma)

    def logits(self, z):
        return self.layers("decoder.body", z)


def bernoulli(x, logits):
    return (x * logits - np.logaddexp(0, logits)).sum(-1)


@pytest.mark.parametrize(("row", "name"), [(0, "mnist_2d"), (1, "mnist_10d")])
def test_the_terms_of_the_digits(printed, row, name):
    said = rows(printed.text("'IW-500 − ELBO':>14").splitlines()[1 + row].split("dims")[1])[0]
    model, x = Dense(name), digits()[0]
    g = np.random.default_rng(0)
    mu, sigma = model.encode(x)
    z = mu + sigma * g.normal(size=(3, *mu.shape))
    log_px_z = bernoulli(x, model.logits(z)).mean(0)
    kl = ((mu**2 + sigma**2 - 1) / 2 - np.log(sigma)).sum(1)
    assert said[0] == pytest.approx(log_px_z.mean(), abs=0.6)
    assert said[1] == pytest.approx(kl.mean(), abs=0.051)
    assert said[2] == pytest.approx((log_px_z - kl).mean(), abs=0.6)
    assert said[3] == pytest.approx((log_px_z - kl).std() / 1000**0.5, abs=0.16)
    x, mu, sigma = x[::20], mu[::20], sigma[::20]
    log_w = []
    for _ in range(300):
        eps = g.normal(size=mu.shape)
        z = mu + sigma * eps
        log_pq = (eps**2 / 2 + np.log(sigma) - z**2 / 2).sum(1)
        log_w.append(bernoulli(x, model.logits(z)) + log_pq)
    top = np.logaddexp.reduce(log_w, 0) - math.log(300)
    assert said[4] == pytest.approx((top - np.mean(log_w, 0)).mean(), abs=0.5)


def test_the_convolutional_model_is_as_data_readme_says(printed):
    said = rows(printed.text("'IW-500 − ELBO':>14").splitlines()[3].split("conv")[1])[0]
    assert said[2] == pytest.approx(-103.6, abs=0.5)
    assert said[0] - said[1] == pytest.approx(said[2], abs=0.16)


def test_the_decoder_draws_the_mean(printed):
    model, (x, grey) = Dense("mnist_2d"), digits()
    mu, sigma = model.encode(x)
    log_q = -(((mu[:, None] - mu) / sigma) ** 2 / 2 + np.log(sigma)).sum(-1)
    weights = np.exp(log_q - log_q.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    drawn = 1 / (1 + np.exp(-model.logits(mu)))
    to_mean = ((drawn - weights @ grey) ** 2).sum(1)
    to_one = ((drawn - grey[weights.argmax(1)]) ** 2).sum(1)
    (share,) = printed.numbers("nearer to the mean")
    assert share == pytest.approx(100 * (to_mean < to_one).mean(), abs=1.01)


def test_dense_and_convolutional(printed):
    said = rows(printed.text('mnist_study["networks"]'))
    for line, name in zip(said, ("dense", "conv"), strict=True):
        study = evidence("mnist")["networks"]
        mean, spread = moments(study[name], "elbo")
        assert line[0] == study[f"{name}, weights"]
        assert line[1:] == pytest.approx([mean, spread], abs=0.051)


def test_annealing_on_mnist(printed):
    *lines, gains, saved = printed.text("dimensions saved").splitlines()
    study = evidence("mnist")["annealing"]
    for line, (name, runs) in zip(lines, study.items(), strict=True):
        found = rows(line.replace(name, ""))[0]
        expected = [np.mean([run["active"] for run in runs]), *moments(runs, "elbo")]
        assert found == pytest.approx(expected, abs=0.051)
    at_once, annealed = study.values()
    pairs = list(zip(at_once, annealed, strict=True))
    gain = [b["elbo"] - a["elbo"] for a, b in pairs]
    more = [b["active"] - a["active"] for a, b in pairs]
    assert rows(gains)[0] == pytest.approx(gain, abs=0.051)
    assert rows(saved)[0] == more
    # What the text says of them.
    kept, same = ([g for g, n in zip(gain, more, strict=True) if bool(n) == b] for b in (1, 0))
    assert len(kept) == 6 and min(kept) > 0 and len(same) == 4 and np.mean(same) <= 0
    assert min(more) >= 0


@pytest.mark.long
def test_one_seed_on_mnist_again(monkeypatch):
    """Two epochs of the study of annealing, in a loop of their own."""
    genuine = HOME.parent / "shared" / "data" / "mnist"
    monkeypatch.setenv("VAELIB_DATA", str(genuine))
    try:
        x = data.load("mnist").train[:20_000].flatten(1)
    except data.DataError:
        pytest.skip("MNIST is not here")
    torch.manual_seed(0)
    down = nn.Sequential(nn.Linear(784, 256), nn.SiLU(), nn.Linear(256, 64), nn.SiLU())
    mu_head, log_sigma_head, top = nn.Linear(64, 10), nn.Linear(64, 10), nn.Linear(256, 784)
    up = nn.Sequential(nn.Linear(10, 64), nn.SiLU(), nn.Linear(64, 256), nn.SiLU(), top)
    parts = nn.ModuleList([down, mu_head, log_sigma_head, up])
    optimiser = torch.optim.Adam(parts.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2):
        seen = []
        for index in torch.randperm(len(x), generator=generator).split(100):
            grey = x[index]
            shape = (100, 28, 28)
            x_m = (torch.rand(shape, generator=generator).flatten(1) < grey).float()
            h = down(x_m)
            mu, log_sigma = mu_head(h), log_sigma_head(h)
            logits = up(mu + log_sigma.exp() * torch.randn(100, 10, generator=generator))
            log_px_z = (x_m * logits - nn.functional.softplus(logits)).sum(1)
            kl = ((mu**2 + (2 * log_sigma).exp() - 1) / 2 - log_sigma).sum(1)
            optimiser.zero_grad()
            (kl - log_px_z).mean().backward()
            optimiser.step()
            seen.append((log_px_z - kl).detach())
        found.append(torch.cat(seen).mean().item())
    stored = evidence("mnist")["annealing"]["β = 1"][0]["training elbo"][:2]
    assert found == pytest.approx(stored, abs=1.5)


# ------------------------------------------------------------------ collapse


@cache
def variances():
    """The largest variances of the faces, from a singular value decomposition."""
    x = faces().double().numpy()
    return np.linalg.svd(x - x.mean(0), compute_uv=False)[:4] ** 2 / len(x)


def test_the_threshold(printed):
    assert printed.numbers("largest variances of the faces") == pytest.approx(variances(), abs=6e-3)
    assert variances()[0] ** 0.5 == pytest.approx(1.55, abs=6e-3)  # the picture's text


def test_the_best_linear_vae_costs_half_a_logarithm():
    """Its mean KL, from the encoder and decoder that maximise the bound of one direction."""
    for lam in variances():
        for noise in (0.5, 1.0):
            if lam < noise**2:
                continue
            w, shrink = math.sqrt(lam - noise**2), noise**2 / lam
            v = w / lam  # the posterior's mean is v x, its variance `shrink`
            kl = (lam * v**2 + shrink - 1 - math.log(shrink)) / 2
            assert kl == pytest.approx(math.log(lam / noise**2) / 2, abs=1e-9)


def test_the_network_from_warm_starts(printed):
    runs = evidence("collapse")["warm"]
    lines = rows(printed.text("KL of the network"))
    noises = [s for s in runs[0] if float(s) >= 1.3]
    assert len(lines) == len(noises)
    for line, noise in zip(lines, noises, strict=True):
        expected = moments([run[noise] for run in runs], "kl")
        assert line[0] == float(noise)
        assert line[1:] == pytest.approx(expected, abs=6e-4)


def test_the_network_from_cold_starts(printed):
    lines = iter(rows(printed.text("lowest KL {")))
    for noise in ("0.5", "1.0", "1.3"):
        for name in ("cold", "cold, annealed"):
            runs = evidence("collapse")[name][noise]
            line = next(lines)
            assert line[0] == float(noise)
            assert line[1] == pytest.approx(np.mean([min(r["epochs"]) for r in runs]), abs=6e-4)
            assert line[2:] == pytest.approx(moments(runs, "elbo"), abs=6e-3)


def test_the_strong_decoder(printed):
    study = evidence("strong_decoder")
    lines = printed.text("'the decoder sees':>22").splitlines()[1:]
    for line, (name, runs) in zip(lines, study["runs"].items(), strict=True):
        said = rows(line.replace(name, ""))[0]
        expected = [*moments(runs, "kl"), *moments(runs, "elbo")]
        expected += [
            moments(study["annealed"][name], k)[0]
            for k in ("kl", "elbo")
            if name in study["annealed"]
        ]
        assert said == pytest.approx(expected, abs=6e-3)


@pytest.mark.long
def test_one_seed_of_the_strong_decoder_again():
    """The network for each pixel, without z, as 64 columns of one masked layer."""
    torch.manual_seed(3)
    grey = data.load("digits").train.flatten(1)
    before = torch.ones(64, 64).tril(-1).repeat_interleave(16, 0)
    into = (0.1 * torch.randn(1024, 64)).requires_grad_()
    bias, out = torch.zeros(1024, requires_grad=True), (0.1 * torch.randn(64, 16)).requires_grad_()
    constant = torch.zeros(64, requires_grad=True)
    optimiser = torch.optim.Adam([into, bias, out, constant])

    def log_px(x):
        h = nn.functional.silu(x @ (into * before).T + bias).unflatten(1, (64, 16))
        logits = (h * out).sum(-1) + constant
        return (x * logits - nn.functional.softplus(logits)).sum(1)

    for step in range(3000):
        late = max(0.0, step / 3000 - 0.5) / 0.5
        optimiser.param_groups[0]["lr"] = 2e-3 * (1 + math.cos(math.pi * late)) / 2
        loss = -log_px(torch.bernoulli(grey[torch.randint(len(grey), (100,))])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    stored = moments(evidence("strong_decoder")["runs"]["pixels, network"], "elbo")[0]
    with torch.no_grad():
        assert log_px(torch.bernoulli(grey)).mean().item() == pytest.approx(stored, abs=0.25)
