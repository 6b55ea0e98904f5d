# %% [markdown]
# # 4 · The ELBO
#
# Lesson 2 ended at a wall: log p(x) is an integral over all codes z, and hardly any code that the prior
# proposes has to do with this x. Lesson 3 gave a tool: for a concave function such as log, the function of
# an average is at least the average of the function. **Can we trade the integral that we cannot compute for
# a number that we can, and know what the trade costs?**
#
# The lecture's answer is the evidence lower bound, the ELBO, here called L. It holds for *any* distribution
# q over z, and what it costs has a name: it is a KL divergence, from q to the true posterior. Everything a
# VAE does follows from that one sentence. We will see it hold to ten digits where the truth is known.
#
# **After it you will be able to**
#
# - derive the ELBO in two ways, and say at each line what has been used;
# - say how far below log p(x) it is, for every q;
# - read the same number in three ways, and say which one a program computes;
# - write its reconstruction term with the constant, and say when the constant matters;
# - tell apart the two things an encoder can lose: q has the wrong shape, or one network serves all x.

# %%
from vaelib import bounds, check, divergences, exact, models, plots
from vaelib.schedules import cosine_decay
from vaelib.training import fit
from vaelib.widgets import ElboLab

import torch
from torch import nn
from torch.distributions import Normal

# %% [markdown]
# The arc of lesson 2 is the running example: z ~ N(0, 1), x = G(z) + σ_x ε with G(z) = (sin z, cos z) and
# σ_x = 0.2. Its log p(x) and its posterior are known, by quadrature. We look at one x at first.

# %%
torch.set_default_dtype(torch.float64)
arc = exact.Arc(sigma_x=0.2)
x = torch.tensor([[0.5, 0.6]])

# %% [markdown] slide="Variational Auto-Encoders (1)"
# ## The bound, line by line
#
# Take any density q(z) that is positive wherever p(x|z)p(z) is. Then
#
# $$\begin{aligned}
# \log p_\theta(x) &\overset{(1)}{=} \log \int p_\theta(x|z)\, p(z)\, dz \\
# &\overset{(2)}{=} \log \int q(z)\, \frac{p_\theta(x|z)\, p(z)}{q(z)}\, dz = \log \mathbb{E}_q\!\left[\frac{p_\theta(x|z)\, p(z)}{q(z)}\right] \\
# &\overset{(3)}{\ge} \mathbb{E}_q\!\left[\log \frac{p_\theta(x|z)\, p(z)}{q(z)}\right] \\
# &\overset{(4)}{=} \mathbb{E}_q[\log p_\theta(x|z)] - \mathbb{E}_q\!\left[\log \frac{q(z)}{p(z)}\right] \\
# &\overset{(5)}{=} \mathbb{E}_q[\log p_\theta(x|z)] - \mathrm{KL}(q \,\|\, p(z)) =: L.
# \end{aligned}$$
#
# (1) is the model. (2) multiplies and divides by q, which changes nothing but makes the integral an
# expectation under q. (3) is **Jensen's inequality** for the concave log; it is the only line at which
# anything can be lost. (4) splits the logarithm of the product, and (5) gives the second part its name.
#
# The code computes the lines (1) to (4) as they stand, each by the trapezoid rule over z, none from another.


# %%
def bound_line_by_line(log_px_z, log_pz, log_qz, z):
    """Lines (1) to (4), from log p(x) down to L; log-densities (n,) on the grid z (n,) -> (4,)."""
    q, log_w = log_qz.exp(), log_px_z + log_pz - log_qz
    marginal = torch.trapezoid((log_px_z + log_pz).exp(), z).log()
    expectation = torch.trapezoid(q * log_w.exp(), z).log()
    jensen = torch.trapezoid(q * log_w, z)
    reconstruction = torch.trapezoid(q * log_px_z, z)
    split = reconstruction - torch.trapezoid(q * (log_qz - log_pz), z)
    return torch.stack([marginal, expectation, jensen, split])


# %% [markdown]
# Four choices of q: the prior; a Gaussian that is half as wide; a narrow one at 0.7, which is near the codes
# that explain this x; and the posterior itself, p(z|x) = p(x|z)p(z)/p(x).
#
# *Predict*: which numbers differ between the rows? Which columns are equal in every row? In which row does
# (3) lose nothing?

# %%
z = torch.linspace(-8, 8, 6401)
log_px_z, log_pz = arc.log_px_z(x, z), Normal(0.0, 1.0).log_prob(z)
log_posterior = log_px_z + log_pz - arc.log_px(x)
candidates = {"the prior": log_pz, "N(0, 0.5²)": Normal(0.0, 0.5).log_prob(z)}
candidates |= {"N(0.7, 0.3²)": Normal(0.7, 0.3).log_prob(z), "the posterior": log_posterior}

# %%
table = {}
print(f"{'q':>13}  {'(1)':>9}  {'(2)':>9}  {'(3)':>9}  {'(4)':>9}")
for name, log_qz in candidates.items():
    table[name] = bound_line_by_line(log_px_z, log_pz, log_qz, z)
    print(f"{name:>13}", *(f"{line:9.4f}" for line in table[name]), sep="  ")

# %% [markdown]
# (1) and (2) are log p(x) whatever q is; q has only been written in. At (3) each q loses something, the
# prior most, and the posterior nothing. For then p(x|z)p(z)/q(z) = p(x) for every z: it is constant, and
# Jensen has nothing to bite on. (4) repeats (3).
#
# Are they right? log p(x) must be `vaelib`'s. And for a Gaussian q both terms of line (5) are known without
# any grid, so `arc.elbo`, which is in closed form, has to give the last column.

# %%
for lines in table.values():
    torch.testing.assert_close(lines[:2], arc.log_px(x).expand(2), rtol=0, atol=1e-10)
mu, sigma = torch.tensor([0.0, 0.0, 0.7]), torch.tensor([1.0, 0.5, 0.3])
closed_form = [*arc.elbo(x.expand(3, 2), mu, sigma.log()), arc.log_px(x)[0]]
for lines, exact_L in zip(table.values(), closed_form, strict=True):
    torch.testing.assert_close(lines[2:], exact_L.expand(2), rtol=0, atol=1e-10)

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## What the bound leaves out
#
# How much is lost at (3)? The second derivation starts from the other end, from the distance of q to the
# posterior. By Bayes' rule log p(z|x) = log p(x|z) + log p(z) − log p(x), so
#
# $$\begin{aligned}
# \mathrm{KL}(q \,\|\, p_\theta(z|x)) &= \mathbb{E}_q[\log q(z) - \log p_\theta(z|x)] \\
# &= \mathbb{E}_q[\log q(z) - \log p_\theta(x|z) - \log p(z)] + \log p_\theta(x) \\
# &= \mathrm{KL}(q \,\|\, p(z)) - \mathbb{E}_q[\log p_\theta(x|z)] + \log p_\theta(x) = \log p_\theta(x) - L.
# \end{aligned}$$
#
# log p(x) came out of the expectation because it does not depend on z. There is no inequality in it:
#
# $$\log p_\theta(x) = L + \mathrm{KL}(q \,\|\, p_\theta(z|x)).$$
#
# That L is a lower bound now follows from KL ≥ 0, and that it is tight for q = p(z|x) from KL = 0.


# %%
def kl_to_posterior(log_px_z, log_pz, log_qz, z):
    """KL(q ‖ p(z|x)) = E_q[log q(z) − log p(z|x)], the posterior by Bayes' rule, on the grid z."""
    log_px = torch.trapezoid((log_px_z + log_pz).exp(), z).log()
    log_pz_x = log_px_z + log_pz - log_px
    return torch.trapezoid(log_qz.exp() * (log_qz - log_pz_x), z)


for name, log_qz in candidates.items():
    kl = kl_to_posterior(log_px_z, log_pz, log_qz, z)
    torch.testing.assert_close(table[name][0] - table[name][3], kl, rtol=0, atol=1e-10)
    print(f"{name:>13}:  L = {table[name][3]:8.4f}   KL(q ‖ p(z|x)) = {kl.abs():7.4f}")

# %% [markdown]
# The two columns add up to log p(x) in each row. Now on a larger scale, by means that share nothing: 500
# points x from the arc, for each a random Gaussian q. `arc.log_px` sums over a fixed grid, `arc.elbo` is in
# closed form, `arc.kl_to_posterior` uses a grid that follows q.

# %%
generator = torch.Generator().manual_seed(4)
many_x = arc.sample(500, generator)[1]
mu, log_sigma = torch.randn(2, 500, generator=generator)
L, kl = arc.elbo(many_x, mu, log_sigma), arc.kl_to_posterior(many_x, mu, log_sigma)
torch.testing.assert_close(arc.log_px(many_x), L + kl, rtol=0, atol=1e-10)
assert torch.all(kl > 0)

# %% [markdown]
# And on the linear twin, x = Wz + b + σ_x ε, here with 5 dimensions of x and 3 of z, where all three have
# closed forms: log p(x) from the covariance of x, the posterior from its precision, the ELBO from neither.

# %%
W, b = torch.randn(5, 3, generator=generator), torch.randn(5, generator=generator)
linear = exact.LinearGaussian(W, b, sigma_x=0.5)
five_x = linear.sample(500, generator)[1]
mu, log_sigma = torch.randn(2, 500, 3, generator=generator)
L, kl = linear.elbo(five_x, mu, log_sigma), linear.kl_to_posterior(five_x, mu, log_sigma)
torch.testing.assert_close(linear.log_px(five_x), L + kl, rtol=0, atol=1e-10)
"log p(x) = ELBO + KL(q ‖ p(z|x)) to 1e-10, for 500 random q on each model"

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## Moving φ moves q to the posterior
#
# The left side of the identity does not contain q. So whatever we do to q's parameters φ = (μ, log σ), if L
# goes up by some amount then the KL to the posterior goes down by the same amount. To make q approximate
# a posterior that we cannot compute, we raise an L that we can.
#
# Plain gradient ascent, from a q that starts far away: each step adds a small multiple of ∂L/∂φ to φ.
#
# *Predict*: three curves over the steps, L, KL(q ‖ p(z|x)) and their sum.


# %%
def ascend(x, phi, arc, steps=300, rate=0.005):
    """Gradient ascent of L in φ = (μ, log σ); the path of φ, (steps, 2)."""
    path = []
    for _ in range(steps):
        path.append(phi)
        phi = phi.detach().requires_grad_()
        L = arc.elbo(x, phi[:1], phi[1:]).sum()
        phi = phi.detach() + rate * torch.autograd.grad(L, phi)[0]
    return torch.stack(path)


path = ascend(x, torch.tensor([-0.5, 0.0]), arc)
along = x.expand(len(path), 2), path[:, 0], path[:, 1]
L, kl = arc.elbo(*along), arc.kl_to_posterior(*along)
torch.testing.assert_close(L + kl, arc.log_px(x).expand(len(path)), rtol=0, atol=1e-10)
assert torch.all(L.diff() > 0) and torch.all(kl.diff() < 0)

# %%
plots.curves(
    {"nats": {"L": L, "KL(q ‖ p(z|x))": kl, "their sum: log p(x)": L + kl}},
    xlabel="step",
    alt="Three curves over the steps of gradient ascent: L rises from far below to just under a horizontal "
    "line, the KL to the posterior falls to nearly zero as its mirror image, and their sum, log p(x), is "
    "the horizontal line.",
)

# %%
near = z.abs() < 3
densities = {"p(z|x)": log_posterior[near].exp()}
for name, (mu, log_sigma) in {"q at first": path[0], "q at the end": path[-1]}.items():
    densities[name] = Normal(mu, log_sigma.exp()).log_prob(z[near]).exp()

# %%
plots.curves(
    {"density of z": densities},
    x=z[near],
    xlabel="z",
    alt="Densities over z: the posterior is a narrow bump right of zero. At first q is a wide bell left of "
    "it; at the end q lies on the posterior and can hardly be told from it.",
)

# %% [markdown]
# A Gaussian fits well here because the posterior is nearly one. It need not be. Inside the lower half of
# the arc, x = (0.05, −0.6), the same point is explained by z a little below π and by z a little above −π:
# the posterior has two bumps.
#
# *Predict*: which of the two does q choose, or does it cover both? What is the gap at the end?

# %%
two_x = torch.tensor([[0.05, -0.6]])
phi = ascend(two_x, torch.tensor([2.0, -1.0]), arc, steps=400)[-1]
gap = arc.kl_to_posterior(two_x, phi[:1], phi[1:]).item()
grid, density = arc.grid(two_x)
share = density[0, grid > 0].sum() * arc.step
f"the bump on the right holds {share:.0%} of the posterior; gap {gap:.2f}, −log of that share {-share.log():.2f}"

# %%
assert abs(gap + share.log()) < 0.05
shown = grid.abs() < 5
q = Normal(phi[0], phi[1].exp()).log_prob(grid).exp()
plots.curves(
    {"density of z": {"p(z|x)": density[0, shown], "q": q[shown]}},
    x=grid[shown],
    xlabel="z",
    alt="Densities over z: the posterior has two narrow bumps, one near 3 and one near minus 3. The "
    "Gaussian q sits on the right one, with a higher peak, and ignores the left one.",
)

# %% [markdown]
# It chooses one, as the reverse KL of lesson 1 does. If q matches one bump that holds the share s of the
# mass, then log q − log p(z|x) = −log s there, and so the gap is −log s. Is there a better Gaussian, one
# that covers both? A search over all μ in [−4, 4] and log σ in [−3, 1] finds none, so this gap is the price
# of q's *shape*.

# %%
mus, log_sigmas = torch.cartesian_prod(torch.linspace(-4, 4, 81), torch.linspace(-3, 1, 41)).T
everywhere = arc.kl_to_posterior(two_x.expand(len(mus), 2), mus, log_sigmas)
assert everywhere.min() > gap - 0.001 and abs(mus[everywhere.argmin()] - phi[0]) < 0.1

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## Three readings of one number
#
# $$\begin{aligned}
# L &= \mathbb{E}_q[\log p_\theta(x|z)] - \mathrm{KL}(q \,\|\, p(z)) && \text{explain x well, stay near the prior} \\
# &= \log p_\theta(x) - \mathrm{KL}(q \,\|\, p_\theta(z|x)) && \text{be the posterior} \\
# &= \mathbb{E}_q[\log p_\theta(x, z)] + H(q) && \text{sit where the joint is high, but stay wide}
# \end{aligned}$$
#
# H(q) = −E_q[log q(z)] is q's entropy, ½ log(2πe σ²) for a Gaussian. A program computes the first: each
# part is known for a given z. The second explains what the first does; it contains what we do not know. The
# third is physics' free energy. One q, three computations:

# %%
mu, sigma = path[-1, 0], path[-1, 1].exp()
log_qz = Normal(mu, sigma).log_prob(z)
reconstruction = torch.trapezoid(log_qz.exp() * log_px_z, z)
first = reconstruction - divergences.kl_gaussian(mu, sigma, 0.0, 1.0)
second = arc.log_px(x) - kl_to_posterior(log_px_z, log_pz, log_qz, z)
energy = torch.trapezoid(log_qz.exp() * (log_px_z + log_pz), z)
third = energy + 0.5 * (2 * torch.pi * torch.e * sigma**2).log()

# %%
torch.testing.assert_close(first, second[0], rtol=0, atol=1e-10)
torch.testing.assert_close(first, third, rtol=0, atol=1e-10)
f"L = {first:.4f}, {second[0]:.4f}, {third:.4f} nats; log p(x) = {arc.log_px(x)[0]:.4f}"

# %% [markdown] slide="Variational Auto-Encoders (3)" exercises=["4.1", "4.2"]
# ## The objective, with its constant
#
# With the lecture's decoder p(x|z) = N(G(z), σ_x² I) and P dimensions of x, the first term is
#
# $$\mathbb{E}_q[\log p_\theta(x|z)] = -\frac{\mathbb{E}_q\|x - G_\theta(z)\|^2}{2\sigma_x^2} + C,
# \qquad C = -\tfrac P2 \log 2\pi\sigma_x^2.$$
#
# A squared error, then, in units of the noise. For a network G the expectation over q needs draws. On the
# arc it does not, because ‖G(z)‖ = 1 and because for z ~ N(μ, σ²)
#
# $$\mathbb{E}[\sin z] = e^{-\sigma^2/2} \sin\mu, \qquad \mathbb{E}[\cos z] = e^{-\sigma^2/2} \cos\mu,$$
#
# the real and imaginary parts of the characteristic function E[e^{iz}] = e^{iμ − σ²/2}. So
# E_q‖x − G(z)‖² = ‖x‖² + 1 − 2⟨x, E_q[G(z)]⟩.


# %%
def expected_log_likelihood(x, mu, log_sigma, sigma_x):
    """E_q[log N(x; G(z), σ_x² I)] for q = N(μ, σ²) on the arc; x (B, 2), μ, log σ (B,) -> (B,), nats."""
    shrink = (-0.5 * (2 * log_sigma).exp()).exp()
    mean_G = shrink[:, None] * torch.stack([mu.sin(), mu.cos()], -1)
    error = x.square().sum(-1) + 1 - 2 * (x * mean_G).sum(-1)
    C = -0.5 * x.shape[-1] * torch.tensor(2 * torch.pi * sigma_x**2).log()
    return -error / (2 * sigma_x**2) + C


# %% [markdown]
# Three checks. Together with the KL it has to be `vaelib`'s ELBO. For the q above it has to be the number
# that quadrature gave. And a Monte Carlo mean of log p(x|z) over draws from q has to agree within its
# standard error, with the log-density taken from `torch.distributions`, which drops no constant.

# %%
mu, log_sigma = torch.randn(2, 500, generator=generator)
kl = divergences.kl_to_standard_normal(mu[:, None], log_sigma[:, None])
closed = expected_log_likelihood(many_x, mu, log_sigma, arc.sigma_x)
torch.testing.assert_close(closed - kl, arc.elbo(many_x, mu, log_sigma))
at_x = expected_log_likelihood(x, path[-1:, 0], path[-1:, 1], arc.sigma_x)
torch.testing.assert_close(at_x[0], reconstruction, rtol=0, atol=1e-10)

# %%
draws = path[-1, 0] + sigma * torch.randn(20_000, generator=generator)
G = torch.stack([draws.sin(), draws.cos()], -1)
terms = Normal(G, arc.sigma_x).log_prob(x).sum(-1)
standard_error = terms.std() / 20_000**0.5
assert abs(terms.mean() - reconstruction) < 4 * standard_error
f"E_q[log p(x|z)] = {reconstruction:.4f}; from draws {terms.mean():.2f} ± {standard_error:.2f}"

# %% [markdown]
# How large is C? On the arc, P = 2; for a face of lesson 6, P = 32 · 32 and σ_x = 0.12.

# %%
for P, sigma_x in ((2, 0.2), (1024, 0.12), (1024, 1.0)):
    C = -0.5 * P * torch.tensor(2 * torch.pi * sigma_x**2).log()
    zeros = torch.zeros(P)
    torch.testing.assert_close(C, Normal(zeros, sigma_x).log_prob(zeros).sum())
    print(f"P = {P:4}, σ_x = {sigma_x:.2f}:  C = {C:8.1f} nats")

# %% [markdown]
# It may be of either sign, and then log p(x) may be positive: it is a density, and a narrow one exceeds 1.
# Much code drops C. Then the gradients in φ and in the weights of G stay what they were, but the number is
# no bound on log p(x) any more, two models with different σ_x cannot be compared, and σ_x cannot be learnt.
#
# *Predict*: for the x and q above, L as a function of σ_x with C, and without it. Where is the top?

# %%
sigmas = torch.linspace(0.08, 0.6, 53)
mu, log_sigma = path[-1:].T
with_C = torch.cat([expected_log_likelihood(x, mu, log_sigma, s) for s in sigmas.tolist()])
C = -(2 * torch.pi * sigmas**2).log()
error = (x - G).square().sum(-1).mean()
assert abs(sigmas[with_C.argmax()] - (error / 2).sqrt()) < 0.01 and (with_C - C).argmax() == 52

# %%
plots.curves(
    {"E_q[log p(x|z)] (nats)": {"with C": with_C, "without C": with_C - C}},
    x=sigmas,
    xlabel="σ_x",
    alt="The reconstruction term over σ_x: with the constant C a curve with a top, without C a curve that "
    "rises to the right end, ever nearer to zero.",
)

# %% [markdown]
# With C the best σ_x is √(E‖x − G‖²/P), the size of the error itself. Without it, an infinite σ_x is best:
# it forgives every error. So in this project C stays, always.
#
# The objective of a VAE is the mean of L over the data, to be raised in both sets of parameters:
#
# $$\max_{\theta, \phi}\; \frac1N \sum_n \Big( \mathbb{E}_{q_\phi(z|x_n)}[\log p_\theta(x_n|z)] - \mathrm{KL}(q_\phi(z|x_n) \,\|\, p(z)) \Big).$$
#
# Three ingredients are left. The **decoder** G_θ, which lesson 2 introduced. The **encoder**, next. And the
# **optimisation**: the gradient in θ is easy, the one in φ is the subject of lesson 5.

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## The best q for each x, or one encoder for all
#
# So far q was fitted to one x, by gradient ascent. With a million examples that is a million optimisations,
# and one more for each new picture. A VAE **amortises** it: a network reads x and answers with μ_φ(x) and
# log σ_φ(x), one φ for all x. That is cheap, and it may cost a second gap on top of the first:
#
# - the best Gaussian for this x may still differ from the posterior: the gap of the *shape*;
# - the network's answer may differ from that best Gaussian: the gap of *amortisation*.
#
# On the arc both can be measured. The best q for each of 400 points, all at once, each with a φ of its own,
# begun at the top of its posterior:

# %%
x_train, x_new = arc.sample(400, generator)[1], arc.sample(400, generator)[1]
grid, density = arc.grid(x_new)
mu = grid[density.argmax(1)].requires_grad_()
log_sigma = torch.full((400,), -1.6).requires_grad_()
optimiser = torch.optim.Adam([mu, log_sigma], lr=0.02)
for _ in range(200):
    loss = -arc.elbo(x_new, mu, log_sigma).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %% [markdown]
# And two encoders, trained on 400 *other* points: a network with one hidden layer of 64 units, and a linear
# one.
#
# *Predict*: which codes would a linear encoder have to give to the two ends of the arc?


# %%
def train_encoder(encoder, x, arc, steps=600):
    """Adam on the mean ELBO over x, the decoder being fixed."""
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.02)
    for _ in range(steps):
        q = encoder(x)
        loss = -arc.elbo(x, q.mu[:, 0], q.log_sigma[:, 0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder


torch.manual_seed(0)
body = nn.Sequential(nn.Linear(2, 64), nn.Tanh())
network = train_encoder(models.GaussianEncoder(body, 64, 1), x_train, arc)
line = train_encoder(models.GaussianEncoder(nn.Identity(), 2, 1), x_train, arc)

# %%
with torch.no_grad():
    gaps = {"best q for each x": arc.kl_to_posterior(x_new, mu, log_sigma)}
    for name, encoder in (("one network", network), ("one linear encoder", line)):
        q = encoder(x_new)
        gaps[name] = arc.kl_to_posterior(x_new, q.mu[:, 0], q.log_sigma[:, 0])
means = {name: gap.mean().item() for name, gap in gaps.items()}
assert 0 < means["best q for each x"] < means["one network"] < means["one linear encoder"]

# %%
plots.bars(
    means,
    xlabel="mean gap log p(x) − L on new points (nats)",
    alt="Three bars, the mean gap to log p(x) on new points: the best q for each x has almost none, one "
    "network for all loses more, and a linear encoder loses many times as much.",
)

# %% [markdown]
# Where does the network lose it? Each new point, shaded by its gap. Each panel has a scale of its own, and
# everything above one nat is drawn as one.

# %%
shown = {f"gap: {name}": gaps[name].clamp(max=1) for name in ("best q for each x", "one network")}
plots.scatter(
    x_new,
    shown,
    axes=("x₁", "x₂"),
    alt="The new points twice, shaded by their gap: dark is none. With the best q for each x all but a few "
    "are dark. With one network most are dark too; the lightest ones lie at the bottom of the arc.",
)

# %% [markdown]
# At the bottom of the arc, where its two ends meet. Two neighbours there may need codes near π and near −π,
# and no smooth function of x can jump. The rest it does well: on half of the points the gap is tiny. The
# network answers for new points at once; the best q takes its 200 steps again for each.

# %%
assert gaps["one network"].median() < 0.01 and x_new[gaps["one network"].argmax(), 1] < -0.5
"With the network half of the new points lose less than 0.01 nats; the worst is at the bottom."

# %% [markdown] slide="Variational Auto-Encoders (3)" exercises=["4.3"]
# ## Where nothing is lost: the linear VAE
#
# One model has no gap of either kind. For x = Wz + b + σ_x ε the posterior is Gaussian, and Bayes' rule
# gives, with Λ = I + WᵀW/σ_x²,
#
# $$p(z|x) = \mathcal N\big(\Lambda^{-1} W^\top (x - b)/\sigma_x^2,\; \Lambda^{-1}\big).$$
#
# Its mean is linear in x and its covariance is the same for all x: a linear encoder can say it. One thing
# is in the way: a VAE's q is *diagonal*, and Λ need not be. The best diagonal q has the posterior's mean and
# the variances 1/Λ_dd. What it loses is ½(Σ_d log Λ_dd − log |Λ|), which is zero for a diagonal Λ only:

# %%
Lambda = torch.eye(3) + W.T @ W / linear.sigma_x**2
mean = torch.linalg.solve(Lambda, W.T @ (five_x - b).T / linear.sigma_x**2).T
torch.testing.assert_close(mean, linear.posterior(five_x).mean)
best_q = mean, -0.5 * Lambda.diagonal().log()
torch.testing.assert_close(best_q, linear.optimal_q(five_x))
predicted = 0.5 * (Lambda.diagonal().log().sum() - Lambda.logdet())
torch.testing.assert_close(linear.kl_to_posterior(five_x, *best_q), predicted.expand(500))
f"gap of the best diagonal q: {predicted:.3f} nats, for every x"

# %% [markdown]
# But the model has a freedom. Rotate z: replace W by WR with a rotation R. That changes no p(x), since
# (WR)(WR)ᵀ = WWᵀ. It does change Λ, and one R makes it diagonal. So if decoder *and* encoder are trained,
# raising L should turn W until Λ is diagonal, and then L = log p(x), at the maximum.
#
# What is that maximum? For this model maximum likelihood has a closed form, probabilistic PCA, from the
# eigenvalues of the covariance of the data. `LinearGaussian.fit` computes it, and it equals scikit-learn's
# `PCA.score` to 1e-8 (in `vaelib`'s tests). So here is a VAE that can be graded: data from a known model,
# the exact best log-likelihood, and `vaelib.fit`, the training loop that lesson 6 writes out, on a linear
# encoder and a linear decoder with σ_x learnt too.

# %%
generator = torch.Generator().manual_seed(100)
W, b = torch.randn(5, 2, generator=generator), torch.randn(5, generator=generator)
_, data = exact.LinearGaussian(W, b, sigma_x=0.5).sample(1000, generator)
best = exact.LinearGaussian.fit(data, latent_dim=2).log_px(data).mean()

# %%
vae = models.dense((5,), latent_dim=2, hidden=(), sigma_x=1.0, learn_sigma_x=True, seed=0)
lr = lambda step: cosine_decay(step, 600, start=0.05, hold=0.3)  # noqa: E731
history = fit(vae, data, epochs=600, batch_size=1000, lr=lr, progress=False)

# %%
shown = {"ELBO in training": history.elbo[50:], "exact maximum of log p(x)": best.expand(550)}
plots.curves(
    {"nats per example": shown},
    x=torch.arange(51, 601),
    xlabel="step",
    alt="The ELBO of the linear VAE over the steps: it rises, noisily, and levels off at a horizontal line, "
    "the exact maximum of the log-likelihood.",
)

# %% [markdown]
# The curve is one-sample estimates, so it jitters about its own mean. For the verdict we take W, b and σ_x
# out of the decoder, and compute exactly: its log p(x), and the ELBO of its own encoder.

# %%
with torch.no_grad():
    top, q, sigma_x = vae.decoder.body[0], vae.posterior(data), vae.decoder.sigma_x.item()
    learnt = exact.LinearGaussian(top.weight, top.bias, sigma_x)
    log_px, L = learnt.log_px(data).mean(), learnt.elbo(data, q.mu, q.log_sigma)
assert L.mean() <= log_px <= best and best - L.mean() < 0.02
f"exact maximum {best:.2f}, the VAE's log p(x) {log_px:.2f}, its ELBO {L.mean():.2f} nats per example"

# %% [markdown]
# Within 0.02 nats, both gaps included. And the columns of W have indeed turned until they are orthogonal,
# which makes Λ diagonal. Last, the ELBO that one estimates in practice, from draws of q, as `vaelib.bounds`
# does for any VAE: its mean over the data must be the exact one up to the standard error.

# %%
WtW = learnt.W.T @ learnt.W
assert WtW[0, 1].abs() < 0.05 * WtW.diagonal().prod().sqrt()
with torch.no_grad():
    estimate = bounds.elbo(vae, data, n_samples=20, generator=generator).total
difference = estimate - L
assert abs(difference.mean()) < 4 * difference.std() / 1000**0.5
f"ELBO from 20 draws for each x: {estimate.mean():.2f}, exact {L.mean():.2f}"

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## Lab: one x, one q, one bar
#
# A line at the height of log p(x), and under it a bar in two parts: what q reaches, L, and what it leaves,
# the gap. Beside it the posterior and q over z. Move q's μ and log σ, and the border in the bar moves while
# the line stays. Move x, and the line moves too.
#
# Things to try: make the gap as small as you can by hand, and read which q that was. Make σ very small: which
# term of L complains? Put x at the bottom of the arc, where the posterior has two bumps. Put it at the
# centre, where x says nothing about z: what is the best q there?

# %%
lab = ElboLab()
lab

# %% [markdown]
# And as a picture, for a page on which nothing moves.

# %%
lab.figure()

# %% [markdown]
# ## Exercises
#
# Write each function in place of its `raise`, from its formula and with the cells above out of sight; run it,
# and then the cell below it. The check there tries it on inputs drawn anew each time and says whether it is
# right and, if it is not, which mistake it looks like.

# %% [markdown] exercise="4.1 ★★"
# ### Exercise 4.1 `gaussian_log_likelihood`
#
# *10 minutes.* log N(x; x̂, σ_x² I) for a batch of pictures of any shape, x and x̂ (B, …): summed over all
# but the first dimension, constant included, (B,).


# %%
def gaussian_log_likelihood(x, x_hat, sigma_x):
    """log N(x; x̂, σ_x² I), (B, …), (B, …), scalar -> (B,), in nats."""
    ### BEGIN SOLUTION
    variance, P = torch.as_tensor(sigma_x) ** 2, x[0].numel()
    squares = ((x - x_hat) ** 2).flatten(1).sum(1)
    return -(squares / variance + P * (2 * torch.pi * variance).log()) / 2
    ### END SOLUTION


# %%
check.gaussian_log_likelihood(gaussian_log_likelihood)

# %% [markdown] exercise="4.2 ★★"
# ### Exercise 4.2 `elbo`
#
# *15 minutes.* The ELBO of each example, (B,), from one draw of z that has been decoded to x̂ already, with
# the KL in closed form and the constant included. x and x̂ are (B, …), μ and log σ (B, D).


# %%
def elbo(x, x_hat, mu, log_sigma, sigma_x):
    """log p(x|z) − KL(q ‖ N(0, I)) from one draw, decoded to x̂ -> (B,), in nats."""
    ### BEGIN SOLUTION
    log_px_z = Normal(x_hat, sigma_x).log_prob(x).flatten(1).sum(1)
    kl = (mu**2 + (2 * log_sigma).exp() - 1).sum(1) / 2 - log_sigma.sum(1)
    return log_px_z - kl
    ### END SOLUTION


# %%
check.elbo(elbo)

# %% [markdown] exercise="4.3 ★★★"
# ### Exercise 4.3 `linear_gaussian_posterior`
#
# *40 minutes.* For the model x = Wz + b + σ_x ε, with z ~ N(0, I): from x (B, P), W (P, D) and b (P,) the
# posterior's mean (B, D) and covariance (D, D).


# %%
def linear_gaussian_posterior(x, W, b, sigma_x):
    """Mean (B, D) and covariance (D, D) of p(z|x); x (B, P), W (P, D), b (P,)."""
    ### BEGIN SOLUTION
    precision = torch.eye(W.shape[1]).to(W) + W.T @ W / sigma_x**2
    covariance = precision.inverse()
    return (x - b) @ W @ covariance / sigma_x**2, covariance
    ### END SOLUTION


# %%
check.linear_gaussian_posterior(linear_gaussian_posterior)

# %% [markdown]
# ## What goes wrong in practice
#
# - **The sign.** L is to be raised and the KL in it is subtracted. An optimiser that lowers a loss is given
#   −L, once, where it is called.
# - **A mean over pixels.** ‖x − G‖² is a sum. Averaged over 1,024 pixels the KL weighs 1,024 times as much,
#   and the codes go to sleep.
# - **No C, or σ_x = 1 by silence.** "MSE plus KL" is a VAE with a σ_x that nobody has chosen.
# - **An ELBO mistaken for log p(x).** Between two models the one with the higher ELBO may have the lower
#   log p(x): its gap may be smaller. Lesson 6 measures the gap with many draws.
# - **A better decoder with an encoder that lags.** Then the gap of amortisation grows while L stands still.
# - **The decoder bends to q.** Raising L in θ raises log p(x) *and* lowers the KL to the posterior, so it
#   prefers models whose posteriors are as simple as q. The linear VAE gained by it; others may lose.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | L, the ELBO | `arc.elbo(x, mu, log_sigma)`, `bounds.elbo(vae, x).total` | `(B,)` |
# | E_q[log p(x given z)] | `expected_log_likelihood(x, mu, log_sigma, sigma_x)`, `bounds.elbo(vae, x).reconstruction` | `(B,)` |
# | KL(q ‖ p(z)) | `divergences.kl_to_standard_normal(mu, log_sigma)`, `bounds.elbo(vae, x).kl` | `(B,)` |
# | KL(q ‖ p(z given x)), the gap | `arc.kl_to_posterior(x, mu, log_sigma)` | `(B,)` |
# | log p(x) | `arc.log_px(x)`, `linear.log_px(x)` | `(B,)` |
# | C | `-0.5 * P * log(2 * pi * sigma_x**2)` | scalar |
# | φ for one x; for all x | `mu, log_sigma`; `encoder(x).mu, encoder(x).log_sigma` | `(B,)`; `(B, D)` |
# | Λ, the posterior's precision | `linear.precision` | `(D, D)` |
#
# Next: [lesson 5](05_reparameterisation.ipynb), the gradient of L in φ. [The map](00_start_here.ipynb#The-map).
