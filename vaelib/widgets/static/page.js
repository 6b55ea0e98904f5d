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
    if (before === value || JSON.stringify(before) === JSON.stringify(value)) return;
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
  const pictures = fromBase64(sources).buffer;
  const size = saved.spec.shape.reduce((a, b) => a * b, 1);

  /** What Python does in a notebook when an image is chosen: here its encoding was saved. */
  const encoding = (index) => {
    if (index === null) return {};
    return { index, mu: means[index], source: new DataView(pictures, index * size, size) };
  };
  const model = new LocalModel({
    ...{ ...state, error: "", weights: fromBase64(weights) },
    encoding: encoding(state.image_index),
  });
  model.on("change:image_index", () => {
    const index = model.get("image_index");
    model.set("encoding", encoding(index));
    if (index !== null) model.set("z", means[index]);
  });
  return render({ model, el });
}

for (const el of document.querySelectorAll(".vaelib-page")) {
  start(JSON.parse(el.querySelector("script").textContent), el);
}
