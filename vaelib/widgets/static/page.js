// The explorer with no kernel behind it: a saved page. The traits live in a LocalModel.
import { render } from "./explorer.js";

function fromBase64(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new DataView(bytes.buffer);
}

/** The traits and their events, as a widget's model has them. */
class LocalModel {
  constructor(state) {
    this.state = state;
    this.handlers = {};
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    const before = this.state[name];
    this.state[name] = value;
    const same = before === value || JSON.stringify(before) === JSON.stringify(value);
    if (same && !(value instanceof DataView)) return;
    for (const handler of [...(this.handlers[`change:${name}`] ?? [])]) handler();
  }

  save_changes() {}

  on(event, handler) {
    (this.handlers[event] ??= []).push(handler);
  }

  off(event, handler) {
    this.handlers[event] = (this.handlers[event] ?? []).filter((other) => other !== handler);
  }
}

/** Show the explorer in `el`; `saved` is what the Python side wrote into the page. */
function start(saved, el) {
  const { weights, sources, means, ...state } = saved;
  const pictures = new DataView(fromBase64(sources).buffer);
  const size = saved.spec.shape.reduce((a, b) => a * b, 1);
  const model = new LocalModel({ ...state, weights: fromBase64(weights), error: "" });

  /** What Python does in a notebook when an image is chosen: here its encoding was saved. */
  const encode = (keep) => {
    const index = model.get("image_index");
    model.set("mu", index === null ? [] : means[index]);
    const found = index === null ? [0, 0] : [index * size, size];
    model.set("source", new DataView(pictures.buffer, ...found));
    if (index !== null && !keep) model.set("z", means[index]);
  };
  encode(true);
  model.on("change:image_index", () => encode(false));
  return render({ model, el });
}

for (const el of document.querySelectorAll(".vaelib-page")) {
  start(JSON.parse(el.querySelector("script").textContent), el);
}
