"""The labs: their numbers against independent oracles, their figures against their numbers, and a
walk along every slider of each in a real kernel."""

import base64
import itertools
import json
import math
import textwrap

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from jupyter_client.manager import start_new_kernel
from scipy import integrate, stats
from torch.distributions import Normal, kl_divergence
from traitlets import TraitError

from vaelib import divergences, exact
from vaelib.widgets import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab, labs
from vaelib.widgets.labs import _maths, jensen, likelihood, reparameterisation
from vaelib.widgets.labs._lab import say

LABS = (KLLab, LikelihoodLab, JensenLab, ElboLab, ReparameterisationLab)
each_lab = pytest.mark.parametrize("kind", LABS, ids=lambda kind: kind.__name__)
WIDGET = "application/vnd.jupyter.widget-view+json"


def corners(kind):
    """All combinations of the controls' ends and middles."""
    ends = []
    for control in kind.controls().values():
        at = control.positions()
        ends.append(sorted({0, len(at) // 2, len(at) - 1}))
        ends[-1] = [at[i] for i in ends[-1]]
    names = list(kind.controls())
    return [dict(zip(names, state, strict=True)) for state in itertools.product(*ends)]


# What the computations share.


def test_the_noise_is_normal_and_independent():
    draws = _maths.noise(3, 100_000)
    assert stats.kstest(draws, "norm").pvalue > 0.01
    for lag in (1, 2, 3, 10):
        assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 4 / math.sqrt(len(draws))
    others = np.stack([_maths.noise(seed, 2000) for seed in range(20)])
    assert np.abs(np.corrcoef(others) - np.eye(20)).max() < 4.5 / math.sqrt(2000)
    np.testing.assert_array_equal(_maths.noise(3, 7), draws[:7])


def test_the_histogram_counts_as_numpy_does():
    values = np.random.default_rng(0).normal(size=500)
    x, y = _maths.histogram(values, -1.5, 1.5, 12)
    counts, edges = np.histogram(np.clip(values, -1.5, 1.4999), bins=12, range=(-1.5, 1.5))
    np.testing.assert_allclose(y[::2], counts / 500)
    np.testing.assert_allclose(y[1::2], y[::2])
    np.testing.assert_allclose(x[::2], edges[:-1])
    np.testing.assert_allclose(x[1::2], edges[1:])


@pytest.mark.parametrize("value, axis", [(0.02, 0.1), (0.1, 0.1), (0.11, 0.2), (3, 5), (5.1, 10)])
def test_axes_reach_round_numbers(value, axis):
    assert _maths.reach(value) == pytest.approx(axis)


def test_text_is_rounded_half_up_with_a_real_minus():
    numbers = {"a": 0.28125, "b": -0.004, "c": -1.5, "k": 7}
    assert say("{a:4}, {b:2}, {c:0}, {k}", numbers) == "0.2813, 0.00, −2, 7"


# Each lab's numbers, against what others say they are.


@pytest.mark.parametrize("mu, sigma", [(1.0, 0.6), (-4.0, 0.2), (4.0, 3.0), (0.0, 1.0)])
def test_kl_lab_on_the_standard_normal(mu, sigma):
    numbers = KLLab(mu=mu, sigma=sigma).numbers
    p, q = (Normal(torch.tensor(m).double(), s) for m, s in ((0.0, 1.0), (mu, sigma)))
    assert numbers["kl_qp"] == pytest.approx(kl_divergence(q, p).item(), abs=1e-10)
    assert numbers["kl_pq"] == pytest.approx(kl_divergence(p, q).item(), abs=1e-10)


@pytest.mark.parametrize("mu, sigma", [(-2.0, 0.6), (0.0, 2.0), (3.0, 0.2), (4.0, 3.0)])
def test_kl_lab_on_two_bumps(mu, sigma):
    def log_p(z):
        bumps = Normal(torch.tensor([-2.0, 2.0]).double(), 0.6).log_prob(z[:, None])
        return (bumps + torch.tensor([0.6, 0.4], dtype=torch.float64).log()).logsumexp(-1)

    log_q = Normal(torch.tensor(mu).double(), sigma).log_prob
    numbers = KLLab(mu=mu, sigma=sigma, p="bumps").numbers
    for key, a, b in (("kl_qp", log_q, log_p), ("kl_pq", log_p, log_q)):
        truth = divergences.kl_quadrature(a, b, -30.0, 30.0).item()
        assert numbers[key] == pytest.approx(truth, abs=1e-8)


def test_kl_lab_shows_the_integrand_and_its_two_areas():
    scene = KLLab(mu=0.5, sigma=0.8).scene
    for key in ("qp", "pq"):
        (z, above), (_, below) = scene.series[f"above_{key}"], scene.series[f"below_{key}"]
        assert above.min() == 0 and below.max() == 0
        total = integrate.trapezoid(above + below, z)
        assert scene.numbers[f"kl_{key}"] == pytest.approx(total, abs=1e-6)
        areas = scene.numbers[f"above_{key}"] - scene.numbers[f"below_{key}"]
        assert scene.numbers[f"kl_{key}"] == pytest.approx(areas, abs=1e-12)


@pytest.mark.parametrize("theta, n_data, seed", [(0.1, 1, 1), (1.5, 20, 1), (3.0, 1000, 20)])
def test_likelihood_lab_averages_over_its_data(theta, n_data, seed):
    lab = LikelihoodLab(theta=theta, n_data=n_data, seed=seed)
    data = torch.from_numpy(likelihood._data(seed)[:n_data])
    model, truth = (Normal(0.0, math.sqrt(t**2 + 0.25)) for t in (theta, 1.0))
    numbers, series = lab.numbers, lab.scene.series
    assert numbers["average"] == pytest.approx(model.log_prob(data).mean().item(), abs=1e-6)
    assert numbers["kl"] == pytest.approx(kl_divergence(truth, model).item(), abs=1e-6)
    assert numbers["entropy"] == pytest.approx(truth.entropy().item(), abs=1e-6)
    assert numbers["expected"] == pytest.approx(-numbers["kl"] - numbers["entropy"], abs=1e-12)
    grid, average = series["average"]
    best = np.clip(numbers["theta_hat"], grid[0], grid[-1])
    assert abs(grid[average.argmax()] - best) <= 0.0101  # half a step of the grid
    apart = series["minus_kl"][1] - series["expected"][1]
    np.testing.assert_allclose(apart, numbers["entropy"], atol=1e-12)


def test_likelihood_labs_data_come_from_its_model():
    draws = np.concatenate([likelihood._data(seed) for seed in range(1, 21)])
    assert stats.kstest(draws / math.sqrt(1.25), "norm").pvalue > 0.01


@pytest.mark.parametrize("theta, dim", [(1.0, 1), (1.5, 2), (0.3, 20)])
def test_likelihood_lab_estimates_log_px(theta, dim):
    eye, x = torch.eye(dim, dtype=torch.float64), torch.ones(1, dim, dtype=torch.float64)
    model, narrow = (
        exact.LinearGaussian(theta * eye, torch.zeros_like(x[0]), s)
        for s in (0.5, 0.5 / math.sqrt(2))
    )
    scene = LikelihoodLab(theta=theta, dim=dim, n_samples=500).scene
    log_px = model.log_px(x).item()
    assert scene.numbers["log_px"] == pytest.approx(log_px, abs=1e-10)
    # E p(x|z)² from the model with σ_x/√2: N(x; x̂, σ²)² = N(x; x̂, σ²/2)/(2σ√π) a dimension.
    ratio = narrow.log_px(x).item() - dim * math.log(2 * 0.5 * math.sqrt(math.pi)) - 2 * log_px
    error = math.sqrt(math.expm1(ratio) / 500)
    assert scene.numbers["error"] == pytest.approx(error, rel=1e-9)
    assert scene.series["error"][1][dim - 1] == pytest.approx(error, rel=1e-9)
    assert 10 ** scene.numbers["needed"] == pytest.approx(math.expm1(ratio) / 0.01, rel=1e-9)

    z = _maths.noise(2, 20 * 5 * 5000).reshape(20, 5, 5000)[:dim, :, :500]
    p_x_z = stats.norm(theta * z, 0.5).logpdf(1.0).sum(0)  # (5, 500)
    k, running = (part.reshape(5, -1)[:, :-1] for part in scene.series["runs"])
    for run in range(5):
        for at in (0, 5, -1):
            wanted = np.logaddexp.reduce(p_x_z[run, : int(k[run, at])]) - math.log(k[run, at])
            assert running[run, at] == pytest.approx(wanted, abs=1e-9)
    np.testing.assert_allclose(scene.series["estimates"][1], running[:, -1])


def test_likelihood_lab_converges_where_it_should():
    numbers = LikelihoodLab(theta=1.0, dim=1, n_samples=5000).numbers
    for value in (numbers["lowest"], numbers["highest"]):
        assert abs(math.exp(value - numbers["log_px"]) - 1) < 4 * numbers["error"]


@pytest.mark.parametrize(
    "f, function", [("-log", lambda x: -math.log(x)), ("square", lambda x: x * x)]
)
def test_jensen_lab_against_every_sequence_of_draws(f, function):
    x1, x2, weight = 0.4, 3.1, 0.3
    for k in (1, 2, 5):
        lab = JensenLab(f=f, x1=x1, x2=x2, weight=weight, n_samples=k)
        expected = 0.0
        for draws in itertools.product((0, 1), repeat=k):
            probability = math.prod(weight if draw else 1 - weight for draw in draws)
            expected += probability * function(sum(x2 if draw else x1 for draw in draws) / k)
        bias = expected - function(0.7 * x1 + 0.3 * x2)
        assert lab.numbers["bias"] == pytest.approx(bias, abs=1e-12)
        assert lab.scene.series["bias"][1][k - 1] == pytest.approx(bias, abs=1e-12)
        values, shares = lab.scene.series["tips"]
        assert shares @ values == pytest.approx(expected, abs=0.01)


def test_jensen_labs_prediction_holds_for_many_draws():
    numbers = JensenLab(x1=1.0, x2=2.0, n_samples=100).numbers
    assert numbers["bias"] == pytest.approx(numbers["predicted"], rel=0.01)
    square = JensenLab(f="square", n_samples=7).numbers  # exact for a parabola
    assert square["bias"] == pytest.approx(square["predicted"], rel=1e-12)
    at, probability = jensen.means(1.0, 2.0, 0.25, 9)
    np.testing.assert_allclose(probability, stats.binom(9, 0.25).pmf(np.arange(10)), atol=1e-14)
    np.testing.assert_allclose(at, 1 + np.arange(10) / 9)


@pytest.mark.parametrize("state", corners(JensenLab)[::7])
def test_jensens_gap_is_never_negative(state):
    numbers = JensenLab(**state).numbers
    assert numbers["gap"] >= -1e-12 and numbers["gap"] >= numbers["bias"] - 1e-12
    if state["f"] == "line" or state["x1"] == state["x2"] or state["weight"] in (0, 1):
        assert abs(numbers["gap"]) < 1e-12


@pytest.mark.parametrize("state", corners(ElboLab)[::8])
def test_elbo_lab_splits_log_px(state):
    lab = ElboLab(**state)
    numbers = lab.numbers
    assert numbers["log_px"] == pytest.approx(numbers["elbo"] + numbers["gap"], abs=1e-10)
    assert numbers["elbo"] == pytest.approx(numbers["reconstruction"] - numbers["kl"], abs=1e-12)
    (_, top, floor), (_, ceiling, base) = (lab.scene.series[key] for key in ("elbo", "gap"))
    np.testing.assert_allclose(base, top)  # the gap stands on the ELBO
    np.testing.assert_allclose(ceiling, numbers["log_px"])
    assert (top[0] == floor[0]) == bool(numbers["place"])


def test_elbo_lab_against_scipys_quadrature():
    x, mu, sigma = np.array([0.8, 0.6]), 0.5, math.exp(-1)

    def log_joint(z):
        error = (x - [math.sin(z), math.cos(z)]) / 0.2
        return stats.norm.logpdf(z) + stats.norm.logpdf(error).sum() - 2 * math.log(0.2)

    p_x = integrate.quad(lambda z: math.exp(log_joint(z)), -10, 10, points=[0.9])[0]
    q = stats.norm(mu, sigma)
    elbo = integrate.quad(lambda z: q.pdf(z) * (log_joint(z) - q.logpdf(z)), -4, 5)[0]
    numbers = ElboLab().numbers
    assert numbers["log_px"] == pytest.approx(math.log(p_x), abs=1e-8)
    assert numbers["elbo"] == pytest.approx(elbo, abs=1e-8)
    z, posterior = ElboLab().scene.series["posterior"]
    np.testing.assert_allclose(posterior, [math.exp(log_joint(at)) / p_x for at in z], atol=1e-8)


@pytest.mark.parametrize("gradient", ["mu", "log_sigma"])
@pytest.mark.parametrize("mu, log_sigma", [(1.0, -0.5), (-2.0, 0.7), (0.0, 0.0)])
def test_reparameterisation_labs_closed_forms(mu, log_sigma, gradient):
    sigma = math.exp(log_sigma)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)  # exact for these polynomials
    weights = weights / weights.sum()
    truth, *variances = reparameterisation.exact(mu, sigma, gradient)
    m, s = (torch.tensor(value, requires_grad=True) for value in (mu, log_sigma))
    (m**2 + (2 * s).exp()).backward()  # E z² = μ² + σ²
    assert truth == pytest.approx((m if gradient == "mu" else s).grad.item(), abs=1e-6)
    for values, variance in zip(
        reparameterisation.estimators(mu, sigma, gradient, nodes), variances, strict=True
    ):
        assert weights @ values == pytest.approx(truth, abs=1e-9)
        assert weights @ (values - truth) ** 2 == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("n_samples", [1, 10, 50])
def test_reparameterisation_lab_measures_what_it_predicts(n_samples):
    lab = ReparameterisationLab(n_samples=n_samples)
    numbers, series = lab.numbers, lab.scene.series
    for name in ("score", "pathwise"):
        std = numbers[f"{name}_predicted"]
        assert abs(numbers[f"{name}_mean"] - numbers["truth"]) < 4 * std / math.sqrt(1000)
        assert numbers[f"{name}_std"] == pytest.approx(std, rel=0.3 if name == "score" else 0.1)
        assert series[name][1][::2].sum() == pytest.approx(1)
    np.testing.assert_allclose(series["z"][0], lab.mu + math.exp(lab.log_sigma) * series["eps"][0])


def test_the_same_noise_glides():
    here, there = (ReparameterisationLab(mu=mu).scene.series for mu in (0.0, 1.0))
    np.testing.assert_array_equal(here["eps"][0], there["eps"][0])
    np.testing.assert_allclose(there["z"][0] - here["z"][0], 1.0)


# State, text and figure.


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

    def check(lab, name, value):
        if lab.error:
            raise RuntimeError(lab.error)
        assert getattr(lab, name) == value, (name, getattr(lab, name), value)
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
        assert vaelib.widgets.labs._lab.say(lab.says[0], scene.numbers) in figure.alt
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


def walk(positions):
    """Both ends and 20 places between them, as far as there are so many."""
    places = np.linspace(0, len(positions) - 1, 22).round().astype(int)
    return [positions[-1], *(positions[place] for place in dict.fromkeys(places))]


@each_lab
def test_every_slider_walks_in_a_real_kernel(kernel, kind):
    kernel.heard.clear()
    kernel.run(f"lab = vaelib.widgets.{kind.__name__}()\ndisplay(lab)")
    model = kernel.value("lab.model_id")
    shown = [m for m in kernel.heard if m["header"]["msg_type"] == "display_data"]
    assert shown[0]["content"]["data"][WIDGET]["model_id"] == model
    for name, control in kind.controls().items():
        start = getattr(kind(), name)
        for value in [*walk(control.positions()), start]:
            kernel.move(model, {name: value})
            kernel.run(f"check(lab, {name!r}, {value!r})")
    kernel.run("lab.close()")


def test_what_the_kernel_refuses_is_said_and_raised(kernel):
    kernel.run("lab = vaelib.widgets.KLLab()")
    kernel.move(kernel.value("lab.model_id"), {"mu": 9})
    with pytest.raises(AssertionError, match="mu is 9; expected a number from -4 to 4"):
        kernel.run("check(lab, 'mu', 9)")
