// Small pictures in rows and columns, on one canvas, each with a button over it to go to its z. A
// picture is drawn again only when its z has changed and it is in sight.
import { h } from "../dom.js";
import { makePainter } from "./decoder.js";
import { KEYS } from "./layout.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const HIGHEST = 27; // em

/**
 * `code(row, column)` is the z of a picture, `label(row, column)` its name, `choose(row, column)`
 * goes there, `wake()` is called when pictures come into sight. `heads` and `sides` are texts above
 * the columns and next to the rows.
 */
export function makeGallery({ shape, rows, columns, name, heads, sides, code, label, choose, wake }) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const painter = makePainter(canvas, shape, columns, rows);
  const count = rows * columns;
  const drawn = Array(count).fill(null);
  const buttons = Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const button = h("button", { type: "button", tabindex: i ? -1 : 0, ...KEYS });
    button.addEventListener("click", () => choose(row, column));
    button.addEventListener("focus", () => {
      for (const each of buttons) each.tabIndex = each === button ? 0 : -1;
    });
    return button;
  });
  const field = h("div", { class: "vaelib-cells", role: "group", "aria-label": name }, canvas, ...buttons);
  const marks = [];
  field.style.setProperty("--columns", columns);
  const [height, width] = shape.slice(-2);
  field.style.setProperty("--shape", `${width} / ${height}`);
  field.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target);
    const row = Math.floor(at / columns);
    const column = at % columns;
    const ends = { Home: [row, 0], End: [row, columns - 1] };
    const [down, right] = STEPS[event.key] ?? [];
    const [toRow, toColumn] = ends[event.key] ?? [row + down, column + right];
    if (at < 0 || !(toRow >= 0 && toRow < rows && toColumn >= 0 && toColumn < columns)) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[toRow * columns + toColumn].focus();
  });

  const element = h("div", { class: "vaelib-gallery" }, field);
  element.classList.toggle("vaelib-withsides", sides.length > 0);
  // No higher than its panel, so that every picture is in sight.
  element.style.maxWidth = `${((HIGHEST * columns * width) / (rows * height)).toFixed(2)}em`;
  if (heads.length) {
    const cells = heads.map((head) => h("span", {}, head));
    const line = h("div", { class: "vaelib-heads", "aria-hidden": "true" }, ...cells);
    line.style.setProperty("--columns", columns);
    field.before(line);
  }
  if (sides.length) {
    const cells = sides.map((side) => h("span", {}, ...side));
    field.before(h("div", { class: "vaelib-sides", "aria-hidden": "true" }, ...cells));
  }

  const inSight = Array(rows).fill(false);
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      inSight[buttons.indexOf(target) / columns] = isIntersecting;
    }
    if (inSight.includes(true)) wake();
  }, { rootMargin: "100px" });
  for (let row = 0; row < rows; row += 1) observer.observe(buttons[row * columns]);

  let cursor = 0;
  let painted = false;
  const same = (a, b) => a !== null && a.every((value, d) => value === b[d]);
  return {
    element,
    /** The next picture that is not up to date, going round so that each gets its turn. */
    next() {
      for (let tried = 0; tried < count; tried += 1) {
        const i = (cursor + tried) % count;
        const row = Math.floor(i / columns);
        const column = i % columns;
        const z = inSight[row] && code(row, column);
        if (!z || same(drawn[i], z)) continue;
        cursor = i + 1;
        drawn[i] = z;
        return {
          z,
          paint(values) {
            painter.write(values, 1, column, row);
            painted = true;
          },
          again: () => (drawn[i] = null),
        };
      }
      return null;
    },
    /** Show what was painted since the last time. */
    put() {
      if (painted) painter.put();
      painted = false;
    },
    /** Names may tell numbers that change. */
    say() {
      buttons.forEach((button, i) => {
        button.setAttribute("aria-label", label(Math.floor(i / columns), i % columns));
      });
    },
    /** Where z is: boxes [left, top, width, height] in columns and rows of the field. */
    mark(boxes) {
      while (marks.length < boxes.length) {
        marks.push(h("span", { class: "vaelib-mark", "aria-hidden": "true" }));
        field.append(marks.at(-1));
      }
      boxes.forEach(([left, top, wide, high], i) => {
        marks[i].style.left = `${(100 * left) / columns}%`;
        marks[i].style.top = `${(100 * top) / rows}%`;
        marks[i].style.width = `${(100 * wide) / columns}%`;
        marks[i].style.height = `${(100 * high) / rows}%`;
      });
    },
    stop: () => observer.disconnect(),
  };
}
