// What can be grabbed in a lab's plots: a bell by its top or its shoulder, a point, samples. A grip
// stands over the drawing, so that a finger elsewhere scrolls the page; arrow keys move it too.
import { h } from "../dom.js";

// JupyterLab takes arrow and other keys from an output unless the element itself says this.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };
const ARROWS = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowDown: ["y", -1], ArrowUp: ["y", 1] };
const SHOULDER = Math.exp(-0.5);

/**
 * The two grips of a bell q = N(μ, σ²): its top is μ, one standard deviation beside it is σ.
 * `sigma(numbers)` is the width now, `spread(sigma)` the state that has another, `control` its
 * slider's name; `top` and `floor` are heights where the bell is not drawn as a density.
 */
export function bell(panel, { top, floor = 0, sigma, spread, control }) {
  const height = (numbers) => top ?? 1 / (sigma(numbers) * Math.sqrt(2 * Math.PI));
  return [
    {
      ...{ panel, name: "the top of q, its mean μ", colour: "enc", keys: { x: "mu", y: control } },
      at: ({ numbers }) => [numbers.mu, height(numbers)],
      move: (x) => ({ mu: x }),
    },
    {
      ...{ panel, name: "the shoulder of q, its width σ", colour: "sig", keys: { x: control } },
      at({ numbers }) {
        return [numbers.mu + sigma(numbers), floor + (height(numbers) - floor) * SHOULDER];
      },
      beside: ({ numbers }) => numbers.mu,
      move: (x, _, { mu }) => spread(Math.max(1e-3, x - mu)),
    },
  ];
}

/**
 * A grip over its panel. `move(values)` takes the new values of controls, `nudge(name, direction)`
 * one step of one.
 */
export function makeGrip(grip, panel, { state, move, nudge }) {
  const kind = `lab-grip lab-colour-${grip.colour ?? "ink"}${
    grip.strip ? " lab-strip" : ""
  }${grip.quiet ? " lab-quiet" : ""}`;
  const element = h("div", {
    ...{ class: kind, tabindex: "0", role: "application", "aria-roledescription": "handle" },
    ...{ "aria-label": `${grip.name}: drag it, or use the arrow keys`, ...KEYS },
  });
  let scene = null;
  let held = null;

  /** The pointer in the frame's own pixels, also where the page is drawn larger or smaller. */
  function pointer(event) {
    const { left, top, width } = panel.frame.getBoundingClientRect();
    const zoom = width / panel.frame.offsetWidth;
    return [(event.clientX - left) / zoom, (event.clientY - top) / zoom];
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // no text is selected
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    const at = pointer(event);
    const own = grip.strip ? at : panel.toPage(grip.at(scene));
    held = { off: [at[0] - own[0], at[1] - own[1]] };
    held.what = grip.grab?.(...panel.toData(at), scene);
    element.classList.add("lab-held");
  });
  element.addEventListener("pointermove", (event) => {
    if (!held) return;
    const at = pointer(event).map((pixel, i) => pixel - held.off[i]);
    const values = grip.move(...panel.toData(at), state, held.what);
    const round = ([name, value]) => [name, Math.round(value * 100) / 100];
    move(Object.fromEntries(Object.entries(values).map(round)));
  });
  const release = () => {
    held = null;
    element.classList.remove("lab-held");
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("keydown", (event) => {
    const [axis, direction] = ARROWS[event.key] ?? [];
    const name = grip.keys[axis];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    nudge(name, direction);
  });
  panel.frame.append(element);
  return {
    update(now) {
      scene = now;
      const [x, y] = panel.toPage(grip.at(scene));
      const inside = (value, most) => Math.max(0, Math.min(most, value));
      const { clientWidth: width, clientHeight: height } = panel.frame;
      // Next to the top of a narrow bell, not on it: a finger must find both.
      const least = grip.beside ? panel.toPage([grip.beside(scene), 0])[0] + 0.65 * element.offsetWidth : x;
      const left = grip.strip ? 0 : inside(Math.max(x, least), width || x);
      element.style.transform = `translate(${left}px, ${inside(y, height || y)}px)`;
    },
  };
}
