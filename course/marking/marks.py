"""Marks one submission: its functions run in a process of their own, the judgement is made here."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from course.marking.process import Broken
from course.marking.scratch import scratch_folder
from course.marking.session import File, Session
from course.marking.wire import short, text
from vaelib.check import EXERCISES, CheckResult, Exercise, Outcome, Probe, judge

SECONDS_PER_CALL = 5.0
SECONDS_PER_EXERCISE = 20.0
SECONDS_PER_REPLAY = 60.0  # of one notebook, without the judging
SECONDS_PER_SUBMISSION = 300.0
MOST_COPIED = 64 << 20  # bytes
MOST_CHECKS = 100  # in one cell: those after them are not judged
RESTARTS = 12  # of the process of one notebook, which the submission can end
FAILED = "code cell"  # how a remark begins that a cell failed or was not run
# How good an outcome is: of several functions for one exercise the best counts, then the last.
ORDER = ("not attempted", "wrong", "right")


@dataclass
class Mark:
    """What one exercise got, and why. `state` is "right", "wrong" or "not attempted".

    `needs` are the names that the function reads; the report says which of them were not to be had.
    """

    name: str
    points: int = 0
    state: str = "not attempted"
    message: str = ""
    misconception: str | None = None
    code: str = ""
    remarks: list[str] = field(default_factory=list)
    cell: int = 0
    file: str = ""
    raised: bool = False
    needs: list[str] = field(default_factory=list)


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


def seed_of(seed: int, exercise: str) -> int:
    """The same hidden inputs for every submission, others for each exercise and each seed."""
    return int.from_bytes(hashlib.sha256(f"{seed} {exercise}".encode()).digest()[:4], "big")


def mark(
    name: str,
    files: Sequence[File],
    handed_out: dict[int, list[str]],
    seed: int,
    helpers: Sequence[File] = (),
    only: frozenset[str] = frozenset(),
) -> Marked:
    """The marks of one submission, the same for the same files and seed; it never raises.

    `helpers` are the other files of the student's folder, which the notebooks may read. `only`
    are the exercises to judge, if not all.
    """
    wanted = only or frozenset(EXERCISES)
    marked = Marked(name, [file for file, _ in files])
    deadline = monotonic() + SECONDS_PER_SUBMISSION
    each: list[dict[str, Mark]] = []
    for file in files:
        with scratch_folder() as scratch:
            copy([*files, *helpers], scratch)
            notebook = Notebook(Session(file, handed_out, scratch), seed, deadline, wanted)
            where = f"{file[0]}: " if len(files) > 1 else ""
            try:
                each.append(notebook.marks())
            except (Broken, TimeoutError, OSError) as error:
                why = f"not marked: the process that reads it {error or 'hung'}"
                marked.remarks.append(where + why)
            finally:
                notebook.session.end()
            marked.limits = marked.limits or notebook.limits
            marked.remarks += [where + remark for remark in notebook.remarks]
    marked.marks = [best(exercise, each) for exercise in EXERCISES]
    return marked


def unmarked(name: str, files: list[str], remarks: list[str]) -> Marked:
    """No marks, and why."""
    return Marked(name, files, [Mark(each, message="not marked") for each in EXERCISES], remarks)


def replaced(earlier: Marked, now: Marked, again: frozenset[str]) -> Marked:
    """The earlier marks with those of the exercises that were judged again."""
    saved = {mark.name: mark for mark in earlier.marks}
    now.marks = [m if m.name in again else saved.get(m.name, m) for m in now.marks]
    return now


def copy(files: Sequence[File], scratch: Path) -> None:
    """Give the process the student's own files, in folders as they were handed in.

    What would fill its folder is left out; the notebook itself is read where it lies.
    """
    budget = MOST_COPIED
    for name, path in files:
        place = scratch / name
        try:
            budget -= path.stat().st_size
            if budget > 0:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        except OSError:  # one that cannot be read; a notebook that needs it says so
            continue


def best(exercise: str, each: list[dict[str, Mark]]) -> Mark:
    """The mark that counts of those that several notebooks give: the best, then the last."""
    found = [marks[exercise] for marks in each]
    if not found:
        return Mark(exercise, message="not marked")
    attempted = [mark for mark in found if mark.state != "not attempted"]
    chosen = max(reversed(attempted or found), key=lambda m: ORDER.index(m.state))
    if len(attempted) > 1:
        chosen.remarks.append(f"in {len(attempted)} files, the one in {chosen.file} counts")
    return chosen


class Notebook:
    """The marks of one notebook: it is replayed, and what its checks are given is judged."""

    def __init__(
        self, session: Session, seed: int, deadline: float, wanted: frozenset[str]
    ) -> None:
        self.session = session
        self.seed = seed
        self.deadline = deadline
        self.wanted = wanted
        self.replay_seconds = 0.0
        self.tried: dict[str, list[Mark]] = {name: [] for name in EXERCISES}
        self.judged: set[tuple[int, int | str]] = set()  # cell, and which check or name in it
        self.unchecked: set[str] = set()
        self.definitions: dict[str, set[int]] = {name: set() for name in EXERCISES}
        self.begun: set[int] = set()  # cells
        self.failed: dict[int, str] = {}  # cells that were not run to their end, and why
        self.ended: set[int] = set()  # cells that ended the process
        self.remarks: list[str] = []
        self.limits: list[str] = []

    def marks(self) -> dict[str, Mark]:
        """The mark of each exercise. Raises Broken, TimeoutError or OSError."""
        hello = self.session.ready()
        self.limits = [short(limit) for limit in hello["limits"]]
        self.remarks = [short(remark) for remark in hello["remarks"]]
        self.replay()
        for name in (n for n in EXERCISES if n in self.wanted):
            for word in ("last", "alone"):
                if not self.settled(name):
                    self.without_check(name, word)
        return {name: self.chosen(name) for name in EXERCISES}

    def settled(self, name: str) -> bool:
        """Whether the functions judged so far decide.

        One that raised an error may do better when all cells have been run.
        """
        tried = self.tried[name]
        if any(mark.state == "right" for mark in tried):
            return True
        attempted = [mark for mark in tried if mark.state == "wrong"]
        return bool(attempted) and not attempted[-1].raised

    def replay(self) -> None:
        """Run all cells, once more from the start where the submission has ended the process."""
        for _ in range(RESTARTS):
            if self.run_cells() or self.late():
                return
        self.remarks.append(f"the replay was given up after {RESTARTS} processes")

    def run_cells(self) -> bool:
        """Run the cells in order; False as soon as the process has ended."""
        hello = self.session.ready()
        for number in hello["cells"]:
            if number in self.ended:
                continue
            if self.late():
                if number not in self.begun:
                    self.failed.setdefault(number, "was not run: the time was over")
                continue
            self.begun.add(number)
            try:
                reply = self.timed(f"cell {number}")
                count = 0
                while "check" in reply:
                    count += 1
                    if self.late():
                        raise TimeoutError("was ended: the time was over")
                    if count <= MOST_CHECKS:
                        self.check(reply["check"], (number, count))
                    if self.session.ended:
                        return False
                    reply = self.timed("on")
            except (Broken, TimeoutError) as error:
                self.session.end()
                self.ended.add(number)
                self.failed[number] = str(error) or "could not be stopped"
                return False
            if reply["error"]:
                self.failed[number] = f"failed: {short(reply['error'])}"
            for name in reply["defined"]:
                self.defined(str(name), number)
                if self.session.ended:
                    return False
        return True

    def late(self) -> bool:
        """Whether no more of the notebook is to be run."""
        return self.replay_seconds > SECONDS_PER_REPLAY or monotonic() > self.deadline

    def defined(self, name: str, number: int) -> None:
        """A cell has defined the function of an exercise: without a check it is judged here."""
        if name not in self.wanted or (number, name) in self.judged:
            return
        self.judged.add((number, name))
        self.definitions[name].add(number)
        if name not in self.session.hello["checked"]:
            self.tried[name].clear()  # what was defined before does not count any more
            self.unchecked.add(name)
            self.without_check(name, "last")

    def timed(self, question: str) -> dict[str, Any]:
        started = monotonic()
        try:
            return self.session.ask(question)
        finally:
            self.replay_seconds += monotonic() - started

    def check(self, given: dict[str, Any], place: tuple[int, int]) -> None:
        """Judge the function that a check was given, unless that is decided already."""
        name = str(given["name"])
        if place in self.judged or name not in self.wanted:
            return
        self.judged.add(place)
        if name in self.unchecked:  # judged when it was defined, since no check was in sight
            self.unchecked.discard(name)
            self.tried[name].clear()
        if any(mark.state == "right" for mark in self.tried[name]):
            return
        mark = self.new(name, given)
        if not given["callable"]:
            mark.state = "wrong"
            mark.message = f"✗ {EXERCISES[name].number} {name}: its check was given no function"
            return
        self.fill_in(mark)

    def new(self, name: str, about: dict[str, Any]) -> Mark:
        """A mark for what is going to be judged."""
        mark = Mark(name, code=text(about["text"], 20000), cell=int(about["cell"]))
        mark.needs = [short(need) for need in about["needs"]]
        mark.file = self.session.file[0]
        if about.get("vaelib"):
            mark.remarks.append(f"calls vaelib's own {name}")
        self.tried[name].append(mark)
        return mark

    def without_check(self, name: str, word: str) -> None:
        """Judge the last definition, in the notebook as it ended, or "alone" with what it needs."""
        found = self.session.hello["answers"][name]
        if (word == "alone" and not found["cell"]) or monotonic() > self.deadline:
            return
        if self.session.ended and self.late() and word == "last":
            return
        try:
            if self.session.ended and word == "last":
                self.run_cells()  # so that it has been defined once more
            reply = self.session.ask(f"{word} {name}")
        except (Broken, TimeoutError):
            self.session.end()
            return
        if word == "last" and not reply:
            return
        earlier = list(self.tried[name])
        mark = self.new(name, reply if word == "last" else found)
        if reply.get("error"):
            mark.raised = True
            mark.state = "wrong"
            why = f"it cannot be defined: {short(reply['error'])}"
            mark.message = wrong(EXERCISES[name], why).message
        else:
            self.fill_in(mark)
        if word == "alone":
            mark.remarks += [short(remark) for remark in found["remarks"]]
        self.say_why(mark, earlier)

    def say_why(self, mark: Mark, earlier: list[Mark]) -> None:
        """Remark why a function counts that was not given to a check."""
        count = len(self.definitions[mark.name])
        which = f"the last of {count} definitions" if count > 1 else "the definition"
        if mark.name not in self.session.hello["checked"]:
            mark.remarks.append(f"its check is gone: {which} counts")
        elif any(each.raised for each in earlier):
            if mark.state == "right":
                mark.remarks.append("it failed where it was checked; alone it is right")
        else:
            mark.remarks.append(f"its check was not given it: {which} counts")

    def fill_in(self, mark: Mark) -> None:
        """Judge the function that the process has at hand, and write the result into its mark."""
        exercise = EXERCISES[mark.name]
        kinds: list[str] = []
        try:
            call = self.session.call
            result = judged(exercise, call, seed_of(self.seed, mark.name), kinds)
        except TimeoutError:
            self.session.end()
            result = wrong(exercise, "it does not come back, and could not be stopped")
        except Broken as broken:
            self.session.end()
            result = wrong(exercise, f"it {broken}")
        mark.message = short(result.message)
        mark.misconception = result.misconception and short(result.misconception)
        mark.raised = "raised" in kinds
        if result.passed:
            mark.state = "right"
            mark.points = exercise.points
        elif result.attempted:
            mark.state = "wrong"

    def chosen(self, name: str) -> Mark:
        """Of all that was judged the first that is right, else what the check said last."""
        tried = self.tried[name]
        right = [mark for mark in tried if mark.state == "right"]
        attempted = [mark for mark in tried if mark.state == "wrong"]
        if not tried:
            stub = self.session.hello["answers"][name]["stub"]
            return self.explained(Mark(name, message="not attempted" if stub else "not found"))
        if right:
            if attempted and not attempted[-1].raised:
                right[0].remarks.append("checked several times, the right one counts")
            return right[0]
        return self.explained((attempted or tried)[0 if attempted and attempted[0].raised else -1])

    def explained(self, mark: Mark) -> Mark:
        """Add which cells that the function needs were not run to their end."""
        mark.file = mark.file or self.session.file[0]
        bound = self.session.hello["bound"]
        wanted = {mark.name, f"check.{mark.name}", *mark.needs}
        for number, why in sorted(self.failed.items()):
            of_check = number == mark.cell and mark.message and not mark.raised
            if wanted & set(bound.get(str(number), ())) and not of_check:
                mark.remarks.append(f"{FAILED} {number} {why}")
        return mark


def judged(
    exercise: Exercise, call: Callable[[Probe, float], Outcome], seed: int, kinds: list[str]
) -> CheckResult:
    """The verdict of the exercise's check; `kinds` collects how the calls ended."""
    deadline = monotonic() + SECONDS_PER_EXERCISE

    def run(probe: Probe) -> Outcome:
        seconds_left = deadline - monotonic()
        if seconds_left <= 0:
            return Outcome("timeout", error=f"{SECONDS_PER_EXERCISE:g}")
        outcome = call(probe, min(SECONDS_PER_CALL, seconds_left))
        kinds.append(outcome.kind)
        return outcome

    return judge(exercise, run, seed)


def wrong(exercise: Exercise, why: str) -> CheckResult:
    return CheckResult(False, True, f"✗ {exercise.number} {exercise.name}: {why}", None)
