// What the explorer says: a live region for what was done, an alert for what is wrong, a note.

export function makeVoice(parts) {
  const problems = new Map();
  let timer = 0;
  const voice = {
    /** Said when nothing has been done for a while: it is for the end of a move, not for each step. */
    say(message) {
      clearTimeout(timer);
      timer = setTimeout(() => (parts.status.textContent = message), 600);
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
    /** z as Python code, on the clipboard where that is allowed, and in a field to copy from. */
    async copy(z) {
      const numbers = z.map((value) => Number(value.toFixed(6)) + 0);
      const list = numbers.map((value) => (Number.isInteger(value) ? value.toFixed(1) : value));
      parts.code.value = `z = torch.tensor([[${list.join(", ")}]])`;
      parts.code.hidden = false;
      parts.code.select();
      try {
        await navigator.clipboard.writeText(parts.code.value);
        voice.say(`Copied: ${parts.code.value}`);
      } catch {
        voice.say("Copy z from the field: this page may not write to the clipboard");
      }
    },
    cancel: () => clearTimeout(timer),
  };
  return voice;
}
