"""Programs of two processes, each rank of which leaves a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from smaragdine.trace.trace import Trace


def torchrun(script: str, output: Path, arguments: Iterable[str]) -> Path:
    """Runs a script of this folder by two processes over gloo, to its end; returns `output`."""
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1]), str(here.parents[1] / "python"), os.environ.get("PYTHONPATH", "")]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, *launch, str(here / script), str(output), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return output


def ranks(trained: Path, way: str) -> list[Trace]:
    found = sorted((trained / way).glob("host=*/rank=*"))
    assert [path.name for path in found] == ["rank=0", "rank=1"]
    return [Trace.open(path) for path in found]
