// The challenge of the ELBO lab: bring the gap near the smallest that one bell can leave, by hand.
import { h, text } from "../dom.js";
import { climb } from "./ascent.js";

const TASKS = [
  { x1: 0.8, x2: 0.6, mu: -1, log_sigma: 0 },
  { x1: 0, x2: 0, mu: 2.5, log_sigma: -1.5 },
  { x1: 0.05, x2: -0.6, mu: 0.5, log_sigma: -0.5 },
  { x1: -0.9, x2: -0.9, mu: 1, log_sigma: 0.3 },
];
const STARTS = [-3, -2, -1, 0, 1, 2, 3];
const ROOM = 0.05; // nats more than the smallest gap that was found

/** The smallest gap that gradient ascent finds for this x, from several starts. */
function smallestGap(task, compute, gradient) {
  const ends = STARTS.map((mu) => {
    const now = { ...task, mu, log_sigma: -1 };
    for (let i = 0; i < 600; i += 1) Object.assign(now, climb(now, gradient));
    return compute(now).numbers.gap;
  });
  return Math.min(...ends);
}

/** A line that sets a task and follows it, and the button that sets the next one. */
export function makeChallenge({ set, button, compute }, gradient, ascent) {
  const line = h("p", { class: "lab-challenge" });
  const next = button("Challenge", () => begin((at + 1) % TASKS.length));
  const invitation = "Challenge: can you find the best bell yourself?";
  let at = -1;
  let best = 0;
  let moves = -1;
  let solved = "";
  let resting = -Infinity;

  function begin(task) {
    at = task;
    best = smallestGap(TASKS[at], compute, gradient);
    moves = 0;
    resting = -Infinity;
    solved = "";
    ascent.clear();
    set(TASKS[at]);
  }

  function leave() {
    at = -1;
    moves = -1;
    solved = "";
  }

  function update({ numbers: { gap, x1, x2 } }) {
    if (at < 0) {
      line.textContent = invitation;
      return;
    }
    const task = TASKS[at];
    const moved = x1 !== task.x1 || x2 !== task.x2;
    const goal = best + ROOM;
    if (!solved && !moved && gap < goal) {
      const how = ascent.used() ? "by the gradient" : `in ${moves} ${moves === 1 ? "move" : "moves"}`;
      solved = `✓ Done ${how}: gap ${text(gap)}; the best of seven ascents left ${text(best)}.`;
    }
    const number = `${at + 1} of ${TASKS.length}`;
    if (solved) line.textContent = `${number}. ${solved}`;
    else if (moved) line.textContent = `${number}. Leave x at (${text(task.x1)}, ${text(task.x2)}); move q.`;
    else line.textContent = `${number}. Bring the gap under ${text(goal)} nats. Now ${text(gap)}.`;
    line.classList.toggle("lab-solved", Boolean(solved));
  }

  return {
    button: next,
    element: line,
    update,
    leave,
    /** Many small moves of one drag count once. */
    moved() {
      if (at < 0 || solved) return;
      const now = performance.now();
      if (now - resting > 400) moves += 1;
      resting = now;
    },
    aloud: () => (at < 0 ? "" : line.textContent),
  };
}
