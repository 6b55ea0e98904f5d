"""Reading a notebook as it was handed in: whatever is wrong with it is a remark."""

import json

import pytest

from course.marking import notebook


def read(tmp_path, content: bytes):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    return notebook.read_notebook(path, "a.ipynb")


def cells(*sources) -> bytes:
    code = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": code}).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "not valid JSON"),
        (b" \n\0", "the file is empty"),
        (b'{"cells": [', "not valid JSON (line 1"),
        (b"[]", "not a notebook"),
        (b"{}", "it has no cells"),
        (b'{"worksheets": 3}', "it has no cells"),
        (b"\x80\x81", "neither UTF-8 nor UTF-16"),
        (b"\xff\xfe\x00", "neither UTF-8 nor UTF-16"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"cells": []}', "no code in it"),
        (b'{"cells": [null, 3, {"cell_type": "code"}, {"source": 4}]}', "no code in it"),
        (cells("x = (" * 5000), "is not Python"),
        (cells("a\0b"), "is not Python"),
    ],
)
def test_what_cannot_be_read_is_one_remark(tmp_path, content, says):
    found = read(tmp_path, content)
    assert found.cells == []
    (remark,) = found.remarks
    assert says in remark


def test_a_file_that_is_too_large_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "LARGEST", 10)
    assert "larger than" in read(tmp_path, cells("x = 1")).remarks[0]
    gone = notebook.read_notebook(tmp_path / "none.ipynb", "none")
    assert "cannot be read" in gone.remarks[0]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("x = 1", ["x = 1"]),
        (["x =", " 1\n", "y = 2"], ["x = 1", "y = 2"]),
        ("%%time\nx = 1", ["x = 1"]),
        ("%%capture out\n%matplotlib inline\nx = 1", ["x = 1"]),
        ("if a:\n    !pip install torch\nx = 1", ["if a:", "x = 1"]),
        ("!pip install torch \\\n  numpy\nx = 1", ["x = 1"]),
        ("%matplotlib inline\nx = 1  # but why?", ["x = 1  # but why?"]),
        ("files = !ls\nx = 1", ["files = ", "x = 1"]),
        ("torch.log?\nx = 1", ["x = 1"]),
        ('text = """\n%no magic\n"""', ['text = """', "%no magic", '"""']),
        ("x = 1\r\ny = 2", ["x = 1", "y = 2"]),
        (">>> x = 1\n>>> y = 2", ["x = 1", "y = 2"]),
        ("    x = 1\n    y = 2", ["x = 1", "y = 2"]),
        ("await f()", ["await f()"]),
    ],
)
def test_magics_are_translated_as_by_ipython_and_the_rest_stays(tmp_path, source, kept):
    (cell,) = read(tmp_path, cells(source)).cells
    lines = [line.partition("get_ipython()")[0] for line in cell[1].split("\n")]
    assert [line for line in lines if line.strip()] == kept


def test_another_language_is_left_out_silently(tmp_path):
    assert read(tmp_path, cells("%%bash\nrm -r x", "x = 1")).cells[0][0] == 2
