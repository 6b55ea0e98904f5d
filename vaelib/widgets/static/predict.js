// A question: the reader chooses an answer or types a number, commits, and then sees why. The room
// for the result is there from the start, so nothing moves when it appears. What was answered lives
// in this view only.
import { h, listen, passSave, uniqueId } from "./dom.js";

// JupyterLab takes keys from an output unless the element itself says this.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

/** An element whose content is HTML that Python made: escaped text and MathML. */
function filled(tag, attributes, html) {
  const element = h(tag, attributes);
  element.innerHTML = html;
  return element;
}

/** The radio buttons; `chosen` gives the number of the answer, or null. */
function makeAnswers(spec, changed) {
  const name = uniqueId("answer");
  const inputs = spec.answers.map((_, i) =>
    h("input", { type: "radio", name, value: i, change: changed, ...KEYS }),
  );
  const rows = spec.answers.map((answer, i) =>
    h("label", { class: "vaelib-answer" }, inputs[i], filled("span", {}, answer.html)),
  );
  return {
    inputs,
    rows,
    chosen() {
      const at = inputs.findIndex((input) => input.checked);
      return at < 0 ? null : at;
    },
    right: (at) => spec.answers[at].right,
    /** Mark the right answer, and the one that was chosen. */
    mark(at) {
      spec.answers.forEach((answer, i) => {
        if (answer.right) rows[i].classList.add("vaelib-right");
        else if (i === at) rows[i].classList.add("vaelib-wrong");
      });
    },
  };
}

/** The field for a number; `chosen` gives the number, or null. */
function makeNumber(spec, changed) {
  const id = uniqueId("number");
  const input = h("input", {
    ...{ id, type: "text", inputmode: "decimal", autocomplete: "off", input: changed, ...KEYS },
  });
  const row = h(
    "div",
    { class: "vaelib-answer" },
    h("label", { for: id }, "Your number"),
    input,
    filled("span", {}, spec.unit),
  );
  const near = (value) => Math.abs(value - spec.number) <= spec.tolerance * (1 + 1e-9);
  return {
    inputs: [input],
    rows: [row],
    chosen() {
      // "0,5", "−1" and "1 000" are numbers too.
      const text = input.value.trim().replace("−", "-").replace(",", ".").replace(/\s/g, "");
      const value = Number(text);
      return text === "" || !Number.isFinite(value) ? null : value;
    },
    right: near,
    mark(value) {
      row.classList.add(near(value) ? "vaelib-right" : "vaelib-wrong");
    },
  };
}

export function render({ model, el }) {
  const spec = model.get("spec");
  const isNumber = spec.number !== null;
  const changed = () => {
    button.setAttribute("aria-disabled", String(committed || answers.chosen() === null));
  };
  let committed = false;
  const answers = (isNumber ? makeNumber : makeAnswers)(spec, changed);
  const button = h(
    "button",
    { type: "button", class: "vaelib-commit", "aria-disabled": "true", click: commit, ...KEYS },
    "Commit",
  );
  const unit = spec.unit ? ` ${spec.unit}` : "";
  const about = isNumber ? `${spec.right}${unit}` : spec.right;
  const verdicts = {
    right: filled("p", { class: "vaelib-right" }, `<strong>Right:</strong> ${about}`),
    wrong: filled("p", { class: "vaelib-wrong" }, `<strong>Not quite.</strong> It is ${about}`),
  };
  const others = spec.answers.filter((answer) => !answer.right);
  const result = h(
    "div",
    { class: "vaelib-result", "aria-hidden": "true" },
    h("div", { class: "vaelib-verdict" }, verdicts.right, verdicts.wrong),
    filled("p", { class: "vaelib-because" }, spec.because),
    others.length ? h("p", { class: "vaelib-others" }, "What others answer, and why") : "",
    ...others.map((answer) =>
      filled("p", { class: "vaelib-why" }, `<strong>${answer.html}</strong> ${answer.why}`),
    ),
  );
  const curtain = h(
    "p",
    { class: "vaelib-curtain" },
    isNumber ? "Type a number and commit: then you see why." : "Choose and commit: then you see why.",
  );
  const aloud = h("p", { class: "vaelib-aloud", role: "status", "aria-live": "polite" });
  const error = h("p", { class: "vaelib-error", role: "alert", hidden: true });
  const question = h(
    "fieldset",
    {},
    filled("legend", {}, `<span class="vaelib-tag">Predict</span> ${spec.question}`),
    ...answers.rows,
    button,
  );
  const root = h(
    "div",
    { class: "vaelib vaelib-predict" },
    question,
    h("div", { class: "vaelib-reveal" }, result, curtain),
    aloud,
    error,
  );

  function commit() {
    const answer = answers.chosen();
    if (committed || answer === null) return;
    committed = true;
    const right = answers.right(answer);
    for (const input of answers.inputs) input.disabled = true;
    answers.mark(answer);
    verdicts[right ? "wrong" : "right"].classList.add("vaelib-unsaid");
    result.removeAttribute("aria-hidden");
    root.classList.add("vaelib-committed");
    button.textContent = "Committed";
    changed();
    const verdict = verdicts[right ? "right" : "wrong"].textContent;
    aloud.textContent = `${verdict}. ${result.querySelector(".vaelib-because").textContent}`;
    // A page may have covered what would have spoiled the question.
    root.dispatchEvent(new CustomEvent("vaelib-commit", { bubbles: true }));
  }

  root.addEventListener("keydown", (event) => {
    const inside = event.target.matches("input, button") && !committed;
    // Slides and notebooks must not turn a page at a key that answers.
    if (inside && [" ", "Enter"].includes(event.key)) event.stopPropagation();
    if (inside && event.target.matches("input") && event.key === "Enter") {
      event.preventDefault();
      commit();
    }
  });
  const showError = () => {
    error.textContent = model.get("error");
    error.hidden = !error.textContent;
  };
  const unlisten = listen(model, { error: showError });
  showError();
  passSave(root);
  el.append(root);
  return () => {
    unlisten();
    root.remove();
  };
}
