"""`TableModel`: a SQLAlchemy Core table as a `wsgikit.model.Model`.

Use it alone wherever validated rows are wanted without any HTTP: in a script, a worker,
or another framework.

    from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
    from wsgikit.sql import TableModel

    engine = create_engine("sqlite://")
    people = Table("people", MetaData(), Column("id", Integer, primary_key=True),
                   Column("name", String(80), nullable=False))
    people.create(engine)
    model = TableModel(people, engine)
    assert model.create({"name": "Ada"}) == {"id": 1, "name": "Ada"}

How it works, in four rules:

1. *Reading.*  Statements are built once, with bound parameters.  A column is read as its
   type says, except where that could fail or show another value than the stored one:
   SQLite keeps anything in any column, so there the stored value itself is fetched and
   converted here, cell by cell; what does not convert is shown as it is.
2. *Writing.*  One transaction: lock the row, compare its key and version exactly, check
   the values against it, write, and read back what was stored.  Databases compare texts
   with collations, so the key of the row that was found is compared in Python too.
3. *Restrictions.*  The condition of `TableModel.restrict` is part of every statement.
4. *Errors.*  They are sorted by the database's own code (`FAULTS`), and name fields.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from operator import is_not
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from wsgikit.model import (
    DEFAULT,
    NONFINITE,
    DeniedError,
    Field,
    FieldError,
    NotFoundError,
    Page,
    Row,
    StoreError,
    ValidationError,
    Values,
    VersionError,
    Written,
    clean,
    clean_changes,
    encode_key,
    fixed,
    repeat,
    to_text,
    version_of,
)
from wsgikit.query import Query
from wsgikit.sql.bulk import Creation, OnDuplicate
from wsgikit.sql.cells import Column, column_of, is_value, names_rows
from wsgikit.sql.columns import field_of, is_indexed, is_plain_text, target_of
from wsgikit.sql.faults import CONVERSION_ERRORS, Deed, is_unreadable
from wsgikit.sql.limits import Limits
from wsgikit.sql.selected import Selected
from wsgikit.sql.sessions import Session, Source, Transaction, repeated, session
from wsgikit.sql.statements import Statements, labelled
from wsgikit.sql.streams import stream
from wsgikit.sql.tables import FoundTable, read_tables

__all__ = ["FoundTable", "TableModel", "field_of", "read_tables"]

#: Columns that are searched, unless a model says which.
SEARCHED = 10

#: Copies of a model that lead to others, by the foreign keys that do.
MAX_REFERRING = 10

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Narrowing:
    """What a model leaves out of its table."""

    table: sa.Table
    rows: sa.ColumnElement[bool] | None
    hidden: frozenset[str]


class TableModel:
    """A table as a model.

    Args:
        table: A Core `Table`, or a declarative class.
        engine: Where the table is.  Nothing is executed before the first request.
        readable: The columns that exist for clients; all by default.  The primary key
            is always readable.
        writable: The columns that clients may set; all readable ones by default.
            Computed columns and the version column never are.
        label: The column that stands for a row in titles; by default the first text
            column that is no key, of its own rows or of others.
        version: An integer column that counts the changes of a row.  Without one, a
            row's version is a digest of its readable values.
        search: The columns that ``q`` searches; by default the first ten of text.
        references: The models that foreign keys are followed to, by column; `None` to not
            follow one.  By default that is a plain `TableModel` of the referenced table.
        page_size: Rows of a page when the query does not say.
        max_page_size: The most rows of a page; a larger limit is clamped to it.
        read_only: `True`, or a sentence that says why nothing may be written.
        statement_timeout: Seconds that a statement may take; `None` for no limit.
        lock_timeout: Seconds to wait for rows that others are changing; `None` for no limit.
        max_streams: How many streams the engine may have at once; by default one less than
            its pool has connections.

    A table without a primary key is read-only.

    Raises:
        ValueError: If an option names a column that the table does not have, or a model that
            cannot be followed to.
    """

    #: The transaction that a model is bound to.
    _transaction: Transaction | None = None

    #: The models on the way here, by table; and what was left out of them.
    _came_from: "Mapping[str, TableModel]" = NOTHING
    _narrowings: Sequence[Narrowing] = ()

    def __init__(
        self,
        table: Any,
        engine: sa.Engine,
        *,
        readable: Sequence[str] | None = None,
        writable: Sequence[str] | None = None,
        label: str | None = None,
        version: str | None = None,
        search: Sequence[str] | None = None,
        references: "Mapping[str, TableModel | None]" = NOTHING,
        page_size: int = 50,
        max_page_size: int = 1000,
        read_only: bool | str = False,
        statement_timeout: float | None = 30.0,
        lock_timeout: float | None = 5.0,
        max_streams: int | None = None,
    ) -> None:
        self.table: sa.Table = getattr(table, "__table__", table)
        self.engine = engine
        self.page_size = page_size
        self.max_page_size = max_page_size
        self.name = str(self.table.name)
        self._dialect = engine.dialect.name
        self._followed: dict[str, TableModel | None] = {}
        self._referring: dict[tuple[str, ...], tuple[Sequence[Any], TableModel]] = {}
        self._source = Source(engine, Limits(statement_timeout, lock_timeout, max_streams))
        self.key = tuple(str(column.key) for column in self.table.primary_key.columns)
        self.read_only: bool | str = read_only or (False if self.key else "It has no primary key.")
        if not all(names_rows(c, self._dialect) for c in self.table.primary_key.columns):
            self.key = ()
            self.read_only = "The type of its primary key cannot tell rows apart exactly."
        self._version = version
        columns = self._choose(readable, writable)
        self._prepared = Statements(
            self.table, columns, self.key, None, version, self._dialect, self._reference
        )
        self.label = label or self._first_text()
        self._known(filter(None, [label, version, *(search or ())]))
        self._search = search
        self._references = self._checked(references)

    @property
    def kind(self) -> str:
        """What people call it: ``table``, or ``view`` (``Table(..., info={"view": True})``)."""
        return "view" if self.table.info.get("view") else "table"

    @property
    def fields(self) -> tuple[Field, ...]:
        """The readable columns, in the table's order."""
        return self._prepared.fields

    def restrict(
        self,
        rows: sa.ColumnElement[bool] | None = None,
        hidden: Iterable[str] = (),
        read_only: bool | str = False,
        references: "Mapping[str, TableModel | None]" = NOTHING,
        values: Values = NOTHING,
    ) -> "TableModel":
        """Give a narrower model of the same table.

        A foreign key that leads back to this table, directly or through others, leads to the
        narrower model.

        Args:
            rows: A condition that is part of every statement: other rows do not exist.
            hidden: Columns that do not exist.
            read_only: As for the model itself; it cannot be lifted again.
            references: As for the model itself; other models for these columns, as they are.
            values: Values that the rows have in these columns: other rows do not exist, a new
                row gets them, and can have no others.

        Raises:
            ValueError: If a column is unknown, a hidden one is part of the key, a model cannot
                be followed to, or a value is none of its column.
            TypeError: If an argument is something else.
        """
        if isinstance(hidden, str):
            raise TypeError(f"hidden is a list of columns: write [{hidden!r}]")
        if rows is not None and not isinstance(rows, sa.ColumnElement):
            raise TypeError(f"rows is a condition such as table.c.owner == 'me', not {rows!r}")
        hidden = frozenset(hidden)
        self._known(hidden)
        if hidden & set(self.key):
            raise ValueError("a key column cannot be hidden: rows would have no URL")
        self._known(values)
        columns = [
            replace(c, field=fixed(c.field, values[c.field.name])) if c.field.name in values else c
            for c in self._prepared.columns
            if c.field.name not in hidden
        ]
        bound = {name: self._fixed(name, value) for name, value in values.items()}
        for name, value in bound.items():
            same = self.table.c[name] == value
            rows = same if rows is None else sa.and_(same, rows)
        both = self._prepared.rows if rows is None else sa.and_(*self._prepared.restriction, rows)
        all_fixed = {**self._prepared.fixed, **bound}
        narrower = self._changed(columns=columns, rows=both, fixed=all_fixed)
        narrower.read_only = self.read_only or read_only
        narrower.label = None if self.label in hidden else self.label
        narrowing = Narrowing(self.table, rows, hidden)
        narrower._narrowings = (*self._narrowings, narrowing)
        narrower._references = {
            **{name: _narrowed(model, [narrowing]) for name, model in self._references.items()},
            **self._checked(references),
        }
        return narrower

    def _fixed(self, name: str, value: Any) -> Any:
        """Give the value of a column, for use in statements; the column may be hidden."""
        column: sa.Column[Any] = self.table.c[name]
        field = field_of(column, self._dialect)
        store = column_of(column, fixed(field, value), self._dialect).store
        return sa.null() if value is None else sa.bindparam(None, value, store, unique=True)

    def _changed(self, **changes: Any) -> "TableModel":
        """Give a copy of the model that has its own statements."""
        copy = TableModel.__new__(type(self))
        copy.__dict__.update(vars(self), _followed={}, _referring={})
        copy._prepared = replace(self._prepared, reference=copy._reference, **changes)
        return copy

    # -- reading ---------------------------------------------------------------------

    @repeated
    def list(self, query: Query) -> Page:
        """See `wsgikit.model.Model.list`.

        One statement that gives at most limit + 1 rows; one more for a count, unless the page is
        all there is, and one for each foreign key that is embedded.
        """
        lists = self._prepared.lists
        request = lists.request(query, self)
        several = bool(query.count or query.embed)
        with self._session("list", snapshot=several) as connection:
            return lists.page(connection, request)

    def is_indexed(self, name: str) -> bool:
        """See `wsgikit.model.Model`; only indexes that the table knows count."""
        return is_indexed(self.table.c[name])

    @repeated
    def glance(self, query: Query) -> tuple[Sequence[Row], bool]:
        """See `wsgikit.model.Model`: one statement."""
        lists = self._prepared.lists
        request = lists.request(query, self)
        with self._session("list") as connection:
            return lists.glance(connection, request)

    def stream(self, query: Query) -> Iterator[Row]:
        """See `wsgikit.model.Model.stream`: a server-side cursor, closed with the iterator.

        Raises:
            UnavailableError: With the first row, if there are too many streams already.
        """
        rows, first = self._begin_stream(query)
        with closing(rows):
            yield from first
            yield from rows

    @repeated
    def _begin_stream(self, query: Query) -> tuple[Generator[Row], Sequence[Row]]:
        """Give a stream that was begun, and its first row, if it has any."""
        rows = self._stream(query)
        return rows, [*islice(rows, 1)]

    def _stream(self, query: Query) -> Generator[Row]:
        lists = self._prepared.lists
        request = lists.request(replace(query, cursor=None), self)
        deed = Deed(self._prepared, "list")
        with stream(self._source, self._transaction, deed) as read:
            yield from lists.stream(read, request)

    @repeated
    def retrieve(self, key: Any) -> Row:
        """See `wsgikit.model.Model.retrieve`: one statement."""
        key = self._as_key(key)
        with self._session("retrieve") as connection:
            return self._find(connection, self._prepared.retrieve, key)

    @property
    def search(self) -> Sequence[str]:
        """The names of the columns that ``q`` searches."""
        fields = self._prepared.by_name
        if self._search is not None:
            return [name for name in self._search if name in fields]
        texts = (n for n, c in fields.items() if is_plain_text(c.column, c.field))
        return list(islice(texts, SEARCHED))

    def follow(self, name: str) -> "TableModel | None":
        """Give the model of the rows that a foreign key refers to; `None` if it leads nowhere.

        Where the way there began at a narrower model (`restrict`) and comes back to its table,
        the rows are as narrow as there.
        """
        if name not in self._followed:
            self._followed[name] = self._follow(name)
        target = self._followed[name]
        if target is None or self._transaction is None:
            return target
        return self.bind(target)

    def _follow(self, name: str) -> "TableModel | None":
        if name not in self._prepared.by_name:
            return None
        named = name in self._references
        target = self._references[name] if named else self._default_target(name)
        if target is None:
            return None
        outer = [n for n in self._narrowings if n not in target._narrowings]
        copy = target._changed()
        copy._transaction = None
        copy._came_from = {**self._came_from, self.table.fullname: self}
        copy._narrowings = (*outer, *target._narrowings)
        copy._references = {n: _narrowed(m, outer) for n, m in target._references.items()}
        return copy

    def _default_target(self, column: str) -> "TableModel | None":
        found = target_of(self.table.c[column])
        if found is None:
            return None
        name = found.table.fullname
        if name == self.table.fullname:
            return self
        if name in self._came_from:
            return self._came_from[name]
        target = TableModel(found.table, self.engine)
        target._source = self._source
        return target if target.key else None

    def refer(self, references: Mapping[str, Any]) -> "TableModel":
        """See `wsgikit.model.Model`; the same models give the same one again.

        A model of another table than the foreign key's is not followed.
        """
        names = tuple(sorted(references))
        targets = [references[name] for name in names]
        known, copy = self._referring.get(names, ((), self))
        if len(known) != len(targets) or any(map(is_not, known, targets)):
            copy = self._changed()
            met = {name: _met(self.follow(name), target) for name, target in references.items()}
            copy._references = {**self._references, **met}
            if len(self._referring) < MAX_REFERRING or names in self._referring:
                self._referring[names] = targets, copy
        return copy

    def _reference(self, name: str) -> Statements:
        target = self.follow(name)
        assert target is not None  # or no query could have named it
        return target._prepared

    def _checked(
        self, references: "Mapping[str, TableModel | None]"
    ) -> "Mapping[str, TableModel | None]":
        self._known(references)
        for name, model in references.items():
            if model is None:
                continue
            if not isinstance(model, TableModel) or model.engine.pool is not self.engine.pool:
                raise ValueError(f"{name} can refer to a TableModel of this engine, not {model!r}")
            if len(model.key) != 1:
                raise ValueError(f"{name} cannot refer to {model.name}: its key is not one column")
        return dict(references)

    def version(self, row: Row) -> str:
        """Give the version of a row that was read: 22 characters, or its version column."""
        version = None if self._version is None else row.get(self._version)
        return version_of(row) if version is None else str(version)

    # -- writing ---------------------------------------------------------------------

    @repeated
    def create(self, values: Values) -> Row:
        """See `wsgikit.model.Model.create`."""
        self._require_writable()
        attempt = {
            name: value
            for name, value in clean(self.fields, values).items()
            if value is not DEFAULT
        }
        with self._session("create", attempt) as connection:
            statement, parameters = self._prepared.write("INSERT", attempt)
            self._writing()
            result = connection.execute(statement, parameters)
            return self._stored(connection, self._new_key(attempt, result.inserted_primary_key))

    def _new_key(self, attempt: Row, generated: Sequence[Any] | None) -> tuple[Any, ...]:
        """Give the key of a row that was inserted: as it was given, or as it was made."""
        made = dict(zip(self.key, generated or (), strict=False))
        return tuple(
            attempt[field.name] if field.name in attempt else field.check(made.get(field.name))
            for field in self._prepared.key_fields
        )

    @repeated
    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `wsgikit.model.Model.update`."""
        self._require_writable()
        attempt: Row = {}
        with self._session("update", attempt, snapshot=True) as connection:
            row, place = self._lock(connection, self._as_key(key), version)
            changes = clean(self._prepared.changeable, values, current=row)
            if not changes:
                return row
            attempt.update(row, **changes)
            statement, parameters = self._prepared.write("UPDATE", changes)
            self._writing()
            _require_one(connection.execute(statement, {**parameters, **place}), row)
            return self._stored(connection, self._stored_key(row))

    @repeated
    def delete(self, key: Any, version: str | None = None) -> None:
        """See `wsgikit.model.Model.delete`."""
        self._require_writable()
        with self._session("delete", snapshot=True) as connection:
            row, place = self._lock(connection, self._as_key(key), version)
            self._writing()
            _require_one(connection.execute(self._prepared.delete, place), row)

    # -- transactions ----------------------------------------------------------------

    @contextmanager
    def transaction(
        self, *, read_only: bool = False, rollback: bool = False
    ) -> "Iterator[TableModel]":
        """See `wsgikit.model.Store.transaction`; inside of one, it is a savepoint."""
        if self._transaction is not None:
            with self._transaction.nested(rollback=rollback):
                yield self._bound(self._transaction, read_only)
            return
        deed = Deed(self._prepared, "list" if read_only else "create")
        with Transaction(
            self._source, deed, read_only=read_only, snapshot=True, rollback=rollback
        ) as transaction:
            yield self._bound(transaction, read_only)

    def bind(self, other: Any) -> "TableModel":
        """See `wsgikit.model.Store.bind`."""
        if self._transaction is None:
            raise ValueError(f"{self.name} is in no transaction: use what transaction() gives")
        if not isinstance(other, TableModel) or other.engine.pool is not self.engine.pool:
            raise ValueError(f"{other!r} is no TableModel of the same engine as {self.name}")
        return other._bound(self._transaction, self._transaction.read_only)

    def _bound(self, transaction: Transaction, read_only: bool) -> "TableModel":
        bound = TableModel.__new__(type(self))
        bound.__dict__.update(vars(self), _transaction=transaction)
        if read_only:
            bound.read_only = self.read_only or "This transaction only reads."
        return bound

    def _writing(self) -> None:
        """Note that a verb begins to write: what it did is to be undone if it fails now."""
        if self._transaction is not None:
            self._transaction.writing = True

    @repeated
    def update_where(self, query: Query, values: Values, ceiling: int) -> int:
        """See `wsgikit.model.Store.update_where`: two statements, some more if restricted."""
        self._require_writable()
        changes = clean_changes(self._prepared.changeable, values)
        verb = self._session("update", changes, snapshot=True)
        with verb:
            return Selected(self, verb.transaction, query, ceiling).update(changes)

    @repeated
    def delete_where(self, query: Query, ceiling: int) -> int:
        """See `wsgikit.model.Store.delete_where`: two statements."""
        self._require_writable()
        verb = self._session("delete", snapshot=True)
        with verb:
            return Selected(self, verb.transaction, query, ceiling).delete()

    def _require_writable(self) -> None:
        if self.read_only:
            reason = self.read_only if isinstance(self.read_only, str) else "It is read-only."
            raise DeniedError(reason)

    def _lock(
        self, connection: sa.Connection, key: tuple[Any, ...], version: str | None
    ) -> tuple[Row, dict[str, Any]]:
        """Take the row for this transaction; give it, and the parameters of `_place`."""
        row = self._find(connection, self._prepared.lock, key)
        if version is not None and version != self.version(row):
            raise VersionError(row)
        return row, self._place(row)

    def _place(self, row: Row) -> dict[str, Any]:
        """Give the parameters of `Statements.place` for a row that is locked."""
        place = {f"key_{n}": row[name] for n, name in enumerate(self.key)}
        if self._version is not None and self._version in row:
            place["row_version"] = row[self._version]
        return place

    def _stored(self, connection: sa.Connection, key: tuple[Any, ...]) -> Row:
        """Read back what was written; what is then out of sight may not be written."""
        parameters = {f"key_{n}": value for n, value in enumerate(key)}
        rows = self._fetch(connection, self._prepared.retrieve, parameters)
        if not rows:
            raise ValidationError([self._hidden_row()])
        return rows[0]

    def _hidden_row(self) -> FieldError:
        """Say what is wrong with a row that is not found once it is written."""
        message = "The row would be outside of what you may see."
        if not self._prepared.restriction:
            message = "The database would store it under another key than the one given."
        return FieldError("", "check", message)

    def create_many(
        self,
        rows: Iterable[Values],
        *,
        on_duplicate: OnDuplicate = "refuse",
        returning: bool = False,
    ) -> Written:
        """See `wsgikit.model.Store.create_many`."""
        self._require_writable()
        if on_duplicate not in ("refuse", "merge", "ignore"):
            raise ValueError(f"on_duplicate is refuse, merge or ignore, not {on_duplicate!r}")

        def store() -> Written:
            verb = self._session("create", snapshot=True)
            with verb:
                self._writing()
                return Creation(self, verb.transaction, on_duplicate, returning).run(rows)

        # An iterator is read once, so that it cannot be done again.
        once = self._transaction is not None or not isinstance(rows, Sequence)
        return store() if once else repeat(store)

    # -- rows ----------------------------------------------------------------------------

    def _find(
        self, connection: sa.Connection, statement: sa.Select[Any], key: tuple[Any, ...]
    ) -> Row:
        parameters = {f"key_{n}": value for n, value in enumerate(key)}
        wanted = encode_key(key)
        for row in self._fetch(connection, statement, parameters):
            # The database may have said yes too easily: 'a' = 'A ' in many collations.
            if encode_key(self._stored_key(row)) == wanted:
                return row
        raise NotFoundError(key)

    def _fetch(
        self, connection: sa.Connection, statement: sa.Select[Any], parameters: Mapping[str, Any]
    ) -> Sequence[Row]:
        try:
            rows = connection.execute(statement, parameters).all()
            return [self._row(row, careful=False) for row in rows]
        except CONVERSION_ERRORS as error:
            if not is_unreadable(error):
                raise
        columns = labelled(c.careful for c in self._prepared.columns)
        statement = statement.with_only_columns(*columns, maintain_column_froms=True)
        result = connection.execute(statement, parameters)
        return [self._row(row, careful=True) for row in result]

    def _row(self, values: Sequence[Any], *, careful: bool) -> Row:
        row = dict(zip(self._prepared.names, values, strict=True))
        for name, load in self._prepared.loaders[careful]:
            value = row[name]
            if value is not None:
                row[name] = load(value)
        return row

    def _stored_key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    def _as_key(self, key: Any) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        if not self.key or len(parts) != len(self.key):
            raise NotFoundError(key)
        for field, value in zip(self._prepared.key_fields, parts, strict=True):
            if value is None or not is_value(field, value) or not _can_be_stored(field, value):
                raise NotFoundError(key)
        return parts

    # -- columns ---------------------------------------------------------------------------

    def _choose(
        self, readable: Sequence[str] | None, writable: Sequence[str] | None
    ) -> Sequence[Column]:
        self._known([*(readable or ()), *(writable or ())])
        result = []
        for column in self.table.columns:
            name = str(column.key)
            if readable is not None and name not in readable and name not in self.key:
                continue
            field = field_of(column, self._dialect)
            if name == self._version:
                field = replace(field, writable=False, required=False, has_default=True)
            elif writable is not None and name not in writable:
                field = replace(field, writable=False, required=False)
            result.append(column_of(column, field, self._dialect))
        return result

    def _known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.table.c:
                columns = ", ".join(str(column.key) for column in self.table.c)
                raise ValueError(f"{self.name} has no column {name!r}; it has {columns}")

    def _first_text(self) -> str | None:
        # A foreign key names another row.
        able = (f for f in self.fields if f.kind == "text" and not f.references)
        return next((f.name for f in able if f.name not in self.key), None)

    # -- errors ------------------------------------------------------------------------------

    def _session(
        self, action: str, attempt: Row | None = None, *, snapshot: bool = False
    ) -> Session:
        """Give a connection for a verb, and raise the model's errors for the database's.

        Args:
            action: The verb, which tells what a violated foreign key means.
            attempt: The row as it was to be stored, which tells which reference is missing.
            snapshot: Whether several statements are to read the same; as for `Transaction`.
        """
        deed = Deed(self._prepared, action, {} if attempt is None else attempt)
        return session(self._source, self._transaction, deed, snapshot=snapshot)


def _can_be_stored(field: Field, value: Any) -> bool:
    """Whether the database knows such a number: some have no infinity, and drivers refuse it."""
    text = to_text(value) if isinstance(value, float | Decimal) else None
    return text not in NONFINITE or text in field.nonfinite


def _require_one(result: sa.CursorResult[Any], row: Row) -> None:
    """Roll back a write that did not touch exactly the row that it was meant for."""
    if result.rowcount == 0:
        raise VersionError(row)
    if result.rowcount > 1:
        raise StoreError("The key is not unique in the database; nothing was changed.")


def _met(own: "TableModel | None", other: Any) -> "TableModel | None":
    """Leave out of a model what is left out of another of its table, which it is to stand for."""
    if own is None or not isinstance(other, TableModel) or other.key != own.key:
        return None
    if other.engine.pool is not own.engine.pool or other.table.fullname != own.table.fullname:
        return None
    names, rows = own._prepared.by_name, own._prepared.rows
    hidden = [name for name in other._prepared.by_name if name not in names]
    theirs = other._references
    named = {n: _met(m, theirs[n]) if n in theirs else m for n, m in own._references.items()}
    if rows is None and not hidden and not named:
        return other
    # A condition of one table says nothing of another's columns.
    return other.restrict(rows, hidden, references=named) if other.table is own.table else None


def _narrowed(model: "TableModel | None", narrowings: Sequence[Narrowing]) -> "TableModel | None":
    """Leave out of a model what was left out of another one of its table."""
    for narrowing in narrowings:
        if model is None or narrowing.table.fullname != model.table.fullname:
            continue
        if narrowing.table is not model.table:
            return None  # a condition of one table says nothing of another's columns
        hidden = [field.name for field in model.fields if field.name in narrowing.hidden]
        model = model.restrict(narrowing.rows, hidden)
    return model
