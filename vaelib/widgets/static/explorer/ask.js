// What a first-time visitor is asked once both sliders have moved: which one smiles?
import { h, text } from "../dom.js";
import { makeButton } from "./layout.js";

/** The question, or null where the data has no known factor or there is only one slider. */
export function makeQuestion({ rows, factors, noun }) {
  const sliders = rows.filter((row) => row.active).slice(0, 4);
  if (sliders.length < 2 || !factors?.names) return null;
  const smile = factors.names.indexOf("expression");
  const f = Math.max(0, smile);
  const ask = smile < 0 ? `Which slider changes “${factors.names[f]}”?` : "Which one smiles?";
  const of = ({ dim }) => factors.values[dim][f];
  const right = sliders.reduce((best, row) => (of(row) > of(best) ? row : best));
  const answer = h("span", { class: "vaelib-answer", "aria-live": "polite" });
  const buttons = sliders.map((row, i) => {
    const button = makeButton(`Slider ${i + 1}`, { class: "vaelib-chip" });
    button.addEventListener("click", () => {
      const measured = `|ρ| = ${text(of(row))} with ${factors.names[f]} over ${factors.count} ${noun}s`;
      answer.textContent = `${row === right ? "Yes" : "No"}: z${row.dim + 1} has ${measured}.`;
    });
    return button;
  });
  const wanted = new Set(sliders.map((row) => row.dim));
  const element = h("div", { class: "vaelib-ask vaelib-off" }, h("strong", {}, ask), ...buttons, answer);
  return {
    element,
    /** A slider was moved by hand. */
    moved(dim) {
      wanted.delete(dim);
      if (!wanted.size) element.classList.remove("vaelib-off");
    },
  };
}
