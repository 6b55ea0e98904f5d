"""Reads a notebook as it was handed in, whatever happened to it: bytes in, code cells out.

A notebook saved as a script (.py) or as a web page (.html) is read as well.
"""

import ast
import json
import re
import warnings
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

LARGEST = 64 << 20  # bytes of one notebook
# Magics after which the rest of the cell is still Python of the notebook.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "debug", "memit"}
# How editors separate the cells of a script: `# %%`, `# In[3]:`, `# COMMAND ----------`.
CELL = re.compile(r"^# ?(?:%%|In ?\[[\d ]*\]:?|COMMAND -+).*$", re.MULTILINE)
NOT_CODE = re.compile(r"^# ?%% *.*\[(markdown|md|raw)\].*$", re.MULTILINE)
# Magics of a whole cell that run something else than the notebook's Python.
LANGUAGE = re.compile(r"\s*%%(?!(?:" + "|".join(PYTHON_MAGICS) + r")\b)")


@dataclass
class Notebook:
    """The code cells of one file, and what was wrong with it.

    `cells` has those that are Python, each as (number, source, tree) with the magics translated;
    `raw` has every one as it was written.
    """

    name: str
    cells: list[tuple[int, str, ast.Module]] = field(default_factory=list)
    raw: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_notebook(path: Path, name: str) -> Notebook:
    """The notebook in a file. It never raises: what cannot be read becomes a remark."""
    notebook = Notebook(name)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        notebook.raw = cells_of(decode(path.read_bytes()), name)
    except (OSError, ValueError) as error:
        notebook.remarks.append(f"not marked: {reason(error)}")
        return notebook
    except (RecursionError, MemoryError):
        notebook.remarks.append("not marked: nested too deeply, or too large")
        return notebook
    for number, source in notebook.raw:
        try:
            parsed = parse(source)
            if parsed is not None:
                ast.unparse(parsed[1])  # one that is nested too deeply for what is done with it
        except Exception as error:  # whatever IPython's translation raises, or the parser
            why = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            notebook.remarks.append(f"code cell {number} is not Python ({why}) and was left out")
        else:
            if parsed is not None:
                notebook.cells.append((number, *parsed))
    if not notebook.cells and not notebook.remarks:
        notebook.remarks.append("no code in it")
    return notebook


def reason(error: OSError | ValueError) -> str:
    """Why a file could not be read, in a few words for the lecturer."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON (line {error.lineno}: {error.msg})"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror})"
    return str(error)


def decode(data: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without a byte-order mark.

    Raises ValueError at any other encoding, and at an empty file.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise ValueError("the file is empty")
    encoding = "utf-8-sig"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif data[:1] == b"\0" or data[1:2] == b"\0":
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("neither UTF-8 nor UTF-16 text") from None


def cells_of(text: str, name: str) -> list[tuple[int, str]]:
    """Number and source of each code cell in a file of this name. Raises ValueError."""
    lower = name.lower()
    if re.search(r"\.py(\.txt)?$", lower):
        return script_cells(text)
    if lower.endswith((".html", ".htm")):
        return page_cells(text)
    return code_cells(text)


def script_cells(text: str) -> list[tuple[int, str]]:
    """The cells of a script: one, or as many as its editor's separators make."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [found.start() for found in CELL.finditer(text)]
    ends = [*starts, len(text)]
    parts = [text[begin:end] for begin, end in zip([0, *starts], ends, strict=True)]
    code = [part for part in parts if not NOT_CODE.match(part) and part.strip()]
    if not code:
        raise ValueError("no code in it")
    return list(enumerate(code, 1))


class _Page(HTMLParser):
    """Collects the code of a notebook that was saved as a web page by nbconvert."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.depth = 0  # of `div` elements, inside the code of a cell

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        classes = (dict(attributes).get("class") or "").split()
        if self.depth:
            self.depth += tag == "div"
        elif tag == "div" and {"hl-ipython3", "hl-python", "hl-ipython"} & {*classes}:
            self.depth = 1
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if self.depth and tag == "div":
            self.depth -= 1

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.cells[-1] += data


def page_cells(text: str) -> list[tuple[int, str]]:
    """The code cells of a notebook that was saved as a web page. Raises ValueError."""
    page = _Page()
    page.feed(text)
    found = [cell.strip("\n") + "\n" for cell in page.cells if cell.strip()]
    if not found:
        raise ValueError("a web page without the code of a notebook")
    return list(enumerate(found, 1))


def code_cells(text: str) -> list[tuple[int, str]]:
    """Number and source of each code cell, for every version of the notebook format since 3.

    Raises ValueError if the text is not a notebook.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a notebook")
    cells = document.get("cells")
    if not isinstance(cells, list):
        sheets = document.get("worksheets")  # version 3
        if not isinstance(sheets, list):
            raise ValueError("not a notebook: it has no cells")
        cells = [c for s in sheets if isinstance(s, dict) for c in list_of(s.get("cells"))]
    code = (c for c in cells if isinstance(c, dict) and c.get("cell_type") == "code")
    sources = (text_of(c.get("source", c.get("input"))) for c in code)
    return [(number, source) for number, source in enumerate(sources, 1) if source.strip()]


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(source: Any) -> str:
    """The text of a cell, which is stored as one string or as a list of lines."""
    if isinstance(source, str):
        return source
    return "".join(line for line in list_of(source) if isinstance(line, str))


def parse(source: str) -> tuple[str, ast.Module] | None:
    """A cell as IPython translates it, as text and parsed.

    None for a cell in another language. Raises SyntaxError.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        return None if LANGUAGE.match(first) else parse(rest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes in the student's strings
        plain = TransformerManager().transform_cell(source)
        return plain, tree_of(plain)


def tree_of(source: str) -> ast.Module:
    """The parsed cell; `await` may stand at its top level. Raises SyntaxError."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(source, "cell", "exec", flags)
