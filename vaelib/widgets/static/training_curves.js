// Live training curves: one panel a quantity, made once; each epoch moves the lines.
import { h, listen, perFrame, text } from "./dom.js";

const PANELS = [
  { name: "reconstruction", title: "Reconstruction: E log p(x|z)", unit: "nats" },
  { name: "kl", title: "KL(q(z|x) ‖ p(z))", unit: "nats" },
  { name: "elbo", title: "ELBO = reconstruction − KL", unit: "nats", also: "validation" },
  { name: "beta", title: "β, the weight of the KL", unit: "" },
];
const BOX = { width: 300, height: 190, left: 52, right: 12, top: 26, bottom: 36 };

/** Round tick values covering [low, high], about `count` of them. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const values = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** The range to draw: that of the values and a margin, never empty. */
export function range(values) {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { low: 0, high: 1 };
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const margin = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
  return { low: low - margin, high: high + margin };
}

function makePanel({ name, title, unit, also }) {
  const { width, height, left, right, top, bottom } = BOX;
  const floor = height - bottom;
  const end = width - right;
  const marks = h("svg:g", {});
  const curve = h("svg:polyline", { class: "vaelib-curve" });
  const second = h("svg:polyline", { class: "vaelib-curve vaelib-validation" });
  const last = h("svg:circle", { class: "vaelib-last", r: 5 });
  const words = (at, string, options = {}) =>
    h("svg:text", { x: at[0], y: at[1], ...options }, string);
  const label = unit ? `${title}, ${unit}` : title;
  const heading = words([0, 14], label, { class: "vaelib-title" });
  const element = h(
    "svg:svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: no epoch yet` },
    heading,
    marks,
    h("svg:path", { class: "vaelib-axis", d: `M${left},${top}V${floor}H${end}` }),
    words([(left + end) / 2, height - 2], "epoch", { "text-anchor": "middle" }),
    second,
    curve,
    last,
  );
  last.style.display = "none";

  function update(values, others = []) {
    if (values.length === 0) return;
    const y = range([...values, ...others]);
    const epochs = Math.max(2, values.length);
    const across = (epoch) => left + ((epoch - 1) / (epochs - 1)) * (end - left);
    const up = (value) => floor - ((value - y.low) / (y.high - y.low)) * (floor - top);
    const scale = ticks(y.low, y.high);
    const columns = ticks(1, epochs).values.filter(Number.isInteger);
    marks.replaceChildren(
      ...scale.values.flatMap((value) => [
        h("svg:path", { class: "vaelib-grid", d: `M${left},${up(value)}H${end}` }),
        words([left - 6, up(value) + 4], text(value, scale.digits), { "text-anchor": "end" }),
      ]),
      ...columns.map((epoch) =>
        words([across(epoch), floor + 15], String(epoch), { "text-anchor": "middle" }),
      ),
    );
    const place = (value, i) => [across(i + 1), up(value)];
    const line = (places) => places.filter((point) => point.every(Number.isFinite)).join(" ");
    const points = values.map(place);
    curve.setAttribute("points", line(points));
    second.setAttribute("points", line(others.map(place)));
    if (others.length > 0) heading.textContent = `${label} (dashed: ${also})`;
    last.style.display = Number.isFinite(values.at(-1)) ? "" : "none";
    last.setAttribute("cx", points.at(-1)[0]);
    if (last.style.display === "") last.setAttribute("cy", points.at(-1)[1]);
    const ends = [values[0], values.at(-1)].map((value) => text(value)).join(" to ");
    const now = `${title}: from ${ends} ${unit}`.trim();
    element.setAttribute("aria-label", `${now} in ${values.length} epochs`);
  }
  return { element, update, name, also };
}

function render({ model, el }) {
  const panels = PANELS.map(makePanel);
  const status = h("p", { class: "vaelib-status" }, "No epoch yet.");
  const root = h(
    "div",
    { class: "vaelib vaelib-curves", role: "group", "aria-label": "Training curves" },
    h("div", { class: "vaelib-panels" }, ...panels.map((panel) => panel.element)),
    status,
  );

  function show() {
    const values = model.get("values");
    for (const panel of panels) panel.update(values[panel.name], values[panel.also]);
    const epochs = values.elbo.length;
    if (epochs === 0) return;
    const last = (name) => text(values[name].at(-1), name === "kl" || name === "beta" ? 2 : 1);
    status.textContent =
      `Epoch ${epochs}: reconstruction ${last("reconstruction")}, KL ${last("kl")}, ` +
      `ELBO ${last("elbo")} nats per example; β ${last("beta")}.`;
    if (values.validation?.length > 0) {
      status.textContent += ` On the validation data the ELBO is ${last("validation")}.`;
    }
  }

  const drawing = perFrame(show);
  const unlisten = listen(model, { values: drawing.request });
  show();
  el.append(root);
  return () => {
    drawing.cancel();
    unlisten();
    root.remove();
  };
}

export default { render };
