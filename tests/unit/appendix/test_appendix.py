"""The appendix: its numbers, its bytes, what it leaves out, what it hides, and where it may be written."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from called import called
from smaragdine import SmaragdineError, Trace, appendix
from smaragdine.accounts.alike import Alike
from smaragdine.accounts.chance import holm
from smaragdine.appendix.entry import slug
from smaragdine.appendix.folder import LIST
from smaragdine.carbon.cost import Cost
from smaragdine.carbon.place import Place
from testbed import search, synthetic_trace

HOSTILE = "<script>window.harmed = true</script>"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return search.write(tmp_path_factory.mktemp("search"))


def site(paths: list[Path], label: str | None = "lr", place: Place | None = None, **options: Any) -> dict[str, bytes]:
    traces = [Trace.open(path) for path in paths]
    alike = Alike.by([label]) if label else None
    return appendix.site([(trace, Cost.of(trace, place)) for trace in traces], alike, **options)


@pytest.fixture(scope="module")
def built(runs: list[Path]) -> dict[str, bytes]:
    return site(runs, place=Place("CA-QC", pue=1.2))


def rows(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"data/{name}.csv"].decode())))


def run(directory: Path, **options: Any) -> Path:
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 1.0)
    return synthetic_trace.write(directory, program, steps=4, traced=(1,), **options)


def test_means_and_standard_errors_are_numpys(built: dict[str, bytes], runs: list[Path]) -> None:
    told = {row["group"]: row for row in rows(built, "groups")}
    assert list(told) == ["lr 0.001", "lr 0.01", "lr 0.1"]
    for name, row in told.items():
        of = [Trace.open(path) for path in runs if path.name.startswith(name.replace("lr ", "lr") + "-")]
        place = Place("CA-QC", pue=1.2)
        for key, value in {
            "energy_kwh": [trace.statement(place).energy_kwh for trace in of],
            "emissions_kg": [trace.statement(place).kg for trace in of],
            "cpu_kwh": [trace.statement(place).credit.component_kwh("cpu") for trace in of],
            "duration_h": [(trace.metadata.duration_s or 0) / 3600 for trace in of],
        }.items():
            assert float(row[f"{key}_mean"]) == pytest.approx(np.mean(value), rel=1e-12)
            assert float(row[f"{key}_se"]) == pytest.approx(np.std(value, ddof=1) / math.sqrt(4), rel=1e-9, abs=1e-18)
            assert int(row[f"{key}_n"]) == 4
    last = {row["group"]: row for row in rows(built, "metrics")}
    losses = [Trace.open(path).steps[-1].metrics["loss"] for path in runs[:4]]
    assert float(last["lr 0.1"]["loss_mean"]) == pytest.approx(np.mean(losses))
    assert float(last["lr 0.1"]["loss_se"]) == pytest.approx(np.std(losses, ddof=1) / 2)


def test_differences_have_scipys_chance_corrected_by_holm(built: dict[str, bytes], runs: list[Path]) -> None:
    energies = {
        rate: [Trace.open(p).statement().energy_kwh for p in runs if f"lr{rate}-" in str(p)]
        for rate, *_ in search.RATES
    }
    told = rows(built, "differences-energy")
    assert [(row["a"], row["b"]) for row in told] == [
        ("lr 0.001", "lr 0.01"), ("lr 0.001", "lr 0.1"), ("lr 0.01", "lr 0.1"),
    ]  # fmt: skip
    expected = []
    for row in told:
        a, b = (np.array(energies[row[side].removeprefix("lr ")]) * 1.2 for side in "ab")
        expected.append(float(stats.ttest_ind(a, b, equal_var=False).pvalue))
        assert float(row["p_welch"]) == pytest.approx(expected[-1], rel=1e-6)
        assert float(row["p_mann_whitney"]) == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
        assert float(row["difference"]) == pytest.approx(b.mean() - a.mean())
    assert [float(row["holm_welch"]) for row in told] == pytest.approx(holm(expected), rel=1e-6)
    assert told[0]["verdict"].startswith("cannot be told apart (p = ")
    assert told[1]["verdict"].startswith("differ beyond chance (p = ")


def test_two_builds_are_the_same_bytes(built: dict[str, bytes], runs: list[Path]) -> None:
    assert site(runs, place=Place("CA-QC", pue=1.2)) == built


def test_the_order_of_groups_is_theirs_whatever_order_runs_are_given_in(
    built: dict[str, bytes], runs: list[Path]
) -> None:
    turned = site([*runs[8:], *runs[:8]], place=Place("CA-QC", pue=1.2))
    assert turned["data/groups.csv"] == built["data/groups.csv"]


class _Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.policy = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.targets += [value for name in ("href", "src") if (value := told.get(name))]
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""


def test_every_link_is_relative_and_leads_to_a_file_and_every_file_is_linked(built: dict[str, bytes]) -> None:
    linked = {".nojekyll", "index.html"}
    for name, content in built.items():
        if name.endswith(".html"):
            page = _Links(content.decode())
            assert page.policy.startswith("default-src 'none'; script-src 'self'")
            for target in page.targets:
                assert not re.match(r"[a-z]+:|/", target)
                path = os.path.normpath(Path(name).parent / target)
                assert path in built, f"{name} → {target}"
                linked.add(path)
    assert linked == set(built)


def test_plotly_is_there_once_and_jekyll_is_told_off(built: dict[str, bytes]) -> None:
    assert [name for name, content in built.items() if len(content) > 1_000_000] == ["assets/plotly.min.js"]
    assert built[".nojekyll"] == b""


def test_a_run_has_its_statement_its_ledger_and_its_steps_as_files(built: dict[str, bytes], runs: list[Path]) -> None:
    first = sorted(name for name in built if name.startswith("data/01"))
    assert [Path(name).name for name in first] == [
        "citation.bib",
        "layers.csv",
        "ledger.csv",
        "statement.json",
        "steps.csv",
    ]
    folder = Path(first[0]).parent.name
    trace = Trace.open(runs[8])
    statement = json.loads(built[f"data/{folder}/statement.json"])
    assert statement["energy_kwh"] == pytest.approx(trace.statement(Place("CA-QC", pue=1.2)).energy_kwh)
    ledger = rows(built, f"{folder}/ledger")
    assert sum(float(row["energy_j"]) for row in ledger) == pytest.approx(sum(row.energy_j for row in trace.ledger()))
    steps = rows(built, f"{folder}/steps")
    assert [float(row["metric_loss"]) for row in steps] == [step.metrics["loss"] for step in trace.steps]
    assert "Electricity Maps" in built["data/bibliography.bib"].decode()


def test_a_group_of_one_run_has_no_standard_error_and_says_so(runs: list[Path]) -> None:
    files = site([*runs[:3], runs[4]])
    one, three = rows(files, "groups")
    assert (one["n"], one["energy_kwh_se"]) == ("1", "")
    assert three["n"] == "3"
    assert "one run: no standard error" in files["index.html"].decode()
    assert rows(files, "differences-energy")[0]["verdict"] == "one run of lr 0.01: nothing can be tested"


def test_without_a_place_energy_stays_energy_and_it_is_said(runs: list[Path]) -> None:
    files = site(runs[:2])
    page = files["index.html"].decode()
    assert "energy stays energy" in page
    assert "CO2e, " not in page and "CO2e is not told: no place is known" in page
    assert rows(files, "groups")[0]["emissions_kg_mean"] == ""
    assert "There is one group" in page


def test_modelled_runs_are_in_no_group_with_measured_ones_and_marked_everywhere(tmp_path: Path) -> None:
    paths = [run(tmp_path / "a"), run(tmp_path / "b", power=1.1), run(tmp_path / "c", basis="modelled")]
    paths.append(run(tmp_path / "d", basis="modelled", power=1.1))
    files = site(paths, None)
    assert [(row["group"], row["basis"], row["n"]) for row in rows(files, "groups")] == [
        ("bert", "measured", "2"), ("bert (modelled)", "modelled", "2"),
    ]  # fmt: skip
    page = files["index.html"].decode()
    assert "no energy sensor was readable" in page
    assert "Measured and modelled energies are in no group together" in page
    # No difference of energies of two bases is ever told.
    assert not any(name.startswith("data/differences-energy") for name in files)
    modelled = [content.decode() for name, content in files.items() if re.match(r"runs/[34]-", name)]
    assert len(modelled) == 2
    assert all(
        "no energy sensor was readable" in one and '<em class="modelled">modelled</em>' in one for one in modelled
    )


def test_cut_failed_and_unmeasured_runs_are_in_no_mean_and_named(tmp_path: Path) -> None:
    paths = [
        run(tmp_path / "a"),
        run(tmp_path / "b", power=1.2),
        run(tmp_path / "cut", power=9.0, overrides={"state": "cut"}),
        run(tmp_path / "oom", power=9.0, overrides={"labels": {"status": "oom"}}),
        run(tmp_path / "blind", overrides={"domains": []}),
    ]
    files = site(paths, None)
    of = {row["group"]: row for row in rows(files, "groups")}
    whole = [Trace.open(path).statement().energy_kwh for path in paths[:2]]
    assert float(of["bert"]["energy_kwh_mean"]) == pytest.approx(np.mean(whole))
    assert (of["bert"]["n"], of["bert"]["runs"]) == ("2", "4")
    assert (of["bert (not measured)"]["n"], of["bert (not measured)"]["energy_kwh_mean"]) == ("0", "")
    page = files["index.html"].decode()
    for told in ("(cut) is in no mean: cut: ", "(oom) is in no mean: its label status says oom",
                 "(blind) is in no mean: no energy was measured or modelled"):  # fmt: skip
        assert told in page
    blind = next(content.decode() for name, content in files.items() if "blind.html" in name)
    assert "No energy is known of this run" in blind
    assert "3 of 5 runs failed" not in page
    assert "2 of 5 runs failed" in page


def test_a_copy_of_a_run_is_told(tmp_path: Path) -> None:
    page = site([run(tmp_path / "a"), run(tmp_path / "b")], None)["index.html"].decode()
    assert "bert (b) is a copy of bert (a): it counts twice" in page


def test_ranks_of_one_job_are_told_to_be_one_run(tmp_path: Path) -> None:
    paths = [
        run(tmp_path / rank, power=power, overrides={"labels": {"job": "7", "rank": rank}})
        for rank, power in (("0", 1.0), ("1", 1.1))
    ]
    page = site(paths, None)["index.html"].decode()
    assert "bert (1) is a rank of the same job as bert (0): they are one run, and count as two." in page


@pytest.mark.parametrize(
    "name", [HOSTILE, "../../etc/passwd", "=1+1", "\u202eevil", "a" * 5000, "", "&quot;'\"", "%2e%2e"]
)
def test_hostile_names_and_labels_are_text_and_make_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    labels = {"lr": name or "0", name or "x": name}
    loss = [{name or "loss": 1.0, "loss": 2.0}] * 4
    metadata = {"labels": labels, "warnings": [name], "host": {"name": name}, "software": {name: name}}
    path = run(tmp_path / "a", name=name or "x", logged=loss, overrides=metadata)
    other = run(tmp_path / "b", name=name or "x", power=1.1, logged=loss, overrides=metadata)
    files = site([path, other], title=name or "x")
    for file, content in files.items():
        assert re.fullmatch(r"(?:\.nojekyll|[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*){0,2})", file)
        if file.endswith(".html"):
            assert "<script>window" not in content.decode()
            assert _Links(content.decode()).targets
    appendix.write(files, tmp_path / "site")
    assert {str(p.relative_to(tmp_path / "site")) for p in (tmp_path / "site").rglob("*") if p.is_file()} == {
        *files,
        LIST,
    }


def test_slugs_hold_nothing_but_letters_digits_and_dots_inside() -> None:
    assert slug("BERT (lr 0.1)") == "bert-lr-0.1"
    assert slug("../..") == "run"
    assert slug("日本") == "run"


def test_an_anonymous_site_holds_no_host_user_folder_name_or_command(tmp_path: Path) -> None:
    secret = {
        "host": {"name": "secret-host", "kernel": "6.1"},
        "labels": {"lr": "0.1", "user": "secret-user", "host": "secret-host"},
        "warnings": ["cannot read /home/secret-user/data on secret-host", "the log ~/secret-folder/x was lost"],
        "command": ["python", "secret-script.py"],
        "log": ["started by secret-user"],
        "hardware": {"cpu": "Xeon", "gpus": [{"index": 0, "name": "A100", "uuid": "GPU-secret-uuid"}]},
    }
    paths = [
        run(tmp_path / "secret-folder" / letter, name="secret-name", power=power, overrides=secret)
        for letter, power in (("a", 1.0), ("b", 1.1))
    ]
    for options in ({"label": "lr"}, {"label": None}):
        for name, content in site(paths, anonymous=True, **options).items():
            assert b"secret" not in content, name
            assert "secret" not in name
    page = site(paths, anonymous=True)["index.html"].decode()
    assert "run 1" in page and "lr 0.1" in page
    assert any(b"secret-host" in content for content in site(paths).values())


def test_reaching_a_value_is_told_of_the_runs_as_one_study(runs: list[Path], tmp_path: Path) -> None:
    code, _, err = called("appendix", *runs[:6], "-o", tmp_path / "site", "--reach", "accuracy=0.9")
    assert code == 0, err
    assert "accuracy ≥ 0.9: reached by 2 of 6 runs" in (tmp_path / "site" / "index.html").read_text()
    code, _, err = called("appendix", *runs[:2], "-o", tmp_path / "other", "--reach", "f1=0.9")
    assert (code, "no run logged a metric 'f1'" in err) == (2, True)
    assert not (tmp_path / "other").exists()


def test_a_later_build_replaces_an_earlier_one_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    directory = tmp_path / "site"
    appendix.write({"index.html": b"1", "runs/a.html": b"a", "data/x/y.csv": b"y"}, directory)
    (directory / ".git").write_text("gitdir: elsewhere")
    (directory / "CNAME").write_text("example.org")
    appendix.write({"index.html": b"2", "runs/b.html": b"b"}, directory)
    found = {str(path.relative_to(directory)) for path in directory.rglob("*")}
    assert found == {".git", "CNAME", LIST, "index.html", "runs", "runs/b.html"}
    assert (directory / "index.html").read_bytes() == b"2"


@pytest.mark.parametrize("other", ["notes.txt", "runs/mine.html", "index.html", ".hidden"])
def test_a_directory_that_holds_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, other: str) -> None:
    directory = tmp_path / "site"
    if other != "index.html":
        appendix.write({"index.html": b"1"}, directory)
    (directory / other).parent.mkdir(parents=True, exist_ok=True)
    (directory / other).write_text("mine")
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    with pytest.raises(SmaragdineError, match="holds something else"):
        appendix.write({"index.html": b"2"}, directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "listed",
    [["../mine"], ["/etc/passwd"], ["index.html", "data/../../mine"], [7], "index.html", [".git/config"]],
)
def test_a_list_that_somebody_wrote_has_nothing_removed_elsewhere(tmp_path: Path, listed: object) -> None:
    (tmp_path / "mine").write_text("mine")
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / LIST).write_text(json.dumps({"files": listed}))
    appendix.write({"index.html": b"2"}, directory)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_link_in_the_directory_is_something_else(tmp_path: Path) -> None:
    directory, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.html").write_text("mine")
    appendix.write({"index.html": b"1", "runs/a.html": b"a"}, directory)
    (directory / "runs" / "a.html").unlink()
    (directory / "runs").rmdir()
    (directory / "runs").symlink_to(elsewhere)
    with pytest.raises(SmaragdineError, match="holds something else: runs"):
        appendix.write({"index.html": b"2"}, directory)
    assert (elsewhere / "a.html").read_text() == "mine"


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(SmaragdineError, match="is a file"):
        appendix.write({"index.html": b"2"}, tmp_path / "site")


@pytest.mark.parametrize(("module", "missing"), [("accounts.chance", "SciPy"), ("appendix.render", "Jinja2")])
def test_what_is_not_installed_is_named_with_how_to_get_it(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, missing: str
) -> None:
    monkeypatch.setattr(f"smaragdine.{module}.find_spec", lambda name: None)
    code, _, err = called("appendix", *runs[:2], "-o", tmp_path / "site")
    assert code == 1
    assert f"need{'' if missing == 'SciPy' else 's'} {missing}, which is not installed" in err
    assert "hint: pip install 'smaragdine[appendix]'" in err
    assert not (tmp_path / "site").exists()


def test_runs_of_which_no_energy_is_known_make_no_appendix(tmp_path: Path) -> None:
    code, _, err = called("appendix", run(tmp_path / "a", overrides={"domains": []}), "-o", tmp_path / "site")
    assert code == 3
    assert "no energy is known" in err


def test_groups_by_a_pattern_over_paths(tmp_path: Path) -> None:
    paths = [run(tmp_path / "bert-8" / "x"), run(tmp_path / "bert-16" / "x", power=1.1)]
    code, _, err = called("appendix", *paths, "-o", tmp_path / "site", "--group-pattern", "bert-(?P<batch>[0-9]+)/")
    assert code == 0, err
    told = csv.DictReader(io.StringIO((tmp_path / "site" / "data" / "groups.csv").read_text()))
    assert [row["group"] for row in told] == ["batch 8", "batch 16"]


@dataclass
class Series:
    metric: str
    scope: str
    time_ns: Any
    value: Any


def figures_of(page: bytes) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    drawn: dict[str, Any] = json.loads(found[1])
    return drawn


def test_what_machines_did_is_drawn_where_traces_hold_it(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def metrics(trace: Trace) -> list[Series]:
        power = 100.0 + float(trace.metadata.labels["seed"])
        times = trace.metadata.start_ns + np.array([1, 2]) * 1_000_000_000 + 40_000_000
        return [Series("cpu_use", "machine", times, np.array([power, power + 10]))]

    monkeypatch.setattr(Trace, "metrics", property(metrics), raising=False)
    files = site(runs[:2])
    line = figures_of(files["index.html"])["machine-0"]["data"][1]
    assert (line["x"], line["y"]) == ([1.0, 2.0], [100.5, 110.5])
    assert "What the machines did" in files["index.html"].decode()
    own = figures_of(next(content for name, content in files.items() if name.startswith("runs/1")))["machine-0"]
    assert own["data"][0]["y"] == [100.0, 110.0]


def test_a_curve_has_a_band_only_where_several_runs_have_a_value(runs: list[Path]) -> None:
    for paths, expected in ((runs[:1], 1), (runs[:2], 2)):
        drawn = figures_of(site(paths)["index.html"])["metric-1"]
        assert len(drawn["data"]) == expected
    losses = [[step.metrics["loss"] for step in Trace.open(path).steps] for path in runs[:2]]
    assert drawn["data"][1]["y"] == pytest.approx(np.mean(losses, axis=0))
    error = np.std(losses, axis=0, ddof=1) / math.sqrt(2)
    assert drawn["data"][0]["y"][:20] == pytest.approx(np.mean(losses, axis=0) + error)
