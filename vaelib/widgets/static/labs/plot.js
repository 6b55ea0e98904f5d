// A panel with axes, legend and marks, made once; a new scene only moves what is there.
import { h, text, uniqueId } from "../dom.js";

const BOX = { width: 360, height: 250, left: 54, right: 12, top: 10, bottom: 42 };
const DASHES = ["", "8 5", "10 4 2 4", "2 4"];
// A circle, a square, a triangle, a diamond.
const POINTS = [
  "m-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",
  "m-4,-4h8v8h-8Z",
  "m0,-5l5,9h-10Z",
  "m0,-5.5l5,5.5l-5,5.5l-5,-5.5Z",
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

/** Powers of ten in [low, high], six at most. */
export function powers(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const step = Math.ceil((last - first + 1) / 6);
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

/** From the limits to the places on the drawing; both axes linear or logarithmic. */
function scales([low, high, floor, ceiling], log) {
  const axis = (from, to, start, end, curved) => {
    const map = curved ? Math.log10 : (value) => value;
    const factor = (end - start) / (map(to) - map(from));
    // What is far outside stays a number that a path can hold; the clip cuts it.
    return (value) => Math.max(-9999, Math.min(9999, start + (map(value) - map(from)) * factor));
  };
  return {
    across: axis(low, high, BOX.left, BOX.width - BOX.right, log.includes("x")),
    up: axis(floor, ceiling, BOX.height - BOX.bottom, BOX.top, log.includes("y")),
  };
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
  points([x, y], { across, up }, style) {
    const shape = POINTS[style % POINTS.length];
    const dots = [];
    for (let i = 0; i < x.length; i += 1) {
      dots.push(`M${across(x[i]).toFixed(2)},${up(y[i]).toFixed(2)}${shape}`);
    }
    return dots.join("");
  },
};

function makeMark(mark, hatch) {
  const path = h("svg:path", {
    class: `vaelib-mark vaelib-${mark.kind} vaelib-style${mark.style}`,
    "data-key": mark.key,
    "stroke-dasharray": mark.kind === "line" ? DASHES[mark.style] || null : null,
  });
  if (mark.hatch) path.style.fill = `url(#${hatch})`;
  if (mark.kind === "line") path.style.strokeWidth = mark.width;
  return path;
}

/** Slanted lines in the colour of each hatched mark's style. */
function hatching(id, style) {
  return h(
    "svg:pattern",
    { id, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    h("svg:path", { class: `vaelib-hatch vaelib-style${style}`, d: "M0,0V7" }),
  );
}

/** A sample of the mark as the legend shows it. */
function sample(mark, hatch) {
  const path = makeMark(mark, hatch);
  const place = { across: (value) => value, up: (value) => value };
  const shape = {
    line: () => "M1,7H27",
    area: () => "M3,2H25V12H3Z",
    points: () => SHAPES.points([[14], [7]], place, mark.style),
  };
  path.setAttribute("d", shape[mark.kind]());
  path.removeAttribute("data-key");
  return h("svg:svg", { viewBox: "0 0 28 14", "aria-hidden": "true" }, path);
}

/** One panel of a lab's spec. `update(scene)` draws; nothing is made anew but axes that change. */
export function makePanel(panel) {
  const { width, height, left, right, top, bottom } = BOX;
  const floor = height - bottom;
  const end = width - right;
  const clip = uniqueId("clip");
  const hatches = panel.marks.map((mark) => (mark.hatch ? uniqueId("hatch") : null));
  const marks = panel.marks.map((mark, i) => makeMark(mark, hatches[i]));
  const label = (x, y, string, options = {}) => {
    const element = h("svg:text", { x, y, "text-anchor": "middle", ...options });
    rich(element, string, true);
    return element;
  };
  const axes = h("svg:g", {});
  const drawing = h(
    "svg:svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img" },
    h(
      "svg:defs",
      {},
      h("svg:clipPath", { id: clip }, h("svg:rect", {
        ...{ x: left, y: top - 4, width: end - left + 4, height: floor - top + 5 },
      })),
      ...panel.marks.flatMap((mark, i) => (mark.hatch ? [hatching(hatches[i], mark.style)] : [])),
    ),
    axes,
    h("svg:path", { class: "vaelib-axis", d: `M${left},${top}V${floor}H${end}` }),
    h("svg:g", { "clip-path": `url(#${clip})` }, ...marks),
    label((left + end) / 2, height - 4, panel.xlabel, { class: "vaelib-label" }),
    label(0, 0, panel.ylabel, {
      ...{ class: "vaelib-label", transform: `translate(12 ${(top + floor) / 2}) rotate(-90)` },
    }),
  );
  const title = h("p", { class: "vaelib-title", "aria-hidden": "true" });
  const names = panel.marks.map((mark) => (mark.name ? h("span", {}) : null));
  const legend = h(
    "div",
    { class: "vaelib-legend", "aria-hidden": "true" },
    ...panel.marks.flatMap((mark, i) =>
      names[i] ? [h("span", {}, sample(mark, hatches[i]), names[i])] : [],
    ),
  );
  let drawn = "";

  function drawAxes(limits, scale) {
    const [low, high, least, most] = limits;
    const columns = panel.log.includes("x") ? powers(low, high) : ticks(low, high, 6);
    const rows = panel.log.includes("y") ? powers(least, most) : ticks(least, most, 5);
    axes.replaceChildren(
      ...(panel.ticks.includes("y") ? rows : []).flatMap(([value, name]) => [
        h("svg:path", { class: "vaelib-grid", d: `M${left},${scale.up(value)}H${end}` }),
        label(left - 5, scale.up(value) + 4, name, { "text-anchor": "end" }),
      ]),
      ...(panel.ticks.includes("x") ? columns : []).flatMap(([value, name]) => [
        h("svg:path", { class: "vaelib-grid", d: `M${scale.across(value)},${top}V${floor}` }),
        label(scale.across(value), floor + 16, name),
      ]),
    );
  }

  return {
    element: h("figure", { class: "vaelib-plot" }, title, drawing, legend),
    update({ series, numbers, limits }) {
      const at = panel.limits ?? limits[panel.key];
      const scale = scales(at, panel.log);
      if (drawn !== at.join()) {
        drawn = at.join();
        drawAxes(at, scale);
      }
      panel.marks.forEach((mark, i) => {
        marks[i].setAttribute("d", SHAPES[mark.kind](series[mark.key], scale, mark.style));
        if (names[i]) rich(names[i], say(mark.name, numbers));
      });
      const heading = say(panel.title, numbers);
      rich(title, heading);
      drawing.setAttribute("aria-label", `${heading}. ${say(panel.alt, numbers)}`);
    },
  };
}
