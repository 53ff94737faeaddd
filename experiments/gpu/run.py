"""Prints how well operations' energy is told on a real GPU: its registers, trainings, the costliest ones replayed.

    .venv/bin/python experiments/gpu/run.py

Five minutes on a machine with an NVIDIA GPU, PyTorch and, if it is there, JAX with Flax and Optax. Each part is a
process of its own, and what it found is written at once: a part that fails, or Ctrl-C, loses nothing of the others.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from experiments.gpu.table import report  # noqa: E402

# Steps of a window where all are traced: some 20,000 events.
EVERY = 4


@dataclass(frozen=True)
class Part:
    """A module that prints JSON, what it is given, and how long it may take."""

    name: str
    module: str
    arguments: tuple[str, ...]
    limit_s: float


def parts(output: Path, scale: float, count: int) -> list[Part]:
    """All, in order; at `scale` 1 they take some five minutes."""
    defaults, every, jax = (str(output / name) for name in ("torch", "torch-every-step", "jax"))

    def seconds(at_one: float) -> str:
        return f"{at_one * scale:g}"

    pairs = max(2, round(16 * scale))
    return [
        Part("registers", "registers", (seconds(14),), 120),
        Part("torch", "train", ("torch", defaults, seconds(16)), 120),
        Part("torch, every step", "train", ("torch", every, seconds(30), str(EVERY)), 150),
        Part("replay", "replay", (every, seconds(2.2), str(count)), 180),
        Part("cost", "cost", (str(output / "cost"), str(pairs), seconds(1.2)), 150),
        Part("jax", "train", ("jax", jax, seconds(12)), 150),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/gpu"), help="of traces and results.json")
    parser.add_argument("--parts", help="of: registers, torch, torch, every step, replay, cost, jax; apart by ;")
    parser.add_argument("--operations", type=int, default=10, help="how many are replayed (default: 10)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the seconds that each part takes (default: 1)")
    options = parser.parse_args()
    output: Path = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    known = parts(output, options.scale, options.operations)
    wanted = [name.strip() for name in options.parts.split(";")] if options.parts else [part.name for part in known]
    if unknown := sorted(set(wanted) - {part.name for part in known}):
        parser.error(f"there is no part {', '.join(unknown)}; there are {'; '.join(part.name for part in known)}")
    file = output / "results.json"
    results = _before(file) | {"when": _now(), "machine": machine()}
    try:
        for part in known:
            if part.name in wanted:
                results[part.name] = done(part)
                file.write_text(json.dumps(results, indent=1) + "\n")
    except KeyboardInterrupt:
        print("interrupted; what was done is kept", file=sys.stderr)
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(report(results))
    failed = [name for name in wanted if "failed" in results.get(name, {"failed": "not run"})]
    print(f"written to {file}")
    return 1 if failed else 0


def done(part: Part) -> dict[str, Any]:
    """What a part says, or why it failed."""
    print(f"{part.name} …", file=sys.stderr, flush=True)
    path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-m", f"experiments.gpu.{part.module}", *part.arguments]
    began_s = time.monotonic()
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=part.limit_s, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else late.stderr or ""
        return {"failed": f"not done after {part.limit_s:g} s", "said": said[-2000:]}
    took_s = time.monotonic() - began_s
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        print(
            f"  failed: {(ended.stderr.strip().splitlines() or ['nothing was said'])[-1]}", file=sys.stderr, flush=True
        )
        return {"failed": f"exit code {ended.returncode}", "said": ended.stderr[-2000:], "took_s": took_s}
    print(f"  {took_s:.0f} s", file=sys.stderr, flush=True)
    return {**json.loads(lines[-1]), "took_s": took_s}


def machine() -> dict[str, Any]:
    """What numbers depend on, as far as it is to be had without starting a GPU."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"python": platform.python_version(), "cpus": os.cpu_count(), "kernel": platform.release()}
    for package in ("torch", "jax", "flax"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    try:
        from experiments.gpu.nvml import Gpu

        gpu = Gpu()
        found |= {"gpu": gpu.name(), "driver": gpu.driver()}
    except OSError as error:
        found["gpu"], found["because"] = None, str(error)
    return found


def _before(file: Path) -> dict[str, Any]:
    """What parts found that were done earlier."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
