"""Run the cells of a lesson out of order: python cells_out_of_order.py NOTEBOOK [SEED].

Without a seed each cell comes right after the first one, in a process of its own, a fork from after
the first cell. With a seed they are shuffled behind the first one, in one process. Prints a line of
JSON for each that fails: its number, the error, and whether the advice to run other cells came.
"""

import contextlib
import io
import json
import os
import random
import sys

# Before torch is imported: a fork does not take OpenMP's threads along.
os.environ["OMP_NUM_THREADS"] = "1"

import nbformat
from IPython.core.interactiveshell import InteractiveShell


def run(shell: InteractiveShell, cell: nbformat.NotebookNode) -> tuple[BaseException | None, str]:
    """The error, and what was shown."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        result = shell.run_cell(cell.source, cell_id=cell.id)
    return result.error_in_exec or result.error_before_exec, out.getvalue()


def report(shell: InteractiveShell, number: int, cell: nbformat.NotebookNode) -> None:
    from vaelib.widgets import order

    error, said = run(shell, cell)
    if error:
        what = f"{type(error).__name__}: {error}"[:200]
        fault = {"cell": number, "error": what, "advice": order.HOW in said}
        print(json.dumps(fault), flush=True)


def main() -> int:
    cells = nbformat.read(sys.argv[1], as_version=4).cells
    cells = [cell for cell in cells if cell.cell_type == "code"]
    shell = InteractiveShell.instance()
    error, said = run(shell, cells[0])
    if error:
        sys.exit(f"the first cell fails: {said}")
    print(json.dumps(len(cells) - 1), flush=True)
    rest = [*enumerate(cells)][1:]
    if len(sys.argv) > 2:
        random.Random(int(sys.argv[2])).shuffle(rest)
        for number, cell in rest:
            report(shell, number, cell)
        return 0
    for number, cell in rest:
        if pid := os.fork():
            os.waitpid(pid, 0)
            continue
        report(shell, number, cell)
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
