// Who decodes: this page, or Python where the page cannot. Both draw the picture first and then the
// small pictures of the views, as many as there is time for.
import { uniqueId } from "../dom.js";

const SLICE = 4; // ms of small pictures at a stretch: what is pressed meanwhile has to wait for it
const PATIENCE = 5000; // ms until a silent Python is spoken of
const BATCH = 32;

/** `decode` is the page's own. `next()` gives the next small picture to draw, or null. */
export function pageEngine(decode) {
  return {
    picture: (z, paint) => paint(decode(z)),
    /** Paint small pictures for a while; true if there may be more. */
    cells(next) {
      const start = performance.now();
      while (performance.now() - start < SLICE) {
        const job = next();
        if (!job) return false;
        job.paint(decode(job.z));
      }
      return true;
    },
    stop() {},
  };
}

/**
 * Asks Python for pictures, one message at a time, so that what was overtaken is never asked for;
 * `put()` shows what was painted.
 * `said(text)` is told what is wrong, or "" when an answer comes.
 */
export function kernelEngine(model, size, put, said) {
  const view = uniqueId("view");
  let id = 0;
  let timer = 0;
  let flying = null;
  let wanted = null;
  let more = () => null;

  function ask() {
    if (flying) return;
    const jobs = [];
    if (wanted) jobs.push(wanted);
    else for (let job = more(); job; job = jobs.length < BATCH ? more() : null) jobs.push(job);
    wanted = null;
    if (!jobs.length) return;
    id += 1;
    flying = jobs;
    const codes = Float32Array.from(jobs.flatMap((job) => [...job.z]));
    timer = setTimeout(silent, PATIENCE);
    try {
      model.send({ ask: "decode", view, id }, undefined, [codes.buffer]);
    } catch (problem) {
      silent();
    }
  }

  function release() {
    clearTimeout(timer);
    const jobs = flying ?? [];
    flying = null;
    return jobs;
  }

  function silent() {
    for (const job of release()) job.again();
    said("No answer from Python, which decodes for this page: it is busy, or its kernel is gone.");
  }

  function answer(content, buffers) {
    if (content?.view !== view || content.id !== id || !flying) return;
    const jobs = release();
    if (content.error || buffers?.[0]?.byteLength !== 4 * size * jobs.length) {
      said(`Python could not decode: ${content.error ?? "an answer of another size"}`);
      return;
    }
    said("");
    const { buffer, byteOffset, byteLength } = buffers[0];
    const all = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    jobs.forEach((job, i) => job.paint(all.subarray(i * size, (i + 1) * size)));
    put();
    ask();
  }

  model.on("msg:custom", answer);
  return {
    picture(z, paint) {
      wanted = { z: [...z], paint, again() {} };
      ask();
    },
    cells(next) {
      more = next;
      ask();
      return false; // it goes on when the answer comes
    },
    stop() {
      clearTimeout(timer);
      model.off("msg:custom", answer);
    },
  };
}
