"""A training that pauses where its owner asks for it: between two steps, so that none is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from queue import SimpleQueue

from smaragdine.daemon.client import Client
from smaragdine.errors import SmaragdineError

_LOG = logging.getLogger("smaragdine")


class Brake:
    """Hears from the daemon whether the training is to stand still; where the daemon is gone, it goes on."""

    def __init__(self, client: Client, recording: str) -> None:
        self._client = client
        self._recording = recording
        self._told: SimpleQueue[bool | None] = SimpleQueue()
        self._free = threading.Event()
        self._free.set()
        self._ended = False
        # What it says first is that it runs.
        self._told.put(False)
        self._thread = threading.Thread(target=self._hear, name="smaragdine-brake", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # an interpreter that exits starts no more threads
            self._ended = True
            _LOG.debug("%s", error)

    @property
    def pulled(self) -> bool:
        """Whether the training is to stand still."""
        return not self._free.is_set()

    def stand(self) -> None:
        """Returns once the training may go on."""
        self._told.put(True)
        try:
            self._free.wait()
        finally:
            self._told.put(False)

    def end(self) -> None:
        """The recording ends: nobody is asked any more."""
        self._ended = True
        self._free.set()
        self._told.put(None)

    def _hear(self) -> None:
        try:
            for pause in self._client.hold(self._recording, self._says()):
                if pause and not self._ended:
                    self._free.clear()
                else:
                    self._free.set()
        except SmaragdineError as error:
            if not self._ended:
                _LOG.warning("the training cannot be paused from a page any more: %s", error)
        finally:
            self._free.set()

    def _says(self) -> Iterator[bool]:
        return iter(self._told.get, None)
