// Plays z along a path, until it is there or something else is done.

const SECONDS = 4;

/** `go(z)` moves z; with reduced motion z goes in nine steps instead of gliding. */
export function makePlayer(go) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0;
  let ended = () => {};
  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    const tell = ended;
    ended = () => {};
    tell();
  }
  return {
    /** `path(t)` is z at t from 0 to 1; `end()` is called once, when it is there or was stopped. */
    play(path, end = () => {}, seconds = SECONDS) {
      stop();
      ended = end;
      let start = null;
      let last = -1;
      const step = (now) => {
        start ??= now;
        const t = Math.min(1, (now - start) / (1000 * seconds));
        const place = still.matches ? Math.floor(8 * t) / 8 : t;
        if (place !== last) go(path(place));
        last = place;
        if (t < 1) frame = requestAnimationFrame(step);
        else stop();
      };
      frame = requestAnimationFrame(step);
    },
    playing: () => frame !== 0,
    stop,
  };
}
