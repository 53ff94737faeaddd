"""Equal share by DuckDB, as one query over the same files: what a database makes of the same join.

Events and readings become instants of their device; sums over them say how many lanes computed or copied, how much
power there was, and so what one lane drew up to each instant; an event took what was drawn at its end less that at its
start.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import duckdb

NAME = "DuckDB, the same equal share of the same files"
# Sums over millions of instants round otherwise than a sweep does.
TOLERANCE = 1e-6

_QUERY = """
with spans as (
    select op, device, kind = 'copy' as copies, start_ns, end_ns
    from read_parquet('{trace}/events.parquet') where kind in ('compute', 'copy')
), powers as (
    select device, start_ns, end_ns, energy_j * app_share / (end_ns - start_ns) as j_per_ns
    from read_parquet('{trace}/readings.parquet') join domains using (domain)
), changes as (
    select device, start_ns as at_ns, (not copies)::int as computing, copies::int as copying, 0.0 as j_per_ns from spans
    union all select device, end_ns, -(not copies)::int, -copies::int, 0.0 from spans
    union all select device, start_ns, 0, 0, j_per_ns from powers
    union all select device, end_ns, 0, 0, -j_per_ns from powers
), instants as (
    select device, at_ns, sum(computing) as computing, sum(copying) as copying, sum(j_per_ns) as j_per_ns
    from changes group by all
), stretches as (
    select device, at_ns, sum(computing) over since as computing, sum(copying) over since as copying,
        sum(j_per_ns) over since * (lead(at_ns) over since - at_ns) as energy_j
    from instants window since as (partition by device order by at_ns)
), drawn as (
    select device, at_ns,
        sum(case when computing > 0 then energy_j / computing else 0 end) over before as computed_j,
        sum(case when computing = 0 and copying > 0 then energy_j / copying else 0 end) over before as copied_j
    from stretches
    window before as (partition by device order by at_ns rows between unbounded preceding and 1 preceding)
)
select op, spans.device, sum(case when copies then ended.copied_j - coalesce(began.copied_j, 0)
    else ended.computed_j - coalesce(began.computed_j, 0) end) as energy_j
from spans
join drawn as began on began.device = spans.device and began.at_ns = spans.start_ns
join drawn as ended on ended.device = spans.device and ended.at_ns = spans.end_ns
group by op, spans.device
"""


def equal_share(trace: Path) -> dict[tuple[int, str], float]:
    """Joules by operation and device. Every step must have been traced, and every share be known."""
    metadata = json.loads((trace / "trace.json").read_text(encoding="utf-8"))
    counted = [(domain["name"], domain["device"]) for domain in metadata["domains"] if domain["counted"]]
    with duckdb.connect() as connection:
        connection.execute("create table domains (domain varchar, device varchar)")
        connection.executemany("insert into domains values (?, ?)", counted)
        rows = connection.execute(_QUERY.format(trace=trace)).fetchall()
    return {(op, device): energy_j for op, device, energy_j in rows}


def events(trace: Path) -> int:
    """How many it has."""
    with duckdb.connect() as connection:
        ((count,),) = connection.execute(f"select count(*) from read_parquet('{trace}/events.parquet')").fetchall()
    return int(count)


def timed(trace: Path) -> float:
    """Seconds that it takes; raises `ValueError` where it comes to something else than the trace's own footprint."""
    began = time.perf_counter()
    found = equal_share(trace)
    took_s = time.perf_counter() - began
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select op, device, energy_j from read_parquet('{trace}/footprint.parquet') where policy = 'equal'"
        ).fetchall()
    footprint = {(op, device): energy_j for op, device, energy_j in rows}
    if not footprint or off(found, footprint) > TOLERANCE:
        raise ValueError(
            f"DuckDB's joules are off by {off(found, footprint):.1e} from those of {trace}/footprint.parquet"
        )
    return took_s


def off(found: dict[tuple[int, str], float], footprint: dict[tuple[int, str], float]) -> float:
    """The largest difference, relative to the mean of an operation."""
    if not footprint:
        return float("inf")
    mean_j = sum(footprint.values()) / len(footprint)
    keys = {*found, *footprint}
    return max(abs(found.get(key, 0.0) - footprint.get(key, 0.0)) for key in keys) / mean_j
