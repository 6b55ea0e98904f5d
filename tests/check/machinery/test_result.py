"""What a notebook shows of a check's result."""

import re

from vaelib import check


def test_a_result_is_text_and_a_panel_that_needs_no_colour():
    message = "✗ 1.1 x: a < b\n  why & how\n  for p = 0.5: yours 1, expected 2"
    result = check.CheckResult(False, True, message, "mistake", progress="lesson 1: 0 of 5 done")
    assert repr(result) == message
    panel = result._repr_html_()
    text = re.sub(r"<[^>]*>", "|", panel)
    for part in ("✗ 1.1 x: a &lt; b", "why &amp; how", "lesson 1: 0 of 5 done"):
        assert f"|{part}|" in text
    assert "monospace" in panel.split("for p = 0.5")[0].rpartition("<div")[2]
    assert "color:inherit" in panel  # the text keeps the colour of a light or of a dark page


def test_what_a_right_answer_has_shown_stands_in_its_panel_only():
    result = check.rolls_to_convict(check.EXERCISES["rolls_to_convict"].variant, seed=0)
    assert "What you have just shown: evidence is counted" in result._repr_html_()
    assert repr(result) == "✓ 1.2 rolls_to_convict: right"
    assert re.fullmatch(r"lesson 1: [1-5] of 5 done", result.progress)
