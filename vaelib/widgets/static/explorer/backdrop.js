// The manifold behind the plane: what the decoder makes of each place, as faint pictures.
import { h } from "../dom.js";
import { makePainter } from "./decoder.js";

const ACROSS = 11;

/** `code(x, y)` is z at a place of the plane, x and y from −1 to 1; `flat` is a plane of one row. */
export function makeBackdrop(shape, flat, code, wake) {
  const [columns, rows] = [ACROSS, flat ? 1 : ACROSS];
  const canvas = h("canvas", { class: "vaelib-backdrop", "aria-hidden": "true", hidden: true });
  canvas.style.height = `${(100 * rows) / ACROSS}%`;
  const painter = makePainter(canvas, shape, columns, rows);
  const drawn = Array(columns * rows).fill(null);
  let on = false;
  let painted = false;
  let cursor = 0;
  const at = (i, n) => (2 * (i + 0.5)) / n - 1;
  return {
    canvas,
    show(wanted) {
      on = wanted;
      canvas.hidden = !on;
      if (on) wake();
    },
    /** The next picture that is not up to date, or null. */
    next() {
      for (let tried = 0; on && tried < drawn.length; tried += 1) {
        const i = (cursor + tried) % drawn.length;
        const [row, column] = [Math.floor(i / columns), i % columns];
        const z = code(at(column, columns), -at(row, rows));
        if (drawn[i]?.every((value, d) => value === z[d])) continue;
        cursor = i + 1;
        drawn[i] = z;
        return {
          z,
          paint(values) {
            painter.write(values, 1, column, row);
            painted = true;
          },
          again: () => (drawn[i] = null),
        };
      }
      return null;
    },
    put() {
      if (painted) painter.put();
      painted = false;
    },
  };
}
