"""The whole state in the address, and what can be saved from the page."""

import io
import json
import re

import numpy as np
import pytest
import torch
from explorer_page import mount, save, show, z_of
from pages import eventually
from PIL import Image
from playwright.sync_api import expect

from vaelib import models
from vaelib.data import Data
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.browser


def opened_at(page, path, hash_):
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#{hash_}")
    page.wait_for_selector(".vaelib-explorer")


def test_a_link_opens_what_was_shown(page, face_explorer):
    explorer, path = face_explorer
    shown = show(page, explorer, path)
    page.get_by_role("button", name="Next test face").click()
    page.get_by_role("slider", name="Mean μ").press("Shift+ArrowLeft")
    page.get_by_role("slider", name="Standard deviation σ").press("Shift+ArrowUp")
    shown.slider().fill("1.25")
    page.get_by_label("Dots by", exact=True).select_option("1")
    page.get_by_role("tab", name="Manifold").click()
    page.get_by_label("Across", exact=True).select_option("0")
    page.get_by_label("Picture", exact=True).select_option("sample")
    page.get_by_label("Manifold behind").check()
    page.get_by_role("checkbox", name="Lock z4").check()
    page.get_by_label("Order of the sliders").select_option("number")
    z = z_of(shown)
    formula = shown.text(".vaelib-lines")
    page.locator("summary").click()
    eventually(page, lambda: "details=0" in page.evaluate("location.hash"), "the address")
    link = page.evaluate("location.hash").removeprefix("#")
    assert link.startswith("model=faces&z=")
    opened_at(page, path, link)
    assert page.locator("details").get_attribute("open") is None
    page.locator("summary").click()
    assert shown.text(".vaelib-lines") == formula
    expect(page.get_by_label("Dots by", exact=True)).to_have_value("1")
    np.testing.assert_allclose(z_of(shown), z, atol=1e-6)
    expect(page.get_by_role("tab", name="Manifold")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Across", exact=True)).to_have_value("0")
    expect(page.get_by_label("Picture", exact=True)).to_have_value("sample")
    expect(page.get_by_label("Manifold behind")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Lock z4")).to_be_checked()
    expect(page.locator(".vaelib-source figcaption")).to_have_text("x, test face 0")
    names = page.locator(".vaelib-sliders label").all_inner_texts()
    assert [re.search(r"z\n?(\d)", name)[1] for name in names] == ["2", "3"]
    assert names[0].startswith("Slider 1 of 2")


def test_parts_can_be_left_out_and_the_address_can_be_changed(page, face_explorer):
    explorer, path = face_explorer
    shown = show(page, explorer, path)
    opened_at(page, path, "model=faces&z=0,1,0.5,0&hide=details,stories,nonsense")
    expect(page.locator("details")).not_to_be_visible()
    expect(page.locator(".vaelib-stories")).not_to_be_visible()
    expect(page.get_by_role("button", name="Random")).to_be_visible()
    page.evaluate("location.hash = 'model=faces&z=1,1,1,1'")
    expect(page.locator("details")).to_be_visible()
    assert z_of(shown) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "link",
    [
        "model=other&z=1,1,1,1",
        "model=faces&z=1,1",
        "model=faces&z=1,1,NaN,<b>",
        "model=faces&mu=1,1,1,1&sigma=1,0,-1,1&ink=zz&seed=x&dots=99&details=no",
        "model=faces&x=99&view=constructor&axes=0,0&lock=9&between=0,77&picture=%E0%A4%A",
        "z=1,1,1,1",
        "#a-heading",
    ],
)
def test_what_an_address_cannot_mean_changes_nothing(page, face_explorer, link):
    explorer, path = face_explorer
    shown = show(page, explorer, path)
    opened_at(page, path, link)
    assert z_of(shown) == [0, 0, 0, 0]
    assert not page.get_by_role("alert").is_visible()


def test_copy_link_copies_the_address(page, face_explorer):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, *face_explorer)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".vaelib-tell")).to_contain_text("Copied: file:///")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url and "#model=faces&z=0,0,0,0&" in copied


def test_in_a_notebook_the_address_is_jupyterlabs(page):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    before = page.url
    page.evaluate("move(1.5)")
    page.wait_for_timeout(600)
    assert page.url == before


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    with open(download.value.path(), "rb") as file:
        return download.value.suggested_filename, Image.open(io.BytesIO(file.read()))


def test_the_picture_is_saved_in_1024_pixels(shown):
    name, picture = downloaded(shown.page, "Save picture")
    assert name == "vaelib-faces-picture.png" and picture.size == (1024, 1024)
    small = np.array(picture.convert("L"))[16::32, 16::32]
    assert (small == shown.pixels().reshape(32, 32)).all()


def test_a_traversal_is_saved_as_a_gif(shown):
    shown.slider().press("ArrowRight")
    name, film = downloaded(shown.page, "Save animation")
    assert name == "vaelib-faces-z3.gif" and film.n_frames == 40 and film.size == (256, 256)
    assert film.info["duration"] == 100 and film.info["loop"] == 0
    z = torch.tensor([z_of(shown)]).repeat(2, 1)
    z[:, 2] = torch.tensor([-3.0, 3.0])
    expected = np.rint(np.clip(shown.decode(z), 0, 1) * 255).reshape(2, 32, 32)
    for frame, picture in zip((0, 20), expected, strict=True):
        film.seek(frame)
        assert np.abs(np.array(film.convert("L"), float)[4::8, 4::8] - picture).max() <= 1


def test_a_traversal_in_colour_keeps_its_colours(page, tmp_path):
    vae = models.dense((3, 8, 8), 2, hidden=(9,))
    with torch.no_grad():
        for parameter in vae.decoder.body.parameters():
            parameter.mul_(3)
    shown = show(page, *save(tmp_path, vae))
    _, film = downloaded(page, "Save animation")
    z = torch.tensor([z_of(shown)])
    z[0, 0] = -3
    expected = np.clip(shown.decode(z)[0], 0, 1).reshape(3, 8, 8).transpose(1, 2, 0) * 255
    found = np.array(film.convert("RGB"), float)[16::32, 16::32]
    assert np.abs(found - expected).max() <= 26  # half a step of 6 levels


def test_the_strip_is_saved_as_a_figure(shown):
    name, figure = downloaded(shown.page, "Save strip")
    assert name == "vaelib-faces-strip.png" and figure.width > 800
    z = torch.tensor([z_of(shown)])
    z[0, 2] = -3
    expected = np.rint(np.clip(shown.decode(z)[0], 0, 1) * 255).reshape(32, 32)
    side = round(112 / 32) * 32
    found = np.array(figure.convert("L"), float)[34 : 34 + side, 70 : 70 + side]
    scale = side // 32
    assert np.abs(found[scale // 2 :: scale, scale // 2 :: scale] - expected).max() <= 1


NAME = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_hostile_names_stay_text(page, tmp_path):
    """Of the data, its factors and its classes; nothing runs, nothing is asked for."""
    x = torch.rand(30, 8, 8)
    factors = torch.rand(30, 2)
    known = Data(
        name=NAME,
        train=x,
        test=x,
        train_factors=factors,
        test_factors=factors,
        factor_names=(NAME, "</script><script>alert(3)</script>"),
        test_labels=torch.arange(30) % 2,
        label_names=(NAME, "b"),
    )
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    shown = show(page, *save(tmp_path, models.dense((8, 8), 2), known))
    page.get_by_label("Dots by", exact=True).select_option(label="class")
    for slider in (0, 1):
        shown.slider(slider).press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.locator("img, .vaelib-explorer script").count() == 0
    assert page.get_by_text(NAME, exact=True).count() >= 2
    assert dialogs == [] and len(shown.requests) == 1
    page.reload()
    page.wait_for_selector(".vaelib-explorer")
    assert json.dumps(NAME) not in page.content()  # in the state "<" is written \\u003c


def test_the_page_runs_under_its_own_policy(page, face_explorer):
    """A policy that allows no eval, no request, and no style or script but the page's own."""
    refused = []
    page.on("console", lambda said: refused.append(said.text) if "Policy" in said.text else None)
    shown = show(page, *face_explorer)
    page.get_by_role("button", name="Next test face").click()
    for view in ("Manifold", "Interpolation"):
        page.get_by_role("tab", name=view).click()
    downloaded(page, "Save animation")
    policy = page.locator("meta[http-equiv]").get_attribute("content")
    assert "default-src 'none'" in policy and "eval" not in policy
    eventually(page, lambda: shown.pixels().std() > 20, "a picture")
    assert refused == []
