"""One recording: energy is measured from its start to its end, and its trace lands in OUTPUT."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.extent import Extent
from smaragdine.errors import NotMeasuredError, SmaragdineError, UsageError
from smaragdine.recording import ending
from smaragdine.recording.beginning import Begun, begin
from smaragdine.recording.brake import Brake
from smaragdine.recording.channel import Channel
from smaragdine.recording.companion import Companion
from smaragdine.recording.destination import absolute
from smaragdine.recording.meter import Meter
from smaragdine.recording.period import parse_period
from smaragdine.recording.rank import Rank
from smaragdine.recording.sender import Sender

if TYPE_CHECKING:
    from typing_extensions import Self

_LOG = logging.getLogger("smaragdine")
# What is under way when a recording ends is at most some windows of profiles.
_FLUSH_TIMEOUT_S = 60.0


class Recorder:
    """Records from its start until it is finished. Its methods neither raise nor wait, but `finish`, which waits."""

    def __init__(self, begun: Begun | None) -> None:
        """Without `begun` it could not begin: it is as one that failed, and takes what it is told all the same."""
        self.id = begun.recording if begun else ""
        self._begun = begun
        self._sender = Sender(begun.client if begun else None, self.id)
        self.channel = Channel(self._sender)
        started = begun.started if begun else None
        start_ns = started.start_ns - started.realtime_offset_ns if started else None
        self.meter = Meter(begun.client if begun else None, self.id, start_ns)
        self._pid = os.getpid()
        self._finishing = threading.RLock()
        self._state = "recording" if begun else "failed"
        self._companion = Companion(self._sender)
        self._before: list[Callable[[], object]] = []
        self._after: list[Callable[[Path], object]] = []
        self._guard = _Guard(self)

    @classmethod
    def start(
        cls,
        output: str | os.PathLike[str],
        *,
        period: str = "4ms",
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        software: Mapping[str, str] | None = None,
        require_measured: bool = False,
        command: Sequence[str] | None = None,
    ) -> Self:
        """Starts a recording, or joins the one around this process. `command` is what will run; None: this process.

        Raises `UsageError` where what was asked for makes no sense. Where it cannot start for another reason, this is
        told, and the recording's state is `failed` from its beginning; with `require_measured`, `SmaragdineError` is
        raised instead, of exit code 3.
        """
        period_ns = parse_period(period)
        asked = absolute(output)
        words = {str(key): str(value) for key, value in (labels or {}).items()}
        try:
            begun = begin(
                asked,
                name=name,
                period_ns=period_ns,
                labels=words,
                software=software or {},
                require_measured=require_measured,
            )
        except UsageError:
            raise
        except Exception as error:
            # Whatever is wrong with us, the training is to run.
            if require_measured:
                raise _refusal(error) from error
            _LOG.warning("nothing is recorded into %s, and the program goes on: %s", asked, _refusal(error))
            return cls(None)
        recorder = cls(begun)
        recorder._companion.start(command)
        ending.watch(recorder)
        return recorder

    @property
    def path(self) -> Path | None:
        """The trace directory; None where an outer recording writes it, and where nothing is recorded."""
        return self._begun.output.path if self._begun and self._begun.output else None

    @property
    def socket(self) -> Path | None:
        """Where the daemon listens; None where nothing is recorded."""
        return self._begun.client.socket if self._begun else None

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What is measured; empty where an outer recording measures, or nothing does."""
        return self._begun.started.domains if self._begun and self._begun.started else ()

    @property
    def basis(self) -> str | None:
        """`measured`, or `modelled` where no sensor is readable; None where an outer recording knows, or nobody."""
        return self._begun.started.basis if self._begun and self._begun.started else None

    @property
    def state(self) -> str:
        """`recording`, `complete`, or `failed` where it could not begin or the trace did not arrive."""
        return self._state

    def energy(self) -> dict[str, float]:
        """Joules by domain up to now, of everything that ran on the machine; empty where nothing is known yet.

        At most some tenths of a second old. The first call waits for the daemon, further ones do not; once the
        recording has finished, what was known last.
        """
        return self.meter.read()

    def brake(self) -> Brake | None:
        """By which the training may be paused from now on; None, and told, where it must not be, or is not recorded."""
        if self._begun is None:
            return None
        rank = Rank.told()
        if rank is not None and (rank.world_size or 1) > 1:
            # Others wait for it within an operation, and give up after some minutes.
            _LOG.warning("one of %d ranks is never paused by itself: pausable=True has no effect", rank.world_size)
            return None
        brake = Brake(self._begun.client, self.id)
        self.before_finish(brake.end)
        return brake

    def before_finish(self, action: Callable[[], object]) -> None:
        """Calls `action` when the recording finishes, whatever finishes it, while it can still send."""
        self._before.append(action)

    def after_finish(self, action: Callable[[Path], object]) -> None:
        """Calls `action` with the trace directory once its trace has arrived there, whatever finished it."""
        self._after.append(action)

    def guarded(self) -> AbstractContextManager[None]:
        """Around what we do within a training's step: what goes wrong there ends the recording, never the training."""
        return self._guard

    def finish(self) -> Path | None:
        """Ends the recording and writes its trace; what fails is told, never raised. Returns the trace directory.

        Waits until the trace is accounted. Further calls wait for the first and do nothing.
        """
        if os.getpid() != self._pid:
            return self.path
        with self._finishing:
            if self._begun and self._state == "recording":
                self._state = "failed"
                try:
                    self._finish(self._begun)
                except Exception as error:  # noqa: BLE001  the training has done its work, whatever became of ours
                    self._failed(self._begun, error)
                except BaseException as error:
                    self._failed(self._begun, error)
                    raise
                finally:
                    ending.forget(self)
                    self._begun.client.close()
                if self.path is not None and self._state == "complete":
                    self._arrived(self.path)
        return self.path

    def _arrived(self, path: Path) -> None:
        for action in self._after:
            try:
                action(path)
            except Exception as error:  # noqa: BLE001  the trace is there, and the training has done its work
                _LOG.warning("what follows a recording failed: %s: %s", type(error).__name__, error)

    def _finish(self, begun: Begun) -> None:
        for action in self._before:
            try:
                action()
            except Exception as error:  # noqa: BLE001  what was measured is written whatever else fails
                _LOG.warning("the end of the recording is incomplete: %s: %s", type(error).__name__, error)
        self._companion.close()
        if not self._sender.close(_FLUSH_TIMEOUT_S) and self._sender.broken is None:
            _LOG.warning("the daemon did not take all events within %g s; the trace lacks the last", _FLUSH_TIMEOUT_S)
        if begun.output is None:
            self._state = "complete"
            return
        stopped = begun.client.stop(self.id)
        for warning in stopped.warnings:
            _LOG.warning("%s", warning)
        private = begun.daemon.private if begun.daemon else None
        fields = begun.output.receive(begun.client.fetch(self.id), private.log if private else None)
        self._state = "complete"
        try:
            begun.client.release(self.id)
        except SmaragdineError as error:
            # The trace is here; the daemon forgets its copy by itself one day.
            _LOG.debug("%s", error)
        if begun.daemon:
            begun.daemon.close()
        if (extent := Extent.of_fields(fields)) is not None and extent.cut:
            _LOG.warning("%s: %s", begun.output.path, extent.cut)

    def _failed(self, begun: Begun, error: BaseException) -> None:
        """What was measured stays with the daemon, which finishes it when its lifeline closes."""
        reason = str(error) if isinstance(error, SmaragdineError) else f"{type(error).__name__}: {error}"
        _LOG.warning("the trace did not arrive in %s: %s", self.path, reason)
        if begun.output is not None and begun.started is not None:
            begun.output.program_ended(time.monotonic_ns() + begun.started.realtime_offset_ns)
            _LOG.warning("hint: `smaragdine recover %s` rebuilds it from what was measured", self.path)
        if begun.daemon:
            begun.daemon.close(keep_state=True, timeout_s=0.0 if isinstance(error, KeyboardInterrupt) else 10.0)


class _Guard(AbstractContextManager[None]):
    """Made once: it is entered twice in every step."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        _LOG.warning("recording ends here: %r", error)
        self._recorder.finish()
        return True


def _refusal(error: Exception) -> SmaragdineError:
    if isinstance(error, SmaragdineError):
        return NotMeasuredError(error.message, error.hint)
    return NotMeasuredError(f"{type(error).__name__}: {error}")
