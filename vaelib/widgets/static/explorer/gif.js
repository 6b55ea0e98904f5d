// An animated GIF, written byte by byte: a palette, and each frame packed by LZW.

/** 256 greys, or for pictures in colour 6 × 7 × 6 levels of red, green and blue. */
export function makePalette(colour) {
  const palette = new Uint8Array(768);
  for (let i = 0; i < 256; i += 1) {
    if (!colour) palette.fill(i, 3 * i, 3 * i + 3);
    else if (i < 252) {
      palette[3 * i] = Math.round((Math.floor(i / 42) * 255) / 5);
      palette[3 * i + 1] = Math.round(((Math.floor(i / 6) % 7) * 255) / 6);
      palette[3 * i + 2] = Math.round(((i % 6) * 255) / 5);
    }
  }
  const index = colour
    ? (r, g, b) =>
        Math.round((r * 5) / 255) * 42 + Math.round((g * 6) / 255) * 6 + Math.round((b * 5) / 255)
    : (r) => r;
  return { palette, index };
}

/** The codes of LZW, of 9 to 12 bits, as bytes. */
function packed(pixels) {
  const bytes = [];
  let held = 0;
  let bits = 0;
  let width = 9;
  let table = new Map();
  let next = 258;
  const put = (code) => {
    held |= code << bits;
    bits += width;
    while (bits >= 8) {
      bytes.push(held & 255);
      held >>>= 8;
      bits -= 8;
    }
  };
  put(256);
  let run = pixels[0];
  for (let i = 1; i < pixels.length; i += 1) {
    const key = run * 256 + pixels[i];
    const known = table.get(key);
    if (known !== undefined) {
      run = known;
      continue;
    }
    put(run);
    if (next === 4096) {
      put(256);
      table = new Map();
      next = 258;
      width = 9;
    } else {
      table.set(key, next);
      if (next === 1 << width) width += 1;
      next += 1;
    }
    run = pixels[i];
  }
  put(run);
  put(257);
  if (bits) bytes.push(held & 255);
  return bytes;
}

const twoBytes = (value) => [value & 255, value >> 8];

/** `frames` are arrays of palette indices, each shown for `delay` hundredths of a second, for ever. */
export function gif(width, height, palette, frames, delay) {
  const parts = [
    [...new TextEncoder().encode("GIF89a"), ...twoBytes(width), ...twoBytes(height), 0xf7, 0, 0],
    palette,
    [0x21, 0xff, 11, ...new TextEncoder().encode("NETSCAPE2.0"), 3, 1, 0, 0, 0],
  ];
  for (const frame of frames) {
    parts.push([0x21, 0xf9, 4, 0, ...twoBytes(delay), 0, 0]);
    parts.push([0x2c, 0, 0, 0, 0, ...twoBytes(width), ...twoBytes(height), 0, 8]);
    const bytes = packed(frame);
    for (let i = 0; i < bytes.length; i += 255) {
      const block = bytes.slice(i, i + 255);
      parts.push([block.length, ...block]);
    }
    parts.push([0]);
  }
  parts.push([0x3b]);
  return new Blob(parts.map((part) => Uint8Array.from(part)), { type: "image/gif" });
}
