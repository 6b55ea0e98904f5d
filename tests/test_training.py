"""`fit` against the loop written out; stop, kill and resume, bit for bit."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from oracles import LinearGaussian, equal_weights, training_loop

import vaelib
from vaelib import checkpoint, faces, models
from vaelib.checkpoint import CheckpointError
from vaelib.schedules import constant, cosine_decay, exponential_annealing, linear_annealing
from vaelib.training import History, face_vae, fit, fit_faces

HOME = Path(vaelib.__file__).parents[1]


def images(count: int = 37, size: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, size, size, generator=torch.Generator().manual_seed(seed))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


def small_conv(seed: int = 0, **options) -> models.VAE:
    return models.conv((6, 6), 2, channels=(3,), hidden=8, sigma_x=0.5, seed=seed, **options)


# name: how to make the model, and what `fit` is told; 37 examples in batches of 8 are 5 steps.
CASES = {
    "dense": (small, {}),
    "schedules": (
        small,
        {
            "lr": lambda step: cosine_decay(step, 15, 1e-2),
            "beta": lambda step: exponential_annealing(step, 7, 12.0),
        },
    ),
    "binarise": (lambda seed=0: small(seed, likelihood="bernoulli"), {"binarise": True}),
    "conv": (small_conv, {"beta": 0.5}),
    "learnt-sigma": (lambda seed=0: small(seed, learn_sigma_x=True), {"lr": 1e-2}),
    "float64": (lambda seed=0: small(seed).double(), {}),
}


@pytest.fixture(params=CASES)
def case(request):
    make, options = CASES[request.param]
    x = images().to(make().dtype)
    return make, x, {"epochs": 3, "batch_size": 8, "seed": 4, "progress": False, **options}


def but_seconds(history: History) -> dict:
    return {k: v for k, v in asdict(history).items() if k not in ("seconds", "interrupted")}


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(path)[0]


def interrupt_at(vae: models.VAE, step: int, times: int = 1) -> None:
    """Ctrl-C in the middle of that step (from 1) of the next `fit`, as the decoder runs."""
    seen = 0

    def press(*_):
        nonlocal seen
        seen += 1
        if seen == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    vae.decoder.register_forward_hook(press)


# ---------------------------------------------------------------- the loop


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
    kept = tensors_of(path)  # nothing but numbers was kept
    assert all(t.isfinite().all() for t in kept.values() if t.is_floating_point())


# ---------------------------------------------------------------- stop and go on


@pytest.mark.parametrize("stop", [1, 4, 5, 6, 14], ids=lambda s: f"step{s}")
def test_interrupted_and_resumed_is_uninterrupted(case, stop, tmp_path, capsys):
    make, x, options = case
    whole, stopped, resumed = make(), make(), make(seed=99)
    expected = fit(whole, x, checkpoint=tmp_path / "whole", **options)

    handler = signal.getsignal(signal.SIGINT)
    interrupt_at(stopped, stop)
    first = fit(stopped, x, checkpoint=tmp_path / "run", **options)
    assert signal.getsignal(signal.SIGINT) is handler
    assert first.interrupted and first.steps == stop and len(first.elbo) == stop // 5
    said = capsys.readouterr().out
    assert f"after {stop} steps" in said and "resume" in said and str(tmp_path / "run") in said

    second = fit(resumed, x, checkpoint=tmp_path / "run", **options)
    assert not second.interrupted and capsys.readouterr().out == ""
    assert equal_weights(resumed, whole), "the weights differ from an uninterrupted run's"
    assert but_seconds(second) == but_seconds(expected)
    assert all(s > 0 for s in second.seconds) and len(second.seconds) == 3
    one, other = tensors_of(tmp_path / "run"), tensors_of(tmp_path / "whole")
    assert one.keys() == other.keys()  # the optimiser's moments and the generator too
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "whole"]


def test_interrupted_again_and_again(tmp_path):
    options = {"epochs": 3, "batch_size": 8, "progress": False, "lr": 1e-2}
    whole = small()
    expected = fit(whole, images(), **options)
    total, calls = 0, 0
    history = History(interrupted=True)
    while history.interrupted:
        vae = small(seed=calls)
        interrupt_at(vae, 2)
        history = fit(vae, images(), checkpoint=tmp_path / "run", **options)
        total, calls = history.steps, calls + 1
        assert total == min(2 * calls, 15)
    assert calls == 8 and equal_weights(vae, whole)
    assert but_seconds(history) == but_seconds(expected)


def test_interrupted_by_a_signal_from_elsewhere(tmp_path):
    """The stop button: a signal at any moment, here from a timer, wherever the loop is."""
    options = {"epochs": 3, "batch_size": 1, "progress": False}
    whole, vae = small(), small()
    fit(whole, images(), **options)
    timer = threading.Timer(0.08, os.kill, (os.getpid(), signal.SIGINT))

    def linger(*_):
        if timer.ident is None:
            timer.start()
        time.sleep(0.002)

    vae.decoder.register_forward_hook(linger)
    history = fit(vae, images(), checkpoint=tmp_path / "run", **options)
    timer.join()
    assert history.interrupted and 0 < history.steps < 111
    resumed = small(seed=1)
    assert fit(resumed, images(), checkpoint=tmp_path / "run", **options).steps == 111
    assert equal_weights(resumed, whole)


def by_signal(_):
    signal.raise_signal(signal.SIGINT)


def by_exception(_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("press", [by_signal, by_exception])
def test_interrupted_between_epochs(press, tmp_path):
    options = {"epochs": 3, "batch_size": 8}
    whole, vae = small(), small()
    fit(whole, images(), **options, progress=False)
    history = fit(vae, images(), **options, progress=press, checkpoint=tmp_path / "run")
    assert history.interrupted and history.steps == 5
    history = fit(vae, images(), **options, progress=press, checkpoint=tmp_path / "run")
    assert history.interrupted and history.steps == 10
    history = fit(vae, images(), **options, progress=press, checkpoint=tmp_path / "run")
    assert not history.interrupted and history.steps == 15  # nothing was left to interrupt
    assert equal_weights(vae, whole)


def test_interrupted_without_a_checkpoint_keeps_the_model(capsys):
    vae, whole = small(), small()
    interrupt_at(vae, 10)
    history = fit(vae, images(), 3, 8, progress=False)
    fit(whole, images(), 2, 8, progress=False)
    assert history.interrupted and history.steps == 10
    assert equal_weights(vae, whole)
    assert "in the model" in capsys.readouterr().out


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    vae, before = small(), signal.getsignal(signal.SIGINT)
    interrupt_at(vae, 8, times=2)
    with pytest.raises(KeyboardInterrupt):
        fit(vae, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    whole, resumed = small(), small(seed=1)
    fit(whole, images(), 3, 8, progress=False)
    fit(resumed, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    assert equal_weights(resumed, whole)  # what was kept was whole


def test_in_another_thread_signals_are_left_alone():
    before, vae, whole, found = signal.getsignal(signal.SIGINT), small(), small(), []

    def run():
        found.append(fit(vae, images(), 2, 8, progress=False))
        found.append(signal.getsignal(signal.SIGINT))

    vae.decoder.register_forward_hook(lambda *_: found.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    fit(whole, images(), 2, 8, progress=False)
    assert equal_weights(vae, whole)
    assert found.pop() is before and found.pop().steps == 10
    assert all(handler is before for handler in found)


KILLED = """
import os, signal, sys, time
import torch
from vaelib import models
from vaelib.training import fit

torch.set_num_threads(1)
x = torch.rand(37, 6, 6, generator=torch.Generator().manual_seed(0))
vae = models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, likelihood="bernoulli")
seen = 0

def at_step(*_):
    global seen
    seen += 1
    if seen == 10:
        time.sleep(1.1)  # an epoch's end is kept if the last time is a second ago
    if seen == 13:
        os.kill(os.getpid(), signal.SIGKILL)

vae.decoder.register_forward_hook(at_step)
fit(vae, x, 4, 8, seed=4, progress=False, checkpoint=sys.argv[1], binarise=True)
"""


def test_killed_and_resumed_is_uninterrupted(tmp_path):
    path = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", KILLED, path], cwd=HOME, timeout=120)
    assert done.returncode == -signal.SIGKILL
    kept = checkpoint.read(path)[1]["history"]
    assert kept["steps"] == 10, "two epochs were over and kept"
    assert list(tmp_path.iterdir()) == [path]
    options = {"seed": 4, "progress": False, "binarise": True}
    whole, resumed = small(likelihood="bernoulli"), small(seed=1, likelihood="bernoulli")
    expected = fit(whole, images(), 4, 8, **options)
    history = fit(resumed, images(), 4, 8, checkpoint=path, **options)
    assert equal_weights(resumed, whole) and but_seconds(history) == but_seconds(expected)


def test_a_finished_run_is_not_trained_again_but_may_go_on(tmp_path):
    path, vae = tmp_path / "run", small()
    first = fit(vae, images(), 2, 8, progress=False, checkpoint=path)
    content, again = path.read_bytes(), small(seed=1)
    second = fit(again, images(), 2, 8, progress=False, checkpoint=path)
    assert equal_weights(again, vae) and asdict(second) == asdict(first)
    assert path.read_bytes() == content
    longer, whole = small(seed=2), small()
    history = fit(longer, images(), 3, 8, progress=False, checkpoint=path)
    fit(whole, images(), 3, 8, progress=False)
    assert history.steps == 15 and equal_weights(longer, whole)


def test_a_kept_run_is_a_model_too(tmp_path):
    vae = small()
    fit(vae, images(), 2, 8, progress=False, checkpoint=tmp_path / "run")
    assert equal_weights(checkpoint.load_vae(tmp_path / "run"), vae)


def test_a_checkpoint_changes_nothing_in_the_training(tmp_path):
    with_, without = small(), small()
    fit(with_, images(), 2, 8, progress=False, checkpoint=tmp_path / "deep" / "run")
    fit(without, images(), 2, 8, progress=False)
    assert equal_weights(with_, without)


def test_a_crash_while_keeping_leaves_the_last_good_state(tmp_path, monkeypatch):
    path, vae = tmp_path / "run", small()
    interrupt_at(vae, 7)
    fit(vae, images(), 3, 8, progress=False, checkpoint=path)
    content = path.read_bytes()

    def crash(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(CheckpointError, match="No space left"):
            fit(small(), images(), 3, 8, progress=False, checkpoint=path)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]
    resumed, whole = small(), small()
    fit(resumed, images(), 3, 8, progress=False, checkpoint=path)
    fit(whole, images(), 3, 8, progress=False)
    assert equal_weights(resumed, whole)


# ---------------------------------------------------------------- the wrong checkpoint


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A run of `small()` stopped in its second epoch of three."""
    path, vae = tmp_path_factory.mktemp("run") / "run.safetensors", small()
    interrupt_at(vae, 7)
    fit(vae, images(), 3, 8, progress=False, checkpoint=path)
    return path


OTHER_RUNS = {
    "seed": ({"seed": 1}, r"seed was 0, is 1"),
    "batch_size": ({"batch_size": 9}, r"batch_size was 8, is 9"),
    "lr": ({"lr": 2e-3}, r"lr was 0\.001.*0\.002"),
    "beta": ({"beta": 0.5}, r"beta was 1.*0\.5"),
    "beta schedule": ({"beta": lambda step: linear_annealing(step, 9)}, r"beta was 1.*is 0"),
    "data": ({"x": images(seed=1)}, r"data was"),
    "number": ({"x": images(36)}, r"data was \(37, 6, 6\).*is \(36, 6, 6\)"),
}


@pytest.mark.refuses
@pytest.mark.parametrize("name", OTHER_RUNS)
def test_a_checkpoint_of_other_settings_names_them(stopped, name):
    change, message = OTHER_RUNS[name]
    options = {"x": images(), "epochs": 3, "batch_size": 8, "progress": False} | change
    content, vae = stopped.read_bytes(), small()
    with pytest.raises(CheckpointError, match=message) as error:
        fit(vae, checkpoint=stopped, **options)
    assert str(stopped) in str(error.value)
    assert stopped.read_bytes() == content and equal_weights(vae, small())


@pytest.mark.refuses
@pytest.mark.parametrize("name", ["lr", "beta"])
def test_other_schedules_are_noticed_within_the_first_epoch(tmp_path, name):
    vae = small()
    interrupt_at(vae, 3)
    fit(vae, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    with pytest.raises(CheckpointError, match=rf"{name} was .*is"):
        other = {name: lambda step: 0.5}
        fit(small(), images(), 3, 8, **other, progress=False, checkpoint=tmp_path / "run")


@pytest.mark.refuses
def test_one_other_example_is_another_data_set(stopped):
    x = images()
    x[17, 3, 3] = 1 - x[17, 3, 3]
    with pytest.raises(CheckpointError, match="data was"):
        fit(small(), x, 3, 8, progress=False, checkpoint=stopped)


OTHER_MODELS = {
    "activation": (lambda: small(activation="tanh"), r"activation was relu, is tanh"),
    "sigma_x": (lambda: models.dense((6, 6), 2, (12,), sigma_x=0.4), r"sigma_x was 0\.5, is 0\.4"),
    "latent size": (
        lambda: models.dense((6, 6), 3, (12,), sigma_x=0.5),
        r"latent_dim was 2, is 3",
    ),
    "hidden": (lambda: models.dense((6, 6), 2, (12, 12), sigma_x=0.5), r"hidden was \[12\], is"),
    "learnt sigma": (lambda: small(learn_sigma_x=True), "learn_sigma_x was False, is True"),
    "conv": (small_conv, r"maker was dense, is conv"),
    "by hand": (lambda: models.VAE(small().encoder, small().decoder), r"another model"),
}


@pytest.mark.refuses
@pytest.mark.parametrize("name", OTHER_MODELS)
def test_a_checkpoint_of_another_model_says_what_differs(stopped, name):
    make, message = OTHER_MODELS[name]
    content, vae = stopped.read_bytes(), make()
    with pytest.raises(CheckpointError, match=message) as error:
        fit(vae, images(), 3, 8, progress=False, checkpoint=stopped)
    assert "another model" in str(error.value) and str(stopped) in str(error.value)
    assert stopped.read_bytes() == content and equal_weights(vae, make())


@pytest.mark.refuses
def test_a_checkpoint_of_another_dtype(stopped):
    with pytest.raises(CheckpointError, match=r"dtype was torch\.float32, is torch\.float64"):
        fit(small().double(), images().double(), 3, 8, progress=False, checkpoint=stopped)


@pytest.mark.refuses
def test_damaged_checkpoints_are_refused_and_left(stopped, tmp_path):
    good, path = stopped.read_bytes(), tmp_path / "run"
    for content in (b"", good[:5], good[: len(good) // 2], good[:-1], b"\xff" * 999):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"run is truncated, damaged"):
            fit(small(), images(), 3, 8, progress=False, checkpoint=path)
        assert path.read_bytes() == content


@pytest.mark.refuses
def test_a_model_is_not_a_run(tmp_path):
    checkpoint.save(tmp_path / "vae", small())
    with pytest.raises(CheckpointError, match="a model, not a run"):
        fit(small(), images(), 3, 8, progress=False, checkpoint=tmp_path / "vae")


@pytest.mark.refuses
def test_a_place_that_cannot_be_written_is_known_before_training(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    vae = small()
    with pytest.raises(CheckpointError, match=r"cannot write .*file/run"):
        fit(vae, images(), 3, 8, progress=False, checkpoint=tmp_path / "file" / "run")
    assert equal_weights(vae, small()), "it was trained before it was told"


def test_a_model_made_by_hand_resumes(tmp_path):
    def by_hand(seed):
        made = small(seed)
        return models.VAE(made.encoder, made.decoder)

    whole, vae, resumed = by_hand(0), by_hand(0), by_hand(1)
    fit(whole, images(), 3, 8, progress=False)
    interrupt_at(vae, 7)
    fit(vae, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    fit(resumed, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    assert equal_weights(resumed, whole)


def test_history_is_json():
    history = fit(small(), images(), 2, 8, progress=False)
    assert History(**json.loads(json.dumps(asdict(history)))) == history
    assert "2 epochs, 10 steps" in repr(history)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_model_comes_home_and_learns():
    vae, cpu = small(), small()
    history = fit(vae, images(), 5, 8, device="cuda", progress=False)
    expected = fit(cpu, images(), 5, 8, device="cpu", progress=False)
    assert vae.device.type == "cpu"
    assert history.elbo == pytest.approx(expected.elbo, rel=1e-4)


# ---------------------------------------------------------------- threads


def test_small_models_train_on_one_thread_and_give_the_others_back():
    before, seen, vae = torch.get_num_threads(), [], small()
    vae.decoder.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    try:
        torch.set_num_threads(2)
        fit(vae, images(), 1, 8, progress=False)
        assert seen == [1] * 5 and torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            fit(vae, images(), 1, 8, progress=lambda _: 1 / 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ({}, "passive 1000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "7"}, "passive 7"),
    ],
)
def test_waiting_threads_soon_sleep_unless_the_user_wants_otherwise(own, found):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    script = f"import os, sys, vaelib; print(*map(os.environ.get, {names}), 'torch' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k not in names} | own
    options = {"cwd": HOME, "env": environment, "text": True, "timeout": 60}
    given = subprocess.check_output([sys.executable, "-c", script], **options)
    assert given.split() == [*found.split(), "False"]
