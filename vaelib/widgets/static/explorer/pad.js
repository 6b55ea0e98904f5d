// The pad: two dimensions at a time. Dots are posterior means of the data, rings the prior's 1, 2
// and 3 standard deviations, ellipses the q of the image started from.
import { h, text } from "../dom.js";
import { KEYS, makeSelect, symbol } from "./layout.js";

const SIZE = 300; // of the drawing, in its own units
const STEP = 0.05;

/** Outlines round (0, 0) of about one size, so that classes differ without their colours. */
const SHAPES = [
  (r) => `m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`,
  (r) => `m${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (r) => `m0,${-1.3 * r}l${1.2 * r},${2.2 * r}h${-2.4 * r}z`,
  (r) => `m0,${-1.4 * r}l${1.4 * r},${1.4 * r}l${-1.4 * r},${1.4 * r}l${-1.4 * r},${-1.4 * r}z`,
  (r) => `m${-0.45 * r},${-1.4 * r}h${0.9 * r}v${2.8 * r}h${-0.9 * r}z`,
  (r) => `m${-1.4 * r},${-0.45 * r}h${2.8 * r}v${0.9 * r}h${-2.8 * r}z`,
  (r) => `m0,${1.3 * r}l${1.2 * r},${-2.2 * r}h${-2.4 * r}z`,
];

/** The look of group k: shape, size and the number of its colour. Levels grow with their value. */
function look(kind, k) {
  if (kind === "level") return { outline: SHAPES[0](1.3 + 0.6 * k), colour: `level${k % 5}` };
  return { outline: SHAPES[k % SHAPES.length](2.1), colour: `class${k % 8}` };
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The numbers that Python sent: float32, at any alignment. */
function floats(view) {
  return new Float32Array(bytes(view).slice().buffer);
}

/**
 * `now()` is z; `move(pairs)` gets [dimension, value] pairs, `turn(axes)` the two dimensions chosen.
 * Call `face` for other axes, `locate(z)` to show where z is now, `image(encoding)` for another image.
 */
export function makePad({ rows, dots, noun, now, move, turn }) {
  let axes = [0, 1];
  let z = [];
  let encoding = {};
  let reach = 3.3;
  const points = dots.count ? floats(dots.means) : null;
  const dims = rows.length;
  const colourings = (dots.colourings ?? []).map((each) => ({ ...each, group: bytes(each.group) }));
  const svg = (tag, attributes, ...inside) => h(`svg:${tag}`, attributes, ...inside);
  const cloud = svg("g", { class: "vaelib-dots" });
  const prior = svg("g", { class: "vaelib-prior" });
  const posterior = svg("g", { class: "vaelib-q" });
  // Three boxes as large as the pad that are only shifted, so that moving them paints no dot anew.
  const cursor = ["ring", "across", "up"].map((name) => h("div", { class: `vaelib-cursor ${name}` }));
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true", focusable: "false" },
    ...[cloud, prior, posterior],
  );
  const pad = h("div", {
    ...{ class: "vaelib-pad", role: "slider", tabindex: 0, "aria-label": "Pad", ...KEYS },
  });
  pad.append(drawing, ...cursor);
  const legend = h("ul", { class: "vaelib-legend", "aria-label": "Dots" });
  const note = h("p", { class: "vaelib-note" });

  const names = rows.map(({ dim }) => [dim, `z${dim + 1}`]);
  const choose = (place) => (value) => {
    const other = axes[1 - place] === Number(value) ? axes[place] : axes[1 - place];
    turn(place === 0 ? [Number(value), other] : [other, Number(value)]);
  };
  const selects = [makeSelect("Across", names, choose(0)), makeSelect("Up", names, choose(1))];
  const kinds = [...colourings.map((each, i) => [i, each.name]), ["", "nothing"]];
  const shade = makeSelect("Dots by", kinds, () => drawDots());
  shade.element.hidden = kinds.length < 2;
  const element = h(
    "div",
    { class: "vaelib-padbox", role: "group", "aria-label": "Two dimensions" },
    h("div", { class: "vaelib-buttons" }, ...selects.map((s) => s.element), shade.element),
    ...[pad, legend, note],
  );

  const across = (value) => ((value + reach) / (2 * reach)) * SIZE;
  const up = (value) => SIZE - across(value);
  const place = (x, y) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`;
  const length = (value) => (value / (2 * reach)) * SIZE;

  function drawDots() {
    const colouring = colourings[shade.input.value] ?? { kind: "class", groups: [""], group: null };
    const paths = colouring.groups.map(() => []);
    for (let i = 0; points && i < dots.count; i += 1) {
      const at = place(points[i * dims + axes[0]], points[i * dims + axes[1]]);
      paths[colouring.group ? colouring.group[i] : 0].push(`M${at}`);
    }
    const looks = paths.map((_, k) => look(colouring.kind, k));
    const marks = paths.map((starts, k) =>
      svg("path", {
        class: `vaelib-${looks[k].colour}`,
        d: starts.map((start) => start + looks[k].outline).join(""),
      }),
    );
    cloud.replaceChildren(...marks);
    const entries = colouring.groups.map((name, k) =>
      h(
        "li",
        {},
        svg(
          "svg",
          { viewBox: "-5 -5 10 10", "aria-hidden": "true" },
          svg("path", { class: `vaelib-${looks[k].colour}`, d: `M0,0${looks[k].outline}` }),
        ),
        name,
      ),
    );
    legend.replaceChildren(...entries);
    legend.hidden = !colouring.group;
  }

  function drawPrior() {
    const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2 });
    const rings = [1, 2, 3].flatMap((r) => [
      svg("circle", { cx: across(0), cy: up(0), r: length(r) }),
      svg("text", { x: across(0) + 3, y: up(r) + 11 }, `${r}σ`),
    ]);
    const low = 0;
    const middle = SIZE / 2;
    const high = SIZE;
    const crossing = [line(low, middle, high, middle), line(middle, low, middle, high)];
    prior.replaceChildren(...crossing, ...rings);
  }

  function drawPosterior() {
    const { mu, sigma } = encoding;
    posterior.replaceChildren();
    if (!mu || !sigma) return;
    const cx = across(mu[axes[0]]);
    const cy = up(mu[axes[1]]);
    for (const k of [1, 2]) {
      const [rx, ry] = axes.map((d) => Math.max(1, length(k * sigma[d])));
      posterior.append(svg("ellipse", { cx, cy, rx, ry }));
    }
    posterior.append(svg("path", { d: `M${cx - 4},${cy}h8M${cx},${cy - 4}v8` }));
  }

  function drawCursor() {
    const [x, y] = [across(z[axes[0]]) / SIZE, up(z[axes[1]]) / SIZE].map((at) => `${100 * at}%`);
    const shifts = [`${x}, ${y}`, `0, ${y}`, `${x}, 0`];
    cursor.forEach((box, i) => (box.style.transform = `translate(${shifts[i]})`));
    const [a, b] = axes.map((d) => `z${d + 1} ${text(z[d])}`);
    pad.setAttribute("aria-valuenow", z[axes[0]].toFixed(2));
    pad.setAttribute("aria-valuetext", `${a} across, ${b} up`);
  }

  /** What has to fit: the dots of these two dimensions (but for a few far out), z and q. */
  function fit() {
    let far = Math.max(3.2, ...axes.map((d) => Math.abs(z[d] ?? 0)));
    const { mu, sigma } = encoding;
    if (mu) for (const d of axes) far = Math.max(far, Math.abs(mu[d]) + 2 * (sigma?.[d] ?? 0));
    for (let i = 0; points && i < dots.count; i += 1) {
      for (const d of axes) far = Math.max(far, Math.abs(points[i * dims + d]));
    }
    return Math.min(far * 1.04, 1e6);
  }

  function drawAll() {
    reach = fit();
    [drawPrior, drawDots, drawPosterior, drawCursor].forEach((draw) => draw());
    pad.setAttribute("aria-valuemin", (-reach).toFixed(2));
    pad.setAttribute("aria-valuemax", reach.toFixed(2));
    const [a, b] = axes.map((d) => `z${d + 1}`);
    pad.setAttribute("aria-label", `Pad: ${a} across, ${b} up; arrow keys move both`);
    selects.forEach(({ input }, i) => (input.value = axes[i]));
    const count = points ? `Dots: posterior means of ${dots.count} of ${dots.of} ${noun}s. ` : "";
    note.textContent = `${count}Rings: the prior at 1, 2 and 3 σ.${
      encoding.mu ? ` Dashed: q(z|x) of ${noun} ${encoding.index} at 1 and 2 σ.` : ""
    }`;
  }

  const clip = (value) => Math.max(-reach, Math.min(reach, value));
  function point(event) {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 2 - 1;
    const y = 1 - ((event.clientY - box.top) / box.height) * 2;
    move([[axes[0], clip(x * reach)], [axes[1], clip(y * reach)]]);
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    pad.focus({ preventScroll: true });
    point(event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (pad.hasPointerCapture(event.pointerId)) point(event);
  });
  pad.addEventListener("keydown", (event) => {
    const big = event.shiftKey ? 10 : 1;
    const by = (which, step) => [[axes[which], clip(now()[axes[which]] + step * big)]];
    const moves = {
      ArrowRight: () => by(0, STEP),
      ArrowLeft: () => by(0, -STEP),
      ArrowUp: () => by(1, STEP),
      ArrowDown: () => by(1, -STEP),
      PageUp: () => by(1, 10 * STEP),
      PageDown: () => by(1, -10 * STEP),
      Home: () => [[axes[0], -3]],
      End: () => [[axes[0], 3]],
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move(moves[event.key]());
  });

  return {
    element,
    face(newAxes) {
      axes = newAxes;
      drawAll();
    },
    locate(values) {
      z = values;
      if (axes.some((d) => Math.abs(z[d]) > reach)) drawAll();
      else drawCursor();
    },
    image(newEncoding) {
      encoding = newEncoding;
      if (z.length) drawAll();
    },
  };
}
