// Undo: where z was, and which image it had come from.

const PAUSE = 800; // ms after which a move of the same kind is a new step
const MOST = 500;

/** `now()` is the state to keep; `changed(any)` is told whether there is anything to undo. */
export function makeHistory(now, changed) {
  const past = [];
  let last = { kind: "", at: 0 };
  return {
    /** Call before a move; a run of moves of one kind is one step. */
    remember(kind = "") {
      const at = Date.now();
      const goesOn = kind !== "" && kind === last.kind && at - last.at < PAUSE;
      last = { kind, at };
      if (goesOn) return;
      past.push(now());
      if (past.length > MOST) past.shift();
      if (past.length === 1) changed(true);
    },
    back() {
      last = { kind: "", at: 0 };
      const before = past.pop();
      changed(past.length > 0);
      return before;
    },
  };
}
