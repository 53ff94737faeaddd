"""Pages from templates that escape every text by themselves."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from smaragdine.appendix.content import Content
from smaragdine.appendix.run_page import RunPage
from smaragdine.errors import SmaragdineError
from smaragdine.text.embedded import script_json

# Nothing is loaded but from the site itself, nothing sent; plotly sets styles of its elements.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def require_jinja() -> None:
    """Raises SmaragdineError where it is not installed."""
    if find_spec("jinja2") is None:
        raise SmaragdineError("the appendix needs Jinja2, which is not installed", "pip install 'smaragdine[appendix]'")


class Renderer:
    """Raises SmaragdineError where Jinja2 is not installed."""

    def __init__(self) -> None:
        require_jinja()
        from jinja2 import Environment, FunctionLoader, StrictUndefined

        templates = files("smaragdine.appendix").joinpath("templates")
        self._environment = Environment(
            loader=FunctionLoader(lambda name: templates.joinpath(name).read_text(encoding="utf-8")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def index(self, content: Content, pages: list[RunPage]) -> str:
        return self._page("index.html", "", content.title, content.figures, content=content, pages=pages)

    def run(self, content: Content, page: RunPage) -> str:
        return self._page("run.html", "../", page.entry.title, page.figures, content=content, page=page)

    def _page(self, template: str, root: str, title: str, figures: dict[str, Any], **values: Any) -> str:
        from markupsafe import Markup

        payload = Markup(script_json(figures))  # noqa: S704  in which no tag is left
        chosen = self._environment.get_template(template)
        told: str = chosen.render(root=root, title=title, policy=_POLICY, payload=payload, **values)
        return told
