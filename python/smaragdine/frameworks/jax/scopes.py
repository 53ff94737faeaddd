"""Gives modules of Flax nnx and Equinox, which JAX knows nothing of, a scope each: their calls are wrapped.

Only tracing pays for it, since what was compiled is not called again. Flax linen and Haiku name their own modules.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Modules within modules that are searched for one that was called.
_DEPTH = 8
_MOST = 20_000


class Scopes:
    """The scopes of one model's modules, from `open` to `close`."""

    def __init__(self, model: Any) -> None:
        self.name = type(model).__name__
        # By path without the model's own, each module's class.
        self._classes = {path: type(module) for path, module in walk(model) if path}
        self._root = type(model)
        self._wrapped: list[tuple[type, Any]] = []
        self._calls = threading.local()

    @classmethod
    def of(cls, model: object) -> Scopes | None:
        """None where the model is none of a library whose modules need it."""
        return cls(model) if is_module(model) else None

    @property
    def layer_paths(self) -> list[str]:
        """`blocks/0/attention`, in the order in which the model holds them."""
        return list(self._classes)

    def open(self) -> None:
        """Wraps the calls of the model's classes; what is traced from now on has their scopes."""
        holders = {holder for kind in (self._root, *self._classes.values()) if (holder := _holder(kind))}
        for holder in holders:
            original = holder.__dict__["__call__"]
            self._wrapped.append((holder, original))
            # Equinox' classes refuse to be changed in any other way.
            type.__setattr__(holder, "__call__", self._scoped(original))

    def close(self) -> None:
        """Takes the wrappers off again."""
        wrapped, self._wrapped = self._wrapped, []
        for holder, original in wrapped:
            type.__setattr__(holder, "__call__", original)

    def _scoped(self, original: Any) -> Callable[..., Any]:
        import jax

        def call(module: Any, /, *arguments: Any, **keywords: Any) -> Any:
            callers = self._callers()
            name = self._name(callers[-1] if callers else None, module)
            callers.append(module)
            try:
                bound = original.__get__(module, type(module))
                with jax.named_scope(name) if name else _NOTHING:
                    return bound(*arguments, **keywords)
            finally:
                callers.pop()

        # Libraries read a call's signature.
        return functools.wraps(getattr(original, "method", original))(call)

    def _callers(self) -> list[Any]:
        if not hasattr(self._calls, "stack"):
            self._calls.stack = []
        stack: list[Any] = self._calls.stack
        return stack

    def _name(self, caller: Any, module: Any) -> str:
        """Transformations copy modules, so that one is known only by who holds it: by its caller."""
        if module is caller:
            return ""  # by `super().__call__`
        if caller is not None:
            for path, held in walk(caller):
                if held is module:
                    return path
        kind = type(module)
        if kind is self._root:
            return self.name
        alike = [path for path, other in self._classes.items() if other is kind]
        return f"{self.name}/{alike[0]}" if len(alike) == 1 and caller is None else kind.__name__


def is_module(value: object) -> bool:
    """Whether this is a module of Flax nnx or Equinox."""
    libraries = {str(kind.__module__).split(".")[0] for kind in type(value).__mro__ if kind.__name__ == "Module"}
    of_linen = any(str(kind.__module__).startswith("flax.linen") for kind in type(value).__mro__)
    return bool(libraries & {"flax", "equinox"}) and not of_linen


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """The modules that one holds, each with its path, `""` for itself; breadth first, each where it comes first."""
    waiting: list[tuple[str, Any, int]] = [("", root, 0)]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        path, value, depth = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if is_module(value) and not _is_container(value):
            yield path, value
        if depth < _DEPTH:
            before = f"{path}/" if path else ""
            waiting.extend((f"{before}{name}", held, depth + 1) for name, held in _held(value))


def _held(value: Any) -> Iterator[tuple[str, Any]]:
    """What a module or a container holds that may be a module or hold one."""
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (list, tuple)) or _is_container(value):
        try:
            items = list(enumerate(value)) if not hasattr(value, "items") else list(value.items())
        except Exception:  # noqa: BLE001  a container of another kind
            return
    elif is_module(value):
        items = [(name, held) for name, held in vars(value).items() if not name.startswith("_")]
    else:
        return
    for name, held in items:
        if isinstance(held, (list, tuple, Mapping)) or is_module(held):
            yield str(name), held


def _is_container(value: Any) -> bool:
    """nnx keeps lists and dictionaries of modules in modules of its own."""
    kind = type(value)
    return str(kind.__module__).startswith("flax.nnx") and kind.__name__ in ("List", "Dict")


def _holder(kind: type) -> type | None:
    """The class that defines how modules of this one are called."""
    for one in kind.__mro__:
        if "__call__" in one.__dict__:
            return one if one is not object else None
    return None


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()
