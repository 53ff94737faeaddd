"""Prints how long the reports of a small and of two large programs take to write and open, and how large they are."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from smaragdine import Runs, report
from testbed import synthetic_trace
from testbed.browser import CHROMIUM, lacking

# Operations of one transformer layer of the synthetic program, its backward pass and its optimizer included.
OPS_PER_LAYER = 82
# What `smaragdine demo` trains has so many layers.
DEMO_LAYERS = 4
# By operations: the most seconds to write, megabytes, and seconds until the ring is drawn and the page is open.
GOALS = {0: (2.0, 6.0, 1.0, 1.5), 10_000: (2.0, 7.0, 1.0, 1.5), 50_000: (5.0, 10.0, 1.0, 1.5)}

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
MARK = "name => performance.getEntriesByName(name)[0].startTime"
FIGURES = """async () => {
  const start = performance.now();
  for (const figure of document.querySelectorAll("[data-figure]")) {
    figure.scrollIntoView();
    while (!figure.querySelector(".main-svg")) await new Promise(requestAnimationFrame);
  }
  return performance.now() - start;
}"""
FIND = """async () => {
  const section = document.getElementById("operations");
  section.scrollIntoView();
  while (!section.querySelector("tbody tr")) await new Promise(requestAnimationFrame);
  const input = section.querySelector("input");
  const start = performance.now();
  input.value = "layer_3 matmul";
  input.dispatchEvent(new Event("input"));
  return performance.now() - start;
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, nargs="+", default=list(GOALS), metavar="N",
                        help="default: what the demo trains (0), 10,000 and 50,000")  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the reports in DIR")
    arguments = parser.parse_args()
    if problem := lacking():
        print(problem, file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as directory, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for place, operations in enumerate(arguments.operations):
            goals = GOALS.get(operations, (None,) * 4)
            folder = arguments.keep or Path(directory)
            file = write(uneven(operations), Path(directory) / str(place), folder / f"report-{operations}.html", goals)
            page = chromium.new_page(viewport={"width": 1280, "height": 1000})
            show(page, file, goals)
            page.close()
        chromium.close()
    return 0


def uneven(operations: int) -> synthetic_trace.Program:
    """No two operations take the same: equal numbers would make a page smaller than it ever is."""
    program = synthetic_trace.Program.bert(max(1, operations // OPS_PER_LAYER) if operations else DEMO_LAYERS)
    draw = random.Random(7)  # noqa: S311  a seeded draw
    for op in program.ops:
        op.time_ms *= draw.lognormvariate(0, 0.3)
    return program


def write(program: synthetic_trace.Program, folder: Path, file: Path, goals: tuple[float | None, ...]) -> Path:
    trace = synthetic_trace.write(folder, program, steps=20, traced=(2,))
    start, used = time.perf_counter(), time.process_time()
    report.write(Runs.open(trace), file)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - used
    print(f"{len(program.ops):,} operations")
    tell(f"{wall_s:.2f} s to write the report, {cpu_s:.2f} s of them on a core", goals[0], "s")
    tell(f"{file.stat().st_size / 1e6:.2f} MB", goals[1], "MB")
    return file


def show(page: Any, file: Path, goals: tuple[float | None, ...]) -> None:
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    told = {metric["name"]: metric["value"] for metric in metrics.send("Performance.getMetrics")["metrics"]}
    tell(f"{page.evaluate(MARK, 'drawn') / 1e3:.2f} s until the ring and a level are drawn", goals[2], "s")
    tell(f"{page.evaluate(MARK, 'opened') / 1e3:.2f} s until the page is open", goals[3], "s")
    print(f"  {told['ProcessTime']:.2f} s of all cores for that, the browser's own start of a page included")
    for layer in ("encoder", "layer_3"):
        tell(f"{page.evaluate(OPEN, layer) / 1e3:.2f} s to open {layer}", 1.0, "s")
    print(f"  {page.evaluate(FIND) / 1e3:.2f} s to search all operations")
    print(f"  {page.evaluate(FIGURES) / 1e3:.2f} s to scroll through all other figures")


def tell(text: str, goal: float | None, unit: str) -> None:
    print(f"  {text}" + (f" (goal: {goal:g} {unit})" if goal is not None else ""))


if __name__ == "__main__":
    sys.exit(main())
