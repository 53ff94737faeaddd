"""What runs did with their energy: how long, on what, how many steps, samples, tokens and floating-point operations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.accounts.row import sum_known
from smaragdine.carbon.hardware import gpus

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run


@dataclass(frozen=True, slots=True)
class Work:
    """Sums over runs; None where it is not known of every run."""

    runs: int = 0
    duration_s: float | None = None
    steps: int = 0
    samples: float | None = None
    tokens: float | None = None
    flops: float | None = None
    """Extrapolated from the traced steps to all, of the operations whose FLOPs are known."""
    hardware: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    gpu_held_h: float | None = None
    """Hours that GPUs were there for, whether used or not."""
    cpu_h: float | None = None
    """Hours of CPU time that the runs used."""
    gpu_h: float | None = None
    """Hours for which the runs themselves held GPUs, each counted."""
    gpu_used_h: float | None = None
    """Hours in which their kernels ran: those held, times utilisation."""
    end_ns: int | None = None
    notices: tuple[str, ...] = ()
    """What views of traces open with of which nothing was measured."""
    cuts: tuple[str, ...] = ()
    """What recordings that were cut say of themselves."""

    @classmethod
    def of(cls, traces: Sequence[Run]) -> Work:
        steps = [step for trace in traces for step in trace.steps]
        tokens = [step.metrics.get("tokens") for step in steps]
        return cls(
            runs=len(traces),
            duration_s=sum_known(trace.metadata.duration_s for trace in traces),
            steps=len(steps),
            samples=sum_known(step.samples for step in steps) if steps else None,
            tokens=sum_known(tokens) if steps else None,
            flops=sum_known(_flops(trace) for trace in traces),
            hardware=tuple(dict.fromkeys(part for trace in traces for part in _hardware(trace))),
            names=tuple(trace.name for trace in traces),
            gpu_held_h=sum_known(_held_h(trace) for trace in traces),
            cpu_h=sum_known(trace.cpu_h for trace in traces),
            gpu_h=sum_known(trace.gpu_h for trace in traces),
            gpu_used_h=sum_known(trace.gpu_used_h for trace in traces),
            end_ns=max((trace.metadata.end_ns or 0 for trace in traces), default=0) or None,
            notices=tuple(dict.fromkeys(trace.notice for trace in traces if trace.notice)),
            cuts=tuple(trace.metadata.cut for trace in traces if trace.metadata.cut),
        )

    @property
    def counts(self) -> dict[str, float]:
        """Functional units that were counted in every step."""
        counts = {"step": float(self.steps), "sample": self.samples, "token": self.tokens}
        return {unit: count for unit, count in counts.items() if count}


def _held_h(trace: Run) -> float | None:
    gpus = sum(device.startswith("GPU:") for device in trace.metadata.devices)
    # Each machine of a job has a GPU:0, and each of them a register.
    gpus = max(gpus, sum(domain.device.startswith("GPU:") for domain in trace.metadata.counted))
    return None if trace.metadata.duration_s is None else gpus * trace.metadata.duration_s / 3600


def _flops(trace: Run) -> float | None:
    """FLOPs of all steps: those of traced ones, times how many more there were."""
    traced = sum(step.traced for step in trace.steps)
    known = trace.flops()
    if not traced or not known:
        return None
    # An operation has a row of each basis; it was executed once.
    executed = {(row.op, row.device): known.get(row.qtn, 0.0) * row.count for row in trace.footprint().rows}
    return sum(executed.values()) * len(trace.steps) / traced


def _hardware(trace: Run) -> Iterable[str]:
    """`Intel Xeon … (2 sockets)`, `4 × NVIDIA H200`."""
    hardware = trace.metadata.hardware
    if cpu := hardware.cpu:
        yield f"{cpu} ({hardware.sockets} sockets)" if (hardware.sockets or 0) > 1 else cpu
    yield from (f"{count} × {name}" if count > 1 else name for name, count in gpus(hardware).items())
