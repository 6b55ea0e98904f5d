// Lecture mode: a widget fills the screen in large letters. L or #lecture enters, Esc leaves, 1 to 5
// choose a state, → and ← go through them (and Page Down and Up, which a presenter's remote sends).
import { h } from "./dom.js";

const LECTURE = "data-vaelib-lecture";
const SUPPRESS = { "data-lm-suppress-shortcuts": "true" }; // JupyterLab would take them
const wanted = () => location.hash.slice(1).split("&").includes("lecture");
const typing = (element) =>
  element.matches?.("textarea, select, [contenteditable], input:not([type=range])") ?? false;
const ownsArrows = (element) => element.matches?.("input, select, textarea, [role=application]");

/** The widget that L means: the one with the focus; else, if nothing has it, the one in the middle. */
function meant() {
  const active = document.activeElement;
  const focused = active?.closest(`[${LECTURE}]`);
  if (focused || (active && active !== document.body)) return focused;
  const far = (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return Math.abs((top + bottom) / 2 - window.innerHeight / 2);
  };
  const shown = [...document.querySelectorAll(`[${LECTURE}]`)].filter((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < window.innerHeight && element.checkVisibility?.() !== false;
  });
  return shown.sort((a, b) => far(a) - far(b))[0];
}

/**
 * Lecture mode for the widget `root`. `presets` are sentences, and `show(i)` puts the widget into
 * the state of one. Returns the button that enters, and what undoes everything.
 */
export function makeLecture({ root, title, presets, show }) {
  let dialog = null;
  let at = -1;
  let says = null;
  let filled = false;
  let numbers = [];
  root.setAttribute(LECTURE, "");

  function choose(i) {
    at = Math.max(0, Math.min(presets.length - 1, i));
    numbers.forEach((button, k) => button.setAttribute("aria-pressed", String(k === at)));
    says.textContent = presets[at];
    show(at);
  }

  function keydown(event) {
    event.stopPropagation(); // the page around it has keys of its own
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const arrow = !ownsArrows(event.target);
    const step = { PageDown: 1, PageUp: -1, ArrowRight: arrow && 1, ArrowLeft: arrow && -1 };
    if (step[event.key]) choose(at + step[event.key]);
    else if (event.key >= "1" && event.key <= String(presets.length)) choose(Number(event.key) - 1);
    else if (event.key.toLowerCase() === "l") dialog.close();
    else return;
    event.preventDefault();
  }

  function makeDialog() {
    const button = (name, click, more = {}) => {
      const made = h("button", { type: "button", ...SUPPRESS, ...more }, name);
      made.addEventListener("click", click);
      return made;
    };
    numbers = presets.map((sentence, i) =>
      button(String(i + 1), () => choose(i), { "aria-pressed": "false", title: sentence }),
    );
    says = h("p", { class: "vaelib-lecture-says", role: "status" });
    const pointer = h("div", { class: "vaelib-lecture-pointer", hidden: true });
    const made = h(
      "dialog",
      { class: "vaelib vaelib-lecture", tabindex: "-1", "aria-label": `${title}, lecture mode` },
      h(
        "div",
        { class: "vaelib-lecture-bar" },
        says,
        ...numbers,
        button("Next →", () => choose(at + 1)),
        button("Leave (Esc)", () => made.close()),
      ),
      pointer,
    );
    made.addEventListener("keydown", keydown);
    made.addEventListener("close", () => {
      if (!made.open) leave(); // else it only changed its place, see `fill`
    });
    made.addEventListener("pointermove", (event) => {
      pointer.hidden = event.pointerType !== "mouse";
      pointer.style.transform = `translate(${event.clientX}px, ${event.clientY}px)`;
    });
    // A slider moved with the mouse gives the arrow keys back to the lecture.
    made.addEventListener("pointerup", ({ target }) => {
      if (target.matches("input[type=range], [role=application]")) made.focus();
    });
    return made;
  }

  /** The whole screen, where the browser gives it: after a key or a click, and if it is not taken. */
  async function fill() {
    if (!document.fullscreenEnabled || document.fullscreenElement) return;
    if (navigator.userActivation?.isActive === false) return;
    try {
      await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    } catch {
      return; // the window is filled, which is nearly as good
    }
    if (!dialog?.open) {
      document.exitFullscreen();
      return;
    }
    filled = true;
    // The page has come on top of the dialog, which must be the last to be shown.
    const focused = document.activeElement;
    dialog.close();
    dialog.showModal();
    focused.focus();
  }

  function unfilled() {
    if (filled && !document.fullscreenElement) dialog?.close();
  }

  function enter() {
    if (dialog || document.querySelector(".vaelib-lecture")) return;
    dialog = makeDialog();
    const { height } = root.getBoundingClientRect();
    const place = h("div", { class: "vaelib-lecture-place" });
    place.style.height = `${height}px`;
    root.replaceWith(place);
    dialog.place = place;
    dialog.append(root);
    document.body.append(dialog);
    dialog.showModal();
    dialog.focus();
    at = -1;
    document.addEventListener("fullscreenchange", unfilled);
    fill();
    says.textContent = presets.length ? "1 to 5 choose a state, → goes on, Esc leaves." : title;
  }

  /** Back into the page; the address says so too. */
  function leave() {
    if (!dialog) return;
    const { place } = dialog;
    dialog.remove();
    dialog = null;
    document.removeEventListener("fullscreenchange", unfilled);
    if (filled && document.fullscreenElement) document.exitFullscreen();
    filled = false;
    place.replaceWith(root);
    enterButton.focus({ preventScroll: true });
    if (!wanted()) return;
    const rest = location.hash.slice(1).split("&").filter((part) => part !== "lecture");
    history.replaceState(history.state, "", `#${rest.join("&")}`);
  }

  function pressed(event) {
    if (event.key.toLowerCase() !== "l" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (dialog || typing(event.target) || meant() !== root) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // the slides around it have another use for L
    enter();
  }

  let frame = 0;
  function follow() {
    if (wanted() && root.isConnected && !dialog) enter();
  }
  function whenShown() {
    if (root.isConnected) follow();
    else frame = requestAnimationFrame(whenShown);
  }

  const enterButton = h("button", { type: "button", "aria-keyshortcuts": "L", ...SUPPRESS }, "Lecture mode (L)");
  enterButton.addEventListener("click", enter);
  document.addEventListener("keydown", pressed, true);
  window.addEventListener("hashchange", follow);
  frame = requestAnimationFrame(whenShown);
  return {
    button: enterButton,
    cleanup() {
      cancelAnimationFrame(frame);
      document.removeEventListener("keydown", pressed, true);
      window.removeEventListener("hashchange", follow);
      dialog?.close();
      leave();
    },
  };
}
