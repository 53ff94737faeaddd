"""`smaragdine estimate`: a guess, before the run, from what hardware is built to draw."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from smaragdine.cli.number import amount
from smaragdine.cli.statement import add_place

if TYPE_CHECKING:
    from smaragdine.carbon.estimate import Estimate
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.pue import Pue

_COUNT = re.compile(r"^(\d+)\s*[x×*]\s*(?=\S)")
NOTE = (
    "a guess, no measurement: it takes design power for drawn power and leaves out what is not named; "
    "`smaragdine statement` of a run tells how far off it was"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "estimate",
        description="Guesses energy and emissions: thermal design power × hours × utilisation. Without a utilisation "
        "the guess is the range from a third to all of the design power; runs may well lie outside.",
    )
    parser.add_argument("--hardware", action="append", required=True, metavar="[Nx]NAME[=WATTS]",
                        help="a part, as in 8xH200 or 'board=150'; may be repeated")  # fmt: skip
    parser.add_argument("--hours", type=amount, required=True, metavar="H", help="how long it runs")
    parser.add_argument("--utilisation", type=_share, metavar="U", help="fraction of the design power, from 0 to 1")
    add_place(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.carbon.estimate import Estimate
    from smaragdine.carbon.hardware import find
    from smaragdine.carbon.place import region_told
    from smaragdine.carbon.pue import Pue
    from smaragdine.cli.statement import place_of

    parts = tuple(find(name, count) for name, count in map(_counted, args.hardware))
    estimate = Estimate(parts, args.hours, args.utilisation)
    pue = Pue.of(args.pue)
    told = region_told(args.region)
    place = place_of(args, told[0] if told else None, pue, [])
    (_json if args.output_format == "json" else _text)(estimate, place, pue)
    return 0


def _share(text: str) -> float:
    value = amount(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no fraction from 0 to 1")
    return value


def _counted(text: str) -> tuple[str, int]:
    """`8xH200` as the name and how many."""
    if (match := _COUNT.match(text)) and int(match[1]) > 0:
        return text[match.end() :], int(match[1])
    return text, 1


def _text(estimate: Estimate, place: Place | None, pue: Pue) -> None:
    from smaragdine.carbon import pue as presets
    from smaragdine.carbon.digits import grams, rounded
    from smaragdine.carbon.facts import NO_PLACE
    from smaragdine.cli.terminal import tell

    low, high = estimate.low_kwh * pue.factor, estimate.high_kwh * pue.factor
    tell(NOTE, "yellow")
    for part in estimate.hardware:
        tell(f"hardware          {part.count} × {part.name}, {part.tdp_w:g} W each ({part.source})")
    used = "a third to all" if estimate.utilisation is None else f"{estimate.utilisation:g}"
    guess = _range(low, high, lambda value: f"{rounded(value, 2)} kWh")
    tell(f"guess             {guess} in {estimate.hours:g} h, at {used} of the design power")
    tell(f"PUE               {pue.factor:g} ({pue.source}){f'; {presets.hint()}' if pue.assumed else ''}")
    if place is None:
        tell(f"CO2e              {NO_PLACE}")
        return
    row = place.intensity
    ends = place.range_g_per_kwh or (row.g_per_kwh, row.g_per_kwh)
    tell(f"region            {place.name} ({place.code})")
    tell(f"carbon intensity  {rounded(row.g_per_kwh, row.digits)} g CO2e/kWh, {row.origin}")
    tell(f"CO2e              {_range(low * ends[0], high * ends[1], lambda value: grams(value, min(2, row.digits)))}")


def _range(low: float, high: float, form: object) -> str:
    assert callable(form)
    return str(form(high)) if low == high else f"{form(low)} to {form(high)}"


def _json(estimate: Estimate, place: Place | None, pue: Pue) -> None:
    from smaragdine.carbon.estimate import SOURCE
    from smaragdine.cli.table import write_json

    content: dict[str, object] = {
        "guess": NOTE,
        "method": SOURCE,
        "hardware": [
            {"name": part.name, "count": part.count, "tdp_w": part.tdp_w, "source": part.source}
            for part in estimate.hardware
        ],
        "hours": estimate.hours,
        "utilisation": estimate.utilisation,
        "pue": pue.factor,
        "energy_low_kwh": estimate.low_kwh * pue.factor,
        "energy_high_kwh": estimate.high_kwh * pue.factor,
        "region": None,
        "emissions_low_kg": None,
        "emissions_high_kg": None,
    }
    if place is not None:
        row = place.intensity
        ends = place.range_g_per_kwh or (row.g_per_kwh, row.g_per_kwh)
        content |= {
            "region": place.code,
            "intensity_g_per_kwh": row.g_per_kwh,
            "intensity_source": row.origin,
            "emissions_low_kg": estimate.low_kwh * pue.factor * ends[0] / 1000,
            "emissions_high_kg": estimate.high_kwh * pue.factor * ends[1] / 1000,
        }
    write_json(content)
