"""300 submissions, a quarter damaged and ten hostile, marked on two cores: the time, and the marks.

    python -m benchmarks.marking [COUNT]

Fails if a mark is not the one known by construction, if a submission is lost, or if it takes more
than ten minutes.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "course" / "marking"))
from damaged_submissions import differences, generate  # noqa: E402

from course.marking.command import grade  # noqa: E402

MINUTES = 10


def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "submissions"
        out = Path(name).resolve() / "out"
        made = generate(count, 2, out)
        for one in made:
            one.write(folder)
        start = time.perf_counter()
        marked = grade(folder, 7, out, jobs=2)
        seconds = time.perf_counter() - start
        found = differences(made, marked)
    print(*found, sep="\n", end="\n" if found else "")
    exercises = sum(mark.state != "not attempted" for one in marked for mark in one.marks)
    print(f"{count} submissions, {exercises} answers: {seconds:.0f} s; {len(found)} differences")
    return int(bool(found) or seconds > 60 * MINUTES)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
