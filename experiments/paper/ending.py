"""How an experiment's command ends where it fails."""

from __future__ import annotations

import sys

from smaragdine.cli.ending import exit_code
from smaragdine.errors import SmaragdineError


def failed(error: SmaragdineError | OSError | ValueError) -> int:
    """Tells on standard error what failed; returns the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return exit_code(error) if isinstance(error, SmaragdineError) else 2
