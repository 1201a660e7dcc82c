"""Writes of many rows in one transaction: all of them, or none.

`Creation` stores rows from an iterator, some hundred at a time, so that a file of any length
passes at constant memory.

1. Every row is checked before the database sees it; a batch is then written with few statements.
2. What the database refuses, it refuses for a whole batch.  The batch is undone (a savepoint),
   and its rows are written one by one, to find out which are to blame.
3. After the first mistake nothing is kept, so later batches are only checked.
4. What was written is looked up again by its keys: a row that would be out of sight, or under
   another key than the one given, is a mistake as well.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from wsgikit.model import (
    DEFAULT,
    ConflictError,
    Field,
    FieldError,
    RefusedError,
    Row,
    StoreError,
    Unfit,
    ValidationError,
    Values,
    Written,
    clean,
    encode_key,
)
from wsgikit.sql.faults import Deed
from wsgikit.sql.sessions import Transaction
from wsgikit.sql.statements import key_in

if TYPE_CHECKING:
    from wsgikit.sql import TableModel

OnDuplicate = Literal["refuse", "merge", "ignore"]

#: Rows that are written at a time.
BATCH = 500

#: Mistakes that are told; nobody reads more.
MAX_ERRORS = 100

#: Kinds of keys that are stored as they are given.  (MariaDB makes a number of 0.)
_EXACT = {"sqlite": {"integer", "uuid", "boolean"}, "postgresql": {"integer", "uuid", "boolean"}}


@dataclass(slots=True)
class Item:
    """A row on its way.

    Attributes:
        index: Which one, counted from 0.
        values: What was given.
        named: The text of its key, where a key was given that may be taken.
        current: The stored row of this key.
        attempt: What is to be written of it; for a row that exists, its changes.
        key: Its key, once it is known.
        row: As it is stored, once it is known.
    """

    index: int
    values: Values
    named: str | None = None
    current: Row | None = None
    attempt: Row = field(default_factory=dict)
    key: tuple[Any, ...] | None = None
    row: Row | None = None


class Group(NamedTuple):
    """Rows that one statement writes."""

    statement: Any
    items: list[Item]
    parameters: list[dict[str, Any]]


class Creation:
    """Rows to be stored by a `TableModel`, in a transaction that is open already.

    Args:
        model: The model.
        transaction: Where.
        on_duplicate: What to do with a row whose key is taken.
        returning: Whether the rows are wanted as they are stored.
    """

    def __init__(
        self,
        model: "TableModel",
        transaction: Transaction,
        on_duplicate: OnDuplicate,
        returning: bool,
    ) -> None:
        self.model = model
        self.prepared = model._prepared
        self.transaction = transaction
        self.connection = transaction.connection
        self.on_duplicate = on_duplicate
        self.returning = returning
        self.mistakes = Mistakes()
        self.count = 0
        self.created = 0
        self.rows: list[Row] = []

    def run(self, rows: Iterable[Values]) -> Written:
        """Store them all.

        Raises:
            ValidationError, ConflictError: With the mistakes of all rows, up to a bound.
        """
        for batch in self._batches(rows):
            items = [*filter(self._plan, batch)]
            if not self.mistakes:
                self._write(items)
        self.mistakes.tell()
        return Written(self.count, self.created, self.rows if self.returning else ())

    # -- reading -------------------------------------------------------------------------

    def _batches(self, rows: Iterable[Values]) -> Iterator[Sequence[Item]]:
        """Give the rows in batches, none of which has a key twice."""
        batch: list[Item] = []
        taken: set[str] = set()
        for index, values in enumerate(rows):
            item = Item(index, values, self._name(values))
            if len(batch) == BATCH or item.named in taken:
                yield self._with_current(batch)
                batch, taken = [], set()
            batch.append(item)
            if item.named is not None:
                taken.add(item.named)
        if batch:
            yield self._with_current(batch)

    def _name(self, values: Values) -> str | None:
        """Give the text of the key of a row that may be there already."""
        if self.on_duplicate == "refuse":
            return None
        parts = []
        for key_field in self.prepared.key_fields:
            value = values.get(key_field.name, _filled(key_field))
            if value is DEFAULT:
                return None
            try:
                parts.append(key_field.check(value))
            except Unfit:
                return None  # none was given, or the check of the whole row will tell
        return encode_key(parts)

    def _with_current(self, batch: Sequence[Item]) -> Sequence[Item]:
        """Find the stored rows of a batch, and keep others from changing them."""
        named = [item for item in batch if item.named is not None]
        if named:
            keys = [self._key_of(item.values) for item in named]
            found = self._find(self._lock, keys)
            for item in named:
                item.current = found.get(str(item.named))
        return batch

    def _key_of(self, values: Values) -> tuple[Any, ...]:
        fields = self.prepared.key_fields
        return tuple(f.check(values.get(f.name, _filled(f))) for f in fields)

    def _plan(self, item: Item) -> bool:
        """Check a row; say whether there is something to write."""
        try:
            if item.current is None:
                item.attempt = self._new_row(item.values)
            elif self.on_duplicate == "merge":
                item.attempt = clean(self.prepared.changeable, item.values, current=item.current)
        except ValidationError as error:
            self.mistakes.add(error, item.index)
            return False
        if item.current is not None:
            item.key = self.model._stored_key(item.current)
        return True

    def _new_row(self, values: Values) -> Row:
        """Check a new row; all that are alike in what they lack become alike in their columns."""
        row = {**self._nulls, **clean(self.prepared.fields, values)}
        return {name: value for name, value in row.items() if value is not DEFAULT}

    @cached_property
    def _nulls(self) -> Row:
        """What a new row has where nothing is given."""
        fields = self.prepared.fields
        return {f.name: None for f in fields if f.writable and f.nullable and not f.has_default}

    # -- writing -------------------------------------------------------------------------

    def _write(self, items: Sequence[Item]) -> None:
        """Write a batch, or find out who is to blame that it cannot be written."""
        refusal = self._attempt(items)
        if refusal is None:
            self._note(items)
        elif refusal.errors[0].row is not None:
            self.mistakes.add(refusal, items[0].index)
        else:
            for item in items:
                self._write_alone(item)

    def _write_alone(self, item: Item) -> None:
        # Once more from the beginning: others may have stored a row of this key just now.
        again = self._with_current([Item(item.index, item.values, item.named)])
        for item in filter(self._plan, again):
            refusal = self._attempt([item])
            if refusal is None:
                self._note([item])
            else:
                self.mistakes.add(refusal, item.index)

    def _attempt(self, items: Sequence[Item]) -> RefusedError | None:
        """Write some rows, or leave no trace of them and say why."""
        self.transaction.renew()
        savepoint = self.connection.begin_nested()
        try:
            self._store(items)
        except exc.DBAPIError as error:
            [first, *_others] = items
            deed = Deed(self.prepared, "create", {**(first.current or {}), **first.attempt})
            refusal = deed.explain(error, self.connection)
            if not isinstance(refusal, RefusedError):
                raise  # all is undone, or lost, and the savepoint with it
        except RefusedError as error:
            refusal = error
        else:
            savepoint.commit()
            return None
        savepoint.rollback()
        return refusal

    def _store(self, items: Sequence[Item]) -> None:
        for group in self._groups(items):
            if group.items[0].current is None:
                self._insert(group)
            else:
                self._update(group)
        self._look(items)

    def _groups(self, items: Sequence[Item]) -> Iterable["Group"]:
        """Gather the rows that one statement writes.

        Rows whose key the database makes stay in their order, that they may count up.
        """
        groups: dict[Any, Group] = {}
        number, last = 0, None
        for item in items:
            if item.current is None or item.attempt:
                statement, parameters = self._statement(item)
                counted = item.current is None and not self._has_key(item)
                if counted and statement is not last:
                    number, last = number + 1, statement
                group = groups.setdefault(
                    (id(statement), counted and number), Group(statement, [], [])
                )
                group.items.append(item)
                group.parameters.append(parameters)
        return groups.values()

    def _has_key(self, item: Item) -> bool:
        return all(name in item.attempt for name in self.model.key)

    def _statement(self, item: Item) -> tuple[Any, dict[str, Any]]:
        if item.current is None:
            return self.prepared.write("INSERT", item.attempt)
        statement, parameters = self.prepared.write("UPDATE", item.attempt)
        return statement, {**parameters, **self.model._place(item.current)}

    def _insert(self, group: "Group") -> None:
        given = self._has_key(group.items[0])
        if given or not self._needs_keys:
            options = {"preserve_rowcount": True}
            result = self.connection.execute(
                group.statement, group.parameters, execution_options=options
            )
            if result.rowcount != len(group.items):
                raise StoreError("The database did not store every row; nothing was changed.")
            made: Sequence[Sequence[Any]] = [()] * len(group.items)
        elif self._keys_come_in_order:
            columns = [column.column for column in self.prepared.key_columns]
            wanted = group.statement.returning(*columns, sort_by_parameter_order=True)
            made = self.connection.execute(wanted, group.parameters).all()
        else:
            results = (self.connection.execute(group.statement, one) for one in group.parameters)
            made = [result.inserted_primary_key or () for result in results]
        for item, key in zip(group.items, made, strict=True):
            if given or self._needs_keys:
                item.key = self.model._new_key(item.attempt, key)

    @property
    def _keys_come_in_order(self) -> bool:
        """Whether SQLAlchemy can tell which of several rows got which key."""
        nullable = any(column.column.nullable for column in self.prepared.key_columns)
        dialect = self.connection.dialect
        return dialect.insert_executemany_returning_sort_by_parameter_order and not nullable

    def _update(self, group: "Group") -> None:
        # Each names one row that is locked, so together they touch as many as they are.
        result = self.connection.execute(group.statement, group.parameters)
        if result.rowcount != len(group.items):
            raise StoreError("The key is not unique in the database; nothing was changed.")

    @cached_property
    def _needs_keys(self) -> bool:
        return self.returning or bool(self.prepared.restriction)

    def _look(self, items: Sequence[Item]) -> None:
        """Look at what was written; what is out of sight may not be written."""
        if not self._needs_keys:
            kinds = {key_field.kind for key_field in self.prepared.key_fields}
            exact = kinds <= _EXACT.get(self.prepared.dialect, set())
            items = [] if exact else [item for item in items if item.key and item.current is None]
        if not items:
            return
        found = self._find(self._select, [item.key or () for item in items])
        hidden = []
        for item in items:
            item.row = found.get(str(encode_key(item.key or ())))
            if item.row is None:
                hidden.append(replace(self.model._hidden_row(), row=item.index))
        if hidden:
            raise ValidationError(hidden)

    def _note(self, items: Sequence[Item]) -> None:
        new = sum(item.current is None for item in items)
        self.created += new
        self.count += new + sum(bool(item.current and item.attempt) for item in items)
        if self.returning:
            self.rows.extend(item.row for item in items if item.row is not None)

    # -- finding -------------------------------------------------------------------------

    def _find(
        self, statement: sa.Select[Any], keys: Sequence[tuple[Any, ...]]
    ) -> Mapping[str | None, Row]:
        """Find rows by their keys; give them by the texts of these."""
        self.transaction.renew()
        values = [key[0] for key in keys] if len(self.model.key) == 1 else keys
        found = self.model._fetch(self.connection, statement, {"keys": values})
        return {encode_key(self.model._stored_key(row)): row for row in found}

    @cached_property
    def _select(self) -> sa.Select[Any]:
        return self.prepared.select.where(key_in(self.prepared, "keys"))

    @cached_property
    def _lock(self) -> sa.Select[Any]:
        return self._select.with_for_update()


def _filled(field: Field) -> Any:
    """Give what a column holds where no value is given, if that is known."""
    return field.default if field.fixed else DEFAULT


class Mistakes:
    """What is wrong with the rows of a body."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.conflicts_only = True

    def __bool__(self) -> bool:
        return bool(self.errors)

    def add(self, refusal: RefusedError, index: int) -> None:
        """Note the mistakes of a row; say all of them if there are enough."""
        self.conflicts_only &= isinstance(refusal, ConflictError)
        for error in refusal.errors:
            self.errors.append(error if error.row is not None else replace(error, row=index))
        if len(self.errors) >= MAX_ERRORS:
            self.tell()

    def tell(self) -> None:
        """Raise them, if there are any."""
        if self.errors:
            kind: Callable[[list[FieldError]], RefusedError]
            kind = ConflictError if self.conflicts_only else ValidationError
            raise kind(self.errors[:MAX_ERRORS])
