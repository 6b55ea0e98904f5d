# %% [markdown] sign="$p_\\theta(x) = \\int \\dec{p_\\theta(x \\mid z)}\\,\\prior{p(z)}\\,dz$"
# # 2 · Maximum likelihood
#
# **How many random codes until one of them looks like this face?** Lesson 1 ended with this question. A
# model of faces turns a code $\code{z}$ into an image, and codes are free: draw as many as you like from
# the prior $\prior{p(z)} = \prior{\mathcal N(0, I)}$. Here is the face, and 100,000 codes.

# %%
from vaelib import bounds, check, data, exact, faces, plots
from vaelib.checkpoint import load_vae
from vaelib.widgets import LikelihoodLab, Predict

import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

# %%
vae = load_vae(data.shipped("faces_vae.safetensors"))
face = faces.render(0.5, 0.7)[None]
generator = torch.Generator().manual_seed(0)
codes = torch.randn(100_000, 4, generator=generator)

# %% alt="One grey face of 32 by 32 pixels: it smiles and looks to one side."
plots.image_grid(face[None])

# %% [markdown]
# The next cell decodes them all and notes two things: how far each image is from our face, and
# $\log \dec{p_\theta(x\mid z)}$, which says how well the code explains the face. We keep the second for the end
# of the lesson. "Looks like" shall mean that the pixels differ by at most 0.02, as a root mean square,
# where 0 is black and 1 is white.

# %%
distance, log_px_z = torch.zeros(2, 100_000)
with torch.no_grad():
    for k in torch.arange(100_000).split(2000):
        p_x = vae.likelihood(codes[k])
        distance[k] = (p_x.mean - face).square().mean((1, 2)).sqrt()
        log_px_z[k] = p_x.log_prob(face)

# %% deck="How many random codes until one looks like this face?"
Predict("look_alikes")

# %% tags=["spoiler"]
hits = int((distance < 0.02).sum())
print(f"{hits} of 100,000 images are that close: about one in {round(100_000 / hits, -2):.0f}")

# %% tags=["spoiler"] alt="Six faces in a row. The first is the face itself, smiling and looking to one side. Then come the closest of 1, 10, 100, 1,000 and 100,000 random faces: the first frowns, and from 100 on they can hardly be told from the face." deck="The face, and the closest of 1 to 100,000"
closest = [face]
for k in (1, 10, 100, 1000, 100_000):
    with torch.no_grad():
        closest.append(vae.decoder.mean(codes[distance[:k].argmin()][None]))
off = [f"{(image - face).square().mean().sqrt():.3f}" for image in closest[1:]]
print("distances of the closest:", ", ".join(off))
labels = ("the face", "best of 1", "10", "100", "1,000", "100,000")
plots.image_grid(torch.stack(closest, 1), col_labels=labels)

# %% [markdown]
# About one in 600. Can you see why? In lesson 1 this face narrowed two bells to about a twentieth of their width.
# So a hit needs luck twice, which makes $20 \times 20 = 400$. And the face is not an average one, which costs a
# little more. (With a less strict eye it goes faster: the best of ten already smiles.)
#
# This lesson is about that number. It begins with a plan: *find the model under which the data are most
# probable*. The plan needs $p_\theta(x)$, and for a model with codes $p_\theta(x)$ is an integral. Random codes
# can estimate it. How many it takes depends on a quantity that you know already: a KL divergence.
#
# ## One look
#
# The lab has both halves of the lesson. Its model is $x = \dec{\theta} \code{z} + \sigma_x\eps{\varepsilon}$
# with $\sigma_x = 0.5$; the data were made with $\dec{\theta} = 1$, and the sliders start elsewhere.
#
# 1. First panel: find the best $\dec{\theta}$ for $N = 5$ data. Change the data set. How far does the best
#    $\dec{\theta}$ move? And for $N = 1000$?
# 2. Second panel: five estimates of $\log p_\theta(x)$, each from $K$ random codes. Raise the dimension $D$ of
#    $\code{z}$ until all five end below the exact value. How many more codes does one more dimension cost?

# %% deck="One look"
LikelihoodLab()

# %% [markdown] slide="Maximum Likelihood Estimation (1)" deck="From a divergence to a likelihood" points=["The first line is an average *under the data*: examples estimate it.", "The second needs $\\log p_\\text{data}$ of an image that the model has invented."] blocks=[0]
# ## From a divergence to a likelihood
#
# We want $p_\theta \approx p_\text{data}$, and lesson 1 gave us two numbers for it. Which one should we
# minimise? Write each as a difference:
#
# $$\begin{aligned}
# \gap{\mathrm{KL}(p_\text{data}\,\|\,p_\theta)} &= \mathbb{E}_{p_\text{data}}[\log p_\text{data}(x)]
# - \mathbb{E}_{p_\text{data}}[\log p_\theta(x)],\\
# \gap{\mathrm{KL}(p_\theta\,\|\,p_\text{data})} &= \mathbb{E}_{p_\theta}[\log p_\theta(x)]
# - \mathbb{E}_{p_\theta}[\log p_\text{data}(x)].
# \end{aligned}$$
#
# Now remember what we have: a model, and a pile of examples, but no formula for $p_\text{data}$.
#
# In the first line, the first term does not contain $\dec{\theta}$, so we can forget it. The second is
# an expectation *under the data*, of something that the *model* computes. An average over the examples
# estimates it. The second line asks how probable an image that the model has just invented is under
# $p_\text{data}$. The examples do not tell us that, at least not directly. (GANs train a second network for it;
# see the references.)
#
# So we take the forward direction, not because it is the better distance, but because examples are enough
# to estimate it. The term that is left has a name. The **cross-entropy** of $p_\theta$ under the data, and
# the **entropy** of the data, are
#
# $$H(p_\text{data}, p_\theta) = -\mathbb{E}_{p_\text{data}}[\log p_\theta(x)], \qquad
# H(p_\text{data}) = -\mathbb{E}_{p_\text{data}}[\log p_\text{data}(x)],$$
#
# and the first line above says
#
# $$\text{cross-entropy} = \text{entropy} + \gap{\mathrm{KL}(p_\text{data}\,\|\,p_\theta)}.$$
#
# Try it on the loaded die of lesson 1, with the fair die as a model of it.

# %%
torch.set_default_dtype(torch.float64)  # double precision, from here on
loaded, fair = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5]), torch.full((6,), 1 / 6)
entropy = -(loaded * loaded.log()).sum()
cross_entropy = -(loaded * fair.log()).sum()
print(f"entropy {entropy:.3f}, cross-entropy {cross_entropy:.3f} nats")
print(f"difference {cross_entropy - entropy:.3f} nats")

# %% [markdown]
# The cross-entropy is $\log 6$, because the fair die is equally surprised by each face. And the difference is
# 0.294 nats, the evidence per roll that we know. In general $-\log p_\theta(x)$ measures how much $x$
# surprises the model. The cross-entropy is the model's average surprise, and the entropy is the part of it
# that no model can avoid.
#
# With densities it is the same, except that entropies can be negative. Take the two bumps of lesson 1 as
# $p_\text{data}$, and as models the bells $\mathcal N(\dec{\theta}, 2^2)$.

# %%
bumps, weights = torch.tensor([-2.0, 2.0]), torch.tensor([0.6, 0.4])
p_data = MixtureSameFamily(Categorical(weights), Normal(bumps, 0.6))
x, theta = torch.linspace(-12, 12, 2401), torch.linspace(-3, 3, 61)
log_data, log_model = p_data.log_prob(x), Normal(theta[:, None], 2.0).log_prob(x)


def expectation(f, log_p, x):
    """E[f(x)] under p, by the trapezoid rule on the grid x (n,); f (..., n) -> (...)."""
    return torch.trapezoid(log_p.exp() * f, x)


# %% alt="Two curves over theta, the cross-entropy above the KL. They have the same shape, with their lowest points at the same theta, a little left of zero." deck="Cross-entropy = entropy + KL" lead="One curve, twice; the entropy of the data lies between them."
kl = expectation(log_data - log_model, log_data, x)
cross_entropy = -expectation(log_model, log_data, x)
curves = {"cross-entropy": cross_entropy, "KL": kl}
plots.curves({"from the data to the model (nats)": curves}, x=theta, xlabel=r"$\theta$")

# %%
best = kl.argmin()
print(f"entropy of the data {-expectation(log_data, log_data, x):.2f} nats")
print(f"at the best θ, {theta[best]:.1f}:")
print(f"cross-entropy {cross_entropy[best]:.2f} nats, KL {kl[best]:.2f} nats")

# %% [markdown]
# One curve, twice; the entropy of the data lies between them. Two things follow for practice.
#
# - Minimising the cross-entropy is minimising the KL. We may work with the one that we can estimate.
# - The cross-entropy by itself does not say how good a model is. Here the best bell leaves a KL well above
#   zero, because one bell is not two bumps. From the upper curve alone you could not tell.

# %% [markdown] slide="Maximum Likelihood Estimation (1)" exercises=["2.1", "2.2"] deck="In practice: an average over N examples"
# ## In practice: an average over N examples
#
# The expectation becomes an average over a data set $x_1, \dots, x_N$:
#
# $$\mathbb{E}_{p_\text{data}}[\log p_\theta(x)] \approx \frac1N \sum_{n=1}^N \log p_\theta(x_n).$$
#
# Read as a function of $\dec{\theta}$, $p_\theta(x)$ is called the **likelihood**. To maximise the average
# of its logarithm is **maximum likelihood** estimation. It gives the parameter under which this data set is
# most probable: for independent examples, the sum is the logarithm of the probability density of them all.

# %% [markdown] exercise="2.1 ★"
# ### Exercise 2.1 `average_log_likelihood`
#
# *5 minutes.* For the examples `x`, of shape `(N,)`, and a bell with mean $\mu$ and standard deviation
# $\sigma$: the average in nats, a scalar. Write it from the formula of the density, constant included.


# %%
def average_log_likelihood(x, mu, sigma):
    """(1/N) Σ_n log N(x_n; μ, σ²), x (N,) -> scalar, in nats."""
    ### BEGIN SOLUTION
    variance = torch.as_tensor(sigma) ** 2
    return -((x - mu) ** 2 / variance + (2 * torch.pi * variance).log()).mean() / 2
    ### END SOLUTION


# %%
check.average_log_likelihood(average_log_likelihood)

# %% [markdown]
# The lesson goes on with PyTorch's distributions. To draw from the two bumps takes two steps:
# choose a bump, then draw from it. Keep this order in mind.


# %%
def examples(bumps, weights, generator, *shape):
    """Samples from the two bumps: first which bump, then x given the bump; (shape)."""
    right = torch.rand(shape, generator=generator) < weights[1]
    return torch.where(right, *bumps.flip(0)) + 0.6 * torch.randn(shape, generator=generator)


# %% alt="Two panels over theta, with hills of the average log-likelihood: the expected one and four data sets. With 10 examples the four tops are scattered to the left and right of the expected one and at different heights; with 1,000 examples all lie on it." deck="+"
hills = {}
for n in (10, 1000):
    x = examples(bumps, weights, generator, 4, n)
    average = Normal(theta[:, None], 2.0).log_prob(x[:, None]).mean(-1)
    lines = {f"data set {i}": line for i, line in enumerate(average, start=1)}
    hills[f"nats per example, $N = {n}$"] = {**lines, "expected": -cross_entropy}
plots.curves(hills, x=theta, xlabel=r"$\theta$", share="y")

# %% tags=["check"]
# The tops of the hills against the best θ: four standard errors, and half a step of the grid.
for n, lines in zip((10, 1000), hills.values(), strict=True):
    tops = torch.stack([theta[line.argmax()] for line in lines.values()])
    assert (tops - p_data.mean).abs().max() < 4 * (p_data.variance / n) ** 0.5 + 0.05, n
print("✓ the eight tops lie within four standard errors of the best θ")

# %% [markdown]
# The hills have the same shape, and their tops are in different places. Where is the top? Set the derivative
# to zero. With a fixed $\sigma$,
#
# $$\frac{\partial}{\partial\dec{\theta}}\, \frac1N \sum_n -\frac{(x_n - \dec{\theta})^2}{2\sigma^2} =
# \frac1N \sum_n \frac{x_n - \dec{\theta}}{\sigma^2} = 0 \quad\Longrightarrow\quad
# \dec{\hat\theta} = \frac1N \sum_n x_n .$$
#
# The maximum-likelihood estimate is the mean of the examples. Its standard deviation over data sets is
# $\sqrt{v/N}$, where $v$ is the variance of the data: four times the data halve the error.

# %% [markdown] exercise="2.2 ★★"
# ### Exercise 2.2 `gaussian_mle`
#
# *10 minutes.* Now both parameters are free. For the examples `x`, of shape `(N,)`: the pair
# $(\mu, \sigma)$ with the highest average log-likelihood. Set both derivatives to zero.


# %%
def gaussian_mle(x):
    """The most likely (μ, σ) of the examples x (N,)."""
    ### BEGIN SOLUTION
    mu = x.mean()
    return mu, ((x - mu) ** 2).mean().sqrt()
    ### END SOLUTION


# %%
check.gaussian_mle(gaussian_mle)

# %% [markdown] slide="Maximum Likelihood Estimation (1)"
# ## A likelihood flatters its own data
#
# A model was fitted to ten examples, and now it is praised for how well it explains these ten. Should you believe
# that? Let each example have 20 dimensions, independent ones, each with the two bumps. The model has one bell
# per dimension, with $\sigma = 2$, and 20 means to fit.

# %% deck="A likelihood flatters its own data"
Predict("optimism")

# %% [markdown]
# We fit 500 times, to $N$ examples each, and evaluate each fit twice: on the examples that it was fitted to, and on
# $N$ new ones.


# %%
def fitted_and_new(x, new):
    """Average log-likelihood of the fitted examples and of new ones, for each run: (2, runs)."""
    model = Normal(x.mean(1, keepdim=True), 2.0)
    return torch.stack([model.log_prob(y).sum(-1).mean(1) for y in (x, new)])


# %% tags=["spoiler"]
N = torch.tensor([5, 10, 20, 50, 100, 200])
data_sets = [examples(bumps, weights, generator, 2, 500, n, 20) for n in N.tolist()]
measured = torch.stack([fitted_and_new(*pair) for pair in data_sets], 1)  # (2, 6, runs)
mean, error = measured.mean(-1), measured.std(-1) / 500**0.5
gap = mean[0] - mean[1]
for n, nats in zip(N.tolist(), gap, strict=True):
    print(f"N = {n:3}: {nats:.2f} nats too good")

# %% [markdown]
# With ten examples the model looks about two nats per example better than it is. Why two? Look at one
# dimension. A new example misses the fitted mean by its own spread *and* by the error of the mean:
# $\mathbb E(x - \dec{\hat\theta})^2 = v + v/N$. An example that was used for the fit has pulled the mean towards
# itself: $\mathbb E(x_n - \dec{\hat\theta})^2 = v - v/N$. Divide the difference by $2\sigma^2$:
#
# $$\text{one fitted mean is worth}\quad \frac{1}{2\sigma^2}\cdot\frac{2v}{N} = \frac{v}{\sigma^2}\cdot\frac1N
# \quad\text{nats per example too much.}$$
#
# Here $v/\sigma^2 = 1.05$, and 20 means and 10 examples make $20 \times 0.105 = 2.1$ nats. As a rule of thumb,
# which holds for large $N$ if the model can describe the data: **a likelihood is too good by the number of
# fitted parameters divided by $N$** (Akaike 1974).

# %% tags=["spoiler"] alt="Two curves over the number of examples, which approach each other: the one of the fitted examples falls from above, the one of new examples rises from below. Measured points lie on both." deck="Fitted examples against new ones"
v = p_data.variance
constant = 20 * Normal(0.0, 2.0).log_prob(torch.tensor(0.0))
predicted = [constant - 20 * v / 8 * (1 + sign / N) for sign in (-1, 1)]
names = ("fitted examples", "new examples")
plots.against(
    N,
    dict(zip(names, predicted, strict=True)),
    {f"{n}, measured": pair for n, *pair in zip(names, mean, error, strict=True)},
    xlabel="examples $N$",
    ylabel="nats per example",
)

# %% tags=["check"]
# The points of the picture against its curves.
assert ((mean - torch.stack(predicted)).abs() < 4 * error).all()
print("✓ the twelve points lie within four standard errors of their curves")

# %% [markdown]
# So a fit is judged on examples that it has not seen, a **test set**. Our faces come in two sets for this reason.

# %% [markdown] slide="Maximum Likelihood Estimation (2)" deck="A model with a latent variable"
# ## A model with a latent variable
#
# Bells will not do for faces. The lecture's model makes $x$ in two steps, as we have just drawn from the two
# bumps, but with a continuous choice in place of two:
#
# $$\prior{p(z) = \mathcal N(0, I)}, \qquad
# \dec{p_\theta(x\mid z) = \mathcal N\big(G_\theta(z),\, \sigma_x^2 I\big)}.$$

# %% deck="+"
plots.graphical_model()

# %% [markdown]
# This drawing is a **graphical model**. The shaded $x$ is what we observe. The circle $\code{z}$ is a **latent
# variable**: part of the story, but not in the data. To sample, follow the arrow. Draw
# $\code{z}$ from the **prior**, let the **decoder** turn it into $\dec{\hat x} = \dec{G_\theta(z)}$, and add
# noise. This is called **ancestral sampling**, parents first.
#
# The toy of the next lessons has a code of one dimension, and two pixels. Its decoder bends a line into an **arc**,
# $G(z) = (\sin z, \cos z)$, and the noise is $\sigma_x = 0.2$. At $\code{z} = 0$ it is at the top, $(0, 1)$, and
# with growing $\code{z}$ it goes clockwise.

# %% alt="Two thousand points along a circle with some noise, dense at the top and thin at the bottom. Their shade follows z along the circle, from the left end over the top to the right end; at the bottom the two ends of the scale meet."
arc = exact.Arc(sigma_x=0.2)
z = torch.randn(2000, generator=generator)  # z ~ p(z)
x_hat = torch.stack([z.sin(), z.cos()], -1)  # G(z)
x = x_hat + arc.sigma_x * torch.randn(2000, 2, generator=generator)  # x ~ p(x|z)
plots.scatter(x, {"$z$": z}, axes=("$x_1$", "$x_2$"))

# %% tags=["check"]
# For z ~ N(0, 1), E[sin z] = 0 and E[cos z] = e^(−1/2), and the noise has mean 0.
expected = torch.tensor([0.0, torch.e**-0.5])
assert ((x.mean(0) - expected).abs() < 4 * x.std(0) / 2000**0.5).all()
assert abs((x - arc.G(z)).std() - 0.2) < 4 * 0.2 / 8000**0.5
print("✓ the samples have the mean (0, 0.607) that they should have, and noise of 0.2")

# %% [markdown] slide="Maximum Likelihood Estimation (2)" exercises=["2.4"] deck="Its likelihood is an integral" points=["The **evidence** adds up all codes that could have made $x$.", "The **posterior** says which codes are plausible now."]
# ## Its likelihood is an integral
#
# To fit such a model we need $\log p_\theta(x)$ at each example. The model tells us how to get $x$ from
# $\code{z}$, but we do not know $\code{z}$. Each $\code{z}$ could have made this $x$, some more plausibly
# than others, so we add up all of them:
#
# $$p_\theta(x) = \int \dec{p_\theta(x\mid z)}\, \prior{p(z)}\, dz .$$
#
# This is the **marginal likelihood**, or **evidence**. The same product answers a second question. We have
# seen $x$; which codes are plausible now? By **Bayes' rule**, the answer is the **posterior**,
#
# $$p_\theta(z\mid x) = \frac{\dec{p_\theta(x\mid z)}\, \prior{p(z)}}{p_\theta(x)} .$$
#
# It is a density over codes, and $p_\theta(x)$ is what makes it integrate to 1. In one dimension, a grid does both.

# %% [markdown] exercise="2.4 ★★★"
# ### Exercise 2.4 `posterior_on_grid`
#
# *25 minutes.* Bayes' rule for any model with one latent dimension. From $\log p(x, z)$ on an even grid of codes, and
# the grid, `(G,)` each: $\log p_\theta(x)$, a scalar, and the posterior density on the grid, `(G,)`. The joint density
# vanishes at both ends. For an image, it may be near $-1000$ nats everywhere.
#
# <details><summary>A hint</summary>
#
# What happens to both results if you add 1000 to each value of `log_joint`?
#
# </details>


# %%
def posterior_on_grid(log_joint, z):
    """log p(x) and p(z|x) from log p(x, z) on an even grid z; (G,), (G,) -> scalar, (G,)."""
    ### BEGIN SOLUTION
    highest = log_joint.max()
    joint = torch.exp(log_joint - highest)
    integral = torch.trapezoid(joint, z)
    return highest + integral.log(), joint / integral
    ### END SOLUTION


# %%
check.posterior_on_grid(posterior_on_grid)

# %% [markdown]
# The lesson goes on with the arc's own grid.

# %%
x = torch.tensor([0.5, 0.6])
p_x = arc.log_px(x[None])[0].exp()
z, (posterior,) = arc.grid(x[None])
prior = Normal(0.0, 1.0).log_prob(z).exp()
print(f"p(x) = {p_x:.4f}, log p(x) = {p_x.log():.3f} nats")

# %% tags=["check"]
# The grid against SciPy's adaptive rule.
from scipy.integrate import quad


def integrand(z, arc, x):
    return (arc.log_px_z(x, torch.tensor(z)) + Normal(0.0, 1.0).log_prob(torch.tensor(z))).exp()


assert abs(quad(integrand, -6, 6, (arc, x), points=[0, 0.7], epsabs=1e-12)[0] - p_x) < 1e-9
assert abs(torch.trapezoid(posterior, z) - 1) < 1e-12
print("✓ SciPy's adaptive rule finds the same p(x), to 1e-9; the posterior integrates to 1")

# %% alt="Two curves over z: the prior, a wide bell at zero, and the posterior, a narrower and higher bump to the right of zero."
shown = {"prior": prior, "posterior": posterior}
plots.curves({"density, $x = (0.5, 0.6)$": shown}, x=z, xlabel="$z$")

# %% [markdown]
# Seen from the centre, $(0.5, 0.6)$ is in the direction of $G(0.7)$, and the posterior is around 0.7. It is about
# four times narrower than the prior. Now take a point at the bottom of the circle, $(0, -1)$.

# %%
Predict("bottom_of_the_arc")

# %% tags=["spoiler"] alt="Two curves over z: the prior, a wide bell at zero, and the posterior, two narrow bumps near minus 3 and plus 3, where the prior is nearly zero."
bottom = torch.tensor([[0.0, -1.0]])
shown = {"prior": prior, "posterior": arc.grid(bottom)[1][0]}
for name, density in shown.items():
    left, right = (torch.trapezoid(density.where(side, 0), z) for side in (z < -2.5, z > 2.5))
    middle = 1 - left - right
    print(f"{name:>9}: below −2.5 {left:.2f}, between {middle:.2f}, above 2.5 {right:.2f}")
plots.curves({"density, $x = (0, -1)$": shown}, x=z, xlabel="$z$")

# %% [markdown]
# Two bumps, near $\pm\pi$. Both ends of the arc reach the bottom. The
# prior is highest at zero, but there $\dec{p_\theta(x\mid z)}$ is practically zero.
#
# **How many nats does $x$ tell us about $\code{z}$?** Now we can ask this without an encoder. It is the step from
# prior to posterior, $\gap{\mathrm{KL}(p_\theta(z\mid x)\,\|\,p(z))}$. Add a third point to our two, the centre
# of the circle, which is equally far from each point of the arc.

# %%
names = ("centre (0, 0)", "side (0.5, 0.6)", "bottom (0, −1)")
points = torch.tensor([[0.0, 0.0], [0.5, 0.6], [0.0, -1.0]])
z, posterior = arc.grid(points)  # as above, for several x and with a finer grid
log_ratio = posterior.log() - Normal(0.0, 1.0).log_prob(z)
nats = torch.trapezoid(posterior * log_ratio, z)
p_x = arc.log_px(points).exp()
for name, p, kl in zip(names, p_x, nats, strict=True):
    print(f"{name:>15}: p(x) = {p:.2g}, it tells {kl:z.2f} nats about z")

# %% [markdown]
# The centre tells nothing: each code explains it equally badly, so the posterior *is* the prior. The bottom tells
# five nats.
#
# With $p_\theta(x)$ at hand, maximum likelihood works for this model too. Let us forget that $\sigma_x = 0.2$, and
# find it again from 200 points, five times:

# %%
sigmas, best = torch.linspace(0.16, 0.24, 9), []
for seed in range(5):
    _, x = arc.sample(200, torch.Generator().manual_seed(seed))
    likelihood = torch.stack([exact.Arc(s).log_px(x).mean() for s in sigmas])
    best.append(sigmas[likelihood.argmax()])
print("most likely σ_x:", ", ".join(f"{s:.2f}" for s in best))

# %% [markdown] slide="Maximum Likelihood Estimation (2)" deck="The same integral by Monte Carlo" points=["Unbiased. But how large should we expect the error to be?"]
# ## The same integral by Monte Carlo
#
# A grid is fine in one dimension. With 100 values per dimension, ten dimensions need $100^{10}$ points. But the
# integral is an expectation under the prior, and an expectation can be estimated by a mean:
#
# $$p_\theta(x) = \mathbb{E}_{\prior{p(z)}}[\dec{p_\theta(x\mid z)}] \approx \frac1K \sum_{k=1}^K
# \dec{p_\theta(x\mid z_k)}, \qquad \code{z_k} \sim \prior{p(z)}.$$
#
# Draw codes from the prior, decode each, ask how well it explains $x$, and average. The estimate of
# $p_\theta(x)$ is unbiased: its expectation is the integral. How large should we expect the error to be?

# %%
Predict("hardest_point")

# %% tags=["spoiler"]
K, runs = 1000, 2000
z_k = torch.randn(runs, K, generator=generator)
relative = torch.stack([arc.log_px_z(x, z_k).exp().mean(1) for x in points]) / p_x[:, None]
errors = (relative - 1).square().mean(1).sqrt()
for name, error in zip(names, errors, strict=True):
    print(f"{name:>15}: typical error with 1,000 codes {error:.1%} of p(x)")

# %% [markdown] deck="What counts is nats" points=["$V$ is the variance of $w$ under the prior; the relative standard error is $\\sqrt{V/K}$."] blocks=[0, 2]
# The centre has by far the smallest density of the three, and it is the easiest: one code would be enough. The
# bottom is the hardest. What matters is not how small $p_\theta(x)$ is, but how much the terms
# $\dec{p_\theta(x\mid z_k)}$ *differ*. Measure them in units of $p_\theta(x)$, and call the ratio $w$. By Bayes' rule
#
# $$w(z) = \frac{\dec{p_\theta(x\mid z)}}{p_\theta(x)} = \frac{p_\theta(z\mid x)}{\prior{p(z)}} .$$
#
# Its expectation under the prior is 1. Let $V$ be its variance. A mean of $K$ independent terms has the variance
# $V/K$, so **the relative standard error is $\sqrt{V/K}$**. And
#
# $$1 + V = \mathbb{E}_{\prior{p(z)}}[w^2] = \int \prior{p(z)}\, w(z)\, w(z)\, dz = \int p_\theta(z\mid x)\, w(z)\, dz =
# \mathbb{E}_{p_\theta(z\mid x)}\!\left[\frac{p_\theta(z\mid x)}{\prior{p(z)}}\right].$$
#
# Take the logarithm. By Jensen's inequality (lesson 1), the logarithm of a mean is at least the mean of the
# logarithm:
#
# $$\log(1 + V) \ge \mathbb{E}_{p_\theta(z\mid x)}\!\left[\log\frac{p_\theta(z\mid x)}{\prior{p(z)}}\right] =
# \gap{\mathrm{KL}(p_\theta(z\mid x)\,\|\,p(z))}.$$
#
# So $1 + V \ge e^{\gap{\mathrm{KL}}}$. A relative error of $\delta$ takes $K = V/\delta^2$ codes, and that is at least
# $(e^{\gap{\mathrm{KL}}} - 1)/\delta^2$. **The number of codes grows at least exponentially with the nats that $x$ tells
# about $\code{z}$.**

# %%
one_plus_v = torch.trapezoid(posterior * log_ratio.exp(), z)
print(f"{'':>15} {'nats':>6} {'e^nats':>7} {'1 + V':>7}  predicted error")
for i, name in enumerate(names):
    predicted = ((one_plus_v[i] - 1).clamp(min=0) / K).sqrt()
    row = f"{nats[i]:z6.2f} {nats[i].exp():7.2f} {one_plus_v[i]:7.2f}"
    print(f"{name:>15} {row} {predicted:11.1%}")

# %% tags=["check"]
# Each measured error against its prediction; the bound, for 400 points of the plane.
predicted = ((one_plus_v - 1) / K)[1:]
spread = (relative[1:] - 1).square().std(1) / runs**0.5
assert ((errors[1:] ** 2 - predicted).abs() < 4 * spread).all() and errors[0] < 1e-9
z, many = arc.grid(torch.cartesian_prod(torch.linspace(-2, 2, 20), torch.linspace(-2, 2, 20)))
ratio = many / Normal(0.0, 1.0).log_prob(z).exp()
excess = torch.trapezoid(many * ratio, z).log() - torch.trapezoid(torch.xlogy(many, ratio), z)
assert (excess > -1e-9).all()
print("✓ the errors of 2,000 runs are as predicted, and 1 + V is at least e^KL at 400 points")

# %% [markdown] tags=["aside"]
# #### Aside: when is the bound close, and what else is known?
#
# Jensen loses nothing if $w$ is constant where the posterior is, and loses much if $w$ varies a lot there. For
# a Gaussian posterior that is much narrower than the prior, $1 + V$ exceeds $e^{\mathrm{KL}}$ by a factor of about
# $\sqrt{e/2} \approx 1.17$ per dimension. $V$ is called the $\chi^2$ divergence from $p_\theta(z\mid x)$ to
# $\prior{p(z)}$.
# Chatterjee and Diaconis (2018) show in general that a number of samples around $e^{\mathrm{KL}}$ is needed and, with
# some slack in the exponent, enough.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Not dimensions, not pixels: nats
#
# One often reads that the integral is intractable because $\code{z}$ has many dimensions. Is it the dimensions? The
# linear model $x = W\code{z} + \sigma_x\eps{\varepsilon}$ can tell, because its posterior is Gaussian and known for
# each $D$. For independent dimensions with means $\mu_d$ and standard deviations $\sigma_d \le 1$, lesson 1 has
# the KL, and the integral for $1 + V$ is just as easy:
#
# $$\log(1 + V) = \sum_d \Big[\frac{\mu_d^2}{2 - \sigma_d^2} - \log\sigma_d - \tfrac12\log(2 - \sigma_d^2)\Big].$$


# %%
def nats_and_log_v(W, sigma_x):
    """KL(p(z|x) ‖ p(z)) and log(1 + V) at x = W (1, …, 1), for a W with orthogonal columns."""
    x = W.sum(1)[None]
    model = exact.LinearGaussian(W, torch.zeros(len(W)), sigma_x)
    mu, s2 = model.posterior(x).mean[0], model.posterior_covariance.diagonal()
    kl = (mu**2 + s2 - 1 - s2.log()).sum() / 2
    return kl, (mu**2 / (2 - s2) - s2.log() / 2 - (2 - s2).log() / 2).sum()


# %%
models = {
    "D = 1, 1 pixel": (torch.eye(1), 0.5),
    "D = 1, 1,024 pixels": (torch.ones(1024, 1), 0.5),
    "D = 1, 1 sharp pixel": (torch.eye(1), 0.0001),
    "D = 12, 12 pixels": (torch.eye(12), 0.5),
    "D = 50, 50 pixels": (torch.eye(50), 0.5),
    "D = 50, 50 faint pixels": (0.2 * torch.eye(50), 0.5),
}
print(f"{'':>25} {'nats':>5} {'1 + V':>8}  random codes for an error of 10 %")
for name, (W, sigma_x) in models.items():
    kl, log_v = nats_and_log_v(W, sigma_x)
    print(f"{name:>25} {kl:5.1f} {log_v.exp():8.2g} {log_v.expm1() / 0.1**2:9.2g}")

# %% [markdown]
# Compare the first row with the last: one dimension or fifty, it takes a few hundred random codes, because $x$ tells
# 0.7 nats in both. Compare the third with the fourth: a single dimension costs about as much as twelve, if $x$
# pins it down to four digits. And a thousand pixels that repeat the same number add a few nats. Dimensions and
# pixels matter through the nats that they bring. In the fourth and fifth rows each dimension brings 0.72 nats and
# multiplies $1 + V$ by 2.4, and that is how fifty of them become hopeless.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## The error bar does not know
#
# In practice $V$ is unknown. What people report is the *estimated* standard error: the standard deviation of the $K$
# terms, divided by $\sqrt K$. "Estimate, plus or minus two standard errors" should contain the truth 95 times out
# of 100. Does it, in the model with $D = 12$, where $1 + V$ is 33,000 and we draw 1,000 codes?

# %%
Predict("error_bar")

# %% tags=["spoiler"]
w = torch.ones(1000, 1000)  # p(x|z_k) / p(x): 1,000 runs, each with K = 1,000 codes
one = torch.tensor(1.0)
for d in range(1, 13):
    z_d = torch.randn(1000, 1000, generator=generator)
    w *= (Normal(z_d, 0.5).log_prob(one) - Normal(0.0, 1.25**0.5).log_prob(one)).exp()
    if d in (1, 6, 12):
        estimate, error = w.mean(1), w.std(1) / 1000**0.5
        true_error = (nats_and_log_v(torch.eye(d), 0.5)[1].expm1() / 1000).sqrt()
        covered = ((estimate - 1).abs() < 2 * error).double().mean()
        print(f"D = {d:2}: median estimate {estimate.median():.2f}, truth covered {covered:.0%}")
        print(f"{'':>7} median error bar {error.median():.2f}, true one {true_error:.2f}")

# %% [markdown]
# The numbers are in units of the true $p(x)$. In one dimension the error bar is honest. In twelve it covers the truth
# in about a quarter of the runs, and it is typically more than fifty times too small. The estimate is still unbiased. But its mean is
# carried by rare codes that happen to explain $x$ very well. A run that has not met one of them is far too low. Its
# error bar is small as well, because it is computed from the same codes. **A Monte Carlo estimate cannot report what
# it has missed.**
#
# See it happen. The lab now starts with these twelve dimensions. Follow one of the five runs: it sinks slowly, until
# a lucky code lifts it with a jump.

# %% deck="An estimate cannot report what it has missed"
LikelihoodLab(theta=1.0, dim=12)

# %% [markdown] slide="Maximum Likelihood Estimation (2)" exercises=["2.3"]
# ## Back to the face
#
# The 100,000 codes are still there, with $\log \dec{p_\theta(x\mid z_k)}$ for each. One obstacle remains. With
# 1,024 pixels the best of these logarithms are large:

# %%
best = log_px_z.max().double()
print(f"the largest log p(x|z) is {best:.0f} nats; its exp is {best.exp()}")

# %% [markdown] exercise="2.3 ★★"
# ### Exercise 2.3 `log_marginal`
#
# *15 minutes.* From $\log p(x\mid z_k)$, of shape `(K, B)`, with $K$ codes from the prior: the Monte Carlo estimate
# of $\log p(x)$, `(B,)`. It has to survive values of $\pm 2000$.


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
# The lesson goes on with `bounds.log_mean_exp`. We use the pool of 100,000 once as a whole, and then
# cut it into many small samples.

# %%
log_px_z = log_px_z.double()
whole = bounds.log_mean_exp(log_px_z)
print(f"from 100,000 codes: log p(x) = {whole:.0f} nats")
for K in (1000, 10_000):
    off = bounds.log_mean_exp(log_px_z.view(-1, K), 1) - whole
    print(f"{len(off):3} estimates with K = {K:6,}: off by {off.min():.1f} to {off.max():.1f} nats")

# %% [markdown]
# A thousand codes can be off by many nats, and the large errors are downwards. Ten thousand are usually off by less
# than one nat. How many nats does the face tell us, then? Bayes' rule again, now on
# the pool: give each code the weight $p_k \propto \dec{p_\theta(x\mid z_k)}$, with sum 1. These weights stand for
# the posterior, and the prior gives $1/K$ to each code.

# %%
weight = log_px_z.softmax(0)
ratio = 100_000 * weight  # posterior over prior
nats = torch.xlogy(weight, ratio).sum()
one_plus_v = (weight * ratio).sum()
error = (one_plus_v / 100_000).sqrt()
rounded = [round(v.item(), -2) for v in (nats.exp(), one_plus_v)]
print(f"{nats:.1f} nats, e^nats about {rounded[0]:.0f}, 1 + V about {rounded[1]:.0f}")
print(f"relative error of p(x) with 100,000 codes: {error:.2f}")

# %% alt="Random codes as points in the plane of z2 and z3, a round cloud. They are shaded by the distance of their image from the face, which is small in one spot near the upper right edge of the cloud and large elsewhere."
some = {"distance from the face": distance[:3000]}
plots.scatter(codes[:3000, 1:3], some, axes=("$z_2$", "$z_3$"))

# %% [markdown] deck="Back to the face" points=["A pool of 100,000 codes gives $\\log p_\\theta(x)$ to about a tenth of a nat: expensive, not intractable.", "A face that tells 25 nats instead of 7 would need some $e^{25} \\approx 7 \\cdot 10^{10}$ codes.", "Most codes were wasted: the prior does not look at $x$. **What if the encoder proposes them?**"]
# Seven nats, as the encoder said in lesson 1, and this time without an encoder. The codes that count are in one
# spot near the edge of the cloud, and about one prior code in a thousand falls into it.
#
# So is the likelihood of a VAE *intractable*, as one reads? For this model it is merely expensive. A pool of 100,000 codes gives
# $\log p_\theta(x)$ to about a tenth of a nat, for one face and one $\dec{\theta}$, in a few seconds. Training
# on 4,000 faces for 50 epochs would ask for it 200,000 times. And a face that tells 25 nats instead of 7 would need
# some $e^{25} \approx 7 \cdot 10^{10}$ codes.
#
# Most codes were wasted, and we know why: the prior proposes them without looking at $x$. The encoder of lesson 1
# did look, and it named two narrow bells. **What if it proposes the codes?** Lesson 3 gets the same number from
# fifty of them.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Comparing log-likelihoods of different data.** The entropy of the data is another constant for each data set,
#   and for each scaling of the pixels. Compare models on the same data.
# - **Densities taken for probabilities.** $p_\theta(x)$ may exceed 1, and then $\log p_\theta(x)$ is positive. For
#   our face it is more than a thousand nats.
# - **Reporting the training likelihood.** It is too good. Report a test set's.
# - **exp before log.** The likelihood of an image overflows, or underflows to zero. Stay with logarithms.
# - **Believing the error bar.** It knows the codes that were drawn, not those that were missed.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code |
# |---|---|
# | $\frac1N\sum_n \log p_\theta(x_n)$ | `average_log_likelihood(x, mu, sigma)`, exercise 2.1 |
# | $z \sim p(z),\ x \sim p_\theta(x\mid z)$ | `arc.sample(n, generator)` |
# | $\log p_\theta(x\mid z)$ | `arc.log_px_z(x, z)`, `vae.likelihood(z).log_prob(x)` |
# | $\log p_\theta(x) = \log\int p_\theta(x\mid z)\,p(z)\,dz$ | `arc.log_px(x)` |
# | $p_\theta(z\mid x)$ on a grid | `arc.grid(x)` |
# | $\log\frac1K\sum_k p_\theta(x\mid z_k)$ | `log_marginal(log_px_z)`, exercise 2.3 |
#
# ## References
#
# - Fisher, *On the mathematical foundations of theoretical statistics*, 1922: maximum likelihood.
# - Akaike, *A new look at the statistical model identification*, 1974: by how much a likelihood is too good.
# - Nowozin, Cseke and Tomioka, *f-GAN*, 2016: other divergences, estimated with a second network.
# - Chatterjee and Diaconis, *The sample size required in importance sampling*, 2018: why about $e^{\mathrm{KL}}$.
# - Wu, Burda, Salakhutdinov and Grosse, *On the quantitative analysis of decoder-based generative models*, 2017:
#   how far off such estimates are on images.
# - Kingma and Welling, *Auto-encoding variational Bayes*, 2014: the latent-variable model, and the way out.
#
# Back to the [map](00_start_here.ipynb#The-map), or on to [lesson 3](03_jensens_bound.ipynb).
