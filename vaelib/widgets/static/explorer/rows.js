// The sliders: one row per dimension, with a number to type, a button that plays it, and q's place.
import { h, text, uniqueId, write } from "../dom.js";
import { KEYS, symbol } from "./layout.js";

/**
 * `name` is what the row says besides its symbol. `now()` is z's value, told later by `say`;
 * `act.move(value)` is called while the row is moved, `act.play()` by its button.
 */
export function makeRow(row, name, now, act) {
  const id = uniqueId("slider");
  const about = uniqueId("about");
  const z = `z${row.dim + 1}`;
  const low = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const high = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const input = h("input", { id, type: "range", step: "0.05", "aria-describedby": about, ...KEYS });
  const number = h("input", {
    ...{ class: "vaelib-number", type: "number", step: "0.05", ...KEYS },
    ...{ "aria-label": `${z} as a number`, autocomplete: "off" },
  });
  const play = h("button", {
    ...{ type: "button", class: "vaelib-play", "aria-label": `Play ${z}`, "aria-pressed": "false" },
    ...KEYS,
  });
  const band = h("span", { class: "vaelib-band", "aria-hidden": "true", hidden: true });
  const posterior = h("span", { id: about, class: "vaelib-heard" });
  const words = h("span", {}, `${name} · `);
  let here = 0;
  let reach = 3;
  let last = null;

  input.addEventListener("input", () => act.move(Number(input.value)));
  const typed = () => {
    if (number.value !== "" && Number.isFinite(number.valueAsNumber)) act.move(number.valueAsNumber);
  };
  number.addEventListener("input", typed);
  number.addEventListener("change", () => tell());
  number.addEventListener("keydown", (event) => {
    const far = { Home: -reach, End: reach, PageUp: now() + 0.5, PageDown: now() - 0.5 }[event.key];
    if (far === undefined && event.key !== "Enter") return;
    if (far !== undefined) {
      event.preventDefault();
      act.move(far);
    }
    tell();
  });
  play.addEventListener("click", () => act.play());

  function tell() {
    // Two decimals, as everywhere; what was typed more finely is not hidden.
    const fine = Math.abs(here - Number(here.toFixed(2))) > 1e-9;
    number.value = here.toFixed(fine ? 3 : 2);
  }

  const slot = h("div", { class: "vaelib-slot" }, input);
  const element = h(
    "div",
    { class: row.active ? "vaelib-row" : "vaelib-row vaelib-inactive" },
    h("label", { for: id }, words, ...symbol(row.dim)),
    h("div", { class: "vaelib-track" }, low, h("div", { class: "vaelib-rail" }, band, slot), high),
    ...[number, play, posterior],
  );
  return {
    element,
    dim: row.dim,
    rename(to) {
      words.textContent = `${to} · `;
    },
    /** Put the slider where z is; its range reaches at least as far as z and q do. */
    place(value, q) {
      last = q;
      const m = q?.mu[row.dim];
      const s = q?.sigma[row.dim];
      const known = Number.isFinite(m) && Number.isFinite(s);
      reach = Math.max(3, Math.ceil(Math.abs(value)), known ? Math.ceil(Math.abs(m) + s) : 0);
      input.min = -reach;
      input.max = reach;
      input.value = value;
      write(low, text(-reach, 0));
      write(high, text(reach, 0));
      band.hidden = !known;
      write(posterior, known ? `q: μ ${text(m)}, σ ${text(s)}` : "");
      if (!known) return;
      band.style.setProperty("--from", (m - s + reach) / (2 * reach));
      band.style.setProperty("--to", (m + s + reach) / (2 * reach));
    },
    /** Put slider and texts where z is now, whoever moved it. */
    say(value) {
      if (value === here && number.value !== "") return;
      here = value;
      if (Math.abs(value) > reach) this.place(value, last);
      // While a number is typed it is left as it is.
      if (number.getRootNode().activeElement !== number || number.valueAsNumber !== value) tell();
      if (Math.abs(Number(input.value) - value) > 0.026) input.value = value;
      input.setAttribute("aria-valuetext", text(value));
    },
    lock: (on) => element.classList.toggle("vaelib-locked", on),
    plays: (on) => play.setAttribute("aria-pressed", String(on)),
  };
}

/** The active rows, and the others for the details; all are active where none is. */
export function arrange(rows, made) {
  const idle = rows.filter((row) => !row.active);
  const folds = idle.length > 0 && idle.length < rows.length;
  const element = h("div", { class: "vaelib-rows" });
  const inside = h("div", { class: "vaelib-rows" });
  rows.forEach((row, i) => (folds && !row.active ? inside : element).append(made[i].element));
  const names = idle.slice(0, 4).map((row) => `z${row.dim + 1}`).join(", ");
  const title = `${idle.length} inactive: ${names}${idle.length > 4 ? ", …" : ""}`;
  const hidden = folds
    ? h("div", { class: "vaelib-idle" }, h("p", {}, `${title} (their means hardly vary with x)`), inside)
    : "";
  return { element, inside, idle: hidden };
}
