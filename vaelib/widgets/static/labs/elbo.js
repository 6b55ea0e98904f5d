// The ELBO lab's computation: the twin of `labs/elbo.py` and of `vaelib.exact.Arc` behind it.
import { renderLab } from "./lab.js";
import { LOG_2PI, largest, linspace, logNormal, reach, sum } from "./maths.js";

const SIGMA_X = 0.2;
const STEP = 0.005;
const BELOW = 12;
const Z = linspace(-12, 12, 4801);
const SIN = Z.map(Math.sin);
const COS = Z.map(Math.cos);
const LOG_PRIOR = Z.map((z) => logNormal(z, 0, 1));
const EPS = linspace(-12, 12, 481);
const LOG_EPS = EPS.map((eps) => logNormal(eps, 0, 1));
const NORMALISER = 2 * Math.log(SIGMA_X) + LOG_2PI;
const shown = (values) => Float64Array.from({ length: 361 }, (_, i) => values[1500 + 5 * i]);
const SHOWN_Z = shown(Z);
const SHOWN_PRIOR = shown(LOG_PRIOR.map(Math.exp));

const arc = (z) => [z.map(Math.sin), z.map(Math.cos)];

export function compute({ x1, x2, mu, log_sigma: logSigma }) {
  const sigma = Math.exp(logSigma);
  const logLikelihood = (sin, cos) =>
    (-0.5 * ((x1 - sin) ** 2 + (x2 - cos) ** 2)) / SIGMA_X ** 2 - NORMALISER;

  const logJoint = Z.map((_, i) => logLikelihood(SIN[i], COS[i]) + LOG_PRIOR[i]);
  const most = largest(logJoint);
  const logPx = most + Math.log(sum(logJoint.map((value) => Math.exp(value - most))) * STEP);
  const posterior = shown(logJoint).map((value) => Math.exp(value - logPx));

  // E sin z = exp(−σ²/2) sin μ, likewise for cos: the ELBO has a closed form; the gap is integrated.
  const shrink = Math.exp(-0.5 * sigma ** 2);
  const inner = shrink * (x1 * Math.sin(mu) + x2 * Math.cos(mu));
  const error = x1 ** 2 + x2 ** 2 + 1 - 2 * inner;
  const reconstruction = (-0.5 * error) / SIGMA_X ** 2 - NORMALISER;
  const kl = 0.5 * (mu ** 2 + Math.expm1(2 * logSigma) - 2 * logSigma);
  const elbo = reconstruction - kl;
  const ratios = EPS.map((eps, i) => {
    const z = mu + sigma * eps;
    const joint = logLikelihood(Math.sin(z), Math.cos(z)) + logNormal(z, 0, 1);
    return Math.exp(LOG_EPS[i]) * (LOG_EPS[i] - logSigma - joint + logPx);
  });
  const gap = sum(ratios) * 0.05;

  const q = SHOWN_Z.map((z) => Math.exp(logNormal(z, mu, sigma)));
  const floor = logPx - BELOW;
  const top = Math.max(elbo, floor);
  const bar = [0.25, 0.75];
  return {
    series: {
      posterior: [SHOWN_Z, posterior],
      q: [SHOWN_Z, q],
      prior: [SHOWN_Z, SHOWN_PRIOR],
      arc: arc(linspace(-Math.PI, Math.PI, 121)),
      stretch: arc(linspace(mu - 2 * sigma, mu + 2 * sigma, 121)),
      centre: arc([mu]),
      x: [[x1], [x2]],
      elbo: [bar, [top, top], [floor, floor]],
      gap: [bar, [logPx, logPx], [top, top]],
      log_px: [[0, 1], [logPx, logPx]],
    },
    numbers: {
      ...{ log_px: logPx, elbo, gap, kl, reconstruction, mu, sigma, x1, x2 },
      place: elbo < floor ? "below the axis" : "",
    },
    limits: {
      densities: [-4.5, 4.5, 0, reach(Math.max(largest(posterior), largest(q)), 1)],
      bar: [0, 1, floor, logPx + 1],
    },
  };
}

const render = (context) => renderLab(context, compute);

export default { render };
