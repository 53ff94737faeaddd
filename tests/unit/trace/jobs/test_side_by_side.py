"""What a job tells of its ranks and hosts: metrics summed where sums are right, and imbalance in joules and waiting."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from smaragdine import Job, Runs, Trace, figures, report
from smaragdine.cli import main
from smaragdine.cli.sacct import consumed_j
from smaragdine.errors import UsageError
from testbed import synthetic_trace
from testbed.synthetic_job import changed, rank, scale


@pytest.fixture(scope="module")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    job = tmp_path_factory.mktemp("written") / "job"
    folders = [rank(job, number, "ab"[number // 2], labels={"world_size": "4"}) for number in range(4)]
    changed(folders[2], "events", "update t set kind = 'wait' where op = 3")
    scale(folders[3], 0.5)
    return job


@pytest.fixture
def job(_written: Path, tmp_path: Path) -> Path:
    """Two hosts of two; rank 3 takes half of what the others take, and rank 2 waits."""
    return Path(shutil.copytree(_written, tmp_path / "job"))


def test_cpu_time_of_a_job_is_that_of_all_ranks(job: Path) -> None:
    one, all_of_it = Trace.open(job / "host=a/rank=0"), Job.open(job)
    assert one.cpu_h is not None
    assert all_of_it.cpu_h == pytest.approx(4 * one.cpu_h, rel=1e-12)


def test_cpu_time_adds_where_ranks_ran_one_after_the_other(tmp_path: Path) -> None:
    folders = [rank(tmp_path / "job", number) for number in range(2)]
    changed(folders[1], "metrics", "update t set time_ns = time_ns + 3600000000000, value = value + 7")
    # What it stood at when it was first looked at, was used before.
    assert Job.open(tmp_path / "job").cpu_h == pytest.approx(2 * Trace.open(folders[0]).cpu_h, rel=1e-12)


def test_a_rank_took_what_its_own_ledger_tells_of_it_profiling_included(job: Path) -> None:
    for one in Job.open(job).ranks():
        ledger = Trace.open(job / f"host={one.host}" / f"rank={one.rank}").ledger()
        own = [ledger.entry(entry).measured_j for entry in ("operations", "application", "untraced", "profiling")]
        assert own[-1] > 0
        assert one.energy.measured_j == pytest.approx(sum(own), rel=1e-12)


def test_memory_is_added_while_a_rank_is_there_and_a_machines_is_once(tmp_path: Path) -> None:
    start = synthetic_trace.START_NS
    folders = [rank(tmp_path / "job", number) for number in range(2)]
    for number, folder in enumerate(folders):
        own = [(start + (number + second) * 10**9, 100.0 * (1 + number)) for second in range(3)]
        rows = ", ".join(f"({at}, 'memory_resident', 'application', {value})" for at, value in own)
        machine = ", ".join(f"({at}, 'memory_used', 'machine', 4096)" for at, _ in own)
        other = f"({start}, 'queue_depth', 'application', {number})"
        changed(folder, "metrics", "delete from t", f"insert into t values {rows}, {machine}, {other}")
    rows = Trace.open(tmp_path / "job").rows("select (time_ns - ?) // 1000000000, metric, scope, value from metrics "
                                             "order by all", start)  # fmt: skip
    told = {scope: [row[3] for row in rows if row[2] == scope] for scope in dict.fromkeys(row[2] for row in rows)}
    assert told == {
        "application": [100.0, 300.0, 300.0, 200.0],
        "a/machine": [4096.0] * 4,
        "rank:0/application": [0.0],
        "rank:1/application": [1.0],
    }


@pytest.mark.parametrize(("uuids", "hours"), [(("GPU-1", "GPU-1"), 1), (("GPU-1", "GPU-2"), 2)])
def test_hours_of_a_gpu_that_ranks_share_count_once(uuids: tuple[str, str], hours: int, tmp_path: Path) -> None:
    start = synthetic_trace.START_NS
    held = ", ".join(f"({start + at * 10**9}, 'gpu_held', 'application/GPU:0', 1)" for at in range(0, 3601, 60))
    for number, uuid in enumerate(uuids):
        hardware = {"gpus": [{"index": 0, "name": "H100", "uuid": uuid}]}
        folder = tmp_path / "job" / "host=a" / f"rank={number}"
        told = {"host": {"name": "a", "boot_id": "b"}, "hardware": hardware}
        synthetic_trace.write(folder, gpu=True, overrides=told)
        changed(folder, "metrics", f"insert into t values {held}")
    assert Job.open(tmp_path / "job").gpu_h == pytest.approx(hours, rel=1e-9)


def test_ranks_and_hosts_stand_side_by_side(job: Path) -> None:
    opened = Job.open(job)
    ranks, hosts = opened.ranks(), opened.hosts()
    joules = [one.energy.measured_j for one in ranks]
    assert joules == pytest.approx([joules[0]] * 3 + [joules[0] / 2])
    assert [one.waiting_s > 0 for one in ranks] == [False, False, True, False]
    assert [host.name for host in hosts] == ["a", "b"]
    assert sum(host.read.measured_j for host in hosts) == pytest.approx(opened.ledger().total.measured_j, rel=1e-12)
    assert [host.application.measured_j for host in hosts] == pytest.approx([2 * joules[0], 1.5 * joules[0]])


def test_a_report_shows_ranks_and_hosts_and_how_far_the_most_is_above_the_mean(job: Path) -> None:
    content = report.Content.of(Runs.open(job))
    (recording,) = content.recordings
    assert recording.ranks is not None and recording.hosts is not None
    # Of 1, 1, 1 and a half the mean is 7/8.
    assert recording.ranks.rows[-1][-1] == "+14.3 %"
    assert recording.ranks.rows[-1][5] == "+300.0 %"
    assert [row[0] for row in recording.hosts.rows] == ["a", "b", "most above mean"]
    assert "4 ranks" in content.hero.facts
    page = report.render(content)
    assert 'id="ranks"' in page and 'data-figure="ranks-0"' in page


def test_a_report_of_one_trace_has_no_ranks(job: Path) -> None:
    content = report.Content.of(Runs.open(job / "host=a/rank=0"))
    assert content.recordings[0].ranks is None
    assert 'id="ranks"' not in report.render(content)


def test_the_bars_of_the_figure_are_the_ranks_numbers(job: Path) -> None:
    opened = Job.open(job)
    energy, waiting = figures.ranks(opened).data
    assert list(energy.y) == [one.energy.measured_j for one in opened.ranks()]
    assert list(waiting.y) == [one.waiting_s for one in opened.ranks()]
    with pytest.raises(UsageError, match="one job"):
        figures.ranks(Trace.open(job / "host=a/rank=0"))


def test_a_hosts_name_is_no_markup(tmp_path: Path) -> None:
    rank(tmp_path / "job", 0, "<b onclick=x>")
    rank(tmp_path / "job", 1, "<b onclick=x>")
    assert all("<b onclick" not in text for bar in figures.ranks(Job.open(tmp_path / "job")).data
               for text in bar.hovertext)  # fmt: skip
    assert "<b onclick" not in report.render(report.Content.of(Runs.open(tmp_path / "job")))


def test_a_job_of_many_hosts_is_read_by_the_names_of_registers(tmp_path: Path) -> None:
    for number in range(30):
        rank(tmp_path / "job", number, f"node-{number}", labels={"world_size": "30"})
    runs = Runs.open(tmp_path / "job")
    content = report.Content.of(runs)
    assert "package-0 (measured)" in content.recordings[0].ledger.headers
    power = figures.power(runs)
    assert "24 of 60 registers" in power.layout.title.subtitle.text
    assert {bar.name for bar in figures.ledger(runs).data} == {"package-0, measured", "dram-0, measured"}


@pytest.mark.parametrize(
    "command",
    [
        ["ledger"],
        ["footprint", "--by", "layer", "--per", "step"],
        ["statement", "--region", "FR"],
        ["export", "--format", "profile", "-o", "{out}.json"],
        ["figure", "--kind", "edd", "-o", "{out}.html"],
        ["report", "-o", "{out}.html"],
    ],
    ids=" ".join,
)
def test_every_command_takes_a_job_before_and_after_it_is_merged(
    command: list[str], job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = command
    told = []
    for out in ("before", "after"):
        assert main([name, str(job), *(option.format(out=tmp_path / out) for option in options)]) == 0
        told.append(capsys.readouterr().out.replace(str(tmp_path / out), ""))
        assert main(["merge", str(job)]) == 0
        capsys.readouterr()
    assert told[0] == told[1]


def test_a_job_is_compared_with_another(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(job), str(job / "host=a/rank=0")]) == 0
    assert "bert/encoder/layer_0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("\n1200\n1180\n", "1.20 kJ"),
        ("4294967294\n18446744073709551614\n900\n", "900 J"),
        ("", None),
        ("0\n\n", None),
        ("12 J\n-5\n٣\n" + "9" * 40, "12.0 J"),
        (None, None),
    ],
)
def test_what_slurm_says_of_a_job_stands_beside_its_registers_where_it_says_anything(
    job: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    told: str | None,
    said: str | None,
) -> None:
    asked = tmp_path / "asked"
    if told is not None:
        (tmp_path / "told").write_text(told)
        sacct = tmp_path / "sacct"
        sacct.write_text(f'#!/bin/sh\necho "$@" > "{asked}"\ncat "{tmp_path / "told"}"\n')
        sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["merge", str(job)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "SLURM" in line]
    assert len(lines) == (said is not None)
    if said is not None:
        assert said in lines[0] and "the registers here counted" in lines[0]
        assert "--jobs=4711" in asked.read_text()


def test_a_job_s_name_is_no_option_of_slurm_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sacct = tmp_path / "sacct"
    sacct.write_text("#!/bin/sh\necho 5\n")
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert consumed_j("4711_3") == 5.0
    for job in ("", "-u root", "4711;id", "٣", "1" * 30, "4711\n", "run-7"):
        assert consumed_j(job) is None, job
