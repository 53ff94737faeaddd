"""One GPU's registers, by the driver's library itself: nothing of smaragdine's stands between."""

from __future__ import annotations

import ctypes
import os
from typing import Any, NamedTuple

# Millijoules since the driver was loaded; milliwatts at once, and the mean of a second.
ENERGY, INSTANT_POWER, AVERAGE_POWER = 83, 186, 185
_UNSIGNED_LONG = (2, 3)
_POWER_SAMPLES = 0
_MOST_SAMPLES = 1000


class _Value(ctypes.Union):
    _fields_ = [("real", ctypes.c_double), ("word", ctypes.c_uint), ("long", ctypes.c_ulonglong)]


class _Field(ctypes.Structure):
    _fields_ = [
        ("field", ctypes.c_uint),
        ("scope", ctypes.c_uint),
        ("timestamp_us", ctypes.c_longlong),
        ("latency_us", ctypes.c_longlong),
        ("kind", ctypes.c_uint),
        ("failed", ctypes.c_uint),
        ("value", _Value),
    ]


class _Sample(ctypes.Structure):
    _fields_ = [("timestamp_us", ctypes.c_ulonglong), ("value", _Value)]


class Read(NamedTuple):
    """A field's value with the driver's stamp, microseconds of the wall clock."""

    value: int
    timestamp_us: int
    latency_us: int


class Gpu:
    """The first GPU. Raises `OSError` where there is no driver or no GPU, and where a register cannot be read."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(os.environ.get("SMARAGDINE_NVML_LIBRARY", "libnvidia-ml.so.1"))
        self._call("nvmlInit_v2")
        self._device = ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", 0, ctypes.byref(self._device))

    def energy_j(self) -> float:
        """What its counter stands at."""
        energy_mj = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", self._device, ctypes.byref(energy_mj))
        return energy_mj.value / 1000

    def field(self, field: int) -> Read:
        """One of the driver's fields."""
        read = _Field(field=field)
        self._call("nvmlDeviceGetFieldValues", self._device, 1, ctypes.byref(read))
        if read.failed:
            raise OSError(f"field {field}: NVML's error {read.failed}")
        value = read.value.long if read.kind in _UNSIGNED_LONG else read.value.word
        return Read(value, read.timestamp_us, read.latency_us)

    def power_samples(self, since_us: int) -> dict[int, float]:
        """Watts by the driver's stamp, of its own buffer, newer than a stamp; empty where it has none."""
        kind, count = ctypes.c_uint(), ctypes.c_uint(_MOST_SAMPLES)
        samples = (_Sample * _MOST_SAMPLES)()
        try:
            self._call(
                "nvmlDeviceGetSamples",
                self._device,
                _POWER_SAMPLES,
                ctypes.c_ulonglong(since_us),
                ctypes.byref(kind),
                ctypes.byref(count),
                samples,
            )
        except OSError:
            return {}
        return {sample.timestamp_us: sample.value.word / 1000 for sample in samples[: count.value]}

    def name(self) -> str:
        """As the driver calls it."""
        text = ctypes.create_string_buffer(96)
        self._call("nvmlDeviceGetName", self._device, text, len(text))
        return text.value.decode()

    def driver(self) -> str:
        """The driver's version."""
        text = ctypes.create_string_buffer(80)
        self._call("nvmlSystemGetDriverVersion", text, len(text))
        return text.value.decode()

    def clock_mhz(self) -> int:
        """Of its multiprocessors."""
        clock = ctypes.c_uint()
        self._call("nvmlDeviceGetClockInfo", self._device, 1, ctypes.byref(clock))
        return clock.value

    def _call(self, name: str, *arguments: Any) -> None:
        failed = getattr(self._library, name)(*arguments)
        if failed:
            raise OSError(f"{name}: NVML's error {failed}")
