// The frame of every lab: its controls, its panels and its numbers in words. The state lives in the
// model's traits; `compute(state)` is the lab's own, in this page, so that no move waits for Python.
import { h, listen, passSave, perFrame, text, throttle, uniqueId } from "../dom.js";
import { makeLecture } from "../lecture.js";
import { KEYS, makeGrip } from "./grips.js";
import { makePanel, rich, say } from "./plot.js";

/** A labelled range input over a range of numbers or over a row of whole numbers. */
function makeSlider(control, moved) {
  const id = uniqueId("slider");
  const steps = control.values;
  const range = steps ? { min: 0, max: steps.length - 1, step: 1 } : control;
  const digits = steps || control.step >= 1 ? 0 : 2;
  const value = h("span", { class: "lab-value", "aria-hidden": "true" });
  const input = h("input", {
    ...{ id, type: "range", min: range.min, max: range.max, step: range.step, ...KEYS },
  });
  input.addEventListener("input", () => {
    const number = Number(input.value);
    moved(steps ? steps[number] : number);
  });
  return {
    element: h(
      "div",
      { class: `lab-row lab-colour-${control.colour}` },
      h("label", { for: id }, control.label),
      value,
      input,
    ),
    place(number) {
      input.value = steps ? steps.indexOf(number) : number;
    },
    say(number) {
      value.textContent = text(number, digits);
      input.setAttribute("aria-valuetext", text(number, digits));
    },
  };
}

/** A labelled list to choose from. */
function makeChoice(control, moved) {
  const id = uniqueId("choice");
  const options = control.options.map(([value, label]) => h("option", { value }, label));
  const select = h("select", { id, ...KEYS }, ...options);
  select.addEventListener("change", () => moved(select.value));
  return {
    element: h("div", { class: "lab-row lab-choice" }, h("label", { for: id }, control.label), select),
    place(value) {
      select.value = value;
    },
    say() {},
  };
}

/** A value that the control can take, nearest to the one that was asked for. */
function nearestValue({ kind, min, max, values }, value) {
  if (kind === "slider") return Math.max(min, Math.min(max, value));
  if (kind === "choice") return value;
  const far = (one) => Math.abs(Math.log(one / Math.max(value, 0.1)));
  return values.reduce((best, one) => (far(one) < far(best) ? one : best));
}

/** The value one step further. */
function stepped({ kind, step, values }, value, direction) {
  if (kind === "slider") return value + direction * step;
  return values[Math.max(0, Math.min(values.length - 1, values.indexOf(value) + direction))];
}

/** A sentence whose place is as large as its widest form, so that nothing below it moves. */
function makeSentence(template, whole) {
  const widest = template.replace(/\{\w+(?::(\d))?\}/g, (_, digits) =>
    digits > 0 ? `${whole}.${"0".repeat(digits)}` : "0000",
  );
  const inner = h("span");
  return { element: h("p", { "data-widest": widest }, inner), inner };
}

/**
 * Shows the lab in `el`; returns what takes it away again. `grips` are what can be grabbed in the
 * plots; `extend(lab)` adds a lab's own part: its `buttons`, its `elements`, its `update(scene)`,
 * what `moved()` by hand and `reset()` mean for it, what it says `aloud()`, its `cleanup()`.
 */
export function renderLab({ model, el }, compute, { grips = [], extend = () => ({}) } = {}) {
  const spec = model.get("spec");
  const names = spec.controls.map((control) => control.name);
  const byName = Object.fromEntries(spec.controls.map((control) => [control.name, control]));
  const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const sent = { ...state };

  const controls = spec.controls.map((control) =>
    (control.kind === "choice" ? makeChoice : makeSlider)(control, (value) => {
      byHand({ [control.name]: value });
    }),
  );
  const button = (name, click) => {
    const made = h("button", { type: "button", ...KEYS }, name);
    made.addEventListener("click", click);
    return made;
  };
  const reset = button("Reset", () => {
    own.reset?.();
    set(Object.fromEntries(spec.controls.map((control) => [control.name, control.start])));
  });
  const painting = perFrame(show);
  const panels = spec.panels.map((panel) => makePanel(panel, painting.request));
  const panel = (key) => panels.find((one) => one.key === key);
  const says = spec.says.map((template) => makeSentence(template, spec.widest));
  // What is seen follows every frame; what is read aloud comes when the slider rests.
  const aloud = h("p", { class: "lab-aloud", role: "status", "aria-live": "polite" });
  const error = h("p", { class: "vaelib-error", role: "alert", hidden: true });
  const nudge = (name, by) => byHand({ [name]: stepped(byName[name], state[name], by) });
  const handles = grips.map((grip) =>
    makeGrip(grip, panel(grip.panel), { state, move: byHand, nudge }),
  );
  const own = extend({ state, set, panel, button, compute, redraw: painting.request });
  const root = h("div", { class: "vaelib vaelib-lab", role: "group", "aria-label": spec.title });
  const lecture = makeLecture({
    ...{ root, title: spec.title, presets: spec.presets.map((preset) => preset.says) },
    show(i) {
      own.reset?.();
      set(spec.presets[i].state);
    },
  });
  lecture.button.classList.add("lab-page-only");
  const buttons = [...(own.buttons ?? []), reset, lecture.button];
  const banner = spec.panels.some(({ rows }) => rows.length) ? " lab-with-banner" : "";
  root.append(
    h("div", { class: `vaelib-plots${banner}` }, ...panels.map(({ element }) => element)),
    h("div", { class: "lab-controls" }, ...controls.map(({ element }) => element)),
    h("div", { class: own.buttons ? "lab-buttons" : "lab-buttons lab-page-only" }, ...buttons),
    ...(own.elements ?? []),
    h("div", { class: "vaelib-says" }, ...says.map(({ element }) => element)),
    aloud,
    error,
  );

  function show() {
    try {
      const scene = compute(state);
      for (const one of panels) one.update(scene);
      for (const handle of handles) handle.update(scene);
      own.update?.(scene);
      spec.says.forEach((template, i) => {
        rich(says[i].inner, say(template, scene.numbers));
      });
      names.forEach((name, i) => controls[i].say(state[name]));
      showError();
    } catch (problem) {
      showError(String(problem));
      throw problem;
    }
  }

  const telling = throttle(700, () => {
    const lines = says.map(({ inner }) => inner.textContent);
    aloud.textContent = [...lines, own.aloud?.() ?? ""].join(" ");
  });
  const saving = throttle(100, () => {
    for (const name of names) {
      if (sent[name] === state[name]) continue;
      sent[name] = state[name];
      model.set(name, state[name]);
    }
    model.save_changes();
  });

  /** New values, as far as the controls go: shown in the next frame, and Python hears of them soon. */
  function set(values) {
    for (const [name, value] of Object.entries(values)) {
      state[name] = nearestValue(byName[name], value);
    }
    place();
    painting.request();
    telling.request();
    saving.request();
  }

  function byHand(values) {
    own.moved?.();
    set(values);
  }

  function place() {
    names.forEach((name, i) => controls[i].place(state[name]));
  }

  function showError(problem = "") {
    error.textContent = problem || model.get("error");
    error.hidden = !error.textContent;
  }

  const handlers = names.map((name) => [
    name,
    () => {
      const value = model.get(name);
      // The echo of what this view sent must not pull back a slider that has moved on since.
      if (value === sent[name]) return;
      sent[name] = value;
      state[name] = value;
      place();
      painting.request();
      telling.request();
    },
  ]);
  const unlisten = listen(model, { ...Object.fromEntries(handlers), error: () => showError() });

  place();
  show();
  // For tests and the curious: the computation as the page runs it.
  root.vaelibCompute = compute;
  passSave(root);
  el.append(root);
  return () => {
    saving.flush();
    painting.cancel();
    telling.cancel();
    unlisten();
    own.cleanup?.();
    lecture.cleanup();
    for (const one of panels) one.cleanup();
    root.remove();
  };
}
