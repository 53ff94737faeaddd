"""Ranks of a job as processes of their own, on machines that are simulated where it has several."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from smaragdine import Job
from testbed.hardware import Tree, powercap_tree
from tests.support.served import Recorded, wait_until

PROGRAM = """
import os, pathlib, sys, time, smaragdine
output, size = pathlib.Path(sys.argv[1]), int(os.environ["WORLD_SIZE"])
with smaragdine.record(output, require_measured=True) as recording:
    # Ranks of a job run at the same time, however slowly some of them start.
    while len(list(output.glob("host=*/rank=*/trace.json"))) < size:
        time.sleep(0.01)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        with recording.step(samples=4):
            sum(range(20_000))
"""


def start(
    output: Path, rank: int, size: int, tree: Tree, host: str, seconds: float, node: Sequence[str] = (), **told: str
) -> subprocess.Popen[bytes]:
    """A rank that takes steps for so many seconds; `node` is what makes of its process one of another machine."""
    environment = {
        "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": "0", "NODE_NAME": host,
        "SMARAGDINE_POWERCAP_ROOT": str(tree.root), **told,
    }  # fmt: skip
    command = [*node, sys.executable, "-c", PROGRAM, str(output), str(seconds)]
    return subprocess.Popen(command, env={**os.environ, **environment})


@cache
def may_unshare() -> bool:
    """Whether this user may have namespaces of mounts, network and host name."""
    command = ["unshare", "--mount", "--net", "--uts", "true"]
    try:
        return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def record_on_two_nodes(folder: Path, *, per_node: int = 4, seconds: float = 2.0, unshared: bool) -> Path:
    """A job of two nodes, each with a boot id, and a tree of registers that move, of its own; checks both registers.

    `unshared`: each rank has namespaces of mounts, network and host name. Else the daemon is told another root of
    /proc, in which there is nothing but a boot id, so that shares are not known.
    """
    output, size = folder / "job", 2 * per_node
    with ExitStack() as stack:
        trees = [stack.enter_context(powercap_tree(folder / f"tree-{node}")) for node in range(2)]
        ranks = []
        for number in range(size):
            node = number // per_node
            root = folder / f"proc-{node}"
            boot_id = root / "sys" / "kernel" / "random" / "boot_id"
            boot_id.parent.mkdir(parents=True, exist_ok=True)
            boot_id.write_text(f"{str(node) * 8}-0000-4000-8000-000000000000\n")
            mount = f'hostname node-{node} && mount --bind "{boot_id}" /proc/sys/kernel/random/boot_id && exec "$@"'
            apart = ["unshare", "--mount", "--net", "--uts", "sh", "-c", mount, "sh"] if unshared else []
            told = {} if unshared else {"SMARAGDINE_PROC_ROOT": str(root)}
            ranks.append(start(output, number, size, trees[node], f"node-{node}", seconds, apart, **told))
        codes = [rank.wait(timeout=300) for rank in ranks]
        assert codes == [0] * size
        job = Job.open(output)
        for node, tree in enumerate(trees):
            assert_whole(job, tree, f"node-{node}")
    assert {part.metadata.host.boot_id for part in job.parts} == {
        f"{str(node) * 8}-0000-4000-8000-000000000000" for node in range(2)
    }
    return output


def assert_whole(job: Job, tree: Tree, host: str) -> float:
    """The job's readings of a host's package are what the register gained, from its first reading's end to its last's.

    Of the two reads at the ends it is known between which instants they were made. Returns joules.
    """
    parts = [Recorded(part.path) for part in job.parts if part.host == host]
    edge = "select arg_{}([read_start_ns, read_end_ns, end_ns], start_ns) from {{readings}} where domain = 'package-0'"
    firsts = [part.sql(edge.format("min"))[0][0] for part in parts]
    lasts = [part.sql(edge.format("max"))[0][0] for part in parts]
    first = min(range(len(parts)), key=lambda number: firsts[number][2])
    last = max(range(len(parts)), key=lambda number: lasts[number][2])
    edges = [
        (read[0] - parts[number].metadata["realtime_offset_ns"], read[1] - parts[number].metadata["realtime_offset_ns"])
        for number, read in ((first, firsts[first]), (last, lasts[last]))
    ]
    wait_until(lambda: tree.truth.until_ns > edges[1][1])
    least_j, most_j = tree.truth.bounds_j("intel-rapl:0", *edges)
    readings = job.readings[f"{host}/package-0"]
    told_j = readings.total_j - float(readings.energy_j[0])
    assert 0.999 * least_j <= told_j <= 1.001 * most_j, (least_j, told_j, most_j)
    assert (readings.start_ns[1:] == readings.end_ns[:-1]).all()
    return readings.total_j
