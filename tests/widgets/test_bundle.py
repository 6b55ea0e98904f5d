"""Widgets for a page without a kernel: what `export()` gives, and the scripts in it."""

import json
import re

import pytest
import torch
from lab_states import LABS

from vaelib import models, training
from vaelib.widgets import JensenLab, LatentExplorer, TrainingCurves, bundle

IMAGES = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(0))


def explorer():
    made = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), IMAGES)
    made.image_index = 3
    return made


def curves():
    history = training.History()
    for value in (1.0, 2.0):
        history.reconstruction.append(value)
        history.kl.append(value / 2)
        history.elbo.append(value / 2)
        history.beta.append(1.0)
    made = TrainingCurves()
    made(history)
    return made


WIDGETS = [*LABS, explorer, curves]
each_widget = pytest.mark.parametrize("make", WIDGETS, ids=lambda make: make.__name__)


@each_widget
def test_the_state_is_json_and_the_script_needs_no_other(make):
    widget = make()
    export = widget.export()
    assert export.name == type(widget).__name__
    assert json.loads(export.state_json()) == json.loads(json.dumps(export.state, allow_nan=False))
    assert f".{export.name} = " in export.script
    assert not re.search(r"^\s*(import|export)\b", export.script, re.MULTILINE)
    assert export.style == widget._css


@each_widget
def test_no_name_is_used_twice_where_all_modules_share_one_scope(make):
    declared = r"^(?:const|let|function|class|async function) (\w+)"
    names = re.findall(declared, make().export().script, re.MULTILINE)
    assert len(names) > 10 and len(set(names)) == len(names)


def test_an_export_is_the_widget_as_it_is_now():
    lab = JensenLab(weight=0.2)
    lab.f = "square"
    state = lab.export().state
    assert (state["weight"], state["f"]) == (0.2, "square")
    assert state["spec"] == lab.spec and set(state) == {"spec", "error", *lab.state}
    assert explorer().export().state["image_index"] == 3
    assert curves().export().state["values"]["kl"] == [0.5, 1.0]


def test_the_saved_page_holds_the_same_state_and_script():
    made = explorer()
    export = made.export()
    html = made.to_html()
    assert f'<script type="application/json">{export.state_json()}</script>' in html
    assert export.script in html and export.style in html


def test_text_of_the_page_cannot_end_the_script():
    made = explorer()
    made.spec = {**made.spec, "noun": "</script><b>"}
    assert "</script><b>" not in made.to_html()
    assert made.export().state["spec"]["noun"] == "</script><b>"
    assert json.loads(made.export().state_json())["spec"]["noun"] == "</script><b>"


def test_a_decoder_that_the_page_cannot_run_is_not_exported():
    vae = models.dense((8, 8), 2)
    vae.decoder.body.append(torch.nn.Hardtanh())
    with pytest.raises(ValueError, match="is a Hardtanh, which the page cannot run"):
        LatentExplorer(vae).export()


def test_a_module_comes_after_those_that_it_imports_and_once():
    joined = bundle.joined("explorer/page")
    assert joined.count("function throttle(") == joined.count("class LocalModel") == 1
    assert joined.index("function throttle(") < joined.index("function makeViews(")
    assert joined.index("function makeViews(") < joined.index("function render(")


@each_widget
def test_the_view_is_a_module_with_one_default_export(make):
    view = make()._esm
    assert view.count("export default { render };") == view.count("export ") == 1
    assert not re.search(r"^import ", view, re.MULTILINE)
