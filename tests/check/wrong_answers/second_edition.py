"""Wrong answers to the exercises that the second edition brought, as students might write them.

Each entry is a wrong answer, with the name of the mistake if the check should name it, else None.
"""

import math

import numpy as np
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

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


BANK = {
    "rolls_to_convict": ROLLS,
    "kl_to_standard_normal_full": FULL,
    "posterior_on_grid": GRID,
    "effective_sample_size": ESS,
}
