# %% [markdown] sign="$\\dec{G_\\theta}(\\code{z} + t\\,\\code{e_d})$"
# # 7 · Latent traversals
#
# **Does it know what a smile is?** The network of lesson 0 has seen 4,000 faces, and nobody has told it about
# smiles. The lecture's last slides say of such a model: "$\code{z_1}$: facial expression, $\code{z_2}$: head
# pose". How could a coordinate come to mean that? And how would we know?

# %%
import json
import math
from vaelib import check, data, evaluation, faces, models, plots, training
from vaelib.checkpoint import load_vae
from vaelib.widgets import LatentExplorer, Predict

import torch

# %% [markdown]
# ## One look
#
# The explorer of lesson 0 again, with a face that the model was not trained on.
#
# 1. Find the slider that makes the face smile. Does the head stay where it is?
# 2. Find a slider that does almost nothing. What does its KL say?
# 3. Press *Random* a few times. How often does a head turn as far as the sliders can turn it?

# %% deck="One look"
known = data.load("faces")
vae = load_vae(data.shipped("faces_vae.safetensors")).requires_grad_(False)
explorer = LatentExplorer(vae, known)
explorer.image_index = 0
explorer

# %% [markdown]
# A VAE makes two promises. It is a **model of the data**: run it forwards, and it draws new faces. And it is a
# **representation**: its codes say what is in a picture. These faces are drawn from two known numbers, so we can
# check both.

# %% [markdown] slide="Generating data from the VAE" pseudo=["z ~ p(z), x ~ p(x given z)"]
# ## From noise to a face
#
# To generate, run the model as it is written: first a code, $\code{z} \sim \prior{p(z)} = \mathcal N(0, I)$, then
# a picture, $x \sim \dec{p_\theta(x \mid z)} = \mathcal N(\dec{G_\theta(z)}, \sigma_x^2 I)$. The encoder takes
# no part.
#
# How much noise does the second step add? This model has a fixed $\sigma_x = 0.12$. Lesson 4 found that the best
# $\sigma_x$ is the size of the decoder's error. We try both.

# %%
generator = torch.Generator().manual_seed(1)
mu, sigma = evaluation.encode(vae, known.train)
codes = mu + sigma * torch.randn(mu.shape, generator=generator)
error = (vae.decoder.mean(codes) - known.train).square().mean().sqrt()
print(f"the model's noise {vae.decoder.sigma_x:.2f}, the size of its error {error:.3f}")

# %% alt="Three rows of ten generated faces, no two alike. Above, the decoder's means, which are smooth. In the middle, the same faces under heavy grain. Below, under grain that can hardly be seen." deck="From noise to a face" lead="$\\code{z} \\sim \\prior{p(z)}$, then $x \\sim \\dec{p_\\theta(x \\mid z)}$. The encoder takes no part."
z = torch.randn(10, 4, generator=generator)
x_hat = vae.decoder.mean(z)
noise = torch.randn(x_hat.shape, generator=generator)
rows = torch.stack([x_hat, x_hat + vae.decoder.sigma_x * noise, x_hat + error * noise])
plots.image_grid(rows.clamp(0, 1), row_labels=[r"$\hat x$", "noise 0.12", "noise 0.02"])

# %% [markdown]
# The middle row is what this model calls its samples. The data have no such grain: $\sigma_x = 0.12$ was chosen to
# make codes expensive, which is $\beta$ in disguise (lesson 6). The lower row has the noise that fits. From here on
# we look at means. Are at least *they* like the data?

# %% [markdown] slide="Generating data from the VAE" exercises=["7.3"]
# ## Does the model match the data?
#
# Ten good-looking faces prove little. In the data, one face in five is turned by more than 0.8 of the way. And among the faces that the model generates?

# %% deck="Does the model match the data?"
Predict("turned_heads")

# %% [markdown]
# As a ruler, we draw $61 \times 61$ faces over a grid of expressions and poses, and take the factors of the nearest one.


# %%
def read(pictures, drawn, factors):
    """Expression and pose of the drawn face nearest to each picture, (N, 2)."""
    parts = pictures.flatten(1).split(500)
    return torch.cat([factors[torch.cdist(part, drawn).argmin(1)] for part in parts])


def say_far(name, factors):
    far = (factors.abs() > 0.8).double().mean(0)
    print(f"{name:>21}: expression {far[0]:.0%}, pose {far[1]:.0%}")


# %%
steps = torch.linspace(-1, 1, 61)
grid = torch.cartesian_prod(steps, steps)
ruler = faces.render(*grid.T).flatten(1), grid
off = (read(known.test, *ruler) - known.test_factors).square().mean(0).sqrt()
print(f"error of the ruler on test faces: {off[0]:.3f} and {off[1]:.3f}")

# %% tags=["spoiler"]
from_prior = torch.randn(4000, 4, generator=generator)
generated = read(vae.decoder.mean(from_prior), *ruler)
print("beyond 0.8, to either side")
say_far("the data", known.train_factors)
say_far("drawn from the prior", generated)

# %% tags=["spoiler"] alt="Two panels, shares of faces over expression and over pose. The data are flat, near a tenth in each bin. The generated faces make a hump in the middle and few are near the ends." deck="Data and generated faces, measured"
middle = torch.linspace(-0.9, 0.9, 10)
panels = {}
for f, name in enumerate(known.factor_names):
    both = {"data": known.train_factors, "prior": generated}
    counts = {k: torch.histc(v[:, f], 10, -1, 1) / len(v) for k, v in both.items()}
    panels[f"share of faces, {name}"] = counts
plots.curves(panels, x=middle, xlabel="from $-1$ to $1$", share="y")

# %% [markdown]
# Three in a hundred, not twenty. Each of the ten above looks fine, and yet $p_\theta$ is not $p_\text{data}$.
# Where is the mistake? The decoder has learned to draw turned heads. But their codes are far out, and the prior
# seldom goes there. Here are the codes of the training faces, next to draws from the prior.

# %%
kl = evaluation.kl_per_dim(vae, known.test).mean(0)
order = kl.argsort(descending=True).tolist()
first, second = order[:2]
print("KL in nats:", ", ".join(f"z{d + 1} {kl[d]:.2g}" for d in order))


# %%
def clouds(panels, labels):
    """Clouds of points (N, 2) next to each other, and the circle that holds 95 % of N(0, I)."""
    with plots.rc_context(plots.STYLE):
        figure = plots.AltFigure(size=(9.0, 4.6))
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for ax, (name, points) in zip(axes, panels.items(), strict=True):
            ax.scatter(*points.T, s=4, color=plots.SYMBOLS["code"][0])
            ax.add_patch(plots.Circle((0, 0), 2.45, fill=False, linewidth=2, zorder=3))
            ax.set(title=name, xlabel=labels[0], ylabel=labels[1], aspect="equal")
    return figure


# %% alt="Two clouds of codes in the plane of the two active dimensions, with a circle of radius 2.45. The codes of faces fill a rectangle with straight edges that nearly touches the circle and has corners outside of it. The draws from the prior are dense in the middle and thin out." deck="Where the codes are, and where the prior draws"
plane = [first, second]
clouds(
    {"codes of faces": codes[:, plane], "draws from the prior": from_prior[:, plane]},
    (f"$z_{first + 1}$", f"$z_{second + 1}$"),
)

# %% [markdown] deck="The aggregated posterior"
# On the left is the **aggregated posterior**. Choose a training face at random, and draw a code from its
# $\enc{q}$:
#
# $$\enc{\bar q(z)} = \frac1N \sum_n \enc{q_\phi(z \mid x_n)} .$$
#
# The decoder was trained on codes from the left. When we generate, we feed it codes from the right.

# %% [markdown] exercise="7.3 ★★★"
# ### Exercise 7.3 `aggregate_moments`
#
# *25 minutes.* A quick test of a trained VAE, since the prior has 0 and $I$. From `mu` and `sigma`, `(N, D)` each: the
# exact mean `(D,)` and covariance `(D, D)` of $\enc{\bar q}$.
#
# <details><summary>A hint</summary>
#
# Two codes from $\enc{\bar q}$ differ for two reasons. What would be left of their covariance if each
# $\sig{\sigma}$ were 0? And if all $\enc{\mu}$ were equal?
#
# </details>


# %%
def aggregate_moments(mu, sigma):
    """Mean (D,) and covariance (D, D) of the mixture of the N(μ_n, diag σ_n²); (N, D) each."""
    ### BEGIN SOLUTION
    centre = mu.mean(0)
    apart = mu - centre
    return centre, apart.T @ apart / len(mu) + torch.diag(sigma.square().mean(0))
    ### END SOLUTION


# %%
check.aggregate_moments(aggregate_moments)

# %% [markdown]
# How much do the two differ? Take any density $r(z)$ in place of the prior, positive wherever $\enc{\bar q}$ is. In each KL split
# $\log(q/r) = \log(q/\bar q) + \log(\bar q/r)$, and average over the faces:
#
# $$\frac1N \sum_n \gap{\mathrm{KL}(q(z \mid x_n)\,\|\,r)}
# = \underbrace{\frac1N \sum_n \gap{\mathrm{KL}(q(z \mid x_n)\,\|\,\bar q)}}_{\text{does not depend on } r}
# + \gap{\mathrm{KL}(\bar q\,\|\,r)} .$$
#
# Hoffman and Johnson (2016) call this ELBO surgery. With $r = \prior{p}$ the last term is what the mean ELBO
# pays because the codes are not distributed like the prior.


# %%
def log_aggregated(z, mu, sigma):
    """log q̄(z), the mixture of the N(μ_n, σ_n²), for codes z (K, D) -> (K,)."""
    parts = []
    for part in z[:, None].split(250):
        log_each = torch.distributions.Normal(mu, sigma).log_prob(part).sum(-1)
        parts.append(log_each.logsumexp(1) - math.log(len(mu)))
    return torch.cat(parts)


# %%
log_q_bar = log_aggregated(codes, mu, sigma)
excess = log_q_bar - vae.prior.log_prob(codes)
price = excess.std() / len(excess) ** 0.5
print(f"KL of the aggregated posterior from the prior: {excess.mean():.2f} ± {price:.2f} nats")

# %% [markdown]
# By lesson 1, at 0.74 nats per code, four codes are odds of about 20 to 1 that they came from faces.

# %% [markdown] slide="Generating data from the VAE"
# ## Does the ELBO want it so?
#
# Not this width. Stretch one coordinate of the code by a factor $c$: the encoder answers with $c\enc{\mu_d}$ and
# $c\sig{\sigma_d}$, and the decoder first divides by $c$. Their linear layers can do that. Each picture is
# reconstructed as before. Of the ELBO, only the KL changes, and the derivative of its mean is
#
# $$\begin{aligned}
# \frac{d}{dc}\;\frac1N\sum_n\tfrac12\big(c^2(\enc{\mu_{nd}^2} + \sig{\sigma_{nd}^2}) - 1
# - \log c^2\sig{\sigma_{nd}^2}\big)\Big|_{c=1} &= m_d - 1, \\
# m_d &= \frac1N\sum_n(\enc{\mu_{nd}^2} + \sig{\sigma_{nd}^2}) .
# \end{aligned}$$
#
# At a maximum of the ELBO it must be zero. So **at an optimum, the aggregated posterior has second moment 1 in
# each dimension**, like the prior. If it has not, stretching by $c = 1/\sqrt{m_d}$ gains $\tfrac12(m_d - 1 - \log
# m_d)$ nats.

# %%
m = (mu**2 + sigma**2).mean(0)
gain = (m - 1 - m.log()) / 2
for d in order:
    print(f"z{d + 1}: second moment {m[d]:.2f}, gain {gain[d]:.3f} nats")

# %% [markdown]
# So our model is not at an optimum: its codes are too wide, and it could have a quarter of a nat for free. Is this one
# unlucky training? A script has trained ten seeds, and five of them for longer at $\beta = 1$
# (`data/evidence/make_face_axes.py`; spreads are standard deviations over seeds).

# %%
study = json.loads(data.shipped("evidence/face_axes.json").read_text(encoding="utf-8"))["runs"]


def say_widest(name, runs):
    widest = torch.tensor([max(run["second moment"]) for run in runs])
    far = 100 * torch.tensor([run["beyond 0.8"][1] for run in runs])
    print(f"{name}: widest second moment {widest.mean():.2f} ± {widest.std():.2f}", end="")
    print(f", turned heads {far.mean():.1f} ± {far.std():.1f} %")


for name in ("from above", "from above, then 96 epochs"):
    say_widest(name, study[name])

# %% [markdown]
# It is not. With three times the epochs the widths come closer to 1, and twice as many heads are turned. That
# is what one expects of a training that stopped early.
#
# **Remedies.** The identity holds for each $r$. So leave the model as it is, and draw codes from a better $r$: the prior
# stretched by $\sqrt{m_d}$; a mixture of ten Gaussians, fitted to the codes (Ghosh et al., 2020); or
# $\enc{\bar q}$ itself, the best $r$, for which one must keep the $\enc{\mu}$ and $\sig{\sigma}$ of the training
# faces (compare Tomczak and Welling, 2018).

# %%
from sklearn.mixture import GaussianMixture

mixture = GaussianMixture(10, random_state=0).fit(codes.double().numpy())
stretched = torch.distributions.Normal(torch.zeros(4), m.sqrt())
log_r = {
    "the prior": vae.prior.log_prob(codes),
    "the prior, stretched": stretched.log_prob(codes).sum(-1),
    "ten Gaussians": torch.from_numpy(mixture.score_samples(codes.double().numpy())),
    "the codes themselves": log_q_bar,
}
for name, log_density in log_r.items():
    print(f"{name:>21}: {(log_q_bar - log_density).mean():.2f} nats from the codes")

# %%
ten_gaussians = torch.from_numpy(mixture.sample(4000)[0]).float()
draws = {
    "the prior": from_prior,
    "the prior, stretched": from_prior * m.sqrt(),
    "ten Gaussians": ten_gaussians,
    "the codes themselves": codes,
}
print("beyond 0.8, to either side; standard errors below 1 %")
say_far("the data", known.train_factors)
for name, z in draws.items():
    say_far(name, read(vae.decoder.mean(z), *ruler))

# %% [markdown]
# With ten Gaussians the turned heads are back, nearly as many as in the data. The strong expressions are not, and
# here the codes themselves do no better: this part is the decoder's fault, which draws them too mild. *Reconstructions
# good, samples poor* is the usual symptom of an aggregated posterior that is not the prior. Dai and Wipf (2019) put a
# second VAE on the codes; latent diffusion puts a diffusion model there.

# %% [markdown] slide="Generating data from the VAE" exercises=["7.2"]
# ## The manifold of digits
#
# `mnist_2d` has seen 60,000 handwritten digits, and its code is a plane. Which points of it should a picture show? Let
# $\Phi$ be the distribution function of $\mathcal N(0, 1)$. Then $\Phi(z)$ is uniform on $(0, 1)$. Turn that round: take
# equal steps of probability, $u_i = (i + \tfrac12)/n$, and show $z = \Phi^{-1}(u_i)$. The picture then has each part
# of the plane as often as the prior has it.

# %% [markdown] exercise="7.2 ★★"
# ### Exercise 7.2 `manifold_grid`
#
# *10 minutes.* The $n^2$ codes of such a picture, `(n·n, 2)`: the quantiles of $\mathcal N(0, 1)$ at
# $(i + \tfrac12)/n$, $i = 0, \dots, n - 1$, in each of two coordinates, the first coordinate slowest.


# %%
def manifold_grid(n):
    """Every pair of the n quantiles (i + ½)/n of N(0, 1): (n·n, 2), first coordinate slowest."""
    ### BEGIN SOLUTION
    u = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    q = 2**0.5 * torch.special.erfinv(2 * u - 1)
    return torch.cartesian_prod(q, q)
    ### END SOLUTION


# %%
check.manifold_grid(manifold_grid)

# %% [markdown]
# The lesson goes on with quantiles of many draws.

# %% alt="A square of eleven by eleven decoded digits that change gradually from one to the next: ones along the left edge, twos along the top, zeros in the top right corner, sevens, nines and fours along the bottom, threes, eights, fives and sixes between them." deck="The manifold of digits"
digits = data.load("mnist_sample")
flat = load_vae(data.shipped("mnist_2d.safetensors")).requires_grad_(False)
quantiles = torch.randn(100_000, generator=generator).quantile((torch.arange(11) + 0.5) / 11)
sheet = torch.stack(torch.meshgrid(quantiles, quantiles, indexing="ij"), -1)
plots.manifold(flat.decoder.mean(sheet), quantiles)

# %% [markdown]
# Now the other way: where does the encoder put 1,000 digits that it was not trained on?


# %%
def by_class(points, labels):
    """Points (N, 2) in the colour of their class, and the class's number at its mean."""
    with plots.rc_context(plots.STYLE):
        figure = plots.AltFigure(size=(8.0, 6.4), kind="Codes of digits by class")
        ax = figure.subplots(subplot_kw={"xlabel": "$z_2$", "ylabel": "$z_1$", "aspect": "equal"})
        for c in labels.unique().tolist():
            its = points[labels == c]
            ax.scatter(*its.T, s=10, color=f"C{c}")
            box = {"boxstyle": "circle,pad=0.02", "fc": "w", "ec": f"C{c}"}
            ax.text(*its.mean(0).tolist(), str(c), size=15, ha="center", va="center", bbox=box)
    return figure


# %% alt="The codes of 1,000 digits in the plane, coloured by class. Zeros, ones, sixes and twos have regions of their own at the outside; fours and nines lie on top of each other, threes, fives and eights overlap in the middle."
by_class(evaluation.encode(flat, digits.test)[0].flip(1), digits.test_labels)

# %% [markdown]
# Most classes have a region of their own. Fours and nines share one.
#
# **Draw your own digit.** A stroke is a list of points $(x, y)$, from $(0, 0)$ at the top left to $(28, 28)$.


# %%
def ink(strokes, size=28, width=1.9):
    """A picture (size, size) of strokes, each a list of points (x, y): ink near their lines."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], -1)
    picture = torch.zeros(size, size)
    for stroke in strokes:
        for a, b in zip(torch.tensor(stroke), torch.tensor(stroke[1:]), strict=False):
            t = ((pixels - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
            distance = (pixels - a - t[..., None] * (b - a)).norm(dim=-1)
            picture = torch.maximum(picture, (width - distance).clamp(0, 1))
    return picture


# %%
mine = ink([[(11.0, 6.0), (8.0, 15.0), (20.0, 15.0)], [(18.0, 6.0), (17.0, 23.0)]])[None]

# %%
Predict("my_four")

# %% tags=["spoiler"] alt="Three pictures: a four drawn with two straight strokes; what the model with two dimensions makes of it, a blurred nine; what the model with ten dimensions makes of it, a four."
ten = load_vae(data.shipped("mnist_10d.safetensors")).requires_grad_(False)
back = [model.decoder.mean(model.posterior(mine).mu) for model in (flat, ten)]
plots.image_grid(torch.stack([mine, *back], 1), col_labels=["mine", "$D = 2$", "$D = 10$"])

# %% tags=["spoiler"]
distances = torch.cdist(torch.cat([mine, *back]).flatten(1), digits.test.flatten(1))
nearest = digits.test_labels[distances.topk(10, largest=False).indices]
for name, classes in zip(("mine", "D = 2", "D = 10"), nearest.tolist(), strict=True):
    print(f"{name:>6}: the ten nearest digits are {sorted(classes)}")

# %% [markdown]
# The model with two dimensions closes the loop: among the ten nearest digits are as many nines as fours. With ten
# dimensions my four comes back. Now walk from your own digit.

# %%
walk = LatentExplorer(ten, mine)
walk.image_index = 0
walk

# %% [markdown] slide="Generating data from the VAE" exercises=["7.1"]
# ## One coordinate at a time
#
# The explorer draws **traversals** below its sliders: start from the code of a picture, and move one coordinate.

# %% [markdown] exercise="7.1 ★"
# ### Exercise 7.1 `traverse`
#
# *5 minutes.* From one code `z`, `(D,)`, and n values make the n codes of a traversal, `(n, D)`: each is `z` with
# its coordinate `dim` replaced by one of the values. `z` itself must not change.


# %%
def traverse(z, dim, values):
    """The codes (n, D) of a traversal of z (D,) along dimension dim, one for each value."""
    ### BEGIN SOLUTION
    codes = z.repeat(len(values), 1)
    codes[:, dim] = torch.as_tensor(values, dtype=z.dtype)
    return codes
    ### END SOLUTION


# %%
check.traverse(traverse)

# %% [markdown]
# One row per coordinate, starting from the code 0, the one with the largest KL first.

# %% alt="Four strips of the same face, one for each latent dimension. In the first the head turns from one side to the other. In the second the face goes between a frown and a smile. In the last two nothing changes." deck="One coordinate at a time"
values = torch.linspace(-2.5, 2.5, 9)
strips = values[:, None] * torch.eye(4)[order][:, None]  # (4, 9, 4)
plots.image_grid(
    vae.decoder.mean(strips).clamp(0, 1),
    row_labels=[f"$z_{d + 1}$, KL {kl[d]:.1f}" for d in order],
    col_labels=[f"{value:+.1f}" for value in values.tolist()],
)

# %% [markdown] slide="Generating data from the VAE" exercises=["7.4"]
# ## Which dimension is the smile?
#
# With some goodwill one sees a smile anywhere, so measure. A dimension deserves a factor's name if it
# rises, or falls, whenever the factor does. The relation need not be a straight line, so we compare *ranks*:
# **Spearman's correlation**
#
# $$\rho = \frac{\sum_n (r_n - \bar r)(s_n - \bar s)}{\sqrt{\sum_n (r_n - \bar r)^2 \sum_n (s_n - \bar s)^2}},$$
#
# with $r_n$ the rank of $\enc{\mu_d(x_n)}$ among the faces, and $s_n$ that of the factor. It is $\pm 1$ for any
# increasing or decreasing relation. The sign is chance, so we look at $|\rho|$.

# %% [markdown] exercise="7.4 ★★"
# ### Exercise 7.4 `spearman_table`
#
# *15 minutes.* The signed rank correlation of each of $D$ columns with each of $F$ factors: `(N, D)`, `(N, F)` to
# `(D, F)`. Values may occur more than once: each of them gets the average of their ranks.


# %%
def spearman_table(mu, factors):
    """Signed Spearman correlations, average ranks for ties: (N, D), (N, F) -> (D, F)."""
    ### BEGIN SOLUTION
    from scipy.stats import rankdata

    both = rankdata(torch.cat([mu, factors], 1), axis=0)
    correlations = torch.corrcoef(torch.from_numpy(both).T)
    return correlations[: mu.shape[1], mu.shape[1] :]
    ### END SOLUTION


# %%
check.spearman_table(spearman_table)

# %% [markdown]
# The lesson goes on with `evaluation.spearman_table`, on 5,000 new faces.

# %% alt="A table of the rank correlation of four latent dimensions with expression and pose. One dimension is near 1 for the pose, another for the expression. The other two reach up to about a third." deck="Which dimension is the smile?" lead="Rank correlation $|\\rho|$ of each dimension with each factor, on 5,000 new faces:"
factors = torch.rand(5000, 2, generator=generator) * 2 - 1
new = faces.render(*factors.T)
mu_new, sigma_new = evaluation.encode(vae, new)
rho = evaluation.spearman_table(mu_new, factors).abs()
names = [f"$z_{d + 1}$" for d in range(4)]
plots.table(rho, row_labels=names, col_labels=known.factor_names, title=r"$|\rho|$")

# %%
expression, pose = rho.argmax(0).tolist()
print(f"z{expression + 1} follows the expression: {rho[expression, 0]:.2f}")
print(f"z{pose + 1} follows the pose: {rho[pose, 1]:.2f}")

# %% [markdown]
# So the lecture's sentence is true of this model, and it has been measured. But look at the dimensions that are not
# in use. One reaches a third with the pose. Ranks do not see how *little* $\enc{\mu}$ moves: here by a few
# hundredths, under a noise of nearly 1. And there is something else that they do not see.

# %%
Predict("how_far")

# %% tags=["spoiler"]
turned = factors[:, 1:].abs()
rho_turned = evaluation.spearman_table(mu_new[:, [pose]], turned).abs().item()
print(f"rank correlation of z{pose + 1} with how far the head is turned: {rho_turned:.2f}")

# %% [markdown]
# This code tells how far the head is turned, almost perfectly. But the relation is U-shaped, and $\rho$ sees
# only rising and falling. A measure that sees both faults is the **mutual information** between the code
# $\code{z_d} \sim \enc{q}$, noise included, and the factor $f$: how many nats one tells about the other,
#
# $$I(\code{z_d}; f) = \gap{\mathrm{KL}(p(z_d, f)\,\|\,p(z_d)\,p(f))} .$$
#
# To estimate it, cut both into ten bins of equal share, and count. (Ten bins can show at most $\log 10 = 2.30$
# nats, and for independent variables the counts of 5,000 faces give about 0.01.)


# %%
def mutual_information(a, b, bins=10):
    """I(a; b) in nats, from counts in bins with equal shares of a and of b, (N,) each."""
    i, j = (t.argsort().argsort() * bins // len(t) for t in (a, b))
    joint = torch.bincount(bins * i + j, minlength=bins**2).reshape(bins, bins) / len(a)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return torch.special.xlogy(joint, joint / independent).sum()


# %% tags=["spoiler"] alt="A table of the mutual information of four latent dimensions with expression, pose and how far the head is turned. The dimension of the pose has nearly two nats with the pose and more than one with how far it is turned; the dimension of the expression has one and a half with the expression; all others are near zero."
z_new = mu_new + sigma_new * torch.randn(mu_new.shape, generator=generator)
three = torch.cat([factors, turned], 1)
information = torch.stack([mutual_information(z, f) for z in z_new.T for f in three.T]).reshape(
    4, 3
)
plots.table(
    information,
    row_labels=names,
    col_labels=["expression", "pose", "how far"],
    title="$I$ in nats",
    limits=(0, math.log(10)),
)

# %% tags=["spoiler"]
print(f"I with how far the head is turned: {information[pose, 2]:.1f} nats")
print(f"largest I of a dimension that is not in use: {information[order[2:]].max():.2f} nats")

# %% [markdown]
# The U is seen, and the dimensions that are not in use are silent. A representation in which each factor has one dimension, and each dimension in use follows one factor, is
# called **disentangled** (Bengio, Courville and Vincent, 2013; there is no agreed definition).

# %% [markdown] tags=["aside"]
# #### Aside: a bound, and one number for it
#
# The silent dimensions had no choice. The code learns of the factor through $x$, so $I(\code{z_d}; f) \le
# I(\code{z_d}; x)$, by the data processing inequality. And by the surgery above, for one dimension, $I(\code{z_d}; x)$ is
# at most its mean KL. A dimension with a KL of 0.005 nats knows next to nothing.
#
# Chen et al. (2018) propose the *mutual information gap*: for each factor, the largest $I$ minus the second largest, in
# units of the factor's entropy, here $\log 10$. It is near 1 if one dimension knows the factor and no other does.

# %% tags=["aside"] title="the mutual information gap"
top = information[:, :2].sort(0, descending=True).values
gaps = (top[0] - top[1]) / math.log(10)
print(f"mutual information gap: expression {gaps[0]:.2f}, pose {gaps[1]:.2f}")

# %% [markdown] slide="KL annealing"
# ## What does the ELBO prefer?
#
# Why should one factor get one dimension? The prior looks the same in each direction. Rotate the codes of this model
# by 45° in the plane of pose and expression, and let encoder and decoder undo it. Now each of the two dimensions
# mixes both.

# %%
Predict("turn_axes")

# %% [markdown] deck="What does the ELBO prefer?" lead="Rotate two axes by $\\alpha$. A *diagonal* $\\enc{q}$ cannot follow, and it costs" blocks=[1]
# A rotation does not change $p_\theta(x)$, and it rotates the posterior. A $\enc{q}$ with a *full* covariance matrix
# would rotate along: the same reconstructions, and the same KL, since $\mathcal N(0, I)$ is unchanged. Its ELBO would
# stay what it was. But our $\enc{q}$ is **diagonal**. Let its precisions be $\lambda_1 = 1/\sig{\sigma_1^2}$ and
# $\lambda_2$, and take $\enc{q}$ for the posterior. After a rotation by $\alpha$ the posterior's precision matrix has
# on its diagonal
#
# $$\lambda_1' = \lambda_1\cos^2\alpha + \lambda_2\sin^2\alpha, \qquad
# \lambda_2' = \lambda_1\sin^2\alpha + \lambda_2\cos^2\alpha .$$
#
# Lesson 4 has the gap that the best diagonal $\enc{q}$ leaves, and the determinant does not change. So
# the rotation costs
#
# $$\gap{\tfrac12 \log \frac{\lambda_1' \lambda_2'}{\lambda_1 \lambda_2}} \ge 0, \qquad
# \text{at 45°: } \log\frac{(\lambda_1 + \lambda_2)/2}{\sqrt{\lambda_1\lambda_2}} .$$
#
# It is zero at 90°, where the axes only change places, and at each angle if $\lambda_1 = \lambda_2$. Now measure it: the
# ELBO of each test face before and after, with the best diagonal $\enc{q}$ and the same noise.


# %%
def turned_precisions(sigma, plane, alpha):
    """The diagonal of the posterior's precision after a rotation by α in a plane, (N, D)."""
    lam, (a, b) = sigma**-2, plane
    turned = lam.clone()
    turned[:, a] = lam[:, a] * math.cos(alpha) ** 2 + lam[:, b] * math.sin(alpha) ** 2
    turned[:, b] = lam[:, a] * math.sin(alpha) ** 2 + lam[:, b] * math.cos(alpha) ** 2
    return turned


def rotate(z, plane, alpha):
    """The codes z (..., D), rotated by α in the plane of two dimensions."""
    a, b = plane
    turned = z.clone()
    turned[..., a] = math.cos(alpha) * z[..., a] - math.sin(alpha) * z[..., b]
    turned[..., b] = math.sin(alpha) * z[..., a] + math.cos(alpha) * z[..., b]
    return turned


# %%
def elbo_after(vae, x, plane, alpha, eps):
    """Each x's ELBO if the codes are rotated by α and q is the best diagonal one, (B,)."""
    q = vae.posterior(x)
    mu = rotate(q.mu, plane, alpha)
    sigma = turned_precisions(q.sigma, plane, alpha) ** -0.5
    z = rotate(mu + sigma * eps, plane, -alpha)  # the decoder undoes the rotation
    kl = (mu**2 + sigma**2 - 1).sum(1) / 2 - sigma.log().sum(1)
    return vae.likelihood(z).log_prob(x).mean(0) - kl


# %% tags=["spoiler"]
precise = load_vae(data.shipped("faces_vae.safetensors")).double().requires_grad_(False)
x = known.test.double()
eps = torch.randn(8, len(x), 4, generator=generator, dtype=torch.float64)
eps = torch.cat([eps, -eps])  # in pairs, which cancel much of the noise
sigma_q = precise.posterior(x).sigma
before = elbo_after(precise, x, plane, 0.0, eps)
print(f"ELBO before: {before.mean():.0f} nats")
predicted, measured = [], []
for degrees in range(9, 91, 9):
    alpha = math.radians(degrees)
    ratio = turned_precisions(sigma_q, plane, alpha) * sigma_q**2
    predicted.append(ratio.log().sum(1).mean() / 2)
    lost = before - elbo_after(precise, x, plane, alpha, eps)
    measured.append((lost.mean(), lost.std() / len(lost) ** 0.5))
    if degrees in (45, 90):
        print(f"{degrees}°: measured {lost.mean():z.3f} ± {measured[-1][1]:.3f} nats", end="")
        print(f", formula {predicted[-1]:z.3f}")

# %% tags=["spoiler"] alt="The price of a rotation in nats over its angle. The formula is an arch that rises from zero to its top at 45 degrees and returns to zero at 90. The measured points lie on it, up to their error bars." deck="+"
points = torch.tensor(measured).T
plots.against(
    torch.arange(9, 91, 9),
    {"formula": torch.stack(predicted)},
    {"measured": (points[0], points[1])},
    xlabel=r"angle $\alpha$ in degrees",
    ylabel="price (nats)",
    log="",
)

# %% [markdown] deck="What follows, and what does not"
# The ELBO does prefer axes: those along which the posterior is uncorrelated. But the price is 0.18 nats at most, in
# 1,209. What follows, and what does not?
#
# - **For the linear model it is a theorem.** With distinct variances, the ELBO's maxima have the principal
#   components as axes, up to order and sign (Lucas et al., 2019; the columns of $W$ in lesson 4).
# - **For a nonlinear decoder it is a local statement**: a diagonal $\enc{q}$ favours decoders whose
#   derivatives along different axes are orthogonal (Rolínek, Zietlow and Martius, 2019).
# - **It does not say that the axes are the factors you have in mind.** A factorised prior can be mixed in infinitely
#   many ways, nonlinear ones too, with the same $p_\theta(x)$. Without assumptions on both model and data, unsupervised
#   disentanglement is impossible (Locatello et al., 2019).

# %% [markdown] slide="KL annealing"
# ## Beta from above: a recipe
#
# Yet our model is disentangled. It was trained by a recipe, the opposite of the lecture's KL annealing: $\beta$ comes
# *down*, from 60 to 3 in the first quarter, and is 1 for the last 30 % (`schedules.annealing_from_above`). The study
# compares the two over ten seeds. We call a model *clean* if for each factor some dimension has $|\rho| > 0.95$.


# %%
def summary(name, runs):
    """One line on the runs of one way to train; KL to prior is that of the aggregated posterior."""
    clear = torch.tensor([run["clearest"] for run in runs])
    in_use = [sum(kl > 0.05 for kl in run["KL"]) for run in runs]
    elbo = torch.tensor([run["ELBO"] for run in runs])
    mismatch = torch.tensor([run["from the prior"] for run in runs])
    print(f"{name:>31}: clean {int((clear > 0.95).sum())} of {len(runs)}", end="")
    print(f" ({clear.min():.2f} to {clear.max():.2f})", end="")
    print(f", in use {min(in_use)} to {max(in_use)}", end="")
    print(f", ELBO {elbo.mean():.1f} ± {elbo.std():.1f}", end="")
    print(f", KL to prior {mismatch.mean():.1f} ± {mismatch.std():.1f}")


for name in ("from above", "upwards", "from above, then 96 epochs", "upwards, 144 epochs"):
    summary(name, study[name])

# %% [markdown] deck="Beta from above: a recipe" points=["$\\beta$ from 60 down to 3, then 1: ten of ten models are clean, with two dimensions in use.", "Annealed upwards: none of ten, also after three times the epochs.", "The price, after as many epochs at $\\beta = 1$: about one nat."]
# From above, ten of ten are clean, with two dimensions in use. Upwards, none of ten is, and not for lack of training:
# after three times the epochs they are still mixed. They spread two factors over three or four dimensions.
#
# And the price? After 48 epochs the recipe is behind in ELBO. Trained on at $\beta = 1$, to the same number of epochs,
# it has almost caught up: it misses about one nat, and five of five are still clean. And its codes are much closer to
# the prior.
#
# **Why does it work?** The usual story: while $\beta$ is high, one dimension at a time is worth its nats; the first
# takes the pose, which moves most pixels; and alone it cannot mix. So look which dimension woke up first (KL above 0.05
# nats for good). And look at faces with fewer poses, where both factors move as many pixels.


# %%
def first_awake(runs):
    """How often the pose woke first, the expression, or both in the same epoch."""
    counts = {"pose": 0, "expression": 0, "same epoch": 0}
    for run in runs:
        of_factor = torch.tensor(run["Spearman"]).argmax(0).tolist()
        expression, pose = (run["awake in epoch"][d] for d in of_factor)
        earlier = "pose" if pose < expression else "expression"
        counts["same epoch" if pose == expression else earlier] += 1
    return counts


for name in ("from above", "equal factors, from above"):
    print(f"{name}: awake first {first_awake(study[name])}")

# %%
others = ("equal factors, from above", "rotated", "rotated, then 48 epochs")
for name in (*others, "rotated, then 48 epochs from 10", "upwards, two dimensions"):
    summary(name, study[name])

# %% [markdown]
# The pose need not come first: with equal factors it is mostly the expression. *One after the other* agrees with 18 of
# these 20 runs. But it is not the whole reason: with equal factors eight of ten are clean, and of the other two, one woke
# its dimensions one after the other as well. For the lines with *rotated*, five clean models were rotated by 45° in their
# weights and trained on, at $\beta = 1$ or mostly at 10. None of them turned back: in 48 epochs, a preference of 0.2 nats
# did not put the axes in order. And upwards with only two dimensions, one of five is clean.
# Mixing needs no spare dimension.

# %% [markdown]
# ## Between two faces
#
# Take two faces with the same expression that look to opposite sides. Halfway between them lies $(x_1 + x_2)/2$ in
# pixel space, and $\dec{G}((\code{z_1} + \code{z_2})/2)$ in latent space.

# %%
Predict("halfway")

# %% tags=["spoiler"] alt="Two ways from a smiling face that looks to one side to the same face looking to the other. In pixels the two faces fade into each other, and halfway both are seen at once. In latent space one head turns, and the smile stays." deck="Between two faces"
ends = faces.render([0.6, 0.6], [-0.8, 0.8])
t = torch.linspace(0, 1, 9)[:, None, None]
in_pixels = (1 - t) * ends[0] + t * ends[1]
mu_ends = vae.posterior(ends).mu
in_latent = vae.decoder.mean((1 - t[:, 0]) * mu_ends[0] + t[:, 0] * mu_ends[1])
plots.image_grid(
    torch.stack([in_pixels, in_latent]).clamp(0, 1),
    row_labels=["pixels", "latent"],
    col_labels=[f"{v:.2f}" for v in t.flatten().tolist()],
)

# %% [markdown]
# The average of two faces is no face. In numbers: take 200 random expressions, and the same two poses. How far is the
# point halfway from the nearest of our drawn faces, and which expression does the ruler read there?

# %% tags=["spoiler"]
smiles = torch.rand(200, generator=generator) * 2 - 1
left, right = faces.render(smiles, -0.8), faces.render(smiles, 0.8)
half = {
    "pixels": (left + right) / 2,
    "latent": vae.decoder.mean((vae.posterior(left).mu + vae.posterior(right).mu) / 2),
}
for name, pictures in half.items():
    far = torch.cdist(pictures.flatten(1), ruler[0]).min(1).values / 32
    change = read(pictures, *ruler)[:, 0] - smiles
    print(f"{name}: {far.mean():.3f} ± {far.std():.3f} per pixel from the nearest face", end="")
    print(f", change of expression {change.mean():z.2f} ± {change.std():.2f}")

# %% [markdown]
# Halfway through pixel space the picture is over three times as far from a face. The latent path stays as close to the
# faces as the decoder's error. But on the way the smile gets weaker, by 0.14 of a range of 2. The cloud of codes above
# shows why: its upper and lower edges are bent, so a straight line across is not a line of equal expression. A
# rank correlation of 0.99 leaves room for that.

# %% [markdown]
# ## Your own pictures
#
# You can train on a folder of your own photographs. The next cell makes one in a temporary place: 400 faces in warm
# and cold light.

# %%
import os
import tempfile
from pathlib import Path
from PIL import Image

place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # gone when the kernel stops
os.environ["VAELIB_DATA"] = place.name  # and with it the copy that from_folder makes
folder = Path(place.name, "photos")
folder.mkdir()
e, p, warmth = torch.rand(3, 400, generator=generator)
cold, warm = torch.tensor([[0.6, 0.8, 1.0], [1.0, 0.8, 0.6]])
light = torch.lerp(cold, warm, warmth[:, None])[:, None, None]
photos = faces.render(2 * e - 1, 2 * p - 1)[..., None] * light
for i, photo in enumerate((255 * photos).byte().numpy()):
    Image.fromarray(photo).save(folder / f"{i:03}.png")

# %% [markdown]
# These are the six lines. Put your own path in place of `folder`.

# %%
photos = data.from_folder(folder, size=(32, 32))
own = models.dense(photos.train.shape[1:], latent_dim=4, hidden=(128, 128), activation="silu")
training.fit(own, photos.train, epochs=50, batch_size=32, lr=2e-3, progress=False)
tour = LatentExplorer(own, photos)
tour.image_index = 0
tour

# %% [markdown]
# The pictures are blurred: 360 faces and a few seconds are little. Take thousands of pictures of one kind of thing,
# `size=(64, 64)`, `models.conv`, more dimensions and more epochs. Then ask the questions of this lesson.

# %% [markdown]
# ## Does it know what a smile is?
#
# It has found one number that follows the expression, with $|\rho| = 0.99$, and one that follows the pose, without a
# single label. The names are ours, and the axes come from the way it was trained: ten mixed models have
# an ELBO at least as good. It draws good faces, but not in the right proportions, until one repairs the prior. We could say all this because
# we had a ruler.

# %% [markdown] deck="Where to go from here"
# ## Where to go from here
#
# - **Conditional VAEs** give encoder and decoder a label, so that you can ask for a seven (Sohn, Lee and Yan, 2015).
# - **Hierarchical VAEs** stack latent variables, coarse ones above fine ones, and draw sharp faces (Vahdat and Kautz,
#   2020, *NVAE*).
# - **VQ-VAEs** replace the bell by the nearest entry of a learned code book (van den Oord, Vinyals and Kavukcuoglu, 2017).
# - **Latent diffusion** trains an auto-encoder first, and then a diffusion model as the distribution of its codes:
#   our remedy, at full size (Rombach et al., 2022).
# - **Diffusion models are hierarchical VAEs** whose encoder is fixed and adds noise in many small steps
#   (Kingma, Salimans, Poole and Ho, 2021).

# %% [markdown]
# ## What goes wrong in practice
#
# - **Judging a generative model by ten samples.** Measure something, and compare with the data.
# - **Naming an axis by looking.** If the factors are not known, label a hundred pictures by hand, and measure.
# - **Traversing a dimension that is not in use.** It looks like a bug. Look at its KL.
# - **Trusting one seed.** Which dimension, which sign, and whether at all: train several times.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $\hat x = G_\theta(z)$ | `vae.decoder.mean(z)` | `(B, 32, 32)` |
# | $\mu$, $\sigma$ of all data | `evaluation.encode(vae, x)` | `(N, D)` |
# | $\log \bar q(z)$ | `log_aggregated(z, mu, sigma)` | `(K,)` |
# | mean and covariance of $\bar q$ | `aggregate_moments(mu, sigma)`, exercise 7.3 | `(D,)`, `(D, D)` |
# | $\rho$ | `spearman_table(mu, factors)`, exercise 7.4 | `(D, F)` |
# | $I(z_d; f)$ | `mutual_information(z[:, d], f)` | scalar |
#
# Back to the [map](00_start_here.ipynb#The-map).

# %% [markdown]
# ## References
#
# - Hoffman and Johnson (2016), *ELBO surgery*: the aggregated posterior.
# - Tomczak and Welling (2018), *VAE with a VampPrior*, and Dai and Wipf (2019), *Diagnosing and enhancing VAE models*:
#   remedies.
# - Higgins et al. (2017), *beta-VAE*, and Chen et al. (2018), *Isolating sources of disentanglement in VAEs*: $\beta$,
#   and how to measure what it does.
# - Rolínek, Zietlow and Martius (2019), *Variational autoencoders pursue PCA directions (by accident)*, and Lucas et
#   al. (2019), *Don't blame the ELBO!*: why a diagonal $q$ prefers axes.
# - Locatello et al. (2019), *Challenging common assumptions in the unsupervised learning of disentangled
#   representations*: what is impossible.
# - Kingma and Welling (2019), *An introduction to variational autoencoders*: a book to read next.
