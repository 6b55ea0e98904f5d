// The dots of the plane: codes of the data, grouped by colour, shape and size.
import { h } from "../dom.js";

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

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The numbers that Python sent: float32, at any alignment. */
export const readFloats = (view) => new Float32Array(bytes(view).slice().buffer);

/** The colourings with their groups as bytes. */
export const readColourings = (dots) =>
  (dots.colourings ?? []).map((each) => ({ ...each, group: bytes(each.group) }));

const NONE = { kind: "class", groups: [""], group: null };

/** The paths of `count` dots, each at `place(i)` (text), coloured by a colouring or all alike. */
export function drawDots(count, place, { kind, groups, group } = NONE) {
  const starts = groups.map(() => []);
  for (let i = 0; i < count; i += 1) starts[group ? group[i] : 0].push(`M${place(i)}`);
  return starts.map((those, k) => {
    const { outline, colour } = look(kind, k);
    const d = those.map((start) => start + outline).join("");
    return h("svg:path", { class: `vaelib-${colour}`, d });
  });
}

/** What the colours and shapes mean, as the items of a list. */
export function drawLegend({ kind, groups } = NONE) {
  return groups.map((name, k) => {
    const { outline, colour } = look(kind, k);
    const mark = h("svg:path", { class: `vaelib-${colour}`, d: `M0,0${outline}` });
    return h("li", {}, h("svg:svg", { viewBox: "-5 -5 10 10", "aria-hidden": "true" }, mark), name);
  });
}
