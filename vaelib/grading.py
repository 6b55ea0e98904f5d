"""Marks a folder of submissions: python -m vaelib.grading FOLDER --seed 7 --out marks

Every notebook in FOLDER is a submission, and every folder in it, with all its notebooks. What comes
out: marks.csv, class.html, and a page for each submission in reports/. An interrupted run goes on
where it was: what is marked already is kept in marks/, and done again only where the submission,
the seed or the checks have changed.
"""

# What takes time is imported where it is used, so that --help answers at once.
import argparse
import json
import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaelib._marking_folder import Submission
    from vaelib._marking_run import Marked

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def mark_one(
    submission: "Submission", given: dict[int, list[str]], seed: int, out: Path
) -> "Marked":
    """The marks of one submission, as kept from an earlier run or made now; it never raises."""
    from vaelib import _marking_report
    from vaelib._marking_run import Mark, Marked, mark
    from vaelib.check import EXERCISES

    name, files = submission.name, list(submission.files)
    page = _marking_report.file_name(name)
    kept = out / "marks" / f"{page}.json"
    try:
        key = submission.key(seed)
        if kept.exists() and (said := json.loads(kept.read_text(encoding="utf-8")))["key"] == key:
            return Marked.from_json(said["marked"])
        if not files:
            raise ValueError("there is no notebook in it")
        marked = mark(name, files, given, seed)
    except Exception as error:  # whatever it is, the others are to be marked
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        every = [Mark(exercise, message="not marked") for exercise in EXERCISES]
        return Marked(name, [f for f, _ in files], every, [f"not marked: {why}"])
    if marked.limits:  # its process has started, so that this is the last word
        _marking_report.write(kept, json.dumps({"key": key, "marked": marked.as_json()}))
    return marked


def grade(
    folder: Path, seed: int, out: Path, jobs: int = 0, notebooks: Path = NOTEBOOKS
) -> "list[Marked]":
    """Mark all, with a progress bar; the table and the pages are written as it goes on."""
    from tqdm import tqdm

    from vaelib import _marking_report as report
    from vaelib._marking_folder import handed_out, submissions
    from vaelib.check import EXERCISES

    # Resolved, since each submission's process has a folder of its own to be in.
    found, given = submissions(folder.resolve(), list(EXERCISES)), handed_out(notebooks)
    done: dict[str, Marked] = {}
    with ThreadPoolExecutor(jobs or cores()) as pool:
        waiting = [pool.submit(mark_one, one, given, seed, out) for one in found]
        try:
            for future in tqdm(as_completed(waiting), "marking", len(found), unit="submission"):
                marked = future.result()
                done[marked.name] = marked
                in_order = [done[one.name] for one in found if one.name in done]
                report.write(out / "marks.csv", report.table(in_order))
                page = out / "reports" / f"{report.file_name(marked.name)}.html"
                report.write(page, report.student_page(marked, seed))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            in_order = [done[one.name] for one in found if one.name in done]
            report.write(out / "marks.csv", report.table(in_order))
            report.write(out / "class.html", report.class_page(in_order, seed))
    return in_order


def chosen_seed(given: int | None, out: Path) -> int:
    """The lecturer's seed; else that of the earlier run into the same folder; else a new one."""
    from vaelib._marking_report import write

    kept = out / "seed.txt"
    if given is None:
        given = int(kept.read_text()) if kept.exists() else secrets.randbelow(10**9)
    write(kept, f"{given}\n")
    return given


def summary(all_marked: "list[Marked]", out: Path) -> str:
    from vaelib._marking_report import mistakes
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
        lines.append(f"✗ this system does not keep submissions from all: held back by {held}")
    total = sum(e.points for e in EXERCISES.values())
    mean = sum(m.total for m in all_marked) / max(len(all_marked), 1)
    lines.append(f"mean {mean:.1f} of {total} points; table: {out / 'marks.csv'}")
    lines.append(f"class: {out / 'class.html'}; a page each: {out / 'reports'}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 also when there are bad submissions, their rows say so."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m vaelib.grading", description=description)
    parser.add_argument("folder", type=Path, help="the folder of submissions")
    parser.add_argument("--seed", type=int, help="of the hidden inputs (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("marks"), help="where to (%(default)s)")
    parser.add_argument("--jobs", type=int, default=0, help="at a time (default: one a core)")
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="as handed out")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the submissions need the cores
    try:
        seed = chosen_seed(options.seed, options.out)
        print(f"marking {options.folder} with the seed {seed} into {options.out}", flush=True)
        all_marked = grade(options.folder, seed, options.out, options.jobs, options.notebooks)
    except KeyboardInterrupt:
        print("\n✗ interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    if not all_marked:
        print(f"✗ no notebook (.ipynb) in {options.folder}", file=sys.stderr)
        return 1
    print(summary(all_marked, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
