"""The labs' state, text and figures, and a walk along every slider of each in a real kernel."""

import base64
import json
import textwrap

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from jupyter_client.manager import start_new_kernel
from lab_states import LABS, corners, each_lab
from traitlets import TraitError

from vaelib.plots import SYMBOLS
from vaelib.widgets import (
    ElboLab,
    JensenLab,
    KLLab,
    LikelihoodLab,
    ReparameterisationLab,
    labs,
)
from vaelib.widgets.labs.lab import say

WIDGET = "application/vnd.jupyter.widget-view+json"


@each_lab
def test_every_picture_holds_what_its_panels_need(kind):
    keys = {mark.key for panel in kind.panels for mark in panel.marks}
    for state in corners(kind)[::11]:
        scene = kind.compute(**state)
        assert set(scene.series) == keys
        for x, y, *base in scene.series.values():
            assert len(x) == len(y) and all(len(b) == len(y) for b in base)
            assert not np.isinf([*x, *y]).any()
        for panel in kind.panels:
            left, right, bottom, top = panel.limits or scene.limits[panel.key]
            assert left < right and bottom < top
        for value in scene.numbers.values():
            assert type(value) in (float, int, str) and value == value
        json.dumps(scene.numbers, allow_nan=False)


def seen(mark, series, limits, log):
    """Whether the mark has ink in the panel that cannot be taken for the axis."""
    left, right, bottom, top = limits
    x, y, *base = (np.asarray(part, dtype=float) for part in series)
    inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    if mark.kind != "area" or "y" in log:
        return bool(inside.any())
    return bool((np.abs(y - (base[0] if base else 0)) > 0.005 * (top - bottom))[inside].any())


@each_lab
def test_no_panel_is_empty_without_a_word(kind):
    agree = {"mu": 0.0, "sigma": 1.0, "p": "normal"}
    for state in [*corners(kind)[::5], *([agree] if kind is KLLab else [])]:
        scene = kind.compute(**state)
        for panel in kind.panels:
            limits = panel.limits or scene.limits[panel.key]
            # What stands still, such as an axis at log p(x), does not count.
            found = [m.key for m in panel.marks if seen(m, scene.series[m.key], limits, panel.log)]
            assert set(found) - {"log_px", "arc", "f"} or say(panel.note, scene.numbers), (
                state,
                panel.key,
            )


@each_lab
def test_presets_are_five_states_with_a_sentence(kind):
    assert len(kind.presets) == 5
    for preset in kind.presets:
        kind(**preset.state)
        assert preset.says[-1] in ".?" and len(preset.says) <= 48  # one line on a projector
    given = kind().spec["presets"]
    assert [set(each["state"]) for each in given] == [set(kind.controls())] * 5
    assert given[0]["state"] == kind().state


def test_what_the_presets_say_is_so():
    says = {kind: [kind(**preset.state).numbers for preset in kind.presets] for kind in LABS}
    kl = says[KLLab]
    assert kl[1]["kl_qp"] == kl[1]["kl_pq"] == 0
    assert kl[2]["kl_pq"] > 5 * kl[2]["kl_qp"]
    assert kl[3]["kl_pq"] < kl[3]["kl_qp"] and kl[4]["kl_qp"] < kl[4]["kl_pq"]
    assert abs(says[LikelihoodLab][1]["theta_hat"] - 1) > 0.1
    few = says[LikelihoodLab][3]
    assert few["highest"] - few["lowest"] < 0.2
    assert says[JensenLab][2]["gap"] == pytest.approx(0, abs=1e-12)
    assert says[JensenLab][3]["gap"] == pytest.approx(0.25 * 3**2)  # the variance of x
    elbo = says[ElboLab]
    assert elbo[1]["gap"] < 0.02 and elbo[2]["log_px"] == elbo[0]["log_px"]
    assert elbo[3]["gap"] == pytest.approx(0, abs=1e-9)
    wide = says[ReparameterisationLab]
    assert wide[2]["ratio"] > 100 and wide[3]["pathwise_std"] < wide[0]["pathwise_std"]


@each_lab
def test_every_colour_is_that_of_a_symbol(kind):
    known = {*SYMBOLS, "ink"}
    used = {mark.colour for panel in kind.panels for mark in panel.marks}
    used |= {control.colour for control in kind.controls().values()}
    assert used <= known
    for light, dark in ((text, dark) for _, text, dark in SYMBOLS.values()):
        assert light in kind()._css and dark in kind()._css


@each_lab
def test_the_figure_is_drawn_from_the_computation(kind, recwarn, capfd):
    lab = kind()
    figure = lab.figure()
    assert "{" not in figure.alt
    assert say(lab.says[0], lab.numbers) in figure.alt and len(figure.alt) > 200
    assert figure.png() == lab.figure().png()
    assert not recwarn.list and capfd.readouterr().err == ""


@each_lab
def test_it_shows_a_picture_where_there_is_no_widget(kind):
    data, metadata = kind()._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(kind()) and "0x" not in repr(kind())
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == kind().figure().alt


@pytest.mark.parametrize(
    "kind, state, message",
    [
        (KLLab, {"mu": 4.2}, "mu is 4.2; expected a number from -4 to 4"),
        (KLLab, {"sigma": 0.0}, "sigma is 0.0; expected"),
        (KLLab, {"mu": float("nan")}, "mu is nan; expected"),
        (KLLab, {"mu": "1"}, "mu is '1'; expected a number"),
        (KLLab, {"mu": True}, "mu is True; expected a number"),
        (KLLab, {"p": "bump"}, "p is 'bump'; expected one of 'normal', 'bumps'"),
        (LikelihoodLab, {"n_data": 6}, "n_data is 6; expected one of 1, 2, 3"),
        (LikelihoodLab, {"dim": 0}, "dim is 0; expected one of"),
        (LikelihoodLab, {"dim": True}, "dim is True; expected one of"),
        (JensenLab, {"f": None}, "f is None; expected one of '-log'"),
    ],
)
def test_what_cannot_be_shown_is_refused(kind, state, message):
    with pytest.raises(TraitError, match=message):
        kind(**state)
    lab = kind()
    before = lab.state
    with pytest.raises(TraitError, match=message):
        lab.set_state(state)
    assert message in lab.error and lab.state == before


def test_an_unknown_control_is_refused():
    with pytest.raises(TypeError, match="KLLab has no sgima; it has mu, sigma, p"):
        KLLab(sgima=1.0)


def test_numbers_of_other_libraries_are_taken():
    lab = KLLab(mu=torch.tensor(0.5), sigma=np.float32(0.5))
    assert lab.state == {"mu": 0.5, "sigma": 0.5, "p": "normal"}
    assert LikelihoodLab(dim=np.int64(3)).dim == 3


def test_an_observers_error_is_said_in_the_page_and_raised():
    lab = KLLab()

    def listener(change):
        raise RuntimeError("the exercise's own mistake")

    lab.observe(listener, "mu")
    with pytest.raises(RuntimeError, match="own mistake"):
        lab.set_state({"mu": 0.0})
    assert lab.error == "RuntimeError: the exercise's own mistake"


@each_lab
def test_closed_labs_leave_nothing_behind(kind):
    before = len(_instances)
    for _ in range(3):
        lab = kind()
        lab.figure()
        lab.close()
        lab.layout.close()
    assert len(_instances) == before


def test_the_page_asks_nobody_for_anything():
    for kind in LABS:
        script = kind()._esm
        assert script.count("export default") == 1 and "import " not in script
        assert "fetch(" not in script and "http" not in script.replace("http://www.w3.org", "")


def test_the_package_names_them_all():
    assert set(labs.__all__) == {kind.__name__ for kind in LABS}


# A real kernel: the page's messages in, the picture's data out.

IN_THE_KERNEL = textwrap.dedent("""
    import numpy as np
    import vaelib.widgets
    from IPython.display import display

    def check(lab, name, value, draw):
        if lab.error:
            raise RuntimeError(lab.error)
        assert getattr(lab, name) == value, (name, getattr(lab, name), value)
        if not draw:
            return
        scene = type(lab).compute(**lab.state)
        figure = lab.figure()
        drawn = {a.get_gid(): a for ax in figure.axes for a in [*ax.lines, *ax.collections]}
        for key, (x, y, *base) in scene.series.items():
            artist = drawn.pop(key)
            if hasattr(artist, "get_xdata"):
                at = np.stack([artist.get_xdata(), artist.get_ydata()], 1)
            else:
                at = artist.get_paths()[0].vertices[1 : len(x) + 1]
            np.testing.assert_allclose(at, np.stack([x, y], 1))
        drawn.pop(None, None)
        assert not drawn, drawn
        for ax, panel in zip(figure.axes, lab.panels, strict=True):
            limits = panel.limits or scene.limits[panel.key]
            np.testing.assert_allclose([*ax.get_xlim(), *ax.get_ylim()], limits)
        assert vaelib.widgets.labs.lab.say(lab.says[0], scene.numbers) in figure.alt
""")


class Kernel:
    """A running kernel, its cells' errors raised here, and messages as a page sends them."""

    def __init__(self):
        self.heard: list[dict] = []
        self.manager, self.client = start_new_kernel(kernel_name="python3")
        self.run(IN_THE_KERNEL)

    def run(self, code):
        reply = self.client.execute_interactive(
            code, output_hook=lambda message: self.heard.append(message), timeout=120
        )
        content = reply["content"]
        if content["status"] == "error":
            raise AssertionError("\n".join(content["traceback"]))
        return content

    def move(self, model, state):
        """What the page sends when a slider moves."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": model, "data": {"method": "update", "state": state}}
        )
        self.client.shell_channel.send(message)

    def value(self, expression):
        reply = self.client.execute_interactive(
            "", user_expressions={"it": expression}, output_hook=lambda message: None, timeout=60
        )
        found = reply["content"]["user_expressions"]["it"]
        assert found["status"] == "ok", found
        return found["data"]["text/plain"].strip("'")

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    running = Kernel()
    yield running
    running.stop()


def walk(positions, between):
    """Both ends and so many places between them, as far as there are so many."""
    places = np.linspace(0, len(positions) - 1, between + 2).round().astype(int)
    return [positions[-1], *(positions[place] for place in dict.fromkeys(places))]


@pytest.mark.parametrize("between", [4, pytest.param(20, marks=pytest.mark.long)])
@each_lab
def test_every_slider_walks_in_a_real_kernel(kernel, kind, between):
    kernel.heard.clear()
    kernel.run(f"lab = vaelib.widgets.{kind.__name__}()\ndisplay(lab)")
    model = kernel.value("lab.model_id")
    shown = [m for m in kernel.heard if m["header"]["msg_type"] == "display_data"]
    assert shown[0]["content"]["data"][WIDGET]["model_id"] == model
    for name, control in kind.controls().items():
        start = getattr(kind(), name)
        for i, value in enumerate([*walk(control.positions(), between), start]):
            kernel.move(model, {name: value})
            # A figure takes far longer than a move.
            kernel.run(f"check(lab, {name!r}, {value!r}, draw={i % 3 == 0})")
    kernel.run("lab.close()")


def test_what_the_kernel_refuses_is_said_and_raised(kernel):
    kernel.run("lab = vaelib.widgets.KLLab()")
    kernel.move(kernel.value("lab.model_id"), {"mu": 9})
    with pytest.raises(AssertionError, match="mu is 9; expected a number from -4 to 4"):
        kernel.run("check(lab, 'mu', 9, draw=False)")
