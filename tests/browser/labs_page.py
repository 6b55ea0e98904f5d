"""A lab in a page of the test's own, on a model without a kernel."""

import itertools

import pytest

from vaelib.widgets import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab

LABS = (KLLab, LikelihoodLab, JensenLab, ElboLab, ReparameterisationLab)
each_lab = pytest.mark.parametrize("kind", LABS, ids=lambda kind: kind.__name__)

MODEL = """
window.FakeModel = class {
  constructor(state) { this.state = state; this.handlers = []; this.saved = []; }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const [event, handler] of [...this.handlers]) if (event === `change:${name}`) handler();
  }
  save_changes() { this.saved.push({ ...this.state, spec: null }); }
  on(event, handler) { this.handlers.push([event, handler]); }
  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
};
window.slider = (label, view = 0) => [...elements[view].querySelectorAll("label")]
  .find((element) => element.textContent.startsWith(label)).control;
window.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""


def show(page, kind, views=1, dark=False):
    """The lab on a model of the test's own, once or several times: window.model, .elements."""
    lab = kind()
    paper = "background: #111" if dark else ""
    places = "<div></div>" * views
    page.set_content(
        f"<!DOCTYPE html><html lang=en><title>Lab</title><style>body {{ margin: 8px; {paper} }}"
        f"{lab._css}</style>{places}"
    )
    script = lab._esm.replace("export default { render };", "window.render = render;")
    page.add_script_tag(content=MODEL + script, type="module")
    page.wait_for_function("() => Boolean(window.render)")
    page.evaluate(
        """(state) => {
          window.model = new FakeModel(state);
          window.elements = [...document.querySelectorAll("body > div")];
          window.cleanups = elements.map((el) => render({ model, el }));
        }""",
        {"spec": lab.spec, "error": "", **lab.state},
    )
    return lab


def states(kind, count):
    """Every corner's middle and ends, thinned out to about `count`, and some between."""
    places = []
    for control in kind.controls().values():
        at = control.positions()
        places.append([at[i] for i in sorted({0, len(at) // 3, len(at) // 2, len(at) - 1})])
    grid = list(itertools.product(*places))
    names = list(kind.controls())
    step = max(1, len(grid) // count)
    return [dict(zip(names, state, strict=True)) for state in grid[::step]]
