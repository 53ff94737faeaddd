"""Logs of experiment-impact-tracker: `data.json`, a sample on each line, and `info.pkl`, a pickle.

Its formulas (`gather_additional_info`): a sample's power holds from the sample before, the last one to the end; kWh are
sums of power × time, emissions those of PUE × kWh × the intensity of the sample, missing ones filled forward, then
backward, then by the zone's mean. Its DRAM is within the power of its RAPL domain.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smaragdine.errors import UsageError
from smaragdine.trace.imports import unpickler
from smaragdine.trace.imports.archive import files
from smaragdine.trace.imports.log import Component, Interval, Log

TOOL = "experiment-impact-tracker"
PUE = 1.58
_FILES = ("info.pkl", "data.json")
_S = 10**9
_QUARTER_S = 900
_RAPL = ("rapl_estimated_attributable_power_draw", "rapl_power_draw_absolute")
_NVIDIA = ("nvidia_estimated_attributable_power_draw", "nvidia_draw_absolute")
_USE = "average_gpu_estimated_utilization_absolute"
_INTENSITY = "realtime_carbon_intensity"
# Beyond what any machine draws: a sensor that was read wrongly.
_MOST_W = 1e6


@dataclass(frozen=True, slots=True)
class Stretch:
    """A sample, and from when to when its power is taken to hold (seconds since 1970)."""

    start_s: float
    end_s: float
    sample: dict[str, Any]

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def read(path: Path) -> Log:
    """The log of one run, a folder or a zip archive. Raises SmaragdineError where it is none."""
    content = files(path, _FILES)
    info = unpickler.read(content["info.pkl"], f"{path}: info.pkl")
    if not isinstance(info, dict):
        raise UsageError(f"{path}: info.pkl holds no table")
    samples, warnings = _samples(content["data.json"], path)
    start_s = _instant(info.get("experiment_start"), samples[0]["timestamp"], 1, f"{path}: experiment_start")
    ended = info.get("experiment_end") is not None
    last_s = samples[-1]["timestamp"]
    end_s = _instant(info["experiment_end"], last_s, -1, f"{path}: experiment_end") if ended else last_s
    stretches = list(_stretches(samples, start_s, end_s, path))
    if not ended:
        warnings.append("the tool did not see the run end: nothing is known after its last sample")
    gpu_info = info.get("gpu_info")
    gpus = gpu_info if isinstance(gpu_info, list) else []
    components = [Component("rapl", "CPU:0", "measured", tuple(_intervals(stretches, _RAPL)))]
    if any(name in stretch.sample for stretch in stretches for name in _NVIDIA):
        components.append(Component("gpus", "GPU:0", "measured", tuple(_intervals(stretches, _NVIDIA))))
    for component in components:
        if gaps := sum(one.gap is not None for one in component.intervals):
            warnings.append(f"{gaps} of {len(component.intervals)} samples of {component.name} hold no power: gaps")
    return Log(
        name=path.stem,
        start_ns=_ns(start_s),
        end_ns=_ns(end_s),
        ended=ended,
        components=tuple(components),
        told=_told(info, stretches, len(gpus)),
        hardware=_hardware(info, gpus),
        warnings=tuple(warnings),
        metrics=tuple(_metrics(stretches)),
    )


def _samples(content: bytes, path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Samples in order of time; a last line that a killed run cut is left out, with a warning."""
    samples: list[dict[str, Any]] = []
    warnings: list[str] = []
    lines = [line for line in content.split(b"\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            sample = json.loads(line)
            sample["timestamp"] = float(sample["timestamp"])
            if not 0 < sample["timestamp"] < 1e11:
                raise ValueError("timestamp")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            if number == len(lines) and samples:
                warnings.append("the last sample is cut off, and is left out")
                break
            raise UsageError(f"{path}: line {number} of data.json is no sample") from None
        if samples and sample["timestamp"] <= samples[-1]["timestamp"]:
            raise UsageError(f"{path}: line {number} of data.json is not later than the one before it")
        samples.append(sample)
    if not samples:
        raise UsageError(f"{path}: data.json holds no sample: nothing was recorded")
    return samples, warnings


def _instant(told: Any, sample_s: float, order: int, what: str) -> float:
    """An instant that the tool wrote in its own time zone without naming it.

    It lies a moment before the first sample (`order` 1) or after the last (−1), and zones differ by quarters of hours:
    so its offset is the one that brings it there.
    """
    if not isinstance(told, datetime):
        raise UsageError(f"{what} is no time")
    if told.tzinfo is not None:
        return told.timestamp()
    naive_s = told.replace(tzinfo=timezone.utc).timestamp()
    away_s = order * (sample_s - naive_s)
    offset_s = math.floor(away_s / _QUARTER_S) * _QUARTER_S
    if not abs(offset_s) <= 14 * 3600:
        raise UsageError(f"{what} is {away_s / 3600:.1f} hours from the samples: that is no time zone")
    return naive_s + order * offset_s


def _stretches(samples: Sequence[dict[str, Any]], start_s: float, end_s: float, path: Path) -> Iterator[Stretch]:
    before_s = start_s
    for sample in samples:
        yield Stretch(before_s, sample["timestamp"], sample)
        before_s = sample["timestamp"]
    if end_s > before_s:
        yield Stretch(before_s, end_s, samples[-1])


def _intervals(stretches: Sequence[Stretch], names: tuple[str, str]) -> Iterator[Interval]:
    """`names`: the run's part of the power, and all of it. Where the part exceeds the whole, the whole is the part."""
    for stretch in stretches:
        start_ns, end_ns = _ns(stretch.start_s), _ns(stretch.end_s)
        part, whole = (_power(stretch.sample, name) for name in names)
        if part is None:
            told = stretch.sample.get(names[0])
            yield Interval(start_ns, end_ns, 0.0, 0.0, "lost" if _number(told) is None else "impossible")
        else:
            app_j = part * stretch.length_s
            yield Interval(start_ns, end_ns, max(app_j, (whole or 0.0) * stretch.length_s), app_j)


def _power(sample: dict[str, Any], name: str) -> float | None:
    watts = _number(sample.get(name))
    return watts if watts is not None and 0 <= watts <= _MOST_W else None


def _number(value: Any) -> float | None:
    """None for `n/a`, null, NaN and everything else that is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _told(info: dict[str, Any], stretches: Sequence[Stretch], gpus: int) -> dict[str, Any]:
    mean = info.get("region_carbon_intensity_estimate")
    zone_mean = _number(mean.get("carbonIntensity")) if isinstance(mean, dict) else None
    intensities = _filled([_number(stretch.sample.get(_INTENSITY)) for stretch in stretches], zone_mean)
    grams = 0.0
    for stretch, intensity in zip(stretches, intensities, strict=True):
        watts = sum(_power(stretch.sample, names[0]) or 0.0 for names in (_RAPL, _NVIDIA))
        grams += PUE * watts * stretch.length_s / 3.6e6 * (intensity or 0.0)
    known = [value for value in intensities if value is not None]
    use = [(stretch.length_s, _number(stretch.sample.get(_USE))) for stretch in stretches]
    region = info.get("region")
    return {
        "tool": TOOL,
        "tool_version": _text(info.get("experiment_impact_tracker_version")),
        "pue": PUE,
        "pue_source": f"{TOOL}'s own assumption",
        "region": _text(region.get("id")) if isinstance(region, dict) else None,
        "emissions_kg": grams / 1000 if len(known) == len(intensities) else None,
        "intensity_g_per_kwh": sum(known) / len(known) if known else None,
        "intensity_source": f"{TOOL}'s log, by interval",
        "cpu_h": _cpu_s(stretches) / 3600,
        "gpu_h": gpus * sum(length * value for length, value in use if value is not None) / 3600,
        "dram_within_cpu": True,
    }


def _filled(values: Sequence[float | None], mean: float | None) -> list[float | None]:
    """As the tool does: forward, then backward, then by the zone's mean."""
    filled: list[float | None] = []
    for value in values:
        filled.append(value if value is not None else filled[-1] if filled else None)
    first = next((value for value in filled if value is not None), mean)
    return [first if value is None else value for value in filled]


def _cpu_s(stretches: Sequence[Stretch]) -> float:
    """CPU time of every process, as it was last seen."""
    latest: dict[str, float] = {}
    for stretch in stretches:
        processes = stretch.sample.get("cpu_time_seconds")
        for pid, times in processes.items() if isinstance(processes, dict) else ():
            if isinstance(times, dict):
                user, system = _number(times.get("user")), _number(times.get("system"))
                latest[pid] = (user or 0.0) + (system or 0.0)
    return sum(latest.values())


def _metrics(stretches: Sequence[Stretch]) -> Iterator[tuple[int, str, float]]:
    for stretch in stretches:
        for name, metric in ((_INTENSITY, "carbon_intensity_g_per_kwh"), (_USE, "gpu_utilisation")):
            if (value := _number(stretch.sample.get(name))) is not None:
                yield _ns(stretch.end_s), metric, value


def _hardware(info: dict[str, Any], gpus: Sequence[Any]) -> dict[str, Any]:
    cpu = info.get("cpu_info")
    cpu = cpu if isinstance(cpu, dict) else {}
    names = [_text(gpu.get("name")) if isinstance(gpu, dict) else None for gpu in gpus]
    hardware: dict[str, Any] = {"gpus": [{"index": i, "name": name} for i, name in enumerate(names) if name]}
    if brand := _text(cpu.get("brand") or cpu.get("brand_raw")):
        hardware["cpu"] = brand
    if isinstance(cpu.get("count"), int):
        hardware["logical_cpus"] = cpu["count"]
    return hardware


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _ns(seconds: float) -> int:
    return round(seconds * _S)
