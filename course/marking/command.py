"""Marks a folder of submissions: python -m course.marking FOLDER --seed 7 --out marks

Every notebook in FOLDER is a submission, and so is every folder or zip in it, with all its
notebooks; FOLDER may be a zip too. The results are marks.csv, class.html, and a page for each
submission in reports/. Type the same command to resume an interrupted run: marks are saved in
marks/, and a submission is marked again only if it, the seed or the checks have changed.
"""

from __future__ import annotations

# Modules that take long to import are imported where they are used: --help answers at once.
import argparse
import json
import os
import secrets
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.marking.marks import Marked
    from course.marking.results import Results, Settings
    from course.marking.submissions import Submission

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SECONDS_BETWEEN = 5.0  # two writings of the table while it is marked


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Run:
    """What is the same for all submissions of a run.

    `again` names exercises that are judged once more while the other marks stay as they are saved,
    whatever has changed since. `program` is a digest of everything that judges.
    """

    handed_out: dict[int, list[str]]
    seed: int
    out: Path
    again: frozenset[str]
    program: str


def mark_one(submission: Submission, run: Run) -> Marked:
    """The marks of one submission, as saved by an earlier run or made now; it never raises."""
    from course.marking import marks, report

    again = run.again
    saved = run.out / "marks" / f"{report.file_name(submission.name)}.json"
    try:
        key = submission.key(f"{run.seed} {run.program}")
        earlier = read_saved(saved)
        if earlier and not again and earlier[0] == key:
            return earlier[1]
        if not submission.files:
            return marks.unmarked(submission.name, [], list(submission.remarks))
        only = again if earlier else frozenset()
        marked = marks.mark(
            submission.name,
            submission.files,
            run.handed_out,
            run.seed,
            submission.helpers,
            only,
        )
        marked.remarks[:0] = submission.remarks
        if earlier and again:
            marked = marks.replaced(earlier[1], marked, again)
    except Exception as error:  # whatever it is, the others are to be marked
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        files = [file for file, _ in submission.files]
        return marks.unmarked(submission.name, files, [f"not marked: {why}"])
    if marked.limits:  # without them its process did not start, and the next run tries again
        report.write(saved, json.dumps({"key": key, "marked": marked.as_json()}))
    return marked


def read_saved(path: Path) -> tuple[str, Marked] | None:
    """The key and the marks of an earlier run; None if there are none that can be read."""
    from course.marking.marks import Marked

    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return saved["key"], Marked.from_json(saved["marked"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def grade(
    folder: Path,
    seed: int,
    out: Path,
    jobs: int = 0,
    notebooks: Path = NOTEBOOKS,
    settings: Settings | None = None,
) -> Results:
    """Mark a folder with a progress bar; the table and the pages are written on the way."""
    from course.marking import results
    from course.marking.grades import lesson_of
    from course.marking.submissions import Collector, handed_out, lesson_names, program
    from vaelib.check import EXERCISES

    settings = settings or results.Settings()
    out.mkdir(parents=True, exist_ok=True)
    lessons = {name: int(lesson_of(exercise)) for name, exercise in EXERCISES.items()}
    with tempfile.TemporaryDirectory(prefix="vaelib-unzipped-") as unpacked:
        collector = Collector(lessons, lesson_names(notebooks), Path(unpacked).resolve())
        # An absolute path, since each submission's process works in a folder of its own.
        collection = collector.collect(folder.resolve(), out.resolve())
        written = results.Results(collection, seed, out, settings)
        again = settings.again_for(collection.submissions, out)
        run = Run(handed_out(notebooks), seed, out, again, program(settings.own))
        with ThreadPoolExecutor(jobs or cores()) as pool:
            waiting = [pool.submit(mark_one, one, run) for one in collection.submissions]
            try:
                watched(waiting, written)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                written.write()
    return written


def watched(waiting: list[Future[Marked]], written: Results) -> None:
    """Show how far it is, and write what is there every few seconds."""
    from tqdm import tqdm

    last = monotonic()
    for future in tqdm(as_completed(waiting), "marking", len(waiting), unit="submission"):
        written.add(future.result())
        if monotonic() - last > SECONDS_BETWEEN:
            written.write_table()
            last = monotonic()


def chosen_seed(given: int | None, out: Path) -> int:
    """The lecturer's seed, else that of the earlier run into the same folder, else a new one."""
    from course.marking.report import write

    saved = out / "seed.txt"
    if given is None:
        given = int(saved.read_text()) if saved.exists() else secrets.randbelow(10**9)
    write(saved, f"{given}\n")
    return given


def parser() -> argparse.ArgumentParser:
    description = (__doc__ or "").partition("\n")[0]
    made = argparse.ArgumentParser(prog="python -m course.marking", description=description)
    add = made.add_argument
    add("folder", type=Path, help="the folder of submissions, or a zip of them")
    add("--seed", type=int, help="of the hidden inputs (default: a new one)")
    add("--out", type=Path, default=Path("marks"), help="where to (%(default)s)")
    add("--jobs", type=at_least_one, default=0, help="at a time (default: one per core)")
    add("--notebooks", type=Path, default=NOTEBOOKS, help="as handed out")
    add("--lessons", type=lessons, help="only these count, as in 1,3-4 (default: all)")
    add(
        "--again",
        action="append",
        default=[],
        metavar="WHAT",
        help="mark this exercise (4.2) or this submission once more, and keep all other marks",
    )
    add("--partial", type=Path, metavar="CSV", help="points for mistakes: exercise,mistake,points")
    add("--due", type=when, metavar="TIME", help="late days from file times: 2026-12-01T23:59")
    add("--late", type=Path, metavar="CSV", help="late days from a table: submission,days")
    add("--penalty", type=float, default=0.0, metavar="PERCENT", help="per late day (default: 0)")
    add("--gradebook", type=Path, metavar="CSV", help="Moodle's or Canvas's own, to be filled in")
    add("--column", help="of the gradebook, where it has several for points")
    add("--anonymous", action="store_true", help="also write pages without names")
    add("--unsafe", action="store_true", help="mark where this system cannot confine submissions")
    add("--own", type=Path, action="append", default=[], metavar="FILE", help="an own exercise")
    return made


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least one at a time, not {number}")
    return number


def lessons(text: str) -> frozenset[int]:
    """The lessons in a text such as 1,3-4."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise argparse.ArgumentTypeError(f"lessons are given as in 1,3-4, not {text!r}")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def when(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = f"a time is given as in 2026-12-01T23:59, not {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code, which is 0 also if there are bad submissions: the table names them."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the submissions need the cores
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks some letters
    try:
        return mark_all(options)
    except KeyboardInterrupt:
        print("\n✗ interrupted: the same command resumes here", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def mark_all(options: argparse.Namespace) -> int:
    from course.marking import sandbox
    from course.marking.results import Settings, printable, summary
    from course.own import register

    if options.unsafe:
        os.environ[sandbox.UNSAFE] = "1"
    elif why := sandbox.refusal():
        raise ValueError(why)

    for file in options.own:
        register(file)
    settings = Settings.read(options)
    seed = chosen_seed(options.seed, options.out)
    shown = printable(options.folder)
    print(f"marking {shown} with the seed {seed} into {printable(options.out)}", flush=True)
    written = grade(options.folder, seed, options.out, options.jobs, options.notebooks, settings)
    if not written.done:
        for line in written.lines:
            print(f"· {printable(line)}", file=sys.stderr)
        print(f"✗ no notebook (.ipynb) in {shown}", file=sys.stderr)
        return 1
    print(summary(written))
    return 0
