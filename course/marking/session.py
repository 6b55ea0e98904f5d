"""The conversation with the process of one notebook, which is started again when it has ended."""

import json
from pathlib import Path
from typing import Any

from course.marking.process import Broken, Child
from course.marking.wire import short
from vaelib.check import EXERCISES, Outcome, Probe

File = tuple[str, Path]  # its name in the submission, and where it lies


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
            answer = json.loads(said)
            answer["check"]["name"] if "check" in answer else answer.get("error")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Broken(f"sent the marking program something else ({short(said)[:50]})") from None
        return answer

    def call(self, probe: Probe, seconds: float) -> Outcome:
        """Call the function at hand. Raises Broken and TimeoutError."""
        if self.child is None:
            raise Broken("ended the process that runs it")
        return self.child.call(probe, seconds)

    def end(self) -> None:
        if self.child is not None:
            self.child.close()
        self.child = None
