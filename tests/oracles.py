"""Models whose log p(x) and p(z|x) are known, and the lecture's training loop, written out."""

import math

import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from vaelib import models
from vaelib.divergences import kl_to_standard_normal


class LinearGaussian:
    """x = W z + b + σ_x ε with orthogonal columns of W, so that the posterior is diagonal.

    p(x) = N(b, W Wᵀ + σ_x² I); p(z|x) = N(S Wᵀ (x − b)/σ_x², S), S = (I + Wᵀ W/σ_x²)⁻¹. The
    weights of `vae` are set by hand. `wrong` moves the encoder's mean away from the posterior's,
    by about as many of its standard deviations, and its log σ by a third of that.
    """

    def __init__(
        self,
        shape: tuple[int, ...] = (5,),
        latent_dim: int = 2,
        sigma_x: float = 0.4,
        wrong: float = 0.0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        generator = torch.Generator().manual_seed(7)
        n = math.prod(shape)
        rotation = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
        lengths = torch.linspace(0.5, 1.5, latent_dim, dtype=torch.float64)
        self.weight = rotation[:, :latent_dim] * lengths
        self.bias = torch.randn(n, generator=generator, dtype=torch.float64)
        self.sigma_x = sigma_x
        self.variance = 1 / (1 + lengths**2 / sigma_x**2)  # of p(z|x), in each dimension

        self.vae = models.dense(shape, latent_dim, hidden=(), sigma_x=sigma_x).to(dtype)
        to_mu = self.variance[:, None] * self.weight.T / sigma_x**2
        shift = wrong * self.variance.sqrt()
        turn = torch.randn(latent_dim, n, generator=generator, dtype=torch.float64) / n
        to_mu += shift[:, None] * turn
        encoder, last = self.vae.encoder, self.vae.decoder.body[-1]
        with torch.no_grad():
            last.weight.copy_(self.weight)
            last.bias.copy_(self.bias)
            encoder.mu.weight.copy_(to_mu)
            encoder.mu.bias.copy_(shift - to_mu @ self.bias)
            encoder.log_sigma.weight.zero_()
            encoder.log_sigma.bias.copy_(0.5 * self.variance.log() + wrong / 3)

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """x ~ p(x), (count, n)."""
        # Not the seed that a bound is likely to be given: its ε would be the very z drawn here.
        generator = torch.Generator().manual_seed(10_007 + seed)
        n, d = self.weight.shape
        z = torch.randn(count, d, generator=generator, dtype=torch.float64)
        noise = torch.randn(count, n, generator=generator, dtype=torch.float64)
        return z @ self.weight.T + self.bias + self.sigma_x * noise

    def log_px(self, x: Tensor) -> Tensor:
        """log p(x) by SciPy, (count,)."""
        covariance = self.weight @ self.weight.T
        covariance += self.sigma_x**2 * torch.eye(len(self.bias), dtype=torch.float64)
        exact = multivariate_normal(self.bias.numpy(), covariance.numpy())
        return torch.as_tensor(exact.logpdf(x.double().numpy())).reshape(len(x))

    def posterior(self, x: Tensor) -> torch.distributions.MultivariateNormal:
        """p(z|x) by matrix inversion, with no use of the columns' orthogonality."""
        precision = torch.eye(self.weight.shape[1], dtype=torch.float64)
        precision = precision + self.weight.T @ self.weight / self.sigma_x**2
        covariance = torch.linalg.inv(precision)
        mean = (x - self.bias) @ self.weight @ covariance / self.sigma_x**2
        return torch.distributions.MultivariateNormal(mean, covariance)


def sigma_points(count: int, latent_dim: int) -> Tensor:
    """ε at ±√D e_d, (2D, count, D): a mean over them is exact for every quadratic function of ε."""
    corners = math.sqrt(latent_dim) * torch.eye(latent_dim, dtype=torch.float64)
    points = torch.cat([corners, -corners])
    return points[:, None, :].expand(-1, count, -1)


def training_loop(vae, x, epochs, batch_size, lr, beta, seed, binarise=False):
    """The lecture's pseudo-code as lesson 6 writes it; (reconstruction, kl) means of each epoch."""
    lr_at = lr if callable(lr) else lambda step: lr
    beta_at = beta if callable(beta) else lambda step: beta
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(vae.parameters(), lr=lr_at(0), fused=True)
    step, means = 0, []
    for _ in range(epochs):
        seen = []
        for index in torch.randperm(len(x), generator=generator).split(batch_size):
            x_m = x[index]
            if binarise:
                x_m = torch.rand(x_m.shape, generator=generator, dtype=x.dtype).lt(x_m).to(x.dtype)
            eps = torch.randn(len(index), vae.latent_dim, generator=generator, dtype=x.dtype)
            q = vae.posterior(x_m)
            z = q.mu + q.sigma * eps
            log_px_z = vae.likelihood(z).log_prob(x_m)
            kl = kl_to_standard_normal(q.mu, q.log_sigma)
            loss = -(log_px_z - beta_at(step) * kl).mean()
            for group in optimiser.param_groups:
                group["lr"] = lr_at(step)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            seen.append(torch.stack([log_px_z, kl]).detach().double())
        means.append(torch.cat(seen, 1).mean(1))
    return torch.stack(means)


def equal_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Bit for bit, and of the same dtypes (of which `torch.equal` knows nothing)."""
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(
        t.dtype == two[name].dtype and torch.equal(t, two[name]) for name, t in one.items()
    )
