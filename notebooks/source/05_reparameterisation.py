# %% [markdown]
# # 5 · Reparameterisation
#
# The bound of [lesson 4](04_the_elbo.ipynb) is an expectation over draws from q, and q is what has to be improved. So we need the
# derivative of a mean of random draws with respect to the distribution that they are drawn from. **How does a
# gradient get through a throw of dice?**
#
# It does not: ask autograd, and the answer is nothing, or zero. There are two ways round. One works for nearly
# everything and is so noisy that in many dimensions it hardly works at all; the other is the reparameterisation
# trick, and it is how VAEs are trained. You will have both variances in closed form before you measure them.
#
# **After it you will be able to**
#
# - say why the encoder's second head is log σ, and what happens without the logarithm;
# - explain why autograd gives None or zero at a sample, and why `torch.normal` is worse than an error;
# - derive the score-function and the pathwise gradient, and check both against an exact one;
# - compute both variances, and predict how they grow with the number of dimensions;
# - choose between `sample` and `rsample`, and say where the pathwise gradient fails.

# %%
from vaelib import check, distributions, divergences, models, plots
from vaelib.exact import Arc, LinearGaussian
from vaelib.widgets import ReparameterisationLab

import numpy as np
import torch
from torch.distributions import Normal

# %%
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(5)

# %% [markdown] slide="Designing the q distribution"
# ## Designing q
#
# The encoder has to turn each x into a distribution over z. The lecture's choice is a Gaussian with
# independent dimensions, whose parameters are two outputs of one network:
#
# $$q_\phi(z|x) = \mathcal N\big(\mu_\phi(x), \operatorname{diag}\sigma_\phi(x)^2\big), \qquad
# h = \text{body}_\phi(x),\quad \mu = A h + a,\quad \log\sigma = C h + c.$$
#
# One network for all x: a new x needs one pass through it, and no optimisation of its own.

# %%
torch.manual_seed(5)  # PyTorch's layers draw their first weights from its global generator
body = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh())
encoder = models.GaussianEncoder(body, features=16, latent_dim=3)
arc = Arc(sigma_x=0.2)
_, x = arc.sample(1000, generator)
q = encoder(x)
{"x": tuple(x.shape), "μ": tuple(q.mu.shape), "log σ": tuple(q.log_sigma.shape)}

# %%
h = body(x)
assert torch.equal(q.mu, h @ encoder.mu.weight.T + encoder.mu.bias)
assert torch.equal(q.log_sigma, h @ encoder.log_sigma.weight.T + encoder.log_sigma.bias)

# %% [markdown]
# This design makes the bound's second term free of charge. [Lesson 1](01_kl_divergence.ipynb) derived it. For each dimension,
# E_q[log q] = −½ log 2π − log σ_d − ½ and E_q[log p] = −½ log 2π − ½(σ_d² + μ_d²), and the difference is
#
# $$\mathrm{KL}(q\,\|\,p) = \sum_d \tfrac12\big(\mu_d^2 + \sigma_d^2 - 1 - 2\log\sigma_d\big)
# = \tfrac12\big(\|\mu\|^2 + \|\sigma\|^2 - d - 2\langle\log\sigma, \mathbf 1\rangle\big).$$
#
# Once more against two oracles, now on the q that the network gives for the first x: an integral for each
# dimension, and the mean of log q − log p over draws in all three.

# %%
per_dim = divergences.kl_to_standard_normal_per_dim(q.mu, q.log_sigma).detach()
norms = q.mu.norm(dim=1) ** 2 + q.sigma.norm(dim=1) ** 2 - 3 - 2 * q.log_sigma.sum(1)
torch.testing.assert_close(per_dim.sum(1), 0.5 * norms.detach())

# %%
first = distributions.DiagonalGaussian(q.mu[0].detach(), q.log_sigma[0].detach())
for d in range(3):
    q_d = Normal(first.mu[d], first.sigma[d])
    integral = divergences.kl_quadrature(q_d.log_prob, Normal(0.0, 1.0).log_prob, -12, 12)
    torch.testing.assert_close(integral, per_dim[0, d], atol=1e-9, rtol=0)

# %%
prior = distributions.DiagonalGaussian(torch.zeros(3), torch.zeros(3))
z = first.sample((100_000,), generator)
estimate = divergences.kl_monte_carlo(first.log_prob, prior.log_prob, z)
assert abs(estimate.value - per_dim[0].sum()) < 4 * estimate.standard_error
f"KL of the first x: {per_dim[0].sum():.3g} nats, by Monte Carlo {estimate.value:.2g}"

# %% [markdown]
# The slide says that the network gives log σ "to ensure the variance is non-negative". What happens without
# the logarithm? A linear layer's output may have any sign.
#
# *Predict*: if the second head's output were taken for σ itself, for how many of the 3,000 numbers would
# there be no such Gaussian? And if a ReLU were put behind it?

# %%
output = q.log_sigma.detach()
no_gaussian = (output <= 0).double().mean()
kl_after_relu = 0.5 * (output.relu() ** 2 - 1) - output.relu().log()
infinite = kl_after_relu.isinf().double().mean()
f"not positive: {no_gaussian:.0%}; after a ReLU, an infinite KL: {infinite:.0%}"

# %% [markdown]
# It is not only a matter of the start. Take one dimension of a model where everything is known, the
# linear-Gaussian one, x = w z + b + σ_x ε. As a function of σ the exact bound is
#
# $$L(\sigma) = \log\sigma - \tfrac12\lambda\sigma^2 + \text{const}, \qquad \lambda = 1 + \|w\|^2/\sigma_x^2,$$
#
# so its derivative is 1/σ − λσ in σ, and 1 − λσ² in log σ. Both vanish at σ* = 1/√λ. Autograd, on `vaelib`'s
# exact bound, agrees with both:

# %%
model = LinearGaussian(torch.tensor([[1.0], [-0.5]]), torch.zeros(2), sigma_x=0.2)
lam = 1 + model.W.square().sum().item() / model.sigma_x**2
for sigma in torch.tensor([0.05, 0.2, 1.0]):
    raw, log_sigma = sigma.clone().requires_grad_(), sigma.log().requires_grad_()
    bounds = (model.elbo(x[:1], torch.ones(1, 1), s.reshape(1)) for s in (raw.log(), log_sigma))
    in_sigma, in_log = map(torch.autograd.grad, bounds, (raw, log_sigma))
    torch.testing.assert_close(in_sigma[0], 1 / sigma - lam * sigma)
    torch.testing.assert_close(in_log[0], 1 - lam * sigma**2)

# %%
best = torch.tensor(lam**-0.5)
curvature = torch.func.grad(lambda s: 1 / s - lam * s)(best)
curvature_in_log = torch.func.grad(lambda s: 1 - lam * (2 * s).exp())(best.log())
f"λ = {lam:.2f}; curvature at σ*: {curvature:.1f} in σ, {curvature_in_log:.1f} in log σ"

# %% [markdown]
# Thirty steps of gradient ascent with both parameterisations, from σ = 1 with the same step size.
#
# *Predict*: where does the first step, of size 0.05, take σ itself?

# %%
raw, log_sigma = [torch.tensor(1.0)], [torch.tensor(0.0)]
for _ in range(30):
    raw.append(raw[-1] + 0.05 * (1 / raw[-1] - lam * raw[-1]))
    log_sigma.append(log_sigma[-1] + 0.05 * (1 - lam * (2 * log_sigma[-1]).exp()))
raw, by_log = torch.stack(raw), torch.stack(log_sigma).exp()
assert raw[1] < 0 < by_log.min() and abs(by_log[-1] - lam**-0.5) < 2e-3
f"σ after one step: {raw[1]:.3f} without the log, {by_log[1]:.3f} with it; σ* = {best:.3f}"

# %%
plots.curves(
    {"σ": {"σ itself": raw, "through log σ": by_log, "σ*": torch.full((31,), lam**-0.5)}},
    x=torch.arange(31),
    xlabel="step",
    alt="Gradient ascent on σ: by itself it jumps below zero at the first step and then to and fro across zero; "
    "through its logarithm it stays positive and settles on the best value.",
)

# %% [markdown]
# Without the logarithm σ becomes negative, where there is no Gaussian and no bound. With it no step can take it
# there. A smaller step would have saved this dimension, but the curvature at σ* is −2λ in σ, so each dimension
# would need a step of its own; in log σ it is −2λσ*² = −2 for all. Other positive functions would keep σ positive
# too; the exponential also makes the KL's −log σ linear in the network's output.
#
# Much PyTorch code stores `logvar` = log σ² = 2 log σ instead. Here it is log σ throughout, as on the slide.

# %% [markdown] slide="Reparameterisation trick (1)"
# ## The gradient in θ is easy
#
# The first term of the bound is E_q[log p_θ(x|z)], and for a neural network its expectation has no closed form.
# So draw z_1, …, z_K from q, and average. The decoder's parameters θ appear inside the expectation only, not
# in q. Then derivative and integral may change places:
#
# $$\nabla_\theta\, \mathbb{E}_{q_\phi}[\log p_\theta(x|z)] = \mathbb{E}_{q_\phi}[\nabla_\theta \log p_\theta(x|z)]
# \approx \frac1K\sum_k \nabla_\theta \log p_\theta(x|z_k).$$
#
# For the linear-Gaussian model θ is W, and ∇_W log p(x|z) = (x − Wz − b) zᵀ/σ_x². Autograd gives the mean of
# just that, and the exact gradient lies within the error bars.

# %%
W, mu, sigma = model.W.clone().requires_grad_(), torch.tensor([[0.5]]), torch.tensor([[0.3]])
z = mu + sigma * torch.randn(10_000, 1, generator=generator)
(by_autograd,) = torch.autograd.grad(
    Normal(z @ W.T, model.sigma_x).log_prob(x[0]).sum(-1).mean(), W
)
each = (x[0] - z @ model.W.T) * z / model.sigma_x**2
torch.testing.assert_close(by_autograd[:, 0], each.mean(0))
exact_bound = LinearGaussian(W, model.b, model.sigma_x).elbo(x[:1], mu, sigma.log())
(exact,) = torch.autograd.grad(exact_bound, W)
assert ((each.mean(0) - exact[:, 0]).abs() < 4 * each.std(0) / len(z) ** 0.5).all()

# %% [markdown] slide="Reparameterisation trick (1)" exercises=["5.1"]
# ## And in φ?
#
# Let us do the same for the parameters of q. The smallest example: z ~ N(μ, σ²) and f(z) = z². Here all is
# known, E[f(z)] = μ² + σ², so the exact gradient is (2μ, 2σ). There is also a factor a, to play the part of θ.
#
# *Predict*: what will autograd say about a, and about μ?

# %%
mu, sigma, a = (torch.tensor(value, requires_grad=True) for value in (1.0, 0.5, 1.0))
z = Normal(mu, sigma).sample((1000,))
estimate = (a * z**2).mean()
gradient = torch.autograd.grad(estimate, (a, mu, sigma), allow_unused=True)
dict(zip("aμσ", ["None" if g is None else "a number" for g in gradient], strict=True))

# %% [markdown]
# For a there is a number, for μ and σ there is **None**: no path leads from the estimate to them. `sample`
# returns plain numbers, and a number does not remember which μ it was drawn with. The graph of operations
# says "square these thousand numbers and average", and if μ moves, these thousand numbers stay what they are.
#
# None is at least visible. `torch.normal(mu, sigma)` looks like the same draw:

# %%
z = torch.normal(mu.expand(1000), sigma.expand(1000))
gradient = torch.autograd.grad((z**2).mean(), (mu, sigma))
f"autograd: {[g.item() for g in gradient]}; exact: {[(2 * mu).item(), (2 * sigma).item()]}"

# %% [markdown]
# **Zero**, twice, without a word. A training loop would run, and the encoder would never learn anything from
# the reconstruction term. PyTorch has done what it was asked to: it took the derivative of f(z) *at a fixed z*.
# But that is not the derivative of the expectation. There μ is in the density:
#
# $$\nabla_\mu \int q_\mu(z)\, f(z)\, dz = \int \big(\nabla_\mu\, q_\mu(z)\big)\, f(z)\, dz,$$
#
# and this is not the mean of anything under q. There are two ways to make it one. Either keep the draws where
# they are, and say how much more or less probable each becomes; or let the draws move with μ.

# %% [markdown] slide="Reparameterisation trick (1)" exercises=["5.2"]
# ## The first way: the score function
#
# Multiply and divide by q: ∇q = q ∇log q. So
#
# $$\nabla_\phi\, \mathbb{E}_q[f(z)] = \int q\, f\, \nabla_\phi \log q \, dz
# = \mathbb{E}_q\big[f(z)\, \nabla_\phi \log q_\phi(z)\big],$$
#
# a mean under q again. The factor ∇_φ log q is the **score**. For a Gaussian, log q = −log σ − (z − μ)²/2σ² +
# const, and
#
# $$\frac{\partial}{\partial\mu}\log q = \frac{z-\mu}{\sigma^2}, \qquad
# \frac{\partial}{\partial\sigma}\log q = \frac{(z-\mu)^2-\sigma^2}{\sigma^3}.$$
#
# It needs no derivative of f. f may be anything that can be evaluated, even with z discrete.


# %%
def score(z, mu, sigma):
    """(∂/∂μ, ∂/∂σ) log N(z; μ, σ²); z (K,) -> (2, K)."""
    return torch.stack([(z - mu) / sigma**2, ((z - mu) ** 2 - sigma**2) / sigma**3])


def score_function(f, eps, mu, sigma):
    """One estimate of (d/dμ, d/dσ) E f(z) for each draw z = μ + σ ε; eps (K,) -> (2, K)."""
    z = mu + sigma * eps
    return f(z) * score(z, mu, sigma)


# %%
z = torch.linspace(-1, 3, 9)
of_autograd = torch.autograd.grad(Normal(mu, sigma).log_prob(z).sum(), (mu, sigma))
torch.testing.assert_close(score(z, mu, sigma).sum(1), torch.stack(of_autograd))

# %% [markdown] slide="Reparameterisation trick (2)" exercises=["5.3"]
# ## The second way: the reparameterisation trick
#
# Draw the noise first, ε ~ N(0, 1), from a distribution that nobody wants to change, and *make* z from it:
#
# $$z = T_\phi(x, \varepsilon) = \mu_\phi(x) + \sigma_\phi(x) \odot \varepsilon .$$
#
# Then z ~ N(μ, σ²) as before, but the expectation is one under N(0, 1), which has no φ, and the derivative may
# go inside as it did for θ. By the chain rule, with ∂z/∂μ = 1 and ∂z/∂σ = ε,
#
# $$\nabla_\phi\,\mathbb{E}_q[f(z)] = \nabla_\phi\,\mathbb{E}_\varepsilon[f(T_\phi(x,\varepsilon))]
# = \mathbb{E}_\varepsilon[\nabla_\phi f(T_\phi(x,\varepsilon))]
# = \big(\mathbb{E}_\varepsilon[f'(z)],\; \mathbb{E}_\varepsilon[f'(z)\,\varepsilon]\big).$$
#
# Each draw says in which direction *it* would like to move: the **pathwise** gradient.


# %%
def pathwise(df_dz, eps, mu, sigma):
    """One estimate of (d/dμ, d/dσ) E f(z) for each draw z = μ + σ ε, from f′; eps (K,) -> (2, K)."""
    z = mu + sigma * eps
    return torch.stack([df_dz(z), df_dz(z) * eps])


def double(z):
    """The derivative of z²."""
    return 2 * z


# %% [markdown]
# With z = μ + σ ε autograd finds the path by itself, and so it is in `vaelib`: `rsample` is this line of code
# ("r" for reparameterised), and `sample` is the same draw cut off from the graph.

# %%
eps = torch.randn(1000, generator=torch.Generator().manual_seed(1))
by_hand = torch.autograd.grad(((mu + sigma * eps) ** 2).mean(), (mu, sigma))
torch.testing.assert_close(torch.stack(by_hand), pathwise(double, eps, mu, sigma).mean(1))

# %%
q = distributions.DiagonalGaussian(mu, sigma.log(), event_dims=0)
z, cut = (draw((1000,), torch.Generator().manual_seed(1)) for draw in (q.rsample, q.sample))
torch.testing.assert_close(z, mu + sigma * eps)
assert torch.equal(z, cut) and z.requires_grad and not cut.requires_grad
torch.testing.assert_close(torch.autograd.grad((z**2).mean(), (mu, sigma)), by_hand)

# %% [markdown]
# Both ways must have the exact gradient (2μ, 2σ) as their mean. An oracle without chance: a Gauss–Hermite rule
# is *exact* for the mean of a polynomial in ε under N(0, 1), and both estimators of f = z² are polynomials in
# ε. A second one with chance: a million draws, four standard errors.


# %%
def gauss_hermite(n):
    """Nodes ε_i and weights w_i: E h(ε) = Σ_i w_i h(ε_i) for polynomials h of degree below 2n."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(n))
    return nodes, weights / (2 * torch.pi) ** 0.5


def score_of_square(eps, mu, sigma):
    return score_function(torch.square, eps, mu, sigma)


def path_of_square(eps, mu, sigma):
    return pathwise(double, eps, mu, sigma)


# %%
mu, sigma = mu.detach(), sigma.detach()
exact, eps = torch.stack([2 * mu, 2 * sigma]), torch.randn(1_000_000, generator=generator)
nodes, weights = gauss_hermite(20)
estimators = {"score function": score_of_square, "pathwise": path_of_square}
for estimator in estimators.values():
    torch.testing.assert_close(estimator(nodes, mu, sigma) @ weights, exact)

# %%
for name, estimator in estimators.items():
    each = estimator(eps, mu, sigma)
    mean, error = each.mean(1), each.std(1) / len(eps) ** 0.5
    assert ((mean - exact).abs() < 4 * error).all()
    in_mu, in_sigma = (f"{m:.2f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
    print(f"{name:>14}: d/dμ {in_mu}, d/dσ {in_sigma}")
f"exact: {exact[0]:.0f}, {exact[1]:.0f}"

# %% [markdown] slide="Reparameterisation trick (2)"
# ## How noisy is one draw?
#
# Both are right on average. A training step has one draw for each x, so what counts is the variance of *one*.
# For f = z² it is a matter of the moments of ε: E ε² = 1, E ε⁴ = 3, E ε⁶ = 15, E ε⁸ = 105, odd ones 0.
#
# **Pathwise.** In μ the estimate is 2z = 2μ + 2σε, with variance 4σ². In σ it is 2με + 2σε², with variance
# 4μ² + 4σ² Var ε² = 4μ² + 8σ².
#
# **Score function**, in μ: the estimate is z² ε/σ = (μ²ε + 2μσε² + σ²ε³)/σ. Its mean square is
#
# $$\frac{\mu^4\cdot 1 + 4\mu^2\sigma^2\cdot 3 + \sigma^4\cdot 15 + 2\mu^2\sigma^2\cdot 3}{\sigma^2}
# = \frac{\mu^4}{\sigma^2} + 18\mu^2 + 15\sigma^2,$$
#
# from which the squared mean 4μ² goes off. In σ it is z²(ε² − 1)/σ. With E[(ε² − 1)²] = 2,
# E[ε²(ε² − 1)²] = 15 − 6 + 1 = 10 and E[ε⁴(ε² − 1)²] = 105 − 30 + 3 = 78 its mean square is
# (2μ⁴ + 60μ²σ² + 78σ⁴)/σ², and 4σ² goes off. Together:
#
# | variance of one draw | in μ | in σ |
# |---|---|---|
# | pathwise | 4σ² | 4μ² + 8σ² |
# | score function | μ⁴/σ² + 14μ² + 15σ² | 2μ⁴/σ² + 60μ² + 74σ² |
#
# *Predict*: which term will make the score function useless when an encoder becomes certain?


# %%
def variances(mu, sigma):
    """The table above: {estimator: (in μ, in σ)}."""
    ratio = mu**4 / sigma**2
    by_score = ratio + 14 * mu**2 + 15 * sigma**2, 2 * ratio + 60 * mu**2 + 74 * sigma**2
    by_path = 4 * sigma**2, 4 * mu**2 + 8 * sigma**2
    return {"score function": torch.stack(by_score), "pathwise": torch.stack(by_path)}


for name, predicted in variances(mu, sigma).items():
    by_rule = estimators[name](nodes, mu, sigma) ** 2 @ weights - exact**2
    torch.testing.assert_close(by_rule, predicted)

# %%
for name, predicted in variances(mu, sigma).items():
    measured = estimators[name](eps, mu, sigma).var(1)
    torch.testing.assert_close(measured, predicted, rtol=0.03, atol=0)
    one, two = (" ".join(f"{v:#.3g}" for v in pair) for pair in (predicted, measured))
    print(f"{name:>14}: predicted {one}, measured {two}")

# %%
plots.histograms(
    {name: estimator(eps[:100_000], mu, sigma)[0] for name, estimator in estimators.items()},
    truth=exact[0].item(),
    limits=(-4, 24),
    xlabel="one draw's estimate of d/dμ",
    alt="Two histograms of one draw's estimate of the gradient in μ, with the exact gradient as a line in "
    "both. The score function's has its peak just below zero, on the wrong side, and a long tail to the "
    "right that carries its mean; the pathwise one's is a narrow bell around the exact gradient.",
)

# %% [markdown]
# (The bar at the far right holds all that lies beyond.) The score function's estimate z²ε/σ has the sign of ε: every other draw points the wrong way, and the mean comes
# from a few that are far too large. The pathwise 2z has the wrong sign only where z < 0.

# %%
for name, estimator in estimators.items():
    wrong_way = (estimator(eps, mu, sigma)[0] < 0).double().mean()
    print(f"{name:>14}: {wrong_way:.2g} of the draws point the wrong way")
assert abs(wrong_way - Normal(0.0, 1.0).cdf(-mu / sigma)) < 1e-3

# %% [markdown]
# The term is μ⁴/σ². As σ goes to zero the pathwise variance in μ goes to zero with it, and the score function's
# goes to infinity: its draws hardly differ, and it has to find a slope from differences of nearly equal heights.
# The next figure has μ = 1 and σ from 1 down to 1/50.

# %%
sigmas = torch.logspace(-1.7, 0, 8)
groups = torch.randn(50, 20_000, generator=generator)
predicted, measured = {}, {}
for name, estimator in estimators.items():
    predicted[f"{name}, closed form"] = torch.stack([variances(mu, s)[name][0] for s in sigmas])
    spread = torch.stack([estimator(groups, mu, s)[0].var(1) for s in sigmas])
    measured[f"{name}, measured"] = spread.mean(1), spread.std(1) / 50**0.5

# %%
for (mean, error), closed in zip(measured.values(), predicted.values(), strict=True):
    assert ((mean - closed).abs() < 5 * error).all()

# %%
plots.against(
    sigmas,
    predicted=predicted,
    measured=measured,
    xlabel="σ",
    ylabel="variance of one draw of d/dμ",
    log="xy",
    alt="The variances of both estimators over σ on logarithmic axes, measured points on the predicted lines. "
    "Towards small σ the pathwise variance falls on a straight line, while the score function's turns and rises.",
)

# %% [markdown] slide="Reparameterisation trick (2)" exercises=["5.4"]
# ## A baseline, and what it cannot do
#
# The score function can be helped. Since E[score] = 0, a constant b may be taken from f without changing the
# mean: E[(f − b) s] = E[f s]. The variance does change. E[(f − b)² s²] = E[f²s²] − 2b E[f s²] + b² E[s²] is a
# parabola in b with its minimum at
#
# $$b^* = \frac{\mathbb{E}[f s^2]}{\mathbb{E}[s^2]},$$
#
# a mean of f in which draws with a large score count more. In our example, with s = ε/σ, it is
# E[z²ε²] = μ² + 3σ², and what is left of the variance is
#
# $$\frac{\mu^4}{\sigma^2} + 14\mu^2 + 15\sigma^2 - \frac{(\mu^2+3\sigma^2)^2}{\sigma^2} = 8\mu^2 + 6\sigma^2 .$$
#
# The plain mean of f, μ² + σ², leaves 8μ² + 10σ². The explosion at small σ is gone with either.


# %%
def with_baseline(b, eps, mu, sigma):
    """The score-function estimates of d/dμ E[z²] with z² − b in place of z²."""
    return score_function(lambda z: z**2 - b, eps, mu, sigma)[0]


# %%
baselines = {"none": 0.0, "mean of f": mu**2 + sigma**2, "b*": mu**2 + 3 * sigma**2}
left = {}
for name, b in baselines.items():
    each = with_baseline(b, nodes, mu, sigma)
    torch.testing.assert_close(each @ weights, exact[0])
    left[name] = each**2 @ weights - exact[0] ** 2

# %%
torch.testing.assert_close(left["mean of f"], 8 * mu**2 + 10 * sigma**2)
torch.testing.assert_close(left["b*"], 8 * mu**2 + 6 * sigma**2)
left["pathwise"] = 4 * sigma**2
{name: f"{value:.2f}" for name, value in left.items()}

# %% [markdown]
# But a latent space has more than one dimension. Let z have D of them and f(z) = z_1² + … + z_D². The pathwise
# gradient in μ_1 is 2z_1, whatever D is: variance 4σ². The score function's is f(z) ε_1/σ, and all the other
# dimensions' f is noise to it. With R = z_2² + … + z_D², independent of z_1,
#
# $$\operatorname{Var} = \underbrace{\tfrac{\mu^4}{\sigma^2}+14\mu^2+15\sigma^2}_{D=1}
# + \frac{2\,\mathbb{E}[R]\,(\mu^2+3\sigma^2) + \mathbb{E}[R^2]}{\sigma^2},$$
#
# where E[R] = (D − 1)(μ² + σ²) and Var[R] = (D − 1)(4μ²σ² + 2σ⁴). It grows like D². The best baseline, now
# μ² + 3σ² + E[R], takes E[R] out but not the scatter of R: 8μ² + 6σ² + Var[R]/σ² is left, which grows like D.


# %%
def score_variances(D, mu, sigma):
    """Of one draw of the score-function gradient in μ_1 of E[z_1² + … + z_D²], and with b*."""
    R = (D - 1) * (mu**2 + sigma**2)
    scatter = (D - 1) * (4 * mu**2 * sigma**2 + 2 * sigma**4)
    one = mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2
    plain = one + (2 * R * (mu**2 + 3 * sigma**2) + R**2 + scatter) / sigma**2
    return plain, 8 * mu**2 + 6 * sigma**2 + scatter / sigma**2


# %%
D = torch.tensor([1, 2, 4, 8, 16, 32, 64])
spread = []
for dims in D.tolist():
    noise = torch.randn(20, 2000, dims, generator=generator)
    z, s = mu + sigma * noise, noise[..., 0] / sigma
    f, b = (z**2).sum(-1), mu**2 + 3 * sigma**2 + (dims - 1) * (mu**2 + sigma**2)
    each = torch.stack([f * s, (f - b) * s, 2 * z[..., 0]]).var(-1)
    spread.append(torch.stack([each.mean(1), each.std(1) / 20**0.5], 1))
names = ("score function", "score function, b*", "pathwise")
measured = dict(zip((f"{n}, measured" for n in names), torch.stack(spread, 2), strict=True))

# %%
closed_forms = (*score_variances(D, mu, sigma), (4 * sigma**2).expand(len(D)))
predicted = dict(zip((f"{n}, closed form" for n in names), closed_forms, strict=True))
for (mean, error), closed in zip(measured.values(), predicted.values(), strict=True):
    assert ((mean - closed).abs() < 5 * error).all()

# %%
plots.against(
    D,
    predicted=predicted,
    measured=measured,
    xlabel="D, dimensions of z",
    ylabel="variance of one draw of d/dμ₁",
    log="xy",
    alt="The variances over the number of dimensions, on logarithmic axes, measured points on the predicted lines: "
    "the pathwise one is level, the score function's rises by three orders of magnitude, and with the best baseline "
    "it still rises, half as steeply.",
)

# %% [markdown] slide="Reparameterisation trick (2)"
# ## On a bound, not on a toy
#
# Now f is log p_θ(x|z) on the arc, as in a VAE with a bent decoder, and φ = (μ, log σ) for one x. The exact
# gradient of the bound is known (autograd through `vaelib`'s closed form on the arc). The two estimates: the KL
# term in closed form, and for E_q[log p(x|z)] one of the two ways. For log σ the chain rule gives a factor σ. Below
# are the standard deviations of one draw, in μ and in log σ, for q the prior and for a q near the posterior.


# %%
def likelihood_gradient(way, arc, x, mu, sigma, eps):
    """Estimates of (d/dμ, d/d log σ) E_q[log p(x|z)], one for each ε; eps (K,) -> (2, K)."""
    z = (mu + sigma * eps).requires_grad_()
    f = arc.log_px_z(x, z)
    (df_dz,) = torch.autograd.grad(f.sum(), z)
    z, f = z.detach(), f.detach()
    if way == "score function":
        return f * score(z, mu, sigma) * torch.stack([torch.ones(()), sigma])[:, None]
    return torch.stack([df_dz, df_dz * eps * sigma])


# %%
point, eps = torch.tensor([0.6, 0.9]), torch.randn(100_000, generator=generator)
for m, s in ((0.0, 1.0), (0.6, 0.2)):
    phi = torch.tensor([m, np.log(s)], requires_grad=True)
    (exact,) = torch.autograd.grad(arc.elbo(point[None], phi[:1], phi[1:]), phi)
    kl_gradient = torch.tensor([m, s**2 - 1])
    for way in estimators:
        each = likelihood_gradient(way, arc, point, torch.tensor(m), torch.tensor(s), eps)
        error = each.std(1) / len(eps) ** 0.5
        assert ((each.mean(1) - kl_gradient - exact).abs() < 4 * error).all()
        spread = ", ".join(f"{value:.2g}" for value in each.std(1))
        print(f"q = N({m}, {s}²), {way:>14}: {spread}")

# %% [markdown]
# In one dimension the lead of the pathwise gradient is modest: a factor between one and four in these numbers, and
# a factor is easily bought with more draws. Many latent dimensions are another matter. Here is a decoder with
# D = 20, linear, so that the exact bound is known all the way: 400 steps of gradient ascent on μ and log σ for
# one x, from q = prior, with the exact gradient, and with each estimate from *one* draw a step. The steps must be
# small for the sake of the score function; so there is one more run, pathwise with steps twenty times as large.

# %%
W = torch.randn(40, 20, generator=generator) / 40**0.5
big = LinearGaussian(W, torch.zeros(40), sigma_x=0.5)
_, x_big = big.sample(1, generator)


# %%
def step_direction(way, model, x, mu, log_sigma, eps):
    """An estimate of the bound's gradient in (μ, log σ), (2, D), from one draw; eps (1, D)."""
    phi = torch.stack([mu, log_sigma]).requires_grad_()
    if way == "exact gradient":
        return torch.autograd.grad(model.elbo(x, phi[0], phi[1]).sum(), phi)[0]
    z = phi[0] + phi[1].exp() * eps
    z = z.detach() if way == "score function" else z
    log_px_z = Normal(z @ model.W.T, model.sigma_x).log_prob(x).sum()
    if way == "score function":
        log_px_z = log_px_z * Normal(phi[0], phi[1].exp()).log_prob(z).sum()
    kl = divergences.kl_to_standard_normal(phi[0], phi[1]).sum()
    return torch.autograd.grad(log_px_z - kl, phi)[0]


# %% [markdown]
# The line with `log_prob` is how the score function is written with autograd: the gradient of
# f(z) · log q_φ(z) at a z cut from the graph is f(z) ∇_φ log q_φ(z), the estimator itself.

# %%
gap = {}
runs = [("exact gradient", 1), ("pathwise", 1), ("score function", 1), ("pathwise", 20)]
for way, times in runs:
    mu_big, log_sigma_big, path = torch.zeros(1, 20), torch.zeros(1, 20), []
    noise = torch.Generator().manual_seed(2)
    for _ in range(400):
        path.append((big.log_px(x_big) - big.elbo(x_big, mu_big, log_sigma_big)).item())
        eps = torch.randn(1, 20, generator=noise)
        uphill = step_direction(way, big, x_big, mu_big, log_sigma_big, eps)
        mu_big = mu_big + 2e-4 * times * uphill[0]
        log_sigma_big = log_sigma_big + 2e-4 * times * uphill[1]
    gap[way + ", large steps" * (times > 1)] = torch.tensor(path)

# %%
exact, one_draw, by_score, large = (path[-100:].mean() for path in gap.values())
assert abs(one_draw / exact - 1) < 0.05 and by_score > 1.3 * exact and large < 0.2 * exact

# %%
plots.against(
    torch.arange(400),
    predicted=gap,
    measured={},
    xlabel="step",
    ylabel="log p(x) − bound, nats",
    log="y",
    alt="The gap between log p(x) and the bound over 400 steps. With the exact gradient and with one pathwise "
    "draw a step it falls along nearly the same curve; with one score-function draw a step it wanders, high up; "
    "pathwise with large steps it drops steeply at the start and stays low.",
)

# %% [markdown]
# One pathwise draw a step does here what the exact gradient does. That is why a VAE's training loop makes do with a
# single ε for each x, and with one line, z = μ + σ ⊙ ε.

# %% [markdown] slide="Reparameterisation trick (2)"
# ## Lab: the same noise, another q
#
# The noise ε is fixed. Move μ and log σ, and the points glide: each z has its own path, and f(z) = z² rises or
# falls along it. Beside them are the histograms of 1,000 estimates of each kind from K draws each, with their means
# and standard deviations, measured and in closed form, and the exact gradient in text.
#
# Things to try: let log σ go down and watch the two histograms. How many draws does the score function need to be as
# good as one pathwise draw? Choose the gradient in log σ: is there a place where the score function wins?

# %%
lab = ReparameterisationLab()
lab

# %% [markdown]
# The same as a picture, for a page on which nothing moves.

# %%
lab.figure()

# %% [markdown]
# ## Exercises
#
# Write each function in place of its `raise`, from its formula and with the cells above out of sight; run it,
# and then the cell below it. The check there tries it on inputs drawn anew each time and says whether it is
# right and, if it is not, which mistake it looks like.

# %% [markdown] exercise="5.1 ★"
# ### Exercise 5.1 `reparameterise`
#
# *5 minutes.* z from μ, log σ and ε, all of one shape, with gradients that reach both parameters.


# %%
def reparameterise(mu, log_sigma, eps):
    """z = T(ε) ~ N(μ, diag σ²) for ε ~ N(0, I); all of one shape."""
    ### BEGIN SOLUTION
    return mu + log_sigma.exp() * eps
    ### END SOLUTION


# %%
check.reparameterise(reparameterise)

# %% [markdown] exercise="5.2 ★★"
# ### Exercise 5.2 `score_function_gradient`
#
# *10 minutes.* From the values f(z_k) and the draws z_k of N(μ, σ²), (K,) each: the estimate of d/dμ E f(z),
# a scalar. No derivative of f.


# %%
def score_function_gradient(f_z, z, mu, sigma):
    """The score function's estimate of d/dμ E f(z); f(z), z (K,) -> scalar."""
    ### BEGIN SOLUTION
    score_mu = (z - mu) / sigma**2
    return (f_z * score_mu).mean()
    ### END SOLUTION


# %%
check.score_function_gradient(score_function_gradient)

# %% [markdown] exercise="5.3 ★★"
# ### Exercise 5.3 `pathwise_gradient`
#
# *10 minutes.* From the derivatives f′(z_k) and the noise ε_k, (K,) each: the pair of estimates (d/dμ, d/dσ)
# of E f(z), means over the K draws.


# %%
def pathwise_gradient(df_dz, eps, sigma):
    """The pathwise estimates (d/dμ, d/dσ) of E f(z); f′(z), ε (K,) -> two scalars."""
    ### BEGIN SOLUTION
    return df_dz.mean(), (df_dz * eps).mean()
    ### END SOLUTION


# %%
check.pathwise_gradient(pathwise_gradient)

# %% [markdown] exercise="5.4 ★★★"
# ### Exercise 5.4 `optimal_baseline`
#
# *30 minutes.* From K values of f and of the score s: the constant b* that makes the variance of (f − b) s
# smallest, a scalar. Expectations become means over the K draws, and E[s] is known to be 0.


# %%
def optimal_baseline(f_z, score):
    """The b that makes the variance of (f − b) s smallest; f(z), s (K,) -> scalar."""
    ### BEGIN SOLUTION
    weight = score**2
    return (weight * f_z).mean() / weight.mean()
    ### END SOLUTION


# %%
check.optimal_baseline(optimal_baseline)

# %% [markdown]
# ## What goes wrong in practice
#
# - **`sample` where `rsample` belongs.** The loss falls, because the decoder learns, and the encoder hears of the
#   KL only: it collapses to the prior. Look at the encoder's gradients once.
# - **`torch.normal(mu, sigma)`, `.detach()`, `.data`, a detour through NumPy.** All give zero or None, and none
#   stops the program.
# - **One ε for all.** `torch.randn(D)` in place of `torch.randn(B, D)` broadcasts without complaint and shares the
#   noise over the batch: the mean is right, but the variance no longer falls with B. ε has the shape of μ.
# - **Exp forgotten or halved.** μ + log σ · ε runs and trains, towards another objective. If a network gives
#   `logvar`, σ is `(0.5 * logvar).exp()`.
# - **The pathwise gradient where f has no slope.** With f(z) = 1 for z > 0 and 0 otherwise, f′ is 0 wherever it
#   exists, so the pathwise gradient is exactly 0. But E f(z) = Φ(μ/σ), and its derivative in μ is the density of
#   N(0, 1) at μ/σ, divided by σ. The score function gets it right. This is why discrete latent variables need
#   another trick.


# %%
def is_positive(z):
    return (z > 0).double()


# %%
eps = torch.randn(100_000, generator=generator)
exact = Normal(0.0, 1.0).log_prob(mu / sigma).exp() / sigma
each = score_function(is_positive, eps, mu, sigma)[0]
assert abs(each.mean() - exact) < 4 * each.std() / len(eps) ** 0.5
without_slope = pathwise(torch.zeros_like, eps, mu, sigma)[0].mean()
f"exact {exact:.4f}, score function {each.mean():.2g}, pathwise {without_slope:.0f}"

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | q(z given x), μ, log σ | `q = vae.posterior(x)`, `q.mu`, `q.log_sigma` | `(B, D)` |
# | ε ~ N(0, I) | `eps = torch.randn(..., generator=generator)` | `(B, D)` or `(K, B, D)` |
# | z = T(x, ε) = μ + σ ⊙ ε | `z = mu + sigma * eps`, `q.rsample(generator=generator)` | as `eps` |
# | ∇ log q | `score(z, mu, sigma)` | `(2, K)` |
# | f(z) ∇ log q | `score_function(f, eps, mu, sigma)` | `(2, K)` |
# | f′(z), f′(z) ε | `pathwise(df_dz, eps, mu, sigma)`, or autograd through `rsample` | `(2, K)` |
# | b* = E[f s²]/E[s²] | `(f * s**2).mean() / (s**2).mean()` | scalar |
#
# Back to the [map](00_start_here.ipynb#The-map); on to [lesson 6](06_the_vae.ipynb), where all of it is put
# together.
