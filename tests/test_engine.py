"""The fast engine takes the very steps of the plain one; precision, memory and threads."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from oracles import equal_weights
from small_runs import images, small, small_conv

import vaelib
from vaelib import engine, models
from vaelib.engine import CapturedStep, CompiledStep, ElboTerms, fastest_threads, matrix_products
from vaelib.training import fit, train_step

HOME = Path(vaelib.__file__).parents[1]


def program(script: str, *words: str, **environment: str) -> dict:
    """What a program of its own prints last, as JSON: no shapes enforced, memory of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        **{"cwd": HOME, "env": os.environ | environment, "timeout": 500},
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
    x = torch.rand(50, 8, 8, generator=generator)
    eps = torch.randn(50, 3, generator=generator)
    x = x.round() if likelihood == "bernoulli" else x
    exact = ElboTerms(vae)(x, eps)
    with matrix_products("bfloat16", vae.device):
        rounded = ElboTerms(vae)(x, eps)
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32 and not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.1)
        # Sums in bfloat16 would all be multiples of some power of two.
        assert (b != b.to(torch.bfloat16).float()).any()


@pytest.mark.filterwarnings("ignore:this processor has no bfloat16")
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


@pytest.mark.filterwarnings("ignore:this processor has no bfloat16")
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
    double = small().double()  # never rounded without being asked
    fit(double, images().double(), 1, 8, precision="auto", device="cpu", progress=False)


@pytest.mark.parametrize("fast", [True, False])
def test_slow_bfloat16_is_said(monkeypatch, recwarn, fast):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast})
    fit(small(), images(), 1, 8, precision="bfloat16", device="cpu", progress=False)
    assert [w for w in recwarn if "no bfloat16 instructions" in str(w.message)] == [] or not fast
    assert fast or "no bfloat16 instructions" in str(recwarn.pop(UserWarning).message)


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, "precision is 'half'"),
        ({"precision": "tf32", "device": "cpu"}, "tf32.* is for CUDA"),
        ({"engine": "fast"}, 'engine is \'fast\'; expected "plain", "compiled" or a function'),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        fit(small(), images(), 1, 8, **options, progress=False)


@pytest.mark.refuses
def test_a_float64_model_is_not_rounded():
    with pytest.raises(ValueError, match="float32 model; this one is torch.float64"):
        fit(small().double(), images().double(), 1, 8, precision="bfloat16", progress=False)


# ---------------------------------------------------------------- a step from outside


def test_a_step_of_ones_own_is_used():
    class Noisy:
        """The ELBO with three samples; it counts its calls, and a checkpoint keeps the count."""

        n_samples, name = 3, "noisy"

        def __init__(self):
            self.calls = torch.zeros(())
            self.shapes = set()

        def __call__(self, vae, optimiser, x, eps, beta):
            self.calls += 1
            self.shapes.add(tuple(eps.shape))
            return train_step(vae, optimiser, x, eps, beta)

    step, vae = Noisy(), small()
    history = fit(vae, images(), 2, 8, engine=step, progress=False)
    assert step.calls == 10 and step.shapes == {(3, 8, 2), (3, 5, 2)}
    assert all(torch.isfinite(torch.tensor(history.elbo))) and not equal_weights(vae, small())


# ---------------------------------------------------------------- the compiled step

HEADER = Path(sysconfig.get_path("include"), "Python.h")
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None or not HEADER.exists(), reason="nothing to compile with"
)

COMPILED = """
import json
import sys
import torch
from torch._dynamo.utils import counters
from vaelib import engine, models
from vaelib.training import fit

torch.set_num_threads(1)
engine.WORTH_COMPILING = 0
x = torch.rand(37, 6, 6, generator=torch.Generator().manual_seed(0)).round()
changing = {"lr": lambda step: 1e-2 / (1 + step), "beta": lambda step: step / 20}

def make(likelihood="bernoulli", hidden=12, learn=False):
    return models.dense((6, 6), 2, (hidden,), likelihood, 0.5, learn_sigma_x=learn)

def train(vae, how, epochs=4, talk=None, path=None):
    options = dict(changing, engine=how, progress=talk or False, device="cpu", checkpoint=path)
    return fit(vae, x, epochs, 8, **options)

def difference(a, b):
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max((p - q).abs().max().item() for p, q in pairs)

result = {}
plain, fast = make(), make()
result["elbo"] = [train(plain, "plain").elbo, train(fast, "compiled", talk=lambda h: None).elbo]
result["graphs"] = counters["stats"]["unique_graphs"]
result["bernoulli"] = difference(plain, fast)

# A second model in the same process, with a learned sigma_x, and weights that stay where they are.
options = {"likelihood": "gaussian", "hidden": 5, "learn": True}
other, frozen = make(**options), make(**options)
for vae in (other, frozen):
    vae.encoder.mu.weight.requires_grad_(False)
train(other, "plain"), train(frozen, "compiled")
result["gaussian"] = difference(other, frozen)
first = make(**options).encoder.mu.weight
result["moved"] = (frozen.encoder.mu.weight - first).abs().max().item()

# The first kind once more: stopped after two epochs, and resumed.
resumed = make()
train(make(), "compiled", epochs=2, path=sys.argv[1])
history = train(resumed, "compiled", path=sys.argv[1])
result["resumed"] = max(difference(plain, resumed), difference(fast, resumed))
result["seconds"] = history.compile_seconds
result["steps"] = history.steps
print()
print(json.dumps(result))
"""


@needs_compiler
def test_compiled_is_the_same_run(tmp_path):
    """37 = 4 · 8 + 5: the last batch is smaller; β and the learning rate change at every step."""
    result = program(COMPILED, str(tmp_path / "run"))
    plain, compiled = result["elbo"]
    assert compiled == pytest.approx(plain, rel=1e-5)
    assert result["graphs"] == 1, "it is compiled once for a run"
    assert "Compiled in" in result["said"]
    for name in ("bernoulli", "gaussian", "resumed"):
        assert result[name] < 1e-5, name
    assert result["moved"] == 0 < result["seconds"] and result["steps"] == 20


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("make", [small, small_conv, lambda: small(learn_sigma_x=True)])
def test_the_step_before_it_is_compiled_is_train_step(monkeypatch, make, flat):
    """Gradient and Adam, for separate weights and for one flat tensor, in float64."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    x = images().double()
    fast, plain = make().double(), make().double()
    rate = torch.tensor(1e-2, dtype=torch.float64)
    one, other = (torch.optim.Adam(v.parameters(), lr=rate.clone()) for v in (fast, plain))
    step = CompiledStep(fast, one, 8, train_step, flat)
    generator = torch.Generator().manual_seed(1)
    for size in (8, 8, 5, 8, 8):
        eps = torch.randn(size, 2, generator=generator, dtype=torch.float64)
        beta = torch.tensor(0.7, dtype=torch.float64)
        found = step(fast, one, x[:size], eps, beta)
        wanted = train_step(plain, other, x[:size], eps, beta)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    step.release()
    # The corrections 1 − βᵗ are taken in float32, as everything else is outside this test.
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        assert one.state[a]["step"] == other.state[b]["step"] == 5
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                one.state[a][name], other.state[b][name], rtol=1e-3, atol=1e-5
            )
    storages = {p.untyped_storage().data_ptr() for p in fast.parameters()}
    assert len(storages) == len(list(fast.parameters())), "each weight has its own memory again"


def test_a_short_run_is_not_compiled(capsys):
    history = fit(small(), images(), 2, 8, engine="compiled", progress=lambda _: None, device="cpu")
    assert history.compile_seconds == 0 and "Not compiled" in capsys.readouterr().out
    plain = small()
    fit(plain, images(), 2, 8, progress=False)
    silent = small()
    fit(silent, images(), 2, 8, engine="compiled", progress=False, device="cpu")
    assert capsys.readouterr().out == ""
    for a, b in zip(plain.parameters(), silent.parameters(), strict=True):
        torch.testing.assert_close(a, b)  # the learning rate is a float32 number there


@pytest.mark.parametrize(("epochs", "compiles"), [(20, False), (200, True)])
def test_the_rule_counts_the_work(monkeypatch, epochs, compiles):
    """784-400-20 in batches of 128 on 12,800 examples: 4e8 operations a step, 100 steps."""
    asked = []

    def stop(function, **_):
        asked.append(function)
        raise InterruptedError

    def begun(*_):
        raise InterruptedError

    monkeypatch.setattr(torch, "compile", stop)
    vae = models.dense((28, 28), 20, hidden=(400,))
    vae.encoder.register_forward_hook(begun)
    with pytest.raises(InterruptedError):
        fit(vae, torch.zeros(12800, 28, 28), epochs, engine="compiled", progress=False)
    assert bool(asked) == compiles


@pytest.mark.refuses
def test_a_compiler_that_fails_is_said(monkeypatch):
    def fails(*_):
        raise RuntimeError("\nit could not\nbe done")

    monkeypatch.setattr(engine, "WORTH_COMPILING", 0)
    monkeypatch.setattr(torch, "compile", lambda *_, **__: fails)
    vae = small()
    with pytest.raises(ValueError, match=r'failed \(it could not\): .*compiler.* engine="plain"'):
        fit(vae, images(), 1, 8, engine="compiled", device="cpu", progress=False)
    assert equal_weights(vae, small())


# ---------------------------------------------------------------- the captured step


def test_a_captured_step_is_recorded_once_and_replayed(monkeypatch):
    """The order of events, with a CUDA that only notes what is asked of it."""
    events = []

    class Stream:
        def wait_stream(self, _):
            pass

    class Graph:
        def register_generator_state(self, generator):
            events.append("generator")

        def replay(self):
            events.append(("replay", captured.index.tolist()))

    @contextmanager
    def recording(*_, **__):
        events.append("capture")
        yield
        events.append("captured")

    monkeypatch.setattr(engine, "capture_stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: recording())
    monkeypatch.setattr(torch.cuda, "graph", recording)
    captured = CapturedStep(lambda index: events.append(index.tolist()), 2, torch.Generator())
    for index in ([0, 1], [2, 3], [4], [5, 6], [7, 8], [9, 10], [11], [12, 13]):
        captured(torch.tensor(index))
    during, steps = False, []
    for event in events:
        if event in ("capture", "captured"):
            during = event == "capture"
        elif isinstance(event, list):
            steps.append(event)
    warm_ups = [[0, 1], [2, 3], [4], [5, 6]]
    assert steps == [*warm_ups, [7, 8], [11]], "recorded once; a smaller batch is an ordinary step"
    replayed = [event[1] for event in events if event[0] == "replay"]
    assert replayed == [[7, 8], [9, 10], [12, 13]] and events[0] == "generator" and not during


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


@pytest.fixture
def four():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Machine:
    """A step takes `cost[threads]` seconds, whatever a clock on the wall says."""

    def __init__(self, monkeypatch, cost):
        self.cost, self.now = cost, 0.0
        self.spent = dict.fromkeys(cost, 0.0)
        monkeypatch.setattr(engine.time, "perf_counter", lambda: self.now)
        self.numbers = fastest_threads(4)

    def step(self):
        threads = next(self.numbers)
        self.now += self.cost[threads]
        self.spent[threads] += self.cost[threads]
        return threads


QUIET = {1: 6.0, 2: 3.5, 4: 2.0}
BUSY = {1: 6.0, 2: 11.0, 4: 90.0}


@pytest.mark.parametrize(("cost", "best"), [(QUIET, 4), (BUSY, 1), ({1: 3.0, 2: 2.0, 4: 2.5}, 2)])
def test_most_of_the_time_goes_to_the_fastest(monkeypatch, four, cost, best):
    machine = Machine(monkeypatch, cost)
    for _ in range(5000):
        machine.step()
    others = sum(spent for threads, spent in machine.spent.items() if threads != best)
    assert others < 0.06 * machine.now


def test_a_machine_that_becomes_busy_is_noticed_and_one_that_calms_down_too(monkeypatch, four):
    machine = Machine(monkeypatch, QUIET)
    for now, best in ((QUIET, 4), (BUSY, 1), (QUIET, 4)):
        machine.cost = now
        seen = [machine.step() for _ in range(3000)]
        assert seen[-300:].count(best) > 250


def test_one_slow_step_decides_nothing(monkeypatch, four):
    """A checkpoint written in the middle of a trial, or a picture drawn by a callback."""
    machine = Machine(monkeypatch, QUIET)
    for i in range(18):
        machine.step()
        machine.now += 100.0 if i == 15 else 0.0
    assert {machine.step() for _ in range(50)} == {4}


def test_with_convolutions_the_number_does_not_change(monkeypatch, four):
    monkeypatch.setattr(engine, "SMALL", 0)
    seen, vae = set(), small_conv()
    vae.decoder.register_forward_hook(lambda *_: seen.add(torch.get_num_threads()))
    fit(vae, images(), 6, 8, progress=False, device="cpu")
    assert seen == {4} and torch.get_num_threads() == 4


def test_large_steps_are_tried_with_each_number(monkeypatch, four):
    monkeypatch.setattr(engine, "SMALL", 0)
    seen, vae = set(), small()
    vae.decoder.register_forward_hook(lambda *_: seen.add(torch.get_num_threads()))
    fit(vae, images(), 6, 8, progress=False, device="cpu")
    assert seen == {1, 2, 4} and torch.get_num_threads() == 4


def test_onednn_is_taken_only_where_it_rounds_nothing(monkeypatch):
    before = torch.get_float32_matmul_precision()
    try:
        engine.use_onednn()
        x = torch.randn(100, 300, generator=torch.Generator().manual_seed(0))
        exact = x.double() @ x.double().T
        torch.testing.assert_close((x @ x.T).double(), exact, rtol=0, atol=1e-3)  # bfloat16: 0.1
        torch.set_float32_matmul_precision(before)
        monkeypatch.setattr(torch, "equal", lambda *_: False)  # as on a processor that rounds
        engine.use_onednn()
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(before)
