"""The tables of a trace, as DuckDB opens them: ours, or what pandas, DuckDB, Polars or Spark wrote in their place.

A table is checked as it is first read: against the checksums in `trace.json`, and for what no recording can have said.
DuckDB sees these tables and nothing else of the machine, whatever a query asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.errors import TraceError, changed, damaged
from smaragdine.trace.checksum import Checksum, of_bytes
from smaragdine.trace.columns import LATER, REFERS, TABLES, cells, doubts, kinds, quoted

if TYPE_CHECKING:
    import duckdb

__all__ = ["TABLES", "Tables"]

_ROWS = 1 << 14
TABLES_IN_ORDER = tuple(TABLES)
_WORD = re.compile(r"\w+")


class Tables:
    """The tables in one directory. Errors are TraceError."""

    def __init__(
        self,
        directory: Path,
        checksums: Mapping[str, Checksum] | None,
        *,
        external_access: bool = False,
        attached: Sequence[str] = TABLES_IN_ORDER,
        threads: int | None = None,
    ) -> None:
        """`checksums` by table; None checks nothing against them. `attached`: the tables that queries will name.

        `threads` of DuckDB's; as many as it likes where None.
        """
        import duckdb

        self.directory = directory
        self._checksums = checksums
        self._unchecked = set(attached)
        self._connection = duckdb.connect(config={} if threads is None else {"threads": threads})
        self._parts = {table: self._found(table) for table in TABLES}
        # By table, the type of each column of its files.
        self._columns: dict[str, dict[str, str]] = {}
        if not external_access:
            close_doors(self._connection, chain.from_iterable(self._parts.values()))
        for table in attached:
            with self._reading(table):
                self._attach(table)

    def close(self) -> None:
        """Gives back threads and memory; nothing is read any more."""
        self._connection.close()

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query of ours; a damaged file may show only now."""
        self._check(query)
        with self._reading():
            return self._connection.execute(query, list(parameters)).fetchall()

    def batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query of ours, some thousand at a time."""
        self._check(query)
        with self._reading():
            cursor = self._connection.cursor()
            cursor.execute(query)
            while rows := cursor.fetchmany(_ROWS):
                yield rows

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A query of anybody's; DuckDB's own errors tell what is wrong with it."""
        self._check(query)
        return self._connection.sql(query)

    @property
    def files(self) -> Mapping[str, Sequence[Path]]:
        """By table; several where Spark wrote it in parts."""
        return self._parts

    def _found(self, table: str) -> list[Path]:
        """The files of a table. Beside Spark's parts stand checksums (`.part-….crc`) and marks (`_SUCCESS`)."""
        file = self.directory / f"{table}.parquet"
        if str(file).encode(errors="replace").decode() != str(file):
            raise TraceError(f"DuckDB opens no {str(file)!r}: the name is not UTF-8", "rename the trace")
        try:
            parts = [file]
            if file.is_dir():
                parts = sorted(p for p in file.iterdir() if p.suffix == ".parquet" and p.name[0] not in "._")
            if table in LATER and table not in (self._checksums or {}) and not file.is_symlink() and not file.exists():
                return []
            if not parts or not file.exists():
                raise TraceError(
                    f"the trace {self.directory} is incomplete: {file.name} is missing",
                    "`smaragdine recover OUTPUT` rebuilds a trace that a crash cut",
                )
            if not all(part.is_file() for part in parts):
                # A pipe or a device in its place would keep its reader for ever.
                raise damaged(self.directory, f"{file.name} is no file of bytes")
        except OSError as error:
            raise TraceError(f"cannot read {file}: {error.strerror}") from None
        return parts

    def _attach(self, table: str) -> None:
        if not self._parts[table]:
            self._columns[table] = {}
            self._connection.execute(f"create view {table} as select {cells(table, {})} where false")
            return
        # A name such as `kind=a` in the path is part of the path, and no column.
        names = ", ".join(text(literal(part)) for part in self._parts[table])
        source = f"read_parquet([{names}], hive_partitioning = false, binary_as_string = true)"
        described = self._connection.execute(f"describe from {source}").fetchall()
        found = {name: kind for name, kind, *_ in described}
        if missing := [column for column in TABLES[table] if column not in found]:
            raise damaged(self.directory, f"{table}.parquet has no column {', '.join(missing)}")
        self._columns[table] = found
        self._connection.execute(f"create view {table} as select {cells(table, found)} from {source}")

    def _check(self, query: str) -> None:
        """Checks the tables that the query names."""
        words = {word.lower() for word in _WORD.findall(query)}
        # These are given names that the query need not hold as such.
        self.check(*(TABLES if words & {"query", "query_table"} else words & set(TABLES)))

    def check(self, *tables: str) -> None:
        """Raises TraceError where what they say is not what was sealed, or cannot be so; each is looked at once."""
        named = set(tables)
        named |= {"ops"} if named & REFERS.keys() else set()
        for table in sorted(self._unchecked & named, key="ops".__ne__):
            with self._reading(table):
                self._check_sums(table)
                self._check_rows(table)
            self._unchecked.discard(table)

    def _check_sums(self, table: str) -> None:
        if self._checksums is None:
            return
        if (sealed := self._checksums.get(table)) is None:
            if table in LATER:
                # What an earlier version wrote beside its tables, it did not seal.
                return
            raise changed(self.directory, f"{table}.parquet", "it has no checksum, and others have")
        if of_bytes(self._parts[table]) == sealed.bytes:
            return
        # What another program wrote again is the same where its columns say the same. Few tables are such.
        from smaragdine.trace.content import differs

        # From here on its rows are held: what a damaged file says of them beside (least, most, how many nulls) would
        # mislead DuckDB's plans, whatever the rows are.
        self._connection.execute(f"create table held_{table} as from {table}")
        self._connection.execute(f"create or replace view {table} as from held_{table}")
        if problem := differs(self._connection, table, kinds(table), sealed):
            raise changed(self.directory, f"{table}.parquet", problem)

    def _check_rows(self, table: str) -> None:
        wrong = doubts(table)
        columns = [f"coalesce(bool_or({condition}), false)" for condition in wrong.values()]
        if table == "ops":
            wrong |= {"its operations are not numbered one by one": ""}
            columns.append("count(*) != count(distinct op) or coalesce(max(op) + 1 != count(*), false)")
        answer = self._connection.execute(f"select {', '.join(columns)} from {table}").fetchall()[0]
        for problem, found in zip(wrong, answer, strict=True):
            if found:
                raise damaged(self.directory, f"{table}.parquet: {problem}")

    @contextmanager
    def _reading(self, table: str | None = None) -> Iterator[None]:
        import duckdb

        try:
            yield
        except (duckdb.Error, OSError, RuntimeError, ValueError, OverflowError, MemoryError) as error:
            # DuckDB's own, and what its binding makes of names that are no text and of numbers beyond all memory.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = f"{table}.parquet: " if table else ""
            raise damaged(self.directory, f"{where}{reason}") from None


def close_doors(connection: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Leaves DuckDB these files, and no way back."""
    names = [name for file in files for name in dict.fromkeys((str(file), literal(file)))]
    allowed = ", ".join(map(text, names))
    connection.execute(f"set allowed_paths = [{allowed}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def beside_each_other(owners: Iterable[tuple[tuple[str, int, int], Tables]]) -> duckdb.DuckDBPyConnection:
    """The tables of several traces as one for each kind, with `host`, `rank` and `attempt` before their columns.

    Each of `owners` is closed when the next is taken. What is damaged raises TraceError here.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("create table whose (file varchar, host varchar, rank bigint, attempt bigint)")
    every: list[Path] = []
    # Others write other types: files are read together where they have the same.
    kinds_of: dict[str, dict[tuple[tuple[str, str], ...], list[Path]]] = {table: {} for table in TABLES}
    for (host, rank, attempt), tables in owners:
        tables.check(*TABLES)
        own = list(chain.from_iterable(tables.files.values()))
        connection.execute("insert into whose select unnest(?), ?, ?, ?", [list(map(str, own)), host, rank, attempt])
        every += own
        for table, files in tables.files.items():
            if files:
                kinds_of[table].setdefault(tuple(tables._columns[table].items()), []).extend(files)
        tables.close()
    close_doors(connection, every)
    for table, alike in kinds_of.items():
        # Of a table that none has, the columns are there all the same.
        views = [f"select host, rank, attempt, {cells(table, {})} from whose where false"]
        for number, (columns, files) in enumerate(alike.items()):
            names = [literal(file) for file in files]
            read = connection.read_parquet(names, hive_partitioning=False, binary_as_string=True, filename=True)
            read.project(f"filename, {cells(table, dict(columns))}").create_view(f"read_{table}_{number}")
            columns_of = ", ".join(quoted(name) for name in kinds(table))
            views.append(f"select host, rank, attempt, {columns_of} from read_{table}_{number} join whose "
                         "on filename = file")  # fmt: skip
        connection.execute(f"create view {table} as {' union all '.join(views)}")
    return connection


def literal(path: Path) -> str:
    """The path as DuckDB takes it, with nothing in it read as a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def text(value: str) -> str:
    """As a text in SQL."""
    return "'" + value.replace("'", "''") + "'"
