// Details: what each dimension does, the order of the sliders, the plane's axes, z as code, the views.
import { h, text } from "../dom.js";
import { KEYS, makeSelect, symbol } from "./layout.js";

const OPEN = 900; // pixels of window from which on the details stand open at first

/** One row per dimension: its KL, what it tells of each factor, and a lock. `locked(dim, on)`. */
function makeTable({ rows, factors, noun }, locked) {
  const names = factors?.names ?? [];
  const best = names.map((_, f) => Math.max(...factors.values.map((row) => row[f])));
  const cell = (value, f) =>
    h("td", {}, value.toFixed(2), value === best[f] && value > 0 ? " ◀ most" : "");
  const locks = new Map();
  const line = ({ dim, kl, active }) => {
    const lock = h("input", { type: "checkbox", "aria-label": `Lock z${dim + 1}`, ...KEYS });
    lock.addEventListener("change", () => locked(dim, lock.checked));
    locks.set(dim, lock);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, ...symbol(dim), active ? "" : " · inactive"),
      h("td", {}, kl === null ? "…" : text(kl)),
      ...names.map((_, f) => cell(factors.values[dim][f], f)),
      h("td", {}, lock),
    );
  };
  const told = names.length ? `; |Spearman| with each factor over ${factors.count} ${noun}s, 0 to 1` : "";
  const title = `Each dimension: mean KL in nats${told}`;
  const head = ["dimension", "KL", ...names, "lock"].map((name) => h("th", { scope: "col" }, name));
  const table = h(
    "table",
    {},
    h("caption", {}, title),
    h("thead", {}, h("tr", {}, ...head)),
    h("tbody", {}, ...rows.map(line)),
  );
  const element = h(
    "div",
    { class: "vaelib-table", tabindex: 0, role: "group", "aria-label": title, ...KEYS },
    table,
  );
  return { element, locks };
}

/**
 * `plane` is the plane (its `settings` and `legend` go here) and `views` the views; `act.lock(dim, on)`
 * and `act.order(how)` do what is asked.
 */
export function makeDetails(spec, parts, { plane, views, idle }, act) {
  const table = makeTable(spec, act.lock);
  const order = makeSelect("Order of the sliders", [["kl", "largest KL first"], ["number", "z1, z2, …"]], act.order);
  const code = h("div", { class: "vaelib-buttons" }, parts.copy, parts.code);
  const notes = [];
  if (spec.why_no_encoder) notes.push(`This page cannot encode: ${spec.why_no_encoder}.`);
  const left = h(
    "div",
    { class: "vaelib-knobs" },
    ...[idle, table.element, order.element, plane.settings, code, plane.legend, plane.note],
    ...notes.map((note) => h("p", { class: "vaelib-note" }, note)),
  );
  const summary = h("summary", { ...KEYS }, "Details: KL, locks, tables, strips");
  const element = h(
    "details",
    { class: "vaelib-details", open: window.innerWidth >= OPEN },
    summary,
    h("div", { class: "vaelib-lower" }, left, views.element),
  );
  return { element, summary, locks: table.locks, order: order.input };
}
