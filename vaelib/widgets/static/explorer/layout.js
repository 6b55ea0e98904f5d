// The latent explorer's elements, made once for each view.
import { h, uniqueId } from "../dom.js";

// JupyterLab takes arrow and other keys from an output unless the element itself says this.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };

export const symbol = (dim) => ["z", h("sub", {}, String(dim + 1))];

export const makeButton = (label, options = {}) =>
  h("button", { type: "button", ...KEYS, ...options }, label);

/** A select with a label; `options` are pairs of value and text. */
export function makeSelect(label, options, chosen) {
  const id = uniqueId("select");
  const made = options.map(([value, name]) => h("option", { value }, name));
  const input = h("select", { id, ...KEYS }, ...made);
  input.addEventListener("change", () => chosen(input.value));
  return { input, element: h("div", { class: "vaelib-choose" }, h("label", { for: id }, label), input) };
}

/** A field for the number of an image; `chosen(index)` gets NaN for what is none. */
export function makeIndex(label, count, chosen) {
  const id = uniqueId("image");
  const input = h("input", { id, type: "number", min: 0, max: count - 1, step: 1, value: 0, ...KEYS });
  const read = () => (input.value === "" ? NaN : Number(input.value));
  input.addEventListener("change", () => chosen(read()));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") chosen(read()); // JupyterLab lets no "change" follow it
  });
  return { input, read, label: h("label", { for: id }, label) };
}

/** What one dimension tells of each factor, as Python measured it. */
export function makeTable({ names, values, count }, rows, noun) {
  const best = names.map((_, f) => Math.max(...values.map((row) => row[f])));
  const cell = (value, f) =>
    h("td", {}, value.toFixed(2), value === best[f] && value > 0 ? " ◀ most" : "");
  const line = ({ dim, active }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, ...symbol(dim), active ? "" : " · inactive"),
      ...values[dim].map(cell),
    );
  const title = `Which dimension tells which factor: |Spearman| over ${count} ${noun}s, 0 to 1`;
  const head = ["dimension", ...names].map((name) => h("th", { scope: "col" }, name));
  const table = h(
    "table",
    {},
    h("caption", {}, title),
    h("thead", {}, h("tr", {}, ...head)),
    h("tbody", {}, ...rows.map(line)),
  );
  return h("div", { class: "vaelib-table", tabindex: 0, role: "group", "aria-label": title, ...KEYS }, table);
}

/** Everything round the picture; rows, pad and views are put in by the view. */
export function build(spec, { encode, sampled }) {
  const button = makeButton;
  const parts = {
    picture: h("canvas", { role: "img", "aria-label": "Decoded picture" }),
    pictureCaption: h("figcaption"),
    source: h("canvas", { role: "img" }),
    reset: button("Reset (z = 0)"),
    random: button("Random draw from the prior"),
    undo: button("Undo", { "aria-disabled": "true", "aria-keyshortcuts": "Control+Z" }),
    copy: button("Copy z as code"),
    previous: button("‹", { "aria-label": `Previous ${spec.noun}` }),
    next: button("›", { "aria-label": `Next ${spec.noun}` }),
    encode: button("Encode"),
    again: button("Draw again", { hidden: true }),
    status: h(
      "p",
      { class: "vaelib-status", role: "status", "aria-live": "polite" },
      "Move a slider: drag it, or use the arrow keys.",
    ),
    error: h("p", { class: "vaelib-error", role: "alert", hidden: true }),
    notice: h("p", { class: "vaelib-notice", hidden: true }),
    code: h("input", {
      ...{ class: "vaelib-code", type: "text", readonly: true, hidden: true, ...KEYS },
      ...{ "aria-label": "z as code" },
    }),
    sourceCaption: h("figcaption"),
    sliders: h("div"),
    lower: h("div", { class: "vaelib-lower" }),
  };
  const pictures = [["mean", "mean x̂ = G(z)"], ["sample", "sample x ~ p(x|z)"]];
  parts.sampled = makeSelect("Picture", pictures, sampled);
  parts.sampled.element.hidden = !spec.likelihood;
  parts.index = makeIndex(`Start from ${spec.noun} (0 to ${spec.images - 1})`, spec.images, encode);
  const start = h(
    "div",
    { class: "vaelib-start" },
    parts.index.label,
    h("div", { class: "vaelib-stepper" }, parts.previous, parts.index.input, parts.next, parts.encode),
  );
  const order = spec.rows.some((row) => row.kl !== null) ? "; the largest KL comes first" : "";
  const picture = h(
    "div",
    { class: "vaelib-picture" },
    h("figure", {}, parts.picture, parts.pictureCaption),
    h("div", { class: "vaelib-buttons" }, parts.sampled.element, parts.again),
  );
  const controls = h(
    "div",
    { class: "vaelib-controls" },
    parts.notice,
    parts.sliders,
    h("p", { class: "vaelib-note" }, `z in standard deviations of the prior${order}`),
    h("div", { class: "vaelib-buttons" }, parts.reset, parts.random, parts.undo, parts.copy),
    parts.code,
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
    parts.lower,
  );
  return parts;
}
