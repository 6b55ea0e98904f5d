// The image that z was started from: asked for by its number, shown beside the controls.
import { makePainter } from "./decoder.js";

/** `save(state)` tells Python, `again(mu, message)` goes back to an image that is there already. */
export function makeSource({ model, spec, parts, voice, z, save, again }) {
  const painter = makePainter(parts.source, spec.shape);
  const source = {
    isImage: (index) => Number.isInteger(index) && index >= 0 && index < spec.images,
    name: () => `Start from ${spec.noun} ${model.get("encoding").index}`,
    /** Whoever encodes (Python, or the saved page's table) answers with `encoding` and z. */
    encode(index) {
      if (!source.isImage(index)) {
        voice.say(`Choose a ${spec.noun} from 0 to ${spec.images - 1}`);
      } else if (index === model.get("image_index")) {
        const { index: answered, mu } = model.get("encoding");
        if (answered === index) again(mu, source.name()); // else it is asked already, and waits
      } else {
        voice.say(`Waiting for Python to encode ${spec.noun} ${index}`);
        save({ z: [...z()], image_index: index });
      }
    },
    step: (by) => source.encode((model.get("image_index") ?? -1) + by),
    show() {
      const { index, source: bytes } = model.get("encoding");
      const none = index === undefined;
      // Its place is kept while there is none, so that nothing else jumps.
      parts.source.classList.toggle("vaelib-none", none);
      parts.sourceCaption.textContent = none ? "x: none yet" : `x, ${spec.noun} ${index}`;
      const name = none ? "No image yet" : `Image x, ${spec.noun} ${index}`;
      parts.source.setAttribute("aria-label", name);
      if (none) parts.source.getContext("2d").clearRect(0, 0, 1e4, 1e4);
      else {
        painter.write(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), 255);
        painter.put();
      }
      if (!none) parts.index.input.value = index;
    },
  };
  return source;
}
