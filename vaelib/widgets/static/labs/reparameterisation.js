// The reparameterisation lab's computation: the twin of `labs/reparameterisation.py`.
import { bell } from "./grips.js";
import { renderLab } from "./lab.js";
import { histogram, largest, linspace, noise, reach, sum } from "./maths.js";

const REPEATS = 1000;
const MOST = 50;
const DOTS = 24;
const BINS = 60;
const CURVE = Float64Array.from({ length: 241 }, (_, i) => (i - 120) / 20);
const BELL = linspace(-3.5, 3.5, 71);
const TALL = 0.85;
const EPS = noise(5, REPEATS * MOST);

/** One draw's estimates of d/dμ (or d/d log σ) E z²: by the score function, and pathwise. */
const ESTIMATORS = {
  mu: (z, eps, sigma) => [(z ** 2 * eps) / sigma, 2 * z],
  log_sigma: (z, eps, sigma) => [z ** 2 * (eps ** 2 - 1), 2 * z * sigma * eps],
};

/** The gradient itself and both variances from one draw, in closed form. */
const EXACT = {
  mu: (m, s) => [2 * m, 15 * s ** 2 + 14 * m ** 2 + m ** 4 / s ** 2, 4 * s ** 2],
  log_sigma: (m, s) => [
    2 * s ** 2,
    2 * m ** 4 + 60 * m ** 2 * s ** 2 + 74 * s ** 4,
    4 * s ** 2 * (m ** 2 + 2 * s ** 2),
  ],
};

function meanAndStd(values) {
  const mean = sum(values) / values.length;
  return [mean, Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length)];
}

export function compute({ mu, log_sigma: logSigma, gradient, n_samples: k }) {
  const sigma = Math.exp(logSigma);
  const dots = EPS.subarray(0, DOTS);
  const z = dots.map((eps) => mu + sigma * eps);
  const score = new Float64Array(REPEATS);
  const pathwise = new Float64Array(REPEATS);
  for (let i = 0; i < REPEATS; i += 1) {
    for (let j = 0; j < k; j += 1) {
      const eps = EPS[i * MOST + j];
      const [byScore, byPath] = ESTIMATORS[gradient](mu + sigma * eps, eps, sigma);
      score[i] += byScore / k;
      pathwise[i] += byPath / k;
    }
  }
  const [truth, scoreVariance, pathwiseVariance] = EXACT[gradient](mu, sigma);
  const wide = reach(4 * Math.sqrt(Math.max(scoreVariance, pathwiseVariance) / k));
  const low = truth - wide;
  const high = truth + wide;
  const scoreBars = histogram(score, low, high, BINS);
  const pathwiseBars = histogram(pathwise, low, high, BINS);
  const top = reach(Math.max(largest(scoreBars[1]), largest(pathwiseBars[1])));
  const [scoreMean, scoreStd] = meanAndStd(score);
  const [pathwiseMean, pathwiseStd] = meanAndStd(pathwise);
  return {
    series: {
      paths: [
        [...dots].flatMap((eps, i) => [eps, z[i], NaN]),
        [...dots].flatMap(() => [0, 1, NaN]),
      ],
      eps: [dots, dots.map(() => 0)],
      z: [z, z.map(() => 1)],
      bell: [BELL.map((at) => mu + sigma * at), BELL.map((at) => 1 + TALL * Math.exp(-0.5 * at ** 2))],
      f: [CURVE, CURVE.map((at) => at ** 2)],
      f_z: [z, z.map((at) => at ** 2)],
      score: scoreBars,
      pathwise: pathwiseBars,
      truth: [[truth, truth], [0, top]],
    },
    numbers: {
      ...{ mu, sigma, k, truth, of: gradient === "mu" ? "μ" : "(log σ)" },
      ...{ score_mean: scoreMean, score_std: scoreStd },
      ...{ pathwise_mean: pathwiseMean, pathwise_std: pathwiseStd },
      score_predicted: Math.sqrt(scoreVariance / k),
      pathwise_predicted: Math.sqrt(pathwiseVariance / k),
      ratio: scoreVariance / pathwiseVariance,
    },
    limits: { histograms: [low, high, 0, top] },
  };
}

/** Which of the dots is nearest to a place: that one follows the pointer, and the rest with it. */
const nearest = (z, x) => z.reduce((best, at, i) => (Math.abs(at - x) < Math.abs(z[best] - x) ? i : best), 0);
const grips = [
  {
    ...{ panel: "paths", name: "the samples z", colour: "code", keys: { x: "mu" }, strip: true },
    at: ({ numbers: { mu } }) => [mu, 1],
    grab: (x, _, { series }) => EPS[nearest(series.z[0], x)],
    move: (x, _, { log_sigma: logSigma }, eps) => ({ mu: x - Math.exp(logSigma) * eps }),
  },
  ...bell("paths", {
    top: 1 + TALL,
    floor: 1,
    sigma: ({ sigma }) => sigma,
    spread: (sigma) => ({ log_sigma: Math.log(sigma) }),
    control: "log_sigma",
  }),
];

const render = (context) => renderLab(context, compute, { grips });

export default { render };
