"""A cell that is run out of order says, if it fails, what to run first."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def out_of_order(path, record_property, *seed):
    script = Path(__file__).with_name("cells_out_of_order.py")
    command = [sys.executable, script, path, *seed]
    run = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr
    tried, *failed = map(json.loads, run.stdout.splitlines())
    silent = [f"cell {f['cell']}: {f['error']}" for f in failed if not f["advice"]]
    record_property("cases", tried)
    record_property("held", tried - len(silent))
    assert failed, "no cell needs another one: the test tries nothing"
    assert not silent


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_cell_right_after_the_imports(path, record_property):
    out_of_order(path, record_property)


@pytest.mark.parametrize("seed", "123")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_shuffled(path, seed, record_property):
    out_of_order(path, record_property, seed)
