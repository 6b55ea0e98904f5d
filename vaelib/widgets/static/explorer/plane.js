// The latent plane: two dimensions at a time. Dots are posterior means of the data, rings the prior's
// 1, 2 and 3 standard deviations, the ellipse is q(z|x), and ε leads from its centre to z.
import { h, text } from "../dom.js";
import { makeBackdrop } from "./backdrop.js";
import { makePainter } from "./decoder.js";
import { drawDots, drawLegend } from "./dots.js";
import { makeHandles } from "./handles.js";
import { KEYS, makeCheck, makeSelect, sign, symbol } from "./layout.js";

const SIZE = 300; // of the drawing, in its own units
const KEY_STEP = 0.05;
const NEAR = 9; // units between the pointer and a dot whose picture is shown
const SIDEWAYS = 6; // pixels from which on a finger does not tap
const svg = (tag, attributes, ...inside) => h(`svg:${tag}`, attributes, ...inside);

/** The rings of the prior and the axes, for a plane that reaches as far as `reach`, and their names. */
function drawPrior(reach) {
  const middle = SIZE / 2;
  const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2 });
  const radii = [1, 2, 3].map((k) => (k / reach) * middle);
  const rings = radii.map((r) => svg("circle", { cx: middle, cy: middle, r }));
  const axes = [line(0, middle, SIZE, middle), line(middle, 0, middle, SIZE)];
  const name = (r, i) => svg("text", { x: middle + 3, y: middle - r + 11 }, `${i + 1}σ`);
  return { lines: [...axes, ...rings], names: radii.map(name) };
}

/** A small picture of what is under the pointer. */
function makePeek(shape) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const words = h("span");
  const element = h("div", { class: "vaelib-peek", "aria-hidden": "true", hidden: true }, canvas, words);
  const painter = makePainter(canvas, shape);
  return {
    element,
    hide: () => (element.hidden = true),
    show(values, name, x, y) {
      painter.write(values);
      painter.put();
      words.textContent = name;
      element.style.left = `${(100 * x) / SIZE}%`;
      element.style.top = `${(100 * y) / SIZE}%`;
      element.classList.toggle("vaelib-left", x > SIZE / 2);
      element.classList.toggle("vaelib-above", y > SIZE / 2);
      element.hidden = false;
    },
  };
}

/**
 * `data` is {dots, points, colourings}; `now()` is z. `act`: `move(pairs)` gets [dimension, value]
 * pairs, `turn(axes)` the two dimensions chosen, `ellipse(q)` an ellipse moved by hand, `behind(on)`
 * the switch of the manifold, `shade()` another way to colour the dots, `decode(z)` gives a picture or null, `wake()` asks for small pictures.
 * Call `face` for other axes, `locate(z)` to show where z is now, `posterior(q)` for another q.
 */
export function makePlane({ spec, data, box, resample, now, act }) {
  const { rows, noun, shape } = spec;
  const { dots, points, colourings } = data;
  const dims = rows.length;
  const flat = dims < 2;
  let axes = flat ? [0] : [0, 1];
  let z = [];
  let q = null;
  let reach = 3.3;
  const prior = svg("g", { class: "vaelib-prior" });
  const cloud = svg("g", { class: "vaelib-dots" });
  const ellipse = svg("g", { class: "vaelib-q" });
  const view = { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true", focusable: "false" };
  const names = svg("g", { class: "vaelib-prior" }); // above the dots, to be read among them
  const drawing = svg("svg", view, prior, cloud, names);
  const above = svg("svg", { ...view, class: "vaelib-above-dots" }, ellipse);
  // Boxes as large as the plane that are only shifted and turned, so that moving z does not draw the dots again.
  const eps = h("div", { class: "vaelib-cursor vaelib-eps" });
  const ring = h("div", { class: "vaelib-cursor ring" }, h("div", { class: "vaelib-ring" }));
  const pad = h("div", { class: "vaelib-pad", role: "slider", tabindex: 0, "aria-label": "Plane", ...KEYS });
  pad.append(drawing, above, eps, ring);
  const grip = h("div", { class: "vaelib-grip" });
  const over = h("div", { class: "vaelib-cursor" }, grip);
  const peek = makePeek(shape);
  const backdrop = makeBackdrop(
    shape,
    flat,
    (x, y) => {
      const code = [...now()];
      [x, y].slice(0, axes.length).forEach((value, i) => (code[axes[i]] = value * reach));
      return code;
    },
    act.wake,
  );
  const inUnits = (event) => {
    const frame = pad.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * 2 - 1;
    const y = 1 - ((event.clientY - frame.top) / frame.height) * 2;
    return [x * reach, y * reach];
  };
  const handles = makeHandles({
    ...{ at: inUnits, axes: () => axes, q: () => q, changed: act.ellipse, drop: () => drawAll() },
  });
  const behind = makeCheck("Manifold behind", act.behind);
  const title = h("p", { class: "vaelib-head" });
  const clip = h("div", { class: "vaelib-clip", "aria-hidden": "true" }, over);
  const field = h("div", { class: "vaelib-field" }, backdrop.canvas, pad, clip, ...handles.elements, peek.element);
  box.append(title, field, h("div", { class: "vaelib-under" }, resample, behind.element));

  const dimensions = rows.map(({ dim }) => [dim, `z${dim + 1}`]);
  const choose = (place) => (value) => {
    const other = axes[1 - place] === Number(value) ? axes[place] : axes[1 - place];
    act.turn(place === 0 ? [Number(value), other] : [other, Number(value)]);
  };
  const selects = [makeSelect("Across", dimensions, choose(0)), makeSelect("Up", dimensions, choose(1))];
  const kinds = [...colourings.map((each, i) => [i, each.name]), ["", "nothing"]];
  const shade = makeSelect("Dots by", kinds, () => act.shade());
  shade.element.hidden = kinds.length < 2;
  const legend = h("ul", { class: "vaelib-legend", "aria-label": "Dots" });
  const note = h("p", { class: "vaelib-note" });
  const both = flat ? [] : selects.map((each) => each.element);
  const settings = h("div", { class: "vaelib-buttons" }, ...both, shade.element);

  const across = (value) => ((value + reach) / (2 * reach)) * SIZE;
  const up = (value) => SIZE - across(value);
  /** Where a code is on the drawing; in a model of one dimension dots are spread upwards to be seen. */
  const height = (values, i = -1) => {
    if (!flat) return up(values[axes[1]]);
    return i < 0 ? up(0) : up((((i * 0.618) % 1) - 0.5) * 0.8);
  };
  const dot = (i) => [across(points[i * dims + axes[0]]), height(points.subarray(i * dims), i)];

  function drawCloud() {
    const colouring = colourings[shade.input.value];
    const place = (i) => dot(i).map((value) => value.toFixed(1)).join();
    cloud.replaceChildren(...drawDots(points ? dots.count : 0, place, colouring));
    legend.replaceChildren(...drawLegend(colouring));
    legend.hidden = !colouring;
  }

  function drawEllipse() {
    ellipse.replaceChildren();
    const centre = q ? [across(q.mu[axes[0]]), height(q.mu)] : [0, 0];
    const radii = (k) => [0, 1].map((i) => (((q?.sigma[axes[i] ?? axes[0]] ?? 0) * k) / (2 * reach)) * SIZE);
    handles.place(q, centre.map((value) => (100 * value) / SIZE), radii(2).map((value) => (100 * value) / SIZE));
    if (!q) return;
    const [cx, cy] = centre;
    for (const k of [1, 2]) {
      const [rx, ry] = radii(k).map((radius) => Math.max(1, radius));
      ellipse.append(svg("ellipse", { cx, cy, rx, ry }));
    }
    ellipse.append(svg("path", { d: `M${cx - 4},${cy}h8M${cx},${cy - 4}v8` }));
  }

  function drawCursor() {
    const [x, y] = [across(z[axes[0]]) / SIZE, height(z) / SIZE];
    ring.style.transform = `translate(${100 * x}%, ${100 * y}%)`;
    over.style.transform = ring.style.transform;
    if (q) {
      const [cx, cy] = [across(q.mu[axes[0]]) / SIZE, height(q.mu) / SIZE];
      const turn = Math.atan2(y - cy, x - cx);
      const far = Math.hypot(x - cx, y - cy);
      eps.style.transform = `translate(${100 * cx}%, ${100 * cy}%) rotate(${turn}rad) scaleX(${far})`;
    }
    eps.hidden = !q;
    pad.setAttribute("aria-valuenow", z[axes[0]].toFixed(2));
    const [a, b] = axes.map((d) => `z${d + 1} ${text(z[d])}`);
    pad.setAttribute("aria-valuetext", flat ? `${a} across` : `${a} across, ${b} up`);
  }

  /** What has to fit: the dots of these two dimensions, z and q. */
  function fit() {
    let far = Math.max(3.2, ...axes.map((d) => Math.abs(z[d] ?? 0)));
    if (q) for (const d of axes) far = Math.max(far, Math.abs(q.mu[d]) + 2 * q.sigma[d]);
    for (let i = 0; points && i < dots.count; i += 1) {
      for (const d of axes) far = Math.max(far, Math.abs(points[i * dims + d]));
    }
    return Math.min(far * 1.04, 1e6);
  }

  function drawAll() {
    reach = fit();
    const drawn = drawPrior(reach);
    prior.replaceChildren(...drawn.lines);
    names.replaceChildren(...drawn.names);
    drawCloud();
    drawEllipse();
    drawCursor();
    pad.setAttribute("aria-valuemin", (-reach).toFixed(2));
    pad.setAttribute("aria-valuemax", reach.toFixed(2));
    const [a, b] = axes.map((d) => `z${d + 1}`);
    pad.setAttribute("aria-label", flat ? `Plane: ${a} across` : `Plane: ${a} across, ${b} up; arrow keys move both`);
    title.replaceChildren(sign("code", "z"), ": ", ...symbol(axes[0]), " across");
    if (!flat) title.append(", ", ...symbol(axes[1]), " up");
    selects.forEach(({ input }, i) => (input.value = axes[i]));
    const count = points ? `Dots: posterior means of ${dots.count} of ${dots.of} ${noun}s. ` : "";
    note.textContent = `${count}Rings: the prior at 1, 2 and 3 σ. Ellipse: q(z|x) at 1 and 2 σ.`;
    act.wake();
  }

  const inside = (value) => Math.max(-reach, Math.min(reach, value));
  const point = (event) => act.move(axes.map((d, i) => [d, inside(inUnits(event)[i])]));

  /** A finger that goes up or down scrolls the page; one that taps or goes sideways moves z. */
  function drags(element, atOnce) {
    let start = null;
    const way = (event) =>
      start ? [Math.abs(event.clientX - start.clientX), Math.abs(event.clientY - start.clientY)] : [0, 0];
    element.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const mouse = atOnce || event.pointerType !== "touch";
      start = mouse ? null : event;
      if (mouse) event.preventDefault(); // no text is to be selected
      element.setPointerCapture(event.pointerId);
      pad.focus({ preventScroll: true });
      peek.hide();
      if (mouse) point(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) return;
      const [dx, dy] = way(event);
      if (start && (dx < SIDEWAYS || dx < dy)) return;
      start = null;
      point(event);
    });
    element.addEventListener("pointerup", (event) => {
      if (start && Math.max(...way(event)) < SIDEWAYS) point(event);
      start = null;
    });
    element.addEventListener("pointercancel", () => (start = null));
  }
  drags(pad, false);
  drags(grip, true);

  let peeked = -1;
  pad.addEventListener("pointermove", (event) => {
    if (!points || event.buttons || event.pointerType === "touch") return;
    const [x, y] = inUnits(event).map((value, i) => (i ? up(value) : across(value)));
    let [found, least] = [-1, NEAR];
    for (let i = 0; i < dots.count; i += 1) {
      const [dx, dy] = dot(i);
      const away = Math.hypot(dx - x, dy - y);
      if (away < least) [found, least] = [i, away];
    }
    if (found === peeked && !peek.element.hidden) return;
    peeked = found;
    const picture = found < 0 ? null : act.peek(found);
    if (picture) peek.show(picture.values, picture.name, ...dot(found));
    else peek.hide();
  });
  pad.addEventListener("pointerleave", peek.hide);

  pad.addEventListener("keydown", (event) => {
    const big = event.shiftKey ? 10 : 1;
    const by = (which, step) => {
      const d = axes[which];
      return d === undefined ? [] : [[d, inside(now()[d] + step * big)]];
    };
    const moves = {
      ArrowRight: () => by(0, KEY_STEP),
      ArrowLeft: () => by(0, -KEY_STEP),
      ArrowUp: () => by(1, KEY_STEP),
      ArrowDown: () => by(1, -KEY_STEP),
      PageUp: () => by(1, 10 * KEY_STEP),
      PageDown: () => by(1, -10 * KEY_STEP),
      Home: () => [[axes[0], -3]],
      End: () => [[axes[0], 3]],
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act.move(moves[event.key]());
  });

  return {
    ...{ settings, legend, note, behind: behind.input, shade: shade.input, shaded: drawCloud, backdrop },
    parts: { ellipse: above, eps, ring: ring.firstChild },
    face(newAxes) {
      axes = newAxes;
      drawAll();
    },
    /** z has jumped: the plane reaches no farther than it has to. */
    refit(values) {
      z = values;
      if (fit() < 0.98 * reach) drawAll();
    },
    locate(values) {
      z = values;
      if (axes.some((d) => Math.abs(z[d]) > reach)) drawAll();
      else drawCursor();
    },
    /** `q` is {mu, sigma} or null; while it is dragged the scale of the plane stays. */
    posterior(newQ, dragged = false) {
      q = newQ;
      if (!z.length) return;
      if (!dragged) drawAll();
      else {
        drawEllipse();
        drawCursor();
      }
    },
  };
}
