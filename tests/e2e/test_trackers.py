"""Joules where people look: CSVLogger, TensorBoard, MLflow and Weights & Biases, real packages with local stores."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import smaragdine
from smaragdine import Trace
from testbed.hardware import Tree, built

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.tensorflow,
    # What MLflow, Weights & Biases and what they bring say of themselves.
    pytest.mark.filterwarnings("default"),
]

from smaragdine.keras import EnergyCallback  # noqa: E402

PER_STEP, PER_SAMPLE, TOTAL = "energy_j_per_step", "energy_j_per_sample", "energy_j"
BATCH, EXAMPLES = 16, 512


@pytest.fixture
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SMARAGDINE_BIN", os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))
    )
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)


@pytest.fixture
def measured(tree: Tree, real_daemon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


@pytest.fixture
def mlflow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # Its file store asks for this since it has others.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    mlflow.set_experiment("energy")
    with mlflow.start_run() as run:
        yield run


@pytest.fixture
def wandb_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb = pytest.importorskip("wandb")
    run = wandb.init(project="energy", mode="offline", dir=str(tmp_path))
    yield run
    run.finish()


def fit(*callbacks: Any, epochs: int = 3, **options: Any) -> Any:
    net = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(1)], name="net")
    net.compile("adam", "mse")
    x = np.random.default_rng(0).random((EXAMPLES, 64), "float32")
    return net.fit(x, x[:, :1], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def scalars(logs: Path) -> dict[str, list[float]]:
    """What TensorBoard's event files hold, by tag."""
    found: dict[str, list[float]] = {}
    for file in sorted(logs.rglob("events.out*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag.startswith("epoch_"):
                    found.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    return found


def application_j(trace: Trace) -> float:
    credit = trace.statement().credit
    assert credit is not None
    return credit.energy.measured_j


def test_joules_per_step_stand_beside_the_loss_in_csv_tensorboard_mlflow_and_wandb(
    measured: None, mlflow_run: Any, wandb_run: Any, tmp_path: Path
) -> None:
    import mlflow

    # Listed last, after those whose columns are fixed at the first epoch.
    history = fit(
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(str(tmp_path / "tb")),
        EnergyCallback(tmp_path / "out", labels={"region": "SWE", "pue": "1.2"}),
        validation_split=0.5,
    )
    steps = EXAMPLES // 2 // BATCH
    told = history.history[PER_STEP]
    assert len(told) == 3
    assert all(value > 0 for value in told)
    assert history.history[PER_SAMPLE] == pytest.approx([value / BATCH for value in told])
    rows = table(tmp_path / "log.csv")
    assert [float(row[PER_STEP]) for row in rows] == pytest.approx(told)
    assert {PER_SAMPLE, TOTAL, "loss", "val_loss"} <= set(rows[0])
    assert scalars(tmp_path / "tb")[f"epoch_{PER_STEP}"] == pytest.approx(told, rel=1e-5)

    client, run_id = mlflow.MlflowClient(), mlflow_run.info.run_id
    logged = client.get_metric_history(run_id, PER_STEP)
    assert [point.value for point in sorted(logged, key=lambda point: point.step)] == pytest.approx(told)
    assert sorted(point.step for point in logged) == [0, 1, 2]
    run = client.get_run(run_id)
    trace = Trace.open(tmp_path / "out")
    statement = trace.statement()
    assert run.data.metrics["cpu_kwh"] == pytest.approx(statement.credit.component_kwh("cpu"))
    assert run.data.metrics["energy_kwh"] == pytest.approx(1.2 * statement.kwh)
    assert run.data.metrics["emissions_kg"] > 0
    assert run.data.tags["smaragdine.region"] == "SWE"
    (artifact,) = client.list_artifacts(run_id, "smaragdine/out")
    assert artifact.path == "smaragdine/out/report.html"
    assert dict(wandb_run.summary)["energy_kwh"] == run.data.metrics["energy_kwh"]

    # All of it is within what the trace holds, and steps are not all of that.
    whole_j = application_j(trace)
    assert steps * sum(told) < history.history[TOTAL][-1] * 1.02
    assert 0.5 * whole_j < history.history[TOTAL][-1] <= 1.01 * whole_j


def test_mlflows_own_callback_and_ours_log_no_step_twice(measured: None, mlflow_run: Any, tmp_path: Path) -> None:
    import mlflow

    class Own(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            mlflow.log_metrics(logs, step=epoch)

    client, run_id = mlflow.MlflowClient(), mlflow_run.info.run_id
    told = fit(Own(), EnergyCallback(tmp_path / "out")).history[PER_STEP]
    assert [point.value for point in client.get_metric_history(run_id, PER_STEP)] == pytest.approx(told)
    # Another training of the same run, which nothing else logs.
    told += fit(EnergyCallback(tmp_path / "out")).history[PER_STEP]
    assert [point.value for point in client.get_metric_history(run_id, PER_STEP)] == pytest.approx(told)


def test_a_recording_of_ones_own_loop_is_told_to_mlflow(measured: None, mlflow_run: Any, tmp_path: Path) -> None:
    import mlflow

    with smaragdine.record(tmp_path / "out") as recording:
        recording.place("Sweden", 1.1)
        with recording.step(samples=8):
            sum(i * i for i in range(3_000_000))
    run = mlflow.MlflowClient().get_run(mlflow_run.info.run_id)
    assert run.data.metrics["energy_kwh"] > 0
    assert (run.data.metrics["pue"], run.data.tags["smaragdine.region"]) == (1.1, "SWE")


def test_trackers_are_left_alone_where_that_is_asked_for(measured: None, mlflow_run: Any, tmp_path: Path) -> None:
    import mlflow

    fit(EnergyCallback(tmp_path / "out", trackers=False), epochs=1)
    assert mlflow.MlflowClient().get_run(mlflow_run.info.run_id).data.metrics == {}


def test_callbacks_that_stop_or_slow_a_training_read_joules_as_any_metric(measured: None, tmp_path: Path) -> None:
    seen = []

    class Reader(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(logs[PER_STEP])

    history = fit(
        Reader(),
        keras.callbacks.EarlyStopping(PER_STEP, mode="min", patience=0, min_delta=1e9),
        keras.callbacks.ReduceLROnPlateau(PER_STEP, mode="min", patience=1),
        EnergyCallback(tmp_path / "out"),
        epochs=20,
    )
    assert len(history.epoch) == 2, "the second epoch is no gigajoule better than the first"
    assert seen == history.history[PER_STEP]


def test_a_second_fit_has_its_own_values_and_a_users_metric_of_that_name_stays(measured: None, tmp_path: Path) -> None:
    class Own(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["loss"] = 7.0

    callback = EnergyCallback(tmp_path / "out")
    first, second = fit(callback, Own()), fit(callback, Own())
    for history in (first, second):
        assert history.history["loss"] == [7.0] * 3
        assert all(math.isfinite(value) for value in history.history[PER_STEP])
    assert second.history[TOTAL][0] < first.history[TOTAL][-1] + second.history[TOTAL][-1]
    assert second.history[TOTAL] == sorted(second.history[TOTAL])


def test_without_a_sensor_the_names_say_that_it_is_modelled(
    real_daemon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root in ("POWERCAP_ROOT", "HWMON_ROOT", "NVML_LIBRARY", "DRM_ROOT", "PERF_ROOT", "CRAY_ROOT"):
        monkeypatch.setenv(f"SMARAGDINE_{root}", "/nonexistent")
    names = set(fit(EnergyCallback(tmp_path / "out")).history)
    assert {f"modelled_{PER_STEP}", f"modelled_{PER_SAMPLE}", f"modelled_{TOTAL}"} <= names
    assert PER_STEP not in names


def test_without_a_recording_the_logs_are_as_keras_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_BIN", str(tmp_path / "nothing"))
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)
    assert set(fit(EnergyCallback(tmp_path / "out"), epochs=1).history) == {"loss"}


def test_a_training_stops_in_good_order_when_its_budget_is_drawn(measured: None, tmp_path: Path) -> None:
    ended = []
    callback = EnergyCallback(tmp_path / "out", budget="20 J", budget_stops=True)
    history = fit(
        callback, keras.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(logs)), epochs=100_000
    )
    assert len(history.epoch) < 100_000
    assert len(ended) == 1
    trace = Trace.open(tmp_path / "out")
    assert trace.metadata.state == "complete"
    assert trace.metadata.labels["stopped_by"] == "budget of 20 J"
    # It is noticed some tenths of a second late, and what follows the last step is not free.
    assert 20 <= application_j(trace) < 200
