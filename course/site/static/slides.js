// Begins the deck: widgets are woken, slides are fitted, and reveal.js takes over.
"use strict";

/** A lesson's own links lead to other slides of the deck, wherever they have come to lie. */
function followAnchors(deck) {
  document.addEventListener("click", (event) => {
    const href = event.target.closest("a")?.getAttribute("href") ?? "";
    if (!href.startsWith("#") || href.startsWith("#/")) return;
    const target = document.getElementById(decodeURIComponent(href.slice(1)));
    const slide = target?.closest("section");
    if (!slide) return;
    event.preventDefault();
    const { h, v } = deck.getIndices(slide);
    deck.slide(h, v);
  });
}

/** Widgets are live before the slides are measured; where one cannot be, its picture stays. */
function wake() {
  for (const place of document.querySelectorAll(".live")) {
    const { component, saved, later } = place.dataset;
    const script = place.querySelector("script");
    const show = window.vaelibWidgets?.[component];
    const state = script ? JSON.parse(script.textContent) : structuredClone(models[saved]);
    if (!show || !state) continue;
    const el = document.createElement("div");
    place.replaceChildren(el);
    show(state, el);
    for (const details of el.querySelectorAll("details")) details.open = false; // for want of room
    place.dataset.live = "true";
    for (const [name, detail] of Object.entries(models[later] ?? {})) {
      el.dispatchEvent(new CustomEvent(`vaelib-${name}`, { detail }));
    }
    // A key that the widget has used turns no slide.
    el.addEventListener("keydown", (event) => event.defaultPrevented && event.stopPropagation());
  }
}

/** Everything that shows a slide's size is there: fit the slides. */
function begin() {
  for (const stack of document.querySelectorAll(".slides > section")) {
    for (let slide of [...stack.querySelectorAll("section")]) {
      if (!blocks(slide).length) slide.remove();
      else while (slide) slide = fit(slide);
    }
    markSteps(stack);
    label(stack);
  }
  // Plots are drawn again for their new size in the frame that follows, while every slide is laid out.
  requestAnimationFrame(() => requestAnimationFrame(present));
}

/** Hands the fitted slides to reveal.js. */
function present() {
  const start = decodeURIComponent(window.location.hash.slice(1));
  document.body.classList.remove("fitting");
  const deck = window.Reveal;
  const plain = { center: false, transition: "none", backgroundTransition: "none" };
  // H, J, K and L turn no slides: L is a lab's lecture mode.
  const keyboard = { 72: null, 74: null, 75: null, 76: null };
  const looks = { slideNumber: "c/t", controlsTutorial: false, keyboard, ...plain };
  deck.on("ready", () => {
    followAnchors(deck);
    lightLabs(deck);
    speakNotes(deck);
    const target = start && !start.startsWith("/") && document.getElementById(start);
    if (!target) return;
    const { h, v } = deck.getIndices(target.closest("section"));
    deck.slide(h, v);
  });
  deck.initialize({ width: WIDTH, height: HEIGHT, margin: 0, maxScale: 4, hash: true, ...looks });
}

document.addEventListener("DOMContentLoaded", wake);
// All fonts, also those that no slide has asked for yet: a formula is as high as its font. The page
// counts as loaded when they and the pictures are there.
for (const font of document.fonts) font.load().catch(() => {});
window.addEventListener("load", begin);
