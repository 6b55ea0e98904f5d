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
    const { component } = place.dataset;
    const script = load(`${component}.js`, () => window.vaelibWidgets?.[component]);
    const [state] = await Promise.all([stateOf(place), script]);
    const el = document.createElement("div");
    el.className = "vaelib-page";
    place.append(el);
    window.vaelibWidgets[component](state, el);
    place.querySelector(".twin").remove();
    place.dataset.live = "true";
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
  const details = document.querySelector(".contents details");
  if (!details) return;
  const beside = window.matchMedia("(min-width: 1080px)");
  const fit = () => {
    details.open = beside.matches;
  };
  beside.addEventListener("change", fit);
  fit();
}

/** A question that was answered opens the results that it had veiled, up to the next question. */
function unveil() {
  document.addEventListener("vaelib-commit", ({ target }) => {
    const asked = [...document.querySelectorAll(".live[data-component=Predict], .veil")];
    const here = asked.findIndex((one) => one.contains(target));
    for (const one of asked.slice(here + 1)) {
      if (!one.matches(".veil")) break;
      one.open = true;
    }
  });
}

foldContents();
unveil();
watchWide();
window.vaelibSite.wakeAll();
