"""Reads a notebook as it was handed in, whatever happened to it: bytes in, code cells out."""

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 64 << 20  # bytes of one notebook
# Magics after which the rest of the cell is still Python.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3", "py", "debug", "memit"}
MAGIC = re.compile(r"^(?P<indentation>\s*)(?P<name>[\w.,\[\] ]+=\s*)?([%!?]|.*\S\?{1,2}\s*$)")


@dataclass
class Notebook:
    """The Python cells of one file, each as (number, source, tree), and what was wrong with it."""

    name: str
    cells: list[tuple[int, str, ast.Module]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_notebook(path: Path, name: str) -> Notebook:
    """The notebook in a file. It never raises: what cannot be read becomes a remark."""
    notebook = Notebook(name)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        cells = code_cells(decode(path.read_bytes()))
    except (OSError, ValueError) as error:
        notebook.remarks.append(f"not marked: {reason(error)}")
        return notebook
    except (RecursionError, MemoryError):
        notebook.remarks.append("not marked: nested too deeply, or too large")
        return notebook
    for number, source in cells:
        try:
            parsed = parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
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
    """A cell's Python without IPython's magics, as text and parsed.

    None for a cell in another language. Raises SyntaxError.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        words = first[2:].split()
        return parse(rest) if words and words[0] in PYTHON_MAGICS else None
    try:
        return source, tree_of(source)
    except SyntaxError:
        plain = "\n".join(map(without_magic, source.split("\n")))
        return plain, tree_of(plain)


def tree_of(source: str) -> ast.Module:
    """The parsed cell; `await` may stand at its top level. Raises SyntaxError."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(source, "cell", "exec", flags)


def without_magic(line: str) -> str:
    """A line with `pass` in place of `%matplotlib inline`, `!pip install` or `torch.log?`.

    `files = !ls` becomes `files = None`.
    """
    found = MAGIC.match(line)
    if not found:
        return line
    replacement = f"{found['name']}None" if found["name"] else "pass"
    return found["indentation"] + replacement
