"""A run stopped, killed and resumed, bit for bit; the wrong checkpoint refused; data in a file."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import equal_weights
from small_runs import CASES, images, interrupt_at, small, small_conv, the_case

import vaelib
from vaelib import checkpoint, models, run, validation
from vaelib.checkpoint import CheckpointError
from vaelib.run import History
from vaelib.schedules import linear_annealing
from vaelib.training import fit

HOME = Path(vaelib.__file__).parents[1]


@pytest.fixture(params=CASES)
def case(request):
    return the_case(request.param)


def but_seconds(history: History) -> dict:
    return {k: v for k, v in asdict(history).items() if k not in ("seconds", "interrupted")}


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(path)[0]


# ---------------------------------------------------------------- stop and resume


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
    path = tmp_path / "run.safetensors"
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
    path, vae = tmp_path / "run.safetensors", small()
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
    path, vae = tmp_path / "run.safetensors", small()
    interrupt_at(vae, 7)
    fit(vae, images(), 3, 8, progress=False, checkpoint=path)
    content = path.read_bytes()

    def crash(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="No space left"):
            fit(small(), images(), 3, 8, progress=False, checkpoint=path)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]
    resumed, whole = small(), small()
    fit(resumed, images(), 3, 8, progress=False, checkpoint=path)
    fit(whole, images(), 3, 8, progress=False)
    assert equal_weights(resumed, whole)


def test_a_long_epoch_pauses_and_is_saved(tmp_path, monkeypatch):
    """Once a minute; here after each step, and then the process is killed."""
    monkeypatch.setattr(run, "PAUSE", 0.0)
    whole, paused, resumed = small(), small(), small(seed=1)
    expected = fit(whole, images(), 3, 8, progress=False)
    assert but_seconds(fit(paused, images(), 3, 8, progress=False)) == but_seconds(expected)
    assert equal_weights(paused, whole)
    save = run.TrainingRun.save

    def kill(self, every=0.0):
        save(self)
        if self.steps_done == 8:
            raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(run.TrainingRun, "save", kill)
        with pytest.raises(ZeroDivisionError):
            fit(small(), images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    history = fit(resumed, images(), 3, 8, progress=False, checkpoint=tmp_path / "run")
    assert equal_weights(resumed, whole) and but_seconds(history) == but_seconds(expected)


PLACES = {
    "photo.safetensors": "photo.safetensors",
    "photo.v2": "photo.v2",
    "photo": "photo/checkpoint.safetensors",
    "photo/": "photo/checkpoint.safetensors",
    "photo.v2/": "photo.v2/checkpoint.safetensors",
    "a/b c/ü": "a/b c/ü/checkpoint.safetensors",
}


@pytest.mark.parametrize("given", PLACES)
def test_a_file_or_a_folder_is_opened_by_the_name_it_was_given(given, tmp_path):
    vae, again = small(), small(seed=1)
    fit(vae, images(), 1, 8, progress=False, checkpoint=f"{tmp_path}/{given}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [str(path.relative_to(tmp_path)) for path in files] == [PLACES[given]]
    assert equal_weights(checkpoint.load_vae(f"{tmp_path}/{given}"), vae)
    fit(again, images(), 1, 8, progress=False, checkpoint=f"{tmp_path}/{given}")
    assert equal_weights(again, vae), "it was not resumed"


def test_a_file_without_a_suffix_that_is_there_is_resumed(tmp_path):
    fit(small(), images(), 1, 8, progress=False, checkpoint=tmp_path / "run.st")
    (tmp_path / "run.st").rename(tmp_path / "run")
    assert fit(small(), images(), 2, 8, progress=False, checkpoint=tmp_path / "run").steps == 10
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


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
    "validation": ({"validation": images(9)}, r"validation was None, is \(9, 6, 6\)"),
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
        with pytest.raises(CheckpointError, match="run is no whole checkpoint"):
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
    with pytest.raises(OSError, match=r"cannot write to .*file/run"):
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


# ---------------------------------------------------------------- data in a file


LARGE = """
import json, signal, sys, threading
import numpy as np
import torch
from vaelib import models
from vaelib.training import fit

torch.set_num_threads(1)
path, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[4])
if kind == "torch":
    x = torch.from_file(path, shared=False, size=n * 64 * 64).reshape(n, 64, 64)
else:
    x = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(n, 64, 64)))

def resident():  # what the system cannot take back when memory is short
    lines = open("/proc/self/status").read().splitlines()
    return sum(int(s.split()[1]) for s in lines if s.startswith("RssAnon")) / 2**20

vae = models.dense((64, 64), 2, hidden=(4,), sigma_x=1.0)
fit(vae, torch.zeros(2, 64, 64), 1, 2, progress=False)
before, most, steps, over = resident(), 0.0, 0, threading.Event()

def watch():
    global most
    while not over.wait(0.005):
        most = max(most, resident())

def count(*_):
    global steps
    steps += 1
    if steps == 20:
        signal.raise_signal(signal.SIGINT)

watcher = threading.Thread(target=watch)
watcher.start()
vae.decoder.register_forward_hook(count)
options = {"checkpoint": sys.argv[3]} if kind == "numpy" else {}
history = fit(vae, x, 1, 256, lr=1e-2, progress=False, device="cpu", **options)
over.set()
watcher.join()
result = {"added": most - before, "steps": history.steps, "last": x[-1].mean().item()}
print(json.dumps(result))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_data_larger_than_what_is_taken_of_memory(tmp_path, kind):
    path, size = tmp_path / "x", 2**29
    with path.open("wb") as file:  # all holes but the last image: no room is taken on the disk
        file.truncate(size)
        file.seek(size - 4 * 64 * 64)
        file.write(np.full(64 * 64, 0.75, np.float32).tobytes())
    words = [str(path), kind, str(tmp_path / "run"), str(size // (4 * 64 * 64))]
    done = subprocess.run(
        [sys.executable, "-c", LARGE, *words],
        **{"cwd": HOME, "capture_output": True, "text": True, "timeout": 300},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["steps"] == 20 and result["last"] == 0.75
    assert result["added"] < 0.2, f"{result['added']:.2f} GiB were added"


def test_chunks_and_digest_are_those_of_the_data(monkeypatch):
    x = torch.rand(100, 6, 7)
    whole = run.digest(x)
    monkeypatch.setattr(run, "CHUNK", 4096)
    chunks = run.chunks(x)
    assert len(chunks) > 3 and torch.equal(torch.cat(chunks), x)
    assert run.digest(x) == whole
    x[-1, -1, -1] += 1
    assert run.digest(x) != whole


def test_a_file_trains_as_memory_does(tmp_path, monkeypatch):
    path, x = tmp_path / "x", images(400)
    path.write_bytes(x.numpy().tobytes())
    in_memory, in_file = small(), small()
    options = {"epochs": 2, "batch_size": 64, "progress": False, "binarise": False}
    fit(in_memory, x, **options, checkpoint=tmp_path / "memory")
    monkeypatch.setattr(run, "CHUNK", 4096)
    mapped = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(400, 6, 6)))
    fit(in_file, mapped, **options, checkpoint=tmp_path / "file")
    assert equal_weights(in_memory, in_file)
    one, other = (
        checkpoint.read(tmp_path / name)[1]["settings"]["data"] for name in ("memory", "file")
    )
    assert one == other, "the same data has the same name, wherever it lies"


@pytest.mark.refuses
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.5, 1.5])
def test_what_is_wrong_in_the_last_chunk_is_found(monkeypatch, bad):
    monkeypatch.setattr(run, "CHUNK", 1000)
    x = images(50)
    x[-1, -1, -1] = bad
    with pytest.raises(ValueError, match="NaN or infinite|expected in"):
        fit(small(), x, 1, 8, progress=False)
    for check in (validation.finite, validation.unit_interval):
        if check is validation.unit_interval or bad not in (-0.5, 1.5):
            with pytest.raises(ValueError, match="x h(olds 1|as) values"):
                check("x", x)
