// Encoder and decoder in the page: one function per operation, on typed arrays that lie in memory as
// torch's do (row-major, channels first). Python has worked out every shape beforehand.

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

/**
 * y[m, n] = Σ_k w[m, k] x[k, n]. `sizes` are those of m, k and n; a place [start, step, step] tells
 * where the numbers of w[m, k], x[k, n] and y[m, n] begin and how far apart they are.
 *
 * What is 0 in x is passed over: that is half of all that comes out of a ReLU. Eight sums go on side
 * by side, so that none waits for its last addition to end and each x is read once for all eight.
 */
function multiply([M, K, N], w, [w0, wm, wk], x, [x0, xk, xn], y, [y0, ym, yn]) {
  const kept = new Float64Array(K); // of a column of x, what is not 0
  const place = new Int32Array(K); // and where its weights stand
  for (let n = 0; n < N; n += 1) {
    let count = 0;
    for (let k = 0, at = x0 + n * xn; k < K; k += 1, at += xk) {
      if (x[at] === 0) continue;
      kept[count] = x[at];
      place[count] = w0 + k * wk;
      count += 1;
    }
    let m = 0;
    let to = y0 + n * yn;
    for (; m + 7 < M; m += 8) {
      const i = m * wm;
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      let e = 0;
      let f = 0;
      let g = 0;
      let h = 0;
      for (let k = 0; k < count; k += 1) {
        const value = kept[k];
        const at = i + place[k];
        a += w[at] * value;
        b += w[at + wm] * value;
        c += w[at + 2 * wm] * value;
        d += w[at + 3 * wm] * value;
        e += w[at + 4 * wm] * value;
        f += w[at + 5 * wm] * value;
        g += w[at + 6 * wm] * value;
        h += w[at + 7 * wm] * value;
      }
      y[to] = a;
      y[to + ym] = b;
      y[to + 2 * ym] = c;
      y[to + 3 * ym] = d;
      y[to + 4 * ym] = e;
      y[to + 5 * ym] = f;
      y[to + 6 * ym] = g;
      y[to + 7 * ym] = h;
      to += 8 * ym;
    }
    for (; m < M; m += 1, to += ym) {
      let sum = 0;
      for (let k = 0; k < count; k += 1) sum += w[m * wm + place[k]] * kept[k];
      y[to] = sum;
    }
  }
}

/** y = W x + b over the last axis; W is stored (outputs, inputs). */
function linear(x, y, op, w) {
  const inputs = op.in.at(-1);
  const outputs = op.out.at(-1);
  const sizes = [outputs, inputs, x.length / inputs];
  multiply(sizes, w, [op.weight, inputs, 1], x, [0, 1, inputs], y, [0, 1, outputs]);
  if (op.bias === null) return;
  for (let i = 0; i < y.length; i += 1) y[i] += w[op.bias + (i % outputs)];
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
 * stride·(row, column) + tap − padding meets a small pixel at (row, column). For each big channel and
 * tap there is a sheet as large as a small channel. A transposed convolution goes from small to big:
 * it makes the sheets by one product of matrices and adds them up in the big picture. An ordinary
 * one takes the sheets from the big picture first. torch stores both kinds of weight as (small
 * channels, big channels, rows, columns).
 */
function convolve(x, y, op, w, transposed) {
  const [small, big] = transposed ? [op.in, op.out] : [op.out, op.in];
  const taps = op.kernel[0] * op.kernel[1];
  const plane = small[1] * small[2];
  const many = big[0] * taps;
  const sheets = (op.sheets ??= new Float32Array(many * plane));
  const carryAll = (picture) => {
    for (let i = 0; i < many; i += 1) {
      const sheet = sheets.subarray(i * plane, (i + 1) * plane);
      carry(picture, sheet, op, big, Math.floor(i / taps), i % taps, transposed);
    }
  };
  const apart = [0, plane, 1];
  if (transposed) {
    multiply([many, small[0], plane], w, [op.weight, 1, many], x, apart, sheets, apart);
    fillBias(y, op, w, product(big.slice(1)));
    carryAll(y);
  } else {
    carryAll(x);
    multiply([small[0], many, plane], w, [op.weight, many, 1], sheets, apart, y, apart);
    if (op.bias === null) return;
    for (let i = 0; i < y.length; i += 1) y[i] += w[op.bias + Math.floor(i / plane)];
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

/** The steps of a network, each with the place that it writes to. */
function makeSteps(ops, weights) {
  // Flatten and Unflatten move no number in memory.
  return ops
    .filter((op) => op.op !== "flatten" && op.op !== "unflatten")
    .map((op) => {
      const run = OPERATIONS[op.op];
      if (!run) throw new Error(`this page cannot run the operation "${op.op}"`);
      checkWeights(op, weights.length);
      return { run, op: { ...op }, y: new Float32Array(product(op.out)) };
    });
}

function through(steps, x, weights) {
  for (const { run, op, y } of steps) {
    run(x, y, op, weights);
    x = y;
  }
  return x;
}

/**
 * The function z -> x̂ (a Float32Array that the next call overwrites). Its `logits` are what the last
 * call had before its last step: a Bernoulli decoder ends with a sigmoid, which rounds to 0 and 1.
 */
export function makeDecoder(ops, weights) {
  const steps = makeSteps(ops, weights);
  const decode = (z) => through(steps, Float32Array.from(z), weights);
  decode.logits = steps.length > 1 ? steps.at(-2).y : null;
  return decode;
}

/** The function x -> {mu, sigma}, two plain arrays. */
export function makeEncoder(ops, weights) {
  const [body, mu, logSigma] = [ops.body, ops.mu, ops.log_sigma].map((part) => makeSteps(part, weights));
  return (x) => {
    const features = through(body, Float32Array.from(x), weights);
    return {
      mu: Array.from(through(mu, features, weights)),
      sigma: Array.from(through(logSigma, features, weights), Math.exp),
    };
  };
}

/**
 * Draws pictures (values 0 to 1, or 0 to `white`) on the canvas, pixel for pixel, each as one of
 * columns × rows: `write` returns how many of its numbers are not finite, and `put` shows what was
 * written. Pixels that are no number are drawn as stripes, which no decoder makes by itself.
 */
export function makePainter(canvas, shape, columns = 1, rows = 1) {
  const [channels, height, width] = shape.length === 2 ? [1, ...shape] : shape;
  const gap = columns * rows > 1 ? 1 : 0;
  canvas.width = columns * (width + gap);
  canvas.height = rows * (height + gap);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const { data } = image;
  const plane = height * width;
  const second = channels === 1 ? 0 : plane;
  return {
    write(picture, white = 1, column = 0, row = 0) {
      const scale = 255 / white;
      let bad = 0;
      let i = 0;
      for (let y = 0; y < height; y += 1) {
        let to = 4 * ((row * (height + gap) + y) * canvas.width + column * (width + gap));
        for (const end = i + width; i < end; i += 1, to += 4) {
          const a = picture[i];
          const b = picture[i + second];
          const c = picture[i + 2 * second];
          // The array clips to 0 … 255 and rounds.
          [data[to], data[to + 1], data[to + 2], data[to + 3]] = [a * scale, b * scale, c * scale, 255];
          if (a - a + (b - b) + (c - c) !== 0) {
            bad += 1;
            data.fill(((i % width) + y) % 4 < 2 ? 30 : 225, to, to + 3);
          }
        }
      }
      return bad;
    },
    put: () => context.putImageData(image, 0, 0),
  };
}
