"""Times what is done with a job of many ranks: finding them, opening them as one, and opening what was merged.

Times are of this process's CPU and of the wall; on a busy machine the latter tell of its neighbours.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402

from smaragdine import Job  # noqa: E402
from smaragdine.trace.jobs.joined import write  # noqa: E402
from smaragdine.trace.jobs.part import Found, within  # noqa: E402
from testbed.synthetic_job import many  # noqa: E402

_T = TypeVar("_T")


def timed(what: str, call: Callable[[], _T]) -> _T:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = f"{time.process_time() - cpu:8.2f} s CPU {time.perf_counter() - wall:9.2f} s"
    print(f"  {what:58} {spent}   at most {peak_mib:,.0f} MiB so far", flush=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1000])
    options = parser.parse_args()
    # What a job of made-up shares has to tell is beside the point.
    logging.getLogger("smaragdine").setLevel(logging.ERROR)
    for ranks in options.ranks:
        with tempfile.TemporaryDirectory(prefix="smaragdine-many-") as directory:
            print(f"{ranks:,} ranks, 8 a host")
            job = timed("made here", lambda: many(Path(directory) / "job", ranks))  # noqa: B023 called at once
            found: Found = timed("found, and each trace.json checked against its seal", lambda: within(job))  # noqa: B023
            timed("merged: every table of every rank checked and added up", lambda: write(found, job))  # noqa: B023
            total = timed("opened as it was merged, and its ledger", lambda: Job.open(job).ledger().total)  # noqa: B023
            glob = f"{job}/host=*/rank=*/ledger.parquet"
            query = (
                f"select host, rank, sum(energy_j) from read_parquet('{glob}') where entry = 'operations' group by all"
            )
            rows = timed("DuckDB alone, joules of operations by rank", lambda: duckdb.execute(query).fetchall())  # noqa: B023
            print(f"  {total.measured_j:,.0f} J in the job's registers, {len(rows):,} ranks by DuckDB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
