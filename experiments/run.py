"""Runs the paper's evaluation: every experiment of experiments/paper, one after the other, then the table.

An experiment that fails does not lose the others. Traces are kept in --output and not recorded again, so a run that was
interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from experiments import table  # noqa: E402
from experiments.paper.bench import OUTPUT, arguments  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--keep-table", action="store_true", help="leave experiments/README.md as it is")
    parser.add_argument("--only", default=",".join(table.EXPERIMENTS), help="of: %(default)s")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in table.EXPERIMENTS]:
        parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(table.EXPERIMENTS)}")
    output = options.output or OUTPUT / options.scale
    data = [("--pretrain-data", options.pretrain_data), ("--cola", options.cola)]
    given = [word for name, path in data if path for word in (name, str(path))]
    failed = []
    began = time.monotonic()
    for number, name in enumerate(chosen, 1):
        print(f"== {name} ({number} of {len(chosen)}, {time.monotonic() - began:.0f} s so far)", flush=True)
        if conducted(name, ["--scale", options.scale, "--output", str(output), *given], output / name):
            failed.append(name)
    if not options.keep_table:
        table.publish(output, options.scale)
    took = f"{(time.monotonic() - began) / 60:.1f} minutes"
    print(f"== {took}; tables and figures are in {output}, what they come to in {table.README}")
    if failed:
        print(f"error: {', '.join(failed)} failed; what each said stands above", file=sys.stderr)
    return 1 if failed else 0


def conducted(name: str, options: list[str], folder: Path) -> int:
    """Its exit code. What it found the last time does not stand in for it."""
    (folder / "findings.json").unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"experiments.paper.{name}.run", *options]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
