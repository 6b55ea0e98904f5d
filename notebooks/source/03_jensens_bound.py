# %% [markdown]
# # 3 · Jensen's bound
#
# [Lesson 2](02_maximum_likelihood.ipynb) ended at a wall: log p(x) is the log of an integral over z, and no grid and no number of draws from
# the prior will compute it in many dimensions. **If log p(x) cannot be computed, can it at least be bounded
# from below by something that can, and how tight can the bound be made?**
#
# The tool stands twice on the lecture's slides: Jensen's inequality. It lets one swap a logarithm and an
# expectation, at a price. This lesson shows where the price comes from, how large it is, and two ways to
# lower it.
#
# **After it you will be able to**
#
# - prove Jensen's inequality in three lines, and say when it is an equality;
# - predict how far the log of a Monte Carlo mean lies below the log of the true mean, before measuring it;
# - bound log p(x) with draws from the prior (loose), from a q (tight), and from K draws of q (tighter);
# - average tiny probabilities without underflow.

# %%
from vaelib import bounds, check, plots
from vaelib.exact import Arc, LinearGaussian
from vaelib.widgets import JensenLab

import torch
from scipy import special
from torch.distributions import Normal

# %%
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(3)

# %% [markdown] slide="Jensen's inequality"
# ## A chord over a curve
#
# A function f is **convex** if every chord lies on or above its curve: for all a, b and 0 ≤ λ ≤ 1,
#
# $$f(\lambda a + (1-\lambda) b) \;\le\; \lambda f(a) + (1-\lambda) f(b).$$
#
# On the left the point is mixed first and then put on the curve. On the right both points are put on the curve
# and then mixed, along the chord. A function is **concave** if −f is convex.
#
# *Predict*: which of these are convex on the interval from 0.2 to 3: −log t, t², exp t, √t, sin t?


# %%
def chords_are_above(f, lo, hi):
    """Whether no chord of f, of all pairs on a grid of [lo, hi] and 9 values of λ, dips below f."""
    t = torch.linspace(lo, hi, 41)
    a, b, share = t[:, None, None], t[:, None], torch.linspace(0.1, 0.9, 9)
    return bool((f(share * a + (1 - share) * b) <= share * f(a) + (1 - share) * f(b) + 1e-12).all())


def curves_upwards(f, lo, hi):
    """Whether f″ ≥ 0 on a grid of [lo, hi]; the derivatives are autograd's."""
    t = torch.linspace(lo, hi, 41, requires_grad=True)
    (slope,) = torch.autograd.grad(f(t).sum(), t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), t)
    return bool((curvature >= 0).all())


# %% [markdown]
# Two tests that have nothing to do with each other, chords and second derivatives, agree on all five.


# %%
def minus_log(t):
    return -t.log()


functions = (minus_log, torch.square, torch.exp, torch.sqrt, torch.sin)
verdicts = {f.__name__: chords_are_above(f, 0.2, 3.0) for f in functions}
assert list(verdicts.values()) == [curves_upwards(f, 0.2, 3.0) for f in functions]
verdicts

# %% [markdown] slide="Jensen's inequality" exercises=["3.1"]
# ## From two points to all
#
# Two points with weights λ and 1 − λ are a random variable with two values. **Jensen's inequality** says the
# same of any random variable g(x): if f is convex,
#
# $$\mathbb{E}[f(g(x))] \;\ge\; f(\mathbb{E}[g(x)]).$$
#
# *Proof.* Let m = E[g(x)]. A convex curve lies on or above each of its tangents, so also above the one at m:
#
# $$\begin{aligned}
# f(t) &\ge f(m) + f'(m)\,(t-m) && \text{for every } t,\\
# \mathbb{E}[f(g(x))] &\ge f(m) + f'(m)\,\big(\mathbb{E}[g(x)]-m\big) && \text{put } t = g(x),\text{ take expectations},\\
# &= f(m) = f(\mathbb{E}[g(x)]) && \text{since } \mathbb{E}[g(x)] = m. \qquad\blacksquare
# \end{aligned}$$
#
# The picture says it without letters. Points on a convex curve span a polygon, and the polygon lies above the
# curve. Whatever weights the points have, their mean lies in the polygon. It cannot get below the curve.

# %%
x, weights = torch.tensor([0.25, 0.6, 1.2, 2.2, 3.2]), torch.tensor([0.3, 0.2, 0.2, 0.1, 0.2])

# %%
mean, t = weights @ x, torch.linspace(0.15, 3.5, 300)
plots.jensen(
    curve=(t, minus_log(t)),
    points=(x, minus_log(x)),
    weights=weights,
    tangent=minus_log(mean) - (t - mean) / mean,
    labels=("t", "−log t"),
    alt="The convex curve −log t with five points on it, joined to a polygon that lies above the curve. The "
    "weighted mean of the points is inside the polygon; a vertical bar, the gap, leads from it down to the "
    "curve, and a tangent touches the curve at the bar's foot.",
)

# %% [markdown]
# Now with numbers, one for each line of the proof. Let x ~ N(0, 1), and take expectations by an integral over
# a fine grid. For each pair (f, g) the gap E f(g) − f(E g) has a closed form that has been found by other
# means:
#
# - f = t², g = x: E x² − (E x)², which is the variance of x, 1;
# - f = exp, g = x: exp(½) − 1, by the mean of the log-normal distribution;
# - f = −log, g = exp(x/2): 0 + log exp(⅛) = ⅛, by the same;
# - f = 3t + 1, g = x: 0. A straight line is its own tangent and its own chord.
#
# The columns are the three lines of the proof: E f(g), the mean of the tangent, f(E g).


# %%
def expectation(h):
    """E h(x) for x ~ N(0, 1), by the trapezoid rule on [−12, 12]."""
    x = torch.linspace(-12, 12, 2401)
    return torch.trapezoid(Normal(0.0, 1.0).log_prob(x).exp() * h(x), x)


# %%
def proof(f, g):
    """The proof's numbers: E f(g), E[the tangent at m = E g], f(m)."""
    m = expectation(g)
    at_m, slope = torch.func.jvp(f, (m,), (torch.ones(()),))
    tangent = expectation(lambda x: at_m + slope * (g(x) - m))
    return torch.stack([expectation(lambda x: f(g(x))), tangent, at_m])


# %%
def line(t):
    return 3 * t + 1


def identity(x):
    return x


def half_log_normal(x):
    return (x / 2).exp()


# %%
cases = {torch.square: identity, torch.exp: identity, minus_log: half_log_normal, line: identity}
known = torch.tensor([1.0, torch.tensor(0.5).expm1(), 0.125, 0.0])
lines = torch.stack([proof(f, g) for f, g in cases.items()])
torch.testing.assert_close(lines[:, 0] - lines[:, 2], known, atol=1e-10, rtol=0)
for (f, g), row in zip(cases.items(), lines, strict=True):
    print(f"{f.__name__:>9} of {g.__name__:<15}", *(f"{number:z8.4f}" for number in row))

# %% [markdown]
# **When is it an equality?** Where the curve touches its tangent at every value that g(x) takes. For a
# strictly convex f, such as −log, that is at m only: equality if and only if g(x) is *constant*. Remember
# this; it is how the bound at the end of this lesson becomes tight.
#
# **How large is the gap otherwise?** Go one term further than the tangent:
# f(t) ≈ f(m) + f′(m)(t − m) + ½ f″(m)(t − m)². Taking expectations,
#
# $$\mathbb{E}[f(g)] - f(\mathbb{E}[g]) \;\approx\; \tfrac12 f''(m)\operatorname{Var}[g],
# \qquad\text{for } f = -\log:\quad \frac{\operatorname{Var}[g]}{2m^2}.$$
#
# For g = exp(s x) everything is known: the gap is ½ s², and Var[g]/m² = exp(s²) − 1.
#
# *Predict*: up to which spread s is the approximation good?


# %%
def log_normal_gap(s):
    """E[−log g] − (−log E[g]) for g = exp(s x)."""
    return expectation(lambda x: -s * x) + expectation(lambda x: (s * x).exp()).log()


# %%
s = torch.linspace(0, 1.2, 25)
gap = torch.stack([log_normal_gap(spread) for spread in s])
torch.testing.assert_close(gap, s**2 / 2, atol=1e-9, rtol=0)
approximation = torch.expm1(s**2) / 2
assert ((approximation / gap)[1:6] < 1.04).all() and approximation[-1] > 2 * gap[-1]

# %%
plots.curves(
    {"E[−log g] − (−log E[g]), nats": {"exact": gap, "½ Var[g]/m²": approximation}},
    x=s,
    xlabel="s, the spread of log g",
    alt="The exact gap and its approximation by half the relative variance, over the spread s: they start "
    "as one curve, and beyond a spread of about a half the approximation runs away upwards.",
)

# %% [markdown] slide="Jensen's inequality"
# ## KL ≥ 0 again
#
# With f = −log and g = p/q the proof of lesson 1 is one line of Jensen, now for densities:
#
# $$\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q\Big[-\log\frac{p(z)}{q(z)}\Big] \ge -\log\mathbb{E}_q\Big[\frac{p(z)}{q(z)}\Big]
# = -\log\int_{q>0} p(z)\,dz \ge 0 .$$
#
# So a KL *is* a Jensen gap, and it closes where p/q is constant. The same lines in numbers, for
# q = N(1, ½²), and for a q that is uniform on [−1, 1], both against p = N(0, 1).


# %%
def kl_lines(z, q):
    """KL(q‖p), −log E_q[p/q], −log ∫_{q>0} p for p = N(0, 1); q (n,) on a grid z (n,) of q > 0."""
    p = Normal(0.0, 1.0).log_prob(z).exp()
    kl = torch.trapezoid(q * -(p / q).log(), z)
    return torch.stack([kl, -torch.trapezoid(q * (p / q), z).log(), -torch.trapezoid(p, z).log()])


# %%
wide, short = torch.linspace(-9, 11, 20_001), torch.linspace(-1, 1, 20_001)
normal = kl_lines(wide, Normal(1.0, 0.5).log_prob(wide).exp())
uniform = kl_lines(short, torch.full_like(short, 0.5))
print("Gaussian q", *(f"{number:z.4f}" for number in normal))
print(" uniform q", *(f"{number:z.4f}" for number in uniform))

# %% [markdown]
# Independent oracles: the closed form of lesson 1 for the first. For the second, KL = −log 2 + ½ log 2π + ⅙
# (the mean of z²/2 under q is ⅙), and the mass of N(0, 1) between −1 and 1 from the error function.

# %%
torch.testing.assert_close(
    normal[0], torch.tensor(2.0).log() + (0.25 + 1) / 2 - 0.5, atol=1e-8, rtol=0
)
by_hand = -torch.tensor(2.0).log() + 0.5 * torch.tensor(2 * torch.pi).log() + 1 / 6
torch.testing.assert_close(uniform[0], by_hand, atol=1e-8, rtol=0)
torch.testing.assert_close(
    uniform[2], -torch.tensor(special.erf(0.5**0.5)).log(), atol=1e-8, rtol=0
)

# %% [markdown] slide="Jensen's inequality"
# ## The log of a mean is biased low
#
# The logarithm is concave, so for it the inequality turns round: **log E[w] ≥ E[log w]**. This bites whoever
# estimates log p(x). Let p̂ = (w_1 + … + w_K)/K be a Monte Carlo mean with E[p̂] = p: unbiased. Its logarithm
# is not: E[log p̂] ≤ log p. By how much? Write p̂ = p (1 + δ). Then E[δ] = 0, Var[δ] = V/K with
# V = Var[w]/p², and with log(1 + δ) = δ − ½δ² + …
#
# $$\mathbb{E}[\log\hat p\,] - \log p = \mathbb{E}[\log(1+\delta)] \approx -\frac{V}{2K}.$$
#
# To test it we need weights whose V is known: log-normal ones, w = exp(s x − ½s²) with x ~ N(0, 1), have mean
# p = 1 and V = exp(s²) − 1. At K = 1 the bias is −½s² exactly. At K = 2 it is a double integral.
#
# *Predict*: the bias at K = 1 and at K = 100, for s = 0.7.

# %%
s, K = torch.tensor(0.7), torch.tensor([1, 2, 4, 8, 16, 32, 64, 128, 256])
V = torch.expm1(s**2)

# %%
x = torch.linspace(-9, 9, 721)
density, w = Normal(0.0, 1.0).log_prob(x).exp(), (s * x - s**2 / 2).exp()
inner = torch.trapezoid(density * ((w[:, None] + w) / 2).log(), x)
exact = torch.stack([-(s**2) / 2, torch.trapezoid(density * inner, x)])
{"exact": [f"{e:.4f}" for e in exact], "predicted": [f"{-V / (2 * k):.4f}" for k in K[:2]]}

# %% [markdown]
# To measure: 20,000 estimates p̂ for every K, and the mean of their logarithms. At large K the bias is much
# smaller than the scatter of log p̂, and would drown in it. But we know that E[δ] = 0, so log(1 + δ) − δ has
# the same mean as log(1 + δ), and hardly any scatter. It is the tangent of the proof once more: log(1 + δ) − δ
# is never positive, not for a single draw.


# %%
def log_bias(w):
    """E[log p̂] − log p and its standard error, (2,), from R rows of K weights w/p, (R, K)."""
    p_hat = w.mean(1)  # 1 + δ
    below = p_hat.log() - (p_hat - 1)
    assert (below < 1e-14).all()
    return torch.stack([below.mean(), below.std() / len(w) ** 0.5])


# %%
x = torch.randn(20_000, 256, generator=generator)
w = (s * x - s**2 / 2).exp()
measured, errors = torch.stack([log_bias(w[:, :k]) for k in K]).T
assert ((measured[:2] - exact).abs() < 4 * errors[:2]).all()
assert ((measured[4:] / (-V / (2 * K[4:]))) - 1).abs().max() < 0.06

# %%
plots.against(
    K,
    predicted={"V/2K": V / (2 * K)},
    measured={"log p − mean of log p̂": (-measured, errors)},
    xlabel="K, draws in each estimate",
    ylabel="nats too low",
    log="xy",
    alt="How far the log of a Monte Carlo mean is too low, over K, on logarithmic axes: the measured points "
    "lie below the predicted straight line at the smallest K, and come onto it as K grows.",
)

# %% [markdown]
# Each doubling of K halves the bias, as predicted. The same happens to log p(x). Take the arc, our model with
# a one-dimensional z whose log p(x) is known by quadrature, and estimate p(x) by the mean of p(x|z_k) over
# draws z_k from the prior. The integral that V needs, E[p(x|z)²], is on the same grid.

# %%
arc, x = Arc(sigma_x=0.2), torch.tensor([[0.6, 0.9]])
log_px = arc.log_px(x)[0]

# %%
prior = Normal(0.0, 1.0).log_prob(arc.z).exp()
relative = (arc.log_px_z(x, arc.z) - log_px).exp()  # p(x|z)/p(x) on the grid
torch.testing.assert_close(torch.trapezoid(prior * relative, arc.z), torch.tensor(1.0))
V = torch.trapezoid(prior * relative**2, arc.z) - 1
f"log p(x) = {log_px:.3f}, V = {V:.2f}; for K = 100 predicted {V / 200:.3f} nats too low"

# %%
z = torch.randn(20_000, 100, generator=generator)
bias, error = log_bias((arc.log_px_z(x, z) - log_px).exp())
assert abs(bias + V / 200) < 4 * error + 0.1 * V / 200
f"measured: {-bias:.3f} nats too low"

# %% [markdown] slide="Jensen's inequality" exercises=["3.2"]
# ## A lower bound of log p(x)
#
# Now turn the nuisance into a tool. A bias that has a known sign is a bound. Nothing but Jensen, with log p(x)
# written as the log of an expectation under the prior:
#
# $$\log p(x) = \log \mathbb{E}_{p(z)}[p(x|z)] \;\ge\; \mathbb{E}_{p(z)}[\log p(x|z)].$$
#
# The right-hand side needs no integral inside a logarithm: draw z, average log p(x|z). But it is loose. Most z
# have nothing to do with x, their p(x|z) is nearly zero, and its logarithm is a large negative number.
#
# The remedy is to draw z where it matters, from a distribution q of our choice, and to pay for it with a
# weight. Multiply and divide by q:
#
# $$\begin{aligned}
# \log p(x) &= \log\int p(x|z)\,p(z)\,dz = \log\int q(z)\,\frac{p(x|z)\,p(z)}{q(z)}\,dz\\
# &= \log\mathbb{E}_q[w(z)] \qquad\text{with } w(z) = \frac{p(x|z)\,p(z)}{q(z)},\\
# &\ge \mathbb{E}_q[\log w(z)] = \mathbb{E}_q\big[\log p(x|z) + \log p(z) - \log q(z)\big] .
# \end{aligned}$$
#
# This is the bound that the VAE maximises; lesson 4 is about it. With q the prior it is the loose bound again.
#
# *Predict*: which q would make it an equality? (When is Jensen's inequality one?)

# %%
mu, sigma = arc.posterior_moments(x)
proposals = {
    "prior": (torch.zeros(1), torch.ones(1)),
    "poor q": (mu + sigma, 2 * sigma),
    "good q": (mu, 1.25 * sigma),
}
for name, (m, s) in proposals.items():
    print(f"{name:>7}: bound {arc.elbo(x, m, s.log()).item():8.3f}, log p(x) {log_px:.3f} nats")

# %% [markdown]
# The numbers are `vaelib`'s exact bound on the arc. The good q has the mean of the true posterior p(z|x) and is a
# quarter too wide; the poor one is a standard deviation off and twice too wide. The same by Monte Carlo, term by
# term as the formula stands, and for the prior also by an integral over the grid:


# %%
def log_weights(arc, x, mu, sigma, eps):
    """log w(z_k) = log p(x|z_k) + log p(z_k) − log q(z_k), z_k = μ + σ ε_k ~ q; eps (...) -> (...)."""
    z = mu + sigma * eps
    log_px_z = arc.log_px_z(x, z)
    log_pz = Normal(0.0, 1.0).log_prob(z)
    log_qz = Normal(mu, sigma).log_prob(z)
    return log_px_z + log_pz - log_qz


# %%
eps = torch.randn(100_000, generator=generator)
for m, s in proposals.values():
    log_w = log_weights(arc, x, m, s, eps)
    assert abs(log_w.mean() - arc.elbo(x, m, s.log())) < 4 * log_w.std() / len(eps) ** 0.5
by_integral = torch.trapezoid(prior * arc.log_px_z(x, arc.z), arc.z)
torch.testing.assert_close(by_integral, arc.elbo(x, torch.zeros(1), torch.zeros(1))[0])

# %% [markdown]
# And the equality? It holds where w(z) is constant: p(x|z) p(z) = const · q(z), which says that q is the
# **posterior** p(z|x), and that the constant is p(x). The linear-Gaussian model has a Gaussian posterior, so there
# it can be tried. Not only the mean of log w, *every single draw* must then give log p(x):

# %%
model = LinearGaussian(torch.tensor([[1.0], [-0.5]]), torch.tensor([0.2, 0.1]), sigma_x=0.3)
_, x_linear = model.sample(1, generator)
q = model.posterior(x_linear)
z = q.mean + q.covariance_matrix.sqrt()[..., 0] * torch.randn(5, 1, generator=generator)

# %%
log_px_z = Normal(z @ model.W.T + model.b, model.sigma_x).log_prob(x_linear).sum(-1)
log_w = log_px_z + Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z)
torch.testing.assert_close(log_w, model.log_px(x_linear).expand(5), atol=1e-12, rtol=0)
{"log w": [f"{v:.2f}" for v in log_w.tolist()], "log p(x)": f"{model.log_px(x_linear).item():.2f}"}

# %% [markdown] slide="Jensen's inequality" exercises=["3.3"]
# ## K samples, a tighter bound
#
# A better q is one way to lower the price; the other is to average *before* taking the logarithm. With K draws from q,
#
# $$L_K = \mathbb{E}\Big[\log\frac1K\sum_{k=1}^K w(z_k)\Big] \le \log p(x),$$
#
# by Jensen, since the mean inside has the expectation p(x). $L_1$ is the bound above. By the last section the gap
# is about V/2K, where V is now the variance of w(z)/p(x) under q: more draws tighten it, and so does a better q.
#
# It never falls from K to K + 1. The mean of K + 1 weights is the mean of the K + 1 means that leave one weight
# out, and log is concave, so for *every* set of weights
#
# $$\begin{aligned}
# \log\frac{1}{K+1}\sum_{k} w_k &= \log\frac{1}{K+1}\sum_{j}\Big(\frac1K\sum_{k\ne j} w_k\Big)\\
# &\ge \frac{1}{K+1}\sum_{j}\log\Big(\frac1K\sum_{k\ne j} w_k\Big);
# \end{aligned}$$
#
# the expectation of the left is $L_{K+1}$, that of the right $L_K$.
#
# One obstacle is not mathematical: w may be exp(−800), which a double cannot hold. Take the largest log w out
# first, $\log\sum_k e^{a_k} = a_\text{max} + \log\sum_k e^{a_k - a_\text{max}}$: the largest term is then 1.


# %%
def log_mean_exp(log_w):
    """log (1/K) Σ_k exp(log w_k) over the first dimension, (K, ...) -> (...)."""
    largest = log_w.max(0).values
    return largest + (log_w - largest).exp().mean(0).log()


# %%
tiny = torch.tensor([-800.0, -801.0, -802.0])
oracle = torch.tensor(special.logsumexp(tiny.numpy())) - torch.tensor(3.0).log()
torch.testing.assert_close(log_mean_exp(tiny), oracle)
f"{log_mean_exp(tiny):.3f}; without taking the largest out: {tiny.exp().mean().log():.0f}"

# %%
log_w = log_weights(arc, x, *proposals["poor q"], torch.randn(6, 1000, generator=generator))
torch.testing.assert_close(log_mean_exp(log_w), bounds.importance_weighted_bound(log_w))
left_out = torch.stack([log_mean_exp(torch.cat([log_w[:j], log_w[j + 1 :]])) for j in range(6)])
assert (log_mean_exp(log_w) >= left_out.mean(0) - 1e-12).all()
"log mean of six ≥ mean log of the means of five, 1,000 times"

# %% [markdown]
# Now the gap log p(x) − $L_K$ for all three, from K = 1 to 1024, measured with the trick of the last section, and
# the predictions V/2K. Since w(z)/p(x) = p(z|x)/q(z), V is the integral of p(z|x)²/q(z), minus 1. It is taken here
# over one turn of the arc, the one on which x lies; the end of this lesson says what is beyond.

# %%
log_posterior = arc.log_px_z(x, arc.z) + Normal(0.0, 1.0).log_prob(arc.z) - log_px
turn = (arc.z - mu).abs() < torch.pi

# %%
V = {}
for name, (m, s) in proposals.items():
    log_ratio = 2 * log_posterior - Normal(m, s).log_prob(arc.z)
    V[name] = torch.trapezoid(log_ratio[turn].exp(), arc.z[turn]).item() - 1
{name: f"{value:.3g}" for name, value in V.items()}

# %%
K = torch.tensor([1, 4, 16, 64, 256, 1024])
gaps = {}
for name, (m, s) in proposals.items():
    eps = torch.randn(2000, 1024, generator=generator)
    w = (log_weights(arc, x, m, s, eps) - log_px).exp()
    bias, error = torch.stack([log_bias(w[:, :k]) for k in K]).T
    assert abs(log_px + bias[0] - arc.elbo(x, m, s.log())) < 4 * error[0]
    assert (bias.diff() > 0).all() and abs(-bias[-1] * 2048 / V[name] - 1) < 0.15
    gaps[name] = (-bias, error)

# %%
plots.against(
    K,
    predicted={f"{name}: V/2K": V[name] / (2 * K) for name in gaps},
    measured={f"{name}, measured": gap for name, gap in gaps.items()},
    xlabel="K",
    ylabel="log p(x) − bound, nats",
    log="xy",
    alt="The gap between log p(x) and the bound of K samples, on logarithmic axes. The prior's gap is largest, "
    "then the poor q's, then the good q's, far below. All three fall with K and end on straight lines, the "
    "predicted V/2K; the prior's begins far above its line.",
)

# %% [markdown]
# All that can be done is in this picture: a better q moves down, more samples move right. The first is what an
# encoder is for; it learns, once, and then each x costs one draw. The second is for the end, when a trained model
# is to be measured: lesson 6 climbs this ladder.

# %% [markdown] slide="Jensen's inequality"
# ## Lab: a chord, and a mean of K draws
#
# Two points on a curve, the second with a probability of your choice. At K = 1 the bar at their mean, from the curve
# up to the chord, is Jensen's gap. Then let x̄ be the mean of K draws: it scatters less, f(x̄) gathers around f(E x),
# and E f(x̄) sinks from the chord to the curve. Its bias is exact here (a binomial sum), beside the prediction
# ½ f″(E x) Var x/K; for f = −log that is V/2K.
#
# Things to try: close the gap in three ways (points, probability, curve). For x², compare the exact bias with the
# prediction: why do they agree at every K? For −log, find the K at which the bias is a tenth of what it was at K = 1.

# %%
lab = JensenLab()
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

# %% [markdown] exercise="3.1 ★"
# ### Exercise 3.1 `jensen_gap`
#
# *5 minutes.* E f(x) − f(E x) for a random variable with values x (N,) and weights (N,) that sum to 1; f
# takes a tensor and answers elementwise. A scalar.


# %%
def jensen_gap(f, x, weights):
    """E f(x) − f(E x); values x (N,), weights (N,) that sum to 1 -> scalar."""
    ### BEGIN SOLUTION
    mean = (weights * x).sum()
    return (weights * f(x)).sum() - f(mean)
    ### END SOLUTION


# %%
check.jensen_gap(jensen_gap)

# %% [markdown] exercise="3.2 ★★"
# ### Exercise 3.2 `lower_bound`
#
# *10 minutes.* From K draws of q for each of B examples, (K, B) each: the estimate of the bound with one draw
# inside the logarithm, (B,).


# %%
def lower_bound(log_px_z, log_pz, log_qz):
    """The mean over K draws from q of log w, (K, B) each -> (B,)."""
    ### BEGIN SOLUTION
    return (log_px_z + log_pz - log_qz).mean(0)
    ### END SOLUTION


# %%
check.lower_bound(lower_bound)

# %% [markdown] exercise="3.3 ★★"
# ### Exercise 3.3 `importance_weighted_bound`
#
# *15 minutes.* log (1/K) Σ_k w_k from log w, (K, B) → (B,), also where w underflows.


# %%
def importance_weighted_bound(log_w):
    """log (1/K) Σ_k w_k, from log w (K, B) -> (B,)."""
    ### BEGIN SOLUTION
    return log_w.logsumexp(0) - torch.tensor(len(log_w)).log()
    ### END SOLUTION


# %%
check.importance_weighted_bound(importance_weighted_bound)

# %% [markdown]
# ## What goes wrong in practice
#
# - **The mean of the logs for the log of the mean.** Both are numbers, one is the bound with one sample, and the
#   other the bound with K. Ask where the logarithm stands.
# - **Underflow.** `log_w.exp().mean().log()` is −∞ where every weight is too small for a double, and ∞ where one
#   is too large; for pictures, which have many pixels, either is the rule. Use `log_mean_exp`; PyTorch's `logsumexp` needs − log K beside it.
# - **A test log-likelihood that is really a bound.** Estimates of log p(x) by sampling are too low on average,
#   and two models are only comparable with the same K and equally good q's.
# - **The wrong sign in front of log q.** E_q[log p(x|z) + log p(z) + log q(z)] is also computable, and bounds
#   nothing.
# - **A q that misses a part of the posterior.** The prediction V/2K supposes that V is finite, and that the draws
#   see what makes it large. The arc goes on around the circle: z and z ± 2π explain x equally well, up to the
#   prior. A narrow q never goes there, and beyond its own turn its V is absurd, although nothing in the measured
#   curve warns of it. Far out p(z|x)² falls like exp(−z²) and q like exp(−z²/2σ²), so that for σ² < ½ the integral
#   over the whole line is infinite. On the grid, which ends at ±12:

# %%
log_ratio = 2 * log_posterior - Normal(*proposals["good q"]).log_prob(arc.z)
log_V = log_ratio.logsumexp(0) + torch.tensor(arc.step).log()
missed = torch.trapezoid(log_posterior.exp() * ~turn, arc.z)
torch.testing.assert_close(log_posterior.exp(), arc.grid(x)[1][0], atol=1e-10, rtol=0)
f"posterior mass on the other turns {missed:.1e}; log V over the grid {log_V:.0f}"

# %% [markdown]
# The estimate settles at log p(x) + log(1 − that mass), and would need of the order of V draws to get on. Here that
# is harmless. Where a q misses half of the posterior it is log 2 nats for good, and the measured standard error
# does not say so. When in doubt, make q wider than the posterior.

# %% [markdown]
# ## Symbols and code
#
# | symbol | code | shape |
# |---|---|---|
# | E f(g) − f(E g) | `weights @ f(x) - f(weights @ x)` | scalar |
# | log p(x) on the arc, by quadrature | `Arc(sigma_x).log_px(x)` | `(B, 2)` → `(B,)` |
# | log w = log p(x given z) + log p(z) − log q(z) | `log_w` | `(K, B)` |
# | E_q[log w] | `log_w.mean(0)`; exact on the arc: `arc.elbo(x, mu, log_sigma)` | `(B,)` |
# | log (1/K) Σ_k w_k | `bounds.importance_weighted_bound(log_w)`, `bounds.log_mean_exp(log_w)` | `(K, B)` → `(B,)` |
# | V, the variance of w/p(x) | `(log_w - log_px).exp().var(0)` | `(B,)` |
#
# Back to the [map](00_start_here.ipynb#The-map); on to [lesson 4](04_the_elbo.ipynb), which takes the bound apart.
