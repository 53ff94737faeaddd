"""What a trace came to, in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.quantity import percent, seconds, watts

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace


def brief(path: Path) -> Iterator[str]:
    """How long, how much on which device, and where the trace is."""
    from smaragdine.errors import SmaragdineError
    from smaragdine.trace.trace import Trace

    try:
        trace = Trace.open(path)
        parts = [lasted(trace), *totals(trace)]
        entries = ", ".join(f"{percent(share)} {entry}" for entry, share in shares(trace)[:4])
    except SmaragdineError as error:
        yield f"the trace is in {path} ({error.message})"
        return
    yield "; ".join(parts)
    if entries:
        yield f"of which {entries}"
    yield f"the trace is in {path}"


def lasted(trace: Trace) -> str:
    """How long the recording lasted, and of how long a run where it was cut."""
    recorded_s, ran_s = trace.metadata.duration_s, trace.metadata.program_s
    if trace.metadata.cut is None:
        return seconds(recorded_s)
    return f"{seconds(recorded_s)} of {'an unknown time' if ran_s is None else seconds(ran_s)} (cut)"


def totals(trace: Trace) -> list[str]:
    """Energy by device and basis, with mean power: `CPU:0 1.23 kJ measured (45.6 W)`."""
    ledger = trace.ledger()
    duration = trace.metadata.duration_s
    lines = []
    for device in dict.fromkeys(row.device for row in ledger):
        energy = ledger.device(device)
        power = "; ".join(watts(energy[basis] / duration) for basis in ledger.bases if duration and energy[basis])
        lines.append(f"{device} {energy}" + (f" ({power})" if power else ""))
    return lines


def shares(trace: Trace) -> list[tuple[str, float]]:
    """What share of all energy each entry of the ledger has, largest first; of measured energy, where there is any."""
    ledger = trace.ledger()
    basis = ledger.bases[0] if ledger.bases else None
    total = ledger.total[basis] if basis else 0.0
    if basis is None or total <= 0:
        return []
    entries = [(entry, ledger.entry(entry)[basis] / total) for entry in dict.fromkeys(row.entry for row in ledger)]
    return sorted(((entry, share) for entry, share in entries if share > 0), key=lambda pair: -pair[1])
