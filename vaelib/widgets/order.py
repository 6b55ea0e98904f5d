"""Cells run out of order: an unknown name comes with the advice to run the cells above."""

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

ADVICE = "If a cell above makes it, run that cell first: menu Run, Run All Above Selected Cell."


def advise(shell: InteractiveShell, kind: Any, error: NameError, trace: Any, **place: Any) -> None:
    """Show the error as usual, with the advice as its last line."""
    error.add_note(ADVICE)
    shell.showtraceback((kind, error, trace), **place)


def advise_on_unknown_names(shell: InteractiveShell | None) -> None:
    """From now on, in this shell; one that has a handler of its own keeps it."""
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((NameError,), advise)
