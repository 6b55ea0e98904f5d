"""A cell that is run out of order says, if it fails, what to run first."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_cell_right_after_the_imports(path, record_property):
    script = Path(__file__).with_name("cells_alone.py")
    run = subprocess.run(
        [sys.executable, script, path], cwd=path.parent, capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr
    tried, *failed = map(json.loads, run.stdout.splitlines())
    silent = [f"cell {f['cell']}: {f['error']}" for f in failed if not f["advice"]]
    record_property("cases", tried)
    record_property("held", tried - len(silent))
    assert failed, "no cell needs another one: the test tries nothing"
    assert not silent
