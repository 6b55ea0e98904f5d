// S opens the speaker's notes in a window of their own: what may be said, what comes next, the time.
"use strict";

function speakNotes(deck) {
  let notes = null;
  const began = Date.now();
  const heading = (slide) => slide?.querySelector("h1, h2, h3")?.textContent ?? "";

  function show() {
    if (!notes || notes.closed) return;
    const slide = deck.getCurrentSlide();
    const all = deck.getSlides();
    const at = all.indexOf(slide);
    const { document: page } = notes;
    page.title = `${at + 1} / ${all.length} · ${heading(slide)}`;
    const minutes = Math.floor((Date.now() - began) / 60_000);
    page.querySelector(".at").textContent = `${at + 1} / ${all.length} · ${minutes} min`;
    page.querySelector("h1").textContent = heading(slide);
    page.querySelector(".next").textContent = `Next: ${heading(all[at + 1]) || "the end"}`;
    const said = [...slide.querySelectorAll("aside.notes")].map((note) => note.cloneNode(true));
    page.querySelector(".said").replaceChildren(...said.map((one) => page.adoptNode(one)));
  }

  function open() {
    notes = window.open("", "vaelib-notes", "width=900,height=700");
    if (!notes) return; // the browser forbids windows: the slides go on without
    const page = notes.document;
    page.documentElement.lang = "en";
    page.head.replaceChildren();
    for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) {
      const copy = page.createElement("link");
      copy.rel = "stylesheet";
      copy.href = sheet.href;
      page.head.append(copy);
    }
    page.body.className = "speaker";
    const parts = [["p", "at"], ["h1", ""], ["div", "said"], ["p", "next"]].map(([tag, name]) => {
      const part = page.createElement(tag);
      part.className = name;
      return part;
    });
    page.body.replaceChildren(...parts);
    notes.addEventListener("keydown", ({ key }) => {
      if (["ArrowRight", "PageDown", " ", "n"].includes(key)) deck.next();
      if (["ArrowLeft", "PageUp", "p"].includes(key)) deck.prev();
    });
    show();
  }

  deck.addKeyBinding({ keyCode: 83, key: "S", description: "Speaker’s notes" }, open);
  deck.on("slidechanged", show);
}
