"""What another tool's log says of itself, as `import` kept it: its own PUE, intensity and emissions, marked as such."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.row import sum_known
from smaragdine.carbon.lookup import default
from smaragdine.carbon.pue import Pue
from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run

_FIELD = "imported"


@dataclass(frozen=True, slots=True)
class Imported:
    """Sums over logs of one tool; None where a log does not tell."""

    tool: str
    pue: Pue
    region: str | None
    kg: float | None
    intensity_g_per_kwh: float | None
    """As the tool has it: the tracker's is the mean of its samples, whatever energy met them."""
    intensity_source: str
    cpu_h: float | None
    gpu_h: float | None
    dram_within_cpu: bool

    @classmethod
    def of(cls, traces: Sequence[Run]) -> Imported | None:
        """None where none of the traces is imported; SmaragdineError where some are and some are not, or logs of
        different PUEs are mixed, or a log says what cannot be."""
        told = [_told(trace) for trace in traces]
        if not any(isinstance(one, dict) for one in told):
            return None
        logs = [cls._of(one, trace) for one, trace in zip(told, traces, strict=True) if isinstance(one, dict)]
        if len(logs) < len(told) or len({(log.tool, log.pue.factor) for log in logs}) > 1:
            raise UsageError("logs of different tools, or with different PUEs, have no common statement",
                           "state them one by one, or tell --region and --pue for all")  # fmt: skip
        first = logs[0]
        regions = {log.region for log in logs}
        intensities = [log.intensity_g_per_kwh for log in logs]
        known = [value for value in intensities if value is not None]
        return cls(
            first.tool,
            first.pue,
            first.region if len(regions) == 1 else None,
            sum_known(log.kg for log in logs),
            sum(known) / len(known) if len(known) == len(intensities) else None,
            first.intensity_source,
            sum_known(log.cpu_h for log in logs),
            sum_known(log.gpu_h for log in logs),
            any(log.dram_within_cpu for log in logs),
        )

    @classmethod
    def _of(cls, told: Mapping[str, Any], trace: Run) -> Imported:
        def number(name: str) -> float | None:
            value = told.get(name)
            if value is None:
                return None
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise UsageError(f"the trace {trace.path} says {name} {value!r} of the log that it was made from")
            return float(value)

        pue = Pue.of(number("pue"))
        return cls(
            str(told.get("tool", "another tool")),
            Pue(pue.factor, str(told.get("pue_source", "as its log has it"))),
            str(told["region"]) if told.get("region") else None,
            number("emissions_kg"),
            number("intensity_g_per_kwh"),
            str(told.get("intensity_source", "its log")),
            number("cpu_h"),
            number("gpu_h"),
            told.get("dram_within_cpu") is True,
        )

    @property
    def country(self) -> str | None:
        """Of its region, where our tables know it."""
        codes = default().codes(self.region) if self.region else ()
        return default().found(codes[0]).country or None if len(codes) == 1 else None


def _told(trace: Run) -> object:
    options = trace.metadata.raw.get("options")
    return options.get(_FIELD) if isinstance(options, Mapping) else None
