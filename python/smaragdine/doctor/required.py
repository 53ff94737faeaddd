"""`smaragdine.require`: a run on the wrong hardware stops before it starts."""

from __future__ import annotations

import re
from collections import Counter

from smaragdine.daemon.client import Client, Description
from smaragdine.daemon.reached import reach
from smaragdine.errors import UsageError, WrongHardware


def require(*, cpu: str | None = None, gpu: str | None = None, gpus: int | None = None) -> None:
    """Returns where this machine has what is required, as `smaragdined` finds it.

    `cpu` and `gpu` are part of a model's name, whole words in any case (`EPYC`, `A100`, which is no `A10`), or a
    regular expression (`RTX 30..`). Without `gpus` there has to be a GPU and all of them have to be such a one; with
    it, at least so many have to be. Raises `WrongHardware`, which tells what is there, and `SmaragdineError` where the
    daemon, who would know, cannot be reached.
    """
    asked_cpu, asked_gpu = _pattern("cpu", cpu), _pattern("gpu", gpu)
    if gpus is not None and (isinstance(gpus, bool) or not isinstance(gpus, int) or gpus < 0):
        raise UsageError(f"gpus={gpus!r} is no number of GPUs", "give a whole number, 0 where none has to be there")
    if (asked_cpu, asked_gpu, gpus) == (None, None, None):
        raise UsageError("nothing is required", "name a cpu, a gpu or how many gpus")
    here = _described()
    if asked_cpu is not None and not (here.cpu and asked_cpu.search(here.cpu)):
        raise _wrong(f"the CPU is required to be {cpu!r}, and is {here.cpu or 'one that the kernel does not name'}")
    if asked_gpu is None and gpus is None:
        return
    fitting = [name for name in here.gpus if asked_gpu is None or asked_gpu.search(name)]
    wanted = "a GPU" if gpu is None else repr(gpu)
    if gpus is not None and len(fitting) < gpus:
        raise _wrong(f"{gpus} × {wanted} are required, and {len(fitting)} are there", here)
    if gpus is None and (not fitting or len(fitting) < len(here.gpus)):
        raise _wrong(f"every GPU is required to be {wanted}", here)


def _pattern(name: str, text: str | None) -> re.Pattern[str] | None:
    """Whole words: `A10` is no `A100`."""
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{name}={text!r} names no hardware", "give part of a model's name, as `A100`")
    try:
        return re.compile(rf"(?<![^\W_])(?:{text.strip()})(?![^\W_])", re.IGNORECASE)
    except re.error as error:
        raise UsageError(f"{name}={text!r} is no name and no regular expression: {error}") from None


def _described() -> Description:
    daemon = reach()
    try:
        client = Client(daemon.socket)
        try:
            return client.describe()
        finally:
            client.close()
    finally:
        daemon.close()


def _wrong(problem: str, here: Description | None = None) -> WrongHardware:
    if here is not None:
        held = ", ".join(f"{count} × {name}" for name, count in Counter(here.gpus).items())
        problem += f"; here: {held or 'no GPU that NVML tells'}"
    return WrongHardware(
        problem, "start it where that is there; `smaragdine doctor` tells what is seen here, and why not"
    )
