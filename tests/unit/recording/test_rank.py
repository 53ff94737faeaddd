"""A process knows which of a job's it is from its launcher, and believes no half of it."""

from __future__ import annotations

import json
import socket
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smaragdine.recording.rank import Rank

HOST = socket.gethostname()
CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


def tf_config(task: str, index: object, cluster: object = CLUSTER) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": task, "index": index}})}


SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_JOB_ID": "4711",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "none"},
            Rank(HOST, 3, 1, 8),
        ),
        (
            {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            Rank(HOST, 2, 0, 4),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "2", "PBS_JOBID": "9.head"}, Rank(HOST, 1, None, 2, "9.head")),
        (SLURM, Rank(HOST, 5, 1, 8, "4711")),
        ({"JOB_COMPLETION_INDEX": "4", "JOB_NAME": "bert", "NODE_NAME": "node-7"}, Rank("node-7", 4, job="bert")),
        ({"SMARAGDINE_RANK": "0", "SMARAGDINE_WORLD_SIZE": "2", "SMARAGDINE_JOB": "x"}, Rank(HOST, 0, None, 2, "x")),
        (tf_config("chief", 0), Rank(HOST, 0, None, 4)),
        (tf_config("worker", 1), Rank(HOST, 2, None, 4)),
        (tf_config("ps", 0), Rank(HOST, 3, None, 4)),
        # It evaluates beside the cluster.
        (tf_config("evaluator", 0), Rank(HOST, 4, None, 4)),
    ],
)
def test_each_launcher_is_understood(environment: dict[str, str], expected: Rank) -> None:
    assert Rank.told(environment) == expected


def test_what_a_launcher_starts_within_another_tells() -> None:
    told = Rank.told({**SLURM, "RANK": "11", "WORLD_SIZE": "16", "LOCAL_RANK": "3", "TORCHELASTIC_RUN_ID": "abc"})
    assert told == Rank(HOST, 11, 3, 16, "4711")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"RANK": "8", "WORLD_SIZE": "8"},
        {"RANK": "-1", "WORLD_SIZE": "8"},
        {"RANK": "first", "WORLD_SIZE": "8"},
        {"RANK": "٣", "WORLD_SIZE": "8"},
        {"RANK": "1" * 5000, "WORLD_SIZE": "8"},
        # A batch script runs once, however many tasks its job has.
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "4711"},
        # An interactive step
        {**SLURM, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[" * 100_000},
        {"TF_CONFIG": '{"cluster": 3, "task": {"type": "worker", "index": 0}}'},
        tf_config("worker", 2),
        tf_config("worker", -1),
        tf_config("worker", 0, {"worker": ["alone:1"]}),
    ],
)
def test_a_process_that_is_alone_or_told_nonsense_is_no_rank(environment: dict[str, str]) -> None:
    assert Rank.told(environment) is None


def test_what_jax_was_initialised_with_is_believed_and_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    state = SimpleNamespace(client=object(), process_id=1, num_processes=2)
    monkeypatch.setitem(sys.modules, "jax._src.distributed", SimpleNamespace(global_state=state))  # type: ignore[arg-type]
    assert Rank.told({}) == Rank(HOST, 1, None, 2)
    state.client = None
    assert Rank.told({}) is None


def test_labels_tell_what_is_known_alone() -> None:
    assert Rank("a", 0, None, 2).labels == {"host": "a", "rank": "0", "world_size": "2"}


@given(host=st.text(min_size=1, max_size=60), rank=st.integers(0, 10**6))
def test_a_folder_is_two_steps_below_whatever_a_host_is_called(host: str, rank: int) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in host):
        return
    first, second = Rank(host, rank).folder.parts
    assert first.startswith("host=") and "/" not in first and "\0" not in first
    assert second == f"rank={rank}"
