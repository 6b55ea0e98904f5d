"""The parts of marking by themselves: reading, the folder, what crosses the border."""

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from marking_bank import exercises

from vaelib import _marking_find, _marking_folder, _marking_notebook, _marking_wire
from vaelib.check.machinery.probe import Outcome

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["kl_bernoulli", "elbo", "traverse", "gaussian_log_likelihood"]


def read(tmp_path, content: bytes):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    return _marking_notebook.read_notebook(path, "a.ipynb")


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
    notebook = read(tmp_path, content)
    assert notebook.cells == [] and len(notebook.remarks) == 1
    assert says in notebook.remarks[0]


def test_a_file_that_is_too_large_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(_marking_notebook, "LARGEST", 10)
    assert "larger than" in read(tmp_path, cells("x = 1")).remarks[0]
    gone = _marking_notebook.read_notebook(tmp_path / "none.ipynb", "none")
    assert "cannot be read" in gone.remarks[0]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("x = 1", "x = 1"),
        (["x =", " 1\n", "y = 2"], "x = 1\ny = 2"),
        ("%%time\nx = 1", "x = 1"),
        ("%%capture out\n%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if a:\n    !pip install torch\nx = 1", "if a:\n    pass\nx = 1"),
        ("files = !ls\nx = 1", "files = None\nx = 1"),
        ("torch.log?\nx = 1", "pass\nx = 1"),
        ('text = """\n%no magic\n"""', 'text = """\n%no magic\n"""'),
        ("x = 1\r\ny = 2", "x = 1\ny = 2"),
        ("await f()", "await f()"),
    ],
)
def test_magics_are_dropped_and_the_rest_stays(tmp_path, source, kept):
    (cell,) = read(tmp_path, cells(source)).cells
    assert cell[1] == kept


def test_another_language_is_left_out_silently(tmp_path):
    assert read(tmp_path, cells("%%bash\nrm -r x", "x = 1")).cells[0][0] == 2


def test_names_that_a_cell_needs_and_binds():
    source = "def f(x: Gone, y=one):\n    import os\n    z = g(x)\n    return [h(i) for i in z]"
    (found,) = _marking_find.statements(1, source, _marking_notebook.tree_of(source), False)
    assert found.binds == {"f"} and found.reads == {"one", "g", "h"}


def test_the_folder_rule(tmp_path):
    def put(name: str, *functions: str, encoding: str = "utf-8") -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"def {function}(x):" for function in functions)
        (tmp_path / name).write_bytes(text.encode(encoding))

    put("ada.ipynb", "elbo")
    put("Ben.IPYNB", "elbo")
    put("cleo.ipynb.txt", "elbo")
    put("notes.pdf", "elbo")
    put(".hidden.ipynb", "elbo")
    put("__MACOSX/ada.ipynb", "elbo")
    put("dora/lesson 1.ipynb", "kl_bernoulli")
    put("dora/lesson 4.ipynb", "elbo", "gaussian_log_likelihood")
    put("dora/deep/lesson 6.ipynb", "gaussian_log_likelihood", "a", "b")
    put("dora/.ipynb_checkpoints/lesson 1-checkpoint.ipynb", "kl_bernoulli")
    put("group/emil/lesson.ipynb", "elbo", encoding="utf-16")
    put("group/fay/lesson.ipynb", "elbo")
    put("group/fay/other.ipynb", "traverse")
    put("group/gil.ipynb", "elbo")
    (tmp_path / "none").mkdir()
    if os.name == "posix":
        (tmp_path / "link.ipynb").symlink_to(tmp_path / "ada.ipynb")
        (tmp_path / "linked").symlink_to(tmp_path / "dora")
        os.mkfifo(tmp_path / "pipe.ipynb")
    names = ["kl_bernoulli", "elbo", "traverse", "a", "b"]
    found = _marking_folder.submissions(tmp_path, names)
    assert {one.name: [name for name, _ in one.files] for one in found} == {
        "ada.ipynb": ["ada.ipynb"],
        "Ben.IPYNB": ["Ben.IPYNB"],
        "cleo.ipynb.txt": ["cleo.ipynb.txt"],
        "dora": ["deep/lesson 6.ipynb", "lesson 1.ipynb", "lesson 4.ipynb"],
        "group/emil": ["lesson.ipynb"],
        "group/fay": ["lesson.ipynb", "other.ipynb"],
        "group/gil.ipynb": ["gil.ipynb"],
        "none": [],
    }
    with pytest.raises(NotADirectoryError):
        _marking_folder.submissions(tmp_path / "ada.ipynb", names)


OUTCOME = Outcome(
    "value",
    (np.array([1.0, np.nan, -np.inf]), np.array(2.0), np.zeros((0, 3))),
    several=True,
    type="tuple of 3",
    gradients=(None, np.ones((2, 1))),
    changed=(1,),
    printed=4,
)


def test_an_outcome_crosses_the_border_unchanged():
    back = _marking_wire.unpack_outcome(_marking_wire.pack_outcome(5, OUTCOME), 5)
    for mine, theirs in zip(back.value, OUTCOME.value, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.shape == theirs.shape and mine.dtype == np.float64
    assert back.gradients[0] is None and back.gradients[1].shape == (2, 1)
    assert (back.kind, back.several, back.type) == ("value", True, "tuple of 3")
    assert (back.changed, back.printed, back.error) == ((1,), 4, "")


def frame(head, blob: bytes = b"") -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return b"%d\n" % len(text) + text + blob


def said(**changes) -> dict:
    plain = {"kind": "value", "value": 1, "several": False, "type": "float", "error": ""}
    plain |= {"gradients": [], "changed": [], "used_global_random": False, "printed": 0}
    return {"number": 5, "shapes": [[]], "said": plain | changes}


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"x",
        b"9" * 5000 + b"\n",
        b"-1\n{}",
        pickle.dumps(OUTCOME),
        frame(b"[" * 100_000),
        frame([1, 2]),
        frame({"number": 5, "shapes": [], "said": 3}),
        frame(said() | {"number": 4}, b"\0" * 8),
        frame(said() | {"number": "5"}, b"\0" * 8),
        frame(said(), b"\0" * 7),
        frame(said(), b"\0" * 9),
        frame(said() | {"shapes": [[10**18, 10**18]]}, b"\0" * 8),
        frame(said() | {"shapes": [[-1, -1]]}, b"\0" * 8),
        frame(said() | {"shapes": [[1.0]]}, b"\0" * 8),
        frame(said() | {"shapes": [[1] * 40]}, b"\0" * 8),
        frame(said(value=2), b"\0" * 8),
        frame(said(value=True), b"\0" * 8),
        frame(said(kind="right"), b"\0" * 8),
        frame(said(passed=True), b"\0" * 8),
        frame(said(printed="4"), b"\0" * 8),
        frame(said(changed=["x"]), b"\0" * 8),
        frame(said(gradients=[True]), b"\0" * 8),
    ],
)
def test_a_forged_answer_is_refused(forged):
    assert _marking_wire.unpack_outcome(frame(said(), b"\0" * 8), 5).kind == "value"
    with pytest.raises(ValueError):
        _marking_wire.unpack_outcome(forged, 5)


def test_texts_from_outside_are_short_and_plain():
    assert _marking_wire.text("a\x1b[31m\x07b\n\u202ec") == "a�[31m�b\n�c"
    assert len(_marking_wire.text("x" * 10**6)) == 2000


def test_what_a_probe_holds_is_at_hand_where_no_reference_is():
    """Each probe is read by the process that runs submissions, which knows no exercise."""
    probes = io.BytesIO()
    for exercise in exercises().values():
        rng = np.random.default_rng(0)
        for probe in exercise.inputs(rng):
            pickle.dump(probe, probes)
        for each in exercise.properties:
            for probe in each.probes(rng):
                pickle.dump(probe, probes)
    program = (
        "import io, pickle, sys\nfrom vaelib import _marking_preload\n"
        "_marking_preload.install()\n"
        "stream = io.BytesIO(sys.stdin.buffer.read())\ncount = 0\n"
        "while stream.tell() < len(stream.getvalue()):\n    pickle.load(stream); count += 1\n"
        "assert not [m for m in sys.modules if 'lesson' in m or 'judge' in m]\nprint(count)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=probes.getvalue(), capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert int(done.stdout) > 100
