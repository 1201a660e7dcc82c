"""Writes: all that a request does to the store, in one transaction or not at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from webob import Request

from wsgikit.model import (
    ConflictError,
    DeniedError,
    NotFoundError,
    RefusedError,
    ValidationError,
    Written,
)
from wsgikit.model.retrying import TRIES, repeat
from wsgikit.model_collection import idempotency
from wsgikit.model_collection.preferences import Preferences

Result = TypeVar("Result")

#: How often a change of a store without transactions is tried when others write in between.
MERGE_TRIES = 10


def transact(
    model: Any,
    work: Callable[[Any], Result],
    *,
    rollback: bool = False,
    repeatable: bool = True,
) -> Result:
    """Do something to a model, in one transaction where it has such.

    Args:
        model: A `wsgikit.model.Model`.
        work: Called with the model to work on; perhaps several times.
        rollback: Undo everything at the end: a dry run.
        repeatable: Whether *work* may be done again when others made the store undo it.

    Raises:
        DeniedError: If a dry run is wanted of a model that cannot undo.
    """
    if not hasattr(model, "transaction"):
        if rollback:
            raise DeniedError("This store cannot undo anything; there are no dry runs.")
        return repeat(lambda: work(model), MERGE_TRIES if repeatable else 1, pause=0.001)

    def once() -> Result:
        with model.transaction(rollback=rollback) as store:
            return work(store)

    return repeat(once, TRIES if repeatable else 1)


@dataclass
class Creation:
    """New rows, as they were sent.

    Attributes:
        rows: Their values; a file's are read while they are consumed.
        many: Whether they came as several, be it one.
        streamed: Whether they can be read only once.
        returning: Whether the answer shows them.
        replayed: Whether they were stored by an earlier request that was the same.
    """

    rows: Iterable[Mapping[str, Any]]
    many: bool = False
    streamed: bool = False
    returning: bool = True
    replayed: bool = field(default=False, init=False)

    def store(
        self,
        request: Request,
        model: Any,
        prefer: Preferences,
        records: "Records | None",
        id_of: Callable[[Any], str | None],
        find: Callable[[Any, str], Any],
    ) -> Written:
        """Store all of them, or none.

        Args:
            request: The request, for its `Idempotency-Key`.
            model: The narrowed model.
            prefer: What the client prefers.
            records: Those of idempotent requests; `None` for none.
            id_of: Gives the identifier of a row.
            find: Gives the row of an identifier, from a model.

        Raises:
            ValidationError, ConflictError: As the model; about a row by its number, if there
                are many.
        """
        key = idempotency.key_of(request) if records is not None else None

        def work(store: Any) -> Written:
            if records is None or key is None:
                return self._make(store, self.rows, prefer)
            mark = idempotency.Fingerprint(request)
            claims = store.bind(records.model)
            record = idempotency.claim(claims, key)
            if record is not None:
                for _ in mark.watch(self.rows):
                    pass
                self.replayed = True
                return _again(store, idempotency.replay(record, mark), find)
            written = self._make(store, mark.watch(self.rows), prefer)
            done = idempotency.Done([*map(id_of, written.rows)], written.count, written.created)
            idempotency.settle(claims, key, mark, done)
            return written

        try:
            written = transact(model, work, rollback=prefer.rollback, repeatable=not self.streamed)
        except (ValidationError, ConflictError) as error:
            raise error if self.many else _about_one(error) from error.__cause__
        if records is not None and key is not None:
            records.sweep()
        return written

    def _make(self, store: Any, rows: Iterable[Mapping[str, Any]], prefer: Preferences) -> Written:
        if not self.many and prefer.on_duplicate == "refuse":
            (values,) = rows
            return Written(1, 1, (store.create(values),))
        if not hasattr(store, "create_many"):
            raise DeniedError("This store takes one new row at a time.")
        written: Written = store.create_many(
            rows, on_duplicate=prefer.on_duplicate, returning=self.returning
        )
        return written


class Records:
    """The records of idempotent requests, and their housekeeping.

    Args:
        model: See `wsgikit.model_collection.idempotency`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._claims = count()

    def sweep(self) -> None:
        """Remove old records, once in a hundred times."""
        if next(self._claims) % 100 == 0:
            idempotency.sweep(self.model)


def _again(store: Any, done: idempotency.Done, find: Callable[[Any, str], Any]) -> Written:
    """Give what an earlier request did, with its rows as they are now."""
    return Written(done.count, done.created, tuple(_found(store, done.ids, find)))


def _found(store: Any, ids: Iterable[str | None], find: Callable[[Any, str], Any]) -> Iterator[Any]:
    for id in ids:
        try:
            if id is not None:
                yield find(store, id)
        except NotFoundError:
            continue  # somebody removed it since


def _about_one(error: RefusedError) -> RefusedError:
    """Give the same refusal for a request of one row, whose number says nothing."""
    return type(error)([replace(item, row=None) for item in error.errors])
