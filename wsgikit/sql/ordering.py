"""The order of a list in SQL, and the places in it where pages begin.

A page begins after a *position*: the values of the ordering columns of a row, which the key makes
different from those of every other row.  (a, b) > (x, y) is written so that an index over the
columns serves, and a deep page costs what the first costs:

- ``(a, b) > (x, y)`` where both columns go the same way, on PostgreSQL, which begins in the
  middle of an index with that; on SQLite for the columns of a key.
- ``a >= x AND (a > x OR a = x AND b > y)`` on MariaDB, which finds the ranges in it.
- Else the rows with ``a = x AND b > y`` are listed apart from those with ``a > x`` (`segments`),
  each part by itself in the order of an index.

Nulls are the smallest values, and SQL does not compare them.  So the rows without a value are
listed apart as well, where a database's indexes have them at the other end.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types as sqltypes

from wsgikit.model import Field, foreign_cursor
from wsgikit.sql.cells import (
    PYTHON_TYPES,
    Column,
    Undecodable,
    is_single,
    quoted,
    read_spelled_out,
    undecorated,
)
from wsgikit.sql.columns import INT64, is_decorated
from wsgikit.sql.comparing import Condition, Element, bind_type

#: Characters by which MariaDB orders long texts.  Of each it sorts by 1,024 bytes
#: (max_sort_length), which general collations make of 512 characters.
SORTED_LENGTH = 500


@dataclass(frozen=True, slots=True)
class OrderColumn:
    """A column that orders a list, in one direction.

    Attributes:
        name: Of the field.
        column: What is read and bound, without what a project's own type makes of it.
        expression: What is ordered and compared.
        reading: What gives the value for a position; the same in a form that no driver fails on.
        direct: Whether that is what a row has in this column anyway.
        nullable: Whether there may be nulls.
        descending: Whether the greatest comes first.
        dialect: The name of the database's dialect.
    """

    name: str
    column: Column
    expression: Element
    reading: Element
    careful: Element
    direct: bool
    nullable: bool
    descending: bool
    dialect: str

    def by(self) -> Element:
        """Give the item of ORDER BY."""
        item = self.expression.desc() if self.descending else self.expression.asc()
        if self.dialect != "postgresql" or not self.nullable:
            return item
        return item.nulls_last() if self.descending else item.nulls_first()

    def same(self, value: Element | None) -> Condition:
        return self.expression.is_(None) if value is None else self.expression == value

    def after(self, value: Element | None) -> Condition | None:
        """The condition to come after a value; `None` where nothing does."""
        if value is None:
            return None if self.descending else self.expression.is_not(None)
        if not self.descending:
            return self.expression > value
        return self._or_null(self.expression < value)

    def from_(self, value: Element | None) -> Condition | None:
        """The condition to be a value or to come after it, where nulls are concerned.

        They are where the value is null, or where nulls come after it; `None` if all rows do.
        """
        if value is None:
            return self.expression.is_(None) if self.descending else None
        return self._or_null(self.expression <= value)

    def _or_null(self, condition: Condition) -> Condition:
        return sa.or_(condition, self.expression.is_(None)) if self.nullable else condition

    # -- positions -----------------------------------------------------------------------

    def part(self, value: Any, *, careful: bool) -> Any:
        """Give what a cursor holds of what was read."""
        if self.dialect != "sqlite":
            return value
        value = read_spelled_out(value) if careful else value
        if isinstance(value, bytes):
            return (b"t" if isinstance(value, Undecodable) else b"b") + value
        return value

    def bind(self, part: Any) -> tuple[str, Any]:
        """Give the form in which a part of a cursor is bound (see `element`), and its value.

        Raises:
            QueryError: If it is no value of this column.
        """
        if part is None:
            return "null", None
        binder = _bind_cell if self.dialect == "sqlite" else _bind_value
        return binder(self, part)

    def element(self, form: str, parameter: str) -> Element | None:
        """Give what a position is compared with.

        Args:
            form: ``null``; ``value``: bound as the column's type; or ``text``: a text that the
                database reads as that type.
            parameter: The name of its parameter.
        """
        if form == "null":
            return None
        if form == "value":
            enum = self.column.field.kind == "enum"
            own = sqltypes.String() if enum else bind_type(self.column, self.dialect)
            return sa.bindparam(parameter, type_=own)
        if self.dialect == "sqlite":
            return sa.cast(sa.bindparam(parameter, type_=sqltypes.NullType()), sqltypes.Text)
        text = sa.bindparam(parameter, type_=sqltypes.String())
        return sa.cast(text, self.column.store) if self.dialect == "postgresql" else text


def order_column(column: Column, descending: bool, dialect: str) -> OrderColumn:
    """Describe how a column orders a list."""
    own = column.column.type
    direct = not is_decorated(own)
    plain = undecorated(column, dialect)
    raw: Element = sa.type_coerce(plain.column, sqltypes.NullType())
    expression, reading = raw, plain.expression
    if dialect != "sqlite" and plain.field.kind == "enum":
        # By their texts, as everywhere, and not by their places in the type.
        expression = sa.cast(raw, sqltypes.Text if dialect == "postgresql" else sqltypes.CHAR)
    elif dialect == "postgresql" and is_single(plain.column.type, dialect):
        reading, direct = sa.cast(raw, sqltypes.Double), False
    elif dialect not in ("sqlite", "postgresql") and _is_long(plain):
        expression = sa.func.left(raw, sa.literal_column(str(SORTED_LENGTH)))
        reading, direct = sa.type_coerce(expression, sqltypes.String()), False
    return OrderColumn(
        name=column.field.name,
        column=plain,
        expression=expression,
        reading=reading,
        careful=plain.careful if direct or dialect == "sqlite" else reading,
        direct=direct,
        nullable=bool(column.column.nullable),
        descending=descending,
        dialect=dialect,
    )


def _is_long(column: Column) -> bool:
    length = getattr(column.column.type, "length", None)
    return column.field.kind == "text" and (length is None or length > SORTED_LENGTH)


def row_number(table: sa.Table) -> OrderColumn | None:
    """Give what tells SQLite's rows apart where a key may be null, if its name is free."""
    taken = {column.name.lower() for column in table.columns}
    free = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
    if free is None:
        return None
    number: Any = sa.literal_column(f"{quoted(table)}.{free}")
    field = Field("rowid", "integer")
    column = Column(field, number, number, number, None, None, sqltypes.NullType())
    return OrderColumn("rowid", column, number, number, number, False, False, False, "sqlite")


def _bind_cell(item: OrderColumn, part: Any) -> tuple[str, Any]:
    """Bind a cell of SQLite, whose type need not be that of its column."""
    if isinstance(part, bytes) and part[:1] in (b"b", b"t"):
        return ("value" if part[:1] == b"b" else "text"), part[1:]
    if isinstance(part, str | float) or (isinstance(part, int) and _is_int64(part)):
        return "value", part
    raise foreign_cursor()


def _bind_value(item: OrderColumn, part: Any) -> tuple[str, Any]:
    kind = item.column.field.kind
    postgresql = item.dialect == "postgresql"
    if isinstance(part, str) and kind in _READ_BY_THE_DATABASE and "\0" not in part:
        return "text", part
    if isinstance(part, timedelta) and kind == "time":
        return "text", _span(part)
    if kind == "boolean" and not postgresql and isinstance(part, int):
        return "value", part
    fits = isinstance(part, PYTHON_TYPES[kind]) and (kind == "boolean") == isinstance(part, bool)
    if not fits or not _FITS.get((item.dialect, kind), _any)(part):
        raise foreign_cursor()
    return "value", part


#: Kinds whose odd values a driver cannot hold, so that they travel as texts.
_READ_BY_THE_DATABASE = frozenset({"date", "datetime", "time", "interval"})


def _any(_part: Any) -> bool:
    return True


def _is_int64(part: int) -> bool:
    return INT64[0] <= part <= INT64[1]


def _is_literal(part: Decimal) -> bool:
    """Whether MariaDB reads a decimal as it is written."""
    return part.is_finite() and abs(part.adjusted()) <= 65


#: What a database takes as a value of its type; anything else was not in a cursor of ours.
_FITS: Mapping[tuple[str, str], Callable[[Any], bool]] = {
    ("postgresql", "integer"): _is_int64,
    ("postgresql", "text"): lambda part: "\0" not in part,
    ("postgresql", "enum"): lambda part: "\0" not in part,
    ("mariadb", "float"): math.isfinite,
    ("mysql", "float"): math.isfinite,
    ("mariadb", "decimal"): _is_literal,
    ("mysql", "decimal"): _is_literal,
}


def _span(value: timedelta) -> str:
    """Write a span as MariaDB reads a TIME."""
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}.{value.microseconds:06}"


# -- the rows beyond a position ------------------------------------------------------------

Position = Sequence[Element | None]

#: Columns whose equal values are listed apart (see `segments`); without an index, each may cost
#: as much as a first page.
APART = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a list, all of whose rows come before those of the next part.

    Attributes:
        conditions: Which rows these are.
        order: What orders them.
    """

    conditions: Sequence[Condition]
    order: Sequence[OrderColumn]

    @property
    def needs_leaders(self) -> bool:
        """Whether MariaDB should first look for the values that the first column begins with.

        Where no index has the whole order, it sorts all rows, and not those alone that are equal
        in the first column, whose order an index gives.
        """
        order = self.order
        if not order or order[0].nullable:
            return False
        return not _compares_rows(order) and not _follows_key(order)


def segments(order: Sequence[OrderColumn], position: Position | None) -> Sequence[Segment]:
    """Divide the rows after a position into parts that an index gives in order.

    Args:
        order: What orders the list, in the direction of the page.
        position: As many values; `None` for the first page.
    """
    if not _compares_rows(order) and _follows_key(order):
        return [Segment(() if position is None else (_beyond(order, position),), order)]
    if position is None:
        # SQLite's indexes have the nulls in front, as we do.
        return [Segment((), order)] if order[0].dialect == "sqlite" else _by_nulls(order)
    return _apart((), order, position)


def _by_nulls(order: Sequence[OrderColumn]) -> Sequence[Segment]:
    """List what has a value in the first column apart from what has none."""
    first = order[0]
    if not first.nullable:
        return [Segment((), order)]
    present = Segment((first.expression.is_not(None),), _without_nulls(order))
    absent = Segment((first.expression.is_(None),), order[1:])
    return (present, absent) if first.descending else (absent, present)


def _without_nulls(order: Sequence[OrderColumn]) -> Sequence[OrderColumn]:
    return (replace(order[0], nullable=False), *order[1:])


def _apart(
    equal: Sequence[Condition], order: Sequence[OrderColumn], position: Position
) -> Sequence[Segment]:
    """List what is equal in the first column apart from what comes after it.

    Args:
        equal: That the columns before these are equal.
        order, position: As for `segments`.
    """
    if not order:
        return []
    if _alike(order, position) == len(order) and _has_index(order):
        condition = _compare(order, position, len(order), inclusive=False)
        return [Segment((*equal, condition), _without_nulls(order))]
    if len(equal) == APART:
        return [Segment((*equal, _beyond(order, position)), order)]
    first, value = order[0], position[0]
    parts = [*_apart((*equal, first.same(value)), order[1:], position[1:])]
    after = replace(first, nullable=False).after(value)
    if after is not None:
        parts.append(Segment((*equal, after), _without_nulls(order)))
    if value is not None and first.descending and first.nullable:
        parts.append(Segment((*equal, first.expression.is_(None)), order[1:]))
    return parts


def _has_index(order: Sequence[OrderColumn]) -> bool:
    """Whether an index may serve for a comparison of rows.

    SQLite's do not for the number of a row, which a key of one whole number is.
    """
    return (
        order[0].dialect == "postgresql"
        or len(order) == 1
        or all(item.column.column.primary_key for item in order)
    )


def _beyond(order: Sequence[OrderColumn], position: Position) -> Condition:
    """The condition for rows after a position."""
    alike = _alike(order, position)
    if alike == len(order):
        return _compare(order, position, alike, inclusive=False)
    steps = []
    for n, (item, value) in enumerate(zip(order, position, strict=True)):
        after = item.after(value)
        if after is not None:
            before = zip(order[:n], position[:n], strict=True)
            steps.append(sa.and_(*(i.same(v) for i, v in before), after))
    found = sa.or_(sa.false(), *steps)
    if len(order) < 2:
        return found
    if alike:
        return sa.and_(_compare(order, position, alike, inclusive=True), found)
    lead = order[0].from_(position[0])
    return found if lead is None else sa.and_(lead, found)


def _alike(order: Sequence[OrderColumn], position: Position) -> int:
    """Count the columns in front that can be compared at once, as a row."""
    count = 0
    for item, value in zip(order, position, strict=True):
        turns = item.descending != order[0].descending
        if value is None or turns or (item.descending and item.nullable):
            break
        count += 1
    return count if _compares_rows(order) else min(count, 1)


def _compares_rows(order: Sequence[OrderColumn]) -> bool:
    """Whether a comparison of rows is looked up in an index; MariaDB does not."""
    return order[0].dialect in ("sqlite", "postgresql")


def _follows_key(order: Sequence[OrderColumn]) -> bool:
    """Whether any index over the first column gives this order: InnoDB's have the key in them."""
    return all(
        item.descending == order[0].descending and item.column.column.primary_key
        for item in order[1:]
    )


def _compare(
    order: Sequence[OrderColumn], position: Position, number: int, *, inclusive: bool
) -> Condition:
    columns: Any = [item.expression for item in order[:number]]
    values: Any = position[:number]
    left = columns[0] if number == 1 else sa.tuple_(*columns)
    right = values[0] if number == 1 else sa.tuple_(*values)
    if order[0].descending:
        return left <= right if inclusive else left < right
    return left >= right if inclusive else left > right
