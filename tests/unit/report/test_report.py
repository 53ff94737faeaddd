"""The report: its data and its escaping."""

from __future__ import annotations

import base64
import html
import json
import re
import statistics
import zlib
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from smaragdine import Runs, SmaragdineError, report
from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.accounts.ledger import ENTRIES
from smaragdine.accounts.quantity import joules, percent
from smaragdine.cli.ending import exit_code
from smaragdine.report.packing import packed
from testbed import synthetic_trace
from testbed.sealed import seal_trace

HOSTILE = "<script>window.harmed = true</script>"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture(scope="module")
def content(bert: Path) -> report.Content:
    return report.Content.of(Runs.open(bert))


def test_the_report_tells_measured_from_modelled(content: report.Content, tmp_path: Path) -> None:
    assert content.notice is None
    modelled = report.Content.of(Runs.open(synthetic_trace.write(tmp_path / "m", basis="modelled")))
    assert modelled.notice == MODELLED_NOTICE
    page = report.render(modelled)
    assert html.escape(MODELLED_NOTICE).replace("`smaragdine doctor`", "<code>smaragdine doctor</code>") in page
    assert page.count("(modelled)") > 5
    assert "stpf" not in modelled.figures  # watts per operation mean nothing there


def test_both_bases_are_told_apart(tmp_path: Path) -> None:
    trace = synthetic_trace.write(tmp_path / "mixed", basis="modelled", gpu=True)
    content = report.Content.of(Runs.open(trace))
    assert set(content.basis.split(" and ")) == {"measured", "modelled"}
    assert "modelled are not in this picture" in content.views[0].caption
    assert {row[2] for row in content.recordings[0].totals.rows} == {"measured", "modelled"}
    assert set(content.hero.ledger) == {"measured", "modelled"}


def test_the_views_hold_the_operations_energy(content: report.Content, bert: Path) -> None:
    total = Runs.open(bert).traces[0].ledger().entry("operations").measured_j
    passes = ["forward pass", "backward pass", "optimizer pass"]
    assert [view.label for view in content.views] == ["all passes", "all passes, layers folded", *passes]
    assert [view.tree for view in content.views] == ["layer", "folded", "name", "name", "name"]
    assert content.views[0].energy_j == content.views[1].energy_j == pytest.approx(total)
    assert content.views[0].caption == f"{joules(total)} in operations."
    of_passes = Runs.open(bert).footprint().by("phase")
    told = {view.phase: view.energy_j for view in content.views[2:]}
    assert told == pytest.approx({group.name: group.energy_j for group in of_passes if group.name in told})


def test_every_number_of_the_footprint_is_in_the_page_once(content: report.Content, bert: Path) -> None:
    rows = Runs.open(bert).traces[0].footprint().rows
    columns = content.operations
    assert columns.row_energy_j.tolist() == [row.energy_j for row in rows]
    assert columns.row_time_s.tolist() == [row.time_s for row in rows]
    assert [columns.phases[columns.named_phase[named]] for named in columns.row_named] == [row.phase for row in rows]
    assert [columns.types[kind] for kind in columns.row_type] == [row.type for row in rows]

    def spelt(box: int) -> list[str]:
        parent = int(columns.box_parent[box])
        return [] if parent == box else [*spelt(parent), columns.names[columns.box_name[box]]]

    assert ["/".join(spelt(int(columns.named_name[named]))) for named in columns.row_named] == [r.qtn for r in rows]


def test_columns_survive_packing_to_the_last_bit() -> None:
    draw = np.random.default_rng(3)
    held = {
        "a": draw.normal(size=7) * 10.0 ** draw.integers(-300, 300, 7),
        "b": np.array([1, 2**32 - 1], np.uint32),
        "c": np.array([], np.float64),
        "d": np.array([255], np.uint8),
        "e": np.array([np.nan, -0.0, np.inf]),
    }
    block = zlib.decompress(base64.b64decode(packed({"words": ["</script>", "行"], "columns": held})))
    head = int.from_bytes(block[:8], "little")
    told = json.loads(block[8 : 8 + head])
    assert told["value"]["words"] == ["</script>", "行"]
    for (name, array), (kind, at, length) in zip(held.items(), told["arrays"], strict=True):
        assert told["value"]["columns"][name] == {"#": list(held).index(name)}
        assert at % 8 == 0
        found = np.frombuffer(block, kind.replace("u", "<u").replace("f", "<f"), length, 8 + head + at)
        assert found.tobytes() == array.tobytes()


def test_a_large_program_makes_a_small_page(tmp_path: Path) -> None:
    program = synthetic_trace.Program()
    for i in range(4_000):
        program.op(f"net/block_{i % 40}/part_{i % 1000}/layer_{i % 2000}", f"op_{i}", 1.0 + i % 7)
    file = report.write(Runs.open(synthetic_trace.write(tmp_path / "t", program)), tmp_path / "report.html")
    assert file.stat().st_size < 4_000_000


def test_the_same_trace_makes_the_same_page(bert: Path) -> None:
    one, other = (report.render(report.Content.of(Runs.open(bert))) for _ in range(2))
    assert one == other


def test_several_traces_are_told_with_their_deviation(bert: Path, tmp_path: Path) -> None:
    other = synthetic_trace.write(tmp_path / "other", name="other", speed=1.2)
    content = report.Content.of(Runs.open(bert, other))
    assert content.runs is not None
    assert [row[0] for row in content.runs.rows] == ["1. bert", "2. other"]
    assert content.layers.headers[2] == "sd over 2 runs"
    assert [recording.name for recording in content.recordings] == ["1. bert", "2. other"]


def test_the_page_names_nothing_to_load(content: report.Content) -> None:
    page = report.render(content)
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=|<link[^>]*href=\"(?!data:)", page)
    assert "@import" not in page
    assert "default-src 'none'; script-src 'sha256-" in page


def test_no_name_breaks_out_of_the_page(content: report.Content) -> None:
    page = report.render(replace(content, title=HOSTILE, coverage=("</p>" + HOSTILE,)))
    assert HOSTILE not in page


def test_a_trace_without_readings_has_no_report(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    readings = tmp_path / "readings.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(readings)).to_table("t")
        connection.sql("from t where false").write_parquet(str(readings))
    seal_trace(tmp_path)
    with pytest.raises(SmaragdineError) as caught:
        report.write(Runs.open(tmp_path), tmp_path / "report.html")
    assert exit_code(caught.value) == 3


def test_a_file_that_cannot_be_written_is_named(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="no/such/place"):
        report.write(Runs.open(bert), tmp_path / "no/such/place/report.html")


def test_the_headline_names_the_costliest_layer_and_tensor(content: report.Content, bert: Path) -> None:
    summary = Runs.open(bert).traces[0].footprint().summarize()
    layer, tensor = summary.by("layer")[0], summary.by("op")[0]
    sentences = ["".join(text for text, _ in sentence) for sentence in content.hero.headline]
    assert layer.name in sentences[0] and "(4 layers of one structure taken together)" in sentences[0]
    backward_j = sum(row.energy_j for row in summary if row.layer == layer.name and row.phase == "backward")
    assert f"{percent(layer.share)}, {percent(backward_j / layer.energy_j)} of it in the backward pass" in sentences[0]
    assert tensor.name in sentences[-1] and percent(tensor.share) in sentences[-1]


def test_the_bar_of_the_ledger_is_the_ledgers(content: report.Content, bert: Path) -> None:
    ledger = Runs.open(bert).traces[0].ledger()
    parts = content.hero.ledger["measured"]
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert {part.entry: part.energy for part in parts} == {
        entry: joules(ledger.entry(entry).measured_j) for entry in ENTRIES if entry != "gap"
    }


def test_the_numbers_of_several_runs_are_means_with_their_deviation(bert: Path, tmp_path: Path) -> None:
    runs = Runs.open(bert, synthetic_trace.write(tmp_path / "other", speed=1.2))
    hero = report.Content.of(runs).hero
    energies = [trace.footprint().total.measured_j for trace in runs]
    told = f"{joules(statistics.fmean(energies))} ± {joules(statistics.stdev(energies))}"
    assert next(tile.value for tile in hero.tiles if tile.label == "operations") == told
    assert hero.spread == "Means; ± is the sd over 2 runs."


def test_views_go_by_power_where_power_was_measured(content: report.Content, tmp_path: Path) -> None:
    assert all(view.measured and view.ring.power is not None for view in content.views)
    modelled = report.Content.of(Runs.open(synthetic_trace.write(tmp_path / "m", basis="modelled")))
    assert not any(view.measured or view.ring.power for view in modelled.views)


def test_how_late_each_register_is_stands_beside_how_it_was_read(tmp_path: Path) -> None:
    trace = synthetic_trace.write(tmp_path / "late")
    metadata = json.loads((trace / "trace.json").read_text())
    known = {"domain": "package-0", "update_ns": 1_000_000, "lag_ns": 412_000, "lag_error_ns": 90_000, "new": 1}
    metadata["sources"][0]["sensors"] = [known, {"domain": "dram-0", "read_ns": 700}]
    (trace / "trace.json").write_text(json.dumps(metadata))
    seal_trace(trace)
    (recording,) = report.Content.of(Runs.open(trace)).recordings
    assert recording.sensors.rows == (
        ("package-0", "1.00 ms", "–", "412 µs ± 90.0 µs", "–"),
        ("dram-0", "–", "700 ns", "–", "–"),
    )


def test_a_trace_that_tells_nothing_of_its_registers_has_no_table_of_them(content: report.Content) -> None:
    assert content.recordings[0].sensors.rows == ()
    assert "looks at the last" not in report.render(content)
