"""Who spends the energy, by each policy, and what the paper's rule cannot tell apart.

Twice over the events of one recording of BERT: with its own readings, and with readings whose power is known.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import POWERS, WAVEFORM, Claim, Finding
from experiments.paper.known import FLOOR_W, OTHER_W, PRODUCT_W, PRODUCTS, with_known_powers
from experiments.paper.released import released
from experiments.paper.thinning import account, replaced
from smaragdine import Footprint, Trace, figures
from smaragdine.accounts.correlation import spearman
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.accounts.quantity import percent
from smaragdine.accounts.row import FootprintRow
from smaragdine.figures import theme
from smaragdine.similarity import stefs

POLICIES = ("equal", "recency", "released", "deconvolved")
TRUTH = "truth"
TOP = 10
# A policy tells powers apart that shows at least so much of their contrast, …
TOLD_APART = 0.8
# … and hides it below.
HIDDEN = 0.5

_KNOWN = f"products draw {PRODUCT_W:g} W, all else {OTHER_W:g} W beside a floor of {FLOOR_W:g} W"
FLAT = Claim(
    "Below the length of a reading the paper's rule hides what operations draw", "beyond the paper", "–", "method"
)
SEPARATED = Claim("Deconvolution tells apart what the paper's rule hides", "beyond the paper", "–", "method")
SAME_SUM = Claim("The published code adds up what the paper's algorithm says", "§3.3, Algorithm 2", "–", "method")
REFUSED = Claim("Deconvolution is refused where power does not follow operations", "beyond the paper", "–", "method")
# Energy that two sums place alike but for rounding at the edges of readings.
SAME = 0.05


@dataclass(frozen=True)
class Score:
    """How far a policy is from the truth."""

    error: float
    """Energy that is with another operation than in truth, as a share of all."""
    contrast: float
    """Power of products ÷ power of all else."""


def conduct(bench: Bench) -> list[Finding]:
    trace = bench.runs(bench.known_power, 1).traces[0]
    own = basis(trace)
    told = accounted(trace, bench)
    tables = dict(zip(told, stefs([_one(footprint) for footprint in told.values()]), strict=True))
    _show(bench, "rankings", tables)
    for policy, footprint in told.items():
        bench.figure(f"stef-{policy}", figures.ranking(footprint, TOP, kind="stef"))

    path, truth = with_known_powers(trace, bench.folder / "known")
    replayed = Trace.open(path)
    known = accounted(replayed, bench)
    known[TRUTH] = with_energy(known["equal"], truth)
    # Of the domain that has readings; the others have none to solve from.
    refused = tuple(one for one in known["deconvolved"].coverage.refused if one[0] in replayed.readings)
    scores = {policy: score(footprint, known[TRUTH]) for policy, footprint in known.items()}
    _show(bench, "rankings-known", dict(zip(known, stefs([_one(one) for one in known.values()]), strict=True)))
    bench.table(
        "known",
        ("policy", "misplaced energy", "products' power ÷ others'"),
        [(policy, one.error, one.contrast) for policy, one in scores.items()],
    )
    bench.figure("known", draw(scores), picture=True)
    return [
        *_findings(scores, refused, misplaced(known["released"], known["recency"]), _lengths(trace)),
        _of_a_waveform(told["deconvolved"], own, solvable=not refused),
    ]


def accounted(trace: Trace, bench: Bench) -> dict[str, Footprint]:
    """The trace's footprint by each policy; a copy is accounted, for traces are shared."""
    copy = bench.folder / "accounted" / trace.path.name
    replaced(trace, copy)
    for policy in POLICIES:
        if policy != "released":
            account(copy, policy)
    opened = Trace.open(copy)
    return {policy: released(opened) if policy == "released" else opened.footprint(policy) for policy in POLICIES}


def with_energy(footprint: Footprint, energies_j: Mapping[int, float]) -> Footprint:
    rows = tuple(replace(row, energy_j=energies_j.get(row.op or 0, 0.0)) for row in footprint.rows)
    return replace(footprint, rows=rows)


def score(footprint: Footprint, truth: Footprint) -> Score:
    products = [row for row in footprint.rows if row.type in PRODUCTS]
    rest = [row for row in footprint.rows if row.type not in PRODUCTS]
    return Score(misplaced(footprint, truth), _power_w(products) / _power_w(rest))


def misplaced(one: Footprint, other: Footprint) -> float:
    """The share of all energy that one has with other operations, whatever both add up to."""
    tables = [{(row.op, row.device): row.energy_j for row in footprint.rows} for footprint in (one, other)]
    totals = [sum(table.values()) for table in tables]
    # What one operation has too much another has too little: half of all differences is misplaced.
    return sum(abs(tables[0][key] / totals[0] - tables[1][key] / totals[1]) for key in tables[0]) / 2


def _power_w(rows: list[FootprintRow]) -> float:
    return sum(row.energy_j for row in rows) / sum(row.time_s for row in rows)


def _one(footprint: Footprint) -> RunsFootprint:
    return RunsFootprint((footprint,))


def _show(bench: Bench, name: str, tables: Mapping[str, Mapping[str, float]]) -> None:
    """The tensors that any policy ranks among the first, with their rank by each; ranks correlate below."""
    ranks = {
        policy: {tensor: rank for rank, tensor in enumerate(sorted(table, key=lambda t: -table[t]), 1)}
        for policy, table in tables.items()
    }
    first = next(iter(tables))
    tops = {tensor for of in ranks.values() for tensor, rank in of.items() if rank <= TOP}
    rows = [
        (tensor, *(of.get(tensor) for of in ranks.values()))
        for tensor in sorted(tops, key=lambda tensor: ranks[first].get(tensor, len(tops)))
    ]
    names = sorted(tables[first])
    alike = [
        spearman([tables[first].get(n, 0.0) for n in names], [t.get(n, 0.0) for n in names]) for t in tables.values()
    ]
    bench.table(name, ("rank of", *tables), [*rows, (f"rank correlation with {first}", *alike)])


def _of_a_waveform(footprint: Footprint, own: str, *, solvable: bool) -> Finding:
    """Registers that follow a waveform of their own are the case; a sensor is not.

    Refusal says something only of events and readings that are enough to solve where power does follow operations.
    """
    refused = footprint.coverage.refused
    return REFUSED.found(_said(refused), own, bool(refused) if own == WAVEFORM and solvable else None)


def draw(scores: Mapping[str, Score]) -> go.Figure:
    figure = go.Figure()
    figure.add_bar(
        x=list(scores),
        y=[one.contrast for one in scores.values()],
        text=[
            f"×{one.contrast:.2f}" + (f"<br>{percent(one.error)} misplaced" if policy != TRUTH else "")
            for policy, one in scores.items()
        ],
        textposition="outside",
        cliponaxis=False,
        marker={"color": [theme.PHASES["forward"] if policy == TRUTH else theme.MIXED for policy in scores]},
        showlegend=False,
    )
    return theme.dress(
        figure,
        "How many times the power of all else products draw, by policy",
        modelled=False,
        subtitle=_KNOWN,
        height=420,
        margin={"l": 60, "b": 56, "t": 60},
        xaxis={"type": "category"},
        yaxis=theme.axis("times", rangemode="tozero"),
    )


def _lengths(trace: Trace) -> str:
    """How long operations are against a reading."""
    median_us, short = trace.sql(
        "select median(end_ns - start_ns) / 1e3, avg((end_ns - start_ns < 4000000)::int) from events"
    ).fetchall()[0]
    return f"{percent(short)} of executions are shorter than a reading, the median {median_us:.0f} µs"


def _said(refused: tuple[tuple[str, str], ...]) -> str:
    return "; ".join(f"{domain} refused, {reason}" for domain, reason in refused) or "solved"


def _findings(
    scores: Mapping[str, Score], refused: tuple[tuple[str, str], ...], other: float, lengths: str
) -> list[Finding]:
    true = scores[TRUTH].contrast

    def shown(policy: str) -> float:
        return (scores[policy].contrast - 1) / (true - 1)

    def told(*policies: str) -> str:
        return ", ".join(
            f"{policy} ×{scores[policy].contrast:.2f} with {percent(scores[policy].error)} misplaced"
            for policy in policies
        )

    solved = f"{told('deconvolved')}, of ×{true:.2f}; equal share misplaces {percent(scores['equal'].error)}"
    apart = shown("deconvolved") >= TOLD_APART and scores["deconvolved"].error < scores["equal"].error / 2
    hidden = statistics.fmean((shown("equal"), shown("recency"))) < HIDDEN
    return [
        FLAT.found(f"{told('equal', 'recency')}, of ×{true:.2f}; {_KNOWN}; {lengths}", POWERS, hidden),
        SEPARATED.found(_said(refused) if refused else solved, POWERS, None if refused else apart),
        SAME_SUM.found(f"{percent(other)} of the energy is with other operations than by recency", POWERS,
                       other < SAME),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "policies", conduct))
