"""What the appendix's first page says, as plain values. Nothing here knows HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.accounts.alike import Alike
from smaragdine.accounts.quantity import percent
from smaragdine.accounts.unit import Unit
from smaragdine.appendix import differing
from smaragdine.appendix.differing import Differing
from smaragdine.appendix.entry import Entry
from smaragdine.appendix.grouped import Grouped, energy_sheet, metric_sheet
from smaragdine.appendix.machine import chosen, sampled
from smaragdine.appendix.methods import bibliography, paragraphs
from smaragdine.appendix.sheet import Sheet
from smaragdine.carbon.cost import doubles
from smaragdine.carbon.logged import Metric, logged, names
from smaragdine.carbon.study import Study
from smaragdine.figures import theme
from smaragdine.text.board import sentences
from smaragdine.text.table import Table

MOST_METRICS = 40


@dataclass(frozen=True, slots=True)
class Content:
    title: str
    facts: str
    notices: tuple[str, ...]
    remarks: tuple[str, ...]
    """What a reader must know before the numbers: runs left out, copies, bases."""
    groups: Sheet
    metrics: Sheet | None
    differences: tuple[Differing, ...]
    undiffered: str | None
    """Why there is nothing to compare."""
    figures: dict[str, dict[str, Any]]
    curves: tuple[str, ...]
    """Names of the figures of logged metrics."""
    machine: tuple[str, ...]
    """Names of those of what machines did."""
    study: tuple[str, ...]
    runs: Sheet
    methods: tuple[str, ...]
    bibliography: str

    @classmethod
    def of(
        cls, entries: Sequence[Entry], alike: Alike, *, title: str, reach: tuple[Metric, float] | None = None
    ) -> Content:
        """Raises NotMeasuredError where no energy of any run is known."""
        groups = Grouped.all_of(entries)
        metrics = names(entry.trace for entry in entries)
        study = Study.of_costs([entry.cost for entry in entries], "the runs")
        reached = study.reach(*reach) if reach else None
        found, undiffered = differing.all_of(groups, metrics[:MOST_METRICS])
        drawn = _figures(groups, metrics[:MOST_METRICS])
        return cls(
            title=title,
            facts=_facts(entries, groups, study),
            notices=tuple(dict.fromkeys(e.told(e.trace.notice) for e in entries if e.trace.notice)),
            remarks=tuple(_remarks(entries, metrics)),
            groups=energy_sheet(groups),
            metrics=metric_sheet(groups, metrics) if metrics else None,
            differences=tuple(found),
            undiffered=undiffered,
            figures={name: theme.undressed(figure) for name, figure in drawn.items()},
            curves=tuple(name for name in drawn if name.startswith("metric-")),
            machine=tuple(name for name in drawn if name.startswith("machine-")),
            study=tuple(sentences(study, reached)),
            runs=_runs(entries, study),
            methods=tuple(paragraphs(entries, groups, alike)),
            bibliography=bibliography(entries),
        )


def _facts(entries: Sequence[Entry], groups: Sequence[Grouped], study: Study) -> str:
    parts = [
        f"{len(entries)} run{'s' if len(entries) > 1 else ''}",
        f"{len(groups)} group{'s' if len(groups) > 1 else ''}",
        Unit.of_kwh([study.energy_kwh]).told(study.energy_kwh),
    ]
    if study.kg is not None:
        parts.append(f"{Unit.of_kg([study.kg]).told(study.kg)} CO2e")
    return " · ".join(parts)


def _remarks(entries: Sequence[Entry], metrics: Sequence[str]) -> Iterable[str]:
    for entry in entries:
        if entry.left_out:
            yield f"{entry.title} is in no mean: {entry.told(entry.left_out)}."
    if len({entry.cost.basis for entry in entries if entry.cost.basis}) > 1:
        yield "Measured and modelled energies are in no group together, and are not compared."
    yield from doubles([entry.cost for entry in entries], [entry.title for entry in entries])
    if len(metrics) > MOST_METRICS:
        yield f"The first {MOST_METRICS} of {len(metrics)} logged metrics are drawn and compared."


def _figures(groups: Sequence[Grouped], metrics: Sequence[str]) -> dict[str, Any]:
    modelled = [group.name for group in groups if group.modelled]
    energies = {group.name: group.energy_kwh for group in groups}
    hours = {group.name: group.hours for group in groups}
    kwh = Unit.of_kwh(value for sample in energies.values() for value in sample.values)
    unit = Unit.of_hours(value for sample in hours.values() for value in sample.values)
    open_ = "open symbols: modelled" if modelled else ""
    drawn = {
        "energy": figures.groups(energies, "Energy of a run, with PUE", kwh, modelled=modelled, subtitle=open_),
        "duration": figures.groups(hours, "Duration of a run", unit),
    }
    for place, metric in enumerate(metrics):
        series = {
            group.name: [[(float(one.step), one.value) for one in logged(e.trace, metric)] for e in group.kept]
            for group in groups
        }
        drawn[f"metric-{place}"] = figures.curves(series, metric, y=metric)
    machine = {group.name: [sampled(entry) for entry in group.kept] for group in groups}
    for place, name in enumerate(chosen(one for of in machine.values() for one in of)):
        by_group = {group: [one.get(name, []) for one in of] for group, of in machine.items()}
        drawn[f"machine-{place}"] = figures.curves(by_group, name, x="second")
    return drawn


def _runs(entries: Sequence[Entry], study: Study) -> Sheet:
    kwh = Unit.of_kwh(entry.cost.energy_kwh for entry in entries)
    kg = Unit.of_kg(entry.cost.kg for entry in entries)
    hours = Unit.of_hours(entry.cost.hours for entry in entries)
    placed = any(entry.cost.kg is not None for entry in entries)
    shown, full = [], []
    for entry in entries:
        cost = entry.cost
        shown.append(
            (
                entry.title,
                entry.group,
                hours.text(cost.hours),
                kwh.text(cost.energy_kwh),
                percent(study.share(cost)),
                *((kg.text(cost.kg),) if placed else ()),
                cost.basis or "not measured",
                entry.told(entry.left_out or ""),
            )
        )
        full.append(
            {
                "run": entry.title, "group": entry.group, "basis": cost.basis, "duration_h": cost.hours,
                "cpu_kwh": cost.component_kwh("cpu"), "gpu_kwh": cost.component_kwh("gpu"),
                "dram_kwh": cost.component_kwh("dram"), "module_kwh": cost.component_kwh("module"), "pue": cost.pue,
                "energy_kwh": cost.energy_kwh, "modelled_kwh": cost.modelled_kwh, "share": study.share(cost),
                "emissions_kg": cost.kg, "intensity_source": cost.source,
                "left_out": entry.told(entry.left_out or "") or None, "page": entry.page,
            }
        )  # fmt: skip
    carbon = (f"CO2e, {kg.name}",) if placed else ()
    headers = ("run", "group", f"duration, {hours.name}", f"energy × PUE, {kwh.name}", "share", *carbon, "basis",
               "left out of means")  # fmt: skip
    if not any(entry.left_out for entry in entries):
        headers, shown = headers[:-1], [row[:-1] for row in shown]
    table = Table(headers, tuple(shown), frozenset(range(2, 5 + len(carbon))))
    return Sheet.of("data/runs.csv", table, full, links=[entry.page for entry in entries])
