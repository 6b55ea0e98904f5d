// Pictures to keep: x̂ as a PNG, a traversal as a GIF, the strips as a figure.
import { text } from "../dom.js";
import { makePainter } from "./decoder.js";
import { gif, makePalette } from "./gif.js";

const PNG_SIDE = 1024;
const GIF_SIDE = 256;
const FRAMES = 40;
const DELAY = 10; // hundredths of a second: four seconds in all

/** Hand a file to the reader. */
function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const png = (canvas, name) =>
  new Promise((done) => {
    canvas.toBlob((blob) => {
      offer(blob, name);
      done();
    }, "image/png");
  });

function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  return { canvas, context };
}

/** The canvas as a PNG whose longer side has 1024 pixels, its own pixels as squares. */
export function savePicture(canvas, name) {
  const scale = PNG_SIDE / Math.max(canvas.width, canvas.height);
  const [width, height] = [canvas.width, canvas.height].map((n) => Math.round(n * scale));
  const large = blank(width, height);
  large.context.drawImage(canvas, 0, 0, width, height);
  return png(large.canvas, `${name}.png`);
}

/** There and back through `codes`, decoded, as a GIF. */
export function saveAnimation(decode, shape, path, name) {
  const colour = shape.length === 3 && shape[0] === 3;
  const [height, width] = shape.slice(-2);
  const scale = Math.max(1, Math.floor(GIF_SIDE / Math.max(width, height)));
  const { canvas, context } = blank(width, height);
  const painter = makePainter(canvas, shape);
  const { palette, index } = makePalette(colour);
  const frames = Array.from({ length: FRAMES }, (_, i) => {
    painter.write(decode(path((1 - Math.cos((2 * Math.PI * i) / FRAMES)) / 2)));
    painter.put();
    const { data } = context.getImageData(0, 0, width, height);
    const frame = new Uint8Array(width * scale * height * scale);
    for (let y = 0; y < height * scale; y += 1) {
      for (let x = 0; x < width * scale; x += 1) {
        const at = 4 * (Math.floor(y / scale) * width + Math.floor(x / scale));
        frame[y * width * scale + x] = index(data[at], data[at + 1], data[at + 2]);
      }
    }
    return frame;
  });
  offer(gif(width * scale, height * scale, palette, frames, DELAY), `${name}.gif`);
}

/** One row of pictures per dimension, with its name and the values of z, on white. */
export function saveStrip(decode, shape, z, dims, values, name) {
  const [height, width] = shape.slice(-2);
  const cell = Math.max(1, Math.round(112 / Math.max(width, height)));
  const [w, h] = [width * cell, height * cell];
  const left = 70;
  const top = 34;
  const gap = 4;
  const figure = blank(left + values.length * (w + gap) + 10, top + dims.length * (h + gap) + 10);
  const { canvas, context } = figure;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#1d2126";
  context.font = "20px system-ui, sans-serif";
  context.textAlign = "center";
  values.forEach((value, c) => context.fillText(text(value, 0), left + c * (w + gap) + w / 2, 24));
  const one = blank(width, height);
  const painter = makePainter(one.canvas, shape);
  dims.forEach((dim, r) => {
    context.fillText(`z${dim + 1}`, left / 2, top + r * (h + gap) + h / 2 + 7);
    values.forEach((value, c) => {
      const code = [...z];
      code[dim] = value;
      painter.write(decode(code));
      painter.put();
      context.drawImage(one.canvas, left + c * (w + gap), top + r * (h + gap), w, h);
    });
  });
  return png(canvas, `${name}.png`);
}
