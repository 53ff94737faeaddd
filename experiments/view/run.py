"""Prints how long the interactive page of a large program takes to open, and to answer a hover, in a real browser."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.report.run import uneven
from testbed import synthetic_trace
from testbed.browser import CHROMIUM, at_rest, lacking

OPEN_S, HOVER_S = 1.5, 0.1
_PATIENCE_MS = 120_000
# Looked for in each frame from the first one on: when it is there it has been drawn.
NOTED = """() => {
  const wanted = {
    ring: () => document.querySelector('#sunburst .slice'),
    page: () => document.querySelector('#sunburst .slice') && document.querySelector('#level .main-svg')
      && document.querySelector('#operations tbody tr') && document.querySelector('#figure .main-svg'),
  };
  window.noted = {};
  const look = () => {
    for (const [name, there] of Object.entries(wanted)) {
      if (!(name in window.noted) && there()) window.noted[name] = performance.now();
    }
    if (Object.keys(window.noted).length < Object.keys(wanted).length) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
# From the pointer's arrival, as the browser stamped it, to the first frame that has the answer.
WATCHED = """answer => {
  window.answeredMs = null;
  const answered = new Function('return ' + answer);
  document.addEventListener('pointermove', (event) => {
    const look = () => {
      if (answered()) window.answeredMs = performance.now() - event.timeStamp;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { once: true, capture: true });
}"""
WORDS = "document.querySelector('#sunburst .hovertext')"
LINE = "document.querySelector('#consumption .js-plotly-plot').data.some((line) => line.meta === 'hovered')"
SLICE = """() => {
  const named = [...document.querySelectorAll('#sunburst .slice text')].find((one) => one.textContent);
  const box = named.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""
STATE = """place => {
  const graph = document.querySelector('#map .js-plotly-plot');
  const path = graph.querySelectorAll('.choroplethlayer path')[graph.data[0].customdata.indexOf(place)];
  const box = path.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""
STATES = ("US-WY", "US-CO", "US-KS", "US-NM", "US-OR")


@dataclass
class Times:
    """Seconds, one for each try."""

    ring: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    core: list[float] = field(default_factory=list)
    slice: list[float] = field(default_factory=list)
    state: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000, metavar="N")
    parser.add_argument("--tries", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    if problem := lacking():
        print(problem, file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as directory, sync_playwright() as driver:
        program = uneven(arguments.operations)
        labels = {"labels": {"region": "US-GA"}}
        trace = synthetic_trace.write(Path(directory) / "trace", program, steps=20, traced=(2,), overrides=labels)
        print(f"{len(program.ops):,} operations, {arguments.tries} tries; load average {os.getloadavg()[0]:.1f}")
        began = time.perf_counter()
        with viewed(trace) as address:
            print(f"  {time.perf_counter() - began:.2f} s until `smaragdine view` told its address")
            chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            # The first page waits for what the command is making meanwhile: it is told apart.
            first, times = Times(), Times()
            tried(chromium, address, first, "US-UT")
            for number in range(arguments.tries):
                tried(chromium, address, times, STATES[number % len(STATES)])
            chromium.close()
    print(f"  {first.ring[0]:.2f} s until the ring is drawn, asked for as soon as the address was told")
    tell(times.ring, "from there on until it is drawn", OPEN_S)
    tell(times.page, "until the open layer, the operations and the figure below are drawn, too")
    tell(times.core, "of the page's core for that: what a machine takes that has nothing else to do")
    tell(times.slice, "from a pointer on a slice to its joules", HOVER_S)
    tell(times.state, "from a pointer on a state of the map to the alternative on the chart", HOVER_S)
    return 0


@contextmanager
def viewed(trace: Path) -> Iterator[str]:
    """The address of a page that the command serves."""
    command = [sys.executable, "-m", "smaragdine", "view", str(trace), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().partition(" ")[0]
        finally:
            server.terminate()


def tried(chromium: Any, address: str, times: Times, state: str) -> None:
    # A context of its own: nothing is cached.
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    page.add_init_script(f"({NOTED})()")
    counters = context.new_cdp_session(page)
    counters.send("Performance.enable")
    page.goto(address)
    page.wait_for_function("window.noted.page && window.noted.ring")
    told = {metric["name"]: metric["value"] for metric in counters.send("Performance.getMetrics")["metrics"]}
    times.ring.append(page.evaluate("window.noted.ring") / 1e3)
    times.page.append(page.evaluate("window.noted.page") / 1e3)
    times.core.append(told["ThreadTime"])
    at_rest(page)
    times.slice.append(hovered(page, page.evaluate(SLICE), WORDS))
    page.locator("#tab").get_by_text("What if").click()
    page.wait_for_selector("#map .choroplethlayer path")
    page.wait_for_selector("#constants input")
    at_rest(page)
    times.state.append(hovered(page, page.evaluate(STATE, state), LINE))
    context.close()


def hovered(page: Any, where: tuple[float, float], answer: str) -> float:
    """Seconds until the answer to a pointer that comes there."""
    page.evaluate(WATCHED, answer)
    page.mouse.move(*where)
    page.wait_for_function("window.answeredMs !== null")
    return float(page.evaluate("window.answeredMs")) / 1e3


def tell(seconds: list[float], what: str, goal: float | None = None) -> None:
    middle, worst = statistics.median(seconds), max(seconds)
    digits = 2 if middle > HOVER_S else 3
    told = f"  {middle:.{digits}f} s (at worst {worst:.{digits}f} s) {what}"
    print(told if goal is None else f"{told}; goal {goal:g} s: {'reached' if middle <= goal else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
