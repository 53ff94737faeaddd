"""`smaragdine doctor`: what can be measured here and how well, and what to do where it cannot."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.energy import MODELLED_NOTICE
from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    from smaragdine.client import Description, Source

_NOTHING_MEASURED = 3
# Long enough for some hundred ticks of the default period.
_TRIAL_S = 1.0
_ADMINISTRATOR = ("administrator", "sudo", "CAP_")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="what can be measured here, and how well",
        description="Asks every energy sensor of this machine, and records for a second to see how well they can be "
        "sampled. Ends with code 0 where something can be measured, 3 where power could only be modelled.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    described, socket, remark = _describe()
    trial, problem = _trial()
    found: dict[str, Any] = {
        "measurable": bool(described.measured),
        "daemon": {"version": described.version, "socket": socket, "remark": remark},
        "sources": [asdict(source) for source in described.sources],
        "trial": trial,
        "problem": problem,
    }
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_report(described, found)))
    return 0 if described.measured else _NOTHING_MEASURED


def _describe() -> tuple[Description, str | None, str | None]:
    """What the daemon that a recording would use can measure; its socket, None for a private one; a remark."""
    from smaragdine.client import Client
    from smaragdine.daemon import reach

    daemon = reach()
    client = Client(daemon.socket)
    try:
        return client.describe(), None if daemon.private else str(daemon.socket), daemon.remark
    finally:
        client.close()
        daemon.close()


def _trial() -> tuple[list[dict[str, Any]], str | None]:
    """How each source was sampled over a second: its entries of `trace.json`; or why there was no trial."""
    from smaragdine.recording import Recording

    with tempfile.TemporaryDirectory(prefix="smaragdine-doctor-") as directory:
        try:
            recording = Recording.start(Path(directory) / "trial")
        except SmaragdineError as error:
            return [], error.message
        time.sleep(_TRIAL_S)
        path = recording.finish()
        if path is None or recording.state != "complete":
            return [], "the trial's trace did not arrive"
        return list(json.loads((path / "trace.json").read_text()).get("sources") or []), None


def _report(described: Description, found: dict[str, Any]) -> list[str]:
    daemon = found["daemon"]["socket"] or "a private one, started for each recording"
    lines = [f"smaragdined {described.version}: {daemon}"]
    if found["daemon"]["remark"]:
        lines.append(found["daemon"]["remark"])
    for source in described.sources:
        lines += ["", *_source(source)]
    lines += ["", *_sampling(found)]
    if not described.measured:
        lines += ["", f"Until then: {MODELLED_NOTICE}"]
    if asks := _asks(described):
        lines += ["", "To send to an administrator:", "", *(f"  {line}" for line in asks)]
    lines += ["", "Energy can be measured here." if described.measured else "Energy cannot be measured here."]
    return lines


def _source(source: Source) -> list[str]:
    if not source.available:
        lines = [f"✗ {source.name}: {source.problem or 'not available'}"]
        return lines + ([f"    {source.hint}"] if source.hint else [])
    lines = [f"✓ {source.name}"]
    if source.problem:
        lines.append(f"    beside it: {source.problem}")
    for domain in source.domains:
        note = domain.basis if domain.counted else f"not counted: {domain.not_counted_because or 'held by another'}"
        inside = f" in {domain.parent}" if domain.parent else ""
        lines.append(f"    {domain.name:<16} {domain.device:<8} {note}{inside}")
    return lines


def _sampling(found: dict[str, Any]) -> list[str]:
    if found["problem"]:
        return [f"✗ a recording of {_TRIAL_S:g} s failed: {found['problem']}"]
    lines = [f"Sampled for {_TRIAL_S:g} s:"]
    for source in found["trial"]:
        period = source.get("measured_period_ns") or source.get("period_ns") or 0
        late, failed = source.get("lateness_p50_ns"), source.get("failed_reads") or 0
        line = f"    {source.get('name'):<10} every {period / 1e6:.3g} ms"
        line += f", {late / 1e3:.3g} µs late in the median" if late is not None else ""
        line += f", {source.get('missed_ticks') or 0} of {source.get('ticks') or 0} ticks missed"
        lines.append(line + (f", {failed} reads failed" if failed else ""))
    return lines


def _asks(described: Description) -> list[str]:
    """What only an administrator can change."""
    asks = [
        (source.problem, source.hint)
        for source in described.sources
        if not source.available and source.hint and any(word in source.hint for word in _ADMINISTRATOR)
    ]
    if not asks:
        return []
    lines = ["I want to measure the energy of my programs with smaragdine, which reads the sensors below; it cannot:"]
    for problem, hint in asks:
        lines += [f"- {problem}", f"  {hint}"]
    return lines
