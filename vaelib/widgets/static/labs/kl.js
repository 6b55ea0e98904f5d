// The KL lab's computation: the twin of `labs/kl.py`.
import { bell } from "./grips.js";
import { renderLab } from "./lab.js";
import { largest, logAddExp, logNormal, reach, sum } from "./maths.js";

const DENSITIES = {
  normal: [[1, 0, 1]],
  bumps: [
    [0.6, -2, 0.6],
    [0.4, 2, 0.6],
  ],
};
const Z = Float64Array.from({ length: 1201 }, (_, i) => (i - 600) / 20);
const UNSEEN = 5e-4;
const shown = (values) => values.subarray(480, 721);

export function compute({ mu, sigma, p }) {
  const logQ = Z.map((z) => logNormal(z, mu, sigma));
  const logP = Z.map((z) =>
    DENSITIES[p].map(([w, m, s]) => Math.log(w) + logNormal(z, m, s)).reduce(logAddExp),
  );
  const q = logQ.map(Math.exp);
  const density = logP.map(Math.exp);
  const series = { q: [shown(Z), shown(q)], p: [shown(Z), shown(density)] };
  const limits = { densities: [-6, 6, 0, reach(Math.max(largest(q), largest(density)), 0.5)] };
  const numbers = { mu, sigma };

  function signed(key, weight, logWeight, logOther) {
    const integrand = weight.map((w, i) => w * (logWeight[i] - logOther[i]));
    const above = integrand.map((value) => Math.max(value, 0));
    const below = integrand.map((value) => Math.min(value, 0));
    series[`above_${key}`] = [shown(Z), shown(above)];
    series[`below_${key}`] = [shown(Z), shown(below)];
    numbers[`above_${key}`] = sum(above) / 20;
    numbers[`below_${key}`] = -sum(below) / 20;
    numbers[`kl_${key}`] = sum(integrand) / 20;
    const unseen = largest(shown(integrand).map(Math.abs)) < UNSEEN;
    numbers[`note_${key}`] = unseen ? "q = p: 0 everywhere" : "";
    const deepest = largest(shown(below).map((value) => -value));
    limits[key] = [-6, 6, -reach(deepest), reach(largest(shown(above)))];
  }
  signed("qp", q, logQ, logP);
  signed("pq", density, logP, logQ);
  return { series, numbers, limits };
}

const grips = bell("densities", {
  sigma: ({ sigma }) => sigma,
  spread: (sigma) => ({ sigma }),
  control: "sigma",
});

const render = (context) => renderLab(context, compute, { grips });

export default { render };
