"""Two models whose log p(x) and p(z|x) are known, so that estimates can be compared with the truth.

`LinearGaussian` has them in closed form; `Arc` has a curved decoder and needs quadrature. In nats.
"""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from vaelib import validation
from vaelib.distributions import normal_like
from vaelib.divergences import kl_to_standard_normal_per_dim

LOG_2PI = math.log(2 * math.pi)
PerExample = Float[Tensor, " B"]
Codes = Float[Tensor, "B D"]
Examples = Float[Tensor, "B P"]
Points = Float[Tensor, "B 2"]
LogSigma = Float[Tensor, "... D"]


class LinearGaussian:
    """z ~ N(0, I), x = W z + b + σ_x ε: probabilistic PCA, where everything has a closed form.

    W: (P, D), b: (P,), x: (B, P), all of one dtype; D may exceed P. Computed in float64. Raises
    TypeError for a wrong dtype, ValueError for a wrong shape, NaN, σ_x ≤ 0, or a σ_x so small that
    W Wᵀ + σ_x² I is singular. Source: Tipping and Bishop (1999), "Probabilistic principal component
    analysis".

    >>> LinearGaussian(torch.zeros(2, 1), torch.zeros(2), 1.0).log_px(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def __init__(self, W: Float[Tensor, "P D"], b: Float[Tensor, " P"], sigma_x: float) -> None:
        validation.finite("W", W, ("P", "D"))
        validation.floats("b", b, (len(W),), W.dtype)
        validation.finite("b", b)
        self.W = W
        self.b = b
        self.sigma_x = validation.number("sigma_x", sigma_x, above=1e-100)  # its square is above 0
        self.P, self.D = W.shape
        self._W = W.double()
        self._b = b.double()
        length = self._W.norm().item()
        if length > 1e5 * self.sigma_x:
            given = f"sigma_x is {self.sigma_x:.3g}, the norm of W {length:.3g}"
            raise ValueError(f"{given}; expected sigma_x above 1e-5 of it, as float64 needs")
        # Λ = I + WᵀW/σ_x², the inverse of the posterior's covariance.
        self.precision = torch.eye(self.D).to(self._W) + self._W.T @ self._W / self.sigma_x**2
        self.posterior_covariance = torch.cholesky_inverse(torch.linalg.cholesky(self.precision))

    def log_px(self, x: Examples) -> PerExample:
        """log p(x) = log N(x; b, W Wᵀ + σ_x² I), (B, P) → (B,), nats."""
        shift = self._shift(x)
        noise = self.sigma_x**2 * torch.eye(self.P).to(self._W)
        p = MultivariateNormal(0 * self._b, self._W @ self._W.T + noise, validate_args=False)
        return p.log_prob(shift).to(x.dtype)

    def posterior(self, x: Examples) -> MultivariateNormal:
        """p(z|x) = N(Λ⁻¹Wᵀ(x − b)/σ_x², Λ⁻¹), Λ = I + WᵀW/σ_x²: mean (B, D), covariance (D, D)."""
        mean = self._mean(x).to(x.dtype)
        root = torch.linalg.cholesky(self.posterior_covariance).to(x.dtype)
        return MultivariateNormal(mean, scale_tril=root, validate_args=False)

    def elbo(self, x: Examples, mu: Codes, log_sigma: LogSigma) -> PerExample:
        """E_q[log p(x|z)] − KL(q ‖ p(z)) for q = N(μ, diag σ²), in closed form, (B,), nats.

        E_q‖x − b − Wz‖² = ‖x − b − Wμ‖² + Σ_d σ_d²‖w_d‖². log σ: (B, D), or (D,) for all x.
        """
        shift = self._shift(x)
        mu, log_sigma = _check_q(mu, log_sigma, (len(x), self.D))
        spread = (log_sigma.exp() * self._W.norm(dim=0)).square().sum(-1)
        error = (shift - mu @ self._W.T).square().sum(-1) + spread
        kl = kl_to_standard_normal_per_dim(mu, log_sigma).sum(-1)
        return (_log_normal(error, self.sigma_x, self.P) - kl).to(x.dtype)

    def kl_to_posterior(self, x: Examples, mu: Codes, log_sigma: LogSigma) -> PerExample:
        """KL(q ‖ p(z|x)) = ½[Σ_d Λ_dd σ_d² + (μ − m)ᵀΛ(μ − m) − D − log|Λ| − 2 Σ_d log σ_d]."""
        mean = self._mean(x)
        mu, log_sigma = _check_q(mu, log_sigma, mean.shape)
        shift = mu - mean
        trace = ((2 * log_sigma).exp() * self.precision.diagonal()).sum(-1)
        distance = ((shift @ self.precision) * shift).sum(-1)
        kl = 0.5 * (trace + distance - self.D - self.precision.logdet()) - log_sigma.sum(-1)
        return kl.to(x.dtype)

    def sample(self, n: int, generator: Generator | None = None) -> tuple[Codes, Examples]:
        """n samples (z, x): z ~ N(0, I), then x ~ N(W z + b, σ_x² I): (n, D), (n, P)."""
        z = normal_like((validation.count("n", n), self.D), self.W, generator)
        noise = normal_like((n, self.P), self.W, generator)
        return z, z @ self.W.T + self.b + self.sigma_x * noise

    @classmethod
    def fit(cls, x: Float[Tensor, "N P"], latent_dim: int) -> "LinearGaussian":
        """The maximum-likelihood model with D = `latent_dim`: W = U (Λ − σ_x² I)^½, b = mean of x.

        Λ and U: the D largest eigenvalues of the covariance of x, and their eigenvectors. σ_x²: the
        mean of the others. Columns of W beyond P − 1 are zero. ValueError if σ_x would be 0.
        """
        validation.finite("x", x, ("N", "P"))
        n, p = x.shape
        kept = min(validation.count("latent_dim", latent_dim), p - 1)
        b = x.double().mean(0)
        values, vectors = torch.linalg.eigh((x - b).T @ (x - b) / n)
        values = values.flip(0)
        variance = values[kept:].mean()
        if not variance > 10 * torch.finfo(x.dtype).eps * values[0]:
            given = f"x ({n} examples of {p} dimensions) has no variance outside {kept} directions"
            raise ValueError(f"{given}: the likelihood grows without bound as sigma_x goes to 0")
        W = x.new_zeros(p, latent_dim)
        W[:, :kept] = vectors.flip(1)[:, :kept] * (values[:kept] - variance).clamp(min=0).sqrt()
        return cls(W, b.to(x.dtype), variance.sqrt().item())

    def _shift(self, x: Tensor) -> Tensor:
        """x − b in float64, for an x that is checked."""
        validation.floats("x", x, ("B", self.P), self.W.dtype)
        validation.finite("x", x)
        return x.double() - self._b

    def _mean(self, x: Tensor) -> Tensor:
        """The posterior's mean in float64."""
        return self._shift(x) @ self._W @ self.posterior_covariance / self.sigma_x**2


class Arc:
    """z ~ N(0, 1), x = G(z) + σ_x ε in the plane, with G(z) = (sin z, cos z): a bent line.

    log p(x) and p(z|x) come from the trapezoid rule on z in [−12, 12], in float64; with its step,
    σ_x/40, the error is below 1e-10 up to ‖x‖ = 700. Raises TypeError for a wrong dtype, ValueError
    for a wrong shape, NaN, x too far from the origin, or σ_x ≤ 0.0039 (the grid would be too long).
    """

    def __init__(self, sigma_x: float = 0.2) -> None:
        self.sigma_x = validation.number("sigma_x", sigma_x, above=0.0039)
        n = 2 * math.ceil(12 / min(0.25, self.sigma_x / 40)) + 1  # 0.25 resolves the prior
        self.z = torch.linspace(-12, 12, n, dtype=torch.float64)
        self.step = 24 / (n - 1)

    def G(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape 2"]:
        """The decoder's mean, G(z) = (sin z, cos z): (…) → (…, 2)."""
        validation.floats("z", z)
        return torch.stack([z.sin(), z.cos()], -1)

    def log_px_z(self, x: Float[Tensor, "... 2"], z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p(x|z) = −‖x − G(z)‖²/(2σ_x²) − log(2πσ_x²); x (…, 2) and z (…) broadcast."""
        validation.floats("x", x, ("...", 2))
        return _log_normal((x - self.G(z)).square().sum(-1), self.sigma_x, 2)

    def log_px(self, x: Points) -> PerExample:
        """log p(x) = log ∫ p(x|z) p(z) dz, (B, 2) → (B,), nats, by the trapezoid rule."""
        # Chunks that fit into a cache need less memory and are several times as fast.
        chunks = [self._log_joint(chunk).logsumexp(-1) for chunk in self._checked(x).split(64)]
        return torch.cat(chunks) + math.log(self.step)

    def grid(self, x: Points) -> tuple[Float[Tensor, " n"], Float[Tensor, "B n"]]:
        """(z, p(z|x)): the grid (n,) and the posterior's density on it, (B, n)."""
        return self.z, self._log_joint(self._checked(x)).softmax(-1) / self.step

    def posterior_moments(self, x: Points) -> tuple[PerExample, PerExample]:
        """Mean and standard deviation of p(z|x), (B,) each."""
        weight = self._log_joint(self._checked(x)).softmax(-1)
        mean = weight @ self.z
        return mean, (weight * (self.z - mean[:, None]).square()).sum(-1).sqrt()

    def elbo(self, x: Points, mu: PerExample, log_sigma: PerExample) -> PerExample:
        """E_q[log p(x|z)] − KL(q ‖ p(z)) for q = N(μ, σ²), (B,), nats, in closed form.

        ‖x − G(z)‖² = ‖x‖² + 1 − 2⟨x, G(z)⟩, and E_q[sin z] = exp(−σ²/2) sin μ, likewise for cos.
        """
        x = self._checked(x)
        mu, log_sigma = _check_q(mu, log_sigma, (len(x),))
        mean_G = (-0.5 * (2 * log_sigma).exp()).exp()[:, None] * self.G(mu)
        error = x.square().sum(-1) + 1 - 2 * (x * mean_G).sum(-1)
        return _log_normal(error, self.sigma_x, 2) - kl_to_standard_normal_per_dim(mu, log_sigma)

    def kl_to_posterior(self, x: Points, mu: PerExample, log_sigma: PerExample) -> PerExample:
        """KL(q ‖ p(z|x)) = ∫ q(z) (log q(z) − log p(z|x)) dz for q = N(μ, σ²), by quadrature."""
        x = self._checked(x)
        mu, log_sigma = _check_q(mu, log_sigma, (len(x),))
        if (log_sigma > 4).any():
            given = f"log_sigma reaches {log_sigma.max():.3g}"
            raise ValueError(f"{given}; expected at most 4: the nodes are too far apart for G(z)")
        eps = torch.linspace(-12, 12, 481, dtype=torch.float64)  # resolves a narrow q too
        z = mu[:, None] + log_sigma.exp()[:, None] * eps
        log_weight = -0.5 * (eps**2 + LOG_2PI)
        log_joint = self.log_px_z(x[:, None], z) - 0.5 * (z**2 + LOG_2PI)
        log_ratio = log_weight - log_sigma[:, None] - log_joint + self.log_px(x)[:, None]
        return (log_weight.exp() * log_ratio).sum(-1) * 0.05

    def sample(self, n: int, generator: Generator | None = None) -> tuple[PerExample, Points]:
        """n samples (z, x): z ~ N(0, 1), then x ~ N(G(z), σ_x² I): (n,), (n, 2), float64."""
        z = normal_like((validation.count("n", n),), self.z, generator)
        return z, self.G(z) + self.sigma_x * normal_like((n, 2), self.z, generator)

    def _log_joint(self, x: Tensor) -> Tensor:
        """log p(x|z) + log p(z) on the grid, (B, n), by one product of matrices."""
        error = x.square().sum(-1, keepdim=True) + 1 - 2 * (x @ self.G(self.z).T)  # as in `elbo`
        return _log_normal(error, self.sigma_x, 2) - 0.5 * (self.z**2 + LOG_2PI)

    def _checked(self, x: Tensor) -> Tensor:
        validation.finite("x", x, ("B", 2))
        # p(x|z) is as wide as σ_x/√‖x‖ in z; at 1.5 steps the rule is exact to about 1e-19.
        reach = (self.sigma_x / (1.5 * self.step)) ** 2
        if len(x) and (far := x.norm(dim=-1).max().item()) > reach:
            raise ValueError(f"x is {far:.3g} from the origin; expected at most {reach:.0f}")
        return x.double()


def _check_q(mu: Tensor, log_sigma: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Check μ and log σ, and return both in the shape of μ and in float64."""
    validation.finite("mu", mu, shape)
    validation.floats("log_sigma", log_sigma)
    validation.finite("log_sigma", log_sigma, shape if log_sigma.ndim == len(shape) else shape[1:])
    if (log_sigma > 700).any():
        raise ValueError(f"log_sigma reaches {log_sigma.max():.3g}; expected at most 700")
    return mu.double(), log_sigma.double().expand(mu.shape)


def _log_normal(error: Tensor, sigma: float, dims: int) -> Tensor:
    """log N(x; m, σ² I) in so many dimensions, from the squared error ‖x − m‖²."""
    return -0.5 * error / sigma**2 - dims * (math.log(sigma) + 0.5 * LOG_2PI)
