# %% [markdown]
# # 6 · The VAE
#
# A decoder that draws, an encoder that guesses, a divergence that keeps the guesses near the prior, and a
# trick that lets gradients through a sample. **How do these become one program that learns faces, and how
# do we know that it does what the formula says?**
#
# **After this lesson you will be able to**
#
# - write the training loop of a VAE from the lecture's pseudo-code, one line of code for one line of it;
# - say what the ELBO of an untrained model must be, before running it, and so find most mistakes at once;
# - read both terms while a model trains, and say how far the ELBO is from log p(x);
# - say what $\sigma_x$ trades for what, and predict when the posterior collapses;
# - say what KL annealing is for, show a case where it helps, and one where the opposite does.

# %%
from vaelib import bounds, check, data, evaluation, plots, schedules
from vaelib.check import broken_vaes
from vaelib.divergences import kl_to_standard_normal
from vaelib.models import dense
from vaelib.training import face_vae, fit, fit_faces
from vaelib.widgets import TrainingCurves

import torch

# %% [markdown] slide="Combining all the ingredients" pseudo=["1 to 8"]
# ## All the ingredients
#
# This is the lecture's algorithm, with γ the learning rate and M the size of a batch, beside the code that
# you will meet below. Every line of it is one line of code.
#
# | | pseudo-code | code |
# |---|---|---|
# | 1 | initialise $\theta, \phi$ | `vae = dense((32, 32), latent_dim=4, …)` |
# | 2 | for $t = 1 \dots T$ | `for index in order.split(batch_size):` |
# | 3 | draw $x_1 \dots x_M$ from $p_\text{data}$ | `x_m = x[index]` |
# | 4 | encoder: $\mu_\phi(x_m),\ \sigma_\phi(x_m)$ | `q = vae.posterior(x_m)` |
# | 5 | $z_m = \mu_\phi(x_m) + \sigma_\phi(x_m) \odot \epsilon_m,\quad \epsilon_m \sim \mathcal N(0, I)$ | `z = q.mu + q.sigma * eps` |
# | 6 | decoder: $\hat x_m = G_\theta(z_m)$ | `p_x = vae.likelihood(z)`, with mean $\hat x_m$ |
# | 7 | $L = \frac1M \sum_m \left[-\frac{\Vert x_m - \hat x_m\Vert ^2}{2\sigma^2} - \mathrm{KL}(q_\phi(z_m \mid x_m)\,\Vert \,p(z_m))\right]$ | `loss = -(log_px_z - kl).mean()` |
# | 8 | $(\theta, \phi) \leftarrow (\theta, \phi) + \gamma \nabla L$ | `loss.backward()`, `optimiser.step()` |
#
# The data are grey faces of 32 × 32 pixels, drawn from two numbers each, an expression and a head pose. The
# model will see the pictures and never the numbers.

# %%
faces = data.load("faces")
x = faces.train
tuple(x.shape), f"grey levels from {x.min():.1f} to {x.max():.1f}"

# %%
plots.image_grid(
    x[:20].reshape(2, 10, 32, 32),
    alt="Twenty faces of the training set in two rows: frowning to smiling, turned left to right.",
)

# %% [markdown] slide="Practical implementation" pseudo=["4 encoder", "5 sample"]
# ## The encoder gives a distribution
#
# In `vaelib` a network returns a distribution and not a list of numbers, so that the code reads as its
# formula. Line 4 is a call: q is the diagonal Gaussian $q_\phi(z|x)$ with the fields `mu`, `log_sigma` and
# `sigma`. The network's second head is log σ, as on the slides, because it may be any number while σ must
# be positive. Line 5 takes the noise from outside, which is what lets the gradient reach μ and σ.

# %%
vae = dense((32, 32), latent_dim=4, hidden=(256,), sigma_x=0.12, seed=0)
x_m = x[:100]
q = vae.posterior(x_m)
eps = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
z = q.mu + q.sigma * eps
tuple(z.shape)

# %% [markdown] slide="Practical implementation" pseudo=["6 decoder"]
# ## The decoder gives one too
#
# Line 6: $p_\theta(x|z) = \mathcal N(G_\theta(z), \sigma_x^2 I)$. Its mean is the picture x̂, and its
# log-density is the first term of the bound. Written out for one picture of P pixels,
#
# $$\log p_\theta(x|z) = \sum_{i=1}^{P} \left[ -\frac{(x_i - \hat x_i)^2}{2\sigma_x^2} -
# \log \sigma_x - \tfrac12 \log 2\pi \right].$$


# %%
def gaussian_log_likelihood(x, x_hat, sigma_x):
    """log N(x; x_hat, sigma_x^2 I): one number per picture, in nats."""
    scaled = (x - x_hat) / sigma_x
    constant = torch.log(sigma_x) + 0.5 * torch.log(torch.tensor(2 * torch.pi))
    return (-0.5 * scaled**2 - constant).flatten(1).sum(1)


# %% [markdown]
# The pseudo-code's line 7 keeps the squares and drops the rest, which is the same for every θ and φ as long
# as $\sigma_x$ is fixed: $P\,(\log\sigma_x + \tfrac12\log 2\pi)$ nats. We keep it, since only with it is the
# ELBO a bound on log p(x) that can be compared from model to model. Here is how much it is, and the check:
# the code above against the decoder's own log-density.

# %%
p_x = vae.likelihood(z)
sigma_x = vae.decoder.sigma_x
by_formula = gaussian_log_likelihood(x_m, p_x.mean, sigma_x)
torch.testing.assert_close(by_formula, p_x.log_prob(x_m), check_dtype=False)
constant = -1024 * (torch.log(sigma_x) + 0.5 * torch.log(torch.tensor(2 * torch.pi)))
f"what line 7 leaves out: {constant:+.1f} nats a picture"

# %% [markdown] slide="Practical implementation" pseudo=["7 KL"]
# ## The price of a code
#
# The second term is the divergence of the code's distribution from the prior. For a diagonal Gaussian
# against N(0, I) it is, dimension by dimension,
#
# $$\mathrm{KL}\big(q_\phi(z|x)\,\|\,p(z)\big) = \tfrac12 \sum_{d=1}^{D}
# \left[ \mu_d^2 + \sigma_d^2 - 1 - 2 \log \sigma_d \right].$$
#
# The oracle is PyTorch's own closed form for two normals, and a second one needs no closed form at all: the
# mean of log q(z|x) − log p(z) over many z from q, which must agree within a few standard errors.


# %%
def kl_by_formula(mu, log_sigma):
    """KL(N(mu, sigma^2) || N(0, I)): one number per picture, in nats."""
    sigma = log_sigma.exp()
    return 0.5 * (mu**2 + sigma**2 - 1 - 2 * log_sigma).sum(-1)


# %%
kl = kl_by_formula(q.mu, q.log_sigma)
prior = torch.distributions.Normal(torch.zeros(4), torch.ones(4))
oracle = torch.distributions.kl_divergence(torch.distributions.Normal(q.mu, q.sigma), prior).sum(-1)
torch.testing.assert_close(kl, oracle)
torch.testing.assert_close(kl, kl_to_standard_normal(q.mu, q.log_sigma))

# %%
generator = torch.Generator().manual_seed(0)
z_k = q.rsample((5000,), generator=generator)
log_ratio = q.log_prob(z_k) - vae.prior.log_prob(z_k)
standard_error = log_ratio.std(0) / 5000**0.5
assert ((log_ratio.mean(0) - kl).abs() < 5 * standard_error).all()
"closed form and Monte Carlo agree for all 100 faces"

# %% [markdown] slide="Practical implementation"
# ## Numbers known before training
#
# A model whose weights are all zero answers every picture with μ = 0, log σ = 0 and x̂ = 0. Nothing has to
# be trained to know its ELBO.
#
# *Predict*: its KL for any picture; its reconstruction term; and both again when the encoder's biases are
# set to μ = 1 and σ = 2 in all four dimensions.
#
# With μ = 0 and σ = 1 the code is the prior and costs nothing. The reconstruction is $-\|x\|^2/(2\sigma_x^2)$
# plus the constant above, whatever z is. With μ = 1 and σ = 2 each dimension costs ½ (1 + 4 − 1) − log 2
# nats.

# %%
with torch.no_grad():
    for parameter in vae.parameters():
        parameter.zero_()
zero = bounds.elbo(vae, x_m, generator=generator)
assert (zero.kl == 0).all()
known = constant - x_m.square().sum((1, 2)) / (2 * sigma_x**2)
torch.testing.assert_close(zero.total, known, check_dtype=False)

# %%
with torch.no_grad():
    vae.encoder.mu.bias.fill_(1.0)
    vae.encoder.log_sigma.bias.fill_(0.6931472)
biased = bounds.elbo(vae, x_m, generator=generator)
torch.testing.assert_close(biased.reconstruction, zero.reconstruction)
f"KL = {biased.kl[0]:.3f} nats; 4 (2 − log 2) = {4 * (2 - 0.6931472):.3f}"

# %% [markdown]
# These four numbers are worth a minute in any project: a KL that takes σ for σ², a mean over pixels where a
# sum belongs, a lost constant, a sign: each of them shows here, before a single step of training.

# %% [markdown] slide="Combining all the ingredients" pseudo=["4 to 8"] exercises=["6.1"]
# ## One step
#
# Now the lines 4 to 8 in full. The optimiser only knows how to go down, so the *loss* is minus the bound,
# and this is the only place where the sign turns. β multiplies the KL; it is 1 in the ELBO, and the slide
# on KL annealing is about changing it. Line 8 in the pseudo-code is plain gradient ascent with step γ; Adam,
# used here, rescales each coordinate of the gradient.


# %%
def one_step(vae, optimiser, x_m, eps, beta=1.0):
    """Lines 4 to 8 for one batch: x_m (M, 32, 32), eps (M, D). Returns the loss."""
    q = vae.posterior(x_m)  # 4
    z = q.mu + q.sigma * eps  # 5
    log_px_z = vae.likelihood(z).log_prob(x_m)  # 6
    kl = kl_to_standard_normal(q.mu, q.log_sigma)
    loss = -(log_px_z - beta * kl).mean()  # 7
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()  # 8
    return loss.detach()


# %% [markdown] slide="Combining all the ingredients" pseudo=["1 to 3"]
# ## The whole loop
#
# Lines 2 and 3: run through the data in random order, a batch at a time, with fresh noise for each. All
# randomness comes from one generator, so that the same seed gives the same model.


# %%
def train(vae, x, epochs, batch_size, lr, seed):
    """Lines 2 and 3: batches in random order, fresh noise for each batch."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(vae.parameters(), lr=lr, fused=True)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for index in order.split(batch_size):
            x_m = x[index]  # 3
            eps = torch.randn(len(x_m), vae.latent_dim, generator=generator)
            one_step(vae, optimiser, x_m, eps)


# %% [markdown]
# That is all. `vaelib.training` holds the same two functions under other names: `train_step` is `one_step`,
# lines 4 to 8 (it calls the networks without their checks, and returns both terms in place of the loss), and
# `fit` is `train`, with a progress bar, a device, a history, a stop button, checkpoints, and schedules for the
# learning rate and β. With its default settings, that should be all that happens to the weights. To check
# it, train the same model twice with the same seed, once by hand and once by `fit`.

# %%
by_hand, by_fit = (dense((32, 32), 4, hidden=(64,), sigma_x=0.12, seed=0) for _ in range(2))
train(by_hand, x[:1000], epochs=3, batch_size=100, lr=1e-3, seed=0)
history = fit(by_fit, x[:1000], epochs=3, batch_size=100, lr=1e-3, seed=0, progress=False)

# %%
pairs = zip(by_hand.parameters(), by_fit.parameters(), strict=True)
largest = max((a - b).abs().max().item() for a, b in pairs)
assert largest < 1e-5
moved = (by_fit.encoder.mu.weight - dense((32, 32), 4, hidden=(64,)).encoder.mu.weight).abs().max()
assert moved > 1000 * largest
"30 steps: the loop above and fit give the same weights"

# %% [markdown] slide="Practical implementation" pseudo=["2 for t = 1 … T"] exercises=["6.3"]
# ## Train on the faces
#
# The default face model has two hidden layers of 128 units in the encoder and two in the decoder, four latent
# dimensions and $\sigma_x = 0.12$. Its default β starts at 60, comes down to 3, rests there, and is 1 for the
# last part of the training, which the section on KL annealing explains. `device="auto"` is the default of
# `fit`, which uses a GPU where there is one.
#
# *Predict*: which of the two terms will move first, and which way will the KL go?
#
# This is also the lesson's **lab**. Run the next two cells again with another `sigma_x` (say
# `dense((32, 32), 4, hidden=(128, 128), sigma_x=0.5)` in place of `face_vae(seed=0)`) or another β (say
# `beta=1.0`, or `beta=lambda step: schedules.linear_annealing(step, 1000)`), and watch both terms. The stop
# button ends the training and keeps what was learned.

# %%
vae = face_vae(seed=0)
curves = TrainingCurves()
curves

# %%
history = fit_faces(vae, x, seed=0, progress=curves)

# %%
plots.curves(
    {
        "log p(x|z) (nats)": {"": history.reconstruction},
        "KL (nats)": {"": history.kl},
        "β": {"": history.beta},
    },
    alt="Three curves over the epochs: the reconstruction term rises steeply, and once more later; the KL "
    "drops to nothing, rises while β comes down from 60 to 3, takes a step upwards while β rests at 3, and "
    "a small one when β becomes 1.",
)

# %% [markdown]
# The KL climbs in steps, and the reconstruction with it: that is one dimension after the other coming into
# use, as the last section on annealing shows. (The last small step is β going from 3 to 1: details that were
# not worth three times their price are worth it once.) Before a step the curves look as if training had
# ended, and it had not.
#
# And what it has learned: test faces, which it has not seen, over their reconstructions G(μ(x)). The error
# that is left, per pixel, should be near the $\sigma_x$ that the model was told to expect, or below.

# %%
test = faces.test[:10]
with torch.no_grad():
    x_hat = vae.decoder.mean(vae.posterior(test).mu)
assert (test - x_hat).square().mean().sqrt() < vae.decoder.sigma_x

# %%
plots.image_grid(
    torch.stack([test, x_hat.clamp(0, 1)]),
    row_labels=["x", "x̂"],
    alt="Ten test faces above their reconstructions, which show the same expression and the same "
    "pose, a little softer.",
)

# %% [markdown] slide="Practical implementation"
# ## How good is it? The ladder
#
# The ELBO is below log p(x) by $\mathrm{KL}(q(z|x)\,\|\,p(z|x))$, and nobody tells us how much that is. But K
# samples from the same q give a tighter bound, which rises to log p(x) as K grows:
#
# $$\log p(x) \ge \mathbb E \log \frac1K \sum_{k=1}^K w_k, \qquad
# w_k = \frac{p_\theta(x|z_k)\, p(z_k)}{q_\phi(z_k|x)}, \qquad z_k \sim q_\phi(z|x).$$
#
# In code, on the scale of logarithms, since exp of a thousand nats is no number:


# %%
def importance_weighted(log_px_z, log_pz, log_qz_x):
    """log (1/K) sum_k w_k for log-densities of shape (K, B): one number per picture, in nats."""
    log_w = log_px_z + log_pz - log_qz_x
    return log_w.logsumexp(0) - torch.log(torch.tensor(len(log_w)))


# %%
with torch.no_grad():
    q = vae.posterior(test)
    z_k = q.rsample((50,), generator=torch.Generator().manual_seed(0))
    terms = vae.likelihood(z_k).log_prob(test), vae.prior.log_prob(z_k), q.log_prob(z_k)
iw_50 = importance_weighted(*terms)
torch.testing.assert_close(iw_50, bounds.importance_weighted_bound(terms[0] + terms[1] - terms[2]))

# %% [markdown]
# *Predict*: in which order will ELBO, IW-5, IW-50 and IW-5000 come, and how far apart? First the model
# that had only its thirty steps:

# %%
rungs = evaluation.ladder(by_fit, faces.test[:10], samples=(5, 50, 5000), progress=False)
values = {name: rung.value for name, rung in rungs.items()}
assert list(values.values()) == sorted(values.values())
plots.ladder(
    values,
    alt="Four bounds of log p(x) in nats per picture for the model of thirty steps, each above the one "
    "before: ELBO, IW-5, IW-50 and IW-5000.",
)

# %% [markdown]
# The distance from the lowest rung to the highest is about what the encoder loses by not being the true
# posterior: $\mathrm{KL}(q(z|x)\,\|\,p(z|x))$. Training closes it, since the same bound that teaches the
# decoder also pulls q towards the posterior. For the trained model:

# %%
trained = evaluation.ladder(vae, faces.test[:100], samples=(500,), progress=False)
lost_early = values["IW-5000"] - values["ELBO"]
lost_late = trained["IW-500"].value - trained["ELBO"].value
assert lost_early > 4 and abs(lost_late) < 1
"after 30 steps the ELBO is more than 4 nats short, after training less than 1"

# %% [markdown] slide="Practical implementation"
# ## The observation noise is a trade-off
#
# $\sigma_x$ says how many grey levels of error the model will forgive. With a small $\sigma_x$ a squared
# error costs much, and it pays to spend nats on the code; with a large one the price of the code weighs more.
# $\sigma_x$ is as much a knob between the two terms as β is: multiplying the bound by $\sigma_x^2$ leaves
# half a squared error plus $\sigma_x^2\beta$ times the KL, so what matters for x̂ is the product
# $\beta\,\sigma_x^2$.
#
# *Predict*: three models, $\sigma_x = 0.12$, 1 and 2, trained alike. Their KLs? Their reconstructions?

# %%
noisy = {}
for s in (0.12, 1.0, 2.0):
    noisy[s] = dense((32, 32), 4, hidden=(128,), sigma_x=s, activation="silu", seed=0)
    fit(noisy[s], x, epochs=5, batch_size=50, lr=2e-3, progress=False)
kl = {s: evaluation.kl_per_dim(model, faces.test).mean(0) for s, model in noisy.items()}
plots.table(
    torch.stack(list(kl.values())),
    row_labels=[f"σ_x = {s}" for s in noisy],
    col_labels=[f"z{d + 1}" for d in range(4)],
    title="KL (nats)",
    limits=(0, 4),
    alt="The KL of each of four dimensions for three models: several nats in every dimension with "
    "σ_x = 0.12, much less with 1, and zero in all of them with 2.",
)

# %%
with torch.no_grad():
    x_hats = [v.decoder.mean(v.posterior(test).mu).clamp(0, 1) for v in noisy.values()]
errors = [(test - x_hat).square().mean() for x_hat in x_hats]
assert errors == sorted(errors)
plots.image_grid(
    torch.stack([test, *x_hats]),
    row_labels=["x", *(f"σ_x = {s}" for s in noisy)],
    alt="Ten test faces and their reconstructions by three models: closest to the faces with σ_x = "
    "0.12, blurred with 1, and with 2 ten times the same average face.",
)

# %% [markdown]
# ## Posterior collapse
#
# With $\sigma_x = 2$ the KL is zero: q(z|x) is the prior for every x, the decoder ignores z and draws the
# average face. This is **posterior collapse**, and here it is no accident of training but what the bound asks
# for. For a linear decoder it can be worked out (Lucas et al., 2019): a direction of the data is worth its
# price only if the variance λ of the data along it exceeds $\beta\,\sigma_x^2$. The largest λ is the first
# eigenvalue of the data's covariance matrix, so we can tell before training which $\sigma_x$ is too large for
# all of them.

# %%
centred = (x - x.mean(0)).flatten(1)
largest = torch.linalg.eigvalsh(centred.T @ centred / len(x))[-1]
assert 1.0**2 < largest < 2.0**2
assert kl[1.0].sum() > 0.1 and kl[2.0].sum() < 0.01
f"largest variance {largest:.1f}: collapse is predicted for σ_x above {largest.sqrt():.1f}"

# %% [markdown] slide="KL annealing" exercises=["6.2", "6.4"]
# ## KL annealing: where it helps
#
# There is a second kind of collapse, and this one *is* an accident of training. At the start z tells the
# decoder nothing yet, so a dimension that costs nats is switched off before the decoder has learned to use
# it, and a dimension that is off sends no gradient that would wake it. The lecture's **KL annealing** lets β
# rise from 0 to 1 over the first steps: first learn to use the code, then learn to pay for it. As code it is
# one line, min(1, step/warmup):

# %%
steps = range(0, 1000, 10)
plots.curves(
    {"β": {"linear, 0 to 1 in 500 steps": [schedules.linear_annealing(t, 500) for t in steps]}},
    x=steps,
    xlabel="step",
    alt="β against the step: it rises along a straight line from 0 to 1 at step 500 and stays there.",
)

# %% [markdown]
# Real data for this one: scikit-learn's handwritten digits, 8 × 8 pixels. They are grey, and a Bernoulli
# decoder is a model of black and white, so at every step the pixels are drawn anew as 0 or 1 with their grey
# level as the probability (*dynamic binarisation*). Its log-likelihood, $\sum_i [x_i \log \hat x_i + (1 -
# x_i) \log(1 - \hat x_i)]$, takes the Gaussian's place in line 7; nothing else changes. Two hidden layers,
# eight latent dimensions, twice the same model and seed: β = 1 from the start, and β annealed over half of
# training.

# %%
digits = data.load("digits")
fixed, annealed = (
    dense((8, 8), 8, hidden=(200, 200), likelihood="bernoulli", seed=2) for _ in range(2)
)
options = dict(epochs=40, batch_size=64, lr=3e-3, seed=2, binarise=True, progress=False)
with_fixed = fit(fixed, digits.train, **options)
options["beta"] = lambda t: schedules.linear_annealing(t, 460)
with_annealed = fit(annealed, digits.train, **options)

# %%
plots.curves(
    {
        "KL (nats)": {"β = 1": with_fixed.kl, "β from 0 to 1": with_annealed.kl},
        "ELBO (nats)": {"β = 1": with_fixed.elbo, "β from 0 to 1": with_annealed.elbo},
    },
    alt="KL and ELBO over 40 epochs for both models. With β = 1 the KL starts near zero and rises slowly; "
    "annealed, it shoots up first, comes down, and ends above. The annealed ELBO ends a little higher.",
)

# %%
black_and_white = data.binarise(digits.test, torch.Generator().manual_seed(0))
used = [
    int((evaluation.kl_per_dim(model, black_and_white).mean(0) > 0.05).sum())
    for model in (fixed, annealed)
]
assert used[1] > used[0] and with_annealed.elbo[-1] > with_fixed.elbo[-1]
f"dimensions in use: {used[0]} with β = 1, {used[1]} with annealing"

# %% [markdown]
# Annealing has saved dimensions from falling asleep, and the bound is better for it. (The ELBO plotted is
# that of β = 1 for both, whatever β was trained with.)

# %%
x_01 = black_and_white[:10]
with torch.no_grad():
    x_hat = annealed.decoder.mean(annealed.posterior(x_01).mu)
plots.image_grid(
    torch.stack([digits.test[:10], x_01, x_hat]),
    row_labels=["grey", "x", "x̂"],
    alt="Ten handwritten digits: grey, drawn in black and white, and the decoder's probability of "
    "white for each pixel, in which most of the digits can be read again.",
)

# %% [markdown] slide="KL annealing"
# ## KL annealing: where it does not help
#
# Now the same trick on the faces: the default model and settings from above, but with β rising from 0 to 1
# instead of coming down from 60. Here are the two schedules.

# %%
percent = range(101)
plots.curves(
    {
        "β": {
            "from above": [schedules.annealing_from_above(t, 100) for t in percent],
            "upwards": [schedules.linear_annealing(t, 25) for t in percent],
        }
    },
    x=percent,
    xlabel="% of the training",
    alt="Two schedules of β: one comes down from 60 to 3 in the first quarter of the training, rests there, "
    "and is 1 at the end; the other rises from 0 to 1 in the first quarter.",
)

# %% [markdown]
# With the second, several dimensions wake at once, and nothing in the bound says which of them should carry
# the pose and which the expression. (It gets fewer epochs, to save time.)
#
# *Predict*: what will the rank correlations of the latent dimensions with the two factors be? (Lesson 7
# explains this measure: 1 where a dimension rises or falls whenever the factor does.)

# %%
upwards = face_vae(seed=0)
fit_faces(
    upwards, x, seed=0, epochs=16, beta=lambda t: schedules.linear_annealing(t, 500), progress=False
)
models = {"from above": vae, "upwards": upwards}
rho = {name: evaluation.factor_alignment(model, faces) for name, model in models.items()}

# %%
plots.table(
    torch.cat(list(rho.values())),
    row_labels=[f"β {name}: z{d + 1}" for name in models for d in range(4)],
    col_labels=faces.factor_names,
    title="|Spearman|",
    alt="Rank correlation of four latent dimensions with two factors for both models. With β from above "
    "one dimension follows each factor; with β upwards several follow both in part.",
)

# %%
kl = {name: evaluation.kl_per_dim(model, faces.test).mean(0) for name, model in models.items()}
used = {name: int((k > 0.3).sum()) for name, k in kl.items()}
clearest = {name: table.max(0).values.min() for name, table in rho.items()}
assert used["from above"] == 2 < used["upwards"]
assert clearest["from above"] > 0.95 > clearest["upwards"]
"β from above: two dimensions in use, a factor each; upwards: more of them, mixed"

# %% [markdown]
# With β from above a dimension must first be worth many times its price. The one that takes up what moves
# most pixels, the pose, is; and while it is alone nothing can mix with it. Later, when β has come down, the
# next one wakes, and what is left for it is the expression. The others never become worth it.
#
# So the two schedules pull in opposite directions: upwards saves dimensions from collapse, from above puts
# them in order. Neither is right everywhere, and the price of coming from above is the very collapse that the
# lecture's schedule prevents. Here β starts at 60 again, but takes 80 % of a shorter training to come down:

# %%
asleep = face_vae(seed=0)
fit_faces(
    asleep,
    x,
    seed=0,
    epochs=12,
    beta=lambda t: schedules.linear_annealing(t, 1200, start=60.0),
    progress=False,
)
rho_asleep = evaluation.factor_alignment(asleep, faces)

# %%
plots.table(
    torch.stack([kl["from above"], evaluation.kl_per_dim(asleep, faces.test).mean(0)]),
    row_labels=["β from above", "β from above, late"],
    col_labels=[f"z{d + 1}" for d in range(4)],
    title="KL (nats)",
    limits=(0, 5),
    alt="The KL of each dimension for two models: where β came down early two dimensions are awake, "
    "where it came down late only one is, and the other three are near zero.",
)

# %%
assert (evaluation.kl_per_dim(asleep, faces.test).mean(0) > 0.3).sum() == 1
assert rho_asleep[:, 1].max() > 0.95 and rho_asleep[:, 0].max() < 0.9
"one dimension is awake, the pose; the expression was never found"

# %% [markdown]
# ## MNIST
#
# The digits that everybody shows. They are not part of this project and nothing is downloaded unless you ask
# for it: set `DOWNLOAD` to `True` and run the cell (some 11 MB from a mirror, checked against their SHA-256
# and kept for the next time). Binarisation is dynamic here too, which is worth saying wherever an MNIST
# number stands: with fixed binarisation, or with grey levels, the numbers cannot be compared.

# %%
DOWNLOAD = False
if DOWNLOAD:
    mnist = data.load("mnist", download=True)
    vae = dense((28, 28), 20, hidden=(400,), likelihood="bernoulli", seed=0)
    fit(vae, mnist.train, epochs=10, batch_size=128, binarise=True)

# %% [markdown]
# ## Exercises
#
# Write each function in place of its `raise`, from its formula and with the cells above out of sight; run it,
# and then the cell below it. The check there tries it on inputs drawn anew each time and says whether it is
# right and, if it is not, which mistake it looks like.

# %% [markdown] exercise="6.1 ★★"
# ### Exercise 6.1 `vae_loss`
#
# *15 minutes.* The scalar to be minimised: the mean over the batch of −(log p(x|z) − β KL), with the
# constant. x and x̂ are (M, …), μ and log σ (M, D), the rest are numbers. Gradients must reach x̂, μ and log σ.


# %%
def vae_loss(x, x_hat, mu, log_sigma, sigma_x, beta):
    """Minus the bound, KL weighted by beta, averaged over the batch: a scalar, in nats."""
    ### BEGIN SOLUTION
    log_px_z = gaussian_log_likelihood(x, x_hat, torch.as_tensor(sigma_x))
    return (beta * kl_by_formula(mu, log_sigma) - log_px_z).mean()
    ### END SOLUTION


# %%
check.vae_loss(vae_loss)

# %% [markdown] exercise="6.2 ★"
# ### Exercise 6.2 `linear_annealing`
#
# *5 minutes.* The β of the lecture's KL annealing: min(1, step/warmup) for step = 0, 1, …, and 1 when the
# warm-up is 0.


# %%
def linear_annealing(step, warmup):
    """β at a step: from 0 to 1 along a straight line over the warm-up, then 1."""
    ### BEGIN SOLUTION
    return min(1.0, step / warmup) if warmup > 0 else 1.0
    ### END SOLUTION


# %%
check.linear_annealing(linear_annealing)

# %% [markdown] exercise="6.3 ★"
# ### Exercise 6.3 `generate`
#
# *5 minutes.* The decoder's answer to n draws from N(0, I), (n, D), made with the generator that is given.


# %%
def generate(decoder, n, latent_dim, generator):
    """decoder(z) for n draws z ~ N(0, I) of latent_dim coordinates, made with the generator."""
    ### BEGIN SOLUTION
    z = torch.randn((n, latent_dim), generator=generator)
    return decoder(z)
    ### END SOLUTION


# %%
check.generate(generate)

# %% [markdown] exercise="6.4 ★★★"
# ### Exercise 6.4 `diagnose`
#
# *30 minutes.* Three VAEs were trained on the faces, each with one mistake in its code. ELBO, log p(x|z) and KL
# are what that code prints, as means over test faces. The rest was measured from outside: the KL of the z that it
# really draws, the mean of exp(`log_sigma`), the standard deviation of its z for one x, the root mean square of x − x̂.
#
# 1. KL has the wrong sign.
# 2. KL lacks its ½.
# 3. z is drawn with exp(½ log σ) in place of σ.
# 4. log p(x|z) is a mean over the pixels.
# 5. The constant of log p(x|z) is dropped.
#
# Which is which, and how do you know? `diagnose` returns three numbers of this list, for A, B and C. The check
# asks about other VAEs than these three, with any of the five mistakes.

# %%
numbers = broken_vaes()
print(" " * 24, *(f"{letter:>9}" for letter in numbers))
for name in numbers["A"]:
    print(f"{name:<24}", *(f"{vae[name]:>9.4g}" for vae in numbers.values()))


# %%
def diagnose(numbers):
    """The mistakes (1 to 5) of the VAEs A, B, C; numbers["A"]["KL"] and so on, in nats."""
    ### BEGIN SOLUTION
    found = []
    for vae in numbers.values():
        if vae["ELBO"] > vae["log p(x|z)"]:
            found.append(1)
        elif vae["spread of z for one x"] > 2 * vae["exp(log_sigma)"]:
            found.append(3)
        elif abs(vae["log p(x|z)"]) < 5:
            found.append(4)
        else:
            found.append(2 if vae["KL"] > 1.5 * vae["KL, measured on z"] else 5)
    return found
    ### END SOLUTION


# %%
check.diagnose(diagnose)

# %% [markdown]
# ## What goes wrong in practice
#
# | symptom | often the cause |
# |---|---|
# | KL goes to 0 and every reconstruction is the same average | posterior collapse: $\sigma_x$ or β too large, or no warm-up |
# | KL grows without end, samples are garbage, reconstructions fine | the KL is missing, has the wrong sign, or is averaged over pixels |
# | KL negative | σ taken for σ², log σ for log σ², or the arguments of the KL swapped |
# | loss near 0 instead of hundreds | a mean over pixels where the sum belongs: β has become 1024 |
# | ELBO better than any published | the constant is missing, or the data is not what the likelihood is for (grey pixels under Bernoulli) |
# | NaN after some steps | $\sigma_x$ too small for the learning rate, or exp of a large log σ |
# | reconstructions good, samples bad | q(z given x), taken over all x, does not fill the prior: look at the KL per dimension |
# | another result at each run | a seed that is not passed on: noise, order and weights each need one |

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $x_m$ | `x_m` | `(M, 32, 32)` |
# | $q_\phi(z \mid x)$: $\mu$, $\log\sigma$, $\sigma$ | `q = vae.posterior(x_m)`: `q.mu`, `q.log_sigma`, `q.sigma` | `(M, D)` |
# | $\epsilon \sim \mathcal N(0, I)$, $z = \mu + \sigma \odot \epsilon$ | `eps`, `z = q.mu + q.sigma * eps` | `(M, D)` |
# | $p_\theta(x \mid z)$, $\hat x = G_\theta(z)$ | `p_x = vae.likelihood(z)`, `p_x.mean` | `(M, 32, 32)` |
# | $\sigma_x$ | `vae.decoder.sigma_x` | scalar |
# | $\log p_\theta(x \mid z)$ | `p_x.log_prob(x_m)` | `(M,)`, nats |
# | $\mathrm{KL}(q_\phi(z \mid x)\,\Vert \,p(z))$ | `kl_to_standard_normal(q.mu, q.log_sigma)` | `(M,)`, nats |
# | the ELBO and its terms | `bounds.elbo(vae, x)`: `.reconstruction`, `.kl`, `.total` | `(M,)`, nats |
# | $\beta(t)$ | `schedules.linear_annealing(step, warmup)` | scalar |
# | $\gamma$ | `lr` | scalar |
#
# Next: [lesson 7](07_latent_traversals.ipynb) walks through the latent space. Back to the
# [map](00_start_here.ipynb#The-map).
