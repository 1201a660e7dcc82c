"""Long lists, read while they are sent: one snapshot, at constant memory.

A stream has a connection of its own for as long as its reader takes.  So the streams of an
engine are counted, and leave a connection to everything that is short.  Who closes a stream
early gives its connection back at once.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from wsgikit.model import UnavailableError
from wsgikit.sql.faults import Deed
from wsgikit.sql.limits import Limits
from wsgikit.sql.sessions import Session, Source, Transaction

#: Rows that a stream fetches at a time.
CHUNK = 500

#: The most streams of an engine whose pool has no size; SQLAlchemy's default is 5 connections.
DEFAULT_STREAMS = 4

#: Seconds that MariaDB waits for the reader of a stream, which is sent as fast as it is read.
PATIENCE = 600


class Stream:
    """The rows of a statement, fetched as they are read.

    Args:
        transaction: Where.
        own: Whether nobody else uses its connection.
    """

    def __init__(self, transaction: Transaction, *, own: bool) -> None:
        self.transaction = transaction
        self.own = own

    def __call__(
        self, statement: sa.Select[Any], parameters: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Generator[sa.Row[Any]]:
        """Read the rows of a statement; close the iterator to end it early."""
        connection = self.transaction.connection
        options = {**options, **self._options}
        with connection.execute(statement, parameters, execution_options=options) as rows:
            try:
                for chunk in rows.partitions(CHUNK):
                    yield from chunk
                    self.transaction.renew()
            except GeneratorExit:
                self._abandon()
                raise

    @property
    def _options(self) -> dict[str, Any]:
        # While MariaDB sends rows, its connection is good for nothing else.
        if not self.own and self.transaction.source.dialect not in ("sqlite", "postgresql"):
            return {}
        return {"yield_per": CHUNK}

    def _abandon(self) -> None:
        """Leave before the end."""
        if not self.own or self.transaction.source.dialect in ("sqlite", "postgresql"):
            return
        # PyMySQL would read what is still to come, up to the end.  It is cheaper to break the
        # connection off: the server notices, and stops.
        raw: Any = self.transaction.connection.connection.dbapi_connection
        with suppress(AttributeError):  # of another driver
            raw._result.unbuffered_active = False
        self.transaction.connection.invalidate()


@contextmanager
def stream(source: Source, within: Transaction | None, deed: Deed) -> Iterator[Stream]:
    """Give what reads long lists: one snapshot, and a place among those who may do so.

    Raises:
        UnavailableError: If there are too many already.
    """
    if within is not None:
        with Session(within, deed, own=False):
            yield Stream(within, own=False)
        return
    limits = limits_of_streams(source)
    transaction = Transaction(source, deed, read_only=True, snapshot=True, limits=limits)
    with slot(source.engine, limits), Session(transaction, deed, own=True):
        yield Stream(transaction, own=True)


def limits_of_streams(source: Source) -> Limits:
    """Give what holds for streams, which MariaDB sends no faster than they are read."""
    if source.dialect in ("sqlite", "postgresql"):
        return source.limits
    return replace(source.limits, statement=None, patience=PATIENCE)


# -- how many ----------------------------------------------------------------------------


class _Slots:
    """How many streams there are."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = 0


#: By pool, since that is what streams could use up: all engines and models that share one, share
#: the slots.  They go away with the pool.
_slots: WeakKeyDictionary[sa.Pool, _Slots] = WeakKeyDictionary()
_slots_lock = threading.Lock()


@contextmanager
def slot(engine: sa.Engine, limits: Limits) -> Iterator[None]:
    """Be one of the streams of an engine.

    Raises:
        UnavailableError: If there are as many as there may be.
    """
    pool = engine.pool
    with _slots_lock:
        slots = _slots.setdefault(pool, _Slots())
    most = most_streams(pool) if limits.streams is None else limits.streams
    with slots.lock:
        if slots.taken >= most:
            raise UnavailableError("Too many long answers are on their way; try again later.")
        slots.taken += 1
    try:
        yield
    finally:
        with slots.lock:
            slots.taken -= 1


def most_streams(pool: sa.Pool) -> int:
    """Give how many streams leave a connection to all others."""
    size = getattr(pool, "size", None)
    number = size() if callable(size) else 0
    return max(1, number - 1) if number else DEFAULT_STREAMS
