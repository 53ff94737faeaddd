"""SLURM on one node and MPI, as they are installed: ranks find out by themselves who they are, and write one job."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smaragdine import Job
from testbed.hardware import Tree, powercap_tree
from tests.support.served import wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "packaging" / "slurm"
TRAIN = """
import sys, time, smaragdine
with smaragdine.record(sys.argv[1], require_measured=True) as recording:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        with recording.step(samples=4):
            sum(range(20_000))
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    with powercap_tree(tmp_path / "tree") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
        yield tree


class Slurm:
    """A controller and a node of its own, with the examples as prolog and epilog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = folder / "jobs"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, port: int) -> None:
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        munge = self.folder / "munge.sock"
        scripts = {name: self._script(name) for name in ("prolog", "task-prolog", "epilog")}
        (self.folder / "slurm.conf").write_text(
            f"""ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={munge}
SlurmctldPort={port}
SlurmdPort={port + 1}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmdLogFile={self.folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
PrologFlags=Alloc
Prolog={scripts["prolog"]}
TaskProlog={scripts["task-prolog"]}
Epilog={scripts["epilog"]}
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
        )
        munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}"]
        munged += [f"--{name}-file={self.folder}/{name}" for name in ("pid", "seed", "log")]
        self._spawn(munged)
        wait_until(munge.exists)
        self._spawn(["slurmctld", "-D", "-i", "-f", str(self.folder / "slurm.conf")])
        self._spawn(["slurmd", "-D", "-f", str(self.folder / "slurm.conf"), "-N", host])
        wait_until(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%t").stdout, 90)

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=240)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _script(self, name: str) -> Path:
        """As an administrator would install it: with the paths of this site."""
        script = self.folder / f"{name}.sh"
        sites = {
            "SMARAGDINED": os.environ["SMARAGDINE_BIN"],
            "SMARAGDINE_JOBS": str(self.jobs),
            "SMARAGDINE_POWERCAP_ROOT": os.environ["SMARAGDINE_POWERCAP_ROOT"],
        }
        told = "".join(f"export {variable}='{value}'\n" for variable, value in sites.items())
        script.write_text((EXAMPLES / f"{name}.sh").read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{told}", 1))
        script.chmod(0o755)
        return script

    def _spawn(self, command: list[str]) -> None:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(command, **quiet))  # type: ignore[call-overload]


@pytest.fixture
def slurm(tmp_path: Path, tree: Tree) -> Iterator[Slurm]:
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("slurmctld", "slurmd", "munged", "srun")):
        pytest.skip("needs to be root, with slurm-wlm: apt-get install slurm-wlm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    slurm = Slurm(tmp_path)
    try:
        slurm.start(port)
        yield slurm
    finally:
        slurm.stop()


def test_srun_gives_one_job_and_prolog_and_epilog_its_daemon(slurm: Slurm, tmp_path: Path) -> None:
    output = tmp_path / "runs" / "srun"
    run = [sys.executable, "-m", "smaragdine", "run", "--require-measured", "-o", str(output), "--", "sleep", "1.5"]
    done = slurm.call("srun", "-n", "4", *run)
    assert done.returncode == 0, done.stderr
    job = Job.open(output)
    assert [(rank.rank, rank.attempt) for rank in job.ranks()] == [(number, 1) for number in range(4)]
    labels = job.metadata.labels
    assert (labels["world_size"], labels["job"].isdigit()) == ("4", True)
    # The job's daemon served all of them, so each of its joules is in the job once; it has left with the job.
    assert len({part.metadata.options.daemon_pid for part in job.parts}) == 1
    pid = job.parts[0].metadata.options.daemon_pid
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    wait_until(lambda: not list(slurm.jobs.glob("*/smaragdine.sock")))


def test_mpirun_gives_one_job(tree: Tree, tmp_path: Path) -> None:
    if shutil.which("mpirun") is None:
        pytest.skip("needs MPI: apt-get install openmpi-bin")
    output = tmp_path / "runs" / "mpi"
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    command = ["mpirun", *root, "--oversubscribe", "-n", "2", sys.executable, "-c", TRAIN, str(output)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    job = Job.open(output)
    assert [rank.rank for rank in job.ranks()] == [0, 1]
    assert job.metadata.labels["world_size"] == "2"
    assert all(rank.steps > 0 for rank in job.ranks())


def test_the_examples_for_kubernetes_are_what_the_product_takes() -> None:
    yaml = pytest.importorskip("yaml")
    folder = ROOT / "packaging" / "kubernetes"
    daemon = yaml.safe_load((folder / "daemonset.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = daemon["containers"]
    known = subprocess.run(
        [os.environ["SMARAGDINE_BIN"], "serve", "--help"], capture_output=True, text=True, check=True
    )
    for option in container["args"][1:]:
        assert option.split("=")[0] in known.stdout
    job = yaml.safe_load((folder / "job.yaml").read_text())["spec"]["template"]["spec"]
    (train,) = job["containers"]
    told = {one["name"]: one for one in train["env"]}
    assert told["SMARAGDINE_SOCKET"]["value"] in " ".join(container["args"])
    assert told["NODE_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
    hosts = [{volume["name"]: volume.get("hostPath", {}).get("path") for volume in spec["volumes"]}["socket"]
             for spec in (daemon, job)]  # fmt: skip
    assert hosts == ["/run/smaragdine"] * 2
