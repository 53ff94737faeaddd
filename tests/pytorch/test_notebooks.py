"""Cells of a notebook record a training in a real kernel: run again, interrupted, in a kernel that ends or dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from smaragdine.trace.trace import Trace

# IPython's own: it warns of a kernel without encryption, and its client of sockets that it closes later.
pytestmark = pytest.mark.filterwarnings("default")
MODEL = """
import torch, smaragdine
from models import Bert, training, words
torch.set_num_threads(1)
model = Bert(width=16)
step = training(model, words)
"""
RECORD = """
with smaragdine.record({output!r}, model=model, window=2, every=4) as recording:
    for number in range({steps}):
        with recording.step(samples=8):
            step()
        print(number, file=open({output!r} + ".at", "w"), flush=True)
"""
TRAINER = """
from transformers import Trainer, TrainingArguments
from smaragdine.transformers import EnergyCallback

class Words(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, at): return {"x": torch.tensor([float(at)]), "labels": torch.tensor([1.0])}

class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
    def forward(self, x, labels=None):
        out = self.weight(x)
        return {"loss": ((out - labels) ** 2).mean(), "logits": out}

quiet = {"report_to": [], "save_strategy": "no", "disable_tqdm": True}
arguments = TrainingArguments("checkpoints", max_steps=8, use_cpu=True, **quiet)
Trainer(Line(), arguments, train_dataset=Words(), callbacks=[EnergyCallback("trainer", window=2, every=4)]).train()
"""


class Notebook:
    """A kernel and whoever sends it cells."""

    def __init__(self, folder: Path, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.folder, self.manager, self._client = folder, manager, client
        self.told = ""

    def ready(self) -> None:
        self._client.wait_for_ready(timeout=60)

    def begin(self, cell: str) -> str:
        return str(self._client.execute(cell))

    def end(self, cell: str) -> str:
        """How a cell ended: `ok`, or the name of what it raised."""
        while True:
            reply = self._client.get_shell_msg(timeout=120)
            if reply["parent_header"].get("msg_id") == cell:
                return str(reply["content"].get("ename", reply["content"]["status"]))

    def run(self, cell: str) -> str:
        took = self._client.execute_interactive(cell, timeout=120, output_hook=self._hear)["content"]
        return str(took.get("ename", took["status"]))

    def _hear(self, message: dict) -> None:
        self.told += message["content"].get("text", "") if message["msg_type"] == "stream" else ""

    def state(self, output: str) -> str | None:
        try:
            return str(json.loads((self.folder / output / "trace.json").read_text())["state"])
        except FileNotFoundError:
            return None

    def wait_for_windows(self, output: str) -> None:
        """Until some windows are closed and their steps are done, however fast this machine is."""
        at = self.folder / f"{output}.at"
        self._wait(lambda: at.exists() and int(at.read_text() or 0) >= 20)

    def _wait(self, true: Callable[[], object]) -> None:
        until = time.monotonic() + 60
        while not true():
            assert time.monotonic() < until, "it did not come about within a minute"
            time.sleep(0.05)


@pytest.fixture
def notebook(tmp_path: Path, registers: None) -> Iterator[Notebook]:
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "python"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    manager, client = start_new_kernel(cwd=str(tmp_path), env=environment)
    opened = Notebook(tmp_path, manager, client)
    try:
        assert opened.run(MODEL) == "ok"
        yield opened
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel(now=True)


def known(trace: Trace) -> set[str]:
    rows = trace.sql("select distinct layer from ops where phase in ('forward', 'backward')").fetchall()
    return {layer for (layer,) in rows}


def test_a_cell_that_is_run_again_records_beside_the_first_and_says_so(notebook: Notebook) -> None:
    cell = RECORD.format(output="out", steps=8)
    assert [notebook.run(cell), notebook.run(cell)] == ["ok", "ok"]
    assert "out-2" in notebook.told
    for output in ("out", "out-2"):
        trace = Trace.open(notebook.folder / output)
        assert notebook.state(output) == "complete"
        assert trace.sql("select count(*) from steps").fetchall() == [(8,)]
        assert {"bert/embed", "bert/layer/1/mlp/up", "bert/head"} <= known(trace)


def test_the_trainers_callback_records_in_a_cell(notebook: Notebook) -> None:
    assert notebook.run(TRAINER) == "ok"
    trace = Trace.open(notebook.folder / "trainer")
    assert trace.sql("select count(*) from steps").fetchall() == [(8,)]
    assert "line/weight" in known(trace)


def test_a_cell_that_is_interrupted_leaves_a_whole_trace_and_a_kernel_that_records_again(notebook: Notebook) -> None:
    cell = notebook.begin(RECORD.format(output="out", steps=10**6))
    notebook.wait_for_windows("out")
    assert notebook.state("out") == "recording"
    notebook.manager.interrupt_kernel()
    assert notebook.end(cell) == "KeyboardInterrupt"
    assert notebook.state("out") == "complete"
    assert known(Trace.open(notebook.folder / "out")) >= {"bert/head"}
    assert notebook.run("print(torch.autograd._profiler_enabled(), torch.nn.Module.__call__.__name__)") == "ok"
    assert "False _wrapped_call_impl" in notebook.told
    assert notebook.run(RECORD.format(output="out", steps=8)) == "ok"
    assert notebook.state("out-2") == "complete"


@pytest.mark.parametrize("now", [False, True], ids=["shut down", "killed"])
def test_a_kernel_that_ends_within_a_cell_leaves_a_trace_that_is_whole_or_can_be_recovered(
    notebook: Notebook, now: bool
) -> None:
    notebook.begin(RECORD.format(output="out", steps=10**6))
    notebook.wait_for_windows("out")
    assert notebook.state("out") == "recording"
    notebook.manager.shutdown_kernel(now=now)
    assert not notebook.manager.is_alive()
    if notebook.state("out") == "recording":
        code = "import sys; from smaragdine.cli import main; sys.exit(main())"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "python")}
        recover = [sys.executable, "-c", code, "recover", str(notebook.folder / "out")]
        done = subprocess.run(recover, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert notebook.state("out") == "cut"
    assert notebook.state("out") in ("complete", "cut")
    trace = Trace.open(notebook.folder / "out")
    assert trace.sql("select sum(energy_j) > 0 from ledger").fetchall() == [(True,)]


def test_a_kernel_that_is_started_again_records_beside_what_the_one_before_left(notebook: Notebook) -> None:
    assert notebook.run(RECORD.format(output="out", steps=8)) == "ok"
    assert notebook.run("recording = smaragdine.record('open', model=model); recording.__enter__()") == "ok"
    notebook.manager.restart_kernel()
    notebook.ready()
    assert notebook.run(MODEL + RECORD.format(output="out", steps=8)) == "ok"
    assert (notebook.state("out"), notebook.state("out-2")) == ("complete", "complete")
