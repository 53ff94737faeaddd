"""Which of a job's processes this is, where its launcher tells."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import quote

# No job has more processes; a launcher that says so means something else.
_MOST = 10_000_000


class _Launcher(NamedTuple):
    """The environment variables by which a launcher tells; empty what it never tells."""

    rank: str
    world_size: str = ""
    local_rank: str = ""


# The first that tells a rank is believed: whoever starts processes within another launcher's sets its own beside.
_LAUNCHERS = (
    _Launcher("SMARAGDINE_RANK", "SMARAGDINE_WORLD_SIZE", "SMARAGDINE_LOCAL_RANK"),
    # torchrun, and what sets the same: Accelerate, DeepSpeed, Lightning
    _Launcher("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    # Open MPI
    _Launcher("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    # MPICH, Intel MPI and other users of Hydra
    _Launcher("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
    # A Kubernetes Job whose completion mode is Indexed
    _Launcher("JOB_COMPLETION_INDEX"),
)
# Told for the steps of a job alone: a batch script has SLURM_PROCID 0, too, and is no rank of what it starts.
_SLURM = _Launcher("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
_SLURM_STEP = "SLURM_STEP_ID"
# `TF_CONFIG` counts tasks by their type; TensorFlow's chief is the first worker.
_TASKS = ("chief", "master", "worker", "ps", "evaluator")
# Schedulers' names of a job come before launchers'.
_JOBS = ("SMARAGDINE_JOB", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_NAME", "TORCHELASTIC_RUN_ID")
# Kubernetes' downward API, where a pod's author asks for it: a pod's host name is that of the pod.
_NODE = "NODE_NAME"


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a job. What its launcher does not tell is None."""

    host: str
    rank: int
    local_rank: int | None = None
    world_size: int | None = None
    job: str | None = None

    @classmethod
    def told(cls, environment: Mapping[str, str] | None = None) -> Rank | None:
        """What the launcher tells by `environment`, this process's where None; None for a process that is alone.

        Understood: torchrun and what sets the same variables, Open MPI, MPICH, Kubernetes' indexed jobs, steps of SLURM
        jobs, `TF_CONFIG`, `jax.distributed`, and `SMARAGDINE_RANK` for any other.
        """
        told = os.environ if environment is None else environment
        numbers = _by_variables(told) or _by_tensorflow(told) or _by_jax()
        if numbers is None or numbers.world_size == 1:
            return None
        host = told.get(_NODE) or socket.gethostname()
        job = next((told[name] for name in _JOBS if told.get(name) not in (None, "", "none")), None)
        return cls(host, numbers.rank, numbers.local_rank, numbers.world_size, job)

    @property
    def labels(self) -> dict[str, str]:
        """What a trace's labels tell of it."""
        told = {
            "host": self.host,
            "job": self.job,
            "rank": self.rank,
            "local_rank": self.local_rank,
            "world_size": self.world_size,
        }
        return {name: str(value) for name, value in told.items() if value is not None}

    @property
    def folder(self) -> PurePath:
        """Where its trace lies within OUTPUT, in a form from which DuckDB, Spark and Polars read both values."""
        return PurePath(f"host={quote(self.host, safe='')}", f"rank={self.rank}")


class _Numbers(NamedTuple):
    rank: int
    world_size: int | None
    local_rank: int | None


def _by_variables(told: Mapping[str, str]) -> _Numbers | None:
    launchers = (*_LAUNCHERS, _SLURM) if told.get(_SLURM_STEP) else _LAUNCHERS
    for launcher in launchers:
        rank, size = _number(told, launcher.rank), _number(told, launcher.world_size)
        # Where a launcher tells how many there are, one that does not is another program's variable of that name.
        if rank is None or (launcher.world_size and (size is None or rank >= size)):
            continue
        return _Numbers(rank, size, _number(told, launcher.local_rank))
    return None


def _by_tensorflow(told: Mapping[str, str]) -> _Numbers | None:
    try:
        config = json.loads(told.get("TF_CONFIG") or "null")
        task, index = str(config["task"]["type"]), int(config["task"]["index"])
        cluster = {str(name): len(hosts) for name, hosts in config["cluster"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    before = [name for name in _TASKS if name in cluster]
    before += sorted(set(cluster) - set(_TASKS))
    # An evaluator stands beside the cluster, and is not among its tasks.
    earlier = before[: before.index(task)] if task in before else before
    if not 0 <= index < cluster.get(task, _MOST):
        return None
    return _Numbers(sum(cluster[name] for name in earlier) + index, sum(cluster.values()), None)


def _by_jax() -> _Numbers | None:
    """What `jax.distributed.initialize` was told or found; asking JAX itself would start its backends."""
    state = getattr(sys.modules.get("jax._src.distributed"), "global_state", None)
    rank, size = getattr(state, "process_id", None), getattr(state, "num_processes", None)
    if getattr(state, "client", None) is None or not isinstance(rank, int) or not isinstance(size, int):
        return None
    return _Numbers(rank, size, None)


def _number(told: Mapping[str, str], name: str) -> int | None:
    text = told.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 8 and int(text) < _MOST else None
