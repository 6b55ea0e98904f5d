// The latent explorer's view. State lives in the model's traits (z, image_index, mode, ...), each
// part of the view in the file named for it; this file keeps them together.
import { listen, passSave, text, throttle } from "../dom.js";
import { makeLecture } from "../lecture.js";
import { makeAddress } from "./address.js";
import { makeQuestion } from "./ask.js";
import { makeDetails } from "./details.js";
import { readColourings, readFloats } from "./dots.js";
import { makeDrawing } from "./draw.js";
import { makeFlow } from "./flow.js";
import { makeHistory } from "./history.js";
import { saveAnimation, savePicture, saveStrip } from "./keep.js";
import { arrangeAll, build } from "./layout.js";
import { makeLink } from "./link.js";
import { makePicture } from "./picture.js";
import { makePlane } from "./plane.js";
import { makePlayer } from "./player.js";
import { codeOf, noiseOf } from "./posterior.js";
import { arrange, makeRow } from "./rows.js";
import { gaussian, makeSampler } from "./sample.js";
import { makeSeen } from "./seen.js";
import { makeSource } from "./source.js";
import { makeState } from "./state.js";
import { makeStories } from "./stories.js";
import { makeBound, makeFormula } from "./terms.js";
import { makeViews } from "./views.js";
import { makeVoice } from "./voice.js";

function render({ model, el }) {
  const spec = model.get("spec");
  const dots = model.get("dots") ?? {};
  const points = dots.count ? readFloats(dots.means) : null;
  const colourings = readColourings(dots);
  const data = { dots: { ...dots, colourings }, points, colourings };
  const parts = build(spec, {
    encode: (index) => source.encode(index),
    sampled: (kind) => save({ picture: kind }),
  });
  const voice = makeVoice(parts);
  const link = makeLink(model, el, voice);
  const sampler = makeSampler(spec);
  let z = [...model.get("z")];
  let sent = JSON.stringify(z);
  let wanted = null; // what to keep when the answer for an undone image comes
  let origin = model.get("image_index"); // the image that this z came from
  let last = spec.rows[0].dim; // the dimension that was moved last
  const saving = throttle(100, () => save({ z: [...z] }), 5);
  const history = makeHistory(
    () => ({ z: [...z], index: origin }),
    (any) => parts.undo.setAttribute("aria-disabled", String(!any)),
  );
  const isLocked = (dim) => model.get("locked").includes(dim);
  const hold = (values) => values.map((value, d) => (isLocked(d) ? z[d] : value));
  const player = makePlayer((values) => {
    z = hold(values);
    placeAll();
    picture.redraw();
    saving.request();
  });

  const count = spec.rows.filter((row) => row.active).length || spec.rows.length;
  const question = makeQuestion(spec);
  const rows = spec.rows.map((row, i) =>
    makeRow(row, row.active || i < count ? `Slider ${i + 1} of ${count}` : "Inactive", () => z[row.dim], {
      move(value) {
        move([[row.dim, value]], `z${row.dim + 1} moved to ${text(value)}`, row.dim);
        question?.moved(row.dim);
      },
      play: () => playRow(row.dim),
    }),
  );
  const arranged = arrange(spec.rows, rows);
  parts.sliders.append(arranged.element);
  const plane = makePlane({
    ...{ spec, data, box: parts.plane, resample: parts.resample, now: () => z },
    act: {
      move(pairs) {
        const free = pairs.filter(([dim]) => !isLocked(dim));
        const where = free.map(([dim, value]) => `z${dim + 1} = ${text(value)}`).join(", ");
        if (free.length) move(free, `Plane: ${where}`, "plane");
        else voice.say("Locked: the plane moves nothing");
        plane.locate(z); // at once: it is under the pointer
      },
      turn: (axes) => save({ axes }),
      ellipse(q) {
        player.stop();
        const eps = noiseOf(z, source.q());
        history.remember("ellipse");
        source.move(q);
        z = hold(codeOf(q, eps));
        placeAll();
        plane.locate(z);
        voice.say("q was moved by hand, ε stays; Encode brings the encoder's q back");
        picture.redraw();
        saving.request();
      },
      behind(on) {
        plane.backdrop.show(on);
        address.changed();
      },
      shade() {
        plane.shaded();
        address.changed();
      },
      peek(i) {
        if (!picture.decode) return null;
        const group = (each) => each.groups[each.group[i]];
        const facts = colourings.map((each) => `${each.name} ${group(each)}`);
        const name = [`${spec.noun} ${dots.index?.[i] ?? i}, decoded`, ...facts].join("; ");
        return { name, values: picture.decode(points.subarray(i * z.length, (i + 1) * z.length)) };
      },
      wake: () => picture.wake(),
    },
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
      wake: () => picture.wake(),
      between(pair) {
        const can = pair.every(source.isImage);
        if (can) save({ between: pair });
        else voice.say(`Choose two ${spec.noun}s from 0 to ${spec.images - 1}`);
        return can;
      },
      go(values, message, kind) {
        go(hold(values), message, kind);
        saving.request();
      },
    },
  );
  const source = makeSource({
    ...{ model, spec, parts, voice, save, z: () => z },
    again(q, message) {
      go(hold(q.mu), message);
      save({ z: [...z] });
      flow.all();
    },
    changed(dragged) {
      plane.posterior(source.q(), dragged);
      placeAll();
      picture.wake();
      tellTerms();
    },
  });
  const details = makeDetails(spec, parts, { plane, views, idle: arranged.idle }, { lock, order });
  const { root, regions } = arrangeAll(parts, details.element);
  const formula = makeFormula(Math.min(2, z.length));
  const bound = makeBound(spec.likelihood);
  parts.terms.append(formula.element, bound.element);
  if (question) parts.ask.append(question.element);
  const seen = makeSeen(spec, dots, points);
  const flow = makeFlow({
    ...{ source: parts.source, picture: parts.picture, ...plane.parts },
    ...{ encoder: parts.columns.encoder, decoder: parts.columns.decoder },
  });
  const picture = makePicture({
    ...{ model, spec, canvas: parts.picture, voice, sampler, z: () => z },
    small: {
      next: () => plane.backdrop.next() ?? views.next(),
      put() {
        plane.backdrop.put();
        views.put();
      },
    },
    shown() {
      for (const row of rows) row.say(z[row.dim]);
      plane.locate(z);
      views.locate();
      tellTerms();
      const warning = seen(z);
      if (parts.seen.textContent !== warning) parts.seen.textContent = warning;
    },
  });

  function tellTerms() {
    const q = source.q();
    formula.show(z, model.get("axes"), q);
    bound.show(z, q, source.x(), picture.means, picture.logits);
    voice.code(z);
  }

  /** z was moved here: show it in the next frame, tell Python soon. */
  function move(pairs, message, kind) {
    player.stop();
    history.remember(`move ${kind}`);
    for (const [dim, value] of pairs) z[dim] = value;
    if (pairs.length) last = pairs[0][0];
    voice.say(message);
    picture.redraw();
    saving.request();
  }

  /** Tell Python; what is not z is shown by the listeners below, here and in other views. */
  function save(state) {
    saving.cancel();
    for (const [name, value] of Object.entries(state)) {
      if (name === "z") sent = JSON.stringify(value);
      model.set(name, value);
    }
    address.changed();
    try {
      model.save_changes();
      link.ask();
    } catch {
      link.lost();
    }
  }

  /** Go to a z that did not come from a slider. */
  function go(values, message, kind) {
    player.stop();
    history.remember(kind);
    jump(values, message);
  }

  function jump(values, message) {
    z = [...values];
    placeAll();
    plane.refit(z);
    const first = rows.slice(0, 6).map(({ dim }) => `z${dim + 1} = ${text(z[dim])}`);
    if (rows.length > 6) first.push("…");
    voice.say(`${message}: ${first.join(", ")}`);
    picture.redraw();
  }

  function placeAll() {
    const q = source.q();
    for (const row of rows) row.place(z[row.dim], q);
  }

  /** Go there and let Python know at once; the picture no longer comes from an image. */
  function leave(values, message) {
    const stays = model.get("locked").map((dim) => `z${dim + 1}`);
    go(hold(values), stays.length ? `${message}, but ${stays.join(", ")} locked` : message);
    forget();
  }

  function forget() {
    origin = null;
    stopDrawing();
    if (source.own()) source.show();
    save({ z: [...z], image_index: null });
  }

  const undo = () => {
    const before = history.back();
    if (!before) {
      voice.say("Nothing to undo");
      return;
    }
    player.stop();
    jump(before.z, "Undone");
    origin = before.index;
    if (source.byHand() && before.index !== null) source.show();
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

  /** The sliders by their KL or by their number. */
  function order(how) {
    const at = spec.rows.map((_, i) => i);
    if (how === "number") at.sort((i, j) => spec.rows[i].dim - spec.rows[j].dim);
    let n = 0;
    for (const i of at) {
      rows[i].element.parentElement.append(rows[i].element);
      const active = spec.rows[i].active || count === spec.rows.length;
      if (active) rows[i].rename(`Slider ${(n += 1)} of ${count}`);
    }
    details.order.value = how;
    address.changed();
  }

  /** From where it is to 3, to −3 and back. */
  function playRow(dim) {
    const row = rows.find((each) => each.dim === dim);
    const was = player.playing() && row.element.querySelector("[aria-pressed=true]");
    player.stop();
    if (was) return;
    history.remember();
    last = dim;
    question?.moved(dim);
    const start = [...z];
    const value = (t) => {
      if (t < 0.25) return start[dim] + (3 - start[dim]) * 4 * t;
      return t < 0.75 ? 3 - 12 * (t - 0.25) : -3 + (start[dim] + 3) * 4 * (t - 0.75);
    };
    row.plays(true);
    voice.say(`z${dim + 1} goes to 3, to −3 and back`);
    const along = (t) => start.map((each, d) => (d === dim ? value(t) : each));
    // Its own lock does not hold it, as its own slider is not held.
    player.play((t) => {
      z[dim] = value(t);
      return along(t);
    }, () => row.plays(false));
  }

  function resample() {
    const q = source.q();
    if (!q) {
      voice.say("Choose an x first: ε is the noise in z = μ + σ ⊙ ε");
      return;
    }
    go(hold(codeOf(q, z.map(() => gaussian()))), "Another ε");
    save({ z: [...z] });
    flow.middle();
  }

  const drawing =
    spec.draw &&
    makeDrawing(spec.shape.at(-1), (values, any) => {
      player.stop();
      source.make(any ? values : null, "x, drawn by you", true);
      address.changed();
      if (!any) return;
      z = hold(source.q().mu);
      placeAll();
      picture.redraw();
      saving.request();
    });
  function stopDrawing() {
    if (!drawing) return;
    drawing.canvas.remove();
    parts.draw.setAttribute("aria-pressed", "false");
    parts.clear.classList.add("vaelib-off");
  }
  function startDrawing() {
    if (drawing.canvas.isConnected) {
      stopDrawing();
      return;
    }
    if (!source.canEncode()) return;
    history.remember();
    parts.source.after(drawing.canvas);
    parts.draw.setAttribute("aria-pressed", "true");
    parts.clear.classList.remove("vaelib-off");
    origin = null;
    save({ image_index: null });
    drawing.clear();
    drawing.canvas.focus({ preventScroll: true });
    voice.say("Draw in the square on the left; the encoder follows your pen");
  }

  const mixes = Boolean(model.get("between_encoding")?.mu && spec.encoder?.mu);
  const stories = makeStories(spec, data.dots, points, mixes, {
    play(name, sentence, path) {
      leave(path(0), name);
      voice.say(sentence);
      player.play(path);
    },
    mix(name, sentence) {
      if (!source.canEncode()) return;
      const { mu, source: bytes } = model.get("between_encoding");
      const size = bytes.byteLength / 2;
      const pixels = new Uint8Array(bytes.buffer, bytes.byteOffset, 2 * size);
      leave(mu[0], name);
      voice.say(sentence);
      player.play((t) => {
        const mixed = Float32Array.from({ length: size }, (_, i) => {
          return ((1 - t) * pixels[i] + t * pixels[size + i]) / 255;
        });
        source.make(mixed, `x, ${Math.round(100 * t)} % of the way in pixels`);
        return mu[0].map((value, d) => (1 - t) * value + t * mu[1][d]);
      });
    },
  });
  parts.stories.append(...stories.map(({ chip }) => chip));
  const lecture = makeLecture({
    root,
    title: "The stage",
    presets: stories.slice(0, 5).map(({ name, sentence }) => `${name}. ${sentence}`),
    show: (i) => stories[i].chip.click(),
  });
  parts.stories.append(lecture.button);

  const named = (what) => `vaelib-${spec.model.replace(/[^\w-]+/g, "-").slice(0, 40)}-${what}`;
  const active = spec.rows.filter((row) => row.active).map((row) => row.dim);
  const saves = {
    savePicture: () => savePicture(parts.picture, named("picture")),
    saveAnimation() {
      const path = (t) => z.map((value, d) => (d === last ? 6 * t - 3 : value));
      saveAnimation(picture.decode, spec.shape, path, named(`z${last + 1}`));
    },
    saveStrip: () =>
      saveStrip(picture.decode, spec.shape, z, active.length ? active : [last], spec.values, named("strip")),
  };
  for (const [name, act] of Object.entries(saves)) {
    parts[name].addEventListener("click", () => {
      if (name !== "savePicture" && !picture.decode) {
        voice.say("Only a decoder that runs in this page can be saved like this");
        return;
      }
      act();
      voice.say(`Saved: see the downloads of your browser`);
    });
  }
  const clicks = {
    reset: () => leave(z.map(() => 0), "Reset"),
    random: () => leave(z.map(() => gaussian()), "Draw from the prior"),
    ...{ undo, resample },
    copy: () => voice.copy(z),
    link: () => address.copy(voice),
    previous: () => source.step(-1),
    next: () => source.step(1),
    encode: () => source.encode(parts.index.read()),
    ...{ draw: startDrawing, clear: () => drawing.clear() },
    again() {
      sampler.renew();
      picture.redraw();
      address.changed();
    },
  };
  for (const [name, act] of Object.entries(clicks)) parts[name].addEventListener("click", act);
  root.addEventListener("keydown", (event) => {
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
      if (fromImage) flow.all();
      address.changed();
    },
    encoding() {
      const none = model.get("encoding").index === undefined;
      if (!none) stopDrawing();
      if (!(none && source.own())) source.show();
      if (none) origin = null;
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
      picture.redraw();
    },
    mode: () => views.show(model.get("mode")),
    axes() {
      plane.face(model.get("axes"));
      tellTerms();
      views.update();
    },
    locked() {
      for (const row of rows) row.lock(isLocked(row.dim));
      for (const [dim, box] of details.locks) box.checked = isLocked(dim);
      picture.wake();
    },
    between_encoding: () => views.update(),
  };

  const state = makeState({
    ...{ model, spec, source, plane, details, sampler, picture },
    act: { save, go, order, changed: () => address.changed(), z: () => z, origin: () => origin },
  });
  const address = makeAddress(model, { regions, state: state.read, apply: state.apply });

  passSave(root);
  el.append(root);
  source.show();
  picture.shown();
  for (const name of ["axes", "encoding", "locked", "mode", "picture", "error"]) changed[name]();
  const stops = [listen(model, changed), voice.cancel, link.stop, picture.stop, views.stop, player.stop];
  stops.push(flow.cancel, address.stop, lecture.cleanup);
  address.open();
  // For tests and the curious: encoder and decoder as the page runs them.
  root.vaelibDecode = (values) => Array.from(picture.decode(values));
  root.vaelibEncode = (values) => source.encoded(values);
  return () => {
    saving.flush();
    for (const stop of stops) stop();
    root.remove();
  };
}

export default { render };
