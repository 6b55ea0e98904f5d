"""Every public function refuses what it is not for, and says what was given and what is expected.

One table: how it is called, the error, and the words that its message must hold. What concerns
files is in test_checkpoint, test_training and test_data.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from vaelib import bounds, checkpoint, data, divergences, evaluation, faces, models, schedules
from vaelib.distributions import Bernoulli, DiagonalGaussian
from vaelib.models import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vaelib.training import fit

pytestmark = pytest.mark.refuses

NAN, INF = float("nan"), float("inf")
ZEROS = torch.zeros(3, 2)
WITH_NAN = torch.tensor([[0.0, NAN], [1.0, 2.0], [0.0, 0.0]])
INTS = torch.zeros(3, 2, dtype=torch.int64)
BYTES = torch.full((3, 4, 4), 200, dtype=torch.uint8)  # images as they are often stored
GREY = torch.full((3, 4, 4), 0.5)
VAE = models.dense((4, 4), 2)
BINARY = models.dense((4, 4), 2, likelihood="bernoulli")
FLAT = models.dense((4,), 2)
MADE = data.Data("made", GREY, GREY, ZEROS, ZEROS, ("a", "b"))
NORMAL = torch.distributions.Normal(0.0, 1.0).log_prob


def grey_nan() -> torch.Tensor:
    x = GREY.clone()
    x[1, 2, 3] = NAN
    return x


def train(x=GREY, vae=VAE, **options):
    return fit(vae, x, **{"epochs": 1, "progress": False, **options})


# What must hold of images holds for everything that takes them: (vae, x) -> anything.
TAKES_IMAGES = {
    "posterior": lambda vae, x: vae.posterior(x),
    "elbo": lambda vae, x: bounds.elbo(vae, x),
    "fit": lambda vae, x: train(x, vae),
    "log_marginal": lambda vae, x: evaluation.log_marginal(vae, x, 3),
    "ladder": lambda vae, x: evaluation.ladder(vae, x, (2,), progress=False),
    "kl_per_dim": evaluation.kl_per_dim,
    "active_units": evaluation.active_units,
    "factor_alignment": lambda vae, x: evaluation.factor_alignment(
        vae, data.Data("made", GREY, x, None, ZEROS, ("a", "b"))
    ),
}
IMAGES = {
    "integers": (BYTES, TypeError, "uint8.*floats.*255"),
    "sparse": (GREY.to_sparse(), TypeError, r"sparse.*say \w+\.to_dense\(\)$"),
    "grey 0 to 255": (BYTES.float(), ValueError, r"\[200, 200\].*\[0, 1\].*255"),
    "negative": (GREY - 1, ValueError, r"\[-0\.5, -0\.5\].*\[0, 1\]"),
    "nan": (grey_nan(), ValueError, "1 values? .*NaN"),
    "infinite": (GREY + INF, ValueError, "infinite"),
    "size": (torch.zeros(3, 5, 5), ValueError, r"\(3, 5, 5\).*4, 4\)"),
    "no batch": (torch.zeros(4, 4), ValueError, r"\(4, 4\).*4, 4\)"),
    "channel": (torch.zeros(3, 1, 4, 4), ValueError, r"\(3, 1, 4, 4\).*4, 4\)"),
    "scalar": (torch.zeros(()), ValueError, r"\(\).*4, 4\)"),
    "flat": (torch.zeros(3, 16), ValueError, r"\(3, 16\).*4, 4\)"),
    "double": (GREY.double(), TypeError, "float64.*float32"),
    "numpy": (GREY.numpy(), TypeError, "tensor.*ndarray"),
    "list": ([[0.0]], TypeError, "tensor.*list"),
    "none": (None, TypeError, "tensor.*None"),
}


# `Data` holds tensors, and `factor_alignment` turns them to the model's dtype and device.
TURNED = ("integers", "double", "numpy", "list", "none")


@pytest.mark.parametrize(
    ("function", "image"),
    [(f, i) for f in TAKES_IMAGES for i in IMAGES if f != "factor_alignment" or i not in TURNED],
)
def test_images(function, image):
    x, error, message = IMAGES[image]
    with pytest.raises(error, match=message):
        TAKES_IMAGES[function](VAE, x)


@pytest.mark.parametrize("likelihood", ["elbo", "fit", "log_marginal", "ladder", "log_prob"])
def test_grey_values_under_a_bernoulli_decoder(likelihood):
    call = TAKES_IMAGES | {"log_prob": lambda vae, x: vae.likelihood(ZEROS).log_prob(x)}
    with pytest.raises(ValueError, match=r"\[0\.5, 0\.5\].*not 0 or 1.*binarise"):
        call[likelihood](BINARY, GREY)


def test_a_model_in_float64_says_so():
    with pytest.raises(TypeError, match="float32.*float64"):
        models.dense((4, 4), 2).double().posterior(GREY)


def test_values_that_are_no_images_have_no_range():
    x = torch.full((3, 4), 200.0)
    assert FLAT.posterior(x).mu.shape == (3, 2)


V, T = ValueError, TypeError
DIVERGENCES = {
    "kl dtype": (lambda: divergences.kl_to_standard_normal(INTS, ZEROS), T, "mu.*int64.*float"),
    "kl dtype 2": (
        lambda: divergences.kl_to_standard_normal(ZEROS, INTS),
        T,
        "log_sigma.*int64.*float",
    ),
    "kl mixed": (
        lambda: divergences.kl_to_standard_normal(ZEROS, ZEROS.double()),
        T,
        "log_sigma.*float64.*float32",
    ),
    "kl shapes": (
        lambda: divergences.kl_to_standard_normal(ZEROS, torch.zeros(3, 4)),
        V,
        r"log_sigma.*\(3, 4\).*\(3, 2\)",
    ),
    "kl broadcast": (
        lambda: divergences.kl_to_standard_normal(ZEROS, torch.zeros(1, 2)),
        V,
        r"log_sigma.*\(1, 2\).*\(3, 2\)",
    ),
    "kl scalar": (
        lambda: divergences.kl_to_standard_normal(torch.tensor(0.0), torch.tensor(0.0)),
        V,
        r"\(\).*D",
    ),
    "kl nan": (lambda: divergences.kl_to_standard_normal(WITH_NAN, ZEROS), V, "mu.*NaN"),
    "kl nan 2": (lambda: divergences.kl_to_standard_normal(ZEROS, WITH_NAN), V, "log_sigma.*NaN"),
    "kl inf": (lambda: divergences.kl_to_standard_normal(ZEROS, ZEROS - INF), V, "infinite"),
    "kl numpy": (lambda: divergences.kl_to_standard_normal(np.zeros(2), ZEROS), T, "mu.*ndarray"),
    "kl number": (lambda: divergences.kl_to_standard_normal(0.0, 0.0), T, "mu.*float"),
    "gauss sigma 0": (
        lambda: divergences.kl_gaussian(0.0, 0.0, 0.0, 1.0),
        V,
        r"sigma_q.*> 0.*smallest.*0",
    ),
    "gauss sigma -1": (
        lambda: divergences.kl_gaussian(0.0, 1.0, 0.0, -1.0),
        V,
        r"sigma_p.*> 0.*-1",
    ),
    "gauss some": (
        lambda: divergences.kl_gaussian(ZEROS, torch.tensor([1.0, -2.0]), ZEROS, ZEROS + 1),
        V,
        "sigma_q.*> 0.*-2",
    ),
    "gauss nan": (lambda: divergences.kl_gaussian(NAN, 1.0, 0.0, 1.0), V, "mu_q is nan"),
    "gauss nan sigma": (lambda: divergences.kl_gaussian(0.0, 1.0, 0.0, NAN), V, "sigma_p is nan"),
    "gauss inf": (lambda: divergences.kl_gaussian(0.0, INF, 0.0, 1.0), V, "sigma_q is inf"),
    "gauss ints": (lambda: divergences.kl_gaussian(INTS, 1.0, 0.0, 1.0), T, "mu_q.*int64.*float"),
    "gauss text": (lambda: divergences.kl_gaussian("0", 1.0, 0.0, 1.0), T, "mu_q.*'0'"),
    "gauss bool": (lambda: divergences.kl_gaussian(True, 1.0, 0.0, 1.0), T, "mu_q.*True"),
    "gauss none": (lambda: divergences.kl_gaussian(None, 1.0, 0.0, 1.0), T, "mu_q.*None"),
    "gauss mixed": (
        lambda: divergences.kl_gaussian(ZEROS, 1.0, ZEROS.double(), 1.0),
        T,
        "float32.*float64",
    ),
    "gauss shapes": (
        lambda: divergences.kl_gaussian(ZEROS, ZEROS + 1, torch.zeros(5), 1.0),
        V,
        r"\(3, 2\).*\(5,\)",
    ),
    "quad empty": (
        lambda: divergences.kl_quadrature(NORMAL, NORMAL, 1, 1),
        V,
        r"\[1, 1\].*lo < hi",
    ),
    "quad order": (lambda: divergences.kl_quadrature(NORMAL, NORMAL, 9, -9), V, r"\[9, -9\]"),
    "quad inf": (lambda: divergences.kl_quadrature(NORMAL, NORMAL, -INF, 9), V, "lo.*-inf.*finite"),
    "quad nan": (lambda: divergences.kl_quadrature(NORMAL, NORMAL, NAN, 9), V, "lo.*nan"),
    "quad text": (lambda: divergences.kl_quadrature(NORMAL, NORMAL, "a", 9), T, "lo.*'a'"),
    "quad nan q": (
        lambda: divergences.kl_quadrature(lambda z: z * NAN, NORMAL, -9, 9),
        V,
        "log_q.*NaN",
    ),
    "quad nan p": (
        lambda: divergences.kl_quadrature(NORMAL, lambda z: z * NAN, -9, 9),
        V,
        "log_p.*NaN",
    ),
    "quad shape": (
        lambda: divergences.kl_quadrature(lambda z: z.sum(), NORMAL, -9, 9),
        V,
        r"log_q.*\(\).*\(1,\)",
    ),
    "quad numbers": (
        lambda: divergences.kl_quadrature(lambda z: 0.0, NORMAL, -9, 9),
        T,
        "log_q.*tensor.*float",
    ),
    "quad not log": (
        lambda: divergences.kl_quadrature(lambda z: NORMAL(z).exp(), NORMAL, -9, 9),
        V,
        r"integrates to 19.*\[-9, 9\].*expected 1",
    ),
    "mc one": (
        lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, torch.zeros(1)),
        V,
        r"\(1,\).*K ≥ 2",
    ),
    "mc none": (
        lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, torch.zeros(0)),
        V,
        r"\(0,\).*K ≥ 2",
    ),
    "mc scalar": (lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, torch.zeros(())), V, "K ≥ 2"),
    "mc ints": (
        lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, torch.arange(5)),
        T,
        "z.*int64.*float",
    ),
    "mc nan": (lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, WITH_NAN[:, 1]), V, "z.*NaN"),
    "mc not summed": (
        lambda: divergences.kl_monte_carlo(NORMAL, NORMAL, ZEROS),
        V,
        r"log_q.*\(3, 2\).*\(3,\)",
    ),
    "mc nan q": (
        lambda: divergences.kl_monte_carlo(lambda z: z * NAN, NORMAL, torch.zeros(4)),
        V,
        "log_q.*NaN.*4",
    ),
    "mc q is zero": (
        lambda: divergences.kl_monte_carlo(lambda z: z - INF, NORMAL, torch.zeros(4)),
        V,
        "log_q.*∞",
    ),
}

Q = DiagonalGaussian(ZEROS, ZEROS)
P = Bernoulli(ZEROS)
DISTRIBUTIONS = {
    "gauss ints": (lambda: DiagonalGaussian(INTS, ZEROS), T, "mu.*int64.*float"),
    "gauss ints 2": (lambda: DiagonalGaussian(ZEROS, INTS), T, "log_sigma.*int64.*float"),
    "gauss numbers": (lambda: DiagonalGaussian(0.0, 0.0), T, "mu.*tensor.*float"),
    "gauss shapes": (
        lambda: DiagonalGaussian(ZEROS, torch.zeros(3, 4)),
        V,
        r"\(3, 2\).*\(3, 4\)",
    ),
    "gauss event": (lambda: Q.log_prob(torch.zeros(3, 1)), V, r"\(3, 1\).*2"),
    "gauss event 2": (lambda: Q.log_prob(torch.zeros(3, 5)), V, r"\(3, 5\).*2"),
    "gauss batch": (lambda: Q.log_prob(torch.zeros(7, 2)), V, r"\(7, 2\).*\(?3"),
    "gauss z ints": (lambda: Q.log_prob(INTS), T, "z.*int64.*float"),
    "gauss z nan": (lambda: Q.log_prob(WITH_NAN), V, "z.*NaN"),
    "gauss z numpy": (lambda: Q.log_prob(np.zeros((3, 2))), T, "z.*ndarray"),
    "bernoulli ints": (lambda: Bernoulli(INTS), T, "logits.*int64.*float"),
    "bernoulli grey": (lambda: P.log_prob(ZEROS + 0.5), V, r"\[0\.5, 0\.5\].*0 or 1"),
    "bernoulli -1": (lambda: P.log_prob(ZEROS - 1), V, r"\[-1, -1\].*0 or 1"),
    "bernoulli 2": (lambda: P.log_prob(ZEROS + 2), V, r"\[2, 2\].*0 or 1"),
    "bernoulli nan": (lambda: P.log_prob(WITH_NAN), V, "x"),
    "bernoulli event": (lambda: P.log_prob(torch.zeros(3, 1)), V, r"\(3, 1\).*2"),
    "bernoulli batch": (lambda: P.log_prob(torch.zeros(7, 2)), V, r"\(7, 2\).*\(?3"),
}

BOUNDS = {
    "kl": (lambda: bounds.elbo(VAE, GREY, kl="exact"), V, "'exact'.*analytic.*monte_carlo"),
    "n 0": (lambda: bounds.elbo(VAE, GREY, n_samples=0), V, "n_samples is 0.*1"),
    "n -1": (lambda: bounds.elbo(VAE, GREY, n_samples=-1), V, "n_samples is -1.*1"),
    "n 1.5": (lambda: bounds.elbo(VAE, GREY, n_samples=1.5), T, "n_samples.*1.5"),
    "n True": (lambda: bounds.elbo(VAE, GREY, n_samples=True), T, "n_samples.*True"),
    "eps shape": (
        lambda: bounds.elbo(VAE, GREY, eps=torch.zeros(3, 2)),
        V,
        r"eps.*\(3, 2\).*\(K, 3, 2\)",
    ),
    "eps size": (
        lambda: bounds.elbo(VAE, GREY, eps=torch.zeros(1, 3, 5)),
        V,
        r"eps.*\(1, 3, 5\).*\(K, 3, 2\)",
    ),
    "eps batch": (
        lambda: bounds.elbo(VAE, GREY, eps=torch.zeros(1, 1, 2)),
        V,
        r"eps.*\(1, 1, 2\).*\(K, 3, 2\)",
    ),
    "eps ints": (lambda: bounds.elbo(VAE, GREY, eps=INTS[None]), T, "eps.*int64.*float"),
    "eps nan": (lambda: bounds.elbo(VAE, GREY, eps=WITH_NAN[None]), V, "eps.*NaN"),
    "eps double": (lambda: bounds.elbo(VAE, GREY, eps=ZEROS[None].double()), T, "eps.*float64"),
    "eps none": (
        lambda: bounds.elbo(VAE, GREY, eps=torch.zeros(0, 3, 2)),
        V,
        r"eps, is 0.*at least 1",
    ),
    "lme ints": (lambda: bounds.log_mean_exp(INTS), T, "log_w.*int64.*float"),
    "lme nan": (lambda: bounds.log_mean_exp(WITH_NAN), V, "log_w.*NaN"),
    "lme none": (lambda: bounds.log_mean_exp(torch.zeros(0, 3)), V, r"\(0, 3\).*one"),
    "lme scalar": (lambda: bounds.log_mean_exp(torch.zeros(())), V, r"\(\)"),
    "lme dim": (lambda: bounds.log_mean_exp(ZEROS, dim=2), (V, IndexError), r"dim.*2|2.*dim"),
    "lme list": (lambda: bounds.log_mean_exp([0.0]), T, "log_w.*list"),
    "iw shape": (lambda: bounds.importance_weighted_bound(torch.zeros(5)), V, r"\(5,\).*K.*B"),
    "iw shape 3": (
        lambda: bounds.importance_weighted_bound(torch.zeros(5, 2, 2)),
        V,
        r"\(5, 2, 2\).*K",
    ),
    "iw none": (lambda: bounds.importance_weighted_bound(torch.zeros(0, 2)), V, r"\(0, 2\)"),
    "iw nan": (lambda: bounds.importance_weighted_bound(WITH_NAN), V, "log_w.*NaN"),
    "iw ints": (lambda: bounds.importance_weighted_bound(INTS), T, "log_w.*int64"),
}

ENCODER = GaussianEncoder(nn.Flatten(), 16, 3)
MODELS = {
    "z size": (lambda: VAE.likelihood(torch.zeros(3, 5)), V, r"z.*\(3, 5\).*2"),
    "z no batch": (lambda: VAE.likelihood(torch.zeros(2)), V, r"z.*\(2,\).*B"),
    "z scalar": (lambda: VAE.likelihood(torch.zeros(())), V, r"z.*\(\).*2"),
    "z ints": (lambda: VAE.likelihood(INTS), T, "z.*int64.*float"),
    "z nan": (lambda: VAE.likelihood(WITH_NAN), V, "z.*NaN"),
    "z double": (lambda: VAE.likelihood(ZEROS.double()), T, "z.*float64.*float32"),
    "z numpy": (lambda: VAE.likelihood(np.zeros((3, 2))), T, "z.*ndarray"),
    "sample 0": (lambda: VAE.sample(0), V, "n is 0.*1"),
    "sample 1.5": (lambda: VAE.sample(1.5), T, "n must.*1.5"),
    "not modules": (lambda: models.VAE(lambda x: x, VAE.decoder), T, "modules.*function"),
    "latent mismatch": (lambda: models.VAE(ENCODER, VAE.decoder), V, "1x3 and 2x"),
    "data mismatch": (lambda: models.VAE(FLAT.encoder, VAE.decoder), V, r"\(4, 4\)"),
    "sigma 0": (lambda: models.dense((4, 4), 2, sigma_x=0.0), V, "sigma_x is 0.*above 0"),
    "sigma -1": (lambda: models.conv((4, 4), 2, sigma_x=-1.0), V, "sigma_x is -1.*above 0"),
    "sigma nan": (lambda: models.dense((4, 4), 2, sigma_x=NAN), V, "sigma_x is nan"),
    "sigma inf": (lambda: models.dense((4, 4), 2, sigma_x=INF), V, "sigma_x is inf"),
    "sigma text": (lambda: models.dense((4, 4), 2, sigma_x="a"), T, "sigma_x.*'a'"),
    "decoder sigma": (lambda: GaussianDecoder(nn.Identity(), (2,), sigma_x=0), V, "sigma_x is 0"),
    "latent 0": (lambda: models.dense((4, 4), 0), V, "latent_dim is 0.*1"),
    "latent 1.5": (lambda: models.conv((4, 4), 1.5), T, "latent_dim.*1.5"),
    "shape 0": (lambda: models.dense((4, 0), 2), V, "shape is 0.*1"),
    "shape none": (lambda: models.dense((), 2), V, r"shape is \(\)"),
    "shape number": (lambda: models.dense(16, 2), T, "shape is 16.*tuple"),
    "shape text": (lambda: models.dense("44", 2), T, "shape is '44'"),
    "hidden 0": (lambda: models.dense((4, 4), 2, hidden=(0,)), V, "hidden is 0.*1"),
    "hidden number": (lambda: models.dense((4, 4), 2, hidden=400), T, "hidden is 400.*tuple"),
    "hidden conv": (lambda: models.conv((4, 4), 2, hidden=(400,)), T, r"hidden.*\(400,\)"),
    "channels": (lambda: models.conv((4, 4), 2, channels=()), V, r"channels is \(\)"),
    "channels 0": (lambda: models.conv((4, 4), 2, channels=(0,)), V, "channels is 0.*1"),
    "odd size": (lambda: models.conv((6, 6), 2), V, r"\(6, 6\).*divisible by 4"),
    "flat conv": (lambda: models.conv((64,), 2), V, r"\(64,\).*H, W"),
    "likelihood": (
        lambda: models.dense((4, 4), 2, likelihood="poisson"),
        V,
        "'poisson'.*gaussian.*bernoulli",
    ),
    "activation": (
        lambda: models.dense((4, 4), 2, activation="gelu"),
        V,
        "'gelu'.*relu.*silu.*tanh",
    ),
    "seed": (lambda: models.dense((4, 4), 2, seed=1.5), T, "seed.*1.5"),
    "seed text": (lambda: models.dense((4, 4), 2, seed="a"), T, "seed.*'a'"),
    "build nothing": (lambda: models.build({}), V, "dense.*conv"),
    "build maker": (lambda: models.build({"maker": "lstm"}), V, "lstm.*dense.*conv"),
    "build unknown": (
        lambda: models.build({"maker": "dense", "shape": [4], "latent_dim": 2, "depth": 3}),
        V,
        "depth",
    ),
    "build missing": (lambda: models.build({"maker": "dense", "shape": [4]}), V, "latent_dim"),
    "build none": (lambda: models.build(None), V, "None"),
    "bernoulli decoder": (
        lambda: models.VAE(ENCODER, BernoulliDecoder(nn.Linear(3, 7), (4, 4))),
        V,
        r"\(4, 4\)",
    ),
}

SCHEDULES = {
    "linear step": (lambda: schedules.linear_annealing(-1, 5), V, "step is -1.*0"),
    "linear warmup": (lambda: schedules.linear_annealing(1, -5), V, "warmup is -5.*0"),
    "linear fraction": (lambda: schedules.linear_annealing(0.5, 5), T, "step.*0.5"),
    "linear text": (lambda: schedules.linear_annealing(1, "5"), T, "warmup.*'5'"),
    "linear nan": (lambda: schedules.linear_annealing(1, 5, start=NAN), V, "start is nan"),
    "cosine hold": (lambda: schedules.cosine_decay(1, 4, 1.0, hold=1.0), V, r"hold is 1.*\[0, 1\)"),
    "cosine hold -1": (lambda: schedules.cosine_decay(1, 4, 1.0, hold=-1.0), V, r"hold is -1"),
    "cosine step": (lambda: schedules.cosine_decay(-1, 4, 1.0), V, "step is -1"),
    "cosine start": (lambda: schedules.cosine_decay(1, 4, NAN), V, "start is nan"),
}

TRAINING = {
    "no vae": (lambda: train(vae=nn.Linear(16, 2)), T, "VAE.*Linear"),
    "empty": (lambda: train(GREY[:0]), V, "no examples"),
    "epochs": (lambda: train(epochs=0), V, "epochs is 0.*1"),
    "epochs 1.5": (lambda: train(epochs=1.5), T, "epochs.*1.5"),
    "batch": (lambda: train(batch_size=0), V, "batch_size is 0.*1"),
    "batch text": (lambda: train(batch_size="8"), T, "batch_size.*'8'"),
    "lr -1": (lambda: train(lr=-1.0), V, "lr is -1.*≥ 0"),
    "lr nan": (lambda: train(lr=NAN), V, "lr is nan"),
    "lr text": (lambda: train(lr="1e-3"), T, "lr.*'1e-3'"),
    "lr schedule": (lambda: train(lr=lambda step: -0.5), V, r"lr.*-0\.5.*≥ 0"),
    "lr nothing": (lambda: train(lr=lambda step: None), T, "lr.*None"),
    "beta -1": (lambda: train(beta=-1.0), V, "beta is -1.*≥ 0"),
    "beta inf": (lambda: train(beta=INF), V, "beta is inf"),
    "beta schedule": (
        lambda: train(batch_size=1, beta=lambda step: NAN if step == 2 else 1.0),
        V,
        "beta at step 2 is nan",
    ),
    "beta none": (lambda: train(beta=None), T, "beta.*None"),
    "device": (lambda: train(device="gpu"), V, '"gpu".*"auto"'),
    "device cuda": (lambda: train(device="cuda:99"), V, '"cuda:99".*"auto"'),
    "seed": (lambda: train(seed=1.5), T, "seed.*1.5"),
    "binarise gaussian": (lambda: train(binarise=True), V, "binarise=True.*Bernoulli.*Gaussian"),
    "binarise range": (lambda: train(GREY * 4, BINARY, binarise=True), V, r"\[2, 2\].*\[0, 1\]"),
}

EVALUATION = {
    "samples 0": (lambda: evaluation.log_marginal(VAE, GREY, 0), V, "n_samples is 0.*1"),
    "samples 1.5": (lambda: evaluation.log_marginal(VAE, GREY, 1.5), T, "n_samples.*1.5"),
    "ladder 0": (lambda: evaluation.ladder(VAE, GREY, (5, 0), progress=False), V, "0.*1"),
    "ladder one": (lambda: evaluation.ladder(VAE, GREY[:1], progress=False), V, "1 example.*2"),
    "active one": (lambda: evaluation.active_units(VAE, GREY[:1]), V, "1 example.*2"),
    "active threshold": (lambda: evaluation.active_units(VAE, GREY, NAN), V, "threshold is nan"),
    "active text": (lambda: evaluation.active_units(VAE, GREY, "a"), T, "threshold.*'a'"),
    "spearman shape": (
        lambda: evaluation.spearman_table(torch.zeros(5), ZEROS),
        V,
        r"mu.*\(5,\).*N",
    ),
    "spearman rows": (lambda: evaluation.spearman_table(ZEROS, torch.zeros(5, 2)), V, "3.*5"),
    "spearman one": (lambda: evaluation.spearman_table(ZEROS[:1], ZEROS[:1]), V, "1 rows.*2"),
    "spearman nan": (lambda: evaluation.spearman_table(WITH_NAN, ZEROS), V, "mu.*NaN"),
    "spearman nan 2": (lambda: evaluation.spearman_table(ZEROS, WITH_NAN), V, "factors.*NaN"),
    "spearman ints": (lambda: evaluation.spearman_table(ZEROS, INTS), T, "factors.*int64"),
    "spearman numpy": (
        lambda: evaluation.spearman_table(np.zeros((3, 2)), ZEROS),
        T,
        "mu.*ndarray",
    ),
    "no factors": (
        lambda: evaluation.factor_alignment(VAE, data.Data("plain", GREY, GREY)),
        V,
        '"plain".*faces',
    ),
    "other size": (
        lambda: evaluation.factor_alignment(models.dense((5, 5), 2), MADE),
        V,
        r"\(3, 4, 4\).*5, 5",
    ),
}

DATA = {
    "binarise 2": (lambda: data.binarise(torch.tensor([2.0])), V, r"\[2, 2\].*\[0, 1\]"),
    "binarise -1": (lambda: data.binarise(torch.tensor([-1.0])), V, r"\[-1, -1\].*\[0, 1\]"),
    "binarise nan": (lambda: data.binarise(torch.tensor([NAN])), V, "NaN"),
    "binarise bytes": (lambda: data.binarise(BYTES), T, "uint8.*float"),
    "binarise numpy": (lambda: data.binarise(np.zeros(3)), T, "ndarray"),
    "load": (lambda: data.load("imagenet"), V, "'imagenet'.*faces.*digits.*mnist"),
    "load none": (lambda: data.load(None), V, "None.*faces"),
    "render 2": (lambda: faces.render(2.0, 0.0), V, r"expression.*\[2, 2\].*\[-1, 1\]"),
    "render nan": (lambda: faces.render(0.0, NAN), V, "pose.*NaN"),
    "render ints": (
        lambda: faces.render(torch.zeros(3, dtype=torch.int64), 0.0),
        T,
        "int64.*float",
    ),
    "render shapes": (lambda: faces.render(torch.zeros(3), torch.zeros(4)), V, r"\(3,\).*\(4,\)"),
    "render size": (lambda: faces.render(0.0, 0.0, size=4), V, "size is 4.*8"),
    "render text": (lambda: faces.render("smile", 0.0), T, "expression"),
}

CHECKPOINTS = {
    "weights": (
        lambda: checkpoint.load_weights(VAE, {}, "nothing"),
        checkpoint.CheckpointError,
        r"nothing is for another model: it has \[\], not \[\('decoder",
    ),
}

TABLE = {
    f"{module} {name}": case
    for module, cases in {
        "divergences": DIVERGENCES,
        "distributions": DISTRIBUTIONS,
        "bounds": BOUNDS,
        "models": MODELS,
        "schedules": SCHEDULES,
        "training": TRAINING,
        "evaluation": EVALUATION,
        "data": DATA,
        "checkpoint": CHECKPOINTS,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", TABLE)
def test_refusal(name):
    call, error, message = TABLE[name]
    with pytest.raises(error, match=message):
        call()


def test_refused_training_leaves_the_model_alone():
    vae = models.dense((4, 4), 2)
    for x in (GREY * 4, grey_nan(), BYTES):
        with pytest.raises((ValueError, TypeError)):
            train(x, vae)
    fresh = models.dense((4, 4), 2).state_dict()
    assert all(torch.equal(t, fresh[name]) for name, t in vae.state_dict().items())


def test_what_is_right_is_not_refused():
    """The edges that must stay open: whole numbers for floats, exact ends, NumPy's numbers."""
    assert divergences.kl_gaussian(1, 1, 0, 1).item() == 0.5
    assert divergences.kl_gaussian(np.float64(1), np.float32(1), 0, 1).item() == 0.5
    assert divergences.kl_quadrature(NORMAL, NORMAL, -9, 9).item() == 0
    ends = torch.tensor([0.0, 1.0]).repeat(8).reshape(1, 4, 4)
    assert math.isfinite(bounds.elbo(VAE, ends).total.item())
    assert math.isfinite(bounds.elbo(BINARY, ends).total.item())
    assert data.binarise(ends).equal(ends)
    assert VAE.sample(np.int64(2)).shape == (2, 4, 4)
    assert bounds.elbo(VAE, GREY, n_samples=np.int64(2)).total.shape == (3,)
    assert schedules.linear_annealing(np.int64(1), 4) == 0.25
    assert train(beta=0, lr=0, seed=np.int64(3)).steps == 1
    assert evaluation.log_marginal(VAE, GREY, 2, seed=np.int64(3)).shape == (3,)
    assert bounds.log_mean_exp(torch.tensor([-INF, -INF])).item() == -INF
    assert Q.log_prob(torch.zeros(5, 3, 2)).shape == (5, 3) and Q.log_prob(ZEROS[:1]).shape == (3,)
