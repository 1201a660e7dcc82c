"""Plans: the prepared statements that give many rows, and how their rows are read.

A plan is made for a *shape* (`ListShape`): columns, operators and order, and where the page
begins, but no values.  `Plans` keeps them, so that a query that comes again costs no building of
statements.

    plan = statements.plans.find(shape)
    rows = [plan.row(values) for values in connection.execute(plan.statement, parameters)]
"""

import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy import types as sqltypes

from wsgikit.model import SORTABLE, Row
from wsgikit.model.paging import COUNT_BOUND
from wsgikit.sql.cells import Column, Loader, column_of
from wsgikit.sql.comparing import Condition
from wsgikit.sql.conditions import KEPT, NO_FILTER, Conditions, Shape, options_of
from wsgikit.sql.ordering import OrderColumn, Segment, order_column, row_number, segments

if TYPE_CHECKING:
    from wsgikit.sql.statements import Statements

#: Plans that are kept of one model.
MAX_PLANS = 200

#: The columns that order a list, by name, and whether they descend.
Sorts: TypeAlias = tuple[tuple[str, bool], ...]

#: The name of SQLite's number of a row among these.
ROW_NUMBER = "\0rowid"


class ListShape(NamedTuple):
    """What a plan depends on.

    Attributes:
        form: ``page``: by position; ``offset``: by number, for rows without a key; ``all``: the
            whole list; ``keys``: rows by their keys; ``glance``: those of the filter, and the
            first ones of all; ``bounded`` and ``exact``: how many rows.
        names: The columns of the rows.
        filter: The shape of the filter.
        order: What orders the rows.
        place: The forms of a position's values (see `OrderColumn.element`); `None` for the
            first page.
        backward: Whether the page lies before its position.
        joined: The foreign keys whose rows are read along with the whole list.
    """

    form: str
    names: tuple[str, ...]
    filter: Shape
    order: Sorts
    place: tuple[str, ...] | None = None
    backward: bool = False
    joined: tuple[str, ...] = ()


class Plan:
    """A statement that gives rows, and how they are read.

    Args:
        statement: It selects the columns, and after these what positions need besides.
        columns: The columns.
        order: What orders the rows.
        careful: Whether the columns were selected in forms that no driver fails on.
        joined: The rows of other models that are read along, after the columns.
    """

    def __init__(
        self,
        statement: Any,
        columns: Sequence[Column] = (),
        order: Sequence[OrderColumn] = (),
        *,
        careful: bool = False,
        joined: "Sequence[Joined]" = (),
    ) -> None:
        self.statement = statement
        #: How it is executed.
        self.options = KEPT
        self._careful = careful
        self._names = [column.field.name for column in columns]
        loads = ((c.field.name, c.careful_load if careful else c.load) for c in columns)
        self._loaders: list[tuple[str, Loader]] = [(n, load) for n, load in loads if load]
        self._order = list(zip(order, _places(order, self._names), strict=True))
        self._joined = joined

    def row(self, values: Sequence[Any]) -> Row:
        """Give a row as the model shows it."""
        row = dict(zip(self._names, values))  # noqa: B905  parts of its position come after it
        for name, load in self._loaders:
            value = row[name]
            if value is not None:
                row[name] = load(value)
        start = len(self._names)
        for joined in self._joined:
            row[joined.name] = joined.row(values[start:], row[joined.name])
            start += joined.width
        return row

    def position(self, values: Sequence[Any]) -> Iterator[Any]:
        """Give what a cursor holds of a row."""
        for item, place in self._order:
            yield item.part(values[place], careful=self._careful)


class Joined:
    """The row that a foreign key points to, read along with the row that has it.

    Args:
        name: The foreign key.
        target: The statements of the other model.
        careful: As in `Plan`.
    """

    def __init__(self, name: str, target: "Statements", careful: bool) -> None:
        self.name = name
        self.source = target.source()
        [self._key] = target.key
        there: Any = self.source.c
        self._columns = [
            column_of(there[column.field.name], column.field, target.dialect)
            for column in target.columns
        ]
        self._careful = careful
        self._plan = Plan(None, self._columns, careful=careful)
        self.width = len(self._columns)

    @property
    def values(self) -> list[sa.ColumnElement[Any]]:
        """What is selected of it."""
        return [column.careful if self._careful else column.expression for column in self._columns]

    def row(self, values: Sequence[Any], key: Any) -> Row | None:
        """Give the row, if it is the one that the key names, and not one of an equal key."""
        row = self._plan.row(values[: self.width])
        return row if key is not None and identity(row[self._key]) == identity(key) else None


def identity(value: Any) -> tuple[type, Any] | None:
    """Tell values apart as Python does, and not as a collation does."""
    return (type(value), value) if isinstance(value, Hashable) else None


def _places(order: Iterable[OrderColumn], names: Sequence[str]) -> Iterator[int]:
    """Find the values of a position among those of a row, or among those after it."""
    added = len(names)
    for item in order:
        if item.direct and item.name in names:
            yield names.index(item.name)
        else:
            yield added
            added += 1


class Plans:
    """The plans of one model.

    Args:
        statements: The model's.
    """

    def __init__(self, statements: "Statements") -> None:
        self._statements = statements
        self._plans: dict[tuple[ListShape, bool, bool], Plan] = {}
        self._lock = threading.Lock()
        self._order_columns: dict[tuple[str, bool], OrderColumn] = {}

    def find(self, shape: ListShape, *, careful: bool = False, wide: bool = False) -> Plan:
        """Give the plan of a shape.

        Args:
            shape: What is asked.
            careful: Select all columns in forms that no driver fails on.
            wide: As in `Conditions`.
        """
        key = (shape, careful, wide)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._build(shape, careful, wide)
            plan.options = options_of(shape.filter)
            if plan.options is KEPT:
                self._keep(key, plan)
        return plan

    def _keep(self, key: tuple[ListShape, bool, bool], plan: Plan) -> None:
        with self._lock:
            if len(self._plans) >= MAX_PLANS:
                self._plans.pop(next(iter(self._plans)))  # the oldest
            self._plans[key] = plan

    # -- order ---------------------------------------------------------------------------

    def complete(self, sorts: Iterable[tuple[str, bool]]) -> Sorts:
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

    def order_column(self, name: str, descending: bool) -> OrderColumn:
        found = self._order_columns.get((name, descending))
        if found is None:
            if name == ROW_NUMBER and self._row_number is not None:
                found = replace(self._row_number, descending=descending)
            else:
                column = self._statements.by_name[name]
                found = order_column(column, descending, self._statements.dialect)
            self._order_columns[name, descending] = found
        return found

    # -- statements ----------------------------------------------------------------------

    def _build(self, shape: ListShape, careful: bool, wide: bool) -> Plan:
        conditions = Conditions(self._statements, wide=wide)
        where = list(self._statements.restriction)
        if shape.filter != NO_FILTER.shape:
            where.append(conditions.build(shape.filter))
        if shape.form in ("bounded", "exact"):
            return Plan(self._counting(shape.form, where))
        columns = [self._statements.by_name[name] for name in shape.names]
        order = [self.order_column(n, down != shape.backward) for n, down in shape.order]
        joined = [Joined(n, self._statements.reference(n), careful) for n in shape.joined]

        values = [column.careful if careful else column.expression for column in columns]
        if shape.form == "page":
            added = (o for o in order if not o.direct or o.name not in shape.names)
            values += [item.careful if careful else item.reading for item in added]
        rows: sa.FromClause = self._statements.table
        for item in joined:
            values += item.values
            rows = rows.outerjoin(item.source, conditions.refers(item.name, item.source.c))

        selected = [value.label(f"value_{n}") for n, value in enumerate(values)]
        if shape.form == "glance":
            first = _ordered(self._select(selected), order)
            return Plan(_both(self._select(selected, where), first), columns, careful=careful)
        statement = sa.select(*selected).select_from(rows).where(*where)
        if shape.form == "page":
            statement = _page_of(statement, order, shape.place)
        elif shape.form == "keys":
            statement = statement.where(self._has_key(wide))
        else:
            statement = statement.order_by(*(item.by() for item in order))
        if shape.form == "offset":
            statement = statement.order_by(*_exactly(order))
            statement = statement.limit(_number("page_rows")).offset(_number("page_start"))
        return Plan(statement, columns, order, careful=careful, joined=joined)

    def _select(
        self, columns: Sequence[sa.Label[Any]], where: Sequence[Condition] | None = None
    ) -> sa.Select[Any]:
        conditions = self._statements.restriction if where is None else where
        return sa.select(*columns).select_from(self._statements.table).where(*conditions)

    def _counting(self, form: str, conditions: Sequence[Condition]) -> Any:
        table = self._statements.table
        if form == "exact":
            return sa.select(sa.func.count()).select_from(table).where(*conditions)
        one: sa.Label[Any] = sa.literal_column("1").label("one")
        some = sa.select(one).select_from(table).where(*conditions)
        return sa.select(sa.func.count()).select_from(some.limit(COUNT_BOUND + 1).subquery())

    def _has_key(self, wide: bool) -> Condition:
        [key] = self._statements.key_columns
        compared = self._statements.compared(key.field.name)
        keys = sa.bindparam("keys", type_=compared.type, expanding=True)
        return compared.expression(key.column, wide=wide).in_(keys)


# -- statements ----------------------------------------------------------------------------


def _exactly(order: Sequence[OrderColumn]) -> Iterable[Any]:
    """Give what orders rows whose texts are equal only to MariaDB's collations.

    It gives rows that are equal in an order that depends on the limit.
    """
    texts = (
        o for o in order if o.dialect in ("mariadb", "mysql") and o.column.field.kind == "text"
    )
    return [sa.cast(item.column.column, sqltypes.LargeBinary) for item in texts]


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sqltypes.Integer())


def _both(some: sa.Select[Any], first: sa.Select[Any]) -> sa.CompoundSelect[Any]:
    """Give the rows of two statements; a number after their columns tells which it was."""
    limited = first.subquery()
    return sa.union_all(some.add_columns(_part(0)), sa.select(limited, _part(1)))


def _part(number: int) -> sa.Label[int]:
    return sa.literal_column(str(number), sqltypes.Integer()).label("part")


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
    return _part_of(statement, parts[0])


def _part_of(statement: sa.Select[Any], part: Segment) -> sa.Select[Any]:
    """Give the first rows of a part."""
    statement = statement.where(*part.conditions)
    if part.needs_leaders:
        first = part.order[0]
        leaders = statement.with_only_columns(first.expression.label("leader"))
        leaders = _ordered(leaders, [first])
        # In a subquery of its own, since MariaDB has no LIMIT in one of IN.
        among = sa.select(leaders.subquery().c.leader)
        statement = statement.where(first.expression.in_(among))
    return _ordered(statement, part.order)


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
        rows = _part_of(statement.add_columns(*sorted_by, _part(n)), part)
        limited.append(sa.select(rows.subquery()))
    both = sa.union_all(*limited).subquery()
    again = [replace(o, expression=both.c[f"order_{n}"]) for n, o in enumerate(order)]
    whole = sa.select(*(both.c[name] for name in names)).order_by(both.c.part)
    return _ordered(whole, again)
