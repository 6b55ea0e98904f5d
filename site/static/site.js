// What a page of the site does: widgets come to life in the place of their pictures, wide things can
// be scrolled with the keyboard, the table of contents folds on a narrow window. Without this script
// the page is whole: its formulas are set, and each widget is the picture that the lesson stores.
"use strict";

/** A widget's traits and their events, with no kernel behind them. */
class LocalModel {
  constructor(state) {
    this.state = state;
    this.handlers = [];
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    for (const [event, handler] of [...this.handlers]) if (event === `change:${name}`) handler();
  }

  save_changes() {}

  on(event, handler) {
    this.handlers.push([event, handler]);
  }

  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
}

window.vaelibSite = (() => {
  const components = {};
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

  function alive(place) {
    place.querySelector(".twin").remove();
    place.dataset.live = "true";
  }

  /** An explorer: what a saved page of it holds, then what such a page runs. */
  async function wakeExplorers(places) {
    const waiting = [];
    for (const place of places) {
      const { component, saved } = place.dataset;
      await load(`${component}.js`, () => components[component]);
      await load(`${saved}.js`, () => states[saved]);
      const holder = document.createElement("div");
      const data = document.createElement("script");
      holder.className = "vaelib-page";
      data.type = "application/json";
      data.textContent = JSON.stringify(states[saved]);
      holder.append(data);
      place.append(holder);
      waiting.push(place);
    }
    await components[waiting[0].dataset.component]();
    waiting.forEach(alive);
  }

  /** A lab: its state stands in the page. */
  async function wakeLab(place) {
    const { component } = place.dataset;
    await load(`${component}.js`, () => components[component]);
    const render = await components[component]();
    const state = JSON.parse(place.querySelector("script").textContent);
    const el = document.createElement("div");
    render({ model: new LocalModel(state), el });
    place.append(el);
    alive(place);
  }

  function failed(places, problem) {
    for (const place of places) {
      place.classList.add("failed");
      const note = place.querySelector(".twin > .note");
      for (const half of place.querySelectorAll(":scope > div:not(.twin)")) half.remove();
      if (note) note.textContent = `The live one could not start, the picture stays: ${problem.message}.`;
    }
  }

  function wake() {
    const places = [...document.querySelectorAll(".live")];
    for (const place of places) place.querySelector(".twin > .note").hidden = false;
    const explorers = places.filter((place) => place.dataset.saved);
    if (explorers.length) wakeExplorers(explorers).catch((problem) => failed(explorers, problem));
    for (const place of places.filter((one) => !one.dataset.saved)) {
      wakeLab(place).catch((problem) => failed([place], problem));
    }
  }

  return {
    component(name, start) {
      components[name] = start;
    },
    saved(name, state) {
      states[name] = state;
    },
    wake,
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
  const details = document.querySelector(".contents details");
  if (!details) return;
  const beside = window.matchMedia("(min-width: 1080px)");
  const fit = () => {
    details.open = beside.matches;
  };
  beside.addEventListener("change", fit);
  fit();
}

foldContents();
watchWide();
window.vaelibSite.wake();
