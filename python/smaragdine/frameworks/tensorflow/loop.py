"""A loop of the program's own that runs TensorFlow: what it calls is found by the names in its code."""

from __future__ import annotations

from smaragdine.frameworks.tensorflow.functions import is_function
from smaragdine.frameworks.tensorflow.program import Program
from smaragdine.frameworks.tensorflow.reach import reached_by_caller
from smaragdine.frameworks.tensorflow.tracer import TensorFlowTracer
from smaragdine.recording.channel import Channel


def loop_tracer(channel: Channel, model: object) -> TensorFlowTracer:
    """A tracer of the loop that is about to run a step; `model` is what `Program` takes."""
    # The step is among what the loop's code names, if not among what the user told.
    program = Program(model, calls=list(filter(is_function, reached_by_caller())))
    # Whether a loop calls compiled functions or single operations cannot be known beforehand.
    return TensorFlowTracer(channel, program, eager=True)
