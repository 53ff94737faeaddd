"""A trace of a BERT-like training in the layout of the trace directory, made up, with sums that are known exactly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.energy import Energy
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.row import FootprintRow
from testbed.sealed import seal_trace

START_NS = 1_790_000_000_000_000_000
MS = 1_000_000
STEP_NS = 100 * MS

_COLUMNS = {
    "readings": "domain varchar, start_ns bigint, end_ns bigint, edge_uncertainty_ns bigint, read_start_ns bigint, "
    "read_end_ns bigint, energy_j double, app_share double, daemon_share double, idle_share double, "
    "flags varchar[], source varchar",
    "events": "op uinteger, device varchar, lane uinteger, kind varchar, start_ns bigint, end_ns bigint, "
    "step bigint, correlation ubigint",
    "ops": "op uinteger, qtn varchar, layer varchar, type varchar, phase varchar, raw_name varchar, flops double, "
    "fused varchar",
    "edges": "from_op uinteger, to_op uinteger",
    "steps": "step bigint, epoch bigint, start_ns bigint, end_ns bigint, traced boolean, samples bigint, "
    "energy_j map(varchar, double), metrics map(varchar, double)",
    "footprint": "policy varchar, op uinteger, device varchar, basis varchar, energy_j double, energy_low_j double, "
    "energy_high_j double, time_s double, power_w double, count bigint",
    "footprint_domains": "policy varchar, op uinteger, domain varchar, energy_j double",
    "ledger": "policy varchar, domain varchar, entry varchar, energy_j double",
    "metrics": "time_ns bigint, metric varchar, scope varchar, value double",
    "spans": "span uinteger, name varchar, parent uinteger, start_ns bigint, end_ns bigint, "
    "tokens bigint, requests bigint",
}


@dataclass
class Op:
    qtn: str
    layer: str
    type: str
    phase: str
    time_ms: float
    inputs: tuple[int, ...] = ()
    flops: float | None = None


@dataclass
class Program:
    """Operations in the order of their execution; an operation's number is its place."""

    ops: list[Op] = field(default_factory=list)

    def op(self, layer: str, name: str, time_ms: float, *inputs: int, phase: str = "forward", type: str = "") -> int:
        qtn = f"gradients/{layer}/{name}" if phase == "backward" else f"{layer}/{name}"
        kind = type or name.rsplit("/", 1)[-1].removesuffix("_1").removesuffix("_2")
        self.ops.append(Op(qtn, layer, kind, phase, time_ms, inputs))
        return len(self.ops) - 1

    def dense(self, layer: str, x: int, time_ms: float) -> int:
        product = self.op(layer, "MatMul", time_ms, x)
        return self.op(layer, "BiasAdd", 0.06 * time_ms, product)

    def layer_norm(self, layer: str, x: int) -> int:
        mean = self.op(layer, "moments/mean", 0.05, x, type="Mean")
        variance = self.op(layer, "moments/variance", 0.06, x, mean, type="Mean")
        scaled = self.op(layer, "batchnorm/mul", 0.05, x, variance, type="Mul")
        return self.op(layer, "batchnorm/add", 0.04, scaled, mean, type="AddV2")

    def transformer(self, layer: str, x: int, speed: float) -> int:
        own = f"{layer}/attention/self"
        query, key, value = (self.dense(f"{own}/{name}", x, 0.62 * speed) for name in ("query", "key", "value"))
        heads = [self.op(own, name, 0.1, of) for name, of in (("transpose", query), ("transpose_1", key))]
        scores = self.op(own, "MatMul", 0.33 * speed, *heads)
        scaled = self.op(own, "Mul", 0.08, scores)
        softmax = self.op(own, "Softmax", 0.31, scaled)
        dropped = self.op(f"{own}/dropout", "Mul", 0.11, softmax)
        values = self.op(own, "transpose_2", 0.1, value)
        context = self.op(own, "MatMul_1", 0.3 * speed, dropped, values)
        merged = self.op(own, "Reshape", 0.01, context)
        out = self.dense(f"{layer}/attention/output/dense", merged, 0.62 * speed)
        out = self.op(f"{layer}/attention/output/dropout", "Mul", 0.05, out)
        out = self.op(f"{layer}/attention/output", "add", 0.04, out, x, type="AddV2")
        attended = self.layer_norm(f"{layer}/attention/output/LayerNorm", out)
        wide = self.dense(f"{layer}/intermediate/dense", attended, 1.9 * speed)
        wide = self.op(f"{layer}/intermediate/dense", "Gelu", 0.34, wide)
        out = self.dense(f"{layer}/output/dense", wide, 1.85 * speed)
        out = self.op(f"{layer}/output/dropout", "Mul", 0.05, out)
        out = self.op(f"{layer}/output", "add", 0.04, out, attended, type="AddV2")
        return self.layer_norm(f"{layer}/output/LayerNorm", out)

    def backward(self, loss: int) -> None:
        """A gradient for every forward operation of the model; two for a product: MatMul (dX) and MatMul_1 (dW)."""
        gradients: dict[int, int] = {}
        consumers: dict[int, list[int]] = {}
        for number, op in enumerate(self.ops):
            for source in op.inputs:
                consumers.setdefault(source, []).append(number)
        for number in reversed(range(loss)):
            op = self.ops[number]
            if op.phase != "forward" or not op.layer.startswith("bert"):
                continue
            name = op.qtn.removeprefix(f"{op.layer}/")
            sources = [gradients.get(c, loss if c >= loss else number) for c in consumers.get(number, [])]
            sources = [source for source in sources if source != number]
            suffix = {"BiasAdd": "BiasAddGrad", "Softmax": "SoftmaxGrad"}.get(name, name)
            gradients[number] = self.op(op.layer, suffix, op.time_ms * 1.05, *sources, number, phase="backward")
            if op.type == "MatMul" and name == "MatMul" and "dense" in op.layer:
                self.op(op.layer, "MatMul_1", op.time_ms * 1.1, *sources, number, phase="backward")

    @classmethod
    def bert(cls, layers: int = 4) -> Program:
        program = cls()
        batch = program.op("data", "IteratorGetNext", 0.2, phase="other")
        words = program.op("bert/embeddings/word_embeddings", "GatherV2", 0.21, batch)
        places = program.op("bert/embeddings/position_embeddings", "GatherV2", 0.05, batch)
        total = program.op("bert/embeddings", "add", 0.06, words, places, type="AddV2")
        x = program.layer_norm("bert/embeddings/LayerNorm", total)
        x = program.op("bert/embeddings/dropout", "Mul", 0.07, x)
        for layer in range(layers):
            # The first layers run while the processor still comes up to speed, as in the field's measurements.
            x = program.transformer(f"bert/encoder/layer_{layer}", x, 0.8 + 0.2 * min(1, layer / 3))
        pooled = program.dense("bert/pooler/dense", x, 0.12)
        program.op("bert/pooler/dense", "Tanh", 0.01, pooled)
        hidden = program.dense("bert/predictions/transform/dense", x, 0.35)
        hidden = program.op("bert/predictions/transform/dense", "Gelu", 0.05, hidden)
        logits = program.dense("bert/predictions/decoder", hidden, 2.6)
        loss = program.op("loss", "sparse_categorical_crossentropy/SparseSoftmaxCrossEntropyWithLogits", 0.9, logits)
        program.op("metrics", "accuracy/Equal", 0.06, logits)
        program.backward(loss)
        for number, op in enumerate(list(program.ops)):
            if op.phase == "backward" and op.qtn.endswith(("MatMul_1", "BiasAddGrad")):
                program.op("optimizer", f"adamw/{op.layer}/AssignSub", 0.12, number, phase="optimizer")
        program.op("runtime", "_HostSend", 0.08, phase="other")
        program.op("unknown", "cond/branch_executed/_12", 0.02, phase="other", type="If")
        return program


# What was written, by what was asked for: tests ask for the same again and again.
_WRITTEN: dict[str, dict[str, bytes]] = {}


def write(
    directory: Path,
    program: Program | None = None,
    *,
    basis: str = "measured",
    gpu: bool = False,
    steps: int = 20,
    traced: Sequence[int] = (4, 5, 12, 13),
    speed: float = 1.0,
    name: str = "bert",
    power: float = 1.0,
    logged: Sequence[dict[str, float]] | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Writes a complete trace: 20 steps of 100 ms read every 4 ms, four of them traced; its ledger closes exactly.

    `power`: times that of others. `logged`: metrics of each step; a loss that falls where it is not given.
    """
    program = program or Program.bert()
    directory.mkdir(parents=True, exist_ok=True)
    asked = repr((program, basis, gpu, steps, tuple(traced), speed, name, power, logged, overrides))
    if asked not in _WRITTEN:
        metrics = logged or [{"loss": 7 - step / 10} for step in range(steps)]
        _write(directory, program, basis, gpu, steps, traced, speed, name, power, metrics, overrides)
        files = ("trace.json", *(f"{table}.parquet" for table in _COLUMNS))
        _WRITTEN[asked] = {file: (directory / file).read_bytes() for file in files}
    for file, content in _WRITTEN[asked].items():
        (directory / file).write_bytes(content)
    return directory


def _write(
    directory: Path,
    program: Program,
    basis: str,
    gpu: bool,
    steps: int,
    traced: Sequence[int],
    speed: float,
    name: str,
    power: float,
    metrics: Sequence[dict[str, float]],
    overrides: dict[str, Any] | None,
) -> None:
    domains = [("package-0", "CPU:0", basis, 45.0), ("dram-0", "CPU:0", basis, 6.5)]
    if basis == "modelled":
        domains = [("package-0", "CPU:0", basis, 38.0)]
    if gpu:
        domains.append(("gpu-0", "GPU:0", "measured", 120.0))
    domains = [(*domain, power * power_w) for *domain, power_w in domains]
    tables: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
    tables["ops"] = [
        (i, op.qtn, op.layer, op.type, op.phase, op.qtn, op.flops, None) for i, op in enumerate(program.ops)
    ]
    tables["edges"] = [(source, i) for i, op in enumerate(program.ops) for source in op.inputs]
    scale = 0.93 * STEP_NS / MS / max(1e-9, sum(op.time_ms for op in program.ops)) / speed
    for step in traced:
        at = START_NS + step * STEP_NS
        for number, op in enumerate(program.ops):
            end = at + round(op.time_ms * scale * MS)
            device = "GPU:0" if gpu and op.type == "MatMul" else "CPU:0"
            tables["events"].append((number, device, 0, "compute", at, end, step, None))
            at = end
    operations = _account(program, tables, domains, scale, len(traced), gpu)
    for domain, _, _, power_w in domains:
        _read(tables, domain, power_w, steps, len(traced), operations.get(domain, 0.0))
    for step in range(steps):
        start = START_NS + step * STEP_NS
        energy = {domain: 0.8 * power_w * STEP_NS / 1e9 for domain, _, _, power_w in domains}
        tables["steps"].append((step, step // 10, start, start + STEP_NS, step in traced, 8, energy, metrics[step]))
    # What the application used: 1.5 of its CPUs, and memory.
    for moment in range(3):
        at = START_NS + moment * steps * STEP_NS // 2
        tables["metrics"].append((at, "cpu_time", "application", 1.5 * (at - START_NS) / 1e9))
    for moment in range(3):
        at = START_NS + moment * steps * STEP_NS // 2
        tables["metrics"].append((at, "memory_resident", "application", 2.0**30 + moment))
    for table, rows in tables.items():
        _write_table(directory / f"{table}.parquet", _COLUMNS[table], rows)
    (directory / "trace.json").write_text(json.dumps(_metadata(name, basis, domains, steps) | (overrides or {})))
    seal_trace(directory)


def _account(
    program: Program, tables: dict[str, list[Any]], domains: Iterable[Any], scale: float, times: int, gpu: bool
) -> dict[str, float]:
    """Footprint rows at a fixed power per type; returns the operations' joules by domain."""
    operations: dict[str, float] = {}
    for number, op in enumerate(program.ops):
        device = "GPU:0" if gpu and op.type == "MatMul" else "CPU:0"
        time_s = times * op.time_ms * scale / 1e3
        watts = 0.85 if op.type == "MatMul" else 0.7
        total = 0.0
        basis = ""
        for domain, of, domain_basis, power_w in domains:
            if of == device:
                energy = watts * power_w * time_s
                basis = domain_basis
                tables["footprint_domains"].append(("equal", number, domain, energy))
                operations[domain] = operations.get(domain, 0.0) + energy
                total += energy
        tables["footprint"].append(
            ("equal", number, device, basis, total, 0.95 * total, 1.05 * total, time_s, total / time_s, times)
        )
    return operations


def _read(
    tables: dict[str, list[Any]], domain: str, power_w: float, steps: int, traced: int, operations: float
) -> None:
    end = START_NS + steps * STEP_NS
    total, at, ripple = 0.0, START_NS - 200 * MS, 0
    while at < end + 200 * MS:
        busy = START_NS <= at < end
        ripple = (ripple * 73 + 41) % 101
        energy = power_w * (1 + (ripple - 50) / 1000 if busy else 0.3) * 0.004
        tables["readings"].append(
            (domain, at, at + 4 * MS, 25_000, at + 4 * MS, at + 4 * MS + 9_000, energy, 0.8, 0.01, 0.1, [], "powercap")
        )
        total += energy
        at += 4 * MS
    application = 0.05 * operations
    rest = total - operations - application
    parts = {"untraced": 0.7, "profiling": 0.03, "daemon": 0.01, "other": 0.1, "idle": 0.16}
    entries = {"operations": operations, "application": application, **{k: rest * v for k, v in parts.items()}}
    tables["ledger"] += [("equal", domain, entry, energy) for entry, energy in (entries | {"gap": 0.0}).items()]


def _write_table(file: Path, columns: str, rows: list[tuple[Any, ...]]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table t ({columns})")
        if rows:
            kinds = [kind for _, kind, *_ in connection.execute("describe t").fetchall()]
            # Whole columns are far quicker than rows.
            cells = ", ".join(f"unnest(?::{kind}[])" for kind in kinds)
            connection.execute(f"insert into t select {cells}", [list(column) for column in zip(*rows, strict=True)])
        connection.table("t").write_parquet(str(file), compression="zstd")


def _metadata(name: str, basis: str, domains: Iterable[Any], steps: int) -> dict[str, Any]:
    source = "powercap" if basis == "measured" else "model"
    return {
        "schema_version": 1,
        "state": "complete",
        "recording": "r-1",
        "name": name,
        "labels": {"batch": "8"},
        "start_ns": START_NS - 200 * MS,
        "end_ns": START_NS + steps * STEP_NS + 200 * MS,
        "realtime_offset_ns": 0,
        "host": {"name": "node-7", "kernel": "6.1.0", "boot_id": "b"},
        "hardware": {"cpu": "Xeon", "sockets": 1, "logical_cpus": 20, "gpus": []},
        "software": {"tensorflow": "2.21.0", "smaragdine": "0.1.0"},
        "devices": ["CPU:0", "GPU:0"],
        "domains": [
            {"name": domain, "device": device, "parent": None, "counted": True, "basis": basis,
             "source": "nvml" if device == "GPU:0" else source, "static_w": None, "range_uj": None, "scope": "socket:0"}
            for domain, device, basis, _ in domains
        ] + [
            {"name": "psys", "device": "CPU:0", "parent": None, "counted": False,
             "not_counted_because": "it holds package-0", "basis": basis, "source": source, "static_w": None,
             "range_uj": None, "scope": "socket:0"}
        ],
        "sources": [
            {"name": source, "period_ns": 4 * MS, "measured_period_ns": 4_001_200, "ticks": 600, "missed_ticks": 2,
             "failed_reads": 0, "lateness_p50_ns": 21_000, "lateness_p99_ns": 190_000, "cpu_s": 0.012}
        ],
        "share_source": "task clocks",
        "share_tick_ns": 1 * MS,
        "options": {"period": "4ms", "every": "auto"},
        "coverage": {},
        "hidden_operations": [],
        "profiling": [],
        "clock_changes": [],
        "metrics": [{"name": "cpu_time", "unit": "s"}, {"name": "memory_resident", "unit": "bytes"}],
        "warnings": [],
        "log": [],
    }  # fmt: skip


def short(directory: Path) -> Path:
    """Two layers, and one traced step of four: quick to read a thousand times."""
    program = Program()
    program.dense("net/dense", program.op("net/embed", "GatherV2", 1.0), 2.0)
    return write(directory, program, steps=4, traced=(1,))


def footprint(program: Program) -> Footprint:
    """A footprint in memory, a joule for each millisecond."""
    rows = tuple(
        FootprintRow(i, op.qtn, op.layer, op.type, op.phase, "CPU:0", "measured", op.time_ms, None, None, 1.0, 1)
        for i, op in enumerate(program.ops)
    )
    return Footprint(rows, "equal", Coverage(0, 0, 0.0, 0.0, Energy(), Energy(), None, modelled=False))
