"""How long the site's start page takes on a slow line: `python -m benchmarks.site_speed`.

Chromium has an empty cache and a line of 1.6 Mbit/s and 150 ms; the pages come from a plain static
server on this machine that compresses nothing. Run `make site` first. "Readable" is when the first
paragraph is painted, "live" when a slider moves the picture. The slowest of a few visits counts.
"""

import argparse
import functools
import http.server
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import chromium

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"readable": 2.0, "live": 5.0}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def open_once(page: Page, address: str) -> dict[str, float]:
    """Seconds from asking for the page."""
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.clearBrowserCache")
    rate = 1.6e6 / 8
    speeds = {"downloadThroughput": rate, "uploadThroughput": rate}
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": 150, **speeds})
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("main p", state="visible")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    readable = time.perf_counter() - start
    page.wait_for_selector(".live canvas", state="visible", timeout=60_000)
    sum_up = """() => [...document.querySelectorAll(".live canvas")].map((canvas) => {
      const { width, height } = canvas;
      const all = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      return all.reduce((a, b, i) => (a + b * (i % 97)) % 1000003, 0); }).join()"""
    before = page.evaluate(sum_up)
    page.locator(".live input[type=range]").first.focus()
    page.keyboard.press("End")
    while page.evaluate(sum_up) == before:
        page.wait_for_timeout(5)
    return {"readable": readable, "live": time.perf_counter() - start}


def main() -> int:
    parser = argparse.ArgumentParser(description="The start page on a slow line.")
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--page", default="index.html")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    handler = functools.partial(Quiet, directory=str(options.site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{options.page}"
    found: dict[str, list[float]] = {name: [] for name in LIMITS}
    with chromium() as browser:
        for _ in range(options.times):
            context = browser.new_context(viewport={"width": 1280, "height": 720})
            for name, seconds in open_once(context.new_page(), address).items():
                found[name].append(seconds)
            context.close()
    server.shutdown()
    for name, limit in LIMITS.items():
        times = ", ".join(f"{seconds:.2f}" for seconds in found[name])
        mark = "✓" if max(found[name]) <= limit else "✗"
        print(f"{mark} {name}: {times} s (at most {limit:g} s)")
    return int(any(max(found[name]) > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
