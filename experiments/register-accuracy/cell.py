"""One tool over one window, in a process of its own; what it told and what it cost, as JSON.

    cell.py TOOL BEGIN_NS SECONDS

The window begins at BEGIN_NS of CLOCK_MONOTONIC, so that faults fall within it however long the tool takes to set up.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

from tools import TOOLS


def main() -> None:
    name, begin_ns, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    started_s = time.monotonic()
    entered_s = left_s = started_s

    def inside() -> None:
        nonlocal entered_s, left_s
        entered_s = time.monotonic()
        time.sleep(max(0.0, begin_ns * 1e-9 - entered_s) + seconds)
        left_s = time.monotonic()

    found: dict[str, Any]
    try:
        found = {"told": asdict(TOOLS[name](inside))}
    except Exception as error:  # noqa: BLE001  a tool may fail in any way, and that is its result
        found = {"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc()}
    found["inside_s"] = left_s - entered_s
    found["late_s"] = max(0.0, entered_s - begin_ns * 1e-9)
    found["around_s"] = entered_s - started_s + time.monotonic() - left_s
    # Tools print, too.
    print("\n" + json.dumps(found, default=float))


if __name__ == "__main__":
    main()
