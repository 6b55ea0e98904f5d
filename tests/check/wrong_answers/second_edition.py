"""Wrong answers to the exercises that the second edition brought, as students might write them.

Each entry is a wrong answer, with the name of the mistake if the check should name it, else None.
"""

import math
from functools import partial

import numpy as np
import torch
from scipy import stats
from torch.distributions import Exponential, MultivariateNormal, Normal, kl_divergence

INF = float("inf")


def kl(p, q):
    return float((p * (p / q).log()).sum())


def rolls(evidence, odds, ceil=math.ceil, need=math.log):
    return INF if evidence == 0 else ceil(need(odds) / evidence)


def counted(p, q, odds, start=0, strict=False):
    if kl(p, q) == 0:
        return INF
    n = start
    while n * kl(p, q) < math.log(odds):
        n += 1
    return n + strict


ROLLS = [
    ("arguments swapped", lambda p, q, o: rolls(kl(q, p), o)),
    ("rounded down", lambda p, q, o: rolls(kl(p, q), o, math.floor)),
    ("rounded down", lambda p, q, o: rolls(kl(p, q), o, int)),
    ("rounded to the nearest", lambda p, q, o: rolls(kl(p, q), o, round)),
    ("not a whole number", lambda p, q, o: rolls(kl(p, q), o, float)),
    ("not a whole number", lambda p, q, o: math.log(o) / (p * (p / q).log()).sum()),
    ("one roll too many", lambda p, q, o: rolls(kl(p, q), o, lambda r: math.ceil(r) + 1)),
    ("one roll too many", lambda p, q, o: counted(p, q, o, strict=True)),
    ("no logarithm of the odds", lambda p, q, o: rolls(kl(p, q), o, need=lambda x: x)),
    ("log2 of the odds", lambda p, q, o: rolls(kl(p, q), o, need=math.log2)),
    ("log10 of the odds", lambda p, q, o: rolls(kl(p, q), o, need=math.log10)),
    ("KL in bits", lambda p, q, o: rolls(float((p * (p / q).log2()).sum()), o)),
    ("mean for sum", lambda p, q, o: rolls(float((p * (p / q).log()).mean()), o)),
    ("p = q", lambda p, q, o: math.ceil(math.log(o) / kl(p, q))),
    ("0 rolls for p = q", lambda p, q, o: 0 if kl(p, q) == 0 else rolls(kl(p, q), o)),
    ("−1 for p = q", lambda p, q, o: -1 if kl(p, q) == 0 else rolls(kl(p, q), o)),
    ("1 roll for p = q", lambda p, q, o: 1 if torch.equal(p, q) else rolls(kl(p, q), o)),
    ("cross-entropy", lambda p, q, o: math.ceil(math.log(o) / float(-(p * q.log()).sum()))),
    ("entropy", lambda p, q, o: math.ceil(math.log(o) / float(-(p * p.log()).sum()))),
    (
        "probability for odds",
        lambda p, q, o: rolls(kl(p, q), o, need=lambda x: math.log(x / (1 + x))),
    ),
    ("sign", lambda p, q, o: rolls(kl(p, q), o, need=lambda x: -math.log(x))),
    ("the best roll only", lambda p, q, o: rolls(float((p / q).log().abs().max()), o)),
    ("distance for KL", lambda p, q, o: rolls(float((p - q).abs().sum()), o)),
    ("absolute values", lambda p, q, o: rolls(float((p * (p / q).log()).abs().sum()), o)),
    ("log(1 + odds)", lambda p, q, o: rolls(kl(p, q), o, need=math.log1p)),
    ("KL in both directions", lambda p, q, o: rolls(kl(p, q) + kl(q, p), o)),
    ("never ends", lambda p, q, o: next(n for n in iter(int, 1) if n * kl(p, q) > math.log(o))),
    (None, lambda p, q, o: min(100, rolls(kl(p, q), o))),
    (None, lambda p, q, o: rolls(kl(p, q), o, lambda r: max(2, math.ceil(r)))),
    (None, lambda p, q, o: rolls(kl(p, q) + 0.01, o)),
    (None, lambda p, q, o: rolls(float((p * (p / q + 1e-2).log()).sum()), o)),
    (None, lambda p, q, o: rolls(0.294, o)),
    (None, lambda p, q, o: 11),
    (None, lambda p, q, o: None),
    (None, lambda p, q, o: str(rolls(kl(p, q), o))),
    (None, lambda p, q, o: (rolls(kl(p, q), o), kl(p, q))),
    (None, lambda p, q, o: torch.ceil(math.log(o) / (p * (p / q).log()))),
    (None, lambda p, q, o: rolls(float(((p - q) ** 2 / q).sum()), o)),
    (None, lambda p, q, o: rolls(-math.log(float((p * q).sqrt().sum())) or 0.0, o)),
    (None, lambda p, q, o: rolls(kl(p, q) / len(p), o)),
    (None, lambda p, q, o: counted(p, q, o, start=5)),
    (None, lambda p, q, o: rolls(kl(p, q), math.sqrt(o))),
    (None, lambda p, q, o: rolls(kl(p, 0.5 * (p + q)), o)),
    (None, lambda p, q, o: INF if kl(p, q) < 1e-2 else rolls(kl(p, q), o)),
]


def full(mu, s, trace=None, square=None, log=None, D=None, half=0.5):
    trace = torch.einsum("bdd->b", s) if trace is None else trace
    square = (mu**2).sum(1) if square is None else square
    log = torch.logdet(s) if log is None else log
    return half * (trace + square - (mu.shape[1] if D is None else D) - log)


def diagonal(s):
    return torch.diagonal(s, dim1=1, dim2=2)


def reversed_kl(mu, s):
    D = mu.shape[1]
    prior = MultivariateNormal(torch.zeros(D, dtype=mu.dtype), torch.eye(D, dtype=mu.dtype))
    return kl_divergence(prior, MultivariateNormal(mu, s))


FULL = [
    ("no ½", lambda m, s: full(m, s, half=1)),
    ("log det forgotten", lambda m, s: full(m, s, log=0)),
    ("correlations ignored", lambda m, s: full(m, s, log=diagonal(s).log().sum(1))),
    ("sign of log det", lambda m, s: full(m, s, log=-torch.logdet(s))),
    ("−D forgotten", lambda m, s: full(m, s, D=0)),
    ("−1 for −D", lambda m, s: full(m, s, D=1)),
    ("+D for −D", lambda m, s: full(m, s, D=-m.shape[1])),
    ("no logarithm of the determinant", lambda m, s: full(m, s, log=torch.det(s))),
    ("½ log det twice", lambda m, s: full(m, s, log=torch.linalg.cholesky(s).logdet())),
    ("log det twice", lambda m, s: full(m, s, log=2 * s.logdet())),
    ("all entries for the trace", lambda m, s: full(m, s, trace=s.sum((1, 2)))),
    ("trace forgotten", lambda m, s: full(m, s, trace=0)),
    ("μ for μ²", lambda m, s: full(m, s, square=m.sum(1))),
    ("μ forgotten", lambda m, s: full(m, s, square=0)),
    ("mean of μ²", lambda m, s: full(m, s, square=(m**2).mean(1))),
    ("‖μ‖ for ‖μ‖²", lambda m, s: full(m, s, square=m.norm(dim=1))),
    ("μ² summed over the batch", lambda m, s: full(m, s, square=(m**2).sum())),
    ("(Σ μ)² for Σ μ²", lambda m, s: full(m, s, square=m.sum(1) ** 2)),
    ("μᵀΣμ", lambda m, s: full(m, s, square=torch.einsum("bd,bde,be->b", m, s, m))),
    (
        "μᵀΣ⁻¹μ",
        lambda m, s: full(m, s, square=torch.einsum("bd,bd->b", m, torch.linalg.solve(s, m))),
    ),
    ("trace of Σ⁻¹", lambda m, s: full(m, s, trace=torch.einsum("bdd->b", s.inverse()))),
    ("arguments swapped", reversed_kl),
    ("sign", lambda m, s: -full(m, s)),
    ("sum over batch", lambda m, s: full(m, s).sum()),
    ("mean over batch", lambda m, s: full(m, s).mean()),
    ("Σ⁻¹ for Σ", lambda m, s: full(m, s.inverse())),
    ("Σ taken for a standard deviation", lambda m, s: full(m, s @ s)),
    ("log2", lambda m, s: full(m, s) / math.log(2)),
    ("mean for trace", lambda m, s: full(m, s, trace=diagonal(s).mean(1))),
    ("log of the trace", lambda m, s: full(m, s, log=diagonal(s).sum(1).log())),
    (None, lambda m, s: full(m, s) / m.shape[1]),
    (None, lambda m, s: full(m, s).clamp(max=3)),
    (None, lambda m, s: full(m, s, log=torch.logdet(s + 1e-3 * torch.eye(m.shape[1]).double()))),
    (None, lambda m, s: full(m, s + 1e-4)),
    (None, lambda m, s: 0.5 * (m**2 + diagonal(s) - 1 - diagonal(s).log())),
    (None, lambda m, s: full(m, s)[:, None]),
    (None, lambda m, s: full(m, s, log=torch.logdet(s[0]))),
    (None, lambda m, s: full(m, s, trace=torch.trace(s[0]))),
    (None, lambda m, s: full(m, s, log=torch.linalg.eigvalsh(s)[:, -1].log())),
    (None, lambda m, s: full(m, s, square=(m**2).amax(1))),
    (None, lambda m, s: full(m, s, log=s.abs().sum((1, 2)).log())),
    (
        None,
        lambda m, s: full(m, s, log=diagonal(torch.linalg.cholesky(s)).log().sum(1)),
    ),
    (None, lambda m, s: 0.5 * (np.trace(s[0]) + m @ m.T - m.shape[1])),
    (None, lambda m, s: MultivariateNormal(m, s).entropy()),
]


def integral(a, z, shift=True, rule=torch.trapezoid, back=True):
    top = a.max() if shift else 0.0 * a[0]
    p = (a - top).exp()
    area = rule(p, z)
    return area.log() + (top if back else 0), p / area


def step(z):
    return z[1] - z[0]


GRID = [
    ("underflow: exp before log", lambda a, z: integral(a, z, shift=False)),
    (
        "underflow: exp before log",
        lambda a, z: (torch.trapezoid(a.exp(), z).log(), a.exp() / torch.trapezoid(a.exp(), z)),
    ),
    ("largest value not added back", lambda a, z: integral(a, z, back=False)),
    ("spacing of the grid forgotten", lambda a, z: integral(a, z, rule=lambda p, z: p.sum())),
    ("spacing of the grid forgotten", lambda a, z: (a.logsumexp(0), a.softmax(0))),
    ("the values sum to 1", lambda a, z: (integral(a, z)[0], a.softmax(0))),
    ("mean for integral", lambda a, z: integral(a, z, rule=lambda p, z: p.mean())),
    (
        "one point too many",
        lambda a, z: integral(a, z, rule=lambda p, z: p.mean() * (z[-1] - z[0])),
    ),
    (
        "density not normalised: largest value 1",
        lambda a, z: (integral(a, z)[0], (a - a.max()).exp()),
    ),
    ("log of the density", lambda a, z: (integral(a, z)[0], a - integral(a, z)[0])),
    ("order swapped", lambda a, z: integral(a, z)[::-1]),
    ("p(x) for log p(x)", lambda a, z: (integral(a, z)[0].exp(), integral(a, z)[1])),
    ("spacing squared", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() * step(z) ** 2)),
    ("divided by the spacing", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() / step(z))),
    ("spacing twice", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / step(z))),
    ("the largest value only", lambda a, z: integral(a, z, rule=lambda p, z: p.max())),
    ("the density twice", lambda a, z: (integral(a, z)[1], integral(a, z)[1])),
    ("log p(x) twice", lambda a, z: (integral(a, z)[0], integral(a, z)[0])),
    ("times z", lambda a, z: integral(a, z, rule=lambda p, z: torch.trapezoid(p * z, z))),
    ("distribution function for density", lambda a, z: (integral(a, z)[0], a.softmax(0).cumsum(0))),
    ("divided by the range", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / (z[-1] - z[0]))),
    (None, lambda a, z: (integral(a, z)[0], a.exp())),
    (None, lambda a, z: integral(a, z)[0]),
    (None, lambda a, z: integral(a, z)[1]),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].sum())),
    (None, lambda a, z: (-integral(a, z)[0], integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] / math.log(2), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] + 1, integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].flip(0))),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] ** 2)),
    (None, lambda a, z: (integral(a, z)[0].clamp(min=-700), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid((a.clamp(min=-700)).exp(), z).log(), integral(a, z)[1])),
    (None, lambda a, z: (a.mean(), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid(a, z), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], Normal(0.0, 1.0).log_prob(z).exp())),
    (None, lambda a, z: (integral(a, z)[0], a / torch.trapezoid(a, z))),
    (None, lambda a, z: ((a.exp() + 1e-300).sum().log() + step(z).log(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, z / 2)),
    (None, lambda a, z: integral(a - z, z)),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] + 1e-3)),
    (None, lambda a, z: (integral(a, z)[0].half().double(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, 0.0625 * torch.arange(len(a)))),
    (
        None,
        lambda a, z: (integral(a, z)[0], a.softmax(0) / (a.softmax(0) ** 2).sum()),
    ),
    (None, lambda a, z: torch.stack([integral(a, z)[0], integral(a, z)[1].max()])),
]


def ess(log_w, shift=None, axis=0):
    w = (log_w - (log_w.amax(axis, keepdim=True) if shift is None else shift)).exp()
    return w.sum(axis) ** 2 / (w**2).sum(axis)


def shifted(a):
    return (a - a.amax(0)).exp()


ESS = [
    ("overflow: exp without care", lambda a: ess(a, 0)),
    ("overflow: one maximum for all", lambda a: ess(a, a.max())),
    ("overflow: the mean taken out", lambda a: ess(a, a.mean(0))),
    ("wrong axis", lambda a: ess(a, axis=1)),
    ("upside down", lambda a: 1 / ess(a)),
    ("upside down", lambda a: (a.softmax(0) ** 2).sum(0)),
    ("always 1", lambda a: a.softmax(0).sum(0) ** 2),
    ("share of K", lambda a: ess(a) / len(a)),
    ("share of K", lambda a: shifted(a).mean(0) ** 2 / (shifted(a) ** 2).mean(0)),
    ("sum over mean", lambda a: shifted(a).sum(0) ** 2 / (shifted(a) ** 2).mean(0)),
    ("sum not squared", lambda a: shifted(a).sum(0) / (shifted(a) ** 2).sum(0)),
    ("weights squared", lambda a: ess(2 * a)),
    ("1/w for w", lambda a: ess(-a)),
    ("all examples together", lambda a: ess(a.reshape(-1, 1))),
    ("K − 1 in the variance", lambda a: len(a) / (1 + shifted(a).var(0) / shifted(a).mean(0) ** 2)),
    ("exp of the entropy", lambda a: torch.special.entr(a.softmax(0)).sum(0).exp()),
    ("log of it", lambda a: ess(a).log()),
    ("log of it", lambda a: 2 * a.logsumexp(0) - (2 * a).logsumexp(0)),
    ("square root of it", lambda a: ess(a).sqrt()),
    ("Σ w over the largest w", lambda a: 1 / a.softmax(0).amax(0)),
    ("mean over examples", lambda a: ess(a).mean()),
    ("sum over examples", lambda a: ess(a).sum()),
    ("rounded", lambda a: ess(a).round()),
    ("exp twice", lambda a: ess(a.exp())),
    ("roots of the weights", lambda a: ess(a / 2)),
    (None, lambda a: a.sum(0) ** 2 / (a**2).sum(0)),
    (None, lambda a: (a.logsumexp(0) - (2 * a).logsumexp(0)).exp()),
    (None, lambda a: (2 * a.logsumexp(0)).exp() - (2 * a).logsumexp(0).exp()),
    (None, lambda a: torch.full((a.shape[1],), float(len(a)), dtype=a.dtype)),
    (None, lambda a: torch.ones(a.shape[1], dtype=a.dtype)),
    (None, lambda a: ess(a).clamp(max=len(a) - 1)),
    (None, lambda a: ess(a) - 1),
    (None, lambda a: ess(a) + 1e-2),
    (None, lambda a: len(a) / (1 + a.var(0))),
    (None, lambda a: len(a) / (1 + a.softmax(0).var(0))),
    (None, lambda a: (shifted(a) > 0.5).double().sum(0)),
    (None, lambda a: ess(a.clamp(min=-700))),
    (None, lambda a: ess(a.clamp(max=80))),
    (None, lambda a: ess(a)[:, None]),
    (None, lambda a: ess(a[:-1]) if len(a) > 1 else ess(a)),
    (None, lambda a: shifted(a).sum(0)),
    (None, lambda a: len(a) * a.softmax(0).amax(0)),
    (None, lambda a: (2 * a.logsumexp(0) - (a**2).logsumexp(0)).exp()),
    (None, lambda a: len(a) - (a.softmax(0) ** 2).sum(0)),
]

EXPONENTIAL = [
    ("falls with u", lambda r, u: -torch.log(u) / r),
    ("sign", lambda r, u: torch.log1p(-u) / r),
    ("sign", lambda r, u: torch.log(1 - u) / r),
    ("log u", lambda r, u: torch.log(u) / r),
    ("mean for rate", lambda r, u: -torch.log1p(-u) * r),
    ("rate forgotten", lambda r, u: -torch.log1p(-u)),
    (None, lambda r, u: -torch.log1p(-u) + 0 * r),
    ("log(1 + u)", lambda r, u: torch.log1p(u) / r),
    ("no logarithm", lambda r, u: u / r),
    ("1 − u, no logarithm", lambda r, u: (1 - u) / r),
    ("F for its inverse", lambda r, u: 1 - torch.exp(-r * u)),
    ("the density", lambda r, u: r * torch.exp(r * torch.log1p(-u))),
    ("graph cut", lambda r, u: -torch.log1p(-u) / r.detach()),
    ("graph cut", lambda r, u: (-torch.log1p(-u) / r).detach()),
    ("graph cut", lambda r, u: -np.log1p(-u.numpy()) / r.numpy()),
    ("graph cut", lambda r, u: -torch.log1p(-u) / torch.tensor(r.tolist(), dtype=u.dtype)),
    ("graph cut", lambda r, u: stats.expon.ppf(u, scale=1 / r.detach().numpy())),
    ("rate squared", lambda r, u: -torch.log1p(-u) / r**2),
    ("root of the rate", lambda r, u: -torch.log1p(-u) / r.sqrt()),
    ("exp for log", lambda r, u: torch.exp(u) / r),
    ("logistic for exponential", lambda r, u: torch.logit(u) / r),
    ("normal for exponential", lambda r, u: torch.special.ndtri(u) / r),
    ("mean over u", lambda r, u: (-torch.log1p(-u) / r).mean()),
    ("sum over u", lambda r, u: (-torch.log1p(-u) / r).sum()),
    ("moved, not scaled", lambda r, u: 1 / r - torch.log1p(-u)),
    ("moved by the mean", lambda r, u: 1 / r - torch.log1p(-u) / r),
    ("log2", lambda r, u: -torch.log2(1 - u) / r),
    ("no logarithm: u/(1 − u)", lambda r, u: u / (1 - u) / r),
    ("log of the rate", lambda r, u: torch.log(1 / (r * (1 - u)))),
    (None, lambda r, u: Exponential(r).rsample()),
    (None, lambda r, u: Exponential(r).sample()),
    (None, lambda r, u: -torch.log1p(-torch.rand_like(u)) / r),
    (None, lambda r, u: 1 / r + u / r),
    (None, lambda r, u: r + u),
    (None, lambda r, u: -torch.log1p(-u * r) / r),
    (None, lambda r, u: -torch.log1p(-(u**r)) / r),
    (None, lambda r, u: (-torch.log1p(-u) / r).clamp(max=2)),
    (None, lambda r, u: -torch.log(1 - u + 1e-3) / r),
    (None, lambda r, u: -torch.log10(1 - u) / r),
    (None, lambda r, u: -torch.log1p(-u[..., :1]) / r if u.ndim else -torch.log1p(-u) / r + 1),
    (None, lambda r, u: torch.sqrt(-torch.log1p(-u)) / r),
    (None, lambda r, u: -torch.log1p(-u.mean()) / r),
    (None, lambda r, u: (-torch.log1p(-u) / r).float().half().double()),
    (None, lambda r, u: -(u + u**2 / 2 + u**3 / 3 + u**4 / 4) / -r),
    (None, lambda r, u: torch.where(u < 0.5, u, -torch.log1p(-u)) / r),
]


def terms(vae, x, eps, z=None):
    q = vae.posterior(x)
    z = q.mu + q.sigma * eps if z is None else z(q)
    return vae.likelihood(z).log_prob(x), kl_divergence(q, vae.prior), q


def train(vae, optimiser, loss, calls="zbs"):
    for call in calls:
        if call == "b":
            loss.backward()
        else:
            {"z": optimiser.zero_grad, "s": optimiser.step}[call]()
    return loss.detach()


def stepped(weigh=None, calls="zbs", z=None, give=lambda loss: loss, over=torch.mean):
    def answer(vae, optimiser, x, eps, beta):
        log_px_z, kl, _ = terms(vae, x, eps, z)
        loss = over(-(log_px_z - beta * kl) if weigh is None else weigh(log_px_z, kl, beta))
        return give(train(vae, optimiser, loss, calls))

    return answer


def with_z(draw):
    def answer(vae, optimiser, x, eps, beta):
        log_px_z, kl, _ = terms(vae, x, eps, lambda q: draw(q, eps))
        return train(vae, optimiser, -(log_px_z - beta * kl).mean())

    return answer


def no_loss(vae, optimiser, x, eps, beta):
    stepped()(vae, optimiser, x, eps, beta)


def loss_after_the_step(vae, optimiser, x, eps, beta):
    stepped()(vae, optimiser, x, eps, beta)
    log_px_z, kl, _ = terms(vae, x, eps)
    return -(log_px_z - beta * kl).mean().detach()


def own_step(vae, optimiser, x, eps, beta):
    log_px_z, kl, _ = terms(vae, x, eps)
    loss = -(log_px_z - beta * kl).mean()
    optimiser.zero_grad()
    loss.backward()
    for weight in vae.parameters():
        if weight.grad is not None:
            weight.data -= 0.01 * weight.grad
    return loss.detach()


def of_the_library(vae, optimiser, x, eps, beta):
    from vaelib import bounds

    loss = -bounds.elbo(vae, x).total.mean()
    return train(vae, optimiser, loss)


def decoder_only(vae, optimiser, x, eps, beta):
    with torch.no_grad():
        q = vae.posterior(x)
        z = q.mu + q.sigma * eps
    log_px_z, kl = vae.likelihood(z).log_prob(x), kl_divergence(q, vae.prior)
    return train(vae, optimiser, -(log_px_z - beta * kl).mean())


def clipped(vae, optimiser, x, eps, beta):
    log_px_z, kl, _ = terms(vae, x, eps)
    loss = -(log_px_z - beta * kl).mean()
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(vae.parameters(), 0.05)
    optimiser.step()
    return loss.detach()


STEP = [
    ("gradients not set to zero", stepped(calls="bs")),
    ("weights not moved", stepped(calls="bzs")),
    ("weights not moved", stepped(calls="zb")),
    ("weights not moved", stepped(calls="zs")),
    ("weights not moved", stepped(calls="")),
    ("two steps", stepped(calls="zbss")),
    ("sign", stepped(lambda p, k, b: p - b * k)),
    ("β forgotten", stepped(lambda p, k, b: -(p - k))),
    ("sign of KL", stepped(lambda p, k, b: -(p + b * k))),
    ("β on the wrong term", stepped(lambda p, k, b: -(b * p - k))),
    ("β on both terms", stepped(lambda p, k, b: -b * (p - k))),
    ("KL forgotten", stepped(lambda p, k, b: -p)),
    ("log p(x|z) forgotten", stepped(lambda p, k, b: b * k)),
    ("sign of log p(x|z)", stepped(lambda p, k, b: p + b * k)),
    ("log σ for σ", with_z(lambda q, eps: q.mu + q.log_sigma * eps)),
    ("half log σ", with_z(lambda q, eps: q.mu + (q.log_sigma / 2).exp() * eps)),
    ("σ² for σ", with_z(lambda q, eps: q.mu + q.sigma**2 * eps)),
    ("σ forgotten in z", with_z(lambda q, eps: q.mu + eps)),
    ("μ forgotten in z", with_z(lambda q, eps: q.sigma * eps)),
    ("graph cut at z", with_z(lambda q, eps: (q.mu + q.sigma * eps).detach())),
    ("sum over batch", stepped(over=torch.sum)),
    ("returns the bound", stepped(give=torch.neg)),
    ("no mean over batch", stepped(over=torch.clone)),
    ("ε not used", stepped(z=lambda q: q.mu)),
    ("divided by β", stepped(lambda p, k, b: -(p - (k / b if b else 0 * k)))),
    (None, no_loss),
    (None, loss_after_the_step),
    (None, own_step),
    (None, of_the_library),
    (None, decoder_only),
    (None, clipped),
    (None, stepped(give=lambda loss: loss / 2)),
    (None, stepped(lambda p, k, b: -(p - b**2 * k))),
    (None, stepped(lambda p, k, b: -(p - b * k) / 2)),
    (None, stepped(lambda p, k, b: -(p - b * k).abs())),
    (None, stepped(lambda p, k, b: -(p - max(b, 1) * k))),
    (None, stepped(lambda p, k, b: -(p - min(b, 1) * k))),
    (None, stepped(lambda p, k, b: -(p - b * k.clamp(min=0.5)))),
    (None, stepped(over=torch.amax)),
    (None, stepped(over=lambda a: a[0])),
    (None, stepped(over=lambda a: a.sum() / max(len(a) - 1, 1))),
    (None, stepped(give=lambda loss: loss + 1)),
    (None, stepped(z=lambda q: q.rsample())),
    (None, stepped(z=lambda q: q.sample())),
    (None, stepped(z=lambda q: (q.mu + q.sigma).detach())),
    (None, lambda vae, optimiser, x, eps, beta: torch.tensor(0.0)),
    (None, lambda vae, optimiser, x, eps, beta: optimiser.step(lambda: 1.0)),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, x, eps, beta).half()),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, x, -eps, beta)),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, 1 - x, eps, beta)),
]


norm = partial(torch.linalg.matrix_norm, ord=2)


def threshold(x, beta, lam=None, centre=True, less=0):
    flat = x.flatten(1)
    flat = flat - flat.mean(0) if centre else flat
    lam = (
        torch.linalg.matrix_norm(flat, 2) ** 2 / max(len(x) - less, 1) if lam is None else lam(flat)
    )
    return (lam / beta) ** 0.5


THRESHOLD = [
    ("λ/β without its root", lambda x, b: threshold(x, b) ** 2),
    ("β forgotten", lambda x, b: threshold(x, 1.0)),
    ("times β", lambda x, b: threshold(x, 1 / b)),
    ("β outside the root", lambda x, b: threshold(x, 1.0) / b),
    ("λ itself", lambda x, b: threshold(x, 1.0) ** 2),
    ("upside down", lambda x, b: 1 / threshold(x, b)),
    ("not centred", lambda x, b: threshold(x, b, centre=False)),
    ("one mean for all pixels", lambda x, b: threshold(x - x.mean(), b, centre=False)),
    ("N−1 for N", lambda x, b: threshold(x, b, less=1)),
    (
        "N−1 for N",
        lambda x, b: (
            (torch.linalg.eigvalsh(torch.atleast_2d(torch.cov(x.flatten(1).T)))[-1].clamp(0) / b)
            ** 0.5
        ),
    ),
    ("not divided by N", lambda x, b: threshold(x, b) * len(x) ** 0.5),
    ("sum of all variances", lambda x, b: threshold(x, b, lambda f: (f**2).mean(0).sum())),
    ("the pixel that varies most", lambda x, b: threshold(x, b, lambda f: (f**2).mean(0).max())),
    ("mean of the variances", lambda x, b: threshold(x, b, lambda f: (f**2).mean())),
    (
        "singular value not squared",
        lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f)[0] / len(f)),
    ),
    (
        "norm of all entries",
        lambda x, b: threshold(x, b, lambda f: (f.T @ f / len(f)).norm()),
    ),
    (
        "each example centred",
        lambda x, b: threshold(x.flatten(1) - x.flatten(1).mean(1, keepdim=True), b, centre=False),
    ),
    ("the example farthest away", lambda x, b: threshold(x, b, lambda f: (f**2).sum(1).max())),
    ("half of it", lambda x, b: threshold(x, b) / 2),
    ("λ not under the root", lambda x, b: threshold(x, 1.0) ** 2 / b**0.5),
    (
        "the smallest eigenvalue",
        lambda x, b: threshold(x, b, lambda f: torch.linalg.eigvalsh(f.T @ f / len(f))[0].clamp(0)),
    ),
    (None, lambda x, b: x.std() / b**0.5),
    (None, lambda x, b: x.flatten(1).std(0).max() / b**0.5),
    (
        None,
        lambda x, b: threshold(
            x,
            b,
            lambda f: torch.linalg.eigvalsh(
                torch.corrcoef(f.T).nan_to_num().reshape(f.shape[1], -1)
            )[-1],
        ),
    ),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f)[-1] ** 2 / len(f))),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f).sum() ** 2 / len(f))),
    (
        None,
        lambda x, b: threshold(x, b, lambda f: norm(f) ** 2 / f.shape[1]),
    ),
    (None, lambda x, b: threshold(x, b, lambda f: norm(f) ** 2 / f.numel())),
    (None, lambda x, b: threshold(x, b) + 1e-2),
    (None, lambda x, b: threshold(x, b).clamp(max=1)),
    (None, lambda x, b: threshold(x, b).clamp(min=0.01)),
    (None, lambda x, b: threshold(x, max(b, 1.0))),
    (None, lambda x, b: threshold(x, min(b, 1.0))),
    (None, lambda x, b: threshold(x, 1 + b)),
    (None, lambda x, b: threshold(x, b).round(decimals=3)),
    (None, lambda x, b: threshold(x[0], b) if x.ndim > 2 else threshold(x, b) + 1),
    (
        None,
        lambda x, b: torch.linalg.eigvalsh(
            torch.atleast_2d(torch.cov(x.flatten(1).T, correction=0))
        ),
    ),
    (None, lambda x, b: (threshold(x, b), b)),
    (None, lambda x, b: None),
    (None, lambda x, b: threshold(x.flatten(1).T, b)),
    (None, lambda x, b: 1.55 / b**0.5),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.matrix_norm(f, 1) ** 2 / len(f))),
    (None, lambda x, b: threshold(x, b) * math.sqrt(2)),
]


def moments(mu, sigma, between=None, within=None, mean=None):
    centred = mu - mu.mean(0)
    between = centred.T @ centred / len(mu) if between is None else between
    within = torch.diag((sigma**2).mean(0)) if within is None else within
    return mu.mean(0) if mean is None else mean, between + within


def unbiased(mu):
    return torch.cov(mu.T)


def eye(mu):
    return torch.eye(mu.shape[1], dtype=mu.dtype)


MOMENTS = [
    ("spread of each q forgotten", lambda m, s: moments(m, s, within=0)),
    ("spread of the means forgotten", lambda m, s: moments(m, s, between=0)),
    ("N−1 for N", lambda m, s: moments(m, s, between=unbiased(m))),
    ("σ for σ²", lambda m, s: moments(m, s, within=s.mean(0).diag())),
    ("square of the mean σ", lambda m, s: moments(m, s, within=s.mean(0).square().diag())),
    ("not centred", lambda m, s: moments(m, s, between=m.T @ m / len(m))),
    ("sum of σ² for the mean", lambda m, s: moments(m, s, within=(s**2).sum(0).diag())),
    ("σ² divided by N twice", lambda m, s: moments(m, s, within=(s**2).mean(0).diag() / len(m))),
    ("σ² in every entry", lambda m, s: moments(m, s, within=(s**2).mean(0))),
    ("one σ² for all dimensions", lambda m, s: moments(m, s, within=(s**2).mean() * eye(m))),
    ("variances only", lambda m, s: (m.mean(0), m.var(0, correction=0) + (s**2).mean(0))),
    ("no covariances", lambda m, s: (m.mean(0), (m.var(0, correction=0) + (s**2).mean(0)).diag())),
    ("order swapped", lambda m, s: moments(m, s)[::-1]),
    ("sum for mean", lambda m, s: moments(m, s, mean=m.sum(0))),
    (
        "mean weighted by precision",
        lambda m, s: moments(m, s, mean=(m / s**2).sum(0) / (s**-2).sum(0)),
    ),
    ("median for mean", lambda m, s: moments(m, s, mean=m.median(0).values)),
    ("mean set to 0", lambda m, s: moments(m, s, mean=0 * m[0])),
    ("not divided by N", lambda m, s: moments(m, s, between=(m - m.mean(0)).T @ (m - m.mean(0)))),
    ("σ multiplied across dimensions", lambda m, s: moments(m, s, within=s.T @ s / len(s))),
    ("precision for covariance", lambda m, s: (m.mean(0), moments(m, s)[1].inverse())),
    ("root of σ²", lambda m, s: moments(m, s, within=(s**2).mean(0).sqrt().diag())),
    ("divided by N once more", lambda m, s: (m.mean(0), moments(m, s)[1] / len(m))),
    (None, lambda m, s: (m.mean(), moments(m, s)[1])),
    (None, lambda m, s: (m.mean(1), moments(m, s)[1])),
    (None, lambda m, s: (m.mean(0), (m - m.mean(0)) @ (m - m.mean(0)).T / m.shape[1])),
    (None, lambda m, s: (m.mean(0), torch.cov(m))),
    (None, lambda m, s: (0 * m[0], eye(m))),
    (None, lambda m, s: moments(m, s)[0]),
    (None, lambda m, s: moments(m, s)[1]),
    (None, lambda m, s: moments(m, s, within=torch.diag(s.log().mean(0).exp() ** 2))),
    (None, lambda m, s: moments(m, s, within=torch.diag((2 * s).exp().mean(0)))),
    (None, lambda m, s: moments(m, s, within=torch.diag((s**-2).mean(0) ** -1))),
    (None, lambda m, s: moments(m, s, within=torch.diag(s[0] ** 2))),
    (None, lambda m, s: moments(m, s, within=torch.diag((s**2).amax(0)))),
    (None, lambda m, s: moments(m, s, within=1e-3 * eye(m) + torch.diag((s**2).mean(0)))),
    (None, lambda m, s: moments(m, s, within=torch.diag(s.var(0, correction=0) + s.mean(0)))),
    (None, lambda m, s: (m.mean(0), -moments(m, s)[1])),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].tril())),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].abs())),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].sqrt())),
    (None, lambda m, s: (m.mean(0), torch.linalg.cholesky(moments(m, s)[1]))),
    (None, lambda m, s: (m.mean(0) + 1e-2, moments(m, s)[1])),
    (None, lambda m, s: drawn(m, s)),
    (None, lambda m, s: moments(m, s, between=torch.diag((m - m.mean(0)).square().amax(0)))),
    (None, lambda m, s: (m.mean(0, keepdim=True), moments(m, s)[1])),
]


def drawn(mu, sigma):
    """From draws, which is near but not exact."""
    generator = torch.Generator().manual_seed(0)
    z = mu + sigma * torch.randn((10_000, *mu.shape), generator=generator, dtype=mu.dtype)
    z = z.reshape(-1, mu.shape[1])
    return z.mean(0), (z - z.mean(0)).T @ (z - z.mean(0)) / len(z)


BANK = {
    "rolls_to_convict": ROLLS,
    "kl_to_standard_normal_full": FULL,
    "posterior_on_grid": GRID,
    "effective_sample_size": ESS,
    "reparameterise_exponential": EXPONENTIAL,
    "train_step": STEP,
    "collapse_threshold": THRESHOLD,
    "aggregate_moments": MOMENTS,
}
