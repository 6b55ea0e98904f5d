# %% [markdown] sign="$\\gap{\\mathrm{KL}(q\\,\\|\\,p)} \\ge 0$"
# # 1 · KL divergence
#
# **How many nats does this face tell us?** In lesson 0 a face went into a model, and a few numbers
# $\code{z}$ came out. The model is less sure of itself than that. For each number it answers with a bell
# curve, a mean $\enc{\mu}$ and a standard deviation $\sig{\sigma}$. Before it sees a face, it would answer
# with $\prior{\mathcal N(0, 1)}$ for each of them. Here is one face, and the answer after seeing it.

# %%
from vaelib import check, data, divergences, faces, plots
from vaelib.checkpoint import load_vae
from vaelib.widgets import KLLab, Predict

import torch
from torch.distributions import Normal, Uniform

# %% alt="One grey face of 32 by 32 pixels: it smiles and looks to one side."
face = faces.render(0.5, 0.7)[None]
plots.image_grid(face[None])

# %%
vae = load_vae(data.shipped("faces_vae.safetensors"))
answer = vae.posterior(face)
for d, (mean, deviation) in enumerate(zip(answer.mu[0], answer.sigma[0], strict=True), start=1):
    print(f"z{d}: before 0 ± 1, now {mean:5.2f} ± {deviation:.3f}")

# %% alt="Two rows of eight faces. Before: eight different faces, with different expressions and poses. After: eight times the same smiling face, looking to the same side." deck="Before the face, and after" points=["Two of the four bells have become about twenty times narrower.", "*How much* does the face say?"]
generator = torch.Generator().manual_seed(1)
eps = torch.randn(2, 8, 4, generator=generator)
codes = torch.stack([eps[0], answer.mu + answer.sigma * eps[1]])
with torch.no_grad():
    pictures = vae.decoder.mean(codes)
plots.image_grid(pictures, row_labels=("before", "after"))

# %% [markdown]
# The rows show faces that the model makes from samples of its bells, before and after. Two of the four bells
# have moved and are about twenty times narrower. The other two have hardly changed. So this face says
# something about two numbers, and next to nothing about the others.
# *How much* does it say? We need a number for the step from one distribution to another: the
# **Kullback–Leibler divergence**.
#
# ## One look
#
# Here is one bell, $\enc{q}$, in front of a reference, $\prior{p}$. Two numbers move with it,
# $\gap{\mathrm{KL}(q\,\|\,p)}$ and $\gap{\mathrm{KL}(p\,\|\,q)}$. Each is an area: what lies above the axis minus
# what lies below. Try this:
#
# 1. Put $\enc{q}$ exactly onto $\prior{p}$. What are the two numbers?
# 2. Make it narrow, at $\enc{\mu} = 0$. Which of the two grows faster?
# 3. Can you make one of them negative?

# %% deck="One look: two bells, two numbers"
KLLab()

# %% [markdown] slide="KL divergence" exercises=["1.2"]
# ## How many rolls until you can prove it?
#
# A friend hands you a die. You suspect that it is loaded and shows a six half of the time, and each other
# face one time in ten. You begin without an opinion: your odds that it is loaded are 1 : 1. You may roll it
# as often as you like. How many rolls until you can say "twenty to one, this die is loaded"?

# %% deck="How many rolls until you can prove it?"
Predict("die")

# %% [markdown]
# Let $p$ be the loaded die and $q$ the fair one. By Bayes' rule, a roll $x$ multiplies your odds by
# $p(x)/q(x)$: by 3 if it is a six, by 0.6 if it is not. Products are awkward, so take logarithms. Now each
# roll *adds* $\log p(x)/q(x)$ to your log-odds.

# %%
fair = torch.full((6,), 1 / 6, dtype=torch.float64)
loaded = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5], dtype=torch.float64)
gain = (loaded / fair).log()
print(f"a six adds {gain[5]:.2f}, another face {gain[0]:.2f}")

# %% tags=["spoiler"]
per_roll = (loaded * gain).sum()
print(f"the loaded die adds {per_roll:.3f} per roll, on average")
print(f"ten rolls: log-odds {10 * per_roll:.2f}, odds {(10 * per_roll).exp():.0f} : 1")

# %% [markdown] deck="Evidence per roll" points=["Ten rolls add 2.94 nats, and $e^{2.94} \\approx 19$: about twenty to one."]
# A six adds 1.10, another face takes 0.51 away. If the die really is loaded, half of its rolls are sixes,
# and a roll adds on average
#
# $$\mathbb E_p\!\left[\log\frac{p(x)}{q(x)}\right]=\tfrac12\log 3+\tfrac12\log 0.6=0.294.$$
#
# Ten rolls add 2.94, and $e^{2.94} \approx 19$: about twenty to one. This average is the
# **Kullback–Leibler divergence** (or *relative entropy*) from $p$ to $q$. If there are finitely many
# outcomes, it is the sum
#
# $$\gap{\mathrm{KL}(p\,\|\,q)}=\mathbb E_p\!\left[\log\frac{p(x)}{q(x)}\right]=\sum_i p_i\log\frac{p_i}{q_i}.$$
#
# Its unit, with the natural logarithm, is the **nat**. One nat multiplies the odds by $e \approx 2.72$. So
# KL is *evidence per roll*, on average, when $p$ is true. And that is a first answer to "why this number?":
# the evidence of independent rolls adds up, so $n$ rolls carry $n$ times as much.
#
# But single runs vary. Here are 100,000 of them:

# %%
six = torch.rand(100_000, 10, generator=generator) < 0.5
log_odds = torch.where(six, gain[5], gain[0]).sum(1)
print(f"on average {log_odds.mean():.1f} nats; below zero in {(log_odds < 0).double().mean():.0%}")

# %% [markdown]
# In one run in six, ten rolls of the loaded die still speak for the fair one. And the answer to our
# question? Odds of 20 : 1 are $\log 20 = 3.00$ nats. On average, ten rolls carry less, and eleven carry more.

# %% [markdown] exercise="1.2 ★"
# ### Exercise 1.2 `rolls_to_convict`
#
# *5 minutes.* The same count for any two dice: so one plans an experiment. From positive probabilities `p` and `q`,
# `(I,)` each, and `odds` above 1: the smallest whole number $n$ with
# $n\,\gap{\mathrm{KL}(p\,\|\,q)} \ge \log(\text{odds})$, and `float("inf")` if $p = q$.


# %%
def rolls_to_convict(p, q, odds):
    """The smallest n with n KL(p ‖ q) ≥ log odds; p, q (I,), odds > 1 -> a whole number, or inf."""
    ### BEGIN SOLUTION
    per_roll = (p * torch.log(p / q)).sum()
    needed = torch.log(torch.as_tensor(odds, dtype=p.dtype))
    return torch.ceil(needed / per_roll)
    ### END SOLUTION


# %%
check.rolls_to_convict(rolls_to_convict)

# %% [markdown]
# Now turn the question around. Your friend is honest, the die is fair, and you still suspect it. The rolls
# come from $q$, and the evidence *for the fair die* grows by $\log q(x)/p(x)$ per roll. Does it grow at the
# same rate?

# %%
backward = (fair * (fair / loaded).log()).sum()
print(f"KL(loaded ‖ fair) = {per_roll:.3f} nats, KL(fair ‖ loaded) = {backward:.3f} nats")

# %% [markdown]
# It grows more slowly. Clearing an honest friend takes 13 rolls, two more than convicting a cheat. **KL is not
# symmetric**, and its order is part of its meaning: *from* the distribution that the
# samples come from, *to* the one it is compared with. The figure shows three runs with each die, and the
# averages $n\,\gap{\mathrm{KL}(p\,\|\,q)}$ and $-n\,\gap{\mathrm{KL}(q\,\|\,p)}$.

# %% alt="Two panels over the number of rolls. Left, the loaded die: three ragged runs climb along a straight line. Right, the fair die: three ragged runs fall along a straight line that is a little less steep." deck="KL is not symmetric" lead="On average: 11 rolls convict a cheat, 13 clear an honest friend."
n = torch.arange(1, 61)
panels = {}
for die, chance, slope in (("loaded", 0.5, per_roll), ("fair", 1 / 6, -backward)):
    six = torch.rand(3, 60, generator=generator) < chance
    runs = torch.where(six, gain[5], gain[0]).cumsum(1)
    panels[f"log-odds, {die} die (nats)"] = {
        **{f"run {i}": run for i, run in enumerate(runs, start=1)},
        "average": n * slope,
    }
plots.curves(panels, x=n, xlabel="rolls $n$", share="y")

# %% tags=["check"]
# The ends of the straight lines against 10,000 more runs with each die.
for (quantity, lines), chance in zip(panels.items(), (0.5, 1 / 6), strict=True):
    six = torch.rand(10_000, 60, generator=generator) < chance
    ends = torch.where(six, gain[5], gain[0]).sum(1)
    assert abs(ends.mean() - lines["average"][-1]) < 4 * ends.std() / 10_000**0.5, quantity
print("✓ 10,000 runs of 60 rolls with each die end, on average, where its straight line ends")

# %% [markdown]
# In code, two cases need care. An outcome with $p_i = 0$ does not occur and adds nothing: $0 \log 0 = 0$. An
# outcome with $p_i > 0$ and $q_i = 0$ makes KL infinite: a single such roll refutes $q$.


# %%
def kl_discrete(p, q):
    """KL(p ‖ q) = Σ_i p_i log(p_i / q_i), with 0 log 0 = 0; p, q (..., I) -> (...), nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


# %%
certain = torch.tensor([0.0, 0, 0, 0, 0, 1], dtype=torch.float64)
print(f"from 'surely a six' to the fair die: {kl_discrete(certain, fair):.3f} nats")
print(f"from the fair die to 'surely a six': {kl_discrete(fair, certain):.3f} nats")

# %% [markdown]
# The first number is $\log 6$. In general, if you learn which of $m$ equally likely outcomes it was, you gain
# $\log m$ nats. Read the other way: **$k$ nats single out one of $e^k$ equally likely things**.

# %% [markdown] tags=["aside"]
# #### Aside: nats, bits and bans
#
# The base of the logarithm is a unit, like metres and feet. Base 2 gives **bits**: one nat is
# $1/\log 2 \approx 1.44$ bits. Base 10 gives **bans**, the unit in which Alan Turing and I. J. Good counted
# evidence about settings of the Enigma at Bletchley Park. They worked in tenths of it, *decibans*, which Good
# (1979) describes as about the smallest step that intuition can feel. His *weight of evidence* is the log of
# our factor $p(x)/q(x)$, and KL is its average. We use nats, because the derivative of the natural logarithm
# has no extra constant.

# %% [markdown] slide="Divergence minimisation" exercises=["1.1"] deck="What a divergence must do" lead="A number $D(p, q)$ for each pair of distributions, such that" points=["Symmetry and the triangle inequality are not asked for."]
# ## What a divergence must do
#
# A generative model is good if what it makes up looks like the data. The lecture writes
# $p_\theta(x) \approx p_\text{data}(x)$. But "$\approx$" is not a number that a computer can minimise. We
# need a number $D(p, q)$ for each pair of distributions. It is called a **divergence** if
#
# 1. $D(p, q) \ge 0$ for all $p$ and $q$, and
# 2. $D(p, q) = 0$ if *and only if* $p = q$.
#
# Then $q = p$ is the one best answer. Symmetry and the triangle inequality are not asked for.
#
# Try the axioms on coins. Let $a$ and $b$ be two coins' probabilities of heads. Three candidates come to
# mind: the difference of the means, $a - b$; the distance of the variances, $|a(1-a) - b(1-b)|$; and the
# distance of the means, $|a - b|$.

# %%
Predict("valid_coin")

# %% [markdown]
# All pairs of 19 coins:


# %%
def holds(table):
    """Whether table[i, j] = D(p_i, p_j) is never negative, and zero on the diagonal only."""
    zero = table.abs() < 1e-12
    return bool((table > -1e-12).all()) and torch.equal(zero, torch.eye(len(zero)).bool())


# %% tags=["spoiler"]
b = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
a = b[:, None]
candidates = {
    "difference of means": a - b,
    "distance of variances": (a * (1 - a) - b * (1 - b)).abs(),
    "distance of means": (a - b).abs(),
}
for name, table in candidates.items():
    print(f"{name:>21}: {'passes' if holds(table) else 'fails'}")

# %% tags=["spoiler"] alt="Three curves over the coin b, for the coin a = 0.3. The difference of means falls through zero at 0.3 and becomes negative. The distance of variances touches zero at 0.3 and again at 0.7. The distance of means touches zero at 0.3."
from_coin = {name: table[5] for name, table in candidates.items()}
plots.curves({"from the coin $a = 0.3$": from_coin}, x=b, xlabel="coin $b$")

# %% [markdown]
# The first one goes negative: to minimise it is to run away from $a$. The second is fooled by the coin 0.7,
# which has the same variance as the coin 0.3. The third passes. For coins it is a divergence, since
# $|a - b| = 0$ means $a = b$.
#
# Two warnings. **A divergence may be useless.** Let $D(p, q) = 0$ if $p = q$, and 1 if not. Both axioms hold,
# but where you are wrong, $D$ does not say in which direction to go. (Conversely, a useful objective need
# not be a divergence: lesson 2 minimises the *cross-entropy*, which has the same best $q$ as KL, but need
# not be zero there.)
#
# **Passing tests proves little.** The distance of means has just passed 361 of them. Now try it on dice.
# One that shows a one or a six, half of the time each, has the mean of a fair die:

# %%
extremes = torch.tensor([0.5, 0, 0, 0, 0, 0.5], dtype=torch.float64)
pips = torch.arange(1, 7, dtype=torch.float64)
print(f"distance of means {(extremes @ pips - fair @ pips).abs():.3f}")
print(f"KL(extremes ‖ fair) = {kl_discrete(extremes, fair):.3f} nats")

# %% [markdown]
# For dice it is not a divergence. A test can show that a candidate fails. To show that it cannot fail takes a
# proof.

# %% [markdown] exercise="1.1 ★"
# ### Exercise 1.1 `kl_bernoulli`
#
# *5 minutes.* The KL from one coin to another, elementwise, for $0<p,q<1$, in nats. A coin has two outcomes.


# %%
def kl_bernoulli(p, q):
    """KL(Bern(p) ‖ Bern(q)), elementwise, in nats."""
    ### BEGIN SOLUTION
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    heads, tails = (p / q).log(), ((1 - p) / (1 - q)).log()
    return p * heads + (1 - p) * tails
    ### END SOLUTION


# %%
check.kl_bernoulli(kl_bernoulli)

# %% [markdown]
# Solved or not, the lesson goes on with `kl_discrete`, which takes a coin as a distribution on two outcomes.
# Does KL pass on the 19 coins?

# %%
coins = torch.stack([b, 1 - b], -1)
print("KL:", "passes" if holds(kl_discrete(coins[:, None], coins)) else "fails")

# %% [markdown] slide="KL divergence" deck="Why KL is never negative" blocks=[0, 1] lab="KLLab: mu = 1.0, sigma = 0.6, p = normal" lit=["above_pq below_pq", "above_pq"]
# ## Why KL is never negative, line by line
#
# Single terms of the sum can be negative, and in the lab some area lay below the axis. Why does the positive part
# win? Take finitely many outcomes, and write $r(x) = q(x)/p(x)$ where $p(x) > 0$. If $q(x) = 0$ at one of
# these $x$, then KL is infinite, so not negative. Otherwise $r(x) > 0$ at each of them, and
#
# $$\begin{aligned}
# \gap{\mathrm{KL}(p\,\|\,q)} &\overset{(1)}{=} \mathbb{E}_p[-\log r(x)]
# \overset{(2)}{\ge} -\log \mathbb{E}_p[r(x)]\\
# &\overset{(3)}{=} -\log\!\!\sum_{x:\,p(x)>0}\!\!q(x) \overset{(4)}{\ge} -\log 1 = 0.
# \end{aligned}$$
#
# (1) turns the fraction over. (3) multiplies out: $p(x)\,q(x)/p(x) = q(x)$. (4) holds because $q$ sums to at
# most 1 over these $x$. The weight is on (2), which is **Jensen's inequality** for the function $-\log$.
# Here it needs one fact about the logarithm (lesson 3 has the general case):
#
# $$\log t\le t-1\quad\text{for }t>0,\text{ with equality at }t=1\text{ and nowhere else.}$$
#
# To see it, let $f(t) = t - 1 - \log t$. Its derivative $1 - 1/t$ is negative left of 1 and positive right of
# it. So $f$ falls until $t = 1$, where it is zero, and then rises. Now let $m = \mathbb E_p[r]$ and put in
# $t = r/m$:
#
# $$-\log r\ge-\log m-\frac{r-m}{m}.$$
#
# The curve $-\log r$ lies above its tangent at $m$. Take the expectation of both sides. The fraction
# becomes $(\mathbb E_p[r] - m)/m = 0$, and (2) is left. The code computes each line as it stands.


# %%
def proof(p, q):
    """The numbers in the proof that KL(p ‖ q) ≥ 0, from left to right, 0 last; p, q (I,) -> (5,)."""
    p, q = p[p > 0], q[p > 0]
    r = q / p
    definition = (p * (p / q).log()).sum()
    turned_over = (p * -r.log()).sum()
    jensen = -(p * r).sum().log()
    multiplied_out = -q.sum().log()
    return torch.stack([definition, turned_over, jensen, multiplied_out, 0 * jensen])


# %% [markdown]
# Four dice, each against the fair one: the loaded one; one that never shows a six and is fair otherwise; one
# that never shows a six and is uneven; and the fair one itself.

# %%
Predict("no_six")

# %% tags=["spoiler"]
no_six = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2, 0.0], dtype=torch.float64)
uneven = torch.tensor([0.4, 0.2, 0.2, 0.1, 0.1, 0.0], dtype=torch.float64)
dice = {"loaded": loaded, "no six": no_six, "no six, uneven": uneven, "fair": fair}
print(" " * 14, *(f"{column:>8}" for column in ("KL", "(1)", "(2)", "(3)", "(4)")))
for name, p in dice.items():
    print(f"{name:>14}", *(f"{line:z8.4f}" for line in proof(p, fair)))

# %% [markdown]
# Each column is named by the sign in front of it. Where a row drops, something is lost. The loaded die loses
# its 0.2939 nats at (2). The die without a six loses nothing there: its $r$ is the same number wherever
# $p(x) > 0$. It loses at (4), because the fair die's six is missing from the sum. The uneven die loses at
# both, the fair one at neither.
#
# **The second axiom.** KL is zero if and only if nothing is lost at (2) and at (4). At (2) the tangent
# touches the curve at $r = m$ alone, so we need $r(x) = m$ wherever $p(x) > 0$. At (4) we need $m = 1$.
# Together: $q(x) = p(x)$ wherever $p(x) > 0$. These values sum to 1, so $q$ has nothing left for other
# outcomes, and $q = p$.
#
# Line (2) as a picture: each face of the loaded die is a point on the curve, as large as its probability. The
# gap at the mean is what Jensen loses.

# %% alt="The convex curve of minus log r. Two points lie on it, at r = 1/3 and at r = 5/3. Their mean lies at r = 1, clearly above the curve, and the tangent at r = 1 lies below the curve." deck="Jensen's inequality, as a picture" lead="Each face of the loaded die is a point on $-\\log r$, as large as its probability."
r, at = fair / loaded, torch.linspace(0.2, 2, 181)
curve, tangent = -at.log(), 1 - at
plots.jensen(
    curve=(at, curve),
    points=(r, -r.log()),
    weights=loaded,
    tangent=tangent,
    labels=("$r = q/p$", r"$-\log r$"),
)

# %% tags=["check"]
# The curve and its tangent at the points of the picture; the mean of r is 1, where the curve is 0.
above = curve - tangent > 1e-12
assert above.sum() == 180 and not above[80]
torch.testing.assert_close((loaded * -r.log()).sum(), kl_discrete(loaded, fair))
print("✓ the curve touches its tangent at r = 1 and is above it elsewhere; the gap is the KL")

# %% [markdown] tags=["aside"]
# #### Aside: the proof for densities
#
# The sums become integrals, and the proof stays. Let $p$ and $q$ be densities with $q > 0$ wherever $p > 0$,
# except perhaps on a set that $p$ gives probability zero (otherwise KL is infinite). The integral of $q$ over
# $\{p > 0\}$ is $m = \mathbb E_p[r]$, at most 1 and not 0. Since $-\log r \ge 1 - r$, the negative part of
# $-\log r$ has a finite mean, so the expectation in (1) exists, though it may be $+\infty$. Lines (2) to (4)
# follow as before, and $\gap{\mathrm{KL}(p\,\|\,q)} \ge 0$. It is zero if and only if $r = 1$ with
# $p$-probability one. Then $p$ and $q$ can differ at most on a set of measure zero, such as a single point:
# they are the same *distribution*.

# %% [markdown] tags=["aside"]
# #### Aside: other divergences
#
# KL is one divergence of many. Put another convex function with $f(1) = 0$ in place of $-\log$ into
# $\mathbb E_p[f(q(x)/p(x))]$ and you get an *f-divergence*, such as the $\chi^2$ divergence or the
# one behind the first GANs. The Wasserstein distance asks how far probability has to be
# moved. What sets KL apart for us: for independent parts the logarithm makes it a sum, and it can be
# minimised from samples of $p$ without knowing the density of $p$ (lesson 2).

# %% [markdown] slide="KL divergence" exercises=["1.3", "1.4"]
# ## Two Gaussians, three ways
#
# For densities the sum becomes an integral (the aside above has the proof). In a VAE the first argument will be
# the encoder's $\enc{q}$, so from here on we write $\gap{\mathrm{KL}(q\,\|\,p)}$, from
# $\enc{q}=\mathcal N(\mu_q,\sigma_q^2)$ to $p=\mathcal N(\mu_p,\sigma_p^2)$.

# %%
torch.set_default_dtype(torch.float64)  # double precision: three results are to be compared
q, p = Normal(1.0, 0.5), Normal(0.0, 1.0)

# %% [markdown] deck="Two Gaussians: algebra" blocks=[1, 2, 3]
# **First way: algebra.** Here KL is a difference of two expectations,
#
# $$\gap{\mathrm{KL}(q\,\|\,p)}=\mathbb{E}_q[\log q(z)]-\mathbb{E}_q[\log p(z)].$$
#
# Put in $\log\mathcal N(z;\mu,\sigma^2)=-\tfrac12\log 2\pi-\log\sigma-(z-\mu)^2/(2\sigma^2)$. We need the mean of a
# square under $q$. For the first term it is $\mathbb E_q(z-\mu_q)^2=\sigma_q^2$, by definition. For the second,
#
# $$\mathbb{E}_q(z-\mu_p)^2=\mathbb{E}_q\big((z-\mu_q)+(\mu_q-\mu_p)\big)^2=\sigma_q^2+(\mu_q-\mu_p)^2,$$
#
# because the mixed term has mean zero. So
#
# $$\begin{aligned}
# \mathbb{E}_q[\log q]&=-\tfrac12\log 2\pi-\log\sigma_q-\tfrac12,\\
# \mathbb{E}_q[\log p]&=-\tfrac12\log 2\pi-\log\sigma_p-\frac{\sigma_q^2+(\mu_q-\mu_p)^2}{2\sigma_p^2},
# \end{aligned}$$
#
# and in the difference the $2\pi$ cancels:
#
# $$\gap{\mathrm{KL}(q\,\|\,p)}=\log\frac{\sigma_p}{\sigma_q}+\frac{\sigma_q^2+(\mu_q-\mu_p)^2}{2\sigma_p^2}-\frac12.$$

# %% [markdown] exercise="1.3 ★★"
# ### Exercise 1.3 `kl_gaussian`
#
# *10 minutes.* This formula as code, elementwise; numbers or tensors that broadcast.


# %%
def kl_gaussian(mu_q, sigma_q, mu_p, sigma_p):
    """KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)), elementwise, in nats."""
    ### BEGIN SOLUTION
    ratio = torch.as_tensor(sigma_q / sigma_p) ** 2
    return (ratio + ((mu_q - mu_p) / sigma_p) ** 2 - 1 - ratio.log()) / 2
    ### END SOLUTION


# %%
check.kl_gaussian(kl_gaussian)

# %% [markdown]
# With `vaelib`'s:

# %%
exact = divergences.kl_gaussian(1.0, 0.5, 0.0, 1.0)
print(f"in closed form: {exact:.6f} nats")

# %% [markdown]
# **Second way: strips.** Is the algebra right? An integral knows nothing of it. Lay a fine grid over ten standard deviations of $q$ on either side, and add up strips under
# $q\,(\log q - \log p)$, the curve of the lab.


# %%
def kl_by_strips(log_q, log_p, lo, hi, strips=4000):
    """∫ q (log q − log p) dz over [lo, hi] by the trapezoid rule."""
    z = torch.linspace(lo, hi, strips + 1)
    return torch.trapezoid(log_q(z).exp() * (log_q(z) - log_p(z)), z)


# %%
print(f"by strips: {kl_by_strips(q.log_prob, p.log_prob, -4.0, 6.0):.6f} nats")

# %% tags=["check"]
# Twelve digits, not six: the closed form against the strips, and against vaelib's adaptive rule.
by_strips = kl_by_strips(q.log_prob, p.log_prob, -4.0, 6.0)
torch.testing.assert_close(exact, by_strips, atol=1e-12, rtol=0)
adaptive = divergences.kl_quadrature(q.log_prob, p.log_prob, -4.0, 6.0)
torch.testing.assert_close(exact, adaptive, atol=1e-12, rtol=0)
print("✓ the closed form, the strips and SciPy's adaptive rule agree to 1e-12")

# %% [markdown] deck="Two Gaussians: samples"
# **Third way: samples.** KL is an expectation, so we can estimate it by a mean. Draw $z_1, \dots, z_K$ from
# $q$ and average the log-ratios:
#
# $$\widehat{\mathrm{KL}} =\frac1K\sum_{k=1}^K\big[\log q(z_k)-\log p(z_k)\big]\;\pm\;\frac{s}{\sqrt K}.$$
#
# Here $s$ is the standard deviation of the log-ratios. The second number is the **standard error** of this
# **Monte Carlo estimate**: the typical size of its error. Samples can be drawn in ten dimensions too, where strips
# are hopeless. But one more digit takes a hundred times as many.

# %% [markdown] exercise="1.4 ★★"
# ### Exercise 1.4 `kl_monte_carlo`
#
# *15 minutes.* From two functions that return log-densities, and samples `z` of $q$, `(K,)`: the
# pair (estimate, standard error). With $K$ or $K-1$ in the standard deviation, both are right.


# %%
def kl_monte_carlo(log_q, log_p, z):
    """(estimate of KL(q ‖ p), its standard error) from samples z (K,) of q."""
    ### BEGIN SOLUTION
    difference = log_q(z) - log_p(z)
    return difference.mean(), (difference.var() / len(z)).sqrt()
    ### END SOLUTION


# %%
check.kl_monte_carlo(kl_monte_carlo)

# %% [markdown]
# With `vaelib`'s, from 1,000 samples:

# %%
z = 1.0 + 0.5 * torch.randn(100_000, generator=generator)
estimate, error = divergences.kl_monte_carlo(q.log_prob, p.log_prob, z[:1000])
print(f"by Monte Carlo: {estimate:.2f} ± {error:.2f} nats")

# %% alt="Estimates of the KL over the number of samples, from 10 to 100,000, with bars of two standard errors. The bars shrink towards the exact value as the number grows." deck="+"
K = torch.tensor([10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000])
estimates = torch.tensor([divergences.kl_monte_carlo(q.log_prob, p.log_prob, z[:k]) for k in K])
plots.against(
    K,
    predicted={"exact": exact.expand(len(K))},
    measured={"estimate ± 2 standard errors": estimates.T},
    xlabel="samples $K$",
    ylabel=r"$\mathrm{KL}(q\,\|\,p)$ (nats)",
)

# %% tags=["check"]
# Each point of the picture against the exact value.
assert ((estimates[:, 0] - exact).abs() < 4 * estimates[:, 1]).all()
print("✓ the nine estimates lie within four standard errors of the exact value")

# %% [markdown]
# With few samples it can even be negative.

# %% [markdown] slide="KL divergence"
# ## Not a distance
#
# A distance is symmetric, obeys the triangle inequality, and is finite. KL breaks all three rules.

# %%
print(f"narrow to wide: {exact:.3f}")
print(f"wide to narrow: {divergences.kl_gaussian(0.0, 1.0, 1.0, 0.5):.3f}")

# %% [markdown]
# **Not symmetric.** Samples of the wide bell often land where the narrow one has almost no density: strong
# evidence against it. Samples of the narrow bell land where the wide one still has plenty.

# %%
steps = divergences.kl_gaussian(0.0, 1.0, 1.0, 1.0) + divergences.kl_gaussian(1.0, 1.0, 2.0, 1.0)
print(f"from 0 to 2: {divergences.kl_gaussian(0.0, 1.0, 2.0, 1.0):.1f}")
print(f"from 0 to 1, then from 1 to 2: {steps:.1f}")

# %% [markdown]
# **No triangle inequality.** These are bells of standard deviation 1 at 0, 1 and 2, and the detour is shorter.
# For equal $\sigma$, KL is half the *squared* distance of the means in units of $\sigma$.

# %%
narrow, wide = Uniform(0.0, 1.0, validate_args=False), Uniform(0.0, 2.0, validate_args=False)
print(f"[0, 1] to [0, 2]: {divergences.kl_quadrature(narrow.log_prob, wide.log_prob, 0, 2):.3f}")
print(f"[0, 2] to [0, 1]: {divergences.kl_quadrature(wide.log_prob, narrow.log_prob, 0, 2)}")

# %% [markdown]
# **Not always finite.** Two uniform distributions, on $[0,1]$ and on $[0,2]$: half of the wide one's samples are
# impossible under the narrow one. This matters for models: if
# $p_\theta$ rules out something that is in the data, $\gap{\mathrm{KL}(p_\text{data}\,\|\,p_\theta)}$ is
# infinite. With Gaussian noise on each pixel, a VAE rules out no image.

# %% [markdown] slide="KL divergence"
# ## Forward covers, backward seeks
#
# Since KL is not symmetric, "fit $\enc{q}$ to $p$" has two meanings. Let $p$ have two bumps of width 0.6: 60 %
# of it at $-2$ and 40 % at $+2$. Let $\enc{q}=\mathcal N(\enc{\mu},\sig{\sigma}^2)$ be a single bell.
#
# **Forward**, minimise $\gap{\mathrm{KL}(p\,\|\,q)}$. Only $-\mathbb E_p[\log q(z)]$ depends on $q$. Set its
# derivatives with respect to $\enc{\mu}$ and $\sig{\sigma}$ to zero:
#
# $$\mathbb{E}_p\Big[\frac{z-\enc{\mu}}{\sig{\sigma}^2}\Big]=0, \qquad
# \mathbb{E}_p\Big[\frac{(z-\enc{\mu})^2}{\sig{\sigma}^3}-\frac1{\sig{\sigma}}\Big]=0 .$$
#
# So $\enc{\mu}$ is the mean of $p$ and $\sig{\sigma}^2$ its variance: there is one solution. It has to *cover*
# what $p$ produces, because samples of $p$ are expensive where $q$ is tiny.
#
# **Backward**, minimise $\gap{\mathrm{KL}(q\,\|\,p)}$. Now $q$ produces the samples, and it pays where $p$ is
# tiny. But it may ignore a bump. If it matches a bump of weight $w$, and the other one is far away, then
# $p\approx w\,q$ where $q$ lives, and the price is just $\mathbb E_q[\log q-\log(wq)]=-\log w$.

# %% deck="Two bumps and one bell"
Predict("minima")

# %% [markdown]
# We compute both KLs on a grid of bells, and look for points lower than their eight neighbours.

# %%
mu, sigma, z = torch.linspace(-4, 4, 81), torch.linspace(0.2, 3, 57), torch.linspace(-20, 20, 1001)
log_q = Normal(mu[:, None, None], sigma[:, None]).log_prob(z)  # (81, 57, 1001)


def log_bumps(z, width):
    """log p(z) of p = 0.6 N(−2, width²) + 0.4 N(2, width²)."""
    weights, means = torch.tensor([0.6, 0.4]), torch.tensor([-2.0, 2.0])
    return (weights.log() + Normal(means, width).log_prob(z[:, None])).logsumexp(-1)


def landscape(log_from, log_to, z):
    """KL(from ‖ to) by the trapezoid rule over z, the last dimension, for each μ and σ: (81, 57)."""
    return torch.trapezoid(log_from.exp() * (log_from - log_to), z)


# %%
def minima(kl, mu, sigma):
    """(μ, σ, KL) at each point of the grid that is lower than its neighbours."""
    lowest = -torch.nn.functional.max_pool2d(-kl[None], 3, stride=1, padding=1)[0]
    return [(mu[i], sigma[j], kl[i, j]) for i, j in (kl == lowest).nonzero()]


# %% tags=["spoiler"]
log_p = log_bumps(z, 0.6)
found = {
    "forward": minima(landscape(log_p, log_q, z), mu, sigma),
    "backward": minima(landscape(log_q, log_p, z), mu, sigma),
}
for name, points in found.items():
    for m, s, kl in points:
        print(f"{name:>8}: μ = {m:4.1f}, σ = {s:.2f}, KL = {kl:.2f} nats")

# %% tags=["spoiler"] alt="Two panels. Left: p with two bumps and the forward fit, one wide flat bell whose top is in the valley between the bumps. Right: p and three backward fits, a narrow bell on the left bump, a narrow bell on the right bump, and a wide one over both." deck="Forward covers, backward seeks: which minimum?"
shown = z[350:651]
p_shown = log_p.exp()[350:651]
(covering,) = (Normal(m, s).log_prob(shown).exp() for m, s, _ in found["forward"])
left, both, right = (Normal(m, s).log_prob(shown).exp() for m, s, _ in found["backward"])
panels = {
    "forward (density)": {"$q$": covering, "$p$": p_shown},
    "backward (density)": {
        "on the left bump": left,
        "$p$": p_shown,
        "on both": both,
        "on the right bump": right,
    },
}
plots.curves(panels, x=shown, xlabel="$z$", share="y")

# %% [markdown]
# Forward has one minimum. It puts its peak into the valley, where $p$ has next to nothing. This is called
# **mass-covering**.
#
# Backward has **three** on this grid. Two of them sit on a bump, and their prices are close to
# $-\log 0.6 = 0.51$ and $-\log 0.4 = 0.92$. This is **mode-seeking**. But the third covers both bumps, at 1.14
# nats. Gradient descent may end in any of the three; it depends on the start. So "backward KL picks a mode"
# is a rule of thumb. How good is it? Change the width of the bumps, and for each $\enc{\mu}$ take the best
# $\sig{\sigma}$ of the grid:

# %% tags=["spoiler"] alt="Three curves over mu. For bumps of width 0.3 there are two valleys, at the bumps, and the curve leaves the picture between them. For width 0.6 there is a third valley, shallow and higher, near the middle. For width 0.8 there is a small dip at the left bump and a slightly lower broad valley in the middle."
best = {}
for width in (0.3, 0.6, 0.8):
    backward_kl = landscape(log_q, log_bumps(z, width), z)
    best[f"width {width}"] = backward_kl.min(1).values  # over σ
for name, profile in best.items():
    print(f"{name}: lowest at μ = {mu[profile.argmin()]:.1f}")
inside = mu.abs() < 2.45
curves = {name: profile.where(profile < 2, torch.nan)[inside] for name, profile in best.items()}
plots.curves({"lowest backward KL (nats)": curves}, x=mu[inside], xlabel=r"$\mu$")

# %% [markdown]
# With narrow bumps the rule holds: two valleys, one at each bump. With width 0.6 there is a third, in the middle. With width 0.8 the valley at the right bump is gone, and
# covering is the best backward fit too. Mode-seeking needs modes that are far apart *compared with their
# width*.
#
# Both directions occur in this lecture. Maximum likelihood (lesson 2) fits forward, from the data to the
# model. The encoder of a VAE (lesson 4) is fitted backward.
#
# Look at it again in the lab, now with the two bumps. It starts at the third minimum. Find your way to the
# other two by hand, and watch $\gap{\mathrm{KL}(q\,\|\,p)}$: do you have to climb?

# %%
KLLab(p="bumps", mu=-0.3, sigma=1.75)

# %% [markdown] slide="Designing the q distribution" exercises=["1.5"] deck="The KL that a VAE computes"
# ## The diagonal Gaussian against the standard normal
#
# Now the KL that our VAE computes for each face. The encoder's
# $\enc{q} = \mathcal N(\enc{\mu}, \operatorname{diag}\sig{\sigma}^2)$ has $D$ independent dimensions, and so has
# $\prior{p} = \prior{\mathcal N(0, I)}$. Then $\log q(z) = \sum_d \log q_d(z_d)$, likewise for $p$, and the
# expectation of a sum is the sum of the expectations: one number per dimension. Put $\mu_p = 0$ and
# $\sigma_p = 1$ into the closed form:
#
# $$\gap{\mathrm{KL}(q\,\|\,p)}=\sum_{d=1}^D\Big[\underbrace{\tfrac12\enc{\mu_d}^2}_{\text{away from 0}}
# +\underbrace{\tfrac12(\sig{\sigma_d}^2-1)}_{\text{too wide}}
# \underbrace{{}-\log\sig{\sigma_d}}_{\text{too narrow}}\Big].$$
#
# The slide writes it as $\tfrac12(\|\enc{\mu}\|^2+\|\sig{\sigma}\|^2-d-2\langle\log\sig{\sigma},1\rangle)$. The
# derivative with respect to $\enc{\mu_d}$ is $\enc{\mu_d}$; with respect to $\log\sig{\sigma_d}$ it is
# $\sig{\sigma_d}^2-1$. So this term pulls the mean to 0 and the standard deviation to 1.

# %% [markdown]
# As code, with $\log\sig{\sigma}$ as the encoder gives it:


# %%
def kl_to_prior(mu, log_sigma):
    """KL(N(μ, diag σ²) ‖ N(0, I)), (B, D), (B, D) -> (B,), in nats."""
    away, width, narrow = mu**2 / 2, (2 * log_sigma).exp() / 2 - 1 / 2, -log_sigma
    return (away + width + narrow).sum(-1)


# %% [markdown]
# Our face has narrowed one of its bells from $\sig{\sigma} = 1$ to about 0.05. What if the model knew that
# number twice as precisely?

# %%
Predict("halve_sigma")

# %% tags=["spoiler"] alt="Three curves over log sigma, for means 0, 1 and 2. Each has its lowest point at log sigma = 0. To the left they rise along straight lines, to the right steeply."
log_sigma = torch.linspace(-4, 1, 101)
price = divergences.kl_to_standard_normal_per_dim
lines = {rf"$\mu = {m}$": price(torch.full((101,), float(m)), log_sigma) for m in (0, 1, 2)}
plots.curves({"KL of one dimension (nats)": lines}, x=log_sigma, xlabel=r"$\log\sigma$")

# %% tags=["check"]
# The three curves have one shape; the mean lifts them.
zero, one, two = lines.values()
torch.testing.assert_close(
    torch.stack([one - zero, two - zero]).T, torch.tensor([[0.5, 2.0]] * 101)
)
print("✓ the curves of μ = 1 and μ = 2 lie 0.5 and 2 nats above that of μ = 0, at each σ")

# %% tags=["spoiler"]
pair = price(torch.zeros(2), torch.tensor([0.05, 0.025]).log())
print(f"σ = 0.05: {pair[0]:.2f} nats; σ = 0.025: {pair[1]:.2f} nats")

# %% [markdown]
# To the left the curves are almost straight. Once $\sig{\sigma}$ is small, halving it costs about
# $\log 2 = 0.69$ nats, whatever it was: one bit for one more binary digit of precision. To the right the cost
# explodes. Moving the mean lifts the curve by $\tfrac12\enc{\mu}^2$.

# %% [markdown] exercise="1.5 ★★★"
# ### Exercise 1.5 `kl_to_standard_normal_full`
#
# *25 minutes.* Posteriors are often tilted ellipses: $\enc{q} = \mathcal N(\enc{\mu}, \Sigma)$ with a full covariance
# matrix. Derive the KL to $\prior{\mathcal N(0, I)}$, and write it: `mu` `(B, D)` and `covariance` `(B, D, D)` give
# `(B,)`. A diagonal $\Sigma$ must give the formula above.
#
# <details><summary>A hint</summary>
#
# A rotation leaves $\prior{\mathcal N(0, I)}$ as it is. Which two numbers of a matrix stay what they are in a
# rotation, and what are they for a diagonal $\Sigma$?
#
# </details>


# %%
def kl_to_standard_normal_full(mu, covariance):
    """KL(N(μ, Σ) ‖ N(0, I)), (B, D), (B, D, D) -> (B,), in nats."""
    ### BEGIN SOLUTION
    trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    volume = torch.linalg.slogdet(covariance).logabsdet
    return (trace + mu.square().sum(-1) - mu.shape[-1] - volume) / 2
    ### END SOLUTION


# %%
check.kl_to_standard_normal_full(kl_to_standard_normal_full)

# %% [markdown] slide="KL divergence"
# ## Back to the face
#
# Solved or not, our encoder answers with a diagonal. Now we can say what this face tells.

# %%
told = divergences.kl_to_standard_normal_per_dim(answer.mu, answer.log_sigma)[0]
for d, nats in enumerate(told, start=1):
    print(f"z{d}: {nats:.2f} nats")
total = kl_to_prior(answer.mu, answer.log_sigma)[0]
print(f"together {total:.2f} nats: one of about {total.exp().round(decimals=-2):,.0f}")

# %% [markdown]
# About 7 nats: as much as singling out one of some 1,300 equally likely things. Most of it is in two numbers,
# the head's pose and its expression (lesson 7 measures which is which). The others get less than 0.01 nats
# each.
#
# Turn it around, and the next question appears. If you draw codes from the prior at random, how many will it
# take until one of them looks like this face? Lesson 2 finds out.

# %% [markdown] deck="What goes wrong in practice"
# ## What goes wrong in practice
#
# - **Arguments swapped.** Both orders give numbers $\ge 0$, and for nearby distributions they almost agree.
#   Test with a $q$ much narrower than $p$.
# - **$\log\sigma$ taken for $\log\sigma^2$.** Much PyTorch code stores `logvar` $= 2\log\sigma$. Mixing the two
#   gives a number that is wrong and still not negative. Compare with an integral once.
# - **A mean where a sum belongs.** KL sums over dimensions. `.mean()` over a `(B, D)` tensor divides by $D$
#   too, and quietly trains another model.
# - **Samples from the wrong distribution.** The mean of $\log q - \log p$ over samples of $p$ is
#   $-\mathrm{KL}(p\,\|\,q)$.
#
# Two of these in numbers:

# %%
log_half = torch.tensor(0.5).log()
print(f"right: {price(torch.tensor(1.0), log_half):.3f}")
print(f"log σ² for log σ: {price(torch.tensor(1.0), 2 * log_half):.3f}")
wrong_samples = torch.randn(100_000, generator=generator)
mistaken, _ = divergences.kl_monte_carlo(q.log_prob, p.log_prob, wrong_samples)
print(f"samples of p: {mistaken:.1f}")

# %% [markdown]
# ## Symbols and code
#
# | symbol | code |
# |---|---|
# | $\mathrm{KL}(p\,\Vert\,q)$ of dice | `kl_discrete(p, q)` |
# | of two Gaussians | `kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)`, exercise 1.3 |
# | $\frac1K\sum_k[\log q(z_k)-\log p(z_k)]\pm s/\sqrt K$ | `kl_monte_carlo(log_q, log_p, z)`, exercise 1.4 |
# | $\mathrm{KL}(\mathcal N(\mu,\operatorname{diag}\sigma^2)\,\Vert\,\mathcal N(0,I))$ | `divergences.kl_to_standard_normal(mu, log_sigma)` |
# | the same with a full $\Sigma$ | `kl_to_standard_normal_full(mu, covariance)`, exercise 1.5 |
#
# ## References
#
# - Kullback and Leibler, *On information and sufficiency*, 1951: the divergence, as mean evidence per sample.
# - MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003: what a nat means.
# - Good, *A. M. Turing's statistical work in World War II*, 1979: odds, logs and bans.
# - Minka, *Divergence measures and message passing*, 2005: from mass-covering to mode-seeking.
# - Kingma and Welling, *Auto-encoding variational Bayes*, 2014: Appendix B is the last formula of this lesson.
#
# Back to the [map](00_start_here.ipynb#The-map), or on to [lesson 2](02_maximum_likelihood.ipynb).
