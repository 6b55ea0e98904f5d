// The large picture and the frame loop: the picture first, the small ones of the views after it.
import { makeDecoder, makePainter, readWeights } from "./decoder.js";
import { kernelEngine, pageEngine } from "./engine.js";
import { perFrame, throttle } from "./dom.js";

const FOLLOW = 30; // ms

/** An engine, and `decode` where it is the page's own; Python's where the page's cannot be. */
function choose(model, spec, size, voice) {
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
    return kernelEngine(model, size, (problem) => voice.problem("kernel", problem));
  }
  voice.problem("weights", `The page cannot run this decoder: ${why}.`);
  return { picture: () => 0, cells: () => false, stop() {} };
}

/** `z()` is where z is now, `next()` the next small picture, `shown()` follows each picture. */
export function makeStage({ model, spec, canvas, voice, sampler, z, next, shown }) {
  const size = spec.shape.reduce((a, b) => a * b, 1);
  const pixels = spec.shape.slice(-2).reduce((a, b) => a * b, 1);
  const draw = makePainter(canvas, spec.shape);
  const engine = choose(model, spec, size, voice);
  let [stale, moving, spent] = [true, false, 0];

  function paint(means) {
    const bad = draw(sampler.apply(means, model.get("picture")));
    const many = `${bad} of ${pixels} pixels, drawn as stripes`;
    voice.problem("nan", bad ? `The decoder gives NaN or infinity at this z: ${many}.` : "");
  }

  let rested = 0;
  const small = throttle(0, () => {
    // While z moves the small pictures follow at half the pace: the frame is the large one's.
    if (moving && performance.now() - rested < FOLLOW) {
      moving = false;
      frames.request();
      return;
    }
    rested = performance.now();
    const more = engine.cells(next, spent, !moving);
    [moving, spent] = [false, 0];
    if (more) frames.request();
  });
  const frames = perFrame(() => {
    if (stale) {
      stale = false;
      spent = engine.picture(z(), paint);
      shown();
    }
    small.request(); // after the frame, so that small pictures never hold the large one up
  });
  return {
    decode: engine.decode,
    shown,
    /** The picture is to be drawn again; `moves` if z changes and may change again at once. */
    redraw(moves = true) {
      [stale, moving] = [true, moving || moves];
      frames.request();
    },
    /** Only small pictures may have to be drawn. */
    wake: () => frames.request(),
    stop() {
      frames.cancel();
      small.cancel();
      engine.stop();
    },
  };
}
