"""Every figure shows the numbers that `footprint` and `ledger` print as JSON, of one trace and of several."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smaragdine import EDD, Runs, SmaragdineError, Trace, figures
from smaragdine.accounts.quantity import joules
from smaragdine.cli import main
from smaragdine.figures.power import LAYERS
from testbed import synthetic_trace

SPEEDS = (1.0, 1.1, 1.3)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("traces")
    program = synthetic_trace.Program.bert()
    for op in program.ops:
        op.flops = 1e6 * op.time_ms if op.type == "MatMul" else None
    return [synthetic_trace.write(root / str(speed), program, speed=speed) for speed in SPEEDS]


@pytest.fixture(scope="module")
def trace(paths: list[Path]) -> Trace:
    return Trace.open(paths[0])


@pytest.fixture(scope="module")
def runs(paths: list[Path]) -> Runs:
    return Runs.open(*paths)


@pytest.fixture
def printed(paths: list[Path], capsys: pytest.CaptureFixture[str]) -> Any:
    """Rows as the command line prints them: of the first trace, or of so many."""

    def rows(command: str, *options: str, of: int = 1) -> list[dict[str, Any]]:
        assert main([command, *map(str, paths[:of]), *options, "--format", "json"]) == 0
        content: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
        return content

    return rows


def texts(figure: Any) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def whiskers(data: Any, axis: str) -> list[tuple[float, float]]:
    bars = data[f"error_{axis}"]
    return list(zip(bars.arrayminus or bars.array, bars.array, strict=True))


def test_a_sunbursts_tensors_are_the_footprints(trace: Trace, printed: Any) -> None:
    by_name = {row["name"]: row["energy_j"] for row in printed("footprint", "--by", "op")}
    for phase in ("forward", "backward"):
        edd = trace.edd(phase)
        data = figures.sunburst(trace, phase).data[0]
        shown = dict(zip(data.ids, data["values"], strict=True))
        tensors = {str(i): box.path for i, box in enumerate(edd.walk()) if box.is_tensor}
        assert {path: shown[i] for i, path in tensors.items()} == {
            path: pytest.approx(by_name[path], rel=1e-12) for path in tensors.values()
        }


def test_a_distributions_percentages_are_those_of_the_footprints_layers(trace: Trace, printed: Any) -> None:
    layers: dict[str, float] = defaultdict(float)
    for row in printed("footprint", "--by", "layer"):
        if row["name"].startswith("bert/encoder/"):
            layers[row["name"].split("/")[2]] += row["energy_j"]
    shown = " ".join(texts(figures.distribution(trace, "bert/encoder")))
    for name, energy_j in layers.items():
        assert f"{name}<br><b>{100 * energy_j / sum(layers.values()):.1f} %</b>" in shown


@pytest.mark.parametrize(("kind", "by"), [("tef", "op"), ("stef", "stef"), ("layers", "layer")])
def test_a_rankings_bars_are_the_footprints_rows(trace: Trace, runs: Runs, printed: Any, kind: str, by: str) -> None:
    for subject, of in ((trace, 1), (runs, 3)):
        bars = figures.ranking(subject, 10, kind=kind).data[0]
        rows = printed("footprint", "--by", by, "--top", "10", of=of)
        assert list(bars.x)[::-1] == pytest.approx([row["energy_j"] for row in rows], rel=1e-12)
        spread = [row["energy_sd_j"] if of > 1 else row["energy_high_j"] - row["energy_j"] for row in rows]
        assert [high for _, high in whiskers(bars, "x")][::-1] == pytest.approx(spread)


def test_the_power_ranking_has_the_footprints_watts(runs: Runs, printed: Any) -> None:
    bars = figures.ranking(runs, 5, kind="stpf").data[0]
    watts = sorted(
        (r["power_w"] for r in printed("footprint", "--by", "stef", of=3) if r["share"] >= 0.005), reverse=True
    )
    assert list(bars.x)[::-1] == pytest.approx(watts[:5])


def test_phases_are_the_footprints(trace: Trace, runs: Runs, printed: Any) -> None:
    for subject, of in ((trace, 1), (runs, 3)):
        rows = {row["name"]: row for row in printed("footprint", "--by", "phase", of=of)}
        bars = {bar.name: bar for bar in figures.phases(subject).data}
        assert set(bars) == set(rows)
        for name, bar in bars.items():
            row = rows[name]
            assert bar.x[0] == pytest.approx(row["energy_j"])
            high = row["energy_sd_j"] if of > 1 else row["energy_high_j"] - row["energy_j"]
            assert bar.error_x.array[0] == pytest.approx(high)


def test_the_ledgers_bars_are_the_ledgers_rows(trace: Trace, printed: Any) -> None:
    rows = printed("ledger")
    figure = figures.ledger(trace)
    for bar in figure.data:
        domain = bar.name.split(",")[0]
        assert list(bar.x) == pytest.approx([row["energy_j"] for row in rows if row["domain"] == domain])
    operations = sum(row["energy_j"] for row in rows if row["entry"] == "operations")
    assert texts(figure)[0].startswith(f"<b>{joules(operations)}</b>")


def test_the_ledger_of_runs_is_their_mean_with_its_deviation(runs: Runs) -> None:
    figure = figures.ledger(runs)
    operations = [trace.ledger().entry("operations").measured_j for trace in runs]
    assert sum(bar.x[0] for bar in figure.data if bar.type == "bar") == pytest.approx(statistics.fmean(operations))
    assert figure.data[-1].error_x.array[0] == pytest.approx(statistics.stdev(operations))
    assert "whiskers: sd over 3 runs" in texts(figure)


def test_steps_and_what_they_add_up_to_are_the_traces(trace: Trace) -> None:
    energies = [sum(step.energy_j.values()) for step in trace.steps]
    bars = {x: y for bar in figures.steps(trace).data[:2] for x, y in zip(bar.x, bar.y, strict=True)}
    assert [bars[i] for i in range(20)] == pytest.approx(energies)
    assert list(figures.cumulative(trace).data[0].y) == pytest.approx(np.cumsum(energies).tolist())


def test_the_scatter_has_every_operations_joules_and_seconds(trace: Trace, printed: Any) -> None:
    rows = {(row["time_s"], row["energy_j"]) for row in printed("footprint", "--by", "op")}
    figure = figures.scatter(trace)
    shown = {(x, y) for data in figure.data for x, y in zip(data.x, data.y, strict=True)}
    assert shown == rows


def test_flops_are_those_of_all_executions_and_unknown_ones_are_left_out(trace: Trace, printed: Any) -> None:
    products = [row for row in printed("footprint", "--by", "op") if row["name"].rsplit("/")[-1].startswith("MatMul")]
    figure = figures.scatter(trace, "flops")
    shown = sorted(x for data in figure.data for x in data.x)
    flops = trace.flops()
    assert shown == pytest.approx(sorted(flops[row["name"]] * row["count"] for row in products))
    assert f"{len(products)} of " in figure.layout.title.subtitle.text


def test_every_spread_says_what_it_is(trace: Trace, runs: Runs) -> None:
    for subject, meaning in ((trace, "90 % interval"), (runs, "sd over 3 runs")):
        assert f"whiskers: {meaning}" in texts(figures.ranking(subject))
        assert f"whiskers: {meaning}" in texts(figures.phases(subject))
        assert all(meaning in told for told in figures.sunburst(subject).data[0].hovertext)
        assert meaning in figures.distribution(subject, "bert/encoder").data[-1].hovertext[0]
    assert "whiskers: sd over 3 runs" in texts(figures.steps(runs))
    assert "band: sd over 3 runs" in " ".join(data.name or "" for data in figures.power(runs).data)


def test_a_footprint_is_enough_where_no_readings_are_drawn(trace: Trace, runs: Runs) -> None:
    for footprint in (trace.footprint(), runs.footprint(), runs.footprint().summarize()):
        drawn = [figures.sunburst(footprint, "forward"), figures.distribution(footprint), figures.ranking(footprint),
                 figures.phases(footprint), figures.scatter(footprint)]  # fmt: skip
        assert all(figure.data for figure in drawn)
    with pytest.raises(SmaragdineError, match="no readings"):
        figures.power(trace.footprint())  # type: ignore[arg-type]
    with pytest.raises(SmaragdineError, match="no FLOPs"):
        figures.scatter(trace.footprint(), "flops")


def test_the_power_of_runs_keeps_the_mean_energy(runs: Runs) -> None:
    figure = figures.power(runs)
    line = next(data for data in figure.data if data.name and data.name.startswith("package-0"))
    cell_s = line.x[1] - line.x[0]
    total_j = statistics.fmean(trace.readings["package-0"].total_j for trace in runs)
    assert sum(line.y) * cell_s == pytest.approx(total_j, rel=1e-9)


def test_by_power_slices_are_seconds_and_colours_watts(trace: Trace) -> None:
    edd = trace.edd("forward")
    data = figures.sunburst(edd, scale=figures.POWER).data[0]
    sizes, colours = (dict(zip(data.ids, values, strict=True)) for values in (data["values"], data.marker.colors))
    for index, box in enumerate(edd.walk()):
        assert colours[str(index)] == pytest.approx(box.power_w)
        if box.is_tensor:
            assert sizes[str(index)] == box.time_s
    shown = " ".join(texts(figures.distribution(edd, "bert", scale=figures.POWER)))
    assert f"{edd.find('bert/encoder').power_w:.1f} W" in shown


def test_emissions_are_energy_times_intensity() -> None:
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 3600.0)
    program.op("net", "Add", 3600.0)
    edd = EDD.of(synthetic_trace.footprint(program))
    figure = figures.sunburst(edd, scale=figures.Scale.carbon(500.0))
    assert "1.00 g CO₂e in operations" in figure.layout.title.text  # 7.2 kJ = 0.002 kWh
    assert "500 mg CO₂e at 500 g/kWh" in figure.data[0].hovertext[0]
    with pytest.raises(SmaragdineError):
        figures.Scale.carbon(-1.0)


def test_powers_that_were_modelled_are_not_drawn(tmp_path: Path) -> None:
    modelled = Trace.open(synthetic_trace.write(tmp_path / "m", basis="modelled"))
    for draw in (
        lambda: figures.sunburst(modelled, scale=figures.POWER),
        lambda: figures.distribution(modelled, scale=figures.POWER),
        lambda: figures.ranking(modelled, kind="stpf"),
        lambda: figures.similarity([modelled, modelled], power=True),
    ):
        with pytest.raises(SmaragdineError, match="modelled"):
            draw()


def test_a_trace_is_like_itself_and_less_like_another(trace: Trace, tmp_path: Path) -> None:
    program = synthetic_trace.Program.bert()
    for op in program.ops[::2]:
        op.time_ms *= 5
    other = Trace.open(synthetic_trace.write(tmp_path / "other", program))
    values = figures.similarity([trace, other], names=["a", "b"]).data[0].z
    assert values[0][0] == values[1][1] == pytest.approx(1)
    assert values[0][1] == values[1][0] < 0.99
    one, two = ({g.name: g.energy_j for g in t.footprint().by("stef")} for t in (trace, other))
    expected = np.corrcoef([one[n] for n in one], [two[n] for n in one])[0][1]
    assert values[0][1] == pytest.approx(expected)
    with pytest.raises(SmaragdineError, match="at least two"):
        figures.similarity([trace])


def test_ranks_tell_a_rising_series_whatever_its_shape() -> None:
    from smaragdine.accounts.correlation import pearson, spearman

    x = np.arange(1, 30)
    assert spearman(x, np.exp(x)) == pytest.approx(1)
    assert spearman(x, -(x**3)) == pytest.approx(-1)
    assert pearson(x, np.exp(x)) < 0.7
    assert spearman([1, 2, 2, 3], [1, 2, 2, 3]) == pytest.approx(1)  # ties share a rank
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert pearson([1], [1]) is None


def test_the_last_per_cent_of_progress_is_read_off_the_metric(tmp_path: Path) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "t"))  # the loss falls by 0.1 a step, 20 equal steps
    figure = figures.progress(trace)
    per_step_j = sum(trace.steps[0].energy_j.values())
    # 1 % of 19 steps' progress is 0.19 of a step.
    assert figure.layout.shapes[0].x1 - figure.layout.shapes[0].x0 == pytest.approx(0.19 * per_step_j)
    assert "1 % of the progress" in figure.layout.title.subtitle.text
    assert "was not logged" in texts(figures.progress(trace, "f1"))[0]


def test_a_first_step_far_beyond_the_others_is_told_in_words() -> None:
    from smaragdine.figures.steps import _Point, _tallest

    points = [_Point(i, False, 100.0 if i == 0 else 1.0, None, 0.0, None, None) for i in range(50)]
    most_j, beyond = _tallest(points)
    assert [point.step for point in beyond] == [0]
    assert 1.0 < most_j < 100.0
    assert _tallest(points[1:])[1] == []


def test_a_layer_is_shaded_while_it_executes(trace: Trace) -> None:
    layer = "bert/encoder/layer_1"
    figure = figures.power(trace, [layer])
    origin = trace.metadata.start_ns
    first = next(step for step in trace.steps if step.traced)
    events = trace.sql(
        f"select start_ns, end_ns from events join ops using (op) where layer like '{layer}%' and step in (4, 5)"
    ).fetchall()
    shades = [(s.x0, s.x1) for s in figure.layout.shapes if s.fillcolor == LAYERS[0]]
    assert sum(x1 - x0 for x0, x1 in shades) == pytest.approx(sum(end - start for start, end in events) / 1e9)
    assert figure.layout.xaxis.range[0] < (first.start_ns - origin) / 1e9 < figure.layout.xaxis.range[1]
    with pytest.raises(SmaragdineError, match="nowhere"):
        figures.power(trace, ["nowhere"])
