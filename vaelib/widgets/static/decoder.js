// The decoder x̂ = G(z) in the page: one function an operation, on typed arrays that lie in memory
// as torch's do (row-major, channels first). Python has worked out every shape beforehand.

/** IEEE half-precision numbers (their 16 bits) as float32. */
export function halfToFloat(halves) {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) {
    const sign = halves[i] & 0x8000 ? -1 : 1;
    const exponent = (halves[i] >> 10) & 31;
    const fraction = (halves[i] & 1023) / 1024;
    if (exponent === 31) floats[i] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) floats[i] = sign * fraction * 2 ** -14;
    else floats[i] = sign * (1 + fraction) * 2 ** (exponent - 15);
  }
  return floats;
}

/** The bytes from Python (a DataView, at any alignment) as one Float32Array. */
export function readWeights(bytes, precision) {
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  if (copy.byteLength % (precision === "float16" ? 2 : 4)) {
    throw new Error(`the weights are cut off: ${copy.byteLength} bytes`);
  }
  return precision === "float16" ? halfToFloat(new Uint16Array(copy)) : new Float32Array(copy);
}

const product = (shape) => shape.reduce((a, b) => a * b, 1);
const sigmoid = (a) => 1 / (1 + Math.exp(-a));

/** y = W x + b over the last axis; W is stored (outputs, inputs). */
function linear(x, y, op, w) {
  const inputs = op.in.at(-1);
  const outputs = op.out.at(-1);
  for (let from = 0, to = 0; from < x.length; from += inputs, to += outputs) {
    for (let o = 0; o < outputs; o += 1) {
      // Four sums at a time: one alone would wait for each addition to end.
      let at = op.weight + o * inputs;
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      let i = 0;
      for (; i + 3 < inputs; i += 4, at += 4) {
        a += w[at] * x[from + i];
        b += w[at + 1] * x[from + i + 1];
        c += w[at + 2] * x[from + i + 2];
        d += w[at + 3] * x[from + i + 3];
      }
      for (; i < inputs; i += 1, at += 1) a += w[at] * x[from + i];
      y[to + o] = a + b + c + d + (op.bias === null ? 0 : w[op.bias + o]);
    }
  }
}

/** Each channel of y starts from its bias. */
function fillBias(y, op, w, plane) {
  for (let c = 0; c < op.out[0]; c += 1) {
    y.fill(op.bias === null ? 0 : w[op.bias + c], c * plane, (c + 1) * plane);
  }
}

/** The steps i in [0, n) for which i·stride + shift falls within [0, size). */
function span(n, stride, shift, size) {
  const first = Math.max(0, Math.ceil(-shift / stride));
  const last = Math.min(n - 1, Math.floor((size - 1 - shift) / stride));
  return [first, last];
}

/**
 * Both convolutions are one sum over (small channel, big channel, tap of the kernel): a big pixel at
 * stride·(row, column) + tap − padding meets a small pixel at (row, column). A transposed
 * convolution goes from small to big, an ordinary one from big to small. For each big channel and
 * tap there is a sheet as large as a small channel; the sums over small channels run along it.
 */
function convolve(x, y, op, w, transposed) {
  const [small, big] = transposed ? [op.in, op.out] : [op.out, op.in];
  const [channels, rows, columns] = small;
  const [kernelRows, kernelColumns] = op.kernel;
  const plane = rows * columns;
  const taps = kernelRows * kernelColumns;
  const sheet = new Float32Array(plane);
  fillBias(y, op, w, op.out[1] * op.out[2]);
  for (let b = 0; b < big[0]; b += 1) {
    for (let tap = 0; tap < taps; tap += 1) {
      // torch stores both kinds of weight as (small channels, big channels, rows, columns).
      const first = op.weight + b * taps + tap;
      const step = big[0] * taps;
      sheet.fill(0);
      if (transposed) {
        gather(x, sheet, w, first, step, channels);
        carry(y, sheet, op, big, b, tap, true);
      } else {
        carry(x, sheet, op, big, b, tap, false);
        spread(y, sheet, w, first, step, channels);
      }
    }
  }
}

/** sheet += Σ_s w_s x_s, four channels at a time: each pass over the sheet is then worth more. */
function gather(x, sheet, w, first, step, channels) {
  const n = sheet.length;
  let s = 0;
  for (; s + 3 < channels; s += 4) {
    const [at, from] = [first + s * step, s * n];
    const [a, b, c, d] = [w[at], w[at + step], w[at + 2 * step], w[at + 3 * step]];
    for (let i = 0; i < n; i += 1) {
      const j = from + i;
      sheet[i] += a * x[j] + b * x[j + n] + c * x[j + 2 * n] + d * x[j + 3 * n];
    }
  }
  for (; s < channels; s += 1) {
    for (let i = 0; i < n; i += 1) sheet[i] += w[first + s * step] * x[s * n + i];
  }
}

/** y_s += w_s · sheet for every channel s. */
function spread(y, sheet, w, first, step, channels) {
  const n = sheet.length;
  for (let s = 0; s < channels; s += 1) {
    const weight = w[first + s * step];
    for (let i = 0; i < n; i += 1) y[s * n + i] += weight * sheet[i];
  }
}

/** From a channel of the big picture to a tap's sheet, or (`back`) added from the sheet to it. */
function carry(picture, sheet, op, big, channel, tap, back) {
  const [, height, width] = big;
  const [rows, columns] = (back ? op.in : op.out).slice(1);
  const down = Math.floor(tap / op.kernel[1]) - op.padding[0];
  const right = (tap % op.kernel[1]) - op.padding[1];
  const [top, bottom] = span(rows, op.stride[0], down, height);
  const [left, end] = span(columns, op.stride[1], right, width);
  for (let row = top; row <= bottom; row += 1) {
    let i = row * columns + left;
    let j = (channel * height + row * op.stride[0] + down) * width + left * op.stride[1] + right;
    for (const last = row * columns + end; i <= last; i += 1, j += op.stride[1]) {
      if (back) picture[j] += sheet[i];
      else sheet[i] = picture[j];
    }
  }
}

/** Apply f to each number. */
function each(f) {
  return (x, y) => {
    for (let i = 0; i < x.length; i += 1) y[i] = f(x[i]);
  };
}

const OPERATIONS = {
  linear,
  conv2d: (x, y, op, w) => convolve(x, y, op, w, false),
  conv_transpose2d: (x, y, op, w) => convolve(x, y, op, w, true),
  relu: each((a) => (a > 0 ? a : 0)),
  silu: each((a) => a * sigmoid(a)),
  tanh: each(Math.tanh),
  sigmoid: each(sigmoid),
};

/** Refuse an operation whose parameters are not all among the weights. */
function checkWeights(op, count) {
  if (op.weight === undefined) return;
  const [from, to] = op.kernel ? [op.in[0], op.out[0]] : [op.in.at(-1), op.out.at(-1)];
  const needed = Math.max(
    op.weight + from * to * product(op.kernel ?? []),
    op.bias === null ? 0 : op.bias + to,
  );
  if (needed > count) {
    throw new Error(`the weights are incomplete: ${count} numbers where ${needed} are needed`);
  }
}

/** The function z -> x̂ (a Float32Array that the next call overwrites). */
export function makeDecoder(ops, weights) {
  // Flatten and Unflatten move no number in memory.
  const steps = ops
    .filter((op) => op.op !== "flatten" && op.op !== "unflatten")
    .map((op) => {
      const run = OPERATIONS[op.op];
      if (!run) throw new Error(`this page cannot run the decoder's operation "${op.op}"`);
      checkWeights(op, weights.length);
      return { run, op, y: new Float32Array(product(op.out)) };
    });
  return (z) => {
    let x = Float32Array.from(z);
    for (const { run, op, y } of steps) {
      run(x, y, op, weights);
      x = y;
    }
    return x;
  };
}

/**
 * A function that draws a picture (values 0 to 1, or 0 to `white`) on the canvas, pixel for pixel,
 * as one of columns × rows pictures; it returns how many of its numbers are not finite. Pixels that
 * are no number are drawn as stripes, which no decoder makes by itself.
 */
export function makePainter(canvas, shape, columns = 1, rows = 1) {
  const [channels, height, width] = shape.length === 2 ? [1, ...shape] : shape;
  const gap = columns * rows > 1 ? 1 : 0;
  [canvas.width, canvas.height] = [columns * (width + gap), rows * (height + gap)];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const { data } = image;
  const plane = height * width;
  const second = channels === 1 ? 0 : plane;
  return (picture, white = 1, column = 0, row = 0) => {
    const scale = 255 / white;
    let bad = 0;
    for (let i = 0, to = 0; i < plane; i += 1, to += 4) {
      const a = picture[i];
      const b = picture[i + second];
      const c = picture[i + 2 * second];
      // The array clips to 0 … 255 and rounds.
      [data[to], data[to + 1], data[to + 2], data[to + 3]] = [a * scale, b * scale, c * scale, 255];
      if (a - a + (b - b) + (c - c) !== 0) {
        bad += 1;
        data.fill(((i % width) + Math.floor(i / width)) % 4 < 2 ? 30 : 225, to, to + 3);
      }
    }
    context.putImageData(image, column * (width + gap), row * (height + gap));
    return bad;
  };
}
