"""`fit` on a CUDA device: the CPU's results, compiled or not. Skipped where there is none."""

import signal

import pytest
import torch

from vaelib import models
from vaelib.training import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def images(count: int = 37) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(0))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


CASES = {
    "plain": {},
    "schedules": {"lr": lambda step: 1e-2 / (1 + step), "beta": lambda step: step / 20},
    "binarise": {"binarise": True},
    "iwae": {"objective": "iwae", "k": 4},
    "average": {"average": 0.9},
}


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_same_run_as_on_the_cpu(name, compile):
    """37 = 4 · 8 + 5: the last batch of an epoch is smaller and is not captured."""
    options = {"epochs": 6, "batch_size": 8, "progress": False, **CASES[name]}
    likelihood = "bernoulli" if name == "binarise" else "gaussian"
    vae, on_cpu = small(likelihood=likelihood), small(likelihood=likelihood)
    history = fit(vae, images(), device="cuda", compile=compile, **options)
    expected = fit(on_cpu, images(), device="cpu", **options)
    assert vae.device.type == "cpu", "the model comes home"
    assert history.elbo == pytest.approx(expected.elbo, rel=1e-3)
    assert history.bound == pytest.approx(expected.bound, rel=1e-3)
    for a, b in zip(vae.parameters(), on_cpu.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_dreg_on_cuda():
    options = {"epochs": 4, "batch_size": 8, "progress": False, "objective": "dreg", "k": 4}
    on_cuda = fit(small(), images(), device="cuda", **options)
    assert on_cuda.bound == pytest.approx(
        fit(small(), images(), device="cpu", **options).bound, rel=1e-3
    )


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("stop", [2, 5, 7, 12])
def test_stopped_and_gone_on(tmp_path, stop, compile):
    """Stopped by a callback at a step, which a captured graph would not see: by epochs then."""
    options = {"batch_size": 8, "device": "cuda", "compile": compile, "lr": 1e-2}
    whole, vae, resumed = small(), small(), small(9)
    fit(whole, images(), 4, **options, progress=False)
    if compile:
        epochs = []

        def press(_):
            epochs.append(1)
            if len(epochs) == 1 + stop // 5:
                raise KeyboardInterrupt

        fit(vae, images(), 4, **options, progress=press, checkpoint=tmp_path / "run")
    else:
        seen = []

        def hook(*_):
            seen.append(1)
            if len(seen) == stop:
                signal.raise_signal(signal.SIGINT)

        vae.decoder.register_forward_hook(hook)
        fit(vae, images(), 4, **options, progress=False, checkpoint=tmp_path / "run")
    history = fit(resumed, images(), 4, **options, progress=False, checkpoint=tmp_path / "run")
    assert history.steps == 20
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "auto"])
def test_rounded_products_learn_the_same(precision):
    vaes = [models.dense((16, 16), 3, hidden=(64,), sigma_x=0.3) for _ in range(2)]
    x = torch.rand(600, 16, 16, generator=torch.Generator().manual_seed(1))
    before = torch.get_float32_matmul_precision()
    rounded = fit(vaes[0], x, 5, 50, precision=precision, device="cuda", progress=False)
    exact = fit(vaes[1], x, 5, 50, device="cuda", progress=False)
    assert rounded.elbo[-1] == pytest.approx(exact.elbo[-1], abs=1.0)
    assert torch.get_float32_matmul_precision() == before
    assert all(p.dtype == torch.float32 for p in vaes[0].parameters())


def test_a_batch_too_large_names_one_that_fits():
    """40 GB and more for one layer's output, unless the device is given less to use."""
    torch.cuda.set_per_process_memory_fraction(
        min(1.0, 2**30 / torch.cuda.get_device_properties(0).total_memory)
    )
    try:
        vae = models.dense((8, 8), 2, hidden=(2**16,))
        with pytest.raises(MemoryError, match=r"batch_size=\d+ fits") as error:
            fit(vae, torch.rand(2**14, 8, 8), 1, 2**14, device="cuda", progress=False)
        size = int(str(error.value).rpartition("batch_size=")[2].split()[0])
        fit(vae, torch.rand(size, 8, 8), 1, size, device="cuda", progress=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_nothing_in_the_loop_waits_for_the_device():
    """PyTorch itself tells of every synchronisation; an epoch's end is allowed its few."""
    waits = []

    def epochs(steps):
        import warnings

        vae, x = small(), images(8 * steps)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                fit(vae, x, 2, 8, device="cuda", progress=False)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        waits.append(sum("synchroniz" in str(w.message) for w in caught))

    epochs(4)
    epochs(12)
    assert waits[1] <= waits[0] + 2, "the number of waits grows with the number of steps"
