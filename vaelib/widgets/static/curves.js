// Live training curves: one panel a quantity, made once; each epoch moves the lines.
import { h, listen, perFrame, text } from "./dom.js";

const PANELS = [
  { name: "reconstruction", title: "Reconstruction: E log p(x|z)", unit: "nats" },
  { name: "kl", title: "KL(q(z|x) ‖ p(z))", unit: "nats" },
  { name: "elbo", title: "ELBO = reconstruction − KL", unit: "nats" },
  { name: "beta", title: "β, the weight of the KL", unit: "" },
];
const BOX = { width: 300, height: 190, left: 52, right: 12, top: 26, bottom: 36 };

/** Round tick values covering [low, high], about `count` of them. */
export function ticks(low, high, count = 4) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const values = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/**
 * The range to draw: of all values, but where the first epochs start far away (untrained, the
 * reconstruction is thousands of nats lower) of the later ones, so that their shape is seen.
 */
export function range(values) {
  const all = values.filter(Number.isFinite);
  const late = all.slice(Math.floor(all.length / 4));
  const wide = [Math.min(...all), Math.max(...all)];
  const narrow = [Math.min(...late), Math.max(...late)];
  const cut = all.length >= 8 && wide[1] - wide[0] > 4 * (narrow[1] - narrow[0]);
  const [low, high] = cut ? narrow : wide;
  const margin = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1;
  return { low: low - margin, high: high + margin, cut: cut && narrow[1] - narrow[0] > 0 };
}

function makePanel({ name, title, unit }) {
  const { width, height, left, right, top, bottom } = BOX;
  const [floor, end] = [height - bottom, width - right];
  const marks = h("svg:g", {});
  const clip = `vaelib-clip-${name}-${Math.random().toString(36).slice(2, 8)}`;
  const curve = h("svg:polyline", { class: "vaelib-curve", "clip-path": `url(#${clip})` });
  const last = h("svg:circle", { class: "vaelib-last", r: 5 });
  const words = (at, string, options = {}) =>
    h("svg:text", { x: at[0], y: at[1], ...options }, string);
  const element = h(
    "svg:svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: no epoch yet` },
    h(
      "svg:clipPath",
      { id: clip },
      h("svg:rect", { x: left, y: top - 3, width: end - left + 3, height: floor - top + 6 }),
    ),
    words([0, 14], unit ? `${title}, ${unit}` : title, { class: "vaelib-title" }),
    marks,
    h("svg:path", { class: "vaelib-axis", d: `M${left},${top}V${floor}H${end}` }),
    words([(left + end) / 2, height - 2], "epoch", { "text-anchor": "middle" }),
    curve,
    last,
  );
  last.style.display = "none";

  function update(values) {
    if (values.length === 0) return;
    const y = range(values);
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
    if (y.cut) marks.append(words([left + 6, floor - 6], "first epochs off the scale"));
    curve.setAttribute("points", values.map((v, i) => `${across(i + 1)},${up(v)}`).join(" "));
    last.style.display = "";
    last.setAttribute("cx", across(values.length));
    last.setAttribute("cy", up(values.at(-1)));
    const now = `${text(values.at(-1))} ${unit}`.trim();
    element.setAttribute("aria-label", `${title}: ${now} after epoch ${values.length}`);
  }
  return { element, update, name };
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
    for (const panel of panels) panel.update(values[panel.name]);
    const epochs = values.elbo.length;
    if (epochs === 0) return;
    const last = (name) => text(values[name].at(-1), name === "elbo" ? 1 : 2);
    status.textContent =
      `Epoch ${epochs}: reconstruction ${last("reconstruction")}, KL ${last("kl")}, ` +
      `ELBO ${last("elbo")} nats a picture; β ${last("beta")}.`;
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
