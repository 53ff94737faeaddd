"""Hardware monitors and sockets that this machine lacks, as the kernel shows them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def write(root: Path, files: Mapping[str, object]) -> Path:
    """Files by their path below `root`, each with one line."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def grace(root: Path, meters: Mapping[str, float]) -> Path:
    """Power meters of a Grace superchip by label, as older kernels show them: one level deeper than others do."""
    for number, (label, power_w) in enumerate(meters.items()):
        device = write(
            root / f"devices/ACPI000D:{number:02x}",
            {"name": "power_meter", "power1_oem_info": label, "power1_average": round(power_w * 1e6)},
        )
        chip = device / f"hwmon/hwmon{number}"
        chip.mkdir(parents=True)
        (chip / "device").symlink_to("../..")
        (root / "hwmon").mkdir(exist_ok=True)
        (root / f"hwmon/hwmon{number}").symlink_to(f"../devices/{device.name}/hwmon/{chip.name}")
    return root / "hwmon"


def sockets(root: Path, packages: Sequence[int | None]) -> Path:
    """A /sys whose CPUs, from 0 on, are in these packages; None is offline."""
    for cpu, package in enumerate(packages):
        file = "online" if package is None else "topology/physical_package_id"
        write(root, {f"devices/system/cpu/cpu{cpu}/{file}": 0 if package is None else package})
    return root


def arm(proc: Path, cpus: int) -> None:
    """Gives a laid-out /proc the cpuinfo of an Arm kernel, which tells no sockets."""
    (proc / "cpuinfo").write_text("".join(f"processor\t: {cpu}\nBogoMIPS\t: 2000.00\n\n" for cpu in range(cpus)))


@contextmanager
def moving(registers: Mapping[Path, Callable[[float], float]]) -> Iterator[None]:
    """Counters in joules, as functions of the seconds since the block began, written a thousand times a second."""
    stop, start = threading.Event(), time.monotonic()
    for path in registers:
        path.write_text("")
    # In place, as a register moves: the daemon keeps it open.
    files = [(os.open(path, os.O_WRONLY), energy_j) for path, energy_j in registers.items()]

    def step() -> None:
        for file, energy_j in files:
            os.pwrite(file, f"{round(energy_j(time.monotonic() - start) * 1e6):<24}\n".encode(), 0)

    def run() -> None:
        while not stop.wait(0.001):
            step()

    step()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for file, _ in files:
            os.close(file)
