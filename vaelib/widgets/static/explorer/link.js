// Is Python still there? A front end does not always say: JupyterLab is silent about a kernel that
// died and was started again by itself. So what is sent is followed, now and then, by a question.
import { uniqueId } from "../dom.js";

const SILENCE = 5000; // ms without an answer that are spoken of
const EVERY = 2000; // ms between two questions
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
  const handlers = {
    // ipywidgets tells that the connection changed, and marks the view when it is down.
    comm_live_update: () =>
      voice.problem("lost", el.closest?.(".jupyter-widgets-disconnected") ? LOST : ""),
    "comm:close": () => voice.problem("lost", LOST),
    "msg:custom": (content) => {
      if (content?.here !== view) return;
      clearTimeout(timer);
      timer = 0;
      voice.problem("silent", "");
    },
  };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);

  function question() {
    later = 0;
    asked = Date.now();
    timer = setTimeout(() => {
      timer = 0;
      voice.problem("silent", SILENT);
    }, SILENCE);
    model.send({ ask: "here", view });
  }

  function askLater() {
    try {
      question();
    } catch {
      // What cannot be sent gets no answer, which is spoken of.
    }
  }

  return {
    /** Something was sent: is anyone there? Too soon after the last question, it is asked later. */
    ask() {
      if (!model.send || timer || later) return;
      const wait = asked + EVERY - Date.now();
      if (wait <= 0) question();
      else later = setTimeout(askLater, wait);
    },
    stop() {
      clearTimeout(timer);
      clearTimeout(later);
      for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
    },
  };
}
