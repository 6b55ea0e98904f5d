// x ~ p(x|z) round the decoder's mean. The noise stays as it is until asked for again, so that the
// picture glides with z as the mean does.
import { text } from "../dom.js";

/** A draw from N(0, 1): Box and Muller. */
export function gaussian(random = Math.random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Numbers from 0 to 1 that a seed decides: mulberry32. */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The likelihood is {kind, sigma_x}, or null where only the mean is known. */
export function makeSampler({ likelihood, shape }) {
  const size = shape.reduce((a, b) => a * b, 1);
  const sample = new Float32Array(size);
  const noise = new Float32Array(size);
  let seed = 0;
  const one = {
    bernoulli: (mean, u) => (Number.isNaN(mean) ? NaN : Number(u < mean)),
    gaussian: (mean, e) => mean + likelihood.sigma_x * e,
  }[likelihood?.kind];
  const sampler = {
    seed: () => seed,
    /** Other noise, which the seed decides. */
    renew(wanted = Math.floor(Math.random() * 2 ** 32)) {
      seed = wanted;
      const random = uniform(seed);
      const draw = likelihood?.kind === "bernoulli" ? random : () => gaussian(random);
      for (let i = 0; i < size; i += 1) noise[i] = draw();
    },
    /** The picture to show, of the kind "mean" or "sample". */
    apply(means, kind) {
      if (kind !== "sample" || !one) return means;
      for (let i = 0; i < size; i += 1) sample[i] = one(means[i], noise[i]);
      return sample;
    },
    caption(kind) {
      if (kind !== "sample") return "x̂ = G(z)";
      if (likelihood?.kind === "bernoulli") return "x ~ p(x|z)";
      return `x ~ p(x|z), σₓ = ${text(likelihood?.sigma_x ?? NaN)}`;
    },
  };
  sampler.renew();
  return sampler;
}
