"""Marks a folder of submissions: python -m course.marking FOLDER --seed 7 --out marks

Every notebook in FOLDER is a submission, and so is every folder in it, with all its notebooks. The
results are marks.csv, class.html, and a page for each submission in reports/. Type the same command
to resume an interrupted run: marks are saved in marks/, and a submission is marked again only if
it, the seed or the checks have changed.
"""

from __future__ import annotations

# Modules that take long to import are imported where they are used: --help answers at once.
import argparse
import json
import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.marking.marks import Marked
    from course.marking.submissions import Submission

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def mark_one(
    submission: Submission, handed_out: dict[int, list[str]], seed: int, out: Path
) -> Marked:
    """The marks of one submission, as saved by an earlier run or made now; it never raises."""
    from course.marking import marks, report
    from vaelib.check import EXERCISES

    name = submission.name
    files = list(submission.files)
    saved = out / "marks" / f"{report.file_name(name)}.json"
    try:
        key = submission.key(seed)
        if saved.exists():
            earlier = json.loads(saved.read_text(encoding="utf-8"))
            if earlier["key"] == key:
                return marks.Marked.from_json(earlier["marked"])
        if not files:
            raise ValueError("there is no notebook in it")
        marked = marks.mark(name, files, handed_out, seed)
    except Exception as error:  # whatever it is, the others are to be marked
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        unmarked = [marks.Mark(exercise, message="not marked") for exercise in EXERCISES]
        return marks.Marked(name, [file for file, _ in files], unmarked, [f"not marked: {why}"])
    if marked.limits:  # without them its process did not start, and the next run tries again
        report.write(saved, json.dumps({"key": key, "marked": marked.as_json()}))
    return marked


def grade(
    folder: Path, seed: int, out: Path, jobs: int = 0, notebooks: Path = NOTEBOOKS
) -> list[Marked]:
    """Mark a folder with a progress bar; the table and the pages are written on the way."""
    from tqdm import tqdm

    from course.marking import report
    from course.marking.submissions import handed_out, submissions
    from vaelib.check import EXERCISES

    # An absolute path, since each submission's process works in a folder of its own.
    found = submissions(folder.resolve(), list(EXERCISES))
    lessons = handed_out(notebooks)
    done: dict[str, Marked] = {}

    def in_order() -> list[Marked]:
        return [done[submission.name] for submission in found if submission.name in done]

    with ThreadPoolExecutor(jobs or cores()) as pool:
        waiting = [pool.submit(mark_one, one, lessons, seed, out) for one in found]
        try:
            for future in tqdm(as_completed(waiting), "marking", len(found), unit="submission"):
                marked = future.result()
                done[marked.name] = marked
                report.write(out / "marks.csv", report.table(in_order()))
                page = out / "reports" / f"{report.file_name(marked.name)}.html"
                report.write(page, report.student_page(marked, seed))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            report.write(out / "marks.csv", report.table(in_order()))
            report.write(out / "class.html", report.class_page(in_order(), seed))
    return in_order()


def chosen_seed(given: int | None, out: Path) -> int:
    """The lecturer's seed, else that of the earlier run into the same folder, else a new one."""
    from course.marking.report import write

    saved = out / "seed.txt"
    if given is None:
        given = int(saved.read_text()) if saved.exists() else secrets.randbelow(10**9)
    write(saved, f"{given}\n")
    return given


def summary(all_marked: list[Marked], out: Path) -> str:
    """What the command prints at the end: mistakes, submissions not marked, limits, the mean."""
    from course.marking.report import mistakes
    from vaelib.check import EXERCISES

    lines = []
    for name, mistake, count in sorted(mistakes(all_marked), key=lambda m: -m[2])[:5]:
        lines.append(f"{count:6} × {EXERCISES[name].number} {name}: {mistake}")
    if lines:
        lines.insert(0, "the most frequent mistakes:")
    unread = [m for m in all_marked if any("not marked" in remark for remark in m.remarks)]
    lines += [f"✗ {m.name}: {'; '.join(m.remarks)}" for m in unread[:10]]
    if len(unread) > 10:
        lines.append(f"✗ and {len(unread) - 10} more that could not be marked: see the table")
    limits = next((m.limits for m in all_marked if m.limits), [])
    if len(limits) < 5:
        held = "; ".join(limits) or "nothing"
        lines.append(f"✗ this system does not confine submissions fully: held back by {held}")
    total = sum(e.points for e in EXERCISES.values())
    mean = sum(m.total for m in all_marked) / max(len(all_marked), 1)
    lines.append(f"mean {mean:.1f} of {total} points; table: {out / 'marks.csv'}")
    lines.append(f"class: {out / 'class.html'}; a page each: {out / 'reports'}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code, which is 0 also if there are bad submissions: the table names them."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m course.marking", description=description)
    parser.add_argument("folder", type=Path, help="the folder of submissions")
    parser.add_argument("--seed", type=int, help="of the hidden inputs (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("marks"), help="where to (%(default)s)")
    parser.add_argument("--jobs", type=int, default=0, help="at a time (default: one per core)")
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="as handed out")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the submissions need the cores
    try:
        seed = chosen_seed(options.seed, options.out)
        print(f"marking {options.folder} with the seed {seed} into {options.out}", flush=True)
        all_marked = grade(options.folder, seed, options.out, options.jobs, options.notebooks)
    except KeyboardInterrupt:
        print("\n✗ interrupted: the same command resumes here", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    if not all_marked:
        print(f"✗ no notebook (.ipynb) in {options.folder}", file=sys.stderr)
        return 1
    print(summary(all_marked, options.out))
    return 0
