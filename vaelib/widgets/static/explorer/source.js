// x, and q(z|x): an image of the data asked for by its number, one drawn by hand, or a mixture of two.
// Whoever encodes an image of the data (Python, or the saved page's table) answers with `encoding`;
// what is made in this page is encoded in it.
import { makeEncoder, makePainter, readWeights } from "./decoder.js";

const RESTORE = 800; // ms that a wrong number stays: leaving its field comes before a click on a button

/**
 * `save(state)` tells Python, `again(q, message)` goes back to an image that is there already,
 * `changed()` is told of another x or q.
 */
export function makeSource({ model, spec, parts, voice, z, save, again, changed }) {
  const painter = makePainter(parts.source, spec.shape);
  let x = null; // { values, q, own: made in this page, drawn: by a pen, byHand: q was moved }
  let encoder = null;
  let restoring = 0;
  const restore = () => (parts.index.input.value = Math.max(0, model.get("image_index") ?? 0));

  /** The encoder of this page, made when it is first needed. */
  function encoded(values) {
    encoder ??= makeEncoder(spec.encoder, readWeights(model.get("encoder_weights"), spec.precision));
    return encoder(values);
  }

  function draw(values, white, caption, name) {
    parts.source.classList.toggle("vaelib-none", !values);
    parts.sourceCaption.textContent = caption;
    parts.source.setAttribute("aria-label", name);
    if (!values) {
      parts.source.getContext("2d").clearRect(0, 0, 1e4, 1e4);
      return;
    }
    painter.write(values, white);
    painter.put();
  }

  const source = {
    isImage: (index) => Number.isInteger(index) && index >= 0 && index < spec.images,
    name: () => `Start from ${spec.noun} ${model.get("encoding").index}`,
    q: () => x?.q ?? null,
    x: () => x?.values ?? null,
    own: () => Boolean(x?.own),
    byHand: () => Boolean(x?.byHand),
    drawn: () => Boolean(x?.drawn),
    /** Whether this page can encode; says so if the encoder is to come but not here yet. */
    canEncode() {
      const here = model.get("encoder_weights")?.byteLength > 0;
      if (!here) voice.say("The encoder is still on its way to this page: try again in a moment");
      return here;
    },
    encoded,
    encode(index) {
      if (!source.isImage(index)) {
        voice.say(`Choose a ${spec.noun} from 0 to ${spec.images - 1}`);
        clearTimeout(restoring);
        restoring = setTimeout(restore, RESTORE);
      } else if (index === model.get("image_index")) {
        const { index: answered } = model.get("encoding");
        if (answered !== index) return; // it is asked already, and waits
        source.show();
        again(x.q, source.name());
      } else {
        voice.say(`Waiting for Python to encode ${spec.noun} ${index}`);
        save({ z: [...z()], image_index: index });
      }
    },
    step: (by) => source.encode((model.get("image_index") ?? -1) + by),
    /** Show the image that the model's `encoding` is of, or none. */
    show() {
      const { index, mu, sigma, source: bytes } = model.get("encoding");
      if (index === undefined) {
        x = null;
        draw(null, 1, "x: none yet", "No image yet");
      } else {
        const levels = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        x = { values: Float32Array.from(levels, (level) => level / 255), q: { mu, sigma } };
        draw(levels, 255, `x, ${spec.noun} ${index}`, `Image x, ${spec.noun} ${index}`);
        parts.index.input.value = index;
      }
      changed();
    },
    /** An x of this page's own; null is a blank one. */
    make(values, caption, drawn = false) {
      x = values && { values, q: encoded(values), own: true, drawn };
      draw(values, 1, caption, `Image x, ${caption}`);
      changed();
    },
    /** q as it was moved by hand, or as an address has it. */
    move(q, dragged = true) {
      x = { ...x, q, byHand: true };
      changed(dragged);
    },
  };
  return source;
}
