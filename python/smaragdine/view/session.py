"""What the page shows: traces that are finished, or one that is being recorded, and energy profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.errors import SmaragdineError
from smaragdine.files.ranks import HOST
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.runs import Runs
from smaragdine.view.link import Link
from smaragdine.view.live import Following
from smaragdine.view.selection import ALL, Selection
from smaragdine.view.shelf import Shelf, examples, of_path, of_trace
from smaragdine.what_if.profile import Profile

# Diagrams of a large program take a second to build and some megabytes to keep.
_KEPT = 16


@dataclass(eq=False)
class Session:
    """Opened lazily: a recording becomes a trace while the page is open."""

    paths: tuple[Path, ...]
    policy: str = "equal"
    following: Following | None = None
    profiles: tuple[Profile, ...] = ()
    """Of files; those of traces are made when they are first asked for."""
    link: Link | None = None
    """The job at another address that is followed."""
    _runs: Runs | None = field(default=None, repr=False)

    @classmethod
    def open(cls, paths: Sequence[Path], *, policy: str = "equal") -> Session:
        """Traces, profiles, and folders of profiles. Raises SmaragdineError where a path is neither, or several traces
        are named and one is still being recorded."""
        traces = [path for path in paths if not _holds_profiles(path)]
        profiles = tuple(one for path in paths if _holds_profiles(path) for one in of_path(path))
        session = cls(tuple(traces), policy, profiles=profiles)
        if len(traces) == 1 and _is_recording(traces[0]):
            session.following = Following.of(traces[0])
        elif traces:
            session.runs.footprint(policy)
        return session

    @cached_property
    def shelf(self) -> Shelf:
        """All profiles: of the traces, of files, and the package's examples. Asked for once a recording has ended."""
        shelf = Shelf()
        made = (of_trace(trace) for trace in self.runs) if self.paths else ()
        for profile in (*filter(None, made), *self.profiles, *examples()):
            shelf.add(profile)
        return shelf

    @property
    def recording(self) -> bool:
        return self.following is not None and _is_recording(self.paths[0])

    @property
    def runs(self) -> Runs:
        if self._runs is None:
            self._runs = Runs.open(*self.paths)
            self._runs.require_readings()
        return self._runs

    def subject(self, chosen: int) -> Runs:
        """All runs together (-1), or one."""
        return self.runs if chosen < 0 else Runs((self.runs.traces[chosen],))

    @property
    def first(self) -> Selection:
        """What the page opens with: everything, of the mean where there are several runs."""
        return Selection(ALL if len(self.runs) > 1 else 0, policy=self.policy)

    def footprint(self, shown: Selection, per: str = "run") -> RunsFootprint:
        """Raises SmaragdineError where the runs do not tell so much, or were not accounted by this policy."""
        return _footprint(self.subject(shown.subject), shown, per)

    def edd(self, shown: Selection) -> EDD:
        """Raises as `footprint` does."""
        return _edd(self.subject(shown.subject), shown)

    def box(self, shown: Selection, path: str) -> EDD:
        """The layer that is open, that which holds it of a tensor: the entrance where the diagram has no such layer."""
        edd = self.edd(shown)
        try:
            box = edd.find(path) if path else edd.entrance
            return edd.find(path.rpartition("/")[0]) if box.is_tensor and "/" in path else box
        except SmaragdineError:
            return edd.entrance


def _is_recording(path: Path) -> bool:
    # A job's folder has a trace for each rank, and none of its own before they are merged.
    return (path / "trace.json").exists() and Metadata.read(path).state == "recording"


def _holds_profiles(path: Path) -> bool:
    """A file, or a folder of JSON files without a trace in it."""
    if not path.is_dir():
        return path.is_file() and path.name != "trace.json"
    return not (path / "trace.json").exists() and not any(path.glob(f"{HOST}*")) and any(path.glob("*.json"))


@lru_cache(_KEPT)
def _footprint(runs: Runs, shown: Selection, per: str) -> RunsFootprint:
    return shown.kept(runs.footprint(shown.policy, per=per))


@lru_cache(_KEPT)
def _edd(runs: Runs, shown: Selection) -> EDD:
    return runs.edd(
        shown.phase or None, policy=shown.policy, basis=shown.basis or None, device=shown.device or None,
        folded=bool(shown.folded),
    )  # fmt: skip
