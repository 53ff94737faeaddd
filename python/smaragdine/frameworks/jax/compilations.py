"""How often JAX compiled, as it tells its listeners, and whether it took programs from its persistent cache."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

_LOG = logging.getLogger("smaragdine")
_COMPILED = "/jax/core/compile/backend_compile_duration"
_CACHED = "/jax/compilation_cache/cache_hits"


class Compilations:
    """Counted in this process since they were first watched."""

    def __init__(self) -> None:
        self.count = 0
        self.from_cache = 0
        self._heard_by: list[WeakMethod[Callable[[], object]]] = []

    def call(self, method: Callable[[], object]) -> None:
        """Calls it whenever something compiled, for as long as its object lives."""
        self._heard_by = [one for one in self._heard_by if one() is not None] + [WeakMethod(method)]

    def _timed(self, event: str, duration: float, **_: Any) -> None:
        if event == _COMPILED:
            self.count += 1
            for one in self._heard_by:
                if (method := one()) is not None:
                    method()

    def _happened(self, event: str, **_: Any) -> None:
        if event == _CACHED:
            self.from_cache += 1


_watched: Compilations | None = None


def watch() -> Compilations:
    """The counts, which begin with the first call: JAX has no public way to take a listener off again."""
    global _watched
    if _watched is None:
        _watched = Compilations()
        try:
            import jax.monitoring

            jax.monitoring.register_event_duration_secs_listener(_watched._timed)
            jax.monitoring.register_event_listener(_watched._happened)
        except Exception as error:  # noqa: BLE001  without it, steps that compile are not told from others
            _LOG.debug("JAX does not tell when it compiles: %r", error)
    return _watched


def cache_keeps_names() -> bool:
    """Whether a program in the persistent cache has the names of the run that put it there, whatever this one's are."""
    import jax

    return not getattr(jax.config, "jax_compilation_cache_include_metadata_in_key", False)
