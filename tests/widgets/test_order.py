"""Cells that were run out of order."""

import nbformat
import pytest
from inputs import HOME
from IPython.core.interactiveshell import InteractiveShell

from vaelib.widgets import order


@pytest.fixture
def shell():
    return InteractiveShell()


def test_an_unknown_name_is_told_with_the_advice_to_run_the_cells_above(shell, capsys):
    order.advise_out_of_order(shell)
    assert isinstance(shell.run_cell("face + 1").error_in_exec, NameError)
    said = capsys.readouterr().out
    assert "name 'face' is not defined" in said
    assert said.rstrip().endswith(order.ADVICE)
    shell.run_cell("face = 1")
    assert shell.run_cell("face + 1").result == 2


@pytest.mark.parametrize("cell", ["1 / 0", "[].face", "open('nowhere')"])
def test_other_errors_are_shown_as_ever(shell, capsys, cell):
    order.advise_out_of_order(shell)
    shell.run_cell(cell)
    said = capsys.readouterr().out
    assert order.ADVICE not in said and order.IN_ORDER not in said


def test_a_cell_of_the_lesson_that_nobody_changed(shell, capsys):
    """Its id is made of its source."""
    (path,) = (HOME / "notebooks").glob("01_*.ipynb")
    cells = [c for c in nbformat.read(path, as_version=4).cells if "torch.tensor" in c.source]
    order.advise_out_of_order(shell)
    shell.run_cell("torch = None")
    for cell in (cells[0], cells[-1]):
        shell.run_cell(cell.source, cell_id=cell.id)
        assert capsys.readouterr().out.rstrip().endswith(order.IN_ORDER)
        shell.run_cell(f"{cell.source}\n# mine", cell_id=cell.id)
        said = capsys.readouterr().out
        assert "AttributeError" in said and order.IN_ORDER not in said


def test_a_handler_of_the_users_own_stays(shell):
    shell.set_custom_exc((ValueError,), lambda *_, **__: None)
    order.advise_out_of_order(shell)
    assert shell.custom_exceptions == (ValueError,)


def test_without_ipython_nothing_happens():
    order.advise_out_of_order(None)
