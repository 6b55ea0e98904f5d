// The Jensen lab's computation: the twin of `labs/jensen.py`.
import { renderLab } from "./lab.js";
import { reach } from "./maths.js";

const CURVES = {
  "-log": { f: (x) => -Math.log(x), second: (x) => 1 / x ** 2, name: "−log x", axis: [-1.6, 2.6] },
  square: { f: (x) => x ** 2, second: () => 2, name: "x²", axis: [0, 18] },
  line: { f: (x) => x, second: () => 0, name: "x", axis: [0, 4.5] },
};
const MOST = 100;
const K = Float64Array.from({ length: MOST }, (_, i) => i + 1);
const X = Float64Array.from({ length: 83 }, (_, i) => (i + 2) / 20);
const LOG_FACTORIAL = [0];
for (let k = 1; k <= MOST; k += 1) LOG_FACTORIAL[k] = LOG_FACTORIAL[k - 1] + Math.log(k);

/** The values that a mean of k draws of x can take, and their probabilities. */
function means(x1, x2, weight, k) {
  const power = (count, p) => (count === 0 ? 0 : count * Math.log(p));
  const at = [];
  const probability = [];
  for (let j = 0; j <= k; j += 1) {
    const ways = LOG_FACTORIAL[k] - LOG_FACTORIAL[j] - LOG_FACTORIAL[k - j];
    at.push(((k - j) * x1 + j * x2) / k);
    probability.push(Math.exp(ways + power(j, weight) + power(k - j, 1 - weight)));
  }
  return [at, probability];
}

export function compute({ f, x1, x2, weight, n_samples: k }) {
  const curve = CURVES[f];
  const mean = (1 - weight) * x1 + weight * x2;
  const fMean = curve.f(mean);
  const bias = K.map((count) => {
    const [at, probability] = means(x1, x2, weight, count);
    return at.reduce((total, x, j) => total + probability[j] * (curve.f(x) - fMean), 0);
  });
  const variance = weight * (1 - weight) * (x2 - x1) ** 2;
  const predicted = K.map((count) => (curve.second(mean) * variance) / (2 * count));
  const [at, probability] = means(x1, x2, weight, k);
  const likely = at.filter((_, j) => probability[j] > 1e-3);
  const shares = probability.filter((value) => value > 1e-3);
  const values = likely.map(curve.f);
  const here = bias[k - 1];
  const numbers = { f: curve.name, k, mean, f_mean: fMean, mean_f: fMean + bias[0], gap: bias[0] };
  return {
    series: {
      curve: [X, X.map(curve.f)],
      chord: [[x1, x2], [curve.f(x1), curve.f(x2)]],
      means: [likely, values],
      gap: [[mean, mean], [fMean, fMean + here]],
      mean: [[mean], [fMean + here]],
      stems: [
        values.flatMap((value) => [value, value, NaN]),
        shares.flatMap((share) => [0, share, share]),
      ],
      tips: [values, shares],
      f_mean: [[fMean, fMean], [0, 1]],
      mean_f: [[fMean + here, fMean + here], [0, 1]],
      bias: [K, bias],
      predicted: [K, predicted],
      here: [[k], [here]],
    },
    numbers: {
      ...{ ...numbers, bias: here, predicted: predicted[k - 1] },
      note: bias[0] < 1e-9 ? "no gap: 0 at every K" : "",
    },
    limits: {
      curve: [0, 4.25, ...curve.axis],
      distribution: [...curve.axis, 0, reach(Math.max(...shares))],
      bias: [1, MOST, 0, reach(Math.max(bias[0], predicted[0]), 0.01)],
    },
  };
}

/** One end of the chord, grabbed on the curve. */
const end = (i, control, name) => ({
  ...{ panel: "curve", name, keys: { x: control } },
  at: ({ series: { chord } }) => [chord[0][i], chord[1][i]],
  move: (x) => ({ [control]: x }),
});
const grips = [
  end(0, "x1", "x₁ on the curve"),
  end(1, "x2", "x₂ on the curve"),
  {
    ...{ panel: "curve", name: "the mean on the chord", colour: "gap", keys: { x: "weight" } },
    at: ({ numbers: { mean, mean_f: meanF } }) => [mean, meanF],
    move: (x, _, { x1, x2 }) => (x1 === x2 ? {} : { weight: (x - x1) / (x2 - x1) }),
  },
  {
    ...{ panel: "bias", name: "K on its curve", colour: "gap", keys: { x: "n_samples" } },
    at: ({ series: { here } }) => [here[0][0], here[1][0]],
    move: (x) => ({ n_samples: x }),
  },
];

const render = (context) => renderLab(context, compute, { grips });

export default { render };
