"""The VAE: an encoder and a decoder that return distributions, and the prior p(z) = N(0, I).

θ is the decoder, φ the encoder. `dense` and `conv` make a VAE in one line.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from vaelib import validation
from vaelib.distributions import Bernoulli, DiagonalGaussian

Shape = Sequence[int]
Batch = Float[Tensor, "B ..."]
Likelihood = Literal["gaussian", "bernoulli"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class GaussianEncoder(nn.Module):
    """q_φ(z|x) = N(μ_φ(x), diag σ_φ(x)²): a body and two linear heads, μ and log σ.

    `body` maps (B, *shape) to (B, features). Source: slide "Designing the q distribution".
    """

    def __init__(self, body: nn.Module, features: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.mu = nn.Linear(features, latent_dim)
        self.log_sigma = nn.Linear(features, latent_dim)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        h = self.body(x)
        # Under autocast the layers give bfloat16, in which no sum is to be taken.
        return DiagonalGaussian(self.mu(h).to(x.dtype), self.log_sigma(h).to(x.dtype))


class _Decoder(nn.Module):
    """A body that maps (B, D) to (B, prod(shape)); z may have any leading dimensions."""

    def __init__(self, body: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.body = body
        self.shape = tuple(shape)

    def output(self, z: Tensor) -> Tensor:
        """G_θ(z): (…, D) → (…, *shape)."""
        return self.body(z.flatten(0, -2)).to(z.dtype).reshape(*z.shape[:-1], *self.shape)


class GaussianDecoder(_Decoder):
    """p_θ(x|z) = N(G_θ(z), σ_x² I), with σ_x fixed or (`learn_sigma_x`) a parameter.

    Raises ValueError for σ_x ≤ 0. Source: slide "Maximum Likelihood Estimation" (2).
    """

    def __init__(
        self, body: nn.Module, shape: Shape, sigma_x: float = 0.1, learn_sigma_x: bool = False
    ) -> None:
        super().__init__(body, shape)
        log_sigma_x = math.log(validation.number("sigma_x", sigma_x, above=0.0))
        # If fixed, in double precision, so that a model in float64 has just the σ_x asked for.
        fixed = nn.Buffer(torch.tensor(log_sigma_x, dtype=torch.float64))
        learned = nn.Parameter(torch.tensor(log_sigma_x))
        self.log_sigma_x: Tensor = learned if learn_sigma_x else fixed

    mean = _Decoder.output  # x̂ = G_θ(z)

    @property
    def sigma_x(self) -> Tensor:
        return self.log_sigma_x.exp()

    def forward(self, z: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.output(z), self.log_sigma_x.to(z.dtype), len(self.shape))


class BernoulliDecoder(_Decoder):
    """p_θ(x|z) = Π_i Bernoulli(x_i; sigmoid(ℓ_i(z))) for binary pixels: the body gives logits ℓ."""

    def mean(self, z: Tensor) -> Tensor:
        """x̂ = sigmoid(ℓ(z)): (…, D) → (…, *shape)."""
        return self.output(z).sigmoid()

    def forward(self, z: Tensor) -> Bernoulli:
        return Bernoulli(self.output(z), len(self.shape))


class VAE(nn.Module):
    """The pair (encoder, decoder) with prior p(z) = N(0, I) in `latent_dim` dimensions.

    `posterior` and `likelihood` check their argument; `encoder(x)` and `decoder(z)` do not. From
    `config`, `build` makes the same again. Raises ValueError for networks that do not fit together.
    """

    def __init__(
        self,
        encoder: Callable[[Tensor], DiagonalGaussian],
        decoder: GaussianDecoder | BernoulliDecoder,
        latent_dim: int | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Module) or not isinstance(decoder, nn.Module):
            given = f"{type(encoder).__name__} and {type(decoder).__name__}"
            raise TypeError(f"encoder and decoder must be torch modules, not {given}")
        self.encoder = encoder
        self.decoder = decoder
        self.config = config
        self.shape: tuple[int, ...] = decoder.shape
        try:
            with torch.no_grad(), self.in_mode(training=False):
                mu = encoder(torch.zeros(1, *self.shape, dtype=self.dtype, device=self.device)).mu
                x_hat = decoder.mean(torch.zeros_like(mu))
        except RuntimeError as error:
            given = f"data of shape {self.shape}"
            raise ValueError(f"encoder or decoder is not for {given}: {error}") from None
        self.latent_dim: int = latent_dim or mu.shape[-1]
        found = (tuple(mu.shape), tuple(x_hat.shape))
        wanted = ((1, self.latent_dim), (1, *self.shape))
        if found != wanted:
            raise ValueError(f"mu and x_hat have shapes {found}; expected {wanted}")

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def prior(self) -> DiagonalGaussian:
        """p(z) = N(0, I), (D,)."""
        zeros = torch.zeros(self.latent_dim, dtype=self.dtype, device=self.device)
        return DiagonalGaussian(zeros, zeros)

    def posterior(self, x: Batch) -> DiagonalGaussian:
        """q_φ(z|x), (B, D), for x of shape (B, *shape).

        Raises TypeError for a wrong dtype, ValueError for a wrong shape, NaN, or images (if the
        shape has two dimensions or more) with values outside [0, 1].
        """
        self.check_data("x", x)
        return self.encoder(x)

    def likelihood(self, z: Float[Tensor, "*K B D"]) -> DiagonalGaussian | Bernoulli:
        """p_θ(x|z), (…, *shape), for z of shape (…, D). Raises for a wrong dtype or shape, NaN."""
        self._check("z", z, ("...", "B", self.latent_dim))
        return self.decoder(z)

    def sample(self, n: int, generator: Generator | None = None, mean: bool = False) -> Batch:
        """n draws (n, *shape) of p_θ(x): z ~ p(z), then x ~ p_θ(x|z), or (`mean=True`) x̂ = G_θ(z).

        Source: slide "Generating data from the VAE".
        """
        with torch.no_grad(), self.in_mode(training=False):
            z = self.prior.sample((validation.count("n", n),), generator)
            return self.decoder.mean(z) if mean else self.decoder(z).sample((), generator)

    def check_data(self, name: str, x: object) -> None:
        """Refuse data that this model is not for; the likelihood's own needs are checked by it."""
        self._check(name, x, ("B", *self.shape), unit=len(self.shape) > 1)

    @contextmanager
    def in_mode(self, training: bool) -> Iterator[None]:
        """While it lasts, all modules train or evaluate. Refuses weights that are not finite."""
        check_weights(self.state_dict())
        modes = {module: module.training for module in self.modules()}
        self.train(training)
        try:
            yield
        finally:
            for module, own in modes.items():
                module.training = own

    def _check(self, name: str, value: Any, shape: Sequence[int | str], unit: bool = False) -> None:
        validation.floats(name, value, shape, self.dtype)
        if value.device != self.device:
            given = f"{name} has device {value.device}, the model {self.device}"
            raise TypeError(f'{given}; expected the same: say {name}.to("{self.device}")')
        (validation.unit_interval if unit else validation.finite)(name, value)


def dense(
    shape: Shape,
    latent_dim: int,
    hidden: Sequence[int] = (400,),
    likelihood: Likelihood = "gaussian",
    sigma_x: float = 0.1,
    activation: str = "relu",
    learn_sigma_x: bool = False,
    seed: int = 0,
) -> VAE:
    """A VAE of fully connected layers; the decoder mirrors the encoder, `hidden=()` is linear.

    Weights are float32, drawn by torch's defaults from `seed`. Raises ValueError for sizes < 1,
    σ_x ≤ 0 or an unknown likelihood or activation.

    >>> dense((28, 28), 20).posterior(torch.zeros(5, 28, 28)).mu.shape
    torch.Size([5, 20])
    """
    config = _config("dense", locals(), sizes=("shape", "hidden"))
    sizes = [math.prod(config["shape"]), *config["hidden"]]
    with _drawn_from(config["seed"]):
        body = nn.Sequential(nn.Flatten(), *_layers(sizes, activation))
        encoder = GaussianEncoder(body, sizes[-1], latent_dim)
        back = [latent_dim, *sizes[:0:-1]]
        top = nn.Linear(back[-1], sizes[0])
        decoder = _decoder(nn.Sequential(*_layers(back, activation), top), config)
        return VAE(encoder, decoder, config=config)


def conv(
    shape: Shape,
    latent_dim: int,
    channels: Sequence[int] = (32, 64),
    hidden: int = 256,
    likelihood: Likelihood = "gaussian",
    sigma_x: float = 0.1,
    activation: str = "relu",
    learn_sigma_x: bool = False,
    seed: int = 0,
) -> VAE:
    """A VAE of 4 × 4 convolutions of stride 2, one for each of `channels`, and one dense layer.

    `shape` is (H, W) or (C, H, W), and each convolution halves H and W. Raises as `dense`.
    """
    hidden = validation.count("hidden", hidden)
    config = _config("conv", locals(), sizes=("shape", "channels"))
    factor = 2 ** len(channels)
    if len(config["shape"]) not in (2, 3) or any(n % factor for n in shape[-2:]):
        given = f"shape is {tuple(shape)}"
        raise ValueError(f"{given}; expected (H, W) or (C, H, W), H and W divisible by {factor}")
    image = (1, *shape) if len(shape) == 2 else tuple(shape)
    maps = [image[0], *config["channels"]]
    small = (maps[-1], *(n // factor for n in image[1:]))
    halve = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
    double = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
    with _drawn_from(config["seed"]):
        down = [nn.Flatten(), nn.Unflatten(1, image), *_layers(maps, activation, halve)]
        down += [nn.Flatten(), *_layers([math.prod(small), hidden], activation)]
        encoder = GaussianEncoder(nn.Sequential(*down), hidden, latent_dim)
        up = [*_layers([latent_dim, hidden, math.prod(small)], activation), nn.Unflatten(1, small)]
        up += _layers(maps[::-1], activation, double)[:-1]
        decoder = _decoder(nn.Sequential(*up), config)
        return VAE(encoder, decoder, config=config)


def build(config: dict[str, Any]) -> VAE:
    """The VAE that `vae.config` describes, with fresh weights in float32, or ValueError."""
    makers: dict[str, Callable[..., VAE]] = {"dense": dense, "conv": conv}
    options = dict(config) if isinstance(config, dict) else {}
    maker = makers.get(options.pop("maker", ""))
    if maker is None:
        raise ValueError(f"{config!r} is no VAE's config; expected a maker among {list(makers)}")
    try:
        return maker(**options)
    except TypeError as error:
        raise ValueError(f"{config!r} does not describe a VAE: {error}") from None


def check_weights(weights: dict[str, Tensor]) -> None:
    """Refuse weights that are NaN or infinite, as after a training that diverged, by their name."""
    floats = {name: t.detach() for name, t in weights.items() if t.is_floating_point()}
    # The sums show it too, and a device is waited for only once.
    if not floats or torch.stack([t.sum().float() for t in floats.values()]).isfinite().all():
        return
    for name, t in floats.items():
        if bad := int((~t.isfinite()).sum()):
            fault = f"the model cannot be used: {name} holds {bad} weights that are NaN or infinite"
            raise ValueError(f"{fault}; make or load it again, and train it with a smaller lr")


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """While it lasts, weights are float32 and drawn from `seed`, whatever the caller has set."""
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(default)


def _layers(sizes: Shape, activation: str, layer: Any = nn.Linear) -> list[nn.Module]:
    """A layer and an activation for each step from one size to the next."""
    return [m for a, b in pairwise(sizes) for m in (layer(a, b), ACTIVATIONS[activation]())]


def _decoder(body: nn.Module, config: dict[str, Any]) -> GaussianDecoder | BernoulliDecoder:
    if config["likelihood"] == "bernoulli":
        return BernoulliDecoder(body, config["shape"])
    return GaussianDecoder(body, config["shape"], config["sigma_x"], config["learn_sigma_x"])


def _config(maker: str, options: dict[str, Any], sizes: Sequence[str]) -> dict[str, Any]:
    """A maker's arguments, checked, in a form that JSON keeps."""
    config = dict(options, maker=maker)
    for name in sizes:
        if not isinstance(config[name], Sequence) or isinstance(config[name], str):
            raise TypeError(f"{name} is {config[name]!r}; expected a tuple of whole numbers")
        config[name] = [validation.count(f"each size in {name}", n) for n in config[name]]
        if not config[name] and name != "hidden":
            raise ValueError(f"{name} is (); expected one or more sizes, such as (28, 28)")
    config["latent_dim"] = validation.count("latent_dim", config["latent_dim"])
    config["seed"] = validation.count("seed", config["seed"], at_least=0)
    config["learn_sigma_x"] = bool(config["learn_sigma_x"])
    config["sigma_x"] = validation.number("sigma_x", config["sigma_x"], above=0.0)
    for name, known in (("likelihood", get_args(Likelihood)), ("activation", ACTIVATIONS)):
        if config[name] not in known:
            raise ValueError(f"{name} is {config[name]!r}; expected one of {[*known]}")
    return config
