# %% [markdown]
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
generator = torch.Generator().manual_seed(1)
codes = torch.randn(100_000, 4, generator=generator)

# %% [markdown]
# The next cell decodes them all and measures two things: how far each image is from our face, and a number
# $\log \dec{p_\theta(x\mid z)}$ that we shall need at the end. "Looks like" shall mean that the pixels
# differ by at most 0.02, as a root mean square, where 0 is black and 1 is white.

# %%
distance, log_px_z = torch.zeros(2, 100_000)
with torch.no_grad():
    for k in torch.arange(100_000).split(2000):
        p_x = vae.likelihood(codes[k])
        distance[k] = (p_x.mean - face).square().mean((1, 2)).sqrt()
        log_px_z[k] = p_x.log_prob(face)

# %%
Predict("look_alikes")

# %% tags=["spoiler"]
hits = int((distance < 0.02).sum())
print(f"{hits} of 100,000 images are that close: about one in {round(100_000 / hits, -2):.0f}")

# %% tags=["spoiler"] alt="Six faces in a row. The first is the face itself, smiling and looking to one side. The closest of one random face and of ten are other people's expressions and poses; the closest of 1,000 and of 100,000 can hardly be told from the face."
closest = [face]
for k in (1, 10, 100, 1000, 100_000):
    with torch.no_grad():
        closest.append(vae.decoder.mean(codes[distance[:k].argmin()][None]))
labels = ("the face", "best of 1", "10", "100", "1,000", "100,000")
plots.image_grid(torch.stack(closest, 1), col_labels=labels)

# %% [markdown]
# About one in 600. In lesson 1 this face narrowed two bells to a twentieth of their width, so a hit needs
# luck twice: $20 \times 20 = 400$. And the face is not an average one, which costs a little more.
#
# This lesson is about that number. It begins with a plan: *find the model under which the data are most
# likely*. The plan needs $p_\theta(x)$, and for a model with codes $p_\theta(x)$ is an integral. We can
# estimate the integral with random codes. How many it takes is decided by one quantity, which you know
# already: a KL divergence.
#
# ## One look
#
# The lab has both halves of the lesson. Its model is $x = \dec{\theta} \code{z} + \sigma_x\eps{\varepsilon}$
# with $\sigma_x = 0.5$; the data were made with $\dec{\theta} = 1$, and the sliders start elsewhere.
#
# 1. Left: find the best $\dec{\theta}$ for $N = 5$ data. Change the data set. How far does the best
#    $\dec{\theta}$ move? And for $N = 1000$?
# 2. Middle: five estimates of $\log p_\theta(x)$, each from $K$ random codes. Raise the dimension $D$ until
#    they all end below the exact value. How many more codes does one more dimension cost?

# %%
LikelihoodLab()

# %% [markdown] slide="Maximum Likelihood Estimation (1)"
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
# Now remember what we have: a model, and a pile of examples. Nobody gives us a formula for $p_\text{data}$.
#
# Look at the first line. Its first term does not contain $\dec{\theta}$, so we can forget it. The second is
# an expectation *under the data*, of something that the *model* computes. An average over the examples
# estimates it. Look at the second line. It asks how likely an image that the model has just invented is
# under $p_\text{data}$. The examples do not tell us that, at least not directly. (GANs learn a second
# network to guess it; see the references.)
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


def expectation(f):
    """E[f(x)] under the data, by the trapezoid rule on the grid x (n,); f (..., n) -> (...)."""
    return torch.trapezoid(log_data.exp() * f, x)


# %% alt="Two curves over theta, the cross-entropy above the KL. They have the same shape, with their lowest points at the same theta, a little left of zero."
kl = expectation(log_data - log_model)
cross_entropy = -expectation(log_model)
curves = {"cross-entropy": cross_entropy, "KL": kl}
plots.curves({"from the data to the model (nats)": curves}, x=theta, xlabel=r"$\theta$")

# %%
best = kl.argmin()
print(f"entropy of the data {-expectation(log_data):.2f} nats")
print(f"best θ = {theta[best]:.1f}: cross-entropy {cross_entropy[best]:.2f}, KL {kl[best]:.2f} nats")

# %% [markdown]
# One curve, twice; the entropy of the data lies between them. Two things follow for practice.
#
# - Minimising the cross-entropy is minimising the KL. We may work with the one that we can estimate.
# - The cross-entropy by itself does not say how good a model is. Here the best bell leaves a KL well above
#   zero, because one bell is not two bumps. From the upper curve alone you could not tell.

# %% [markdown] slide="Maximum Likelihood Estimation (1)" exercises=["2.1", "2.2"]
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
# Solved or not, the lesson goes on with PyTorch's distributions. To draw an example from the two bumps takes
# two steps: choose a bump, then draw from it. Keep this order in mind.


# %%
def examples(*shape):
    """Samples from the two bumps: first which bump, then x given the bump; (shape)."""
    right = torch.rand(shape, generator=generator) < weights[1]
    return torch.where(right, *bumps.flip(0)) + 0.6 * torch.randn(shape, generator=generator)


# %% alt="Four curves over theta: the expected log-likelihood and its averages over 5, 50 and 5,000 examples. All are hills of the same width. The hill from 5 examples has its top furthest from the expected one's, and the one from 5,000 lies on it."
x = examples(5000)
hills = {"expected": -cross_entropy}
for n in (5, 50, 5000):
    hills[f"$N = {n}$"] = Normal(theta[:, None], 2.0).log_prob(x[:n]).mean(1)
plots.curves({"average log-likelihood (nats)": hills}, x=theta, xlabel=r"$\theta$")

# %% [markdown]
# The hills have one width, and their tops are in different places. Where is the top? Set the derivative to
# zero. With a fixed $\sigma$,
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
# A model that was fitted to ten examples is now praised for how well it explains these ten. Should you believe
# it? Let each example have 20 dimensions, independent ones, each with the two bumps. The model has one bell
# per dimension, with $\sigma = 2$, and 20 means to fit.

# %%
Predict("optimism")

# %% [markdown]
# We fit 500 times, to $N$ examples each, and evaluate each fit twice: on the examples that it was fitted to, and on
# $N$ new ones.


# %%
def fitted_and_new(n, runs=500, dims=20):
    """Average log-likelihood of the fitted examples and of new ones, for each run: (2, runs)."""
    x, new = examples(2, runs, n, dims)
    model = Normal(x.mean(1, keepdim=True), 2.0)
    return torch.stack([model.log_prob(y).sum(-1).mean(1) for y in (x, new)])


# %% tags=["spoiler"]
N = torch.tensor([5, 10, 20, 50, 100, 200])
measured = torch.stack([fitted_and_new(n) for n in N.tolist()], 1)  # (2, 6, runs)
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

# %% tags=["spoiler"] alt="Two curves over the number of examples, which approach each other: the one of the fitted examples falls from above, the one of new examples rises from below. Measured points lie on both."
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

# %% [markdown]
# So a fit is judged on examples that it has not seen: a **test set**. This project's faces come in two sets for
# this reason, and lesson 6 reports the likelihood of faces that the model was not trained on.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## A model with a latent variable
#
# Bells will not do for faces. The lecture's model makes $x$ in two steps, as we have just drawn from the two
# bumps, but with a continuous choice in place of two:
#
# $$\prior{p(z) = \mathcal N(0, I)}, \qquad
# \dec{p_\theta(x\mid z) = \mathcal N\big(G_\theta(z),\, \sigma_x^2 I\big)}.$$

# %%
plots.graphical_model()

# %% [markdown]
# This drawing is a **graphical model**. The circle $\code{z}$ is a **latent variable**: it is part of the
# story, but it is not in the data. The shaded $x$ is what we observe. To sample, follow the arrow. Draw
# $\code{z}$ from the **prior**, let the **decoder** turn it into $\dec{\hat x} = \dec{G_\theta(z)}$, and add
# noise. This is called **ancestral sampling**, parents first.
#
# The toy of the next lessons has one code and two pixels. Its decoder bends a line into an **arc**,
# $G(z) = (\sin z, \cos z)$, and the noise is $\sigma_x = 0.2$. At $\code{z} = 0$ it is at the top, $(0, 1)$, and
# with growing $\code{z}$ it goes clockwise.

# %% alt="Two thousand points along a circle with some noise, dense at the top and thin at the bottom. Shaded by z, they go from dark on the left over the top to light on the right; at the bottom dark and light meet."
arc = exact.Arc(sigma_x=0.2)
z = torch.randn(2000, generator=generator)  # z ~ p(z)
x_hat = torch.stack([z.sin(), z.cos()], -1)  # G(z)
x = x_hat + arc.sigma_x * torch.randn(2000, 2, generator=generator)  # x ~ p(x|z)
plots.scatter(x, {"$z$": z}, axes=("$x_1$", "$x_2$"))

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Its likelihood is an integral
#
# To fit such a model we need $\log p_\theta(x)$ at each example. But the model tells us how to get $x$ from
# $\code{z}$, and $\code{z}$ is not in the data. Each $\code{z}$ could have made this $x$, some more plausibly
# than others, so we add up all of them:
#
# $$p_\theta(x) = \int \dec{p_\theta(x\mid z)}\, \prior{p(z)}\, dz .$$
#
# This is the **marginal likelihood**, or **evidence**. The same product answers a second question. We have
# seen $x$; which codes are plausible now? By **Bayes' rule**, the answer is the **posterior**,
#
# $$p_\theta(z\mid x) = \frac{\dec{p_\theta(x\mid z)}\, \prior{p(z)}}{p_\theta(x)} .$$
#
# It is a density over codes, and $p_\theta(x)$ is what makes it integrate to 1. With one code we can do
# both on a grid.

# %%
z = torch.linspace(-6, 6, 2401)
prior = Normal(0.0, 1.0).log_prob(z).exp()
x = torch.tensor([0.5, 0.6])
product = arc.log_px_z(x, z).exp() * prior  # p(x|z) p(z)
p_x = torch.trapezoid(product, z)
posterior = product / p_x
print(f"p(x) = {p_x:.4f}, log p(x) = {p_x.log():.3f} nats")

# %% tags=["check"]
# The grid against SciPy's adaptive rule.
from scipy.integrate import quad


def integrand(z):
    return (arc.log_px_z(x, torch.tensor(z)) + Normal(0.0, 1.0).log_prob(torch.tensor(z))).exp()


assert abs(quad(integrand, -6, 6, points=[0, 0.7], epsabs=1e-12)[0] - p_x) < 1e-9
print("✓ SciPy's adaptive rule finds the same p(x), to 1e-9")

# %% alt="Two curves over z: the prior, a wide bell at zero, and the posterior, a narrower and higher bump to the right of zero."
shown = {"prior": prior, "posterior": posterior}
plots.curves({"density, $x = (0.5, 0.6)$": shown}, x=z, xlabel="$z$")

# %% [markdown]
# The angle of $(0.5, 0.6)$ is about 0.7, and that is where the posterior is. It is narrower than the prior, but
# not by much. Now take a point at the bottom of the circle, $(0, -1)$.

# %%
Predict("bottom_of_the_arc")

# %% tags=["spoiler"] alt="Two curves over z: the prior, a wide bell at zero, and the posterior, two narrow bumps near minus 3 and plus 3, where the prior is nearly zero."
bottom = torch.tensor([0.0, -1.0])
product = arc.log_px_z(bottom, z).exp() * prior
shown = {"prior": prior, "posterior": product / torch.trapezoid(product, z)}
plots.curves({"density, $x = (0, -1)$": shown}, x=z, xlabel="$z$")

# %% [markdown]
# Two bumps, near $\pm\pi$. Both ends of the arc reach the bottom, and the point does not say from which side it
# was reached. That the prior is highest at zero does not help the codes there, because $\dec{p_\theta(x\mid z)}$
# rules them out.
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
# And with $p_\theta(x)$ at hand, maximum likelihood works for this model too. Forget that $\sigma_x = 0.2$, and
# find it again, from five data sets of 200 points each:

# %%
sigmas, best = torch.linspace(0.16, 0.24, 17), []
for seed in range(5):
    _, x = arc.sample(200, torch.Generator().manual_seed(seed))
    likelihood = torch.stack([exact.Arc(s).log_px(x).mean() for s in sigmas])
    best.append(sigmas[likelihood.argmax()])
print("most likely σ_x:", ", ".join(f"{s:.3f}" for s in best))

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## The same integral by Monte Carlo
#
# A grid is fine for one code. With 100 values per dimension, ten codes would need $100^{10}$ points. But the
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

# %% [markdown]
# The centre is the least probable of the three points by far, and the easiest: one code would be enough. The
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
# So $1 + V \ge e^{\gap{\mathrm{KL}}}$. **The number of codes you need grows at least exponentially with the nats
# that $x$ tells about $\code{z}$.**

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
# Jensen loses nothing if $w$ is constant where the posterior is, and loses much if the posterior has heavy tails. For
# a Gaussian posterior that is much narrower than the prior, $1 + V$ exceeds $e^{\mathrm{KL}}$ by a factor of about
# $\sqrt{e/2} \approx 1.17$ per dimension. $V$ is called the $\chi^2$ divergence from $p_\theta(z\mid x)$ to
# $\prior{p(z)}$.
# Chatterjee and Diaconis (2018) show in general that a number of samples around $e^{\mathrm{KL}}$ is needed and, with
# some slack in the exponent, enough.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## Not dimensions, not pixels: nats
#
# "High-dimensional integrals are intractable" is what one often reads. Is it the dimension? The linear model
# $x = W\code{z} + \sigma_x\eps{\varepsilon}$ can tell, because its posterior is Gaussian and known, in any
# dimension. For a Gaussian posterior with means $\mu_d$ and standard deviations $\sigma_d$, lesson 1 has the KL,
# and the integral for $1 + V$ is as easy:
#
# $$\log(1 + V) = \sum_d \Big[\frac{\mu_d^2}{2 - \sigma_d^2} - \log\sigma_d - \tfrac12\log(2 - \sigma_d^2)\Big].$$


# %%
def nats_and_log_v(W, sigma_x):
    """KL(p(z|x) ‖ p(z)) and log(1 + V) at x = W (1, …, 1), for a W with orthogonal columns."""
    x = W.sum(1)[None]
    answer = exact.LinearGaussian(W, torch.zeros(len(W)), sigma_x).posterior(x)
    mu, s2 = answer.mean[0], answer.covariance_matrix.diagonal()
    kl = (mu**2 + s2 - 1 - s2.log()).sum() / 2
    return kl, (mu**2 / (2 - s2) - s2.log() / 2 - (2 - s2).log() / 2).sum()


# %%
models = {
    "1 code, 1 pixel": (torch.eye(1), 0.5),
    "1 code, 1,024 pixels": (torch.ones(1024, 1), 0.5),
    "1 code, 1 sharp pixel": (torch.eye(1), 0.0001),
    "12 codes, 12 pixels": (torch.eye(12), 0.5),
    "50 codes, 50 pixels": (torch.eye(50), 0.5),
    "50 codes, 50 faint pixels": (0.05 * torch.eye(50), 0.5),
}
print(f"{'':>25} {'nats':>5} {'1 + V':>8}   codes for an error of 10 %")
for name, (W, sigma_x) in models.items():
    kl, log_v = nats_and_log_v(W, sigma_x)
    print(f"{name:>25} {kl:5.1f} {log_v.exp():8.1e} {log_v.expm1() / 0.1**2:9.0e}")

# %% [markdown]
# Fifty codes can be cheap, if $x$ says little about each of them. A single code can be expensive, if $x$ pins it
# down to four digits. And a thousand pixels that repeat the same number add only a few nats. Dimensions and pixels
# matter *through* the nats. In the fourth and fifth rows each dimension adds 0.72 nats and multiplies $1 + V$
# by 2.4.

# %% [markdown] slide="Maximum Likelihood Estimation (2)"
# ## The error bar does not know
#
# In practice $V$ is unknown. What people report is the *estimated* standard error: the standard deviation of the $K$
# terms, divided by $\sqrt K$. "Estimate, plus or minus two standard errors" should contain the truth 95 times out
# of 100. Does it, in the model with 12 codes, where $1 + V$ is 33,000 and we draw 1,000?

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
        print(f"{d:2} codes: median estimate {estimate.median():.2f} p(x), truth covered {covered:.0%}")
        print(f"{'':>9} median error bar {error.median():.2f}, true one {true_error:.2f}")

# %% [markdown]
# With one code the error bar is honest. With twelve it covers the truth in about a quarter of the runs: it is some
# sixty times too small. The estimate is still unbiased. But its mean is carried by a rare code that happens to
# explain $x$ very well. A run that has not met such a code is far too low, and its error bar is small, because
# the terms that it has seen do not differ much. **A Monte Carlo estimate cannot report what it has missed.**
#
# See it happen. The lab now starts with these twelve codes. Follow one of the five runs: it creeps below the
# truth, until a lucky code lifts it.

# %%
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
# Solved or not, `vaelib` has this as `bounds.log_mean_exp`. We use the pool of 100,000 once as a whole, and then
# cut it into many small samples.

# %%
log_px_z = log_px_z.double()
whole = bounds.log_mean_exp(log_px_z)
print(f"from 100,000 codes: log p(x) = {whole:.0f} nats")
for K in (1000, 10_000):
    off = bounds.log_mean_exp(log_px_z.view(-1, K), 1) - whole
    print(f"{len(off):3} estimates with K = {K:6,}: off by {off.min():.1f} to {off.max():.1f} nats")

# %% [markdown]
# A thousand codes can be off by many nats, and mostly downwards: these samples have no good code in them. Ten
# thousand are usually off by less than one. How many nats does the face tell us, then? Bayes' rule again, now on
# the pool: give each code the weight $p_k \propto \dec{p_\theta(x\mid z_k)}$, with sum 1. These weights stand for
# the posterior, and the prior gives $1/K$ to each code.

# %%
weight = log_px_z.softmax(0)
nats = torch.xlogy(weight, 100_000 * weight).sum()
one_plus_v = 100_000 * (weight**2).sum()
print(f"{nats:.1f} nats, e^nats = {nats.exp():.0f}")
print(f"1 + V = {one_plus_v:.0f}: the error with 100,000 codes is {(one_plus_v / 1e5).sqrt():.2f} nats")

# %% alt="Random codes as points in the plane of z2 and z3, a round cloud. They are shaded by the distance of their image from the face: dark in a small spot near the upper right edge of the cloud, lighter around it."
plots.scatter(codes[:3000, 1:3], {"distance from the face": distance[:3000]}, axes=("$z_2$", "$z_3$"))

# %% [markdown]
# Seven nats, as the encoder said in lesson 1, and this time without an encoder. The codes that count are in one dark
# spot at the edge of the cloud, and about one prior code in a thousand falls into it.
#
# So is the likelihood of a VAE *intractable*? For this model it is merely expensive. A pool of 100,000 codes gives
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
# - **A sum for an average.** Summed over $N$ the best $\dec{\theta}$ is the same, but the gradient is $N$ times as
#   long, and the numbers of two data sets cannot be compared.
# - **Reporting the training likelihood.** It is too good. Report a test set's.
# - **exp before log.** The likelihood of an image overflows, or underflows to zero. Stay with logarithms.
# - **Believing the error bar.** It knows the codes that were drawn, not those that were missed.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code |
# |---|---|
# | $\frac1N\sum_n \log p_\theta(x_n)$ | `Normal(theta, sigma).log_prob(x).mean()` |
# | $z \sim p(z),\ x \sim p_\theta(x\mid z)$ | `arc.sample(n, generator)` |
# | $\log p_\theta(x\mid z)$ | `arc.log_px_z(x, z)`, `vae.likelihood(z).log_prob(x)` |
# | $\log p_\theta(x) = \log\int p_\theta(x\mid z)\,p(z)\,dz$ | `arc.log_px(x)` |
# | $p_\theta(z\mid x)$ on a grid | `arc.grid(x)` |
# | $\log\frac1K\sum_k p_\theta(x\mid z_k)$ | `bounds.log_mean_exp(log_px_z)` |
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
