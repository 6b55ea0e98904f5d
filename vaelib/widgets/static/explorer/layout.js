// The stage's elements, made once for each view.
import { h, uniqueId } from "../dom.js";

// JupyterLab takes arrow and other keys from an output unless the element itself says this.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };

export const symbol = (dim) => ["z", h("sub", {}, String(dim + 1))];

/** A symbol of the formulas in its own colour, which its name chooses: enc, sig, eps, code, dec, gap. */
export const sign = (name, ...what) => h("b", { class: `vaelib-sym-${name}` }, ...what);

export const makeButton = (label, options = {}) =>
  h("button", { type: "button", ...KEYS, ...options }, ...[label].flat());

/** A select with a label; `options` are pairs of value and text. */
export function makeSelect(label, options, chosen) {
  const id = uniqueId("select");
  const made = options.map(([value, name]) => h("option", { value }, name));
  const input = h("select", { id, ...KEYS }, ...made);
  input.addEventListener("change", () => chosen(input.value));
  return { input, element: h("div", { class: "vaelib-choose" }, h("label", { for: id }, label), input) };
}

/** A checkbox with its label after it. */
export function makeCheck(label, chosen, options = {}) {
  const input = h("input", { type: "checkbox", ...KEYS, ...options });
  input.addEventListener("change", () => chosen(input.checked));
  return { input, element: h("label", { class: "vaelib-check" }, input, label) };
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

/** A network: a shape that narrows to z (the encoder) or widens from it (the decoder). */
function network(name, title, density, flow) {
  const points = name === "encoder" ? "2,4 98,32 98,68 2,96" : "2,32 98,4 98,96 2,68";
  const shape = h(
    "svg:svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    h("svg:polygon", { points }),
  );
  const words = h(
    "p",
    {},
    h("span", { class: "vaelib-word" }, title),
    h("span", {}, ...density),
    h("span", { class: "vaelib-flow" }, ...flow),
  );
  return h("div", { class: `vaelib-net vaelib-${name}` }, shape, words);
}

/** The stage's columns; the plane and the sliders are put in by the view. */
function columns(spec, parts) {
  const source = h("figure", { class: "vaelib-source" }, parts.sourceCaption, parts.source);
  const stepper = h(
    "div",
    { class: "vaelib-under vaelib-stepper" },
    ...[parts.index.label, parts.previous, parts.index.input, parts.next, parts.encode],
  );
  if (!spec.images) stepper.classList.add("vaelib-off");
  const drawing = spec.draw ? [h("div", { class: "vaelib-drawbar" }, parts.draw, parts.clear)] : [];
  const under = h("div", { class: "vaelib-under" }, parts.sampled.element, parts.again);
  return {
    x: h("div", { class: "vaelib-x" }, source, ...drawing, stepper),
    encoder: network(
      ...["encoder", "encoder", [sign("enc", "q", h("sub", {}, "φ"), "(z|x)")]],
      ["x → ", sign("enc", "μ"), ", ", sign("sig", "σ")],
    ),
    decoder: network(
      ...["decoder", "decoder", [sign("dec", "p", h("sub", {}, "θ"), "(x|z)")]],
      [sign("code", "z"), " → ", sign("dec", "x̂")],
    ),
    picture: h(
      "div",
      { class: "vaelib-picture" },
      h("figure", {}, parts.pictureCaption, parts.picture),
      under,
    ),
  };
}

/** Everything but the sliders, the plane, the formulas and what is in the details. */
export function build(spec, { encode, sampled }) {
  const button = makeButton;
  const parts = {
    picture: h("canvas", { role: "img", "aria-label": "Decoded picture" }),
    pictureCaption: h("figcaption"),
    source: h("canvas", { role: "img" }),
    sourceCaption: h("figcaption"),
    reset: button("Reset (z = 0)"),
    random: button("Random draw from the prior"),
    resample: button(["Resample ", sign("eps", "ε")], { class: "vaelib-resample", "aria-label": "Resample ε" }),
    undo: button("Undo", { "aria-disabled": "true", "aria-keyshortcuts": "Control+Z" }),
    copy: button("Copy z as code"),
    link: button("Copy link"),
    savePicture: button("Save picture (PNG)"),
    saveAnimation: button("Save animation (GIF)"),
    saveStrip: button("Save strip (PNG)"),
    previous: button("‹", { "aria-label": `Previous ${spec.noun}` }),
    next: button("›", { "aria-label": `Next ${spec.noun}` }),
    encode: button("Encode"),
    draw: button("Draw it yourself", { "aria-pressed": "false" }),
    clear: button("Clear", { class: "vaelib-off" }),
    again: button("↻", { "aria-label": "Draw again", hidden: true }),
    // What is seen at once, and what a screen reader says when a move is over.
    tell: h("p", { class: "vaelib-tell", "aria-hidden": "true" }, "Drag the green ring, or move a slider."),
    status: h("p", { class: "vaelib-status vaelib-heard", role: "status", "aria-live": "polite" }),
    error: h("p", { class: "vaelib-error", role: "alert", hidden: true }),
    notice: h("p", { class: "vaelib-notice", hidden: true }),
    seen: h("p", { class: "vaelib-seen", "aria-live": "polite" }),
    code: h("input", {
      ...{ class: "vaelib-code", type: "text", readonly: true, ...KEYS },
      ...{ "aria-label": "z as code" },
    }),
    sliders: h("div", { class: "vaelib-sliders", role: "group", "aria-label": "Sliders" }),
    plane: h("div", { class: "vaelib-planebox" }),
    terms: h("div", { class: "vaelib-allterms" }),
    ask: h("div", { class: "vaelib-asks" }),
    stories: h("div", { class: "vaelib-buttons vaelib-stories", role: "group", "aria-label": "Stories" }),
    facts: h("div", { class: "vaelib-facts" }),
  };
  const pictures = [["mean", "mean x̂"], ["sample", "sample x"]];
  parts.sampled = makeSelect("Picture", pictures, sampled);
  if (!spec.likelihood) parts.sampled.element.classList.add("vaelib-off");
  parts.index = makeIndex(`Start from ${spec.noun} (0 to ${spec.images - 1})`, spec.images, encode);
  parts.index.label.className = "vaelib-heard";
  Object.assign(parts, { columns: columns(spec, parts) });
  return parts;
}

/** The regions in reading order: what `hide` in the address can leave out, by name. */
export function arrangeAll(parts, details) {
  const { x, encoder, decoder, picture } = parts.columns;
  const stage = h(
    "div",
    { class: "vaelib-stage" },
    ...[x, encoder, parts.sliders, parts.plane, decoder, picture, parts.terms],
  );
  const says = h("div", { class: "vaelib-told" }, parts.tell, parts.seen, parts.ask, parts.error);
  const buttons = h(
    "div",
    { class: "vaelib-buttons vaelib-actions" },
    ...[parts.random, parts.reset, parts.undo, parts.link],
    ...[parts.savePicture, parts.saveAnimation, parts.saveStrip],
  );
  const root = h(
    "div",
    { class: "vaelib vaelib-explorer", role: "group", "aria-label": "Latent explorer" },
    h("div", { class: "vaelib-all" }, stage, parts.status, says, buttons, parts.stories, parts.notice, details),
  );
  const regions = {
    ...{ x, encoder, decoder, picture, sliders: parts.sliders, plane: parts.plane },
    ...{ terms: parts.terms, says, buttons, stories: parts.stories, details },
  };
  return { root, regions };
}
