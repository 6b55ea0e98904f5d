// The explorer in a page without a kernel: what Python does in a notebook is done here, for the
// images that were exported.
import { render } from "./explorer.js";
import { LocalModel } from "../local_model.js";

function fromBase64(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new DataView(bytes.buffer);
}

/**
 * Draw the explorer into `el`; `saved` is the exported state. Returns what removes it again. A page
 * that is to be there sooner may leave `encoder_weights` out of the state, and hand them over later as
 * the detail of an event "vaelib-encoder" at `el`.
 */
export function show(saved, el) {
  const { weights, encoder_weights: encoderWeights, sources, means, sigmas, dots, ...state } = saved;
  const pictures = fromBase64(sources).buffer;
  const size = saved.spec.shape.reduce((a, b) => a * b, 1);
  const source = (indices) => {
    const parts = indices.map((index) => new Uint8Array(pictures, index * size, size));
    const all = new Uint8Array(size * parts.length);
    parts.forEach((part, i) => all.set(part, i * size));
    return new DataView(all.buffer);
  };
  const known = (index) => [...means[index], ...sigmas[index]].every(Number.isFinite);

  /** What Python does in a notebook when images are chosen: here their posteriors were saved. */
  const encoding = (index) => {
    if (index === null || !known(index)) return {};
    return { index, mu: means[index], sigma: sigmas[index], source: source([index]) };
  };
  const two = (pair) => {
    if (pair === null || !pair.every(known)) return {};
    return { indices: pair, mu: pair.map((index) => means[index]), source: source(pair) };
  };
  const colour = (each) => ({ ...each, group: fromBase64(each.group) });
  const model = new LocalModel({
    ...{ ...state, error: "", weights: fromBase64(weights) },
    encoder_weights: fromBase64(encoderWeights ?? ""),
    dots: dots.count
      ? { ...dots, means: fromBase64(dots.means), colourings: dots.colourings.map(colour) }
      : {},
    encoding: encoding(state.image_index),
    between_encoding: two(state.between),
  });
  const refuse = (pair) => {
    const bad = pair.find((index) => !known(index));
    const what = `the encoder gives NaN or infinity for ${saved.spec.noun} ${bad}`;
    model.set("error", bad === undefined ? "" : what);
  };
  model.on("change:image_index", () => {
    const index = model.get("image_index");
    if (index !== null) refuse([index]);
    if (index !== null && !known(index)) return;
    model.set("encoding", encoding(index));
    if (index === null) return;
    const z = model.get("z");
    const locked = model.get("locked");
    model.set("z", means[index].map((mu, d) => (locked.includes(d) ? z[d] : mu)));
  });
  model.on("change:between", () => {
    refuse(model.get("between"));
    model.set("between_encoding", two(model.get("between")));
  });
  el.addEventListener("vaelib-encoder", ({ detail }) => model.set("encoder_weights", fromBase64(detail)));
  return render({ model, el });
}
