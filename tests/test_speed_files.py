"""Data in a file mapped into memory: the same training, in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import equal_weights

import vaelib
from vaelib import _mapped, validation, models
from vaelib.checkpoint import read
from vaelib.training import fit

HOME = Path(vaelib.__file__).parents[1]


def images(count: int = 37) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(0))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


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

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return sum(int(s.split()[1]) for s in lines if s.startswith(("RssAnon", "RssFile"))) / 2**20

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
@pytest.mark.parametrize(
    ("kind", "gigabytes", "most"), [("torch", 4, 1.0), ("numpy", 1, 0.6)], ids=["torch", "numpy"]
)
def test_data_larger_than_what_is_taken_of_memory(tmp_path, kind, gigabytes, most):
    path, size = tmp_path / "x", gigabytes * 2**30
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
    assert result["added"] < most, f"{result['added']:.2f} GiB were added"


def test_parts_and_rows_are_the_data(tmp_path, monkeypatch):
    """With every limit made small, so that each is passed; changes not yet in the file are kept."""
    for name, value in (("PART", 4096), ("SMALL", 8192), ("NEIGHBOURS", 1024)):
        monkeypatch.setattr(_mapped, name, value)
    wanted = torch.rand(100, 6, 7)
    path = tmp_path / "x"
    path.write_bytes(wanted.numpy().tobytes())
    index = torch.randperm(100)[:77]
    for mode, mapped in (("r+", True), ("c", True), ("c", False), (None, False)):
        x = wanted.clone()
        if mode:
            x = torch.from_numpy(np.memmap(path, np.float32, mode, shape=(100, 6, 7)))
            if not mapped:  # written to, in memory alone: nothing may be let go
                x[3] = wanted[3] = 0.5
        assert _mapped.is_mapped(x) == mapped, mode
        seen = list(_mapped.parts(x))
        assert len(seen) > 3 and torch.equal(torch.cat(seen), wanted)
        assert torch.equal(_mapped.Rows(x, torch.device("cpu"))[index], wanted[index])
        assert torch.equal(x, wanted)


def test_a_file_trains_as_memory_does(tmp_path, monkeypatch):
    path, x = tmp_path / "x", images(400)
    path.write_bytes(x.numpy().tobytes())
    in_memory, in_file = small(), small()
    options = {"epochs": 2, "batch_size": 64, "progress": False, "binarise": False}
    fit(in_memory, x, **options, checkpoint=tmp_path / "memory")
    for name, value in (("PART", 4096), ("SMALL", 8192), ("NEIGHBOURS", 1024)):
        monkeypatch.setattr(_mapped, name, value)
    mapped = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(400, 6, 6)))
    assert _mapped.is_mapped(mapped)
    fit(in_file, mapped, **options, checkpoint=tmp_path / "file")
    assert equal_weights(in_memory, in_file)
    one, other = (read(tmp_path / name)[1]["settings"]["data"] for name in ("memory", "file"))
    assert one == other, "the same data has the same name, wherever it lies"


@pytest.mark.refuses
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.5, 1.5])
def test_what_is_wrong_in_the_last_part_is_found(monkeypatch, bad):
    monkeypatch.setattr(_mapped, "PART", 1000)
    x = images(50)
    x[-1, -1, -1] = bad
    with pytest.raises(ValueError, match="NaN or infinite|expected in"):
        fit(small(), x, 1, 8, progress=False)
    for check in (validation.finite, validation.unit_interval):
        if check is validation.unit_interval or bad not in (-0.5, 1.5):
            with pytest.raises(ValueError, match="x h(olds 1|as) values"):
                check("x", x)
