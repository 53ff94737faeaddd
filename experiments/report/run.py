"""Prints how long a browser takes to draw the report's sunburst of a large program, and to open a layer of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from smaragdine import Runs, report
from testbed import synthetic_trace
from testbed.browser import CHROMIUM

# Operations of one transformer layer of the synthetic program, its backward pass and its optimizer included.
OPS_PER_LAYER = 82

# Milliseconds until nothing of the ring changes any more.
OPEN = """async (name) => {
  const burst = document.getElementById("sunburst");
  const slice = [...burst.querySelectorAll(".slice")].find((slice) => slice.__data__.data.data.label === name);
  const start = performance.now();
  slice.querySelector("path").dispatchEvent(new MouseEvent("click", { bubbles: true }));
  let seen = "", last = performance.now();
  do {
    const now = burst.querySelector(".sunburstlayer").innerHTML;
    if (now !== seen) { seen = now; last = performance.now(); }
    await new Promise(requestAnimationFrame);
  } while (performance.now() - last < 200);
  return last - start;
}"""
DRAW = """async () => {
  const { data, layout } = JSON.parse(document.getElementById("payload").textContent).views[0].sunburst;
  const place = document.body.insertBefore(document.createElement("div"), document.body.firstChild);
  const start = performance.now();
  await Plotly.newPlot(place, data, layout);
  const took = performance.now() - start;
  place.remove();
  return took;
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000, metavar="N", help="default: 10,000")
    operations = parser.parse_args().operations
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("error: playwright is not installed\nhint: pip install -e '.[dev]'", file=sys.stderr)
        return 1
    if not CHROMIUM.exists():
        print(f"error: there is no {CHROMIUM}\nhint: apt-get install chromium", file=sys.stderr)
        return 1
    program = synthetic_trace.Program.bert(max(1, operations // OPS_PER_LAYER))
    with tempfile.TemporaryDirectory() as directory:
        trace = synthetic_trace.write(Path(directory) / "trace", program, steps=4, traced=(2,))
        start = time.perf_counter()
        file = report.write(Runs.open(trace), Path(directory) / "report.html")
        print(f"{len(program.ops):,} operations")
        print(f"{time.perf_counter() - start:.1f} s to write the report, {file.stat().st_size / 1e6:.1f} MB")
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            show(chromium.new_page(viewport={"width": 1280, "height": 1000}), file)
            chromium.close()
    return 0


def show(page: Any, file: Path) -> None:
    start = time.perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    print(f"{time.perf_counter() - start:.2f} s until the page is complete")
    print(f"{page.evaluate(DRAW) / 1e3:.2f} s to draw the sunburst (goal: 1 s)")
    for layer in ("encoder", "layer_3"):
        print(f"{page.evaluate(OPEN, layer) / 1e3:.2f} s to open {layer} (goal: 1 s)")


if __name__ == "__main__":
    sys.exit(main())
