"""Where each module of a model is: the path under which its operations are accounted, without what only wraps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from smaragdine.frameworks.tensorflow.outline import Outline, is_layer

# Attributes by which wrappers hold what they wrap: of torch.compile, FSDP, checkpointing, flattened parameters.
_WRAPPING = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_fpw_module"})
# Of these alone, `module` is no name of the user's.
_HOLDS_MODULE = frozenset(
    {"DistributedDataParallel", "DataParallel", "FullyShardedDataParallel", "AveragedModel", "DeepSpeedEngine"}
)
# Deeper or larger than any model.
_MOST_MODULES = 1_000_000


def paths(models: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """Every module of the models with its path, `bert/encoder/layer/0`; one that stands in several places, its first.

    A model is called after its class, those of one class are numbered. A wrapper has the path of what it wraps. A model
    of Keras' and its layers have the names that Keras gives them.
    """
    names: dict[str, int] = {}
    seen: set[int] = set()
    for model in models:
        if is_layer(inside := unwrapped(model)):
            yield from ((layer, path) for layer, path in Outline([inside]).layers if id(layer) not in seen)
            continue
        name = snake(type(inside).__name__)
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name}_{names[name] - 1}"
        waiting = [(model, name)]
        while waiting and len(seen) < _MOST_MODULES:
            module, path = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield module, path
            children = list(_children(module))
            waiting += [(child, _below(module, path, own)) for own, child in reversed(children)]


def unwrapped(module: Any) -> Any:
    """What a wrapper wraps, if that is what this is."""
    for _ in range(8):
        inside = next((child for name, child in _children(module) if _wraps(module, name)), None)
        if inside is None:
            return module
        module = inside
    return module


def snake(name: str) -> str:
    """`BertForMaskedLM` → `bert_for_masked_lm`, as Keras calls a model of that class."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower().strip("_") or "model"


def _below(module: Any, path: str, name: str) -> str:
    return path if _wraps(module, name) else f"{path}/{name}"


def _wraps(module: Any, name: str) -> bool:
    return name in _WRAPPING or (name == "module" and type(module).__name__ in _HOLDS_MODULE)


def _children(module: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(module, "_modules", None)
    for name, child in list(children.items()) if isinstance(children, dict) else ():
        if child is not None:
            yield str(name), child
