# %% [markdown] sign="$\\log \\mathbb{E}_{\\enc{q}}[w] \\ge \\mathbb{E}_{\\enc{q}}[\\log w]$"
# # 3 · Jensen's bound
#
# **Can fifty codes do the work of 100,000?** In lesson 2 a pool of 100,000 random codes told us $\log p(x)$ of
# one face, to about a tenth of a nat. Most codes were wasted, because the prior $\prior{p(z)}$ proposes them without
# looking at the face. The encoder's bells $\enc{q}$ do look. So let $\enc{q}$ propose the codes. It draws good
# codes too often, and we make up for that: each code gets the **importance weight**
#
# $$w(\code{z}) = \frac{\dec{p_\theta(x\mid z)}\,\prior{p(z)}}{\enc{q(z)}} .$$
#
# The mean of the weights estimates $p(x)$. Here are twenty estimates, each from fifty codes.

# %%
from vaelib import bounds, check, data, evaluation, exact, faces, plots
from vaelib.checkpoint import load_vae
from vaelib.widgets import JensenLab, Predict

import torch
from torch.distributions import Binomial, Normal

# %% deck="Can fifty codes do the work of 100,000?" lead="$w(\\code{z}) = \\dec{p_\\theta(x\\mid z)}\\,\\prior{p(z)} \\,/\\, \\enc{q(z)}$, for fifty codes of $\\enc{q}$, twenty times:"
torch.set_default_dtype(torch.float64)
vae = load_vae(data.shipped("faces_vae.safetensors")).double()
face = faces.render(0.5, 0.7).double()[None]
runs = [evaluation.log_marginal(vae, face, 50, seed=run, progress=False) for run in range(20)]
runs = torch.cat(runs)
print(f"log of the mean weight: {runs.mean():.2f}, give or take {runs.std():.2f} nats")

# %% deck="+" points=["Same draws, other order: the log of the mean, and the mean of the logs."]
generator = torch.Generator().manual_seed(3)
with torch.no_grad():
    one_by_one = bounds.elbo(vae, face, 1000, kl="monte_carlo", generator=generator).total
print(f"mean of the log weights: {one_by_one.item():.2f} nats")

# %% [markdown]
# Fifty codes give the number of lesson 2, with about the same error. But look at the second line. It takes the
# logarithm of each weight first, and then the mean, and the result is lower. Is that chance? How far apart can the two
# be? And which of them can we trust? These are questions about the logarithm and the mean. So we leave the face for a
# while and play a game.
#
# ## One look
#
# You roll a fair die. If a six comes up, I give you three times your stake. If not, you get 60 % of it back. On
# average you get back
#
# $$\tfrac16\cdot 3+\tfrac56\cdot 0.6=1$$
#
# times your stake, so the game is fair. The lab shows the two results $x_1 = 0.6$ and $x_2 = 3$ on the curve of
# $-\log x$. At $K = 1$ you put all your money on one die. At larger $K$ you split it into $K$ equal
# stakes, with a die for each, and $\bar x$ is what you get back in all.
#
# 1. The vertical bar is the gap between the mean of $-\log x$ and $-\log$ of the mean. Close it in three
#    different ways: with the points, with the probability, with another curve.
# 2. Return to the start and raise $K$. What happens to the gap? At which $K$ is it a tenth of what it was?

# %% deck="One look"
JensenLab(x1=0.6, x2=3.0, weight=1 / 6)

# %% [markdown] slide="Jensen's inequality"
# ## A fair game that ruins you
#
# You have 1 euro, put all of it on one die, and do the same with what you get back, a hundred times.

# %% deck="A fair game that ruins you"
Predict("fair_game")

# %% [markdown]
# A hundred thousand players try it.

# %% tags=["spoiler"]
six = torch.rand(100_000, 100, generator=generator) < 1 / 6
money = torch.where(six, 3.0, 0.6).prod(1)
print(f"the player in the middle has {money.median():.0e} euros")
print(f"{(money > 1).double().mean():.2%} of the players have more than 1 euro")

# %% [markdown] deck="Money multiplies, so take logarithms" points=["After a hundred rounds: $e^{-24.3} \\approx 3\\cdot 10^{-11}$. The mean of the money stays 1."]
# Nearly all are ruined, in a fair game. Money *multiplies*, so take logarithms, as we did with the odds in
# lesson 1. Each round adds $\log 3$ or $\log 0.6$ to the logarithm of your money, on average
#
# $$\mathbb E[\log x]=\tfrac16\log 3+\tfrac56\log 0.6=-0.243,\qquad\text{while}\quad
# \log\mathbb E[x]=\log 1=0 .$$
#
# After a hundred rounds that is $-24.3$, and $e^{-24.3}\approx 3\cdot 10^{-11}$. The mean of the money stays 1, but it is
# carried by rare players who are absurdly rich. You have met this number: $3$ and $0.6$ are the ratios
# $p(x)/q(x)$ of the loaded and the fair die, and 0.243 is $\gap{\mathrm{KL}(\text{fair}\,\|\,\text{loaded})}$.
#
# So the mean of a logarithm can lie below the logarithm of the mean. Can it also lie above?

# %% [markdown] slide="Jensen's inequality" deck="Chords above"
# ## Chords above, tangents below
#
# It cannot. The reason is the shape of the curve. A function $f$ on an interval is **convex** if its chords lie on
# or above its curve: for all $a$, $b$ in the interval and all $\lambda$ between 0 and 1,
#
# $$f(\lambda a+(1-\lambda)b)\;\le\;\lambda f(a)+(1-\lambda)f(b).$$
#
# On the left the points are mixed and put on the curve. On the right they are put on the curve and then mixed, along the
# chord. It is **strictly convex** if "$\le$" is "$<$" whenever $a\ne b$ and $0<\lambda<1$. And $f$ is *concave*
# if $-f$ is convex.

# %% alt="The convex curve of minus log t. A chord joins its points at 0.6 and at 3 and lies above the curve; a tangent touches the curve at t = 1 and lies below it. A vertical bar at t = 1 leads from the curve up to the chord." deck="+"
t = torch.linspace(0.3, 3.4, 311)
results, chances = torch.tensor([0.6, 3.0]), torch.tensor([5 / 6, 1 / 6])
plots.jensen(
    curve=(t, -t.log()),
    points=(results, -results.log()),
    weights=chances,
    tangent=1 - t,
    labels=("$t$", r"$-\log t$"),
)

# %% [markdown] deck="Tangents below, proved from the chords" points=["Each slope to the left of $m$ is at most each slope to its right: $s$ fits between them."] blocks=[0, 1]
# The picture shows a second fact: the curve lies above its tangent. We shall need a tangent, so we derive it
# from the chords. Take $a<m<b$ in the interval. The chord from $a$ to $b$ lies on or above the curve at $m$. Put
# $\lambda=(b-m)/(b-a)$ into the definition, and sort:
#
# $$\frac{f(m)-f(a)}{m-a}\;\le\;\frac{f(b)-f(m)}{b-m}.$$
#
# A slope on the left of $m$ is at most a slope on the right of $m$. This holds for each $a$ and each $b$. So there is
# a number $s$ that is at least as large as each slope on the left, and at most as large as each slope on the right.
# The line through $(m,f(m))$ with the slope $s$ then lies on or below the curve, on both sides:
#
# $$f(t)\;\ge\;f(m)+s\,(t-m)\qquad\text{for all } t \text{ in the interval}.$$
#
# It is called a **supporting line** at $m$. If $f$ has a derivative at $m$, both kinds of slope tend to it as $a$ and
# $b$ approach $m$. Then $s=f'(m)$, and the supporting line is the tangent. If not, as for $|t|$ at 0, there
# is still a line.
#
# If $f$ is strictly convex, the line touches the curve at $m$ only. Suppose that it also touched at some $t\ne m$.
# Halfway between, the chord would lie on the line. But the curve would be strictly below the chord, so below its own
# supporting line.

# %% [markdown] tags=["aside"]
# #### Aside: the way back, and the second derivative
#
# **From lines to chords.** Let $f$ have a supporting line at each point inside the interval. For $a$, $b$, $\lambda$ take the
# one at $m=\lambda a+(1-\lambda)b$. It says $f(a)\ge f(m)+s(a-m)$ and $f(b)\ge f(m)+s(b-m)$. Add the two with the
# weights $\lambda$ and $1-\lambda$. The terms with $s$ cancel, and the chord lies on or above the curve. So inside an
# interval, chords above and lines below are the same property.
#
# **A test.** If $f''\ge0$ on an interval, then $f'$ does not decrease. By the mean value theorem a slope on the left of $m$
# is $f'$ at some point left of $m$, and a slope on the right is $f'$ at some point right of it. So the slopes are in
# order, and $f$ is convex. If $f''>0$, it is strictly convex. For $-\log t$ we have $f''=1/t^2>0$.

# %% [markdown] slide="Jensen's inequality" exercises=["3.1"] deck="From two points to a distribution" blocks=[0, 1] lab="JensenLab: x1 = 0.6, x2 = 3.0, weight = 0.16666666666666666" lit=["curve chord", "gap mean"]
# ## From two points to a distribution
#
# Two points with probabilities $\lambda$ and $1-\lambda$ are a random variable with two values. **Jensen's
# inequality** says the same of other random variables. Let $f$ be convex on an interval, let $g(x)$ take
# values in it, let $\mathbb E|g(x)|$ be finite, and $m=\mathbb E[g(x)]$. Then
#
# $$\mathbb E[f(g(x))]\;\ge\;f(\mathbb E[g(x)]).$$
#
# *Proof.* Take the supporting line at $m$, put $t=g(x)$, and take expectations:
#
# $$\begin{aligned}
# f(g(x))&\ge f(m)+s\,(g(x)-m),\\
# \mathbb E[f(g(x))]&\ge f(m)+s\,(\mathbb E[g(x)]-m)=f(m).\qquad\blacksquare
# \end{aligned}$$
#
# (Two details. If $m$ is an end of the interval, $g(x)=m$ with probability one, and both sides are equal. And since
# $f(g(x))$ lies above something with a finite mean, its expectation exists; it may be $+\infty$.)
#
# **When is it an equality?** If $\mathbb E[f(g(x))]$ is finite: when $f(g(x))$ is on the line with probability
# one. For a strictly convex $f$ the line touches at $m$ only. So **for $-\log$, Jensen's inequality is an
# equality if and only if $g(x)$ is constant**, with probability one.
#
# The logarithm is concave, so the sign turns round: $\log\mathbb E[w]\ge\mathbb E[\log w]$. It was not chance. In a
# fair game, *any* results that vary make the logarithm of your money fall on average.

# %% [markdown] exercise="3.1 ★"
# ### Exercise 3.1 `jensen_gap`
#
# *5 minutes.* $\mathbb E[f(x)]-f(\mathbb E[x])$ for a random variable with the values `x`, `(N,)`, and the
# probabilities `weights`, `(N,)`. `f` takes a tensor and answers elementwise. A scalar.


# %%
def jensen_gap(f, x, weights):
    """E f(x) − f(E x); values x (N,), weights (N,) that sum to 1 -> scalar."""
    ### BEGIN SOLUTION
    mean = (weights * x).sum()
    return (weights * f(x)).sum() - f(mean)
    ### END SOLUTION


# %%
check.jensen_gap(jensen_gap)

# %% [markdown]
# **Is a KL a Jensen gap?** Often one reads so. Lesson 1 wrote KL as a mean of $-\log r$ with $r=q(x)/p(x)$.
# Add and subtract the logarithm of the mean:
#
# $$\gap{\mathrm{KL}(p\,\|\,q)}=\underbrace{\mathbb E_p[-\log r]-(-\log\mathbb E_p[r])}_{\text{Jensen's gap}}
# \;\underbrace{-\log\!\!\sum_{x:\,p(x)>0}\!\!q(x)}_{\text{what } p \text{ misses}} .$$
#
# Here are three dice of lesson 1, each against the fair one.

# %%
fair = torch.full((6,), 1 / 6)
dice = {
    "loaded": torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5]),
    "no six": torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2, 0.0]),
    "no six, uneven": torch.tensor([0.4, 0.2, 0.2, 0.1, 0.1, 0.0]),
}
print(f"{'':>14} {'KL':>7} {'gap':>7} {'misses':>7}")
for name, die in dice.items():
    p, q = die[die > 0], fair[die > 0]
    mean_of_log, log_of_mean = (p * (q / p).log()).sum(), (p * (q / p)).sum().log()
    kl, gap, missed = -mean_of_log, log_of_mean - mean_of_log, -q.sum().log()
    print(f"{name:>14} {kl:7.4f} {gap:z7.4f} {missed:z7.4f}")

# %% [markdown]
# If $p>0$ wherever $q>0$, the last term is zero, and the KL *is* the gap. Otherwise it is more. The second
# die has no gap at all: its $r$ is constant, but it misses the six. Keep this last term in mind.

# %% [markdown] slide="Jensen's inequality" deck="The log of a mean is biased low" points=["The spread falls as $1/\\sqrt K$, the bias as $1/K$.", "Over a test set the spread averages out. The bias stays."]
# ## The log of a mean is biased low
#
# Back to estimates. Let $\hat p$ be the mean of $K$ independent weights with the expectation $p$. It is unbiased,
# $\mathbb E[\hat p]=p$. Its logarithm is not: by Jensen, $\mathbb E[\log\hat p]\le\log p$. By how much is it too low?
#
# Let $V$ be the variance of one weight in units of $p^2$, as in lesson 2. Write $\hat p=p\,(1+\delta)$. Then
# $\mathbb E[\delta]=0$ and $\mathbb E[\delta^2]=V/K$. If $\delta$ is small, $\log(1+\delta)\approx\delta-\tfrac12\delta^2$, and
#
# $$\mathbb E[\log\hat p]-\log p\;\approx\;-\frac{V}{2K},\qquad
# \text{while the spread of } \log\hat p \text{ is}\;\approx\sqrt{V/K}.$$
#
# In the game, one stake has $V=\tfrac16\cdot 3^2+\tfrac56\cdot 0.6^2-1=0.8$. And we can compute the bias
# of $K$ stakes without chance, because the number of sixes is binomial. (The lab does it too.)


# %%
def log_of_pool(K):
    """Mean and standard deviation of the log of what K stakes give back: a binomial sum."""
    sixes = torch.arange(K + 1.0)
    chance = Binomial(K, torch.tensor(1 / 6)).log_prob(sixes).exp()
    log_pool = ((3 * sixes + 0.6 * (K - sixes)) / K).log()
    mean = (chance * log_pool).sum()
    return mean, (chance * (log_pool - mean) ** 2).sum().sqrt()


# %%
Predict("bias_or_noise")

# %% tags=["spoiler"]
V = 0.8
print(f"{'K':>6} {'bias':>9} {'−V/2K':>9} {'spread':>7} {'√(V/K)':>7}")
for K in (1, 10, 100, 1000, 10_000):
    bias, spread = log_of_pool(K)
    print(f"{K:6} {bias:9.5f} {-V / (2 * K):9.5f} {spread:7.4f} {(V / K) ** 0.5:7.4f}")

# %% [markdown]
# From $K=10$ on, the prediction is good. The spread falls as $1/\sqrt K$ and the bias as $1/K$. So in a *single*
# estimate with large $K$ the bias hides behind the spread. But take the mean of a thousand such logarithms, as one does
# over a test set: the spread averages out, and the bias stays. A thousand pools of ten stakes are 0.04 too low; one
# pool of ten thousand is not.
#
# $V$ must be finite for this, and $K$ large compared with $V$. At $K=1$ the formula says 0.4 and the truth is 0.243.

# %% [markdown] slide="Jensen's inequality" exercises=["3.2"] deck="A lower bound of log p(x)" blocks=[0, 1]
# ## A lower bound of log p(x)
#
# A bias with a known sign is a tool. We cannot compute $\log p(x)$, but we can compute something that is below it. For a
# latent-variable model, Jensen gives
#
# $$\log p(x)=\log\mathbb E_{\prior{p(z)}}[\dec{p_\theta(x\mid z)}]\;\ge\;
# \mathbb E_{\prior{p(z)}}[\log\dec{p_\theta(x\mid z)}].$$
#
# No integral is inside a logarithm any more: draw codes, average. But is it any good? For most codes
# $\dec{p_\theta(x\mid z)}$ is tiny, and its logarithm is a large negative number. So draw the codes where they explain $x$, from
# a density $\enc{q}$ of our choice. Let $\enc{q(z)}>0$ wherever $\dec{p_\theta(x\mid z)}\,\prior{p(z)}>0$, and
# multiply and divide by it:
#
# $$\begin{aligned}
# \log p(x)&=\log\int\enc{q(z)}\,\frac{\dec{p_\theta(x\mid z)}\,\prior{p(z)}}{\enc{q(z)}}\,dz
# =\log\mathbb E_{\enc{q}}[w(z)]\\
# &\ge\mathbb E_{\enc{q}}[\log w(z)].
# \end{aligned}$$
#
# (If $\enc{q}$ is zero somewhere it should not be, $\mathbb E_{\enc{q}}[w]$ is smaller than $p(x)$. It is still a bound,
# but of a smaller number: the last term of the KL table again.)
#
# The arc of lesson 2 shows what $\enc{q}$ is worth. Take its point $x=(0.5,0.6)$, where $\log p(x)$ is known. The good
# $\enc{q}$ has the mean of the posterior and 1.25 times its standard deviation. The poor one is a
# standard deviation off and twice as wide as the posterior.

# %%
arc, x, prior = exact.Arc(sigma_x=0.2), torch.tensor([[0.5, 0.6]]), Normal(0.0, 1.0)
log_px = arc.log_px(x)[0]
mean, deviation = arc.posterior_moments(x)
proposals = {
    "prior": (torch.zeros(1), torch.ones(1)),
    "poor q": (mean + deviation, 2 * deviation),
    "good q": (mean, 1.25 * deviation),
}
print(f"log p(x) = {log_px:.2f} nats")
for name, (mu, sigma) in proposals.items():
    print(f"{name}: bound {arc.elbo(x, mu, sigma.log()).item():.2f} nats")

# %% [markdown]
# The prior's bound is almost nine nats too low, the good $\enc{q}$'s less than a tenth. (`arc.elbo` is this bound in closed
# form; lesson 4 derives it.) It would be an equality if $w(z)$ had the same value for each code that $\enc{q}$ draws.
# Which $\enc{q}$ does that? Lesson 4 begins there.

# %% [markdown] exercise="3.2 ★★"
# ### Exercise 3.2 `lower_bound`
#
# *10 minutes.* The Monte Carlo estimate of $\mathbb E_{\enc{q}}[\log w(z)]$ from $K$ samples of $\enc{q}$ for each of $B$ examples.
# Given are $\log p(x\mid z)$, $\log p(z)$ and $\log q(z)$, each `(K, B)`. The result is `(B,)`.


# %%
def lower_bound(log_px_z, log_pz, log_qz):
    """The mean over K samples from q of log w, (K, B) each -> (B,)."""
    ### BEGIN SOLUTION
    return (log_px_z + log_pz - log_qz).mean(0)
    ### END SOLUTION


# %%
check.lower_bound(lower_bound)

# %% [markdown] slide="Jensen's inequality"
# ## A draw of a bound is not a bound
#
# Solved or not, the lesson goes on. On the arc the weights are numbers of ordinary size, so we take them as they are,
# without logarithms.


# %%
def weights(arc, x, mu, sigma, eps):
    """w(z) = p(x|z) p(z) / q(z) of the arc at z = μ + σ ε, q = N(μ, σ²)."""
    z = mu + sigma * eps
    q = Normal(mu, sigma)
    return arc.log_px_z(x, z).exp() * Normal(0.0, 1.0).log_prob(z).exp() / q.log_prob(z).exp()


# %%
w = {}
for name, (mu, sigma) in proposals.items():
    w[name] = weights(arc, x, mu, sigma, torch.randn(100_000, generator=generator))
for name, draws in w.items():
    error = draws.log().std() / 100_000**0.5
    print(f"{name}: mean of log w {draws.log().mean():.2f} ± {error:.2f}")

# %% [markdown]
# The means are the bounds, up to their standard errors. Now look at single draws, such as a VAE uses in training: one
# code, one $\log w$.

# %% deck="Is a draw of a bound a bound?"
Predict("single_draws")

# %% tags=["spoiler"]
for name, draws in w.items():
    above = (draws.log() > log_px).double().mean()
    print(f"{name}: log w is above log p(x) in {above:.0%} of the draws")

# %% [markdown]
# The *expectation* of $\log w$ is a bound. A single $\log w$ is not. Among our three, the best $\enc{q}$ has the most draws
# above. A few of its codes have a tiny weight, and the rest must make up for it, since $w/p(x)$ has the mean 1.
#
# A mean of a few draws is no bound either. If you try ten seeds and report the best, you report luck. Give a mean
# with its standard error.
#
# But a draw is seldom *far* above $\log p(x)$. The weights are positive with the mean $p(x)$. If they exceeded $e^c\,p(x)$ with a
# probability larger than $e^{-c}$, this alone would make the mean exceed $p(x)$. So, for each $\enc{q}$ and each $c>0$,
#
# $$P\big(\log w\ge\log p(x)+c\big)\;\le\;e^{-c}.$$
#
# This is Markov's inequality, and it holds for a mean of $K$ weights too. Such an estimate is 5 nats or more too high
# less than once in 148 times. It may well be too low by hundreds. Grosse, Ghahramani and Adams (2015) call this a
# *stochastic lower bound*.

# %% alt="Four falling curves over c: Markov's bound, which begins at one, and below it the shares of draws that exceed log p(x) by c. The good q begins highest, above a half, and is at zero first; the prior begins lowest, at a quarter, and reaches furthest to the right." deck="A draw is seldom far above" lead="$P\\big(\\log w\\ge\\log p(x)+c\\big)\\;\\le\\;e^{-c}$: Markov's inequality, for each $\\enc{q}$"
c = torch.linspace(0, 2, 81)
lines = {"$e^{-c}$": (-c).exp()}
for name, draws in w.items():
    lines[name] = (draws.log() > log_px + c[:, None]).double().mean(1)
plots.curves({r"share of draws above $\log p(x) + c$": lines}, x=c, xlabel="$c$")

# %% [markdown] slide="Jensen's inequality" deck="K draws, a tighter bound" points=["Above: the importance-weighted bound. Below: why it does not fall with $K$."] blocks=[0, 1]
# ## K draws, a tighter bound
#
# A better $\enc{q}$ makes the bound tighter. The game suggests a second way: split the stake. Take the mean of $K$ weights *before* the
# logarithm:
#
# $$L_K=\mathbb E\Big[\log\frac1K\sum_{k=1}^K w(z_k)\Big],\qquad z_1,\dots,z_K\sim\enc{q}\ \text{ independent.}$$
#
# The mean inside has the expectation $p(x)$, so $L_K\le\log p(x)$, by Jensen again. $L_1$ is the bound that we
# had. This is the **importance-weighted bound** of Burda, Grosse and Salakhutdinov (2016), the IWAE.
#
# **It does not fall with $K$.** Take $K+1$ weights, and leave out one of them in turn. The mean of all is the mean of the
# $K+1$ means that remain, and the logarithm is concave:
#
# $$\log\frac1{K+1}\sum_k w_k=\log\frac1{K+1}\sum_j\Big(\frac1K\sum_{k\ne j}w_k\Big)\;\ge\;
# \frac1{K+1}\sum_j\log\Big(\frac1K\sum_{k\ne j}w_k\Big).$$
#
# The left side has the expectation $L_{K+1}$. On the right, each term has the expectation $L_K$.
#
# **How fast does the gap close?** We know: if $V$, the variance of $w/p(x)$ under $\enc{q}$, is finite, the gap is about
# $V/2K$ for large $K$. Since $w(z)/p(x)=p_\theta(z\mid x)/q(z)$ by Bayes' rule,
#
# $$1+V=\mathbb E_{\enc{q}}\Big[\Big(\frac{p_\theta(z\mid x)}{\enc{q(z)}}\Big)^2\Big]=\int\frac{p_\theta(z\mid x)^2}{\enc{q(z)}}\,dz .$$

# %% [markdown]
# Now we measure the gaps, from 4,000 estimates for each $K$. One trick makes the small ones visible. Since $\delta$ has
# the mean zero, $\delta-\log(1+\delta)$ has the same mean as $-\log(1+\delta)$, and varies much less.

# %%
z, posterior = arc.grid(x)
turn = (z - mean).abs() < torch.pi  # one turn of the arc; the aside below says why
K = 2 ** torch.arange(9)
predicted, measured = {}, {}
for name, (mu, sigma) in proposals.items():
    ratio = posterior[0] ** 2 / Normal(mu, sigma).log_prob(z).exp()
    V = torch.trapezoid(ratio[turn], z[turn]) - 1
    predicted[f"{name}: $V/2K$"] = V / (2 * K)
    eps = torch.randn(4000, 256, generator=generator)
    w = weights(arc, x, mu, sigma, eps) / log_px.exp()
    delta = torch.stack([w[:, :k].mean(1) for k in K]) - 1
    gap = delta - delta.log1p()
    measured[name] = gap.mean(1), gap.std(1) / 4000**0.5
    row = ", ".join(f"{gap[i].mean():.2g}" for i in (0, 3, 8))
    print(f"{name}: V = {V:.3g}, gap at K = 1, 8, 256: {row} nats")

# %% alt="Gaps over K, both on logarithmic axes. The prior's gap is largest, then the poor q's, then the good q's, far below. All three fall, and end on straight lines, the predicted V/2K. The prior's begins far above its line." deck="A better q, or more samples"
plots.against(K, predicted, measured, xlabel="$K$", ylabel=r"$\log p(x) - L_K$ (nats)", log="xy")

# %% [markdown]
# A better $\enc{q}$ moves down, more samples move right. With the prior, one draw costs almost nine nats,
# and it takes 256 to come down to a few thousandths. The good $\enc{q}$ is there with eight. In a VAE the encoder learns a good $\enc{q}$ once, and then one
# code per image is enough to train with. The large $K$ comes at the end, when a trained model is measured (lesson 6).

# %% [markdown] tags=["aside"]
# #### Aside: is a tighter bound better to train with?
#
# For the decoder, usually. For the encoder, not necessarily. As $K$ grows, $L_K$ depends less and less on $q$. The
# gradient with respect to $\phi$ shrinks faster than its noise, so that the signal drowns (Rainforth et al. 2018, *Tighter
# variational bounds are not necessarily better*). There is a cure, the doubly reparameterised gradient (Tucker et
# al. 2019).

# %% [markdown] tags=["aside"]
# #### Aside: why the integral stops after one turn
#
# The arc goes round the circle again and again: $z$ and $z\pm2\pi$ explain $x$ equally well, up to the prior. Far out, the square of
# the posterior falls like $e^{-z^2}$, times a periodic factor, and $q$ like $e^{-(z-\mu)^2/2\sigma^2}$. For
# $\sigma^2<\tfrac12$ the integral over the whole line is infinite. So strictly speaking, $V=\infty$ for our good $q$. But
# the other turns hold less than a millionth of the posterior, and a sample of $q$ practically never gets there. What we measure
# is the bound for the first turn, and it differs from $\log p(x)$ by less than $10^{-6}$ nats. The next section shows what
# happens when it is not so small.

# %% [markdown] slide="Jensen's inequality" exercises=["3.3"] deck="What is a weighted sample worth?" points=["$K$ for equal weights, 1 if a single one counts.", "It is computed from the samples: what they have missed it does not see."]
# ## How many samples is a weighted sample worth?
#
# If all weights are equal, $K$ samples of $\enc{q}$ are worth $K$ samples of the posterior. If one weight is much larger
# than the others, they are worth one. The **effective sample size** (Kong, Liu and Wong 1994) is a number in between:
#
# $$\mathrm{ESS}=\frac{\big(\sum_k w_k\big)^2}{\sum_k w_k^2}\;\approx\;\frac{K}{1+V}.$$
#
# It is $K$ for equal weights and 1 for a single positive one, and by the Cauchy–Schwarz inequality it is between
# them. Divide both sums by $K$, and they tend to $p(x)^2$ and $p(x)^2(1+V)$: this is the approximation on the right.

# %% [markdown] exercise="3.3 ★★★"
# ### Exercise 3.3 `effective_sample_size`
#
# *20 minutes.* The number that people report to say how far their weights can be trusted. A program has $\log w_k$, not
# $w_k$: from `log_w`, `(K, B)`, the ESS of each of $B$ examples, `(B,)`. It has to survive values of $\pm 2000$, and
# they may differ from example to example.
#
# <details><summary>A hint</summary>
#
# Which factor may you take out of all weights of one example without changing their ESS?
#
# </details>


# %%
def effective_sample_size(log_w):
    """(Σ_k w_k)² / Σ_k w_k², from log w (K, B) -> (B,)."""
    ### BEGIN SOLUTION
    log_sum = torch.logsumexp(log_w, 0)
    log_sum_of_squares = torch.logsumexp(2 * log_w, 0)
    return torch.exp(2 * log_sum - log_sum_of_squares)
    ### END SOLUTION


# %%
check.effective_sample_size(effective_sample_size)

# %% [markdown]
# Solved or not, the lesson goes on with the approximation, $K/(1+V)$, and estimates $V$ from the weights.


# %%
def worth(w):
    """K / (1 + V), V the variance of the weights in units of their squared mean; w (K, ...)."""
    return len(w) / (1 + w.var(0) / w.mean(0) ** 2)


# %% [markdown]
# For the face, we compare fifty codes of $\enc{q}$ with 20,000 codes of the prior. (The logarithms of the weights are
# near 1,213, so we subtract that before we take the exponential.)

# %%
Predict("worth")

# %% tags=["spoiler"]
q = vae.posterior(face)
z = q.mu + q.sigma * torch.randn(20, 50, 4, generator=generator)  # 20 times 50 codes
prior_z = torch.randn(20_000, 1, 4, generator=generator)
with torch.no_grad():
    log_joint = vae.likelihood(z).log_prob(face) + vae.prior.log_prob(z)
    from_q = (log_joint - q.log_prob(z) - 1213).exp()
    parts = [vae.likelihood(part).log_prob(face) for part in prior_z.split(1000)]
    from_prior = (torch.cat(parts) - 1213).exp()
print(f"50 codes of q: ESS {worth(from_q.T).mean():.0f} on average")
print(f"20,000 codes of the prior: ESS {worth(from_prior).item():.0f}")

# %% [markdown]
# Fifty codes of $\enc{q}$ are worth more than 20,000 of the prior. That is the answer to our first question, and
# this number is the usual way to say how well $\enc{q}$ fits.
#
# But it is computed from the samples themselves, and lesson 2 has a warning about this: *an estimate cannot report what
# it has missed*. Take the bottom of the arc, $x=(0,-1)$. Its posterior has two equal bumps, near $-\pi$ and near $\pi$. Let
# $\enc{q}$ sit on the right one, with the mean of this bump and 1.25 times its standard deviation.

# %%
Predict("missed_bump")

# %% tags=["spoiler"]
x = torch.tensor([[0.0, -1.0]])
z, posterior = arc.grid(x)
bump = posterior[0] * (z > 0)
mu = (bump * z).sum() / bump.sum()
sigma = 1.25 * ((bump * (z - mu) ** 2).sum() / bump.sum()).sqrt()
for K in (10, 100, 1000):
    eps = torch.randn(K, 1000, generator=generator)
    w = weights(arc, x, mu, sigma, eps) / arc.log_px(x).exp()
    ess = (worth(w) / K).mean()
    print(f"K = {K:4}: gap {-w.mean(0).log().mean():.2f} nats, ESS {ess:.0%} of K")
reach = torch.special.log_ndtr((-mu - mu) / sigma)
print(f"one code of q is beyond the other bump's mean with probability e^{reach:.0f}")

# %% [markdown]
# The weights look excellent, the estimates agree with one another, and they are $\log 2=0.69$ nats too low, whatever
# $K$ we can pay for. On its own bump, $w/p(x)$ is about $\tfrac12$ of what it would be if that bump were
# the whole posterior. Half of the posterior is missing, and to meet it once we would need some $e^{300}$ samples of
# $\enc{q}$. When in doubt, make $\enc{q}$ wider than the posterior, and try it in several places.
#
# ## Back to the face
#
# Is the number of our face right, then? Two facts speak for it. The prior, which proposes codes everywhere, found
# the same number in lesson 2. And both are stochastic lower bounds, so neither is likely to be much too high. What remains is
# the gap that we saw at the beginning:

# %%
tight = evaluation.log_marginal(vae, face, n_samples=5000, progress=False)
with torch.no_grad():
    loose = bounds.elbo(vae, face, 5000, generator=generator).total
print(f"from 5,000 codes: log of the mean {tight.item():.2f}, mean of the logs {loose.item():.2f}")

# %% [markdown]
# With one code per logarithm the bound is about 0.2 nats too low. This number is Jensen's gap for our face. A VAE is trained
# with exactly this bound, so we want to know it well: **what does the bound of this face consist of, and what is its gap made
# of?** This is where lesson 4 begins.

# %% [markdown]
# ## What goes wrong in practice
#
# - **The mean of the logs for the log of the mean.** Both are bounds in expectation, but of different tightness. Ask
#   where the logarithm is.
# - **Comparing models at different $K$.** A model with $L_{5000}$ looks better than the same model with $L_{50}$.
#   Compare with the same $K$, and with equally good $\enc{q}$.
# - **The best of ten seeds.** A draw of a bound is not a bound, and the largest of ten is biased upwards.
# - **A $\enc{q}$ that is too narrow.** In its tails the weights explode. Too wide is cheap, too narrow is dangerous.
# - **The wrong sign of $\log q$.** $\log p(x\mid z)+\log p(z)+\log q(z)$ can be computed too. Its mean is not this bound.
# - **`log_w.exp().mean().log()`.** It overflows for our face. `bounds.log_mean_exp` does not.
#
# ## Symbols and code
#
# | symbol | code |
# |---|---|
# | $\log p(x)$ on the arc | `arc.log_px(x)` |
# | $\mathbb E_q[\log w]$ on the arc | `arc.elbo(x, mu, log_sigma)` |
# | $\log\frac1K\sum_k w_k$, for a VAE | `evaluation.log_marginal(vae, x, n_samples)` |
# | $(\sum_k w_k)^2/\sum_k w_k^2$ | `effective_sample_size(log_w)`, exercise 3.3 |
#
# ## References
#
# - Jensen, *Sur les fonctions convexes et les inégalités entre les valeurs moyennes*, 1906: the inequality.
# - Kelly, *A new interpretation of information rate*, 1956: why a gambler should look at the mean of the logarithm.
# - Kong, Liu and Wong, *Sequential imputations and Bayesian missing data problems*, 1994: the effective sample size.
# - Grosse, Ghahramani and Adams, *Sandwiching the marginal likelihood using bidirectional Monte Carlo*, 2015:
#   stochastic lower bounds.
# - Burda, Grosse and Salakhutdinov, *Importance weighted autoencoders*, 2016: $L_K$, and why it does not fall.
# - Nowozin, *Debiasing evidence approximations*, 2018: the bias $-V/2K$, its further terms, and how to remove it.
#
# Back to the [map](00_start_here.ipynb#The-map), or on to [lesson 4](04_the_elbo.ipynb).
