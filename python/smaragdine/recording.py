"""One recording: energy is measured from its start to its end, and its trace lands in OUTPUT."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from smaragdine import ending
from smaragdine.client import Client, Domain, Started, StartOptions
from smaragdine.daemon import Reached, reach
from smaragdine.errors import SmaragdineError
from smaragdine.loop import Loop, StepMark
from smaragdine.messages import Clock, Event, Events, Format, Model, Note, Profile, ProfilingSpan, Step
from smaragdine.output import Output
from smaragdine.period import parse_period
from smaragdine.sender import Sender
from smaragdine.window import Auto, Windows

_LOG = logging.getLogger("smaragdine")
# What is under way when a recording ends is at most some windows of profiles.
_FLUSH_TIMEOUT_S = 60.0
_PIECE = 1 << 20
# `socket|id` of a recording around this process, as `smaragdine run` sets it.
JOIN = "SMARAGDINE_RECORDING"


@contextmanager
def record(
    output: str | os.PathLike[str],
    *,
    period: str = "4ms",
    window: int | Auto = "auto",
    every: int | Auto = "auto",
    model: object = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    require_measured: bool = False,
) -> Iterator[Recording]:
    """Records the energy of the enclosed code, this process and its descendants, into the directory `output`.

    `period` is the sampling period, `4ms`. Where the code marks its steps (`Recording.step`) and runs TensorFlow,
    operations are traced in windows of `window` steps, which open `every` so many steps, or ("auto") as often as their
    cost stays below 1 % of the run. `model` leads operations to layers: a Keras model, the `tf.function` of a step, or
    a list of several.

    Raises `SmaragdineError` where recording cannot start; once it has, nothing that goes wrong with it ends the
    enclosed code.
    """
    windows = Windows(window, every)
    recording = Recording.start(output, period=period, name=name, labels=labels, require_measured=require_measured)
    recording.trace(windows, model)
    try:
        yield recording
    except BaseException as error:
        recording.note(f"ended by {type(error).__name__}: {error}")
        raise
    finally:
        recording.finish()


class Recording:
    """A recording that runs. Its methods neither raise nor wait; `finish` and `profile` wait for the daemon."""

    def __init__(
        self,
        client: Client,
        recording: str,
        *,
        output: Output | None = None,
        daemon: Reached | None = None,
        started: Started | None = None,
    ) -> None:
        self.id = recording
        self._client = client
        self._output = output
        self._daemon = daemon
        self._started = started
        self._sender = Sender(client, recording)
        self._pid = os.getpid()
        self._finishing = threading.RLock()
        self._state = "recording"
        self._before: list[Callable[[], object]] = []
        self._guard = _Guard(self)
        self._loop = Loop(self, Windows())
        # How often `events` was called.
        self.told = 0

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
    ) -> Recording:
        """Starts a recording, or joins the one around this process. Raises `SmaragdineError` where it cannot."""
        period_ns = parse_period(period)
        if outer := os.environ.get(JOIN):
            return cls._join(outer, output)
        claimed = Output.claim(output)
        try:
            options = StartOptions(
                name=name or claimed.asked.absolute().name,
                period_ns=period_ns,
                labels={str(key): str(value) for key, value in (labels or {}).items()},
                software={"python": sys.version.split()[0], **(software or {})},
                require_measured=require_measured,
            )
            recording = cls._begin(claimed, options)
        except BaseException:
            claimed.give_back()
            raise
        if claimed.path != claimed.asked:
            _LOG.warning("%s holds a finished trace; this one goes to %s", claimed.asked, claimed.path)
        return recording

    @classmethod
    def _begin(cls, output: Output, options: StartOptions) -> Recording:
        daemon = reach()
        client = None
        try:
            client = Client(daemon.socket)
            client.describe()
            started = client.start(options)
            output.begin(started.trace_json, client.socket, started.recording, started.state_dir)
        except BaseException:
            if client:
                client.close()
            daemon.close()
            raise
        for warning in (daemon.remark, started.warning):
            if warning:
                _LOG.warning("%s", warning)
        recording = cls(client, started.recording, output=output, daemon=daemon, started=started)
        ending.watch(recording)
        return recording

    @classmethod
    def _join(cls, outer: str, output: str | os.PathLike[str]) -> Recording:
        socket, _, recording = outer.rpartition("|")
        if not socket:
            raise SmaragdineError(f"{JOIN} is {outer!r}, not `socket|recording`", hint=f"unset {JOIN}")
        client = Client(Path(socket))
        client.describe()
        _LOG.info("joined the recording around this process; nothing is written to %s", output)
        joined = cls(client, recording)
        ending.watch(joined)
        return joined

    @property
    def path(self) -> Path | None:
        """The trace directory; None where an outer recording writes it."""
        return self._output.path if self._output else None

    @property
    def socket(self) -> Path:
        return self._client.socket

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What is measured; empty where an outer recording measures."""
        return self._started.domains if self._started else ()

    @property
    def basis(self) -> str | None:
        """`measured`, or `modelled` where no sensor is readable; None where an outer recording knows."""
        return self._started.basis if self._started else None

    @property
    def state(self) -> str:
        """`recording`, `complete`, or `failed` where the trace did not arrive."""
        return self._state

    @property
    def paused(self) -> bool:
        """The daemon asks to send nothing that can wait: no further profiles for now."""
        return self._sender.paused or not self._sender.open

    def step(
        self, step: int | None = None, *, epoch: int = 0, samples: int = 0, traced: bool | None = None
    ) -> AbstractContextManager[StepMark]:
        """Marks one step of the enclosed code, numbered from 0 unless given; code that raises is no step.

        `samples` is the number of examples processed, 0 where unknown. A step is `traced` where its events are sent;
        by default, where a window is open or `events` was called within it.
        """
        return self._loop.step(step, epoch=epoch, samples=samples, traced=traced)

    def trace(self, windows: Windows, model: object = None) -> None:
        """Traces operations in these windows of the steps that `step` marks; `model` as `record` takes it."""
        self._loop = Loop(self, windows, model)

    def mark(self, step: Step) -> None:
        """Sends a step that ended."""
        self._sender.mark(step)

    def events(self, events: Sequence[Event], clock: Clock = "realtime") -> None:
        """Sends events of one clock: `time.time_ns()` is `realtime`, `time.monotonic_ns()` `monotonic`."""
        self.told += 1
        self._sender.offer(Events(tuple(events), clock))

    def model(self, model: Model) -> None:
        """Names the model's layers, so that operations are accounted to them."""
        self._sender.offer(model)

    def profiling(self, start_ns: int, end_ns: int) -> None:
        """Marks a stretch, in `time.monotonic_ns()`, in which a profiler was started or stopped."""
        self._sender.offer(ProfilingSpan(start_ns, end_ns))

    def note(self, text: str) -> None:
        """Keeps a remark with the trace."""
        self._sender.offer(Note(text))

    def profile(self, format: Format, data: bytes) -> bool:
        """Sends a profiler's output, piece by piece, waiting for room: call it from a background thread.

        False where the recording has ended. Profiles of several threads must not be sent at once.
        """
        view = memoryview(data)
        starts = range(0, len(data), _PIECE)
        return all(
            self._sender.put(Profile(format, bytes(view[start : start + _PIECE]), last=start == starts[-1]))
            for start in starts
        )

    def before_finish(self, action: Callable[[], object]) -> None:
        """Calls `action` when the recording finishes, whatever finishes it, while it can still send."""
        self._before.append(action)

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
            if self._state == "recording":
                self._state = "failed"
                try:
                    self._finish()
                except (SmaragdineError, OSError) as error:
                    self._failed(error)
                except BaseException as error:
                    self._failed(error)
                    raise
                finally:
                    ending.forget(self)
                    self._client.close()
        return self.path

    def _finish(self) -> None:
        for action in self._before:
            try:
                action()
            except Exception as error:  # noqa: BLE001  what was measured is written whatever else fails
                _LOG.warning("the end of the recording is incomplete: %s: %s", type(error).__name__, error)
        if not self._sender.close(_FLUSH_TIMEOUT_S) and self._sender.broken is None:
            _LOG.warning("the daemon did not take all events within %g s; the trace lacks the last", _FLUSH_TIMEOUT_S)
        if self._output is None:
            self._state = "complete"
            return
        stopped = self._client.stop(self.id)
        for warning in stopped.warnings:
            _LOG.warning("%s", warning)
        self._output.receive(self._client.fetch(self.id), self._log())
        self._state = "complete"
        try:
            self._client.release(self.id)
        except SmaragdineError as error:
            # The trace is here; the daemon forgets its copy by itself one day.
            _LOG.debug("%s", error)
        if self._daemon:
            self._daemon.close()

    def _log(self) -> Path | None:
        return self._daemon.private.log if self._daemon and self._daemon.private else None

    def _failed(self, error: BaseException) -> None:
        """What was measured stays with the daemon, which finishes it when its lifeline closes."""
        reason = str(error) or type(error).__name__
        _LOG.warning("the trace did not arrive in %s: %s", self.path, reason)
        if self._output is not None:
            _LOG.warning("hint: `smaragdine recover %s` rebuilds it from what was measured", self.path)
        if self._daemon:
            self._daemon.close(keep_state=True, timeout_s=0.0 if isinstance(error, KeyboardInterrupt) else 10.0)


class _Guard(AbstractContextManager[None]):
    """Made once: it is entered twice in every step."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        _LOG.warning("recording ends here: %r", error)
        self._recording.finish()
        return True
