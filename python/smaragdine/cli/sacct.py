"""What SLURM itself says that a job consumed: of whole nodes, where its site measures energy and keeps accounts."""

from __future__ import annotations

import re
import shutil
import subprocess

_JOB = re.compile(r"\d{1,12}(_\d{1,12})?", re.ASCII)
_PATIENCE_S = 10
# SLURM's words for a number that it has none of, in 32 and 64 bits.
_NO_VALUE = (2**32 - 2, 2**64 - 2)


def consumed_j(job: str) -> float | None:
    """Joules of the job's costliest step, which its batch script is if it has one; None where there is no `sacct`, it
    does not know the job, or it has measured nothing.

    Source: `ConsumedEnergyRaw`, https://slurm.schedmd.com/sacct.html
    """
    sacct = shutil.which("sacct")
    if sacct is None or not _JOB.fullmatch(job):
        return None
    command = [sacct, "--noheader", "--parsable2", f"--jobs={job}", "--format=ConsumedEnergyRaw"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = [int(line) for line in asked.stdout.split() if line.isascii() and line.isdigit() and len(line) < 21]
    return float(max((joules for joules in told if joules not in _NO_VALUE), default=0)) or None
