"""The operations of a JAX program: its profiler, in windows of steps, and the programs that it compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from smaragdine.daemon.messages import Format, Model
from smaragdine.frameworks.jax import barrier, compilations
from smaragdine.frameworks.jax.scopes import Scopes
from smaragdine.frameworks.jax.session import Session
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, Job

_CACHED = (
    "JAX took programs from its persistent compilation cache, which does not ask whether names changed: modules may be "
    "called as in the run that compiled them; hint: jax.config.update('jax_compilation_cache_include_metadata_in_key', "
    "True)"
)
_ASYNCHRONOUS = (
    "steps ended before their work did: a window of traced steps is one stretch, whose energy per step is right in the "
    "mean; which of its steps an operation belongs to is not known"
)
# More of a window's time than this is waited for at its end: its steps did not wait themselves.
_MOST_LEFT = 0.1


class JaxTracer:
    """A `Tracer` of whatever JAX compiles; modules of Flax nnx and Equinox are named from its making on."""

    def __init__(self, channel: Channel, scopes: Scopes | None = None, model: Model | None = None) -> None:
        """`model` is what leads scopes to layers that those are no whole paths of, as in Keras."""
        self._channel = channel
        self._model = Model(scopes.name, scopes.layer_paths) if scopes else model
        self._scopes = scopes
        self._compilations = compilations.watch()
        self._compilations.call(self._compiles)
        self.on_compilation: Callable[[], object] = lambda: None
        self._compiled = self._compilations.count
        self._from_cache = self._compilations.from_cache
        # With the programs of how many compilations a window was sent.
        self._sent = -1
        self._session: Session | None = None
        self._opened = 0.0
        self._asynchronous = False
        if scopes:
            scopes.open()

    def open(self) -> bool:
        # What earlier steps left is not this window's.
        barrier.wait()
        self._session = Session(programs=self._sent != self._compilations.count)
        self._opened = time.monotonic()
        return True

    def settle(self) -> None:
        waited = barrier.wait()
        self._asynchronous |= waited > _MOST_LEFT * (time.monotonic() - self._opened)

    def close(self) -> Closed:
        barrier.wait()
        session, self._session = self._session, None
        if session is None:
            return Closed(ship=lambda: None)
        compiled = self._compilations.count
        return Closed(ship=lambda: self._ship(session, compiled), stop=session.close())

    def compilations(self, batch: int) -> int:
        count = self._compilations.count
        compiled, self._compiled = count - self._compiled, count
        return compiled

    def _compiles(self) -> None:
        self.on_compilation()

    def first_step_ended(self) -> bool:
        return False

    def describe(self) -> Sequence[Job]:
        model = self._model
        return (lambda: self._channel.model(model),) if model else ()

    def conclude(self) -> Sequence[Job]:
        return (self._conclude,)

    def _ship(self, session: Session, compiled: int) -> None:
        if session.xspace and self._channel.profile(Format.XSPACE, session.xspace):
            # The daemon keeps them.
            self._sent = compiled

    def _conclude(self) -> None:
        if self._scopes:
            self._scopes.close()
        if self._compilations.from_cache > self._from_cache and compilations.cache_keeps_names():
            self._channel.note(_CACHED)
        if self._asynchronous:
            self._channel.note(_ASYNCHRONOUS)
