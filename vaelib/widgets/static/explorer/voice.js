// What the explorer says: at once in a line to be seen, after a while in a live region to be heard; an
// alert for what is wrong, a note.
import { throttle, write } from "../dom.js";

const SEEN = 100; // ms between two changes of the line, while they keep coming
const HEARD = 600; // ms after which a move is taken to be over

export function makeVoice(parts) {
  const problems = new Map();
  let timer = 0;
  let latest = "";
  const seen = throttle(SEEN, () => write(parts.tell, latest), 0);
  const voice = {
    /** Seen at once. Heard when nothing has been done for a while: at the end of a move. */
    say(message) {
      latest = message;
      seen.request();
      clearTimeout(timer);
      timer = setTimeout(() => (parts.status.textContent = message), HEARD);
    },
    /** Show a problem until the same key is told an empty text. */
    problem(key, message) {
      if ((problems.get(key) ?? "") === (message || "")) return;
      if (message) problems.set(key, message);
      else problems.delete(key);
      parts.error.textContent = [...problems.values()].join(" ");
      parts.error.hidden = problems.size === 0;
    },
    notice(message) {
      parts.notice.textContent = message;
      parts.notice.hidden = false;
    },
    /** z as Python code in its field, which is up to date when it is looked at. */
    code(z) {
      const numbers = z.map((value) => Number(value.toFixed(6)) + 0);
      const list = numbers.map((value) => (Number.isInteger(value) ? value.toFixed(1) : value));
      parts.code.value = `z = torch.tensor([[${list.join(", ")}]])`;
    },
    async copy(z) {
      voice.code(z);
      parts.code.select();
      await voice.clip(parts.code.value, "Copy z from the field: this page may not write to the clipboard");
    },
    /** A text to the clipboard where that is allowed; `else_` is said where it is not. */
    async clip(text, else_) {
      try {
        await navigator.clipboard.writeText(text);
        voice.say(`Copied: ${text}`);
      } catch {
        voice.say(else_);
      }
    },
    cancel() {
      seen.cancel();
      clearTimeout(timer);
    },
  };
  return voice;
}
