"""A loop of the program's own that runs JAX."""

from __future__ import annotations

import sys

from smaragdine.daemon.messages import Model
from smaragdine.frameworks.jax.scopes import Scopes
from smaragdine.frameworks.jax.tracer import JaxTracer
from smaragdine.recording.channel import Channel


def runs_jax(model: object) -> bool:
    """Whether the program that is about to run a step runs it on JAX; others may have imported it as well."""
    if "jax" not in sys.modules:
        return False
    if "tensorflow" not in sys.modules:
        return True
    models = model if isinstance(model, (list, tuple)) else [model]
    of = {name.split(".")[0] for one in models if one is not None for name in _modules_of(one)}
    if of & {"flax", "equinox", "haiku", "jax"}:
        return True
    keras = sys.modules.get("keras")
    if "keras" in of and keras is not None:
        return str(keras.backend.backend()) == "jax"
    # Of those who read data with TensorFlow many train with JAX, and then it holds the parameters.
    return "tensorflow" not in of and _holds_arrays()


def _modules_of(model: object) -> list[str]:
    """The modules in which the classes of a model are defined, its own first."""
    return [str(kind.__module__) for kind in type(model).__mro__]


def _holds_arrays() -> bool:
    import jax
    from jax._src import xla_bridge

    # Asking for arrays would start the devices up where nobody has.
    started = getattr(xla_bridge, "backends_are_initialized", lambda: True)()
    return bool(started and jax.live_arrays())


def loop_tracer(channel: Channel, model: object) -> JaxTracer:
    """A tracer of the loop that is about to run a step; `model`: a module of Flax nnx or Equinox, if any."""
    return JaxTracer(channel, Scopes.of(model), _keras_model(model))


def _keras_model(model: object) -> Model | None:
    """What a Keras model says of its layers, where that is what the loop trains."""
    if not any(name.startswith("keras.") for name in _modules_of(model)):
        return None
    from smaragdine.frameworks.tensorflow.graph import layer_paths

    return Model(str(getattr(model, "name", "")), layer_paths(model))
