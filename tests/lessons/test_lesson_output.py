"""The helper that finds what a lesson prints."""

import nbformat.v4 as v4
import pytest
from lesson_output import Printed, SoFar, numbers, outputs

from notebooks.conventions import VEIL


def test_outputs_joins_streams_and_values_and_leaves_veils_and_pictures_out():
    stream = v4.new_output("stream", name="stdout", text="1.5\n")
    value = v4.new_output("execute_result", {"text/plain": VEIL + "'2'"}, execution_count=1)
    picture = v4.new_output("display_data", {"image/png": "", "text/plain": "3 curves"})
    outputs_of = [stream, value, picture]
    cells = [v4.new_markdown_cell("one"), v4.new_code_cell("one()", outputs=outputs_of)]
    assert outputs(v4.new_notebook(cells=cells)) == [("one()", "1.5\n'2'")]


def test_numbers_are_those_that_a_person_reads():
    said = "KL = 0.294 nats, −1,234.5 and 2e-07; inf; N(1, 0.5²), K=10,30"
    assert numbers(said) == [0.294, -1234.5, 2e-7, float("inf"), 1, 0.5, 10, 30]


def test_a_cell_is_found_by_a_word_that_only_it_has():
    printed = Printed([("kl = 1", "1"), ("kl = 2", "2"), ("x", "-3")])
    assert printed.text("x") == "-3"
    assert printed.numbers("= 2") == [2]
    assert Printed(zip(printed.sources, "abc", strict=True)).text("= 1") == "a"
    with pytest.raises(LookupError, match="2 cells have 'kl'"):
        printed.text("kl")
    with pytest.raises(LookupError, match="0 cells"):
        printed.text("nothing")


def test_of_a_lesson_that_is_still_running_only_the_cells_so_far_can_be_asked_for():
    so_far = SoFar([("kl = 1", "1"), ("x", "-3")])
    assert so_far.numbers("kl") == [1]
    with pytest.raises(LookupError):
        so_far.text("elbo")
    with pytest.raises(LookupError):
        _ = so_far.texts
