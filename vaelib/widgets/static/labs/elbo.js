// The ELBO lab's computation: the twin of `labs/elbo.py` and of `vaelib.exact.Arc` behind it.
import { makeAscent } from "./ascent.js";
import { makeChallenge } from "./challenge.js";
import { bell } from "./grips.js";
import { renderLab } from "./lab.js";
import { LOG_2PI, largest, linspace, logNormal, sum } from "./maths.js";

const SIGMA_X = 0.2;
const STEP = 0.005;
const LEFT = -200;
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

/** Where a value stands on the bar's axis, given its distance from log p(x) in nats. */
const place = (nats) => Math.sign(nats) * Math.log1p(2 * Math.abs(nats));

const halfUp = (value) => Math.max(1, Math.ceil(2 * value - 1e-6) / 2);
const arc = (z) => [z.map(Math.sin), z.map(Math.cos)];

/** The gradient of the ELBO in (μ, log σ), in closed form. */
export function gradient({ x1, x2, mu, log_sigma: logSigma }) {
  const variance = Math.exp(2 * logSigma);
  const shrink = Math.exp(-0.5 * variance) / SIGMA_X ** 2;
  const along = shrink * (x1 * Math.sin(mu) + x2 * Math.cos(mu));
  const across = shrink * (x1 * Math.cos(mu) - x2 * Math.sin(mu));
  return [across - mu, -variance * along - (variance - 1)];
}

/** The bar's three parts, one under the other, from nats below or above log p(x). */
function bar(reconstruction, elbo) {
  const high = place(reconstruction);
  const low = place(elbo);
  const part = (left, right, row) => [
    [left, right],
    [row + 0.62, row + 0.62],
    [row + 0.08, row + 0.08],
  ];
  return {
    reconstruction: part(place(LEFT), high, 2),
    kl: part(low, high, 1),
    gap: part(low, 0, 0),
    links: [
      [high, high, NaN],
      [2.62, 1.08, NaN],
    ],
    elbo: [
      [low, low],
      [1.62, 0.08],
    ],
    log_px: [
      [0, 0],
      [0, 3],
    ],
  };
}

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
  return {
    series: {
      posterior: [SHOWN_Z, posterior],
      q: [SHOWN_Z, q],
      prior: [SHOWN_Z, SHOWN_PRIOR],
      arc: arc(linspace(-Math.PI, Math.PI, 121)),
      stretch: arc(linspace(mu - 2 * sigma, mu + 2 * sigma, 121)),
      centre: arc([mu]),
      x: [[x1], [x2]],
      ...bar(reconstruction - logPx, elbo - logPx),
    },
    numbers: {
      ...{ log_px: logPx, elbo, gap, kl, reconstruction, mu, sigma, x1, x2 },
    },
    limits: { densities: [-4.5, 4.5, 0, halfUp(Math.max(largest(posterior), largest(q)))] },
  };
}

const grips = [
  {
    ...{ panel: "plane", name: "G(μ) on the arc", colour: "enc", keys: { x: "mu" }, quiet: true },
    at: ({ numbers: { mu } }) => arc([mu]).map(([at]) => at),
    // Of the many z at one place of the arc, the one nearest to where μ is.
    move(x, y, { mu }) {
      const turn = Math.atan2(x, y) - mu;
      return { mu: mu + turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI)) };
    },
  },
  {
    ...{ panel: "plane", name: "x in the plane", keys: { x: "x1", y: "x2" } },
    at: ({ numbers: { x1, x2 } }) => [x1, x2],
    move: (x, y) => onCircle(x, y),
  },
  ...bell("densities", {
    sigma: ({ sigma }) => sigma,
    spread: (sigma) => ({ log_sigma: Math.log(sigma) }),
    control: "log_sigma",
  }),
];

/** x where the pointer is, or on the circle where the pointer is close to it. */
function onCircle(x, y) {
  const radius = Math.hypot(x, y);
  const close = Math.abs(radius - 1) < 0.06 ? radius : 1;
  return { x1: x / close, x2: y / close };
}

/** The ascent and the challenge of this lab, as one extension of the frame. */
function extend(lab) {
  const ascent = makeAscent(lab, gradient, (mu) => arc([mu]));
  const challenge = makeChallenge(lab, gradient, ascent);
  return {
    buttons: [ascent.button, challenge.button],
    elements: [challenge.element],
    update(scene) {
      ascent.update(scene);
      challenge.update(scene);
    },
    moved() {
      ascent.stop();
      challenge.moved();
    },
    reset() {
      ascent.clear();
      challenge.leave();
    },
    aloud: challenge.aloud,
    cleanup: ascent.stop,
  };
}

const render = (context) => renderLab(context, compute, { grips, extend });

export default { render };
