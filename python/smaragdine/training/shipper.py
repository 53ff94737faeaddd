"""Takes profiles from the training thread to the recording: what must be read, encoded or waited for happens here."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

_LOG = logging.getLogger("smaragdine")

# Does the work; what it returns is of no interest.
Job = Callable[[], object]


class Shipper:
    """One background thread that does jobs in order. A job that fails is told and costs nothing else."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Job, Callable[[float], None] | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="smaragdine-shipper", daemon=True)
        self._thread.start()

    def submit(self, job: Job, done: Callable[[float], None] | None = None) -> None:
        """Does `job` later; `done` is then told how many seconds of CPU it took."""
        self._jobs.put((job, done))

    def close(self, timeout_s: float = 60.0) -> None:
        """Waits for what was submitted."""
        self._jobs.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            before = time.thread_time()
            try:
                job()
            except Exception as error:  # noqa: BLE001  a lost profile may cost neither the training nor the next one
                _LOG.warning("a profile was lost: %s: %s", type(error).__name__, error)
            if done is not None:
                done(time.thread_time() - before)
