"""Matrix products through oneDNN while training: the same numbers, and nothing left behind."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from vaelib import _products, models
from vaelib._products import matrix_products
from vaelib.training import fit

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


@pytest.fixture
def slow_mkl(monkeypatch):
    """As on a processor that MKL is slow on; and every layer is large enough."""
    monkeypatch.setattr(_products, "_mkl_is_slow", lambda: True)
    monkeypatch.setattr(_products, "LARGE", 1)


@pytest.mark.parametrize("lead", [(33,), (3, 17), (1,)])
def test_values_and_gradients_are_those_of_float64(slow_mkl, lead):
    layer = nn.Linear(53, 29)
    x = torch.randn(*lead, 53, requires_grad=True)
    weight = torch.randn(*lead, 29)
    with matrix_products(layer, "float32", 8):
        assert "forward" in vars(layer)
        y = layer(x)
        (y * weight).sum().backward()
    exact = [t.detach().double().requires_grad_() for t in (x, layer.weight, layer.bias)]
    expected = functional.linear(*exact)
    (expected * weight.double()).sum().backward()
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    for given, wanted in zip((x, layer.weight, layer.bias), exact, strict=True):
        torch.testing.assert_close(given.grad.double(), wanted.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"objective": "iwae", "k": 3}, {"k": 2}])
def test_the_same_run(slow_mkl, monkeypatch, options):
    x = torch.rand(40, 6, 6, generator=torch.Generator().manual_seed(0))
    vaes = [models.dense((6, 6), 2, hidden=(16,), sigma_x=0.5) for _ in range(2)]
    fast = fit(vaes[0], x, 5, 8, progress=False, device="cpu", **options)
    monkeypatch.setattr(_products, "_mkl_is_slow", lambda: False)
    plain = fit(vaes[1], x, 5, 8, progress=False, device="cpu", **options)
    assert fast.elbo == pytest.approx(plain.elbo, rel=1e-4)
    for a, b in zip(vaes[0].parameters(), vaes[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_layers_are_left_as_they_were(slow_mkl):
    vae = models.dense((6, 6), 2, hidden=(16,))
    own = lambda x: functional.linear(x, vae.encoder.mu.weight, vae.encoder.mu.bias)  # noqa: E731
    vae.encoder.mu.forward = own
    with pytest.raises(ZeroDivisionError):
        fit(vae, torch.rand(9, 6, 6), 1, 4, device="cpu", progress=lambda _: 1 / 0)
    changed = [m for m in vae.modules() if "forward" in vars(m)]
    assert changed == [vae.encoder.mu] and vae.encoder.mu.forward is own


@pytest.mark.parametrize(
    ("model", "precision", "batch"),
    [
        (nn.Linear(8, 8), "float32", 0),
        (nn.Linear(8, 8), "bfloat16", 8),
        (nn.Linear(8, 8).double(), "float32", 8),
        (nn.Conv2d(1, 1, 3), "float32", 8),
    ],
)
def test_only_float32_linear_layers_change(slow_mkl, model, precision, batch):
    with matrix_products(model, precision, batch):
        assert "forward" not in vars(model)


def test_small_products_stay_where_they_are(monkeypatch):
    monkeypatch.setattr(_products, "_mkl_is_slow", lambda: True)
    small, large = nn.Linear(64, 64), nn.Linear(512, 512)
    model = nn.Sequential(small, large)
    with matrix_products(model, "float32", 128):
        assert "forward" not in vars(small) and "forward" in vars(large)
    assert "forward" not in vars(large)
