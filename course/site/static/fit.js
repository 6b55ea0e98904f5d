// Makes every slide fit 1280 × 720 before the deck begins, and cuts nothing off. Letters are as large
// as the slide allows, up to 38 px. A slide that is up to an eighth too full at 25 px is set smaller
// (code stays at 16 px). What is fuller goes on on another slide: between two blocks where that is
// possible, else inside a list, a table or a piece of code. A picture or a widget takes the room that
// is left, if that is enough to see it.
"use strict";

const WIDTH = 1280;
const HEIGHT = 720;
const LETTERS = [38, 35, 32, 30, 28, 26.5, 25]; // px, the largest that a slide has room for
const SMALLEST = 0.89; // of 18 px code: 16 px
const ENOUGH = 0.8; // of a picture's size
const HEADING = /^H[1-6]$/;

const blocks = (slide) => [...slide.children].filter((child) => !child.matches(".running, .notes"));
const bottom = (slide) => HEIGHT - parseFloat(getComputedStyle(slide).paddingBottom);
const above = (slide) => slide.getBoundingClientRect().top;
const end = (slide, block) => block.getBoundingClientRect().bottom - above(slide);
const full = (slide) => slide.scrollHeight > HEIGHT || slide.getBoundingClientRect().height > HEIGHT;

/** A formula or a table wider than the slide is set smaller, with all of it to be seen. */
function fitWidth(slide) {
  for (const wide of slide.querySelectorAll(".wide:not(pre)")) {
    const inner = wide.querySelector(".katex-display > .katex, table") ?? wide;
    inner.style.fontSize = "";
    const room = wide.clientWidth;
    const own = parseFloat(getComputedStyle(inner).fontSize);
    const needed = inner.scrollWidth;
    if (needed > room) inner.style.fontSize = `${(own * room * 0.99) / needed}px`;
  }
}

/** A picture gets the room that is left on the slide, if its like can still be seen in it. */
function shrink(slide, block) {
  const image = block.matches("figure") && block.querySelector("img");
  if (!image) return false;
  const shown = image.getBoundingClientRect().height;
  const room = shown - (end(slide, block) - bottom(slide)) - 2;
  const alone = blocks(slide).filter((one) => !HEADING.test(one.tagName))[0] === block;
  if (room >= shown || (room < ENOUGH * shown && !alone)) return false;
  image.style.maxHeight = `${Math.floor(room)}px`;
  return true;
}

/** The parts of a block that can stand on different slides, and how a block holds some of them. */
function parts(block) {
  const make = (fill) => (some) => {
    const copy = block.cloneNode(block.matches("pre") ? false : true);
    copy.removeAttribute("id");
    fill(copy, some);
    return copy;
  };
  if (block.matches("pre")) {
    const code = block.querySelector("code");
    const fill = (copy, lines) => {
      const into = code ? copy.appendChild(document.createElement("code")) : copy;
      into.innerHTML = lines.join("\n");
    };
    return [(code ?? block).innerHTML.split("\n"), make(fill)];
  }
  if (block.matches("ul, ol")) {
    const items = [...block.children];
    const fill = (copy, some) => {
      copy.replaceChildren(...some.map((item) => item.cloneNode(true)));
      if (block.matches("ol")) copy.start = (block.start ?? 1) + items.indexOf(some[0]);
    };
    return [items, make(fill)];
  }
  const body = block.querySelector("tbody");
  if (body) {
    const fill = (copy, some) =>
      copy.querySelector("tbody").replaceChildren(...some.map((row) => row.cloneNode(true)));
    return [[...body.children], make(fill)];
  }
  if (block.matches("p, blockquote")) {
    // At the end of a sentence, between whole nodes: nothing inside a formula is torn.
    const pieces = [...block.childNodes].flatMap((node) => {
      if (node.nodeType !== Node.TEXT_NODE) return [node];
      return node.data.split(/(?<=[.;:?!]\s)/).map((text) => document.createTextNode(text));
    });
    return [pieces, make((copy, some) => copy.replaceChildren(...some.map((n) => n.cloneNode(true))))];
  }
  return [[], null];
}

/** As much of the block as fits stays; returns the rest, or null where it cannot be divided. */
function divide(slide, block) {
  const [all, make] = parts(block);
  if (all.length < 2) return null;
  let fits = 0;
  let fails = all.length;
  const trial = (count) => {
    const copy = make(all.slice(0, count));
    block.after(copy);
    block.style.display = "none";
    const good = end(slide, copy) <= bottom(slide);
    copy.remove();
    block.style.display = "";
    return good;
  };
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (trial(middle)) fits = middle;
    else fails = middle;
  }
  if (block.matches("pre")) {
    // At an empty line, if one is near: a function is not torn for two lines' sake.
    const empty = all.slice(0, fits).findLastIndex((line) => !line.trim());
    if (empty > fits * 0.5) fits = empty + 1;
  }
  if (fits === 0) return null;
  const rest = make(all.slice(fits));
  block.replaceWith(make(all.slice(0, fits)));
  return rest;
}

/** The last resort, for what cannot be divided: all of it, smaller. */
function squeeze(slide) {
  const box = document.createElement("div");
  box.append(...blocks(slide));
  slide.append(box);
  for (let scale = 0.95; full(slide) && scale > 0.2; scale -= 0.05) box.style.zoom = scale;
}

function continued(slide, moved) {
  const next = slide.cloneNode(false);
  next.removeAttribute("id");
  next.style.fontSize = "";
  next.classList.add("continued");
  next.append(...moved);
  slide.after(next);
  return next;
}

/** A proof stands to the left of the lab that it is about, of which it shows the figures it lights. */
function split(slide) {
  const proof = slide.querySelector(":scope > .proof");
  const lab = slide.querySelector(":scope > .live");
  if (!proof || !lab) return;
  const box = document.createElement("div");
  const words = document.createElement("div");
  box.className = "split";
  proof.before(box);
  const keys = proof.dataset.lit.split(/[| ]/);
  for (const figure of lab.querySelectorAll("figure")) {
    const marks = [...figure.querySelectorAll("[data-key]")];
    figure.hidden = !marks.some((mark) => keys.includes(mark.dataset.key));
  }
  words.append(...blocks(slide).filter((one) => one !== box && one !== lab && !HEADING.test(one.tagName)));
  box.append(words, lab);
}

/** A widget is laid out in the room that the slide has for it, in letters of 24 px. */
function fitLive(slide) {
  for (const live of slide.querySelectorAll(".live[data-live]:not([data-component=Predict])")) {
    const place = live.firstElementChild;
    place.classList.add("vaelib-slide");
    place.style.height = "0";
    const last = live.parentElement === slide ? blocks(slide).at(-1) : live;
    place.style.height = `${Math.floor(bottom(slide) - end(slide, last))}px`;
  }
}

/** Pictures grow into the room that is left, up to three times their size. */
function grow(slide) {
  const images = [...slide.querySelectorAll("figure img")];
  for (const image of images) {
    const { width, height } = image.getBoundingClientRect();
    if (!image.naturalWidth || !height) continue;
    const last = blocks(slide).at(-1);
    const room = (bottom(slide) - end(slide, last) - 8) / images.length;
    const wanted = Math.min(3 * image.naturalHeight, height + room);
    const widest = image.closest("figure").clientWidth;
    const larger = Math.min(wanted * (width / height), widest);
    if (larger > width + 2) image.style.width = `${Math.floor(larger)}px`;
    if (full(slide)) image.style.width = "";
  }
}

/** What does not fill its slide hangs a little lower, not all of it at the top. */
function balance(slide) {
  const body = blocks(slide).filter((one) => !HEADING.test(one.tagName));
  if (!body.length || slide.querySelector("h1")) return;
  const room = bottom(slide) - end(slide, body.at(-1));
  if (room > 40) body[0].style.marginTop = `${Math.floor(room * 0.35)}px`;
}

/** Fits one slide, and returns the slide that goes on with what had no room on it, or null. */
function fit(slide) {
  split(slide);
  for (const size of slide.style.fontSize ? [] : LETTERS) {
    slide.style.fontSize = `${size}px`;
    fitWidth(slide);
    fitLive(slide);
    if (!full(slide)) {
      grow(slide);
      balance(slide);
      return null;
    }
  }
  slide.style.fontSize = "";
  fitWidth(slide);
  if (!full(slide)) return null;
  const natural = parseFloat(getComputedStyle(slide).fontSize);
  if (slide.scrollHeight < HEIGHT * 1.2) {
    for (let scale = 0.98; full(slide) && scale >= SMALLEST; scale -= 0.03) {
      slide.style.fontSize = `${natural * scale}px`;
    }
    fitWidth(slide);
    if (!full(slide)) return null;
    slide.style.fontSize = "";
  }
  const all = blocks(slide);
  let at = all.findIndex((block) => end(slide, block) > bottom(slide));
  if (at < 0) at = all.length - 1;
  if (shrink(slide, all[at])) return fit(slide);
  // What announces a thing stays with it: a heading, a line all in bold, one that ends in a colon.
  const bold = (block) => block.querySelector(":scope > strong:only-child")?.textContent;
  const announces = (block) =>
    HEADING.test(block.tagName) ||
    (block.matches("p") && (bold(block) === block.textContent || /:\s*$/.test(block.textContent)));
  let from = at;
  while (from > 0 && announces(all[from - 1])) from -= 1;
  if (from > 0 && !all[at].matches("table, .wide:not(pre)")) return continued(slide, all.slice(from));
  const rest = divide(slide, all[at]);
  if (rest) return continued(slide, [rest, ...all.slice(at + 1)]);
  if (from > 0) return continued(slide, all.slice(from));
  if (at + 1 < all.length) {
    const next = continued(slide, all.slice(at + 1));
    if (full(slide)) squeeze(slide);
    return next;
  }
  squeeze(slide);
  return null;
}

/** Which section a slide belongs to, in small letters, where it does not say so itself. */
function label(stack) {
  let heading = "";
  for (const slide of stack.querySelectorAll("section")) {
    const own = slide.querySelector("h1, h2");
    if (own) heading = own.textContent;
    else if (heading) {
      const line = document.createElement("div");
      line.className = "running";
      line.textContent = heading;
      slide.prepend(line);
    }
  }
}

