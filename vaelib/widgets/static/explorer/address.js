// The whole state in the address of a page: #model=faces&z=0.2,1.5&view=manifold&hide=details.

const numbers = (text) => {
  const found = text.split(",").map(Number);
  return text !== "" && found.every(Number.isFinite) ? found : null;
};
const whole = (text) => (/^\d+$/.test(text) ? Number(text) : null);
const wholes = (text) => {
  const found = text.split(",").map(whole);
  return found.includes(null) ? null : found;
};
const word = (text) => text;

// How each part of the state is read; what cannot be read is left out.
const READ = {
  ...{ model: word, z: numbers, view: word, axes: wholes, picture: word, between: wholes },
  ...{ lock: wholes, mu: numbers, sigma: numbers, behind: whole, order: word },
  ...{ ink: word, seed: whole, dots: whole, details: whole },
  x: (text) => (text === "none" ? text : whole(text)),
  hide: (text) => text.split(",").filter(Boolean),
};

/** A drawn x, its values sixteenths of white, as a digit per pixel; zeros in a row are one letter. */
export function toInk(values) {
  const digits = Array.from(values, (value) => Math.round(15 * value).toString(16)).join("");
  return digits.replace(/0{2,21}/g, ({ length }) => (length + 14).toString(36));
}

export function fromInk(text) {
  const digits = text.replace(/[g-z]/g, (letter) => "0".repeat(parseInt(letter, 36) - 14));
  return Float32Array.from(digits, (digit) => parseInt(digit, 16) / 15);
}

/** The state as the part of an address that follows #. */
export function toHash(state) {
  const parts = Object.entries(state)
    .filter(([, value]) => value !== null && value !== undefined && String(value) !== "")
    .map(([name, value]) => {
      const values = Array.isArray(value) ? value : [value];
      const short = values.map((each) =>
        typeof each === "number" ? String(Number(each.toFixed(6))) : encodeURIComponent(each),
      );
      return `${name}=${short.join(",")}`;
    });
  return parts.join("&");
}

/** The state that an address holds, or null where it holds none of `model`. */
export function fromHash(hash, model) {
  const state = {};
  for (const pair of hash.replace(/^#/, "").split("&")) {
    const [name, raw = ""] = pair.split("=");
    if (!Object.hasOwn(READ, name)) continue;
    let text = raw;
    try {
      text = decodeURIComponent(raw);
    } catch {
      continue; // a % that begins no character
    }
    const value = READ[name](text);
    if (value !== null) state[name] = value;
  }
  return state.model === model ? state : null;
}

const SOON = 300; // ms from a change to the address that tells it
let owner = null; // of several stages in one page the first one has the address

/** Whether a state that came from outside is one of this model's. */
function valid(state, spec) {
  const dims = spec.rows.length;
  const isDim = (d) => d < dims;
  const isImage = (i) => i < spec.images;
  const size = spec.shape.reduce((a, b) => a * b, 1);
  const different = (list) => new Set(list).size === list.length;
  const rules = {
    z: (list) => list.length === dims,
    x: (index) => index === "none" || isImage(index),
    view: (name) => spec.modes.includes(name),
    axes: (list) => list.length === Math.min(2, dims) && list.every(isDim) && different(list),
    picture: (name) => name === "mean" || (name === "sample" && spec.likelihood),
    between: (list) => list.length === 2 && list.every(isImage),
    lock: (list) => list.every(isDim) && different(list),
    mu: (list) => list.length === dims,
    sigma: (list) => list.length === dims && list.every((s) => s > 0),
    ink: (text) => Boolean(spec.draw) && /^[0-9a-z]+$/.test(text) && fromInk(text).length === size,
    order: (name) => ["kl", "number"].includes(name),
  };
  return Object.fromEntries(
    Object.entries(state).filter(([name, value]) => !rules[name] || rules[name](value)),
  );
}

/**
 * Keeps the address of a page without a kernel up to date, and follows it; in a notebook the address is
 * JupyterLab's. `state()` is what is so now, `apply(state)` makes it so, `regions` are what `hide` names.
 */
export function makeAddress(model, { state, apply, regions }) {
  const spec = model.get("spec");
  const me = {};
  const mine = !model.send && owner === null;
  if (mine) owner = me;
  let hidden = [];
  let timer = 0;
  let ready = false;
  const text = () => toHash({ model: spec.model, ...state(), hide: hidden });
  /** A deck's slide, as reveal.js writes it, comes first: both numbers, so that it can be read again. */
  const slide = () => {
    const found = window.location.hash.match(/^#\/(\d+)(?:\/(\d+))?/);
    return found ? `/${found[1]}/${found[2] ?? 0}&` : "";
  };

  function write() {
    clearTimeout(timer);
    timer = 0;
    try {
      const lecture = window.location.hash.split(/[#&]/).includes("lecture") ? "&lecture" : "";
      window.history.replaceState(window.history.state, "", `#${slide()}${text()}${lecture}`);
    } catch {
      // A page that has no address of its own, such as a frame's.
    }
  }

  function open() {
    ready = false;
    const found = mine && fromHash(window.location.hash, spec.model);
    if (found) {
      const good = valid(found, spec);
      hidden = (good.hide ?? []).filter((name) => Object.hasOwn(regions, name));
      for (const [name, region] of Object.entries(regions)) {
        region.classList.toggle("vaelib-gone", hidden.includes(name));
      }
      apply(good);
    }
    ready = true;
  }

  if (mine) window.addEventListener("hashchange", open);
  return {
    open,
    /** Something was changed. */
    changed() {
      if (mine && ready) timer ||= setTimeout(write, SOON);
    },
    async copy(voice) {
      if (mine) write();
      const page = mine ? window.location.href.split("#")[0] : "";
      await voice.clip(`${page}#${mine ? slide() : ""}${text()}`, "The address of this page is the link: copy it from there");
    },
    stop() {
      clearTimeout(timer);
      window.removeEventListener("hashchange", open);
      if (owner === me) owner = null;
    },
  };
}
