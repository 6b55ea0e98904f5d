// Has the model seen anything like this z? Far from all codes of the data, or far from the prior's
// mean, the decoder extrapolates.
import { text } from "../dom.js";

const SAMPLE = 150; // codes whose nearest neighbours tell what is usual
const SIGMAS = 3;

/** The distance to the nearest of the codes, over the dimensions given; `but` is left out. */
function nearest(z, points, count, dims, axes, but = -1) {
  let least = Infinity;
  for (let i = 0; i < count; i += 1) {
    if (i === but) continue;
    let sum = 0;
    for (const d of axes) sum += (z[d] - points[i * dims + d]) ** 2;
    if (sum < least) least = sum;
  }
  return Math.sqrt(least);
}

/** A function z -> a sentence, or "" where z is like what the model has seen. */
export function makeSeen({ rows, noun }, dots, points) {
  const dims = rows.length;
  const axes = rows.filter((row) => row.active).map((row) => row.dim);
  const { count = 0 } = dots;
  let usual = Infinity;
  if (count > 20 && axes.length) {
    const step = Math.max(1, Math.floor(count / SAMPLE));
    const found = [];
    for (let i = 0; i < count; i += step) {
      const code = points.subarray(i * dims, (i + 1) * dims);
      found.push(nearest(code, points, count, dims, axes, i));
    }
    found.sort((a, b) => a - b);
    usual = 1.5 * found[Math.floor(0.99 * (found.length - 1))];
  }
  return (z) => {
    const out = rows.find(({ dim }) => Math.abs(z[dim]) > SIGMAS);
    if (out) {
      return `Beyond ${SIGMAS}σ: z${out.dim + 1} = ${text(z[out.dim], 1)}. The prior hardly ever goes there, so the decoder extrapolates.`;
    }
    if (usual === Infinity) return "";
    if (!(nearest(z, points, count, dims, axes) > usual)) return "";
    return `None of the ${count} ${noun}s shown has a code near this z: the decoder extrapolates.`;
  };
}
