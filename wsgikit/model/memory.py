"""`MemoryModel`: a model in a dict, the worked example of the contract."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from wsgikit.model.choosing import chosen, page_of, stream_of
from wsgikit.model.contract import (
    MAX_ERRORS,
    ConflictError,
    DeniedError,
    FieldError,
    LimitError,
    ModelError,
    NotFoundError,
    Page,
    RefusedError,
    Row,
    StoreError,
    ValidationError,
    Values,
    VersionError,
    Written,
)
from wsgikit.model.fields import DEFAULT, REQUIRED, Field, Unfit
from wsgikit.model.rows import (
    changed_row,
    clean,
    clean_changes,
    fixed,
    immutable,
    new_row,
    version_of,
)
from wsgikit.query import Query

Key = tuple[Any, ...]

TAKEN = "Another row has this key."
HIDDEN = "The row would be outside of what you may see."

#: One lock for all models: a transaction may bind several, and who takes two locks in one order
#: and who takes them in the other would wait for each other forever.
_LOCK = threading.RLock()


class MemoryModel:
    """A model in a dict, for tests and prototypes: nothing outlives the process.

    It is a `wsgikit.model.Store` as well: a transaction holds the one lock that all of these
    models share, so that nobody sees half of it.

    Args:
        fields: The fields.  A key of one integer field that is not required counts up.
        key: The names of the key fields.
        name: What links and titles call it.
        label: The field that stands for a row in titles; by default the first text that is no
            key, of its own rows or of others.
        search: The fields that ``q`` searches; all texts by default.
        references: The models of the rows that foreign keys point to, by field name.  They may
            be added later (``people.references["boss"] = people``).  Nothing checks that such
            a row exists.
        page_size: Rows of a page when the query does not say.
        max_page_size: The most rows of a page.

    Raises:
        ValueError: If an option names a field that there is not.
    """

    read_only: str | Literal[False] = False

    def __init__(
        self,
        fields: Iterable[Field],
        *,
        key: Sequence[str] = ("id",),
        name: str = "memory",
        label: str | None = None,
        search: Sequence[str] | None = None,
        references: Mapping[str, Any] | None = None,
        page_size: int = 50,
        max_page_size: int = 1000,
    ) -> None:
        self.fields = tuple(fields)
        self.key = (key,) if isinstance(key, str) else tuple(key)
        self.name = name
        texts = [f.name for f in self.fields if f.kind == "text"]
        # A foreign key names another row.
        keys = {*self.key, *(f.name for f in self.fields if f.references)}
        self.label = label or next((n for n in texts if n not in keys), None)
        self.search = tuple(texts if search is None else search)
        self.references = dict(references or {})
        self.page_size = page_size
        self.max_page_size = max_page_size
        self._require_fields()
        self._sort_fields()
        self._counts = [field.kind for field in self._key_fields] == ["integer"]
        #: The values that all rows in sight have.
        self._fixed: tuple[tuple[str, Any], ...] = ()
        self._rows: dict[Key, Row] = {}
        self._last = _Last()
        self._transaction: _Transaction | None = None

    def _require_fields(self) -> None:
        names = {field.name for field in self.fields}
        if not self.key or not set(self.key) <= names:
            raise ValueError(f"the key {self.key} is not among the fields {sorted(names)}")
        label = () if self.label is None else (self.label,)
        for name in (*label, *self.search, *self.references):
            if name not in names:
                raise ValueError(f"{self.name} has no field {name!r}; it has {sorted(names)}")

    def _sort_fields(self) -> None:
        by_name = {field.name: field for field in self.fields}
        self._key_fields = [by_name[name] for name in self.key]
        self._changeable = [immutable(f) if f.name in self.key else f for f in self.fields]

    def follow(self, name: str) -> Any:
        """Give the model of the rows that a foreign key points to; `None` if there is none."""
        return self.references.get(name)

    def refer(self, references: Mapping[str, Any]) -> "MemoryModel":
        """See `Model`."""
        referring = copy(self)
        met = {name: _met(self.references.get(name), other) for name, other in references.items()}
        referring.references = {**self.references, **met}
        return referring

    def restrict(self, values: Values) -> "MemoryModel":
        """Give the model of those of these rows that have some values.

        Args:
            values: By field name.  Other rows do not exist; a new row gets these values, and
                can have no others.

        Raises:
            ValueError: If there is no such field, or the value is none of it.
        """
        unknown = [name for name in values if name not in {field.name for field in self.fields}]
        if unknown:
            raise ValueError(f"{self.name} has no field {unknown[0]!r}")
        narrower = copy(self)
        narrower.fields = tuple(
            fixed(f, values[f.name]) if f.name in values else f for f in self.fields
        )
        narrower._sort_fields()
        narrower._fixed = (*self._fixed, *values.items())
        return narrower

    def _sees(self, row: Row) -> bool:
        return all(row[name] == value for name, value in self._fixed)

    def _seen(self) -> Iterable[Row]:
        """Give the rows that there are for this model."""
        rows = self._rows.values()
        return filter(self._sees, rows) if self._fixed else rows

    # -- reading -------------------------------------------------------------------------

    def list(self, query: Query) -> Page:
        """See `Model.list`."""
        with self._locked():
            page = page_of(self._seen(), query, self)
            return replace(page, data=deepcopy(page.data))

    def stream(self, query: Query) -> Iterator[Row]:
        """See `Model.stream`: the rows as they are when it is called."""
        with self._locked():
            # A stored row is never changed, but replaced, so that these stay what they are.
            return map(deepcopy, stream_of(self._seen(), query, self))

    def retrieve(self, key: Any) -> Row:
        """See `Model.retrieve`."""
        with self._locked():
            return deepcopy(self._find(key))

    def _find(self, key: Any, version: str | None = None) -> Row:
        key = key if isinstance(key, tuple) else (key,)
        row = self._rows.get(key)
        # Python's 1, 1.0 and True are one key to a dict.
        if row is None or [*map(type, self._key_of(row))] != [*map(type, key)]:
            raise NotFoundError(key)
        if not self._sees(row):
            raise NotFoundError(key)
        if version is not None and version != version_of(row):
            raise VersionError(deepcopy(row))
        return row

    def _key_of(self, row: Row) -> Key:
        return tuple(row[name] for name in self.key)

    # -- writing -------------------------------------------------------------------------

    def create(self, values: Values) -> Row:
        """See `Model.create`."""
        with self._writing() as store:
            return store.retrieve(store._add(values).key)

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `Model.update`."""
        with self._writing() as store:
            row = store._find(key, version)
            changes = clean(self._changeable, values, current=row)
            store._change(row, changes)
            return store.retrieve(key)

    def delete(self, key: Any, version: str | None = None) -> None:
        """See `Model.delete`."""
        with self._writing() as store:
            store._put(self._key_of(store._find(key, version)), None)

    def create_many(
        self,
        rows: Iterable[Values],
        *,
        on_duplicate: Literal["refuse", "merge", "ignore"] = "refuse",
        returning: bool = False,
    ) -> Written:
        """See `wsgikit.model.Store.create_many`."""
        stored: list[Row] = []
        created = changed = 0
        with self._writing() as store:
            for added in store._add_all(rows, on_duplicate):
                created += added.is_new
                changed += added.is_changed
                if returning:
                    stored.append(store.retrieve(added.key))
            return Written(created + changed, created, tuple(stored))

    def update_where(self, query: Query, values: Values, ceiling: int) -> int:
        """See `wsgikit.model.Store.update_where`."""
        with self._writing() as store:
            changes = clean_changes(self._changeable, values)
            found = store._chosen(query, ceiling)
            for row in found:
                store._change(row, changes)
            return len(found) if changes else 0

    def delete_where(self, query: Query, ceiling: int) -> int:
        """See `wsgikit.model.Store.delete_where`."""
        with self._writing() as store:
            found = store._chosen(query, ceiling)
            for row in found:
                store._put(self._key_of(row), None)
            return len(found)

    def _add_all(self, rows: Iterable[Values], on_duplicate: str) -> "Iterator[_Added]":
        """Store rows, one after the other; raise what was wrong with any of them at the end."""
        refusals: list[RefusedError] = []
        for number, values in enumerate(rows):
            try:
                added = self._add_or_merge(values, on_duplicate)
            except RefusedError as refusal:
                errors = [replace(error, row=number) for error in refusal.errors]
                refusals.append(type(refusal)(errors))
                if len(refusals) == MAX_ERRORS:
                    break
            else:
                yield added
        if refusals:
            kinds = {type(refusal) for refusal in refusals}
            kind = ValidationError if ValidationError in kinds else ConflictError
            found = [error for refusal in refusals for error in refusal.errors]
            raise kind(found[:MAX_ERRORS])

    def _add_or_merge(self, values: Values, on_duplicate: str) -> "_Added":
        stored = None if on_duplicate == "refuse" else self._named(values)
        if stored is None:
            return self._add(values)
        changes: Row = {}
        if on_duplicate == "merge":
            changes = clean(self._changeable, values, current=stored)
            self._change(stored, changes)
        return _Added(self._key_of(stored), is_changed=bool(changes))

    def _named(self, values: Values) -> Row | None:
        """Find the row whose key is among some values."""
        values = {**dict(self._fixed), **values}
        given = [values.get(name, DEFAULT) for name in self.key]
        try:
            key = tuple(f.check(v) for f, v in zip(self._key_fields, given, strict=True))
        except Unfit:
            return None  # none was given, or the check of the whole row will tell
        row = self._rows.get(key)
        return row if row is None or self._sees(row) else None

    def _add(self, values: Values) -> "_Added":
        row = new_row(self.fields, clean(self.fields, values))
        key = self._complete_key(row)
        if key in self._rows:
            raise ConflictError(FieldError(name, "unique", TAKEN) for name in self.key)
        if not self._sees(row):
            raise ValidationError([FieldError("", "check", HIDDEN)])
        self._put(key, row)
        return _Added(key, is_new=True)

    def _complete_key(self, row: Row) -> Key:
        """Give a new row's key, with a number of our own where it is one and was not given."""
        if self._counts and row[self.key[0]] is None:
            row[self.key[0]] = self._last.number + 1
        missing = [name for name in self.key if row[name] is None]
        if missing:
            raise ValidationError(FieldError(name, "required", REQUIRED) for name in missing)
        if self._counts:
            self._last.number = max(self._last.number, row[self.key[0]])
        return self._key_of(row)

    def _chosen(self, query: Query, ceiling: int) -> Sequence[Row]:
        found = [*chosen(self._seen(), query, self)]
        if len(found) > ceiling:
            raise LimitError(ceiling)
        return found

    def _change(self, row: Row, changes: Values) -> None:
        self._put(self._key_of(row), changed_row(self.fields, row, changes))

    def _put(self, key: Key, row: Row | None) -> None:
        """Store or remove a row, so that it can be undone."""
        assert self._transaction is not None  # `_writing` began one
        self._transaction.undo.append(partial(_restore, self._rows, key, self._rows.get(key)))
        _restore(self._rows, key, row)

    # -- transactions ----------------------------------------------------------------------

    @contextmanager
    def transaction(
        self, *, read_only: bool = False, rollback: bool = False
    ) -> "Iterator[MemoryModel]":
        """See `wsgikit.model.Store.transaction`; others wait for its end."""
        with self._locked():
            outer = self._transaction
            inner = _Transaction(read_only or (outer is not None and outer.read_only))
            try:
                yield self._in(inner)
                inner.require_sound()
            except BaseException:
                inner.undo_all()
                raise
            finally:
                inner.failure = inner.failure or StoreError("This transaction is over.")
            if rollback:
                inner.undo_all()
            elif outer is not None:
                outer.undo.extend(inner.undo)

    def bind(self, other: Any) -> "MemoryModel":
        """See `wsgikit.model.Store.bind`: any `MemoryModel` is of the same store."""
        if self._transaction is None:
            raise ValueError(f"{self.name} is in no transaction: use what transaction() gives")
        if not isinstance(other, MemoryModel):
            raise ValueError(f"{other!r} is no MemoryModel, as {self.name} is")
        return other._in(self._transaction)

    def _in(self, transaction: "_Transaction") -> "MemoryModel":
        bound = copy(self)
        bound._transaction = transaction
        if transaction.read_only:
            bound.read_only = self.read_only or "This transaction only reads."
        return bound

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _LOCK:
            if self._transaction is not None:
                self._transaction.require_sound()
            yield

    @contextmanager
    def _writing(self) -> "Iterator[MemoryModel]":
        """Give this model for one verb, of which all or nothing is done."""
        if self.read_only:
            raise DeniedError(self.read_only)
        try:
            with self.transaction() as store:
                yield store
        except ConflictError as error:
            # As in a database: around what it refused, nothing is committed.
            if self._transaction is not None:
                self._transaction.failure = error
            raise


@dataclass(frozen=True, slots=True)
class _Added:
    """What became of a row that was to be stored."""

    key: Key
    is_new: bool = False
    is_changed: bool = False


@dataclass
class _Last:
    """The highest number of a key that counts."""

    number: int = 0


@dataclass
class _Transaction:
    """What was written since a moment, and how to undo it."""

    read_only: bool
    undo: list[Callable[[], None]] = field(default_factory=list)
    #: Why nothing more can be done in it.
    failure: ModelError | None = None

    def require_sound(self) -> None:
        if self.failure is not None:
            raise self.failure

    def undo_all(self) -> None:
        while self.undo:
            self.undo.pop()()


def _met(own: Any, other: Any) -> Any:
    """Leave out of a model what is left out of another, which it is to stand for."""
    both = isinstance(own, MemoryModel) and isinstance(other, MemoryModel)
    return other.restrict(dict(own._fixed)) if both and own._fixed else other


def _restore(rows: dict[Key, Row], key: Key, row: Row | None) -> None:
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = row
