// Gradient ascent of the ELBO in q's parameters, watched: a bell that climbs, and its trail.
import { h, perFrame } from "../dom.js";

export const RATE = 0.005; // as in lesson 4
const NAME = "Let the gradient do it";
const STEPS = 600;
const PER_FRAME = 3;
const STILL = 0.02; // a gradient this short is the top, as far as the eye can tell

/** One step of plain gradient ascent. */
export function climb(state, gradient) {
  const [mu, logSigma] = gradient(state);
  return {
    mu: Math.max(-4, Math.min(4, state.mu + RATE * mu)),
    log_sigma: Math.max(-3, Math.min(1, state.log_sigma + RATE * logSigma)),
  };
}

/** The button that lets the gradient move q; `picture(mu)` is where G puts μ in the plane. */
export function makeAscent({ state, set, panel, button, redraw }, gradient, picture) {
  const trails = {
    densities: panel("densities").layer("lab-trail lab-colour-enc"),
    plane: panel("plane").layer("lab-trail lab-colour-enc"),
  };
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let trail = [];
  let left = 0;
  const climbing = perFrame(step);
  const starter = button(NAME, () => (left ? stop() : start()));
  const name = h("span", {}, NAME);
  starter.replaceChildren(name);
  starter.dataset.widest = NAME;

  function start() {
    left = STEPS;
    trail = [[state.mu, state.log_sigma]];
    name.textContent = "Stop";
    climbing.request();
  }

  function stop() {
    left = 0;
    climbing.cancel();
    name.textContent = NAME;
  }

  function step() {
    const now = { ...state };
    for (let i = calm.matches ? STEPS : PER_FRAME; i > 0 && left > 0; i -= 1) {
      Object.assign(now, climb(now, gradient));
      trail.push([now.mu, now.log_sigma]);
      left = Math.hypot(...gradient(now)) < STILL ? 0 : left - 1;
    }
    set({ mu: now.mu, log_sigma: now.log_sigma });
    if (left) climbing.request();
    else stop();
  }

  return {
    button: starter,
    stop,
    /** Whether the gradient has moved q since the trail was cleared. */
    used: () => trail.length > 0,
    clear() {
      stop();
      trail = [];
      redraw();
    },
    update() {
      const some = trail.filter((_, i) => i % 8 === 0);
      const height = ([, logSigma]) => Math.exp(-logSigma) / Math.sqrt(2 * Math.PI);
      const tops = [some.map(([mu]) => mu), some.map(height)];
      const places = some.map(([mu]) => picture(mu));
      const inPlane = [places.map(([x]) => x[0]), places.map(([, y]) => y[0])];
      trails.densities.setAttribute("d", panel("densities").shape("points", tops));
      trails.plane.setAttribute("d", panel("plane").shape("points", inPlane));
    },
  };
}
