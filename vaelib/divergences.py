"""The Kullback-Leibler divergence KL(q ‖ p) = E_q[log q(z) − log p(z)], in nats, always (from, to).

Closed forms for Gaussians, quadrature in one dimension, and Monte Carlo with its standard error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vaelib import validation

Number = Float[Tensor, "*#s"] | float
LogDensity = Callable[[Tensor], Tensor]


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error."""

    value: Tensor
    standard_error: Tensor


def kl_to_standard_normal(
    mu: Float[Tensor, "*batch D"], log_sigma: Float[Tensor, "*batch D"]
) -> Float[Tensor, "*batch"]:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ_d (μ_d² + σ_d² − 1 − 2 log σ_d), per example, in nats.

    Shapes: (…, D) and (…, D) → (…). Raises TypeError for a wrong dtype, ValueError for shapes that
    differ and for NaN or infinity. Source: slide "Designing the q distribution".

    >>> kl_to_standard_normal(torch.zeros(1, 3), torch.zeros(1, 3))
    tensor([0.])
    """
    validation.finite("mu", mu, ("...", "D"))
    validation.finite("log_sigma", log_sigma, mu.shape, mu.dtype)
    return kl_to_standard_normal_per_dim(mu, log_sigma).sum(-1)


def kl_to_standard_normal_per_dim(
    mu: Float[Tensor, "*shape"], log_sigma: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """The terms ½ (μ_d² + σ_d² − 1 − 2 log σ_d) of `kl_to_standard_normal`, unsummed, in nats.

    Unchecked: the training loop calls it at every step.
    """
    return 0.5 * (mu**2 + torch.expm1(2 * log_sigma) - 2 * log_sigma)


def kl_gaussian(
    mu_q: Number, sigma_q: Number, mu_p: Number, sigma_p: Number
) -> Float[Tensor, "..."]:
    """KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)) = log(σ_p/σ_q) + (σ_q² + (μ_q − μ_p)²)/(2σ_p²) − ½, in nats.

    Elementwise, the arguments broadcast. Raises TypeError for a wrong dtype, ValueError for σ ≤ 0,
    NaN or shapes that do not broadcast. Source: slide "KL divergence".

    >>> kl_gaussian(1.0, 1.0, 0.0, 1.0)
    tensor(0.5000, dtype=torch.float64)
    """
    given = validation.as_tensors(mu_q=mu_q, sigma_q=sigma_q, mu_p=mu_p, sigma_p=sigma_p)
    mu_q, sigma_q, mu_p, sigma_p = given
    validation.finite("mu_q", mu_q)
    validation.finite("mu_p", mu_p)
    validation.positive("sigma_q", sigma_q)
    validation.positive("sigma_p", sigma_p)
    np.broadcast_shapes(*(t.shape for t in given))  # or its ValueError, which names the shapes
    # In units of p, q has the mean `shift`. σ_q/σ_p may leave the dtype, its root does not.
    shift = (mu_q - mu_p) / sigma_p
    log_ratio = 2 * (sigma_q.sqrt() / sigma_p.sqrt()).log()
    return 0.5 * (shift**2 + torch.expm1(2 * log_ratio) - 2 * log_ratio)


def kl_quadrature(log_q: LogDensity, log_p: LogDensity, lo: float, hi: float) -> Float[Tensor, ""]:
    """KL(q ‖ p) = ∫ q(z) (log q(z) − log p(z)) dz over [lo, hi], by adaptive quadrature, in nats.

    `log_q` and `log_p` map z (K,) in float64 to log-densities (K,), −∞ where the density is zero;
    the KL is ∞ if q > 0 where p = 0. Raises ValueError for an interval that does not hold q, for
    NaN, or if the integral does not converge. Source: slide "KL divergence".

    >>> normal = torch.distributions.Normal(0.0, 1.0)
    >>> kl_quadrature(normal.log_prob, normal.log_prob, -9, 9)
    tensor(0., dtype=torch.float64)
    """
    from scipy.integrate import quad_vec  # half a second that only this needs

    lo = validation.number("lo", lo)
    hi = validation.number("hi", hi)
    if not lo < hi:
        raise ValueError(f"the interval [{lo:g}, {hi:g}] is empty; expected lo < hi")
    infinite = False

    def integrands(z: float) -> np.ndarray:
        """q, whose integral is to be 1, and q (log q − log p)."""
        nonlocal infinite
        at_z = torch.tensor([z], dtype=torch.float64)
        log_qz = _checked("log_q", log_q, at_z).item()
        log_pz = _checked("log_p", log_p, at_z).item()
        infinite |= log_pz == -math.inf < log_qz
        q = math.exp(min(log_qz, 300.0))  # which is no density, but does not overflow
        kl = q * (log_qz - log_pz) if min(log_qz, log_pz) > -math.inf else 0.0
        return np.array([q, kl])

    # Equal panels first, so that a bump narrower than the interval is not stepped over.
    panels = np.linspace(lo, hi, 33)
    (mass, value), error = quad_vec(integrands, lo, hi, 1e-14, 1e-12, points=panels)
    if not abs(mass - 1) < 1e-4:
        given = f"q integrates to {mass:.4g} over [{lo:g}, {hi:g}]"
        raise ValueError(f"{given}; expected 1: choose an interval that holds q and not much else")
    if infinite:
        return torch.tensor(math.inf, dtype=torch.float64)
    if not error <= 1e-6 * max(1.0, abs(value)):
        given = f"the integral over [{lo:g}, {hi:g}] is {value:.6g} ± {error:.1g}"
        raise ValueError(f"{given}: it did not converge; expected log-densities that are smooth")
    return torch.tensor(value, dtype=torch.float64)


def kl_monte_carlo(log_q: LogDensity, log_p: LogDensity, z: Float[Tensor, "K ..."]) -> Estimate:
    """KL(q ‖ p) ≈ (1/K) Σ_k [log q(z_k) − log p(z_k)], z_k ~ q, and its standard error, in nats.

    z has K ≥ 2 draws from q along its first dimension; `log_q` and `log_p` map it to (K,). The
    error is the sample standard deviation over √K; both are ∞ where p is zero at a draw. Raises
    ValueError for K < 2, NaN, a draw where q is zero, another shape. Source: slide "KL divergence".

    >>> normal = torch.distributions.Normal(0.0, 1.0)
    >>> kl_monte_carlo(normal.log_prob, normal.log_prob, torch.randn(9)).standard_error
    tensor(0.)
    """
    validation.finite("z", z)
    if z.ndim == 0 or len(z) < 2:
        raise ValueError(f"z has shape {tuple(z.shape)}; expected (K, …) with K ≥ 2 draws from q")
    log_qz = _checked("log_q", log_q, z)
    log_pz = _checked("log_p", log_p, z)
    if (log_qz == -math.inf).any():
        raise ValueError("log_q(z) is −∞ at some z; expected draws from q, where q(z) > 0")
    log_ratio = log_qz - log_pz
    standard_error = (log_ratio.std() / len(z) ** 0.5).nan_to_num(nan=math.inf)
    return Estimate(log_ratio.mean(), standard_error)


def _checked(name: str, log_density: LogDensity, z: Tensor) -> Tensor:
    """The log-density at z, refused unless it is one number per sample, nowhere NaN or +∞."""
    values = log_density(z)
    validation.floats(f"{name}(z)", values, (len(z),))
    if bad := int((~(values < math.inf)).sum()):
        raise ValueError(f"{name}(z) is NaN or +∞ at {bad} of {len(z)} points")
    return values
