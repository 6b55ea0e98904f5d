"""`train_step` and `fit` against the loop written out; what a run is given and gives back."""

import inspect
import math
import re
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from inputs import generator
from oracles import LinearGaussian, equal_weights, training_loop
from small_runs import CASES, images, interrupt_at, small, the_case, with_layer

from vaelib import checkpoint, faces, models, run
from vaelib.bounds import elbo
from vaelib.schedules import cosine_decay
from vaelib.training import (
    EarlyStopping,
    choose_device,
    face_vae,
    fit,
    fit_faces,
    train_step,
)


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
    beta = loop["beta"] if callable(loop["beta"]) else lambda step: loop["beta"]
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
    fit(other, x, 2, 8, lr=lambda step: 3e-3, beta=lambda step: 0.7, progress=False)
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


# ---------------------------------------------------------------- a training that diverges


def poison(at: int, term: str, seen: list[int] | None = None):
    """A step of one's own that goes wrong at its `at`-th update, in a term or in the weights."""

    def step(vae, optimiser, x, eps, beta):
        log_px_z, kl = train_step(vae, optimiser, x, eps, beta)
        weight = vae.decoder.body[0].weight
        if optimiser.state[weight]["step"] >= at:
            terms = {"log p(x|z)": log_px_z, "KL": kl, "the gradient": weight.data}
            terms[term].view(-1)[0] = math.nan if term != "KL" else math.inf
        return log_px_z, kl

    return step


def after(steps: int) -> models.VAE:
    """The model after so many steps of the same run."""
    vae = small()
    if steps:
        interrupt_at(vae, steps)
        fit(vae, images(), 3, 8, progress=False)
    return vae


@pytest.mark.parametrize("kept", ["", "run", "run.safetensors"])
@pytest.mark.parametrize("step", [1, 2, 6, 7, 15])
@pytest.mark.parametrize("term", ["log p(x|z)", "KL", "the gradient"])
def test_divergence_names_step_and_term_and_gives_back_the_weights(tmp_path, term, step, kept):
    """5 steps are an epoch; a term is that of the weights before the step."""
    path = tmp_path / kept if kept else None
    vae = small()
    with pytest.raises(ValueError, match=re.escape(term) + r" became NaN or inf") as error:
        fit(vae, images(), 3, 8, engine=poison(step, term), progress=False, checkpoint=path)
    message = str(error.value)
    assert f"at step {step} (epoch {(step + 4) // 5})" in message and "try a smaller lr" in message
    good = step - 1 if term == "the gradient" else max(0, step - 2)
    assert f"the weights of step {good}," in message
    assert equal_weights(vae, after(good))
    if path is not None:
        assert equal_weights(checkpoint.load_vae(path), vae)
    assert elbo(vae, images()).total.isfinite().all()
    assert fit(vae, images(), 1, 8, progress=False).steps == 5


@pytest.mark.parametrize("batch_size", [8, 37])
@pytest.mark.parametrize("lr", [10.0, 1e30])
def test_a_rate_that_is_too_large(lr, batch_size):
    vae, seen = small(), []
    with pytest.raises(ValueError, match=r"log p\(x\|z\) and KL became .*larger sigma_x"):
        fit(vae, images(), 40, batch_size, lr=lr, progress=lambda h: seen.append(len(h.elbo)))
    assert seen == [*range(1, len(seen) + 1)], "an epoch was reported twice"
    assert elbo(vae, images()).total.isfinite().all()


def test_what_went_wrong_once_and_not_again_is_gone():
    calls = []

    def step(vae, optimiser, x, eps, beta):
        terms = train_step(vae, optimiser, x, eps, beta)
        calls.append(1)
        if len(calls) == 7:
            vae.decoder.body[0].weight.data.fill_(math.nan)
        return terms

    vae, whole = small(), small()
    history = fit(vae, images(), 3, 8, engine=step, progress=False)
    assert history.elbo == fit(whole, images(), 3, 8, progress=False).elbo
    assert equal_weights(vae, whole) and len(calls) == 25, "ten steps, and all fifteen again"


# ---------------------------------------------------------------- validation and an early stop


def test_validation_is_the_elbo_of_other_data_and_changes_nothing(tmp_path):
    held_out, without, with_ = images(50, seed=3), small(), small()
    options = {"epochs": 4, "batch_size": 8, "progress": False, "lr": 1e-2}
    plain = fit(without, images(), **options)
    history = fit(with_, images(), **options, validation=held_out, checkpoint=tmp_path)
    assert equal_weights(with_, without) and history.elbo == plain.elbo and plain.validation == []
    exact = elbo(with_, held_out, n_samples=200, generator=generator()).total
    one = elbo(with_, held_out, generator=generator()).total
    error = one.std() / 50**0.5 + 1e-3
    assert history.validation[-1] == pytest.approx(exact.mean().item(), abs=4 * error.item())
    assert len(history.validation) == 4 and plain.best_epoch == 0
    assert history.best_epoch == 1 + history.validation.index(max(history.validation))
    resumed = small(seed=1)
    fit(
        resumed, images(), **options | {"epochs": 2}, validation=held_out, checkpoint=tmp_path / "b"
    )
    again = fit(resumed, images(), **options, validation=held_out, checkpoint=tmp_path / "b")
    assert (
        again.validation == fit(small(seed=1), images(), **options, validation=held_out).validation
    )


def test_binarised_validation_is_drawn_once():
    vae = small(likelihood="bernoulli")
    options = {"binarise": True, "progress": False, "lr": 0.0}
    history = fit(vae, images(), 3, 8, **options, validation=images(20, seed=3))
    assert len(set(history.validation)) == 1 < len(set(history.elbo))


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        (images(4, size=5), r"validation has shape \(4, 5, 5\)"),
        (images(4) + 1, r"validation has values in"),
        (images(0), "validation holds no examples"),
    ],
)
def test_validation_is_checked_as_x_is(held_out, message):
    with pytest.raises(ValueError, match=message):
        fit(small(), images(), 1, 8, validation=held_out, progress=False)


@pytest.mark.parametrize("kind", ["patience", "False", "numpy"])
def test_a_run_that_is_stopped_keeps_the_best_weights(tmp_path, capsys, kind):
    """The rate is far too large from the third epoch on."""
    options = {"lr": lambda step: 1e-2 if step < 10 else 0.5, "validation": images(50, seed=3)}
    stop = {
        "patience": EarlyStopping(3),
        "False": lambda h: len(h.elbo) < 5,
        "numpy": lambda h: np.mean([len(h.elbo)]) < 5,
    }[kind]
    vae, best, resumed = small(), small(), small(seed=1)
    history = fit(vae, images(), 40, 8, **options, progress=stop, checkpoint=tmp_path)
    assert history.stopped and not history.interrupted and len(history.elbo) == 5
    assert history.best_epoch == 2 and "weights are those of epoch 2" in capsys.readouterr().out
    fit(best, images(), 2, 8, **options, progress=False)
    assert equal_weights(vae, best) and equal_weights(checkpoint.load_vae(tmp_path), best)
    again = fit(resumed, images(), 40, 8, **options, progress=stop, checkpoint=tmp_path)
    assert again == history and equal_weights(resumed, best), "a stopped run is over"


def test_stopped_without_validation_keeps_the_last_weights(capsys):
    vae, whole = small(), small()
    history = fit(vae, images(), 9, 8, progress=lambda h: len(h.elbo) < 3)
    fit(whole, images(), 3, 8, progress=False)
    assert history.stopped and equal_weights(vae, whole)
    assert "no validation ELBO to choose by" in capsys.readouterr().out
    for answer in (None, True, 0, []):
        assert not fit(vae, images(), 2, 8, progress=lambda h, answer=answer: answer).stopped


def test_killed_and_resumed_knows_the_best_weights(tmp_path):
    """The best epoch is before the kill, the stop after it."""
    options = {"lr": lambda step: 1e-2 if step < 10 else 0.5, "validation": images(50, seed=3)}
    vae, resumed, calls = small(), small(seed=1), []

    def kill(history):
        calls.append(1)
        if len(calls) == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run.time, "monotonic", iter(range(10**6)).__next__)  # save each epoch
            fit(vae, images(), 40, 8, **options, progress=kill, checkpoint=tmp_path)
    fit(vae := small(), images(), 2, 8, **options, progress=False)
    history = fit(
        resumed, images(), 40, 8, **options, progress=EarlyStopping(3), checkpoint=tmp_path
    )
    assert history.best_epoch == 2 and equal_weights(resumed, vae)


@pytest.mark.refuses
def test_early_stopping_needs_data_to_stop_by():
    with pytest.raises(ValueError, match="validation"):
        fit(small(), images(), 2, 8, progress=EarlyStopping(2))
    with pytest.raises(ValueError, match="patience is 0"):
        EarlyStopping(0)


# ---------------------------------------------------------------- what the caller left behind


@pytest.mark.parametrize("kind", ["dropout", "batch norm"])
def test_modes_gradients_and_the_global_generator_do_not_matter(kind, tmp_path):
    options = {"epochs": 3, "batch_size": 8, "lr": 1e-2, "validation": images(9, seed=2)}
    expected, vae, resumed, other = (with_layer(kind) for _ in range(4))
    fit(expected, images(), **options, progress=False)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    vae.eval()
    vae.encoder.body[2].train()
    modes = [module.training for module in vae.modules()]
    with torch.no_grad():
        fit(vae, images(), **options, progress=lambda _: torch.rand(3))
    with torch.inference_mode():
        x = images()
        interrupt_at(resumed, 8)
        fit(resumed, x, **options, progress=False, checkpoint=tmp_path)
    fit(resumed, images(), **options, progress=False, checkpoint=tmp_path)
    assert torch.equal(torch.get_rng_state(), before), "the global generator has moved"
    assert [module.training for module in vae.modules()] == modes
    assert equal_weights(vae, expected) and equal_weights(resumed, expected)
    fit(other, images(), **options, seed=1, progress=False)
    assert not equal_weights(other, expected)


def test_the_default_dtype_does_not_matter(tmp_path):
    vae, other = small(), small()
    fit(vae, images(), 2, 8, progress=False, validation=images(9))
    x = images()
    torch.set_default_dtype(torch.float64)
    try:
        fit(other, x, 2, 8, progress=False, validation=x[:9], checkpoint=tmp_path)
        loaded = checkpoint.load_vae(tmp_path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert equal_weights(loaded, other) and equal_weights(vae, other)


def test_a_batch_of_one_under_batch_norm_is_refused_before_training():
    vae, before = with_layer("batch norm"), with_layer("batch norm")
    with pytest.raises(ValueError, match=r"batch_size=36 leaves a batch of one.*BatchNorm") as e:
        fit(vae, images(), 1, 36, progress=False)
    assert equal_weights(vae, before)
    advice = int(re.search(r"batch_size=(\d+) works", str(e.value))[1])
    assert fit(vae, images(), 1, advice, progress=False).steps == 1
    with pytest.raises(ValueError, match="expected more examples"):
        fit(vae, images(1), 1, 8, progress=False)


@pytest.mark.refuses
def test_what_cannot_be_trained_is_refused():
    with torch.no_grad():
        (bad := small()).encoder.mu.weight[1, 2] = math.nan
    with pytest.raises(ValueError, match=r"encoder\.mu\.weight holds 1 weights that are NaN"):
        fit(bad, images(), 1, 8, progress=False)
    with torch.inference_mode():
        made = small()
    for vae in (made, small().requires_grad_(False)):
        with pytest.raises(ValueError, match="cannot be trained"):
            fit(vae, images(), 1, 8, progress=False)


@pytest.mark.refuses
@pytest.mark.parametrize("device", ["meta", "mps"])
def test_a_device_without_values_or_float64_is_refused(device, monkeypatch):
    def zeros(*_, **__):
        raise TypeError("the MPS framework doesn't support float64")

    if device == "mps":
        monkeypatch.setattr(torch, "zeros", zeros)
    with pytest.raises(ValueError, match=f'device "{device}" cannot be used here .*"auto"'):
        choose_device(device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_model_comes_home_and_learns():
    vae, cpu = small(), small()
    history = fit(vae, images(), 5, 8, device="cuda", progress=False)
    expected = fit(cpu, images(), 5, 8, device="cpu", progress=False)
    assert vae.device.type == "cpu"
    assert history.elbo == pytest.approx(expected.elbo, rel=1e-4)
