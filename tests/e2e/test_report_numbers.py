"""What the report's page makes of its columns, against what the package makes of the trace: the same to the word."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smaragdine import EDD, Runs, figures, report
from smaragdine.accounts.quantity import joules, number, percent, seconds, watts
from smaragdine.accounts.row import FootprintRow
from smaragdine.figures import ENERGY, POWER
from smaragdine.figures.level import arrange
from smaragdine.figures.sunburst import hover
from testbed import synthetic_trace
from testbed.browser import Opened, chromium

pytestmark = pytest.mark.browser

BOXES = """i => window.report.diagramOf(i).lift().places.map((box) => {
  const arrows = [...box.arrows.values()].map((a) => [a.source.id, a.target.id, a.count]);
  return [box.name, box.path, box.isTensor, box.energy, box.low, box.high, box.sd, box.time, box.count, box.share,
          box.inside.map((one) => one.id), arrows, window.report.hover(box, window.report.diagramOf(i).whole.energy)];
})"""
LEVELS = """i => window.report.diagramOf(i).lift().places.filter((box) => box.inside.length).map((box) => {
  const { w, h, boxes, routes } = window.report.arranged(box);
  return [w, h, boxes.map((b) => [b.x, b.y, b.w, b.h, b.name, b.share, b.box?.id ?? null]), routes.flat(2),
          routes.map(window.report.wire)];
})"""
SLICES = """([i, scale]) => {
  const ring = new window.report.Ring(window.report.diagramOf(i), scale);
  const { ids, labels, parents, values, marker } = ring.draw(ring.seen(ring.root, Infinity));
  return [ids, labels, parents, values, marker.colors, marker.cmax, ring.order.map((slice) => ring.hover(slice))];
}"""
OPERATIONS = """() => window.report.operations().map((one) => [one.name, one.measured ? "measured" : "modelled",
  one.energy, one.low, one.high, one.sd, one.share, one.time, one.power, one.count, one.pass])"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def uneven(seed: int, layers: int = 3) -> synthetic_trace.Program:
    """No two layers alike: skipped connections, cycles, words of ours and of HTML as names, hundreds beside another."""
    draw = random.Random(seed)
    program = synthetic_trace.Program()
    for i in range(60 * layers):
        layer = draw.choice(["net", "net/a", "net/a/b_1", "net/a/b_10", "net/a/b_2", "loss", "optimizer", "gradients/x",
                             "net/<b>&'\"", "net/Ünï 行列", "net/𝔹/" + "y" * 90])  # fmt: skip
        phase = draw.choice(["forward", "backward", "optimizer", "other"])
        inputs = [draw.randrange(60 * layers) for _ in range(draw.randrange(4))]
        name = draw.choice(["MatMul", f"MatMul_{i}", f"deep/{i % 7}/Add", f"{'long' * 20}{i}"])
        program.op(layer, name, draw.expovariate(1), *inputs, phase=phase)
    for i in range(150):
        program.op("net/wide", f"Assign_{i}", draw.expovariate(1) ** 6 + 1e-9)
    return program


def close(one: Any, other: Any, absolute: float = 0.0) -> bool:
    """Equal, but for the last digits of numbers, which may turn the last one of three that are told."""
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(close(a, b, absolute) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and other is not None:
        return one == pytest.approx(other, rel=1e-9, abs=absolute, nan_ok=True)
    if isinstance(one, str) and one != other:
        told, found = (re.findall(r"\d[\d,]*\.?\d*", text) for text in (one, other))
        same = re.sub(r"\d[\d,]*\.?\d*", "0", one) == re.sub(r"\d[\d,]*\.?\d*", "0", other)
        pairs = zip(told, found, strict=True) if same and len(told) == len(found) else [("0", "1")]
        return all(math.isclose(*(float(text.replace(",", "")) for text in pair), rel_tol=0.0101) for pair in pairs)
    return bool(one == other)


def unknown(value: float | None) -> float:
    return float("nan") if value is None else value


def diagrams(runs: Runs) -> list[EDD]:
    """Those of the report's views, in their order."""
    edds = [runs.edd(), *([runs.edd(folded=True)] if runs.footprint().summary().folds else [])]
    return edds + [edd for phase in ("forward", "backward", "optimizer") if (edd := runs.edd(phase)).children]


@pytest.fixture(scope="module", params=["bert", "uneven", "another", "mixed", "modelled", "runs", "unknown bounds"])
def both(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Runs, Opened]:
    path = tmp_path_factory.mktemp("numbers")
    traces = {
        "bert": lambda: [synthetic_trace.write(path / "t")],
        "uneven": lambda: [synthetic_trace.write(path / "t", uneven(1))],
        "another": lambda: [synthetic_trace.write(path / "t", uneven(2, layers=5), gpu=True)],
        "mixed": lambda: [synthetic_trace.write(path / "t", basis="modelled", gpu=True)],
        "modelled": lambda: [synthetic_trace.write(path / "t", uneven(3), basis="modelled")],
        "runs": lambda: [
            synthetic_trace.write(path / "a", uneven(4)),
            synthetic_trace.write(path / "b", uneven(4, layers=2), speed=1.3),
            synthetic_trace.write(path / "c", synthetic_trace.Program.bert(2)),
        ],
        "unknown bounds": lambda: [without_bounds(synthetic_trace.write(path / "t"))],
    }[request.param]()
    runs = Runs.open(*traces)
    opened = Opened(browser, report.write(runs, path / "report.html"))
    assert opened.errors == []
    return runs, opened


def without_bounds(trace: Path) -> Path:
    import duckdb

    from testbed.sealed import seal_trace

    with duckdb.connect() as connection:
        file = str(trace / "footprint.parquet")
        connection.read_parquet(file).to_table("t")
        connection.execute("update t set energy_low_j = null where op % 5 = 0")
        connection.table("t").write_parquet(file)
    seal_trace(trace)
    return trace


def test_every_box_of_every_view_has_the_diagrams_numbers_words_and_arrows(both: tuple[Runs, Opened]) -> None:
    runs, opened = both
    edds = diagrams(runs)
    assert opened.page.evaluate("window.report.page.views.length") == len(edds)
    for i, edd in enumerate(edds):
        place = {box: str(index) for index, box in enumerate(edd.walk())}
        expected = [
            [box.name, box.path, box.is_tensor, box.energy_j, unknown(box.energy_low_j), unknown(box.energy_high_j),
             box.energy_sd_j, box.time_s, box.count, box.share, [place[child] for child in box.children],
             [[place[a.source], place[a.target], a.count] for a in box.arrows], hover(box, edd.energy_j)]
            for box in edd.walk()
        ]  # fmt: skip
        found = opened.page.evaluate(BOXES, i)
        assert len(found) == len(expected)
        for one, other in zip(expected, found, strict=True):
            assert not [(a, b) for a, b in zip(one, other, strict=True) if not close(a, b)]


def test_every_level_is_laid_out_as_the_figure_of_one_is(both: tuple[Runs, Opened]) -> None:
    runs, opened = both
    for i, edd in enumerate(diagrams(runs)):
        place = {box: str(index) for index, box in enumerate(edd.walk())}
        expected = []
        for box in edd.walk():
            if box.children:
                level = arrange(box)
                boxes = [[b.x, b.y, b.width, b.height, b.name, b.share, place[b.edd] if b.edd else None]
                         for b in level.boxes]  # fmt: skip
                points = [at for route in level.routes for point in route.points for at in point]
                expected.append([level.width, level.height, boxes, points])
        for one, other in zip(expected, opened.page.evaluate(LEVELS, i), strict=True):
            assert close(one, other[:4], 1e-6), (one, other)


def test_the_ring_has_the_slices_of_the_sunburst(both: tuple[Runs, Opened]) -> None:
    runs, opened = both
    for i, edd in enumerate(diagrams(runs)):
        for scale in [ENERGY] if edd.modelled else [ENERGY, POWER]:
            data = figures.sunburst(edd, scale=scale).data[0]
            expected = [list(data.ids), list(data.labels), list(data.parents), list(data.values),
                        list(data.marker.colors), data.marker.cmax, list(data.hovertext)]  # fmt: skip
            found = opened.page.evaluate(SLICES, [i, scale.name])
            for one, other in zip(expected, found, strict=True):
                assert close(one, other, 1e-12)


def test_the_table_of_every_operation_is_the_footprint(both: tuple[Runs, Opened]) -> None:
    runs, opened = both
    groups = runs.footprint().by("op")
    found = {(name, basis): rest for name, basis, *rest in opened.page.evaluate(OPERATIONS)}
    assert len(found) == len(groups)
    for group in groups:
        energy_j, low, high, sd, share, time_s, power_w, count, phases = found[group.name, group.basis]
        expected = [group.energy_j, group.energy_sd_j, group.share, group.time_s, group.power_w, group.count]
        assert close(expected, [energy_j, sd, share, time_s, power_w, count])
        if len(runs) == 1:
            assert close([unknown(group.energy_low_j), unknown(group.energy_high_j)], [low, high])
            assert group.phase == phases or (group.phase is None and ", " in phases)


def test_numbers_are_written_as_the_package_writes_them(browser: Any, tmp_path: Path) -> None:
    draw = random.Random(5)
    values = [0.0, 1.0, 999.95, 0.125, 2.125, 59.99, 60.0, 3599.6, 86_400.0, 1e-12, 1e12, -3.5, 12_345.0, 0.99951]
    values += [10 ** draw.uniform(-10, 7) for _ in range(2000)] + [i / 64 for i in range(200)]
    opened = Opened(browser, report.write(Runs.open(synthetic_trace.write(tmp_path / "t")), tmp_path / "report.html"))
    told = opened.page.evaluate(
        "values => values.map((v) => ['joules', 'watts', 'seconds', 'percent', 'count'].map((k) => report.told[k](v)))",
        values,
    )
    for value, texts in zip(values, told, strict=True):
        assert texts == [write(value) for write in (joules, watts, seconds, percent, number)], value


def test_a_qtn_with_slashes_at_odd_places_keeps_them(browser: Any, tmp_path: Path) -> None:
    program = synthetic_trace.Program()
    names = ["a//b", "a/b", "/a", "a/", "//", "a"]
    for i, name in enumerate(names):
        program.ops.append(synthetic_trace.Op(name, "unknown", "T", "forward", 1.0 + i))
    runs = Runs.open(synthetic_trace.write(tmp_path / "t", program))
    opened = Opened(browser, report.write(runs, tmp_path / "report.html"))
    assert {one[0] for one in opened.page.evaluate(OPERATIONS)} == set(names)
    paths = [box[1] for box in opened.page.evaluate(BOXES, 0)]
    assert paths == [box.path for box in runs.edd().walk()]


def test_rows_are_there_once(both: tuple[Runs, Opened]) -> None:
    runs, opened = both
    rows: list[FootprintRow] = [row for one in runs.footprint().footprints for row in one.rows]
    assert opened.page.evaluate("Array.from(report.page.columns.row_energy_j)") == [row.energy_j for row in rows]
