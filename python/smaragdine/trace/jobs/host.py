"""The machines of a job: which traces were recorded on the same one, and what its registers took together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.watched import Register, Watched, together
from smaragdine.trace.jobs.part import Part

# Two recordings of one register differ by a reading at each end; two machines, by more.
_DIFFERS = 0.2
# Below as many readings of both, nobody can say whether they saw the same register.
_FEW = 100


@dataclass(frozen=True)
class Watch:
    """One register as the parts of one machine saw it: `name` in the job, `seen` as each part calls it."""

    name: str
    domain: Domain
    seen: tuple[tuple[Part, str], ...]
    register: Register


@dataclass(frozen=True)
class Machine:
    """One machine of a job."""

    name: str
    parts: tuple[Part, ...]
    registers: tuple[Watch, ...]


def machines(parts: Sequence[Part]) -> tuple[tuple[Machine, ...], tuple[str, ...]]:
    """The machines, in the order of their first rank, and what is to be told of them."""
    told: list[str] = []
    grouped: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        grouped[part.metadata.host.boot_id or f"name {part.host}"].append(part)
    groups: list[list[Part]] = []
    for same in grouped.values():
        apart = _by_register(same)
        if len(apart) > 1:
            told.append(
                f"{', '.join(sorted({part.host for part in same}))}: one boot id, and registers that differ; they are "
                "counted as different machines"
            )
        groups += apart
    names = _names(groups)
    pairs = zip(names, groups, strict=True)
    found = tuple(_machine(name, own) for name, own in pairs)
    for machine in found:
        told += _remarks(machine)
    return found, (*told, *_clocks(found))


def _machine(name: str, own: Sequence[Part]) -> Machine:
    machine = Machine(name, tuple(own), tuple(_registers(name, own)))
    for part in own:
        # What is known of a register together is less than what each of those who watched it told.
        part.forget()
    return machine


def _clocks(found: Sequence[Machine]) -> Iterator[str]:
    """Machines of one job that recorded at no common time, by what their own clocks say."""
    spans = []
    for machine in found:
        own = [part.metadata for part in machine.parts if part.attempt == 1] or [machine.parts[0].metadata]
        spans.append((min(one.start_ns for one in own), max(one.end_ns or one.start_ns for one in own), machine.name))
    until_ns, before = None, ""
    for start_ns, end_ns, name in sorted(spans):
        if until_ns is not None and start_ns > until_ns:
            yield (
                f"{name} began {(start_ns - until_ns) / 1e9:.3g} s after {before} had ended, by their own clocks: "
                "these differ, or the hosts worked one after another; energies add all the same, its length is doubtful"
            )
        if until_ns is None or end_ns > until_ns:
            until_ns, before = end_ns, name


def _by_register(parts: list[Part]) -> list[list[Part]]:
    """Parts of one boot id, apart where they watched different registers at the same time."""
    groups: list[list[Part]] = []
    for part in parts:
        home = next((group for group in groups if all(_same_machine(part, other) for other in group)), None)
        if home is None:
            groups.append([part])
        else:
            home.append(part)
    return groups


def _same_machine(a: Part, b: Part) -> bool:
    """False where they call themselves by different names, and a register that both watched moved differently.

    One machine has many names where its ranks run in containers; two have one boot id where one is the other's copy.
    """
    if a.host == b.host:
        return True
    for name, of_a in a.watched.items():
        domain, of_b = a.metadata.domain(name), b.watched.get(name)
        # Of a GPU its uuid tells; two models of one machine may differ.
        if of_b is None or domain is None or domain.basis != MEASURED or domain.device.startswith("GPU"):
            continue
        begin = max(of_a.start_ns[0], of_b.start_ns[0])
        end = min(of_a.end_ns[-1], of_b.end_ns[-1])
        edges = np.array([begin, end])
        many = [((one.start_ns >= begin) & (one.end_ns <= end) & ~one.gap).sum() >= _FEW for one in (of_a, of_b)]
        if end <= begin or not all(many) or of_a.gap.any() or of_b.gap.any():
            continue
        energies = [float(one.between(one.energy_j, edges)[0]) for one in (of_a, of_b)]
        if abs(energies[0] - energies[1]) > _DIFFERS * max(energies):
            return False
    return True


def _names(groups: Sequence[Sequence[Part]]) -> list[str]:
    """What the first part calls each machine; with its boot id, or a number, where two are called alike."""
    called = [group[0].host for group in groups]
    names: list[str] = []
    for name, group in zip(called, groups, strict=True):
        boot = (group[0].metadata.host.boot_id or "")[:8]
        full = f"{name}~{boot}" if called.count(name) > 1 and boot else name
        names.append(f"{full}~{names.count(full) + 1}" if full in names else full)
    return names


def _registers(machine: str, parts: Sequence[Part]) -> Iterator[Watch]:
    seen: dict[tuple[str, str], list[tuple[Part, Domain]]] = defaultdict(list)
    for part in parts:
        for domain in part.metadata.domains:
            seen[domain.name, uuid_of(part, domain.device)].append((part, domain))
    twice: dict[str, int] = defaultdict(int)
    for (name, uuid), own in seen.items():
        twice[name] += 1
        # In containers of one machine each may call another GPU the first.
        called = f"{machine}/{name}" + (f"~{uuid[-8:]}" if twice[name] > 1 else "")
        served: dict[object, list[int]] = defaultdict(list)
        watchers: list[Watched] = []
        for part, domain in own:
            if (one := part.watched.get(domain.name)) is None:
                continue
            pid = part.metadata.options.daemon_pid
            served[pid if pid is not None else part.path].append(len(watchers))
            watchers.append(one)
        parent = own[0][1].parent
        domain = replace(own[0][1], name=called, parent=f"{machine}/{parent}" if parent else None)
        yield Watch(
            called, domain, tuple((part, domain.name) for part, domain in own),
            together(watchers, list(served.values())),
        )  # fmt: skip


def uuid_of(part: Part, device: str) -> str:
    """Which GPU it is that a part calls `device`; empty where it does not tell, and of any other device."""
    for gpu in part.metadata.hardware.gpus:
        if device == f"GPU:{gpu.index}":
            return gpu.uuid or ""
    return ""


def _remarks(machine: Machine) -> Iterator[str]:
    for watch in machine.registers:
        for start_ns, end_ns in watch.register.missing:
            yield f"{watch.name}: nobody watched it for {(end_ns - start_ns) / 1e9:.3g} s between two recordings"
