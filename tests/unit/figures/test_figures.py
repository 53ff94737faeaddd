"""Figures, by their data: sums, escaping, geometry, and the words that a modelled trace owes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smaragdine import EDD, Runs, SmaragdineError, Trace, figures
from smaragdine.accounts.edd import OpName
from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.accounts.sample import Sample
from smaragdine.accounts.unit import Unit
from smaragdine.carbon.cost import Cost
from smaragdine.carbon.leaderboard import Leaderboard
from smaragdine.figures import theme
from smaragdine.figures.level import TITLE_HEIGHT, Level, arrange
from smaragdine.figures.power import merged
from testbed import synthetic_trace
from testbed.sealed import seal_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert"))


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "modelled", basis="modelled"))


def test_the_slices_of_a_sunburst_add_up_to_the_operations(trace: Trace) -> None:
    data = figures.sunburst(trace.edd()).data[0]
    assert sum(data.values) == pytest.approx(trace.ledger().entry("operations").measured_j)
    assert len(set(data.ids)) == len(data.ids)
    assert set(data.parents) - {""} <= set(data.ids)


def test_a_sunburst_draws_few_rings_and_colours_by_share_of_the_parent(trace: Trace) -> None:
    edd = trace.edd("forward")
    data = figures.sunburst(edd).data[0]
    assert data.maxdepth in (3, 4)
    colours = dict(zip(data.ids, data.marker.colors, strict=True))
    for index, box in enumerate(edd.walk()):
        assert colours[str(index)] == (box.share if index else 0)


def test_a_large_program_draws_three_rings() -> None:
    program = synthetic_trace.Program()
    for i in range(1000):
        program.op(f"net/part_{i % 20}/layer_{i}", "MatMul", 1.0)
    assert figures.sunburst(EDD.of(synthetic_trace.footprint(program))).data[0].maxdepth == 3


@pytest.mark.parametrize("scale", [figures.ENERGY, figures.POWER])
def test_a_sunburst_around_a_layer_holds_what_is_seen_from_there(trace: Trace, scale: figures.Scale) -> None:
    edd = trace.edd()
    every = figures.sunburst(edd, scale=scale).data[0]
    parents, colours = (dict(zip(every.ids, told, strict=True)) for told in (every.parents, every.marker.colors))
    place = {box: str(index) for index, box in enumerate(edd.walk())}
    for path in ("", "bert", "bert/encoder", "bert/encoder/layer_1/output"):
        opened = edd.find(path)
        data = figures.sunburst(edd, scale=scale, around=opened).data[0]
        assert data.level == place[opened]
        seen = dict(zip(data.ids, data["values"], strict=True))
        amount: dict[str, float] = {}
        # Inner slices are the sum of those around them: what is cut off is still there.
        for id, parent in reversed([(id, parents[id]) for id in every.ids[::-1] if id in seen]):
            amount[id] = amount.get(id, 0.0) + seen[id]
            if parent:
                amount[parent] = amount.get(parent, 0.0) + amount[id]
        assert amount[place[opened]] == pytest.approx(scale.amount(opened))
        assert dict(zip(data.ids, data.parents, strict=True)) == {id: parents[id] for id in data.ids}
        assert dict(zip(data.ids, data.marker.colors, strict=True)) == {id: colours[id] for id in data.ids}
        assert data.marker.cmax == every.marker.cmax

        def from_opened(id: str, ends: str = place[opened]) -> int | None:
            """Rings between a slice and the one that is opened; None where it is not inside."""
            rings = 0
            while id and id != ends:
                id, rings = parents[id], rings + 1
            return rings if id else None

        within = {id for id in every.ids if from_opened(id) is not None and from_opened(id) < data.maxdepth}
        way, outer = set(), parents[place[opened]]
        while outer:
            way.add(outer)
            outer = parents[outer]
        assert set(data.ids) == within | way


def test_a_hover_tells_joules_watts_shares_count_and_pass(trace: Trace) -> None:
    data = figures.sunburst(trace.edd("forward")).data[0]
    text = next(text for text in data.hovertext if "<b>bert/encoder/layer_0</b>" in text)
    assert all(
        word in text for word in ("J", "W over", "% of its level", "% of all operations", "executions", "forward")
    )


def test_a_distribution_prints_the_shares_of_its_level(trace: Trace) -> None:
    edd = trace.edd("forward")
    figure = figures.distribution(edd, "bert/encoder/layer_0")
    texts = " ".join(annotation.text for annotation in figure.layout.annotations)
    for child in edd.find("bert/encoder/layer_0"):
        assert child.name in texts
        assert f"{100 * child.share:.1f} %" in texts


def test_layers_are_round_and_tensors_sharp(trace: Trace) -> None:
    level = arrange(trace.edd("forward").find("bert/encoder/layer_0/attention/self"))
    assert {box.name: box.rounded for box in level.boxes} | {"query": True, "MatMul": False} == {
        box.name: box.rounded for box in level.boxes
    }


def test_a_larger_share_has_a_deeper_colour() -> None:
    def luminance(share: float) -> int:
        return sum(int(theme.colour(share)[k : k + 2], 16) for k in (1, 3, 5))

    shades = [luminance(i / 50) for i in range(51)]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == len(shades)


def test_text_in_every_box_can_be_read() -> None:
    def channel(value: int) -> float:
        c = value / 255
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    def luminance(colour: str) -> float:
        return sum(
            weight * channel(int(colour[k : k + 2], 16)) for k, weight in ((1, 0.2126), (3, 0.7152), (5, 0.0722))
        )

    for share in range(101):
        fill = theme.colour(share / 100)
        dark, light = sorted((luminance(fill), luminance(theme.ink_on(fill))))
        assert (light + 0.05) / (dark + 0.05) >= 4.0


edges = st.integers(1, 14).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30))
)


@given(edges)
@settings(max_examples=60, deadline=None)
def test_no_arrow_crosses_a_box_or_the_title(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = graph
    program = synthetic_trace.Program()
    for i in range(n):
        program.op("net", f"tensor_with_a_name_{'x' * i}", 1.0 + i)
    ops = [OpName(i, op.qtn, op.layer, op.phase) for i, op in enumerate(program.ops)]
    net = EDD.of(synthetic_trace.footprint(program), "forward", ops=ops, edges=pairs).find("net")
    level = arrange(net)
    assert len(level.boxes) == n
    assert len(level.routes) == len({pair for pair in pairs if pair[0] != pair[1]})
    assert_clear(level)


def test_the_arrows_of_bert_cross_no_box(trace: Trace) -> None:
    for phase in (None, "forward", "backward"):
        for box in trace.edd(phase).walk():
            if box.children:
                assert_clear(arrange(box))


def assert_clear(level: Level) -> None:
    """Boxes do not overlap, all lies within the frame, and arrows touch boxes only at their ends."""
    for i, one in enumerate(level.boxes):
        assert one.x >= 0
        assert one.x + one.width <= level.width + 1e-6
        assert one.y >= TITLE_HEIGHT
        assert one.y + one.height <= level.height
        for other in level.boxes[i + 1 :]:
            apart_x = one.x + one.width <= other.x + 1e-6 or other.x + other.width <= one.x + 1e-6
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y
    for route in level.routes:
        for (x0, y0), (x1, y1) in pairwise(route.points):
            assert min(y0, y1) >= TITLE_HEIGHT
            # A bend stays between its ends' heights and widths, so its rectangle bounds it.
            for box in level.boxes:
                inside_x = min(x0, x1) < box.x + box.width - 1e-6 and max(x0, x1) > box.x + 1e-6
                inside_y = min(y0, y1) < box.y + box.height - 1e-6 and max(y0, y1) > box.y + 1e-6
                assert not (inside_x and inside_y)


def test_many_boxes_share_one_for_the_smallest() -> None:
    program = synthetic_trace.Program()
    for i in range(300):
        program.op("runtime", f"op_{i}", 1.0 + i)
    level = arrange(EDD.of(synthetic_trace.footprint(program)).find("runtime"))
    assert len(level.boxes) == 40
    assert level.boxes[-1].name == "261 smaller"
    assert sum(box.share for box in level.boxes) == pytest.approx(1)


def test_a_level_that_is_not_there_is_refused(trace: Trace) -> None:
    with pytest.raises(SmaragdineError):
        figures.distribution(trace.edd(), "nowhere")


def test_without_a_layer_the_first_level_with_a_choice_is_drawn(trace: Trace) -> None:
    texts = " ".join(annotation.text for annotation in figures.distribution(trace.edd()).layout.annotations)
    assert "optimizer" in texts


@pytest.mark.parametrize("kind", ["tef", "stef", "stpf"])
def test_a_ranking_has_the_name_above_each_bar(trace: Trace, kind: str) -> None:
    figure = figures.ranking(trace.footprint(), 10, kind=kind)
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert len(figure.data[0].x) == 10
    assert list(figure.data[0].x) == sorted(figure.data[0].x)
    assert any("/dense/MatMul" in text for text in texts)
    assert any("transformer" in text for text in texts) == (kind != "tef")


def test_a_ranking_of_runs_has_whiskers_of_one_deviation(tmp_path: Path) -> None:
    runs = Runs.open(*(synthetic_trace.write(tmp_path / str(speed), speed=speed) for speed in (1.0, 1.1, 1.2)))
    figure = figures.ranking(runs.footprint(), 3, kind="stef")
    top = runs.footprint().top(1, "stef")[0]
    whiskers = figure.data[0].error_x
    assert (whiskers.array[-1], whiskers.arrayminus[-1]) == (pytest.approx(top.energy_sd_j),) * 2
    assert "whiskers: sd over 3 runs" in [annotation.text for annotation in figure.layout.annotations]


def test_an_unknown_ranking_is_refused(trace: Trace) -> None:
    with pytest.raises(SmaragdineError):
        figures.ranking(trace.footprint(), kind="best")


def test_the_area_under_the_power_line_is_the_energy(trace: Trace) -> None:
    figure = figures.power(trace)
    line = figure.data[0]
    area = sum(y0 * (x1 - x0) for (x0, y0), (x1, _) in pairwise(zip(line.x, line.y, strict=True)) if y0 is not None)
    assert area == pytest.approx(trace.readings["package-0"].total_j, rel=1e-4)


@pytest.mark.parametrize("most", [1, 7, 100, 10_000])
def test_merging_intervals_keeps_their_energy(trace: Trace, most: int) -> None:
    readings = trace.readings["dram-0"]
    start, end, energy, _ = merged(readings, most)
    assert energy.sum() == pytest.approx(readings.total_j)
    assert (end - start).sum() == (readings.end_ns - readings.start_ns).sum()
    assert len(energy) <= most + 1


def test_traced_steps_are_shaded(trace: Trace) -> None:
    shades = [(shape.x0, shape.x1) for shape in figures.power(trace).layout.shapes]
    assert shades == [(pytest.approx(0.6), pytest.approx(0.8)), (pytest.approx(1.4), pytest.approx(1.6))]


def test_steps_tell_traced_from_others(trace: Trace) -> None:
    bars = {bar.name: len(bar.x) for bar in figures.steps(trace).data}
    assert bars == {"step": 16, "traced step": 4, "loss": 20}


def drawn(trace: Trace) -> dict[str, go.Figure]:
    """Every figure that a trace alone can have."""
    edd = trace.edd()
    kinds = ["tef", "stef", "layers", "stef-layers"] + ([] if trace.modelled else ["stpf"])
    return {
        "sunburst": figures.sunburst(trace),
        "one pass": figures.sunburst(trace, "forward"),
        "emissions": figures.sunburst(trace, scale=figures.Scale.carbon(400.0)),
        "distribution": figures.distribution(trace),
        **{
            f"inside {box.path}": figures.distribution(edd, box.path) for box in edd.walk() if box.path and box.children
        },
        **{kind: figures.ranking(trace, kind=kind) for kind in kinds},
        "phases": figures.phases(trace),
        "ledger": figures.ledger(trace),
        "power": figures.power(trace),
        "steps": figures.steps(trace),
        "cumulative": figures.cumulative(trace),
        "progress": figures.progress(trace),
        "time": figures.scatter(trace),
        "flops": figures.scatter(trace, "flops"),
        "similarity": figures.similarity([trace, trace], names=[trace.name] * 2),
        "groups": figures.groups({trace.name: Sample((1.0, 2.0))}, trace.name, Unit("J", 1.0), modelled=[trace.name]),
        **({"leaderboard": leaderboard(trace)} if any(step.metrics for step in trace.steps) else {}),
    }


def leaderboard(trace: Trace) -> go.Figure:
    metric = next(iter(next(step.metrics for step in trace.steps if step.metrics)))
    return figures.leaderboard(Leaderboard.of([Cost.of(trace)], metric))


def shown(figure: go.Figure) -> list[str]:
    """Every text of a figure that plotly may read as markup."""
    layout = figure.layout
    texts = [layout.title.text, layout.title.subtitle.text]
    texts += [layout[axis].title.text for axis in ("xaxis", "yaxis", "yaxis2") if axis in layout]
    texts += [annotation.text for annotation in layout.annotations]
    texts += [*(layout.yaxis.ticktext or ())]
    for data in figure.data:
        texts += [data.name]
        for field in ("hovertext", "text", "labels", "x", "y"):
            if field in data:
                texts += [value for value in (data[field] if data[field] is not None else ()) if isinstance(value, str)]
    return [text for text in texts if text]


def test_every_figure_of_a_modelled_trace_says_so(modelled: Trace) -> None:
    for name, figure in drawn(modelled).items():
        text = " ".join(shown(figure)).replace("<br>", " ")
        assert MODELLED_NOTICE in text, name
        assert figure.layout.title.text.count("modelled") == 1, name


def test_a_measured_and_a_modelled_trace_never_share_a_bar(trace: Trace, modelled: Trace) -> None:
    bars = figures.phases(trace, modelled, names=("a", "b"))
    assert list(bars.layout.yaxis.ticktext) == ["a (measured)", "b (modelled)"]
    both = figures.ledger(Runs((trace, modelled)))
    assert "modelled" in both.layout.title.text and "measured" in both.layout.title.text
    places = {basis: {y for bar in both.data if basis in (bar.name or "") for y in bar.y} for basis in
              ("measured", "modelled")}  # fmt: skip
    assert not places["measured"] & places["modelled"]


HOSTILE = "<script>alert(1)\u2215script><a href='javascript:x'>"


def hostile() -> synthetic_trace.Program:
    program = synthetic_trace.Program()
    for name in (HOSTILE, "x" * 500, "行列積" * 50, "Ü \u202e"):
        program.op(f"{name}\u2215layer", name, 1.0, phase="forward")
    program.op(HOSTILE, HOSTILE, 1.0, phase="backward")
    return program


def test_no_name_reaches_a_figure_unescaped(tmp_path: Path) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "t", hostile(), name=HOSTILE))
    for name, figure in drawn(trace).items():
        assert figure.to_json()
        for text in shown(figure):
            assert "<script" not in text and "<a " not in text, name
            assert max(map(len, text.split("<br>"))) < 420, name


def test_a_metric_is_a_name_too(tmp_path: Path) -> None:
    path = synthetic_trace.write(tmp_path / "t")
    with duckdb.connect() as connection:
        steps = str(path / "steps.parquet")
        connection.read_parquet(steps).project(
            f"* replace (map {{'{HOSTILE.replace(chr(39), chr(39) * 2)}': 1.0 / (step + 1)}} as metrics)"
        ).to_table("t")
        connection.table("t").write_parquet(steps)
    seal_trace(path)
    trace = Trace.open(path)
    for draw in (figures.steps, figures.cumulative, figures.progress):
        figure = draw(trace, HOSTILE)
        assert any("lt;script" in text for text in shown(figure))
        assert not any("<script" in text for text in shown(figure))


def one_operation() -> synthetic_trace.Program:
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 1.0)
    return program


EMPTY = synthetic_trace.Program()
NO_OPERATIONS = {
    "sunburst": "no energy in operations",
    "distribution": "no energy in operations",
    "tef": "no operations",
    "phases": "no operations",
    "time": "no operations",
    "power": "seconds",
}
NO_STEPS = {"steps": "no steps were marked", "cumulative": "no steps were marked", "progress": "was not logged"}
ONE = {"sunburst": "MatMul", "distribution": "100.0 %", "time": "correlation –"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"program": EMPTY, "traced": ()}, NO_OPERATIONS),
        ({"program": EMPTY, "traced": (), "steps": 0}, NO_STEPS),
        ({"program": one_operation()}, ONE),
        ({"overrides": {"state": "cut", "end_ns": None}}, {"power": "seconds"}),
        ({"gpu": True}, {"ledger": "gpu-0"}),
    ],
    ids=["no operations", "no steps", "one operation", "cut", "GPU"],
)
def test_whatever_the_trace_every_figure_says_something_true(
    tmp_path: Path, options: dict[str, Any], said: dict[str, str]
) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "t", **options))
    all_drawn = drawn(trace)
    for figure in all_drawn.values():
        assert figure.to_json()
    for name, words in said.items():
        assert any(words in text for text in shown(all_drawn[name])), name


def test_ten_thousand_operations_make_a_picture_of_few_slices() -> None:
    program = synthetic_trace.Program()
    for i in range(10_000):
        program.op("optimizer", f"adam_{i}", 1.0 + (i == 7), phase="optimizer")
    program.op("net", "MatMul", 10_000.0)
    data = figures.sunburst(EDD.of(synthetic_trace.footprint(program))).data[0]
    assert len(data.ids) < 100
    assert "9940 more" in data.labels
    assert sum(data["values"]) == pytest.approx(20_001.0)
