"""Reading many rows: the statements of a query, and what is made of their rows.

`Lists` plans a statement for every *shape* of a query (its columns, operators and order, and
where the page begins, but no values), and keeps the plans: a query that comes again costs no
building of statements.

    request = statements.lists.request(query, model)
    page = statements.lists.page(connection, request)

A page is one statement that gives one row more than the page has, one more for a count, and one
for each foreign key whose rows are embedded.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy import types as sqltypes

from wsgikit.model import SORTABLE, Page, Row, foreign_cursor, read_position, resolve
from wsgikit.model.paging import COUNT_BOUND, cut_page
from wsgikit.query import (
    EVERYTHING,
    Cursor,
    Query,
    decode_cursor,
    describe_ordering,
    encode_cursor,
)
from wsgikit.sql.cells import Column, Loader, is_value
from wsgikit.sql.conditions import NO_FILTER, Conditions, Shape, bind_filter
from wsgikit.sql.faults import CONVERSION_ERRORS, code_of, is_unreadable
from wsgikit.sql.ordering import OrderColumn, Segment, order_column, row_number, segments

if TYPE_CHECKING:
    from wsgikit.sql.statements import Statements

#: Plans that are kept of one model.
MAX_PLANS = 200

#: What reads the rows of a statement one after the other (`wsgikit.sql.streams.Stream`).
Reader: TypeAlias = Callable[[sa.Select[Any], Mapping[str, Any]], Generator[Sequence[Any]]]

#: Rows that are looked up by key in one statement; no page has more, unless it was made so.
MAX_KEYS = 1000

#: MariaDB's codes for a text that the character set of its column has not.
_MIXED = frozenset({"1267", "1270", "1271"})

#: The columns that order a list, by name, and whether they descend.
Sorts: TypeAlias = tuple[tuple[str, bool], ...]

#: The name of SQLite's number of a row among these.
ROW_NUMBER = "\0rowid"


class ListShape(NamedTuple):
    """What a plan depends on.

    Attributes:
        form: ``page``: by position; ``offset``: by number, for rows without a key; ``all``: the
            whole list; ``keys``: rows by their keys; ``bounded`` and ``exact``: how many rows.
        names: The columns of the rows.
        filter: The shape of the filter.
        order: What orders the rows.
        place: The forms of a position's values (see `OrderColumn.element`); `None` for the
            first page.
        backward: Whether the page lies before its position.
    """

    form: str
    names: tuple[str, ...]
    filter: Shape
    order: Sorts
    place: tuple[str, ...] | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A query, held against a model.

    Attributes:
        shape: What its plan depends on.
        parameters: The values of its filter and of its position.
        limit: Rows of the page.
        embed: The foreign keys whose values are replaced by rows.
        count: As in `wsgikit.query.Query`.
        ordering: What its cursors are bound to.
        cursor: Where the page begins.
    """

    shape: ListShape
    parameters: Mapping[str, Any]
    limit: int
    embed: tuple[str, ...]
    count: str
    ordering: str
    cursor: Cursor | None = None


class Plan:
    """A statement that gives rows, and how they are read.

    Args:
        statement: It selects the columns, and after these what positions need besides.
        columns: The columns.
        order: What orders the rows.
        careful: Whether the columns were selected in forms that no driver fails on.
    """

    def __init__(
        self,
        statement: Any,
        columns: Sequence[Column],
        order: Sequence[OrderColumn] = (),
        careful: bool = False,
    ) -> None:
        self.statement = statement
        self._careful = careful
        self._names = [column.field.name for column in columns]
        loads = ((c.field.name, c.careful_load if careful else c.load) for c in columns)
        self._loaders: list[tuple[str, Loader]] = [(n, load) for n, load in loads if load]
        self._order = list(zip(order, _places(order, self._names), strict=True))

    def row(self, values: Sequence[Any]) -> Row:
        """Give a row as the model shows it."""
        row = dict(zip(self._names, values))  # noqa: B905  parts of its position come after it
        for name, load in self._loaders:
            value = row[name]
            if value is not None:
                row[name] = load(value)
        return row

    def position(self, values: Sequence[Any]) -> Iterator[Any]:
        """Give what a cursor holds of a row."""
        for item, place in self._order:
            yield item.part(values[place], careful=self._careful)


def _places(order: Iterable[OrderColumn], names: Sequence[str]) -> Iterator[int]:
    """Find the values of a position among those of a row, or among those after it."""
    added = len(names)
    for item in order:
        if item.direct and item.name in names:
            yield names.index(item.name)
        else:
            yield added
            added += 1


class Lists:
    """The lists of one model.

    Args:
        statements: The model's.
    """

    def __init__(self, statements: "Statements") -> None:
        self._statements = statements
        self._plans: dict[tuple[ListShape, bool, bool], Plan] = {}
        self._order_columns: dict[tuple[str, bool], OrderColumn] = {}
        self._unasked: dict[str, tuple[ListShape, str]] = {}

    # -- what is asked -------------------------------------------------------------------

    def request(self, query: Query, model: Any) -> Request:
        """Hold a query against the model.

        Raises:
            QueryError: If it does not fit.
        """
        request = self._whole_request(query, model)
        if query.cursor is None:
            return request
        if self._statements.key:
            return self._placed(request, query.cursor)
        return _shifted(request, query.cursor)

    def _whole_request(self, query: Query, model: Any) -> Request:
        limit = min(query.limit or model.page_size, model.max_page_size)
        asked = query.search or query.sort or query.fields or query.embed
        if not asked and query.filter == EVERYTHING:
            shape, ordering = self._everything(model.name)
            return Request(shape, {}, limit, (), query.count, ordering)
        selection = resolve(query, model)
        filter_ = bind_filter(selection, self._statements)
        sorts = self._complete((o.field.name, o.descending) for o in selection.order)
        return Request(
            shape=ListShape(self._form, selection.names, filter_.shape, sorts),
            parameters=filter_.parameters,
            limit=limit,
            embed=tuple(step.field.name for step in selection.embed),
            count=query.count,
            ordering=self._ordering(model.name, sorts, query),
        )

    @cached_property
    def _form(self) -> str:
        return "page" if self._statements.key else "offset"

    def _everything(self, name: str) -> tuple[ListShape, str]:
        """Give the shape of a query that asks nothing, and its ordering."""
        if name not in self._unasked:
            sorts = self._complete(())
            names = tuple(self._statements.names)
            shape = ListShape(self._form, names, NO_FILTER.shape, sorts)
            self._unasked[name] = shape, self._ordering(name, sorts, Query())
        return self._unasked[name]

    def _ordering(self, name: str, sorts: Sorts, query: Query) -> str:
        keyed = bool(self._statements.key)
        ordered_by = [name for name, _descending in sorts] if keyed else ["offset"]
        return describe_ordering(name, ordered_by, query)

    def _complete(self, sorts: Iterable[tuple[str, bool]]) -> Sorts:
        """Add what decides where a sort leaves the order open."""
        sorts = tuple(sorts)
        rest = list(self._statements.key)
        if not rest:
            orderable = SORTABLE | {"binary"}
            rest = [f.name for f in self._statements.fields if f.kind in orderable]
        elif self._row_number is not None:
            rest.append(ROW_NUMBER)
        sorted_by = {name for name, _descending in sorts}
        return (*sorts, *((name, False) for name in rest if name not in sorted_by))

    @cached_property
    def _row_number(self) -> OrderColumn | None:
        """What tells rows apart where SQLite lets a key be null, for any number of them."""
        key = self._statements.key_columns
        if self._statements.dialect != "sqlite" or not any(c.column.nullable for c in key):
            return None
        return row_number(self._statements.table)

    def _placed(self, request: Request, text: str) -> Request:
        """Begin after (or before) the position of a cursor."""
        shape = request.shape
        cursor = read_position(text, request.ordering, len(shape.order))
        assert cursor is not None  # there is a text
        order = [self._order_column(*sort) for sort in shape.order]
        bound = [item.bind(part) for item, part in zip(order, cursor.position, strict=True)]
        position = {f"position_{n}": value for n, (_form, value) in enumerate(bound)}
        forms = tuple(form for form, _value in bound)
        return replace(
            request,
            shape=shape._replace(place=forms, backward=cursor.backward),
            parameters={**request.parameters, **position},
            cursor=cursor,
        )

    def _order_column(self, name: str, descending: bool) -> OrderColumn:
        found = self._order_columns.get((name, descending))
        if found is None:
            if name == ROW_NUMBER and self._row_number is not None:
                found = replace(self._row_number, descending=descending)
            else:
                column = self._statements.by_name[name]
                found = order_column(column, descending, self._statements.dialect)
            self._order_columns[name, descending] = found
        return found

    # -- plans ---------------------------------------------------------------------------

    def _plan(self, shape: ListShape, careful: bool, wide: bool) -> Plan:
        key = (shape, careful, wide)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._build(shape, careful, wide)
            while len(self._plans) >= MAX_PLANS:
                # Another thread may have taken the oldest away.
                self._plans.pop(next(iter(self._plans), key), None)
            self._plans[key] = plan
        return plan

    def _build(self, shape: ListShape, careful: bool, wide: bool) -> Plan:
        conditions = list(self._statements.restriction)
        if shape.filter != NO_FILTER.shape:
            conditions.append(Conditions(self._statements, wide=wide).build(shape.filter))
        if shape.form in ("bounded", "exact"):
            return Plan(self._counting(shape.form, conditions), ())
        columns = [self._statements.by_name[name] for name in shape.names]
        order = [self._order_column(n, down != shape.backward) for n, down in shape.order]
        values = [column.careful if careful else column.expression for column in columns]
        if shape.form == "page":
            added = (o for o in order if not o.direct or o.name not in shape.names)
            values += [item.careful if careful else item.reading for item in added]
        selected = [value.label(f"value_{n}") for n, value in enumerate(values)]
        statement = sa.select(*selected).select_from(self._statements.table).where(*conditions)
        if shape.form == "page":
            return Plan(_page_of(statement, order, shape.place), columns, order, careful)
        if shape.form == "keys":
            return Plan(statement.where(self._has_key(wide)), columns, (), careful)
        statement = statement.order_by(*(item.by() for item in order))
        if shape.form == "offset":
            statement = statement.limit(_number("page_rows")).offset(_number("page_start"))
        return Plan(statement, columns, (), careful)

    def _counting(self, form: str, conditions: Sequence[sa.ColumnElement[bool]]) -> Any:
        table = self._statements.table
        if form == "exact":
            return sa.select(sa.func.count()).select_from(table).where(*conditions)
        one: sa.Label[Any] = sa.literal_column("1").label("one")
        some = sa.select(one).select_from(table).where(*conditions)
        return sa.select(sa.func.count()).select_from(some.limit(COUNT_BOUND + 1).subquery())

    def _has_key(self, wide: bool) -> sa.ColumnElement[bool]:
        [key] = self._statements.key_columns
        compared = self._statements.compared(key.field.name)
        keys = sa.bindparam("keys", type_=compared.type, expanding=True)
        return compared.expression(key.column, wide=wide).in_(keys)

    # -- what is read --------------------------------------------------------------------

    def page(self, connection: sa.Connection, request: Request) -> Page:
        """Read a page."""
        if request.shape.form == "offset":
            page = self._page_by_offset(connection, request)
        else:
            page = self._page_by_position(connection, request)
        for name in request.embed:
            self._embed(connection, name, page.data)
        return self._counted(connection, request, page) if request.count else page

    def _page_by_position(self, connection: sa.Connection, request: Request) -> Page:
        parameters = {**request.parameters, "page_rows": request.limit + 1}
        plan, found = self._fetch(connection, request.shape, parameters)
        if request.shape.backward:
            found.reverse()
        rows, after, before = cut_page(
            found,
            request.limit,
            request.cursor,
            request.ordering,
            lambda pair: plan.position(pair[0]),
        )
        return Page([row for _values, row in rows] or (), after, before)

    def _page_by_offset(self, connection: sa.Connection, request: Request) -> Page:
        cursor, limit = request.cursor or Cursor((0,)), request.limit
        [start] = cursor.position
        assert isinstance(start, int)  # see _shifted
        first = max(0, start - limit) if cursor.backward else start
        limit = start - first if cursor.backward else limit
        parameters = {**request.parameters, "page_rows": limit + 1, "page_start": first}
        _plan, found = self._fetch(connection, request.shape, parameters)
        last = encode_cursor(Cursor((first + limit,)), request.ordering)
        before = encode_cursor(Cursor((first,), True), request.ordering)
        rows = [row for _values, row in found[:limit]]
        return Page(rows, last if len(found) > limit else None, before if first else None)

    def _counted(self, connection: sa.Connection, request: Request, page: Page) -> Page:
        shape = ListShape(request.count, (), request.shape.filter, ())
        parameters = {
            name: value for name, value in request.parameters.items() if name.startswith("filter_")
        }
        _plan, found = self._fetch(connection, shape, parameters)
        [number] = found[0][0]
        bound = number if request.count == "exact" else COUNT_BOUND
        return replace(page, count=min(number, bound), count_exact=number <= bound)

    def stream(self, read: Reader, request: Request) -> Iterator[Row]:
        """Read the whole list, row by row."""
        shape = request.shape._replace(form="all", place=None, backward=False)
        done = 0
        careful = wide = False
        while True:
            plan = self._plan(shape, careful, wide)
            try:
                with closing(read(plan.statement, request.parameters)) as rows:
                    for values in islice(rows, done, None):
                        yield plan.row(values)
                        done += 1
                return
            except CONVERSION_ERRORS as error:
                careful, wide = _other_way(error, careful, wide)

    def _fetch(
        self, connection: sa.Connection, shape: ListShape, parameters: Mapping[str, Any]
    ) -> tuple[Plan, list[tuple[Sequence[Any], Row]]]:
        """Run a plan; give it, and its rows as they came and as the model shows them."""
        careful = wide = False
        while True:
            plan = self._plan(shape, careful, wide)
            try:
                found = connection.execute(plan.statement, parameters).all()
                return plan, [(values, plan.row(values)) for values in found]
            except CONVERSION_ERRORS as error:
                if shape.place is not None and _is_refused(error):
                    raise foreign_cursor() from error
                careful, wide = _other_way(error, careful, wide)

    # -- rows of other models --------------------------------------------------------------

    def _embed(self, connection: sa.Connection, name: str, rows: Sequence[Row]) -> None:
        """Put the rows that a foreign key points to in place of its values."""
        target = self._statements.reference(name)
        found = target.lists.by_key(connection, [row[name] for row in rows])
        for row in rows:
            row[name] = found.get(_identity(row[name]))

    def by_key(self, connection: sa.Connection, keys: Iterable[Any]) -> Mapping[Any, Row]:
        """Read the rows of some keys, by what `_identity` gives of the keys."""
        [field] = self._statements.key_fields
        wanted = {_identity(key): key for key in keys if key is not None and is_value(field, key)}
        result = {}
        values = iter(wanted.values())
        while some := list(islice(values, MAX_KEYS)):
            _operator, cells = self._statements.compared(field.name).term("in", some)
            shape = ListShape("keys", tuple(self._statements.names), NO_FILTER.shape, ())
            for _values, row in self._fetch(connection, shape, {"keys": cells or []})[1]:
                result[_identity(row[field.name])] = row
        return result


def _identity(value: Any) -> tuple[type, Any] | None:
    """Tell values apart as Python does, and not as a collation does."""
    return (type(value), value) if isinstance(value, Hashable) else None


def _shifted(request: Request, text: str) -> Request:
    """Begin at the number that a cursor holds."""
    cursor = decode_cursor(text, request.ordering, 1)
    [start] = cursor.position
    if not isinstance(start, int) or not 0 <= start < 2**62:
        raise foreign_cursor()
    return replace(request, cursor=cursor)


# -- statements ----------------------------------------------------------------------------


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sqltypes.Integer())


def _page_of(
    statement: sa.Select[Any], order: Sequence[OrderColumn], place: tuple[str, ...] | None
) -> sa.Select[Any]:
    """Order a statement, and let it begin at a place."""
    position = None
    if place is not None:
        forms = enumerate(zip(order, place, strict=True))
        position = [item.element(form, f"position_{n}") for n, (item, form) in forms]
    parts = segments(order, position)
    if len(parts) > 1:
        return _chain(statement, order, parts)
    [part] = parts
    return _ordered(statement.where(*part.conditions), part.order)


def _ordered(statement: sa.Select[Any], order: Sequence[OrderColumn]) -> sa.Select[Any]:
    return statement.order_by(*(item.by() for item in order)).limit(_number("page_rows"))


def _chain(
    statement: sa.Select[Any], order: Sequence[OrderColumn], parts: Sequence[Segment]
) -> sa.Select[Any]:
    """Give the first rows of several parts, one part after the other.

    Each part is limited by itself, so that an index gives its rows, and no more are read.
    """
    names = [column.name for column in statement.exported_columns]
    sorted_by = [item.expression.label(f"order_{n}") for n, item in enumerate(order)]
    limited = []
    for n, part in enumerate(parts):
        number = sa.literal_column(str(n), sqltypes.Integer()).label("part")
        rows = _ordered(statement.where(*part.conditions), part.order)
        limited.append(sa.select(rows.add_columns(*sorted_by, number).subquery()))
    both = sa.union_all(*limited).subquery()
    again = [replace(o, expression=both.c[f"order_{n}"]) for n, o in enumerate(order)]
    whole = sa.select(*(both.c[name] for name in names)).order_by(both.c.part)
    return _ordered(whole, again)


# -- execution -------------------------------------------------------------------------------


def _other_way(error: Exception, careful: bool, wide: bool) -> tuple[bool, bool]:
    """Say how else to read, after a value that cannot be read or compared so."""
    if not careful and is_unreadable(error):
        return True, wide
    if not wide and isinstance(error, exc.DBAPIError) and code_of(error)[0] in _MIXED:
        return careful, True
    raise error


def _is_refused(error: Exception) -> bool:
    """Whether PostgreSQL says that a value is none of its type (class 22: data exception)."""
    return isinstance(error, exc.DBAPIError) and code_of(error)[0].startswith("22")
