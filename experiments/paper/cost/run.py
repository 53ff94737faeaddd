"""What accounting costs a training, in time and in energy (section 5.4.3)."""

from __future__ import annotations

import json
import sys

from experiments.overhead.run import Cell, measured
from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MEASURED, Claim, Finding
from experiments.paper.published import PUBLISHED
from smaragdine import Runs
from smaragdine.accounts.quantity import percent
from smaragdine.errors import SmaragdineError

_TIME, _ENERGY = (PUBLISHED["overhead_percent"][what] for what in ("time", "energy"))
# Of the application: entries of its own in the ledger, and what accounting adds to them.
OWN, ADDED = ("operations", "application", "untraced"), ("profiling", "daemon")

# An interval that also holds so much cost, in percent, does not show that there is none.
WIDEST = 2.0
BLOCK_S = 1.5

TIME = Claim("Accounting costs no time beyond the margin of error", "§5.4.3", f"{_TIME[0]} ± {_TIME[1]} %", "time")
ENERGY = Claim("Accounting costs no energy beyond 2 %", "§5.4.3", f"{_ENERGY[0]} ± {_ENERGY[1]} %")


def conduct(bench: Bench) -> list[Finding]:
    runs = bench.runs(bench.scale.default)
    own = basis(runs)
    cell = paired(bench)
    ratio, low, high = (100 * (cell["paired"][name] - 1) for name in ("ratio", "low", "high"))
    shares = [added_share(runs, index) for index in range(len(runs))]
    rows: list[tuple[object, ...]] = [("step time, on ÷ off", ratio, low, high)]
    rows.append(("own time and slower steps", 100 * cell["own"]["fraction"], None, None))
    rows += [(f"energy of daemon and profiler, run {run}", 100 * share, None, None) for run, share in enumerate(shares)]
    bench.table("cost", ("of", "%", "low", "high"), rows)
    return [
        TIME.found(
            f"{ratio:+.2f} %, 95 % interval {low:+.2f} … {high:+.2f} %, over {bench.scale.block_pairs} pairs of blocks "
            "with and without it, the demo's BERT in a session at the hook's defaults",
            MEASURED, verdict_of(low, high),
        ),
        ENERGY.found(f"daemon and profiler {percent(min(shares))} … {percent(max(shares))} of the application's, every "
                     "step traced", own, max(shares) <= 0.02),
    ]  # fmt: skip


def verdict_of(low: float, high: float) -> bool | None:
    """Whether no cost is within an interval of percent; None where the interval is too wide to say so."""
    return low <= 0 if low > 0 or high <= WIDEST else None


def paired(bench: Bench) -> Cell:
    """BERT in a session, as the experiment that measures overhead does it; kept once it was measured."""
    file = bench.folder / "cell.json"
    if not file.is_file():
        pairs = bench.scale.block_pairs
        try:
            cell = measured("bert", "hook", minutes=pairs / 40, blocks=pairs, block_s=BLOCK_S)
        except RuntimeError as error:
            raise SmaragdineError(str(error)) from None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(cell, indent=1) + "\n")
    kept: Cell = json.loads(file.read_text())
    return kept


def added_share(runs: Runs, index: int) -> float:
    """What the daemon and starting and stopping profilers took, as a share of what the application took."""
    ledger = runs.traces[index].ledger()
    own, added = (sum(row.energy_j for row in ledger if row.entry in entries) for entries in (OWN, ADDED))
    return added / own


if __name__ == "__main__":
    sys.exit(run(__doc__, "cost", conduct))
