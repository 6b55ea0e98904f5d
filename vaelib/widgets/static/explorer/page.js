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
 * that is to be there sooner may leave `encoder_weights` out of the state and end `sources` after the
 * images that are shown first, and hand both over later, whole, as the details of events
 * "vaelib-encoder" and "vaelib-sources" at `el`.
 */
export function show(saved, el) {
  const { weights, encoder_weights: encoderWeights, sources, means, sigmas, dots, ...state } = saved;
  let pictures = fromBase64(sources).buffer;
  const waiting = []; // what is to be done when all pictures are here
  const size = saved.spec.shape.reduce((a, b) => a * b, 1);
  const source = (indices) => {
    const parts = indices.map((index) => new Uint8Array(pictures, index * size, size));
    const all = new Uint8Array(size * parts.length);
    parts.forEach((part, i) => all.set(part, i * size));
    return new DataView(all.buffer);
  };
  const arrived = (indices) => indices.every((index) => pictures.byteLength >= (index + 1) * size);
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
  const encode = () => {
    const index = model.get("image_index");
    if (index !== null && !arrived([index])) {
      waiting.push(encode);
      return;
    }
    if (index !== null) refuse([index]);
    if (index !== null && !known(index)) return;
    model.set("encoding", encoding(index));
    if (index === null) return;
    const z = model.get("z");
    const locked = model.get("locked");
    model.set("z", means[index].map((mu, d) => (locked.includes(d) ? z[d] : mu)));
  };
  const between = () => {
    if (!arrived(model.get("between"))) {
      waiting.push(between);
      return;
    }
    refuse(model.get("between"));
    model.set("between_encoding", two(model.get("between")));
  };
  model.on("change:image_index", encode);
  model.on("change:between", between);
  el.addEventListener("vaelib-sources", ({ detail }) => {
    pictures = fromBase64(detail).buffer;
    for (const again of new Set(waiting.splice(0))) again();
  });
  el.addEventListener("vaelib-encoder", ({ detail }) => model.set("encoder_weights", fromBase64(detail)));
  return render({ model, el });
}
