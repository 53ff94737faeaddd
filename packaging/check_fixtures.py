"""What pytest finds where the kit of fakes is installed, and what NVIDIA's own package for Python sees of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from smaragdine_fakes import Gpus, Tree

ASKED = """
import pynvml
pynvml.nvmlInit()
gpu = pynvml.nvmlDeviceGetHandleByIndex(1)
print(pynvml.nvmlDeviceGetCount(), pynvml.nvmlDeviceGetPowerUsage(gpu), pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu))
"""


def test_powercap_trees_have_roots_of_their_own(fake_powercap: Callable[..., Tree]) -> None:
    one, other = fake_powercap("--sockets", "2"), fake_powercap("--dram", "none")
    assert (one.root / "intel-rapl:1").is_dir()
    assert not (other.root / "intel-rapl:1").exists()
    assert other.truth.registers == ["intel-rapl:0"]


def test_other_sensors_move(fake_sensors: Callable[..., Tree]) -> None:
    assert fake_sensors("--amd", "constant:300").truth.registers == ["card0"]


def test_a_program_that_loads_the_driver_meets_the_fake(fake_gpus: Callable[..., Gpus]) -> None:
    gpus = fake_gpus("gpus = 2\ngpu.watts = constant:200\ngpu.limit_watts = 350\n")
    environment = {**os.environ, **gpus.environment}
    asked = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["2", "200000", "350000"]
