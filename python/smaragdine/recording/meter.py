"""Joules so far, while a recording runs: the daemon tells them some ten times a second to whoever asked once."""

from __future__ import annotations

import logging
import threading

from smaragdine.daemon.client import Client
from smaragdine.errors import SmaragdineError

_LOG = logging.getLogger("smaragdine")
# The daemon answers with what it knows; on a busy machine that takes a moment.
_PATIENCE_S = 2.0


class Meter:
    """Follows one recording from the first call of `read` on."""

    def __init__(self, client: Client | None, recording: str) -> None:
        self._client = client
        self._recording = recording
        self._energy_j: dict[str, float] = {}
        self._told = threading.Event()
        self._thread: threading.Thread | None = None

    def read(self) -> dict[str, float]:
        """Joules by domain since the start, at most some tenths of a second old; empty where none are known.

        The first call waits for the daemon, no further one does.
        """
        if self._client is None:
            return {}
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._follow, args=(self._client,), name="smaragdine-meter", daemon=True
            )
            self._thread.start()
            self._told.wait(_PATIENCE_S)
        return dict(self._energy_j)

    def _follow(self, client: Client) -> None:
        try:
            for live in client.watch(self._recording):
                self._energy_j = dict(live.energy_j)
                if live.energy_j:
                    self._told.set()
        except SmaragdineError as error:
            # It ended, or its daemon did: what was read last stands.
            _LOG.debug("%s", error)
        finally:
            self._told.set()
