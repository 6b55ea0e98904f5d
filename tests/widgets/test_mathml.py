"""Formulas as MathML: what each command becomes, what is refused, and the text without marks."""

import xml.etree.ElementTree as ET

import pytest

from vaelib.widgets.mathml import mathml, plain, rich


def shape(tex):
    """The formula as nested tuples: (element, children or text)."""

    def walk(node):
        return (node.tag, tuple(walk(child) for child in node) or node.text)

    (row,) = ET.fromstring(mathml(tex))
    return tuple(walk(child) for child in row)


X, TWO, INDEX = ("mi", "x"), ("mn", "2"), ("mi", "i")


@pytest.mark.parametrize(
    ("tex", "wanted"),
    [
        ("x", (X,)),
        ("0.294", (("mn", "0.294"),)),
        ("1{,}000", (("mn", "1"), ("mrow", (("mo", ","),)), ("mn", "000"))),
        ("x^2", (("msup", (X, TWO)),)),
        ("x_i^2", (("msubsup", (X, INDEX, TWO)),)),
        ("x^2_i", (("msubsup", (X, INDEX, TWO)),)),
        ("x^23", (("msup", (X, TWO)), ("mn", "3"))),
        ("x'", (("msup", (X, ("mo", "′"))),)),
        (r"\tfrac12", (("mfrac", (("mn", "1"), TWO)),)),
        (r"\frac{x}{2}", (("mfrac", (("mrow", (X,)), ("mrow", (TWO,)))),)),
        (r"\sum_i x", (("munder", (("mo", "∑"), INDEX)), X)),
        (r"\hat x", (("mover", (X, ("mo", "^"))),)),
        (r"\mathbb{E}_x", (("msub", (("mi", "𝔼"), X)),)),
        (r"\mathcal{N}", (("mi", "𝒩"),)),
        (r"\mathrm{KL}(x)", (("mi", "KL"), ("mo", "("), X, ("mo", ")"))),
        (r"\text{a b}", (("mtext", "a\u00a0b"),)),
        (r"\varepsilon\epsilon\phi\varphi\Sigma", tuple(("mi", c) for c in "εϵϕφΣ")),
        (r"-x \ge 2 \| x", (("mo", "−"), X, ("mo", "≥"), TWO, ("mo", "‖"), X)),
        (r"\left( x \right)", (("mo", "("), X, ("mo", ")"))),
    ],
)
def test_a_formula_becomes_elements(tex, wanted):
    assert shape(tex) == wanted


def test_a_symbols_colour_is_a_class():
    assert '<mrow class="vaelib-enc"><mrow><mi>q</mi></mrow></mrow>' in mathml(r"\enc{q}")


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\underbrace{x}", r"has \\underbrace, which a widget cannot set"),
        ("x^", "ends too early"),
        ("{x", "an open brace"),
        ("x}", "a closing brace too many"),
        (r"\frac1", "ends too early"),
    ],
)
def test_what_cannot_be_set_is_refused(tex, said):
    with pytest.raises(ValueError, match=said):
        mathml(tex)


def test_text_is_escaped_and_marked():
    html = rich("a < b & **bold**, *slanted*, `x[0]`, 5\\$ and $a<b$")
    assert html.startswith(
        "a &lt; b &amp; <strong>bold</strong>, <em>slanted</em>, <code>x[0]</code>"
    )
    assert "5$ and <math>" in html and "<mo>&lt;</mo>" in html
    assert ET.fromstring(f"<p>{html}</p>") is not None


def test_plain_text_has_no_marks():
    text = r"**Is** $\enc{q}(z \mid x) = \tfrac12 \log \frac{a+1}{n}$?"
    assert plain(text) == "Is q(z∣x)=1/2log a+1/n?"
