"""`python -m smaragdine`: the command, where its script is not on PATH."""

from __future__ import annotations

from smaragdine.cli import program

program()
