"""One row by one statement, for the doors: prepared once a connection, with a deadline we keep.

Django's cursor costs several times what PostgreSQL takes for a look at a few rows, and waits for
ever when the server is stopped or the network is cut: `statement_timeout` is the server's to
keep. This asks on Django's own connection of this thread, so it sees what an open transaction has
written. Whoever has Django count the statements of that connection is told of these as well.
"""

import select
import threading
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from psycopg import pq
from psycopg.adapt import Transformer

PATIENCE = 3.0  # seconds for an answer; gateways that wait longer have said no by then

_BINARY, _TEXT = pq.Format.BINARY, pq.Format.TEXT
_own = threading.local()


class _Prepared:
    """SQL with `$1`, `$2` for text parameters."""

    def __init__(self, name: str, sql: str) -> None:
        self._name, self._sql = name.encode(), sql.encode()

    def _answer(self, values: tuple[str, ...]) -> Any:
        """Raises django.db.OperationalError when there is no answer in time.

        A connection that turns out to be dead is replaced once: nothing was changed by asking.
        """
        try:
            return self._ask(values)
        except psycopg.OperationalError as error:
            # Under an event loop Django keeps another connection for this thread than outside of
            # it: what failed may be that one, which nobody looks after any more.
            strayed = _has_strayed()
            _own.link = None
            if connection.in_atomic_block and not strayed:
                raise OperationalError("No answer from the database.") from error
        if not strayed:
            connection.close()
        try:
            return self._ask(values)
        except psycopg.OperationalError as error:
            _drop()
            raise OperationalError("No answer from the database.") from error

    def _ask(self, values: tuple[str, ...]) -> Any:
        try:
            return self._read(_link(), values)
        except TimeoutError as error:  # the answer may still come: not on this connection, then
            _drop()
            raise OperationalError("The database is silent.") from error

    def _read(self, link: "_Link", values: tuple[str, ...]) -> Any:
        raise NotImplementedError


class Statement(_Prepared):
    """Of which one row is wanted, whatever its columns are."""

    def row(self, *values: str) -> tuple[Any, ...] | None:
        """Return the first row, or None. Raises as `_answer` does."""
        row: tuple[Any, ...] | None = self._answer(values)
        return row

    def _read(self, link: "_Link", values: tuple[str, ...]) -> tuple[Any, ...] | None:
        result = link.ask(self._name, self._sql, values, _BINARY)
        rows = Transformer(link.connection)
        rows.set_pgresult(result)
        return rows.load_row(0, tuple) if result.ntuples else None


class TextStatement(Statement):
    """One whose columns are all text, read as they come: it takes half of the time."""

    def _read(self, link: "_Link", values: tuple[str, ...]) -> tuple[Any, ...] | None:
        result = link.ask(self._name, self._sql, values, _TEXT)
        if not result.ntuples:
            return None
        columns = [result.get_value(0, column) for column in range(result.nfields)]
        return tuple(None if each is None else each.decode() for each in columns)


class TextRows(_Prepared):
    """Of which all rows are wanted, of columns that are text and never null."""

    def rows(self, *values: str) -> list[tuple[str, ...]]:
        """Raises as `_answer` does."""
        rows: list[tuple[str, ...]] = self._answer(values)
        return rows

    def _read(self, link: "_Link", values: tuple[str, ...]) -> list[tuple[str, ...]]:
        result = link.ask(self._name, self._sql, values, _TEXT)
        columns = range(result.nfields)
        return [
            tuple(result.get_value(row, column).decode() for column in columns)
            for row in range(result.ntuples)
        ]


def _drop() -> None:
    """Close this thread's connection; the next statement opens another."""
    _own.link = None
    connection.close()


def _has_strayed() -> bool:
    link: _Link | None = getattr(_own, "link", None)
    return link is not None and link.django is not connections[DEFAULT_DB_ALIAS]


def connection_number() -> int:
    """Changes when this thread's connection to the database is another one than before."""
    return _link().number


class _Link:
    """The connection of one thread, at the level of libpq."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.django = connections[DEFAULT_DB_ALIAS]  # this thread's own; the proxy costs each time
        self.connection: psycopg.Connection[Any] = self.django.connection
        self._pgconn = self.connection.pgconn
        self._ready = select.poll()
        self._ready.register(self._pgconn.socket, select.POLLIN)
        self._prepared: set[bytes] = set()

    def ask(self, name: bytes, sql: bytes, values: tuple[str, ...], form: pq.Format) -> Any:
        if self.django.force_debug_cursor:  # somebody counts; told before, as it may fail
            self.django.queries_log.append({"sql": sql.decode(), "time": "0"})
        if name not in self._prepared:
            self._pgconn.send_prepare(name, sql)
            self._result()
            self._prepared.add(name)
        encoded = [value.encode() for value in values]
        self._pgconn.send_query_prepared(name, encoded, result_format=form)
        return self._result()

    def _result(self) -> Any:
        pgconn = self._pgconn
        if pgconn.flush():  # a few hundred bytes do not fit: nobody has read for long
            raise TimeoutError
        found = None
        while True:
            while pgconn.is_busy():
                if not self._ready.poll(PATIENCE * 1000):
                    raise TimeoutError
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                break
            found = result
        if found is None or found.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise psycopg.OperationalError(found.get_error_message() if found else "no result")
        return found


def _link() -> _Link:
    """Made anew whenever Django has opened another connection."""
    link: _Link | None = getattr(_own, "link", None)
    if link is not None and link.django.connection is link.connection:
        return link
    connection.ensure_connection()
    _own.number = getattr(_own, "number", 0) + 1
    link = _own.link = _Link(_own.number)
    return link
