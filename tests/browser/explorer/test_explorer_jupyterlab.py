"""The explorer with a real kernel: traits both ways, Python decoding, a kernel that is lost."""

import nbformat
import numpy as np
import psutil
import pytest
from memory import Memory, move
from notebook_page import MINUTE, Notebook
from pages import eventually
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MAKE = """\
import os, pathlib
import torch
from torch import nn
from vaelib import models
from vaelib.models import VAE, GaussianDecoder
from vaelib.widgets import LatentExplorer
torch.set_num_threads(1)
class Wave(nn.Module):
    def forward(self, x):
        return torch.sin(3 * x)
vae = models.dense((8, 8), 2, hidden=(9,))
odd = VAE(vae.encoder, GaussianDecoder(nn.Sequential(nn.Linear(2, 64), Wave()), (8, 8)), 2)
images = torch.rand(20, 8, 8)
explorer = LatentExplorer(vae, images)
def echo(change):
    # What the page sets arrives; what Python then sets moves the page.
    if change["name"] == "mode" and change["new"] == "manifold":
        explorer.axes = [1, 0]
        explorer.picture = "sample"
explorer.observe(echo)
pathlib.Path("pid").write_text(str(os.getpid()))
explorer"""
ODD = "LatentExplorer(odd, images)"

PIXELS = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()"
GREY = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size < 4"


def test_with_a_kernel_and_when_it_is_lost(jupyterlab, lab_tab):
    page = lab_tab
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, ODD)]
    notebook = Notebook(jupyterlab, page, "explorer", nbformat.v4.new_notebook(cells=cells))
    notebook.run_all(60)
    expect(page.locator(".vaelib-explorer")).to_have_count(2, timeout=MINUTE)
    first = page.locator(".vaelib-explorer").first
    odd = page.locator(".vaelib-explorer").nth(1)

    # Traits both ways.
    first.get_by_role("tab", name="Manifold").click()
    expect(first.get_by_label("Across", exact=True)).to_have_value("1")
    expect(first.get_by_label("Picture", exact=True)).to_have_value("sample")
    first.get_by_label("Picture", exact=True).select_option("mean")

    # A decoder that only Python can run.
    expect(odd.locator(".vaelib-notice")).to_contain_text("decoder.body.1 is a Wave")
    canvas = odd.locator(".vaelib-picture canvas")
    eventually(page, lambda: not canvas.evaluate(GREY), "a picture from Python")
    before = canvas.evaluate(PIXELS)
    odd.locator(".vaelib-row input").first.fill("2")
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "another picture from Python")
    expect(odd.get_by_role("alert")).not_to_be_visible()

    # Moves leave nothing behind, here or there; tests/torture makes ten thousand.
    pid = int((jupyterlab.root / "pid").read_text())
    memory = Memory(page, pid)
    first.get_by_role("tab", name="Traversal").click()
    move(notebook, 1000)  # what is made once is made by now
    start = memory.both()
    move(notebook, 1000)
    np.testing.assert_array_less(memory.both(), [1.1 * value for value in start])

    # The kernel goes: said, and the page goes on.
    page.keyboard.press("Control+s")
    psutil.Process(pid).kill()
    canvas = first.locator(".vaelib-picture canvas")
    before = canvas.evaluate(PIXELS)
    first.locator(".vaelib-row input").first.fill("-3")
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "a picture without Python")
    expect(first.get_by_role("alert")).to_contain_text("its kernel stopped", timeout=30_000)
