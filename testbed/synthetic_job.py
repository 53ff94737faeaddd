"""Jobs made up of traces whose sums are known: each rank's registers are those of every other rank's on its host."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb

from smaragdine.files.ranks import place
from smaragdine.trace.seal import SEAL, seal
from testbed import synthetic_trace
from testbed.sealed import seal_trace


def rank(job: Path, number: int, host: str = "a", *, boot: str | None = None, attempt: int = 1, **told: Any) -> Path:
    """A trace of one rank; `told` are fields of its `trace.json`."""
    folder = job / f"host={host}" / f"rank={number}" / (f"attempt={attempt}" if attempt > 1 else "")
    labels = {"host": host, "rank": str(number), "world_size": "2", "job": "4711", **told.pop("labels", {})}
    overrides = {"labels": labels, "host": {"name": host, "boot_id": boot or f"boot-{host}"}, **told}
    return synthetic_trace.write(folder, overrides=overrides)


def many(job: Path, ranks: int, *, per_host: int = 8, layers: int = 1) -> Path:
    """As many ranks as asked for, quickly: their tables are links to the same files."""
    first = synthetic_trace.write(job.with_name(f"{job.name}-one"), synthetic_trace.Program.bert(layers), steps=10)
    fields = json.loads((first / "trace.json").read_text())
    fields.pop(SEAL)
    for number in range(ranks):
        host = f"node-{number // per_host}"
        folder = job / place(host, number)
        folder.mkdir(parents=True)
        for table in first.glob("*.parquet"):
            os.link(table, folder / table.name)
        labels = {"host": host, "job": "4711", "rank": str(number), "world_size": str(ranks)}
        told = {**fields, "labels": labels, "host": {"name": host, "boot_id": f"boot-{host}"}}
        (folder / "trace.json").write_text(json.dumps({**told, SEAL: seal(told)}))
    return job


def scale(folder: Path, factor: float) -> None:
    """Another machine's registers: everything that the trace tells of energy, by a factor."""
    for table in ("readings", "ledger", "footprint", "footprint_domains"):
        file = str(folder / f"{table}.parquet").replace("'", "''")
        with duckdb.connect() as connection:
            connection.execute(f"create table t as from read_parquet('{file}', hive_partitioning=false)")
            connection.execute("update t set energy_j = energy_j * ?", [factor])
            connection.table("t").write_parquet(str(folder / f"{table}.parquet"))
    seal_trace(folder)


def changed(folder: Path, table: str, *statements: str) -> None:
    """The table `t` of one trace after `statements`, sealed as if it had been recorded so."""
    file = str(folder / f"{table}.parquet").replace("'", "''")
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from read_parquet('{file}', hive_partitioning=false)")
        for statement in statements:
            connection.execute(statement)
        connection.table("t").write_parquet(str(folder / f"{table}.parquet"))
    seal_trace(folder)
