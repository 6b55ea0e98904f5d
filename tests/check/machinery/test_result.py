"""What a notebook shows of a check's result."""

from vaelib import check


def test_a_result_is_text_and_html_without_colour():
    result = check.CheckResult(False, True, "✗ 1.1 x: a < b\n  why & how", "mistake")
    assert repr(result) == result.message
    html = "<div><strong>✗ 1.1 x: a &lt; b</strong><br>  why &amp; how</div>"
    assert result._repr_html_() == html
