"""Marks one submission: its functions run in a process of their own, the judgement is made here."""

import hashlib
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from vaelib._marking_process import Broken, Child
from vaelib._marking_wire import text
from vaelib.check import EXERCISES, CheckResult, Exercise, Outcome, Probe, judge

CALL = 5.0  # seconds for one call of a function
ALL = 20.0  # seconds for all the calls of one exercise
MOST = 300.0  # seconds for one submission


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
    """All of one submission."""

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
    def from_json(said: dict[str, Any]) -> "Marked":
        return Marked(**{**said, "marks": [Mark(**mark) for mark in said["marks"]]})


class Session:
    """The process of a submission, started again where it was ended by the submission itself."""

    def __init__(self, files: list[tuple[str, Path]], given: dict[int, list[str]], scratch: Path):
        wanted = [(name, int(e.number.split(".")[0])) for name, e in EXERCISES.items()]
        self.arguments = (files, given, wanted, scratch)
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
    name: str, files: list[tuple[str, Path]], given: dict[int, list[str]], seed: int
) -> Marked:
    """The marks of one submission, the same for the same files and seed; it never raises."""
    marked = Marked(name, [file for file, _ in files])
    marked.marks = [Mark(exercise) for exercise in EXERCISES]
    over = monotonic() + MOST
    with tempfile.TemporaryDirectory(prefix="vaelib-marking-") as folder:
        session = Session(files, given, Path(folder).resolve())
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
                elif monotonic() > over:
                    each.state, each.message = "wrong", f"not marked: {MOST:g} s were over"
                else:
                    answer(each, session, seed)
        except (Broken, TimeoutError, OSError) as error:
            marked.remarks.append(f"not marked: the process that reads it {error or 'hung'}")
        finally:
            session.end()
    return marked


def answer(mark: Mark, session: Session, seed: int) -> None:
    """Fill in what one exercise gets."""
    exercise = EXERCISES[mark.name]
    try:
        result = judged(exercise, session, seed_of(seed, mark.name))
    except TimeoutError:
        session.end()
        result = wrong(exercise, "it does not come back, and could not be stopped")
    except Broken as broken:
        session.end()
        result = wrong(exercise, f"it {broken}")
    mark.message, mark.misconception = text(result.message), result.misconception
    mark.state = "right" if result.passed else "wrong" if result.attempted else "not attempted"
    mark.points = exercise.points if result.passed else 0


def judged(exercise: Exercise, session: Session, seed: int) -> CheckResult:
    """The verdict of the exercise's check on a function that runs in the other process."""
    child = session.ready()
    if error := child.load(exercise.name):
        return wrong(exercise, f"it cannot be defined: {error}")
    over = monotonic() + ALL

    def run(probe: Probe) -> Outcome:
        left = over - monotonic()
        if left <= 0:
            return Outcome("timeout", error=f"{ALL:g}")
        return child.call(probe, min(CALL, left))

    return judge(exercise, run, seed)


def wrong(exercise: Exercise, why: str) -> CheckResult:
    return CheckResult(False, True, f"✗ {exercise.number} {exercise.name}: {why}", None)
