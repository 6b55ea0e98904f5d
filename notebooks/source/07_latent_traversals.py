# %% [markdown]
# # 7 · Latent traversals
#
# A VAE has been trained on pictures and has been told nothing else. **Does it know what a smile is?**
#
# The lecture's last slides say that it might: "z₁: facial expression, z₂: head pose". Nobody labelled a
# face with either, so how could a coordinate of z come to mean one of them, and how would we know? In
# this lesson you draw faces from noise, walk through the latent space one coordinate at a time, and then
# *measure* what each coordinate means, because these faces were drawn from two known factors.
#
# **After it you will be able to**
#
# - generate data from a VAE: z ~ p(z), then x ~ p(x|z), and say what each of the two steps adds;
# - lay out a two-dimensional latent space as a picture, through the inverse normal CDF;
# - read the KL of each dimension, and say which dimensions the model uses at all;
# - test a claim such as "z₁ is the head pose" with a rank correlation instead of with your eyes;
# - say what interpolating in latent space does that interpolating pixels cannot.

# %%
from vaelib import check, data, evaluation, plots
from vaelib.training import face_vae, fit_faces
from vaelib.widgets import LatentExplorer, TrainingCurves
from vaelib.widgets.explorer.snapshot import snapshot

import torch
from scipy import stats

# %% [markdown]
# ## A model of our own
#
# We train the default face model here and now, on 4,000 faces without their factors. Its loop is the one
# that lesson 6 writes out. It takes some seconds; both terms of the ELBO are drawn as they come.
# A GPU is used where there is one (`device="auto"`).

# %%
faces = data.load("faces")
vae = face_vae(seed=0)
curves = TrainingCurves()
curves

# %%
history = fit_faces(vae, faces.train, seed=0, progress=curves)

# %% [markdown]
# The same curves as a picture, for a page on which nothing moves. β, the weight of the KL term, starts
# high and comes down (lesson 6 says why). The KL climbs in steps: one dimension comes into use, and a
# good while later a second one.

# %%
plots.curves(
    {
        "log p(x|z) (nats)": {"": history.reconstruction},
        "KL (nats)": {"": history.kl},
        "β": {"": history.beta},
    },
    alt="Three curves over the epochs: the reconstruction term rises; the KL drops to nothing, rises while "
    "β comes down from 60 to 3, takes a step upwards while β rests at 3, and a small one when β becomes 1.",
)

# %% [markdown] slide="Generating data from the VAE" pseudo=["z ~ p(z), x ~ p(x given z)"]
# ## From noise to a face
#
# To generate is to run the model forwards, as it is written down: first a code from the prior, $z \sim p(z) =
# \mathcal N(0, I)$, then a picture from the likelihood, $x \sim p(x|z) = \mathcal N(G(z), \sigma_x^2 I)$. The
# encoder takes no part in it: it was the scaffolding.
#
# *Predict*: what will the second step add to the first one's picture x̂ = G(z)?

# %%
generator = torch.Generator().manual_seed(1)
z = torch.randn(10, vae.latent_dim, generator=generator)
with torch.no_grad():
    p_x = vae.likelihood(z)
    x_hat, x = p_x.mean, p_x.sample(generator=generator)

# %%
plots.image_grid(
    torch.stack([x_hat, x]).clamp(0, 1),
    row_labels=["x̂ = G(z)", "x ~ p(x|z)"],
    alt="Ten faces generated from noise, no two alike: above the decoder's means, which are smooth, "
    "below draws of p(x|z), the same faces under grain.",
)

# %% [markdown]
# Grain. The model's noise is independent from pixel to pixel, and all it can explain is what no z explained.
# Pictures in papers are nearly always the upper row, means and not samples. To draw a sample is to take noise
# of standard deviation $\sigma_x$, and that can be checked: the root mean square of x − x̂ must be
# $\sigma_x$, up to a standard error of $\sigma_x/\sqrt{2N}$ for N pixels. And `vae.sample` must be these two
# steps and nothing else.

# %%
sigma_x = vae.decoder.sigma_x
measured = (x - x_hat).square().mean().sqrt()
standard_error = sigma_x / (2 * x.numel()) ** 0.5
assert abs(measured - sigma_x) < 4 * standard_error
f"σ_x = {sigma_x:.2f}, measured {measured:.2f}"

# %%
again = vae.sample(10, generator=torch.Generator().manual_seed(1))
assert torch.equal(again, x)
"vae.sample draws z, then x, as above"

# %% [markdown]
# ## Which dimensions are used
#
# The price of a dimension d for one picture is $\mathrm{KL}(q(z_d|x)\,\|\,p(z_d))$, in nats. Where it is zero
# the encoder answers with the prior whatever it sees, and the decoder has learned to ignore that coordinate.
# The mean over the test faces tells how much of z this model uses.
#
# *Predict*: the faces were drawn from two factors and the model has four dimensions. How many will be
# used?

# %%
kl = evaluation.kl_per_dim(vae, faces.test).mean(0)
order = kl.argsort(descending=True)
first, second = order[:2].tolist()
f"{int(evaluation.active_units(vae, faces.test).sum())} dimensions of {vae.latent_dim} are in use"

# %%
assert torch.all(kl[order[:2]] > 1) and torch.all(kl[order[2:]] < 0.1)
names = [f"z{d + 1}" for d in range(vae.latent_dim)]
plots.table(
    kl[:, None],
    row_labels=names,
    col_labels=["KL (nats)"],
    limits=(0, float(kl.max())),
    alt="The mean KL of each latent dimension: two of the four cost more than a nat, the others "
    "less than a tenth of one.",
)

# %% [markdown] slide="Generating data from the VAE" exercises=["7.2"]
# ## The manifold
#
# Two dimensions can be laid out on a page. If z ~ N(0, 1) and Φ is its distribution function, then Φ(z) is
# uniform on (0, 1). Backwards: equal steps of probability u = (i + ½)/n become the quantiles $z =
# \Phi^{-1}(u)$, dense in the middle, where the prior has its mass, and wide in the tails. A grid of them
# shows each part of the latent space as often as the prior would. With the error function, $\Phi^{-1}(u) =
# \sqrt 2\,\mathrm{erf}^{-1}(2u - 1)$. SciPy knows Φ⁻¹ too, by another route.

# %%
n = 11
u = (torch.arange(n, dtype=torch.float64) + 0.5) / n
quantiles = 2**0.5 * torch.special.erfinv(2 * u - 1)
torch.testing.assert_close(quantiles, torch.from_numpy(stats.norm.ppf(u.numpy())))
[f"{q:+.2f}" for q in quantiles.tolist()]

# %% [markdown]
# Now every pair of quantiles goes into the two dimensions in use, the others stay at 0, and the decoder
# draws the means.

# %%
grid = torch.zeros(n, n, vae.latent_dim)
grid[:, :, first] = quantiles.float()[:, None]
grid[:, :, second] = quantiles.float()
with torch.no_grad():
    sheet = vae.decoder.mean(grid)

# %%
plots.manifold(
    sheet.clamp(0, 1),
    quantiles,
    labels=(f"{names[first]}, the costliest", f"{names[second]}, the next"),
    alt="A square of decoded faces. Along one side the heads turn from one side to the other, along "
    "the other side the faces go between a frown and a smile; neighbours look alike everywhere.",
)

# %% [markdown] slide="Generating data from the VAE" exercises=["7.1"]
# ## One coordinate at a time
#
# A **traversal** starts from the code of a real face, here the mean μ(x) of its posterior, and moves one
# coordinate while the others stay. What changes is what that coordinate stands for, seen from this face.
# Each row below is one dimension, the costliest first, from −2.5 to 2.5.

# %%
values = torch.linspace(-2.5, 2.5, 9)
with torch.no_grad():
    start = vae.posterior(faces.test[:1]).mu[0]
    rows = start.repeat(vae.latent_dim, len(values), 1)
    for row, d in enumerate(order.tolist()):
        rows[row, :, d] = values
    strips = vae.decoder.mean(rows)

# %%
plots.image_grid(
    strips.clamp(0, 1),
    row_labels=[f"{names[d]} · KL {kl[d]:.1f}" for d in order.tolist()],
    col_labels=[f"{v:+.1f}" for v in values.tolist()],
    alt="Four strips of the same face, one a latent dimension. In the first two rows one coordinate "
    "turns the head and another goes between frown and smile; in the last two rows nothing changes.",
)

# %% [markdown] slide="Generating data from the VAE" exercises=["7.3"]
# ## Which is the expression, and which the head pose?
#
# Look at the strips and decide. Then let us not trust our eyes. Each test face comes with the two numbers
# it was drawn from, and a dimension deserves the name of a factor if it rises (or falls) whenever the
# factor does. It need not do so along a straight line, and its sign is a matter of chance, so the measure
# is the absolute value of Spearman's **rank correlation**:
#
# $$\rho = \frac{\sum_n (r_n - \bar r)(s_n - \bar s)}{\sqrt{\sum_n (r_n - \bar r)^2 \sum_n (s_n - \bar s)^2}},$$
#
# Pearson's correlation of the ranks r of $\mu_d(x)$ and s of the factor. It is 1 for any increasing relation,
# −1 for any decreasing one, and near 0 where there is none. A value that occurs twice would need the
# average of its ranks, which this code leaves out. That happens only in a dimension that is asleep, whose μ
# hardly moves at all, so we compare the two in use.


# %%
def ranks(values):
    """The place of each value in its column, 0 for the smallest; values (N, C) without ties."""
    return values.argsort(0).argsort(0).double()


def spearman(mu, factors):
    """Rank correlation of each column of mu with each of factors: (N, D), (N, F) -> (D, F)."""
    r, s = ranks(mu), ranks(factors)
    r, s = r - r.mean(0), s - s.mean(0)
    return (r.T @ s) / (r.norm(dim=0)[:, None] * s.norm(dim=0))


# %%
with torch.no_grad():
    mu = vae.posterior(faces.test).mu
rho = spearman(mu, faces.test_factors)
rho.shape

# %% [markdown]
# Two checks: SciPy's rank correlation, one pair at a time, and `vaelib`'s, which the command line prints
# (`python -m vaelib evaluate`).

# %%
for d in (first, second):
    for f in range(2):
        oracle = stats.spearmanr(mu[:, d].numpy(), faces.test_factors[:, f].numpy()).statistic
        assert abs(rho[d, f] - oracle) < 1e-9
in_use = evaluation.factor_alignment(vae, faces)[[first, second]]
torch.testing.assert_close(rho.abs().float()[[first, second]], in_use)

# %%
plots.table(
    rho.abs(),
    row_labels=names,
    col_labels=faces.factor_names,
    title="|Spearman|",
    alt="Rank correlation of four latent dimensions with two factors: one dimension is close to 1 for "
    "the head pose, another for the expression, and no dimension is high for both.",
)

# %%
expression, pose = rho.abs().argmax(0).tolist()
assert rho.abs()[expression, 0] >= 0.97 and rho.abs()[pose, 1] >= 0.97
assert [pose, expression] == [first, second]
"The costliest dimension is the head pose, the next one the expression."

# %% [markdown]
# So the lecture's example has come true, and it has been measured: no face was labelled, and yet one
# coordinate is the expression and another the pose. The pose costs more nats because it moves more pixels.
# Which of the four it is, and in which direction, is chance; another seed may swap them. (A dimension that is
# asleep can show some rank correlation too: ranks do not mind how little it moves. Read them beside the KL.)
# The latent means tell it too: shaded by one factor the faces lie in stripes along one axis, by the other
# along the other.

# %%
plots.scatter(
    mu[:, [pose, expression]],
    {name: faces.test_factors[:, i] for i, name in enumerate(faces.factor_names)},
    axes=(f"μ of {names[pose]}", f"μ of {names[expression]}"),
    alt="The test faces in the plane of the two dimensions in use, twice: shaded by the expression they "
    "change from dark to light along the vertical axis, shaded by the pose along the horizontal one.",
)

# %% [markdown]
# ## Between two faces
#
# Take the two test faces whose heads are turned furthest apart. Halfway between them lies, in pixel space,
# (x₁ + x₂)/2, and in latent space, G((z₁ + z₂)/2).
#
# *Predict*: what does each of the two look like?

# %%
left, right = faces.test_factors[:, 1].argmin(), faces.test_factors[:, 1].argmax()
t = torch.linspace(0, 1, 9)[:, None]
with torch.no_grad():
    in_latent = vae.decoder.mean((1 - t) * mu[left] + t * mu[right])
ends = faces.test[left].flatten(), faces.test[right].flatten()
in_pixels = ((1 - t) * ends[0] + t * ends[1]).reshape(in_latent.shape)

# %%
plots.image_grid(
    torch.stack([in_pixels, in_latent]).clamp(0, 1),
    row_labels=["pixels", "latent"],
    col_labels=[f"{v:.2f}" for v in t[:, 0].tolist()],
    alt="Two ways from a face that looks to one side to a face that looks to the other. In pixels two "
    "faces fade into each other, with two noses halfway; in latent space one head turns.",
)

# %% [markdown]
# The average of two faces is not a face. Again this can be said in numbers: how far is each picture on the
# way from the nearest of the 4,000 training faces, as a root mean square over pixels? A path along the
# manifold of faces stays close to it, a straight line through pixel space leaves it. (At its two ends the
# pixel path is a face exactly; the decoder's picture is its reconstruction.)


# %%
def distance_to_nearest(pictures, faces):
    """Root mean square over pixels from each picture to the nearest of the faces, (N,)."""
    distances = torch.cdist(pictures.flatten(1), faces.flatten(1))
    return distances.min(1).values / pictures[0].numel() ** 0.5


far, near = (distance_to_nearest(p, faces.train) for p in (in_pixels, in_latent))
assert far.max() > 2 * near.max()

# %%
plots.curves(
    {"to the nearest training face (root mean square)": {"pixels": far, "latent": near}},
    x=t[:, 0],
    xlabel="from the first face to the second",
    alt="The distance to the nearest training face along both ways: through pixel space it rises to "
    "several times the latent way's in the middle; the latent way stays low from end to end.",
)

# %% [markdown] slide="KL annealing"
# ## What β has to do with it
#
# Nothing in the ELBO asks for one factor a dimension. The prior is the same in every direction: rotate z,
# and let encoder and decoder undo the rotation, and every term of the ELBO stays what it was. The model
# above has its axes in order only because of *how it was trained*: with β high at first, a single dimension
# was worth its price and took what moves most pixels, the pose; the next woke later and took what was left.
#
# Here is the same model, the same seed, the same faces, trained with β = 1 from the first step to the last
# (with two thirds of the epochs, which is enough for it).
#
# *Predict*: is its ELBO better or worse? What will its table look like?

# %%
mixed = face_vae(seed=0)
mixed_history = fit_faces(mixed, faces.train, seed=0, epochs=32, beta=1.0, progress=False)
mixed_rho = evaluation.factor_alignment(mixed, faces)

# %%
plots.table(
    torch.cat([rho.abs(), mixed_rho]),
    row_labels=[f"{name}, β from above" for name in names] + [f"{name}, β = 1" for name in names],
    col_labels=faces.factor_names,
    title="|Spearman|",
    alt="Rank correlations with the two factors, the model trained with β from above over the one "
    "trained with β = 1 throughout: above two clean entries near 1, below the factors are mixed.",
)

# %% [markdown]
# How cleanly is each factor held by one dimension? For each factor take its largest entry; the smaller of the
# two says how well the table can be read.

# %%
clearest, clearest_mixed = (table.max(0).values.min() for table in (rho.abs(), mixed_rho))
assert clearest > 0.97 and clearest_mixed < 0.9
assert mixed_history.elbo[-1] > history.elbo[-1] - 2
"β = 1: an ELBO as good, and the factors mixed"

# %% [markdown]
# The mixed model is not a bad model of faces, and its ELBO is no worse: its latent space is the same landscape
# seen through a turned window. So an *interpretable* axis is a gift of the training schedule, of the data and
# of chance, and not of the ELBO. Lesson 6 shows the other side: a β that comes from too far above leaves a
# dimension asleep, which is what the lecture's KL annealing, upwards from 0, is there to prevent.

# %% [markdown] slide="Generating data from the VAE"
# ## Lab: the explorer
#
# The model of this notebook, live: one slider a dimension, the costliest first, each with its KL. It starts
# from the first test face. The decoder runs inside the page. Sliders answer the arrow keys; *encode* starts
# from a test face, *random* draws z ~ p(z), *reset* goes to z = 0.
#
# Things to try: find the slider that makes the face smile. Move a slider whose KL is 0. Go to ±3, where
# the prior hardly ever goes: what happens to the face? Start from a face and turn its head; does the
# expression stay?

# %%
explorer = LatentExplorer(vae, faces)
explorer.image_index = 0
explorer

# %% [markdown]
# And as a picture, for a page on which nothing moves: the face at z = 0, and what the sliders of the
# dimensions in use do to it.

# %%
snapshot(vae, [0.0] * vae.latent_dim, explorer.spec["rows"])

# %% [markdown]
# ## Exercises
#
# Write each function in place of its `raise`, from its formula and with the cells above out of sight; run it,
# and then the cell below it. The check there tries it on inputs drawn anew each time and says whether it is
# right and, if it is not, which mistake it looks like.

# %% [markdown] exercise="7.1 ★"
# ### Exercise 7.1 `traverse`
#
# *5 minutes.* From one code z (D,) and n values make the n codes of a traversal, (n, D): each is z with its
# coordinate `dim` replaced by one of the values. z stays as it was.


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

# %% [markdown] exercise="7.2 ★★"
# ### Exercise 7.2 `manifold_grid`
#
# *10 minutes.* The n² codes (n·n, 2) of a manifold picture: the quantiles (i + ½)/n of N(0, 1), i = 0, …,
# n − 1, in each of two coordinates, the first coordinate slowest.


# %%
def manifold_grid(n):
    """Every pair of the n quantiles (i + ½)/n of N(0, 1): (n·n, 2), first coordinate slowest."""
    ### BEGIN SOLUTION
    q = torch.from_numpy(stats.norm.ppf([(i + 0.5) / n for i in range(n)]))
    return torch.cartesian_prod(q, q)
    ### END SOLUTION


# %%
check.manifold_grid(manifold_grid)

# %% [markdown] exercise="7.3 ★★★"
# ### Exercise 7.3 `spearman_table`
#
# *30 minutes.* The signed rank correlation of each of D columns with each of F factors: (N, D), (N, F) →
# (D, F). Unlike above, values may occur more than once: each of them gets the average of their ranks.


# %%
def spearman_table(mu, factors):
    """Signed Spearman correlations, average ranks for ties: (N, D), (N, F) -> (D, F)."""
    ### BEGIN SOLUTION
    both = stats.rankdata(torch.cat([mu, factors], 1), axis=0)
    correlations = torch.corrcoef(torch.from_numpy(both).T)
    return correlations[: mu.shape[1], mu.shape[1] :]
    ### END SOLUTION


# %%
check.spearman_table(spearman_table)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Naming an axis by looking.** Four strips and a wish are enough to see a smile anywhere. Measure, on
#   pictures that were not trained on; where the factors are not known, label a hundred pictures by hand.
# - **Traversing a dimension that is asleep.** Nothing changes, and it looks like a bug. Look at its KL.
# - **Traversing too far.** At |z| = 6 the prior has no mass and the decoder was never asked; what it draws
#   there means nothing.
# - **Showing means and calling them samples.** x̂ = G(z) is the mean of p(x|z). A sample has $\sigma_x$ of grain.
# - **A linear grid for the manifold.** It spends most of its pictures on the tails, or never reaches them.
# - **Pearson instead of Spearman.** A dimension may follow a factor along a curve; ranks do not mind.
# - **Trusting one seed.** Which dimension, which sign, and with other settings whether at all: train twice.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | $p(z) = \mathcal N(0, I)$ | `vae.prior` | `(D,)` |
# | $p_\theta(x \mid z)$, its mean $\hat x = G_\theta(z)$ | `vae.likelihood(z)`, `vae.decoder.mean(z)` | `(B, 32, 32)` |
# | $\sigma_x$ | `vae.decoder.sigma_x` | scalar |
# | $\mu_\phi(x)$ | `vae.posterior(x).mu` | `(B, D)` |
# | $\mathrm{KL}(q_\phi(z_d \mid x)\,\Vert \,p(z_d))$, nats | `evaluation.kl_per_dim(vae, x)` | `(B, D)` |
# | $\Phi^{-1}(u)$ | `2**0.5 * torch.special.erfinv(2 * u - 1)` | as `u` |
# | $\rho$, rank correlation | `spearman(mu, factors)`, `evaluation.factor_alignment(vae, data)` | `(D, F)` |
#
# Back to the [map](00_start_here.ipynb#The-map).
