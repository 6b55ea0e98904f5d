// A widget's model with no kernel behind it: its traits, and their events.

export class LocalModel {
  constructor(state) {
    this.state = state;
    this.handlers = [];
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    const before = this.state[name];
    this.state[name] = value;
    if (before === value || JSON.stringify(before) === JSON.stringify(value)) return;
    for (const [event, handler] of [...this.handlers]) if (event === `change:${name}`) handler();
  }

  save_changes() {}

  on(event, handler) {
    this.handlers.push([event, handler]);
  }

  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
}
