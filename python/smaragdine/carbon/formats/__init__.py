"""A statement in the forms that people need it in: one small file each, `write(statement, anonymous) -> str`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement

FORMATS = {
    "text": "text",
    "markdown": "markdown",
    "latex": "latex",
    "json": "as_json",
    "model-card": "model_card",
    "spdx": "spdx",
    "annex-xi": "annex_xi",
}


def write(statement: Statement, form: str, *, anonymous: bool = False) -> str:
    """The statement in one of FORMATS. `anonymous`: without the names of runs."""
    module = import_module(f"smaragdine.carbon.formats.{FORMATS[form]}")
    return cast("Callable[[Statement, bool], str]", module.write)(statement, anonymous)
