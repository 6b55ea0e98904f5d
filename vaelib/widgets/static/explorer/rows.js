// The sliders: one row a dimension, with its KL, a number to type, a lock, and q's place on it.
import { h, text, uniqueId } from "../dom.js";
import { KEYS, symbol } from "./layout.js";

/**
 * `now()` is z's value, told later by `say`; `moved(value)` is called while the row is moved,
 * `locked(on)` when its lock is switched.
 */
export function makeRow(row, now, moved, locked) {
  const id = uniqueId("slider");
  const about = uniqueId("about");
  const name = `z${row.dim + 1}`;
  const facts = [];
  if (row.kl !== null) facts.push(` · KL ${text(row.kl)} nats`);
  if (!row.active) facts.push(" · inactive");
  const low = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const high = h("span", { class: "vaelib-end", "aria-hidden": "true" });
  const input = h("input", { id, type: "range", step: "0.05", "aria-describedby": about, ...KEYS });
  const number = h("input", {
    ...{ class: "vaelib-number", type: "number", step: "0.05", ...KEYS },
    ...{ "aria-label": `${name} as a number`, autocomplete: "off" },
  });
  const lock = h("input", { type: "checkbox", "aria-label": `Lock ${name}`, ...KEYS });
  const band = h("span", { class: "vaelib-band", "aria-hidden": "true", hidden: true });
  const posterior = h("span", { id: about, class: "vaelib-posterior" });
  let here = 0;
  let reach = 3;

  input.addEventListener("input", () => moved(Number(input.value)));
  const typed = () => {
    if (number.value !== "" && Number.isFinite(number.valueAsNumber)) moved(number.valueAsNumber);
  };
  number.addEventListener("input", typed);
  number.addEventListener("change", () => tell());
  number.addEventListener("keydown", (event) => {
    const far = { Home: -reach, End: reach, PageUp: now() + 0.5, PageDown: now() - 0.5 }[event.key];
    if (far === undefined && event.key !== "Enter") return;
    if (far !== undefined) {
      event.preventDefault();
      moved(far);
    }
    tell();
  });
  lock.addEventListener("change", () => locked(lock.checked));

  function tell() {
    // Two decimals, as everywhere; what was typed more finely is not hidden.
    const fine = Math.abs(here - Number(here.toFixed(2))) > 1e-9;
    number.value = here.toFixed(fine ? 3 : 2);
  }

  const slot = h("div", { class: "vaelib-slot" }, input);
  const element = h(
    "div",
    { class: row.active ? "vaelib-row" : "vaelib-row vaelib-inactive" },
    h("label", { for: id }, ...symbol(row.dim), ...facts),
    h("label", { class: "vaelib-lock" }, lock, "lock"),
    number,
    h("div", { class: "vaelib-track" }, low, h("div", { class: "vaelib-rail" }, band, slot), high),
    posterior,
  );
  return {
    element,
    dim: row.dim,
    /** Put the slider where z is; its range reaches at least as far as z and q do. */
    place(z, { mu = [], sigma = [] }) {
      const m = mu[row.dim];
      const s = sigma[row.dim] ?? 0;
      const known = m !== undefined && m !== null;
      reach = Math.max(3, Math.ceil(Math.abs(z)), known ? Math.ceil(Math.abs(m) + s) : 0);
      input.min = -reach;
      input.max = reach;
      input.value = z;
      low.textContent = text(-reach, 0);
      high.textContent = text(reach, 0);
      band.hidden = !(known && sigma.length);
      posterior.textContent = band.hidden ? "" : `q: μ ${text(m)}, σ ${text(s)}`;
      if (band.hidden) return;
      band.style.setProperty("--from", (m - s + reach) / (2 * reach));
      band.style.setProperty("--to", (m + s + reach) / (2 * reach));
    },
    /** Put slider and texts where z is now, whoever moved it. */
    say(z) {
      if (z === here && number.value !== "") return;
      here = z;
      if (Math.abs(z) > reach) this.place(z, {});
      // While a number is typed it is left as it is.
      if (number.getRootNode().activeElement !== number || number.valueAsNumber !== z) tell();
      if (Math.abs(Number(input.value) - z) > 0.026) input.value = z;
      input.setAttribute("aria-valuetext", text(z));
    },
    lock(on) {
      lock.checked = on;
      element.classList.toggle("vaelib-locked", on);
    },
  };
}

/** The active rows, and the others under a disclosure; all stand open where none is active. */
export function arrange(rows, made) {
  const element = h("div", { class: rows.length > 8 ? "vaelib-rows vaelib-many" : "vaelib-rows" });
  const idle = rows.filter((row) => !row.active);
  const folds = idle.length > 0 && idle.length < rows.length;
  const inside = h("div", { class: "vaelib-rows" });
  rows.forEach((row, i) => (folds && !row.active ? inside : element).append(made[i].element));
  if (!folds) return element;
  const some = idle.slice(0, 4).map((row) => `z${row.dim + 1}`).join(", ");
  const title = `${idle.length} inactive: ${some}${idle.length > 4 ? ", …" : ""}`;
  const summary = h("summary", { ...KEYS }, `${title} (their means hardly vary with x)`);
  return h("div", {}, element, h("details", { class: "vaelib-fold" }, summary, inside));
}
