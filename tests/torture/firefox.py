"""Firefox, driven over its WebDriver BiDi socket: Playwright knows only a Firefox of its own."""

import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import websocket

NAMES = ("firefox", "firefox-esr")


def path():
    """Where Firefox is, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. What its scripts complain about is kept in `errors`."""

    def __init__(self, socket):
        self.socket = socket
        self.count = 0
        self.errors = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self.tab = self.ask("browsingContext.create", type="tab")["context"]

    def ask(self, method, **params):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            said = json.loads(self.socket.recv())
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.errors.append(said["params"]["text"])
            if said.get("id") == self.count:
                assert said["type"] == "success", said
                return said["result"]

    def open(self, address, width, height):
        size = {"width": width, "height": height}
        self.ask("browsingContext.setViewport", context=self.tab, viewport=size)
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def evaluate(self, script):
        """What a JavaScript expression, or the promise it gives, has as JSON."""
        answer = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({script})))()",
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    def act(self, kind, actions, **more):
        source = {"type": kind, "id": kind, "actions": actions, **more}
        self.ask("input.performActions", context=self.tab, actions=[source])

    def drag(self, selector, across, up):
        """From the middle of an element to shares of its box."""
        box = self.evaluate(f"""(() => {{
          const element = document.querySelector({json.dumps(selector)});
          element.scrollIntoView({{ block: "center" }});
          return element.getBoundingClientRect().toJSON();
        }})()""")
        at = lambda x, y: {  # noqa: E731
            "type": "pointerMove",
            "x": round(box["left"] + x * box["width"]),
            "y": round(box["top"] + (1 - y) * box["height"]),
            "duration": 50,
        }
        press, release = ({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))
        self.act("pointer", [at(0.5, 0.5), press, at(across, up), release])
        self.evaluate("new Promise((done) => setTimeout(done, 300))")

    def press(self, key):
        self.act("key", [{"type": way, "value": key} for way in ("keyDown", "keyUp")])
        self.evaluate("new Promise((done) => setTimeout(done, 300))")


@contextmanager
def opened(folder: Path):
    """A page of a headless Firefox with a profile of its own; it is closed at the end."""
    command = [path(), "--headless", "--no-remote", "--profile", str(folder)]
    command += ["--remote-debugging-port", "0"]
    browser = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        for line in browser.stderr:
            if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                break
        else:
            raise RuntimeError("Firefox did not start")
        socket = websocket.create_connection(
            f"{found[1]}/session", timeout=60, suppress_origin=True
        )
        yield Page(socket)
        socket.close()
    finally:
        browser.terminate()
        browser.wait(30)
