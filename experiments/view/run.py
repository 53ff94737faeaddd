"""Prints how long the interactive page of a large program takes to open, and to answer a hover, in a real browser."""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.report.run import uneven
from smaragdine.view import Server, Session, build, explore
from testbed import synthetic_trace
from testbed.browser import CHROMIUM

# The most seconds until the page is open, and until a hover is answered.
OPEN_S, HOVER_S = 1.5, 0.1
TIMES = 2
_PATIENCE_MS = 180_000
DRAWN = """() => document.querySelector('#sunburst .slice') && document.querySelector('#level .main-svg')
  && document.querySelector('#operations tbody tr')"""
# Milliseconds from the pointer's move onto something until its words stand there.
HOVERED = """async ([move, words]) => {
  const start = performance.now();
  document.querySelector(move).dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
  while (!document.querySelector(words)) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
PLACE = """async () => {
  const graph = document.querySelector('#map .js-plotly-plot');
  const chart = document.querySelector('#consumption .js-plotly-plot');
  const path = graph.querySelectorAll('.choroplethlayer path')[graph.data[0].customdata.indexOf('US-WY')];
  const { x, y, width, height } = path.getBoundingClientRect();
  const start = performance.now();
  const at = { bubbles: true, clientX: x + width / 2, clientY: y + height / 2 };
  path.dispatchEvent(new MouseEvent('mouseover', at));
  path.dispatchEvent(new MouseEvent('mousemove', at));
  while (!chart.data.some((line) => line.meta === 'hovered')) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000, metavar="N")
    arguments = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("error: playwright is not installed\nhint: pip install -e '.[dev]'", file=sys.stderr)
        return 1
    if not CHROMIUM.exists():
        print(f"error: there is no {CHROMIUM}\nhint: apt-get install chromium", file=sys.stderr)
        return 1
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as driver:
        program = uneven(arguments.operations)
        trace = synthetic_trace.write(
            Path(directory) / "trace", program, steps=20, traced=(2,), overrides={"labels": {"region": "US-GA"}}
        )
        print(f"{len(program.ops):,} operations; medians of {TIMES}")
        began = time.perf_counter()
        server = Server(build(session := Session.open([trace])), 0, lambda: explore.warm(session))
        print(f"  {time.perf_counter() - began:.2f} s to start the command's page, its imports aside")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began, used = time.perf_counter(), time.process_time()
        server.warm()
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - used
        print(f"  {wall_s:.2f} s to make what is asked for first, {cpu_s:.2f} s of a core, meanwhile")
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        measure(chromium, server.address)
        chromium.close()
        server.shutdown()
        server.server_close()
    return 0


def measure(chromium: Any, address: str) -> None:
    opened: list[float] = []
    burst: list[float] = []
    place: list[float] = []
    server_s: list[float] = []
    browser_s: list[float] = []
    for _ in range(TIMES):
        # A context of its own: nothing is cached.
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        counters = context.new_cdp_session(page)
        counters.send("Performance.enable")
        used = time.process_time()
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_function(DRAWN)
        opened.append(time.perf_counter() - began)
        told = {metric["name"]: metric["value"] for metric in counters.send("Performance.getMetrics")["metrics"]}
        server_s.append(time.process_time() - used)
        browser_s.append(told["ThreadTime"])
        page.wait_for_function("() => !window.store.getState().isLoading")
        burst.append(page.evaluate(HOVERED, ["#sunburst .slice path", "#sunburst .hovertext"]) / 1e3)
        page.locator("#tab").get_by_text("What if").click()
        page.wait_for_selector("#map .choroplethlayer path")
        page.wait_for_selector("#constants input")
        page.wait_for_function("() => !window.store.getState().isLoading")
        place.append(page.evaluate(PLACE) / 1e3)
        context.close()
    tell(statistics.median(opened), "s until the page is open: ring, level and operations are there", OPEN_S)
    print(
        f"  {statistics.median(server_s):.2f} s of a core of the server's for that, and "
        f"{statistics.median(browser_s):.2f} s of the page's: what a machine takes that is not busy is near their sum"
    )
    tell(statistics.median(burst), "s until a slice that is hovered tells its joules", HOVER_S)
    tell(statistics.median(place), "s until a place that is hovered is drawn on the chart", HOVER_S)


def tell(seconds: float, what: str, most: float) -> None:
    print(f"  {seconds:.3f} {what}; goal {most:g}: {'reached' if seconds <= most else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
