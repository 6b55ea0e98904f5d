// The formulas under the stage, with their numbers: z = μ + σ ⊙ ε, and ELBO = reconstruction − KL as
// a bar. Every place for a number is as wide as the longest number needs.
import { h, text, write } from "../dom.js";
import { sign, symbol } from "./layout.js";
import { klPerDim, noiseOf, reconstruction } from "./posterior.js";

const ROUND = [1, 2, 5];
const UNUSUAL = 4; // an |ε| that N(0, 1) exceeds once in 16,000 draws

/** The next of 10, 20, 50, 100, … that is at least as large. */
export function roundUp(value) {
  const power = 10 ** Math.max(1, Math.floor(Math.log10(Math.max(value, 1))));
  const step = ROUND.find((s) => s * power >= value) ?? 10;
  return step * power;
}

/** A formula's number, short enough for its place. */
function short(value, digits) {
  if (!Number.isFinite(value)) return "…";
  return Math.abs(value) < 1e4 ? text(value, digits) : text(value, 0);
}

const place = (name) => h("span", { class: `vaelib-num vaelib-sym-${name}` }, "…");

/** z = μ + σ ⊙ ε: once in symbols, and in numbers for the dimensions of the plane. */
export function makeFormula(count) {
  const lines = Array.from({ length: count }, () => ({
    name: h("span", { class: "vaelib-sym-code" }),
    z: place("code"),
    mu: place("enc"),
    sigma: place("sig"),
    eps: place("eps"),
  }));
  const named = []; // the dimensions that the lines are named after
  const rows = lines.map(({ name, z, mu, sigma, eps }) =>
    h("p", { class: "vaelib-line" }, name, " ", z, " = ", mu, " + ", sigma, " × ", eps),
  );
  const formula = h(
    "p",
    { class: "vaelib-formula" },
    ...[sign("code", "z"), " = ", sign("enc", "μ"), " + ", sign("sig", "σ"), " ⊙ ", sign("eps", "ε")],
  );
  const element = h(
    "div",
    { class: "vaelib-terms", role: "group", "aria-label": "z = μ + σ ⊙ ε in numbers" },
    formula,
    h("div", { class: "vaelib-lines" }, ...rows),
  );
  return {
    element,
    /** `q` is null where there is no x. */
    show(z, axes, q) {
      const eps = q ? noiseOf(z, q) : null;
      lines.forEach((line, i) => {
        const d = axes[i];
        if (named[i] !== d) line.name.replaceChildren(...symbol(d), ":");
        named[i] = d;
        write(line.z, short(z[d], 2));
        write(line.mu, q ? short(q.mu[d], 2) : "…");
        write(line.sigma, q ? short(q.sigma[d], 3) : "…");
        write(line.eps, eps ? short(eps[d], 2) : "…");
      });
    },
  };
}

/**
 * The bar ends, at its right, where a perfect picture would. From the left it reaches as far as the
 * reconstruction term; of that, the KL is taken away again (hatched), and what is left is the ELBO.
 */
export function makeBound(likelihood) {
  const elbo = place("data");
  const recon = place("dec");
  const kl = place("gap");
  const formula = h(
    "p",
    { class: "vaelib-formula" },
    ...["ELBO ", elbo, " = ", sign("dec", "reconstruction"), " ", recon],
    ...[" − ", sign("gap", "KL"), " ", kl, " nats"],
  );
  const parts = ["elbo", "kl"].map((name) => h("div", { class: `vaelib-part vaelib-${name}` }));
  const tick = h("div", { class: "vaelib-tick" });
  const bar = h("div", { class: "vaelib-bar", role: "img", "aria-label": "No bar" }, ...parts, tick);
  const low = h("span");
  const high = h("span");
  const note = h("span");
  const axis = h("p", { class: "vaelib-axis" }, low, note, high);
  const element = h(
    "div",
    { class: "vaelib-terms vaelib-bound", role: "group", "aria-label": "ELBO = reconstruction − KL" },
    ...[formula, bar, axis],
  );
  let span = 10;

  function clear(why) {
    for (const each of [elbo, recon, kl]) write(each, "…");
    for (const each of [...parts, tick]) each.hidden = true;
    write(low, "");
    write(high, "");
    write(note, why);
    bar.setAttribute("aria-label", "No bar");
  }

  return {
    element,
    /** `x` are its values, `means` and `logits` what was decoded at z. */
    show(z, q, x, means, logits) {
      if (!q || !x) return clear("The ELBO is that of an x: choose one.");
      if (!likelihood) return clear("The page does not know this decoder's likelihood.");
      const { value, best } = reconstruction(likelihood, x, means, logits);
      const rate = klPerDim(q).reduce((a, b) => a + b, 0);
      if (!Number.isFinite(value - rate)) return clear("The terms are not finite here.");
      write(elbo, short(value - rate, 1));
      write(recon, short(value, 1));
      write(kl, short(rate, 1));
      const needed = roundUp(1.15 * (best - value + rate));
      if (needed > span || needed < span / 4) span = needed;
      const at = (nats) => `${(100 * (nats - best + span)) / span}%`;
      for (const each of [...parts, tick]) each.hidden = false;
      parts[0].style.width = at(value - rate);
      parts[1].style.left = at(value - rate);
      parts[1].style.width = `${(100 * rate) / span}%`;
      tick.style.left = at(value);
      const said = [value - rate, value, rate].map((nats) => short(nats, 1));
      bar.setAttribute("aria-label", `Bar: ELBO ${said[0]}, reconstruction ${said[1]}, KL ${said[2]} nats`);
      write(low, text(best - span, 0));
      write(high, `${text(best, 0)} if x̂ were x`);
      const far = noiseOf(z, q).some((e) => Math.abs(e) > UNUSUAL);
      write(note, far ? "this z is no plausible draw of q(z|x)" : "from one draw, the z shown");
      return undefined;
    },
  };
}
