"""The build on small sources: two sets from one source, and every broken source stops it."""

import nbformat
import pytest
from small_lesson import KNOWN, LESSON, START, main, make, stored, write

from notebooks import build


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The bytes of lesson 0, built once."""
    folder = make(tmp_path_factory.mktemp("once") / "notebooks")
    (folder / "source" / "01_lesson.py").unlink()
    assert build.main(["00"], folder, {}) == 0
    return (folder / "00_start.ipynb").read_bytes()


@pytest.fixture
def built(here, once):
    """A notebooks/ folder in which lesson 0 is built."""
    (here / "source" / "01_lesson.py").unlink()
    (here / "00_start.ipynb").write_bytes(once)
    return here


def texts(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.data["text/plain"] for output in outputs)


def test_one_source_gives_two_sets_that_run(here):
    assert main([], here) == 0
    assert main(["01", "--solutions"], here) == 0
    student = stored(here)
    solved = nbformat.read(here.parent / "build" / "solutions" / "01_lesson.ipynb", as_version=4)
    assert "    raise NotImplementedError" in student.cells[4].source
    assert "SOLUTION" not in nbformat.writes(student) and "twice" not in nbformat.writes(student)
    assert "return twice" in solved.cells[4].source
    assert texts(student) == "1.1 double: not attempted yet"
    assert texts(solved) == "✓ 1.1 double: right"
    assert [c.id for c in student.cells] == [c.id for c in solved.cells]
    assert main(["--check"], here) == 0


def test_building_twice_gives_the_same_bytes(here, once):
    (here / "source" / "01_lesson.py").unlink()
    main(["00"], here)
    assert (here / "00_start.ipynb").read_bytes() == once
    assert set(stored(here, "00_start").metadata) == {"kernelspec", "language_info"}
    assert "version" not in stored(here, "00_start").metadata.language_info


def test_ids_do_not_depend_on_other_cells(here):
    before = build.read(here / "source" / "00_start.py").cells
    after = build.read(write(here, "# %%\n0\n\n" + START, "00_start")).cells
    assert [c.id for c in after[1:]] == [c.id for c in before]
    same = build.read(write(here, "# %%\n0\n\n# %%\n0\n", "00_start")).cells
    assert same[1].id == f"{same[0].id}-2"


def test_the_map_names_slides_sections_exercises_and_what_is_to_come(here):
    table = build.load_sources(here / "source", known=KNOWN)["00_start"].cells[1].source
    assert "| 1 | [A lesson](01_lesson.ipynb) |" in table
    assert "| 6 | The VAE (to come) |" in table
    assert (
        "| Jensen's inequality | [1 · A section of the lesson]"
        "(01_lesson.ipynb#A-section-of-the-lesson) | 7 L "
        "| [1.1](01_lesson.ipynb#Exercise-1.1-double) ★ 5 min |" in table
    )
    assert "| 1 | [1.1 `double`](01_lesson.ipynb#Exercise-1.1-double) ★ 5 min |" in table
    assert "| KL annealing | 6 · The VAE (to come) | | |" in table


def test_sections_begin_slides(here):
    types = [c.metadata["slideshow"]["slide_type"] for c in build.read(write(here, LESSON)).cells]
    assert types == ["slide", "slide", "-", "subslide", "-", "subslide"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("    ### END SOLUTION\n", "", 18, "has no ### END SOLUTION"),
        ("    ### BEGIN SOLUTION\n", "", 20, "without a ### BEGIN SOLUTION"),
        ("    ### BEGIN SOLUTION\n", "    ### BEGIN SOLUTION\n" * 2, 18, "has no ### END"),
        ("### BEGIN SOLUTION", "# BEGIN SOLUTION", 18, "is not a marker"),
        ("### END SOLUTION", "### end solution", 21, "is not a marker"),
        ("### END SOLUTION", "### END SOLUTON", 21, "is not a marker"),
        ("    ### END SOLUTION", "  ### END SOLUTION", 21, "is not indented like"),
        ("    ### BEGIN SOLUTION", "### BEGIN SOLUTION", 18, "inside a function"),
        ("    twice = 2 * x", "    twice = = x", 19, "the source is not Python"),
        (
            "    return twice\n    ### END SOLUTION\n",
            "    return twice\n    ### END SOLUTION\n    return (\n    ### BEGIN SOLUTION\n"
            "    2\n    ### END SOLUTION\n    )\n",
            23,
            "the student set is not Python",
        ),
    ],
)
def test_a_broken_source_stops_the_build_with_file_and_line(here, capsys, old, new, line, message):
    path = write(here, LESSON.replace(old, new, 1))
    assert main([], here) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{path}:{line}: ") and message in error
    assert not list(here.glob("*.ipynb"))


def test_a_map_that_lacks_a_slide_or_an_exercise_stops_the_build(here, capsys):
    write(here, LESSON.replace('slide="Jensen\'s inequality"', 'slide="Jensen"'))
    assert main([], here) == 1
    assert "01_lesson has a section of a slide that the map lacks: 'Jensen'" in (
        capsys.readouterr().err
    )
    write(here, LESSON.replace('exercises=["1.1"]', 'exercises=["1.9"]'))
    assert main([], here) == 1
    assert "names no such exercise: 1.9" in capsys.readouterr().err


def test_a_cell_in_error_is_not_stored(here, capsys):
    write(here, "# %%\n1 / 0\n", "00_start")
    assert main(["00"], here) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not list(here.glob("*.ipynb")) and not list(here.glob("*.part"))


def test_stderr_is_not_stored(here, capsys):
    write(here, "# %%\nimport sys\n\nprint('oh', file=sys.stderr)\n", "00_start")
    assert main(["00"], here) == 1
    assert "writes to stderr: oh" in capsys.readouterr().err


def test_an_unknown_lesson_is_refused(here, capsys):
    assert main(["09"], here) == 1
    assert "no lesson 09" in capsys.readouterr().err


def edited(here, change):
    notebook = stored(here, "00_start")
    change(notebook)
    nbformat.write(notebook, here / "00_start.ipynb")


def picture(**metadata):
    return nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": ""}, **metadata)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda nb: nb.cells[2].update(source="1 + 2"), "stale, cell 2 differs"),
        (lambda nb: nb.cells[2].update(id="other"), "stale, cell 2 differs"),
        (lambda nb: nb.cells[2].metadata.update(tags=["x"]), "stale, cell 2 differs"),
        (lambda nb: nb.cells.pop(), "stale, its number of cells differs"),
        (lambda nb: nb.metadata.update(widgets={}), "widget state is stored"),
        (lambda nb: nb.metadata.language_info.update(version="3"), "stale, its metadata differs"),
        (lambda nb: nb.cells[2].update(execution_count=None), "not executed in order"),
        (lambda nb: nb.cells[2].update(execution_count=2), "not executed in order"),
        (lambda nb: nb.cells[2].outputs.append(picture()), "a picture without alt text"),
        (
            lambda nb: nb.cells[2].outputs.append(
                nbformat.v4.new_output("stream", name="stderr", text="oh")
            ),
            "writes to stderr",
        ),
        (
            lambda nb: nb.cells[2].outputs.append(
                nbformat.v4.new_output("error", ename="E", evalue="oh", traceback=[])
            ),
            "ends in E: oh",
        ),
        (
            lambda nb: nb.cells[2].outputs.append(
                nbformat.v4.new_output("display_data", {build.WIDGET_VIEW: {"model_id": "1"}})
            ),
            "stores a widget view",
        ),
    ],
)
def test_check_says_what_is_wrong_with_a_stored_notebook(built, capsys, change, message):
    here = built
    assert main(["00", "--check"], here) == 0
    edited(here, change)
    capsys.readouterr()
    assert main(["00", "--check"], here) == 1
    error = capsys.readouterr().err
    assert str(here / "00_start.ipynb") in error and message in error


def test_check_accepts_a_picture_with_alt_text(built):
    here = built
    alt = {"image/png": {"alt": "A dot."}}
    edited(here, lambda nb: nb.cells[2].outputs.append(picture(metadata=alt)))
    assert main(["00", "--check"], here) == 0


def test_check_finds_what_is_missing_and_what_has_no_source(here, capsys):
    assert main(["--check"], here) == 1
    assert "01_lesson.ipynb: missing" in capsys.readouterr().err
    nbformat.write(nbformat.v4.new_notebook(), here / "02_old.ipynb")
    assert main(["--check"], here) == 1
    assert "02_old.ipynb: has no source" in capsys.readouterr().err


def test_a_widget_view_is_stored_as_its_picture_and_text(here):
    code = (
        "from IPython.display import display\n"
        "view = {'model_id': 'x', 'version_major': 2, 'version_minor': 0}\n"
        f"bundle = {{'{build.WIDGET_VIEW}': view, 'text/plain': 'a widget', 'image/png': 'aaaa'}}\n"
        "display(bundle, raw=True, metadata={'image/png': {'alt': 'a widget'}})\n"
    )
    write(here, f"# %%\n{code}", "00_start")
    assert main(["00"], here) == 0
    assert set(stored(here, "00_start").cells[0].outputs[0].data) == {"text/plain", "image/png"}


def test_a_progress_bar_is_stored_as_it_ends(here):
    code = (
        "from IPython.display import display\n"
        "display({'text/plain': '  0%|          | 0/36 [00:00<?, ?step/s]'}, raw=True)\n"
    )
    write(here, f"# %%\n{code}", "00_start")
    assert main(["00"], here) == 0
    text = stored(here, "00_start").cells[0].outputs[0].data["text/plain"]
    assert text.startswith("100%|") and text.endswith("| 36/36")
