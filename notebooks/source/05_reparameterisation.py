# %% [markdown] sign="$\\code{z} = \\enc{\\mu} + \\sig{\\sigma} \\odot \\eps{\\varepsilon}$"
# # 5 · Reparameterisation
#
# **In which direction should the encoder move?** At the end of lesson 4, an optimiser improved the bell
# $\enc{q}$ of one face. It followed the gradient of the ELBO with respect to $\enc{\mu}$ and
# $\log\sig{\sigma}$, and it had that gradient from random draws. Here is the face again, with its bell from the
# shipped encoder.

# %%
import json

from vaelib import bounds, check, data, distributions, exact, faces, plots, schedules
from vaelib.checkpoint import load_vae
from vaelib.widgets import Predict, ReparameterisationLab

import torch
from torch.distributions import Bernoulli, Categorical, Exponential, Gamma, Normal

# %% alt="One grey face of 32 by 32 pixels: it smiles and looks to one side."
torch.set_default_dtype(torch.float64)
vae = load_vae(data.shipped("faces_vae.safetensors")).double().requires_grad_(False)
face = faces.render(0.5, 0.7).double()[None]
q = vae.posterior(face)
plots.image_grid(face[None])

# %% [markdown]
# Here are two ways to ask a draw for the direction. You need not understand them yet: at the end of the lesson
# you will know why each line is there.


# %%
def gradient(way, f, mu, log_sigma, eps, b=0.0):
    """∇ E_q f(z) in (μ, log σ), estimated from each draw ε (K, D): (2, K, D), and f(z) (K,)."""
    sigma = log_sigma.exp()
    z = (mu + sigma * eps).requires_grad_()
    f_z = f(z)
    if way == "pathwise":
        (slope,) = torch.autograd.grad(f_z.sum(), z)
        return torch.stack([slope, slope * sigma * eps]), f_z.detach()
    score = torch.stack([eps / sigma, eps**2 - 1])
    return (f_z.detach() - b)[:, None] * score, f_z.detach()


def explains(vae, x):
    """The function z -> log p(x|z), (K, D) -> (K,), of one picture x."""
    return lambda z: vae.likelihood(z).log_prob(x)


# %% deck="Two ways to ask a draw for the direction"
generator = torch.Generator().manual_seed(5)
eps = torch.randn(2000, 4, generator=generator)
pose = 2  # the latent dimension that encodes the pose
sigma_pose = q.sigma[0, pose]
spreads = {}
for way in ("pathwise", "score function"):
    (in_mu, _), f_z = gradient(way, explains(vae, face), q.mu, q.log_sigma, eps)
    each = (in_mu[:, pose] - q.mu[0, pose]) * sigma_pose  # of the ELBO, per standard deviation
    spreads[way] = each.std()
    mean, error = each.mean(), each.std() / 2000**0.5
    print(f"{way}: mean {mean:.2f} ± {error:.2f}, spread of one draw {each.std():,.1f}")
ratio = (spreads["score function"] / spreads["pathwise"]) ** 2
print(f"one draw of the first way is worth {ratio / 1e6:.1f} million of the second")

# %% [markdown]
# The unit is nats per standard deviation of $\enc{q}$. The first way says: move the pose upwards. To begin
# with, it gains about half a nat per $\sig{\sigma}$. A single draw says so with an error of about 1. By the
# second way a single draw is off by about a thousand, up or down, and even the mean of 2,000 draws says
# nothing. And yet we shall prove that both are right on average. What makes the second one two million times as
# expensive? And why would anybody use it?
#
# ## One look
#
# The lab has the smallest example: $\code{z}\sim\mathcal N(\enc{\mu},\sig{\sigma}^2)$ in one dimension, and
# $f(z)=z^2$. The noise $\eps{\varepsilon}$ was drawn once and stays. On the right are 1,000 estimates of the same
# gradient by each of the two ways, each estimate from $K$ draws.
#
# 1. Move $\enc{\mu}$ and $\log\sig{\sigma}$. Which points $\code{z}$ move fastest when $\sig{\sigma}$ grows?
# 2. Lower $\log\sig{\sigma}$ to $-2$. What happens to the two histograms?
# 3. Go back, and raise $K$. How many draws does the second way need to be as good as *one* draw of the first?

# %% deck="One look"
ReparameterisationLab()

# %% [markdown]
# When $\sig{\sigma}$ grows by a little, each point moves by that much times its own $\eps{\varepsilon}$, so the
# outer points move fastest. With a small $\sig{\sigma}$ one histogram becomes narrow and the other one wide. At
# the start, the second way needs about 15 draws for one of the first; at $\log\sig{\sigma}=-2$, several
# hundred. After this lesson you can
#
# - say why autograd stops at a sample, and what a program then does without warning;
# - derive both estimators, and name the papers;
# - compute their variances, and improve the worse one with a baseline;
# - say where each of them wins.

# %% [markdown] slide="Designing the q distribution" deck="Two heads" points=["Why $\\log\\sig{\\sigma}$? A linear head may answer any number, and $\\sig{\\sigma}=e^{\\log\\sig{\\sigma}}$ stays positive."]
# ## Two heads
#
# What exactly is it that moves? The encoder is a network with two linear **heads**:
#
# $$\enc{q_\phi(z\mid x)}=\mathcal N\big(\enc{\mu_\phi(x)},\operatorname{diag}\sig{\sigma_\phi(x)}^2\big),\qquad
# h=\text{body}_\phi(x),\quad \enc{\mu}=Ah+a,\quad \log\sig{\sigma}=Ch+c .$$
#
# For the face they answer:

# %%
h = vae.encoder.body(face)
for name, head in (("μ", vae.encoder.mu), ("log σ", vae.encoder.log_sigma)):
    print(f"{name}: {', '.join(f'{value:.2f}' for value in head(h)[0])}")

# %% [markdown]
# **Why** $\log\sig{\sigma}$? A linear head may answer any number. The four in the second line are negative: none
# could be a standard deviation, but each is a fine logarithm of one. And whatever step an optimiser makes,
# $\sig{\sigma}=e^{\log\sig{\sigma}}$ stays positive. (Much PyTorch code stores `logvar`, which is
# $2\log\sig{\sigma}$, instead.)
#
# The second term of the ELBO needs no draws. Lesson 1 has it in closed form, and its derivative with respect to
# $\mu_d$ is $\mu_d$, with respect to $\log\sigma_d$ it is $\sigma_d^2-1$. What remains is the first term,
# $\mathbb E_{\enc{q_\phi}}[\log\dec{p_\theta(x\mid z)}]$. With a network as decoder, this expectation has in
# general no closed form.

# %% [markdown] slide="Reparameterisation trick (1)" deck="For the decoder it is easy" points=["$\\enc{q_\\phi}$ does not contain $\\dec{\\theta}$: draw codes, differentiate, average."]
# ## Where autograd stops
#
# For the decoder's $\dec{\theta}$ the gradient is easy. $\enc{q_\phi}$ does not contain $\dec{\theta}$, so
#
# $$\nabla_{\dec{\theta}}\,\mathbb E_{\enc{q_\phi}}[\log\dec{p_\theta(x\mid z)}]
# =\mathbb E_{\enc{q_\phi}}[\nabla_{\dec{\theta}}\log\dec{p_\theta(x\mid z)}]
# \approx\frac1K\sum_k\nabla_{\dec{\theta}}\log\dec{p_\theta(x\mid z_k)} .$$
#
# Draw codes, differentiate, average. Does the same work for $\enc{\phi}$? We try it on the lab's example, because
# there the answer is known: $\mathbb E[z^2]=\mu^2+\sigma^2$, so the gradient with respect to
# $(\enc{\mu},\sig{\sigma})$ is $(2\mu,2\sigma)$. At $\mu=1$ and $\sigma=\tfrac12$ that is $(2,1)$.

# %%
mu, sigma = torch.tensor([1.0], requires_grad=True), torch.tensor([0.5], requires_grad=True)
z = torch.normal(mu.expand(1000), sigma.expand(1000), generator=generator)
average = (z**2).mean()
print(f"mean of z² over 1,000 draws: {average:.2f}, exact 1.25")

# %% deck="And for the encoder?"
Predict("dead_gradient")

# %% tags=["spoiler"]
in_mu, in_sigma = torch.autograd.grad(average, (mu, sigma))
print(f"autograd: {in_mu.item()} and {in_sigma.item()}")

# %% [markdown] deck="Where autograd stops" points=["Autograd holds $z$ fixed: zero, and no warning.", "The right side is no expectation. Here are two ways to make it one."]
# **Zero**, twice, and no warning. A sample is a number, and it does not remember the $\enc{\mu}$ it was drawn
# with. Autograd holds $z$ fixed and differentiates the rest. A training loop with this line runs, and its
# decoder learns. But the encoder gets a gradient from the KL alone, which pulls $\enc{q}$ to the prior.
# (`Normal(mu, sigma).sample()` cuts the graph too. If nothing else in the loss needs $\enc{\phi}$, it ends in
# an error.)
#
# The derivative we want is another one. $\enc{\mu}$ is in the density:
#
# $$\nabla_{\enc{\mu}}\int\enc{q_\mu(z)}\,f(z)\,dz=\int\big(\nabla_{\enc{\mu}}\,\enc{q_\mu(z)}\big)f(z)\,dz .$$
#
# The right side is not an expectation: $\nabla q$ is no density. Here are two ways to make it one.

# %% [markdown] slide="Reparameterisation trick (1)" exercises=["5.2"] deck="The first way: reweight the draws" points=["Score function, or REINFORCE: no derivative of $f$ occurs."] blocks=[0, 1]
# ## The first way: reweight the draws
#
# By the chain rule, $\nabla q=q\,\nabla\log q$ wherever $q>0$. So
#
# $$\nabla_{\enc{\phi}}\,\mathbb E_{\enc{q_\phi}}[f(z)]=\int\enc{q_\phi(z)}\,\nabla_{\enc{\phi}}\log\enc{q_\phi(z)}\,f(z)\,dz
# =\mathbb E_{\enc{q_\phi}}\big[f(z)\,\nabla_{\enc{\phi}}\log\enc{q_\phi(z)}\big].$$
#
# This is an expectation again. $\nabla_\phi\log q_\phi(z)$ is called the **score**, and $f\cdot\text{score}$
# the **score-function estimator**. In reinforcement learning it is **REINFORCE** (Williams, 1992): $z$ is an
# action, $f$ its reward, and a step along this gradient makes actions with a high reward more probable, on
# average. For a bell, $\log q=-\log\sigma-(z-\mu)^2/2\sigma^2$ plus a constant. At $z=\mu+\sigma\varepsilon$,
#
# $$\frac{\partial\log q}{\partial\mu}=\frac{z-\mu}{\sigma^2}=\frac{\varepsilon}{\sigma},\qquad
# \frac{\partial\log q}{\partial\log\sigma}=\frac{(z-\mu)^2}{\sigma^2}-1=\varepsilon^2-1 .$$
#
# No derivative of $f$ occurs. $f$ may have jumps, it may be a program whose code we cannot see, and with sums
# for integrals $z$ may be discrete.

# %% [markdown] exercise="5.2 ★★"
# ### Exercise 5.2 `score_function_gradient`
#
# *10 minutes.* From the values $f(z_k)$ and the draws $z_k$ of $\mathcal N(\mu,\sigma^2)$, `(K,)` each: the
# estimate of $\tfrac{d}{d\mu}\mathbb E[f(z)]$, a scalar. The derivative of $f$ is not known.


# %%
def score_function_gradient(f_z, z, mu, sigma):
    """The score function's estimate of d/dμ E f(z); f(z), z (K,) -> scalar."""
    ### BEGIN SOLUTION
    score_mu = (z - mu) / sigma**2
    return (f_z * score_mu).mean()
    ### END SOLUTION


# %%
check.score_function_gradient(score_function_gradient)

# %% [markdown] slide="Reparameterisation trick (2)" exercises=["5.1"] deck="The second way: move the draws"
# ## The second way: move the draws
#
# Draw the noise first, $\eps{\varepsilon}\sim\mathcal N(0,I)$, and *make* $\code{z}$ from it:
#
# $$\code{z}=T_\phi(x,\eps{\varepsilon})=\enc{\mu_\phi(x)}+\sig{\sigma_\phi(x)}\odot\eps{\varepsilon} .$$
#
# $\code{z}$ has the same distribution as before. But the expectation is now over $\eps{\varepsilon}$, which
# does not depend on $\enc{\phi}$. So the derivative may go inside, as it did for $\dec{\theta}$, and the chain
# rule gives
#
# $$\nabla_{\enc{\phi}}\,\mathbb E_{\enc{q_\phi}}[f(\code{z})]
# =\mathbb E_{\eps{\varepsilon}}\big[\nabla_{\enc{\phi}}f(T_\phi(x,\eps{\varepsilon}))\big],
# \qquad \frac{\partial f}{\partial\mu}=f'(z),\quad
# \frac{\partial f}{\partial\sigma}=f'(z)\,\varepsilon .$$
#
# Each draw says in which direction *it* would like to go. This is the **pathwise** gradient. Kingma and Welling
# (2014) called the step to $T_\phi$ the **reparameterisation trick**; Rezende, Mohamed and Wierstra (2014)
# found it independently. With respect to $\log\sigma$, the chain rule adds a factor $\sigma$:
# $f'(z)\,\sigma\varepsilon$.

# %% [markdown] exercise="5.1 ★"
# ### Exercise 5.1 `reparameterise`
#
# *5 minutes.* $z$ from $\mu$, $\log\sigma$ and $\varepsilon$, all of one shape, such that gradients reach both
# parameters.


# %%
def reparameterise(mu, log_sigma, eps):
    """z = T(ε) ~ N(μ, diag σ²) for ε ~ N(0, I); all of one shape."""
    ### BEGIN SOLUTION
    return mu + log_sigma.exp() * eps
    ### END SOLUTION


# %%
check.reparameterise(reparameterise)

# %% [markdown]
# Solved or not, the lesson goes on with `gradient` from the beginning. Read it again: except for the `b`, each
# line is now a formula of this page. In PyTorch the second way is one word, `rsample` ("r" for reparameterised)
# in place of `sample`:

# %%
bell = distributions.DiagonalGaussian(mu, sigma.log())
z = bell.rsample((1000,), generator)
in_mu, in_sigma = torch.autograd.grad((z**2).mean(), (mu, sigma))
print(f"autograd through rsample: {in_mu.item():.2f} and {in_sigma.item():.2f}, exact 2 and 1")


# %%
def square(z):
    """f(z) = z_1² + … + z_D², (K, D) -> (K,)."""
    return (z**2).sum(-1)


# %% tags=["check"]
# The mean of each estimator over ε, by the trapezoid rule on [−12, 12].
grid = torch.linspace(-12, 12, 2401)[:, None]
weights = Normal(0.0, 1.0).log_prob(grid[:, 0]).exp() * 0.01
for way in ("pathwise", "score function"):
    each, _ = gradient(way, square, mu.detach(), sigma.detach().log(), grid)
    exact_gradient = torch.stack([2 * mu, 2 * sigma**2]).detach()
    torch.testing.assert_close((each * weights[:, None]).sum(1), exact_gradient)
print("✓ both estimators have the mean (2μ, 2σ²), the gradient with respect to (μ, log σ)")

# %% [markdown] tags=["aside"]
# #### Aside: when may the derivative change places with the integral?
#
# It may if, for $\phi$ in a neighbourhood, the derivatives inside are bounded by one integrable function
# (dominated convergence). *Score-function estimator*: $\nabla_\phi q_\phi(z)\,f(z)$ must be. For a bell with
# $\sigma$ away from zero, it is enough that $f$ does not grow faster than some polynomial. *Pathwise*:
# $f(T_\phi(\varepsilon))$ must be differentiable in $\phi$, for almost every $\varepsilon$, and locally
# Lipschitz with an integrable constant. A kink, as in a ReLU network, does no harm. A jump does: the derivative
# on either side of it does not know how high it is.

# %% [markdown] slide="Reparameterisation trick (2)" exercises=["5.3"] deck="Not only bells" lead="$\\code{z}=F^{-1}(u)$ with $u$ uniform on $(0,1)$. What PyTorch can do:"
# ## Not only bells
#
# The trick needs noise without parameters, and a $T$ that is differentiable in $\enc{\phi}$. For a distribution
# on the line there is a recipe. Let its distribution function $F$ be continuous, and increasing where it is not
# 0 or 1: $z=F^{-1}(u)$ with $u$ uniform on $(0,1)$. For then $P(z\le t)=P(u\le F(t))=F(t)$. Take the
# exponential distribution with the rate $\lambda$, where $F(z)=1-e^{-\lambda z}$.

# %% [markdown] exercise="5.3 ★★"
# ### Exercise 5.3 `reparameterise_exponential`
#
# *10 minutes.* Waiting times whose rate can be learned: $z$ with the rate $\lambda$ from $u\sim U(0,1)$, increasing
# in $u$, elementwise, such that gradients reach `rate`.


# %%
def reparameterise_exponential(rate, u):
    """z = T(u) ~ Exponential(rate) for u ~ U(0, 1), increasing in u, elementwise."""
    ### BEGIN SOLUTION
    return -torch.log1p(-torch.as_tensor(u)) / rate
    ### END SOLUTION


# %%
check.reparameterise_exponential(reparameterise_exponential)

# %% [markdown]
# PyTorch's `rsample` does it too. Here $\mathbb E[z^2]=2/\lambda^2$, and its derivative is $-4/\lambda^3$.

# %%
rate = torch.tensor(2.0, requires_grad=True)
torch.manual_seed(5)  # rsample takes no generator
z = Exponential(rate).rsample((100_000,))
(in_rate,) = torch.autograd.grad((z**2).mean(), rate)
print(f"derivative of the mean of z²: {in_rate:.2f}, exact {-4 / rate**3:.2f}")

# %% deck="+"
for family in (Normal, Exponential, Gamma, Bernoulli, Categorical):
    print(f"{family.__name__}: rsample {'yes' if family.has_rsample else 'no'}")

# %% [markdown]
# For the gamma distribution $F^{-1}$ is not elementary, but $F(z;\phi)=u$ can be differentiated as it stands:
# $\partial z/\partial\phi=-(\partial F/\partial\phi)/p(z)$ (Figurnov, Mohamed and Mnih, 2018). For a discrete
# $z$ the trick fails: as $\phi$ moves, $z$ stays where it is, and then jumps.

# %% [markdown] slide="Reparameterisation trick (2)" deck="How noisy is one draw?" lead="For $f(z)=z^2$. *Pathwise*: variance $4\\sigma^2$. *Score function*: the mean square is" points=["So its variance is $\\mu^4/\\sigma^2+14\\mu^2+15\\sigma^2$."]
# ## How noisy is one draw?
#
# Both ways are right on average. In training there is usually one draw per image and step, so what counts is the
# variance of *one*. For $f(z)=z^2$ we need the moments of $\varepsilon$ only: $\mathbb E[\varepsilon^2]=1$,
# $\mathbb E[\varepsilon^4]=3$, $\mathbb E[\varepsilon^6]=15$, and the odd ones are zero.
#
# *Pathwise*, with respect to $\mu$: the estimate is $2z=2\mu+2\sigma\varepsilon$. Its variance is $4\sigma^2$.
#
# *Score-function estimator*: the estimate is
# $z^2\varepsilon/\sigma=(\mu^2\varepsilon+2\mu\sigma\varepsilon^2+\sigma^2\varepsilon^3)/\sigma$. Its mean
# square is
#
# $$\frac{\mu^4+3\cdot 4\mu^2\sigma^2+15\,\sigma^4+3\cdot 2\mu^2\sigma^2}{\sigma^2}
# =\frac{\mu^4}{\sigma^2}+18\mu^2+15\sigma^2 .$$
#
# Subtract the squared mean, $4\mu^2$. The variance is $\mu^4/\sigma^2+14\mu^2+15\sigma^2$.

# %%
Predict("certain")

# %% tags=["spoiler"]
eps = torch.randn(100_000, 1, generator=generator)
for s in (0.5, 0.1, 0.02):
    closed = {"pathwise": 4 * s**2, "score function": 1 / s**2 + 14 + 15 * s**2}
    for way, variance in closed.items():
        (in_mu, _), _ = gradient(way, square, torch.ones(1), torch.tensor([s]).log(), eps)
        print(f"σ = {s:4}, {way:>14}: variance {variance:.3g}, measured {in_mu.var():.3g}")

# %% [markdown]
# As $\sigma$ falls, the first variance vanishes and the second explodes, because of the term $\mu^4/\sigma^2$.
# When the draws lie close together, $f(z)$ is nearly the constant $\mu^2$. The score-function estimator
# multiplies this constant by $\varepsilon/\sigma$: a large noise that carries no information. It tries to find
# a slope by comparing heights that are almost equal. The pathwise estimator reads the slope off.
#
# Go back to the lab. Here $\sigma$ is $e^{-1.5}$. Where is the ratio of the variances smallest? And with
# respect to $\log\sigma$, is there any place where the score-function estimator has the smaller one?

# %% deck="Find the smallest ratio of the variances"
ReparameterisationLab(log_sigma=-1.5)

# %% [markdown]
# At $\mu=0$ the ratio is $15/4$ for each $\sigma$; elsewhere the other two terms come on top. And no, for $z^2$
# there is no such place, as the aside shows.

# %% [markdown] tags=["aside"]
# #### Aside: the other parameter
#
# With $\mathbb E[\varepsilon^8]=105$ and the same steps:
#
# | variance of one draw | with respect to $\mu$ | with respect to $\log\sigma$ |
# |---|---|---|
# | pathwise | $4\sigma^2$ | $4\mu^2\sigma^2+8\sigma^4$ |
# | score-function estimator | $\mu^4/\sigma^2+14\mu^2+15\sigma^2$ | $2\mu^4+60\mu^2\sigma^2+74\sigma^4$ |
#
# In the second column, compare term by term: 2 with 0, 60 with 4, and 74 with 8.

# %% [markdown] slide="Reparameterisation trick (2)" exercises=["5.4"]
# ## A constant is free
#
# Can we help the score-function estimator? The culprit is a constant. So let us see what a constant does.

# %%
Predict("add_constant")


# %%
def plus(constant, f):
    """The function z -> f(z) + constant."""
    return lambda z: f(z) + constant


# %% tags=["spoiler"]
for constant in (0, 1000):
    for way in ("pathwise", "score function"):
        f = plus(constant, square)
        (in_mu, _), _ = gradient(way, f, mu.detach(), sigma.detach().log(), eps)
        print(f"f = z² + {constant:4}, {way:>14}: spread of one draw {in_mu.std():,.1f}")

# %% [markdown] deck="A constant is free" points=["So subtract a **baseline** $b$, from *other* draws: the mean stays, the noise goes."]
# The pathwise estimator sees $f'$, and the constant is gone. The score-function estimator sees $f$, and adds
# $1000\,\varepsilon/\sigma$. This is what happened to our face. Its $\log p(x\mid z)$ is the constant $C$ of
# lesson 4, 1,230 nats, minus an error term of about 10. The score has turned all that into noise.
#
# What adds noise can also take it away. Subtract a constant $b$, the **baseline**. The expectation does not
# change, because the score has the mean zero:
#
# $$\mathbb E_{\enc{q}}[\nabla_\phi\log\enc{q_\phi}]=\int\nabla_\phi\,\enc{q_\phi(z)}\,dz=\nabla_\phi 1=0 .$$
#
# So with $s$ for the score, $\mathbb E[(f-b)\,s]=\mathbb E[f\,s]$.
#
# Statisticians call $b\,s$ a **control variate**: a noise whose mean we know, and that we subtract because it
# resembles the noise we have. Which $b$ is best? Not just any mean of $f$ will do.

# %% [markdown] exercise="5.4 ★★★"
# ### Exercise 5.4 `optimal_baseline`
#
# *30 minutes.* It decides whether the score-function estimator can be used at all. From $K$ values of $f$ and of
# the score $s$, `(K,)` each: the $b$ that makes the variance of $(f-b)\,s$ smallest, a scalar. Expectations become
# means over the $K$ draws, and $\mathbb E[s]=0$ is known.
#
# <details><summary>A hint</summary>
#
# The mean of $(f-b)\,s$ does not depend on $b$. So what is left to minimise, and what kind of curve is it in $b$?
#
# </details>


# %%
def optimal_baseline(f_z, score):
    """The b that makes the variance of (f − b) s smallest; f(z), s (K,) -> scalar."""
    ### BEGIN SOLUTION
    weight = score**2
    return (weight * f_z).mean() / weight.mean()
    ### END SOLUTION


# %%
check.optimal_baseline(optimal_baseline)

# %% [markdown] tags=["aside"]
# #### Aside: the best baseline, for when you have found it
#
# With the mean fixed, minimise
# $\mathbb E[(f-b)^2s^2]=\mathbb E[f^2s^2]-2b\,\mathbb E[fs^2]+b^2\,\mathbb E[s^2]$, a parabola in $b$. Its minimum is
# at $b^*=\mathbb E[f\,s^2]/\mathbb E[s^2]$, a weighted mean of $f$, and there the variance is smaller by
# $\mathbb E[fs^2]^2/\mathbb E[s^2]$ than without a baseline.

# %% [markdown]
# In our example, with $s=\varepsilon/\sigma$, the best $b$ is $b^*=\mathbb E[z^2\varepsilon^2]=\mu^2+3\sigma^2$. Subtract
# $(\mu^2+3\sigma^2)^2/\sigma^2$ from the variance above, and $8\mu^2+6\sigma^2$ is left. The explosion is gone.
#
# In practice a baseline comes from draws. Draw $K$ times, take the mean of $f$ as $b$, subtract it, and take the
# mean of $(f-b)\,s$ over *the same* draws. The exact gradient is 2.

# %%
Predict("same_draws")

# %% tags=["spoiler"]
print(f"{'K':>4} {'same draws':>16} {'2(K−1)/K':>9} {'b from the others':>18}")
for K in (2, 5, 10, 100):
    eps = torch.randn(1_000_000 // K, K, generator=generator)
    f, s = (1 + 0.5 * eps) ** 2, eps / 0.5
    b = f.mean(1, keepdim=True)
    others = (f.sum(1, keepdim=True) - f) / (K - 1)  # the mean of f without draw k
    same, left_out = ((f - b) * s).mean(1), ((f - others) * s).mean(1)
    errors = [each.std() / len(each) ** 0.5 for each in (same, left_out)]
    row = f"{K:4} {same.mean():8.3f} ± {errors[0]:.3f} {2 * (K - 1) / K:9.3f}"
    print(row, f"{left_out.mean():10.3f} ± {errors[1]:.3f}")

# %% [markdown]
# On average the gradient is too small, with $K=2$ by a factor of two. With $K=1$ it would be zero: $b$ is then
# $f(z)$ itself. The proof above needs a $b$ that does not depend on the draw it is subtracted from. Computed from
# the same draws, it takes some of the signal along. The bias shrinks as $1/K$, but in training $K$ is small.
#
# So take $b$ from *other* draws. With several draws per step, use for each the mean of the others (the last
# column; Kool, van Hoof and Welling, 2019). With one draw per step, keep a **running mean** of $f$ over the
# steps before: $b\leftarrow b+0.1\,(f-b)$, after the step. Neither is quite $b^*$, but both leave the mean as
# it is. Here is the face again, with the mean of $f$ over the 2,000 draws above as $b$, and new draws for the
# gradient.

# %%
eps = torch.randn(10_000, 4, generator=generator)
b = f_z.mean()
(in_mu, _), _ = gradient("score function", explains(vae, face), q.mu, q.log_sigma, eps, b)
each = (in_mu[:, pose] - q.mu[0, pose]) * sigma_pose
mean, spread = each.mean(), each.std()
print(f"with b = {b:.0f}: mean {mean:.2f} ± {spread / 100:.2f}, spread {spread:.1f}")
print(f"one pathwise draw is worth {(spread / spreads['pathwise']) ** 2:.0f} of them")

# %% [markdown]
# The spread has fallen from more than a thousand to about two. One draw of the pathwise gradient is now worth a
# few draws of the score-function estimator, and no longer a million.

# %% [markdown] tags=["aside"]
# #### Aside: the bias of a baseline from the same draws
#
# *The mean of f.* In $\frac1K\sum_k(f_k-\bar f)s_k$, only the part $f_k/K$ of $\bar f$ depends on $s_k$, and
# $\mathbb E[s_k]=0$. So $\mathbb E[\bar fs_k]=\mathbb E[fs]/K$, and the factor $1-1/K$ is left.
#
# *The best one*, computed from the same draws, is not free of this either. Let $f=z^2$ and $s=\varepsilon/\sigma$. The estimate is $\frac1K\sum f_ks_k-\hat b\,\frac1K\sum s_k$ with
# $\hat b=\sum f_k\varepsilon_k^2/\sum\varepsilon_k^2$. The first part has the mean $2\mu$. In the second, put
# $f=\mu^2+2\mu\sigma\varepsilon+\sigma^2\varepsilon^2$. What is odd under $\varepsilon\to-\varepsilon$ has the
# mean zero, so the terms with $\mu^2$ and $\sigma^2$ go. What is left is
# $\frac{2\mu}K\,\mathbb E\big[\sum_k\varepsilon_k^3\sum_j\varepsilon_j\big/\sum_i\varepsilon_i^2\big]$, and by
# the symmetry of single signs only $j=k$ remains. Write $\varepsilon=ru$ with $r$ its length and $u$ on the
# unit sphere, which are independent: $\mathbb E[r^2]=K$ and $\mathbb E[\sum u_k^4]=3/(K+2)$. So the mean is
#
# $$2\mu-\frac{2\mu}{K}\cdot\frac{3K}{K+2}=2\mu\,\frac{K-1}{K+2}.$$

# %% [markdown] slide="Reparameterisation trick (2)"
# ## Where each wins
#
# Does the pathwise estimator always have the smaller variance? On the arc of lessons 2 to 4 we can see. There
# $\|G(z)\|=1$, so $\log p(x\mid z)$ is a cosine:
#
# $$f(z)=\log\dec{p(x\mid z)}=c+A\cos(z-\alpha),\qquad A=\frac{\|x\|}{\sigma_x^2},$$
#
# where $\alpha$ is the code whose $G(\alpha)$ points to $x$. We take $x=(0.5,0.6)$ and $\mu=0$. With the
# characteristic function of $\varepsilon$, $\mathbb E[\cos t\varepsilon]=e^{-t^2/2}$, and its second
# derivative, $\mathbb E[\varepsilon^2\cos t\varepsilon]=(1-t^2)\,e^{-t^2/2}$, and
# $\cos^2=\tfrac12(1+\cos 2\,\cdot)$, both variances are closed forms again. Put $a=\mu-\alpha$ and
# $g=-A\,e^{-\sigma^2/2}\sin a$, the gradient. Then
#
# $$\begin{aligned}
# \text{pathwise:}\quad&\tfrac12A^2\big(1-e^{-2\sigma^2}\cos 2a\big)-g^2,\\
# \text{score function with } b^*:\quad&\tfrac{A^2}{2\sigma^2}\big(1+(1-4\sigma^2)\,e^{-2\sigma^2}\cos 2a\big)
# -\tfrac{(b^*-c)^2}{\sigma^2}-g^2,\\
# &b^*=c+A\,(1-\sigma^2)\,e^{-\sigma^2/2}\cos a .
# \end{aligned}$$


# %%
def arc_variances(c, A, a, sigma):
    """Of one draw of d/dμ E[c + A cos(z − α)], a = μ − α: pathwise, with b = 0, with b*; and b*."""
    g = -A * (-(sigma**2) / 2).exp() * a.sin()
    narrow, twice = (-(sigma**2) / 2).exp() * a.cos(), (-2 * sigma**2).exp() * (2 * a).cos()
    pathwise = A**2 / 2 * (1 - twice) - g**2
    b = c + A * (1 - sigma**2) * narrow
    mean_square = A**2 / 2 * (1 + (1 - 4 * sigma**2) * twice)
    best = (mean_square - (b - c) ** 2) / sigma**2 - g**2
    return pathwise, best + b**2 / sigma**2, best, b


# %%
Predict("wide_q")


# %%
def on_arc(arc, x):
    """The function z -> log p(x|z), (K, 1) -> (K,), of one point x of the plane."""
    return lambda z: arc.log_px_z(x, z[:, 0])


def measured_variance(way, f, mu, sigma, groups, b=0.0):
    """Variance of one draw of d/dμ, its mean over groups of draws (G, K), and the standard error."""
    (in_mu, _), _ = gradient(way, f, mu, sigma.log(), groups.reshape(-1, 1), b)
    each = in_mu.reshape(groups.shape).var(1)
    return torch.stack([each.mean(), each.std() / len(each) ** 0.5])


# %%
arc, x = exact.Arc(sigma_x=0.2), torch.tensor([0.5, 0.6])
A, alpha = x.norm() / 0.2**2, torch.atan2(x[0], x[1])
c, f = arc.log_px_z(x, alpha) - A, on_arc(arc, x)
mu, sigmas = torch.zeros(1), torch.logspace(-1.3, 0.6, 20)
*variances, b_star = arc_variances(c, A, mu - alpha, sigmas)
names = ("pathwise", "score function", "score function, $b^*$")
predicted = dict(zip(names, variances, strict=True))

# %% tags=["spoiler"] alt="The variances of one draw over sigma, on logarithmic axes, measured points on their lines. The pathwise one is lowest on the left and rises to a plateau. The score function with the best baseline is level on the left, falls from about 0.5 on, and crosses the pathwise line near 1; to the right it is below. The score function without baseline lies above the one with it throughout." deck="Where each wins"
groups = torch.randn(20, 2000, generator=generator)
baselines = (0 * b_star, 0 * b_star, b_star)
measured = {}
for name, b in zip(names, baselines, strict=True):
    way = name.split(",")[0]
    runs = [measured_variance(way, f, mu, s, groups, b_s) for s, b_s in zip(sigmas, b, strict=True)]
    measured[name] = tuple(torch.stack(runs).T)
plots.against(
    sigmas, predicted, measured, xlabel=r"$\sigma$", ylabel="variance of one draw", log="xy"
)

# %% tags=["spoiler"]
for i in (0, 13, 19):
    row = ", ".join(f"{name} {values[i]:.3g}" for name, (values, _) in measured.items())
    print(f"σ = {sigmas[i]:.2f}: {row.replace('$b^*$', 'b*')}")

# %% tags=["check"]
# The same variances by the trapezoid rule over ε.
for name, b in zip(names, baselines, strict=True):
    for i, s in enumerate(sigmas):
        (in_mu, _), _ = gradient(name.split(",")[0], f, mu, s.log(), grid, b[i])
        mean, mean_square = weights @ in_mu[:, 0], weights @ in_mu[:, 0] ** 2
        torch.testing.assert_close(mean_square - mean**2, predicted[name][i])
print("✓ the three closed forms agree with integrals over ε, for 20 values of σ")

# %% [markdown]
# (Lines are the closed forms, points are measured.) On the left the pathwise estimator is far better, on the
# right the score-function estimator is. They cross near $\sigma=1$, where $\enc{q}$ is as wide as the prior.
# The rule behind it: the pathwise variance asks **how much the slope of** $f$ varies under $\enc{q}$. The
# variance of the score-function estimator asks **how much** $f$ **varies** under $\enc{q}$, in units of
# $\sigma$.
#
# - On a narrow bell $f$ is almost a straight line. Its slope is almost constant, so the pathwise variance goes
#   to zero. The score-function estimate with $b^*$ is left with about $f'(\mu)\,\varepsilon^2$, whose variance
#   is $2f'(\mu)^2$.
# - On a wide bell $f$ goes up and down. The slopes are large and cancel one another. The score-function
#   estimator does not see them, and divides the variation of $f$ by $\sigma^2$.
#
# The two informative bells of our face are narrow ($\log\sigma\approx-3$), and the network is smooth: this is the
# left side. How far ahead the pathwise estimator is there depends on how straight $f$ is within the bell; for
# the face it was a small factor.
#
# And where $f$ jumps, it is not noisy but wrong. Let $f(z)=1$ for $z>0$ and $0$ otherwise. Then
# $\mathbb E[f(z)]=\Phi(\mu/\sigma)$, with the distribution function $\Phi$ of $\mathcal N(0,1)$, and this does
# depend on $\mu$. Jumps, discrete codes, programs without derivatives: there the score-function estimator is at
# home.

# %%
eps = torch.randn(100_000, 1, generator=generator)
mu, sigma = torch.tensor([1.0]), torch.tensor([0.5])
for way in ("pathwise", "score function"):
    (in_mu, _), _ = gradient(way, lambda z: (1 + z[:, 0].sign()) / 2, mu, sigma.log(), eps)
    print(f"{way}: {in_mu.mean():.3f} ± {in_mu.std() / 100_000**0.5:.3f}")
print(f"exact: {Normal(0.0, 1.0).log_prob(mu / sigma).exp().item() / 0.5:.3f}")

# %% [markdown] slide="Reparameterisation trick (2)"
# ## Many dimensions
#
# A latent space has more than one dimension. Let $f(z)=z_1^2+\dots+z_D^2$, each
# $z_d\sim\mathcal N(\mu,\sigma^2)$, and look at the gradient with respect to $\mu_1$. The pathwise estimate is
# $2z_1$, with the variance $4\sigma^2$, whatever $D$ is. The score-function estimate is
# $f(z)\,\varepsilon_1/\sigma$: it also multiplies its noise by the terms of the *other* dimensions. Let
# $R=z_2^2+\dots+z_D^2$. The best baseline is now $\mu^2+3\sigma^2+\mathbb E[R]$. It removes the mean of $R$,
# but $R$ varies, with the variance $(D-1)(4\mu^2\sigma^2+2\sigma^4)$, and since $R$ and $\varepsilon_1$ are
# independent, this adds $\operatorname{Var}[R]/\sigma^2$:
#
# $$8\mu^2+6\sigma^2+(D-1)(4\mu^2+2\sigma^2)=4(D+1)\,\mu^2+2(D+2)\,\sigma^2 .$$

# %%
for D in (1, 4, 20):
    eps = torch.randn(50_000, D, generator=generator)
    b = 1 + 3 / 4 + (D - 1) * (1 + 1 / 4)
    (in_mu, _), _ = gradient("score function", square, mu, sigma.log(), eps, b)
    closed = 4 * (D + 1) + 2 * (D + 2) / 4
    print(f"D = {D:2}: variance {closed:5.1f}, measured {in_mu[:, 0].var():5.3g}; pathwise 1")

# %% [markdown]
# So with the best constant baseline, the variance of the score-function estimator grows linearly with $D$. What
# does that mean for training? A script lets four methods race: a linear decoder with $D=20$, whose gap has a
# closed form and can be closed; plain gradient ascent of $L$ from $\enc{q}$ = prior; 400 steps, one draw per
# step. One method uses the exact gradient, one the pathwise estimate, and two the score-function estimate, with
# the running mean as a baseline and without. Each method gets nine step sizes, so that each can be judged at
# its best. There are five seeds, ten $x$ in each (`data/evidence/make_gradient_race.py`).

# %%
study = json.loads(data.shipped("evidence/gradient_race.json").read_text(encoding="utf-8"))
start = torch.tensor(study["gap at the start, by seed"])
print(f"gap at the start: {start.mean():.1f} ± {start.std():.1f} nats")
nan, final = float("nan"), {}
for way, races in study["gaps, by rate and seed"].items():
    final[way] = torch.tensor([[nan if gap is None else gap for gap in row] for row in races])

# %% alt="The mean gap at the end over the step size, on logarithmic axes. At small steps the pathwise estimate and the score function with baseline lie together and fall; the score function without baseline lies above them and ends at the second point. With baseline it stays behind from 0.001 on and ends at about 2. The pathwise points fall to about 0.1, at 0.005, and then rise." deck="A race in twenty dimensions"
sampled = ("pathwise", "score function", "score function, baseline")
measured = {way: (final[way].mean(1), final[way].std(1) / 5**0.5) for way in sampled}
plots.against(
    study["rates"], {}, measured, xlabel="step size", ylabel="gap at the end (nats)", log="xy"
)

# %%
for way, ends in final.items():
    mean, spread = ends.mean(1), ends.std(1)
    best = mean.nan_to_num(nan=1e9).argmin()
    print(f"{way:>24}: at step {study['rates'][1]:.0e} {mean[1]:4.1f} ± {spread[1]:.1f}", end="")
    print(f"; best step {study['rates'][best]:.1e}, {mean[best]:.2g} ± {spread[best]:.1g}")

# %% [markdown]
# (Where a point is missing, at least one run has diverged. The spread is over the seeds.) With the same small
# steps, one draw per step does on average what the exact gradient does, for the pathwise estimate *and* for the
# score-function estimate with its baseline. It is as if the noise averaged out over the steps. But 400 small
# steps do not lead far. At larger steps the runs with the baseline stay behind the pathwise ones, and then
# diverge, while the pathwise runs go on improving up to a step of 0.005. So with each at its best step, the
# gaps that are left differ by a factor of more than ten. Without a baseline, the score-function
# estimate is behind at the two smallest steps, and at the third a run has diverged.

# %% [markdown]
# ## Back to the face
#
# Lesson 4 gave the face its own bell with Adam and 64 draws per step. We take *one* draw per step, in three
# ways, each ten times.


# %%
def ascend(way, f, q, b=None, runs=10, steps=300):
    """Adam on L for one picture's (μ, log σ), one draw per step; independent runs (runs, D) each."""
    generator = torch.Generator().manual_seed(1)
    mu = q.mu.repeat(runs, 1).requires_grad_()
    log_sigma = q.log_sigma.repeat(runs, 1).requires_grad_()
    optimiser = torch.optim.Adam([mu, log_sigma])
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = schedules.cosine_decay(step, steps, start=0.003, hold=0)
        eps = torch.randn(mu.shape, generator=generator)
        now = mu.detach(), log_sigma.detach()
        estimate, f_z = gradient(way, f, *now, eps, 0.0 if b is None else b)
        b = None if b is None else b + 0.1 * (f_z - b)
        mu.grad = now[0] - estimate[0]  # of −L: the KL's gradient minus that of the first term
        log_sigma.grad = (2 * now[1]).exp() - 1 - estimate[1]
        optimiser.step()
    return mu.detach(), log_sigma.detach()


def gaps(vae, face, mu, log_sigma, eps):
    """log p(x) − L of each bell, (runs, D) -> (runs,), from the same draws ε (K, 1, D)."""
    z = mu + log_sigma.exp() * eps
    log_qz = Normal(mu, log_sigma.exp()).log_prob(z).sum(-1)
    log_w = vae.likelihood(z).log_prob(face) + vae.prior.log_prob(z) - log_qz
    return bounds.log_mean_exp(log_w) - log_w.mean(0)


# %%
eps = torch.randn(1000, 1, 4, generator=generator)
print(f"at the start: gap {gaps(vae, face, q.mu, q.log_sigma, eps).item():.2f} nats")
contest = {"pathwise": None, "score function, with baseline": f_z.mean(), "score function": None}
for name, b in contest.items():
    mu, log_sigma = ascend(name.split(",")[0], explains(vae, face), q, b)
    found = gaps(vae, face, mu, log_sigma, eps)
    print(f"{name}: gap {found.mean():.2g} nats, spread {found.std():.1g}")

# %% [markdown]
# The plain score-function estimator has made this face's bell worse, on average. With a baseline it does almost
# as well as the pathwise gradient. That agrees with the formula: there are two informative dimensions here, not
# twenty. (One face, one model, one schedule of step sizes.)
#
# So, in which direction should the encoder move? One draw knows it well enough, if it is asked in the right
# way. This is why the lecture's VAE can do with a single $\eps{\varepsilon}$ per image and step, and why its
# encoder ends in $\code{z}=\enc{\mu}+\sig{\sigma}\odot\eps{\varepsilon}$. We now have the parts. **What
# happens when we put them together and train?** That is [lesson 6](06_the_vae.ipynb).

# %% [markdown]
# ## What goes wrong in practice
#
# - **`sample` where `rsample` belongs.** The loss may well fall, as the decoder learns. The encoder gets the
#   gradient of the KL alone. Look at the encoder's gradients once.
# - **`torch.normal(mu, sigma)`, `.detach()`, `.data`, a detour through NumPy.** Each cuts the path, and not all
#   of them give an error.
# - **One** $\varepsilon$ **for the whole batch.** `torch.randn(D)` in place of `torch.randn(B, D)` broadcasts
#   silently. The mean is right, but all images share the noise, and the batch need not average it out.
# - **The exponential forgotten or halved.** `mu + log_sigma * eps` runs too. If a network gives `logvar`, the
#   standard deviation is `(0.5 * logvar).exp()`.
# - **A baseline from the same draw.** The gradient is biased, in our example towards zero, and the program
#   gives no sign of it.
#
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $\enc{\mu}$, $\log\sig{\sigma}$ | `q = vae.posterior(x)`, `q.mu`, `q.log_sigma` | `(B, D)` |
# | $\code{z}=T_\phi(x,\eps{\varepsilon})=\enc{\mu}+\sig{\sigma}\odot\eps{\varepsilon}$ | `mu + sigma * eps`, `q.rsample((K,), generator)` | `(K, B, D)` |
# | $f'(z)$, $f'(z)\,\sigma\varepsilon$ | `gradient("pathwise", f, mu, log_sigma, eps)` | `(2, K, D)` |
# | $(f(z)-b)\,\nabla_\phi\log q_\phi(z)$ | `gradient("score function", f, mu, log_sigma, eps, b)` | `(2, K, D)` |
# | $b^*$ | `optimal_baseline(f_z, score)`, exercise 5.4 | scalar |
#
# [The map](00_start_here.ipynb#The-map).

# %% [markdown]
# ## References
#
# - Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, 1992:
#   REINFORCE and its baseline.
# - Kingma and Welling, *Auto-encoding variational Bayes*, 2014: the VAE and the reparameterisation trick.
# - Rezende, Mohamed and Wierstra, *Stochastic backpropagation and approximate inference in deep generative
#   models*, 2014: the same idea, found independently.
# - Mohamed, Rosca, Figurnov and Mnih, *Monte Carlo gradient estimation in machine learning*, 2020: a survey
#   with the history, a third way, and where each one wins.
# - Kool, van Hoof and Welling, *Buy 4 REINFORCE samples, get a baseline for free!*, 2019: the mean of the other
#   draws.
# - Figurnov, Mohamed and Mnih, *Implicit reparameterization gradients*, 2018: gamma, beta and others.
