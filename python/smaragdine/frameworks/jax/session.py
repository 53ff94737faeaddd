"""Sessions of JAX's profiler in this process: XSpace bytes, without files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from smaragdine.frameworks.jax import barrier
from smaragdine.training.tracer import RefusedError

_LOG = logging.getLogger("smaragdine")
_OTHERS = (
    "another profiler is running (jax.profiler.trace?), and JAX allows one at a time: energy is measured, but not "
    "broken down into operations until that one stops"
)
_OURS = (
    "another recording in this process traces operations, and JAX allows one profiler at a time: both measure energy, "
    "and each step is broken down in at most one of them"
)
# The window that is open in this process.
_open: Session | None = None


class Session:
    """One window. JAX makes a second session without complaint and ruins it, so others are asked for first."""

    def __init__(self, programs: bool) -> None:
        """Starts profiling; `programs`: what is executed comes with its compiled program.

        Raises `RefusedError` where another profiler runs, or JAX lets none be started.
        """
        global _open
        if _open is not None:
            raise RefusedError(_OURS)
        if _others_run():
            raise RefusedError(_OTHERS)
        try:
            self._module = _module()
            self._made = self._module.ProfilerSession
            self._session: Any = self._made(_options(self._module, programs))
        except Exception as error:
            raise RefusedError(
                f"the profiler did not start, so energy is not broken down into operations: {error}"
            ) from error
        self.xspace = b""
        _open = self
        # Whoever else starts one while ours runs is to have it whole.
        self._module.ProfilerSession = self._give_way

    def close(self) -> Callable[[], None]:
        """The window has had its steps; returns what stops the profiler, on whichever thread."""
        global _open
        if _open is self:
            _open = None
        if self._module.ProfilerSession == self._give_way:
            self._module.ProfilerSession = self._made
        return self._stop

    def _give_way(self, *arguments: Any) -> Any:
        barrier.wait()
        self.close()()
        return self._made(*arguments)

    def _stop(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            self.xspace = bytes(session.stop())
        except Exception as error:  # noqa: BLE001  nothing that a profiler does may end a training
            _LOG.warning("a profile was lost, another profiler ran beside it: %s", error)


def _module() -> Any:
    """Where the session is, which is not public: in 0.4.35 within `xla_client`."""
    try:
        from jax._src.lib import _profiler
    except ImportError:
        from jax._src.lib import xla_client

        return xla_client.profiler
    return _profiler


def _options(module: Any, programs: bool) -> Any:
    options = module.ProfileOptions()
    options.python_tracer_level = 0
    options.host_tracer_level = 2
    options.enable_hlo_proto = programs
    return options


def _others_run() -> bool:
    from jax._src import profiler

    state = getattr(profiler, "_profile_state", None)
    return getattr(state, "profile_session", None) is not None
