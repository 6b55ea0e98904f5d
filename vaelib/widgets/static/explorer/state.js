// What the address holds of a stage: its state as one object, and a stage made as such an object says.
import { fromInk, toInk } from "./address.js";

/**
 * The parts of the view that have a state, and `act`, which does what the view does when asked:
 * `save(traits)`, `go(z, message)`, `order(how)`, `changed()`, `z()` and `origin()`.
 */
export function makeState({ model, spec, source, plane, details, sampler, picture, act }) {
  let chosen = false; // whether the details are open or not is the reader's choice
  details.summary.addEventListener("click", () => {
    chosen = true;
    act.changed();
  });

  function read() {
    const q = source.byHand() ? source.q() : null;
    const kind = model.get("picture");
    const { open } = details.element;
    return {
      ...{ z: [...act.z()], x: spec.images ? (act.origin() ?? "none") : null },
      ...{ ink: source.drawn() ? toInk(source.x()) : null, mu: q?.mu, sigma: q?.sigma },
      ...{ view: model.get("mode"), axes: model.get("axes"), picture: kind },
      ...{ seed: kind === "sample" ? sampler.seed() : null, lock: model.get("locked") },
      ...{ between: model.get("between"), behind: plane.behind.checked ? 1 : null },
      ...{ dots: plane.shade.selectedIndex || null, order: details.order.value },
      ...{ details: chosen ? Number(open) : null },
    };
  }

  /** x, and its q where it was moved by hand. A drawn x waits for the encoder, if that comes later. */
  function readX(state) {
    if (source.byHand() || source.own()) source.show();
    if (state.x !== undefined) act.save({ image_index: state.x === "none" ? null : state.x });
    if (state.ink && !source.canEncode()) {
      const arrived = () => {
        model.off("change:encoder_weights", arrived);
        readX(state);
        act.go(state.z ?? act.z(), "From the address");
      };
      model.on("change:encoder_weights", arrived);
      return;
    }
    if (state.ink) source.make(fromInk(state.ink), "x, drawn by you", true);
    const { mu, sigma } = state;
    if (mu && sigma && source.q()) source.move({ mu, sigma }, false);
  }

  function apply(state) {
    if (state.seed !== undefined) sampler.renew(state.seed);
    const sets = { picture: state.picture, locked: state.lock, axes: state.axes, mode: state.view };
    for (const [name, value] of Object.entries(sets)) if (value !== undefined) model.set(name, value);
    readX(state);
    if (state.between) act.save({ between: state.between });
    if (state.z) {
      act.go(state.z, "From the address");
      act.save({ z: [...act.z()] });
    }
    if (state.order) act.order(state.order);
    plane.behind.checked = Boolean(state.behind);
    plane.backdrop.show(Boolean(state.behind));
    plane.shade.selectedIndex = state.dots < plane.shade.length ? state.dots : 0;
    plane.shaded();
    if (state.details !== undefined) {
      chosen = true;
      details.element.open = Boolean(state.details);
    }
    picture.redraw();
  }

  return { read, apply };
}
