"""The tools under test, each as its documentation tells to use it, over one window."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Told:
    """What a tool says of its window, unless it leaves a trace. `watts` is what the registers that it sums draw."""

    energy_j: float | None
    seconds: float | None
    watts: float


# Where Smaragdine leaves its trace, in the working directory.
TRACE = "trace"
PACKAGE_W = 100.0
DRAM_W = 10.0
# Ends a window: `inside` waits until it is over.
Tool = Callable[[Callable[[], None]], Told]


def smaragdine(inside: Callable[[], None], period: str = "4ms") -> Told:
    """Through its daemon, at its default period. The trace is opened by who compares, as it would be later."""
    from smaragdine import record

    with record(TRACE, period=period, require_measured=True):
        inside()
    return Told(None, None, PACKAGE_W)


def smaragdine_1s(inside: Callable[[], None]) -> Told:
    """As often as CodeCarbon, carbontracker and perun: enough for energy, where operations are not asked for."""
    return smaragdine(inside, "1s")


def zeus(inside: Callable[[], None]) -> Told:
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[], cpu_indices=[0])
    monitor.begin_window("window")
    inside()
    measured = monitor.end_window("window")
    return Told(measured.cpu_energy[0], measured.time, PACKAGE_W)


def codecarbon(inside: Callable[[], None]) -> Told:
    """Sampling once a second; its memory's energy is a model, so only the package counts here."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", measure_power_secs=1, save_to_file=False, log_level="critical"
    )
    tracker.start()
    inside()
    tracker.stop()
    data = tracker.final_emissions_data
    return Told(data.cpu_energy * 3.6e6, data.duration, PACKAGE_W)


def carbontracker(inside: Callable[[], None]) -> Told:
    """One epoch, sampled once a second; the mean of the powers that it saw, times the epoch's time."""
    from carbontracker.tracker import CarbonTracker

    tracker = CarbonTracker(epochs=2, components="cpu", update_interval=1, verbose=0, ignore_errors=True)
    thread: Any = tracker.tracker
    tracker.epoch_start()
    inside()
    tracker.epoch_end()
    seconds = thread.epoch_times[0]
    energy_kwh = thread.components[0].energy_usage([seconds])[0]
    devices = thread.components[0].devices()
    watts = sum(DRAM_W if device.startswith("dram") else PACKAGE_W for device in devices)
    tracker.stop()
    return Told(energy_kwh * 3.6e6, seconds, watts)


def pyjoules(inside: Callable[[], None]) -> Told:
    from pyJoules.device.rapl_device import RaplDevice, RaplPackageDomain
    from pyJoules.energy_meter import EnergyMeter

    device = RaplDevice()
    device.configure([RaplPackageDomain(0)])
    meter = EnergyMeter([device])
    meter.start()
    inside()
    meter.stop()
    sample = next(iter(meter.get_trace()))
    return Told(sample.energy["package_0"] * 1e-6, sample.duration, PACKAGE_W)


def perun(inside: Callable[[], None]) -> Told:
    """Sampling once a second; package energy of its report over the report's own run time."""
    from perun.api.decorator import perun as monitored
    from perun.api.decorator import register_callback
    from perun.data_model.data import MetricType

    found: list[Told] = []

    def keep(node: Any) -> None:
        def value(kind: str) -> float:
            metric = node.metrics[getattr(MetricType, kind)]
            return float(getattr(metric, "value", getattr(metric, "sum", 0.0)))

        found.append(Told(value("CPU_ENERGY"), value("RUNTIME"), PACKAGE_W))

    with tempfile.TemporaryDirectory() as directory:

        def window() -> None:
            register_callback(keep)
            inside()

        monitored(data_out=directory, format="json", sampling_period="1")(window)()
    return found[-1]


def nothing(inside: Callable[[], None]) -> Told:
    """What the interpreter and the waiting cost by themselves."""
    inside()
    return Told(0.0, 0.0, PACKAGE_W)


TOOLS: dict[str, Tool] = {
    "nothing": nothing,
    "smaragdine": smaragdine,
    "smaragdine-1s": smaragdine_1s,
    "zeus": zeus,
    "codecarbon": codecarbon,
    "carbontracker": carbontracker,
    "pyjoules": pyjoules,
    "perun": perun,
}
