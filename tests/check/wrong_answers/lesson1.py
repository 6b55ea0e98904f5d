"""Wrong answers to the exercises of lesson 1, KL divergence, written by hand."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import (
    Bernoulli,
    Categorical,
    MultivariateNormal,
    Normal,
    kl_divergence,
)


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
            "mean of both directions",
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


T = torch.as_tensor


def returns_in_the_loop(p, q):
    total = 0.0
    for a, b in ((p, q), (1 - p, 1 - q)):
        total += a * np.log(a / b)
        return total


def last_of_the_loop(p, q):
    for a, b in ((p, q), (1 - p, 1 - q)):
        total = a * np.log(a / b)
    return total


def halves_p_in_place(p, q):
    p, q = T(p), T(q)
    tails = (1 - p) * ((1 - p) / (1 - q)).log()
    ratio = p / q
    p *= ratio.log()
    return p + tails


def zip_of_faces(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def guarded(p, q):
    p, q = T(p), T(q)
    return torch.where(p < 0.01, 0.0 * p, bernoulli(p, q))


def prints(p, q):
    print(bernoulli(p, q).sum())


def draws_coins(p, q):
    p, q = T(p).double(), T(q).double()
    x = torch.bernoulli(p.expand(2000, *p.shape))
    return (Bernoulli(p).log_prob(x) - Bernoulli(q).log_prob(x)).mean(0)


def draws_coins_with_a_seed(p, q):
    p, q = T(p).double(), T(q).double()
    x = torch.bernoulli(p.expand(2000, *p.shape), generator=torch.Generator().manual_seed(0))
    return (Bernoulli(p).log_prob(x) - Bernoulli(q).log_prob(x)).mean(0)


COINS = [
    ("arguments swapped", lambda p, q: q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))),
    ("arguments swapped", lambda p, q: kl_divergence(Bernoulli(probs=q), Bernoulli(probs=p))),
    ("one term only", lambda p, q: p * np.log(p / q)),
    ("one term only", lambda p, q: F.kl_div(q.log(), p, reduction="none")),
    ("one term only", lambda p, q: special.rel_entr(p, q)),
    ("one term only", returns_in_the_loop),
    ("one term only (the second)", last_of_the_loop),
    ("one term only, with q − p added", lambda p, q: special.kl_div(p, q)),
    ("arguments swapped + one term only", lambda p, q: F.kl_div(p.log(), q, reduction="none")),
    ("one term only + mean over the elements", lambda p, q: F.kl_div(q.log(), p)),
    ("log2", lambda p, q: p * np.log2(p / q) + (1 - p) * np.log2((1 - p) / (1 - q))),
    ("factor 0.434", lambda p, q: p * np.log10(p / q) + (1 - p) * np.log10((1 - p) / (1 - q))),
    ("cross-entropy", lambda p, q: F.binary_cross_entropy(q, p, reduction="none")),
    (
        "arguments swapped + cross-entropy",
        lambda p, q: F.binary_cross_entropy(p, q, reduction="none"),
    ),
    ("cross-entropy + mean over the elements", lambda p, q: F.binary_cross_entropy(q, p)),
    ("entropy", lambda p, q: Bernoulli(p).entropy()),
    ("entropy", lambda p, q: special.entr(p) + special.entr(1 - p)),
    ("difference of the entropies", lambda p, q: Bernoulli(q).entropy() - Bernoulli(p).entropy()),
    ("summed over the elements", lambda p, q: bernoulli(p, q).sum()),
    ("mean over the elements", lambda p, q: np.mean(np.asarray(bernoulli(p, q)))),
    ("wrong shape", lambda p, q: bernoulli(p, q).sum(-1)),
    ("sign", lambda p, q: p * np.log(q / p) + (1 - p) * np.log((1 - q) / (1 - p))),
    ("both terms weighted by p", lambda p, q: p * np.log(p / q) + p * np.log((1 - p) / (1 - q))),
    ("terms not weighted", lambda p, q: np.log(p / q) + np.log((1 - p) / (1 - q))),
    ("second term not weighted", lambda p, q: p * np.log(p / q) + np.log((1 - p) / (1 - q))),
    ("terms subtracted", lambda p, q: p * np.log(p / q) - (1 - p) * np.log((1 - p) / (1 - q))),
    ("log(p/q) in both terms", lambda p, q: p * np.log(p / q) + (1 - p) * np.log(p / q)),
    ("1 − p compared with q", lambda p, q: p * np.log(p / q) + (1 - p) * np.log((1 - p) / q)),
    ("p compared with 1 − q", lambda p, q: p * np.log(p / q) + (1 - p) * np.log(p / (1 - q))),
    ("NaN", lambda p, q: p * np.log(p / q) + (1 - p) * np.log(1 - p / q)),
    ("NaN", lambda p, q: p * np.log(p / q) + (1 - p) * np.log((1 - p) / 1 - q)),
    (
        "second term weighted by 1 − q",
        lambda p, q: p * np.log(p / q) + (1 - q) * np.log((1 - p) / (1 - q)),
    ),
    ("terms subtracted", lambda p, q: p * np.log(p / q) + (1 - p) * np.log((1 - q) / (1 - p))),
    (
        "brackets of (1 − p) missing",
        lambda p, q: p * np.log(p / q) + 1 - p * np.log((1 - p) / (1 - q)),
    ),
    ("p and q taken for the two outcomes", lambda p, q: p * np.log(p / q) + q * np.log(q / p)),
    (None, lambda p, q: p * np.log(p / q) + (1 - p) * np.log(1 - p) / (1 - q)),
    (
        "log of p alone, divided by q",
        lambda p, q: p * np.log(p) / q + (1 - p) * np.log(1 - p) / (1 - q),
    ),
    (
        "log p divided by log q",
        lambda p, q: p * np.log(p) / np.log(q) + (1 - p) * np.log(1 - p) / np.log(1 - q),
    ),
    ("NaN", lambda p, q: p * np.log(p - q) + (1 - p) * np.log(q - p)),
    ("log(1 + p/q)", lambda p, q: p * np.log1p(p / q) + (1 - p) * np.log1p((1 - p) / (1 - q))),
    ("no logarithm", lambda p, q: p * (p / q) + (1 - p) * ((1 - p) / (1 - q))),
    (None, lambda p, q: p * p / q),
    (None, lambda p, q: (p * np.log(p / q) + 1 - p) * np.log((1 - p) / (1 - q))),
    (
        "both directions added",
        lambda p, q: (p - q) * np.log(p / q) + (q - p) * np.log((1 - p) / (1 - q)),
    ),
    ("mean of both directions", lambda p, q: (bernoulli(p, q) + bernoulli(q, p)) / 2),
    (None, lambda p, q: (bernoulli(p, (p + q) / 2) + bernoulli(q, (p + q) / 2)) / 2),
    ("factor 0.5", lambda p, q: 0.5 * bernoulli(p, q)),
    (
        "absolute values",
        lambda p, q: p * abs(np.log(p / q)) + (1 - p) * abs(np.log((1 - p) / (1 - q))),
    ),
    (None, lambda p, q: abs(p - q)),
    (None, lambda p, q: (p - q) ** 2 / q),
    (None, lambda p, q: (p - q) ** 2 / (2 * q * (1 - q))),
    (None, lambda p, q: 1 - np.sqrt(p * q) - np.sqrt((1 - p) * (1 - q))),
    (None, lambda p, q: bernoulli(T(p).clamp(0.01, 0.99), T(q).clamp(0.01, 0.99))),
    (None, lambda p, q: bernoulli(T(p).clamp(1e-3, 1 - 1e-3), T(q).clamp(1e-3, 1 - 1e-3))),
    (None, lambda p, q: bernoulli(T(p).clamp(1e-4, 1 - 1e-4), T(q).clamp(1e-4, 1 - 1e-4))),
    (None, lambda p, q: bernoulli(T(p).clamp(min=1e-6), T(q).clamp(min=1e-6))),
    (None, lambda p, q: bernoulli(p, q).clamp(max=5.0)),
    ("a near miss", lambda p, q: bernoulli(T(p) + 1e-4, T(q) + 1e-4)),
    (None, guarded),
    (None, lambda p, q: np.round(np.asarray(bernoulli(p, q)), 3)),
    ("half precision", lambda p, q: T(bernoulli(p, q)).half()),
    ("logits for probabilities", lambda p, q: bernoulli(torch.sigmoid(T(p)), torch.sigmoid(T(q)))),
    (
        "logits for probabilities",
        lambda p, q: kl_divergence(Bernoulli(logits=T(p)), Bernoulli(logits=T(q))),
    ),
    (None, lambda p, q: kl_divergence(Normal(p, 1.0), Normal(q, 1.0))),
    ("wrong shape", lambda p, q: kl_divergence(Categorical(probs=T(p)), Categorical(probs=T(q)))),
    ("wrong shape", lambda p, q: stats.entropy(np.asarray(p), np.asarray(q))),
    ("wrong shape", lambda p, q: stats.entropy(np.atleast_1d(p), np.atleast_1d(q))),
    ("log2", lambda p, q: stats.entropy([p, 1 - p], [q, 1 - q], base=2)),
    ("the exponential of it", lambda p, q: bernoulli(p, q).exp()),
    (None, lambda p, q: p * math.log(p / q) + 1 - p * math.log(1 - p / 1 - q)),
    ("wrong shape", zip_of_faces),
    ("changes its inputs", halves_p_in_place),
    ("returns None", prints),
    ("global random state", draws_coins),
    (None, draws_coins_with_a_seed),
    ("a tuple of one", lambda p, q: (bernoulli(p, q),)),
    ("several results", lambda p, q: (p * np.log(p / q), (1 - p) * np.log((1 - p) / (1 - q)))),
    (
        "wrong shape",
        lambda p, q: torch.stack([p * (p / q).log(), (1 - p) * ((1 - p) / (1 - q)).log()]),
    ),
    (
        "a list for a tensor",
        lambda p, q: [bernoulli(a, b).item() for a, b in zip(p, q, strict=True)],
    ),
    (None, lambda p, q: p * p.log(p / q)),
    (None, lambda p, q: p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - r))),  # noqa: F821
    (None, lambda p: p * np.log(p / 0.5)),
    ("wrong shape", lambda p, q: bernoulli(p[0], q[0])),
    ("returns a string", lambda p, q: str(bernoulli(p, q))),
    ("q not used", lambda p, q: bernoulli(p, 0.5)),
    (None, lambda p, q: bernoulli(p, q) // 1e-3 * 1e-3),
]


def squares_sigma_in_place(m, s, n, t):
    s, t = T(s), T(t)
    s **= 2
    t **= 2
    return 0.5 * ((t / s).log() + (s + (m - n) ** 2) / t - 1)


def by_strips(m, s, n, t):
    z = torch.linspace(-10, 10, 4001, dtype=torch.float64).view(-1, *[1] * T(m).ndim)
    m, s, n, t = (T(a).double() for a in (m, s, n, t))
    log_q, log_p = Normal(m, s).log_prob(z), Normal(n, t).log_prob(z)
    return torch.trapezoid(log_q.exp() * (log_q - log_p), z.flatten(), dim=0)


def by_samples(m, s, n, t):
    q, p = Normal(T(m), T(s)), Normal(T(n), T(t))
    z = q.sample((1000,))
    return (q.log_prob(z) - p.log_prob(z)).mean(0)


def by_samples_with_a_seed(m, s, n, t):
    torch.manual_seed(0)
    return by_samples(m, s, n, t)


def reversed_step(m, s, n, t):
    log_term = np.log(s / t)
    quadratic = (s**2 + (m - n) ** 2) / (2 * t**2)
    return log_term + quadratic - 1 / 2


class Bell:
    def __init__(self, mu, sigma):
        self.mu, self.var = mu, sigma

    def kl(self, p):
        return 0.5 * (np.log(p.var / self.var) + (self.var + (self.mu - p.mu) ** 2) / p.var - 1)


BELLS = [
    ("arguments swapped", lambda m, s, n, t: kl_divergence(Normal(n, t), Normal(m, s))),
    (
        "arguments swapped",
        lambda m, s, n, t: np.log(s / t) + (t**2 + (n - m) ** 2) / (2 * s**2) - 0.5,
    ),
    ("no ½", lambda m, s, n, t: 2 * np.log(t / s) + (s**2 + (m - n) ** 2) / t**2 - 1),
    (
        "no ½ before the squares",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / t**2 - 0.5,
    ),
    ("no ½", lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / t**2 - 1),
    ("no −½ at the end", lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2)),
    (
        "−1 for −½ at the end",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 1,
    ),
    (
        "+½ for −½ at the end",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) + 0.5,
    ),
    ("log σ sign", reversed_step),
    (
        "½ before log σ too",
        lambda m, s, n, t: 0.5 * np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "log σ² for log σ",
        lambda m, s, n, t: np.log(t**2 / s**2) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    ("log σ forgotten", lambda m, s, n, t: (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5),
    ("log σ_p forgotten", lambda m, s, n, t: -np.log(s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5),
    ("log σ_q forgotten", lambda m, s, n, t: np.log(t) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5),
    (
        "log σ_p divided by log σ_q",
        lambda m, s, n, t: np.log(t) / np.log(s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "log σ_p + log σ_q",
        lambda m, s, n, t: np.log(t * s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "multiplied by σ_p²",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / 2 * t**2 - 0.5,
    ),
    (
        "only the means divided by 2σ_p²",
        lambda m, s, n, t: np.log(t / s) + s**2 + (m - n) ** 2 / (2 * t**2) - 0.5,
    ),
    (
        "means not divided by σ_p², and no ½",
        lambda m, s, n, t: np.log(t / s) + s**2 / (2 * t**2) + (m - n) ** 2 - 0.5,
    ),
    (
        "means not divided by σ_p²",
        lambda m, s, n, t: np.log(t / s) + s**2 / (2 * t**2) + (m - n) ** 2 / 2 - 0.5,
    ),
    (
        "σ_q² not divided by σ_p² + means not divided by σ_p²",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / 2 - 0.5,
    ),
    ("σ for σ² in p", lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t) - 0.5),
    ("σ for σ² in q", lambda m, s, n, t: np.log(t / s) + (s + (m - n) ** 2) / (2 * t**2) - 0.5),
    ("σ for σ²", lambda m, s, n, t: Bell(m, s).kl(Bell(n, t))),
    ("σ for σ²", lambda m, s, n, t: kl_divergence(Normal(m, s**0.5), Normal(n, t**0.5))),
    ("σ² for σ", lambda m, s, n, t: kl_divergence(Normal(m, s**2), Normal(n, t**2))),
    (
        "σ taken for log σ",
        lambda m, s, n, t: kl_divergence(Normal(m, T(s).exp()), Normal(n, T(t).exp())),
    ),
    (
        "σ taken for log σ²",
        lambda m, s, n, t: 0.5 * (t - s + (np.exp(s) + (m - n) ** 2) / np.exp(t) - 1),
    ),
    (
        "variance ratio inverted",
        lambda m, s, n, t: np.log(t / s) + (t**2 + (m - n) ** 2) / (2 * s**2) - 0.5,
    ),
    (
        "everything over 2σ_q²",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * s**2) - 0.5,
    ),
    (
        "means measured in σ_q",
        lambda m, s, n, t: np.log(t / s) + s**2 / (2 * t**2) + (m - n) ** 2 / (2 * s**2) - 0.5,
    ),
    (
        "μ_q − μ_p not squared",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n)) / (2 * t**2) - 0.5,
    ),
    (
        "μ_q − μ_p not squared",
        lambda m, s, n, t: np.log(t / s) + (s**2 + abs(m - n)) / (2 * t**2) - 0.5,
    ),
    (
        "μ_q² − μ_p² for (μ_q − μ_p)²",
        lambda m, s, n, t: np.log(t / s) + (s**2 + m**2 - n**2) / (2 * t**2) - 0.5,
    ),
    ("μ_q² + μ_p²", lambda m, s, n, t: np.log(t / s) + (s**2 + m**2 + n**2) / (2 * t**2) - 0.5),
    (
        "μ_q + μ_p for μ_q − μ_p",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m + n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "sign of (μ_q − μ_p)²",
        lambda m, s, n, t: np.log(t / s) + (s**2 - (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    ("(σ_q + μ_q − μ_p)²", lambda m, s, n, t: np.log(t / s) + (s + m - n) ** 2 / (2 * t**2) - 0.5),
    ("means forgotten", lambda m, s, n, t: np.log(t / s) + s**2 / (2 * t**2) - 0.5),
    (
        "no −½ at the end + σ_q² forgotten",
        lambda m, s, n, t: np.log(t / s) + (m - n) ** 2 / (2 * t**2),
    ),
    ("σ_q² forgotten", lambda m, s, n, t: np.log(t / s) + (m - n) ** 2 / (2 * t**2) - 0.5),
    (
        "no −½ at the end + (σ_q − σ_p)² for σ_q²",
        lambda m, s, n, t: np.log(t / s) + ((s - t) ** 2 + (m - n) ** 2) / (2 * t**2),
    ),
    (
        "off by 1.5",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - (t / t) * 2,
    ),
    ("p taken for N(0, 1)", lambda m, s, n, t: 0.5 * (m**2 + s**2 - 1 - 2 * np.log(s))),
    (
        "−1 for −½ at the end",
        lambda m, s, n, t: 0.5 * (np.log(t**2 / s**2) + s**2 / t**2 + (m - n) ** 2 / t**2) - 1,
    ),
    ("summed over the elements", lambda m, s, n, t: gaussian(m, s, n, t).sum()),
    ("mean over the elements", lambda m, s, n, t: gaussian(m, s, n, t).mean()),
    ("wrong shape", lambda m, s, n, t: gaussian(m, s, n, t).sum(-1)),
    ("sign", lambda m, s, n, t: -gaussian(m, s, n, t)),
    ("log2", lambda m, s, n, t: gaussian(m, s, n, t) / np.log(2)),
    (
        "log2 of the σ ratio",
        lambda m, s, n, t: np.log2(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "log10 of the σ ratio",
        lambda m, s, n, t: np.log10(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "log(1 + σ_p/σ_q)",
        lambda m, s, n, t: np.log1p(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "mean of both directions",
        lambda m, s, n, t: (gaussian(m, s, n, t) + gaussian(n, t, m, s)) / 2,
    ),
    ("both directions added", lambda m, s, n, t: gaussian(m, s, n, t) + gaussian(n, t, m, s)),
    (
        "cross-entropy",
        lambda m, s, n, t: np.log(t) + (s**2 + (m - n) ** 2) / (2 * t**2) + 0.5 * np.log(2 * np.pi),
    ),
    (
        "difference of the entropies",
        lambda m, s, n, t: Normal(n, t).entropy() - Normal(m, s).entropy(),
    ),
    (
        "no −½ at the end + σ_q² forgotten",
        lambda m, s, n, t: Normal(m, s).log_prob(T(m)) - Normal(n, t).log_prob(T(m)),
    ),
    (None, lambda m, s, n, t: (m - n) ** 2 + (s - t) ** 2),
    (None, lambda m, s, n, t: abs(m - n) + abs(s - t)),
    (None, lambda m, s, n, t: np.sqrt(s**2 + (m - n) ** 2) / (2 * t) + np.log(t / s) - 0.5),
    (None, lambda m, s, n, t: gaussian(m, s, n, t).clamp(max=10)),
    (None, lambda m, s, n, t: gaussian(m, T(s).clamp(min=1e-4), n, T(t).clamp(min=1e-4))),
    (None, lambda m, s, n, t: gaussian(m, T(s).clamp(max=100), n, T(t).clamp(max=100))),
    (None, lambda m, s, n, t: gaussian(m, s, n, t) if m.shape == n.shape else 0 * m),
    (None, lambda m, s, n, t: gaussian(m, T(s).clamp(min=1e-2), n, t)),
    (None, lambda m, s, n, t: gaussian(m, T(s) + 1e-3, n, T(t) + 1e-3)),
    (None, lambda m, s, n, t: np.log(t / (s + 1e-3)) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5),
    ("means forgotten", lambda m, s, n, t: gaussian(0 * m, s, 0 * n, t)),
    ("changes its inputs", squares_sigma_in_place),
    (None, by_strips),
    ("global random state", by_samples),
    ("global random state", by_samples_with_a_seed),
    ("half precision", lambda m, s, n, t: gaussian(m, s, n, t).half()),
    ("a near miss", lambda m, s, n, t: np.round(gaussian(m, s, n, t), 4)),
    ("wrong shape", lambda m, s, n, t: gaussian(m, s, n, t).unsqueeze(0)),
    (
        "several results",
        lambda m, s, n, t: (np.log(t / s), (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5),
    ),
    ("^ for **", lambda m, s, n, t: torch.log(t / s) + (s**2 + (m - n) ^ 2) / (2 * t**2) - 0.5),
    (None, lambda m, s, n, t: math.log(t / s) + (s**2 + (m - n) ** 2) // (2 * t**2) - 0.5),
    ("sign", lambda m, s, n, t: np.log(s / t) - (s**2 + (m - n) ** 2) / (2 * t**2) + 0.5),
    (
        "sign of the bracket",
        lambda m, s, n, t: np.log(t / s) - (s**2 + (m - n) ** 2) / (2 * t**2) + 0.5,
    ),
    (
        "sign of the squares",
        lambda m, s, n, t: np.log(t / s) - (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "no −½ at the end",
        lambda m, s, n, t: np.log(t / s) + (s**2 + t**2 + (m - n) ** 2) / (2 * t**2) - 0.5,
    ),
    (
        "everything over 2σ_q σ_p",
        lambda m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * s * t) - 0.5,
    ),
    (
        None,
        lambda m, s, n, t: (
            0.25 * (m - n) ** 2 / (s**2 + t**2) + 0.5 * np.log((s**2 + t**2) / (2 * s * t))
        ),
    ),
]


def logs(log_q, log_p, z):
    return log_q(z) - log_p(z)


def pair(r, K):
    return r.mean(), r.std() / K**0.5


def two_loops(log_q, log_p, z):
    total, squares = 0.0, 0.0
    for z_k in z:
        r = float(log_q(z_k) - log_p(z_k))
        total += r
        squares += r**2
    mean = total / len(z)
    return mean, math.sqrt(squares / len(z)) / math.sqrt(len(z))


def own_samples(log_q, log_p, z):
    z = torch.randn(len(z), dtype=z.dtype)
    return pair(logs(log_q, log_p, z), len(z))


def own_samples_around(log_q, log_p, z):
    z = z.mean() + z.std() * torch.randn(1000, dtype=z.dtype)
    return pair(logs(log_q, log_p, z), 1000)


def bootstrap(log_q, log_p, z):
    r = logs(log_q, log_p, z).numpy()
    rng = np.random.default_rng(0)
    means = [rng.choice(r, len(r)).mean() for _ in range(100)]
    return r.mean(), np.std(means)


def sorted_trapezoid(log_q, log_p, z):
    z = z.sort().values
    r = logs(log_q, log_p, z)
    return torch.trapezoid(log_q(z).exp() * r, z), r.std() / len(z) ** 0.5


def centres_z(log_q, log_p, z):
    z -= z.mean()
    return pair(logs(log_q, log_p, z), len(z))


def appends(log_q, log_p, z):
    ratios = []
    for z_k in z[1:]:
        ratios.append(float(log_q(z_k) - log_p(z_k)))
    return np.mean(ratios), np.std(ratios) / np.sqrt(len(z))


SAMPLES = [
    ("arguments swapped", lambda q, p, z: pair(p(z) - q(z), len(z))),
    (
        "arguments swapped",
        lambda q, p, z: (
            np.mean(p(z.numpy()) - q(z.numpy())),
            stats.sem(q(z.numpy()) - p(z.numpy())),
        ),
    ),
    ("std without √K", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std())),
    (
        "std without √K",
        lambda q, p, z: (np.mean(logs(q, p, z).numpy()), np.std(logs(q, p, z).numpy())),
    ),
    ("std/K for std/√K", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() / len(z))),
    ("variance of the mean", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).var() / len(z))),
    (
        "variance for std",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).var() / len(z) ** 0.5),
    ),
    ("variance", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).var())),
    (
        "√K under the root",
        lambda q, p, z: (logs(q, p, z).mean(), (logs(q, p, z).var() / len(z) ** 0.5).sqrt()),
    ),
    (
        "K−1 twice",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() / (len(z) - 1) ** 0.5),
    ),
    ("√K times", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() * len(z) ** 0.5)),
    ("standard error of z", lambda q, p, z: (logs(q, p, z).mean(), z.std() / len(z) ** 0.5)),
    ("standard error of log q", lambda q, p, z: (logs(q, p, z).mean(), q(z).std() / len(z) ** 0.5)),
    (
        "the mean for the standard deviation",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).mean() / len(z) ** 0.5),
    ),
    ("1/√K", lambda q, p, z: (logs(q, p, z).mean(), 1 / len(z) ** 0.5)),
    (
        None,
        lambda q, p, z: (
            logs(q, p, z).mean(),
            q(z).std() / len(z) ** 0.5 + p(z).std() / len(z) ** 0.5,
        ),
    ),
    (
        "log q and log p taken as independent",
        lambda q, p, z: (logs(q, p, z).mean(), ((q(z).var() + p(z).var()) / len(z)).sqrt()),
    ),
    (
        "factor 0.03162 × √K",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() / math.sqrt(1000)),
    ),
    ("factor 2", lambda q, p, z: (logs(q, p, z).mean(), 2 * logs(q, p, z).std() / len(z) ** 0.5)),
    (
        "an interval",
        lambda q, p, z: (
            logs(q, p, z).mean() - 1.96 * logs(q, p, z).std() / len(z) ** 0.5,
            logs(q, p, z).mean() + 1.96 * logs(q, p, z).std() / len(z) ** 0.5,
        ),
    ),
    ("not centred", two_loops),
    (None, appends),
    ("no logarithm", lambda q, p, z: pair(logs(q, p, z).exp(), len(z))),
    (
        "log of the mean",
        lambda q, p, z: (logs(q, p, z).exp().mean().log(), logs(q, p, z).std() / len(z) ** 0.5),
    ),
    (
        "log of the mean",
        lambda q, p, z: (
            logs(q, p, z).logsumexp(0) - math.log(len(z)),
            logs(q, p, z).std() / len(z) ** 0.5,
        ),
    ),
    ("weighted by q", lambda q, p, z: pair(q(z).exp() * logs(q, p, z), len(z))),
    (
        "weighted by q + sum for mean",
        lambda q, p, z: (
            torch.sum(q(z).exp() * logs(q, p, z)),
            logs(q, p, z).std() / len(z) ** 0.5,
        ),
    ),
    ("importance weights", lambda q, p, z: pair((p(z) - q(z)).exp() * logs(q, p, z), len(z))),
    ("weighted by p", lambda q, p, z: pair(p(z).exp() * logs(q, p, z), len(z))),
    ("sum for mean", lambda q, p, z: (logs(q, p, z).sum(), logs(q, p, z).std() / len(z) ** 0.5)),
    (
        "K−1 in the mean",
        lambda q, p, z: (logs(q, p, z).sum() / (len(z) - 1), logs(q, p, z).std() / len(z) ** 0.5),
    ),
    (
        "median for mean",
        lambda q, p, z: (logs(q, p, z).median(), logs(q, p, z).std() / len(z) ** 0.5),
    ),
    (None, lambda q, p, z: (logs(q, p, z).abs().mean(), logs(q, p, z).std() / len(z) ** 0.5)),
    ("absolute values", lambda q, p, z: pair(logs(q, p, z).abs(), len(z))),
    (
        "absolute value",
        lambda q, p, z: (logs(q, p, z).mean().abs(), logs(q, p, z).std() / len(z) ** 0.5),
    ),
    (
        "cut at 0",
        lambda q, p, z: (
            max(0.0, float(logs(q, p, z).mean())),
            float(logs(q, p, z).std()) / len(z) ** 0.5,
        ),
    ),
    ("each term cut at 0", lambda q, p, z: pair(logs(q, p, z).clamp(min=0), len(z))),
    (None, lambda q, p, z: pair(logs(q, p, z).clamp(-100, 100), len(z))),
    (None, lambda q, p, z: pair(q(z).clamp(min=-50) - p(z).clamp(min=-50), len(z))),
    ("log2", lambda q, p, z: pair(logs(q, p, z) / math.log(2), len(z))),
    (None, lambda q, p, z: (logs(q, p, z.mean()), logs(q, p, z).std() / len(z) ** 0.5)),
    ("quotient of the logs", lambda q, p, z: pair(q(z) / p(z), len(z))),
    ("NaN", lambda q, p, z: pair(torch.log(q(z)) - torch.log(p(z)), len(z))),
    (None, lambda q, p, z: pair(torch.log(q(z) / p(z)), len(z))),
    ("densities for logs", lambda q, p, z: pair(q(z).exp() - p(z).exp(), len(z))),
    ("log p forgotten", lambda q, p, z: pair(q(z), len(z))),
    ("log q forgotten: cross-entropy", lambda q, p, z: pair(-p(z), len(z))),
    ("sum of the logs", lambda q, p, z: pair(q(z) + p(z), len(z))),
    ("order swapped", lambda q, p, z: pair(logs(q, p, z), len(z))[::-1]),
    ("no standard error", lambda q, p, z: logs(q, p, z).mean()),
    ("wrong number of results", lambda q, p, z: (logs(q, p, z).mean(),)),
    ("one result for several", lambda q, p, z: logs(q, p, z)),
    ("wrong shape", lambda q, p, z: (logs(q, p, z), logs(q, p, z).std() / len(z) ** 0.5)),
    ("one result for several", lambda q, p, z: torch.stack(pair(logs(q, p, z), len(z)))),
    (
        "one result for several",
        lambda q, p, z: np.array([float(v) for v in pair(logs(q, p, z), len(z))]),
    ),
    ("wrong type", lambda q, p, z: {"kl": logs(q, p, z).mean(), "error": logs(q, p, z).std()}),
    ("returns a string", lambda q, p, z: f"{logs(q, p, z).mean():.3f} ± {logs(q, p, z).std():.3f}"),
    ("log_q or log_p not called", lambda q, p, z: (q - p).mean()),
    ("log_q or log_p not called", lambda q, p, z: (q.mean() - p.mean(), 0.0)),
    ("log_q or log_p not called", lambda q, p, z: (q.log_prob(z) - p.log_prob(z)).mean()),
    (None, lambda q, p, z: (logs(q, p, z[0]), 0.0)),
    (None, lambda q, p, z: pair(logs(q, p, z[:-1]), len(z))),
    ("global random state", own_samples),
    ("global random state", own_samples_around),
    (None, bootstrap),
    (None, sorted_trapezoid),
    ("changes its inputs", centres_z),
    (None, lambda q, p, z: tuple(round(float(v), 3) for v in pair(logs(q, p, z), len(z)))),
    (None, lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std(correction=2) / len(z) ** 0.5)),
    ("NaN", lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).mean().std())),
    (None, lambda q, p, z: (logs(q, p, z).mean(), np.sqrt(len(z)))),
    (
        "always 0",
        lambda q, p, z: (
            logs(q, p, z).mean(),
            (logs(q, p, z) - logs(q, p, z).mean()).mean() / len(z) ** 0.5,
        ),
    ),
    (
        None,
        lambda q, p, z: (
            logs(q, p, z).mean(),
            (logs(q, p, z) - logs(q, p, z).mean()).abs().mean() / len(z) ** 0.5,
        ),
    ),
    (
        "wrong shape",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() / torch.tensor(z.shape).sqrt()),
    ),
    (
        "variance of the mean",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() ** 2 / len(z)),
    ),
    (
        "std without √K",
        lambda q, p, z: (logs(q, p, z).mean(), logs(q, p, z).std() / z.dim() ** 0.5),
    ),
    (
        None,
        lambda q, p, z: (
            ((p(z) - q(z)).exp() - 1 - (p(z) - q(z))).mean(),
            logs(q, p, z).std() / len(z) ** 0.5,
        ),
    ),
    ("NaN", lambda q, p, z: (float(logs(q, p, z).mean()), float("nan"))),
]


BANK = {
    "kl_bernoulli": COINS,
    "kl_gaussian": BELLS,
    "kl_monte_carlo": SAMPLES,
    "rolls_to_convict": ROLLS,
    "kl_to_standard_normal_full": FULL,
}
