"""Long runs: ten thousand moves, fifty explorers, an hour of JupyterLab with all lessons.

VAELIB_TORTURE_MINUTES says how long the last one is: 60 for the hour; as it stands, what fits.
"""

import os
import time

import nbformat
import pytest
from memory import Memory, move
from notebook_page import MINUTE, Notebook, connected
from pages import eventually, opened

pytestmark = pytest.mark.browser
MINUTES = float(os.environ.get("VAELIB_TORTURE_MINUTES", "8"))
MORE = 1.1  # what memory may grow to
PID = "import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))"
MODEL = """
from vaelib import checkpoint, data
from vaelib.widgets import LatentExplorer
faces = data.load("faces")
vae = checkpoint.load_vae(data.shipped("faces_vae.safetensors"))
explorer = LatentExplorer(vae, faces)
explorer"""
AGAIN = """
import gc
explorer.close()
gc.collect()
explorer = LatentExplorer(vae, faces)
explorer"""
# A widget that does nothing, with as many bytes as an explorer of the faces has.
BARE = """
import anywidget, traitlets
class Bare(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.innerHTML = '<b class=bare>here</b>'; } }"
    content = traitlets.Bytes().tag(sync=True)
bare = Bare(content=bytes(1_350_000))
bare"""
BARE_AGAIN = "bare.close()\nbare = Bare(content=bytes(1_350_000))\nbare"
DONE = "import os, pathlib\npathlib.Path('{name}.done').write_text(str(os.getpid()))"


def grown(what, start, end, record_property):
    """Record how much the page and the kernels grew; the larger of the two ratios."""
    pairs = list(zip(start, end, strict=True))
    page, kernels = (f"{before / 2**20:.0f} → {after / 2**20:.0f} MiB" for before, after in pairs)
    record_property("worst", f"{what}: page {page}, kernels {kernels}")
    return max(after / before for before, after in pairs)


def test_ten_thousand_moves(jupyterlab, lab_tab, record_property):
    cells = [nbformat.v4.new_code_cell(PID + MODEL)]
    notebook = Notebook(jupyterlab, lab_tab, "moves", nbformat.v4.new_notebook(cells=cells))
    notebook.run_all(120)
    memory = Memory(lab_tab, int((jupyterlab.root / "pid").read_text()))
    move(notebook, 3000)  # what is made once is made by now
    start = memory.both()
    move(notebook, 10_000)
    assert grown("10,000 moves", start, memory.both(), record_property) < MORE


def fifty(lab, page, name, first, again, seen):
    """Run the cell `again` 50 times, until `seen`: what page and kernel held before and after."""
    cells = [nbformat.v4.new_code_cell(source) for source in (PID + first, again)]
    notebook = Notebook(lab, page, name, nbformat.v4.new_notebook(cells=cells))
    notebook.run_all(120)
    memory = Memory(page, int((lab.root / "pid").read_text()))
    prompt = page.locator(".jp-Notebook .jp-InputPrompt").nth(1)

    def run():
        ran = [prompt.inner_text(), "[*]:"]
        page.locator(".jp-Cell .cm-content").nth(1).click()
        page.keyboard.press("Control+Enter")
        shown = page.locator(seen)
        eventually(page, lambda: prompt.inner_text() not in ran and shown.count(), "another one")

    for _ in range(10):  # what is made once is made by now
        run()
    start = memory.both()
    for _ in range(50):
        run()
    return start, memory.both()


def test_fifty_explorers_opened_and_closed(jupyterlab, lab_context, record_property):
    """JupyterLab keeps what any widget has sent; an explorer leaves no more than that."""
    with opened(lab_context) as page:
        bare = fifty(jupyterlab, page, "bare", BARE, BARE_AGAIN, "b.bare")
    with opened(lab_context) as page:
        start, end = fifty(jupyterlab, page, "fifty", MODEL, AGAIN, ".vaelib-explorer")
    grown("50 explorers", start, end, record_property)
    kept = bare[1][0] - bare[0][0]
    record_property("worst", f"50 widgets that only have as many bytes: {kept / 2**20:.0f} MiB")
    assert end[0] - start[0] < MORE * kept
    assert end[1] < MORE * start[1]


class Desk:
    """All lessons open in one JupyterLab, each in its tab."""

    def __init__(self, lab, page):
        self.lab = lab
        self.page = page
        self.names = []
        for path in sorted(lab.root.glob("0*.ipynb")):
            lesson = nbformat.read(path, as_version=4)
            lesson.cells.append(nbformat.v4.new_code_cell(DONE.format(name=path.stem)))
            nbformat.write(lesson, path)
            self.names.append(path.stem)
        page.goto(lab.url(f"{self.names[0]}.ipynb", workspace="hour"))
        for name in self.names[1:]:
            page.locator(f".jp-DirListing-item[title*='{name}']").dblclick(timeout=MINUTE)
            page.locator(f".lm-TabBar-tab:has-text('{name}')").wait_for(timeout=MINUTE)

    def run(self, name):
        """All cells of one lesson, in the kernel that it has; the number of its process."""
        done = self.lab.root / f"{name}.done"
        done.unlink(missing_ok=True)
        self.page.locator(f".lm-DockPanel-tabBar .lm-TabBar-tab:has-text('{name}')").click()
        eventually(self.page, lambda: connected(self.lab, name), "the kernel of", name)
        self.page.wait_for_timeout(1000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        deadline = time.monotonic() + 300
        while not done.exists() and time.monotonic() < deadline:
            self.page.wait_for_timeout(200)
        return int(done.read_text())

    def round(self):
        return [self.run(name) for name in self.names]


def test_lesson_7_runs_and_its_explorer_moves(jupyterlab, lab_tab):
    lesson = nbformat.read(jupyterlab.root / "07_latent_traversals.ipynb", as_version=4)
    notebook = Notebook(jupyterlab, lab_tab, "lesson_7", lesson)
    notebook.run_all(300)  # a cell that fails would stop the run
    notebook.scroll_to(".vaelib-explorer input[type=range]").focus()
    lab_tab.keyboard.press("Home")  # it starts from a face, so who knows where
    for _ in range(20):
        lab_tab.keyboard.press("ArrowRight")
    notebook.z(lambda found: -2 in found)


def test_an_hour_with_all_lessons(jupyterlab, lab_tab, record_property):
    """What a student adds by going through all lessons again and again in one sitting."""
    began = time.monotonic()
    desk = Desk(jupyterlab, lab_tab)
    desk.round()
    memory = Memory(lab_tab, *desk.round())
    start = memory.both()
    rounds = 2
    while rounds < 3 or time.monotonic() < began + 60 * MINUTES:
        desk.round()
        rounds += 1
    what = f"all lessons {rounds} times, {(time.monotonic() - began) / 60:.0f} minutes"
    assert grown(what, start, memory.both(), record_property) < MORE
