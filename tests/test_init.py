"""What `import vaelib` does: it says how torch's threads wait, before torch is there."""

import os
import subprocess
import sys

import pytest
from inputs import HOME


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ({}, "passive 10000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "7"}, "passive 7"),
    ],
)
def test_waiting_threads_soon_sleep_unless_the_user_wants_otherwise(own, found):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    script = f"import os, sys, vaelib; print(*map(os.environ.get, {names}), 'torch' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k not in names} | own
    options = {"cwd": HOME, "env": environment, "text": True, "timeout": 60}
    given = subprocess.check_output([sys.executable, "-c", script], **options)
    assert given.split() == [*found.split(), "False"]
