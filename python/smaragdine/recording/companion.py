"""What goes along with a recording on threads of its own: what runs is told once, and the program's metrics go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from smaragdine.recording.metrics import MetricSampler
from smaragdine.recording.program import program_of
from smaragdine.recording.sender import Sender

_LOG = logging.getLogger("smaragdine")
# A run that is over before it is known what ran waits this long for it.
_PATIENCE_S = 1.0
# What is not known by then is not waited for at all.
_LONGEST_S = 4.0


class Companion:
    """Goes along until `close`. Nothing here raises, and nothing waits but `close`, a second at most."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._metrics = MetricSampler(sender)
        self._started_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self, command: Sequence[str] | None) -> None:
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(command,), name="smaragdine-companion", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # An interpreter that exits starts no more threads.
            _LOG.debug("%s", error)
            self._thread = None

    def close(self) -> None:
        if self._thread is not None and time.monotonic() - self._started_s < _LONGEST_S:
            self._thread.join(_PATIENCE_S)
        self._metrics.close()

    def _run(self, command: Sequence[str] | None) -> None:
        try:
            self._metrics.start()
            # It waits for room where there is none, and is no message that a program's own would be dropped for.
            self._sender.put(program_of(command))
        except Exception as error:  # noqa: BLE001  the training is to run, whatever is wrong with us
            _LOG.warning("what runs is not told: %s: %s", type(error).__name__, error)
