"""A received trace never has DuckDB read, write or reach anything but the trace's tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from smaragdine import Trace
from smaragdine.cli import main
from testbed import synthetic_trace
from testbed.sealed import seal_trace

SECRET = "the victim's own words"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.short(tmp_path_factory.mktemp("sent") / "it's [a] *trace?")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize(
    "name",
    [
        'x" from (select content as "x" from read_text(\'{secret}\')) --',
        "(select content from read_text('{secret}'))",
        "x\", (select content from read_text('{secret}')) as \"y",
        "flags\"::varchar, (select content from read_text('{secret}'))::varchar as \"z",
        "x'; copy (select 1) to '{written}'; --",
    ],
)
@pytest.mark.parametrize("table", ["ops", "ledger", "readings"])
def test_no_name_of_a_received_column_is_run(name: str, table: str, sent: Path, secret: Path, tmp_path: Path) -> None:
    trace, written = tmp_path / "trace", tmp_path / "written.csv"
    shutil.copytree(sent, trace)
    file = trace / f"{table}.parquet"
    column = name.format(secret=secret, written=written).replace('"', '""')
    with duckdb.connect() as connection:
        connection.read_parquet(str(file)).project(f'*, 1 as "{column}"').to_table("t")
        connection.table("t").write_parquet(str(file))
    # Whoever sends it seals it, too.
    seal_trace(trace)
    for options in (["export", "--format", "csv"], ["export", "--format", "perfetto"], ["footprint"], ["ledger"]):
        output = tmp_path / "out"
        assert main([options[0], str(trace), *options[1:], *(["-o", str(output)] if "export" in options else [])]) == 0
        for file in [path for path in tmp_path.rglob("*") if path.is_file() and path != secret]:
            assert SECRET.encode() not in file.read_bytes(), file
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    assert not written.exists()


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('{secret}')",
        "select * from '{secret}'",
        "select * from read_blob('{folder}/*')",
        "select * from glob('{folder}/*')",
        "select * from read_parquet('{folder}/../**/*.parquet')",
        "copy (select 1) to '{folder}/written'",
        "attach '{folder}/written' as other",
        "export database '{folder}/written'",
        "install httpfs",
        "load httpfs",
        "select * from read_text('http://127.0.0.1:9/x')",
        "set enable_external_access = true",
        "set allowed_paths = ['{secret}']",
        "set allowed_directories = ['/']",
        "reset enable_external_access",
        "set temp_directory = '{folder}/written'",
        "set lock_configuration = false",
    ],
)
def test_a_query_over_a_trace_sees_its_tables_alone(query: str, sent: Path, secret: Path) -> None:
    trace = Trace.open(sent)
    before = sorted(secret.parent.iterdir())
    with pytest.raises(duckdb.Error):
        trace.sql(query.format(secret=secret, folder=secret.parent)).fetchall()
    assert sorted(secret.parent.iterdir()) == before
    assert trace.sql("select count(*) from steps").fetchall() == [(4,)]


def test_who_asks_for_more_than_the_tables_gets_it(sent: Path, secret: Path) -> None:
    trace = Trace.open(sent, external_access=True)
    assert trace.sql(f"select content from read_text('{secret}')").fetchall() == [(SECRET,)]


def test_tables_that_spark_wrote_in_parts_are_all_that_is_seen(sent: Path, secret: Path, tmp_path: Path) -> None:
    trace = tmp_path / "parts"
    shutil.copytree(sent, trace)
    file = trace / "steps.parquet"
    content = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / "part-00000-[x]*.parquet").write_bytes(content)
    opened = Trace.open(trace)
    assert len(opened.steps) == 4
    with pytest.raises(duckdb.Error):
        opened.sql(f"from read_text('{secret}')").fetchall()
