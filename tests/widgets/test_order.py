"""Cells that were run out of order."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from vaelib.widgets import order


@pytest.fixture
def shell():
    return InteractiveShell()


def test_an_unknown_name_is_told_with_the_advice_to_run_the_cells_above(shell, capsys):
    order.advise_on_unknown_names(shell)
    assert isinstance(shell.run_cell("face + 1").error_in_exec, NameError)
    said = capsys.readouterr().out
    assert "name 'face' is not defined" in said
    assert said.rstrip().endswith(order.ADVICE)
    shell.run_cell("face = 1")
    assert shell.run_cell("face + 1").result == 2


@pytest.mark.parametrize("cell", ["1 / 0", "[].face", "open('nowhere')"])
def test_other_errors_are_shown_as_ever(shell, capsys, cell):
    order.advise_on_unknown_names(shell)
    shell.run_cell(cell)
    assert order.ADVICE not in capsys.readouterr().out


def test_a_handler_of_the_users_own_stays(shell):
    shell.set_custom_exc((ValueError,), lambda *_, **__: None)
    order.advise_on_unknown_names(shell)
    assert shell.custom_exceptions == (ValueError,)


def test_without_ipython_nothing_happens():
    order.advise_on_unknown_names(None)
