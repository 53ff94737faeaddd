"""A job in object storage, or behind a web server, opens as one on disk; what is listed beside it is not fetched."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smaragdine import Job, Trace
from smaragdine.errors import SmaragdineError, TraceError, UsageError
from testbed.synthetic_job import rank


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A bucket `runs` on a server of this machine that speaks S3's protocol."""
    s3fs = pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    # Servers of one process share what they hold.
    if fs.exists("runs"):
        fs.rm("runs", recursive=True)
    fs.mkdir("runs")
    yield fs
    server.stop()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    for number in range(4):
        rank(tmp_path / "job", number, f"node-{number // 2}", labels={"world_size": "4"})
    return tmp_path / "job"


def test_a_job_in_a_bucket_is_what_it_is_on_disk(bucket: object, job: Path) -> None:
    bucket.put(str(job), "runs/study/job", recursive=True)  # type: ignore[attr-defined]
    there, here = Job.open("s3://runs/study/job"), Job.open(job)
    assert there.ledger().rows == here.ledger().rows
    assert there.footprint().rows == here.footprint().rows
    assert [one.host for one in there.ranks()] == [one.host for one in here.ranks()]
    one = Trace.open("s3://runs/study/job/host=node-1/rank=2")
    assert one.ledger().rows == Trace.open(job / "host=node-1/rank=2").ledger().rows


def test_nothing_is_fetched_that_is_no_part_of_a_job(bucket: object, job: Path) -> None:
    bucket.put(str(job), "runs/job", recursive=True)  # type: ignore[attr-defined]
    for name in ("notes.txt", "host=a/rank=0/report.html", "host=a/rank=x/ops.parquet", "host=a/../evil/ops.parquet",
                 "host=a/rank=0/deep/er/ops.parquet"):  # fmt: skip
        bucket.pipe(f"runs/job/{name}", b"planted")  # type: ignore[attr-defined]
    opened = Job.open("s3://runs/job")
    fetched = sorted(path.name for path in opened.path.rglob("*") if path.is_file())
    assert set(fetched) == {"trace.json", *(path.name for path in (job / "host=node-0/rank=0").glob("*.parquet"))}
    assert len(opened.parts) == 4


def test_what_is_not_there_is_told_in_words(bucket: object) -> None:
    with pytest.raises(TraceError, match="s3://runs/nothing"):
        Job.open("s3://runs/nothing")
    with pytest.raises(SmaragdineError, match="s3://no-such-bucket/job"):
        Job.open("s3://no-such-bucket/job")
    with pytest.raises(UsageError, match="carrier-pigeon://coop"):
        Trace.open("carrier-pigeon://coop")


def test_a_job_behind_a_web_server(job: Path) -> None:
    pytest.importorskip("aiohttp")
    handler = partial(SimpleHTTPRequestHandler, directory=str(job.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = Job.open(f"http://127.0.0.1:{server.server_port}/job/")
        assert there.ledger().rows == Job.open(job).ledger().rows
        server.shutdown()


def test_without_fsspec_a_url_says_what_to_install(job: Path) -> None:
    program = (
        "import sys; sys.modules['fsspec'] = None\n"
        "import smaragdine\n"
        "try: smaragdine.Job.open('s3://runs/job')\n"
        "except smaragdine.SmaragdineError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'smaragdine[remote]'" in done.stdout
