// Fonts that the page has before it shows its first line: with them nothing moves when they arrive.
"use strict";

for (const [family, style, weight, data] of [/* fonts */]) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  document.fonts.add(new FontFace(family, bytes, { style, weight }));
}
