// The decoded picture and the frame loop. A frame in which z moved draws the large picture and no
// more; texts and small pictures follow after it, less often while z goes on moving.
import { makeDecoder, makePainter, readWeights } from "./decoder.js";
import { kernelEngine, pageEngine } from "./engine.js";
import { perFrame } from "../dom.js";

const TELL = 50; // ms between two updates of texts and marks while z moves
const SHOW = 60; // ms between two rounds of small pictures while z moves
const REST = 30; // ms after which z moves no longer

/** An engine, and `decode` where it is the page's own; Python's where the page's cannot be. */
function choose(model, spec, size, voice, put) {
  let why = spec.why;
  if (spec.runs === "page") {
    try {
      const decode = makeDecoder(spec.ops, readWeights(model.get("weights"), spec.precision));
      return { decode, ...pageEngine(decode) };
    } catch (problem) {
      why = problem.message;
    }
  }
  if (model.send) {
    voice.notice(`Python decodes, since the page cannot run this decoder: ${why}`);
    return kernelEngine(model, size, put, (problem) => voice.problem("kernel", problem));
  }
  voice.problem("weights", `The page cannot run this decoder: ${why}.`);
  return { picture() {}, cells: () => false, stop() {} };
}

/**
 * `z()` is where z is now, `small` the small pictures (`next()` is the next to draw, `put()` shows
 * them), `shown()` follows each picture. The last mean is kept in `means`, its logits in `logits`.
 */
export function makePicture({ model, spec, canvas, voice, sampler, z, small, shown }) {
  const size = spec.shape.reduce((a, b) => a * b, 1);
  const pixels = spec.shape.slice(-2).reduce((a, b) => a * b, 1);
  const painter = makePainter(canvas, spec.shape);
  const engine = choose(model, spec, size, voice, small.put);
  const means = new Float32Array(size).fill(NaN);
  const bernoulli = spec.likelihood?.kind === "bernoulli" && engine.decode?.logits;
  const logits = bernoulli ? new Float32Array(size) : null;
  let stale = true;
  let untold = true;
  let timer = 0;
  // When each was done last.
  let drawn = -Infinity;
  let told = -Infinity;
  let put = -Infinity;

  function paint(decoded) {
    // The small pictures are decoded into the same place.
    means.set(decoded);
    if (logits) logits.set(engine.decode.logits);
    const bad = painter.write(sampler.apply(decoded, model.get("picture")));
    painter.put();
    const many = `${bad} of ${pixels} pixels, drawn as stripes`;
    voice.problem("nan", bad ? `The decoder gives NaN or infinity at this z: ${many}.` : "");
  }

  const frames = perFrame(() => {
    if (stale) {
      stale = false;
      untold = true;
      drawn = performance.now();
      engine.picture(z(), paint);
    }
    later(0); // a task of its own, so that the frame is out before
  });

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(follow, ms);
  }

  /** What follows the picture; come back for what is left once z rests, or after the next frame. */
  function follow() {
    const now = performance.now();
    const moving = now - drawn < REST;
    if (untold && !(moving && now - told < TELL)) {
      untold = false;
      told = now;
      shown();
    }
    const due = !(moving && now - put < SHOW);
    const more = due && engine.cells(small.next);
    if (due && (!more || now - put > 2 * SHOW)) {
      small.put();
      put = performance.now();
    }
    if (more || untold || !due) later(moving ? REST : 0);
  }

  return {
    ...{ decode: engine.decode, means, logits },
    shown,
    /** The picture is to be drawn again. */
    redraw() {
      stale = true;
      frames.request();
    },
    /** Only small pictures may have to be drawn. */
    wake: () => frames.request(),
    stop() {
      frames.cancel();
      clearTimeout(timer);
      engine.stop();
    },
  };
}
