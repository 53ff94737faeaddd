"""What stands in the way of measuring: what the user can do, what an administrator can, and what holds until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.accounts.notice import uncounted
from smaragdine.daemon.client import Description, Source
from smaragdine.doctor.surroundings import Surroundings
from smaragdine.doctor.trial import Trial

# Beyond this fraction, ticks are missed rather than now and then late.
_MISSED = 0.01
_DENIED = ("Permission denied", "permission denied")
# The source of what is outside the machine.
_METER = "meter"
# The same registers, by another way.
_PERF = "; or `sudo sysctl kernel.perf_event_paranoid=0`, which lets everybody read the same registers through perf"


class Need(Enum):
    """What an administrator is to be asked for; the letter tells how to grant it."""

    SERVICE = "the service below, which reads the energy registers for the members of one group"
    MEMBERSHIP = "membership in the group of the service that runs here already"
    DRIVER = "the kernel's RAPL driver"
    PROFILING = "the permission to profile GPUs"
    PROCESSES = "the daemon's sight of all processes"


@dataclass(frozen=True)
class Finding:
    """One thing that is missing. An empty column says that nothing can be done there."""

    about: str
    can: str
    ask: str
    until: str
    needs: tuple[Need, ...] = ()


def findings(
    described: Description, remark: str | None, trial: Trial, surroundings: Surroundings
) -> tuple[Finding, ...]:
    """Everything that is missing, the gravest first. Pure: what was examined decides."""
    # Membership gives all that the service reads.
    found = [
        *(list(_membership(remark)) or _cpu(described, surroundings)),
        *_gpu(described, surroundings),
        *_uncounted(described),
        *_partial(described),
        *_sampling(trial),
        *_shares(trial),
    ]
    return tuple(found)


def _source(described: Description, name: str) -> Source | None:
    return next((source for source in described.sources if source.name == name), None)


def _metered(described: Description, *devices: str) -> bool:
    """Whether a sensor counts a device of one of these kinds."""
    return any(domain.counted and domain.device.startswith(devices) for domain in described.measured)


def _until(described: Description) -> str:
    if any(domain.counted for domain in described.measured):
        return "the other sensors are measured; this energy is missing, not 0"
    sensors = uncounted(described.measured) or MODELLED_NOTICE.partition(";")[0]
    return f"{sensors}; shares follow time, and watts per operation mean nothing"


def _membership(remark: str | None) -> Iterator[Finding]:
    if remark and "you may not open it" in remark:
        yield Finding(
            "a service runs here, and you may not use it",
            "after you were added: log in anew, or `newgrp smaragdine`",
            "membership in its group: `sudo usermod --append --groups smaragdine USER`",
            "each recording starts a daemon of its own, with your permissions only",
            (Need.MEMBERSHIP,),
        )


def _cpu(described: Description, surroundings: Surroundings) -> Iterator[Finding]:
    powercap = _source(described, "powercap")
    if powercap is None:
        return
    perf = _source(described, "perf")
    # Both read the same registers.
    readable = [source for source in (powercap, perf) if source is not None and source.available]
    if readable:
        if not any(domain.name.startswith(("dram", "psys")) for source in readable for domain in source.domains):
            yield Finding(
                "no register meters memory",
                "",
                "",
                "memory's energy is not measured: it is missing from sums, not 0",
            )
        return
    problem = powercap.problem or "it cannot be read"
    if any(denied in problem for denied in _DENIED):
        yield Finding(
            f"CPU energy cannot be read: {problem}",
            "with sudo of your own, install the service yourself: `smaragdine doctor --message` holds every command",
            "the service, or less well the group rule; `smaragdine doctor --message` prints a message to send"
            + (_PERF if perf is not None and any(denied in (perf.problem or "") for denied in _DENIED) else ""),
            _until(described),
            (Need.SERVICE,),
        )
    elif _metered(described, "CPU", "MODULE"):
        # A Jetson, a Grace, a Cray: others meter what RAPL would.
        return
    elif surroundings.container:
        yield Finding(
            f"CPU energy is hidden from this container: {problem}",
            "start it with the host's /sys/devices/virtual/powercap mounted read-only, or with the /run/smaragdine "
            "of a service on the host",
            "the service on the host",
            _until(described),
            (Need.SERVICE,),
        )
    elif surroundings.virtual:
        yield Finding(
            f"this virtual machine has no energy registers: {problem}",
            "run on the host, or on a machine of your own: few hypervisors pass RAPL on",
            "",
            _until(described),
        )
    else:
        yield Finding(
            f"CPU energy has no register: {problem}",
            "",
            "`sudo modprobe intel_rapl_msr`, which serves Intel and AMD alike",
            _until(described),
            (Need.DRIVER, Need.SERVICE),
        )


def _gpu(described: Description, surroundings: Surroundings) -> Iterator[Finding]:
    drm = _source(described, "drm")
    # Where it finds a card and cannot meter it, it names the card.
    if drm is not None and not drm.available and "gpu-" in (drm.problem or ""):
        yield Finding(f"GPU energy cannot be read: {drm.problem}", drm.hint or "", "", _until(described))
    nvml = _source(described, "nvml")
    # The GPU of a Jetson is metered with its module.
    if nvml is not None and not nvml.available and surroundings.gpus and not _metered(described, "MODULE"):
        yield Finding(
            f"GPU energy cannot be read: {nvml.problem or 'the driver does not answer'}",
            nvml.hint or "",
            "",
            _until(described),
        )
    if surroundings.gpus and surroundings.profiling_restricted:
        yield Finding(
            "NVIDIA's driver lets only administrators profile",
            "",
            "an option of the driver's module; `smaragdine doctor --message` holds it",
            "GPU energy is measured, but no operation on a GPU is seen",
            (Need.PROFILING,),
        )


def _uncounted(described: Description) -> Iterator[Finding]:
    told = uncounted(described.measured)
    if told and not any(domain.counted for domain in described.measured):
        hidden = any(domain.source == "nvml" for domain in described.measured)
        yield Finding(
            told,
            "give the program whole GPUs, by their numbers or UUIDs in CUDA_VISIBLE_DEVICES" if hidden else "",
            "",
            "their readings are kept, and power of the CPU is modelled beside them",
        )


def _partial(described: Description) -> Iterator[Finding]:
    for source in described.sources:
        if source.name == _METER and source.problem:
            yield _meter(source.problem)
        elif source.available and source.problem:
            denied = any(word in source.problem for word in _DENIED)
            yield Finding(
                f"{source.name}: {source.problem}",
                "",
                "the service, which may read it" if denied else "",
                "what it does not tell is missing from sums, not 0",
                (Need.SERVICE,) if denied else (),
            )


def _meter(problem: str) -> Finding:
    return Finding(
        f"a meter outside this machine: {problem}",
        "`SMARAGDINE_METER` names it; docs/sources.md tells what is read of each",
        "an account of the management controller that may only read, or the right to run `ipmitool dcmi power reading`",
        "the sum is not held against what comes through the plug; while the meter tells nothing, its energy is a gap",
    )


def _sampling(trial: Trial) -> Iterator[Finding]:
    if trial.problem:
        yield Finding(f"a recording of {trial.seconds:g} s failed: {trial.problem}", "", "", "nothing is recorded")
    for source in trial.sources:
        ticks, missed = int(source.get("ticks") or 0), int(source.get("missed_ticks") or 0)
        if missed > _MISSED * (ticks + missed):
            yield Finding(
                f"{source.get('name')}: {missed} of {ticks + missed} ticks were missed",
                'leave a CPU free, or sample less often: `period="10ms"`',
                "",
                "no energy is lost; readings are longer where ticks are missed",
            )
        failed = int(source.get("failed_reads") or 0)
        if failed and source.get("name") == _METER:
            yield _meter(f"{failed} values could not be had")
        elif failed:
            yield Finding(
                f"{source.get('name')}: {failed} reads failed",
                "look into the kernel's log: `dmesg`",
                "",
                "no energy is lost while the register answers again; a reading then spans the failures",
            )


# What a warning of unknown shares says, what a user can do about it, and what an administrator.
_HOST = ("run the daemon on the host, or mount the host's /proc and name it with --proc-root", "a daemon on the host")
_SOCKETS = ("mount the host's /sys/devices/system, or name a /sys that has it with --sys-root", "")
_PROCESSES = (
    "run the daemon where your processes are: in the same container, or with the host's pid namespace",
    "a daemon that sees all processes: where /proc is mounted with `hidepid`, its `gid=` group as "
    "`SupplementaryGroups=` of the service",
)
_UNKNOWN_SHARES = (
    ("is a mount of its own", _HOST, ()),
    ("stand still", _HOST, ()),
    ("which CPU is in which socket", _SOCKETS, ()),
    ("no CPU is known to be in the socket", _SOCKETS, ()),
    ("in no known socket", _SOCKETS, ()),
    ("visible", _PROCESSES, (Need.PROCESSES,)),
    ("pid namespace", _PROCESSES, (Need.PROCESSES,)),
    ("GPU of AMD's or Intel's", ("leave the GPU to your program alone: all of its energy is then yours", ""), ()),
)


def _shares(trial: Trial) -> Iterator[Finding]:
    for warning in trial.warnings:
        if "unknown" not in warning:
            continue
        for said, (can, ask), needs in _UNKNOWN_SHARES:
            if said in warning:
                until = "the machine's energy is measured; how much of it is yours is unknown, never all of it"
                yield Finding(warning, can, ask, until, needs)
                break
