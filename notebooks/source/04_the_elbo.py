# %% [markdown] sign="$\\log p(x) = L + \\gap{\\mathrm{KL}(q\\,\\|\\,p(z \\mid x))}$"
# # 4 · The ELBO
#
# **What does the ELBO of this face consist of, and how large is its gap?** In lesson 3 an average over draws
# of $\enc{q}$ bounded $\log p(x)$ from below. Here is that bound for our face, with the shipped model, as a
# VAE computes it: in two terms.

# %%
import json

from vaelib import bounds, check, data, exact, faces, models, plots, schedules, training
from vaelib.checkpoint import load_vae
from vaelib.widgets import ElboLab, Predict

import torch
from torch.distributions import Normal, kl_divergence

# %% alt="One grey face of 32 by 32 pixels: it smiles and looks to one side." deck="What does the ELBO of this face consist of?"
torch.set_default_dtype(torch.float64)
face = faces.render(0.5, 0.7).double()[None]
plots.image_grid(face[None])

# %% deck="+"
vae = load_vae(data.shipped("faces_vae.safetensors")).double().requires_grad_(False)
generator = torch.Generator().manual_seed(4)
terms = bounds.elbo(vae, face, n_samples=1000, generator=generator)
print(f"reconstruction {terms.reconstruction.item():.1f} nats, KL {terms.kl.item():.1f} nats")
print(f"ELBO = reconstruction − KL = {terms.total.item():.1f} nats")

# %% [markdown]
# The first term says how well codes drawn from $\enc{q}$ explain the face. The second is the price of the
# code, the 7 nats of lesson 1. Their difference is the **evidence lower bound**, the ELBO. Why is the first
# number so large, and positive? How far is the bound from $\log p(x)$? And whose fault is the rest? We
# answer on the arc, where $\log p(x)$ is known, and then return to the face.
#
# After this lesson you can
#
# - derive the ELBO in two ways, and say how far below $\log p(x)$ it is;
# - read one number in three ways, and say which of them a program computes;
# - say when the constant of the reconstruction term matters;
# - tell apart three reasons for a gap: the shape of $\enc{q}$, amortisation, and generalisation.
#
# ## One look
#
# The arc of lesson 2: $\code{z} \sim \mathcal N(0, 1)$ and
# $x = (\sin\code{z}, \cos\code{z}) + \sigma_x\eps{\varepsilon}$ with $\sigma_x = 0.2$. You choose a data
# point $x$ and a bell $\enc{q} = \mathcal N(\enc{\mu}, \sig{\sigma}^2)$ over its codes: grab $x$ in the plane,
# the bell by its top or its shoulder. The bar has three parts. The first is the reconstruction. From its
# end the $\gap{\mathrm{KL}}$ leads down to the ELBO, and from there the $\gap{\text{gap}}$ leads up to
# $\log p(x)$.
#
# 1. Move $\enc{\mu}$ and $\log\sig{\sigma}$. What moves in the bar, and what does not?
# 2. Make the gap as small as you can. Which curve does $\enc{q}$ then follow?
# 3. Put $x$ at $(0, 0)$, in the middle of the arc. What is the best $\enc{q}$ there, and why?

# %% deck="One look"
ElboLab()

# %% [markdown]
# The end of the bar does not depend on $\enc{q}$, and the best $\enc{q}$ follows the posterior
# $p(\code{z} \mid x)$. In the middle, each point of the arc is equally far from $x$. So $x$ says nothing
# about $\code{z}$, the posterior is the prior, and the best $\enc{q}$ is $\mathcal N(0, 1)$. Now we prove
# what the bar shows.

# %% [markdown] slide="Variational Auto-Encoders (1)" deck="The bound, line by line" blocks=[0] lab="ElboLab: mu = 0.5, log_sigma = -1.0, x1 = 0.8, x2 = 0.6" lit=["log_px", "log_px", "elbo", "elbo reconstruction", "elbo reconstruction kl"]
# ## The bound, line by line
#
# We want $\log p_\theta(x)$, the **evidence**, an integral over the codes. Take a density $\enc{q(z)}$ that
# is positive wherever $p_\theta(x \mid z)\,p(z)$ is. Then
#
# $$\begin{aligned}
# \log p_\theta(x) &\overset{(1)}{=} \log \int \dec{p_\theta(x \mid z)}\, \prior{p(z)}\, dz \\
# &\overset{(2)}{=} \log \int \enc{q(z)}\, \frac{\dec{p_\theta(x \mid z)}\, \prior{p(z)}}{\enc{q(z)}}\, dz
# = \log \mathbb{E}_{\enc{q}}\!\left[\frac{\dec{p_\theta(x \mid z)}\, \prior{p(z)}}{\enc{q(z)}}\right] \\
# &\overset{(3)}{\ge} \mathbb{E}_{\enc{q}}\!\left[
# \log \frac{\dec{p_\theta(x \mid z)}\, \prior{p(z)}}{\enc{q(z)}}\right] \\
# &\overset{(4)}{=} \mathbb{E}_{\enc{q}}[\log \dec{p_\theta(x \mid z)}]
# - \mathbb{E}_{\enc{q}}\!\left[\log \frac{\enc{q(z)}}{\prior{p(z)}}\right] \\
# &\overset{(5)}{=} \mathbb{E}_{\enc{q}}[\log \dec{p_\theta(x \mid z)}]
# - \gap{\mathrm{KL}(q\,\|\,p(z))} =: L .
# \end{aligned}$$
#
# (1) is the model. (2) multiplies and divides by $\enc{q(z)}$; this turns the integral into an expectation
# under $\enc{q}$. (3) is Jensen's inequality. (4) splits the logarithm (both expectations must be finite). (5)
# gives the second one its name.
#
# The code computes lines (1) to (4) as they are written, by the trapezoid rule over $\code{z}$.


# %%
def bound_line_by_line(log_px_z, log_pz, log_qz, z):
    """Lines (1) to (4), from log p(x) down to L; log-densities (n,) on the grid z (n,) -> (4,)."""
    q = log_qz.exp()
    log_w = log_px_z + log_pz - log_qz
    line_1 = torch.trapezoid((log_px_z + log_pz).exp(), z).log()
    line_2 = torch.trapezoid(q * log_w.exp(), z).log()
    line_3 = torch.trapezoid(q * log_w, z)
    line_4 = torch.trapezoid(q * log_px_z, z) - torch.trapezoid(q * (log_qz - log_pz), z)
    return torch.stack([line_1, line_2, line_3, line_4])


# %% [markdown]
# Take $x = (0.5, 0.6)$ and four choices of $\enc{q}$: the prior; a bell half as wide; a narrow bell near the
# codes that explain this $x$; and the posterior itself, by Bayes' rule.

# %%
arc = exact.Arc(sigma_x=0.2)
x = torch.tensor([[0.5, 0.6]])
z = torch.linspace(-8, 8, 6401)
log_px_z = Normal(arc.G(z), 0.2).log_prob(x).sum(-1)
log_pz = Normal(0.0, 1.0).log_prob(z)
log_evidence = torch.trapezoid((log_px_z + log_pz).exp(), z).log()
candidates = {
    "the prior": log_pz,
    "N(0, 0.5²)": Normal(0.0, 0.5).log_prob(z),
    "N(0.7, 0.3²)": Normal(0.7, 0.3).log_prob(z),
    "the posterior": log_px_z + log_pz - log_evidence,
}

# %% deck="Which q loses nothing at (3)?"
Predict("loses_nothing")

# %% tags=["spoiler"] deck="The lines as numbers"
print(f"{'q':>13}  {'(1)':>8}  {'(2)':>8}  {'(3)':>8}  {'(4)':>8}")
for name, log_qz in candidates.items():
    lines = bound_line_by_line(log_px_z, log_pz, log_qz, z)
    print(f"{name:>13}", *(f"{line:8.4f}" for line in lines), sep="  ")

# %% [markdown]
# Lines (1) and (2) give $\log p(x)$, whatever $\enc{q}$ is: so far, $\enc{q}$ has only been written in. At
# (3) the prior loses most, the narrow bell little, and the posterior nothing. For the posterior, the ratio
# $p(x \mid z)\,p(z)/q(z)$ equals $p(x)$ for each $z$. The ratio is constant, and Jensen's inequality becomes
# an equality. Line (4) repeats (3).

# %% tags=["check"]
# vaelib's log p(x), and vaelib's ELBO of a Gaussian q, which needs no grid over z.
torch.testing.assert_close(arc.log_px(x)[0], log_evidence, rtol=0, atol=1e-10)
mu, sigma = torch.tensor([0.0, 0.0, 0.7]), torch.tensor([1.0, 0.5, 0.3])
closed_forms = arc.elbo(x.expand(3, 2), mu, sigma.log())
for closed, log_qz in zip(closed_forms, candidates.values(), strict=False):
    lines = bound_line_by_line(log_px_z, log_pz, log_qz, z)
    torch.testing.assert_close(lines[3], closed, rtol=0, atol=1e-10)
print("✓ the columns agree with vaelib's log p(x) and its closed form of L to 1e-10")

# %% [markdown] slide="Variational Auto-Encoders (2)" deck="What the bound leaves out" blocks=[0, 1] lab="ElboLab: mu = 0.5, log_sigma = -1.0, x1 = 0.8, x2 = 0.6" lit=["gap", "gap", "gap elbo log_px"]
# ## What the bound leaves out
#
# How much is lost at (3)? Jensen's inequality does not say. A second derivation does. It starts at the other
# end, with the distance from $\enc{q}$ to the posterior. By Bayes' rule,
# $\log p_\theta(z \mid x) = \log p_\theta(x \mid z) + \log p(z) - \log p_\theta(x)$, so
#
# $$\begin{aligned}
# \gap{\mathrm{KL}(q\,\|\,p_\theta(z \mid x))}
# &= \mathbb{E}_{\enc{q}}[\log \enc{q(z)} - \log p_\theta(z \mid x)] \\
# &= \mathbb{E}_{\enc{q}}[\log \enc{q(z)} - \log \dec{p_\theta(x \mid z)} - \log \prior{p(z)}]
# + \log p_\theta(x) \\
# &= \log p_\theta(x) - L .
# \end{aligned}$$
#
# In the second line $\log p_\theta(x)$ leaves the expectation, because it does not depend on $z$. What remains
# there is $-L$, by line (4). No line is an inequality, and we get an identity:
#
# $$\boxed{\;\log p_\theta(x) = L + \gap{\mathrm{KL}(q\,\|\,p_\theta(z \mid x))}\;}$$
#
# The gap is a KL divergence. By lesson 1, it is never negative, so $L$ is a lower bound: a second proof,
# without line (3). And it is zero if and only if $\enc{q}$ is the posterior.
#
# To see the identity in numbers, the three parts must not share a computation. For $\log p(x)$ we take
# `vaelib`'s integral. For $L$ there is a closed form (aside below). The KL gets code of its own: it normalises
# the posterior on its own nodes, and uses neither $L$ nor $\log p(x)$.


# %%
def kl_to_posterior(x, mu, log_sigma, sigma_x=0.2, n=6000):
    """KL(q ‖ p(z|x)) by the midpoint rule on [−12, 12]; x (B, 2), μ, log σ (B,) -> (B,), nats."""
    width = 24 / n
    z = (torch.arange(n) + 0.5) * width - 12
    G = torch.stack([z.sin(), z.cos()], -1)
    log_joint = Normal(G, sigma_x).log_prob(x[:, None]).sum(-1) + Normal(0.0, 1.0).log_prob(z)
    log_posterior = log_joint.log_softmax(-1) - torch.tensor(width).log()
    log_qz = Normal(mu[:, None], log_sigma[:, None].exp()).log_prob(z)
    return (log_qz.exp() * (log_qz - log_posterior)).sum(-1) * width


# %%
L, gap = arc.elbo(x.expand(3, 2), mu, sigma.log()), kl_to_posterior(x.expand(3, 2), mu, sigma.log())
print(f"log p(x) = {arc.log_px(x).item():.4f}")
for name, bound, kl in zip(candidates, L, gap, strict=False):
    print(f"{name:>13}:  L = {bound:8.4f}   gap {kl:7.4f}   sum {bound + kl:8.4f}")

# %% tags=["check"]
# 200 points x from the arc, for each a random q.
many_x = arc.sample(200, generator)[1]
random_mu, random_log_sigma = torch.randn(2, 200, generator=generator)
random_log_sigma = 0.4 * random_log_sigma - 1.5
total = arc.elbo(many_x, random_mu, random_log_sigma)
total = total + kl_to_posterior(many_x, random_mu, random_log_sigma)
torch.testing.assert_close(arc.log_px(many_x), total, rtol=0, atol=1e-10)
print("✓ L + KL is log p(x) to 1e-10 for 200 random x and q, each part computed without the others")

# %% [markdown] tags=["aside"]
# #### Aside: why the arc's ELBO has a closed form
#
# For $z \sim \mathcal N(\mu, \sigma^2)$ the characteristic function is
# $\mathbb E[e^{iz}] = e^{i\mu - \sigma^2/2}$. Its imaginary and real parts are
# $\mathbb E[\sin z] = e^{-\sigma^2/2}\sin\mu$ and $\mathbb E[\cos z] = e^{-\sigma^2/2}\cos\mu$. Since
# $\|G(z)\| = 1$, the expected squared error is
#
# $$\mathbb E_q\|x - G(z)\|^2 = \|x\|^2 + 1 - 2e^{-\sigma^2/2}\,(x_1 \sin\mu + x_2\cos\mu),$$
#
# and the KL to the prior is the closed form of lesson 1.

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## Moving q towards the posterior
#
# Let $\enc{q}$ have parameters $\enc{\phi} = (\enc{\mu}, \log\sig{\sigma})$. The left side of the identity
# does not contain $\enc{\phi}$. So if a change of $\enc{\phi}$ raises $L$ by some amount, the gap falls by the
# same amount. This is **variational inference**: to approximate a posterior that we cannot compute, raise an
# $L$ that we can. Here is plain gradient ascent, from a $\enc{q}$ that starts far off.


# %%
def ascend(arc, x, phi, steps=300, rate=0.005):
    """Gradient ascent of L in φ = (μ, log σ) for one x; the path of φ, (steps, 2)."""
    path = []
    for _ in range(steps):
        path.append(phi)
        phi = phi.detach().requires_grad_()
        L = arc.elbo(x, phi[:1], phi[1:]).sum()
        phi = phi.detach() + rate * torch.autograd.grad(L, phi)[0]
    return torch.stack(path)


# %% alt="Three curves over the first 100 steps of gradient ascent. L rises from far below to just under a horizontal line, the gap falls to almost zero as its mirror image, and their sum is the horizontal line." deck="Moving q towards the posterior" lead="The sum does not contain $\\enc{\\phi}$: what $L$ gains, the gap loses."
path = ascend(arc, x, torch.tensor([-0.5, 0.0]))
along = x.expand(len(path), 2), path[:, 0], path[:, 1]
L, gap = arc.elbo(*along), kl_to_posterior(*along)
first = slice(0, 100)
lines = {"$L$": L[first], "gap": gap[first], "sum": (L + gap)[first]}
plots.curves({"nats": lines}, xlabel="step")

# %% [markdown]
# A bell fits well here, because this posterior is nearly one. It need not be. A point inside the lower half
# of the arc, $x = (0.05, -0.6)$, is explained by a code a little below $\pi$ and by one a little above
# $-\pi$. The posterior has two bumps.

# %%
Predict("two_bumps")

# %% [markdown]
# Try it by hand first. Where is the smallest gap that you can find?

# %% deck="Two bumps: where is the smallest gap?"
ElboLab(x1=0.05, x2=-0.6, mu=1.0, log_sigma=0.0)

# %% tags=["spoiler"]
two_x = torch.tensor([[0.05, -0.6]])
mus, log_sigmas = torch.cartesian_prod(torch.linspace(-4, 4, 161), torch.linspace(-3, 1.5, 91)).T
everywhere = arc.kl_to_posterior(two_x.expand(len(mus), 2), mus, log_sigmas)
best = everywhere.argmin()
grid, density = arc.grid(two_x)
right_bump = density[0, grid > 0].sum() * arc.step
print(f"best of {len(mus):,} bells: μ = {mus[best]:.2f}, σ = {log_sigmas[best].exp():.2f}")
print(f"gap {everywhere[best]:.2f}; the right bump holds {right_bump:.0%}", end="")
print(f", and −log of that is {-right_bump.log():.2f}")

# %% tags=["spoiler"] alt="Densities over z. The posterior has two narrow bumps, one near 3 and one near minus 3. The bell q sits on the right one, about twice as high, and ignores the left one."
shown = grid.abs() < 5
q = Normal(mus[best], log_sigmas[best].exp()).log_prob(grid[shown]).exp()
plots.curves(
    {"density": {"$q(z)$": q, r"$p(z \mid x)$": density[0, shown]}}, x=grid[shown], xlabel="$z$"
)

# %% [markdown]
# The best bell sits on the larger bump and ignores the other: the mode-seeking KL of lesson 1. Its gap has a
# meaning. Suppose $\enc{q}$ matches one of two separate bumps, and this bump holds the share $s$ of the
# posterior. Where $\enc{q}$ lives, the posterior is then $s\,\enc{q}$, so $\log q - \log p(z \mid x) = -\log s$,
# and the gap is $-\log s$. The grid holds no better bell, so this gap is the price of the *shape* of
# $\enc{q}$. A mixture of two bells could avoid it.

# %% [markdown] slide="Variational Auto-Encoders (2)" deck="Three readings of one number"
# ## Three readings of one number
#
# $$\begin{aligned}
# L &= \mathbb{E}_{\enc{q}}[\log \dec{p_\theta(x \mid z)}] - \gap{\mathrm{KL}(q\,\|\,p(z))}
# && \text{explain } x \text{, cheaply} \\
# &= \log p_\theta(x) - \gap{\mathrm{KL}(q\,\|\,p_\theta(z \mid x))}
# && \text{be the posterior} \\
# &= \mathbb{E}_{\enc{q}}[\log p_\theta(x, z)] + H(\enc{q})
# && \text{sit high, stay wide}
# \end{aligned}$$
#
# $H(\enc{q}) = -\mathbb E_{\enc{q}}[\log \enc{q(z)}]$ is the entropy of $\enc{q}$,
# $\tfrac12\log(2\pi e\,\sigma^2)$ for a bell. A program computes the first reading. The second explains
# what the first achieves, but contains what we do not know. The third comes from physics. Call
# $-\log p_\theta(x, z)$ the energy of $z$. Then $-L$ is the mean energy minus the entropy: the **variational
# free energy**. Physicists lower it; we raise $L$. One $\enc{q}$, the end of the ascent, read three times:

# %%
mu, sigma = path[-1, 0], path[-1, 1].exp()
q = Normal(mu, sigma).log_prob(z).exp()
prior_reading = torch.trapezoid(q * log_px_z, z) - kl_divergence(
    Normal(mu, sigma), Normal(0.0, 1.0)
)
posterior_reading = arc.log_px(x)[0] - kl_to_posterior(x, mu[None], sigma.log()[None])[0]
energy_reading = torch.trapezoid(q * (log_px_z + log_pz), z) + Normal(mu, sigma).entropy()
print(f"L = {prior_reading:.4f} = {posterior_reading:.4f} = {energy_reading:.4f} nats")

# %% [markdown] slide="Variational Auto-Encoders (3)"
# ## Raising the bound with the decoder
#
# The same $L$ trains the decoder. But here the identity promises less. Both $\log p_\theta(x)$ and the
# posterior depend on $\dec{\theta}$, and raising $L$ raises the *difference*
# $\log p_\theta(x) - \gap{\mathrm{KL}(q\,\|\,p_\theta(z \mid x))}$. That can happen in two ways: a better model
# of $x$, or a posterior closer to $\enc{q}$.
#
# Let the noise $\sigma_x$ of the arc be the decoder's parameter. The data come from $\sigma_x = 0.2$, and
# training is at $\sigma_x = 0.4$. We freeze the $\enc{q}$ of each $x$, in one of two ways: at the posterior of
# the present model, or at the prior.

# %%
Predict("raise_theta")


# %%
def log_joint(x, sigma_x, z):
    """log p(x, z) of the arc on the nodes z (n,); x (B, 2) -> (B, n)."""
    G = torch.stack([z.sin(), z.cos()], -1)
    return Normal(G, sigma_x).log_prob(x[:, None]).sum(-1) + Normal(0.0, 1.0).log_prob(z)


nodes = torch.linspace(-6, 6, 601)
step = nodes[1] - nodes[0]
arc_data = arc.sample(200, generator)[1]
frozen = {
    "q = posterior": log_joint(arc_data, 0.4, nodes).softmax(-1) / step,
    "q = prior": Normal(0.0, 1.0).log_prob(nodes).exp().expand(200, -1),
}

# %% tags=["spoiler"] alt="Two panels over sigma_x from 0.16 to 1, each with log p of x, whose top is near 0.2. Left, L with q at the posterior of 0.4 touches it from below at 0.4 and has its top left of that. Right, L with q at the prior lies far below for small sigma_x and has its top at about 0.8." deck="Raising the bound with the decoder" lead="Raising $L$ in $\\dec{\\theta}$: a better model, or a posterior that bends to $\\enc{q}$?"
noises = torch.linspace(0.16, 1.0, 43)
joints = torch.stack([log_joint(arc_data, s, nodes) for s in noises])
log_px = (joints.logsumexp(-1) + step.log()).mean(1)
tops, panels = [noises[log_px.argmax()]], {}
for name, q in frozen.items():
    entropy = torch.special.entr(q).sum(-1) * step
    L = ((q * joints).sum(-1) * step + entropy).mean(1)
    tops.append(noises[L.argmax()])
    panels[f"nats, {name}"] = {r"$\log p_\theta(x)$": log_px, "$L$": L}
plots.curves(panels, x=noises, xlabel=r"$\sigma_x$")

# %% tags=["spoiler"]
print("σ_x at the top of log p(x), of L with q = posterior, of L with q = prior:", end=" ")
print(", ".join(f"{top:.2f}" for top in tops))

# %% [markdown]
# With $\enc{q}$ at the present posterior, the bound touches $\log p_\theta(x)$ at $\sigma_x = 0.4$. Climbing
# it leads to the left, and $\log p_\theta(x)$ rises too. With $\enc{q}$ at the prior, climbing the bound leads
# to the right, and $\log p_\theta(x)$ falls. Behind more noise, $x$ says less about $\code{z}$, and the
# posterior comes closer to the prior: **the decoder bends to $\enc{q}$** (Turner and Sahani, 2011). There is a
# guarantee if the gap was closed before the step in $\dec{\theta}$. Then
# $\log p_\text{new} \ge L_\text{new} \ge L_\text{old} = \log p_\text{old}$.

# %% [markdown] tags=["aside"]
# #### Aside: the EM algorithm
#
# Alternate two steps. *E*: for each $x$, raise $L$ in $q$ as far as it goes, to $q = p_\theta(z \mid x)$. The
# gap is closed. *M*: raise $L$ in $\theta$ with $q$ fixed. By the chain of inequalities above, the likelihood
# of the data does not fall in any round. This is the EM algorithm (Dempster, Laird and Rubin, 1977), read as
# coordinate ascent on $L(q, \theta)$ by Neal and Hinton (1998). A VAE differs in three ways: $q$ is
# restricted to a family, one network gives the $q$ of all $x$, and small gradient steps in $\theta$ and
# $\phi$ are taken together. Each of the three can leave a gap open, and then the guarantee is gone.

# %% [markdown] slide="Variational Auto-Encoders (3)" exercises=["4.1", "4.2"] deck="The objective, with its constant" points=["Without $C$, models with different $\\sigma_x$ cannot be compared, and a learned $\\sigma_x$ grows without end.", "With $C$, the best $\\sigma_x$ is the size of the error in one pixel."]
# ## The objective, with its constant
#
# With the lecture's decoder, $\dec{p_\theta(x \mid z)} = \mathcal N(\dec{G_\theta(z)}, \sigma_x^2 I)$, and $P$
# pixels, the reconstruction term is
#
# $$\mathbb{E}_{\enc{q}}[\log \dec{p_\theta(x \mid z)}]
# = C - \frac{\mathbb{E}_{\enc{q}}\|x - \dec{G_\theta(z)}\|^2}{2\sigma_x^2},
# \qquad C = -\tfrac P2 \log 2\pi\sigma_x^2 .$$
#
# It is a squared error, in units of the noise, plus a constant.

# %% [markdown] exercise="4.1 ★★"
# ### Exercise 4.1 `gaussian_log_likelihood`
#
# *10 minutes.* $\log\mathcal N(x; \hat x, \sigma_x^2 I)$ for a batch of pictures of any shape, $x$ and
# $\hat x$ of shape `(B, …)`: one number per picture, `(B,)`, constant included.


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

# %% [markdown]
# Solved or not, the lesson goes on. At $x = \hat x$ the density is at its highest, $C$: the log-density of a
# perfect pixel, once per pixel. So the face's first term falls into two parts:

# %%
perfect_pixel = Normal(0.0, 0.12).log_prob(torch.tensor(0.0))
C = face.numel() * perfect_pixel
error_term = terms.reconstruction.item() - C
print(f"C = {C:.1f}, error term = {error_term:.1f}, -KL = {-terms.kl.item():.1f} nats")

# %% [markdown]
# The large positive number is $C$. It is positive because a density is not a probability: a narrow density
# exceeds 1, here in 1,024 pixels at once. The error costs about 10 nats and the code about 7.
#
# Much code leaves out $C$. The gradients in $\enc{\phi}$ and in the weights of $\dec{G}$ stay the same. But
# without $C$, models with different $\sigma_x$ cannot be compared, and where $C < 0$ the number may exceed
# $\log p(x)$. (Where $C > 0$, as here, it is still a lower bound, but one that is 1,230 nats too low.)
# And what happens if $\sigma_x$ is learned?

# %%
Predict("without_constant")

# %% tags=["spoiler"]
P = face.numel()
squared_error = -2 * 0.12**2 * error_term
sigmas = torch.logspace(-1.9, 0, 77)
without_C = -squared_error / (2 * sigmas**2) - terms.kl
with_C = P * Normal(0.0, sigmas).log_prob(torch.tensor(0.0)) + without_C
best = with_C.argmax()
print(f"with C the top is at σ_x = {sigmas[best]:.3f}, where L = {with_C[best]:.0f} nats")
print(f"root of the mean squared error of a pixel: {(squared_error / P).sqrt():.3f}")

# %% tags=["spoiler"] alt="Two panels over log10 of sigma_x. With the constant, L has a top at about minus 1.8. Without it, L rises all the way to the right, ever closer to minus the KL."
plots.curves(
    {"$L$ with $C$ (nats)": {"": with_C}, "$L$ without $C$ (nats)": {"": without_C}},
    x=sigmas.log10(),
    xlabel=r"$\log_{10}\, \sigma_x$",
)

# %% [markdown]
# Set the derivative of $C - E/(2\sigma_x^2)$ to zero, with $E$ the expected squared error: the best
# $\sigma_x$ is $\sqrt{E/P}$, the size of the error in one pixel. Without $C$, a larger $\sigma_x$ is
# better, without end: it forgives each error. In this project $C$ stays.
#
# With the same weights and the same $\enc{q}$, $\sigma_x = 0.017$ would give this face a far higher ELBO than
# the $\sigma_x = 0.12$ of our model. That was a choice. For fixed $\sigma_x$, raising $L$ is lowering
# $\tfrac12\,\mathbb E_q\|x - G\|^2 + \sigma_x^2\,\mathrm{KL}$, so a large $\sigma_x$ makes codes expensive. Lesson 6
# takes this up under its usual name, $\beta$.

# %% [markdown] exercise="4.2 ★★"
# ### Exercise 4.2 `elbo`
#
# *15 minutes.* The ELBO of each example, `(B,)`, from one draw of $z$, already decoded to $\hat x$; with
# the KL in closed form, and with the constant. $x$ and $\hat x$ are `(B, …)`, $\mu$ and
# $\log\sigma$ are `(B, D)`.


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

# %% [markdown] deck="The objective of a VAE"
# The lesson goes on with `bounds.elbo(vae, x)`, which also takes the draws. A VAE's objective is its mean
# over the data, raised in both sets of parameters at once:
#
# $$\max_{\dec{\theta}, \enc{\phi}}\; \frac1N \sum_n \Big(
# \mathbb{E}_{\enc{q_\phi(z \mid x_n)}}[\log \dec{p_\theta(x_n \mid z)}]
# - \gap{\mathrm{KL}(q_\phi(z \mid x_n)\,\|\,p(z))} \Big).$$

# %% [markdown] slide="Variational Auto-Encoders (2)"
# ## One encoder for all x
#
# So far each $x$ had its own $\enc{q}$, found by its own ascent. A million pictures would need a million
# ascents. A VAE trains one network that reads $x$ and answers with $\enc{\mu_\phi(x)}$ and
# $\log\sig{\sigma_\phi(x)}$. The work is done once and shared: **amortised inference** (Gershman and
# Goodman, 2014). In the drawing it is the dashed arrow.

# %% deck="One encoder for all x"
plots.graphical_model(encoder=True)

# %% [markdown] deck="+"
# Sharing can cost something. Let $\enc{q^*}$ be the best bell for this $x$. Then
#
# $$\log p_\theta(x) - L(\enc{q_\phi}) =
# \underbrace{\gap{\log p_\theta(x) - L(\enc{q^*})}}_{\text{shape}}
# + \underbrace{\gap{L(\enc{q^*}) - L(\enc{q_\phi})}}_{\text{amortisation}} .$$
#
# Cremer, Li and Duvenaud (2018) call these the **approximation gap** and the **amortisation gap**. On the arc
# both can be computed. Take a network with two hidden layers of 64 units, train it on 400 points from the arc,
# with a falling learning rate, and then try it on 5,000 new points.


# %%
def train_encoder(arc, x, steps=2000, rate=0.005):
    """Adam on the mean ELBO over x; the decoder is the arc's."""
    torch.manual_seed(0)
    tanh = torch.nn.Tanh()
    layers = torch.nn.Sequential(torch.nn.Linear(2, 64), tanh, torch.nn.Linear(64, 64), tanh)
    encoder = models.GaussianEncoder(layers, 64, 1)
    optimiser = torch.optim.Adam(encoder.parameters())
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = schedules.cosine_decay(step, steps, rate, hold=0.3)
        q = encoder(x)
        loss = -arc.elbo(x, q.mu[:, 0], q.log_sigma[:, 0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder


# %%
x_train = arc.sample(400, torch.Generator().manual_seed(1000))[1]
x_new = arc.sample(5000, torch.Generator().manual_seed(7))[1]
encoder = train_encoder(arc, x_train)
with torch.no_grad():
    q_train, q_new = encoder(x_train), encoder(x_new)
gap_train = arc.kl_to_posterior(x_train, q_train.mu[:, 0], q_train.log_sigma[:, 0])
print(f"mean gap on the 400 training points: {gap_train.mean():.2g} nats")

# %%
Predict("gap_on_new")

# %% tags=["spoiler"]
gap_new = arc.kl_to_posterior(x_new, q_new.mu[:, 0], q_new.log_sigma[:, 0])
worst = gap_new.sort(descending=True).indices[:50]
print(f"mean gap on 5,000 new points: {gap_new.mean():.2g} nats, median {gap_new.median():.1g}")
print(f"the worst 50 of them hold {gap_new[worst].sum() / gap_new.sum():.0%} of the sum,", end="")
print(f" and {(x_new[worst, 1] < -0.5).sum()} of the 50 lie at the bottom of the arc")

# %% [markdown]
# On its training points the encoder is about as good as the best bells, and on half of the new points too.
# One new point in a hundred costs nearly everything. Such a point lies at the bottom, where the two ends of
# the arc meet. Codes beyond $\pm 2.5$ have probability 0.012, so of 400 training points about five show the
# network what to do there.
#
# Is this the price of sharing, or of too few examples? Change one thing at a time. A script has trained the
# same network on more and on fewer points, with five seeds each (`data/evidence/make_amortisation.py`). A
# million points means 500 fresh ones at each of the 2,000 steps; then each point is new when it is used. Bars
# are two standard errors over the seeds.

# %%
study = json.loads(data.shipped("evidence/amortisation.json").read_text(encoding="utf-8"))
runs = [*study["two layers"].values(), study["two layers, new points at each step"]]


def mean_and_error(runs, name):
    values = torch.tensor([[run.get(name, run["new"]) for run in seeds] for seeds in runs])
    return values.mean(1), values.std(1) / 5**0.5


# %% alt="The mean gap over the number of training points, on logarithmic axes, with error bars. On new points it falls from about 0.3 at 100 points to about 0.02 at a million. On the training points it rises from a few thousandths and meets the other one. The gap of the best bells is a horizontal line below." deck="And a third gap, on new data"
sizes = torch.tensor([100, 400, 2000, 1_000_000])
plots.against(
    sizes,
    {"best bells (shape)": torch.full((4,), study["shape"])},
    {
        "new points": mean_and_error(runs, "new"),
        "training points": mean_and_error(runs, "training"),
    },
    xlabel="training points",
    ylabel="mean gap (nats)",
    log="xy",
)

# %%
small = torch.tensor([run["new"] for run in study["one layer, new points at each step"]])
large = torch.tensor([run["new"] for run in study["two layers, new points at each step"]])
print("a million points, mean gap in nats ± spread over five seeds:")
print(f"two hidden layers {large.mean():.3f} ± {large.std():.3f}")
print(f"one hidden layer  {small.mean():.3f} ± {small.std():.3f}")

# %% [markdown]
# The same network leaves far less on new points when it has seen more. With 400 points, most of the loss was a
# third gap, the **generalisation gap** between new points and training points (Zhang, Hayes and Barber,
# 2022). What is left at a million, above the best bells, is amortisation after 2,000 steps. It depends on the
# network: one hidden layer leaves about six times as much. So each gap has its own remedy: a richer family
# for the shape, a larger network or longer training for amortisation, more data for generalisation.

# %% [markdown] slide="Variational Auto-Encoders (3)" exercises=["4.3"]
# ## A model without a gap
#
# For one model the bell has the right shape and a linear encoder is enough: $x = W\code{z} + b +
# \sigma_x\eps{\varepsilon}$, probabilistic PCA (Tipping and Bishop, 1999). Here
# $\log p(x \mid z) + \log p(z)$ is quadratic in $z$, so the posterior is Gaussian. Its mean is linear in $x$,
# and its covariance $\Lambda^{-1}$ is the same for all $x$.

# %% [markdown] exercise="4.3 ★★★"
# ### Exercise 4.3 `linear_gaussian_posterior`
#
# *40 minutes.* For this model, with $\code{z} \sim \mathcal N(0, I)$: from $x$ `(B, P)`, $W$ `(P, D)` and $b$
# `(P,)`, the mean `(B, D)` and the covariance `(D, D)` of the posterior: an exact encoder, to grade others by.
#
# <details><summary>A hint</summary>
#
# $\log p(x \mid z) + \log p(z)$ is a parabola in $z$. Which two of its coefficients do you need to know its top and
# its width?
#
# </details>


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
# Solved or not, the lesson goes on with `exact.LinearGaussian`. One obstacle is left: a VAE's $\enc{q}$ is
# *diagonal*, and $\Lambda$ need not be. But the model has a freedom. Replace $W$ by $WR$ with a rotation $R$.
# No $p(x)$ changes, because it depends on $W$ through $WW^\top$ alone, and one such $R$ makes $\Lambda$
# diagonal. So at the maximum of $L$ over decoder *and* encoder, $L = \log p(x)$. Now we can grade a VAE. The
# best $\log p(x)$ has a closed form, `LinearGaussian.fit`. We train a linear VAE with lesson 6's loop.

# %% [markdown] tags=["aside"]
# #### Aside: what a diagonal q loses
#
# Put two Gaussians into the KL and minimise: the diagonal $q$ nearest to $\mathcal N(m, \Lambda^{-1})$ has the
# mean $m$ and the variances $1/\Lambda_{dd}$. Its gap is
#
# $$\tfrac12\Big(\sum_d \log\Lambda_{dd} - \log\det\Lambda\Big) \ge 0,$$
#
# with equality if and only if $\Lambda$ is diagonal (Hadamard's inequality). Lucas et al. (2019) show that for
# this model $L$ has no local maxima beyond those of $\log p(x)$.

# %%
generator = torch.Generator().manual_seed(100)
W, b = torch.randn(5, 2, generator=generator), torch.randn(5, generator=generator)
x_linear = exact.LinearGaussian(W, b, sigma_x=0.5).sample(1000, generator)[1]
best = exact.LinearGaussian.fit(x_linear, latent_dim=2).log_px(x_linear).mean()

# %%
linear_vae = models.dense((5,), latent_dim=2, hidden=(), sigma_x=1.0, learn_sigma_x=True).double()
lr = lambda step: schedules.cosine_decay(step, 1500, start=0.05, hold=0.5)  # noqa: E731
history = training.fit(linear_vae, x_linear, epochs=1500, batch_size=1000, lr=lr, progress=False)

# %%
with torch.no_grad():
    top, q = linear_vae.decoder.body[0], linear_vae.posterior(x_linear)
    learnt = exact.LinearGaussian(top.weight, top.bias, linear_vae.decoder.sigma_x.item())
    log_px, L = learnt.log_px(x_linear).mean(), learnt.elbo(x_linear, q.mu, q.log_sigma).mean()
print(f"best possible log p(x) {best:.2f}, the VAE's {log_px:.2f}, its ELBO {L:.2f} nats")
first, second = torch.nn.functional.normalize(learnt.W, dim=0).T
print(f"the columns of W meet at {(first @ second).acos().rad2deg():.1f} degrees")

# %% [markdown]
# The ELBO has reached the best possible $\log p(x)$, to two decimals, and the columns of $W$ are orthogonal:
# raising $L$ has rotated the decoder until its posterior fits a diagonal $\enc{q}$. The decoder bends to
# $\enc{q}$ again, this time to its benefit. One seed proves little; here are five.

# %%
linear_study = json.loads(data.shipped("evidence/linear_vae.json").read_text(encoding="utf-8"))
below = [f"{run['below_best']:.4f}" for run in linear_study["seeds"]]
print("ELBO below the best log p(x), five seeds:", ", ".join(below), "nats")

# %% [markdown]
# All five are within 0.002 nats of it.

# %% [markdown]
# ## Back to the face
#
# How large is the gap of the face? Its $\log p(x)$ is not known, but lesson 3 estimates it: draw $z$ from
# $\enc{q}$, and take the logarithm of the mean of the weights $w = p(x \mid z)\,p(z)/q(z)$. The mean of
# their logarithms is the ELBO. The same 20,000 draws give both.


# %%
def log_weights(vae, face, mu, log_sigma, eps):
    """log w = log p(x|z) + log p(z) − log q(z) of the face at z = μ + σ ε; eps (K, 1, D) -> (K,)."""
    z = mu + log_sigma.exp() * eps
    log_qz = Normal(mu, log_sigma.exp()).log_prob(z).sum(-1)
    return (vae.likelihood(z).log_prob(face) + vae.prior.log_prob(z) - log_qz)[:, 0]


def say_gap(name, log_w):
    gap = bounds.log_mean_exp(log_w) - log_w.mean()
    error = log_w.std() / len(log_w) ** 0.5
    print(f"{name}: ELBO {log_w.mean():.2f}, log p(x) {bounds.log_mean_exp(log_w):.2f}", end="")
    print(f", gap {gap:.3f} ± {error:.3f} nats")


# %%
generator = torch.Generator().manual_seed(9)
eps = torch.randn(20_000, 1, 4, generator=generator)
q = vae.posterior(face)
say_gap("the encoder's q", log_weights(vae, face, q.mu, q.log_sigma, eps))

# %% [markdown]
# The gap is a fifth of a nat, out of 1,213. Whose fault is it? Give this face a bell of its own, and let
# gradient ascent improve it.

# %%
mu, log_sigma = q.mu.clone().requires_grad_(), q.log_sigma.clone().requires_grad_()
optimiser = torch.optim.Adam([mu, log_sigma], lr=0.01)
for step in range(300):
    optimiser.param_groups[0]["lr"] = schedules.cosine_decay(step, 300, start=0.01)
    draws = torch.randn(64, 1, 4, generator=generator)
    loss = -log_weights(vae, face, mu, log_sigma, draws).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
with torch.no_grad():
    say_gap("this face's own q", log_weights(vae, face, mu, log_sigma, eps))
    print("μ has moved by", [round(v, 2) for v in ((mu - q.mu) / q.sigma)[0].tolist()], "σ")

# %% [markdown]
# The shape of a diagonal bell costs about a hundredth of a nat or less. The rest is the encoder's: its answer
# for the pose is off by more than half a standard deviation. So the ELBO of this face is a constant of 1,230
# nats, minus 10 for the error, minus 7 for the code, and 0.2 nats are missing. (One face, one model: lesson 6
# measures the gap over a test set.)
#
# The optimiser has just moved a bell by a gradient that went through random draws. **In which direction
# should the encoder move, and how can one differentiate a sample?** That is
# [lesson 5](05_reparameterisation.ipynb).

# %% [markdown]
# ## What goes wrong in practice
#
# - **The sign.** $L$ is raised, and its KL is subtracted. An optimiser that lowers a loss gets $-L$.
# - **A mean over pixels.** The squared error is a sum. Averaged over 1,024 pixels, it makes the KL weigh
#   1,024 times as much, and $\enc{q}$ collapses to the prior.
# - **Without $C$, or with $\sigma_x = 1$ by default.** "MSE plus KL" is a VAE with a $\sigma_x$ that nobody
#   has chosen.
# - **An ELBO mistaken for $\log p(x)$.** Of two models, the one with the higher ELBO may have the lower
#   $\log p(x)$: its gap may be smaller. To see whose gap it is, give some test points their own $\enc{q}$.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $L$, the ELBO | `arc.elbo(x, mu, log_sigma)`, `bounds.elbo(vae, x).total` | `(B,)` |
# | its two terms | `bounds.elbo(vae, x).reconstruction`, `bounds.elbo(vae, x).kl` | `(B,)` |
# | $\mathrm{KL}(q \,\Vert\, p_\theta(z \mid x))$, the gap | `arc.kl_to_posterior(x, mu, log_sigma)` | `(B,)` |
# | $\log p_\theta(x)$, the evidence | `arc.log_px(x)`, `exact.LinearGaussian(W, b, sigma_x).log_px(x)` | `(B,)` |
# | $\phi$ for one $x$; for all $x$ | `mu, log_sigma`; `encoder(x).mu, encoder(x).log_sigma` | `(B,)`; `(B, D)` |
# | $\Lambda$, the posterior's precision | `learnt.precision` | `(D, D)` |
#
# Next: [lesson 5](05_reparameterisation.ipynb), the gradient of $L$ in $\phi$.
# [The map](00_start_here.ipynb#The-map).

# %% [markdown]
# ## References
#
# - Kingma and Welling (2014), *Auto-encoding variational Bayes*, and Rezende, Mohamed and Wierstra (2014),
#   *Stochastic backpropagation and approximate inference in deep generative models*: the VAE.
# - Neal and Hinton (1998), *A view of the EM algorithm that justifies incremental, sparse, and other
#   variants*: EM as coordinate ascent on $L$.
# - Cremer, Li and Duvenaud (2018), *Inference suboptimality in variational autoencoders*: two gaps, measured
#   on images.
# - Zhang, Hayes and Barber (2022), *Generalization gap in amortized inference*: the third gap, on new data.
# - Turner and Sahani (2011), *Two problems with variational expectation maximisation for time-series models*:
#   how a decoder bends to $q$.
# - Lucas, Tucker, Grosse and Norouzi (2019), *Don't blame the ELBO! A linear VAE perspective on posterior
#   collapse*: what $L$ does for the linear model.
