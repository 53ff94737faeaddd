"""The footprint of a trace, as it was accounted, and how much of the run it covers."""

from __future__ import annotations

from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.ledger import Ledger
from smaragdine.accounts.notice import notice
from smaragdine.accounts.row import FootprintRow
from smaragdine.accounts.words import NO_LAYER
from smaragdine.errors import damaged
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.tables import Tables


def footprint_of(accounting: Accounting, policy: str) -> Footprint:
    """Of the traced steps. Raises SmaragdineError: a policy that is not there, a table that contradicts another."""
    rows = _rows(accounting.tables, policy)
    return Footprint(rows, policy, _coverage(accounting, rows, accounting.ledger(policy)))


def _rows(tables: Tables, policy: str) -> tuple[FootprintRow, ...]:
    rows = tables.rows(
        "select f.op, o.qtn, o.layer, o.type, o.phase, f.device, f.basis, f.energy_j, f.energy_low_j, "
        "f.energy_high_j, f.time_s, f.count from footprint f left join ops o using (op) where f.policy = ? "
        "order by f.op, f.device, f.basis",
        policy,
    )
    nameless = next((row[0] for row in rows if row[1] is None), None)
    if nameless is not None:
        raise damaged(tables.directory, f"footprint.parquet has operation {nameless}, ops.parquet does not")
    return tuple(FootprintRow(*row) for row in rows)


def _coverage(accounting: Accounting, rows: tuple[FootprintRow, ...], ledger: Ledger) -> Coverage:
    metadata = accounting.metadata
    # What trace.json tells of steps is the daemon's count; that they are sound shows only in their table.
    accounting.tables.check("steps")
    told = metadata.coverage
    time_s = sum(row.time_s for row in rows)
    with_layer_s = sum(row.time_s for row in rows if row.layer and row.layer != NO_LAYER)
    return Coverage(
        steps=told.steps,
        traced_steps=told.traced_steps or 0,
        steps_s=told.steps_s or 0.0,
        traced_s=told.traced_s or 0.0,
        operations=ledger.entry("operations"),
        application=ledger.entry("application"),
        layered_share=with_layer_s / time_s if time_s > 0 else None,
        modelled=metadata.modelled,
        notice=notice(metadata.domains),
        cut=metadata.cut,
        refused=metadata.refused if ledger.policy == "deconvolved" else (),
    )
