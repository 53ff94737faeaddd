"""A loop of the program's own that runs PyTorch, which was imported before: nothing here imports it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from smaragdine.frameworks.torch.steps import OptimizerSteps as OptimizerSteps
from smaragdine.recording.channel import Channel
from smaragdine.recording.recorder import Recorder
from smaragdine.training.tracer import Tracer
from smaragdine.training.training import Training


def software() -> dict[str, str]:
    """PyTorch's version, where the program imported it."""
    torch = _torch()
    return {"torch": str(torch.__version__)} if torch is not None else {}


def loop_tracer(channel: Channel, model: object) -> Tracer | None:
    """A tracer of the loop that is about to run a step; None where another framework is to be asked."""
    torch = _torch()
    if torch is None or not _is_torchs(model, torch):
        return None
    from smaragdine.frameworks.torch.tracer import TorchTracer, models_of

    return TorchTracer(channel, torch, models_of(model, torch))


def hooked(
    recorder: Recorder, training: Training, model: object, before: Callable[[], object]
) -> OptimizerSteps | None:
    """Has the optimizers of PyTorch mark the training's steps; `before` is called before the first of them."""
    torch = _torch()
    if torch is None or recorder.state != "recording" or not _is_torchs(model, torch):
        return None
    steps = None
    with recorder.guarded():
        before()
        steps = OptimizerSteps(training)
        recorder.before_finish(steps.stop)
    return steps


def _torch() -> Any:
    torch = sys.modules.get("torch")
    # While it is being imported it lacks most of itself.
    return torch if torch is not None and hasattr(torch, "compiler") and hasattr(torch, "optim") else None


def _is_torchs(model: object, torch: Any) -> bool:
    """Whether this model is one of PyTorch's; without one, whether no TensorFlow runs beside."""
    from smaragdine.frameworks.torch.tracer import models_of

    if model is not None and models_of(model, torch):
        return True
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "backend"):
        return bool(keras.backend.backend() == "torch")
    return model is None and "tensorflow" not in sys.modules
