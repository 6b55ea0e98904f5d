// What the labs' computations share, as `labs/scene.py` has it: the same numbers, to the last bits.

export const LOG_2PI = Math.log(2 * Math.PI);

/** `count` numbers from low to high, both included. */
export function linspace(low, high, count) {
  return Float64Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}

/** log N(z; μ, σ²), nats. */
export function logNormal(z, mu, sigma) {
  return -0.5 * ((z - mu) / sigma) ** 2 - Math.log(sigma) - 0.5 * LOG_2PI;
}

export function logAddExp(a, b) {
  const most = Math.max(a, b);
  return most === -Infinity ? most : most + Math.log1p(Math.exp(-Math.abs(a - b)));
}

export const sum = (values) => values.reduce((a, b) => a + b, 0);
export const largest = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

/** The smallest of …, 1, 2, 5, 10, … that `value` and `least` do not pass: an axis that stays. */
export function reach(value, least = 0.1) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].find((nice) => nice * power >= wanted * (1 - 1e-9)) * power;
}

/** `count` draws from N(0, 1): Mulberry32 by counter, then Box and Muller's pairs. */
export function noise(seed, count) {
  const uniform = (i) => {
    const state = (seed + Math.imul(i + 1, 0x6d2b79f5)) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  const draws = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform(i)));
    const angle = 2 * Math.PI * uniform(i + 1);
    draws[i] = radius * Math.cos(angle);
    if (i + 1 < count) draws[i + 1] = radius * Math.sin(angle);
  }
  return draws;
}

/** The outline of the share of values in each bin; what lies outside counts in the outermost. */
export function histogram(values, low, high, bins) {
  const counts = new Float64Array(bins);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    counts[Math.min(bins - 1, Math.max(0, bin))] += 1;
  }
  const edge = (i) => low + (i / bins) * (high - low);
  const half = (i) => Math.floor(i / 2);
  return [
    Float64Array.from({ length: 2 * bins }, (_, i) => edge(half(i + 1))),
    Float64Array.from({ length: 2 * bins }, (_, i) => counts[half(i)] / values.length),
  ];
}
