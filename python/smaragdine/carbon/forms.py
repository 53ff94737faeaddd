"""In which forms a statement can be had: each is a small file of `formats`, loaded by its name when it is asked for."""

from __future__ import annotations

from importlib import import_module

FORMATS = {
    "text": "text",
    "markdown": "markdown",
    "latex": "latex",
    "json": "as_json",
    "model-card": "model_card",
    "spdx": "spdx",
    "annex-xi": "annex_xi",
}


def write(statement: object, form: str, *, anonymous: bool = False) -> str:
    """The statement in one of FORMATS. `anonymous`: without the names of runs."""
    written: str = import_module(f"smaragdine.carbon.formats.{FORMATS[form]}").write(statement, anonymous)
    return written
