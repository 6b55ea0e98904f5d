# %% [markdown]
# # 2 · Maximum likelihood
#
# Lesson 1 ended with a number that says how far a model is from the data: KL(p_data ‖ p_θ). There is a
# catch. Nobody knows p_data; all we ever have is a pile of examples. **How can one minimise a divergence
# from something that one cannot evaluate?**
#
# The lecture's answer takes two lines: throw away what does not depend on θ, and replace an expectation by
# an average. What is left is called maximum likelihood. Then comes the model of this course, a decoder fed
# with noise, and with it an integral that stops the plan. This lesson shows both, the plan and the wall.
#
# **After it you will be able to**
#
# - say why minimising KL(p_data ‖ p_θ) and maximising the average log-likelihood are one and the same, and
#   by which constant the two differ;
# - predict how far the estimate from N examples is from the best θ;
# - draw samples from a model with a latent variable, and write down its p_θ(x);
# - compute that p_θ(x) by quadrature where z has one dimension, to ten digits;
# - compute it by Monte Carlo, predict the error, and say why the number of dimensions makes it hopeless.

# %%
from vaelib import check, divergences, exact, plots
from vaelib.widgets import LikelihoodLab

import torch
from scipy.integrate import quad
from torch.distributions import Categorical, MixtureSameFamily, Normal

# %% [markdown]
# Double precision, because numbers are going to be compared, and one generator for every draw.

# %%
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(2)

# %% [markdown] slide="Maximum Likelihood Estimation (1)" exercises=["2.1"]
# ## From a divergence to a likelihood
#
# Write the divergence out and split the logarithm:
#
# $$\mathrm{KL}(p_\text{data} \,\|\, p_\theta) = \mathbb{E}_{p_\text{data}}[\log p_\text{data}(x)]
# - \mathbb{E}_{p_\text{data}}[\log p_\theta(x)].$$
#
# θ stands in the second term only. The first is a constant, the negative **entropy** −H of the data, so
#
# $$\underset{\theta}{\operatorname{argmin}}\; \mathrm{KL}(p_\text{data} \,\|\, p_\theta) =
# \underset{\theta}{\operatorname{argmax}}\; \mathbb{E}_{p_\text{data}}[\log p_\theta(x)].$$
#
# To watch it we need a p_data that we do know. Here is one with two bumps: seven in ten of the examples
# fall around −1, the others around 2. The model is a single Gaussian N(θ, σ²) with σ = 1.5, which can be
# shifted but cannot have two bumps.

# %%
weights, mu, width = torch.tensor([0.7, 0.3]), torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 0.8])
p_data = MixtureSameFamily(Categorical(weights), Normal(mu, width))
sigma = 1.5

# %% [markdown]
# In one dimension an expectation is a sum over a fine grid, the trapezoid rule. KL, average log-likelihood
# and entropy are three such expectations, and each is computed as it is defined.
#
# *Predict*: the two curves over θ, how do they lie to each other?


# %%
def expectation(log_p, f, x):
    """E_p[f(x)] = ∫ p(x) f(x) dx on the grid x (n,); f (..., n) -> (...)."""
    return torch.trapezoid(log_p.exp() * f, x)


x, theta = torch.linspace(-12, 12, 2401), torch.linspace(-3, 3, 61)
log_p_data, log_p_theta = p_data.log_prob(x), Normal(theta[:, None], sigma).log_prob(x)
kl = expectation(log_p_data, log_p_data - log_p_theta, x)
average = expectation(log_p_data, log_p_theta, x)
entropy = -expectation(log_p_data, log_p_data, x)

# %%
plots.curves(
    {
        "nats": {
            "KL(p_data ‖ p_θ)": kl,
            "−E[log p_θ(x)]": -average,
            "their difference": -average - kl,
        }
    },
    x=theta,
    xlabel="θ",
    alt="Three curves over θ: the KL divergence, and above it the negative average log-likelihood, two "
    "parabolas of the same shape with their lowest points at the same θ a little below zero. Their "
    "difference is a horizontal line.",
)

# %% [markdown]
# They are one curve, twice. The line between them is the entropy. On one grid that is bound to come out, so
# let us have all three numbers again from elsewhere: the KL from adaptive quadrature, the entropy from
# SciPy's, and the average log-likelihood in closed form. With m and v for mean and variance of the data,
#
# $$\mathbb{E}[\log p_\theta(x)] = -\tfrac12 \log 2\pi\sigma^2 - \frac{v + (m - \theta)^2}{2\sigma^2}.$$

# %%
m, v = p_data.mean, p_data.variance
log_constant = -0.5 * torch.tensor(2 * torch.pi * sigma**2).log()
closed_form = log_constant - (v + (m - theta) ** 2) / (2 * sigma**2)
torch.testing.assert_close(average, closed_form)


# %%
def minus_p_log_p(x, p):
    log_p = p.log_prob(torch.tensor(x))
    return -(log_p.exp() * log_p).item()


scipy_entropy = quad(minus_p_log_p, -8, 8, args=(p_data,), points=[-1, 2], epsabs=1e-10)[0]
for i in (0, 60):
    other_kl = divergences.kl_quadrature(p_data.log_prob, Normal(theta[i], sigma).log_prob, -12, 12)
    assert abs(-closed_form[i] - other_kl - scipy_entropy) < 1e-8
f"The constant between the two curves is the entropy of the data, H = {scipy_entropy:.4f} nats."

# %% [markdown]
# Three independent ways, one constant, to eight digits. Two things follow for practice. We may maximise
# what we can estimate instead of minimising what we cannot. And the value of a log-likelihood by itself
# says nothing about how good the model is: for that one would need H, which stays unknown.
#
# The closed form also says where the best θ is: at the mean of the data. And there the KL is *not* zero,
# since one bump is not two. Maximum likelihood finds the best model among those on offer.

# %%
assert abs(theta[kl.argmin()] - m) < 0.05 and kl.argmin() == average.argmax()
f"best θ = {m:.2f}, and the KL that is left there is {kl.min():.2f} nats"

# %% [markdown] slide="Maximum Likelihood Estimation (1)" exercises=["2.2"]
# ## In practice: an average over N examples
#
# p_data is unknown, but its samples are what a data set is. So the expectation becomes an average,
#
# $$\mathbb{E}_{p_\text{data}}[\log p_\theta(x)] \approx \frac1N \sum_{n=1}^N \log p_\theta(x_n),
# \qquad x_n \sim p_\text{data}.$$
#
# Drawing from two bumps takes two steps: choose a bump, then draw from it. Keep this order in mind, it is
# about to become a model.


# %%
def draw(n, weights, mu, width, generator):
    """n draws from a mixture of Gaussians: first the bump k, then x given k; (n,)."""
    k = torch.multinomial(weights, n, replacement=True, generator=generator)
    return mu[k] + width[k] * torch.randn(n, generator=generator)


data = draw(5000, weights, mu, width, generator)
assert abs(data.mean() - m) < 4 * (v / 5000) ** 0.5

# %% [markdown]
# *Predict*: the curve for N = 5, for 50, for 5,000. What differs from the exact one, and what does not?

# %%
curves = {"exact": average}
for n in (5, 50, 5000):
    curves[f"N = {n}"] = Normal(theta[:, None], sigma).log_prob(data[:n]).mean(-1)

# %%
plots.curves(
    {"average log-likelihood (nats)": curves},
    x=theta,
    xlabel="θ",
    alt="The average log-likelihood over θ: exact, and from 5, 50 and 5000 examples. All are parabolas of "
    "the same width; the one from 5 examples has its top furthest from the exact curve's, and the one "
    "from 5000 almost lies on it.",
)

# %% [markdown]
# Each is a parabola of the same width, only its top is elsewhere. Set the derivative to zero,
#
# $$\frac{\partial}{\partial\theta}\, \frac1N \sum_n -\frac{(x_n - \theta)^2}{2\sigma^2} =
# \frac1N \sum_n \frac{x_n - \theta}{\sigma^2} = 0 \quad\Longrightarrow\quad
# \hat\theta = \frac1N \sum_n x_n,$$
#
# and the maximum-likelihood estimate is the mean of the examples. A mean of N draws has the standard
# deviation √(v/N), so four times the data halve the error. Measured over 2,000 data sets of each size (the
# bars are two standard errors of the measurement):

# %%
sizes, repeats = torch.tensor([5, 20, 80, 320]), 2000
measured = torch.zeros(4)
for i, n in enumerate(sizes.tolist()):
    theta_hat = draw(repeats * n, weights, mu, width, generator).reshape(repeats, n).mean(1)
    measured[i] = theta_hat.std()
predicted = (v / sizes).sqrt()
error = measured / (2 * repeats) ** 0.5
assert torch.all(abs(measured - predicted) < 4 * error)

# %%
plots.against(
    sizes,
    {"√(v/N)": predicted},
    {"measured": (measured, error)},
    log="xy",
    xlabel="number of examples N",
    ylabel="standard deviation of the estimate",
    alt="The spread of the maximum-likelihood estimate against the number of examples, both axes "
    "logarithmic: the measured points lie on the straight falling line of the formula.",
)

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## A model with a latent variable
#
# One Gaussian will not do for faces. The lecture's model makes x in two steps, like the two bumps above,
# but with a continuum of them:
#
# $$p(z) = \mathcal N(0, I), \qquad p_\theta(x|z) = \mathcal N\big(G_\theta(z), \sigma_x^2 I\big).$$
#
# First a code z, drawn from the **prior**. Then the **decoder** G_θ turns it into x̂ = G_θ(z), and noise of
# standard deviation σ_x is added. Following the arrows, parents first, is called *ancestral sampling*.
#
# The toy that runs through the lessons has z in one dimension, x in two, and a decoder that bends the line
# into an **arc**: G(z) = (sin z, cos z). At z = 0 it is at the top, (0, 1), and it goes clockwise as z
# grows. The noise is σ_x = 0.2.

# %%
arc, n = exact.Arc(sigma_x=0.2), 2000
generator = torch.Generator().manual_seed(3)
z = torch.randn(n, generator=generator)  # z ~ N(0, 1)
x_hat = torch.stack([z.sin(), z.cos()], -1)  # G(z)
x = x_hat + arc.sigma_x * torch.randn(n, 2, generator=generator)  # x ~ N(G(z), σ_x² I)

# %%
again = arc.sample(n, torch.Generator().manual_seed(3))
torch.testing.assert_close(again, (z, x))
plots.scatter(
    x,
    {"z": z, "‖x − G(z)‖": (x - x_hat).norm(dim=-1)},
    axes=("x₁", "x₂"),
    alt="Two thousand points in the plane, along a circle with some noise, twice: dense at the top, thin at "
    "the bottom. Shaded by z they go from dark at the left end to light at the right end; shaded by their "
    "distance to G(z) they are dark along the middle of the band and light at its two edges.",
)

# %% [markdown]
# Dense at the top, where |z| is small, and thin at the bottom, which only |z| near π reaches, from either
# side. A check by pencil: E[sin z] = 0 and E[cos z] = e^(−1/2) for a standard normal z, and noise has mean
# zero, so x must have the mean (0, 0.607) up to its standard error.

# %%
mean, standard_error = x.mean(0), x.std(0) / n**0.5
by_pencil = torch.tensor([0.0, torch.e**-0.5])
assert torch.all(abs(mean - by_pencil) < 4 * standard_error)
f"mean ({mean[0]:.2f}, {mean[1]:.2f}), by pencil ({by_pencil[0]:.3f}, {by_pencil[1]:.3f})"

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Its likelihood is an integral
#
# To fit such a model by maximum likelihood we need log p_θ(x) at each example. The model says how to make
# x from z, but z is not in the data. Every z could have made this x, some with more right than others, so
# all of them are summed up:
#
# $$p_\theta(x) = \int p_\theta(x|z)\, p(z)\, dz.$$
#
# *Predict*: for x = (0.5, 0.6), which z contribute?

# %%
x, z = torch.tensor([[0.5, 0.6]]), torch.linspace(-4, 4, 401)
p_z, p_x_z = Normal(0.0, 1.0).log_prob(z).exp(), arc.log_px_z(x, z).exp()
factors = {"p(z)": p_z, "p(x|z)": p_x_z, "p(x|z) p(z)": p_x_z * p_z}
plots.curves(
    {"each divided by its maximum": {name: p / p.max() for name, p in factors.items()}},
    x=z,
    xlabel="z",
    alt="Three curves over z, each scaled to a maximum of one. The prior is the wide bell at zero. The "
    "likelihood p(x given z) is a narrow bump a little right of zero. Their product is nearly the same "
    "narrow bump.",
)

# %% [markdown]
# Only a narrow range: those z whose G(z) is near x. Almost all of the prior contributes nothing. Remember
# this picture, it is the reason for everything that comes in the next lessons.
#
# In one dimension it does no harm: sum over a fine grid. In log space, because p(x|z) far from x is smaller
# than the smallest number that a computer knows.


# %%
def log_marginal_by_quadrature(x, sigma_x, n=4801):
    """log ∫ N(x; G(z), σ_x² I) N(z; 0, 1) dz by the trapezoid rule; x (B, 2) -> (B,), nats."""
    z = torch.linspace(-12, 12, n)
    x_hat = torch.stack([z.sin(), z.cos()], -1)
    log_px_z = Normal(x_hat, sigma_x).log_prob(x[:, None]).sum(-1)
    log_pz = Normal(0.0, 1.0).log_prob(z)
    return (log_px_z + log_pz).logsumexp(-1) + (z[1] - z[0]).log()


# %% [markdown]
# Four points to try it on: two near the arc, its centre, and one far away. Is the answer right? It should
# be `vaelib`'s; it should not change when the step is halved; and SciPy's adaptive rule, which knows
# nothing of our grid, should find the same.

# %%
points = torch.tensor([[0.5, 0.6], [0.0, 1.0], [0.0, 0.0], [3.0, -4.0]])
log_px = log_marginal_by_quadrature(points, arc.sigma_x)
torch.testing.assert_close(log_px, arc.log_px(points), rtol=0, atol=1e-10)
halved = log_marginal_by_quadrature(points, arc.sigma_x, n=9601)
torch.testing.assert_close(log_px, halved, rtol=0, atol=1e-10)


# %%
def integrand(z, x, arc):
    z = torch.tensor([z])
    return (arc.log_px_z(x, z) + Normal(0.0, 1.0).log_prob(z)).exp().item()


for x, value in zip(points[:3], log_px[:3], strict=True):
    pieces = (quad(integrand, a, a + 1, args=(x, arc), epsabs=1e-14)[0] for a in range(-12, 12))
    assert abs(torch.tensor(sum(pieces)).log() - value) < 1e-9
[f"{value:.3f}" for value in log_px]

# %% [markdown]
# Now p(x) can be drawn, and a density over the plane must have the integral 1.

# %%
axis = torch.linspace(-2.4, 2.4, 49)
plane = torch.cartesian_prod(axis, axis)
p = log_marginal_by_quadrature(plane, arc.sigma_x, n=601).exp().reshape(49, 49)
total = p.sum() * (axis[1] - axis[0]) ** 2
assert abs(total - 1) < 1e-6

# %%
plots.plane(
    (-2.45, 2.45, -2.45, 2.45),
    p.T,
    arc.G(torch.linspace(-3.2, 3.2, 200)),
    points=again[1][:500],
    alt="The exact density of the arc model as shades over the plane: a blurred ring of radius one, dark at "
    "the top and pale at the bottom. Five hundred draws lie where it is dark.",
)

# %% [markdown]
# Draws and density were made by different code, one forwards through the model, the other by an integral,
# and they agree. With the exact likelihood at hand, maximum likelihood is child's play. Pretend that we
# do not know σ_x; 800 of the draws above will tell.

# %%
sigmas, x = torch.linspace(0.14, 0.28, 15), again[1][:800]
likelihood = torch.stack([exact.Arc(s).log_px(x).mean() for s in sigmas])
best = sigmas[likelihood.argmax()]
assert abs(best - arc.sigma_x) < 0.011
plots.curves(
    {"average log p(x) (nats)": {"": likelihood}},
    x=sigmas,
    xlabel="σ_x of the model",
    alt="The average exact log-likelihood of the draws against the model's σ_x: a curve with a single top, "
    "within one step of the value 0.2 that the draws were made with.",
)

# %% [markdown] slide="Maximum Likelihood Estimation (2)" exercises=["2.3"]
# ## The same integral by Monte Carlo
#
# A grid is for one dimension. In many, one draws. The integral is an expectation under the prior:
#
# $$p_\theta(x) = \mathbb{E}_{p(z)}[p_\theta(x|z)] \approx \frac1K \sum_{k=1}^K p_\theta(x|z_k),
# \qquad z_k \sim p(z).$$
#
# Draw codes from the prior, decode each, ask how well it explains x, and average. The estimate is unbiased,
# and its standard error is the standard deviation of the terms over √K.

# %%
K = 1000
z = torch.randn(K, 1, generator=generator)
p_x_z = arc.log_px_z(points[:2], z).exp()  # (K, 2)
estimate, standard_error = p_x_z.mean(0), p_x_z.std(0) / K**0.5
p_x = arc.log_px(points[:2]).exp()
assert torch.all(abs(estimate - p_x) < 4 * standard_error)
for i in (0, 1):
    print(f"p(x) = {p_x[i]:.3f}; Monte Carlo {estimate[i]:.2f} ± {standard_error[i]:.2f}")

# %% [markdown]
# How large is that error to be? Relative to p(x), one term has the variance E[p(x|z)²]/p(x)² − 1, and the
# mean of K terms that divided by K. The square of a Gaussian density is another Gaussian's, with half the
# variance, times a constant:
#
# $$\mathcal N(x; \hat x, \sigma_x^2 I)^2 = (4\pi\sigma_x^2)^{-P/2}\, \mathcal N(x; \hat x, \tfrac12\sigma_x^2 I),$$
#
# P being the dimension of x. So E[p(x|z)²] is that constant times the p(x) of *the same model with σ_x/√2*,
# which we can compute. This gives the error without a single draw:


# %%
def relative_variance(log_px, log_px_narrow, sigma_x, P):
    """Var[p(x|z)]/p(x)² for z ~ p(z); log_px_narrow is the log p(x) of the model with σ_x/√2."""
    log_constant = -0.5 * P * torch.tensor(4 * torch.pi * sigma_x**2).log()
    return (log_constant + log_px_narrow - 2 * log_px).exp() - 1


# %% [markdown]
# On the arc, for two of the points, against 2,000 repetitions of the estimate:

# %%
narrow = exact.Arc(arc.sigma_x / 2**0.5)
x, repeats = points[:2], 2000
predicted = relative_variance(arc.log_px(x), narrow.log_px(x), arc.sigma_x, P=2) / K
squares = torch.zeros(repeats, 2)
for i in range(repeats):
    z = torch.randn(K, 1, generator=generator)
    squares[i] = (arc.log_px_z(x, z).exp().mean(0) / p_x - 1) ** 2

# %%
measured = squares.mean(0)
assert torch.all(abs(measured - predicted) < 4 * squares.std(0) / repeats**0.5)
for i in (0, 1):
    print(f"relative error {predicted[i] ** 0.5:.1%} predicted, {measured[i] ** 0.5:.1%} measured")

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Why the lecture calls it intractable
#
# A few per cent with a thousand draws: that is fine. So where is the problem? In the number of dimensions
# of z. To see it we need a model in any dimension whose p(x) is known, and a *linear* G has one:
#
# $$x = Wz + b + \sigma_x \varepsilon \quad\Longrightarrow\quad p(x) = \mathcal N(x;\, b,\, WW^\top + \sigma_x^2 I).$$
#
# `exact.LinearGaussian` knows it. Take W = I and b = 0 in D dimensions, σ_x = 0.5, and the example
# x = (1, …, 1), which is an ordinary one. Each dimension is independent of the others and
# multiplies E[p(x|z)²]/p(x)² by one and the same factor r. So the error with K draws is √((r^D − 1)/K):
# it grows *exponentially* with D.
#
# *Predict*: one dimension takes about 140 draws for an error of 10 %. How many do 10 dimensions take? 50?


# %%
def linear_relative_variance(D, sigma_x=0.5):
    """Var[p(x|z)]/p(x)² at x = (1, …, 1) for W = I, b = 0 in D dimensions."""
    W, b, x = torch.eye(D), torch.zeros(D), torch.ones(1, D)
    model, narrow = (exact.LinearGaussian(W, b, s) for s in (sigma_x, sigma_x / 2**0.5))
    return relative_variance(model.log_px(x), narrow.log_px(x), sigma_x, D).item()


r = 1 + linear_relative_variance(1)
assert round((r - 1) / 0.1**2, -1) == 140
for D in (1, 2, 5, 10, 20, 50):
    assert abs((1 + linear_relative_variance(D)) / r**D - 1) < 1e-9
    print(f"D = {D:2}, r^D = {r**D:6.1e}: {(r**D - 1) / 0.1**2:7.0e} draws for an error of 10 %")

# %% [markdown]
# The table is the answer. A grid does no better: 100 points a dimension are 100^D points. The faces of
# lesson 6 have only a few dimensions in z but 1,024 pixels, and each pixel makes p(x|z) narrower; models of
# photographs have hundreds of both.
#
# Now the same by experiment, 1,000 draws an estimate and 400 estimates for each D up to 12. Since the
# dimensions are independent, log p(x|z) in D dimensions is a running sum.

# %%
repeats, dims = 400, torch.arange(1, 13)
z = torch.randn(repeats, K, 12, generator=generator)
log_px_z = Normal(z, 0.5).log_prob(torch.ones(12)).cumsum(-1)
estimate = log_px_z.exp().mean(1)  # (repeats, D)
log_px_1 = exact.LinearGaussian(torch.eye(1), torch.zeros(1), 0.5).log_px(torch.ones(1, 1))
relative = estimate / (dims * log_px_1).exp()

# %%
squares = (relative - 1) ** 2
measured = squares.mean(0).sqrt()
error = squares.std(0) / repeats**0.5 / (2 * measured)
predicted = torch.tensor([linear_relative_variance(D) / K for D in dims.tolist()]).sqrt()
assert torch.all(abs(measured - predicted)[:6] < 4 * error[:6])

# %%
plots.against(
    dims,
    {"√((r^D − 1)/K)": predicted},
    {"measured": (measured, error)},
    log="y",
    xlabel="dimensions of z",
    ylabel="relative error of p(x)",
    alt="The relative error of the Monte Carlo estimate with 1000 draws against the number of dimensions, "
    "on a logarithmic scale: a straight rising line, from a few per cent in one dimension to several "
    "hundred per cent in twelve. The measured points follow it, and fall below it at the right end.",
)

# %% [markdown]
# The points follow the line until even 400 repetitions cannot measure it any more. Look at what has
# happened there. The estimate is still unbiased: its *mean* is right. But the mean is carried by a rare
# draw that happens to hit x. The *typical* estimate, the median, is far too low, and the standard error
# computed from its own draws is too small as well, for it has not seen the rare ones either.

# %%
typical = relative.median(0).values
assert abs(typical[0] - 1) < 0.02 and typical[11] < 0.3 and measured[11] < predicted[11]
f"the median estimate in 12 dimensions is {typical[11]:.1g} of the true p(x)"

# %% [markdown]
# So that is the wall. We want to maximise log p_θ(x); it contains an integral over z; almost no z that the
# prior proposes has anything to do with x. The way around it is to propose better ones: a distribution q
# that looks at x first. Lesson 3 provides the inequality and lesson 4 the bound.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Lab: likelihoods
#
# Both halves of the lesson, with your hand on them. On one side the number of examples N and the parameter
# θ: average log-likelihood and its distance from the exact one. On the other the number of draws from the
# prior and the dimension: the estimates of log p(x) beside the truth.
#
# Things to try: with N = 5, redraw the data a few times and watch the top of the curve. Raise the dimension
# with the number of draws fixed, until every estimate is below the truth. How many more draws does one more
# dimension cost?

# %%
lab = LikelihoodLab()
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

# %% [markdown] exercise="2.1 ★"
# ### Exercise 2.1 `average_log_likelihood`
#
# *5 minutes.* For the examples x (N,) and a Gaussian N(μ, σ²) the average of log p(x_n) in nats: a scalar,
# constant included.


# %%
def average_log_likelihood(x, mu, sigma):
    """(1/N) Σ_n log N(x_n; μ, σ²), x (N,) -> scalar, in nats."""
    ### BEGIN SOLUTION
    variance = torch.as_tensor(sigma) ** 2
    return -((x - mu) ** 2 / variance + (2 * torch.pi * variance).log()).mean() / 2
    ### END SOLUTION


# %%
check.average_log_likelihood(average_log_likelihood)

# %% [markdown] exercise="2.2 ★★"
# ### Exercise 2.2 `gaussian_mle`
#
# *10 minutes.* For the examples x (N,) the pair (μ, σ) with the highest average log-likelihood. Set both
# derivatives to zero, as above for θ.


# %%
def gaussian_mle(x):
    """The most likely (μ, σ) of the examples x (N,)."""
    ### BEGIN SOLUTION
    mu = x.mean()
    return mu, ((x - mu) ** 2).mean().sqrt()
    ### END SOLUTION


# %%
check.gaussian_mle(gaussian_mle)

# %% [markdown] exercise="2.3 ★★"
# ### Exercise 2.3 `log_marginal`
#
# *15 minutes.* From log p(x|z_k), (K, B), with K draws z_k from the prior: the estimate of log p(x), (B,). It
# has to survive values of −2,000, where exp gives 0.


# %%
def log_marginal(log_px_z):
    """log (1/K) Σ_k p(x|z_k) from log p(x|z_k), (K, B) -> (B,)."""
    ### BEGIN SOLUTION
    largest = log_px_z.max(0).values
    return largest + (log_px_z - largest).exp().mean(0).log()
    ### END SOLUTION


# %%
check.log_marginal(log_marginal)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Comparing log-likelihoods of different data.** The entropy H is another constant for every data set
#   and every scaling of the pixels. Differences between models on the same data mean something.
# - **A sum for an average.** Summed over N the top is at the same θ, but the step of the optimiser is N
#   times as long, and the number cannot be compared between data sets.
# - **Densities taken for probabilities.** p(x) may be larger than 1, and log p(x) positive.
# - **exp before log.** p(x|z) of a picture underflows to zero; log of a sum of zeros is −∞. Stay in log
#   space, subtract the largest term first.
# - **Believing the standard error.** A Monte Carlo estimate that has missed all of the mass reports a small
#   one. The only cure is to know where the mass is.
# - **The log of an unbiased estimate is not unbiased.** By how much is lesson 3.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | p_data, p_θ | `p_data.log_prob(x)`, `Normal(theta, sigma).log_prob(x)` | `(N,)` |
# | H, the entropy of the data | `-expectation(log_p_data, log_p_data, x)` | scalar |
# | z ~ p(z), x̂ = G(z), x ~ p(x given z) | `arc.sample(n, generator)` | `(n,)`, `(n, 2)` |
# | log p(x given z) | `arc.log_px_z(x, z)` | `(B,)` or `(K, B)` |
# | log p(x) = log ∫ p(x given z) p(z) dz | `arc.log_px(x)`, `exact.LinearGaussian(W, b, sigma_x).log_px(x)` | `(B,)` |
# | (1/K) Σ_k p(x given z_k), z_k ~ p(z) | `arc.log_px_z(x, z).exp().mean(0)` | `(B,)` |
# | Var[p(x given z)]/p(x)² | `relative_variance(log_px, log_px_narrow, sigma_x, P)` | `(B,)` |
#
# Next: [lesson 3](03_jensens_bound.ipynb), why a logarithm of an average is not the average of logarithms.
# [The map](00_start_here.ipynb#The-map).
