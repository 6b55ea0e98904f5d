"""A notebook open in a browser: run, looked at, saved."""

import json
import time
from contextlib import suppress

import nbformat
import pytest
from pages import eventually

MINUTE = 60_000
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
DOWN = """(element) => {
  const ended = element.scrollTop + element.clientHeight > element.scrollHeight - 5;
  element.scrollTop = ended ? 0 : element.scrollTop + 400;
}"""
# Put behind the cells of a notebook: tells the test that all have run, and each z that arrives.
WATCH = """\
import json, pathlib
from vaelib.widgets import LatentExplorer
def tell(change):
    pathlib.Path("{name}.part").write_text(json.dumps(change["new"]))
    pathlib.Path("{name}.part").replace("{name}.z")
for thing in list(globals().values()):
    if isinstance(thing, LatentExplorer):
        thing.observe(tell, "z")
pathlib.Path("{name}.done").write_text("all cells have run")"""
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def connected(lab, name):
    """Whether the notebook of that name has a kernel, and a page is connected to it."""
    sessions = json.loads(lab.get("/api/sessions"))
    kernels = [each["kernel"] for each in sessions if each["path"] == f"{name}.ipynb"]
    return any(kernel["connections"] for kernel in kernels)


class Notebook:
    """A notebook open in JupyterLab or Notebook: `notebook` under that name, or the file there."""

    def __init__(self, lab, page, name, notebook=None):
        self.lab = lab
        self.page = page
        self.name = name
        self.path = lab.root / f"{name}.ipynb"
        if notebook:
            notebook.metadata |= KERNEL
            notebook.cells.append(nbformat.v4.new_code_cell(WATCH.format(name=name)))
            nbformat.write(notebook, self.path)
        page.goto(lab.url(self.path.name, workspace=name))
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=MINUTE)
        # Asked to run before its kernel is there, JupyterLab would run nothing.
        eventually(page, self.has_kernel, "the kernel is connected")
        page.wait_for_selector(IDLE, timeout=MINUTE)

    def wake(self):
        """Where there is no kernel, JupyterLab takes Run to mean: start one. It may run no cell."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        eventually(self.page, self.has_kernel, "the kernel is connected")
        self.page.wait_for_selector(IDLE, timeout=MINUTE)

    def has_kernel(self):
        return connected(self.lab, self.name)

    def run_all(self, seconds):
        """Run → Run All Cells; fails where a cell fails or takes for ever."""
        done = self.lab.root / f"{self.name}.done"
        done.unlink(missing_ok=True)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        stopped = 0
        deadline = time.monotonic() + seconds
        while not done.exists():
            self.page.wait_for_timeout(100)
            # The kernel is busy until the last cell has run, or one before it fails.
            stopped = stopped + 1 if self.page.locator(IDLE).count() else 0
            if stopped > 100 or time.monotonic() > deadline:
                pytest.fail(f"the run stopped or took over {seconds} s: {self.errors()}")

    def errors(self):
        """The errors among the outputs, from the saved file: the page holds only cells in sight."""
        self.page.keyboard.press("Control+s")
        self.page.wait_for_timeout(3000)
        outputs = [out for cell in self.saved().cells for out in cell.get("outputs", [])]
        found = [f"{out.ename}: {out.evalue}" for out in outputs if out.output_type == "error"]
        return found or "no cell failed"

    def scroll_to(self, selector):
        """The first such element; JupyterLab makes cells only as they come near the window."""
        panel = self.page.locator(".jp-WindowedPanel-outer").first
        panel.evaluate("(element) => { element.scrollTop = 0; }")
        # Some versions keep cells that are far away, hidden.
        found = self.page.locator(selector).locator("visible=true").first
        for _ in range(600):
            if found.count():
                break
            panel.evaluate(DOWN)
            self.page.wait_for_timeout(100)
        found.scroll_into_view_if_needed()
        return found

    def z(self, right):
        """The z in Python, sorted, once it is right."""
        path = self.lab.root / f"{self.name}.z"
        eventually(self.page, path.exists, "a z arrives in Python")
        found = []

        def arrived():
            found[:] = sorted(json.loads(path.read_text()))
            return right(found)

        eventually(self.page, arrived, "the z expected in Python, where it is", found)
        return found

    def z_is(self, *wanted):
        self.z(lambda found: found == [*wanted])

    def saved(self):
        return nbformat.read(self.path, as_version=4)

    def save(self):
        """File → Save, until what the widgets show is in the file; the notebook as it was saved."""
        self.page.get_by_role("menuitem", name="File", exact=True).click()
        self.page.locator("[data-command='docmanager:save'].lm-Menu-item").click()

        def holds():
            with suppress(nbformat.reader.NotJSONError):  # it is being written
                return self.saved().metadata.get("widgets")

        eventually(self.page, holds, "what the widgets show is saved")
        return self.saved()
