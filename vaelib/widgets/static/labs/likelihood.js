// The likelihood lab's computation: the twin of `labs/likelihood.py`.
import { renderLab } from "./lab.js";
import { LOG_2PI, largest, logAddExp, noise, reach, sum } from "./maths.js";

const S2 = 0.25;
const TRUE = 1 + S2;
const MOST_DATA = 1000;
const MOST = 5000;
const DIMS = 20;
const RUNS = 5;
const THETA = Float64Array.from({ length: 146 }, (_, i) => (10 + 2 * i) / 100);
const D = Float64Array.from({ length: DIMS }, (_, i) => i + 1);

const squares = {};

/** The squares of the data that the seed chooses. */
function dataSquares(seed) {
  if (squares[seed]) return squares[seed];
  const draws = noise(100 + seed, 2 * MOST_DATA);
  squares[seed] = draws
    .subarray(0, MOST_DATA)
    .map((z, i) => (z + Math.sqrt(S2) * draws[MOST_DATA + i]) ** 2);
  return squares[seed];
}

let sums = null;

/** Σ_d z_d and Σ_d z_d² over the first 1 … 20 dimensions of draws from the prior. */
function priorSums() {
  if (sums) return sums;
  const size = RUNS * MOST;
  const first = noise(2, DIMS * size);
  const second = first.map((z) => z ** 2);
  for (let i = size; i < first.length; i += 1) {
    first[i] += first[i - size];
    second[i] += second[i - size];
  }
  sums = { first, second };
  return sums;
}

function average(theta, meanSquare) {
  const variance = theta ** 2 + S2;
  return -0.5 * (LOG_2PI + Math.log(variance) + meanSquare / variance);
}

/** √((r^D − 1)/K), r = E p(x|z)²/p(x)² of one dimension. */
function relativeError(theta, dim, k) {
  const v = theta ** 2 + S2;
  const u = theta ** 2 + S2 / 2;
  const logR = Math.log(v) + 1 / v - 0.5 / u - 0.5 * Math.log(2 * u * S2);
  return Math.sqrt(Math.expm1(dim * logR) / k);
}

/** Up to where a run's estimate is drawn: ever larger strides from 1, and K. */
function places(k) {
  const at = [1];
  while (at.at(-1) < k) at.push(Math.min(k, at.at(-1) + Math.max(1, Math.floor(at.at(-1) / 12))));
  return at;
}

/** The running estimates of log p(x), x = (1, …, 1), of each run at the places. */
function estimates(theta, dim, k, at) {
  const { first, second } = priorSums();
  const constant = dim * (LOG_2PI + Math.log(S2));
  return Array.from({ length: RUNS }, (_, run) => {
    const start = ((dim - 1) * RUNS + run) * MOST;
    const found = [];
    let total = -Infinity;
    for (let i = 0; i < k; i += 1) {
      const error = dim - 2 * theta * first[start + i] + theta ** 2 * second[start + i];
      total = logAddExp(total, -0.5 * (error / S2 + constant));
      if (i + 1 === at[found.length]) found.push(total - Math.log(i + 1));
    }
    return found;
  });
}

export function compute({ theta, n_data: n, seed, n_samples: k, dim: d }) {
  const meanSquare = sum(dataSquares(seed).subarray(0, n)) / n;
  const entropy = 0.5 * (LOG_2PI + Math.log(TRUE) + 1);
  const expected = THETA.map((at) => average(at, TRUE));
  const atAverage = average(theta, meanSquare);
  const atExpected = average(theta, TRUE);
  const logPx = d * average(theta, 1);
  const at = places(k);
  const running = estimates(theta, d, k, at);
  const last = running.map((run) => run.at(-1));
  const error = relativeError(theta, d, k);
  const below = reach(logPx + largest(running.flat().map((value) => -value)), 2 + d);
  const above = reach(largest(running.flat()) - logPx, 1 + d / 4);
  return {
    series: {
      average: [THETA, THETA.map((value) => average(value, meanSquare))],
      expected: [THETA, expected],
      minus_kl: [THETA, expected.map((value) => value + entropy)],
      at_average: [[theta], [atAverage]],
      at_expected: [[theta], [atExpected]],
      at_kl: [[theta], [atExpected + entropy]],
      runs: [running.flatMap(() => [...at, NaN]), running.flatMap((run) => [...run, NaN])],
      log_px: [[1, MOST], [logPx, logPx]],
      estimates: [last.map(() => k), last],
      error: [D, D.map((dim) => relativeError(theta, dim, k))],
      error_here: [[d], [error]],
    },
    numbers: {
      ...{ theta, n, k, d, theta_hat: Math.sqrt(Math.max(0, meanSquare - S2)) },
      ...{ average: atAverage, expected: atExpected, kl: -atExpected - entropy, entropy },
      ...{ log_px: logPx, lowest: -largest(last.map((value) => -value)), highest: largest(last) },
      ...{ error, needed: Math.log10(error ** 2 * k * 100) },
    },
    limits: { runs: [1, MOST, logPx - below, logPx + above] },
  };
}

const first = ([x, y]) => [x[0], y[0]];
const grips = [
  {
    ...{ panel: "theta", name: "θ on its curve", colour: "dec", keys: { x: "theta" } },
    at: ({ series }) => first(series.at_average),
    move: (x) => ({ theta: x }),
  },
  {
    ...{ panel: "runs", name: "K, where the runs end", colour: "code", keys: { x: "n_samples" } },
    at: ({ series }) => [series.estimates[0][0], series.log_px[1][0]],
    move: (x) => ({ n_samples: x }),
  },
  {
    ...{ panel: "error", name: "D on its curve", colour: "code", keys: { x: "dim" } },
    at: ({ series }) => first(series.error_here),
    move: (x) => ({ dim: x }),
  },
];

const render = (context) => renderLab(context, compute, { grips });

export default { render };
