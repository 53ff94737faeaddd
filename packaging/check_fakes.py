"""Checks an installed kit of fakes, with nothing beside it: registers move as they should, the library answers."""

from __future__ import annotations

import ctypes
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import smaragdine_fakes as fakes


def uj(register: Path) -> int:
    return int(register.read_text())


with tempfile.TemporaryDirectory() as folder:
    place = Path(folder)
    with fakes.powercap_tree(place / "rapl", "--package", "constant:100") as tree:
        register = tree.root / "intel-rapl:0" / "energy_uj"
        before, start_ns = uj(register), time.monotonic_ns()
        time.sleep(0.3)
        after, end_ns = uj(register), time.monotonic_ns()
        # What was read lies between what the register held around each read.
        while tree.truth.until_ns < end_ns:
            time.sleep(0.01)
        slack_ns = 50_000_000
        least = tree.truth.energy_j("intel-rapl:0", start_ns + slack_ns, end_ns - slack_ns)
        most = tree.truth.energy_j("intel-rapl:0", start_ns - slack_ns, end_ns + slack_ns)
        if not 0 < least <= (after - before) * 1e-6 <= most:
            sys.exit(f"error: the register gained {after - before} µJ, its truth {least} to {most} J")
    with fakes.sensor_tree(place / "sensors", "--intel", "constant:120") as tree:
        if not list(tree.root.glob("class/drm/card0/device/hwmon/hwmon*/energy*_input")):
            sys.exit("error: there is no counter of Intel's card")
    with fakes.proc_tree(place / "proc", "--process", "4711:1:0.5,0.1") as proc:
        if not (proc.root / "4711" / "stat").read_text().startswith("4711 "):
            sys.exit("error: there is no process 4711")

    library = ctypes.CDLL(str(fakes.fake_gpus(place / "gpus", "gpus = 3\n").library))
    count = ctypes.c_uint()
    if (library.nvmlInit_v2(), library.nvmlDeviceGetCount_v2(ctypes.byref(count)), count.value) != (0, 0, 3):
        sys.exit(f"error: the library shows {count.value} GPUs, not 3")

print(f"smaragdine-fakes {version('smaragdine-fakes')} at {fakes.__file__}: Python {sys.version.split()[0]}")
