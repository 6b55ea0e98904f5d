"""The decoder's export, the order of the sliders, the encoding."""

import numpy as np
import pytest
import torch
from small_models import Brighter, with_body
from torch import nn

from vaelib import evaluation, models
from vaelib.models import BernoulliDecoder, GaussianEncoder
from vaelib.widgets import LatentExplorer
from vaelib.widgets.explorer import compute


@pytest.mark.parametrize("precision, dtype", [("float32", "<f4"), ("float16", "<f2")])
@pytest.mark.parametrize(
    "vae",
    [models.dense((8, 8), 3, hidden=(7, 5)), models.conv((8, 8), 3, channels=(2, 3), hidden=6)],
    ids=["dense", "conv"],
)
def test_the_buffer_holds_every_parameter_where_the_operations_say(vae, precision, dtype):
    ops, weights = compute.export_decoder(vae, precision)
    numbers = np.frombuffer(weights, dtype)
    with_weights = [op for op in ops if "weight" in op]
    layers = [m for m in vae.decoder.body if getattr(m, "weight", None) is not None]
    assert len(with_weights) == len(layers)
    for op, layer in zip(with_weights, layers, strict=True):
        for name in ("weight", "bias"):
            parameter = getattr(layer, name).detach().numpy().ravel()
            stored = numbers[op[name] : op[name] + parameter.size]
            np.testing.assert_array_equal(stored, parameter.astype(dtype))
    assert len(numbers) == sum(p.numel() for p in vae.decoder.body.parameters())


@pytest.mark.parametrize(
    "vae",
    [models.dense((8, 8), 3, hidden=(7, 5)), models.conv((8, 8), 3, channels=(2, 3), hidden=6)],
    ids=["dense", "conv"],
)
def test_the_encoder_has_two_heads_on_one_body(vae):
    ops, weights = compute.export_encoder(vae)
    numbers = np.frombuffer(weights, "<f4")
    assert len(numbers) == sum(p.numel() for p in vae.encoder.parameters())
    for name, head in (("mu", vae.encoder.mu), ("log_sigma", vae.encoder.log_sigma)):
        (op,) = ops[name]
        stored = numbers[op["weight"] : op["weight"] + head.weight.numel()]
        np.testing.assert_array_equal(stored, head.weight.detach().numpy().ravel())
        assert op["in"] == ops["body"][-1]["out"] and op["out"] == [3]


def test_an_encoder_that_does_more_than_its_modules_is_named():
    class Twice(GaussianEncoder):
        def forward(self, x):
            return super().forward(2 * x)

    vae = models.dense((8, 8), 2)
    vae.encoder = Twice(vae.encoder.body, 400, 2)
    with pytest.raises(compute.CannotRunError, match="the Twice's result is not what its modules"):
        compute.export_encoder(vae)
    vae.encoder = nn.Linear(64, 2)
    with pytest.raises(compute.CannotRunError, match="the encoder is a Linear.*a GaussianEncoder"):
        compute.export_encoder(vae)


def test_shapes_run_on_from_z_to_the_picture():
    ops, _ = compute.export_decoder(models.conv((8, 8), 3, channels=(2, 3), hidden=6))
    assert ops[0]["in"] == [3] and ops[-1]["out"] == [1, 8, 8]
    for before, after in zip(ops, ops[1:], strict=False):
        assert before["out"] == after["in"]


def test_a_bernoulli_decoder_ends_with_the_sigmoid_of_its_logits():
    gaussian = compute.export_decoder(models.dense((8, 8), 2)).ops
    bernoulli = compute.export_decoder(models.dense((8, 8), 2, likelihood="bernoulli")).ops
    assert [op["op"] for op in bernoulli] == [*(op["op"] for op in gaussian), "sigmoid"]


def test_nested_sequentials_and_layers_without_bias():
    inner = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Tanh())
    ops = compute.export_decoder(with_body(inner, nn.Linear(3, 64))).ops
    assert [op["op"] for op in ops] == ["linear", "tanh", "linear"]
    assert ops[0]["bias"] is None and ops[2]["weight"] == 6


def test_double_precision_models_are_stored_in_single():
    vae = models.dense((8, 8), 2).double()
    assert compute.export_decoder(vae).weights == compute.export_decoder(vae.float()).weights


@pytest.mark.parametrize(
    "modules, message",
    [
        (
            [nn.Linear(2, 64), nn.LayerNorm(64)],
            r"decoder\.body\.1 is a LayerNorm, .* expected .*Conv2d, .*Linear.*Unflatten",
        ),
        (
            [
                nn.Unflatten(1, (2, 1, 1)),
                nn.ConvTranspose2d(2, 1, 4, output_padding=1, dilation=2),
            ],
            r"decoder\.body\.1 has dilation=\(2, 2\), which",
        ),
        (
            [nn.Linear(2, 64), nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 1, 3, padding="same")],
            r"padding='same'",
        ),
        (
            [
                *(nn.Linear(2, 64), nn.Unflatten(1, (1, 8, 8))),
                nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
            ],
            r"padding_mode='circular'",
        ),
    ],
)
def test_what_the_page_cannot_run_is_named(modules, message):
    with pytest.raises(ValueError, match=message):
        compute.export_decoder(with_body(*modules))


def test_a_decoder_of_another_kind_is_named():
    class Mine(nn.Module):
        shape = (8, 8)

    vae = models.dense((8, 8), 2)
    vae.decoder = Mine()
    with pytest.raises(ValueError, match="the decoder is a Mine.*expected a GaussianDecoder"):
        compute.export_decoder(vae)


def test_weights_that_cannot_be_stored_are_refused():
    vae = models.dense((8, 8), 2)
    with pytest.raises(ValueError, match=r"precision is 'int8'; expected one of \['float32'"):
        compute.export_decoder(vae, "int8")
    with torch.no_grad():
        vae.decoder.body[0].weight[0, 0] = 1e6
    compute.export_decoder(vae, "float32")
    with pytest.raises(ValueError, match=r"decoder\.body\.0\.weight reaches 1e\+06, .* float16"):
        compute.export_decoder(vae, "float16")
    with torch.no_grad():
        vae.decoder.body[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"decoder\.body\.0\.weight holds 1 values.* NaN"):
        compute.export_decoder(vae)


def test_sliders_come_in_the_order_of_kl():
    vae = models.dense((8, 8), 3, hidden=())
    with torch.no_grad():
        for head in (vae.encoder.mu, vae.encoder.log_sigma):
            head.weight.zero_()
            head.bias.zero_()
        vae.encoder.mu.bias.copy_(torch.tensor([0.0, 2.0, 1.0]))  # KL = mu^2 / 2
        vae.encoder.mu.weight[2, 0] = 1.0  # the only mean that depends on x
    x = torch.zeros(10, 8, 8)
    x[:5, 0, 0] = 1.0
    rows = compute.slider_rows(vae, x)
    assert [row["dim"] for row in rows] == [1, 2, 0]
    assert [row["kl"] for row in rows] == [2.0, 1.25, 0.0]  # (4 + 1) / 2 / 2 for the second
    assert [row["active"] for row in rows] == [False, True, False]


def test_sliders_agree_with_the_evaluation():
    vae = models.dense((8, 8), 5, hidden=(9,))
    x = torch.rand(20, 8, 8)
    rows = compute.slider_rows(vae, x)
    kl = evaluation.kl_per_dim(vae, x).mean(0)
    assert sorted(row["dim"] for row in rows) == [*range(5)]
    for row in rows:
        assert row["kl"] == pytest.approx(float(kl[row["dim"]]), abs=1e-4)
    assert [row["kl"] for row in rows] == sorted((row["kl"] for row in rows), reverse=True)


def test_without_images_the_order_is_the_models_own():
    rows = compute.slider_rows(models.dense((8, 8), 3))
    assert [(row["dim"], row["kl"]) for row in rows] == [(0, None), (1, None), (2, None)]


def test_encode_and_decode():
    vae = models.dense((8, 8), 2, likelihood="bernoulli", hidden=(6,))
    x = torch.rand(4, 8, 8)
    torch.testing.assert_close(compute.encode(vae, x), vae.posterior(x).mu)
    z = torch.randn(3, 5, 2)
    expected = vae.decoder.mean(z).detach().numpy()
    np.testing.assert_allclose(compute.decode(vae, z), expected, atol=1e-6)
    assert isinstance(vae.decoder, BernoulliDecoder)


def test_grey_levels_are_rounded_and_clipped():
    x = torch.tensor([[-1.0, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 2.0]])
    assert [*compute.grey_levels(x)] == [0, 0, 0, 1, 255, 255]


def test_a_decoder_that_does_more_than_its_body_is_left_to_python():
    vae = models.dense((8, 8), 2)
    vae.decoder = Brighter(vae.decoder.body, (8, 8))
    with pytest.raises(compute.CannotRunError, match="the Brighter's mean is not what its body"):
        compute.export_decoder(vae)
    assert LatentExplorer(vae).spec["runs"] == "kernel"


def test_a_module_used_twice_runs_twice():
    act = nn.Tanh()
    vae = with_body(nn.Linear(2, 9), act, nn.Linear(9, 64), act)
    assert [op["op"] for op in compute.export_decoder(vae).ops] == ["linear", "tanh"] * 2


def test_dropout_and_batch_statistics_rest_and_stay_as_they_were():
    body = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.Dropout(0.5))
    vae = with_body(body).train()
    before = body[1].running_mean.clone()
    z = torch.randn(4, 2)
    first = compute.means(vae, z)
    np.testing.assert_array_equal(first, compute.means(vae, z))
    assert vae.training and body[2].training and (body[1].running_mean == before).all()


@pytest.mark.parametrize("count", [1, 2, 9])
def test_quantiles_have_equal_probability_between_them(count):
    found = torch.tensor(compute.quantiles(count), dtype=torch.float64)
    expected = (torch.arange(count) + 0.5).double() / count
    torch.testing.assert_close(torch.special.ndtr(found), expected)
