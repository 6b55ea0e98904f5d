// q(z|x), a Gaussian with mean μ and standard deviation σ in each dimension, and what follows from it.

/** KL(q(z|x) ‖ p(z)) of each dimension, in nats. */
export const klPerDim = ({ mu, sigma }) =>
  mu.map((m, d) => 0.5 * (m * m + sigma[d] * sigma[d] - 1) - Math.log(sigma[d]));

/** The ε for which z = μ + σ ⊙ ε. */
export const noiseOf = (z, { mu, sigma }) => z.map((value, d) => (value - mu[d]) / sigma[d]);

/** z = μ + σ ⊙ ε. */
export const codeOf = ({ mu, sigma }, eps) => mu.map((m, d) => m + sigma[d] * eps[d]);

const HALF_LOG_2_PI = 0.5 * Math.log(2 * Math.PI);
const xlogx = (p) => (p > 0 ? p * Math.log(p) : 0);

/**
 * log p(x|z) in nats, and `best`: what it would be for a perfect picture. `logits` may be missing:
 * then a Bernoulli's means are kept from 0 and 1. Grey values stand for the chance that a pixel is 1.
 */
export function reconstruction(likelihood, x, means, logits) {
  let value = 0;
  let best = 0;
  if (likelihood.kind === "gaussian") {
    const s = likelihood.sigma_x;
    for (let i = 0; i < x.length; i += 1) value -= 0.5 * ((x[i] - means[i]) / s) ** 2;
    best = -x.length * (Math.log(s) + HALF_LOG_2_PI);
    return { value: value + best, best };
  }
  for (let i = 0; i < x.length; i += 1) {
    const mean = Math.min(1 - 1e-7, Math.max(1e-7, means[i]));
    const a = logits ? logits[i] : Math.log(mean / (1 - mean));
    value += x[i] * a - Math.max(a, 0) - Math.log1p(Math.exp(-Math.abs(a)));
    best += xlogx(x[i]) + xlogx(1 - x[i]);
  }
  return { value, best };
}
