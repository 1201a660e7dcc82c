"""Lists: what a query asks of a table, and the page that answers it.

    request = statements.lists.request(query, model)
    page = statements.lists.page(connection, request)

A page is one statement that gives one row more than the page has, one more for a count (unless
the page is all there is), and one for each foreign key whose rows are embedded.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import exc

from wsgikit.model import Page, Row, foreign_cursor, read_position, resolve
from wsgikit.model.paging import COUNT_BOUND, cut_page
from wsgikit.query import (
    EVERYTHING,
    Cursor,
    Query,
    QueryError,
    decode_cursor,
    describe_ordering,
    encode_cursor,
)
from wsgikit.sql.cells import is_value
from wsgikit.sql.conditions import NO_FILTER, bind_filter
from wsgikit.sql.faults import CONVERSION_ERRORS, MIXED_CHARACTERS, code_of, is_unreadable
from wsgikit.sql.plans import ListShape, Plan, Sorts, identity

if TYPE_CHECKING:
    from wsgikit.sql.statements import Statements

#: What reads the rows of a statement one after the other (`wsgikit.sql.streams.Stream`).
Reader: TypeAlias = Callable[
    [sa.Select[Any], Mapping[str, Any], Mapping[str, Any]], Generator[Sequence[Any]]
]

#: Rows that are looked up by key in one statement; no page has more, unless it was made so.
MAX_KEYS = 1000

#: What may come of reading rows, and have another way to read them.
READING_ERRORS = (*CONVERSION_ERRORS, exc.StatementError)

#: PostgreSQL's codes for a text that is no value of its type, or one out of range.
_REFUSED = frozenset({"22003", "22007", "22008", "22P02"})


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


class Lists:
    """The lists of one model.

    Args:
        statements: The model's.
    """

    def __init__(self, statements: "Statements") -> None:
        self._statements = statements
        self._plans = statements.plans
        self._form = "page" if statements.key else "offset"
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
        sorts = self._plans.complete((o.field.name, o.descending) for o in selection.order)
        return Request(
            shape=ListShape(self._form, selection.names, filter_.shape, sorts),
            parameters=filter_.parameters,
            limit=limit,
            embed=tuple(step.field.name for step in selection.embed),
            count=query.count,
            ordering=self._ordering(model.name, sorts, query),
        )

    def _everything(self, name: str) -> tuple[ListShape, str]:
        """Give the shape of a query that asks nothing, and its ordering."""
        if name not in self._unasked:
            sorts = self._plans.complete(())
            names = tuple(self._statements.names)
            shape = ListShape(self._form, names, NO_FILTER.shape, sorts)
            self._unasked[name] = shape, self._ordering(name, sorts, Query())
        return self._unasked[name]

    def _ordering(self, name: str, sorts: Sorts, query: Query) -> str:
        keyed = bool(self._statements.key)
        ordered_by = [name for name, _descending in sorts] if keyed else ["offset"]
        return describe_ordering(name, ordered_by, query)

    def _placed(self, request: Request, text: str) -> Request:
        """Begin after (or before) the position of a cursor."""
        shape = request.shape
        cursor = read_position(text, request.ordering, len(shape.order))
        assert cursor is not None  # there is a text
        order = [self._plans.order_column(*sort) for sort in shape.order]
        bound = [item.bind(part) for item, part in zip(order, cursor.position, strict=True)]
        position = {f"position_{n}": value for n, (_form, value) in enumerate(bound)}
        forms = tuple(form for form, _value in bound)
        return replace(
            request,
            shape=shape._replace(place=forms, backward=cursor.backward),
            parameters={**request.parameters, **position},
            cursor=cursor,
        )

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
        if request.cursor is None and page.next is None:  # these are all: no need to scan again
            number = len(page.data)
        else:
            number = self._count(connection, request)
        bound = number if request.count == "exact" else COUNT_BOUND
        return replace(page, count=min(number, bound), count_exact=number <= bound)

    def _count(self, connection: sa.Connection, request: Request) -> int:
        shape = ListShape(request.count, (), request.shape.filter, ())
        parameters = {
            name: value for name, value in request.parameters.items() if name.startswith("filter_")
        }
        _plan, found = self._fetch(connection, shape, parameters)
        return int(found[0][0][0])

    def glance(self, connection: sa.Connection, request: Request) -> tuple[Sequence[Row], bool]:
        """Read the rows of the filter, and all rows if these are no more than the limit."""
        shape = request.shape._replace(form="glance")
        parameters = {**request.parameters, "page_rows": request.limit + 1}
        _plan, found = self._fetch(connection, shape, parameters)
        first = [row for values, row in found if values[-1] == 1]
        if len(first) <= request.limit:
            return first, True
        return [row for values, row in found if values[-1] == 0], False

    def stream(self, read: Reader, request: Request) -> Iterator[Row]:
        """Read the whole list, row by row."""
        shape = request.shape._replace(form="all", joined=request.embed)
        done = 0
        careful = wide = False
        while True:
            plan = self._plans.find(shape, careful=careful, wide=wide)
            try:
                with closing(read(plan.statement, request.parameters, plan.options)) as rows:
                    for values in islice(rows, done, None):
                        yield plan.row(values)
                        done += 1
                return
            except READING_ERRORS as error:
                careful, wide = _other_way(error, careful, wide)

    def _fetch(
        self, connection: sa.Connection, shape: ListShape, parameters: Mapping[str, Any]
    ) -> tuple[Plan, list[tuple[Sequence[Any], Row]]]:
        """Run a plan; give it, and its rows as they came and as the model shows them."""
        careful = wide = False
        while True:
            plan = self._plans.find(shape, careful=careful, wide=wide)
            try:
                result = connection.execute(
                    plan.statement, parameters, execution_options=plan.options
                )
                return plan, [(values, plan.row(values)) for values in result.all()]
            except READING_ERRORS as error:
                if shape.place is not None and _is_refused(error):
                    raise foreign_cursor() from error
                careful, wide = _other_way(error, careful, wide)

    # -- rows of other models --------------------------------------------------------------

    def _embed(self, connection: sa.Connection, name: str, rows: Sequence[Row]) -> None:
        """Put the rows that a foreign key points to in place of its values."""
        target = self._statements.reference(name)
        found = target.lists.by_key(connection, [row[name] for row in rows])
        for row in rows:
            row[name] = _copied(found.get(identity(row[name])))

    def by_key(self, connection: sa.Connection, keys: Iterable[Any]) -> Mapping[Any, Row]:
        """Read the rows of some keys, by what `identity` gives of the keys."""
        [field] = self._statements.key_fields
        wanted = {identity(key): key for key in keys if key is not None and is_value(field, key)}
        result = {}
        values = iter(wanted.values())
        while some := list(islice(values, MAX_KEYS)):
            _operator, cells = self._statements.compared(field.name).term("in", some)
            shape = ListShape("keys", tuple(self._statements.names), NO_FILTER.shape, ())
            for _values, row in self._fetch(connection, shape, {"keys": cells or []})[1]:
                result[identity(row[field.name])] = row
        return result


def _copied(row: Row | None) -> Row | None:
    return None if row is None else dict(row)


def _shifted(request: Request, text: str) -> Request:
    """Begin at the number that a cursor holds."""
    cursor = decode_cursor(text, request.ordering, 1)
    [start] = cursor.position
    if not isinstance(start, int) or not 0 <= start < 2**62:
        raise foreign_cursor()
    return replace(request, cursor=cursor)


def _other_way(error: Exception, careful: bool, wide: bool) -> tuple[bool, bool]:
    """Say how else to read, after a value that cannot be read or compared so."""
    if type(error) is exc.StatementError and isinstance(error.orig, CONVERSION_ERRORS):
        # A project's own type refused a value; the database's errors are of other classes.
        raise QueryError("", "A value of the filter does not suit its column.") from error
    if not careful and is_unreadable(error):
        return True, wide
    if not wide and isinstance(error, exc.DBAPIError) and code_of(error)[0] in MIXED_CHARACTERS:
        return careful, True
    raise error


def _is_refused(error: Exception) -> bool:
    """Whether the database says that a value is none of its type."""
    return isinstance(error, exc.DBAPIError) and code_of(error)[0] in _REFUSED
