"""How long a database may take, and how many long answers may be on their way.

The limits of time are settings of a connection, made once for each and kept in its `info`, so
that a request costs nothing more.  They are for the statements of models alone: when somebody
else takes the connection out of the pool, they are taken back first.  A stricter setting that is
there already stays.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
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


@dataclass(slots=True)
class _Applied:
    """What is set on a connection.

    Attributes:
        limits: Why.
        database: How it is asked and told.
        found: The settings as they were before, by name.
        now: The settings as they are.
    """

    limits: Limits
    database: "_Database"
    found: dict[str, float]
    now: dict[str, float]


#: `ours` is whether a model is just taking a connection, in this thread.
_taking = threading.local()


def _apply(connection: sa.Connection, limits: Limits) -> None:
    database = _DATABASES.get(connection.dialect.name, _MARIADB)
    applied = connection.info.setdefault(APPLIED, _Applied(limits, database, {}, {}))
    applied.limits = limits
    raw: Any = connection.connection.dbapi_connection
    try:
        _set(raw, connection.dialect, applied)
    except connection.dialect.loaded_dbapi.Error:
        # It has no such settings, or is dead, as the first statement will tell.
        with suppress(connection.dialect.loaded_dbapi.Error):
            raw.rollback()
    pool = connection.engine.pool
    if _take_back not in list(pool.dispatch.checkout):
        event.listen(pool, "checkout", _take_back)


def _set(raw: Any, dialect: Any, applied: _Applied) -> None:
    """Make the settings of a driver's connection that its limits ask for."""
    settings = {setting.name: setting for setting in settings_of(dialect, applied.limits)}
    unknown = [name for name in settings if name not in applied.found]
    if unknown:
        applied.found |= applied.database.read(raw, unknown)
    wanted = dict(applied.found)
    for name in settings.keys() & wanted.keys():
        if settings[name].changes(wanted[name]):
            wanted[name] = settings[name].value
    _change(raw, applied, wanted)


def _change(raw: Any, applied: _Applied, wanted: Mapping[str, float]) -> None:
    before = applied.found | applied.now
    changes = {name: value for name, value in wanted.items() if before[name] != value}
    if changes:
        applied.database.write(raw, changes)
    if applied.database.commits:
        raw.commit()
    applied.now.update(wanted)


# -- how each database is asked and told ---------------------------------------------------


class _Database(NamedTuple):
    read: Callable[[Any, Sequence[str]], dict[str, float]]
    write: Callable[[Any, Mapping[str, float]], None]
    #: Whether what was set would be undone with its transaction.
    commits: bool = False


def _read_sqlite(raw: Any, names: Sequence[str]) -> dict[str, float]:
    return {name: float(raw.execute(f"PRAGMA {name}").fetchone()[0]) for name in names}


def _write_sqlite(raw: Any, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        raw.execute(f"PRAGMA {name} = {value:.0f}")


def _read_postgresql(raw: Any, names: Sequence[str]) -> dict[str, float]:
    listed = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT name, setting FROM pg_settings WHERE name IN ({listed})"
    return {name: float(value) for name, value in _execute(raw, query)}


def _write_postgresql(raw: Any, values: Mapping[str, float]) -> None:
    calls = (f"set_config('{name}', '{value:.0f}', false)" for name, value in values.items())
    _execute(raw, f"SELECT {', '.join(calls)}")


def _read_mariadb(raw: Any, names: Sequence[str]) -> dict[str, float]:
    [row] = _execute(raw, f"SELECT {', '.join(f'@@SESSION.{name}' for name in names)}")
    return dict(zip(names, map(float, row), strict=True))


def _write_mariadb(raw: Any, values: Mapping[str, float]) -> None:
    # Most of these take no number with a point.
    texts = (f"{name} = {f'{value:.3f}'.rstrip('0').rstrip('.')}" for name, value in values.items())
    _execute(raw, f"SET SESSION {', '.join(texts)}")


def _execute(raw: Any, statement: str) -> Sequence[Any]:
    with closing(raw.cursor()) as cursor:
        cursor.execute(statement)
        return [*cursor.fetchall()] if cursor.description else ()


_MARIADB = _Database(_read_mariadb, _write_mariadb)
_DATABASES = {
    "sqlite": _Database(_read_sqlite, _write_sqlite),
    "postgresql": _Database(_read_postgresql, _write_postgresql, commits=True),
}


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
            value = math.ceil(seconds * unit) if unit > 1 else seconds
            found.append(Setting(name, value, unlimited))
    return found


def _take_back(raw: Any, record: Any, _proxy: Any) -> None:
    """Give a connection to others as they would have it without us."""
    applied = record.info.get(APPLIED)
    if applied is None or getattr(_taking, "ours", False):
        return
    del record.info[APPLIED]
    try:
        _change(raw, applied, applied.found)
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
