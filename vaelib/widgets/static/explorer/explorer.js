// The latent explorer's view. State lives in the model's traits (z, image_index, mode, ...), each
// part of the view in the file named for it; this file keeps them together.
import { listen, text, throttle } from "../dom.js";
import { makeHistory } from "./history.js";
import { build, makeTable } from "./layout.js";
import { makeLink } from "./link.js";
import { makePad } from "./pad.js";
import { arrange, makeRow } from "./rows.js";
import { gaussian, makeSampler } from "./sample.js";
import { makeSource } from "./source.js";
import { makeStage } from "./stage.js";
import { makeViews } from "./views.js";
import { makeVoice } from "./voice.js";

function render({ model, el }) {
  const spec = model.get("spec");
  const parts = build(spec, { encode: (index) => source.encode(index), sampled: (kind) => save({ picture: kind }) });
  const voice = makeVoice(parts);
  const link = makeLink(model, el, voice);
  const sampler = makeSampler(spec);
  let z = [...model.get("z")];
  let sent = JSON.stringify(z);
  let wanted = null; // what to keep when the answer for an undone image comes
  let origin = model.get("image_index"); // the image that this z came from
  const saving = throttle(100, () => save({ z: [...z] }), 5);
  const history = makeHistory(
    () => ({ z: [...z], index: origin }),
    (any) => parts.undo.setAttribute("aria-disabled", String(!any)),
  );
  const isLocked = (dim) => model.get("locked").includes(dim);
  const hold = (values) => values.map((value, d) => (isLocked(d) ? z[d] : value));

  const rows = spec.rows.map((row) =>
    makeRow(
      row,
      () => z[row.dim],
      (value) => move([[row.dim, value]], `z${row.dim + 1} moved to ${text(value)}`, row.dim),
      (on) => lock(row.dim, on),
    ),
  );
  parts.sliders.append(arrange(spec.rows, rows));
  const pad =
    z.length > 1 &&
    makePad({
      ...{ rows: spec.rows, dots: model.get("dots") ?? {}, noun: spec.noun, now: () => z },
      move(pairs) {
        const free = pairs.filter(([dim]) => !isLocked(dim));
        const where = free.map(([dim, value]) => `z${dim + 1} = ${text(value)}`).join(", ");
        if (free.length) move(free, `Pad: ${where}`, "pad");
        else voice.say("Locked: the pad moves nothing");
        pad.locate(z); // at once: it is under the pointer
      },
      turn: (axes) => save({ axes }),
    });
  const views = makeViews(
    spec,
    {
      z: () => z,
      axes: () => model.get("axes"),
      ends: () => model.get("between_encoding") ?? {},
      hold,
    },
    {
      choose: (mode) => save({ mode }),
      wake: () => stage.wake(),
      between(pair) {
        if (pair.every(source.isImage)) save({ between: pair });
        else voice.say(`Choose two ${spec.noun}s from 0 to ${spec.images - 1}`);
      },
      go(values, message, kind) {
        go(hold(values), message, kind);
        saving.request();
      },
    },
  );
  const source = makeSource({
    ...{ model, spec, parts, voice, save, z: () => z },
    again(mu, message) {
      go(hold(mu), message);
      save({ z: [...z] });
    },
  });
  const stage = makeStage({
    ...{ model, spec, canvas: parts.picture, voice, sampler, z: () => z, views },
    shown() {
      for (const row of rows) row.say(z[row.dim]);
      if (pad) pad.locate(z);
    },
  });

  /** z was moved here: show it in the next frame, tell Python soon. */
  function move(pairs, message, kind) {
    history.remember(`move ${kind}`);
    for (const [dim, value] of pairs) z[dim] = value;
    voice.say(message);
    stage.redraw();
    saving.request();
  }

  /** Tell Python; what is not z is shown by the listeners below, here and in other views. */
  function save(state) {
    saving.cancel();
    for (const [name, value] of Object.entries(state)) {
      if (name === "z") sent = JSON.stringify(value);
      model.set(name, value);
    }
    try {
      model.save_changes();
      link.ask();
    } catch (problem) {
      voice.problem("send", `Python is out of reach: ${problem.message}.`);
    }
  }

  /** Go to a z that did not come from a slider. */
  function go(values, message, kind) {
    history.remember(kind);
    jump(values, message);
  }

  function jump(values, message) {
    z = [...values];
    placeAll();
    const first = rows.slice(0, 6).map(({ dim }) => `z${dim + 1} = ${text(z[dim])}`);
    if (rows.length > 6) first.push("…");
    voice.say(`${message}: ${first.join(", ")}`);
    stage.redraw();
  }

  function placeAll() {
    for (const row of rows) row.place(z[row.dim], model.get("encoding"));
  }

  /** Go there and let Python know at once; the picture no longer comes from an image. */
  function leave(values, message) {
    const stays = model.get("locked").map((dim) => `z${dim + 1}`);
    go(hold(values), stays.length ? `${message}, but ${stays.join(", ")} locked` : message);
    origin = null;
    save({ z: [...z], image_index: null });
  }

  const undo = () => {
    const before = history.back();
    if (!before) {
      voice.say("Nothing to undo");
      return;
    }
    jump(before.z, "Undone");
    origin = before.index;
    if (before.index === null || before.index === model.get("image_index")) {
      save({ z: [...z], image_index: before.index });
    } else {
      wanted = { index: before.index, z: [...z] }; // the answer must not move z
      save({ image_index: before.index });
    }
  };

  function lock(dim, on) {
    const rest = model.get("locked").filter((other) => other !== dim);
    voice.say(on ? `z${dim + 1} is locked: only its own slider moves it` : `z${dim + 1} is free`);
    save({ locked: on ? [...rest, dim].sort((a, b) => a - b) : rest });
  }

  const clicks = {
    reset: () => leave(z.map(() => 0), "Reset"),
    random: () => leave(z.map(gaussian), "Draw from the prior"),
    undo,
    copy: () => voice.copy(z),
    previous: () => source.step(-1),
    next: () => source.step(1),
    encode: () => source.encode(parts.index.read()),
    again() {
      sampler.renew();
      stage.redraw();
    },
  };
  for (const [name, act] of Object.entries(clicks)) parts[name].addEventListener("click", act);
  parts.root.addEventListener("keydown", (event) => {
    const plain = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if (!plain || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    event.stopPropagation();
    undo();
  });

  const changed = {
    z() {
      const values = model.get("z");
      // The echo of what this view sent must not pull back a slider that has moved on since.
      if (JSON.stringify(values) === sent) return;
      sent = JSON.stringify(values);
      saving.cancel();
      const kept = wanted;
      wanted = null;
      if (kept && kept.index === model.get("image_index")) {
        save({ z: kept.z });
        return;
      }
      const { mu } = model.get("encoding");
      const fromImage = mu?.every((value, d) => value === values[d] || isLocked(d));
      go(values, fromImage ? source.name() : "z was set", fromImage ? "" : "python");
      origin = model.get("image_index");
    },
    encoding() {
      source.show();
      if (model.get("encoding").index === undefined) origin = null;
      placeAll();
      if (pad) pad.image(model.get("encoding"));
    },
    error() {
      voice.problem("python", model.get("error"));
      // What Python refused is not so; and asked for again, it is to be asked for again.
      const { index = null } = model.get("encoding");
      if (model.get("error") && model.get("image_index") !== index) model.set("image_index", index);
    },
    picture() {
      const kind = model.get("picture");
      parts.sampled.input.value = kind;
      parts.again.hidden = kind !== "sample";
      parts.pictureCaption.textContent = sampler.caption(kind);
      stage.redraw();
    },
    mode: () => views.show(model.get("mode")),
    axes() {
      if (pad) pad.face(model.get("axes"));
      views.update();
    },
    locked() {
      for (const row of rows) row.lock(isLocked(row.dim));
      stage.wake();
    },
    between_encoding: () => views.update(),
  };

  parts.lower.append(...(pad ? [pad.element] : []), views.element);
  if (spec.factors?.names) parts.root.append(makeTable(spec.factors, spec.rows, spec.noun));
  el.append(parts.root);
  stage.shown();
  for (const name of ["axes", "encoding", "locked", "mode", "picture", "error"]) changed[name]();
  const stops = [listen(model, changed), voice.cancel, link.stop, stage.stop, views.stop];
  // For tests and the curious: the decoder as the page runs it.
  parts.root.vaelibDecode = (values) => Array.from(stage.decode(values));
  return () => {
    saving.flush();
    for (const stop of stops) stop();
    parts.root.remove();
  };
}

export default { render };
