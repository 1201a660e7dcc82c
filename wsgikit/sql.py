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
4. *Errors.*  They are sorted by the database's own code (`_KINDS`), and name fields.
"""

import enum
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite.base import SQLiteDialect as sqlite_dialect

from wsgikit.model import (
    DEFAULT,
    KINDS,
    ConflictError,
    DeniedError,
    Field,
    FieldError,
    ModelError,
    NotFoundError,
    Page,
    Reference,
    Row,
    StoreError,
    UnavailableError,
    Unfit,
    ValidationError,
    Values,
    VersionError,
    clean,
    encode_key,
    foreign_cursor,
    immutable,
    make_page,
    read_json,
    read_position,
    version_of,
    write_interval,
)
from wsgikit.query import (
    Cursor,
    Query,
    decode_cursor,
    describe_ordering,
    encode_cursor,
)

Loader = Callable[[Any], Any]

#: The verbs that write nothing.
READING = frozenset({"list", "retrieve"})

#: Statements that a model keeps for the combinations of columns that clients write.
MAX_STATEMENTS = 100

#: Rows that `TableModel.stream` fetches at a time.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with what is needed to read and write it."""

    field: Field
    column: sa.Column[Any]
    #: What is selected, and the same in a form that no driver can fail on.
    expression: sa.ColumnElement[Any]
    careful: sa.ColumnElement[Any]
    #: Turns what was fetched into the row's value; `None` where it is that already.
    load: Loader | None
    careful_load: Loader | None
    #: The type that binds a value.
    store: sqltypes.TypeEngine[Any]


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
        self._file = _file_of(engine)
        self.key = tuple(str(column.key) for column in self.table.primary_key.columns)
        self.read_only: bool | str = read_only or (False if self.key else "It has no primary key.")
        if not all(_names_rows(c, self._dialect) for c in self.table.primary_key.columns):
            self.key = ()
            self.read_only = "The type of its primary key cannot tell rows apart exactly."
        self._version = version
        self._rows: sa.ColumnElement[bool] | None = None
        self._columns = self._choose(readable, writable)
        self.label = label or self._first_text()
        self._known(filter(None, [label, version]))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The readable columns, in the table's order."""
        return tuple(column.field for column in self._columns)

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
        narrower._columns = [c for c in self._columns if c.field.name not in hidden]
        narrower.read_only = self.read_only or read_only
        narrower.label = None if self.label in hidden else self.label
        if rows is not None:
            narrower._rows = rows if self._rows is None else sa.and_(self._rows, rows)
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
            except _CONVERSION_ERRORS as error:
                if not _is_unreadable(error):
                    raise
            yield from islice(self._stream(connection, careful=True), done, None)

    def _stream(self, connection: sa.Connection, *, careful: bool) -> Iterator[Row]:
        options = {"stream_results": True, "yield_per": CHUNK}
        order = [c.column for c in self._order]
        statement = (self._careful(self._select) if careful else self._select).order_by(*order)
        with connection.execute(statement, execution_options=options) as rows:
            for row in rows:
                yield self._row(row, careful=careful)

    def retrieve(self, key: Any) -> Row:
        """See `wsgikit.model.Model.retrieve`: one statement."""
        key = self._as_key(key)
        with self._session("retrieve") as connection:
            return self._find(connection, self._retrieve_statement, key)

    def version(self, row: Row) -> str:
        """Give the version of a row that was read: 22 characters, or its version column."""
        version = None if self._version is None else row.get(self._version)
        return version_of(row) if version is None else str(version)

    # -- writing ---------------------------------------------------------------------

    def create(self, values: Values) -> Row:
        """See `wsgikit.model.Model.create`."""
        self._require_writable()
        attempt = clean(self.fields, values)
        with self._session("create", attempt) as connection:
            statement, parameters = self._write_statement("INSERT", attempt)
            result = connection.execute(statement, parameters)
            return self._stored(connection, self._new_key(attempt, result.inserted_primary_key))

    def _new_key(self, attempt: Row, generated: Sequence[Any] | None) -> tuple[Any, ...]:
        """Give the key of a row that was inserted: as it was given, or as it was made."""
        made = dict(zip(self.key, generated or (), strict=False))
        return tuple(
            attempt[field.name] if field.name in attempt else field.check(made.get(field.name))
            for field in self._key_fields
        )

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `wsgikit.model.Model.update`."""
        self._require_writable()
        attempt: Row = {}
        with self._session("update", attempt) as connection:
            row, place = self._lock(connection, self._as_key(key), version)
            changes = clean(self._changeable, values, current=row)
            if not changes:
                return row
            attempt.update(row, **changes)
            statement, parameters = self._write_statement("UPDATE", changes)
            _require_one(connection.execute(statement, {**parameters, **place}), row)
            return self._stored(connection, self._stored_key(row))

    def delete(self, key: Any, version: str | None = None) -> None:
        """See `wsgikit.model.Model.delete`."""
        self._require_writable()
        with self._session("delete") as connection:
            row, place = self._lock(connection, self._as_key(key), version)
            _require_one(connection.execute(self._delete_statement, place), row)

    def _require_writable(self) -> None:
        if self.read_only:
            reason = self.read_only if isinstance(self.read_only, str) else "It is read-only."
            raise DeniedError(reason)

    def _lock(
        self, connection: sa.Connection, key: tuple[Any, ...], version: str | None
    ) -> tuple[Row, dict[str, Any]]:
        """Take the row for this transaction; give it, and the parameters of `_place`."""
        if self._dialect == "sqlite":
            # A write that touches nothing takes SQLite's one write lock, whatever way the
            # engine begins transactions: nobody can write between our read and our write.
            connection.execute(self._touch_nothing)
        row = self._find(connection, self._lock_statement, key)
        if version is not None and version != self.version(row):
            raise VersionError(row)
        place = {f"key_{n}": row[name] for n, name in enumerate(self.key)}
        if self._version is not None and self._version in row:
            place["row_version"] = row[self._version]
        return row, place

    def _stored(self, connection: sa.Connection, key: tuple[Any, ...]) -> Row:
        """Read back what was written; what is then out of sight may not be written."""
        parameters = {f"key_{n}": value for n, value in enumerate(key)}
        rows = self._fetch(connection, self._retrieve_statement, parameters)
        if not rows:
            message = "The row would be outside of what you may see."
            if not self._restriction:
                message = "The database would store it under another key than the one given."
            raise ValidationError([FieldError("", "check", message)])
        return rows[0]

    def _write_statement(self, verb: str, values: Row) -> tuple[Any, dict[str, Any]]:
        """Give the statement that writes these columns, and its parameters."""
        by_name = {column.field.name: column.column for column in self._columns}
        kinds = {column.field.name: column.field.kind for column in self._columns}
        fixed: list[tuple[str, bool]] = []
        parameters = {}
        for name, value in values.items():
            if value is DEFAULT:
                value = _default_of(by_name[name], self._dialect)
            elif value is None and kinds[name] == "json":
                value = sa.null()  # and not JSON's null, which SQLAlchemy would make of it
            if isinstance(value, sa.ColumnElement | sa.TextClause):
                fixed.append((name, isinstance(value, sa.Null)))
            else:
                parameters[f"set_{self._names.index(name)}"] = value
        shape = (verb, tuple(values), tuple(fixed))
        statement = self._writes.get(shape)
        if statement is None:
            statement = self._build_write(*shape)
            if len(self._writes) < MAX_STATEMENTS:
                self._writes[shape] = statement
        return statement, parameters

    def _build_write(
        self, verb: str, names: Sequence[str], fixed: Sequence[tuple[str, bool]]
    ) -> Any:
        columns = {column.field.name: column for column in self._columns}
        values: dict[str, Any] = {
            name: sa.bindparam(f"set_{self._names.index(name)}", type_=columns[name].store)
            for name in names
        }
        for name, is_null in fixed:
            default = _default_of(columns[name].column, self._dialect)
            values[name] = sa.null() if is_null else default
        if self._version is not None:
            column = self.table.c[self._version]
            if verb == "UPDATE":
                values[self._version] = sa.func.coalesce(column, 0) + 1
            elif column.default is None and column.server_default is None:
                values[self._version] = 1
        if verb == "INSERT":
            return sa.insert(self.table).values(values)
        return sa.update(self.table).where(self._place).values(values)

    # -- statements, built once --------------------------------------------------------

    @cached_property
    def _restriction(self) -> Sequence[sa.ColumnElement[bool]]:
        return () if self._rows is None else (self._rows,)

    @cached_property
    def _key_columns(self) -> Sequence[_Column]:
        by_name = {column.field.name: column for column in self._columns}
        return [by_name[name] for name in self.key]

    @cached_property
    def _key_fields(self) -> Sequence[Field]:
        return [column.field for column in self._key_columns]

    @cached_property
    def _order(self) -> Sequence[_Column]:
        """What orders the list: the key, in a form in which cells of any kind can be compared.

        On SQLite that is the stored value itself, and where a key may be null (SQLite allows
        that, and any number of them) the number of the row as well.
        """
        if self._dialect != "sqlite":
            return self._key_columns
        order = [_as_stored(column) for column in self._key_columns]
        taken = {column.name.lower() for column in self.table.columns}
        free = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
        if free and any(column.column.nullable for column in self._key_columns):
            rowid: Any = sa.literal_column(f"{_quoted(self.table)}.{free}")
            number = Field("rowid", "integer")
            raw = sqltypes.NullType()
            order.append(_Column(number, rowid, rowid, rowid, None, None, raw))
        return order

    @cached_property
    def _positions(self) -> Sequence[str]:
        """The names under which a page's rows have the values of `_order`."""
        if self._order is self._key_columns:
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
    def _select(self) -> sa.Select[Any]:
        return sa.select(*_labelled(c.expression for c in self._columns)).where(*self._restriction)

    @cached_property
    def _retrieve_statement(self) -> sa.Select[Any]:
        return self._select.where(
            *[
                column.column == sa.bindparam(f"key_{n}", type_=column.store)
                for n, column in enumerate(self._key_columns)
            ]
        )

    @cached_property
    def _place(self) -> sa.ColumnElement[bool]:
        """The condition by which a locked row is written."""
        conditions = [
            column.column == sa.bindparam(f"key_{n}", type_=column.store)
            for n, column in enumerate(self._key_columns)
        ]
        if self._version is not None and self._version in self._names:
            version = self.table.c[self._version]
            seen = sa.bindparam("row_version", type_=version.type)
            conditions.append(version.is_not_distinct_from(seen))
        return sa.and_(*conditions, *self._restriction)

    @cached_property
    def _writes(self) -> dict[Any, Any]:
        """The statements that write, by verb and columns."""
        return {}

    @cached_property
    def _delete_statement(self) -> sa.Delete:
        return sa.delete(self.table).where(self._place)

    @cached_property
    def _changeable(self) -> Sequence[Field]:
        """The fields of a row that exists."""
        return [immutable(f) if f.name in self.key else f for f in self.fields]

    @cached_property
    def _lock_statement(self) -> sa.Select[Any]:
        return self._retrieve_statement.with_for_update()

    @cached_property
    def _touch_nothing(self) -> sa.Delete:
        return sa.delete(self.table).where(sa.false())

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
        statement = self._select.order_by(*order).limit(rows)
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
        nullable = [*(bool(c.column.nullable) for c in self._key_columns), False][: len(columns)]
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
        order = [c.column for c in self._columns if c.field.kind in _SORTABLE]
        rows = sa.bindparam("page_rows", type_=sa.Integer())
        start = sa.bindparam("page_start", type_=sa.Integer())
        return self._select.order_by(*order).limit(rows).offset(start)

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
        except _CONVERSION_ERRORS as error:
            if not _is_unreadable(error):
                raise
        result = connection.execute(self._careful(statement), parameters)
        return [self._row(row, careful=True) for row in result]

    def _careful(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """Select the same in forms that no driver can fail on."""
        added = list(statement.exported_columns)[len(self._columns) :]
        columns = _labelled(c.careful for c in self._columns)
        return statement.with_only_columns(*columns, *added, maintain_column_froms=True)

    def _row(self, values: Sequence[Any], *, careful: bool) -> Row:
        row = dict(zip(self._names, values))  # noqa: B905  a page has its position besides
        if len(values) > len(row):
            row.update(zip(self._added, values[len(row) :], strict=True))
        for name, load in self._loaders[careful]:
            value = row[name]
            if value is not None:
                row[name] = load(value)
        return row

    @cached_property
    def _names(self) -> Sequence[str]:
        return [column.field.name for column in self._columns]

    @cached_property
    def _loaders(self) -> Mapping[bool, Sequence[tuple[str, Loader]]]:
        return {
            False: [(c.field.name, c.load) for c in self._columns if c.load],
            True: [(c.field.name, c.careful_load) for c in self._columns if c.careful_load],
        }

    def _stored_key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    def _as_key(self, key: Any) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        if not self.key or len(parts) != len(self.key):
            raise NotFoundError(key)
        for field, value in zip(self._key_fields, parts, strict=True):
            if value is None or not self._is_value(field, value):
                raise NotFoundError(key)
        return parts

    def _is_value(self, field: Field, value: Any) -> bool:
        """Whether a value can be bound as one of its field, and so be looked for."""
        if isinstance(value, bool) and field.kind != "boolean":
            return False
        return isinstance(value, _PYTHON_TYPES[field.kind]) and field.holds(value)

    # -- columns ---------------------------------------------------------------------------

    def _choose(
        self, readable: Sequence[str] | None, writable: Sequence[str] | None
    ) -> Sequence[_Column]:
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
            result.append(_column_of(column, field, self._dialect))
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

    @contextmanager
    def _session(self, action: str, attempt: Row | None = None) -> Iterator[sa.Connection]:
        """One transaction; what the database refuses is raised as the model's errors.

        Args:
            action: The verb, which tells what a violated foreign key means.
            attempt: The row as it was to be stored, which tells which reference is missing.
        """
        self._require_file()
        committing = False
        try:
            with self.engine.connect() as connection:
                try:
                    yield connection
                    committing = action not in READING
                    if committing:
                        connection.commit()
                except exc.DBAPIError as error:
                    raise self._sort(error, connection, action, attempt or {}) from error
        except exc.DBAPIError as error:
            raise UnavailableError("The database cannot be reached.") from error
        except exc.TimeoutError as error:
            raise UnavailableError("All database connections are busy.", 1) from error
        except exc.SQLAlchemyError as error:
            raise StoreError("The database failed.") from error
        except UnavailableError as error:
            if committing and getattr(error.__cause__, "connection_invalidated", False):
                unknown = "The connection was lost while saving: it may or may not be saved."
                raise UnavailableError(unknown) from error
            raise

    def _require_file(self) -> None:
        """Notice that a SQLite file is gone, which open connections do not.

        They would go on with what nobody else sees any more, and a new one would make an
        empty file.
        """
        if self._file is not None and not os.path.exists(self._file):
            self.engine.dispose()
            raise UnavailableError("The database file is not there.")

    def _sort(
        self, error: exc.DBAPIError, connection: sa.Connection, action: str, attempt: Row
    ) -> ModelError:
        code, text = _code_of(error)
        state_class = code[:2] if len(code) == 5 else ""  # of an SQLSTATE
        kind = _KINDS.get(code) or _KINDS.get(state_class) or _guess(error, text)
        if kind == "reference" and action == "delete":
            kind = "in_use"
        if kind in _REFUSALS and action not in READING:
            refusal, message = _REFUSALS[kind]
            names = self._names_in(kind, error, text)
            if kind == "reference" and not names:
                names = self._missing_references(connection, attempt)
            visible = [name for name in names if name in self._names] or [""]
            return refusal([FieldError(name, kind, message) for name in visible])
        if kind == "busy":
            return UnavailableError("The database is busy; nothing was changed.", 1)
        if kind == "away":
            return UnavailableError("The database cannot be reached, or has no such table.")
        if kind == "denied":
            return DeniedError("The database does not allow this.")
        return StoreError("The database failed.")

    def _names_in(self, kind: str, error: exc.DBAPIError, text: str) -> Sequence[str]:
        """Find the columns that an error speaks of."""
        if kind == "in_use":
            return []
        diagnosis = getattr(error.orig, "diag", None)
        if diagnosis is not None:
            text = diagnosis.message_detail or ""
            if diagnosis.column_name:
                return self._keys_of([diagnosis.column_name])
            if diagnosis.constraint_name in self._constraints:
                return self._constraints[diagnosis.constraint_name]
        if self._dialect == "sqlite":
            _, _, rest = text.partition(": ")
            prefix = f"{self.name}."
            names = [name.removeprefix(prefix) for name in rest.split(", ")]
            return self._keys_of(names) or self._constraints.get(rest.strip("'"), [])
        for pattern in _COLUMNS_IN_MESSAGES:
            if match := pattern.search(text):
                found = match[1].removeprefix(f"{self.name}.")
                names = [name.strip('`" ') for name in found.split(", ")]
                return self._constraints.get(found) or self._keys_of(names)
        return []

    @cached_property
    def _constraints(self) -> Mapping[str, Sequence[str]]:
        """The columns of each named constraint and index."""
        result = {"PRIMARY": list(self.key)}
        for item in (*self.table.constraints, *self.table.indexes):
            columns = [str(column.key) for column in getattr(item, "columns", ())]
            name = getattr(item, "name", None)
            if name and columns:
                result[str(name)] = columns
        return result

    def _keys_of(self, names: Iterable[str]) -> Sequence[str]:
        keys = {column.name: str(column.key) for column in self.table.columns}
        return [keys[name] for name in names if name in keys]

    def _missing_references(self, connection: sa.Connection, attempt: Row) -> Sequence[str]:
        """Find the references to rows that do not exist: SQLite does not tell which."""
        missing: list[str] = []
        for constraint in self.table.foreign_key_constraints:
            try:
                pairs = [(str(e.parent.key), e.column) for e in constraint.elements]
            except exc.SQLAlchemyError:
                continue  # the other table was not described
            values = [attempt.get(name) for name, _column in pairs]
            if None in values or DEFAULT in values:
                continue
            condition = [c == v for (_name, c), v in zip(pairs, values, strict=True)]
            if connection.execute(sa.select(sa.literal(1)).where(*condition)).first() is None:
                missing.extend(name for name, _column in pairs)
        return missing


#: What `TableModel.restrict` must not take over.
_PREPARED = {name for name, value in vars(TableModel).items() if isinstance(value, cached_property)}

#: Kinds whose values every database can put in order.
_SORTABLE = {"text", "integer", "float", "decimal", "boolean", "date", "datetime", "time", "uuid",
             "enum"}  # fmt: skip


def _file_of(engine: sa.Engine) -> str | None:
    """Give the path of a SQLite database that is an ordinary file."""
    path = engine.url.database or ":memory:"
    ordinary = engine.dialect.name == "sqlite" and not path.startswith((":", "file:"))
    return os.path.abspath(path) if ordinary else None


def _require_one(result: sa.CursorResult[Any], row: Row) -> None:
    """Roll back a write that did not touch exactly the row that it was meant for."""
    if result.rowcount == 0:
        raise VersionError(row)
    if result.rowcount > 1:
        raise StoreError("The key is not unique in the database; nothing was changed.")


def _is_storable(value: Any) -> bool:
    """Whether SQLite has cells like this."""
    if isinstance(value, int):
        return _INT64[0] <= value <= _INT64[1]
    return value is None or isinstance(value, str | float | bytes)


def _labelled(expressions: Iterable[sa.ColumnElement[Any]]) -> Sequence[sa.Label[Any]]:
    # By number: the names of a foreign database's columns may be anything.
    return [expression.label(f"value_{n}") for n, expression in enumerate(expressions)]


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


def _default_of(column: sa.Column[Any], dialect: str) -> Any:
    """Give what a new row would get, for use in an UPDATE."""
    default: Any = column.default
    if default is not None and default.is_sequence:
        return default.next_value()
    if default is not None:
        value = default.arg(None) if default.is_callable else default.arg
        return _spelled(column, value)
    if dialect != "sqlite":
        return sa.text("DEFAULT")
    # SQLite has no DEFAULT keyword in UPDATE: give the expression itself.
    expression = getattr(column.server_default, "arg", column)
    if isinstance(expression, str):
        return sa.literal(expression)
    text = getattr(expression, "text", None)
    return expression if text is None else sa.literal_column(text)


# -- types: a column as a field ------------------------------------------------------------

_INT64 = (-(2**63), 2**63 - 1)
#: The ranges of whole numbers, by the names of types.  SQLite stores 64 bits in all of them.
_RANGES = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SmallInteger": (-(2**15), 2**15 - 1),
    "MEDIUMINT": (-(2**23), 2**23 - 1),
    "BigInteger": _INT64,
    "Integer": (-(2**31), 2**31 - 1),
}

#: Types of one database that are no subclass of the general type that they mean.
_NAMED_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "INTERVAL": ("interval", {}),
    "YEAR": ("integer", {"minimum": 1901, "maximum": 2155}),
    "SET": ("other", {}),
}

#: SQLAlchemy's types as kinds: the first that a type is an instance of.
_TYPE_KINDS: tuple[tuple[type[Any], str], ...] = (
    (sqltypes.PickleType, "other"),
    (sqltypes.Interval, "interval"),
    (sqltypes.Enum, "enum"),
    (sqltypes.String, "text"),
    (sqltypes.Boolean, "boolean"),
    (sqltypes.Integer, "integer"),
    (sqltypes.Float, "float"),
    (sqltypes.Numeric, "decimal"),
    (sqltypes.DateTime, "datetime"),
    (sqltypes.Date, "date"),
    (sqltypes.Time, "time"),
    (sqltypes.LargeBinary, "binary"),
    (sqltypes._Binary, "binary"),
    (sqltypes.Uuid, "uuid"),
    (sqltypes.JSON, "json"),
    (sqltypes.ARRAY, "array"),
)


def field_of(column: sa.Column[Any], dialect: str) -> Field:
    """Describe a column as a field.

    Args:
        column: A column of a table.
        dialect: The name of the database's dialect: limits differ.
    """
    kind, limits = _kind_of(column.type, dialect)
    generated = column.computed is not None or (
        column.identity is not None and bool(column.identity.always)
    )
    counts_up = column is column.table._autoincrement_column
    has_default = bool(counts_up or column.default is not None or column.server_default is not None)
    reflected = dialect == "sqlite" and type(column.type).__name__ == "DATETIME"
    if reflected and column.primary_key:
        # A foreign file spells times in its own way, and a key must be met exactly.
        kind, limits = "text", {}
    writable = not generated and (kind != "other" or _is_untyped(column.type, dialect))
    nullable = bool(column.nullable) and not column.primary_key
    return Field(
        name=str(column.key),
        kind=kind,
        label=str(column.info.get("label", "")),
        nullable=nullable,
        required=writable and not nullable and not has_default,
        writable=writable,
        has_default=has_default,
        default=_constant_default(column),
        hint=column.comment or "",
        references=_reference_of(column),
        **limits,
    )


def _is_untyped(type_: sqltypes.TypeEngine[Any], dialect: str) -> bool:
    return dialect == "sqlite" and isinstance(type_, sqltypes.NullType)


def _kind_of(type_: sqltypes.TypeEngine[Any], dialect: str) -> tuple[str, dict[str, Any]]:
    if _is_decorated(type_):
        return _kind_of(type_.impl_instance, dialect)  # type: ignore[attr-defined]
    if type(type_).__name__ in _NAMED_KINDS:
        return _NAMED_KINDS[type(type_).__name__]
    kind = next((kind for cls, kind in _TYPE_KINDS if isinstance(type_, cls)), "other")
    if kind == "decimal" and not getattr(type_, "asdecimal", True):
        kind = "float"
    return kind, _LIMITS[kind](type_, dialect) if kind in _LIMITS else {}


def _text_limits(type_: Any, dialect: str) -> dict[str, Any]:
    multiline = isinstance(type_, sqltypes.Text) or (type_.length or 0) > 255
    # A reflected MariaDB TEXT has its length in bytes, which the database checks itself.
    length = None if isinstance(type_, sqltypes.Text) else type_.length
    return {"length": length, "multiline": multiline, "nul": dialect != "postgresql"}


def _integer_limits(type_: Any, dialect: str) -> dict[str, Any]:
    low, high = _INT64
    if dialect != "sqlite":
        names = [cls.__name__ for cls in type(type_).__mro__]
        low, high = next(limits for name, limits in _RANGES.items() if name in names)
    if getattr(type_, "unsigned", False):
        low, high = 0, high - low
    return {"minimum": low, "maximum": high}


_NUMBERS_BESIDES = {
    "postgresql": frozenset({"NaN", "Infinity", "-Infinity"}),
    "sqlite": frozenset({"Infinity", "-Infinity"}),
}


def _float_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {"nonfinite": _NUMBERS_BESIDES.get(dialect, frozenset())}


def _decimal_limits(type_: Any, dialect: str) -> dict[str, Any]:
    limits: dict[str, Any] = {"precision": type_.precision, "scale": type_.scale}
    if type_.precision is not None and type_.scale is None:
        limits["scale"] = 0  # SQL: NUMERIC(p) has no decimal places
    if dialect == "postgresql":
        limits["nonfinite"] = frozenset({"NaN"})
    if dialect == "sqlite":
        limits["digits"] = 15  # it keeps 64-bit floats, from which 15 digits come back
    return limits


def _enum_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {"choices": tuple(type_.enums)}


def _time_limits(type_: Any, dialect: str) -> dict[str, Any]:
    # Only PostgreSQL stores an offset.
    return {"timezone": dialect == "postgresql" and bool(type_.timezone)}


def _binary_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {"length": type_.length}


def _array_limits(type_: Any, dialect: str) -> dict[str, Any]:
    if (type_.dimensions or 1) > 1:
        return {}
    kind, limits = _kind_of(type_.item_type, dialect)
    return {"items": Field("item", kind, **limits)}


_LIMITS: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "text": _text_limits,
    "integer": _integer_limits,
    "float": _float_limits,
    "decimal": _decimal_limits,
    "enum": _enum_limits,
    "datetime": _time_limits,
    "time": _time_limits,
    "binary": _binary_limits,
    "array": _array_limits,
}


def _constant_default(column: sa.Column[Any]) -> Any:
    default: Any = column.default
    return _spelled(column, default.arg) if default is not None and default.is_scalar else None


def _spelled(column: sa.Column[Any], value: Any) -> Any:
    """Give what SQLAlchemy stores of a member of an enum: its name, unless told otherwise."""
    if not isinstance(value, enum.Enum) or not isinstance(column.type, sqltypes.Enum):
        return value
    members = type(value).__members__.values()
    return dict(zip(members, column.type.enums, strict=False)).get(value, value)


def _reference_of(column: sa.Column[Any]) -> Reference | None:
    for key in column.foreign_keys:
        try:
            target = key.column
        except exc.SQLAlchemyError:
            continue  # the other table was not described
        alone = key.constraint is None or len(key.constraint.elements) == 1
        if alone and list(target.table.primary_key.columns) == [target]:
            return Reference(str(target.table.name), str(target.key))
    return None


# -- cells: what is fetched, and what it means ---------------------------------------------


def _column_of(column: sa.Column[Any], field: Field, dialect: str) -> _Column:
    own: sqltypes.TypeEngine[Any] = column.type
    store = _store_type(own, field, dialect)
    raw: sa.ColumnElement[Any] = sa.type_coerce(column, sqltypes.NullType())
    if _is_decorated(own):
        return _Column(field, column, column, raw, _load_plain, _load_plain, own)
    load = _SQLITE_LOADERS.get(field.kind) if dialect == "sqlite" else _LOADERS.get(field.kind)
    if dialect == "sqlite":
        if field.kind == "decimal" and field.scale:
            load = _DecimalLoader(field.scale)
        if column.primary_key and field.kind in _SPELLINGS:
            load = _SpelledLoader(_SQLITE_LOADERS[field.kind], _SPELLINGS[field.kind])
        if field.kind == "text":
            as_bytes = sa.type_coerce(sa.cast(column, sqltypes.LargeBinary), sqltypes.NullType())
            return _Column(field, column, raw, as_bytes, None, _load_undecodable, store)
        return _Column(field, column, raw, raw, load, load, store)
    if field.kind == "enum":
        text = sa.type_coerce(column, sqltypes.String())
        return _Column(field, column, text, text, None, None, store)
    as_text: sa.ColumnElement[Any] = sa.cast(
        column, sqltypes.Text if dialect == "postgresql" else sqltypes.CHAR
    )
    if field.kind == "interval" or (dialect == "postgresql" and field.kind == "other"):
        return _Column(field, column, as_text, as_text, load, load, store)
    if field.kind == "boolean":
        # MariaDB's TINYINT(1) may hold 2, which is not true.
        number = column if dialect == "postgresql" else sa.type_coerce(column, sa.Integer())
        return _Column(field, column, number, number, load, load, store)
    if field.kind == "json":
        as_text = as_text if dialect == "postgresql" else raw
        return _Column(field, column, as_text, as_text, _load_json, _load_json, store)
    if field.kind == "array":
        elements = sa.cast(sa.func.to_json(column), sqltypes.Text)
        return _Column(field, column, column, elements, _load_plain, _ElementsLoader(field), store)
    if type(own).__name__ in ("Float", "FLOAT") and dialect != "postgresql":
        # MariaDB writes a FLOAT with six digits; as a double it comes with all of them.
        double: sa.ColumnElement[Any] = sa.type_coerce(
            column + sa.literal_column("0e0"), sa.Double()
        )
        return _Column(field, column, double, double, _load_single, _load_single, store)
    if field.kind == "other":
        return _Column(field, column, raw, raw, load, load, store)
    if field.kind == "time" and dialect != "postgresql":
        # SQLAlchemy would show MariaDB's 838:59:59 as a time of day.
        return _Column(field, column, raw, raw, _load_span, _load_span, store)
    typed = sa.type_coerce(column, store)
    if field.kind in ("date", "datetime", "time"):
        return _Column(field, column, typed, as_text, load, _TextLoader(field), store)
    return _Column(field, column, typed, typed, load, load, store)


def _is_decorated(type_: sqltypes.TypeEngine[Any]) -> bool:
    """Whether a project's own type converts the values."""
    ours = sqltypes.PickleType | sqltypes.Interval
    return isinstance(type_, sqltypes.TypeDecorator) and not isinstance(type_, ours)


def _names_rows(column: sa.Column[Any], dialect: str) -> bool:
    """Whether a key of this type names a row exactly, in a URL and to the database."""
    kind, _limits = _kind_of(column.type, dialect)
    if dialect == "sqlite":
        return kind not in ("json", "array", "interval") or _is_untyped(column.type, dialect)
    return kind not in ("float", "json", "array", "interval", "other")


def _as_stored(column: _Column) -> _Column:
    """Give a column of SQLite as what is in its cells."""
    raw: Any = sa.type_coerce(column.column, sqltypes.NullType())
    return replace(
        column, column=raw, expression=raw, careful=raw, load=None, store=sqltypes.NullType()
    )


def _quoted(table: sa.Table) -> str:
    return str(sqlite_dialect().identifier_preparer.format_table(table))


def _store_type(
    own: sqltypes.TypeEngine[Any], field: Field, dialect: str
) -> sqltypes.TypeEngine[Any]:
    if field.kind == "uuid" and isinstance(own, sqltypes.Uuid):
        return sqltypes.Uuid(as_uuid=True, native_uuid=own.native_uuid)
    if field.kind == "enum" and dialect != "postgresql":
        return sqltypes.String()
    if field.kind == "float" and isinstance(own, sqltypes.Float):
        return sqltypes.Float(asdecimal=False)
    if field.kind == "decimal":
        if dialect == "sqlite":
            return sqltypes.Numeric(asdecimal=False)
        return sqltypes.Numeric(own.precision, own.scale)  # type: ignore[attr-defined]
    if isinstance(own, sqltypes.PickleType):
        return sqltypes.LargeBinary()  # never unpickled: a pickle is a program
    if field.kind == "text" and not isinstance(own, sqltypes.String):
        return sqltypes.String()
    return own


def _load_date(value: Any) -> Any:
    return _parsed(date.fromisoformat, _DATE, value)


def _load_datetime(value: Any) -> Any:
    return _parsed(datetime.fromisoformat, _DATETIME, value)


def _load_time(value: Any) -> Any:
    return _parsed(time.fromisoformat, _TIME, value)


#: What SQLAlchemy and SQLite's own date functions write; anything else is shown as it is.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{3}|\.\d{6})?)?", re.ASCII)
_DATETIME = re.compile(rf"{_DATE.pattern}[ T]{_TIME.pattern}", re.ASCII)


def _parsed(parse: Callable[[str], Any], pattern: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, str) and pattern.fullmatch(value):
        try:
            return parse(value)
        except ValueError:
            return value
    return value


def _load_epoch_interval(value: Any) -> Any:
    moment = _load_datetime(value)
    return moment - datetime(1970, 1, 1) if isinstance(moment, datetime) else value


def _load_boolean(value: Any) -> Any:
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


def _load_decimal(value: Any) -> Any:
    if isinstance(value, int):
        return Decimal(value)
    return Decimal(repr(value)) if isinstance(value, float) else value


class _DecimalLoader:
    """Read a decimal that SQLite keeps as a float: 1.1 of NUMERIC(10, 2) is 1.10."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, value: Any) -> Any:
        value = _load_decimal(value)
        if isinstance(value, Decimal) and value.is_finite():
            places = -int(value.as_tuple().exponent)
            if places < self.scale and value.adjusted() + self.scale < 28:
                return round(value, self.scale)
        return value


def _load_uuid(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value):
        return UUID(hex=value)
    return value


def _load_json(value: Any) -> Any:
    """Read JSON that was fetched as text; what Python cannot hold exactly stays text."""
    try:
        return KINDS["json"](_JSON, read_json(value)) if isinstance(value, str) else value
    except Unfit:
        return value


_JSON = Field("json", "json")


def _load_undecodable(value: Any) -> Any:
    """Read a text that was fetched as bytes, since some text of its column is not UTF-8."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


_PG_INTERVAL = re.compile(
    r"(?:(?P<days>[+-]?\d+) days? ?)?"
    r"(?:(?P<sign>[+-]?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d+))?)?",
    re.ASCII,
)


def _load_interval(value: Any) -> Any:
    """Read an interval that was fetched as text.

    One of months or years is no fixed time, and stays as it is.
    """
    match = _PG_INTERVAL.fullmatch(value)
    if match is None:
        return _load_epoch_interval(value)  # MariaDB has no intervals
    clock = timedelta(
        hours=int(match["hours"] or 0),
        minutes=int(match["minutes"] or 0),
        seconds=int(match["seconds"] or 0),
        microseconds=int((match["fraction"] or "").ljust(6, "0")),
    )
    return timedelta(days=int(match["days"] or 0)) + (-clock if match["sign"] == "-" else clock)


def _load_span(value: Any) -> Any:
    """Read MariaDB's TIME: a time of day, or else a span that is shown as it is."""
    if timedelta() <= value < timedelta(days=1):
        return (datetime.min + value).time()
    return write_interval(value)


class _TextLoader:
    """Read the text of a value that the driver could not convert."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def __call__(self, value: Any) -> Any:
        try:
            # PostgreSQL writes 12:30:00+00 for 12:30:00+00:00.
            return self.field.read(re.sub(r"(:[0-9.]+[+-]\d\d)$", r"\1:00", str(value)))
        except Unfit:
            return value


_PLAIN_TYPES = (str, int, float, Decimal, date, time, timedelta, UUID, bytes, dict, list)


class _ElementsLoader:
    """Read an array that was fetched as JSON, since the driver cannot hold an element."""

    def __init__(self, field: Field) -> None:
        self.items = field.items

    def __call__(self, value: Any) -> Any:
        return [self._element(item) for item in read_json(value)]

    def _element(self, item: Any) -> Any:
        try:
            return self.items.read(item) if self.items and isinstance(item, str) else item
        except Unfit:
            return item


class _SpelledLoader:
    """Read a part of a key; one that is spelled in another way than ours stays as it is.

    SQLite compares texts: a key that is spelled otherwise would be another key.
    """

    def __init__(self, load: Loader, spell: Callable[[Any], str]) -> None:
        self.load = load
        self.spell = spell

    def __call__(self, value: Any) -> Any:
        loaded = self.load(value)
        return loaded if loaded is value or self.spell(loaded) == value else value


_SPELLINGS: dict[str, Callable[[Any], str]] = {
    "datetime": lambda value: f"{value:%Y-%m-%d %H:%M:%S.%f}",
    "time": lambda value: f"{value:%H:%M:%S.%f}",
}


def _load_single(value: Any) -> Any:
    """Give a 32-bit float as the shortest text that means it, like 0.1."""
    # Nine digits always tell one from the next (IEEE 754, binary32).
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next(float(t) for t in texts if struct.pack("f", float(t)) == struct.pack("f", value))


def _load_plain(value: Any) -> Any:
    """Keep what renderers know; anything else as its text."""
    return value if isinstance(value, _PLAIN_TYPES) else str(value)


_SQLITE_LOADERS: dict[str, Loader] = {
    "boolean": _load_boolean,
    "date": _load_date,
    "datetime": _load_datetime,
    "time": _load_time,
    "interval": _load_epoch_interval,
    "decimal": _load_decimal,
    "uuid": _load_uuid,
    "json": _load_json,
    "array": _load_json,
}

_LOADERS: dict[str, Loader] = {
    "boolean": _load_boolean,
    "interval": _load_interval,
    "array": _load_plain,
    "other": _load_plain,
}

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "integer": int,
    "float": (float, int),
    "decimal": Decimal,
    "boolean": bool,
    "date": date,
    "datetime": datetime,
    "time": time,
    "interval": timedelta,
    "uuid": UUID,
    "binary": bytes,
    "enum": str,
    "other": (str, int, float),
}


# -- errors: the databases' own codes ----------------------------------------------------------

_CONVERSION_ERRORS = (ValueError, LookupError, TypeError, ArithmeticError, exc.DBAPIError)


def _is_unreadable(error: Exception) -> bool:
    """Whether a stored value, not the statement, was at fault."""
    if not isinstance(error, exc.DBAPIError):
        return True
    code, text = _code_of(error)
    # psycopg's own errors in converting have no SQLSTATE; sqlite3 says so in words only.
    return "decode to UTF-8" in text or (isinstance(error, exc.DataError) and not code)


def _code_of(error: exc.DBAPIError) -> tuple[str, str]:
    """Give the code of an error: SQLite's name, the SQLSTATE, or MariaDB's number; and its text."""
    orig: Any = error.orig
    text = str(orig)
    if orig is not None and len(orig.args) > 1 and isinstance(orig.args[0], int):
        return str(orig.args[0]), str(orig.args[1])
    name = getattr(orig, "sqlite_errorname", None) or getattr(orig, "sqlstate", None)
    if text == "FOREIGN KEY constraint failed":
        name = "SQLITE_CONSTRAINT_FOREIGNKEY"  # ON DELETE RESTRICT fails like a trigger
    return str(name or ""), text


def _guess(error: exc.DBAPIError, text: str) -> str:
    """Sort an error without a code of use."""
    if error.connection_invalidated or (
        isinstance(error, exc.OperationalError) and ("no such " in text or not _code_of(error)[0])
    ):
        return "away"
    return "unique" if isinstance(error, exc.IntegrityError) else ""


#: SQLite error names, SQLSTATEs (or their two-digit classes) and MariaDB error numbers.
_KINDS: dict[str, str] = {
    # https://sqlite.org/rescode.html
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_NOTNULL": "required",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "reference",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_TRIGGER": "check",
    "SQLITE_CONSTRAINT_DATATYPE": "type",
    "SQLITE_MISMATCH": "type",
    "SQLITE_TOOBIG": "length",
    "SQLITE_BUSY": "busy",
    "SQLITE_BUSY_RECOVERY": "busy",
    "SQLITE_BUSY_SNAPSHOT": "busy",
    "SQLITE_BUSY_TIMEOUT": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_LOCKED_SHAREDCACHE": "busy",
    "SQLITE_CANTOPEN": "away",
    "SQLITE_FULL": "away",
    "SQLITE_IOERR": "away",
    "SQLITE_READONLY": "denied",
    "SQLITE_READONLY_DBMOVED": "away",
    "SQLITE_READONLY_DIRECTORY": "denied",
    "SQLITE_PERM": "denied",
    # PostgreSQL, appendix A
    "23505": "unique",
    "23P01": "unique",
    "23503": "reference",
    "23001": "in_use",
    "23502": "required",
    "23514": "check",
    "P0001": "check",
    "22001": "length",
    "22003": "range",
    "22008": "range",
    "22": "type",
    "40": "busy",
    "55P03": "busy",
    "57014": "busy",
    "57": "away",
    "08": "away",
    "53": "away",
    "28": "away",
    "3D": "away",
    "42P01": "away",
    "42703": "away",
    "42501": "denied",
    "25006": "denied",
    # https://mariadb.com/kb/en/mariadb-error-code-reference/
    "1062": "unique",
    "1586": "unique",
    "1452": "reference",
    "1216": "reference",
    "1451": "in_use",
    "1217": "in_use",
    "1048": "required",
    "1364": "required",
    "4025": "check",
    "3819": "check",
    "1644": "check",
    "1406": "length",
    "1264": "range",
    "1690": "range",
    "1265": "type",
    "1366": "type",
    "1292": "type",
    "1205": "busy",
    "1213": "busy",
    "1969": "busy",
    "1040": "away",
    "1044": "away",
    "1045": "away",
    "1049": "away",
    "1053": "away",
    "1146": "away",
    "1054": "away",
    "1927": "away",
    "2002": "away",
    "2003": "away",
    "2006": "away",
    "2013": "away",
    "1142": "denied",
    "1143": "denied",
    "1290": "denied",
    "1792": "denied",
}

_REFUSALS: dict[str, tuple[Callable[[list[FieldError]], ModelError], str]] = {
    "unique": (ConflictError, "Another row has this value already."),
    "reference": (ConflictError, "There is no such row to refer to."),
    "in_use": (ConflictError, "Other rows refer to this one."),
    "required": (ValidationError, "A value is required."),
    "check": (ValidationError, "The value breaks a rule of the database."),
    "length": (ValidationError, "Is too long for the database."),
    "range": (ValidationError, "Is outside of what the database can store."),
    "type": (ValidationError, "Is not a value that the database can store here."),
}

#: Where messages name columns: PostgreSQL's detail, then MariaDB's sentences.
_COLUMNS_IN_MESSAGES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\((.+?)\)=\(",
        r"for key '(.+?)'$",
        r"FOREIGN KEY \((.+?)\)",
        r"CONSTRAINT `(.+?)`",
        r"[Cc]olumn '(.+?)'",
        r"Field '(.+?)'",
        r"column `[^`]*`\.`[^`]*`\.`(.+?)`",
    )
)


# -- reflection --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view of an existing database.

    Attributes:
        table: The reflected table; `None` if it cannot be read.
        name: Its name.
        is_view: Whether it is a view.
        problem: Why it cannot be read; empty if it can.
    """

    table: sa.Table | None
    name: str
    is_view: bool
    problem: str = ""


def read_tables(
    engine: sa.Engine, progress: Callable[[int, int, str], None] | None = None
) -> list[FoundTable]:
    """Reflect every table and view of a database's default schema, in order of name.

    Args:
        engine: The database.
        progress: Called before each table with how many are done, how many there are, and
            the name of the one that comes.

    Raises:
        UnavailableError: If the database cannot be reached.
    """
    try:
        inspector = sa.inspect(engine)
        views = set(inspector.get_view_names())
        if engine.dialect.name == "postgresql":
            views |= set(inspector.get_materialized_view_names())
        names = sorted(views | set(inspector.get_table_names()) - _shadow_tables(engine))
    except exc.SQLAlchemyError as error:
        raise UnavailableError("The database cannot be reached.") from error
    metadata = sa.MetaData()
    found = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        found.append(_read_table(engine, metadata, name, name in views))
    return found


def _shadow_tables(engine: sa.Engine) -> set[str]:
    """Name the tables that hold the insides of SQLite's virtual tables."""
    if engine.dialect.name != "sqlite":
        return set()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").all()
    return {row.name for row in rows if row.type == "shadow"}


def _read_table(engine: sa.Engine, metadata: sa.MetaData, name: str, is_view: bool) -> FoundTable:
    try:
        with warnings.catch_warnings():
            # Types and indexes that SQLAlchemy does not know: such columns are read-only.
            warnings.simplefilter("ignore", exc.SAWarning)
            # A reference to a table that is gone must not hide this one.
            table = sa.Table(name, metadata, autoload_with=engine, resolve_fks=False)
            if engine.dialect.name == "sqlite":
                _correct_types(engine, table)
    except exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        return FoundTable(None, name, is_view, str(cause).splitlines()[0])
    return FoundTable(table, name, is_view)


#: The declared types that SQLAlchemy's fallback for SQLite means by NUMERIC.
_NUMERIC = frozenset({"NUMERIC", "DECIMAL", "DEC", "NUMBER"})


def _correct_types(engine: sa.Engine, table: sa.Table) -> None:
    """Tell SQLAlchemy what it does not see in SQLite's declared types.

    A type that nobody knows (STRING, UUID) holds anything.  And only a key declared exactly
    INTEGER is counted up (https://sqlite.org/rowidtable.html); one declared INT gets NULL.
    """
    with engine.connect() as connection:
        quoted = engine.dialect.identifier_preparer.quote(table.name)
        rows = connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted})").all()
    declared = {row.name: str(row.type).upper().partition("(")[0].strip() for row in rows}
    for column in table.columns:
        if type(column.type) is sqltypes.NUMERIC and declared[column.name] not in _NUMERIC:
            column.type = sqltypes.NullType()
    key = list(table.primary_key.columns)
    if len(key) == 1 and declared[key[0].name] != "INTEGER":
        key[0].autoincrement = False
        table.primary_key._reload(table.primary_key.columns)
