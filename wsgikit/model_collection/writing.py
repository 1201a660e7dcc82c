"""Writes: all that a request does to the store, in one transaction or not at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from webob import Request

from wsgikit.model import (
    ConflictError,
    DeniedError,
    Field,
    FieldError,
    NotFoundError,
    RefusedError,
    RetryError,
    Row,
    Unfit,
    ValidationError,
    VersionError,
    Written,
    to_text,
    version_of,
)
from wsgikit.model.retrying import TRIES, repeat
from wsgikit.model_collection import idempotency
from wsgikit.model_collection.patches import apply_patch, merge
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
            mark = idempotency.Fingerprint(request, many=self.many)
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
    for id in filter(None, ids):
        try:
            yield find(store, id)
        except NotFoundError:
            continue  # somebody removed it since


def _about_one(error: RefusedError) -> RefusedError:
    """Give the same refusal for a request of one row, whose number says nothing."""
    return type(error)([replace(item, row=None) for item in error.errors])


# -- changes that depend on the row ---------------------------------------------------------


def change_row(
    store: Any,
    key: tuple[Any, ...],
    version: str | None,
    change: Callable[[Row], Mapping[str, Any]],
) -> Row:
    """Change a row by what is stored in it, and nobody in between."""
    row = store.update(key, {}, version)  # in a transaction, it is locked from here
    try:
        changed: Row = store.update(key, change(row), version_in(store, row))
    except VersionError as error:
        # Only a store without transactions comes here.
        if version is not None:
            raise
        detail = "Others change this row all the time; nothing was saved."
        raise RetryError(detail, 1) from error
    return changed


def merger(values: Mapping[str, Any]) -> Callable[[Row], Mapping[str, Any]]:
    """Merge objects into JSON columns (RFC 7396)."""

    def change(row: Row) -> Mapping[str, Any]:
        return {
            name: merge(row.get(name), value) if isinstance(value, dict) else value
            for name, value in values.items()
        }

    return change


def patcher(operations: Any) -> Callable[[Row], Mapping[str, Any]]:
    """Apply a JSON Patch (RFC 6902) to a row as JSON spells it."""

    def change(row: Row) -> Mapping[str, Any]:
        before = {name: _as_json(value) for name, value in row.items()}
        after = apply_patch(before, operations)
        if not isinstance(after, dict):
            message = "The patch must leave an object."
            raise ValidationError([FieldError("", "type", message)])
        removed = {name: None for name in before if name not in after}
        added = {name: after[name] for name in after if name not in before}
        changed = {n: after[n] for n in before if n in after and after[n] is not before[n]}
        return {**removed, **added, **changed}

    return change


def _as_json(value: Any) -> Any:
    plain = value is None or isinstance(value, bool | int | str | list | dict)
    return value if plain or (isinstance(value, float) and value - value == 0) else to_text(value)


def refuse_existing(store: Any, key: tuple[Any, ...]) -> None:
    try:
        row = store.retrieve(key)
    except NotFoundError:
        return
    raise VersionError(row)


def version_in(model: Any, row: Row) -> str:
    """Give the version of a row: the model's own, or a digest."""
    version = getattr(model, "version", version_of)
    return str(version(row))


def refuse_repeated(rows: Iterable[Mapping[str, Any]], key: Sequence[Field]) -> None:
    """Refuse to write a row several times in one request: which of them should be answered?

    Raises:
        ConflictError: With the second row of each key.
    """
    seen: set[tuple[str | None, ...]] = set()
    errors = []
    for number, values in enumerate(rows):
        if not all(values.get(field.name) is not None for field in key):
            continue  # the store gives this one its key
        named = tuple(_spelled(field, values[field.name]) for field in key)
        if named in seen:
            detail = "An earlier row has the same key."
            errors += [FieldError(field.name, "unique", detail, number) for field in key]
        seen.add(named)
    if errors:
        raise ConflictError(errors[:100])


def _spelled(field: Field, value: Any) -> str | None:
    try:
        return to_text(field.read_value(value))
    except Unfit:
        return None  # the store says what is wrong with it
