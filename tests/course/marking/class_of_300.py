"""Marks a class, kills it in the middle, resumes, and marks it once more: python FILE [COUNT]

Prints the times (wall clock and processor), and whether every mark is the one known by
construction, nothing is lost, and the second marks are the first.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import damaged_submissions
from made_submissions import ROOT, rows


def run(folder: Path, out: Path, kill_after: int = 0) -> tuple[float, float, int]:
    """Mark a folder; returns seconds, seconds of the processors, and the exit code."""
    words = [sys.executable, "-m", "course.marking", str(folder), "--seed", "7", "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    before = os.times()
    process = subprocess.Popen(words, env=environment, start_new_session=True)
    while process.poll() is None:
        time.sleep(0.2)
        if kill_after and len(list((out / "marks").glob("*.json"))) >= kill_after:
            os.killpg(process.pid, signal.SIGKILL)
            kill_after = 0
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return time.monotonic() - started, used, process.returncode


def main(count: int = 300) -> int:
    with tempfile.TemporaryDirectory() as place:
        folder, first, second = (Path(place) / name for name in ("all", "first", "second"))
        made = damaged_submissions.generate(count, 1, first)
        for one in made:
            one.write(folder)
        for which, out, kill_after in (
            ("killed", first, count // 2),
            ("resumed", first, 0),
            ("again, from nothing", second, 0),
        ):
            seconds, used, code = run(folder, out, kill_after)
            print(f"{which}: {seconds:.0f} s, exit code {code}, {used:.0f} s of processors")
        tables = [rows(out) for out in (first, second)]
        lost = {one.name for one in made} - {r["submission"].removeprefix("'") for r in tables[0]}
        points = {r["submission"].removeprefix("'"): r["total"] for r in tables[0]}
        other = [m.name for m in made if points.get(m.name) != str(sum(m.points.values()))]
        print(f"lost: {sorted(lost)}; not as constructed: {other}")
        print(f"the same table twice: {tables[0] == tables[1]}")
    return int(bool(lost or other or tables[0] != tables[1]))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
