// The latent explorer's elements, made once for each view.
import { h, text, uniqueId } from "./dom.js";

// JupyterLab takes arrow and other keys from an output unless the element itself says this.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

const symbol = (dim) => ["z", h("sub", {}, String(dim + 1))];

/** One slider with its label, KL and value. `moved(value)` is called while it is dragged. */
export function makeRow(row, moved) {
  const id = uniqueId("slider");
  const facts = [];
  if (row.kl !== null) facts.push(` · KL ${text(row.kl)} nats`);
  if (!row.active) facts.push(" · inactive");
  const value = h("span", { class: "vaelib-value", "aria-hidden": "true" });
  const low = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const high = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const input = h("input", { id, type: "range", step: "0.05", ...KEYS });
  input.addEventListener("input", () => moved(Number(input.value)));
  const element = h(
    "div",
    { class: row.active ? "vaelib-row" : "vaelib-row vaelib-inactive" },
    h("label", { for: id }, ...symbol(row.dim), ...facts),
    value,
    h("div", { class: "vaelib-track" }, low, input, high),
  );
  return {
    element,
    /** Put the slider where z is; its range reaches at least as far. */
    place(z, reach) {
      [input.min, input.max, input.value] = [-reach, reach, z];
      [low.textContent, high.textContent] = [text(-reach, 0), text(reach, 0)];
    },
    say(z) {
      value.textContent = text(z);
      input.setAttribute("aria-valuetext", text(z));
    },
  };
}

/** Everything on the page, made once. */
export function build(spec) {
  const button = (label, options = {}) =>
    h("button", { type: "button", ...KEYS, ...options }, label);
  const parts = {
    picture: h("canvas", { role: "img", "aria-label": "Decoded picture" }),
    source: h("canvas", { role: "img" }),
    reset: button("Reset (z = 0)"),
    random: button("Random draw from the prior"),
    previous: button("‹", { "aria-label": `Previous ${spec.noun}` }),
    next: button("›", { "aria-label": `Next ${spec.noun}` }),
    encode: button("Encode"),
    status: h(
      "p",
      { class: "vaelib-status", role: "status", "aria-live": "polite" },
      "Move a slider: drag it, or use the arrow keys.",
    ),
    error: h("p", { class: "vaelib-error", role: "alert", hidden: true }),
    rows: h("div", { class: spec.rows.length > 8 ? "vaelib-rows vaelib-many" : "vaelib-rows" }),
  };
  const id = uniqueId("image");
  parts.index = h("input", {
    ...{ id, type: "number", min: 0, max: spec.images - 1, step: 1, value: 0, ...KEYS },
  });
  parts.sourceCaption = h("figcaption");
  const start = h(
    "div",
    { class: "vaelib-start" },
    h("label", { for: id }, `Start from ${spec.noun} (0 to ${spec.images - 1})`),
    h("div", { class: "vaelib-stepper" }, parts.previous, parts.index, parts.next, parts.encode),
  );
  const picture = h(
    "figure",
    { class: "vaelib-picture" },
    parts.picture,
    h("figcaption", {}, "x̂ = G(z), the decoder's mean"),
  );
  const order = spec.rows.some((row) => row.kl !== null) ? "; the largest KL comes first" : "";
  const controls = h(
    "div",
    { class: "vaelib-controls" },
    parts.rows,
    h("p", { class: "vaelib-note" }, `z in standard deviations of the prior${order}`),
    h("div", { class: "vaelib-buttons" }, parts.reset, parts.random),
    h(
      "div",
      { class: "vaelib-image", hidden: spec.images === 0 },
      h("figure", { class: "vaelib-source" }, parts.source, parts.sourceCaption),
      start,
    ),
    parts.status,
    parts.error,
  );
  parts.root = h(
    "div",
    { class: "vaelib vaelib-explorer", role: "group", "aria-label": "Latent explorer" },
    h("div", { class: "vaelib-body" }, picture, controls),
  );
  return parts;
}
