"""Leaderboards and studies as tables of text."""

from __future__ import annotations

from smaragdine.accounts.chance import p_text
from smaragdine.accounts.quantity import percent
from smaragdine.accounts.unit import Unit
from smaragdine.carbon.cost import titles
from smaragdine.carbon.leaderboard import Leaderboard, Standing
from smaragdine.carbon.reach import Reach
from smaragdine.carbon.study import Product, Study
from smaragdine.shown import shown
from smaragdine.text.table import Table


def of_leaderboard(board: Leaderboard, most: int | None = None) -> Table:
    """Rank, name, metric, energy, carbon, time, metric per kWh and whether it is on the front."""
    standings = board.standings[:most]
    kwh = Unit.of_kwh(one.energy_kwh.mean for one in standings)
    kg = Unit.of_kg(one.kg.mean for one in standings)
    hours = Unit.of_hours(one.hours.mean for one in standings)
    rows = []
    for one in standings:
        row = [
            "–" if one.rank is None else str(one.rank),
            one.name,
            one.metric.text(),
            kwh.text(one.energy_kwh),
            kg.text(one.kg),
            hours.text(one.hours),
            one.per_kwh.text(),
            "–" if one.pareto is None else "front" if one.pareto else "",
            one.basis or "not measured",
            "; ".join(one.left_out),
        ]
        if board.grouped:
            row.insert(2, f"{one.metric.n} of {one.runs}")
            row.insert(4, _apart(one))
        rows.append(tuple(row))
    headers = ["rank", "run", board.metric.name, f"energy, {kwh.name}", f"CO2e, {kg.name}", f"time, {hours.name}",
               f"{board.metric.name} per kWh", "Pareto", "basis", "left out"]  # fmt: skip
    if board.grouped:
        headers[1:2] = ["group", "runs"]
        headers.insert(4, "from the one above")
    words = ("run", "group", "from the one above", "Pareto", "basis", "left out")
    keep = [place for place in range(len(headers)) if any(row[place] not in ("", "–") for row in rows)]
    return Table(
        tuple(shown(headers[place]) for place in keep),
        tuple(tuple(row[place] for place in keep) for row in rows),
        frozenset(new for new, place in enumerate(keep) if headers[place] not in words),
    )


def _apart(one: Standing) -> str:
    if one.apart is None:
        return ""
    if one.apart.holm_welch is None:
        return "not tested"
    return f"{'differs' if one.apart.differ else 'cannot be told apart'}, {p_text(one.apart.holm_welch)}"


def of_study(study: Study, reach: Reach | None = None) -> Table:
    """Each run with its share, and why it failed where it did."""
    kwh = Unit.of_kwh(cost.energy_kwh for cost in study)
    kg = Unit.of_kg(cost.kg for cost in study)
    hours = Unit.of_hours(cost.hours for cost in study)
    rows = []
    for place, (title, cost) in enumerate(zip(titles(study.costs), study, strict=True)):
        row = [title, kwh.text(cost.energy_kwh), percent(study.share(cost)), kg.text(cost.kg), hours.text(cost.hours)]
        if reach:
            one = reach.runs[place]
            row += [kwh.text(one.energy_kwh), kg.text(one.kg), one.words]
        rows.append((*row, cost.basis or "not measured", cost.failed or ""))
    headers = ["run", f"energy, {kwh.name}", "share", f"CO2e, {kg.name}", f"time, {hours.name}"]
    if reach:
        headers += [f"{kwh.name} to {shown(reach.words)}", f"CO2e, {kg.name}, to it", "reached"]
    return Table(
        (*headers, "basis", "failed"),
        tuple(rows),
        frozenset(range(1, 7 if reach else 5)),
        tuple(study.share(cost) or 0.0 for cost in study),
    )


def sentences(study: Study, reach: Reach | None = None) -> list[str]:
    """What the study cost as a whole, in words."""
    told = [_total(study), _failed(study)]
    if study.unmeasured:
        told.append(
            f"of {len(study.unmeasured)} of {len(study)} runs no energy is known: they are in no sum, and not 0"
        )
    if product := study.product:
        told.append(_product(study, product))
    if reach:
        told += _reach(study, reach)
    return told


def _product(study: Study, product: Product) -> str:
    whole = Unit.of_kwh([product.kwh])
    one = Unit.of_kwh([product.example_kwh]).told(product.example_kwh)
    if product.unit == "run":
        told = f"E × D = {one} a run, neither samples nor steps being known of all; × H = {product.runs} runs"
    else:
        epochs = f" over {product.epochs:.4g} epochs" if product.epochs else ""
        of = f"{product.examples:,.4g} {product.unit}s a run{epochs}"
        told = f"E × D × H = {one} per {product.unit} × {of} × {product.runs} runs"
    rest = round(study.energy_kwh / product.kwh, 9) if product.kwh > 0 else None
    return (
        f"{told} = {whole.told(product.kwh)}; the study took {percent(rest)} of it "
        f"(E and D: means of the {product.of} that finished)"
    )


def _total(study: Study) -> str:
    kwh = Unit.of_kwh([study.energy_kwh])
    modelled = f", of it {kwh.told(study.modelled_kwh)} modelled" if study.modelled_kwh else ""
    factors = sorted({cost.pue for cost in study if cost.pue is not None})
    kg = study.kg
    carbon = f", {Unit.of_kg([kg]).told(kg)} CO2e" if kg is not None else ""
    pue = f"PUE {', '.join(f'{factor:g}' for factor in factors)}"
    told = f"{len(study)} runs took {kwh.told(study.energy_kwh)}{modelled} with {pue}{carbon}"
    if kg is None:
        some = any(cost.kg is not None for cost in study)
        told += "; CO2e is not told: " + ("the place of some runs is not known" if some else "no place is known")
    return told


def _failed(study: Study) -> str:
    if not study.failed:
        return "no run failed"
    share = study.failed_share
    return (
        f"{len(study.failed)} of {len(study)} runs failed, with {percent(share)} of the energy"
        if share is not None
        else f"{len(study.failed)} of {len(study)} runs failed; the energy of some of them is not known"
    )


def _reach(study: Study, reach: Reach) -> list[str]:
    if not reach.count:
        return [f"{reach.words}: never reached, by no run"]
    told = [f"{reach.words}: reached by {reach.count} of {len(study)} runs"]
    sample = reach.energy_kwh
    if sample.n:
        kwh, kg = Unit.of_kwh([sample.mean]), Unit.of_kg([reach.kg.mean])
        joules = f" ({3.6e6 * (sample.mean or 0.0):,.4g} J)"
        carbon = f", {kg.told(reach.kg)} CO2e" if reach.kg.n == sample.n else ""
        alone = "" if sample.n > 1 else " (one run: no standard error)"
        told.append(f"a run that reached it took {kwh.told(sample)}{joules}{carbon} up to there{alone}")
    if reach.first_kwh is not None:
        kwh, kg = Unit.of_kwh([reach.first_kwh]), Unit.of_kg([reach.first_kg])
        carbon = f", {kg.told(reach.first_kg)} CO2e" if reach.first_kg is not None else ""
        told.append(
            f"when the first reached it, all runs together had taken {kwh.told(reach.first_kwh)} "
            f"({3.6e6 * reach.first_kwh:,.4g} J){carbon}, by their hosts’ clocks"
        )
    if reach.each_kwh is not None:
        kwh, kg = Unit.of_kwh([reach.each_kwh]), Unit.of_kg([reach.each_kg])
        carbon = f", {kg.told(reach.each_kg)} CO2e" if reach.each_kg is not None else ""
        told.append(f"the study, failed runs included, took {kwh.told(reach.each_kwh)}{carbon} for each run that did")
    return told
