# %% [markdown] sign="$(\\dec{\\theta}, \\enc{\\phi}) \\leftarrow (\\dec{\\theta}, \\enc{\\phi}) + \\gamma\\,\\nabla L$"
# # 6 · The VAE
#
# **You have all the pieces. Do they make a program that learns faces?** A divergence prices a code (lesson 1), a
# model has codes (2), a bound on $\log p(x)$ has two terms (3, 4), and a gradient goes through a random draw (5).
# Here you put them together, and at the end draw new faces. On the way we ask: **how do we know
# that the program does what the formula says?**

# %%
import json

from vaelib import bounds, check, data, evaluation, models, plots, schedules, training
from vaelib.checkpoint import load_vae
from vaelib.divergences import kl_to_standard_normal
from vaelib.widgets import LatentExplorer, Predict, TrainingCurves

import torch

# %% alt="Twenty grey faces in two rows. They frown or smile, and look to the left, ahead or to the right."
faces = data.load("faces")
plots.image_grid(faces.train[:20].reshape(2, 10, 32, 32))

# %% [markdown]
# ## One look
#
# Here is a trained VAE, with the code of one face. Choose another face: the encoder sets the
# sliders to its code. Move a slider: the decoder draws.
#
# Which sliders can you move without changing the picture? How many nats stand next to them?

# %% deck="One look"
trained = load_vae(data.shipped("faces_vae.safetensors"))
explorer = LatentExplorer(trained, faces)
explorer.image_index = 0
explorer

# %% [markdown]
# After this lesson you can
#
# - write the training loop of a VAE, for CPU and GPU;
# - say what the ELBO must be before training, and so find most mistakes in a minute;
# - say what the noise $\sigma_x$ decides, and why the pictures of a VAE are blurred;
# - tell a collapse that the bound asks for from an accident, and say what KL annealing brings.

# %% [markdown] slide="Combining all the ingredients" pseudo=["1 to 8"] deck="The VAE on one page"
# ## The VAE on one page
#
# The lecture's algorithm, with the learning rate $\gamma$ and batches of $M$ pictures:
#
# | | pseudo-code | code |
# |---|---|---|
# | 1 | initialise $\dec{\theta},\enc{\phi}$ | `vae = models.dense((32, 32), latent_dim=2)` |
# | 2 | for $t=1\dots T$ | `for index in order.split(batch_size):` |
# | 3 | draw $x_1\dots x_M$ | `x_m = x[index]` |
# | 4 | $\enc{\mu_\phi(x_m)},\,\sig{\sigma_\phi(x_m)}$ | `q = vae.posterior(x_m)` |
# | 5 | $\code{z_m}=\enc{\mu}+\sig{\sigma}\odot\eps{\varepsilon_m},\;\eps{\varepsilon_m}\sim\mathcal N(0,I)$ | yours, in exercise 6.1 |
# | 6 | $\dec{\hat x_m}=\dec{G_\theta}(\code{z_m})$ | `p_x = vae.likelihood(z)`, its mean is $\dec{\hat x}$ |
# | 7 | $L=\frac1M\sum_m\big[\dec{\log p_\theta(x_m\mid z_m)}-\gap{\mathrm{KL}_m}\big]$ | yours |
# | 8 | $(\dec{\theta},\enc{\phi})\leftarrow(\dec{\theta},\enc{\phi})+\gamma\,\nabla L$ | yours, with Adam |
#
# The same as a drawing:

# %% tags=["aside"] title="the code of the drawing"
BOXES = r"""3.1 2.9 4.1 enc;encoder;4  q = vae.posterior(x_m)
5.1 3.5 0 enc;$\mu$;
5.1 2.3 0 sig;$\sigma$;
7.1 4.3 4.95 eps;$\varepsilon \sim \mathcal{N}(0, I)$;5  eps = torch.randn(M, D)
7.1 2.9 2.15 code;$z = \mu + \sigma \odot \varepsilon$;5  exercise 6.1
9.9 2.9 4.1 dec;decoder;6  p_x = vae.likelihood(z)
2.7 0.8 0.15 gap;$\mathrm{KL}(q_\phi(z \mid x)\,\|\,p(z))$;7
11.55 0.8 0.15 dec;$\log p_\theta(x \mid z)$;7
7.6 0.8 -0.35 ;$L = \log p_\theta(x \mid z) - \mathrm{KL}$;7 and 8  exercise 6.1"""
ARROWS = """1.8 2.9 2.3 2.9|3.9 3.0 4.75 3.5|3.9 2.8 4.75 2.3|5.45 3.5 5.9 3.1|5.45 2.4 5.9 2.75|7.1 3.9 7.1 3.3
8.25 2.9 9.1 2.9|10.7 2.9 11.35 2.9|4.9 1.85 3.6 1.3|12.2 1.95 11.7 1.35|4.2 0.8 6.0 0.8|10.55 0.8 9.2 0.8"""


# %% tags=["aside"] title="the code of the drawing, second part"
def draw_faces(ax, x, x_hat, look):
    """The face at the left and its reconstruction at the right."""
    for at, image, name in ((0.9, x, "$x$"), (12.2, x_hat, r"$\hat x = G_\theta(z)$")):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1, extent=(at - 0.8, at + 0.8, 2.1, 3.7))
        ax.text(at, 4.0, name, size=19, color="k" if at < 1 else plots.SYMBOLS["dec"][1], **look)
    ax.text(0.9, 1.8, "3  x_m", size=14, family="monospace", **look)


def draw_vae(x, x_hat, boxes, arrows):
    """A face on its way through the VAE; boxes and arrows as text, a line or | for each."""
    figure, look = plots.AltFigure(size=(13.2, 5.9)), {"ha": "center", "va": "center"}
    ax = figure.subplots()
    draw_faces(ax, x, x_hat, look)
    for arrow in arrows.replace("\n", "|").split("|"):
        left, low, right, high = map(float, arrow.split())
        line = {"arrowstyle": "-|>", "lw": 2, "color": "#555555", "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (right, high), (left, low), arrowprops=line)
    for where, symbols, code in (box.split(";") for box in boxes.splitlines()):
        left, height, below, name = where.split(" ")
        edge, dark, _ = plots.SYMBOLS.get(name, ("k", "k", ""))
        frame = {"boxstyle": "round,pad=0.45", "fc": "w", "ec": edge, "lw": 3}
        ax.text(float(left), float(height), symbols, size=19, color=dark, bbox=frame, **look)
        ax.text(float(left), float(below), code, size=14, family="monospace", **look)
    ax.set(xlim=(-0.3, 13.5), ylim=(-0.65, 5.2), aspect="auto")
    ax.axis("off")
    return figure


# %% alt="The VAE as a drawing. A face x goes into the encoder, which gives mu and sigma. With noise epsilon they make the code z = mu + sigma times epsilon. The decoder turns z into a face that looks like x. Below, two boxes: the KL, fed by mu and sigma, and log p of x given z, fed by the decoder. Their difference is L. Boxes carry the number of their line of the pseudo-code." deck="Each box, and its line of code"
face = faces.test[3:4]
with torch.no_grad():
    x_hat = trained.decoder.mean(trained.posterior(face).mu)
draw_vae(face[0], x_hat[0], BOXES, ARROWS)

# %% [markdown]
# Read it backwards, and you see the gradient: from $L$ through the decoder into $\code{z}$, and on to $\enc{\mu}$
# and $\sig{\sigma}$, because $\eps{\varepsilon}$ comes from outside.

# %% [markdown] slide="Practical implementation" pseudo=["4 encoder", "5 sample", "6 decoder", "7 KL"]
# ## Numbers known before training
#
# Model and data must be on the same **device**: the CPU, or a GPU if there is one. `.to(device)` moves them.

# %%
device = "cuda" if torch.cuda.is_available() else "cpu"
x = faces.train.to(device)
x_m = x[:100]  # line 3: a batch of M = 100 faces
vae = models.dense((32, 32), latent_dim=2, hidden=(128, 128), sigma_x=0.12).to(device)
with torch.no_grad():
    for weights in vae.parameters():
        weights.zero_()

# %% [markdown]
# All weights of this model are zero, so its ELBO is known.

# %% deck="A number known before training"
Predict("untrained_kl")

# %% tags=["spoiler"]
generator = torch.Generator().manual_seed(0)
untrained = bounds.elbo(vae, x_m, generator=generator)
kl, log_px_z = untrained.kl, untrained.reconstruction
print(f"KL of the first face: {kl[0].item():.3f} nats, of all together: {kl.sum().item():.3f}")
print(f"log p(x|z) of the first face: {log_px_z[0].item():.0f} nats")

# %% [markdown]
# The networks answer $\enc{\mu} = 0$ and $\log\sig{\sigma} = 0$, so $\enc{q}$ is the prior and costs nothing. The
# picture is black, whatever $\code{z}$ is, so the first term is $C - \|x\|^2 / 2\sigma_x^2$ with $C = -512\,\log
# 2\pi\sigma_x^2$, as in lesson 4. Now set the biases of the two heads to $\enc{\mu} = 1$ and $\sig{\sigma} = 2$.
# Each of the two dimensions then costs $\tfrac12(1 + 4 - 1) - \log 2$ nats.

# %%
with torch.no_grad():
    vae.encoder.mu.bias.fill_(1.0)
    vae.encoder.log_sigma.bias.fill_(0.6931472)
biased = bounds.elbo(vae, x_m, generator=generator)
print(f"KL {biased.kl[0].item():.4f} nats, by hand {2 * (2 - 0.6931472):.4f}")

# %% tags=["check"]
# The first term, from the pixels, and unchanged by the biases: the decoder ignores z.
C = -512 * torch.log(2 * torch.pi * torch.tensor(0.12) ** 2).item()
by_hand = C - x_m.square().sum((1, 2)) / (2 * 0.12**2)
torch.testing.assert_close(log_px_z, by_hand, rtol=1e-5, atol=0)
torch.testing.assert_close(biased.reconstruction, by_hand, rtol=1e-5, atol=0)
print("✓ log p(x|z) is C minus the squares of the pixels, for 100 faces")

# %% [markdown]
# Do this in any project. A $\sig{\sigma}$ taken for $\sig{\sigma}^2$, a mean where a sum belongs, a lost
# constant, a wrong sign: each shows here, before the first step.

# %% [markdown] slide="Combining all the ingredients" pseudo=["1 to 8"] exercises=["6.1"]
# ## The loop in full
#
# The optimiser goes *down*, so the **loss** is minus the bound. It has a weight $\beta$ on the KL: 1 in the ELBO; the
# end of this lesson changes it.

# %% [markdown] exercise="6.1 ★★★"
# ### Exercise 6.1 `train_step`
#
# *25 minutes.* All that training does, thousands of times. Given are the model, its optimiser, a batch $x$ `(M, …)`,
# noise $\varepsilon$ `(M, D)`, and $\beta$. Make one step on the batch's mean of
# $-(\log p_\theta(x \mid z) - \beta\,\mathrm{KL})$, and return this loss. `vae.posterior(x)` has `mu`, `log_sigma` and
# `sigma`; `vae.likelihood(z)` has `log_prob`. The check looks at the weights after one step and after two.
#
# <details><summary>A hint</summary>
#
# PyTorch *adds* each new gradient to the one that a parameter already has. What does your second step see?
#
# </details>


# %%
def train_step(vae, optimiser, x, eps, beta):
    """Lines 4 to 8 for one batch x (M, …) with the noise ε (M, D): one step, and the loss."""
    ### BEGIN SOLUTION
    q = vae.posterior(x)  # 4
    z = q.mu + q.sigma * eps  # 5
    log_px_z = vae.likelihood(z).log_prob(x)  # 6
    kl = kl_to_standard_normal(q.mu, q.log_sigma)
    loss = -(log_px_z - beta * kl).mean()  # 7
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()  # 8
    return loss.detach()
    ### END SOLUTION


# %%
check.train_step(train_step)

# %% [markdown]
# Solved or not, the lesson goes on with `training.train_step`. Lines 2 and 3: the faces in random order, a batch at a time, with fresh noise. Order and noise are drawn on the
# CPU and sent to the device. So a GPU gets the same random numbers, and the results agree up to rounding. For
# line 8 we use Adam.


# %% deck="The loop in full" code=true
def train(vae, x, epochs, batch_size, lr, seed):
    """Lines 2 and 3 around a training step, on the device of x."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(vae.parameters(), lr=lr)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for index in order.split(batch_size):  # 2
            x_m = x[index.to(x.device)]  # 3
            eps = torch.randn(len(x_m), vae.latent_dim, generator=generator)
            training.train_step(vae, optimiser, x_m, eps.to(x.device))


# %% [markdown]
# This is a complete VAE. `vaelib.training` has this loop too, as `fit`.
# Around the loop, `fit` has what a long run needs: a device, a progress bar, a history, a stop button, checkpoints,
# validation data, schedules for the learning rate and $\beta$, a faster engine. With the default settings, does
# any of this touch the weights?

# %% tags=["check"]
# One step of plain gradient descent against the gradient of the ELBO; then this loop against fit.
one = models.dense((32, 32), 2, hidden=(64,), seed=0).to(device)
eps = torch.randn(100, 2, generator=generator).to(device)
uphill = torch.autograd.grad(bounds.elbo(one, x_m, eps=eps[None]).total.mean(), [*one.parameters()])
wanted = [w.detach() + 1e-4 * g for w, g in zip(one.parameters(), uphill, strict=True)]
training.train_step(one, torch.optim.SGD(one.parameters(), lr=1e-4), x_m, eps)
torch.testing.assert_close([w.detach() for w in one.parameters()], wanted, rtol=0, atol=1e-6)
by_hand, by_fit = (models.dense((32, 32), 2, hidden=(64,), seed=0).to(device) for _ in range(2))
first = by_hand.encoder.mu.weight.detach().clone()
train(by_hand, x[:1000], epochs=3, batch_size=100, lr=1e-3, seed=0)
training.fit(by_fit, x[:1000], epochs=3, batch_size=100, lr=1e-3, seed=0, progress=False)
for a, b in zip(by_hand.parameters(), by_fit.parameters(), strict=True):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
assert (by_hand.encoder.mu.weight - first).abs().max() > 1e-2
print("✓ a step is the gradient of the ELBO; after 30, loop and fit agree to 1e-5")

# %% [markdown] slide="Practical implementation" pseudo=["2 for t = 1 … T"]
# ## Train on the faces
#
# Now with $\beta = 1$, Adam, and one more parameter: the decoder's noise $\sigma_x$ is **learned** too. The faces
# were drawn from two numbers each, so two latent dimensions are enough.

# %%
Predict("learned_noise")

# %%
options = {"latent_dim": 2, "hidden": (128, 128), "activation": "silu"}
face_vae = models.dense((32, 32), **options, sigma_x=0.12, learn_sigma_x=True, seed=0).to(device)
curves = TrainingCurves()
curves


# %%
def lr(step):
    """The learning rate: constant for half of the training, then down to zero."""
    return schedules.cosine_decay(step, 3000, start=2e-3, hold=0.5)


history = training.fit(face_vae, x, epochs=47, batch_size=64, lr=lr, seed=0, progress=curves)

# %% tags=["spoiler"] alt="Two panels over the epochs. The reconstruction term rises steeply, and more slowly towards the end. The KL falls in the first epochs, then rises, ever more slowly." deck="Train on the faces"
panels = {r"$\log p_\theta(x \mid z)$ (nats)": {"": history.reconstruction}}
plots.curves({**panels, "KL (nats)": {"": history.kl}})

# %% [markdown]
# The KL falls first: the decoder cannot use the code yet. Then both terms rise, and at the end they still do.
# Here are test faces, which the model has not seen, and what comes back.

# %% alt="Two rows of ten faces. Above, test faces; below, the reconstructions, which can hardly be told from them." deck="Test faces, and what comes back"
test = faces.test.to(device)
with torch.no_grad():
    x_hat = face_vae.decoder.mean(face_vae.posterior(test).mu)
plots.image_grid(torch.stack([test[:10], x_hat[:10]]).clamp(0, 1), row_labels=("$x$", r"$\hat x$"))

# %% tags=["spoiler"]
error = (test - x_hat).square().mean().sqrt().item()
sigma_x = face_vae.decoder.sigma_x.item()
print(f"learned σ_x: {sigma_x:.2f}; error of a pixel at z = μ: {error:.2f}")

# %% [markdown]
# The noise has gone to about the size of the error, as lesson 4 predicted.

# %% [markdown] slide="Practical implementation"
# ## How good is it? The ladder
#
# How far is the ELBO below $\log p(x)$? Lesson 3 has a ladder of bounds, $L_1 \le L_5 \le L_{50} \le \dots \le
# \log p(x)$. And with two latent dimensions we can compute the top itself, an integral over the plane. We take a
# grid of codes around $\enc{q}$, out to ten $\sig{\sigma}$ on each side; what lies outside could only add.


# %%
def log_px_on_grid(vae, x, reach=10.0, n=101):
    """log p(x) of one picture x (1, 32, 32) by a sum over a grid around q(z|x), D = 2."""
    q = vae.posterior(x)
    steps = torch.linspace(-reach, reach, n, device=x.device)
    codes = q.mu + q.sigma * torch.cartesian_prod(steps, steps)
    log_joint = vae.likelihood(codes).log_prob(x) + vae.prior.log_prob(codes)
    area = q.sigma.prod() * (2 * reach / (n - 1)) ** 2
    return log_joint.logsumexp(0) + area.log()


# %%
some = test[:10]
with torch.no_grad():
    log_px = torch.stack([log_px_on_grid(face_vae, face[None]) for face in some]).mean().item()
# One draw of a bound is noisy: each face is taken 50 times.
rungs = evaluation.ladder(face_vae, some.repeat(50, 1, 1), samples=(5, 50), progress=False)
heights = {name: rung.value - log_px for name, rung in rungs.items()}
print(f"of {log_px / 1000:.1f} thousand nats, the ELBO misses {-heights['ELBO']:.0f}")

# %% alt="A ladder of bounds in nats, measured from log p of x. The ELBO is lowest, a few nats below; IW-5 and IW-50 follow, each higher than the one before; log p of x is the top." deck="How good is it? The ladder"
plots.ladder({**heights, r"$\log p(x)$": 0.0})

# %% [markdown]
# The axis counts from $\log p(x)$. This is one model. A script has trained ten
# (`data/evidence/make_face_ladder.py`) and integrated in another way. It also looked at training faces.


# %%
def mean_and_spread(runs, name):
    """Mean and standard deviation over the seeds."""
    values = torch.tensor([float(run[name]) for run in runs])
    return values.mean().item(), values.std().item()


ladder_study = json.loads(data.shipped("evidence/face_ladder.json").read_text(encoding="utf-8"))
for kind in ("test", "training"):
    gap, spread = mean_and_spread(ladder_study[kind], "ELBO")
    print(f"10 {kind} faces, ten models: ELBO {gap:.1f} ± {spread:.1f} nats below log p(x)")

# %% [markdown]
# On training faces about four nats are missing. That much is due to the shape of $\enc{q}$ and to amortisation. On new
# faces some three nats come on top, with a large spread: the generalisation gap of lesson 4.

# %% [markdown] slide="Practical implementation"
# ## What does the noise decide?
#
# Many programs fix $\sigma_x$, often at 1 without saying so. What does the ELBO think of it? A script has trained
# this network with $\sigma_x$ learned, and fixed at 0.02, 0.12 and 0.5, five seeds each
# (`data/evidence/make_face_noise.py`).

# %%
study = json.loads(data.shipped("evidence/face_noise.json").read_text(encoding="utf-8"))


# %%
print(f"{'σ_x':>8} {'ELBO (nats)':>12} {'KL':>12} {'error of a pixel':>18}")
for name in ("0.5", "0.12", "0.02", "learned"):
    columns = [mean_and_spread(study["runs"][name], key) for key in ("elbo", "kl", "error")]
    (elbo, e), (kl, k), (error, r) = columns
    print(f"{name:>8} {elbo:6.0f} ± {e:3.0f} {kl:6.2f} ± {k:.2f} {error:9.4f} ± {r:.4f}")

# %% [markdown]
# The verdict is steep: the learned noise has the highest ELBO, by hundreds of nats. More training would not save
# the others. A pixel's log-density is highest at $x = \hat x$, and the KL is not negative, so no ELBO exceeds the
# constant $C$:

# %%
for sigma_x in (0.5, 0.12, 0.02):
    ceiling = 1024 * torch.distributions.Normal(0.0, sigma_x).log_prob(torch.tensor(0.0))
    print(f"σ_x = {sigma_x}: no ELBO above {ceiling:.0f} nats")

# %% [markdown]
# The learned models are far above the first two ceilings, and one that was trained twice as long is above all
# three (first line below). The faces were drawn without noise, so there is no noise to find, and $\sigma_x$
# follows the errors as they shrink. If this is the reason, faces *with* noise should stop it. So the script adds
# noise of standard deviation 0.1 to each pixel, and trains five more models.

# %%
first, longer = study["runs"]["learned"][0], study["twice as long"]["learned"]
print(f"one model: σ_x = {first['sigma_x']:.4f}, ELBO {first['elbo']:.0f}", end="")
print(f"; trained twice as long: σ_x = {longer['sigma_x']:.4f}, ELBO {longer['elbo']:.0f}")
noisy = mean_and_spread(study["runs"]["noisy"], "sigma_x")
print(f"faces with noise 0.1: learned σ_x = {noisy[0]:.3f} ± {noisy[1]:.3f}")
learned = mean_and_spread(study["runs"]["learned"], "sigma_x")[0]
print(f"(0.12 / {learned:.4f})² = {(0.12 / learned) ** 2:.0f}")

# %% [markdown] deck="What does the noise decide?" points=["For fixed $\\sigma_x$, networks and codes depend on $\\beta\\sigma_x^2$ alone: **a fixed $\\sigma_x$ is a $\\beta$ in disguise**."]
# The noise is found. So learn $\sigma_x$, unless you want codes to be expensive. Multiply the objective by
# $\sigma_x^2$, which moves no maximum:
#
# $$\sigma_x^2\,\big(\mathbb E_{\enc{q}}[\dec{\log p_\theta(x \mid z)}] - \beta\,\gap{\mathrm{KL}}\big)
# = -\tfrac12\,\mathbb E_{\enc{q}}\|x - \dec{\hat x}\|^2 - \beta\sigma_x^2\,\gap{\mathrm{KL}} + \text{const}.$$
#
# For fixed $\sigma_x$, networks and codes depend on $\beta\sigma_x^2$ alone: **a fixed $\sigma_x$ is a $\beta$ in
# disguise.** The model of the explorer has $\sigma_x = 0.12$. By the last line above, it pays for its code as if
# $\beta$ were about fifty. Lesson 7 shows why one may want that.

# %% tags=["check"]
# A sixth of the noise with 36 times the β: the same training, in float64 so that rounding is no excuse.
pair = []
for sigma_x, beta in ((0.12, 1.0), (0.02, 36.0)):
    small = models.dense((32, 32), 2, hidden=(64,), sigma_x=sigma_x, seed=0).double()
    training.fit(small, faces.train[:500].double(), epochs=4, beta=beta, progress=False)
    pair.append(torch.cat([weights.flatten() for weights in small.parameters()]))
torch.testing.assert_close(*pair, rtol=0, atol=1e-4)
print("✓ (σ_x = 0.12, β = 1) and (σ_x = 0.02, β = 36) train the same weights, to 1e-4")

# %% [markdown]
# ## Real digits
#
# Now handwritten digits, MNIST's, and three VAEs that come with the project: dense with 2 dimensions, dense with
# 10, convolutional with 10. They saw the 60,000 training digits; those here are test digits. The pixels are black
# or white, drawn with the grey level as the probability. So $\dec{p_\theta(x \mid z)}$ is a **Bernoulli**
# distribution per pixel, $\dec{\log p_\theta(x \mid z)} = \sum_i x_i\log\hat x_i + (1 - x_i)\log(1 - \hat x_i)$.
# The loop stays the same.

# %%
digits = data.load("mnist_sample")
x_digits = data.binarise(digits.test, torch.Generator().manual_seed(0))
names = {"2d": "2 dims", "10d": "10 dims", "conv": "10, conv"}
shipped = {name: load_vae(data.shipped(f"mnist_{name}.safetensors")) for name in names}

# %% alt="Four rows of ten digits: black and white test digits, and their reconstructions by three models. With two dimensions they are blurred and some turn into another digit; with ten dimensions they can all be read." deck="Real digits"
with torch.no_grad():
    rows = [vae.decoder.mean(vae.posterior(x_digits[:10]).mu) for vae in shipped.values()]
plots.image_grid(torch.stack([x_digits[:10], *rows]), row_labels=["$x$", *names.values()])

# %% [markdown]
# And new digits: codes from the prior, decoded.

# %% alt="Three rows of ten generated digits, one for each model. Most can be read, some are between two digits; the strokes are soft."
generator = torch.Generator().manual_seed(6)
samples = [vae.sample(10, generator, mean=True) for vae in shipped.values()]
plots.image_grid(torch.stack(samples), row_labels=[*names.values()])

# %% [markdown]
# How good are they? The ELBO of 1,000 digits, and the ladder of 50:

# %%
print(f"{'':>8} {'log p(x|z)':>10} {'KL':>5} {'ELBO':>14} {'IW-500 − ELBO':>14}")
for name, vae in shipped.items():
    fifty = x_digits[::20]
    with torch.no_grad():
        terms = bounds.elbo(vae, x_digits, generator=generator)
        loose = bounds.elbo(vae, fifty, n_samples=100, generator=generator).total
    tight = evaluation.log_marginal(vae, fifty, n_samples=500, progress=False)
    error = terms.total.std() / 1000**0.5
    print(f"{names[name]:>8} {terms.reconstruction.mean():10.1f} {terms.kl.mean():5.1f}", end="")
    print(f" {terms.total.mean():8.1f} ± {error:.1f} {(tight - loose).mean():14.1f}")

# %% [markdown]
# For comparison: Burda, Grosse and Salakhutdinov (2016) report $-86.8$ for a larger VAE with 50 dimensions
# ($L_{5000}$, all 10,000 test digits). Compare such numbers only if the pixels were made black and white in the
# same way.

# %% [markdown]
# ## Why are the pictures blurred?
#
# With two dimensions, the digits look as if seen through fog. Think of all the digits $x$ that share one code
# $\code{z}$.

# %%
Predict("best_picture")

# %% [markdown]
# The decoder is trained on pairs: a digit $x_n$, and a code drawn from $\enc{q(z \mid x_n)}$. What it draws at
# $\code{z}$ must serve all digits that could have sent this code. A Gaussian decoder minimises the mean of $\|x -
# \dec{\hat x}\|^2$ over them, so $\dec{\hat x}$ should be their mean. For a Bernoulli decoder, set the derivative
# of $\bar x\log\hat x + (1 - \bar x)\log(1 - \hat x)$ to zero: again the mean. Digit $n$ has sent $\code{z}$ with
# a probability proportional to $\enc{q(z \mid x_n)}$, so the best picture is
#
# $$\dec{\hat x}^*(\code{z}) = \frac{\sum_n \enc{q(z \mid x_n)}\, x_n}{\sum_n \enc{q(z \mid x_n)}} .$$
#
# **A VAE's decoder draws the mean of what the code leaves open.** We check it for the model with two dimensions, with the
# 1,000 digits of the sample.


# %%
def mean_picture(vae, x, grey, z):
    """Σ q(z|x_n) x_n / Σ q(z|x_n) for codes z (B, D), and the weights (B, N) of the x_n."""
    q = vae.posterior(x)
    weights = q.log_prob(z[:, None]).softmax(-1)
    return torch.einsum("bn,nij->bij", weights, grey), weights


# %% alt="Three rows of digits. In each row the picture that the decoder draws and the weighted mean look alike and are soft. To the right of them, six sharp digits with the largest weights, which differ in slant, in width, and in places even in the digit." deck="Why are the pictures blurred?" lead="A VAE's decoder draws the mean of what the code leaves open."
two, grey = shipped["2d"], digits.test
with torch.no_grad():
    z = two.posterior(x_digits).mu
    drawn, (averages, weights) = two.decoder.mean(z), mean_picture(two, x_digits, grey, z)
rows = []
for i in (353, 46, 363):
    senders = weights[i].topk(6).indices
    rows.append(torch.cat([drawn[i][None], averages[i][None], grey[senders]]))
plots.image_grid(torch.stack(rows), col_labels=["decoder", "mean", *["sent it"] * 6])

# %%
likeliest = grey[weights.argmax(1)]
to_mean, to_one = ((drawn - other).square().sum((1, 2)) for other in (averages, likeliest))
print(f"nearer to the mean than to its likeliest digit: {(to_mean < to_one).float().mean():.0%}")

# %% [markdown]
# In the first row 4s and 9s have sent the code, in the last one 3s and 8s. The decoder draws them on top of each
# other. The cause is what $\code{z}$ leaves open, and a likelihood that judges each pixel by itself. So leave
# less open: more dimensions, which must be paid for in nats. Or let the pixels depend on each other, which has a
# price too.

# %% [markdown] tags=["aside"]
# #### Aside: dense or convolutional?
#
# The shipped models were trained for different times, so they cannot answer. A script has trained both kinds on
# 20,000 digits for 1,000 steps, ten seeds each (`data/evidence/make_mnist.py`). The next cell shows their ELBO.
# The convolutional one does as well with half the weights. But its seeds differ more, each of its steps takes
# longer, and 1,000 steps are not the end for either. Measure with your data, at equal time.

# %% tags=["aside"] title="dense and convolutional, ten seeds"
mnist_study = json.loads(data.shipped("evidence/mnist.json").read_text(encoding="utf-8"))
for name in ("dense", "conv"):
    elbo = mean_and_spread(mnist_study["networks"][name], "elbo")
    n_weights = mnist_study["networks"][f"{name}, weights"]
    print(f"{name:>5}: {n_weights:7,} weights, ELBO {elbo[0]:.1f} ± {elbo[1]:.1f} nats")

# %% [markdown]
# To train on all of MNIST, set the switch and run the cell. Twenty epochs take one to two minutes on two CPU
# cores, and half a minute on a GPU (`benchmarks/README.md`).

# %%
WHOLE_MNIST = False
if WHOLE_MNIST:
    mnist = data.load("mnist", download=True)
    big = models.dense((28, 28), 20, hidden=(400,), likelihood="bernoulli", seed=0)
    training.fit(big, mnist.train, epochs=20, binarise=True)
    print(evaluation.ladder(big, x_digits, samples=(50,))["ELBO"])

# %% [markdown] exercises=["6.3"]
# ## Posterior collapse: where the bound asks for it
#
# Sometimes training ends with $\enc{q(z \mid x)} = \mathcal N(0, I)$ for each $x$. The decoder ignores $\code{z}$
# and draws one mean picture. This is **posterior collapse**. It has several causes, with different remedies.
#
# The first is a large $\sigma_x$. Take one latent dimension, and one direction in which the data have the
# variance $\lambda$. Let encoder and decoder be linear, $\enc{\mu} = v\,x$ and $\dec{\hat x} = w\,\code{z}$. Up
# to a constant, the mean over the data of $\mathbb E_{\enc{q}}[\log p_\theta(x \mid z)] - \beta\,\mathrm{KL}$ is
#
# $$L(w, v, \sig{\sigma}) = -\frac{\lambda\,(1 - wv)^2 + w^2\sig{\sigma}^2}{2\sigma_x^2}
# - \frac\beta2\left(\lambda v^2 + \sig{\sigma}^2 - 1 - 2\log\sig{\sigma}\right).$$
#
# Collapse is the point $w = v = 0$, $\sig{\sigma} = 1$.

# %%
Predict("off_dimension")

# %% [markdown] deck="Posterior collapse, where the bound asks for it" points=["$\\lambda < \\beta\\sigma_x^2$: collapse is a maximum of $L$. $\\lambda > \\beta\\sigma_x^2$: it is a saddle.", "A linear VAE keeps the directions whose variance exceeds $\\beta\\sigma_x^2$."]
# Each term of the derivatives in $w$ and $v$ has $w$ or $v$ as a factor, so the gradient is zero there. The
# second derivative decides:
#
# $$\frac{\partial^2 L}{\partial (w, v)^2} = \begin{pmatrix} -1/\sigma_x^2 & \lambda/\sigma_x^2 \\
# \lambda/\sigma_x^2 & -\beta\lambda \end{pmatrix}, \qquad
# \det = \frac{\lambda}{\sigma_x^2}\Big(\beta - \frac{\lambda}{\sigma_x^2}\Big).$$
#
# If $\lambda < \beta\sigma_x^2$, collapse is a **maximum** of $L$. If $\lambda > \beta\sigma_x^2$, it is a
# **saddle**: $L$ rises where $w$ and $v$ grow together. So a linear VAE keeps the directions of the data whose
# variance exceeds $\beta\sigma_x^2$ (Lucas et al., 2019).

# %% [markdown] exercise="6.3 ★★"
# ### Exercise 6.3 `collapse_threshold`
#
# *15 minutes.* So one can tell before training. From data `x`, `(N, …)`, and $\beta$: the $\sigma_x$ above which a
# linear VAE keeps no dimension, a scalar. Covariances are means over the $N$ examples.


# %%
def collapse_threshold(x, beta):
    """The σ_x above which a linear VAE with weight β keeps no dimension; x (N, …) -> scalar."""
    ### BEGIN SOLUTION
    flat = x.flatten(1)
    singular_values = torch.linalg.svdvals(flat - flat.mean(0))
    return (singular_values[0] ** 2 / len(flat) / beta) ** 0.5
    ### END SOLUTION


# %%
check.collapse_threshold(collapse_threshold)

# %% [markdown]
# The largest variances of the faces, by scikit-learn's principal component analysis:

# %%
from sklearn.decomposition import PCA

flat = faces.train.flatten(1).double().numpy()
pca = PCA(4, svd_solver="covariance_eigh").fit(flat)
variances = torch.from_numpy(pca.explained_variance_)
print("largest variances of the faces:", ", ".join(f"{v:.2f}" for v in variances))


# %% tags=["check"]
# The gradient and the Hessian by autograd, at σ_x = 1.3, where collapse is a saddle, and at 1.8.
def linear_bound(point, lam, sigma_x, beta):
    """L(w, v, log σ) as in the formula above."""
    w, v, log_sigma = point
    sigma2 = (2 * log_sigma).exp()
    price = lam * v**2 + sigma2 - 1 - 2 * log_sigma
    return -(lam * (1 - w * v) ** 2 + w**2 * sigma2) / (2 * sigma_x**2) - beta * price / 2


collapsed, lam = torch.zeros(3, dtype=torch.float64), variances[0]
for sigma_x, rising in ((1.3, 1), (1.8, 0)):
    slope = torch.func.grad(linear_bound)(collapsed, lam, sigma_x, 1.0)
    bends = torch.linalg.eigvalsh(torch.func.hessian(linear_bound)(collapsed, lam, sigma_x, 1.0))
    assert slope.abs().max() == 0 and (bends > 0).sum() == rising
print("✓ the gradient is zero at collapse; L rises in one direction at σ_x = 1.3, in none at 1.8")

# %% [markdown]
# Does this hold for a network? A script has trained one with four dimensions at $\sigma_x = 0.5$, then raised
# $\sigma_x$ step by step and trained on, five seeds (`data/evidence/make_collapse.py`). Next to it is the best
# linear VAE, in which each direction costs $\tfrac12\log(\lambda/\sigma_x^2)$ nats on average.

# %%
collapse = json.loads(data.shipped("evidence/collapse.json").read_text(encoding="utf-8"))
noises = torch.tensor([float(sigma_x) for sigma_x in collapse["warm"][0]])
linear = (variances[:, None] / noises**2).log().clamp(min=0).sum(0) / 2
seeds = collapse["warm"]
warm = [mean_and_spread([seed[sigma_x] for seed in seeds], "kl") for sigma_x in seeds[0]]
network = torch.tensor(warm).T

# %% alt="KL over sigma_x. The exact curve of the linear VAE falls and reaches zero at 1.55. The points of the network lie above it for small sigma_x and reach zero at about the same place."
plots.against(
    noises,
    {"linear VAE, exact": linear},
    {"network": (network[0], network[1] / 5**0.5)},
    xlabel=r"$\sigma_x$",
    ylabel="KL (nats)",
    log="",
)

# %%
for sigma_x, (kl, spread) in list(zip(seeds[0], warm, strict=True))[4:]:
    print(f"σ_x = {sigma_x}: KL of the network {kl:.3f} ± {spread:.3f} nats")

# %% [markdown]
# Where codes are cheap, the network keeps more nats than the linear VAE. But it lets go at the same $\sigma_x$.
# Near collapse, $\code{z}$ moves the picture only a little, and for small moves a smooth decoder is linear. This
# collapse is no failure of training: these models had a code, and gave it up. The remedy is a smaller $\sigma_x$
# or $\beta$, or a learned $\sigma_x$.

# %% [markdown]
# ## Posterior collapse: where it is an accident
#
# Below the threshold, collapse is a saddle. But training starts near it. At first the decoder makes nothing of
# $\code{z}$, so the code costs nats and brings none, and $\enc{q}$ moves to the prior. There $L$ is almost flat.
# Here is $\sigma_x = 1.3$, with $\beta = 1$ from the first step, and with $\beta$ rising from 0 to 1 over 12
# epochs; each line is the mean of five seeds.


# %%
def mean_curve(runs, name):
    """The mean over the seeds, epoch by epoch."""
    return torch.tensor([run[name] for run in runs]).mean(0)


# %% alt="KL over the epochs. With beta = 1 it falls to almost zero in the first epochs, stays there, and rises from about the tenth epoch on. With beta rising it comes down from above. From about epoch 30 on the two are the same."
late = slice(5, None)
lines = {"β = 1": mean_curve(collapse["cold"]["1.3"], "epochs")[late]}
lines["annealed"] = mean_curve(collapse["cold, annealed"]["1.3"], "epochs")[late]
plots.curves({"KL (nats), faces": lines}, x=torch.arange(6, 49))

# %%
for sigma_x in ("0.5", "1.0", "1.3"):
    for name in ("cold", "cold, annealed"):
        runs = collapse[name][sigma_x]
        lowest = torch.tensor([min(run["epochs"]) for run in runs]).mean()
        elbo, spread = mean_and_spread(runs, "elbo")
        print(
            f"σ_x = {sigma_x}, {name:>14}: lowest KL {lowest:.3f}, ELBO {elbo:.2f} ± {spread:.2f}"
        )

# %% [markdown]
# At $\sigma_x = 1.3$ and $\beta = 1$ the model looks dead for several epochs. Whoever stops there reports a
# collapse. It wakes by itself, and in the end both have the same ELBO. At $\sigma_x = 0.5$, far from the
# threshold, there is no such sleep. This accident is one of *time*. Before you call a model collapsed, train on,
# and compare with a warm start.

# %% [markdown]
# ## Posterior collapse: a decoder that needs no code
#
# The last cause is the decoder's strength. Let it also see the pixels before pixel $i$:
#
# $$\dec{p_\theta(x \mid z)} = \prod_i \dec{p_\theta(x_i \mid x_1, \dots, x_{i-1}, z)} .$$
#
# Such a decoder can draw a digit without a code. If it can represent the distribution of the data without
# $\code{z}$, the bound has no reason to pay for one. A script compares three decoders on 8 × 8 digits, and the
# strongest one without $\code{z}$ (`data/evidence/make_strong_decoder.py`).

# %%
strong = json.loads(data.shipped("evidence/strong_decoder.json").read_text(encoding="utf-8"))
print(
    f"{'the decoder sees':>22} {'KL':>13} {'ELBO':>15} {'KL, annealed':>13} {'ELBO, annealed':>15}"
)
for name, runs in strong["runs"].items():
    row = [*mean_and_spread(runs, "kl"), *mean_and_spread(runs, "elbo")]
    print(f"{name:>22} {row[0]:6.2f} ± {row[1]:.2f} {row[2]:8.2f} ± {row[3]:.2f}", end="  ")
    annealed = strong["annealed"].get(name, [])
    row = [mean_and_spread(annealed, key)[0] for key in ("kl", "elbo") if annealed]
    print(*(f"{value:13.2f}" for value in row))

# %% [markdown]
# The more the decoder sees of the other pixels, the less its code says. For the strongest one the code does not
# pay: without $\code{z}$ the same decoder has the higher ELBO, in each of the five seeds. Annealing is no remedy
# here: the model carries a large code, and its ELBO is lower. If you want a code that means something, do not let
# the decoder see what the code should say (Chen et al., 2017).

# %% [markdown] slide="KL annealing" exercises=["6.2"] deck="KL annealing"
# ## KL annealing
#
# The lecture begins with a small $\beta$. The threshold $\lambda > \beta\sigma_x^2$ says what this does: with
# $\beta$ near zero, each direction is above it, and each dimension has a way off the saddle. First learn to use
# the code, then to pay for it (Bowman et al., 2016):
#
# $$\beta(t) = \min(1,\; t / T_\text{warm-up}).$$

# %% [markdown] exercise="6.2 ★"
# ### Exercise 6.2 `linear_annealing`
#
# *5 minutes.* This $\beta$ for step 0, 1, 2, …; 1 if the warm-up is 0.


# %%
def linear_annealing(step, warmup):
    """β at a step: from 0 to 1 along a straight line over the warm-up, then 1."""
    ### BEGIN SOLUTION
    return min(1.0, step / warmup) if warmup > 0 else 1.0
    ### END SOLUTION


# %%
check.linear_annealing(linear_annealing)

# %% [markdown]
# On the faces annealing saved time and changed nothing in the end. Now MNIST: the dense network with 10
# dimensions, 20,000 digits, 4,000 steps, with and without a warm-up of 800 steps. The learning rate falls to zero
# in both.

# %%
Predict("annealing_end")

# %% tags=["spoiler"]
pairs = mnist_study["annealing"]
for name, runs in pairs.items():
    active, elbo = (mean_and_spread(runs, key) for key in ("active", "elbo"))
    print(f"{name:>8}: {active[0]:.1f} active, ELBO {elbo[0]:.1f} ± {elbo[1]:.1f}")
for title, key in (("gain in nats", "elbo"), ("dimensions saved", "active")):
    both = zip(pairs["β = 1"], pairs["annealed"], strict=True)
    print(f"{title}, seed by seed:", ", ".join(f"{b[key] - a[key]:.2g}" for a, b in both))

# %% tags=["spoiler"] alt="Two panels over the epochs, each with a line for beta = 1 and one for annealing. KL: annealed, it starts high, comes down and rises again, and stays above the other. ELBO: the two run together at first; at the end the annealed one is a little above." deck="+"
panels = {}
for title, key in (("KL (nats)", "training kl"), ("ELBO (nats)", "training elbo")):
    lines = {name: mean_curve(runs, key) for name, runs in pairs.items()}
    panels[title] = {name: line[1:] for name, line in lines.items()}
plots.curves(panels, x=torch.arange(2, 21))

# %% [markdown]
# Annealing wins on average. But look at the seeds: in the six in which it has kept more dimensions active (KL above
# 0.05 nats), it gains; in the other four it does not gain on average. Is this time again? After 4,000 steps neither has converged. But
# without a warm-up, the shipped architecture still had three of ten dimensions collapsed after seven times as many
# steps on three times as many digits (one run, `data/README.md`).
#
# Three cases, three answers: near the threshold annealing saved time, on MNIST some dimensions, and with a strong
# decoder it did harm. It changes the *start*, not the optimum. It cannot keep a dimension that the ELBO does not
# want.

# %% [markdown] exercises=["6.4"] deck="What goes wrong in practice"
# ## What goes wrong in practice
#
# | symptom | often the cause |
# |---|---|
# | the KL is near 0, one mean picture | collapse: $\sigma_x$ or $\beta$ too large, no warm-up, a decoder that needs no code |
# | the KL is negative | $\log\sigma$ taken for $\log\sigma^2$, or a lost term |
# | the loss is near 0, not hundreds | a mean over pixels: $\beta$ has become 784 or 1,024 |
# | an ELBO better than any published one | no constant, or grey pixels under a Bernoulli decoder |
# | good reconstructions, bad samples | all codes together do not fill the prior: compare their mean and spread with 0 and 1 |

# %% [markdown] exercise="6.4 ★★★"
# ### Exercise 6.4 `diagnose`
#
# *30 minutes.* Three VAEs were trained on the faces, each with one mistake in its code. ELBO, $\log p(x \mid z)$
# and KL are what that code prints, as means over test faces. The rest was measured from outside: the KL of the
# codes that it really draws, the mean of `exp(log_sigma)`, the standard deviation of its codes for one $x$, the
# root mean square of $x - \hat x$.
#
# 1. KL has the wrong sign.
# 2. KL lacks its $\tfrac12$.
# 3. The codes are drawn with $\exp(\tfrac12\log\sigma)$ in place of $\sigma$.
# 4. $\log p(x \mid z)$ is a mean over the pixels.
# 5. The constant of $\log p(x \mid z)$ is dropped.
#
# `diagnose` returns three numbers of this list, for A, B and C. The check makes up the numbers of other VAEs, with
# any of the five and with other $\sigma_x$.
#
# <details><summary>A hint</summary>
#
# Which two of these numbers must agree if the code is right? Compute the second one from the others.
#
# </details>

# %%
from vaelib.check import broken_vaes

numbers = broken_vaes()
print(" " * 24, *(f"{letter:>9}" for letter in numbers))
for name in numbers["A"]:
    print(f"{name:<24}", *(f"{broken[name]:>9.4g}" for broken in numbers.values()))


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
# ## Back to the faces
#
# Twenty codes from the prior, through your decoder:

# %% alt="Twenty generated faces in two rows. They differ in expression and in pose, and most look like faces of the training set."
new_faces = face_vae.sample(20, torch.Generator().manual_seed(1), mean=True)
plots.image_grid(new_faces.reshape(2, 10, 32, 32).clamp(0, 1))

# %% [markdown]
# They smile, frown and turn. But do they turn as far, and as often, as the faces of the training set? **Does
# $p_\theta$ match the distribution of the data? And which
# direction of the code is the smile?** [Lesson 7](07_latent_traversals.ipynb) measures it.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $q_\phi(z \mid x)$ | `q = vae.posterior(x_m)`: `q.mu`, `q.log_sigma`, `q.sigma` | `(M, D)` |
# | $p_\theta(x \mid z)$, $\hat x$ | `p_x = vae.likelihood(z)`, `p_x.mean` | `(M, 32, 32)` |
# | $\sigma_x$ | `vae.decoder.sigma_x` | scalar |
# | the ELBO and its terms | `bounds.elbo(vae, x)`: `.reconstruction`, `.kl`, `.total` | `(M,)`, nats |
# | $\beta(t)$ | `linear_annealing(step, warmup)`, exercise 6.2 | scalar |
#
# Next: [lesson 7](07_latent_traversals.ipynb). [The map](00_start_here.ipynb#The-map).

# %% [markdown]
# ## References
#
# - Kingma and Welling (2014), *Auto-encoding variational Bayes*, and Rezende, Mohamed and Wierstra (2014),
#   *Stochastic backpropagation*: the VAE, twice.
# - Bowman et al. (2016), *Generating sentences from a continuous space*: KL annealing, against a strong decoder.
# - Burda, Grosse and Salakhutdinov (2016), *Importance weighted autoencoders*: the ladder, and numbers for MNIST.
# - Chen et al. (2017), *Variational lossy autoencoder*: when a decoder ignores its code, and how to use it.
# - Lucas, Tucker, Grosse and Norouzi (2019), *Don't blame the ELBO!*: the threshold.
# - Rybkin, Daniilidis and Levine (2021), *Simple and effective VAE training with calibrated decoders*: learning
#   $\sigma_x$.
