"""What the process of a submission has imported: enough to call functions, and no reference."""

import io
import pickle
import subprocess
import sys

import numpy as np
from made_submissions import ROOT

from vaelib.check import EXERCISES


def test_what_a_probe_holds_is_at_hand_where_no_reference_is():
    """Each probe is read by the process that runs submissions, which knows no exercise."""
    probes = io.BytesIO()
    for exercise in EXERCISES.values():
        rng = np.random.default_rng(0)
        for probe in exercise.inputs(rng):
            pickle.dump(probe, probes)
        for each in exercise.properties:
            for probe in each.probes(rng):
                pickle.dump(probe, probes)
    program = (
        "import io, pickle, sys\nfrom course.marking import preload\n"
        "preload.install()\n"
        "stream = io.BytesIO(sys.stdin.buffer.read())\ncount = 0\n"
        "while stream.tell() < len(stream.getvalue()):\n    pickle.load(stream); count += 1\n"
        "assert not [m for m in sys.modules if 'lesson' in m or 'judge' in m]\nprint(count)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=probes.getvalue(), capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert int(done.stdout) > 100
