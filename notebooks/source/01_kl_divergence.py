# %% [markdown]
# # 1 · KL divergence
#
# A generative model is good if what it dreams up looks like the data. The lecture writes it in one line:
# $p_\theta(x) \approx p_\text{data}(x)$. A computer cannot make ≈ smaller. **Which number says how far one
# distribution is from another?**
#
# The lecture's answer is the Kullback–Leibler divergence. This lesson takes it apart until nothing in it
# has to be believed: why it is never negative, why it is zero for equal distributions only, what it is for
# two Gaussians, and in which respects it is *not* a distance.
#
# **After it you will be able to**
#
# - say what makes a divergence valid, and show with one example that a candidate is not;
# - follow the proof that KL ≥ 0 with a number at every line;
# - compute the KL of two Gaussians in closed form, by quadrature and by Monte Carlo, and say how far apart
#   the three may be;
# - predict which of two fits covers both bumps of a distribution and which chooses one;
# - derive the KL term of every VAE, the diagonal Gaussian against N(0, I), term by term.

# %%
from vaelib import check, divergences, plots
from vaelib.widgets import KLLab

import torch
from scipy import special
from torch.distributions import Categorical, MultivariateNormal, Normal, Uniform, kl_divergence

# %% [markdown]
# Two habits of all lessons. Numbers are computed in double precision wherever two of them are going to be
# compared. And chance is never left to itself: every draw comes from a generator with a seed, so that you
# see the numbers that are written here.

# %%
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(1)

# %% [markdown] slide="Divergence minimisation"
# ## Two things a divergence must do
#
# A divergence D[p‖q] is a number for a pair of distributions. It is **valid** if
#
# 1. D[p‖q] ≥ 0 for every p and q, and
# 2. D[p‖q] = 0 if *and only if* p = q.
#
# Then, and only then, pushing D down to zero makes q equal to p. Nothing more is asked: D need not be
# symmetric, and it need not obey the triangle inequality.
#
# The smallest example is a coin. Let p and q be two coins' probabilities of heads. Three candidates come to
# mind: the difference of the means, the distance between the variances p(1 − p) and q(1 − q), and the
# distance between the means.
#
# *Predict*: which of the three are valid? For one that is not, find two coins that show it.


# %%
def mean_difference(p, q):
    return p - q


def variance_distance(p, q):
    return (p * (1 - p) - q * (1 - q)).abs()


def mean_distance(p, q):
    return (p - q).abs()


# %% [markdown]
# Every pair of 19 coins goes through both axioms. Such a test can convict a candidate; it cannot acquit
# one for good, which is what the proof below is for.


# %%
def holds_on_coins(D):
    """Whether D(p, q) ≥ 0 for all pairs of 19 coins, and is 0 for each coin with itself only."""
    p = torch.linspace(0.05, 0.95, 19)
    table = D(p[:, None], p)
    zero = table.abs() < 1e-12
    return bool((table > -1e-12).all()) and torch.equal(zero, torch.eye(19, dtype=torch.bool))


# %%
candidates = (mean_difference, variance_distance, mean_distance)
{D.__name__: holds_on_coins(D) for D in candidates}

# %%
p, q = torch.tensor(0.3), torch.linspace(0.05, 0.95, 19)
plots.curves(
    {"D from the coin p = 0.3 to the coin q": {D.__name__: D(p, q) for D in candidates}},
    x=q,
    xlabel="q",
    alt="Three curves over q for the coin p = 0.3. The mean difference runs through zero at q = 0.3 and "
    "becomes negative; the variance distance comes down to zero at 0.3 and again at 0.7; the mean "
    "distance comes down to zero at 0.3 only.",
)

# %% [markdown]
# The first goes negative, so to minimise it is to run away. The second is fooled by the coin 0.7, which
# has the variance of the coin 0.3. The third is a valid divergence of coins. But for distributions on more
# than two outcomes means are not enough, and we want one recipe for dice, for Gaussians and for pictures.

# %% [markdown] slide="KL divergence" exercises=["1.1"]
# ## The KL divergence
#
# Draw x from p and ask how much better p explains it than q does, in log-probability: log p(x) − log q(x).
# Now take the mean over draws from p:
#
# $$\mathrm{KL}(p \,\|\, q) = \mathbb{E}_{p}\left[\log \frac{p(x)}{q(x)}\right] = \sum_i p_i \log\frac{p_i}{q_i}.$$
#
# With the natural logarithm the unit is the **nat**. The order matters: in this project KL is always
# (from, to), and the expectation is under the first. An outcome with p = 0 is never drawn and counts
# nothing, 0 log 0 = 0; an outcome with p > 0 and q = 0 costs infinitely much.


# %%
def kl_discrete(p, q):
    """KL(p ‖ q) = Σ_i p_i log(p_i / q_i) with 0 log 0 = 0; p, q (..., I) -> (...), nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


# %%
fair = torch.full((6,), 1 / 6)
loaded = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
f"KL(loaded ‖ fair) = {kl_discrete(loaded, fair):.4f} nats"

# %% [markdown]
# Two oracles that were written by others: SciPy's relative entropy and PyTorch's own registry of KLs. And
# the axioms, on the same coins.

# %%
scipys = torch.tensor(special.rel_entr(loaded.numpy(), fair.numpy()).sum())
torch.testing.assert_close(kl_discrete(loaded, fair), scipys)
pytorchs = kl_divergence(Categorical(loaded), Categorical(fair))
torch.testing.assert_close(kl_discrete(loaded, fair), pytorchs)


# %%
def kl_of_coins(p, q):
    """The KL of two coins, as distributions on two outcomes."""
    p, q = torch.broadcast_tensors(p, q)
    return kl_discrete(torch.stack([p, 1 - p], -1), torch.stack([q, 1 - q], -1))


assert holds_on_coins(kl_of_coins)
"both axioms hold for KL on all pairs of 19 coins"

# %% [markdown] slide="KL divergence"
# ## Why it is never negative, line by line
#
# Let r(x) = q(x)/p(x). The proof has four lines:
#
# $$\begin{aligned}
# \mathrm{KL}(p\,\|\,q) &\overset{(1)}{=} \mathbb{E}_p[-\log r(x)] \overset{(2)}{\ge} -\log \mathbb{E}_p[r(x)]\\
# &\overset{(3)}{=} -\log \sum_{x:\,p(x)>0} q(x) \overset{(4)}{\ge} -\log 1 = 0.
# \end{aligned}$$
#
# (1) turns the fraction over. (3) multiplies out: p(x) · q(x)/p(x) = q(x) wherever p(x) > 0. (4) holds since
# q sums to at most 1 there. All the weight is on (2), which is **Jensen's inequality**: for a convex f,
#
# $$\mathbb{E}[f(g(x))] \ge f(\mathbb{E}[g(x)]),$$
#
# here with f = −log and g = r. Lesson 3 is about it. For −log there is a proof by eye: a convex curve lies
# above each of its tangents. Take the tangent at m = E_p[r]:
#
# $$-\log r \ge -\log m - \frac{r - m}{m} \qquad\text{for every } r > 0.$$
#
# Take the expectation of both sides: the fraction becomes (E_p[r] − m)/m = 0, and (2) is left. The code
# computes every line as it stands, none from another.


# %%
def proof(p, q):
    """The numbers in the proof that KL(p ‖ q) ≥ 0, from left to right, 0 last; p, q (I,) -> (5,)."""
    p, q = p[p > 0], q[p > 0]
    r = q / p
    definition = (p * (p / q).log()).sum()
    turned_over = (p * -r.log()).sum()
    jensen = -(p * r).sum().log()
    multiplied_out = -q.sum().log()
    return torch.stack([definition, turned_over, jensen, multiplied_out, torch.zeros(())])


# %% [markdown]
# Four pairs of dice: a loaded one against a fair one; a die that never shows a six, otherwise fair, against
# the fair one; a die that never shows a six and is uneven otherwise; and the fair one against itself.
#
# *Predict*: at which of the lines (1) to (4) is something lost, for each pair?

# %%
no_six = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2, 0.0])
uneven = torch.tensor([0.4, 0.2, 0.2, 0.1, 0.1, 0.0])
dice = {"loaded": loaded, "no six": no_six, "no six, uneven": uneven, "fair": fair}
print(" " * 14, *(f"{column:>8}" for column in ("KL", "(1)", "(2)", "(3)", "(4)")))
for name, p in dice.items():
    print(f"{name:>14}", *(f"{line:z8.4f}" for line in proof(p, fair)))

# %% [markdown]
# The columns are KL and what stands behind each of the four signs. Read a row from left to right; where a number
# drops, something is lost. The loaded die loses all at
# (2). The die without a six loses nothing there, because r is the same number wherever p > 0 and Jensen has
# nothing to bite on; it loses all at (4), where the fair die's six is missing from the sum. The uneven one
# loses at both. Two equal dice lose nothing anywhere. So KL = 0 needs both: r constant where p > 0, and no
# mass of q elsewhere. Then r = 1 and p = q, which is the second axiom.
#
# Line (2) as a picture. Every outcome of the loaded die is a point on the curve −log r, its size is its
# probability. The gap at the mean is what Jensen loses.

# %%
r, at = fair / loaded, torch.linspace(0.2, 2, 200)
plots.jensen(
    curve=(at, -at.log()),
    points=(r, -r.log()),
    weights=loaded,
    tangent=-(at - 1),
    labels=("r = q/p", "−log r"),
    alt="The convex curve −log r. Two points lie on it, at r = 1/3 and at r = 5/3; their mean lies above "
    "r = 1, clearly over the curve, and the tangent at r = 1 lies below the curve everywhere.",
)

# %% [markdown]
# One example is one example. Here are 10,000 random pairs of dice: each line must hold for all of them.

# %%
p, q = torch.rand(2, 10_000, 6, generator=generator).pow(3)
p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)

# %%
lines = torch.stack([proof(a, b) for a, b in zip(p, q, strict=True)])
assert torch.allclose(lines[:, 0], lines[:, 1]) and torch.allclose(lines[:, 2], lines[:, 3])
assert (lines[:, 1] > lines[:, 2]).all() and (lines[:, 3] > -1e-14).all()
f"the smallest KL of {len(lines):,}: {lines[:, 0].min():.2g} nats, the largest {lines[:, 0].max():.2g}"

# %% [markdown] slide="KL divergence" exercises=["1.2"]
# ## Two Gaussians: the closed form
#
# For densities the sum becomes an integral, and everything above stays. In a VAE the first argument will be
# the encoder's q, so from here on we write KL(q‖p), from q = N(μ_q, σ_q²) to p = N(μ_p, σ_p²). Split it,
#
# $$\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q[\log q(z)] - \mathbb{E}_q[\log p(z)],$$
#
# and put log N(z; μ, σ²) = −½ log 2π − log σ − (z − μ)²/(2σ²) into both. What is needed is the mean of a
# square under q. In the first term E_q(z − μ_q)² = σ_q² by definition. In the second,
#
# $$\mathbb{E}_q(z-\mu_p)^2 = \mathbb{E}_q\big((z-\mu_q) + (\mu_q-\mu_p)\big)^2 = \sigma_q^2 + (\mu_q-\mu_p)^2,$$
#
# because the mixed term has mean zero. So
#
# $$\begin{aligned}
# \mathbb{E}_q[\log q] &= -\tfrac12\log 2\pi - \log\sigma_q - \tfrac12,\\
# \mathbb{E}_q[\log p] &= -\tfrac12\log 2\pi - \log\sigma_p - \frac{\sigma_q^2 + (\mu_q-\mu_p)^2}{2\sigma_p^2},
# \end{aligned}$$
#
# and in the difference 2π goes:
#
# $$\mathrm{KL}(q\,\|\,p) = \log\frac{\sigma_p}{\sigma_q} + \frac{\sigma_q^2 + (\mu_q-\mu_p)^2}{2\sigma_p^2} - \frac12.$$
#
# The code keeps the two halves, so that each can be checked by itself.


# %%
def mean_log_q(sigma_q):
    """E_q[log q(z)] for q = N(μ_q, σ_q²), whatever μ_q: minus the entropy."""
    return -0.5 * torch.log(torch.tensor(2 * torch.pi)) - sigma_q.log() - 0.5


def mean_log_p(mu_q, sigma_q, mu_p, sigma_p):
    """E_q[log p(z)] for q = N(μ_q, σ_q²) and p = N(μ_p, σ_p²)."""
    square = sigma_q**2 + (mu_q - mu_p) ** 2
    return -0.5 * torch.log(torch.tensor(2 * torch.pi)) - sigma_p.log() - square / (2 * sigma_p**2)


# %% [markdown]
# Our example for the rest of the section: q = N(1, ½²), p = N(0, 1). PyTorch knows the entropy of a
# Gaussian, and its cross-entropy with another through the KL, so both halves have an oracle.

# %%
mu_q, sigma_q, mu_p, sigma_p = torch.tensor([1.0, 0.5, 0.0, 1.0])
q, p = Normal(mu_q, sigma_q), Normal(mu_p, sigma_p)
torch.testing.assert_close(mean_log_q(sigma_q), -q.entropy())
kl = mean_log_q(sigma_q) - mean_log_p(mu_q, sigma_q, mu_p, sigma_p)
torch.testing.assert_close(kl, kl_divergence(q, p))
torch.testing.assert_close(kl, divergences.kl_gaussian(mu_q, sigma_q, mu_p, sigma_p))
f"KL(q ‖ p) = {kl:.6f} nats"

# %% [markdown] slide="KL divergence"
# ## Two Gaussians: by quadrature
#
# Suppose that the algebra is wrong. Then an integral that knows nothing of it will tell. Lay a fine grid
# over the ten standard deviations on either side of q, outside of which there is less of q than a double
# can hold beside 1, and add up strips of q (log q − log p):


# %%
def kl_by_strips(log_q, log_p, lo, hi, strips=4000):
    """∫ q (log q − log p) dz over [lo, hi] by the trapezoid rule."""
    z = torch.linspace(lo, hi, strips + 1)
    return torch.trapezoid(log_q(z).exp() * (log_q(z) - log_p(z)), z)


# %%
by_strips = kl_by_strips(q.log_prob, p.log_prob, -4.0, 6.0)
torch.testing.assert_close(by_strips, kl, atol=1e-12, rtol=0)
f"by strips {by_strips:.12f}, in closed form {kl:.12f}"

# %% [markdown]
# For a smooth integrand that vanishes at both ends the trapezoid rule is astonishingly good. `vaelib` uses
# an adaptive rule, which does not need to be told how fine to be. Five more pairs of Gaussians, at random:

# %%
mu, sigma = torch.randn(2, 5, generator=generator), torch.rand(2, 5, generator=generator) + 0.3
closed = mean_log_q(sigma[0]) - mean_log_p(mu[0], sigma[0], mu[1], sigma[1])

# %%
for i in range(5):
    log_q, log_p = (Normal(mu[j, i], sigma[j, i]).log_prob for j in range(2))
    lo, hi = (mu[0, i] - 10 * sigma[0, i]).item(), (mu[0, i] + 10 * sigma[0, i]).item()
    adaptive = divergences.kl_quadrature(log_q, log_p, lo, hi)
    torch.testing.assert_close(adaptive, closed[i], atol=1e-9, rtol=0)
    torch.testing.assert_close(kl_by_strips(log_q, log_p, lo, hi), closed[i], atol=1e-9, rtol=0)
[f"{value:#.3g}" for value in closed.tolist()]

# %% [markdown] slide="KL divergence" exercises=["1.4"]
# ## Two Gaussians: by Monte Carlo
#
# KL is an expectation, so it can be estimated by a mean: draw z_1, …, z_K from q and average the log-ratio.
# This works in any dimension, where no grid does. The price is an error that shrinks as 1/√K:
#
# $$\widehat{\mathrm{KL}} = \frac1K\sum_{k=1}^K \big[\log q(z_k) - \log p(z_k)\big] \;\pm\; \frac{s}{\sqrt K},$$
#
# where s is the standard deviation of the K log-ratios. The second number is the **standard error**. An
# estimate without one says nothing.

# %%
z = mu_q + sigma_q * torch.randn(1000, generator=generator)
log_ratio = q.log_prob(z) - p.log_prob(z)
value, standard_error = log_ratio.mean(), log_ratio.std() / len(z) ** 0.5
ours = divergences.kl_monte_carlo(q.log_prob, p.log_prob, z)
torch.testing.assert_close((value, standard_error), tuple(ours))
assert abs(value - kl) < 4 * standard_error
f"{value:.2f} ± {standard_error:.2f}; exact {kl:.3f}"

# %% [markdown]
# For Gaussians even the standard error has a closed form. With z = μ_q + σ_q ε, ρ = σ_q/σ_p and
# δ = (μ_q − μ_p)/σ_p the log-ratio is a constant plus ½(ρ² − 1) ε² + ρδ ε. Since Var ε² = 2, Var ε = 1 and
# the two are uncorrelated,
#
# $$\operatorname{Var}\big[\log q(z) - \log p(z)\big] = \tfrac12(\rho^2 - 1)^2 + \rho^2\delta^2 .$$
#
# *Predict*: what must K be for one more correct digit?

# %%
rho, delta = sigma_q / sigma_p, (mu_q - mu_p) / sigma_p
variance = 0.5 * (rho**2 - 1) ** 2 + rho**2 * delta**2
many = mu_q + sigma_q * torch.randn(1_000_000, generator=generator)
measured = (q.log_prob(many) - p.log_prob(many)).var()
torch.testing.assert_close(measured, variance, rtol=0.01, atol=0)
f"variance of one log-ratio: closed form {variance:.3f}, measured {measured:.2f}"

# %% [markdown]
# A hundred times as many draws for each digit. The next cell makes estimates from 10 to 100,000 draws; the
# band between the dashed lines is the exact value ± two of the predicted standard errors.

# %%
K = torch.tensor([10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000])
log_ratios = [(q.log_prob(z) - p.log_prob(z)) for z in many.split(100_000)[: len(K)]]
values = torch.stack([row[:k].mean() for k, row in zip(K, log_ratios, strict=True)])
errors = torch.stack([row[:k].std() / k**0.5 for k, row in zip(K, log_ratios, strict=True)])
assert ((values - kl).abs() < 4 * (variance / K).sqrt()).all()

# %%
plots.against(
    K,
    predicted={
        "exact": kl.expand(len(K)),
        "exact + 2 predicted errors": kl + 2 * (variance / K).sqrt(),
        "exact − 2 predicted errors": kl - 2 * (variance / K).sqrt(),
    },
    measured={"Monte Carlo ± 2 standard errors": (values, errors)},
    xlabel="K",
    ylabel="KL(q ‖ p), nats",
    alt="Monte Carlo estimates of the KL over the number of draws K, with bars: they scatter widely at ten "
    "draws, and close in on the exact value between two lines that narrow as one over the root of K.",
)

# %% [markdown]
# And is the standard error honest? Then about 95 in 100 estimates lie within 1.96 of *their own* standard
# errors of the truth. Five thousand estimates of 200 draws each:

# %%
runs = many.reshape(5000, 200)
log_ratio = q.log_prob(runs) - p.log_prob(runs)
off = (log_ratio.mean(1) - kl) / (log_ratio.std(1) / 200**0.5)
share = (off.abs() < 1.96).double().mean()
assert abs(share - 0.95) < 0.015
f"{share:.0%} of {len(off)} estimates lie within 1.96 standard errors"

# %% [markdown] slide="KL divergence"
# ## Not a distance
#
# A distance is symmetric, obeys the triangle inequality, and is finite. KL is none of these.
#
# *Predict*: KL(q‖p) was 0.818 nats for the narrow q = N(1, ½²) and the wide p = N(0, 1). Is KL(p‖q) larger
# or smaller?

# %%
other_way = divergences.kl_gaussian(mu_p, sigma_p, mu_q, sigma_q)
torch.testing.assert_close(other_way, kl_by_strips(p.log_prob, q.log_prob, -10.0, 10.0))
f"KL(q ‖ p) = {kl:.3f}, KL(p ‖ q) = {other_way:.3f}"

# %% [markdown]
# Larger: draws of the wide p land where the narrow q has almost no density, and pay for it. Draws of the
# narrow q land where p is not small.
#
# The triangle inequality. Three Gaussians of standard deviation 1 in a row, a at 0, b at 1, c at 2:

# %%
a, b, c = torch.tensor([0.0, 1.0, 2.0])
direct = divergences.kl_gaussian(a, 1.0, c, 1.0)
detour = divergences.kl_gaussian(a, 1.0, b, 1.0) + divergences.kl_gaussian(b, 1.0, c, 1.0)
assert direct > detour
f"a to c: {direct:.1f}; a to b and b to c: {detour:.1f}"

# %% [markdown]
# The detour is shorter. Between Gaussians of equal σ, KL is half the *squared* distance of the means in
# units of σ, and squares do not obey the triangle inequality.
#
# Infinity. Let one uniform distribution live on [0, 1], the other on [0, 2]:

# %%
narrow, wide = Uniform(0.0, 1.0, validate_args=False), Uniform(0.0, 2.0, validate_args=False)
there = divergences.kl_quadrature(narrow.log_prob, wide.log_prob, 0, 2)
back = divergences.kl_quadrature(wide.log_prob, narrow.log_prob, 0, 2)
torch.testing.assert_close(there, torch.tensor(2.0).log())
assert torch.isinf(back) and torch.isinf(kl_divergence(wide, narrow))
f"narrow to wide: {there:.3f} = log 2; wide to narrow: {back}"

# %% [markdown]
# Half of the wide one's draws are impossible under the narrow one: infinitely bad, however small the
# overhang. This is why a model that is to be fitted by KL(p_data‖p_θ) must give every possible x some
# density. The Gaussian noise σ_x in p_θ(x|z) = N(G_θ(z), σ_x² I) does just that.

# %% [markdown] slide="KL divergence"
# ## Forwards or backwards
#
# Since KL is not symmetric, "fit q to p" has two meanings. Let p have two bumps, with weights 0.6 at −2 and
# 0.4 at +2, each with standard deviation 0.6, and let q = N(μ, σ²) be the best single Gaussian.
#
# **Forwards**, KL(p‖q): only −E_p[log q(z)] depends on q. Setting its derivatives in μ and σ to zero,
#
# $$\mathbb{E}_p\Big[\frac{z-\mu}{\sigma^2}\Big] = 0, \qquad \mathbb{E}_p\Big[\frac{(z-\mu)^2}{\sigma^3} - \frac1\sigma\Big] = 0,$$
#
# so μ and σ² are the mean and the variance of p: q must *cover* everything that p may draw.
#
# **Backwards**, KL(q‖p): here q does the drawing, and pays wherever p is small. If it sits on one bump only,
# of weight w, and the other bump is far away, then p ≈ w q there, and KL(q‖p) ≈ E_q[log q − log(w q)] =
# −log w: q may *choose*.
#
# *Predict*: sketch both fits before you run the cell.


# %%
def log_two_bumps(z):
    """log p(z), p = 0.6 N(−2, 0.6²) + 0.4 N(2, 0.6²)."""
    weights, means = torch.tensor([0.6, 0.4]), torch.tensor([-2.0, 2.0])
    return (weights.log() + Normal(means, 0.6).log_prob(z[:, None])).logsumexp(-1)


def forwards(log_q):
    return kl_by_strips(log_two_bumps, log_q, -12.0, 12.0)


def backwards(log_q):
    return kl_by_strips(log_q, log_two_bumps, -12.0, 12.0)


# %%
def fit(divergence, start):
    """The (μ, σ) that minimise divergence(log q), and its value there, from (μ, σ) = (start, 1)."""
    phi = torch.tensor([start, 0.0], requires_grad=True)  # μ and log σ
    optimiser = torch.optim.LBFGS([phi], max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = divergence(Normal(phi[0], phi[1].exp()).log_prob)
        value.backward()
        return value

    optimiser.step(loss)
    return phi[0].item(), phi[1].exp().item(), loss().item()


# %%
fits = {
    "forwards": fit(forwards, 0.5),
    "backwards, from −1": fit(backwards, -1.0),
    "backwards, from +1": fit(backwards, 1.0),
}
for name, (mu, sigma, value) in fits.items():
    print(f"{name:>18}: μ = {mu:6.3f}, σ = {sigma:.3f}, KL = {value:.3f} nats")

# %%
weights, means = torch.tensor([0.6, 0.4]), torch.tensor([-2.0, 2.0])
mean = weights @ means
variance = weights @ (0.6**2 + means**2) - mean**2

# %%
covering, left, right = torch.tensor(list(fits.values()))
torch.testing.assert_close(covering[:2], torch.stack([mean, variance.sqrt()]), atol=1e-5, rtol=0)
torch.testing.assert_close(torch.stack([left[2], right[2]]), -weights.log(), atol=5e-3, rtol=0)
chosen = ", ".join(f"{-w.log():.3f}" for w in weights)
f"mean {mean:.3f}, standard deviation {variance.sqrt():.3f}; −log w: {chosen}"

# %%
z = torch.linspace(-6, 6, 241)
shapes = {name: Normal(mu, sigma).log_prob(z).exp() for name, (mu, sigma, _) in fits.items()}
plots.curves(
    {"density": {"p, two bumps": log_two_bumps(z).exp(), **shapes}},
    x=z,
    xlabel="z",
    alt="A density with a high bump on the left and a lower one on the right. The forward fit is one wide, "
    "flat bell over both, with most height in the valley between; the two backward fits are narrow bells, "
    "one on either bump.",
)

# %% [markdown]
# Forwards gives most density to the valley, where p has next to none: it *covers*. Backwards picks a bump,
# and which one depends on the start: two local minima, the heavier bump being the better one. Both
# directions occur in this lecture. Maximum likelihood (lesson 2) is KL(p_data‖p_θ), forwards. The gap of the
# ELBO (lesson 4) is KL(q‖p(z|x)), backwards: an encoder may choose one explanation of x and ignore another.

# %% [markdown] slide="Designing the q distribution" exercises=["1.3"]
# ## The diagonal Gaussian against N(0, I)
#
# This is the KL that every VAE computes. The encoder's q = N(μ, diag σ²) has D independent dimensions, and
# the prior p = N(0, I) too. Then log q(z) = Σ_d log q_d(z_d), likewise log p, and by linearity of the
# expectation KL(q‖p) = Σ_d KL(q_d‖p_d): one number a dimension. Put μ_p = 0 and σ_p = 1 into the closed
# form, and keep its terms apart:
#
# $$\mathrm{KL}(q_d\,\|\,p_d) = \log\frac{1}{\sigma_d} + \frac{\sigma_d^2+\mu_d^2}{2} - \frac12
# = \underbrace{\tfrac12\mu_d^2}_{\text{where}} + \underbrace{\tfrac12(\sigma_d^2-1)}_{\text{too wide}}
# \underbrace{{}-\log\sigma_d}_{\text{too narrow}} .$$
#
# The sum over d is the lecture's ½(‖μ‖² + ‖σ‖² − d − 2⟨log σ, 1⟩). The encoder gives log σ, so that is what
# the code takes.


# %%
def terms(mu, log_sigma):
    """The three terms of KL(q_d ‖ p_d); mu, log_sigma (..., D) -> (3, ..., D), nats."""
    sigma = log_sigma.exp()
    where = mu**2 / 2
    too_wide = (sigma**2 - 1) / 2
    too_narrow = -log_sigma
    return torch.stack([where, too_wide, too_narrow])


# %% [markdown]
# Summed over the terms and over the dimensions it must be `vaelib`'s, PyTorch's for a Gaussian with any
# covariance (another formula, with a determinant and a trace), the sum of D integrals, and, within four
# standard errors, a Monte Carlo mean in D dimensions.

# %%
mu, log_sigma = torch.randn(2, 5, 3, generator=generator) * 0.7
kl = terms(mu, log_sigma).sum((0, -1))
torch.testing.assert_close(kl, divergences.kl_to_standard_normal(mu, log_sigma))
full = MultivariateNormal(mu, torch.diag_embed((2 * log_sigma).exp()))
prior = MultivariateNormal(torch.zeros(3), torch.eye(3))
torch.testing.assert_close(kl, kl_divergence(full, prior))
[f"{value:#.3g}" for value in kl.tolist()]

# %%
log_prior = Normal(0.0, 1.0).log_prob
for m, s in zip(mu.flatten(), log_sigma.exp().flatten(), strict=True):
    lo, hi = (m - 10 * s).item(), (m + 10 * s).item()
    integral = kl_by_strips(Normal(m, s).log_prob, log_prior, lo, hi)
    torch.testing.assert_close(terms(m, s.log()).sum(), integral, atol=1e-11, rtol=0)

# %%
z = mu + log_sigma.exp() * torch.randn(100_000, 5, 3, generator=generator)
ratio = Normal(mu, log_sigma.exp()).log_prob(z).sum(-1) - log_prior(z).sum(-1)
assert ((ratio.mean(0) - kl).abs() < 4 * ratio.std(0) / len(z) ** 0.5).all()

# %% [markdown]
# What does each term do to an encoder that minimises it? The derivatives are μ_d in μ_d, and σ_d² − 1 in
# log σ_d: pull the mean to 0, and the standard deviation to 1. Autograd agrees. The picture shows the two
# terms of σ and their sum: the minimum is at log σ = 0, where q is the prior and KL is 0. To the right the
# cost explodes; to the left it grows only linearly in log σ, one nat for each factor of e by which
# σ shrinks.

# %%
mu.requires_grad_(), log_sigma.requires_grad_()
d_mu, d_log_sigma = torch.autograd.grad(terms(mu, log_sigma).sum(), (mu, log_sigma))
torch.testing.assert_close(d_mu, mu.detach())
torch.testing.assert_close(d_log_sigma, (2 * log_sigma.detach()).exp() - 1)

# %%
at = torch.linspace(-3, 1, 81)
_, too_wide, too_narrow = terms(torch.zeros(()).expand(81), at)
plots.curves(
    {"nats": {"½(σ² − 1)": too_wide, "−log σ": too_narrow, "KL at μ = 0": too_wide + too_narrow}},
    x=at,
    xlabel="log σ",
    alt="Three curves over log σ: a rising exponential, a falling straight line, and their sum, which "
    "touches zero at log σ = 0, rises slowly and almost straight to the left and steeply to the right.",
)

# %% [markdown] slide="KL divergence"
# ## Lab: two Gaussians
#
# Move μ and σ of q against the standard normal, or against the two bumps. Beside the two densities are the
# *signed integrands* of both KLs: q (log q − log p) is positive where q is above p and negative where it is
# below, and KL is its area, counted with its sign. All of it is written out in numbers too.
#
# Things to try: can the negative area ever be the larger one? Make KL(q‖p) small and KL(p‖q) large. Against the
# standard normal, find a q with KL(q‖p) = ½ in two ways: by moving it, and by narrowing it. Against the two
# bumps, find the three fits of *Forwards or backwards* by hand.

# %%
lab = KLLab()
lab

# %% [markdown]
# The same as a picture, for a page on which nothing moves.

# %%
lab.figure()

# %% [markdown]
# ## Exercises
#
# Write each function in place of its `raise`, from its formula and with the cells above out of sight; run it,
# and then the cell below it. The check there tries it on inputs drawn anew each time and says whether it is
# right and, if it is not, which mistake it looks like.

# %% [markdown] exercise="1.1 ★"
# ### Exercise 1.1 `kl_bernoulli`
#
# *5 minutes.* KL(Bern(p)‖Bern(q)) of two coins, elementwise, for 0 < p, q < 1, in nats. A coin has two
# outcomes; `kl_discrete` above has the general sum.


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

# %% [markdown] exercise="1.2 ★★"
# ### Exercise 1.2 `kl_gaussian`
#
# *10 minutes.* KL(q‖p) of two Gaussians, elementwise, in nats: the difference of the two halves above,
# simplified to one line.


# %%
def kl_gaussian(mu_q, sigma_q, mu_p, sigma_p):
    """KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)), elementwise, in nats."""
    ### BEGIN SOLUTION
    ratio = torch.as_tensor(sigma_q / sigma_p) ** 2
    return (ratio + ((mu_q - mu_p) / sigma_p) ** 2 - 1 - ratio.log()) / 2
    ### END SOLUTION


# %%
check.kl_gaussian(kl_gaussian)

# %% [markdown] exercise="1.3 ★★"
# ### Exercise 1.3 `kl_to_standard_normal`
#
# *10 minutes.* KL(N(μ, diag σ²)‖N(0, I)), (B, D), (B, D) → (B,), in nats: summed over dimensions, one number
# an example.


# %%
def kl_to_standard_normal(mu, log_sigma):
    """KL(N(μ, diag σ²) ‖ N(0, I)), (B, D), (B, D) -> (B,), in nats."""
    ### BEGIN SOLUTION
    return (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1) / 2
    ### END SOLUTION


# %%
check.kl_to_standard_normal(kl_to_standard_normal)

# %% [markdown] exercise="1.4 ★★"
# ### Exercise 1.4 `kl_monte_carlo`
#
# *15 minutes.* From two functions that return log-densities, and K draws z (K,) of q: the pair (estimate of
# KL(q‖p), its standard error). With K or with K − 1 in the error, both are right.


# %%
def kl_monte_carlo(log_q, log_p, z):
    """(estimate of KL(q ‖ p), its standard error) from draws z (K,) of q."""
    ### BEGIN SOLUTION
    difference = log_q(z) - log_p(z)
    return difference.mean(), (difference.var() / len(z)).sqrt()
    ### END SOLUTION


# %%
check.kl_monte_carlo(kl_monte_carlo)

# %% [markdown]
# ## What goes wrong in practice
#
# - **The arguments swapped.** Both orders are numbers ≥ 0, and for nearby distributions they are nearly
#   equal, so no test of signs finds it. Test with a q much narrower than p.
# - **log σ taken for log σ².** PyTorch code often stores `logvar` = log σ² = 2 log σ, and then the terms read
#   ½(μ² + exp(logvar) − 1 − logvar). Mixing the two conventions gives a number that is wrong and yet never
#   negative, so that again no test of signs finds it. Compare with an integral once, and be done.
# - **A mean where a sum belongs.** KL sums over dimensions. `.mean()` over a (B, D) tensor divides by D, and
#   silently trains another model, whose β is 1/D.
# - **A negative KL.** A Monte Carlo estimate may be negative by chance; look at its standard error. A closed
#   form that is negative is wrong.
# - **Draws from the wrong distribution.** The mean of log q − log p is KL(q‖p) if z comes from q. With draws
#   from p it is −KL(p‖q).
# - **An infinity that a sample does not see.** Where p = 0 and q > 0 the KL is ∞, but a few hundred draws may
#   all miss that place, and the estimate looks perfectly fine.

# %% [markdown]
# The second and the fifth point as numbers, for q = N(1, ½²) and p = N(0, 1): log σ² used as though it were
# log σ, and draws of the wrong distribution.

# %%
wrong = terms(mu_q, 2 * sigma_q.log()).sum()
from_p = mu_p + sigma_p * torch.randn(100_000, generator=generator)
mistaken = divergences.kl_monte_carlo(q.log_prob, p.log_prob, from_p)
assert abs(mistaken.value + other_way) < 4 * mistaken.standard_error
right = terms(mu_q, sigma_q.log()).sum()
f"right {right:.3f}, log σ² for log σ {wrong:.3f}, draws of p {mistaken.value:.2f}"

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | KL(p‖q) of dice | `kl_discrete(p, q)` | `(..., I)` → `(...)` |
# | KL(q‖p) of two Gaussians | `divergences.kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)` | elementwise |
# | ∫ q (log q − log p) dz | `divergences.kl_quadrature(log_q, log_p, lo, hi)` | scalar |
# | (1/K) Σ_k [log q(z_k) − log p(z_k)] ± s/√K | `divergences.kl_monte_carlo(log_q, log_p, z)` | `(K,)` → two scalars |
# | KL(N(μ, diag σ²)‖N(0, I)) | `divergences.kl_to_standard_normal(mu, log_sigma)` | `(B, D)` → `(B,)` |
# | log σ | `log_sigma`; `sigma = log_sigma.exp()` | `(B, D)` |
#
# Back to the [map](00_start_here.ipynb#The-map); on to
# [lesson 2](02_maximum_likelihood.ipynb), where KL(p_data‖p_θ) is made small.
