"""A lab in a page of the test's own, on a model without a kernel."""

from fake_model import FAKE_MODEL

from vaelib.widgets import bundle

SCRIPT = """
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
    content = f"{FAKE_MODEL}{SCRIPT}{bundle.joined(kind.view)}\nwindow.render = render;"
    page.add_script_tag(content=content, type="module")
    page.wait_for_function("() => Boolean(window.render)")
    page.evaluate(
        """([state, names]) => {
          window.model = new FakeModel(state, names);
          window.elements = [...document.querySelectorAll("body > div")];
          window.cleanups = elements.map((el) => render({ model, el }));
        }""",
        [{"spec": lab.spec, "error": "", **lab.state}, list(lab.state)],
    )
    page.evaluate("frame()")  # by then the panels know their sizes
    return lab
