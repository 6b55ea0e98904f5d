"""The conversation with the process of one notebook, which is started again when it has ended."""

import json
from pathlib import Path
from typing import Any

from course.marking.process import Broken, Child
from course.marking.wire import short
from vaelib.check import EXERCISES, Outcome, Probe

File = tuple[str, Path]  # its name in the submission, and where it lies
# What is told of a function. Nothing else of it is believed.
FUNCTION = {"name": str, "cell": int, "text": str, "callable": bool, "vaelib": bool, "needs": list}
MOST_NAMES = 500


class Session:
    """One notebook's process, which a submission can end: the next question starts another."""

    def __init__(self, file: File, handed_out: dict[int, list[str]], scratch: Path) -> None:
        wanted = [(name, int(e.number.split(".")[0])) for name, e in EXERCISES.items()]
        self.file = file
        self.arguments = ([file], handed_out, wanted, scratch)
        self.child: Child | None = None
        self.hello: dict[str, Any] = {}

    @property
    def ended(self) -> bool:
        return self.child is None

    def ready(self) -> dict[str, Any]:
        """What the process said when it had read the file. Raises Broken and TimeoutError."""
        if self.child is None:
            self.child = Child(*self.arguments)
            self.hello = self.child.hello
        return self.hello

    def ask(self, question: str) -> dict[str, Any]:
        """The answer to a question (see `child`). Raises Broken and TimeoutError."""
        self.ready()
        assert self.child is not None
        said = self.child.load(question)
        try:
            return understood(question.partition(" ")[0], json.loads(said))
        except (ValueError, RecursionError):
            raise Broken(f"sent the marking program something else ({short(said)[:50]})") from None

    def call(self, probe: Probe, seconds: float) -> Outcome:
        """Call the function at hand. Raises Broken and TimeoutError."""
        if self.child is None:
            raise Broken("ended the process that runs it")
        return self.child.call(probe, seconds)

    def end(self) -> None:
        if self.child is not None:
            self.child.close()
        self.child = None


def understood(word: str, answer: Any) -> dict[str, Any]:
    """The answer to a question of this word, if it is one. Raises ValueError if it is not."""
    if not isinstance(answer, dict):
        raise ValueError("not an object")
    if word == "last" and answer:
        return function_told(answer)
    if word in ("cell", "on") and "check" in answer:
        return {"check": function_told(answer["check"])}
    wanted = {"last": (), "alone": ("error",)}.get(word, ("error", "defined"))
    if set(answer) != set(wanted) or type(answer.get("error", "")) is not str:
        raise ValueError("not what was asked for")
    if not names(answer.get("defined", [])):
        raise ValueError("not a list of names")
    return answer


def function_told(about: Any) -> dict[str, Any]:
    """What is told of a function, each part of its type. Raises ValueError."""
    if not isinstance(about, dict) or {n: type(v) for n, v in about.items()} != FUNCTION:
        raise ValueError("not about a function")
    if about["name"] not in EXERCISES or not names(about["needs"]):
        raise ValueError("not about an exercise")
    return about


def names(found: Any) -> bool:
    """Whether this is a list of names, and not a long one."""
    short_list = isinstance(found, list) and len(found) <= MOST_NAMES
    return short_list and all(type(name) is str for name in found)
