"""How good a trained VAE is: the ladder of bounds, KL per dimension, the factor that each encodes.

In nats. Large data is evaluated in chunks, the model in eval mode and then as it was. All but
`spearman_table` raise as `VAE.posterior`, and for weights that are not finite.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from vaelib import validation
from vaelib.bounds import elbo
from vaelib.data import Data
from vaelib.distributions import DiagonalGaussian, normal_like
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.models import VAE

# Numbers in the largest layer at a time: a few arrays of 8 MiB, which fit into a cache.
CHUNK = 2**21
BATCH = 1024  # examples that are encoded at a time
Batch = Float[Tensor, "B ..."]


class Mean(NamedTuple):
    """A mean over examples and its standard error, in nats."""

    value: float
    standard_error: float


@torch.no_grad()
def log_marginal(
    vae: VAE, x: Batch, n_samples: int = 1000, seed: int = 0, progress: bool = True
) -> Float[Tensor, " B"]:
    """log p(x) ≈ log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), K = `n_samples`, in nats.

    x: (B, *shape) → (B,). A lower bound in expectation, exact if q is the posterior. Memory does
    not grow with B · K; after two seconds a bar appears.
    Source: Burda, Grosse and Salakhutdinov (2016), eq. 8.

    >>> from vaelib import models
    >>> log_marginal(models.dense((4,), 2), torch.zeros(3, 4), n_samples=10).shape
    torch.Size([3])
    """
    vae.check_data("x", x)
    n_samples = validation.count("n_samples", n_samples)
    generator = _generator(seed)
    pixels = math.prod(vae.shape)
    maps = [m.out_channels for m in vae.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    units = [m.out_features for m in vae.decoder.modules() if isinstance(m, nn.Linear)]
    width = max(pixels, *units, *(pixels * n for n in maps))  # of the decoder's widest layer
    rows = max(1, min(64, CHUNK // width))
    samples = max(1, CHUNK // (rows * width))
    means = []
    bar = tqdm(total=len(x) * n_samples, unit=" samples", delay=2, disable=not progress)
    with bar, vae.in_mode(training=False):
        for x_c in x.split(rows):
            q = vae.posterior(x_c)
            log_sums = []
            for done in range(0, n_samples, samples):
                k = min(samples, n_samples - done)
                z = q.mu + q.sigma * normal_like((k, *q.mu.shape), q.mu, generator)
                log_w = vae.likelihood(z).log_prob(x_c) + vae.prior.log_prob(z) - q.log_prob(z)
                log_sums.append(log_w.logsumexp(0))
                bar.update(k * len(x_c))
            means.append(torch.stack(log_sums).logsumexp(0) - math.log(n_samples))
    return torch.cat(means) if means else x.new_empty(0)


@torch.no_grad()
def ladder(
    vae: VAE, x: Batch, samples: Sequence[int] = (5, 50, 5000), seed: int = 0, progress: bool = True
) -> dict[str, Mean]:
    """The means over x of the ELBO and of the importance-weighted bounds of K samples, in nats.

    {"ELBO": …, "IW-5": …, …}, which rise towards log p(x), up to their standard errors. Raises
    ValueError for B < 2. Source: Burda, Grosse and Salakhutdinov (2016), theorem 1.
    """
    vae.check_data("x", x)
    eps = normal_like((1, len(x), vae.latent_dim), x, _generator(seed))
    parts = zip(x.split(BATCH), eps.split(BATCH, 1), strict=True)
    rungs = {"ELBO": torch.cat([elbo(vae, x_c, eps=eps_c).total for x_c, eps_c in parts])}
    if len(x) < 2:
        raise ValueError(f"x holds {len(x)} examples; expected at least 2 for a standard error")
    rungs |= {f"IW-{k}": log_marginal(vae, x, k, seed, progress) for k in samples}
    return {
        name: Mean(v.mean().item(), (v.std() / len(v) ** 0.5).item()) for name, v in rungs.items()
    }


@torch.no_grad()
def encode(vae: VAE, x: Batch, batch_size: int = BATCH) -> tuple[Tensor, Tensor]:
    """μ and σ of q(z|x) for a whole data set, (B, D) each, on the CPU.

    x: (B, *shape), on any device or memory-mapped from a file.
    """
    q = _posterior(vae, x, batch_size)
    return q.mu.cpu(), q.sigma.cpu()


@torch.no_grad()
def kl_per_dim(vae: VAE, x: Batch) -> Float[Tensor, "B D"]:
    """KL(q(z_d|x) ‖ p(z_d)) of each example and latent dimension, (B, D), in nats, always ≥ 0."""
    q = _posterior(vae, x, BATCH)
    return kl_to_standard_normal_per_dim(q.mu, q.log_sigma)


@torch.no_grad()
def active_units(vae: VAE, x: Batch, threshold: float = 0.01) -> Bool[Tensor, " D"]:
    """Which dimensions depend on x: Var_x(μ_d(x)) > threshold, (D,), B ≥ 2 (Burda et al. 2016)."""
    mu = _posterior(vae, x, BATCH).mu
    if len(mu) < 2:
        raise ValueError(f"x holds {len(mu)} examples; expected at least 2 to vary")
    return mu.var(0) > validation.number("threshold", threshold)


def _posterior(vae: VAE, x: Batch, batch_size: int) -> DiagonalGaussian:
    """q(z|x) of a whole data set, computed batch by batch."""
    validation.floats("x", x, ("B", *vae.shape))
    batches = x.split(validation.count("batch_size", batch_size))
    with vae.in_mode(training=False):
        found = [vae.posterior(batch.to(vae.device)) for batch in batches]
    mu = torch.cat([q.mu for q in found])
    return DiagonalGaussian(mu, torch.cat([q.log_sigma for q in found]))


def spearman_table(mu: Float[Tensor, "N D"], factors: Float[Tensor, "N F"]) -> Float[Tensor, "D F"]:
    """Signed Spearman correlation of each latent mean with each factor: Pearson's of the ranks.

    (N, D), (N, F) → (D, F); ties share their average rank; 0 for a column that does not vary.
    Raises for a wrong shape or dtype, NaN, or N < 2.

    >>> spearman_table(torch.tensor([[1.0], [2.0]]), torch.tensor([[5.0], [3.0]]))
    tensor([[-1.]])
    """
    validation.finite("mu", mu, ("N", "columns"))
    validation.finite("factors", factors, ("N", "columns"))
    if len(mu) != len(factors) or len(mu) < 2:
        raise ValueError(f"mu has {len(mu)} rows, factors {len(factors)}; expected the same, ≥ 2")
    from scipy.stats import rankdata  # half a second that only this needs

    columns = torch.cat([t.detach().double().cpu() for t in (mu, factors)], 1)
    ranks = torch.from_numpy(rankdata(columns.numpy(), axis=0))
    rho = ranks.T.corrcoef().nan_to_num(0)  # 0/0 for a column that does not vary
    return rho[: mu.shape[1], mu.shape[1] :].to(mu.dtype)


@torch.no_grad()
def factor_alignment(vae: VAE, data: Data) -> Float[Tensor, "D F"]:
    """|Spearman| of each latent mean with each known factor over the test set: (D, F) in [0, 1].

    Raises ValueError for data whose factors are not known.
    """
    if data.test_factors is None:
        raise ValueError(f'the factors of "{data.name}" are not known; expected "faces"')
    mu, _ = encode(vae, data.test.to(vae.dtype))
    return spearman_table(mu, data.test_factors.to(mu.dtype)).abs()


def _generator(seed: int) -> torch.Generator:
    # Not the seed itself, which may have drawn the data: the noise would not be independent of it.
    return torch.Generator().manual_seed(validation.count("seed", seed, at_least=0) + 1_000_003)
