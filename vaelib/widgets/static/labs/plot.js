// A panel with axes, legend and marks, made once; a new scene only moves what is there. It is drawn
// in the page's own pixels, so that letters keep their size however narrow the panel is.
import { h, text, uniqueId } from "../dom.js";

const DASHES = ["", "8 5", "10 4 2 4", "2 4"];
// A circle, a square, a triangle, a diamond, by half their width.
const POINTS = [
  (r) => `m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  (r) => `m${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  (r) => `m0,${-1.2 * r}l${1.2 * r},${2.1 * r}h${-2.4 * r}Z`,
  (r) => `m0,${-1.3 * r}l${1.3 * r},${1.3 * r}l${-1.3 * r},${1.3 * r}l${-1.3 * r},${-1.3 * r}Z`,
];
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Round tick values covering [low, high], about `count` of them. */
export function ticks(low, high, count = 4) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return [value, text(value, digits)];
  });
}

/** Powers of ten in [low, high], `most` at most. */
export function powers(low, high, most = 6) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const step = Math.ceil((last - first + 1) / most);
  const name = (k) => {
    if (k >= 0 && k <= 3) return String(10 ** k);
    const digits = [...String(Math.abs(k))].map((digit) => SUPERSCRIPTS[digit]).join("");
    return `10${k < 0 ? "⁻" : ""}${digits}`;
  };
  const count = Math.floor((last - first) / step) + 1;
  return Array.from({ length: count }, (_, i) => [10 ** (first + i * step), name(first + i * step)]);
}

/** "{kl:3}" with three decimals, "{k}" as it is. */
export function say(template, numbers) {
  return template.replace(/\{(\w+)(?::(\d))?\}/g, (_, name, digits) =>
    digits === undefined ? String(numbers[name]) : text(numbers[name], Number(digits)),
  );
}

/**
 * Put a string into an element, "p_θ" and "10^3" with a real subscript or superscript. In a drawing
 * it is called with `svg`, since there is no <sub> there.
 */
export function rich(element, string, svg = false) {
  if (element.vaelibText === string) return;
  element.vaelibText = string;
  const parts = string.split(/([_^])(θ|data|D|−?\d+(?:\.\d+)?)/);
  const nodes = [];
  for (let i = 0; i < parts.length; i += 3) {
    nodes.push(parts[i]);
    if (i + 1 === parts.length) break;
    const down = parts[i + 1] === "_";
    if (!svg) nodes.push(h(down ? "sub" : "sup", {}, parts[i + 2]));
    else {
      const shift = { "baseline-shift": down ? "sub" : "super", "font-size": "0.75em" };
      nodes.push(h("svg:tspan", shift, parts[i + 2]));
    }
  }
  element.replaceChildren(...nodes);
}

/** One axis: from a value to its pixel, and `back`; linear or logarithmic. */
function axis(from, to, start, end, curved) {
  const map = curved ? Math.log10 : (value) => value;
  const factor = (end - start) / (map(to) - map(from));
  // What is far outside stays a number that a path can hold; the clip cuts it.
  const place = (value) => {
    const pixel = start + (map(value) - map(from)) * factor;
    return Math.max(-9999, Math.min(9999, pixel));
  };
  place.back = (pixel) => {
    const value = map(from) + (pixel - start) / factor;
    return curved ? 10 ** value : value;
  };
  return place;
}

/** The limits, wider on one axis, so that both have the same scale. */
function widen([low, high, least, most], across, up) {
  const unit = Math.min(across / (high - low), up / (most - least));
  const half = across / unit / 2;
  const tall = up / unit / 2;
  const [x, y] = [(low + high) / 2, (least + most) / 2];
  return [x - half, x + half, y - tall, y + tall];
}

/** "M…L…" through the points; a NaN lifts the pen. */
function through(x, y, { across, up }) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < x.length; i += 1) {
    if (Number.isNaN(x[i]) || Number.isNaN(y[i])) {
      pen = "M";
      continue;
    }
    path += `${pen}${across(x[i]).toFixed(2)},${up(y[i]).toFixed(2)}`;
    pen = "L";
  }
  return path;
}

const SHAPES = {
  line: ([x, y], scale) => through(x, y, scale),
  area([x, y, base], scale) {
    const back = [...x].reverse();
    const under = base ? [...base].reverse() : back.map(() => 0);
    return `${through(x, y, scale)}${through(back, under, scale).replace("M", "L")}Z`;
  },
  points([x, y], { across, up, em }, look) {
    const shape = POINTS[look % POINTS.length](0.3 * em);
    const dots = [];
    for (let i = 0; i < x.length; i += 1) {
      dots.push(`M${across(x[i]).toFixed(2)},${up(y[i]).toFixed(2)}${shape}`);
    }
    return dots.join("");
  },
};

function makeMark(mark, hatch) {
  const path = h("svg:path", {
    class: `vaelib-mark lab-${mark.kind} lab-colour-${mark.colour}`,
    "data-key": mark.key,
    "stroke-dasharray": mark.kind === "line" ? DASHES[mark.look] || null : null,
  });
  if (mark.hatch) path.style.fill = `url(#${hatch})`;
  if (mark.kind === "line") path.style.strokeWidth = `calc(${mark.width}px * var(--scale))`;
  return path;
}

/** Slanted lines in the colour of a hatched mark; they lean the other way for its second look. */
function hatching(id, { colour, look }) {
  const patternTransform = `rotate(${look ? -45 : 45})`;
  return h(
    "svg:pattern",
    { id, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform },
    h("svg:path", { class: `lab-hatch lab-colour-${colour}`, d: "M0,0V7" }),
  );
}

/** A sample of the mark as the legend shows it. */
function sample(mark, hatch) {
  const path = makeMark(mark, hatch);
  const place = { across: (value) => value, up: (value) => value, em: 16 };
  const shape = {
    line: () => "M1,7H27",
    area: () => "M3,2H25V12H3Z",
    points: () => SHAPES.points([[14], [7]], place, mark.look),
  };
  path.setAttribute("d", shape[mark.kind]());
  path.removeAttribute("data-key");
  return h("svg:svg", { viewBox: "0 0 28 14", "aria-hidden": "true" }, path);
}

/** The named marks and a sample of each. */
function makeLegend(panel, hatches) {
  const names = panel.marks.map((mark) => mark.name && h("span", {}));
  const entries = panel.marks.flatMap((mark, i) =>
    mark.name ? [h("span", {}, sample(mark, hatches[i]), names[i])] : [],
  );
  return {
    element: h("div", { class: "lab-legend", "aria-hidden": "true" }, ...entries),
    update(numbers) {
      panel.marks.forEach((mark, i) => {
        if (mark.name) rich(names[i], say(mark.name, numbers));
      });
    },
  };
}

function label(x, y, string, options = {}) {
  const element = h("svg:text", { x, y, "text-anchor": "middle", ...options });
  rich(element, string, true);
  return element;
}

/** Where the axes stand in a drawing of this size, whose letters are `em` high. */
function boxOf(panel, width, height, em) {
  const longest = Math.max(0, ...panel.rows.map(([, name]) => say(name, WIDEST).length));
  const column = longest * 0.6 * em;
  const above = column > 0.4 * width; // no room beside the bars: their names stand above them
  const numbers = panel.ylabel ? 4.3 : 0.8;
  return {
    above,
    left: longest ? (above ? 1 : column) : numbers * em,
    right: width - em,
    top: 0.5 * em,
    bottom: height - 1.6 * em,
  };
}

// Stands for the numbers where a text's widest form is measured.
const WIDEST = new Proxy({}, { get: () => -188 });

/** The numbers along the x axis, those left out that would meet another or the axis's name. */
function fitting(places, scale, em, end) {
  const taken = [[end - 0.5 * em, Infinity]];
  // What is nearest to 0 comes first: where there is little room, it is the one to keep.
  return [...places].sort(([a], [b]) => Math.abs(a) - Math.abs(b)).filter(([value, name]) => {
    const half = (name.length * 0.29 + 0.25) * em;
    const at = scale.across(value);
    const fits = taken.every(([from, to]) => at + half < from || at - half > to);
    if (fits) taken.push([at - half, at + half]);
    return fits;
  });
}

function drawAxes(panel, group, box, limits, scale, numbers) {
  const { left, right, top, bottom } = box;
  const { em } = scale;
  const [low, high, least, most] = limits;
  const count = Math.max(2, Math.floor((right - left) / (4.5 * em)));
  const across = panel.log.includes("x") ? powers(low, high, count) : ticks(low, high, count);
  const many = Math.max(2, Math.floor((bottom - top) / (1.8 * em)));
  const all = panel.log.includes("y") ? powers(least, most, many) : ticks(least, most, many);
  const up = panel.ticks.includes("y") && !panel.rows.length ? all : [];
  const nameAt = right - panel.xlabel.length * 0.52 * em;
  const columns = panel.ticks.includes("x") ? (panel.places.length ? panel.places : across) : [];
  const rowAt = (value) =>
    box.above ? [4, scale.up(value + 0.32)] : [0, scale.up(value) + 0.35 * em];
  const line = (d) => h("svg:path", { class: "lab-grid", d });
  group.replaceChildren(
    ...up.flatMap(([value, name]) => [
      line(`M${left},${scale.up(value)}H${right}`),
      label(left - 0.35 * em, scale.up(value) + 0.35 * em, name, { "text-anchor": "end" }),
    ]),
    ...columns.map(([value]) => line(`M${scale.across(value)},${top}V${bottom}`)),
    ...fitting(columns, scale, em, nameAt).map(([value, name]) =>
      label(scale.across(value), bottom + 1.15 * em, name),
    ),
    ...panel.rows.map(([value, , colour]) =>
      label(...rowAt(value), "", {
        ...{ class: `lab-name lab-colour-${colour}`, "data-row": value, "text-anchor": "start" },
      }),
    ),
    h("svg:path", { class: "lab-axis", d: `M${left},${top}V${bottom}H${right}` }),
    label(right + 0.8 * em, bottom + 1.15 * em, panel.xlabel, {
      ...{ class: "lab-label", "text-anchor": "end" },
    }),
    label(0, 0, panel.ylabel, {
      class: "lab-label",
      transform: `translate(${0.9 * em} ${(top + bottom) / 2}) rotate(-90)`,
    }),
  );
}

/**
 * One panel of a lab's spec. `update(scene)` draws; `resized` is called when that is needed because
 * the panel's size changed. `toPage` and `toData` lead between values and pixels of `frame`.
 */
export function makePanel(panel, resized) {
  const clip = uniqueId("clip");
  const hatches = panel.marks.map((mark) => (mark.hatch ? uniqueId("hatch") : null));
  const marks = panel.marks.map((mark, i) => makeMark(mark, hatches[i]));
  const axes = h("svg:g", {});
  const window_ = h("svg:rect", {});
  const content = h("svg:g", { "clip-path": `url(#${clip})` }, ...marks);
  const patterns = panel.marks.flatMap((m, i) => (m.hatch ? [hatching(hatches[i], m)] : []));
  const drawing = h(
    "svg:svg",
    { role: "img" },
    h("svg:defs", {}, h("svg:clipPath", { id: clip }, window_), ...patterns),
    axes,
    content,
  );
  const title = h("p", { class: "lab-title", "aria-hidden": "true" });
  const note = h("p", { class: "lab-note", "aria-hidden": "true" });
  const frame = h("div", { class: "lab-frame" }, drawing, note);
  const legend = makeLegend(panel, hatches);
  const kind = panel.rows.length ? "vaelib-plot lab-banner" : "vaelib-plot";
  const element = h("figure", { class: kind }, title, frame, legend.element);
  let size = [360, 200, 16];
  let drawn = "";
  let scale = null;

  const watching = new ResizeObserver(() => {
    const em = parseFloat(getComputedStyle(frame).fontSize);
    const now = [frame.clientWidth, frame.clientHeight, em];
    if (!now[0] || now.join() === size.join()) return;
    size = now;
    drawn = "";
    resized();
  });
  watching.observe(frame);

  function fit(limits, numbers) {
    const [width, height, em] = size;
    const box = boxOf(panel, width, height, em);
    const { left, right, top, bottom } = box;
    const at = panel.equal ? widen(limits, right - left, bottom - top) : limits;
    const key = [...size, ...at].join();
    if (drawn === key) return;
    drawn = key;
    scale = {
      em,
      across: axis(at[0], at[1], left, right, panel.log.includes("x")),
      up: axis(at[2], at[3], bottom, top, panel.log.includes("y")),
    };
    const inside = { x: left, y: top - 4, width: right - left + 4, height: bottom - top + 5 };
    for (const [name, value] of Object.entries(inside)) window_.setAttribute(name, value);
    drawAxes(panel, axes, box, at, scale, numbers);
  }

  return {
    key: panel.key,
    element,
    frame,
    /** A path above the marks, for what a lab adds to its scene. */
    layer(name) {
      const path = h("svg:path", { class: name });
      content.append(path);
      return path;
    },
    shape: (kind, points, look = 0) => SHAPES[kind](points, scale, look),
    toPage: ([x, y]) => [scale.across(x), scale.up(y)],
    toData: ([x, y]) => [scale.across.back(x), scale.up.back(y)],
    update({ series, numbers, limits }) {
      fit(panel.limits ?? limits[panel.key], numbers);
      panel.marks.forEach((mark, i) => {
        marks[i].setAttribute("d", SHAPES[mark.kind](series[mark.key], scale, mark.look));
      });
      const rows = axes.querySelectorAll("[data-row]");
      panel.rows.forEach(([, name], i) => rich(rows[i], say(name, numbers), true));
      const heading = say(panel.title, numbers);
      rich(title, heading);
      legend.update(numbers);
      note.textContent = say(panel.note, numbers);
      const words = [`${heading}.`, say(panel.alt, numbers), note.textContent];
      drawing.setAttribute("aria-label", words.filter(Boolean).join(" "));
    },
    cleanup: () => watching.disconnect(),
  };
}
