"""Marks one submission: its functions run in a process of their own, the judgement is made here."""

import hashlib
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from course.marking.process import Broken, Child
from course.marking.wire import text
from vaelib.check import EXERCISES, CheckResult, Exercise, Outcome, Probe, judge

SECONDS_PER_CALL = 5.0
SECONDS_PER_EXERCISE = 20.0
SECONDS_PER_SUBMISSION = 300.0


@dataclass
class Mark:
    """What one exercise got, and why. `state` is "right", "wrong" or "not attempted"."""

    name: str
    points: int = 0
    state: str = "not attempted"
    message: str = ""
    misconception: str | None = None
    code: str = ""
    remarks: list[str] = field(default_factory=list)


@dataclass
class Marked:
    """One submission with its marks; `limits` says what its process was held back by."""

    name: str
    files: list[str]
    marks: list[Mark] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(mark.points for mark in self.marks)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "Marked":
        return Marked(**{**stored, "marks": [Mark(**mark) for mark in stored["marks"]]})


class Session:
    """The process of a submission; it is started again after the submission has ended it."""

    def __init__(
        self, files: list[tuple[str, Path]], handed_out: dict[int, list[str]], scratch: Path
    ) -> None:
        wanted = [(name, int(e.number.split(".")[0])) for name, e in EXERCISES.items()]
        self.arguments = (files, handed_out, wanted, scratch)
        self.child: Child | None = None

    def ready(self) -> Child:
        if self.child is None:
            self.child = Child(*self.arguments)
        return self.child

    def end(self) -> None:
        if self.child is not None:
            self.child.close()
        self.child = None


def seed_of(seed: int, exercise: str) -> int:
    """The same hidden inputs for every submission, others for each exercise and each seed."""
    return int.from_bytes(hashlib.sha256(f"{seed} {exercise}".encode()).digest()[:4], "big")


def mark(
    name: str, files: list[tuple[str, Path]], handed_out: dict[int, list[str]], seed: int
) -> Marked:
    """The marks of one submission, the same for the same files and seed; it never raises."""
    marked = Marked(name, [file for file, _ in files])
    marked.marks = [Mark(exercise) for exercise in EXERCISES]
    deadline = monotonic() + SECONDS_PER_SUBMISSION
    with tempfile.TemporaryDirectory(prefix="vaelib-marking-") as folder:
        session = Session(files, handed_out, Path(folder).resolve())
        try:
            hello = session.ready().hello
            marked.limits = [text(limit) for limit in hello["limits"]]
            marked.remarks += [text(remark) for remark in hello["remarks"]]
            for each in marked.marks:
                found = hello["answers"][each.name]
                each.code = text(found["text"], 20000)
                each.remarks = [text(remark) for remark in found["remarks"]]
                if not found["cell"]:
                    each.message = "not attempted" if found["stub"] else "not found"
                elif monotonic() > deadline:
                    each.state = "wrong"
                    each.message = f"not marked: {SECONDS_PER_SUBMISSION:g} s were over"
                else:
                    fill_in(each, session, seed)
        except (Broken, TimeoutError, OSError) as error:
            marked.remarks.append(f"not marked: the process that reads it {error or 'hung'}")
        finally:
            session.end()
    return marked


def fill_in(mark: Mark, session: Session, seed: int) -> None:
    """Judge the answer to one exercise, and write the result into its mark."""
    exercise = EXERCISES[mark.name]
    try:
        result = judged(exercise, session, seed_of(seed, mark.name))
    except TimeoutError:
        session.end()
        result = wrong(exercise, "it does not come back, and could not be stopped")
    except Broken as broken:
        session.end()
        result = wrong(exercise, f"it {broken}")
    mark.message = text(result.message)
    mark.misconception = result.misconception
    if result.passed:
        mark.state = "right"
        mark.points = exercise.points
    elif result.attempted:
        mark.state = "wrong"


def judged(exercise: Exercise, session: Session, seed: int) -> CheckResult:
    """The verdict of the exercise's check on a function that runs in the other process."""
    child = session.ready()
    if error := child.load(exercise.name):
        return wrong(exercise, f"it cannot be defined: {error}")
    deadline = monotonic() + SECONDS_PER_EXERCISE

    def run(probe: Probe) -> Outcome:
        seconds_left = deadline - monotonic()
        if seconds_left <= 0:
            return Outcome("timeout", error=f"{SECONDS_PER_EXERCISE:g}")
        return child.call(probe, min(SECONDS_PER_CALL, seconds_left))

    return judge(exercise, run, seed)


def wrong(exercise: Exercise, why: str) -> CheckResult:
    return CheckResult(False, True, f"✗ {exercise.number} {exercise.name}: {why}", None)
