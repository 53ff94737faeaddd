"""The machine that a trace was recorded on, as `trace.json` tells it; None where it does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """Which machine; `boot_id` is another one after each start of it."""

    name: str | None = None
    kernel: str | None = None
    machine: str | None = None
    boot_id: str | None = None
    os: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True)
class GpuHardware:
    """Device `GPU:index`; its uuid tells whether two ranks, or two jobs, share it, None in another tool's log."""

    index: int
    name: str
    uuid: str | None = None
    memory_bytes: int | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine is made of."""

    cpu: str | None = None
    sockets: int | None = None
    logical_cpus: int | None = None
    memory_bytes: int | None = None
    virtual_machine: bool | None = None
    hypervisor: str | None = None
    gpus: tuple[GpuHardware, ...] = ()
