// A proof comes line by line, and at each line the part of the lab that it is about is lit.
"use strict";

/** The lines of a slide's proofs become fragments of reveal.js: all parts of one line at once. */
function markSteps(stack) {
  for (const slide of stack.querySelectorAll("section")) {
    let count = 0;
    for (const formula of slide.querySelectorAll(".formula")) {
      const steps = [...formula.querySelectorAll(".step")];
      const lines = [...new Set(steps.map((step) => step.className.match(/step(\d+)/)[1]))];
      for (const step of steps) {
        step.classList.add("fragment");
        step.dataset.fragmentIndex = count + lines.indexOf(step.className.match(/step(\d+)/)[1]);
      }
      count += lines.length;
    }
  }
}

/** Lights what the last visible line of the slide's proof is about, and dims the rest. */
function light(slide) {
  const proof = slide?.querySelector("[data-lit]");
  const lab = slide?.querySelector(".live");
  if (!proof || !lab) return;
  const lines = proof.dataset.lit.split("|");
  const seen = [...proof.querySelectorAll(".step.visible")];
  const at = Math.max(0, ...seen.map((step) => Number(step.className.match(/step(\d+)/)[1])));
  const keys = (lines[Math.min(at, lines.length - 1)] ?? "").split(" ").filter(Boolean);
  lab.classList.toggle("lighting", keys.length > 0);
  for (const mark of lab.querySelectorAll("[data-key]")) {
    mark.classList.toggle("lit", keys.includes(mark.dataset.key));
  }
}

function lightLabs(deck) {
  const here = () => light(deck.getCurrentSlide());
  for (const event of ["slidechanged", "fragmentshown", "fragmenthidden"]) deck.on(event, here);
  here();
}
