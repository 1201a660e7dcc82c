"""How long a database may take, and how many long answers may be on their way.

The limits of time are settings of a connection, made once for each and kept in its `info`, so
that a request costs nothing more.  They are for the statements of models alone: when somebody
else takes the connection out of the pool, they are taken back first.  A stricter setting that is
there already stays.
"""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event, exc

#: Where a connection's `info` has its limits.
APPLIED = "wsgikit.limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may ask of its database.

    Attributes:
        statement: Seconds that a statement may take; `None` for no limit.
        lock: Seconds to wait for others' locks; `None` for no limit.
        streams: How many streams an engine may have at once; `None` for one less than its pool
            has connections.
        patience: Seconds that MariaDB waits for a reader; `None` for its own setting.
    """

    statement: float | None = 30.0
    lock: float | None = 5.0
    streams: int | None = None
    patience: int | None = None


class Setting(NamedTuple):
    """A setting of a connection.

    Attributes:
        name: What the database calls it.
        value: What it is to be at most.
        unlimited: Whether 0 means that there is no limit.
        least: Whether it is to be that at least instead.
    """

    name: str
    value: float
    unlimited: bool = False
    least: bool = False

    def changes(self, found: float) -> bool:
        """Whether a value that was found has to be changed."""
        if self.least:
            return found < self.value
        return found > self.value or (self.unlimited and found == 0)


def connect(engine: sa.Engine) -> sa.Connection:
    """Take a connection out of the pool, and leave its limits as they are."""
    _taking.ours = True
    try:
        return engine.connect()
    finally:
        _taking.ours = False


def apply(connection: sa.Connection, limits: Limits) -> None:
    """Make a connection keep to some limits, unless it does so already."""
    applied = connection.info.get(APPLIED)
    if applied is None or (applied.limits is not limits and applied.limits != limits):
        _apply(connection, limits)


class _Applied(NamedTuple):
    limits: Limits
    restore: Sequence[str]


#: `ours` is whether a model is just taking a connection, in this thread.
_taking = threading.local()

_READ = {
    "sqlite": "PRAGMA {}",
    "postgresql": "SELECT setting FROM pg_settings WHERE name = '{}'",
}
_WRITE = {"sqlite": "PRAGMA {} = {}"}


def _apply(connection: sa.Connection, limits: Limits) -> None:
    before = connection.info.pop(APPLIED, None)
    raw: Any = connection.connection.dbapi_connection
    restore: list[str] = []
    try:
        _run(raw, before.restore if before else ())
        restore += _set(raw, connection.dialect, limits)
        if connection.dialect.name != "sqlite":
            raw.commit()  # PostgreSQL undoes a setting together with its transaction
    except connection.dialect.loaded_dbapi.Error:
        # It has no such settings, or is dead, as the first statement will tell.
        with suppress(connection.dialect.loaded_dbapi.Error):
            raw.rollback()
    connection.info[APPLIED] = _Applied(limits, restore)
    pool = connection.engine.pool
    if _take_back not in list(pool.dispatch.checkout):
        event.listen(pool, "checkout", _take_back)


def _set(raw: Any, dialect: Any, limits: Limits) -> Iterator[str]:
    """Make the settings of a driver's connection; give the statements that undo it."""
    read = _READ.get(dialect.name, "SELECT @@SESSION.{}")
    write = _WRITE.get(dialect.name, "SET SESSION {} = {}")
    for setting in settings_of(dialect, limits):
        with closing(raw.cursor()) as cursor:
            cursor.execute(read.format(setting.name))
            row = cursor.fetchone()
            found = float(row[0]) if row else setting.value
            if setting.changes(found):
                cursor.execute(write.format(setting.name, f"{setting.value:g}"))
                yield write.format(setting.name, f"{found:g}")


def _run(raw: Any, statements: Sequence[str]) -> None:
    with closing(raw.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)


def settings_of(dialect: Any, limits: Limits) -> Sequence[Setting]:
    """Give the settings that make a database keep to some limits.

    Args:
        dialect: SQLAlchemy's dialect, of a connection that was made.
        limits: The limits.  SQLite's statements are ended by a `Deadline` instead.
    """
    found = []
    statement, lock = limits.statement, limits.lock
    if dialect.name == "sqlite":
        wanted = [("busy_timeout", lock, 1000, False)]
    elif dialect.name == "postgresql":
        wanted = [("statement_timeout", statement, 1000, True), ("lock_timeout", lock, 1000, True)]
    else:
        wanted = [("max_statement_time", statement, 1, True)]
        if not dialect.is_mariadb:  # MySQL limits only what reads
            wanted = [("max_execution_time", statement, 1000, True)]
        # Of a row, and of a whole table that is being altered.
        for name in ("innodb_lock_wait_timeout", "lock_wait_timeout"):
            wanted.append((name, lock and math.ceil(lock), 1, False))
        if limits.patience is not None:
            found.append(Setting("net_write_timeout", limits.patience, least=True))
    for name, seconds, unit, unlimited in wanted:
        if seconds is not None:
            found.append(Setting(name, seconds * unit, unlimited))
    return found


def _take_back(raw: Any, record: Any, _proxy: Any) -> None:
    """Give a connection to others as they would have it without us."""
    if getattr(_taking, "ours", False):
        return
    applied = record.info.pop(APPLIED, None)
    if applied is None or not applied.restore:
        return
    try:
        _run(raw, applied.restore)
        raw.commit()
    except Exception as error:
        # Whatever the driver calls it: this connection is of no use, and the pool makes another.
        raise exc.DisconnectionError from error


class Deadline:
    """Ends a statement of SQLite when its time is up: a progress handler."""

    #: How many of SQLite's instructions pass between two looks at the clock: some 0.1 ms.
    INSTRUCTIONS = 10_000

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Give the whole time to what comes next."""
        self.end = time.monotonic() + self.seconds

    def __call__(self) -> bool:
        return time.monotonic() > self.end
