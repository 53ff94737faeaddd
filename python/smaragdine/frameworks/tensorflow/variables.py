"""The variables of models, their metrics and optimizers, each with a path that leads back to its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from smaragdine.frameworks.tensorflow.functions import UNREADABLE, variables_of
from smaragdine.frameworks.tensorflow.outline import Outline, is_layer, name_of

Named = dict[int, tuple[Any, str]]


def named_variables(outline: Outline, others: Iterable[Any] = ()) -> Named:
    """Every variable of the models, their metrics and optimizers, and of `others` that hold some, by its identity.

    A layer's variable has the layer's path before its own name, whoever built the layer; an optimizer's slot has the
    optimizer's name, the path of the variable that it is for, and what it is: `adam/net/dense/kernel/momentum`.
    """
    named: Named = {}
    for layer, path in outline.layers:
        for variable in _own_variables(layer):
            named.setdefault(id(variable), (variable, f"{path}/{variable.name}" if path else str(variable.name)))
    trained = [variable for model in outline.models for variable in _trained(model)]
    holders = [held for model in outline.models for held in (model, *(getattr(model, "metrics", None) or ()))]
    holders += [optimizer for model in outline.models for optimizer in optimizers_of(model)]
    for holder in [*holders, *(other for other in others if not is_layer(other))]:
        slots = _slots(holder, named, trained)
        for variable in variables_of(holder):
            named.setdefault(id(variable), (variable, slots.get(id(variable)) or path_of(variable)))
    return named


def optimizers_of(model: Any) -> list[Any]:
    """The optimizers that a model has, also those under names of the user's own: a critic's beside a generator's."""
    held = [getattr(model, "optimizer", None), *_held(getattr(model, "__dict__", {}))]
    return list({id(one): one for one in held if one is not None and _is_optimizer(one)}.values())


def path_of(variable: Any) -> str:
    """A variable's path as Keras has it, without the models that only call its layer."""
    return str(getattr(variable, "path", None) or variable.name)


def _slots(optimizer: Any, named: Named, trained: list[Any]) -> dict[int, str]:
    """The paths of an optimizer's slots, `adam/dense_kernel_momentum` in Keras.

    Variables of one path in two models have slots of one path, in the order of the variables.
    """
    of = getattr(optimizer, "_trainable_variables", None) or trained
    by_path: dict[str, list[str]] = {}
    for variable in of:
        flat = path_of(variable).replace("/", "_")
        by_path.setdefault(flat, []).append(named[id(variable)][1] if id(variable) in named else path_of(variable))
    slots: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for variable in variables_of(optimizer):
        slot = path_of(variable).rpartition("/")[2]
        if (found := _longest(slot, by_path)) and id(variable) not in named:
            paths = by_path[found]
            path = paths[min(seen[slot], len(paths) - 1)]
            seen[slot] += 1
            slots[id(variable)] = f"{name_of(optimizer)}/{path}/{slot[len(found) + 1 :]}"
    return slots


def _longest(slot: str, known: Mapping[str, Any]) -> str:
    """The longest of the known names that `slot` begins with."""
    while slot and slot not in known:
        slot = slot.rpartition("_")[0]
    return slot


def _own_variables(layer: Any) -> Iterator[Any]:
    """A layer's variables without those of the layers that it holds."""
    for held in ("_trainable_variables", "_non_trainable_variables"):
        yield from getattr(layer, held, None) or ()
    for generator in getattr(layer, "_seed_generators", None) or ():
        if (state := getattr(generator, "state", None)) is not None:
            yield state


def _trained(model: Any) -> list[Any]:
    try:
        return list(getattr(model, "trainable_variables", None) or ())
    except UNREADABLE:
        return []


def _held(attributes: Mapping[str, Any]) -> Iterator[Any]:
    """What attributes hold, also in lists and dictionaries."""
    for held in list(attributes.values()):
        try:
            inside = list(held.values() if isinstance(held, Mapping) else held if _is_list(held) else (held,))
        except UNREADABLE:  # what Keras tracks for its own use need not be a whole dictionary
            continue
        yield from inside


def _is_list(held: Any) -> bool:
    return isinstance(held, (list, tuple))


def _is_optimizer(held: Any) -> bool:
    return hasattr(type(held), "apply_gradients")
