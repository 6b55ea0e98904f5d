"""requirements.lock: a hash for each file, a licence for each package, and nothing to compile."""

import importlib.metadata
import re
import sys

import pytest
from inputs import HOME
from packaging.requirements import Requirement

sys.path.append(str(HOME / "tools"))
import hashed  # noqa: E402
import licences  # noqa: E402

LOCK = (HOME / "requirements.lock").read_text(encoding="utf-8")
SECTIONS = ("torch", "lab", "cuda", "test", "nbgrader")
LINES = {section: hashed.requirements(LOCK, [section]) for section in SECTIONS}


def name(line: str) -> str:
    return line.split("==")[0]


def test_as_constraints_it_has_no_hash():
    """pip admits neither `-e .` nor a bare name beside a constraint that has one."""
    for line in LOCK.splitlines():
        if line and not line.lstrip().startswith("#"):
            assert "==" in str(Requirement(line).specifier)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_release_has_its_hashes(section):
    assert LINES[section]
    for line in LINES[section]:
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", line)


def test_each_release_is_in_one_section():
    names = [name(line) for lines in LINES.values() for line in lines]
    assert sorted(names) == sorted(re.findall(r"^[a-z0-9][a-z0-9.-]*(?===)", LOCK, re.MULTILINE))
    assert len(names) == len(set(names))
    assert [name(line) for line in LINES["torch"]] == ["torch"]


def closure(*extras: str) -> set[str]:
    """What is installed here of what vaelib needs, with what that needs, and so on."""
    found: set[str] = set()
    wanted = [("vaelib", extra) for extra in ("", *extras)]
    while wanted:
        package, extra = wanted.pop()
        for line in importlib.metadata.requires(package) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                normal = re.sub(r"[-_.]+", "-", need.name).lower()
                if normal not in found:
                    found.add(normal)
                    wanted += [(normal, more) for more in ("", *need.extras)]
    return found


def test_the_sections_are_complete():
    """They are installed without looking at what a package needs."""
    lab = {name(line) for line in LINES["lab"] + LINES["torch"] + LINES["cuda"]}
    assert closure("lab") <= lab
    assert closure("lab", "test") <= lab | {name(line) for line in LINES["test"]}


def test_the_licence_of_every_release_is_listed():
    page = (HOME / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    listed = {row[0].strip("| "): row for row in rows if len(row) == 4}
    for package, (version, _, section) in licences.releases(LOCK).items():
        _, in_page, licence, place = listed.pop(package)
        assert (in_page, place.strip("| ")) == (version, section), "make licences"
        assert licence != "not stated" or section == "cuda"
    assert listed.keys() <= {"package"}
    assert licences.vendored() in page


def test_what_is_vendored_has_its_licence_beside_it():
    folders = [path for path in licences.VENDORED.parent.iterdir() if path.is_dir()]
    assert {f"`{path.name}`" for path in folders} == set(
        re.findall(r"^\| (`\w+`)", licences.vendored(), re.MULTILINE)
    )
    for path in folders:
        assert "Permission is hereby granted" in (path / "LICENSE").read_text(encoding="utf-8")
