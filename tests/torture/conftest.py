"""What `make torture` runs besides `make test`, and the table that it writes.

A module is a kind of trouble: its docstring names it. A test is a case; with
`record_property("worst", text)` it says the worst that it saw. The table is build/torture.md.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from running import chromium, jupyterlab, lab_context, lab_tab

__all__ = ["chromium", "jupyterlab", "lab_context", "lab_tab"]
ROOT = Path(__file__).resolve().parents[2]
collect_ignore_glob = [] if os.environ.get("VAELIB_TORTURE") else ["test_*.py"]

BROWSER = ROOT / "tests" / "browser"


def fixtures(path):
    """The fixtures of another folder, whose helpers can be imported from then on."""
    sys.path.append(str(path.parent))
    found = importlib.util.spec_from_file_location(f"fixtures_of_{path.parent.name}", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if os.environ.get("VAELIB_TORTURE"):
    _browser = fixtures(BROWSER / "conftest.py")
    chromium, page = _browser.chromium, _browser.page
    faces, face_vae = _browser.faces, _browser.face_vae
    face_explorer = fixtures(BROWSER / "explorer" / "conftest.py").face_explorer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    kind = item.module.__doc__.splitlines()[0].rstrip(".")
    report.user_properties.append(("kind", kind))
    return report


class Table:
    """One row for each module: cases tried, held, and the worst that remains."""

    def __init__(self):
        self.rows = {}
        self.kinds = {}

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and not report.failed:
            return  # a test that its fixture leaves out is not tried
        said = dict(report.user_properties)
        if "kind" not in said:  # a test of another folder, run along with these
            return
        row = self.rows.setdefault(said["kind"], {"tried": 0, "held": 0, "worst": []})
        cases = int(said.get("cases", not report.skipped))
        row["tried"] += cases
        row["held"] += int(said.get("held", cases if report.passed else 0))
        if "worst" in said or report.failed:
            row["worst"].append(said.get("worst", report.nodeid.split("::")[-1]))

    def pytest_sessionfinish(self):
        if not self.rows:
            return
        lines = ["| kind | cases tried | held | the worst that remains |", "|---|---|---|---|"]
        for kind, row in self.rows.items():
            worst = "; ".join(row["worst"]).replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {kind} | {row['tried']} | {row['held']} | {worst or 'nothing'} |")
        path = ROOT / "build" / "torture.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"\nwrote {path.relative_to(ROOT)}", *lines, sep="\n")


def pytest_configure(config):
    if os.environ.get("VAELIB_TORTURE") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table())
