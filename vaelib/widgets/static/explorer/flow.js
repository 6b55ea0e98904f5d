// The story in one animation: x enters the encoder, the ellipse appears, ε leads from its centre to z,
// x̂ comes out. Nothing waits for it: z and the picture are there at once, and this only shows the way.

const X = { delay: 0, duration: 180 };
const Q = { delay: 160, duration: 160 };
const EPS = { delay: 300, duration: 200 };
const OUT = { delay: 480, duration: 200 }; // 680 ms in all

/** `elements`: source, encoder, ellipse, eps, ring, decoder, picture. */
export function makeFlow(elements) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let running = [];
  function cancel() {
    for (const animation of running) animation.cancel();
    running = [];
  }
  function show(element, frames, { delay, duration }, since) {
    if (!element) return;
    const timing = { delay: delay - since, duration, fill: "backwards", easing: "ease-out" };
    running.push(element.animate(frames, timing));
  }
  const glow = [{ filter: "none" }, { filter: "brightness(1.5) saturate(2)" }, { filter: "none" }];
  const appear = [{ opacity: 0 }, { opacity: 1 }];
  /** ε and what follows; `since` is what has been left out before. */
  function middle(since) {
    show(elements.eps, appear, EPS, since);
    show(elements.ring, [{ scale: 2.2, opacity: 0 }, { scale: 1, opacity: 1 }], EPS, since);
    show(elements.decoder, glow, OUT, since);
    show(elements.picture, [{ opacity: 0.25 }, { opacity: 1 }], OUT, since);
  }
  return {
    /** x has changed. */
    all() {
      cancel();
      if (still.matches) return;
      show(elements.source, [{ scale: 0.94, opacity: 0.4 }, { scale: 1, opacity: 1 }], X, 0);
      show(elements.encoder, glow, X, 0);
      show(elements.ellipse, appear, Q, 0);
      middle(0);
    },
    /** Only ε has changed. */
    middle() {
      cancel();
      if (!still.matches) middle(EPS.delay);
    },
    cancel,
  };
}
