"""A message to an administrator, ready to send: what for, what it costs in safety, and every command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files

from smaragdine.doctor.finding import Finding, Need
from smaragdine.doctor.surroundings import Surroundings

UNIT = "smaragdined.service"
RULE = "70-smaragdine.rules"


def message(findings: Iterable[Finding], surroundings: Surroundings) -> str:
    """The message; empty where an administrator has nothing to do."""
    needs = {need for finding in findings for need in finding.needs}
    if not needs:
        return ""
    return "\n".join(_lines(needs, surroundings)) + "\n"


def file(name: str) -> str:
    """One of the files that come with the package: UNIT or RULE."""
    return files(__package__).joinpath(name).read_text()


def _lines(needs: set[Need], surroundings: Surroundings) -> Iterator[str]:
    host, user = surroundings.host, surroundings.user
    yield f"Subject: measuring energy on {host}"
    yield ""
    yield f"I want to measure the energy of my programs on {host} with Smaragdine, and need:"
    yield ""
    yield from (f"- {need.value}" for need in Need if need in needs)
    if Need.DRIVER in needs:
        yield from ("", "The driver, now and after each boot:", "")
        yield "  sudo modprobe intel_rapl_msr && echo intel_rapl_msr | sudo tee /etc/modules-load.d/rapl.conf"
    if Need.MEMBERSHIP in needs:
        yield from ("", "The membership:", "", f"  sudo usermod --append --groups smaragdine {user}")
    if Need.PROFILING in needs:
        yield from ("", "The permission, which holds once the driver is loaded anew:", "")
        yield "  echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' | sudo tee /etc/modprobe.d/profiling.conf"
    if Need.PROCESSES in needs:
        yield from (
            "",
            "The sight of processes: /proc is mounted with hidepid. Its group, `gid=` in /proc/mounts, goes",
        )
        yield "into the service: `sudo systemctl edit smaragdined`, `[Service]`, `SupplementaryGroups=GROUP`."
    if Need.SERVICE in needs:
        yield from _service(user, surroundings.binary)


def _service(user: str, binary: str | None) -> Iterator[str]:
    yield ""
    yield "Linux lets only root read energy registers, because finely sampled energy tells what other programs compute"
    yield "(CVE-2020-8694). The service reads them with one capability, CAP_DAC_READ_SEARCH, and serves the members of"
    yield "one group over a Unix socket; it has no network, and each member sees only recordings of their own. Still,"
    yield "members see the power of the whole machine: the group is for people whom you trust with that."
    yield ""
    yield "  sudo groupadd --system smaragdine"
    yield "  sudo useradd --system --gid smaragdine --no-create-home --shell /usr/sbin/nologin smaragdine"
    yield f"  sudo install -D {binary or 'smaragdined'} /usr/local/bin/smaragdined"
    yield f"  sudo install -D -m 0644 {UNIT} /etc/systemd/system/{UNIT}"
    yield "  sudo systemctl daemon-reload && sudo systemctl enable --now smaragdined"
    yield f"  sudo usermod --append --groups smaragdine {user}"
    yield ""
    yield f"{UNIT} (`systemd-analyze security smaragdined` rates it):"
    yield ""
    yield from _indented(file(UNIT))
    yield ""
    yield "Instead of a service, a rule can give the registers to the group. It is the lesser choice: whatever members"
    yield f"run can then read them unnoticed. {RULE}:"
    yield ""
    yield from _indented(file(RULE))


def _indented(text: str) -> Iterator[str]:
    # What an administrator needs to know of the commands is above.
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line and not line.startswith("#")), 0)
    yield from (f"  {line}".rstrip() for line in lines[first:])
