"""Run each cell of a lesson right after its first one: python cells_alone.py NOTEBOOK.

Each cell has a process of its own, a fork from after the first cell. Prints a line of JSON for each
that fails: its number, the class of the error, and whether the advice to run other cells came.
"""

import contextlib
import io
import json
import os
import sys

# Before torch is imported: a fork does not take OpenMP's threads along.
os.environ["OMP_NUM_THREADS"] = "1"

import nbformat
from IPython.core.interactiveshell import InteractiveShell


def run(shell: InteractiveShell, source: str) -> tuple[str, str]:
    """The class of the error, "" where there is none, and what was shown."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        result = shell.run_cell(source)
    error = result.error_in_exec or result.error_before_exec
    return (type(error).__name__ if error else ""), out.getvalue()


def main() -> int:
    cells = nbformat.read(sys.argv[1], as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    shell = InteractiveShell.instance()
    kind, said = run(shell, sources[0])
    if kind:
        sys.exit(f"the first cell fails: {said}")
    from vaelib.widgets import order

    print(json.dumps(len(sources) - 1), flush=True)
    for number, source in enumerate(sources[1:], 2):
        if pid := os.fork():
            os.waitpid(pid, 0)
            continue
        kind, said = run(shell, source)
        if kind:
            fault = {"cell": number, "error": kind, "advice": order.ADVICE in said}
            print(json.dumps(fault), flush=True)
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
