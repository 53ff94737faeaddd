"""What numbers were measured on, and what else that machine did meanwhile."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_MEASURED = ("smaragdine-core", "protos", "Cargo.toml", "Cargo.lock")
_LIBRARIES = ("duckdb", "protobuf", "tensorflow")


def machine() -> dict[str, Any]:
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "virtual": "hypervisor" in _field("/proc/cpuinfo", "flags").split(),
    }


def software() -> dict[str, str]:
    """The compiler, the interpreter, and the libraries that are compared with; those that are missing are left out."""
    told = {"rustc": _said("rustc", "--version").removeprefix("rustc "), "python": platform.python_version()}
    for name in _LIBRARIES:
        # TensorFlow comes under several names.
        for distribution in (name, f"{name}-cpu"):
            try:
                told[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return told


def commit() -> str:
    """Of the tree that is measured, `changed` where the core or what it is built of has what was not committed."""
    revision = _said("git", "rev-parse", "--short=12", "HEAD")
    changed = _said("git", "status", "--porcelain", "--", *_MEASURED)
    return f"{revision}, changed" if changed else revision


@contextmanager
def watched(told: dict[str, Any]) -> Iterator[None]:
    """Adds to `told` when it was, the load average before, and how many cores others took meanwhile.

    What others took is what the machine was busy beyond this process and the children that it waited for; the kernel
    counts it in ticks, so it is rough. Cores that a hypervisor gave to other guests are told apart.
    """
    told["date"] = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    told["load_average_before"] = round(os.getloadavg()[0], 2)
    began, (busy_s, stolen_s), own_s = time.monotonic(), _busy_s(), _own_s()
    try:
        yield
    finally:
        elapsed_s = time.monotonic() - began
        busy_after_s, stolen_after_s = _busy_s()
        others_s = max(0.0, busy_after_s - busy_s - (_own_s() - own_s))
        told["others_cores"] = round(others_s / elapsed_s, 2)
        told["stolen_cores"] = round((stolen_after_s - stolen_s) / elapsed_s, 2)


def _busy_s() -> tuple[float, float]:
    """Of all processors together since the machine started: busy, and stolen by other guests."""
    user, nice, system, _, _, irq, softirq, steal = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) * tick_s, steal * tick_s


def _own_s() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _field(file: str, name: str) -> str:
    lines = (line.partition(":") for line in Path(file).read_text().splitlines())
    return next((value.strip() for field, _, value in lines if field.strip() == name), "")


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
