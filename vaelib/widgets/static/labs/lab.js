// The frame of every lab: its controls, its panels and its numbers in words. The state lives in the
// model's traits; `compute(state)` is the lab's own, in this page, so that no move waits for Python.
import { h, listen, perFrame, text, throttle, uniqueId } from "../dom.js";
import { makePanel, rich, say } from "./plot.js";

// JupyterLab takes arrow and other keys from an output unless the element itself says this.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

/** A labelled range input over a range of numbers or over a row of whole numbers. */
function makeSlider(control, moved) {
  const id = uniqueId("slider");
  const steps = control.values;
  const range = steps ? { min: 0, max: steps.length - 1, step: 1 } : control;
  const digits = steps || control.step >= 1 ? 0 : 2;
  const ends = steps ? [steps[0], steps.at(-1)] : [control.min, control.max];
  const [low, high] = ends.map((value) => text(value, digits && (value % 1 ? 1 : 0)));
  const value = h("span", { class: "vaelib-value", "aria-hidden": "true" });
  const input = h("input", {
    ...{ id, type: "range", min: range.min, max: range.max, step: range.step, ...KEYS },
  });
  input.addEventListener("input", () => {
    const number = Number(input.value);
    moved(steps ? steps[number] : number);
  });
  const end = (string) => h("span", { class: "vaelib-end", "aria-hidden": "true" }, string);
  return {
    element: h(
      "div",
      { class: "vaelib-row" },
      h("label", { for: id }, control.label),
      value,
      h("div", { class: "vaelib-track" }, end(low), input, end(high)),
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
    element: h("div", { class: "vaelib-choice" }, h("label", { for: id }, control.label), select),
    place(value) {
      select.value = value;
    },
    say() {},
  };
}

/** Shows the lab in `el`; returns what takes it away again. */
export function renderLab({ model, el }, compute) {
  const spec = model.get("spec");
  const names = spec.controls.map((control) => control.name);
  const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const sent = { ...state };

  const controls = spec.controls.map((control) =>
    (control.kind === "choice" ? makeChoice : makeSlider)(control, (value) => {
      state[control.name] = value;
      changed();
    }),
  );
  const reset = h("button", { type: "button", ...KEYS }, "Reset");
  reset.addEventListener("click", () => {
    for (const control of spec.controls) state[control.name] = control.start;
    place();
    changed();
  });
  const panels = spec.panels.map(makePanel);
  const says = spec.says.map(() => h("p"));
  // What is seen follows every frame; what is read aloud comes when the slider rests.
  const aloud = h("p", { class: "vaelib-aloud", role: "status", "aria-live": "polite" });
  const error = h("p", { class: "vaelib-error", role: "alert", hidden: true });
  const root = h(
    "div",
    { class: "vaelib vaelib-lab", role: "group", "aria-label": spec.title },
    h("div", { class: "vaelib-rows" }, ...controls.map((control) => control.element), reset),
    h(
      "div",
      { class: "vaelib-plots" },
      ...panels.map((panel) => panel.element),
      h("div", { class: "vaelib-says" }, ...says),
    ),
    aloud,
    error,
  );

  function show() {
    try {
      const scene = compute(state);
      for (const panel of panels) panel.update(scene);
      spec.says.forEach((template, i) => {
        rich(says[i], say(template, scene.numbers));
      });
      names.forEach((name, i) => controls[i].say(state[name]));
      showError();
    } catch (problem) {
      showError(String(problem));
      throw problem;
    }
  }

  const painting = perFrame(show);
  const telling = throttle(700, () => {
    aloud.textContent = says.map((line) => line.textContent).join(" ");
  });
  const saving = throttle(100, () => {
    for (const name of names) {
      if (sent[name] === state[name]) continue;
      sent[name] = state[name];
      model.set(name, state[name]);
    }
    model.save_changes();
  });

  /** The state was changed here: show it in the next frame, tell Python soon. */
  function changed() {
    painting.request();
    telling.request();
    saving.request();
  }

  function place() {
    names.forEach((name, i) => controls[i].place(state[name]));
  }

  function showError(own = "") {
    error.textContent = own || model.get("error");
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
  el.append(root);
  return () => {
    saving.flush();
    painting.cancel();
    telling.cancel();
    unlisten();
    root.remove();
  };
}
