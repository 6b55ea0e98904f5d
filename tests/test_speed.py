"""What makes `fit` faster or lets it hold more: precision, compiler, memory, data in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oracles import equal_weights

import vaelib
from vaelib import _compiler, models
from vaelib._objective import Terms
from vaelib.training import fit

HOME = Path(vaelib.__file__).parents[1]


def images(count: int = 37) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(0))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


def run(script: str, *words: str, **environment: str) -> dict:
    """What a program of its own prints last, as JSON: no shapes enforced, memory of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        **{"cwd": HOME, "env": os.environ | environment, "timeout": 300},
        **{"capture_output": True, "text": True},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]) | {"said": done.stdout}


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("maker", ["dense", "conv"])
def test_bfloat16_rounds_products_only(maker, likelihood):
    vae = getattr(models, maker)((8, 8), 3, likelihood=likelihood, sigma_x=0.5)
    generator = torch.Generator().manual_seed(1)
    x, eps = torch.rand(50, 8, 8, generator=generator), torch.randn(50, 3, generator=generator)
    x = x.round() if likelihood == "bernoulli" else x
    exact, rounded = Terms(vae)(x, eps), Terms(vae, rounded=True)(x, eps)
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32 and not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.1)
        # Sums in bfloat16 would all be multiples of some power of two.
        assert (b != b.to(torch.bfloat16).float()).any()


def test_bfloat16_learns_the_same():
    curves = {}
    for precision in ("float32", "bfloat16"):
        vae = small(likelihood="bernoulli")
        history = fit(
            vae, images(400), 8, 20, lr=3e-3, binarise=True, precision=precision, progress=False
        )
        curves[precision] = history.elbo
        assert vae.dtype == torch.float32
    assert curves["bfloat16"] != curves["float32"]
    assert curves["bfloat16"] == pytest.approx(curves["float32"], abs=0.2)


def test_auto_is_one_of_the_two(monkeypatch):
    vaes = {}
    for name, found in (("yes", {"avx512_bf16": True}), ("no", {"avx512_bf16": False})):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        vaes[name] = small()
        fit(vaes[name], images(), 1, 8, precision="auto", device="cpu", progress=False)
    for name, precision in (("yes", "bfloat16"), ("no", "float32")):
        vae = small()
        fit(vae, images(), 1, 8, precision=precision, device="cpu", progress=False)
        assert equal_weights(vae, vaes[name])
    assert not equal_weights(vaes["yes"], vaes["no"])
    double = small().double()  # never rounded behind one's back
    fit(double, images().double(), 1, 8, precision="auto", device="cpu", progress=False)


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, "precision is 'half'"),
        ({"precision": "tf32", "device": "cpu"}, "tf32.* is for CUDA"),
        ({"compile": "yes"}, "compile is 'yes'"),
        ({"compile": True, "objective": "dreg"}, "not compiled"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        fit(small(), images(), 1, 8, **options, progress=False)


@pytest.mark.refuses
def test_a_float64_model_is_not_rounded():
    with pytest.raises(ValueError, match="float32 model; this one is torch.float64"):
        fit(small().double(), images().double(), 1, 8, precision="bfloat16", progress=False)


# ---------------------------------------------------------------- the compiler


COMPILED = """
import json
import torch
from torch._dynamo.utils import counters
from vaelib import models
from vaelib.training import fit

torch.set_num_threads(1)
x = torch.rand(37, 6, 6, generator=torch.Generator().manual_seed(0)).round()
result = {}
for name, how in (("eager", False), ("compiled", "always")):
    vae = models.dense((6, 6), 2, hidden=(12,), likelihood="bernoulli")
    lr = {"lr": lambda step: 1e-2 / (1 + step), "beta": lambda step: step / 20}
    history = fit(vae, x, 4, 8, compile=how, progress=lambda h: None, device="cpu", **lr)
    result[name] = [history.elbo, history.compile_seconds]
result["graphs"] = counters["stats"]["unique_graphs"]
print()
print(json.dumps(result))
"""


@pytest.mark.skipif(_compiler.missing() is not None, reason="nothing to compile with")
def test_compiled_is_the_same_run_and_compiles_once():
    """37 = 4 · 8 + 5: the last batch is smaller; β and the learning rate change at every step."""
    result = run(COMPILED)
    (eager, none), (compiled, seconds) = result["eager"], result["compiled"]
    assert compiled == pytest.approx(eager, rel=1e-4)
    assert none == 0 < seconds
    assert result["graphs"] == 1
    assert f"Compiled in {seconds:.1f} s" in result["said"]


def test_a_short_run_is_not_compiled(capsys):
    history = fit(small(), images(), 2, 8, compile=True, progress=lambda _: None, device="cpu")
    assert history.compile_seconds == 0 and "Not compiled" in capsys.readouterr().out
    plain = small()
    fit(plain, images(), 2, 8, progress=False)
    silent = small()
    fit(silent, images(), 2, 8, compile=True, progress=False, device="cpu")
    assert capsys.readouterr().out == "" and equal_weights(plain, silent)


@pytest.mark.parametrize(("epochs", "compiles"), [(20, False), (200, True)])
def test_the_rule_counts_the_work(monkeypatch, epochs, compiles):
    """784-400-20 in batches of 128 on 12,800 examples: 4e8 operations a step, 100 steps."""
    asked = []

    def stop(function):
        asked.append(function)
        raise InterruptedError

    def begun(*_):
        raise InterruptedError

    monkeypatch.setattr(_compiler, "compiled", stop)
    vae = models.dense((28, 28), 20, hidden=(400,))
    vae.encoder.register_forward_hook(begun)
    with pytest.raises(InterruptedError):
        fit(vae, torch.zeros(12800, 28, 28), epochs, compile=True, device="cpu", progress=False)
    assert bool(asked) == compiles


@pytest.mark.refuses
@pytest.mark.parametrize("missing", ["compiler", "headers"])
def test_nothing_to_compile_with_is_said(monkeypatch, missing, tmp_path):
    if missing == "compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
    else:
        monkeypatch.setattr(_compiler.sysconfig, "get_path", lambda _: str(tmp_path))
    vae, wanted = small(), "no-such-compiler" if missing == "compiler" else "Python.h"
    with pytest.raises(ValueError, match=f"needs .*{wanted}.*(train without)"):
        fit(vae, images(), 1, 8, compile="always", device="cpu", progress=False)
    assert equal_weights(vae, small())


@pytest.mark.refuses
def test_a_compiler_that_fails_is_said(monkeypatch):
    def fails(_):
        raise RuntimeError("\nit could not\nbe done")

    monkeypatch.setattr(_compiler, "missing", lambda: None)
    monkeypatch.setattr(_compiler, "compiled", fails)
    with pytest.raises(ValueError, match=r"failed \(it could not\): train with compile=False"):
        fit(small(), images(), 1, 8, compile="always", device="cpu", progress=False)


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("room", [0, 1, 3, 5, 20])
def test_out_of_memory_names_a_batch_size_that_fits(room):
    """A memory that holds so many examples at once, played by the decoder."""
    vae = small()

    def weigh(_, arguments):
        if len(arguments[0]) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    vae.decoder.register_forward_pre_hook(weigh)
    if room == 20:
        fit(vae, images(), 1, 20, progress=False)
        return
    advice = {0: "nor does one", 1: "batch_size=1 ", 3: "batch_size=2 ", 5: "batch_size=5 "}[room]
    with pytest.raises(MemoryError, match=f"batch of 20 .*2.00 GiB.*{advice}") as error:
        fit(vae, images(), 1, 20, progress=False)
    assert "more" not in str(error.value)
    assert all(p.grad is None for p in vae.parameters())


def test_other_errors_stay_what_they_are():
    vae = small()
    vae.decoder.register_forward_pre_hook(lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        fit(vae, images(), 1, 8, progress=False)
