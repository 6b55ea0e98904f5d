"""What a page and a kernel hold, and moves of a slider that should leave nothing behind."""

import psutil

MOVES = """async (count) => {
  const input = document.querySelector(".vaelib-explorer input[type=range]");
  for (let i = 0; i < count; i += 1) {
    input.value = Math.sin(i / 7) * 2.9;
    input.dispatchEvent(new Event("input"));
    if (i % 50 === 0) await new Promise((done) => requestAnimationFrame(done));
  }
  return Number(input.value);
}"""


class Memory:
    """Bytes in use: of a page's scripts after a collection, and of some processes."""

    def __init__(self, page, *pids):
        self.session = page.context.new_cdp_session(page)
        self.session.send("HeapProfiler.enable")
        self.processes = [psutil.Process(pid) for pid in pids]

    def page(self):
        for _ in range(3):
            self.session.send("HeapProfiler.collectGarbage")
        usage = self.session.send("Runtime.getHeapUsage")
        return usage["usedSize"] + usage.get("backingStorageSize", 0)

    def kernels(self):
        return sum(process.memory_info().rss for process in self.processes)

    def both(self):
        return self.page(), self.kernels()


def move(notebook, count):
    """So many moves of the first slider, until the last one is in Python."""
    last = notebook.page.evaluate(MOVES, count)
    notebook.z(lambda found: any(abs(value - last) < 0.006 for value in found))
