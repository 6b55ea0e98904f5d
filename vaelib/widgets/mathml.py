r"""Formulas for the page of a widget: TeX between dollars as MathML, which browsers draw.

JupyterLab typesets formulas in Markdown, not in a widget. Here is the part of TeX that a question
or an answer needs: letters, sub- and superscripts, fractions, roots, sums, accents, words, and the
colours of the symbols, `\enc{…}` and its like.
"""

import html
import re
import unicodedata

from vaelib.plots import SYMBOLS

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]|\d+(?:[.,]\d+)*|\S")
ATOMS = {  # what stands for itself, by its element
    "mo": {
        "cdot": "⋅", "times": "×", "approx": "≈", "sim": "∼", "le": "≤", "leq": "≤", "ge": "≥",
        "geq": "≥", "ll": "≪", "gg": "≫", "ne": "≠", "neq": "≠", "pm": "±", "in": "∈", "to": "→",
        "propto": "∝", "mid": "∣", "|": "‖", "Vert": "‖", "vert": "|", "int": "∫", "sum": "∑",
        "prod": "∏", "odot": "⊙", "nabla": "∇", "partial": "∂", "infty": "∞", "ldots": "…",
        "dots": "…", "{": "{", "}": "}", "-": "−", "%": "%", "langle": "⟨", "rangle": "⟩",
        "rightarrow": "→", "Rightarrow": "⇒", "leftarrow": "←", "circ": "∘", "lVert": "‖",
        "rVert": "‖",
    },
    "mi": {name: name for name in ("log", "ln", "exp", "max", "min", "arg", "det", "tr")},
}  # fmt: skip
SPACES = {",": 0.17, ":": 0.22, ";": 0.28, " ": 0.33, "quad": 1.0, "qquad": 2.0, "!": -0.17}
ACCENTS = {"hat": "^", "tilde": "~", "bar": "¯", "overline": "¯", "dot": "˙", "vec": "→"}
ALPHABETS = {"mathbb": "DOUBLE-STRUCK", "mathcal": "SCRIPT", "mathbf": "BOLD"}
WORDS = ("mathrm", "text", "operatorname", "textit", "textbf")
BIG = ("sum", "prod")
SIZES = ("left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "mathopen", "mathclose")


def rich(text: str) -> str:
    """Text with formulas between dollars, `**bold**` and `*slanted*`, as HTML.

    Raises ValueError at TeX that is not among the few commands known here.
    """
    parts = re.split(r"(?<!\\)\$(.+?)(?<!\\)\$", text, flags=re.DOTALL)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = mathml(part)
            continue
        part = html.escape(part.replace(r"\$", "$"), quote=False)
        part = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
        part = re.sub(r"\*(.+?)\*", r"<em>\1</em>", part)
        parts[i] = re.sub(r"`(.+?)`", r"<code>\1</code>", part)
    return "".join(parts)


def mathml(tex: str) -> str:
    """One formula as a `<math>` element; ValueError at what is not known here.

    >>> mathml("x^2")
    '<math><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    """
    formula = _Formula(tex)
    body = formula.row()
    if formula.rest:
        raise ValueError(f"a closing brace too many in the formula ${tex}$")
    return f"<math>{body}</math>"


class _Formula:
    """A formula while it is read: `rest` holds the tokens to come, the next one last."""

    def __init__(self, tex: str) -> None:
        self.tex = tex
        # Words are kept whole, with their spaces.
        words = rf"\\(?:{'|'.join(WORDS)})\{{[^{{}}]*\}}"
        pieces = re.split(f"({words})", tex)
        tokens = [[p] if i % 2 else TOKEN.findall(p) for i, p in enumerate(pieces)]
        self.rest = [token for some in tokens for token in some][::-1]

    def row(self) -> str:
        """Everything up to the closing brace or the end."""
        parts = []
        while self.rest and self.rest[-1] != "}":
            parts.append(self.scripted())
        return f"<mrow>{''.join(parts)}</mrow>"

    def scripted(self) -> str:
        """One atom with its sub- and superscript."""
        big = self.rest[-1].lstrip("\\") in BIG
        base = self.atom()
        found: dict[str, str] = {}
        while self.rest and self.rest[-1] in ("_", "^", "'"):
            mark = self.rest.pop()
            found["^" if mark == "'" else mark] = "<mo>′</mo>" if mark == "'" else self.argument()
        names = {"_": ("msub", "munder"), "^": ("msup", "mover"), "_^": ("msubsup", "munderover")}
        if not found:
            return base
        name = names["".join(sorted(found, reverse=True))][big]
        return f"<{name}>{base}{found.get('_', '')}{found.get('^', '')}</{name}>"

    def argument(self) -> str:
        """What a command or a script takes: a group, a command, or one letter or digit."""
        if self.rest and self.rest[-1].isdigit():
            digits = self.rest.pop()
            self.rest += [digits[1:]] if digits[1:] else []
            return f"<mn>{digits[0]}</mn>"
        return self.atom()

    def atom(self) -> str:
        """One letter, number, sign, group or command with its arguments."""
        if not self.rest:
            raise ValueError(f"the formula ${self.tex}$ ends too early")
        token = self.rest.pop()
        if token == "{":
            body = self.row()
            if not self.rest:
                raise ValueError(f"an open brace in the formula ${self.tex}$")
            self.rest.pop()
            return body
        if token.startswith("\\") and len(token) > 1:
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token == "-":
            token = "−"
        fence = ' stretchy="false"' if token in "()[]|" else ""
        return f"<mo{fence}>{html.escape(token)}</mo>"

    def command(self, name: str) -> str:
        """A command; its arguments are read from what follows."""
        word = re.fullmatch(r"(\w+)\{(.*)\}", name)
        if word:
            tag = "mtext" if word[1].startswith("text") else "mi"
            return f"<{tag}>{html.escape(word[2])}</{tag}>".replace(" ", "\u00a0")
        for tag, known in ATOMS.items():
            if name in known:
                # A function's name keeps away from what it is applied to, but not from a bracket.
                apart = tag == "mi" and not (self.rest and self.rest[-1] in ("(", "[", "\\left"))
                space = '<mspace width="0.17em"></mspace>' if apart else ""
                return f"<{tag}>{html.escape(known[name])}</{tag}>{space}"
        if name in SYMBOLS:
            return f'<mrow class="vaelib-{name}">{self.atom()}</mrow>'
        if name in SIZES:
            return self.atom()
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}em"></mspace>'
        if name in ("frac", "tfrac", "dfrac"):
            return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self.atom()}</msqrt>"
        if name in ACCENTS:
            return f'<mover accent="true">{self.atom()}<mo>{ACCENTS[name]}</mo></mover>'
        if name in ALPHABETS:
            letter = re.sub(r"<.+?>", "", self.atom())
            return f"<mi>{_variant(letter, ALPHABETS[name])}</mi>"
        return f"<mi>{self.greek(name)}</mi>"

    def greek(self, name: str) -> str:
        shapes = {"epsilon": "ϵ", "varepsilon": "ε", "phi": "ϕ", "varphi": "φ"}
        size = "CAPITAL" if name[0].isupper() else "SMALL"
        try:
            return shapes.get(name) or unicodedata.lookup(f"GREEK {size} LETTER {name}")
        except KeyError:
            raise ValueError(
                f"the formula ${self.tex}$ has \\{name}, which a widget cannot set; "
                "it knows the commands of vaelib/widgets/mathml.py"
            ) from None


def _variant(letters: str, alphabet: str) -> str:
    """The letters from one of Unicode's mathematical alphabets."""
    found = []
    for letter in letters:
        for block in (f"MATHEMATICAL {alphabet}", alphabet):
            try:
                found.append(unicodedata.lookup(f"{block} CAPITAL {letter.upper()}"))
                break
            except KeyError:
                continue
        else:
            found.append(letter)
    return "".join(found)


def plain(text: str) -> str:
    """The text with its formulas as letters and signs, for where nothing can be typeset."""
    part = r"(\d|[a-zA-Z]|\{[^{}]*\})"
    text = re.sub(rf"\\[td]?frac{part}{part}", r"{\1}/{\2}", text)
    spaced = re.sub(r"<mspace[^>]+>", " ", rich(text))
    return html.unescape(re.sub(r"<[^>]+>", "", spaced))
