"""Wrong answers to the exercises of lesson 1, KL divergence, written by hand."""

import math

import numpy as np
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence


def bernoulli(p, q, log=torch.log):
    p = torch.as_tensor(p)
    q = torch.as_tensor(q)
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))


def gaussian(m, s, n, t, half=0.5, end=0.5, sign=1):
    s = torch.as_tensor(s)
    t = torch.as_tensor(t)
    return sign * torch.log(t / s) + half * (s**2 + (m - n) ** 2) / t**2 - end


def ratios(log_q, log_p, z):
    r = log_q(z) - log_p(z)
    return r, r.std() / len(r) ** 0.5


def weighted(log_q, log_p, z):
    w = torch.exp(log_p(z) - log_q(z))
    terms = w * (log_q(z) - log_p(z))
    return terms.mean(), terms.std() / len(z) ** 0.5


LISTED = {
    "kl_bernoulli": [
        ("arguments swapped", lambda p, q: bernoulli(q, p)),
        ("one term only", lambda p, q: torch.as_tensor(p) * torch.log(torch.as_tensor(p / q))),
        ("log2", lambda p, q: bernoulli(p, q, torch.log2)),
    ],
    "kl_gaussian": [
        ("arguments swapped", lambda m, s, n, t: gaussian(n, t, m, s)),
        ("no ½", lambda m, s, n, t: 2 * gaussian(m, s, n, t)),
        ("no ½ before the squares", lambda m, s, n, t: gaussian(m, s, n, t, half=1)),
        ("no −½ at the end", lambda m, s, n, t: gaussian(m, s, n, t, end=0)),
        ("log σ sign", lambda m, s, n, t: gaussian(m, s, n, t, sign=-1)),
        ("σ for σ²", lambda m, s, n, t: np.log(t / s) + (s + (m - n) ** 2) / (2 * t) - 0.5),
        (
            "variance ratio inverted",
            lambda m, s, n, t: np.log(t / s) + 0.5 * (t**2 + (m - n) ** 2) / s**2 - 0.5,
        ),
    ],
    "kl_monte_carlo": [
        (
            "arguments swapped",
            lambda q, p, z: ratios(p, q, z) and (ratios(p, q, z)[0].mean(), ratios(p, q, z)[1]),
        ),
        ("std without √K", lambda q, p, z: (ratios(q, p, z)[0].mean(), ratios(q, p, z)[0].std())),
        ("importance weights", weighted),
    ],
}

UNLISTED = {
    "kl_bernoulli": [
        (lambda p, q: bernoulli(p, q) * 3, "3 times"),
        (lambda p, q: bernoulli(p, q) + 0.1, "always 0.1 more"),
        (lambda p, q: bernoulli(p, q) ** 2, "square"),
        (lambda p, q: (p - q) ** 2, "right for “p = q”"),
        (lambda p, q: bernoulli(p, torch.full_like(torch.as_tensor(q), 0.5)), "when q does"),
        (
            lambda p, q: torch.as_tensor(bernoulli(p, q)).clamp(max=0.2),
            "wrong only where the expected result is above",
        ),
        (lambda p, q: torch.as_tensor(bernoulli(p, q)).flip(0), "another order"),
    ],
    "kl_gaussian": [
        (lambda m, s, n, t: gaussian(m, s, n, t) ** 0.5, "square root"),
        (
            lambda m, s, n, t: 0.5 * (gaussian(m, s, n, t) + gaussian(n, t, m, s)),
            "right for “q = p”",
        ),
        (lambda m, s, n, t: gaussian(m, s, n, t) + m, "multiple of mu_q"),
        (lambda m, s, n, t: gaussian(m, s, 0 * n, t), "mu_p"),
        (lambda m, s, n, t: gaussian(m, s, n, t).exp(), "exponential"),
        (lambda m, s, n, t: Normal(n, t).log_prob(m) - Normal(m, s).log_prob(n), None),
    ],
    "kl_monte_carlo": [
        (
            lambda q, p, z: (ratios(q, p, z)[0].mean(), 1.96 * ratios(q, p, z)[1]),
            "the estimate is right",
        ),
        (lambda q, p, z: (ratios(q, p, z)[0].mean(), 0.0), "the estimate is right"),
        (lambda q, p, z: (ratios(q, p, z)[0][0], ratios(q, p, z)[1]), "the estimate is wrong"),
        (lambda q, p, z: torch.stack([q(z).mean(), p(z).mean()]), "expected a tuple of 2"),
        (
            lambda q, p, z: (2 * ratios(q, p, z)[0].mean(), ratios(q, p, z)[1]),
            "the estimate is wrong",
        ),
    ],
}


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

BANK = {"rolls_to_convict": ROLLS, "kl_to_standard_normal_full": FULL}
