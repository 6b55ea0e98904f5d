// The two handles of q's ellipse on the plane: μ moves its centre, σ its size.
import { h, text } from "../dom.js";
import { KEYS, sign } from "./layout.js";

const MU_STEP = 0.05;
const GROW = 1.1;
const SMALLEST = 0.001;
const WAYS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1] };

/**
 * `at(event)` is the place on the plane, [x, y] in z's units; `axes()` and `q()` are what is so now;
 * `changed(q)` gets the ellipse as it was moved.
 */
export function makeHandles({ at, axes, q, changed, drop }) {
  const make = (name, symbol, label) =>
    h(
      "div",
      {
        ...{ class: `vaelib-handle vaelib-handle-${name}`, role: "slider", tabindex: 0, hidden: true },
        ...{ "aria-label": label, ...KEYS },
      },
      sign(name, symbol),
    );
  const mean = make("enc", "μ", "Mean μ of q: arrow keys move the ellipse");
  const size = make("sig", "σ", "Standard deviation σ of q: arrow keys make the ellipse wider or higher");

  const moved = (which, value) => {
    const { mu, sigma } = q();
    const next = { mu: [...mu], sigma: [...sigma] };
    axes().forEach((d, i) => (next[which][d] = value(next[which][d], i)));
    next.sigma = next.sigma.map((s) => Math.max(SMALLEST, s));
    changed(next);
  };

  /** Dragging: `start(place)` gives what is to be done at each later place. */
  function drags(element, start) {
    let go = null;
    element.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      element.focus({ preventScroll: true });
      go = start(at(event));
    });
    element.addEventListener("pointermove", (event) => {
      if (go && element.hasPointerCapture(event.pointerId)) go(at(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, () => {
        if (go) drop();
        go = null;
      });
    }
  }
  drags(mean, (from) => {
    const { mu } = q();
    return (to) => moved("mu", (_, i) => mu[axes()[i]] + to[i] - from[i]);
  });
  drags(size, (from) => {
    const { mu, sigma } = q();
    const away = (place) => Math.hypot(...axes().map((d, i) => place[i] - mu[d])) || SMALLEST;
    const start = away(from);
    return (to) => moved("sigma", (_, i) => (sigma[axes()[i]] * away(to)) / start);
  });
  function keys(element, which, step) {
    element.addEventListener("keydown", (event) => {
      const way = WAYS[event.key];
      if (!way || way[0] >= axes().length || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      moved(which, (value, i) => (i === way[0] ? step(value, way[1], event.shiftKey ? 10 : 1) : value));
      drop();
    });
  }
  keys(mean, "mu", (value, way, big) => value + way * big * MU_STEP);
  keys(size, "sigma", (value, way, big) => value * GROW ** (way * big));

  return {
    elements: [mean, size],
    /** Where the ellipse is, in per cent of the plane: its centre and its half axes at 2σ. */
    place(found, [cx, cy], [rx, ry]) {
      for (const element of [mean, size]) element.hidden = !found;
      if (!found) return;
      const inside = (value) => Math.min(96, Math.max(4, value));
      mean.style.left = `${inside(cx - 0.7 * rx)}%`;
      mean.style.top = `${inside(cy - 0.7 * ry)}%`;
      size.style.left = `${inside(cx + 0.7 * rx)}%`;
      size.style.top = `${inside(cy + 0.7 * ry)}%`;
      for (const [element, which] of [[mean, "mu"], [size, "sigma"]]) {
        const values = axes().map((d) => `z${d + 1} ${text(found[which][d], which === "mu" ? 2 : 3)}`);
        element.setAttribute("aria-valuetext", values.join(", "));
        element.setAttribute("aria-valuenow", found[which][axes()[0]].toFixed(3));
        element.setAttribute("aria-valuemin", which === "mu" ? -10 : 0);
        element.setAttribute("aria-valuemax", 10);
      }
    },
  };
}
