// The latent explorer's view. State lives in the model's traits (z, image_index, ...), the
// arithmetic in decoder.js, the elements in layout.js; this file keeps them up to date.
import { makeDecoder, makePainter, readWeights } from "./decoder.js";
import { listen, perFrame, text, throttle } from "./dom.js";
import { build, makeRow } from "./layout.js";

/** A draw from N(0, 1): Box and Muller. */
function gaussian() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function render({ model, el }) {
  const spec = model.get("spec");
  const decode = makeDecoder(spec.ops, readWeights(model.get("weights"), spec.precision));
  const parts = build(spec);
  const draw = makePainter(parts.picture, spec.shape);
  const drawSource = makePainter(parts.source, spec.shape);
  let z = [...model.get("z")];
  let sent = JSON.stringify(z);
  let news = "";

  const rows = spec.rows.map((row) => {
    const made = makeRow(row, (value) => {
      z[row.dim] = value;
      changed(`z${row.dim + 1} moved to ${text(value)}`);
    });
    parts.rows.append(made.element);
    return { ...made, dim: row.dim };
  });

  const show = () => {
    draw(decode(z));
    for (const row of rows) row.say(z[row.dim]);
  };
  const painting = perFrame(show);
  const saving = throttle(100, () => save({ z: [...z] }));
  const telling = throttle(600, () => {
    parts.status.textContent = news;
  });

  /** z was changed here: show it in the next frame, tell Python soon. */
  function changed(message) {
    news = message;
    painting.request();
    saving.request();
    telling.request();
  }

  function save(state) {
    saving.cancel();
    for (const [name, value] of Object.entries(state)) {
      if (name === "z") sent = JSON.stringify(value);
      model.set(name, value);
    }
    model.save_changes();
  }

  function placeAll() {
    const { mu = [] } = model.get("encoding");
    for (const { dim, place } of rows) {
      place(z[dim], Math.max(3, Math.ceil(Math.abs(z[dim])), Math.ceil(Math.abs(mu[dim] ?? 0))));
    }
  }

  /** Go to a z that did not come from a slider. */
  function go(values, message) {
    z = [...values];
    placeAll();
    const first = rows.slice(0, 6).map(({ dim }) => `z${dim + 1} = ${text(z[dim])}`);
    if (rows.length > 6) first.push("…");
    news = `${message}: ${first.join(", ")}`;
    painting.request();
    telling.request();
  }

  /** Go there and let Python know at once; the picture no longer comes from an image. */
  function leave(values, message) {
    go(values, message);
    save({ z: [...z], image_index: null });
  }

  function started() {
    return `Start from ${spec.noun} ${model.get("encoding").index}`;
  }

  /** Whoever encodes (Python, or the saved page's table) answers with `encoding` and z. */
  function encode(index) {
    if (!Number.isInteger(index) || index < 0 || index >= spec.images) {
      news = `Choose a ${spec.noun} from 0 to ${spec.images - 1}`;
      telling.request();
    } else if (index === model.get("image_index")) {
      const { index: answered, mu } = model.get("encoding");
      if (answered !== index) return; // asked already, the answer is on its way
      go(mu, started());
      save({ z: [...z] });
    } else {
      news = `Waiting for Python to encode ${spec.noun} ${index}`;
      telling.request(); // a busy kernel takes a while; otherwise the answer replaces this
      save({ image_index: index });
    }
  }

  const chosen = () => (parts.index.value === "" ? NaN : Number(parts.index.value));
  const step = (by) => () => encode((model.get("image_index") ?? -1) + by);
  parts.reset.addEventListener("click", () => leave(z.map(() => 0), "Reset"));
  parts.random.addEventListener("click", () => leave(z.map(gaussian), "Draw from the prior"));
  parts.previous.addEventListener("click", step(-1));
  parts.next.addEventListener("click", step(1));
  parts.encode.addEventListener("click", () => encode(chosen()));
  parts.index.addEventListener("change", () => encode(chosen()));
  parts.index.addEventListener("keydown", (event) => {
    if (event.key === "Enter") encode(chosen()); // JupyterLab lets no "change" follow it
  });

  function showSource() {
    const { index, source } = model.get("encoding");
    const none = index === undefined;
    // Its place is kept while there is none, so that nothing else jumps.
    parts.source.classList.toggle("vaelib-none", none);
    parts.sourceCaption.textContent = none ? "x: none yet" : `x, ${spec.noun} ${index}`;
    parts.source.setAttribute("aria-label", none ? "No image yet" : `Image x, ${spec.noun} ${index}`);
    if (none) parts.source.getContext("2d").clearRect(0, 0, 1e4, 1e4);
    else drawSource(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), 255);
    if (!none) parts.index.value = index;
  }

  function showError() {
    parts.error.textContent = model.get("error");
    parts.error.hidden = !parts.error.textContent;
  }

  const unlisten = listen(model, {
    z() {
      const values = model.get("z");
      // The echo of what this view sent must not pull back a slider that has moved on since.
      if (JSON.stringify(values) === sent) return;
      sent = JSON.stringify(values);
      saving.cancel();
      const fromImage = sent === JSON.stringify(model.get("encoding").mu);
      go(values, fromImage ? started() : "z was set");
    },
    encoding() {
      showSource();
      placeAll();
    },
    error: showError,
  });

  placeAll();
  showSource();
  showError();
  show();
  // For tests and the curious: the decoder as the page runs it.
  parts.root.vaelibDecode = (values) => Array.from(decode(values));
  el.append(parts.root);
  return () => {
    saving.flush();
    painting.cancel();
    telling.cancel();
    unlisten();
    parts.root.remove();
  };
}

export default { render };
