"""Transactions: how a `TableModel` opens, guards and ends one.

Every verb runs in a `Session`, which gives it a connection, and turns what the database says
into the model's errors.  Alone, a verb has a transaction of its own; in a model that is bound to
one (`TableModel.transaction`), it shares that.

1. *Reading.*  One statement needs no transaction of ours.  Several that belong together get one
   snapshot: ``READ ONLY`` and ``REPEATABLE READ`` on PostgreSQL, ``WITH CONSISTENT SNAPSHOT`` on
   MariaDB, a deferred ``BEGIN`` on SQLite.
2. *Writing.*  SQLite's one write lock is taken at once (``BEGIN IMMEDIATE``): a lock that is
   taken after reading can be refused, since others wrote in between.
3. *Failing.*  What failed inside a transaction cannot be committed any more, even if somebody
   caught the error, for PostgreSQL would not commit it either.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import exc

from wsgikit.model import (
    ConflictError,
    FieldError,
    ModelError,
    RetryError,
    StoreError,
    UnavailableError,
    repeat,
)
from wsgikit.model.retrying import TRIES
from wsgikit.sql.faults import READING, REFUSALS, Deed
from wsgikit.sql.limits import Deadline, Limits, apply, connect

#: Where the `info` of MariaDB's connections has what the engine wants of them.
ISOLATION = "wsgikit.isolation"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Bindable(Protocol):
    """A model that may be bound to a transaction."""

    _transaction: "Transaction | None"


Model = TypeVar("Model", bound=Bindable)


class Source:
    """Where a model's connections come from.

    Args:
        engine: The engine.
        limits: How long its database may take.
    """

    def __init__(self, engine: sa.Engine, limits: Limits) -> None:
        self.engine = engine
        self.limits = limits
        self.dialect = engine.dialect.name
        self._path = _path_of(engine)
        self._file: tuple[int, int] | None = None

    def connect(self) -> sa.Connection:
        """Take a connection out of the pool."""
        if self._path is not None:
            self._require_file(self._path)
        try:
            return connect(self.engine)
        except exc.TimeoutError as error:
            raise UnavailableError("All database connections are busy.", 1) from error
        except exc.DBAPIError as error:
            raise UnavailableError("The database cannot be reached.") from error

    def _require_file(self, path: str) -> None:
        """Notice that a SQLite file is gone, or another one, which open connections do not.

        They would go on with what nobody else sees any more, and a new one would make an empty
        file.
        """
        try:
            status = os.stat(path)
        except OSError as error:
            self.engine.dispose()
            raise UnavailableError("The database file is not there.") from error
        found = (status.st_dev, status.st_ino)
        if found != self._file:
            if self._file is not None:
                self.engine.dispose()
            self._file = found


def _path_of(engine: sa.Engine) -> str | None:
    """Give the path of a SQLite database that is an ordinary file."""
    path = engine.url.database or ":memory:"
    if path.startswith("file:"):  # https://sqlite.org/uri.html
        path = unquote(path.removeprefix("file:").removeprefix("//"))
    in_memory = path.startswith(":") or engine.url.query.get("mode") == "memory"
    return None if in_memory or engine.dialect.name != "sqlite" else os.path.abspath(path)


class Transaction:
    """One transaction, from a connection's way out of the pool to its way back.

    Args:
        source: Where.
        deed: What it is for, until a verb says more.
        read_only: Whether nothing is to be written.
        snapshot: Whether all statements are to see the same; a single one does anyway.  Where
            something is written, whether something may be read before: others must not change
            that in between.
        rollback: Whether to undo everything at the end, after all checks that a commit makes.
        limits: How long the database may take; as the source says, unless given.
    """

    __slots__ = (
        "connection",
        "deadline",
        "deed",
        "failure",
        "limits",
        "read_only",
        "restricted",
        "rollback",
        "snapshot",
        "source",
        "writing",
    )  # fmt: skip

    def __init__(
        self,
        source: Source,
        deed: Deed,
        *,
        read_only: bool = False,
        snapshot: bool = False,
        rollback: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.source = source
        self.limits = limits or source.limits
        self.deed = deed
        self.read_only = read_only
        self.snapshot = snapshot
        self.rollback = rollback
        #: Whether a verb is in the middle of writing: what it did must be undone if it fails.
        self.writing = False
        #: Why nothing of this can be committed.
        self.failure: BaseException | None = None
        #: Whether the connection has to be told that it may write again.
        self.restricted = False
        self.connection: sa.Connection
        self.deadline: Deadline | None = None

    def __enter__(self) -> "Transaction":
        self.connection = self.source.connect()
        try:
            apply(self.connection, self.limits)
            if self.source.dialect == "sqlite":
                self._watch()
            if self.snapshot or not self.read_only:
                self._begin()
            elif self.source.dialect == "postgresql":
                self.restricted = _only_read(self.connection, True)
        except exc.SQLAlchemyError as error:
            explained = self.explain(error)
            self._close()
            raise explained from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._end()
        finally:
            self._close()

    def _watch(self) -> None:
        """Let no statement of SQLite take too long; it has no such setting."""
        seconds = self.limits.statement
        if seconds is not None:
            self.deadline = Deadline(seconds)
            raw: Any = self.connection.connection.dbapi_connection
            raw.set_progress_handler(self.deadline, Deadline.INSTRUCTIONS)

    def renew(self) -> None:
        """Give the statements that follow the whole time that one may take."""
        if self.deadline is not None:
            self.deadline.renew()

    def _close(self) -> None:
        """Give the connection back, and undo what was not committed."""
        connection = self.connection
        if self.deadline is not None:
            raw: Any = connection.connection.dbapi_connection
            raw.set_progress_handler(None, 0)
        try:
            if self.restricted:
                connection.rollback()
                _only_read(connection, False)
            connection.close()
        except exc.SQLAlchemyError:
            # It cannot even be rolled back: it is dead, and so is its transaction.
            for end in (connection.invalidate, connection.close):
                with suppress(exc.SQLAlchemyError):
                    end()

    def require_sound(self) -> None:
        """Refuse to go on after a failure that somebody caught."""
        if self.failure is not None:
            raise self.failure

    def explain(self, error: exc.SQLAlchemyError, *, ending: bool = False) -> ModelError:
        """Give the model's error for one of SQLAlchemy's."""
        if isinstance(error, exc.DBAPIError):
            return self.deed.explain(error, self.connection, ending=ending)
        return StoreError("The database failed.")

    def _begin(self) -> None:
        if self.read_only:
            _BEGIN_READING.get(self.source.dialect, _read_mariadb)(self.connection)
        else:
            _BEGIN_WRITING.get(self.source.dialect, _write_mariadb)(self.connection, self.snapshot)

    def _end(self) -> None:
        self.require_sound()
        if self.read_only:
            return
        try:
            if self.rollback:
                _CHECKS.get(self.source.dialect, _check_nothing)(self.connection)
            else:
                self.connection.commit()
        except exc.SQLAlchemyError as error:
            raise self.explain(error, ending=True) from error

    @contextmanager
    def nested(self, *, rollback: bool = False) -> Iterator[None]:
        """Make what follows a part that can be undone alone (a savepoint)."""
        self.require_sound()
        with self._explained():
            savepoint = self.connection.begin_nested()
        try:
            yield
            self.require_sound()
        except UnavailableError as error:
            # The database has undone everything, or is gone, and the savepoint with it.
            self.failure = error
            raise
        except BaseException:
            self.failure = None
            with self._explained():
                savepoint.rollback()
            raise
        with self._explained():
            if rollback:
                savepoint.rollback()
            else:
                savepoint.commit()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            self.failure = self.explain(error)
            raise self.failure from error


class Session:
    """A verb in a transaction: gives the connection, and explains errors.

    Args:
        transaction: The transaction.
        deed: What the verb does.
        own: Whether the transaction is the verb's own, and begins and ends with it.
    """

    __slots__ = ("deed", "own", "transaction")

    def __init__(self, transaction: Transaction, deed: Deed, *, own: bool) -> None:
        self.transaction = transaction
        self.deed = deed
        self.own = own

    def __enter__(self) -> sa.Connection:
        transaction = self.transaction
        if self.own:
            return transaction.__enter__().connection
        transaction.require_sound()
        transaction.deed = self.deed
        transaction.writing = False
        transaction.renew()
        return transaction.connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        explained = error
        if isinstance(error, exc.SQLAlchemyError):
            self.transaction.deed = self.deed
            explained = self.transaction.explain(error)
        if self.own:
            self.transaction.__exit__(kind, explained, trace)
        elif error is not None and (explained is not error or self._wrote):
            self.transaction.failure = explained
        if explained is not None and explained is not error:
            raise explained from error

    @property
    def _wrote(self) -> bool:
        # While a stream is read, others may write.
        return self.transaction.writing and self.deed.action not in READING


def repeated(
    verb: Callable[Concatenate[Model, Parameters], Result],
) -> Callable[Concatenate[Model, Parameters], Result]:
    """Let a verb do its work again if others made the database undo it.

    Not in a transaction: all of that is undone, and whoever began it may repeat it.  The second
    try is made at once, since the first of two who were in each other's way is done by then.
    """

    @wraps(verb)
    def again(model: Model, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return verb(model, *args, **kwargs)
        except RetryError:
            if model._transaction is not None:
                raise
        return repeat(partial(verb, model, *args, **kwargs), TRIES - 1)

    return again


def session(
    source: Source, within: Transaction | None, deed: Deed, *, snapshot: bool = False
) -> Session:
    """Give the session of a verb: in a transaction, or in one of its own."""
    if within is not None:
        return Session(within, deed, own=False)
    reading = deed.action in READING
    transaction = Transaction(source, deed, read_only=reading, snapshot=snapshot)
    return Session(transaction, deed, own=True)


# -- how each database begins, and what it checks at the end -------------------------------


def _write_sqlite(connection: sa.Connection, snapshot: bool) -> None:
    """Take SQLite's one write lock, whatever way the engine begins transactions."""
    raw: Any = connection.connection.dbapi_connection
    if not snapshot and _begins_by_itself(raw):
        return  # with the first statement, which writes
    shared = raw.in_transaction
    connection.begin()
    if shared:
        # One connection for all (in memory), and in the middle of something.  Should a lock be
        # needed later and others have written since, SQLite refuses it.
        return
    if raw.in_transaction:
        connection.exec_driver_sql("ROLLBACK")  # what the engine's own events began
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begins_by_itself(raw: Any) -> bool:
    """Whether sqlite3 begins a transaction before a statement that writes."""
    return raw.isolation_level is not None and getattr(raw, "autocommit", False) is not True


def _read_sqlite(connection: sa.Connection) -> None:
    connection.begin()
    raw: Any = connection.connection.dbapi_connection
    if not raw.in_transaction:
        connection.exec_driver_sql("BEGIN")


def _write_postgresql(connection: sa.Connection, _snapshot: bool) -> None:
    connection.begin()
    raw: Any = connection.connection.dbapi_connection
    if raw.autocommit:  # as the engine wants it
        connection.exec_driver_sql("BEGIN")


def _read_postgresql(connection: sa.Connection) -> None:
    # Not by SQLAlchemy's options, which leave READ WRITE behind: a standby refuses that.
    _write_postgresql(connection, True)
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _only_read(connection: sa.Connection, state: bool) -> bool:
    """Let psycopg's next BEGIN say READ ONLY, or nothing again; say whether it will.

    This takes no statement of its own, as it would on MariaDB.
    """
    raw: Any = connection.connection.dbapi_connection
    if connection.dialect.driver != "psycopg" or raw.autocommit or raw.info.transaction_status:
        return False  # another driver, or in the middle of something
    raw.read_only = state or None
    return True


def _write_mariadb(connection: sa.Connection, _snapshot: bool) -> None:
    connection.begin()
    raw: Any = connection.connection.dbapi_connection
    if getattr(raw, "get_autocommit", bool)():  # as the engine wants it
        connection.exec_driver_sql("START TRANSACTION")


def _read_mariadb(connection: sa.Connection) -> None:
    connection.begin()
    if ISOLATION not in connection.info:
        connection.info[ISOLATION] = connection.get_isolation_level()
    if connection.info[ISOLATION] not in ("REPEATABLE READ", "SERIALIZABLE"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


_BEGIN_WRITING = {"sqlite": _write_sqlite, "postgresql": _write_postgresql}
_BEGIN_READING = {"sqlite": _read_sqlite, "postgresql": _read_postgresql}


def _check_postgresql(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")


def _check_sqlite(connection: sa.Connection) -> None:
    """Find references that a commit would refuse.

    SQLite counts them, but does not tell.  So those are looked for that are there now, and are
    not there without this transaction.
    """
    if not _may_be_deferred(connection):
        return
    now = _broken_references(connection)
    if now:
        connection.exec_driver_sql("ROLLBACK")
        if now - _broken_references(connection):
            raise ConflictError([FieldError("", "reference", REFUSALS["reference"][1])])


def _may_be_deferred(connection: sa.Connection) -> bool:
    ask = connection.exec_driver_sql
    if not ask("PRAGMA foreign_keys").scalar():
        return False
    described = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%deferred%'"
    return bool(ask("PRAGMA defer_foreign_keys").scalar() or ask(described).scalar())


def _broken_references(connection: sa.Connection) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}


def _check_nothing(connection: sa.Connection) -> None:
    """MariaDB checks everything at once."""


_CHECKS = {"sqlite": _check_sqlite, "postgresql": _check_postgresql}
