"""Stop is pressed, the kernel restarted, two notebooks are open: the lesson goes on."""

import json
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest
from kernels import Kernel, code_cells

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "faults"))
import mirrors  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stop_in_every_cell_then_again_then_restart_and_run_all(path, record_property):
    """Each cell is stopped at a random moment and run again; then the kernel is restarted."""
    draw = random.Random(path.stem)
    cells = code_cells(path)
    stopped = 0
    with Kernel(path.parent) as kernel:
        for number, source in enumerate(cells):
            error, said = kernel.run(source, stop_after=draw.uniform(0.05, 0.8))
            assert error in ("", "KeyboardInterrupt"), f"cell {number}: {said[-3000:]}"
            stopped += error != ""
            error, said = kernel.run(source)
            assert not error, f"cell {number}, run again: {said[-3000:]}"
        kernel.restart()
        for number, source in enumerate(cells):
            error, said = kernel.run(source)
            assert not error, f"cell {number}, after the restart: {said[-3000:]}"
    record_property("cases", 2 * len(cells))
    print(f"{stopped} of {len(cells)} cells were stopped")


IMPORTS = """\
from vaelib import data, models, training, widgets
x = data.load("digits").train
"""
TRAINING = """\
vae = models.dense((8, 8), 2, hidden=(64,))
history = training.fit(vae, x, epochs={epochs}, progress=False)
print("interrupted" if history.interrupted else "done", len(history.elbo))
"""


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1, 2, 4])
def test_stop_during_the_first_training(seconds):
    """For the first seconds PyTorch imports its compiler; then the training itself is stopped."""
    with Kernel(ROOT / "notebooks") as kernel:
        kernel.run(IMPORTS)
        error, said = kernel.run(TRAINING.format(epochs=100_000), stop_after=seconds)
        assert error == "KeyboardInterrupt" or "interrupted" in said, said
        error, said = kernel.run(TRAINING.format(epochs=2))
        assert not error and "done 2" in said
        assert kernel.run("print(vae.posterior(x).mu.isfinite().all().item())")[1].strip() == "True"


CHECK = """\
from vaelib import check
def kl_bernoulli(p, q):
    {body}
check.kl_bernoulli(kl_bernoulli{options})
"""
SLOW = "while True: pass"
RIGHT = "return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()"


def test_stop_during_a_check():
    with Kernel(ROOT / "notebooks") as kernel:
        kernel.run("from vaelib import check")
        slow = CHECK.format(body=SLOW, options=", seconds=60")
        started = time.monotonic()
        error, said = kernel.run(slow, stop_after=2)
        assert time.monotonic() - started < 30, "stop did not stop it"
        assert error in ("", "KeyboardInterrupt"), said
        error, said = kernel.run(CHECK.format(body=RIGHT, options=""))
        assert not error and "✓ 1.1 kl_bernoulli: right" in said
        # The clock of the check that was stopped is not running on.
        assert not kernel.run("import time\ntime.sleep(7)")[0]


EXPLORER = """\
from vaelib import data
from vaelib.checkpoint import load_vae
from vaelib.widgets import LatentExplorer
explorer = LatentExplorer(load_vae(data.shipped("faces_vae.safetensors")), data.load("faces"))
print(explorer.model_id)
"""


def test_stop_while_z_moves(record_property):
    """A thousand moves, and stop pressed again and again: the explorer answers as before."""
    with Kernel(ROOT / "notebooks") as kernel:
        error, said = kernel.run(EXPLORER)
        assert not error, said
        comm = said.split()[-1]
        moves = 1000
        for number in range(moves):
            kernel.send(comm, {"image_index": number % 50})
            if number % 50 == 49:
                kernel.manager.interrupt_kernel()
                time.sleep(0.05)
        kernel.run("")  # all moves have been seen
        kernel.send(comm, {"image_index": 77})
        state = kernel.updates(comm, lambda state: state.get("encoding", {}).get("index") == 77)
        alone = "print(json.dumps(explorer._posterior([77])[0][0]))"
        error, said = kernel.run(f"import json\n{alone}")
        assert not error, said
        assert state["z"] == json.loads(said)
        record_property("cases", moves)


def run_all(kernels: list[Kernel], cells: list[str]) -> list[list[tuple[str, str]]]:
    """Each kernel runs the cells, all at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(kernels)) as pool:
        return list(pool.map(lambda kernel: [kernel.run(cell) for cell in cells], kernels))


@pytest.mark.parametrize("stem", ["06_the_vae", "07_latent_traversals"])
def test_two_notebooks_at_once_on_one_data_folder(stem, tmp_path):
    """One lesson open twice; what it prints is the same, to the last digit."""
    (path,) = (path for path in NOTEBOOKS if path.stem == stem)
    settings = os.environ | {"VAELIB_DATA": str(tmp_path / "data")}
    with Kernel(path.parent, **settings) as one, Kernel(path.parent, **settings) as two:
        first, second = run_all([one, two], code_cells(path))
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        assert not a[0] and not b[0], f"cell {number}: {a[1][-2000:]} {b[1][-2000:]}"


MNIST = """\
from vaelib import data
for name, value in {stand_in!r}.items():
    setattr(data, name, value)
digits = data.load("mnist", download=True)
print(digits.train.shape, float(digits.train.sum()))
"""


def test_two_notebooks_download_mnist_at_once(tmp_path):
    mirror = mirrors.Mirror(mirrors.slow)
    settings = os.environ | {"VAELIB_DATA": str(tmp_path / "Daten für VAEs")}
    cell = MNIST.format(stand_in=json.loads(mirrors.stand_in([mirror])))
    try:
        with Kernel(tmp_path, **settings) as one, Kernel(tmp_path, **settings) as two:
            ((a,), (b,)) = run_all([one, two], [cell])
    finally:
        mirror.close()
    assert a[0] == b[0] == "", a[1] + b[1]
    first, second = (re.findall(r"torch.Size\(\[300, 28, 28\]\) \S+", said) for _, said in (a, b))
    assert len(first) == 1 and first == second
