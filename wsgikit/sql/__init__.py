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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types as sqltypes

from wsgikit.model import (
    DEFAULT,
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
    encode_key,
    foreign_cursor,
    make_page,
    read_position,
    version_of,
)
from wsgikit.query import Cursor, Query, decode_cursor, describe_ordering, encode_cursor
from wsgikit.sql.bulk import Creation, OnDuplicate
from wsgikit.sql.cells import PYTHON_TYPES, Column, as_stored, column_of, names_rows, quoted
from wsgikit.sql.columns import INT64, field_of
from wsgikit.sql.faults import CONVERSION_ERRORS, Deed, is_unreadable
from wsgikit.sql.sessions import Session, Transaction, session
from wsgikit.sql.statements import Statements, labelled
from wsgikit.sql.tables import FoundTable, read_tables

__all__ = ["FoundTable", "TableModel", "field_of", "read_tables"]

#: Rows that `TableModel.stream` fetches at a time.
CHUNK = 500


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
            column outside the key.
        version: An integer column that counts the changes of a row.  Without one, a
            row's version is a digest of its readable values.
        page_size: Rows of a page when the query does not say.
        max_page_size: The most rows of a page; a larger limit is clamped to it.
        read_only: `True`, or a sentence that says why nothing may be written.

    A table without a primary key is read-only.

    Raises:
        ValueError: If an option names a column that the table does not have.
    """

    #: The transaction that a model is bound to.
    _transaction: Transaction | None = None

    def __init__(
        self,
        table: Any,
        engine: sa.Engine,
        *,
        readable: Sequence[str] | None = None,
        writable: Sequence[str] | None = None,
        label: str | None = None,
        version: str | None = None,
        page_size: int = 50,
        max_page_size: int = 1000,
        read_only: bool | str = False,
    ) -> None:
        self.table: sa.Table = getattr(table, "__table__", table)
        self.engine = engine
        self.page_size = page_size
        self.max_page_size = max_page_size
        self.name = str(self.table.name)
        self._dialect = engine.dialect.name
        self.key = tuple(str(column.key) for column in self.table.primary_key.columns)
        self.read_only: bool | str = read_only or (False if self.key else "It has no primary key.")
        if not all(names_rows(c, self._dialect) for c in self.table.primary_key.columns):
            self.key = ()
            self.read_only = "The type of its primary key cannot tell rows apart exactly."
        self._version = version
        columns = self._choose(readable, writable)
        self._prepared = Statements(self.table, columns, self.key, None, version, self._dialect)
        self.label = label or self._first_text()
        self._known(filter(None, [label, version]))

    @property
    def fields(self) -> tuple[Field, ...]:
        """The readable columns, in the table's order."""
        return self._prepared.fields

    def restrict(
        self,
        rows: sa.ColumnElement[bool] | None = None,
        hidden: Iterable[str] = (),
        read_only: bool | str = False,
    ) -> "TableModel":
        """Give a narrower model of the same table.

        Args:
            rows: A condition that is part of every statement: other rows do not exist.
            hidden: Columns that do not exist.
            read_only: As for the model itself; it cannot be lifted again.

        Raises:
            ValueError: If a hidden column is unknown, or part of the key.
            TypeError: If an argument is something else.
        """
        if isinstance(hidden, str):
            raise TypeError(f"hidden is a list of columns: write [{hidden!r}]")
        if rows is not None and not isinstance(rows, sa.ColumnElement):
            raise TypeError(f"rows is a condition such as table.c.owner == 'me', not {rows!r}")
        hidden = set(hidden)
        self._known(hidden)
        if hidden & set(self.key):
            raise ValueError("a key column cannot be hidden: rows would have no URL")
        narrower = TableModel.__new__(type(self))
        narrower.__dict__.update(
            {name: value for name, value in vars(self).items() if name not in _PREPARED}
        )
        columns = [c for c in self._prepared.columns if c.field.name not in hidden]
        both = self._prepared.rows if rows is None else sa.and_(*self._prepared.restriction, rows)
        narrower._prepared = replace(self._prepared, columns=columns, rows=both)
        narrower.read_only = self.read_only or read_only
        narrower.label = None if self.label in hidden else self.label
        return narrower

    # -- reading ---------------------------------------------------------------------

    def list(self, query: Query) -> Page:
        """See `wsgikit.model.Model.list`: one statement, at most limit + 1 rows."""
        limit = min(query.limit or self.page_size, self.max_page_size)
        if not self.key:
            return self._list_by_offset(query.cursor, limit)
        cursor = read_position(query.cursor, self._ordering, len(self._order))
        statement, parameters = self._page_statement(cursor)
        with self._session("list") as connection:
            rows = self._fetch(connection, statement, {**parameters, "page_rows": limit + 1})
        if cursor is not None and cursor.backward:
            rows = rows[::-1]
        page = make_page(rows, limit, cursor, self._ordering, self._positions)
        for row in page.data if self._added else ():
            for name in self._added:
                del row[name]
        return page

    def stream(self, query: Query) -> Iterator[Row]:
        """See `wsgikit.model.Model.stream`: a server-side cursor, closed with the iterator."""
        with self._session("list") as connection:
            done = 0
            try:
                for row in self._stream(connection, careful=False):
                    yield row
                    done += 1
                return
            except CONVERSION_ERRORS as error:
                if not is_unreadable(error):
                    raise
            yield from islice(self._stream(connection, careful=True), done, None)

    def _stream(self, connection: sa.Connection, *, careful: bool) -> Iterator[Row]:
        options = {"stream_results": True, "yield_per": CHUNK}
        order = [c.column for c in self._order]
        statement = self._prepared.select.order_by(*order)
        statement = self._careful(statement) if careful else statement
        with connection.execute(statement, execution_options=options) as rows:
            for row in rows:
                yield self._row(row, careful=careful)

    def retrieve(self, key: Any) -> Row:
        """See `wsgikit.model.Model.retrieve`: one statement."""
        key = self._as_key(key)
        with self._session("retrieve") as connection:
            return self._find(connection, self._prepared.retrieve, key)

    def version(self, row: Row) -> str:
        """Give the version of a row that was read: 22 characters, or its version column."""
        version = None if self._version is None else row.get(self._version)
        return version_of(row) if version is None else str(version)

    # -- writing ---------------------------------------------------------------------

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

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `wsgikit.model.Model.update`."""
        self._require_writable()
        attempt: Row = {}
        with self._session("update", attempt) as connection:
            row, place = self._lock(connection, self._as_key(key), version)
            changes = clean(self._prepared.changeable, values, current=row)
            if not changes:
                return row
            attempt.update(row, **changes)
            statement, parameters = self._prepared.write("UPDATE", changes)
            self._writing()
            _require_one(connection.execute(statement, {**parameters, **place}), row)
            return self._stored(connection, self._stored_key(row))

    def delete(self, key: Any, version: str | None = None) -> None:
        """See `wsgikit.model.Model.delete`."""
        self._require_writable()
        with self._session("delete") as connection:
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
            self.engine, deed, read_only=read_only, snapshot=True, rollback=rollback
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
        with self._session("create") as connection:
            self._writing()
            return Creation(self, connection, on_duplicate, returning).run(rows)

    # -- statements, built once --------------------------------------------------------

    @cached_property
    def _order(self) -> Sequence[Column]:
        """What orders the list: the key, in a form in which cells of any kind can be compared.

        On SQLite that is the stored value itself, and where a key may be null (SQLite allows
        that, and any number of them) the number of the row as well.
        """
        if self._dialect != "sqlite":
            return self._prepared.key_columns
        order = [as_stored(column) for column in self._prepared.key_columns]
        taken = {column.name.lower() for column in self.table.columns}
        free = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
        if free and any(column.column.nullable for column in self._prepared.key_columns):
            rowid: Any = sa.literal_column(f"{quoted(self.table)}.{free}")
            number = Field("rowid", "integer")
            raw = sqltypes.NullType()
            order.append(Column(number, rowid, rowid, rowid, None, None, raw))
        return order

    @cached_property
    def _positions(self) -> Sequence[str]:
        """The names under which a page's rows have the values of `_order`."""
        if self._order is self._prepared.key_columns:
            return self.key
        return [f"\0{column.field.name}" for column in self._order]

    @cached_property
    def _added(self) -> Sequence[str]:
        """Those of `_positions` that are no part of a row."""
        return () if self._positions is self.key else self._positions

    @cached_property
    def _ordering(self) -> str:
        return describe_ordering(self.name, self.key)

    @cached_property
    def _pages(self) -> Mapping[bool | None, sa.Select[Any]]:
        """The first page, and the pages after (False) and before (True) a position."""
        position = [
            sa.bindparam(f"position_{n}", type_=column.store)
            for n, column in enumerate(self._order)
        ]
        return {
            None: self._whole(backward=False),
            False: self._whole(backward=False).where(self._beyond(position, False)),
            True: self._whole(backward=True).where(self._beyond(position, True)),
        }

    def _whole(self, *, backward: bool) -> sa.Select[Any]:
        order = [c.column.desc() if backward else c.column.asc() for c in self._order]
        rows = sa.bindparam("page_rows", type_=sa.Integer())
        statement = self._prepared.select.order_by(*order).limit(rows)
        return (
            statement.add_columns(*(c.expression for c in self._order))
            if self._added
            else statement
        )

    def _page_statement(self, cursor: Cursor | None) -> tuple[sa.Select[Any], dict[str, Any]]:
        if cursor is None:
            return self._pages[None], {}
        if self._added and not all(map(_is_storable, cursor.position)):
            raise foreign_cursor()
        if None in cursor.position and self._added:
            position = [sa.null() if v is None else sa.literal(v, sqltypes.NullType())
                        for v in cursor.position]  # fmt: skip
            statement = self._whole(backward=cursor.backward)
            return statement.where(self._beyond(position, cursor.backward)), {}
        for column, value in zip(self._order, cursor.position, strict=True):
            if not (self._added or self._is_value(column.field, value)):
                raise foreign_cursor()
        parameters = {f"position_{n}": value for n, value in enumerate(cursor.position)}
        return self._pages[cursor.backward], parameters

    def _beyond(self, position: Sequence[Any], backward: bool) -> sa.ColumnElement[bool]:
        """The condition for rows after (or before) a position in key order.

        (a, b) > (x, y) is written a >= x AND (a > x OR a = x AND b > y): the first part is
        a range that every database finds in an index.  SQLite sorts nulls first.
        """
        columns = [column.column for column in self._order]
        nullable = [*(bool(c.column.nullable) for c in self._prepared.key_columns), False][
            : len(columns)
        ]
        steps = []
        for n, (column, value) in enumerate(zip(columns, position, strict=True)):
            equal = [c == v for c, v in zip(columns[:n], position[:n], strict=True)]
            steps.append(sa.and_(*equal, _past(column, value, backward, nullable[n])))
        if len(columns) == 1 or isinstance(position[0], sa.Null):
            return sa.or_(*steps)
        first = columns[0] <= position[0] if backward else columns[0] >= position[0]
        if nullable[0] and backward:
            first = sa.or_(first, columns[0].is_(None))
        return sa.and_(first, sa.or_(*steps))

    def _list_by_offset(self, text: str | None, limit: int) -> Page:
        """Page rows that have no key: by an offset inside the cursor."""
        ordering = describe_ordering(self.name, ["offset"])
        offset = 0
        if text is not None:
            cursor = decode_cursor(text, ordering, 1)
            start = cursor.position[0]
            if not isinstance(start, int) or not 0 <= start < 2**62:
                raise foreign_cursor()
            offset = max(0, start - limit) if cursor.backward else start
            limit = start - offset if cursor.backward else limit
        with self._session("list") as connection:
            parameters = {"page_rows": limit + 1, "page_start": offset}
            rows = self._fetch(connection, self._offset_statement, parameters)
        more = len(rows) > limit
        after = encode_cursor(Cursor((offset + limit,)), ordering) if more else None
        before = encode_cursor(Cursor((offset,), True), ordering) if offset else None
        return Page(rows[:limit], after, before)

    @cached_property
    def _offset_statement(self) -> sa.Select[Any]:
        order = [c.column for c in self._prepared.columns if c.field.kind in _SORTABLE]
        rows = sa.bindparam("page_rows", type_=sa.Integer())
        start = sa.bindparam("page_start", type_=sa.Integer())
        return self._prepared.select.order_by(*order).limit(rows).offset(start)

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
        result = connection.execute(self._careful(statement), parameters)
        return [self._row(row, careful=True) for row in result]

    def _careful(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """Select the same in forms that no driver can fail on."""
        added = list(statement.exported_columns)[len(self._prepared.columns) :]
        columns = labelled(c.careful for c in self._prepared.columns)
        return statement.with_only_columns(*columns, *added, maintain_column_froms=True)

    def _row(self, values: Sequence[Any], *, careful: bool) -> Row:
        row = dict(zip(self._prepared.names, values))  # noqa: B905  a page has its position besides
        if len(values) > len(row):
            row.update(zip(self._added, values[len(row) :], strict=True))
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
            if value is None or not self._is_value(field, value):
                raise NotFoundError(key)
        return parts

    def _is_value(self, field: Field, value: Any) -> bool:
        """Whether a value can be bound as one of its field, and so be looked for."""
        if isinstance(value, bool) and field.kind != "boolean":
            return False
        return isinstance(value, PYTHON_TYPES[field.kind]) and field.holds(value)

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
        texts = (f.name for f in self.fields if f.kind == "text" and f.name not in self.key)
        return next(texts, None)

    # -- errors ------------------------------------------------------------------------------

    def _session(self, action: str, attempt: Row | None = None) -> Session:
        """Give a connection for a verb, and raise the model's errors for the database's.

        Args:
            action: The verb, which tells what a violated foreign key means.
            attempt: The row as it was to be stored, which tells which reference is missing.
        """
        deed = Deed(self._prepared, action, {} if attempt is None else attempt)
        return session(self.engine, self._transaction, deed)


#: What `TableModel.restrict` must not take over.
_PREPARED = {name for name, value in vars(TableModel).items() if isinstance(value, cached_property)}

#: Kinds whose values every database can put in order.
_SORTABLE = {"text", "integer", "float", "decimal", "boolean", "date", "datetime", "time", "uuid",
             "enum"}  # fmt: skip


def _require_one(result: sa.CursorResult[Any], row: Row) -> None:
    """Roll back a write that did not touch exactly the row that it was meant for."""
    if result.rowcount == 0:
        raise VersionError(row)
    if result.rowcount > 1:
        raise StoreError("The key is not unique in the database; nothing was changed.")


def _is_storable(value: Any) -> bool:
    """Whether SQLite has cells like this."""
    if isinstance(value, int):
        return INT64[0] <= value <= INT64[1]
    return value is None or isinstance(value, str | float | bytes)


def _past(
    column: sa.ColumnElement[Any], value: Any, backward: bool, nullable: bool
) -> sa.ColumnElement[bool]:
    """The condition for a column to lie beyond a value; SQLite's nulls come first."""
    if isinstance(value, sa.Null):
        return sa.false() if backward else column.is_not(None)
    before: sa.ColumnElement[bool] = column < value
    if not backward:
        return sa.and_(column > value)
    return sa.or_(before, column.is_(None)) if nullable else before
