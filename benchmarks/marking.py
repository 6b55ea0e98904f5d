"""300 submissions, a quarter damaged and ten hostile, marked on two cores: the time, and the marks.

    python -m benchmarks.marking [COUNT]

The command is killed when it is half done, resumed, and then run once more from nothing. Fails if a
mark is not the one known by construction, if a submission is lost, if the two tables differ, or if
it takes more than ten minutes.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "course" / "marking"))
from damaged_submissions import differences, generate  # noqa: E402
from made_submissions import rows  # noqa: E402

from course.marking.command import grade  # noqa: E402

MINUTES = 10


def run(folder: Path, out: Path, kill_after: int = 0) -> float:
    """Mark a folder, and print the seconds, also of the processors; returns the former."""
    words = [sys.executable, "-m", "course.marking", str(folder), "--seed", "7", "--out", str(out)]
    started = time.monotonic()
    before = os.times()
    process = subprocess.Popen(
        [*words, "--jobs", "2"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        time.sleep(0.2)
        if kill_after and len(list((out / "marks").glob("*.json"))) >= kill_after:
            os.killpg(process.pid, signal.SIGKILL)
            kill_after = 0
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    seconds = time.monotonic() - started
    how = "killed" if process.returncode < 0 else f"exit code {process.returncode}"
    print(f"{how} after {seconds:.0f} s; {used:.0f} s of the marking program's own", flush=True)
    return seconds


def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        folder, first, second = place / "submissions", place / "first", place / "second"
        made = generate(count, 2, first)
        for one in made:
            one.write(folder)
        run(folder, first, kill_after=count // 2)
        run(folder, first)
        seconds = run(folder, second)
        found = differences(made, grade(folder, 7, second, jobs=2).grades())
        same = rows(first) == rows(second)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{count} submissions: {seconds:.0f} s; {len(found)} differences; same twice: {same}")
    return int(bool(found) or not same or seconds > 60 * MINUTES)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
