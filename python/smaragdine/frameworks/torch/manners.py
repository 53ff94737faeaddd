"""Another profiler of the user's goes first: a second one at once ruins both, and PyTorch does not say so."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


class Manners:
    """Watches `torch.autograd.profiler.profile`, which every profiler of the user's goes through."""

    def __init__(self, torch: Any, give_way: Callable[[], object]) -> None:
        """`give_way` is called, on the user's thread, before another profiler readies itself."""
        self._profile = torch.autograd.profiler.profile
        self._give_way = give_way
        self._others: list[weakref.ref[Any]] = []
        self._original: Any = None
        self._patch: Any = None

    def watch(self) -> None:
        """From now on."""
        original = getattr(self._profile, "_prepare_trace", None)
        if original is None or self._patch is not None:
            return

        def smaragdine_prepare_trace(profile: Any, *args: Any, **kwargs: Any) -> Any:
            if self._patch is not None:
                self._others.append(weakref.ref(profile))
                self._give_way()
            return original(profile, *args, **kwargs)

        self._original = original
        self._patch = self._profile._prepare_trace = smaragdine_prepare_trace

    def end(self) -> None:
        """No more. Where another patched over ours, ours stays and does nothing."""
        patch, self._patch = self._patch, None
        if patch is not None and self._profile._prepare_trace is patch:
            self._profile._prepare_trace = self._original

    def another_is_ready(self) -> bool:
        """Whether a profiler of the user's has readied itself and has not ended: it may wait for its schedule."""
        waiting = [other for other in self._others if (it := other()) is not None and it.kineto_results is None]
        self._others = waiting
        return bool(waiting)
