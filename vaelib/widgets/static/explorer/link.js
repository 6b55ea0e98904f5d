// Is Python still there? ipywidgets does not always say: it is silent about a kernel that died and was
// started again by itself, and about one that a hub shut down. So JupyterLab's own kernel is listened
// to, where there is one, and what is sent is followed, now and then, by a question.
import { uniqueId } from "../dom.js";

const SILENCE = 5000; // ms without an answer that are spoken of
const EVERY = 2000; // ms between two questions
const ENDS = ["restarting", "autorestarting", "terminating", "dead"]; // of a kernel
const SILENT =
  "No answer from Python: it is busy with another cell, its kernel stopped or was started again, " +
  "or the explorer was closed. What this page computes goes on; run the cell again for the rest.";
const LOST =
  "The connection to Python is gone: its kernel stopped or was started again, or the explorer was " +
  "closed. What this page computes goes on; run the cell again for the rest.";

export function makeLink(model, el, voice) {
  const view = uniqueId("link");
  let timer = 0;
  let later = 0;
  let asked = -Infinity;
  let ended = false; // a kernel that is started again does not know this explorer
  function lost() {
    clearTimeout(timer);
    timer = 0;
    voice.problem("silent", "");
    voice.problem("lost", LOST);
  }
  function end() {
    ended = true;
    lost();
  }
  const handlers = {
    // ipywidgets tells that the connection changed, and marks the view when it is down.
    comm_live_update: () =>
      voice.problem("lost", ended || el.closest?.(".jupyter-widgets-disconnected") ? LOST : ""),
    "comm:close": end,
    "msg:custom": (content) => {
      if (content?.here !== view) return;
      clearTimeout(timer);
      timer = 0;
      for (const key of ["silent", "lost"]) voice.problem(key, "");
    },
  };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  const kernel = model.widget_manager?.kernel;
  const ends = (_, status) => ENDS.includes(status) && end();
  kernel?.statusChanged?.connect(ends);
  kernel?.disposed?.connect(end);

  function question() {
    later = 0;
    asked = Date.now();
    timer = setTimeout(() => {
      timer = 0;
      voice.problem("silent", SILENT);
    }, SILENCE);
    try {
      model.send({ ask: "here", view });
    } catch {
      lost();
    }
  }

  return {
    lost,
    /** Something was sent: is anyone there? Too soon after the last question, it is asked later. */
    ask() {
      if (!model.send || timer || later) return;
      const wait = asked + EVERY - Date.now();
      if (wait <= 0) question();
      else later = setTimeout(question, wait);
    },
    stop() {
      clearTimeout(timer);
      clearTimeout(later);
      for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
      kernel?.statusChanged?.disconnect(ends);
      kernel?.disposed?.disconnect(end);
    },
  };
}
