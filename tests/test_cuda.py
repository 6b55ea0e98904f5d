"""`fit` on a CUDA device: the CPU's numbers, and the same training compiled and captured.

Skipped where there is no device. The plain engine draws on the CPU, and so gives the CPU's run; the
compiled one draws on the device.
"""

import pytest
import torch
from oracles import equal_weights
from small_runs import images, interrupt_at, small

from benchmarks.objectives import ObjectiveStep, iwae
from vaelib import engine, models
from vaelib.training import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SCHEDULES = {"lr": lambda step: 1e-2 / (1 + step), "beta": lambda step: step / 20}
CASES = {"plain": {}, "schedules": SCHEDULES, "binarise": {"binarise": True}}


@pytest.fixture(autouse=True)
def compile_short_runs(monkeypatch):
    monkeypatch.setattr(engine, "WORTH_COMPILING", 0)


def for_case(name: str, seed: int = 0) -> models.VAE:
    return small(seed, likelihood="bernoulli" if name == "binarise" else "gaussian")


@pytest.mark.parametrize("name", [*CASES, "iwae"])
def test_the_same_run_as_on_the_cpu(name):
    options = {"epochs": 6, "batch_size": 8, "progress": False, **CASES.get(name, {})}
    histories, vaes = [], []
    for device in ("cuda", "cpu"):
        own = {"engine": ObjectiveStep(iwae, samples=4)} if name == "iwae" else {}
        vaes.append(for_case(name))
        histories.append(fit(vaes[-1], images(), device=device, **options, **own))
    assert vaes[0].device.type == "cpu", "the model comes home"
    assert histories[0].elbo == pytest.approx(histories[1].elbo, rel=1e-3)
    for a, b in zip(vaes[0].parameters(), vaes[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_a_captured_run_is_the_run_that_is_not_captured(monkeypatch, name):
    """37 = 4 · 8 + 5: the last batch of an epoch is smaller and is not captured."""
    options = {"epochs": 6, "batch_size": 8, "progress": False, "device": "cuda", **CASES[name]}
    captured, launched = for_case(name), for_case(name)
    one = fit(captured, images(), engine="compiled", **options)
    monkeypatch.setattr(engine.Speed, "captured", lambda _, step, run: step)
    other = fit(launched, images(), engine="compiled", **options)
    assert one.elbo == pytest.approx(other.elbo, rel=1e-4)
    for a, b in zip(captured.parameters(), launched.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_compiled_learns_the_same():
    x = images(800)
    plain = fit(small(), x, 10, 16, device="cuda", progress=False)
    compiled = fit(small(), x, 10, 16, device="cuda", engine="compiled", progress=False)
    assert compiled.elbo[-1] == pytest.approx(plain.elbo[-1], abs=0.5)


@pytest.mark.parametrize("stop", [2, 5, 7, 12])
def test_stopped_and_resumed(tmp_path, stop):
    options = {"batch_size": 8, "device": "cuda", "lr": 1e-2, "progress": False}
    whole, vae, resumed = small(), small(), small(9)
    fit(whole, images(), 4, **options)
    interrupt_at(vae, stop)
    fit(vae, images(), 4, **options, checkpoint=tmp_path / "run")
    history = fit(resumed, images(), 4, **options, checkpoint=tmp_path / "run")
    assert history.steps == 20
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_compiled_stopped_between_epochs_and_resumed(tmp_path):
    options = {"batch_size": 8, "device": "cuda", "engine": "compiled", "lr": 1e-2}
    whole, vae, resumed = small(), small(), small(9)
    fit(whole, images(), 4, **options, progress=False)

    def press(history):
        if len(history.elbo) == 2:
            raise KeyboardInterrupt

    fit(vae, images(), 4, **options, progress=press, checkpoint=tmp_path / "run")
    assert not equal_weights(vae, whole)
    history = fit(resumed, images(), 4, **options, progress=False, checkpoint=tmp_path / "run")
    assert history.steps == 20
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_fifty_captured_runs_leave_the_memory_as_it_was():
    fit(small(), images(), 2, 8, device="cuda", engine="compiled", progress=False)
    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    for _ in range(50):
        fit(small(), images(), 2, 8, device="cuda", engine="compiled", progress=False)
    torch.cuda.synchronize()
    assert before - torch.cuda.mem_get_info()[0] < 64 * 2**20


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
