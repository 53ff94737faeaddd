"""Jobs that nobody wishes for: parts that differ, that were cut, that do not overlap, and thousands of them."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from smaragdine import Job, Trace
from smaragdine.cli import main
from smaragdine.files.ranks import part_of
from smaragdine.files.url import is_url
from testbed import synthetic_trace
from testbed.sealed import seal_trace
from testbed.synthetic_job import changed, many, rank

HOUR_NS = 3_600_000_000_000


def shifted(folder: Path, by_ns: int) -> None:
    """The same recording at another time."""
    for table, columns in (
        ("readings", ("start_ns", "end_ns", "read_start_ns", "read_end_ns")),
        ("events", ("start_ns", "end_ns")),
        ("steps", ("start_ns", "end_ns")),
        ("metrics", ("time_ns",)),
    ):
        moved = ", ".join(f"{column} = {column} + {by_ns}" for column in columns)
        changed(folder, table, f"update t set {moved}")
    fields = json.loads((folder / "trace.json").read_text())
    fields |= {name: fields[name] + by_ns for name in ("start_ns", "end_ns")}
    (folder / "trace.json").write_text(json.dumps(fields))
    seal_trace(folder)


def test_versions_that_differ_are_told_and_add_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, version in enumerate(("0.1.0", "0.2.0")):
        rank(tmp_path / "job", number, f"node-{number}", software={"smaragdined": version})
    job = Job.open(tmp_path / "job")
    assert "recorded by different versions: 0.1.0, 0.2.0" in caplog.text
    one = Trace.open(tmp_path / "job/host=node-0/rank=0")
    assert job.ledger().total.measured_j == pytest.approx(2 * one.ledger().total.measured_j, rel=1e-9)


def test_a_part_that_was_cut_counts_and_says_what_is_missing(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    end_ns = synthetic_trace.START_NS + 60 * 1_000_000_000
    rank(tmp_path / "job", 1, state="cut", program_end_ns=end_ns)
    job = Job.open(tmp_path / "job")
    assert any(warning.startswith("rank 1 on a: ") and "cut" in warning for warning in job.metadata.warnings)
    assert [one.rank for one in job.ranks()] == [0, 1]


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS, 7 * 24 * HOUR_NS])
def test_hosts_whose_clocks_differ_are_told_and_no_joule_moves(
    by_ns: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        rank(tmp_path / "job", number, f"node-{number}")
    straight = Job.open(tmp_path / "job").ledger()
    assert "clocks" not in caplog.text
    shifted(tmp_path / "job/host=node-1/rank=1", by_ns)
    assert Job.open(tmp_path / "job").ledger().rows == straight.rows
    assert "by their own clocks" in caplog.text


def test_what_nobody_watched_between_two_attempts_is_told_and_not_filled_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rank(tmp_path / "job", 0)
    shifted(rank(tmp_path / "job", 0, attempt=2), HOUR_NS)
    one, job = Trace.open(tmp_path / "job/host=a/rank=0"), Job.open(tmp_path / "job")
    assert job.ledger().total.measured_j == pytest.approx(2 * one.ledger().total.measured_j, rel=1e-9)
    assert "nobody watched it for 3.6e+03 s between two recordings" in caplog.text


def test_ranks_that_overlap_in_part_hold_the_register_over_both(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    folder = rank(tmp_path / "job", 1)
    second_ns = 1_000_000_000
    shifted(folder, second_ns)
    one, job = Trace.open(tmp_path / "job/host=a/rank=0"), Job.open(tmp_path / "job")
    readings = job.readings["a/package-0"]
    alone = one.readings["package-0"]
    # As long as from the start of the first to the end of the second, without a hole.
    assert readings.end_ns[-1] - readings.start_ns[0] == alone.end_ns[-1] - alone.start_ns[0] + second_ns
    assert (readings.start_ns[1:] == readings.end_ns[:-1]).all()
    assert one.readings["package-0"].total_j < readings.total_j < 2 * one.readings["package-0"].total_j


def test_a_rank_that_recorded_no_reading_is_none_of_the_others_sums(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    folder = rank(tmp_path / "job", 1)
    for table in ("readings", "events", "steps", "ledger", "footprint", "footprint_domains", "metrics"):
        changed(folder, table, "delete from t")
    one, job = Trace.open(tmp_path / "job/host=a/rank=0"), Job.open(tmp_path / "job")
    for entry in ("operations", "application", "untraced", "profiling"):
        assert job.ledger().entry(entry).measured_j == pytest.approx(one.ledger().entry(entry).measured_j, rel=1e-9)
    assert job.ledger().total.measured_j == pytest.approx(one.ledger().total.measured_j, rel=1e-9)
    assert [rank.energy.measured_j for rank in job.ranks()][1] == 0.0


def test_a_part_that_an_attacker_named_leads_nowhere(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0)
    for name in ("host=a/rank=-1", "host=a/rank=1e3", "host=a/rank=../../x", "host=a/rank=0/attempt=x"):
        (tmp_path / "job" / name).mkdir(parents=True, exist_ok=True)
    assert [(part.rank, part.attempt) for part in Job.open(tmp_path / "job").parts] == [(0, 1)]


def test_forty_ranks_are_one_job_and_one_database_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = many(tmp_path / "job", 40)
    one = Trace.open(job / "host=node-0/rank=0")
    threads = len(list(Path("/proc/self/task").iterdir()))
    # Eight ranks each watch the register of one of five hosts.
    opened = Job.open(job)
    assert len(opened.ranks()) == 40
    assert len(opened.sql("select distinct host, rank from ledger").fetchall()) == 40
    assert len(list(Path("/proc/self/task").iterdir())) < threads + 40
    assert main(["ledger", str(job), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len({row["domain"] for row in rows}) == 2 * 5
    assert sum(row["energy_j"] for row in rows) == pytest.approx(5 * one.ledger().total.measured_j, rel=1e-9)


def test_a_job_is_recovered_rank_by_rank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rank(tmp_path / "job", 0)
    assert main(["recover", str(tmp_path / "job")]) == 2
    assert "recovered one by one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "place", "file"),
    [
        ("trace.json", ".", "trace.json"),
        ("host=a/rank=0/ops.parquet", "host=a/rank=0", "ops.parquet"),
        ("host=a/rank=0/attempt=2/ops.parquet/part-0.parquet", "host=a/rank=0/attempt=2", "ops.parquet/part-0.parquet"),
        ("host=a/rank=x/ops.parquet", ".", "host=a/rank=x/ops.parquet"),
        ("host=a/rank=0/../../../etc/ops.parquet", None, ""),
        ("/etc/ops.parquet", None, ""),
    ],
)
def test_a_files_name_is_that_of_a_part_or_of_none(name: str, place: str | None, file: str) -> None:
    assert part_of(PurePosixPath(name)) == (None if place is None else PurePosixPath(place), file)


@pytest.mark.parametrize(
    ("path", "url"),
    [("s3://b/job", True), ("simplecache::s3://b/job", True), ("runs/a::b", False), ("C:/runs", False),
     (Path("s3://b"), False)],
)  # fmt: skip
def test_only_a_url_is_one(path: str | Path, url: bool) -> None:
    assert is_url(path) is url
