"""What groups of an appendix differ in, and with what chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb

from smaragdine.accounts.chance import RESAMPLES, Chance, compare_all, p_text
from smaragdine.accounts.quantity import percent
from smaragdine.accounts.sample import Sample
from smaragdine.accounts.unit import Unit
from smaragdine.appendix.entry import slug
from smaragdine.appendix.grouped import Grouped
from smaragdine.appendix.sheet import Sheet
from smaragdine.carbon.digits import rounded
from smaragdine.text.table import Table

MOST_PAIRS = 300
_PLAIN = Unit("", 1.0)


@dataclass(frozen=True, slots=True)
class Differing:
    """One quantity, every pair of groups."""

    quantity: str
    sheet: Sheet


def all_of(groups: Sequence[Grouped], metrics: Sequence[str]) -> tuple[list[Differing], str | None]:
    """Of energy, time, metrics, and CO2e where intensities differ; and why there are none, where there are none."""
    if len(groups) < 2:
        return [], "There is one group: nothing to compare it with."
    if comb(len(groups), 2) > MOST_PAIRS:
        return (
            [],
            f"{len(groups)} groups make {comb(len(groups), 2):,} pairs, which would tell nobody anything: group fewer.",
        )
    found = []
    for name, unit, samples, why in _quantities(groups, metrics):
        pairs = compare_all(samples)
        if pairs:
            file = f"data/differences-{slug(name)}.csv"
            found.append(
                Differing(name, Sheet.of(file, _table(pairs, unit), _rows(pairs), notes=[*why, *_notes(pairs)]))
            )
    return found, None if found else "No two groups of one basis have runs that finished."


def _quantities(
    groups: Sequence[Grouped], metrics: Sequence[str]
) -> Iterator[tuple[str, Unit, Mapping[str, Sample], list[str]]]:
    several = len({group.basis for group in groups if group.kept}) > 1
    for basis in dict.fromkeys(group.basis for group in groups if group.kept):
        of = {group.name: group.energy_kwh for group in groups if group.basis == basis}
        pues = {pue for group in groups if group.basis == basis for pue in group.pues}
        why = ["PUEs differ, and energies include them."] if len(pues) > 1 else []
        yield f"energy{f', {basis}' if several else ''}", Unit.of_kwh(s.mean for s in of.values()), of, why
        grams = {group.name: group.kg for group in groups if group.basis == basis}
        sources = {entry.cost.source for group in groups for entry in group.kept}
        if len(sources - {None}) > 1:
            unit = Unit.of_kg(sample.mean for sample in grams.values())
            yield f"CO2e{f', {basis}' if several else ''}", unit, grams, []
    hours = {group.name: group.hours for group in groups}
    yield "duration", Unit.of_hours(sample.mean for sample in hours.values()), hours, []
    for metric in metrics:
        yield f"{metric}, last value", _PLAIN, {group.name: group.last(metric) for group in groups}, []


def _table(pairs: Sequence[Chance], unit: Unit) -> Table:
    """Without the columns in which nothing is known."""
    of = f", {unit.name}" if unit.name else ""
    headers = ("A → B", f"B − A{of}", "of A", "95 %, Welch", "95 %, bootstrap", "p, Welch", "p, Mann–Whitney",
               "p, permutation", "verdict")  # fmt: skip
    rows = []
    shared = _shared(pairs)
    for pair in pairs:
        sign = "+" if pair.difference > 0 else "−" if pair.difference < 0 else ""
        rows.append(
            (
                f"{pair.a} → {pair.b}",
                sign + unit.text(abs(pair.difference)),
                "–" if pair.ratio is None else sign + percent(abs(pair.ratio)),
                _interval(pair.welch, unit),
                _interval(pair.bootstrap, unit),
                _p(pair.p_welch, pair.holm_welch),
                _p(pair.p_mann_whitney, pair.holm_mann_whitney),
                _p(pair.p_permutation, pair.holm_permutation),
                pair.verdict + (f"; {pair.caveat}" if pair.caveat and not shared else ""),
            )
        )
    keep = [place for place in range(len(headers)) if any(row[place] != "–" for row in rows)]
    return Table(
        tuple(headers[place] for place in keep),
        tuple(tuple(row[place] for place in keep) for row in rows),
        frozenset(range(1, len(keep) - 1)),
    )


def _rows(pairs: Sequence[Chance]) -> list[dict[str, object]]:
    rows = []
    for pair in pairs:
        welch, bootstrap = pair.welch or (None, None), pair.bootstrap or (None, None)
        rows.append(
            {
                "a": pair.a, "b": pair.b, "n_a": pair.of_a.n, "n_b": pair.of_b.n,
                "mean_a": pair.of_a.mean, "mean_b": pair.of_b.mean, "difference": pair.difference,
                "ratio": pair.ratio, "welch_low": welch[0], "welch_high": welch[1],
                "bootstrap_low": bootstrap[0], "bootstrap_high": bootstrap[1],
                "p_welch": pair.p_welch, "p_mann_whitney": pair.p_mann_whitney, "p_permutation": pair.p_permutation,
                "holm_welch": pair.holm_welch, "holm_mann_whitney": pair.holm_mann_whitney,
                "holm_permutation": pair.holm_permutation, "verdict": pair.verdict, "caveat": pair.caveat,
            }
        )  # fmt: skip
    return rows


def _notes(pairs: Sequence[Chance]) -> Iterator[str]:
    tested = sum(pair.p_welch is not None for pair in pairs)
    if not tested:
        return
    many = "one comparison" if tested == 1 else f"{tested} comparisons"
    yield (
        f"p as it is → corrected for {many} by Holm, each test by itself. The verdict follows Welch’s at 0.05. "
        f"Permutations and bootstrap take {RESAMPLES:,} draws of a fixed seed, or all there are."
    )
    if shared := _shared(pairs):
        yield f"{shared[0].upper()}{shared[1:]}."
    if any(pair.few for pair in pairs if pair.p_welch is not None):
        yield "Bootstrap intervals of groups of fewer than five runs are too narrow."


def _shared(pairs: Sequence[Chance]) -> str | None:
    """What weakens every verdict alike is said once."""
    caveats = {pair.caveat for pair in pairs if pair.holm_welch is not None}
    return caveats.pop() if len(caveats) == 1 else None


def _interval(bounds: tuple[float, float] | None, unit: Unit) -> str:
    if bounds is None:
        return "–"
    return " … ".join(("−" if bound < 0 else "+") + rounded(abs(bound) * unit.factor, 3) for bound in bounds)


def _p(plain: float | None, corrected: float | None) -> str:
    if plain is None or corrected is None:
        return "–"
    return " → ".join(p_text(value).removeprefix("p ").removeprefix("= ") for value in (plain, corrected))
