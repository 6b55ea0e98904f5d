// Story chips: each plays z for four seconds and says one sentence about it.
import { text } from "../dom.js";
import { makeButton } from "./layout.js";

const FAR = 6;

/** The dimension that tells most of a factor, and the mean codes of its lowest and highest group. */
function ends(spec, dots, points, factor) {
  const f = spec.factors?.names?.indexOf(factor) ?? -1;
  const colouring = (dots.colourings ?? []).find((each) => each.name === factor);
  if (f < 0 || !colouring) return null;
  const dims = spec.rows.length;
  const table = spec.factors.values;
  const dim = table.reduce((best, row, d) => (row[f] > table[best][f] ? d : best), 0);
  const last = colouring.groups.length - 1;
  const mean = (group) => {
    let [sum, count] = [0, 0];
    for (let i = 0; i < dots.count; i += 1) {
      if (colouring.group[i] !== group) continue;
      sum += points[i * dims + dim];
      count += 1;
    }
    return sum / count;
  };
  const [from, to] = [mean(0), mean(last)];
  return Number.isFinite(from + to) ? { dim, from, to } : null;
}

/** The stories that this model and data can tell: [name, sentence, path of t, mixed pixels or not]. */
function storiesOf(spec, dots, points, pair) {
  const zeros = spec.rows.map(() => 0);
  const along = ({ dim, from, to }) => (t) =>
    zeros.map((zero, d) => (d === dim ? from + (to - from) * t : zero));
  const turn = ({ dim, from, to }, back) => (t) =>
    along({ dim, from, to })(back ? (1 - Math.cos(2 * Math.PI * t)) / 2 : t);
  const found = [];
  const smile = ends(spec, dots, points, "expression");
  const pose = ends(spec, dots, points, "pose");
  const asleep = spec.rows.find((row) => !row.active);
  const first = spec.rows[0];
  const tell = ({ dim, from, to }) => `z${dim + 1} goes from ${text(from, 1)} to ${text(to, 1)}`;
  if (smile) found.push(["From frown to smile", `Only one number moves: ${tell(smile)}.`, along(smile)]);
  if (pose) found.push(["Turn the head", `Only one number moves: ${tell(pose)} and back.`, turn(pose, true)]);
  if (!smile && !pose) {
    const walk = { dim: first.dim, from: -3, to: 3 };
    found.push([`Along z${first.dim + 1}`, `Only one number moves: ${tell(walk)}.`, along(walk)]);
  }
  if (asleep) {
    const sleeper = { dim: asleep.dim, from: -3, to: 3 };
    const rate = asleep.kl === null ? "" : ` Its KL is ${text(asleep.kl)} nats per ${spec.noun}, on average.`;
    found.push(["A sleeping dimension", `${tell(sleeper)}: does the picture change?${rate}`, along(sleeper)]);
  }
  const out = { dim: first.dim, from: 0, to: FAR };
  const beyond = `${tell(out)}. Beyond 3 the prior has 0.1 % of its probability: the decoder extrapolates.`;
  found.push(["Beyond 3σ", beyond, along(out)]);
  if (pair) {
    const sentence = `Left, the pixels of two ${spec.noun}s are mixed. Right, their codes are mixed, then decoded.`;
    found.push(["Pixels against latent space", sentence, null]);
  }
  return found;
}

/** Each story's chip, name and sentence; `act.play(name, sentence, path)` plays a path, `act.mix(name, sentence)` the last story. */
export function makeStories(spec, dots, points, pair, act) {
  return storiesOf(spec, dots, points, pair).map(([name, sentence, path]) => {
    const chip = makeButton(name, { class: "vaelib-chip" });
    chip.addEventListener("click", () => {
      if (path) act.play(name, sentence, path);
      else act.mix(name, sentence);
    });
    return { chip, name, sentence };
  });
}
