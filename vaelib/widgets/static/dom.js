// Small helpers that every widget's view is written with.

/** An element: functions become listeners, the rest attributes; "svg:path" makes SVG. */
export function h(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Call handlers[name] when the model's trait of that name changes; returns what undoes it. */
export function listen(model, handlers) {
  const entries = Object.entries(handlers);
  for (const [name, handler] of entries) model.on(`change:${name}`, handler);
  return () => {
    for (const [name, handler] of entries) model.off(`change:${name}`, handler);
  };
}

/** Run `work` in the next animation frame, once however often it was asked for. */
export function perFrame(work) {
  let frame = 0;
  return {
    request() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        work();
      });
    },
    cancel() {
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
}

/**
 * Run `work` at most once in `ms` while requests keep coming, and always after the last one; `soon`
 * ms after one that comes after a rest, of half `ms` or more.
 */
export function throttle(ms, work, soon = ms) {
  let timer = 0;
  let last = -Infinity;
  let asked = -Infinity;
  const run = () => {
    timer = 0;
    last = performance.now();
    work();
  };
  return {
    request() {
      const now = performance.now();
      const rested = now - asked > ms / 2;
      asked = now;
      timer ||= setTimeout(run, rested ? soon : Math.max(soon, last + ms - now));
    },
    cancel() {
      clearTimeout(timer);
      timer = 0;
    },
    /** Run now what is waiting, if anything is. */
    flush() {
      if (!timer) return;
      clearTimeout(timer);
      run();
    },
  };
}

/** A number as text with a real minus sign and no "−0.00". */
export function text(value, digits = 2) {
  if (!Number.isFinite(value)) return String(value);
  const rounded = Math.abs(value).toFixed(digits);
  return value < 0 && Number(rounded) !== 0 ? `−${rounded}` : rounded;
}

/**
 * Ctrl-S (on a Mac ⌘S) from a control saves the notebook: the controls keep their keys from
 * JupyterLab, so the browser would save the page instead. JupyterLab gets the key from `root`.
 */
export function passSave(root) {
  root.addEventListener("keydown", (event) => {
    const plain = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    const kept = event.target.hasAttribute("data-lm-suppress-shortcuts");
    if (!plain || event.key.toLowerCase() !== "s" || !kept || !root.closest(".jp-Notebook")) return;
    event.preventDefault();
    event.stopPropagation();
    root.dispatchEvent(new KeyboardEvent("keydown", event));
  });
}

/** A text that changes often: the node stays and only its letters change, which is laid out faster. */
export function write(element, words) {
  const node = element.firstChild;
  if (node?.nodeType !== Node.TEXT_NODE) element.textContent = words;
  else if (node.data !== words) node.data = words;
}

let made = 0;

/** An id that no other element of the page has. */
export function uniqueId(name) {
  made += 1;
  return `vaelib-${name}-${made}-${Math.random().toString(36).slice(2, 8)}`;
}
