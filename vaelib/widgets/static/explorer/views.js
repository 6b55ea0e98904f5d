// What is drawn in the details: traversal strips, the manifold, or an interpolation. Only the
// chosen one exists, so only that one is computed.
import { h, text, uniqueId } from "../dom.js";
import { makePainter } from "./decoder.js";
import { makeGallery } from "./gallery.js";
import { KEYS, makeIndex, symbol } from "./layout.js";

const TITLES = {
  traversal: "Traversal",
  manifold: "Manifold",
  interpolation: "Interpolation",
  none: "Hide",
};
const PLACES = Array.from({ length: 9 }, (_, i) => i / 8);
const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** Where a value is among growing ones, from −½ to their number − ½, the middle of the first being 0. */
function placeAmong(values, value) {
  const last = values.length - 1;
  let i = 0;
  while (i < last - 1 && value > values[i + 1]) i += 1;
  const t = (value - values[i]) / (values[i + 1] - values[i]);
  return within(i + t, -0.5, last + 0.5);
}

/**
 * `state` tells what is so now: z(), axes(), ends() and hold(z), which leaves locked dimensions as
 * they are. `act` does what is asked: go(z, message), choose(mode), between(pair), which is false for a pair that cannot be, wake().
 */
export function makeViews(spec, state, act) {
  const id = uniqueId("views");
  const panel = h("div", { role: "tabpanel", id: `${id}-panel`, class: "vaelib-panel" });
  const tabs = spec.modes.map((mode) => {
    const tab = h("button", { type: "button", role: "tab", id: `${id}-${mode}`, ...KEYS }, TITLES[mode]);
    tab.addEventListener("click", () => act.choose(mode));
    return tab;
  });
  const list = h("div", { class: "vaelib-tabs", role: "tablist", "aria-label": "View" }, ...tabs);
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const index = (to + tabs.length) % tabs.length;
    tabs[index].focus();
    act.choose(spec.modes[index]);
  });
  const element = h("div", { class: "vaelib-views", role: "group", "aria-label": "Views" }, list, panel);
  const gallery = (options) => makeGallery({ shape: spec.shape, wake: act.wake, ...options });
  const note = (...words) => h("p", { class: "vaelib-note" }, ...words);
  const nothing = { next: () => null, put() {}, say() {}, update() {}, stop() {}, locate() {} };
  let shown = nothing;

  function traversal() {
    const active = spec.rows.filter((row) => row.active);
    const rows = active.length ? active : spec.rows;
    const code = (r, c) => {
      const z = [...state.z()];
      z[rows[r].dim] = spec.values[c];
      return z;
    };
    const label = (r, c) => `z${rows[r].dim + 1} at ${text(spec.values[c], 0)}`;
    const made = gallery({
      ...{ rows: rows.length, columns: spec.values.length, name: "Traversal", code, label },
      heads: spec.values.map((value) => text(value, 0)),
      sides: rows.map(({ dim }) => symbol(dim)),
      choose: (r, c) => act.go(code(r, c), label(r, c)),
    });
    made.locate = () => {
      const z = state.z();
      made.mark(rows.map(({ dim }, r) => [placeAmong(spec.values, z[dim]) + 0.46, r, 0.08, 1]));
    };
    const rest = rows.length < spec.rows.length ? " Inactive dimensions are left out." : "";
    panel.replaceChildren(
      note("One row per dimension: it goes from −3 to 3 while the others stay where z is.", rest),
      made.element,
    );
    return made;
  }

  function manifold() {
    const [across, up] = state.axes();
    const at = spec.quantiles;
    const n = at.length;
    const code = (r, c) => {
      const z = [...state.z()];
      [z[across], z[up]] = [at[c], at[n - 1 - r]];
      return state.hold(z);
    };
    const label = (r, c) =>
      `z${across + 1} at ${text(at[c])}, z${up + 1} at ${text(at[n - 1 - r])}`;
    const made = gallery({
      ...{ rows: n, columns: n, name: "Manifold", code, label, heads: [], sides: [] },
      choose: (r, c) => act.go(code(r, c), label(r, c)),
    });
    panel.replaceChildren(
      note(
        ...[...symbol(across), " across and ", ...symbol(up), " up, at the quantiles of the prior "],
        ...[`(i + ½)/${n}: ${text(at[0])} to ${text(at[n - 1])}; the others stay where z is.`],
      ),
      made.element,
    );
    made.locate = () => {
      const z = state.z();
      made.mark([[placeAmong(at, z[across]) + 0.1, n - 1 - placeAmong(at, z[up]) + 0.1, 0.8, 0.8]]);
    };
    made.update = () => {
      if (String([across, up]) !== String(state.axes())) show("manifold");
    };
    return made;
  }

  function interpolation() {
    const code = (_, c) => along(PLACES[c]);
    /** (1 − t) μ_a + t μ_b, but for what is locked. */
    function along(t) {
      const { mu } = state.ends();
      return mu ? state.hold(mu[0].map((a, d) => (1 - t) * a + t * mu[1][d])) : null;
    }
    const say = (t) => {
      const [a, b] = state.ends().indices;
      return `${Math.round(100 * t)} % of the way from ${spec.noun} ${a} to ${b}`;
    };
    const go = (t) => {
      const z = along(t);
      place.value = t;
      place.setAttribute("aria-valuetext", `${Math.round(100 * t)} %`);
      if (z) act.go(z, say(t), "interpolation");
    };
    const made = gallery({
      ...{ rows: 1, columns: PLACES.length, name: "Interpolation", code, sides: [] },
      label: (_, c) => (state.ends().mu ? say(PLACES[c]) : "no picture yet"),
      heads: PLACES.map((t) => String(Math.round(100 * t))),
      choose: (_, c) => go(PLACES[c]),
    });
    const read = () => {
      asked = act.between(ends.map((end) => end.read()));
      if (!asked) ends.forEach((end, i) => (end.input.value = state.ends().indices?.[i] ?? 0));
    };
    let asked = false;
    const ends = ["From", "To"].map((word) => makeIndex(`${word} ${spec.noun}`, spec.images, read));
    const canvases = ends.map(() => h("canvas", { role: "img" }));
    const painters = canvases.map((canvas) => makePainter(canvas, spec.shape));
    const slot = uniqueId("place");
    const place = h("input", {
      ...{ id: slot, type: "range", min: 0, max: 1, step: 0.01, value: 0, ...KEYS },
      "aria-valuetext": "0 %",
    });
    place.addEventListener("input", () => go(Number(place.value)));
    const side = (i) =>
      h("div", { class: "vaelib-endpoint" }, canvases[i], h("div", {}, ends[i].label, ends[i].input));
    panel.replaceChildren(
      note(
        `A straight line in z between the posterior means of two ${spec.noun}s, `,
        "in per cent of the way.",
      ),
      h("div", { class: "vaelib-endpoints" }, side(0), side(1)),
      h("label", { for: slot }, "Place between the two"),
      ...[place, made.element],
    );
    made.update = () => {
      const { indices, source } = state.ends();
      if (!indices) return;
      const size = source.byteLength / 2;
      painters.forEach((painter, i) => {
        painter.write(new Uint8Array(source.buffer, source.byteOffset + i * size, size), 255);
        painter.put();
        canvases[i].setAttribute("aria-label", `Image x, ${spec.noun} ${indices[i]}`);
        ends[i].input.value = indices[i];
      });
      made.say();
      if (asked) go(Number(place.value)); // z and the picture follow the new ends
      asked = false;
    };
    /** z, where it is on the line, or the nearest place of the line to it. */
    made.locate = () => {
      const { mu } = state.ends();
      if (!mu) return;
      const way = mu[1].map((value, d) => value - mu[0][d]);
      const length = way.reduce((sum, value) => sum + value * value, 0) || 1;
      const t = state.z().reduce((sum, value, d) => sum + (value - mu[0][d]) * way[d], 0) / length;
      const near = within(t, 0, 1);
      made.mark([[near * 8 + 0.46, 0, 0.08, 1]]);
      if (place.matches(":focus")) return; // it is moved just now
      place.value = near;
      place.setAttribute("aria-valuetext", `${Math.round(100 * near)} %`);
    };
    return made;
  }

  const makers = { traversal, manifold, interpolation };
  function show(mode) {
    shown.stop();
    spec.modes.forEach((each, i) => {
      tabs[i].setAttribute("aria-selected", String(each === mode));
      tabs[i].tabIndex = each === mode ? 0 : -1;
      if (each === mode) tabs[i].setAttribute("aria-controls", panel.id);
      else tabs[i].removeAttribute("aria-controls");
    });
    panel.setAttribute("aria-labelledby", `${id}-${mode}`);
    panel.replaceChildren();
    panel.setAttribute("aria-hidden", String(!makers[mode]));
    shown = { ...nothing, ...makers[mode]?.() };
    shown.say();
    shown.update();
    shown.locate();
  }
  return {
    element,
    show,
    next: () => shown.next(),
    put: () => shown.put(),
    /** z has moved. */
    locate: () => shown.locate(),
    update() {
      shown.update();
      shown.locate();
      act.wake();
    },
    stop: () => shown.stop(),
  };
}
