"""Cells run out of order: an error comes with the advice to run the cells above.

An unknown name always has it. Any other error has it in a cell of the lesson that nobody changed,
since that one works where the cells above it were run, in order. Its id tells: it is made of its
source by `notebooks.build`, and JupyterLab hands it to the kernel.
"""

import hashlib
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

HOW = "menu Run, Run All Above Selected Cell."
ADVICE = f"If a cell above makes it, run that cell first: {HOW}"
IN_ORDER = f"This cell of the lesson works once the cells above it were run, in order: {HOW}"


class Advice:
    """Shows an error as usual, with the advice as its last line."""

    def __init__(self) -> None:
        self.of_the_lesson = False

    def note(self, info: Any) -> None:
        """Remember what is about to run."""
        digest = hashlib.sha1(f"code\n{info.raw_cell}".encode()).hexdigest()[:12]
        self.of_the_lesson = (info.cell_id or "").split("-")[0] == digest

    def __call__(
        self, shell: InteractiveShell, kind: Any, error: Exception, trace: Any, **place: Any
    ) -> None:
        if isinstance(error, NameError):
            error.add_note(ADVICE)
        elif self.of_the_lesson:
            error.add_note(IN_ORDER)
        shell.showtraceback((kind, error, trace), **place)


def advise_out_of_order(shell: InteractiveShell | None) -> None:
    """From now on, in this shell; one that has a handler of its own keeps it."""
    if shell is not None and not shell.custom_exceptions:
        advice = Advice()
        shell.events.register("pre_run_cell", advice.note)
        shell.set_custom_exc((Exception,), advice)
