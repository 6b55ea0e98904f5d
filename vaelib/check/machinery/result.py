"""The result of a check, as text and as HTML that needs no colour."""

import html
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class CheckResult:
    """Whether an answer is right and was attempted, the text for the student, the mistake's name.

    The first line of `message` says whether it is right; further lines, if any, explain.
    """

    passed: bool
    attempted: bool
    message: str
    misconception: str | None = None

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(line) for line in self.message.split("\n"))
        return f"<div><strong>{first}</strong>{''.join(f'<br>{line}' for line in rest)}</div>"
