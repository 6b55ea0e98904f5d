"""A widget's model without a kernel, for pages of the tests' own: `window.FakeModel`.

It keeps what the page saves in `saved` and what it asks Python for in `asked`.
"""

FAKE_MODEL = """
window.FakeModel = class {
  constructor(state, kept) {
    this.state = state;
    this.kept = kept;
    this.handlers = [];
    this.saved = [];
    this.asked = [];
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    this.trigger(`change:${name}`);
  }
  trigger(event, ...all) {
    for (const [name, handler] of [...this.handlers]) if (name === event) handler(...all);
  }
  save_changes() {
    const saved = Object.fromEntries(this.kept.map((name) => [name, this.state[name]]));
    this.saved.push(JSON.parse(JSON.stringify(saved)));
  }
  send(content, _, buffers) {
    if (content.ask === "here") {
      if (!this.gone) this.trigger("msg:custom", { here: content.view });
      return;
    }
    this.asked.push({ content, z: [...new Float32Array(buffers[0])] });
    window.answer?.(this.asked.at(-1));
  }
  on(event, handler) { this.handlers.push([event, handler]); }
  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
};
"""
