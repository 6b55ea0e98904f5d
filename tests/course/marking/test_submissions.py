"""Whose submissions a folder or a zip holds: nobody vanishes, is split, or becomes another."""

import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from course.marking import submissions, unzip
from course.marking.submissions import Collection, Collector

EXERCISES = {"kl_bernoulli": 1, "elbo": 4, "traverse": 7, "a": 4, "b": 4}
LESSONS = ["01_kl_divergence.ipynb", "04_the_elbo.ipynb", "07_latent_traversals.ipynb"]


def text(*functions: str, encoding: str = "utf-8") -> bytes:
    return "".join(f"def {function}(x): " for function in functions).encode(encoding)


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def zipped(files: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def collect(tmp_path: Path, folder: Path, out: Path | None = None) -> Collection:
    collector = Collector(EXERCISES, LESSONS, tmp_path / "unpacked")
    return collector.collect(folder, out or tmp_path / "out")


def people(tmp_path: Path, files: dict[str, bytes]) -> dict[str, list[str]]:
    """The notebooks of each submission, by its name."""
    folder = tmp_path / "all"
    folder.mkdir(exist_ok=True)
    put(folder, files)
    found = collect(tmp_path, folder)
    return {one.name: [name for name, _ in one.files] for one in found.submissions}


KL = text("kl_bernoulli")
ELBO = text("elbo", "a")
LAST = text("traverse")

# What lies in the folder, and the submissions that it holds.
FOLDERS = {
    "a file each": (
        {"ada.ipynb": KL, "Ben.IPYNB": KL, "cleo.ipynb.txt": KL, "x.py": KL, "y.html": KL},
        {
            "ada.ipynb": ["ada.ipynb"],
            "Ben.IPYNB": ["Ben.IPYNB"],
            "cleo.ipynb.txt": ["cleo.ipynb.txt"],
            "x.py": ["x.py"],
            "y.html": ["y.html"],
        },
    ),
    "a folder each": (
        {"dora/lesson 1.ipynb": KL, "dora/deep/lesson 6.ipynb": ELBO, "emil/a.ipynb": KL},
        {"dora": ["deep/lesson 6.ipynb", "lesson 1.ipynb"], "emil": ["a.ipynb"]},
    ),
    "copies and trials in a folder": (
        {
            "noah/01_kl_divergence.ipynb": KL,
            "noah/01_kl_divergence-Copy1.ipynb": KL + b" ",
            "noah/Untitled.ipynb": KL + b"  ",
            "noah/trial 2.ipynb": KL + b"   ",
            "noah/old/01 (1).ipynb": KL + b"    ",
        },
        {
            "noah": [
                "01_kl_divergence-Copy1.ipynb",
                "01_kl_divergence.ipynb",
                "Untitled.ipynb",
                "old/01 (1).ipynb",
                "trial 2.ipynb",
            ]
        },
    ),
    "a helper that is repeated in another lesson": (
        {"noah/01_kl.ipynb": KL, "noah/04_elbo.ipynb": text("kl_bernoulli", "elbo")},
        {"noah": ["01_kl.ipynb", "04_elbo.ipynb"]},
    ),
    "own names in front of the lessons": (
        {"noah/noah_01.ipynb": KL, "noah/noah_04.ipynb": ELBO},
        {"noah": ["noah_01.ipynb", "noah_04.ipynb"]},
    ),
    "a group that answers the same": (
        {"group 3/ada.ipynb": KL, "group 3/ben.ipynb": KL},
        {"group 3/ada.ipynb": ["ada.ipynb"], "group 3/ben.ipynb": ["ben.ipynb"]},
    ),
    "a group that answers different lessons": (
        {"team7/ada_lesson1.ipynb": KL, "team7/ben_lesson4.ipynb": ELBO},
        {
            "team7/ada_lesson1.ipynb": ["ada_lesson1.ipynb"],
            "team7/ben_lesson4.ipynb": ["ben_lesson4.ipynb"],
        },
    ),
    "a group of folders": (
        {
            "monday/emil/lesson.ipynb": KL,
            "monday/fay/lesson.ipynb": KL,
            "monday/fay/other.ipynb": LAST,
            "monday/gil.ipynb": KL,
        },
        {
            "monday/emil": ["lesson.ipynb"],
            "monday/fay": ["lesson.ipynb", "other.ipynb"],
            "monday/gil.ipynb": ["gil.ipynb"],
        },
    ),
    "groups of groups, and numbers for names": (
        {
            "class A/group 1/123456.ipynb": KL,
            "class A/group 1/123457.ipynb": KL,
            "class A/group 2/123458/01.ipynb": KL,
            "class A/group 2/123459/01.ipynb": KL,
        },
        {
            "class A/group 1/123456.ipynb": ["123456.ipynb"],
            "class A/group 1/123457.ipynb": ["123457.ipynb"],
            "class A/group 2/123458": ["01.ipynb"],
            "class A/group 2/123459": ["01.ipynb"],
        },
    ),
    "the lesson's own name, saved by a browser from several mails": (
        {"01_kl_divergence.ipynb": KL, "01_kl_divergence (1).ipynb": KL},
        {
            "01_kl_divergence (1).ipynb": ["01_kl_divergence (1).ipynb"],
            "01_kl_divergence.ipynb": ["01_kl_divergence.ipynb"],
        },
    ),
    "a file for each lesson, and others of the same name": (
        {
            "ada_k_01.ipynb": KL,
            "ada_k lesson 4.ipynb": ELBO,
            "ada_m_01.ipynb": KL + b" ",
            "student-001.ipynb": KL,
            "student-004.ipynb": ELBO,
            "x-000.ipynb": KL,
            "x-014.ipynb": ELBO,
            "smith_kl.ipynb": KL,
            "smith_1.ipynb": KL + b" ",
        },
        {
            "ada_k": ["ada_k lesson 4.ipynb", "ada_k_01.ipynb"],
            "ada_m_01.ipynb": ["ada_m_01.ipynb"],
            "student-001.ipynb": ["student-001.ipynb"],
            "student-004.ipynb": ["student-004.ipynb"],
            "x-000.ipynb": ["x-000.ipynb"],
            "x-014.ipynb": ["x-014.ipynb"],
            "smith_kl.ipynb": ["smith_kl.ipynb"],
            "smith_1.ipynb": ["smith_1.ipynb"],
        },
    ),
    "notebooks named after what they are about": (
        {"noah/jensen.ipynb": ELBO, "noah/gaussians.ipynb": KL, "noah/plots.ipynb": LAST},
        {"noah": ["gaussians.ipynb", "jensen.ipynb", "plots.ipynb"]},
    ),
    "Moodle's folders, two of one name": (
        {
            "Ada Lovelace_11_assignsubmission_file_/01.ipynb": KL,
            "Ada Lovelace_12_assignsubmission_file_/ada.ipynb": KL,
            "Ada Lovelace_12_assignsubmission_file_/ben.ipynb": KL + b" ",
            "Ada Lovelace_12_assignsubmission_onlinetext_/onlinetext.html": b"<p>Sorry</p>",
        },
        {
            "Ada Lovelace 11": ["01.ipynb"],
            "Ada Lovelace 12": ["ada.ipynb", "ben.ipynb"],
        },
    ),
    "Moodle's flat names": (
        {
            "Zoë Müller_21_assignsubmission_file_01.ipynb": KL,
            "Zoë Müller_21_assignsubmission_file_04.ipynb": ELBO,
            "Jo_22_assignsubmission_file_answers.pdf": b"%PDF",
        },
        {"Zoë Müller": ["01.ipynb", "04.ipynb"], "Jo": []},
    ),
    "Canvas's names": (
        {
            "lovelaceada_11_901_01_kl_divergence-1.ipynb": KL,
            "lovelaceada_11_902_04_the_elbo.ipynb": ELBO,
            "yao-li_LATE_12_903_x.ipynb": KL,
        },
        {
            "lovelaceada": ["01_kl_divergence-1.ipynb", "04_the_elbo.ipynb"],
            "yao-li": ["x.ipynb"],
        },
    ),
    "a zip each": (
        {
            "noah.zip": zipped({"noah/01.ipynb": KL, "__MACOSX/noah/._01.ipynb": b"x"}),
            "mia.zip": zipped({"01.ipynb": KL, "helper.py": b"x = 1"}),
            "both.zip": zipped({"pair/uma.ipynb": KL, "pair/vera.ipynb": KL}),
        },
        {
            "both.zip/uma.ipynb": ["uma.ipynb"],
            "both.zip/vera.ipynb": ["vera.ipynb"],
            "mia.zip": ["01.ipynb"],
            "noah.zip": ["01.ipynb"],
        },
    ),
    "a zip and its folder": (
        {"noah.zip": zipped({"01.ipynb": KL}), "noah/01.ipynb": KL, "noah/04.ipynb": ELBO},
        {"noah": ["noah/01.ipynb", "noah/04.ipynb"]},
    ),
    "what holds no notebook": (
        {"empty.zip": zipped({}), "broken.zip": b"PK\x03\x04", "essay/a.txt": b"", "void/": b""},
        {"broken.zip": [], "empty.zip": [], "essay": []},
    ),
}
FOLDERS["what holds no notebook"][0].pop("void/")


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_people_of_a_folder(tmp_path, kind):
    files, expected = FOLDERS[kind]
    assert people(tmp_path, files) == expected


def decided(tmp_path: Path, files: dict[str, bytes]) -> str:
    people(tmp_path, files)
    found = collect(tmp_path / "again", tmp_path / "all")
    return "\n".join([*found.lines, *(r for one in found.submissions for r in one.remarks)])


def test_what_was_decided_is_said(tmp_path):
    said = decided(
        tmp_path,
        {
            "x.ipynb": KL,
            "x (1).ipynb": KL + b" ",
            "notes.pdf": b"",
            ".secret.ipynb": KL,
            "group/ada.ipynb": KL,
            "group/ben.ipynb": KL,
            "same/01.ipynb": KL,
            "same/02.ipynb": KL,
            "eve/answers.docx": b"",
            "zip.zip": zipped({"inner.zip": zipped({"01.ipynb": KL})}),
            "bad.zip": zipped({"01.ipynb": KL})[:-20],
        },
    )
    for line in (
        "x (1).ipynb and x.ipynb are one person's",
        "notes.pdf: no notebook, and passed over",
        ".secret.ipynb: a hidden file, and passed over",
        "group holds the files of 2 people",
        "02.ipynb is the same as 01.ipynb",
        "not marked: no notebook in it, only answers.docx",
        "inner.zip: a zip inside a zip, and not opened",
        "not marked: bad.zip: the zip cannot be read",
    ):
        assert line in said, said


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and names that are no text")
def test_links_pipes_and_names_that_are_not_utf_8(tmp_path):
    folder = tmp_path / "all"
    put(folder, {"ada.ipynb": KL, "dora/01.ipynb": KL})
    (folder / "link.ipynb").symlink_to(folder / "ada.ipynb")
    (folder / "linked").symlink_to(folder / "dora")
    os.mkfifo(folder / "dora" / "pipe.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    (folder / os.fsdecode(b"Jos\xe9.ipynb")).write_bytes(KL)
    (folder / "e\u0301.ipynb").write_bytes(KL)
    (folder / "\x1b[2J\u202e.ipynb").write_bytes(KL)
    found = collect(tmp_path, folder)
    assert {one.name for one in found.submissions} == {
        *("ada.ipynb", "dora", "José.ipynb", "é.ipynb", "�[2J�.ipynb")
    }
    said = "\n".join([*found.lines, *(r for one in found.submissions for r in one.remarks)])
    assert said.count("a link, not followed") == 2
    assert "pipe.ipynb: neither a file nor a folder" in said
    assert "pipe.ipynb: no notebook" in said
    assert all(one.name.encode() for one in found.submissions)


def test_a_folder_that_cannot_be_read_stops_nobody(tmp_path, monkeypatch):
    folder = tmp_path / "all"
    put(folder, {"ada.ipynb": KL, "locked/01.ipynb": KL})
    real = Path.iterdir

    def refused(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    found = {one.name: one.remarks for one in collect(tmp_path, folder).submissions}
    assert found["ada.ipynb"] == ()
    assert found["locked"] == ("not marked: the folder cannot be read (Permission denied)",)


def test_a_file_too_large_to_be_a_notebook_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LARGEST", 100)
    (tmp_path / "a").write_bytes(bytes(101))
    (tmp_path / "b").write_bytes(bytes(100))
    assert submissions.content_of(tmp_path / "a") == "101 bytes"
    assert len(submissions.content_of(tmp_path / "b")) == 64


def test_a_students_folder_with_a_seed_in_it_is_marked(tmp_path):
    put(tmp_path / "all", {"ada/seed.txt": b"1", "ada/01.ipynb": KL})
    assert [one.name for one in collect(tmp_path, tmp_path / "all").submissions] == ["ada"]


def test_the_output_inside_the_folder_is_nobodys(tmp_path):
    folder = tmp_path / "all"
    put(folder, {"ada.ipynb": KL, "marks/seed.txt": b"1", "marks/reports/ada.html": KL})
    put(folder, {"marks/overrides.csv": b""})
    assert [one.name for one in collect(tmp_path, folder, folder / "marks").submissions] == [
        "ada.ipynb"
    ]
    found = collect(tmp_path / "b", folder, tmp_path / "other")
    assert [one.name for one in found.submissions] == ["ada.ipynb"]
    assert found.lines == ["marks: the output of an earlier marking, and passed over"]
    put(folder, {"class.html": b"", "marks.csv": b"", "seed.txt": b"1", "overrides.csv": b""})
    found = collect(tmp_path / "c", folder, folder)
    assert [one.name for one in found.submissions] == ["ada.ipynb"] and found.lines == []


def test_a_zip_of_the_whole_class(tmp_path):
    inner = {
        "Ada L_1_assignsubmission_file_/work.zip": zipped({"01.ipynb": KL}),
        "Ben M_2_assignsubmission_file_/01.ipynb": KL,
    }
    for name, files in {"flat": inner, "deep": {f"all/{n}": b for n, b in inner.items()}}.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(zipped(files))
        found = collect(tmp_path / name, path).submissions
        assert {one.name: [n for n, _ in one.files] for one in found} == {
            "Ada L": ["work/01.ipynb"],
            "Ben M": ["01.ipynb"],
        }


def test_no_folder(tmp_path):
    (tmp_path / "a.ipynb").write_bytes(KL)
    with pytest.raises(NotADirectoryError):
        collect(tmp_path, tmp_path / "a.ipynb")
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="cannot be read"):
        collect(tmp_path, tmp_path / "a.zip")


def test_the_other_files_of_a_folder_can_be_read_by_its_notebooks(tmp_path):
    folder = tmp_path / "all"
    put(
        folder, {"ada/01.ipynb": KL, "ada/mine.py": b"x = 1", "ada/kl.py": KL, "ada/big": b"0" * 99}
    )
    (one,) = collect(tmp_path, folder).submissions
    assert [name for name, _ in one.files] == ["01.ipynb"]
    assert {name for name, _ in one.helpers} == {"mine.py", "kl.py", "big"}


def test_a_file_written_into_a_folder_changes_its_key(tmp_path):
    folder = tmp_path / "all"
    put(folder, {"ada/01.ipynb": KL, "ada/mine.py": b"x = 1"})

    def key() -> str:
        (one,) = collect(tmp_path, folder).submissions
        return one.key("7")

    first = key()
    assert key() == first
    (folder / "ada" / "mine.py").write_bytes(b"x = 2")
    assert key() != first


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_of_a_zip_gets_out_of_its_folder(tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("../out.ipynb", "/abs.ipynb", "a/../../b.ipynb", "C:\\x\\c.ipynb", "..\\d.py"):
            archive.writestr(name, KL)
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(tmp_path / "secret"))
        archive.writestr("twice.ipynb", KL)
        archive.writestr("twice.ipynb", ELBO)
    (folder / "eve.zip").write_bytes(out.getvalue())
    before = {path for path in tmp_path.rglob("*")}
    (one,) = collect(tmp_path, folder).submissions
    new = {path for path in tmp_path.rglob("*")} - before
    assert all(path.is_relative_to(tmp_path / "unpacked") for path in new)
    names = {name for name, _ in (*one.files, *one.helpers)}
    assert names == {"out.ipynb", "abs.ipynb", "a/b.ipynb", "x/c.ipynb", "d.py", "twice.ipynb"}
    said = "\n".join(one.remarks)
    assert "left out link.ipynb: a link, not followed" in said
    assert "left out twice.ipynb: a second file of this name" in said


def packed(**sizes: int) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in sizes.items():
            archive.writestr(f"{name}.ipynb", b"0" * size)
    return out.getvalue()


def test_a_zip_that_unpacks_to_too_much_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(unzip, "LARGEST", 1000)
    monkeypatch.setattr(submissions, "Budget", lambda: unzip.Budget(1500, 20))
    folder = tmp_path / "all"
    put(folder, {"eve.zip": packed(bomb=10**6, a=900, b=900)})
    (one,) = collect(tmp_path, folder).submissions
    assert [name for name, _ in one.files] == ["a.ipynb"]
    said = "\n".join(one.remarks)
    assert (
        "left out bomb.ipynb: larger than" in said and "left out b.ipynb: too much in all" in said
    )
    monkeypatch.setattr(submissions, "Budget", lambda: unzip.Budget(1500, 2))
    (one,) = collect(tmp_path / "b", folder).submissions
    assert "more than 2 files in it" in one.remarks[0]


def test_many_zips_of_one_student_unpack_to_no_more_than_one(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "Budget", lambda: unzip.Budget(1500, 20))
    folder = tmp_path / "all"
    put(folder, {"eve/a.zip": packed(a=900), "eve/b.zip": packed(b=901)})
    put(folder, {"kim/c.zip": packed(c=902)})
    eve, kim = collect(tmp_path, folder).submissions
    assert [name for name, _ in eve.files] == ["a/a.ipynb"]
    assert "in b.zip, left out b.ipynb: too much in all" in eve.remarks
    assert [name for name, _ in kim.files] == ["c/c.ipynb"]


def test_the_zip_of_a_class_may_hold_more_than_one_students(tmp_path, monkeypatch):
    whole = unzip.Budget
    monkeypatch.setattr(
        submissions, "Budget", lambda *sizes: whole(*sizes) if sizes else whole(9, 9)
    )
    archive = tmp_path / "class.zip"
    archive.write_bytes(packed(ada=900, ben=901))
    assert len(collect(tmp_path, archive).submissions) == 2


def test_names_in_a_zip_in_the_encoding_of_an_old_pc(tmp_path):
    content = zipped({"M?ller.ipynb": KL})
    folder = tmp_path / "all"
    put(folder, {"a.zip": content.replace(b"M?ller", "Müller".encode("cp437"))})
    put(folder, {"b.zip": zipped({"Mueller.ipynb": KL}).replace(b"Mueller", "Müller".encode())})
    found = collect(tmp_path, folder).submissions
    assert [[name for name, _ in one.files] for one in found] == [["Müller.ipynb"]] * 2
