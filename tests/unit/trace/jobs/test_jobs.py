"""A job of many traces is one: each register once, applications added, and what is missing told."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from smaragdine import Job, Trace
from smaragdine.cli import main
from smaragdine.errors import TraceError, UsageError
from testbed import synthetic_trace
from testbed.synthetic_job import rank, scale


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Two ranks of one host, which saw the same."""
    for number in range(2):
        rank(tmp_path / "job", number)
    return tmp_path / "job"


def energies(trace: Trace) -> dict[str, float]:
    return {row.entry: row.energy_j for row in trace.ledger() if row.domain.endswith("package-0")}


def test_two_ranks_of_a_host_hold_its_register_once_and_both_applications(job: Path) -> None:
    one, both = Trace.open(job / "host=a" / "rank=0"), Job.open(job)
    assert both.ledger().total["measured"] == pytest.approx(one.ledger().total["measured"], rel=1e-9)
    assert both.ledger().domains == ("a/package-0", "a/dram-0")
    alone, together = energies(one), energies(both)
    for entry in ("operations", "application", "untraced", "profiling"):
        assert together[entry] == pytest.approx(2 * alone[entry], rel=1e-9)
    assert sum(together.values()) == pytest.approx(sum(alone.values()), rel=1e-9)


def test_two_hosts_hold_both_registers(tmp_path: Path) -> None:
    for number, host in enumerate("ab"):
        rank(tmp_path / "job", number, host)
    one, both = Trace.open(tmp_path / "job/host=a/rank=0"), Job.open(tmp_path / "job")
    assert both.ledger().total["measured"] == pytest.approx(2 * one.ledger().total["measured"], rel=1e-9)
    assert both.ledger().over_hosts().domains == ("package-0", "dram-0")
    assert both.ledger().over_hosts().total["measured"] == pytest.approx(both.ledger().total["measured"], rel=1e-12)


def test_a_footprint_adds_operations_by_name_and_closes_with_the_ledger(job: Path) -> None:
    one, both = Trace.open(job / "host=a" / "rank=0"), Job.open(job)
    of_one = [(row.qtn, row.device, row.count, row.energy_j) for row in one.footprint()]
    of_both = [(row.qtn, row.device, row.count, row.energy_j) for row in both.footprint()]
    assert [row[:2] for row in of_both] == [row[:2] for row in of_one]
    assert [row[2] for row in of_both] == [2 * row[2] for row in of_one]
    assert [row[3] for row in of_both] == pytest.approx([2 * row[3] for row in of_one], rel=1e-9)
    assert sum(row[3] for row in of_both) == pytest.approx(both.ledger().entry("operations")["measured"], rel=1e-9)
    # A step of a job is one of each rank, and so is what it takes; a sample is a sample.
    assert both.footprint(per="step").total["measured"] == pytest.approx(
        2 * one.footprint(per="step").total["measured"], rel=1e-9
    )
    assert both.footprint(per="sample").total["measured"] == pytest.approx(
        one.footprint(per="sample").total["measured"], rel=1e-9
    )
    assert both.edd("forward").find("bert/encoder/layer_0").energy_j == pytest.approx(
        2 * one.edd("forward").find("bert/encoder/layer_0").energy_j, rel=1e-9
    )


def test_ranks_with_operations_of_their_own_keep_them(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    other = synthetic_trace.Program()
    other.op("head/dense", "MatMul", 1.0)
    folder = tmp_path / "job" / "host=a" / "rank=1"
    synthetic_trace.write(folder, other, overrides={"host": {"name": "a", "boot_id": "boot-a"}})
    names = {row.qtn for row in Job.open(tmp_path / "job").footprint()}
    assert "head/dense/MatMul" in names
    assert "bert/pooler/dense/MatMul" in names


def test_a_merged_job_is_the_same_to_everybody_who_opens_it(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Job.open(job)
    assert main(["merge", str(job)]) == 0
    assert "most above mean" in capsys.readouterr().out
    after = Trace.open(job)
    assert after.ledger().rows == before.ledger().rows
    assert after.footprint().rows == before.footprint().rows
    assert (job / "ledger.parquet").exists()


def test_traces_of_anywhere_are_merged_into_a_folder_of_their_own(tmp_path: Path, job: Path) -> None:
    traces = [str(job / "host=a" / f"rank={number}") for number in range(2)]
    assert main(["merge", *traces, "-o", str(tmp_path / "sum")]) == 0
    assert Trace.open(tmp_path / "sum").ledger().rows == Trace.open(job).ledger().rows
    assert (tmp_path / "sum" / "host=a" / "rank=1" / "readings.parquet").exists()
    assert main(["merge", *traces, "-o", str(tmp_path / "sum")]) == 2
    assert main(["merge", *traces]) == 2


def test_a_table_that_spark_wrote_in_parts_is_copied_as_a_whole(tmp_path: Path, job: Path) -> None:
    traces = [job / "host=a" / f"rank={number}" for number in range(2)]
    events = (traces[0] / "events.parquet").read_bytes()
    (traces[0] / "events.parquet").unlink()
    (traces[0] / "events.parquet").mkdir()
    (traces[0] / "events.parquet" / "part-0.parquet").write_bytes(events)
    assert main(["merge", *map(str, traces), "-o", str(tmp_path / "sum")]) == 0
    query = "select rank, count(*) from events group by all order by all"
    assert Job.open(tmp_path / "sum").sql(query).fetchall() == Job.open(job).sql(query).fetchall()


def test_a_file_of_somebody_elses_in_a_tables_place_is_not_handed_on(tmp_path: Path, job: Path) -> None:
    (tmp_path / "secret").write_text("a key")
    planted = job / "host=a" / "rank=1" / "events.parquet"
    planted.unlink()
    planted.symlink_to(tmp_path / "secret")
    traces = [str(job / "host=a" / f"rank={number}") for number in range(2)]
    assert main(["merge", *traces, "-o", str(tmp_path / "sum")]) == 2
    assert not any(path.is_file() and path.read_bytes() == b"a key" for path in (tmp_path / "sum").rglob("*"))


def test_a_part_that_changed_is_merged_anew_and_that_is_told(job: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["merge", str(job)]) == 0
    rank(job, 1, attempt=2)
    with caplog.at_level(logging.WARNING):
        trace = Trace.open(job)
    assert "its parts changed since they were merged" in caplog.text
    assert energies(trace)["operations"] == pytest.approx(
        3 * energies(Trace.open(job / "host=a/rank=0"))["operations"], rel=1e-9
    )


def test_every_part_is_read_beside_the_others_by_sql(job: Path) -> None:
    rows = Job.open(job).sql("select host, rank, attempt, sum(energy_j) from ledger group by all order by rank")
    (host, first, attempt, energy_j), (_, second, _, same_j) = rows.fetchall()
    assert (host, first, second, attempt) == ("a", 0, 1, 1)
    assert energy_j == pytest.approx(same_j)


def test_one_daemon_that_served_two_ranks_took_its_energy_once(tmp_path: Path) -> None:
    def daemon_j(name: str, pids: tuple[int, int]) -> float:
        for number, pid in enumerate(pids):
            rank(tmp_path / name, number, options={"daemon_pid": pid})
        return energies(Trace.open(tmp_path / name))["daemon"]

    assert daemon_j("two", (7, 8)) == pytest.approx(2 * daemon_j("one", (7, 7)), rel=1e-9)


def test_containers_of_one_machine_are_one_machine(tmp_path: Path) -> None:
    for number, pod in enumerate(("pod-x", "pod-y")):
        rank(tmp_path / "job", number, pod, boot="same")
    one, both = Trace.open(tmp_path / "job/host=pod-x/rank=0"), Trace.open(tmp_path / "job")
    assert both.ledger().total["measured"] == pytest.approx(one.ledger().total["measured"], rel=1e-9)


def test_two_machines_with_one_boot_id_are_told_by_their_registers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rank(tmp_path / "job", 0, "vm-1", boot="copied")
    folder = rank(tmp_path / "job", 1, "vm-2", boot="copied")
    scale(folder, 0.5)
    total_j = Trace.open(tmp_path / "job").ledger().total["measured"]
    one_j = Trace.open(tmp_path / "job/host=vm-1/rank=0").ledger().total["measured"]
    assert total_j == pytest.approx(1.5 * one_j, rel=1e-9)
    assert "one boot id, and registers that differ" in caplog.text


def test_two_hosts_of_one_name_are_two(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0, "node", boot="first-boot")
    rank(tmp_path / "job", 1, "node", boot="second-boot")
    assert Trace.open(tmp_path / "job").ledger().over_hosts().domains == ("package-0", "dram-0")
    assert Trace.open(tmp_path / "job").ledger().domains[::2] == ("node~first-bo/package-0", "node~second-b/package-0")


def test_gpus_count_once_by_uuid_whatever_a_container_calls_them(tmp_path: Path) -> None:
    def job_with(name: str, uuids: tuple[str, str]) -> float:
        for number, uuid in enumerate(uuids):
            hardware = {"gpus": [{"index": 0, "name": "H100", "uuid": uuid}]}
            folder = tmp_path / name / "host=a" / f"rank={number}"
            told = {"host": {"name": "a", "boot_id": "b"}, "hardware": hardware}
            synthetic_trace.write(folder, gpu=True, overrides=told)
        return Trace.open(tmp_path / name).ledger().device("GPU:0")["measured"]

    assert job_with("two", ("GPU-1", "GPU-2")) == pytest.approx(2 * job_with("one", ("GPU-1", "GPU-1")), rel=1e-9)


@pytest.mark.parametrize("state", ["killed", "nothing", "gone"])
def test_a_rank_without_a_trace_is_told_and_the_others_add_up(
    state: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    rank(tmp_path / "job", 0)
    lost = tmp_path / "job" / "host=a" / "rank=1"
    if state != "gone":
        lost.mkdir()
    if state == "killed":
        (lost / "trace.json").write_text(json.dumps({"schema_version": 1, "state": "recording", "start_ns": 0,
                                                     "domains": []}))  # fmt: skip
    said = {"killed": f"`smaragdine recover {lost}`", "nothing": "recorded nothing", "gone": "here: 1"}[state]
    with caplog.at_level(logging.WARNING):
        total_j = Trace.open(tmp_path / "job").ledger().total["measured"]
    assert said in caplog.text
    assert total_j == pytest.approx(Trace.open(tmp_path / "job/host=a/rank=0").ledger().total["measured"], rel=1e-9)
    caplog.clear()
    assert main(["merge", str(tmp_path / "job")]) == 0
    Trace.open(tmp_path / "job")
    assert said in caplog.text
    assert said in " ".join(Trace.open(tmp_path / "job").metadata.warnings)


def test_ranks_of_two_jobs_are_no_job(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    rank(tmp_path / "job", 1, labels={"job": "4712"})
    with pytest.raises(UsageError, match="ranks of 2 jobs"):
        Trace.open(tmp_path / "job")


def test_a_job_has_no_events_to_account_anew(job: Path) -> None:
    assert main(["account", str(job)]) == 2
    assert main(["merge", str(job)]) == 0
    assert main(["account", str(job)]) == 2


def test_what_is_no_job_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match="is no job"):
        Job.open(tmp_path / "empty")
    (tmp_path / "bare" / "host=a" / "rank=0").mkdir(parents=True)
    with pytest.raises(TraceError, match="no trace below"):
        Job.open(tmp_path / "bare")


@pytest.mark.parametrize("name", ["study=a", "with space", "ünï", "a*b[c]'x"])
def test_a_folder_of_any_name_is_merged(name: str, tmp_path: Path) -> None:
    job = tmp_path / name
    rank(job, 0, "h='ost")
    rank(job, 1, "h='ost")
    assert len(Job.open(job).sql("from ledger").fetchall()) == 32
    assert main(["merge", str(job)]) == 0
    assert len(Trace.open(job).ledger().rows) == 16
