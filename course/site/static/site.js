// What a page of the site does: live widgets replace their pictures, wide things can be scrolled with
// the keyboard, the table of contents folds on a narrow window. Without this script the page is still
// complete: its formulas are typeset, and each widget is the picture that the lesson stores.
"use strict";

window.vaelibSite = (() => {
  const states = {};
  const scripts = {};

  /** A script of the site's, once. Scripts and not requests, which a page from disk may not make. */
  function load(file, ready) {
    if (ready()) return Promise.resolve();
    scripts[file] ??= new Promise((resolve, reject) => {
      const asked = [...document.scripts].find((script) => script.src.endsWith(`live/${file}`));
      const script = asked ?? document.createElement("script");
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error(`${file} did not arrive`)));
      if (asked) return;
      script.src = `live/${file}`;
      document.head.append(script);
    });
    return scripts[file];
  }

  /** A widget's exported state: in a file that pages share, or in the page. */
  async function stateOf(place) {
    const { saved } = place.dataset;
    if (!saved) return JSON.parse(place.querySelector("script").textContent);
    await load(`${saved}.js`, () => states[saved]);
    return structuredClone(states[saved]);
  }

  /** Put the live widget in the place of its picture. */
  async function wake(place) {
    const { component, later } = place.dataset;
    const script = load(`${component}.js`, () => window.vaelibWidgets?.[component]);
    const [state] = await Promise.all([stateOf(place), script]);
    const el = document.createElement("div");
    el.className = "vaelib-page";
    place.append(el);
    window.vaelibWidgets[component](state, el);
    place.querySelector(".twin").remove();
    place.dataset.live = "true";
    if (later) giveRest(later, el);
  }

  /** What a widget does not need at first, the encoder of its model, comes when the widget is there. */
  async function giveRest(later, el) {
    await load(`${later}.js`, () => states[later]).catch(() => {});
    for (const [name, detail] of Object.entries(states[later] ?? {})) {
      el.dispatchEvent(new CustomEvent(`vaelib-${name}`, { detail }));
    }
  }

  function failed(place, problem) {
    place.classList.add("failed");
    const note = place.querySelector(".twin > .note");
    for (const half of place.querySelectorAll(":scope > div:not(.twin)")) half.remove();
    if (note) note.textContent = `The live one could not start, the picture stays: ${problem.message}.`;
  }

  function wakeAll() {
    for (const place of document.querySelectorAll(".live")) {
      place.querySelector(".twin > .note").hidden = false;
      wake(place).catch((problem) => failed(place, problem));
    }
  }

  return {
    saved(name, state) {
      states[name] = state;
    },
    wakeAll,
  };
})();

/** What is wider than its place takes the focus, so that the arrow keys scroll it. */
function watchWide() {
  const check = ({ target }) => {
    const wide = target.scrollWidth > target.clientWidth + 1;
    if (wide === target.hasAttribute("tabindex")) return;
    for (const [name, value] of Object.entries({
      tabindex: "0",
      role: "group",
      "aria-label": `${target.dataset.name}, wider than the page`,
    })) {
      if (wide) target.setAttribute(name, value);
      else target.removeAttribute(name);
    }
  };
  const observer = new ResizeObserver((entries) => entries.forEach(check));
  for (const element of document.querySelectorAll(".wide")) observer.observe(element);
  document.fonts.ready.then(() => {
    for (const target of document.querySelectorAll(".wide")) check({ target });
  });
}

/** Beside the text the contents stay open; above it they would push it away. */
function foldContents() {
  const contents = document.querySelector(".contents");
  if (!contents) return;
  const details = contents.querySelector("details");
  const beside = window.matchMedia("(min-width: 1080px)");
  const fit = () => {
    details.open = beside.matches;
  };
  beside.addEventListener("change", fit);
  fit();
  contents.classList.add("ready");
  contents.addEventListener("click", ({ target }) => {
    if (target.closest("a")) fit();
  });
}

/** How much of each lesson was read: a fraction for each page, kept in this browser. */
const progress = {
  all() {
    try {
      return JSON.parse(window.localStorage.getItem("vaelib-read")) ?? {};
    } catch {
      return {}; // no storage, or someone else's: nothing is shown as read
    }
  },
  reached(page, fraction) {
    const all = this.all();
    if (!(fraction > (all[page] ?? 0))) return;
    all[page] = Math.round(fraction * 100) / 100;
    try {
      window.localStorage.setItem("vaelib-read", JSON.stringify(all));
    } catch {
      // a browser that stores nothing: the bar of this page still moves
    }
  },
  show() {
    for (const [page, fraction] of Object.entries(this.all())) {
      const places = document.querySelectorAll(`.top li a[href="${page}"], .lessons [data-page="${page}"]`);
      for (const place of places) {
        place.style.setProperty("--read", fraction);
        const says = `${Math.round(fraction * 100)} % read`;
        if (place.matches("a")) place.title = `${place.title.split(" (")[0]} (${says})`;
      }
    }
  },
};

/** The place in the lesson: the section that is read, and how far down the page the window is. */
function watchPlace() {
  const links = [...document.querySelectorAll(".contents a")];
  if (!links.length) return;
  const heading = (link) => document.getElementById(decodeURIComponent(link.hash.slice(1)));
  const sections = links.map((link) => [link, heading(link)]);
  const bar = document.querySelector(".reading");
  const here = document.querySelector(".contents .here");
  const page = decodeURIComponent(window.location.pathname.split("/").at(-1));
  let current = null;
  let asked = false;

  function update() {
    asked = false;
    const room = document.documentElement.scrollHeight - window.innerHeight;
    const fraction = room > 0 ? Math.min(1, window.scrollY / room) : 1;
    bar.style.transform = `scaleX(${fraction})`;
    progress.reached(page, fraction);
    progress.show();
    const passed = sections.findLast(([, at]) => at.getBoundingClientRect().top < window.innerHeight / 3);
    if (passed?.[0] === current) return;
    current?.removeAttribute("aria-current");
    current = passed?.[0];
    current?.setAttribute("aria-current", "location");
    here.textContent = current ? `${links.indexOf(current) + 1} of ${links.length} · ` : "";
    for (const node of current?.childNodes ?? []) here.append(node.cloneNode(true));
  }

  const ask = () => {
    if (!asked) window.requestAnimationFrame(update);
    asked = true;
  };
  document.addEventListener("scroll", ask, { passive: true });
  window.addEventListener("resize", ask);
  update();
}

/** What follows a question is out of focus, for readers of any kind, until it is answered. */
function veil() {
  const hidden = ":scope > .cell:not(:has(> details.veil))";
  const focus = (behind) => {
    behind.classList.add("seen");
    for (const cell of behind.querySelectorAll(hidden)) cell.inert = false;
  };
  const reveal = (behind) => {
    focus(behind);
    for (const result of behind.querySelectorAll(".veil")) result.open = true;
  };
  for (const behind of document.querySelectorAll(".behind")) {
    for (const cell of behind.querySelectorAll(hidden)) cell.inert = true;
    behind.querySelector("button").addEventListener("click", () => {
      reveal(behind);
      const first = behind.querySelector(".cell");
      first.setAttribute("tabindex", "-1");
      first.focus({ preventScroll: true });
    });
    for (const result of behind.querySelectorAll(".veil")) {
      result.addEventListener("toggle", () => result.open && focus(behind));
    }
  }
  document.addEventListener("vaelib-commit", ({ target }) => {
    const next = target.closest(".cell")?.nextElementSibling;
    if (next?.matches(".behind")) reveal(next);
  });
}

foldContents();
progress.show();
veil();
watchWide();
watchPlace();
window.vaelibSite.wakeAll();
