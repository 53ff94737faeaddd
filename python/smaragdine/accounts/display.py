"""How an object shows itself at a prompt and in a notebook, without knowing who draws it.

A form is a MIME type. Functions register for a form and a class with `shows`; the package names the module of each
form (`provided`), which is imported when something is first shown in it. So data import nothing of tables and figures.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

TEXT = "text/plain"
HTML = "text/html"
PLOTLY = "application/vnd.plotly.v1+json"
# All that there is to tell of it, in one file.
PAGE = "text/html; page"

_Show = TypeVar("_Show", bound=Callable[[Any], object])

_MODULES: dict[str, str] = {}
_SHOWN: dict[tuple[str, type], Callable[[Any], object]] = {}


def provided(form: str, module: str) -> None:
    """Importing `module` registers what shows in this form."""
    _MODULES[form] = module


def shows(form: str, *kinds: type) -> Callable[[_Show], _Show]:
    """Registers a function of an object of these classes, or of ones derived from them."""

    def register(show: _Show) -> _Show:
        _SHOWN.update({(form, kind): show for kind in kinds})
        return show

    return register


def display(thing: object, form: str) -> Any:
    """The object in one form; None where nobody shows it so."""
    if form in _MODULES:
        import_module(_MODULES[form])
    shown = (_SHOWN[form, kind] for kind in type(thing).__mro__ if (form, kind) in _SHOWN)
    return next((show(thing) for show in shown), None)


class Displayed:
    """Shows itself as a short table: at a prompt, by `print`, and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return display(self, TEXT) or object.__repr__(self)

    def _repr_html_(self) -> str | None:
        return display(self, HTML)  # type: ignore[no-any-return]


class Drawn(Displayed):
    """Shows itself as a figure where a notebook draws plotly's, else as a table."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {form: display(self, form) for form in (PLOTLY, HTML, TEXT)}
