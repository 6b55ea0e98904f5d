"""A notebook with a lab, saved in JupyterLab and opened again: the lab, or its still picture."""

import json
import urllib.request

import nbformat
import pytest
from pages import opened

import vaelib.widgets

pytestmark = pytest.mark.browser
MANAGER = "@jupyter-widgets/jupyterlab-manager"
CELL = "from vaelib.widgets import KLLab\nKLLab(mu=2.0)"


@pytest.fixture
def saving(jupyterlab):
    """JupyterLab with the setting that comes with vaelib; afterwards as it was."""
    shipped = vaelib.widgets.__path__[0] + "/jupyterlab.json"
    with open(shipped, encoding="utf-8") as file:
        settings = json.load(file)[f"{MANAGER}:plugin"]
    path = jupyterlab.root.parent / "settings" / MANAGER / "plugin.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    yield jupyterlab
    path.unlink()


def open_it(page, lab, name):
    page.goto(lab.url(f"{name}.ipynb", workspace=name))
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=180_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=180_000)


def stop_kernels(lab):
    for session in json.loads(lab.get("/api/sessions")):
        request = urllib.request.Request(
            f"{lab.base}/api/sessions/{session['id']}",
            headers={"Authorization": f"token {lab.token}"},
            method="DELETE",
        )
        urllib.request.urlopen(request, timeout=30).close()


@pytest.mark.long
def test_a_reopened_lab_is_live_and_an_untrusted_one_is_its_picture(saving, lab_context):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL)], metadata={"kernelspec": kernel}
    )
    path = saving.root / "reopened.ipynb"
    nbformat.write(notebook, path)
    with opened(lab_context) as page:
        open_it(page, saving, "reopened")
        page.locator(".jp-Cell").first.click()
        page.keyboard.press("Shift+Enter")
        page.get_by_role("group", name="KL lab").wait_for(timeout=180_000)
        said = page.locator(".vaelib-says").inner_text()
        page.get_by_role("menuitem", name="File", exact=True).click()
        page.locator("[data-command='docmanager:save'].lm-Menu-item").click()
        for _ in range(300):
            if nbformat.read(path, as_version=4).metadata.get("widgets"):
                break
            page.wait_for_timeout(100)
    saved = nbformat.read(path, as_version=4)
    assert "image/png" in saved.cells[0].outputs[0].data
    stop_kernels(saving)

    with opened(lab_context) as page:
        open_it(page, saving, "reopened")
        group = page.get_by_role("group", name="KL lab")
        group.wait_for(timeout=60_000)
        assert page.locator(".vaelib-says").inner_text() == said
        group.get_by_role("slider").first.press("Home")
        page.wait_for_function(
            "(said) => document.querySelector('.vaelib-says').innerText !== said", arg=said
        )
        assert page.get_by_text("Error displaying widget").count() == 0
    stop_kernels(saving)

    saved.cells[0].source += "  # changed by somebody else, so it is not trusted"
    nbformat.write(saved, saving.root / "distrusted.ipynb")
    with opened(lab_context) as page:
        open_it(page, saving, "distrusted")
        picture = page.locator(".jp-OutputArea-output img")
        picture.wait_for(timeout=60_000)
        assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 800
        assert page.get_by_text("Error displaying widget").count() == 0
