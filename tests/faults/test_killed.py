"""Processes killed while they save: the file is the previous checkpoint or the new one, whole.

60 kills, or as many as VAELIB_KILLS says.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KILLS = int(os.environ.get("VAELIB_KILLS", "60"))


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, HERE / "killed_saver.py", folder, str(KILLS), "1"]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


def test_every_kill_leaves_a_whole_checkpoint(found):
    assert found["good"] == found["kills"] == KILLS


def test_what_the_killed_leave_does_not_pile_up(found):
    assert found["most"] <= 3 and found["left"] == 1
