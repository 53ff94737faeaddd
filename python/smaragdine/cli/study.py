"""`smaragdine study`: what a hyperparameter search cost as a whole, and what it took to reach a value."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from smaragdine.cli.costed import add_direction, add_runs, alike, costs, metric

if TYPE_CHECKING:
    from smaragdine.carbon.reach import Reach
    from smaragdine.carbon.study import Study


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "study",
        description="Sums runs that belong together, failed ones included: each run's share, that of failed runs, the "
        "cost as example × data × hyperparameters, and the energy and carbon that it took to reach a value.",
    )
    add_runs(parser, "a study of each value of this label (default: one of all)")
    parser.add_argument("--reach", metavar="METRIC=VALUE", help="what it took to get there, as in accuracy=0.9")
    add_direction(parser)
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.carbon.reach import parse
    from smaragdine.carbon.study import studies
    from smaragdine.cli.table import write_csv, write_json

    asked = parse(args.reach) if args.reach else None
    found = [
        (study, study.reach(metric(args, asked[0]), asked[1]) if asked else None)
        for study in studies(costs(args), alike(args))
    ]
    if args.output_format == "json":
        write_json({"studies": [_content(study, reach) for study, reach in found]})
    elif args.output_format == "csv":
        rows = [row for study, reach in found for row in _rows(study, reach)]
        write_csv(rows, list(rows[0]), [line for study, reach in found for line in _lines(study, reach)])
    else:
        for place, (study, reach) in enumerate(found):
            _print(study, reach, spaced=place > 0)
    return 0


def _print(study: Study, reach: Reach | None, *, spaced: bool) -> None:
    from smaragdine.cli.table import write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.board import of_study, sentences

    if spaced:
        tell()
    tell(study.name, "bold")
    for notice in _notices(study):
        tell(notice, "yellow")
    for sentence in sentences(study, reach):
        tell(sentence)
    write_table(of_study(study, reach))


def _notices(study: Study) -> list[str]:
    told = (cost.statement.notice for cost in study if cost.statement)
    return list(dict.fromkeys(notice for notice in told if notice))


def _lines(study: Study, reach: Reach | None) -> list[str]:
    from smaragdine.text.board import sentences

    return [f"{study.name}: {line}" for line in (*_notices(study), *sentences(study, reach))]


def _rows(study: Study, reach: Reach | None) -> list[dict[str, Any]]:
    from smaragdine.carbon.cost import titles

    rows = []
    for place, (title, cost) in enumerate(zip(titles(study.costs), study, strict=True)):
        row: dict[str, Any] = {
            "study": study.name, "run": title, "basis": cost.basis, "energy_kwh": cost.energy_kwh,
            "modelled_kwh": cost.modelled_kwh, "share": study.share(cost), "emissions_kg": cost.kg, "pue": cost.pue,
            "duration_h": cost.hours, "failed": cost.failed,
        }  # fmt: skip
        if reach:
            one = reach.runs[place]
            row |= {
                "reached": one.at is not None,
                "step": one.at.step if one.at else None,
                "epoch": one.at.epoch if one.at else None,
                "reach_j": None if one.energy_kwh is None else 3.6e6 * one.energy_kwh,
                "reach_g": None if one.kg is None else 1000 * one.kg,
                "reach_h": one.hours,
            }
        rows.append(row)
    return rows


def _content(study: Study, reach: Reach | None) -> dict[str, Any]:
    product = study.product
    content: dict[str, Any] = {
        "name": study.name,
        "notices": _notices(study),
        "runs": len(study),
        "failed": len(study.failed),
        "not_measured": len(study.unmeasured),
        "energy_kwh": study.energy_kwh,
        "modelled_kwh": study.modelled_kwh,
        "emissions_kg": study.kg,
        "duration_h": study.hours,
        "failed_share": study.failed_share,
        "product": product
        and {
            "unit": product.unit, "example_kwh": product.example_kwh, "examples_per_run": product.examples,
            "epochs": product.epochs, "runs": product.runs, "energy_kwh": product.kwh,
            "total_share": study.energy_kwh / product.kwh if product.kwh > 0 else None,
        },
        "rows": _rows(study, reach),
    }  # fmt: skip
    if reach:
        content["reach"] = {
            "metric": reach.metric.name,
            "lower_is_better": reach.metric.lower,
            "threshold": reach.threshold,
            "reached_by": reach.count,
            "energy_kwh": reach.energy_kwh.mean,
            "energy_se_kwh": reach.energy_kwh.se,
            "emissions_kg": reach.kg.mean,
            "first_kwh": reach.first_kwh,
            "first_kg": reach.first_kg,
            "for_each_kwh": reach.each_kwh,
            "for_each_kg": reach.each_kg,
        }
    return content
