// Draw x yourself: strokes on a canvas, brought to the size and the place that MNIST's digits have.
import { h } from "../dom.js";
import { KEYS } from "./layout.js";

const CANVAS = 280; // of the canvas that is drawn on
const PEN = 22;
const PEN_STEP = 14; // of the pen that the arrow keys move
const INNER = 20 / 28; // MNIST's digits fit a box of 20 of its 28 pixels
const LEVELS = 15; // of white, so that an address can hold what was drawn

/** `drawn(values)` gets x, `side` × `side` values from 0 to 1, whenever a stroke goes on. */
export function makeDrawing(side, drawn) {
  const canvas = h("canvas", {
    ...{ class: "vaelib-drawing", width: CANVAS, height: CANVAS, tabindex: 0, role: "application" },
    "aria-label": "Draw x: drag, or move the pen with the arrow keys and lower or lift it with space",
    ...KEYS,
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const small = document.createElement("canvas");
  small.width = side;
  small.height = side;
  const reduced = small.getContext("2d", { willReadFrequently: true });
  let last = null;
  let pen = { x: CANVAS / 2, y: CANVAS / 2, down: false };

  function clear() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, CANVAS, CANVAS);
  }

  function stroke(from, to) {
    context.strokeStyle = "#fff";
    context.lineWidth = PEN;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    send();
  }

  /** The box that holds all ink, and its centre of mass; null where nothing is drawn. */
  function ink() {
    const { data } = context.getImageData(0, 0, CANVAS, CANVAS);
    const box = { left: CANVAS, right: 0, top: CANVAS, bottom: 0, x: 0, y: 0, mass: 0 };
    for (let y = 0; y < CANVAS; y += 1) {
      for (let x = 0; x < CANVAS; x += 1) {
        const value = data[4 * (y * CANVAS + x)];
        if (value < 32) continue;
        box.left = Math.min(box.left, x);
        box.right = Math.max(box.right, x);
        box.top = Math.min(box.top, y);
        box.bottom = Math.max(box.bottom, y);
        box.x += value * x;
        box.y += value * y;
        box.mass += value;
      }
    }
    return box.mass ? box : null;
  }

  function send() {
    const found = ink();
    reduced.fillStyle = "#000";
    reduced.fillRect(0, 0, side, side);
    if (found) {
      const size = Math.max(found.right - found.left, found.bottom - found.top, 1) + 1;
      const scale = (INNER * side) / size;
      reduced.imageSmoothingQuality = "high";
      const left = side / 2 - (scale * found.x) / found.mass;
      const top = side / 2 - (scale * found.y) / found.mass;
      reduced.drawImage(canvas, left, top, scale * CANVAS, scale * CANVAS);
    }
    const { data } = reduced.getImageData(0, 0, side, side);
    const level = (i) => Math.round((data[4 * i] / 255) * LEVELS) / LEVELS;
    drawn(Float32Array.from({ length: side * side }, (_, i) => level(i)), Boolean(found));
  }

  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * CANVAS,
      y: ((event.clientY - box.top) / box.height) * CANVAS,
    };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    last = point(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last || !canvas.hasPointerCapture(event.pointerId)) return;
    const to = point(event);
    stroke(last, to);
    last = to;
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
  canvas.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    const to = { ...pen };
    if (way) {
      to.x = Math.min(CANVAS, Math.max(0, pen.x + PEN_STEP * way[0]));
      to.y = Math.min(CANVAS, Math.max(0, pen.y + PEN_STEP * way[1]));
    } else to.down = !pen.down;
    if (to.down) stroke(pen, to);
    pen = to;
  });
  clear();
  return {
    canvas,
    clear() {
      clear();
      pen = { x: CANVAS / 2, y: CANVAS / 2, down: false };
      send();
    },
    send,
  };
}
