"""`train_step` and `fit` against the loop written out; what a run is given and gives back."""

import inspect
import math
import signal
from itertools import pairwise

import pytest
import torch
from oracles import LinearGaussian, equal_weights, training_loop
from small_runs import CASES, images, small, the_case

from vaelib import checkpoint, faces, models
from vaelib.schedules import constant, cosine_decay
from vaelib.training import face_vae, fit, fit_faces, train_step


@pytest.fixture(params=CASES)
def case(request):
    return the_case(request.param)


def test_fit_is_the_loop_written_out(case):
    make, x, options = case
    vae, by_hand = make(), make()
    history = fit(vae, x, **options)
    loop = {"lr": 1e-3, "beta": 1.0, **options}
    del loop["progress"]
    means = training_loop(by_hand, x, **loop)
    assert equal_weights(vae, by_hand), "not bit for bit the weights of the loop"
    assert not equal_weights(vae, make())
    assert history.reconstruction == pytest.approx(means[:, 0].tolist(), rel=1e-6)
    assert history.kl == pytest.approx(means[:, 1].tolist(), rel=1e-6)
    elbos = [r - k for r, k in zip(history.reconstruction, history.kl, strict=True)]
    assert history.elbo == pytest.approx(elbos, rel=1e-12)
    assert history.steps == 15 and len(history.beta) == len(history.seconds) == 3
    beta = loop["beta"] if callable(loop["beta"]) else lambda step: constant(step, loop["beta"])
    assert history.beta == [beta(step) for step in (4, 9, 14)]
    assert all(s > 0 for s in history.seconds) and not history.interrupted


def test_train_step_is_one_step_of_the_loop_in_its_own_letters():
    vae, by_hand, x = small(), small(), images(8)
    generator = torch.Generator().manual_seed(0)
    x_m = x[torch.randperm(8, generator=generator)]
    eps = torch.randn(8, 2, generator=generator)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=True)
    log_px_z, kl = train_step(vae, optimiser, x_m, eps, 0.7)
    means = training_loop(by_hand, x, 1, 8, lr=1e-3, beta=0.7, seed=0)
    assert equal_weights(vae, by_hand) and not log_px_z.requires_grad
    assert [log_px_z.mean().item(), kl.mean().item()] == pytest.approx(means[0].tolist())
    source = inspect.getsource(train_step)
    lines = ["q = ", "z = q.mu + q.sigma * eps", "log_px_z = ", "kl = ", "loss = -(log_px_z - beta"]
    lines += ["optimiser.zero_grad()", "loss.backward()", "optimiser.step()"]
    places = [source.index(line) for line in lines]
    assert places == sorted(places), "lines 4 to 8 of the pseudo-code, in their order"


def test_the_elbo_rises():
    factors = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)) * 2 - 1
    x = faces.render(factors[0], factors[1], size=16)
    vae = models.dense((16, 16), 3, hidden=(64,), sigma_x=0.2)
    history = fit(vae, x, epochs=8, batch_size=16, progress=False)
    # Each epoch's mean has the noise of its draws, hundredths of a nat once the model is trained.
    assert all(b > a - 0.1 for a, b in pairwise(history.elbo))
    assert history.elbo[-1] > history.elbo[0] + 50


def test_an_optimum_that_is_known_is_found():
    """A linear VAE reaches the mean log-likelihood of probabilistic PCA, and not more."""
    x = LinearGaussian(shape=(4,), sigma_x=0.5).draw(400).float()
    covariance = torch.cov(x.T.double(), correction=0)
    values, n = torch.linalg.eigvalsh(covariance).flip(0), 4
    # Tipping and Bishop (1999), eq. 8: the largest eigenvalue and the mean of the others
    rest = values[1:].mean()
    best = -0.5 * (n * math.log(2 * math.pi) + values[0].log() + 3 * rest.log() + n)
    vae = models.dense((4,), 1, hidden=(), sigma_x=0.8, learn_sigma_x=True)
    lr = {"lr": lambda step: cosine_decay(step, 800, 5e-2, hold=0.5)}
    history = fit(vae, x, epochs=100, batch_size=50, **lr, progress=False)
    last = torch.tensor(history.elbo[-40:])  # each is the mean of 400 draws
    assert best - 0.05 < last.mean() < best + 3 * last.std() / 40**0.5
    assert last.std() < 0.1
    assert vae.decoder.sigma_x.item() == pytest.approx(rest.sqrt().item(), rel=0.02)


def test_the_seed_is_all_the_chance_there_is():
    x, before = images(), torch.get_rng_state()
    vaes = [small() for _ in range(3)]
    histories = [
        fit(vae, x, epochs=2, batch_size=8, seed=seed, progress=False)
        for vae, seed in zip(vaes, (1, 1, 2), strict=True)
    ]
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert equal_weights(vaes[0], vaes[1]) and not equal_weights(vaes[0], vaes[2])
    assert histories[0].elbo == histories[1].elbo != histories[2].elbo


def test_the_data_is_left_as_it_was():
    x = images()
    fit(small(likelihood="bernoulli"), x, epochs=1, binarise=True, progress=False)
    assert torch.equal(x, images())


@pytest.mark.parametrize("batch_size", [1, 36, 37, 1000])
def test_every_example_once_an_epoch(batch_size):
    vae, x = small(), images()
    seen = []
    vae.encoder.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    history = fit(vae, x, epochs=2, batch_size=batch_size, progress=False)
    steps = -(-37 // batch_size)
    assert history.steps == 2 * steps == len(seen)
    orders = []
    for epoch in (seen[:steps], seen[steps:]):
        keys = torch.cat(epoch).flatten(1).sum(1)
        assert torch.equal(keys.sort().values, x.flatten(1).sum(1).sort().values)
        orders.append(keys)
    assert not torch.equal(*orders), "the order is the same in both epochs"


def test_beta_zero_is_an_autoencoder_and_large_beta_collapses():
    x = images()
    free, held = small(), small()
    kl_free = fit(free, x, 20, 8, lr=1e-2, beta=0.0, progress=False).kl
    kl_held = fit(held, x, 20, 8, lr=1e-2, beta=100.0, progress=False).kl
    assert kl_held[-1] < 0.05 < 0.5 < kl_free[-1]


def test_a_constant_schedule_is_the_number():
    x, one, other = images(), small(), small()
    fit(one, x, 2, 8, lr=3e-3, beta=0.7, progress=False)
    fit(other, x, 2, 8, lr=lambda step: 3e-3, beta=lambda step: constant(step, 0.7), progress=False)
    assert equal_weights(one, other)


def test_schedules_are_asked_for_the_global_step():
    asked = []
    fit(small(), images(), 2, 8, beta=lambda step: asked.append(step) or 1.0, progress=False)
    assert set(range(10)) <= set(asked) and max(asked) < 10


def test_progress_sees_the_history_grow(capsys):
    seen = []
    history = fit(small(), images(), 3, 8, progress=lambda h: seen.append((h, len(h.elbo))))
    assert [count for _, count in seen] == [1, 2, 3] and seen[0][0] is history
    assert "15/15" in capsys.readouterr().err
    fit(small(), images(), 1, 8, progress=True)
    assert "5/5" in capsys.readouterr().err
    fit(small(), images(), 1, 8, progress=False)
    assert capsys.readouterr() == ("", "")


def test_an_exception_of_the_callers_comes_through():
    before = signal.getsignal(signal.SIGINT)

    def fail(_):
        raise ZeroDivisionError("the caller's")

    with pytest.raises(ZeroDivisionError, match="the caller's"):
        fit(small(), images(), 2, 8, progress=fail)
    assert signal.getsignal(signal.SIGINT) is before


def test_default_faces():
    """Whatever the settings are: β from above down to 1, the rate down, all from the seed."""
    vae, again = face_vae(seed=3), face_vae(seed=3)
    assert vae.shape == (32, 32) and equal_weights(vae, again)
    assert not equal_weights(vae, face_vae(seed=4))
    x = faces.render(torch.linspace(-1, 1, 70), 0.0)
    history = fit_faces(vae, x, seed=5, epochs=8, progress=False)
    assert history.beta == sorted(history.beta, reverse=True)
    assert history.beta[0] > 4 and history.beta[-1] == 1.0
    assert history.lr[0] > history.lr[-1] > 0
    assert fit_faces(again, x, seed=5, epochs=8, progress=False).elbo == history.elbo
    assert equal_weights(vae, again)
    plain, own = face_vae(seed=3), face_vae(seed=3)
    fit_faces(plain, x, seed=5, epochs=2, batch_size=16, lr=1e-3, beta=1.0, progress=False)
    fit(own, x, 2, 16, lr=1e-3, beta=1.0, seed=5, progress=False)
    assert equal_weights(plain, own)


@pytest.mark.refuses
def test_an_elbo_that_is_no_number_says_so(tmp_path):
    path, vae = tmp_path / "run.safetensors", small()
    with pytest.raises(ValueError, match=r"no longer a finite number in epoch \d+.*smaller lr"):
        fit(vae, images(), 40, 8, lr=1e30, progress=False, checkpoint=path)
    kept = checkpoint.read(path)[0]  # nothing but numbers was kept
    assert all(t.isfinite().all() for t in kept.values() if t.is_floating_point())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_model_comes_home_and_learns():
    vae, cpu = small(), small()
    history = fit(vae, images(), 5, 8, device="cuda", progress=False)
    expected = fit(cpu, images(), 5, 8, device="cpu", progress=False)
    assert vae.device.type == "cpu"
    assert history.elbo == pytest.approx(expected.elbo, rel=1e-4)
