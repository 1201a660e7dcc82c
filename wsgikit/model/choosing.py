"""Choosing rows in Python: what turns any source of rows into a list with filters and pages.

Use it for a model over something that is no SQL database: a dict, Redis, files, another
service.  If it can give all of its rows, `page_of` gives it the whole query grammar (filters,
paths through foreign keys, search, sort, fields, embedded rows, counts, cursors), and
`stream_of` the same for exports.

    from wsgikit.model import Field
    from wsgikit.model.choosing import page_of
    from wsgikit.query import parse_query

    class Planets:
        fields = (Field("name"), Field("moons", "integer"))
        key = ("name",)

        def list(self, query):
            rows = [{"name": "Mars", "moons": 2}, {"name": "Earth", "moons": 1}]
            return page_of(rows, query, self)

    page = Planets().list(parse_query("moons__gte=1&sort=-moons&limit=1"))
    assert page.data == [{"name": "Mars", "moons": 2}] and page.next is not None

A page keeps only its own rows, however many there are.  Texts are compared by code points,
numbers by their value, whatever their types; nulls come first, and what is no number (NaN)
after all numbers.  What ignores case does so for all of Unicode (`str.casefold`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from heapq import nlargest, nsmallest
from itertools import count
from operator import eq, ge, gt, le, lt
from typing import Any, TypeAlias

from wsgikit.model.contract import NotFoundError, Page, Row
from wsgikit.model.fields import Field, to_text
from wsgikit.model.paging import COUNT_BOUND, foreign_cursor, make_page, read_position
from wsgikit.model.selection import (
    All,
    Order,
    Part,
    Selection,
    Step,
    Test,
    resolve,
    whole_order,
)
from wsgikit.query import Cursor, Query, describe_ordering

#: Tells whether a row is chosen.
Choice: TypeAlias = Callable[[Row], bool]

#: Rows of other models that are kept while one list is made.
MAX_FOLLOWED = 1000

#: Where a model has no key, rows are told apart by their place.
_PLACE = Order(Field("\0place", "integer"))


def page_of(rows: Iterable[Row], query: Query, model: Any) -> Page:
    """Make the page of a query.

    Args:
        rows: All rows of the model, with all of its fields, in any order.  They are read once
            and not changed; a model without a key must give them in the same order each time.
        query: What a client asks.
        model: The model; see `wsgikit.model.Model` for what it may have.

    Raises:
        QueryError: If the model has no such columns, or the query's cursor is of another list.
    """
    selection = resolve(query, model)
    order = whole_order(selection, model)
    if not model.key:
        order = (*order, _PLACE)
        rows = ({**row, _PLACE.field.name: place} for place, row in enumerate(rows))
    names = [item.field.name for item in order]
    ordering = describe_ordering(getattr(model, "name", ""), names, query)
    cursor = _read_cursor(query, ordering, order, model)
    limit = min(query.limit or _size(model, "page_size", 50), _size(model, "max_page_size", 1000))

    counter = count()
    # The rows first: at their end the counter is not asked again, and is how many there were.
    chosen = (row for row, _ in zip(filter(matcher(selection), rows), counter, strict=False))
    found = _next_rows(chosen, order, cursor, limit + 1)
    page = make_page(found, limit, cursor, ordering, names)
    page = replace(page, data=tuple(shaped(page.data, selection)))
    return _with_count(page, query, next(counter)) if query.count else page


def _size(model: Any, name: str, default: int) -> int:
    return int(getattr(model, name, default))


def stream_of(rows: Iterable[Row], query: Query, model: Any) -> Iterator[Row]:
    """Give all rows that a query selects, in its order.

    Args:
        rows, query, model: As for `page_of`.  The rows are read at once, since they are to be
            put in order.

    Raises:
        QueryError: At once, as for `page_of`.
    """
    selection = resolve(query, model)
    chosen = filter(matcher(selection), rows)
    return shaped(ordered(chosen, whole_order(selection, model)), selection)


def chosen(rows: Iterable[Row], query: Query, model: Any) -> Iterator[Row]:
    """Give the rows that a query selects, whole and as they come, for a write of many."""
    return filter(matcher(resolve(query, model)), rows)


def _next_rows(
    rows: Iterable[Row], order: tuple[Order, ...], cursor: Cursor | None, number: int
) -> list[Row]:
    """Give the first rows after a position, or the last ones before it."""
    key = _key_of(order)
    if cursor is None:
        return nsmallest(number, rows, key)
    names = (item.field.name for item in order)
    position = key(dict(zip(names, cursor.position, strict=True)))
    if not cursor.backward:
        return nsmallest(number, (row for row in rows if key(row) > position), key)
    return nlargest(number, (row for row in rows if key(row) < position), key)[::-1]


def _read_cursor(
    query: Query, ordering: str, order: tuple[Order, ...], model: Any
) -> Cursor | None:
    cursor = read_position(query.cursor, ordering, len(order))
    for item, value in zip(order, cursor.position if cursor else (), strict=False):
        if value is None and item.field.name not in model.key:
            continue
        if not item.field.holds(value):
            raise foreign_cursor()
    return cursor


def _with_count(page: Page, query: Query, number: int) -> Page:
    bound = number if query.count == "exact" else COUNT_BOUND
    return replace(page, count=min(number, bound), count_exact=number <= bound)


# -- order -------------------------------------------------------------------------------


def ordered(rows: Iterable[Row], order: tuple[Order, ...]) -> list[Row]:
    """Put rows in order; what it leaves open stays as it is."""
    return sorted(rows, key=_key_of(order))


def _key_of(order: tuple[Order, ...]) -> Callable[[Row], tuple[Any, ...]]:
    columns = [(item.field.name, _Descending if item.descending else tuple) for item in order]

    def key(row: Row) -> tuple[Any, ...]:
        return tuple(turned(rank(row[name])) for name, turned in columns)

    return key


def rank(value: Any) -> tuple[Any, ...]:
    """Give what a value is ordered by, so that any two values can be compared."""
    if value is None:
        return (0,)
    if isinstance(value, int | float | Decimal):
        return (1, value) if value == value else (2,)  # NaN equals nothing, not even itself
    if isinstance(value, str):
        return (3, value)
    # Times with and without an offset cannot be compared.
    return (4, type(value).__name__, getattr(value, "tzinfo", None) is not None, value)


class _Descending:
    """A value that is less where it was greater."""

    __slots__ = ("value",)

    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value = value

    def __lt__(self, other: "_Descending") -> bool:
        return other.value < self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


# -- filters -----------------------------------------------------------------------------


def matcher(selection: Selection) -> Choice:
    """Make the function that tells whether a row is chosen."""
    choice = _choice(selection.condition, _Follower())
    if not selection.words:
        return choice
    words = [_folded(word) for word in selection.words]
    names = [field.name for field in selection.search]

    def found(row: Row) -> bool:
        if not choice(row):
            return False
        texts = [_folded(row[name]) for name in names if row[name] is not None]
        return all(any(word in text for text in texts) for word in words)

    return found


def _folded(value: Any) -> str:
    return str(to_text(value)).casefold()


def _choice(part: Part, follower: "_Follower") -> Choice:
    if isinstance(part, Test):
        return _test(part, follower)
    choices = [_choice(inner, follower) for inner in part.parts]
    if isinstance(part, All):
        return lambda row: all(choice(row) for choice in choices)
    return lambda row: any(choice(row) for choice in choices)


def _test(test: Test, follower: "_Follower") -> Choice:
    name, negated = test.field.name, test.negated
    holds = _HOLDS[test.operator](test.values)

    def choice(row: Row) -> bool:
        end = follower.walk(row, test.path)
        value = None if end is None else end[name]
        return (value is not None and holds(value)) is not negated

    return choice


Holds: TypeAlias = Callable[[Any], bool]


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[tuple[Any, ...]], Holds]:
    def make(values: tuple[Any, ...]) -> Holds:
        limit = rank(values[0])
        return lambda value: compare(rank(value), limit)

    return make


def _among(values: tuple[Any, ...]) -> Holds:
    ranks = frozenset(map(rank, values))
    return lambda value: rank(value) in ranks


def _in_text(holds: Callable[[str, str], bool]) -> Callable[[tuple[Any, ...]], Holds]:
    def make(values: tuple[Any, ...]) -> Holds:
        part = _folded(values[0])
        return lambda value: holds(_folded(value), part)

    return make


#: What an operator says of a value that is not null.
_HOLDS: Mapping[str, Callable[[tuple[Any, ...]], Holds]] = {
    "present": lambda values: lambda value: True,
    "in": _among,
    "eq": _comparing(eq),
    "lt": _comparing(lt),
    "lte": _comparing(le),
    "gt": _comparing(gt),
    "gte": _comparing(ge),
    "contains": _in_text(str.__contains__),
    "startswith": _in_text(str.startswith),
    "endswith": _in_text(str.endswith),
}


# -- rows of other models ------------------------------------------------------------------


class _Follower:
    """Finds the rows that foreign keys point to, each once while a list is made."""

    def __init__(self) -> None:
        self._finders: dict[int, Callable[[Any], Row | None]] = {}

    def walk(self, row: Row, path: Iterable[Step]) -> Row | None:
        """Give the row at the end of a path; `None` if there is none."""
        found: Row | None = row
        for step in path:
            found = None if found is None else self.find(step, found[step.field.name])
        return found

    def find(self, step: Step, value: Any) -> Row | None:
        """Give the row that a foreign key's value points to; `None` if there is none."""
        if value is None:
            return None
        model = step.model
        finder = self._finders.get(id(model))
        if finder is None:
            # Typed: Python's 1, 1.0 and True are one key to a dict.
            finder = lru_cache(MAX_FOLLOWED, typed=True)(partial(_referred, model))
            self._finders[id(model)] = finder
        return finder(value)


def _referred(model: Any, value: Any) -> Row | None:
    try:
        found: Row = model.retrieve(value)
    except NotFoundError:
        return None
    return found


def shaped(rows: Iterable[Row], selection: Selection) -> Iterator[Row]:
    """Give rows with the columns that are wanted, and with the rows that these embed."""
    follower = _Follower()
    for row in rows:
        shown = {name: row[name] for name in selection.names}
        for step in selection.embed:
            found = follower.find(step, row[step.field.name])
            shown[step.field.name] = None if found is None else dict(found)
        yield shown
