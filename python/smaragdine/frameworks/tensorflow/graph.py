"""What a Keras model says about itself, so that the daemon can lead profiler names back to the user's layers.

Nothing here raises: a model that cannot be read gives less detail, never a failed training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smaragdine.frameworks.tensorflow.functions import UNREADABLE
from smaragdine.frameworks.tensorflow.outline import Outline
from smaragdine.frameworks.tensorflow.variables import Named, named_variables, path_of


def layer_paths(model: Any) -> list[str]:
    """The path of every layer below `model`, without the model's own name: `encoder/layer_0/attention`.

    A layer that several hold has one, that of the first. Layers come in the order in which the model holds them, each
    after its holder.
    """
    return below(Outline([model]))


def below(outline: Outline) -> list[str]:
    """The paths of all layers but the first model, without its name."""
    if not outline.layers:
        return []
    (_, name), *layers = outline.layers
    return list(dict.fromkeys(path.removeprefix(f"{name}/") for _, path in layers))


def variable_paths(model: Any) -> list[str]:
    """The path of every trainable variable in the optimizer's order: `bert/encoder/layer_0/attention/kernel`."""
    return trained_paths([model], named_variables(Outline([model])))


def trained_paths(models: Sequence[Any], named: Named) -> list[str]:
    """The same of several models, each variable once."""
    try:
        variables = [variable for model in models for variable in model.trainable_variables]
    except UNREADABLE:
        return []
    known = (named.get(id(variable)) for variable in variables)
    return list(dict.fromkeys(found[1] if found else path_of(one) for one, found in zip(variables, known, strict=True)))
