"""`smaragdine doctor`: what can be measured here and how well, and what to do where it cannot."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from smaragdine.cli.ending import NOT_MEASURED
from smaragdine.cli.table import write_json
from smaragdine.cli.terminal import tell
from smaragdine.shown import shown
from smaragdine.text.aligned import columns

if TYPE_CHECKING:
    from smaragdine.accounts.domain import Domain
    from smaragdine.daemon.client import Description, Source
    from smaragdine.doctor.finding import Finding
    from smaragdine.doctor.surroundings import Surroundings
    from smaragdine.doctor.trial import Rate, Trial

# Long enough for some hundred ticks of the default period.
_TRIAL_S = 1.0
_HEADERS = ("you can", "ask your administrator for", "until then")
_GAP = "   "
_NARROWEST, _WIDEST = 72, 132


@dataclass(frozen=True)
class Examination:
    """Everything that was found out; what is told of it follows from this alone."""

    described: Description
    # The service that a recording would use; None: a daemon of its own.
    socket: str | None
    remark: str | None
    trial: Trial
    surroundings: Surroundings

    @property
    def measured(self) -> tuple[str, ...]:
        """The registers that a sensor measures and that gave readings; none where nothing of them is counted."""
        read = {rate.domain for rate in self.trial.rates if rate.readings}
        domains = [domain for domain in self.described.measured if domain.name in read]
        return tuple(domain.name for domain in domains) if any(domain.counted for domain in domains) else ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        from smaragdine.doctor.finding import findings

        return findings(self.described, self.remark, self.trial, self.surroundings)

    @property
    def message(self) -> str:
        from smaragdine.doctor.message import message

        return message(self.findings, self.surroundings)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "doctor",
        description="Asks every energy sensor of this machine, and records for a second to see how well they can be "
        "read. Ends with code 0 where something can be measured, 3 where power could only be modelled.",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument(
        "--message", action="store_true", help="only the message to an administrator, with unit file and group rule"
    )


def run(arguments: argparse.Namespace) -> int:
    examined = examine()
    if arguments.json:
        write_json(_content(examined))
    elif arguments.message:
        for line in (examined.message or "There is nothing to ask an administrator for.").splitlines():
            tell(line)
    else:
        width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
        for line in report(examined, max(_NARROWEST, min(width, _WIDEST))):
            tell(line, "bold" if line.startswith(_HEADERS[0] + _GAP) else None)
    return 0 if examined.measured else NOT_MEASURED


def examine() -> Examination:
    """Asks the daemon that a recording would use, and records with it. Raises SmaragdineError where there is none."""
    from smaragdine.daemon.client import Client
    from smaragdine.daemon.reached import reach
    from smaragdine.doctor.surroundings import Surroundings
    from smaragdine.doctor.trial import trial

    daemon = reach()
    client = Client(daemon.socket)
    try:
        described = client.describe()
        tried = trial(client, _TRIAL_S)
    finally:
        client.close()
        daemon.close()
    # Of a private daemon, a recording of one's own is no news.
    described = replace(described, recordings=0 if daemon.private else described.recordings)
    socket = None if daemon.private else str(daemon.socket)
    return Examination(described, socket, daemon.remark, tried, Surroundings.here())


def _content(examined: Examination) -> dict[str, Any]:
    described, trial = examined.described, examined.trial
    return {
        "measurable": bool(examined.measured),
        "measured": list(examined.measured),
        "daemon": {"version": described.version, "socket": examined.socket, "remark": examined.remark},
        "surroundings": asdict(examined.surroundings),
        "sources": [asdict(source) for source in described.sources],
        "trial": asdict(trial),
        "findings": [
            {"about": one.about, "can": one.can, "ask": one.ask, "until": one.until} for one in examined.findings
        ],
        "message": examined.message,
    }


def report(examined: Examination, width: int) -> list[str]:
    """What a person is told, in lines of at most `width` columns where words allow."""
    from smaragdine.doctor.message import UNIT

    daemon = examined.socket or "a private one, started for each recording"
    lines = [f"smaragdined {shown(examined.described.version)}: {shown(daemon)}"]
    if examined.remark:
        lines += textwrap.wrap(shown(examined.remark), width)
    for source in examined.described.sources:
        lines += ["", *_source(source, examined.trial, width)]
    if share_source := examined.trial.share_source:
        lines += ["", "shares", *_wrapped(share_source, width, "    ")]
    if found := examined.findings:
        lines += ["", *_columns(found, width)]
    if examined.message:
        holds = ", with unit file and group rule" if UNIT in examined.message else ""
        lines += ["", *_wrapped(f"`smaragdine doctor --message` prints a message to send{holds}.", width, "")]
    verdict = f"Energy can be measured here: {', '.join(examined.measured)}."
    return [*lines, "", *textwrap.wrap(verdict if examined.measured else "Energy cannot be measured here.", width)]


def _source(source: Source, trial: Trial, width: int) -> Iterator[str]:
    if not source.available:
        yield from _wrapped(f"✗ {source.name}: {source.problem or 'not available'}", width, "    ", first="")
        return
    tried = next((tried for tried in trial.sources if tried.get("name") == source.name), None)
    if tried is None:
        yield f"✓ {source.name}: not used where something is measured" if _is_model(source) else f"✓ {source.name}"
        return
    yield from _wrapped(f"✓ {source.name}{_punctuality(tried)}", width, "    ", first="")
    rates = {rate.domain: rate for rate in trial.rates}
    name_width = max((columns(domain.name) for domain in source.domains), default=0)
    for domain in source.domains:
        inside = f" in {domain.parent}" if domain.parent else ""
        because = f"not counted: {domain.not_counted_because or 'held by another'}"
        note = f"{domain.basis}{inside}" if domain.counted else because
        name = shown(domain.name).ljust(name_width)
        yield from _wrapped(f"{name}  {_rate(domain, rates.get(domain.name))}  {note}", width, "      ", first="    ")


def _is_model(source: Source) -> bool:
    return all(domain.basis != "measured" for domain in source.domains)


def _rate(domain: Domain, rate: Rate | None) -> str:
    if rate is None or not rate.readings:
        return f"{domain.device:<7} no reading"
    step = f"steps ≤ {rate.step_uj} µJ" if rate.step_uj and domain.basis == "measured" else ""
    return f"{domain.device:<7} {rate.power_w:7.1f} W  every {rate.period_ns / 1e6:.3g} ms  {step:<16}".rstrip()


def _punctuality(tried: Mapping[str, Any]) -> str:
    missed = int(tried.get("missed_ticks") or 0)
    line = f": {missed} of {int(tried.get('ticks') or 0) + missed} ticks missed"
    median, most = tried.get("lateness_p50_ns"), tried.get("lateness_p99_ns")
    if median is not None and most is not None:
        line += f"; late by {median / 1e3:.3g} µs in the median, {most / 1e3:.3g} µs at most in 99 of 100"
    return line


def _columns(found: Sequence[Finding], width: int) -> Iterator[str]:
    """Three columns side by side; what each row is about stands above it."""
    each = (width - 2 * len(_GAP)) // 3
    yield _GAP.join(header.ljust(each) for header in _HEADERS).rstrip()
    for finding in found:
        yield "─" * width
        yield from _wrapped(finding.about, width, "")
        yield ""
        cells = [textwrap.wrap(shown(text) or "–", each) for text in (finding.can, finding.ask, finding.until)]
        for row in range(max(map(len, cells))):
            padded = [(cell[row] if row < len(cell) else "").ljust(each) for cell in cells]
            yield _GAP.join(padded).rstrip()
    yield "─" * width


def _wrapped(text: str, width: int, indent: str, first: str | None = None) -> list[str]:
    start = indent if first is None else first
    # Runs of spaces align columns; only breaks between lines are made here.
    return textwrap.wrap(
        shown(text),
        width,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
