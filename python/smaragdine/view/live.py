"""A recording as it runs: the daemon tells power and energy, a thread of the page keeps the last minutes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import MODELLED
from smaragdine.accounts.notice import notice
from smaragdine.daemon.client import Client, Live
from smaragdine.errors import SmaragdineError
from smaragdine.figures import theme
from smaragdine.figures.shades import PAUSED, key, shade
from smaragdine.trace.metadata import Metadata

_OVER = (
    "nothing more is measured: the recording has ended. Its trace comes once the job's process has written it; where "
    "that died, `smaragdine recover OUTPUT` rebuilds it"
)
# Ten minutes at the ten messages a second that a daemon sends.
_KEPT = 6000


@dataclass
class Following:
    """What the daemon has told so far."""

    metadata: Metadata
    moments: deque[Live] = field(default_factory=lambda: deque(maxlen=_KEPT))
    problem: str = ""
    """Why nothing more is told; empty while it is."""

    @classmethod
    def of(cls, directory: Path) -> Following:
        """Starts to follow a recording; that its daemon does not answer is told on the page."""
        following = cls(Metadata.read(directory))
        threading.Thread(target=following._follow, name="follow", daemon=True).start()
        return following

    def _follow(self) -> None:
        raw = self.metadata.raw
        client = Client(Path(str(raw.get("socket", ""))))
        try:
            for live in client.watch(str(raw.get("recording", ""))):
                self.moments.append(live)
            self.problem = _OVER
        except SmaragdineError as error:
            self.problem = error.message
        finally:
            client.close()

    @property
    def standing(self) -> str:
        """How it stands with the recording, in words, where it is not simply followed."""
        return self.problem if self.moments else ""

    def figure(self) -> go.Figure:
        return watts(self.metadata.domains, self.metadata.start_ns, list(self.moments), self.problem)

    def told(self, since_ns: int) -> list[list[Any]]:
        """Moments after an instant, as another page is sent them."""
        return [
            [live.end_ns, dict(live.power_w), dict(live.energy_j), live.settled_ns, dict(live.settled_j),
             dict(live.application_j), dict(live.unknown_j), live.pausable, live.pausing, live.paused]
            for live in list(self.moments) if live.end_ns > since_ns
        ]  # fmt: skip

    @property
    def last(self) -> Live | None:
        """What was told last."""
        return self.moments[-1] if self.moments else None

    def pause(self, pause: bool) -> None:
        """Has the training pause, or go on. Raises SmaragdineError where it cannot, or its daemon does not answer."""
        raw = self.metadata.raw
        client = Client(Path(str(raw.get("socket", ""))))
        try:
            client.pause(str(raw.get("recording", "")), pause)
        finally:
            client.close()


def watts(told: Sequence[Domain], start_ns: int, moments: Sequence[Live], problem: str = "") -> go.Figure:
    """Watts by domain over the time since the recording started."""
    figure = go.Figure()
    domains = dict.fromkeys(domain for live in moments[-1:] for domain in live.power_w)
    modelled = {domain.name for domain in told if domain.basis == MODELLED}
    uncounted = {domain.name for domain in told if not domain.counted}
    for index, domain in enumerate(domains):
        figure.add_scatter(
            x=[(live.end_ns - start_ns) / 1e9 for live in moments],
            y=[live.power_w.get(domain) for live in moments],
            mode="lines",
            name=theme.safe(domain + ", not counted" * (domain in uncounted) + ", modelled" * (domain in modelled)),
            line={
                "color": theme.DOMAINS[index % len(theme.DOMAINS)],
                "width": 1.6,
                "dash": "dot" if domain in uncounted else "solid",
            },
            hovertemplate="%{y:.3s}W at %{x:.1f} s<extra>%{fullData.name}</extra>",
        )
    _shade_pauses(figure, start_ns, moments)
    if not moments:
        theme.say(figure, theme.safe(problem) or "waiting for the first readings …")
    return theme.dress(
        figure,
        "Power",
        modelled={domain.basis for domain in told if domain.counted} == {MODELLED},
        notice=notice(told) if domains else None,
        all_of_it=set(domains) <= modelled,
        height=420,
        showlegend=True,
        xaxis=theme.axis("seconds since the recording started"),
        yaxis=theme.axis("watts", rangemode="tozero"),
        legend=theme.LEGEND,
        margin={"l": 56, "b": 48, "t": 64},
    )


def _shade_pauses(figure: go.Figure, start_ns: int, moments: Sequence[Live]) -> None:
    """Where the training stood still, from moment to moment."""
    spans: list[list[float]] = []
    for before, live in itertools.pairwise(moments):
        if live.paused:
            start_s, end_s = ((at.end_ns - start_ns) / 1e9 for at in (before, live))
            if spans and spans[-1][1] == start_s:
                spans[-1][1] = end_s
            else:
                spans.append([start_s, end_s])
    if spans:
        shade(figure, spans, PAUSED, 0.22)
        key(figure, "paused", theme.faint(PAUSED, 0.5))
