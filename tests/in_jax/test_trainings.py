"""Trainings in JAX's libraries through the real daemon: operations lead to the user's own modules, in every pass."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import smaragdine
from smaragdine.trace.trace import Trace
from testbed.hardware import Tree

WINDOWS: Any = {"window": 2, "every": 4}
STEPS = 10
WIDTH = 64
PHASES = ("forward", "backward", "optimizer")


def batch() -> Any:
    return jax.random.normal(jax.random.key(0), (256, WIDTH))


def step_of(forward: Callable[[Any, Any], Any], optimizer: Any) -> Callable[..., Any]:
    @jax.jit
    def train_step(parameters: Any, state: Any, x: Any) -> Any:
        def loss(parameters: Any) -> Any:
            return jnp.mean(jnp.square(forward(parameters, x) - x))

        value, slopes = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    return train_step


def train(
    forward: Callable[[Any, Any], Any], parameters: Any, output: Path, *, model: Any = None, wait: bool = True
) -> Trace:
    optimizer, x = optax.adam(1e-3), batch()
    step, state = step_of(forward, optimizer), optax.adam(1e-3).init(parameters)
    with smaragdine.record(output, model=model, **WINDOWS) as recording:
        for _ in range(STEPS):
            with recording.step(samples=256):
                parameters, state, loss = step(parameters, state, x)
                if wait:
                    loss.block_until_ready()
    return Trace.open(output)


def log(output: Path) -> list[str]:
    """The remarks that the trace keeps."""
    notes: list[str] = json.loads((output / "trace.json").read_text())["log"]
    return notes


def column(trace: Trace, query: str) -> set[Any]:
    return {row[0] for row in trace.sql(query).fetchall()}


def check(trace: Trace, expected: set[str]) -> None:
    """Every module is seen in every pass under its own path, and what ran in a step is somebody's."""
    assert sum(step.traced for step in trace.steps) >= 4
    for phase in PHASES:
        assert column(trace, f"select layer from ops where phase = '{phase}'") >= expected, phase
    root = next(iter(expected)).split("/")[0]
    stray = f"layer != '{root}' and not starts_with(layer, '{root}/') and layer != 'loss'"
    assert column(trace, f"select qtn from ops where phase in ('forward', 'backward') and {stray}") == set()
    assert column(trace, "select count(*) > 0 from edges") == {True}
    time = "select sum(end_ns - start_ns) from events join ops using (op) where"
    (nobodys,), (all_time,) = (
        trace.sql(f"{time} layer in ('runtime', 'unknown')").fetchall()[0],
        trace.sql(f"{time} true").fetchall()[0],
    )
    assert (nobodys or 0) < 0.05 * all_time


def linen() -> tuple[Any, Any]:
    from flax import linen as nn

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(WIDTH, name="down")(nn.relu(nn.Dense(4 * WIDTH, name="up")(x)))

    module = Mlp()
    return module.apply, module.init(jax.random.key(1), batch())


def test_a_flax_linen_module_needs_no_help(tmp_path: Path) -> None:
    trace = train(*linen(), tmp_path / "out")
    check(trace, {"Mlp/up", "Mlp/down"})
    product = "select flops from ops where layer = 'Mlp/up' and phase = 'forward' and type = 'dot_general'"
    assert column(trace, product) == {2.0 * 256 * WIDTH * 4 * WIDTH}
    assert [step.step for step in trace.steps if "compilations" in step.metrics][:1] == [0]
    assert not any(step.traced and "compilations" in step.metrics for step in trace.steps)
    # Adam's work on a kernel, and on its moments, is that layer's.
    assert column(trace, "select count(*) > 0 from ops where starts_with(qtn, 'optimizer/Mlp/up/kernel/')") == {True}


def test_modules_of_flax_nnx_are_named_where_the_model_is_told_and_the_trace_says_so_where_not(tmp_path: Path) -> None:
    from flax import nnx

    class Mlp(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
            self.down = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.down(nnx.relu(self.up(x)))

    model = Mlp(nnx.Rngs(0))
    call = nnx.Linear.__call__
    definition, parameters = nnx.split(model)
    check(
        train(lambda state, x: nnx.merge(definition, state)(x), parameters, tmp_path / "told", model=model),
        {"Mlp/up", "Mlp/down"},
    )
    assert nnx.Linear.__call__ is call, "what was wrapped is as before"
    untold = train(lambda state, x: nnx.merge(definition, state)(x), parameters, tmp_path / "untold")
    assert any("model=" in warning for warning in untold.metadata.warnings)


def test_modules_of_equinox_are_named_through_vmap_and_lists(tmp_path: Path) -> None:
    import equinox as eqx

    class Net(eqx.Module):
        layers: list[Any]

        def __init__(self, key: Any) -> None:
            one, two = jax.random.split(key)
            self.layers = [eqx.nn.Linear(WIDTH, 4 * WIDTH, key=one), eqx.nn.Linear(4 * WIDTH, WIDTH, key=two)]

        def __call__(self, x: Any) -> Any:
            return self.layers[1](jax.nn.relu(self.layers[0](x)))

    model = Net(jax.random.key(0))
    parameters, static = eqx.partition(model, eqx.is_inexact_array)
    trace = train(lambda tree, x: jax.vmap(eqx.combine(tree, static))(x), parameters, tmp_path / "out", model=model)
    check(trace, {"Net/layers/0", "Net/layers/1"})


def test_a_haiku_module_needs_no_help(tmp_path: Path) -> None:
    import haiku as hk

    transformed = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([4 * WIDTH, WIDTH], name="mlp")(x)))
    trace = train(transformed.apply, transformed.init(jax.random.key(0), batch()), tmp_path / "out")
    check(trace, {"mlp/linear_0", "mlp/linear_1"})


def test_keras_on_jax_leads_to_its_layers(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    assert keras.backend.backend() == "jax"
    from smaragdine.keras import EnergyCallback

    layers = keras.layers
    block = keras.Sequential([layers.Dense(4 * WIDTH, activation="relu", name="up")], name="block")
    inputs = keras.Input((WIDTH,))
    net = keras.Model(inputs, layers.Dense(WIDTH, name="down")(block(inputs)), name="net")
    net.compile("adam", "mse")
    x = np.asarray(batch()).repeat(4, 0)
    callback = EnergyCallback(tmp_path / "out", **WINDOWS)
    net.fit(x, x, batch_size=64, verbose=0, callbacks=[callback])
    trace = Trace.open(tmp_path / "out")
    assert sum(step.traced for step in trace.steps) >= 4
    for phase in ("forward", "backward"):
        assert column(trace, f"select layer from ops where phase = '{phase}'") >= {"net/block/up", "net/down"}, phase


def test_steps_that_do_not_wait_are_one_stretch_and_the_trace_says_so(tmp_path: Path) -> None:
    def heavy(parameters: Any, x: Any) -> Any:
        forward, _ = linen()
        for _ in range(8):
            x = jnp.tanh(x @ x.T @ x / 256)
        return forward(parameters, x)

    _, parameters = linen()
    trace = train(heavy, parameters, tmp_path / "out", wait=False)
    assert any("one stretch" in note for note in log(tmp_path / "out"))
    # Whatever a window left to the device has run by the end of its last step, so that nothing runs until the next one
    # begins; that one's work is seen where it begins before the profiler has stopped, and is no traced step's.
    for last, following in itertools.pairwise(trace.steps):
        if last.traced and not following.traced:
            between = f"start_ns > {last.end_ns} and start_ns < {following.start_ns}"
            assert column(trace, f"select count(*) from events where {between}") == {0}
    end_ns = max(step.end_ns for step in trace.steps if step.traced)
    assert column(trace, f"select step from events where start_ns > {end_ns}") <= {None}


def test_another_profiler_has_its_session_whole_before_and_within_a_window(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forward, parameters = linen()
    step, state, x = step_of(forward, optax.adam(1e-3)), optax.adam(1e-3).init(parameters), batch()
    with smaragdine.record(tmp_path / "out", window=4, every=4) as recording:
        for number in range(12):
            if number == 3:
                # Within our window, which gives way.
                jax.profiler.start_trace(str(tmp_path / "theirs"))
            if number == 7:
                jax.profiler.stop_trace()
            with recording.step():
                parameters, state, loss = step(parameters, state, x)
                loss.block_until_ready()
    theirs = list((tmp_path / "theirs").rglob("*.xplane.pb"))
    assert len(theirs) == 1 and theirs[0].stat().st_size > 10_000
    assert len(Trace.open(tmp_path / "out").steps) == 12


def test_energy_is_conserved_and_joules_are_those_of_the_registers(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    trace = train(*linen(), tmp_path / "out")
    # Law 1: the ledger holds what was read, and operations what the footprint says.
    read = dict(trace.sql("select domain, sum(energy_j) from readings group by domain").fetchall())
    entries = dict(trace.sql("select domain, sum(energy_j) from ledger group by domain").fetchall())
    assert entries == pytest.approx({domain: read[domain] for domain in entries}, rel=1e-9)
    operations = trace.sql("select sum(energy_j) from ledger where entry = 'operations'").fetchall()[0][0]
    of_footprint = trace.sql("select sum(energy_j) from footprint").fetchall()[0][0]
    assert operations == pytest.approx(of_footprint, rel=1e-9) and operations > 0
    assert trace.sql("select sum(energy_j) from ledger where entry = 'gap'").fetchall() == [(0.0,)]
    # By hand, for the package: each instant's power, times the application's share, over the lanes that compute.
    by_hand = hand_computed(trace, "package-0")
    accounted = dict(
        trace.sql("select op, sum(energy_j) from footprint_domains where domain = 'package-0' group by op").fetchall()
    )
    assert accounted == pytest.approx(by_hand, rel=1e-6, abs=1e-9)


def hand_computed(trace: Trace, domain: str) -> dict[int, float]:
    """Joules by operation, law 2 as the paper writes it: ∫ P · share / n over each event."""
    readings = trace.sql(
        f"select start_ns, end_ns, energy_j, app_share from readings where domain = '{domain}' order by start_ns"
    ).fetchall()
    events = trace.sql(
        "select op, start_ns, end_ns from events where kind = 'compute' and end_ns > start_ns order by start_ns"
    ).fetchall()
    edges = sorted({edge for event in events for edge in event[1:]} | {edge for one in readings for edge in one[:2]})
    joules = dict.fromkeys((event[0] for event in events), 0.0)
    running: list[tuple[int, int, int]] = []
    waiting, reading = 0, 0
    for start, end in itertools.pairwise(edges):
        while waiting < len(events) and events[waiting][1] <= start:
            running.append(events[waiting])
            waiting += 1
        running = [event for event in running if event[2] > start]
        while reading < len(readings) and readings[reading][1] <= start:
            reading += 1
        if not running or reading == len(readings) or readings[reading][0] > start:
            continue
        begun, ended, energy_j, share = readings[reading]
        part = energy_j * (share or 0.0) * (end - start) / (ended - begun) / len(running)
        for op, _, _ in running:
            joules[op] += part
    return joules


def test_programs_that_come_from_the_persistent_cache_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        name: getattr(jax.config, name)
        for name in ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    }
    from jax.experimental.compilation_cache import compilation_cache

    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "cache"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        compilation_cache.reset_cache()
        train(*linen(), tmp_path / "first")
        jax.clear_caches()
        train(*linen(), tmp_path / "second")
        assert any("jax_compilation_cache_include_metadata_in_key" in note for note in log(tmp_path / "second"))
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def test_recording_changes_no_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "smaragdine")
    forward, parameters = linen()
    step, x = step_of(forward, optax.adam(1e-3)), batch()

    def losses(record: bool) -> list[float]:
        own, state, found = parameters, optax.adam(1e-3).init(parameters), []
        with smaragdine.record(tmp_path / "out", **WINDOWS) as recording:
            for _ in range(6):
                if record:
                    with recording.step():
                        own, state, loss = step(own, state, x)
                else:
                    own, state, loss = step(own, state, x)
                found.append(float(loss))
        return found

    assert losses(record=False) == losses(record=True)
    assert "recording ends here" not in caplog.text
