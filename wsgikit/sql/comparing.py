"""How filters compare one column: with which value, of which type, and in which words.

What is stored is compared, and not what it is shown as.  SQLite has no dates or decimals, so
there a value is spelled in every way in which the same cell would be shown (`Spellings`).  And a
number that a column cannot hold exactly equals nothing in it, and is compared by the next one
below that it can hold (`fitted`).

Words are compared in lower case by code points, whatever a column's collation; equality and order
are those of the column, so that its index serves.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from functools import partial
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import types as sqltypes

from wsgikit.sql.cells import Column, is_single, load_single
from wsgikit.sql.columns import INT64, is_decorated

Element: TypeAlias = sa.ColumnElement[Any]
Condition: TypeAlias = sa.ColumnElement[bool]

#: Operators that look for a word in a text.
WORD_OPERATORS = frozenset({"contains", "startswith", "endswith"})


class Compared:
    """How filters compare a column, and with what.

    Args:
        column: The column.
        dialect: The name of the database's dialect.
    """

    def __init__(self, column: Column, dialect: str) -> None:
        own = column.column.type
        plain = not is_decorated(own)
        self.dialect = dialect
        self.kind = column.field.kind
        #: The type that binds a value.
        self.type = bind_type(column, dialect) if plain else own
        self._fit = _fit_of(column, dialect) if plain else None
        self._cell = _CELLS.get((dialect, self.kind)) if plain else None
        self._spellings = _SPELLINGS.get(self.kind) if plain and dialect == "sqlite" else None

    def term(self, operator: str, values: Sequence[Any]) -> tuple[str, Any]:
        """Give the operator of SQL, and what to bind: one value, a list, or a tuple of values.

        Args:
            operator: As in `wsgikit.model.selection.Test`; the result may also be ``never``, or
                ``moment_lt`` and its like (see `_MOMENTS`).
            values: Of the column's type.
        """
        if operator in WORD_OPERATORS:
            pattern = word_pattern(operator, values[0], self.dialect)
            return (operator, pattern) if values[0] else ("present", None)
        if self._fit is not None:
            operator, values = fitted(operator, values, self._fit)
        if not values:
            return operator, None
        if self._spellings is not None:
            return self._spelled(operator, values, self._spellings)
        cells = values if self._cell is None else [self._cell(value) for value in values]
        return operator, list(cells) if operator == "in" else cells[0]

    def _spelled(
        self, operator: str, values: Sequence[Any], spellings: "Spellings"
    ) -> tuple[str, Any]:
        if operator in ("eq", "in"):
            return "in", [text for value in values for text in spellings.texts(value)]
        # The shortest spelling comes first: 03:04 before 03:04:00.000000.
        texts = spellings.clocks(values[0])
        clock = texts[0] if operator in ("lt", "gte") else texts[-1]
        day = spellings.day(values[0])
        if not day:
            return operator, clock
        return f"moment_{operator}", (f"{day} {clock}", f"{day}T", f"{day}T{clock}")

    def expression(self, column: Element, *, wide: bool = False) -> Element:
        """Give what is compared of a column.

        Args:
            column: The column, or that of an alias.
            wide: Convert MariaDB's texts to utf8mb4, for values that their own character set
                has not.
        """
        raw: Element = sa.type_coerce(column, sqltypes.NullType())
        if self.kind == "other" and self.dialect == "postgresql":
            return sa.cast(raw, sqltypes.Text)
        return as_utf8mb4(raw) if wide and self.kind in ("text", "enum") else raw

    def condition(
        self, column: Element, operator: str, parameter: str, *, wide: bool = False
    ) -> Condition:
        """Give the condition of a term; it may be NULL where the column is.

        Args:
            column: The column, or that of an alias.
            operator: As `term` gives it.
            parameter: The name of the parameter, or what the names of several begin with.
            wide: As in `expression`.
        """
        if operator == "present":
            return self._present(column)
        expression = self.expression(column, wide=wide)
        if operator in WORD_OPERATORS:
            word = sa.bindparam(parameter, type_=sqltypes.String())
            return word_condition(operator, expression, word, self.dialect)
        if operator in _MOMENTS:
            names = (f"{parameter}_{n}" for n in range(3))
            values = [sa.bindparam(name, type_=self.type) for name in names]
            return _MOMENTS[operator](expression, *values)
        value = sa.bindparam(parameter, type_=self.type, expanding=operator == "in")
        return _COMPARISONS[operator](expression, value)

    def _present(self, column: Element) -> Condition:
        """The condition that there is a value; JSON's null is shown as none."""
        raw: Element = sa.type_coerce(column, sqltypes.NullType())
        if self.kind != "json":
            return raw.is_not(None)
        text = sa.cast(raw, sqltypes.Text) if self.dialect == "postgresql" else raw
        return sa.and_(raw.is_not(None), sa.func.trim(text) != "null")


def bind_type(column: Column, dialect: str) -> sqltypes.TypeEngine[Any]:
    if dialect == "sqlite":
        return sqltypes.NullType()
    if dialect == "postgresql":
        return _POSTGRESQL_TYPES.get(column.field.kind, column.store)
    return _MARIADB_TYPES.get(column.field.kind, column.store)


#: Types without a length, precision or scale, to which PostgreSQL would round a value.
_POSTGRESQL_TYPES: Mapping[str, sqltypes.TypeEngine[Any]] = {
    "integer": sqltypes.BigInteger(),
    "float": sqltypes.Double(),
    "decimal": sqltypes.Numeric(),
    "other": sqltypes.Text(),
}

_MARIADB_TYPES: Mapping[str, sqltypes.TypeEngine[Any]] = {
    "boolean": sqltypes.Integer(),
    "decimal": sqltypes.Numeric(),
    "interval": sqltypes.DateTime(),
    "other": sqltypes.NullType(),
}


def _other_cell(value: Any) -> Any:
    return value if not isinstance(value, int) or _is_int64(value) else float(value)


def _text_cell(value: Any) -> Any:
    # Any type of MariaDB can be compared with a text, but not with a number.
    return str(value) if isinstance(value, int | float) else value


def _is_int64(value: int) -> bool:
    return INT64[0] <= value <= INT64[1]


#: What stands in the cell of a value, by dialect and kind.
_CELLS: Mapping[tuple[str, str], Callable[[Any], Any]] = {
    ("sqlite", "boolean"): int,
    ("sqlite", "date"): date.isoformat,
    ("sqlite", "uuid"): lambda value: value.hex,
    ("sqlite", "other"): _other_cell,
    ("mariadb", "boolean"): int,
    ("mysql", "boolean"): int,
    ("mariadb", "other"): _text_cell,
    ("mysql", "other"): _text_cell,
    ("postgresql", "other"): str,
}


class Spellings:
    """The texts in SQLite's cells that are shown as one moment or time of day."""

    def texts(self, value: Any) -> list[str]:
        day = self.day(value)
        clocks = self.clocks(value)
        return [f"{day}{mark}{clock}" for mark in " T" for clock in clocks] if day else clocks

    def day(self, value: Any) -> str:
        """Give the day, if there is one; see `wsgikit.sql.cells._DATETIME` for what is read."""
        return value.date().isoformat() if isinstance(value, datetime) else ""

    def clocks(self, value: Any) -> list[str]:
        """Give the times of day, the shortest first; each is less than the next."""
        texts = [f"{value:%H:%M:%S.%f}"]
        if value.microsecond % 1000 == 0:
            texts.insert(0, texts[-1][:-3])
        if value.microsecond == 0:
            texts.insert(0, f"{value:%H:%M:%S}")
            if value.second == 0:
                texts.insert(0, f"{value:%H:%M}")
        return texts


_SPELLINGS = dict.fromkeys(("datetime", "time", "interval"), Spellings())


# -- numbers that a column cannot hold -------------------------------------------------------

#: Finds the greatest value that a column can hold and that is not above the given one, and says
#: whether it is that one; `BELOW` or `ABOVE` if all that it can hold is on one side.
Fit: TypeAlias = Callable[[Any], tuple[Any, bool]]

BELOW, ABOVE = object(), object()


def fitted(operator: str, values: Sequence[Any], fit: Fit) -> tuple[str, Sequence[Any]]:
    """Ask the same with values that the column can hold.

    Returns:
        The operator and the values; ``never`` or ``present`` without values, if nothing is
        equal, or everything on the right side.
    """
    if operator in ("eq", "in"):
        found = [value for value, exact in map(fit, values) if exact]
        return (operator, found) if found else ("never", ())
    if not values:
        return operator, ()
    floor, exact = fit(values[0])
    less = operator in ("lt", "lte")
    if floor is BELOW or floor is ABOVE:
        return ("present" if (floor is ABOVE) == less else "never"), ()
    if exact:
        return operator, (floor,)
    return ("lte" if less else "gt"), (floor,)


def _fit_of(column: Column, dialect: str) -> Fit | None:
    own: Any = column.column.type
    kind = column.field.kind
    if kind == "float" and is_single(own, dialect):
        return partial(_fit_single, least=-math.inf if dialect == "postgresql" else BELOW)
    if dialect == "postgresql":
        return None
    if kind == "interval":
        return _fit_interval
    if kind == "decimal" and dialect == "sqlite":
        return _fit_double
    if kind == "decimal":
        scale = 30 if own.scale is None else own.scale
        return partial(_fit_decimal, whole=(own.precision or 65) - scale, scale=scale)
    return None


def _fit_single(value: float, least: Any) -> tuple[Any, bool]:
    """Fit a column of 32-bit floats, of which each is shown as the shortest text that means it."""
    try:
        [found] = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return (_MAX_SINGLE if value > 0 else least), False
    shown = load_single(found)
    if shown > value:
        found = _single_below(found)
    return found, shown == value


_MAX_SINGLE = (2 - 2**-23) * 2.0**127


def _single_below(value: float) -> float:
    # As integers, floats of one sign are in order (IEEE 754, binary32).
    [bits] = struct.unpack("<i", struct.pack("<f", value))
    bits = bits - 1 if value > 0 else bits + 1 if value < 0 else -(2**31) + 1
    [below] = struct.unpack("<f", struct.pack("<i", bits))
    return float(below)


def _fit_double(value: Decimal) -> tuple[Any, bool]:
    """Fit a decimal of SQLite, which keeps whole numbers of 64 bits, and else 64-bit floats."""
    if value.adjusted() < 19 and value == value.to_integral_value() and _is_int64(int(value)):
        return int(value), True
    found = float(value)
    shown = Decimal(repr(found))
    return (math.nextafter(found, -math.inf) if shown > value else found), shown == value


def _fit_decimal(value: Decimal, whole: int, scale: int) -> tuple[Any, bool]:
    """Fit a decimal of MariaDB, whose literals have 65 digits like its columns."""
    if value.adjusted() >= whole and value:
        return (ABOVE if value > 0 else BELOW), False
    # 65 digits at most, and those of a client's value that are cut off.
    found = value.quantize(Decimal(1).scaleb(-scale), ROUND_FLOOR, Context(prec=5000))
    return found, found == value


def _fit_interval(value: timedelta) -> tuple[Any, bool]:
    """Fit an interval that SQLAlchemy keeps as a moment after 1970."""
    try:
        return datetime(1970, 1, 1) + value, True
    except OverflowError:
        return (ABOVE if value > timedelta() else BELOW), False


# -- words -------------------------------------------------------------------------------


def word_pattern(operator: str, word: str, dialect: str) -> str:
    """Give what `word_condition` compares with: a pattern of LIKE, or on SQLite the word."""
    if dialect == "sqlite":
        return word
    for character in "/%_":
        word = word.replace(character, f"/{character}")
    before = "" if operator == "startswith" else "%"
    return f"{before}{word}" + ("" if operator == "endswith" else "%")


def word_condition(operator: str, column: Element, word: Element, dialect: str) -> Condition:
    """The condition for a column to contain, begin or end with a word, whatever its case."""
    if dialect == "sqlite":
        return _SQLITE_WORDS[operator](_lower_bytes(column), _lower_bytes(word))
    if dialect == "postgresql":
        # One collation for both, and none of those that cannot say LIKE.
        text = sa.collate(sa.cast(column, sqltypes.Text), "default")
        return sa.func.lower(text).like(sa.func.lower(word), escape="/")
    text = sa.collate(sa.func.lower(as_utf8mb4(column)), "utf8mb4_bin")
    return text.like(sa.func.lower(as_utf8mb4(word)), escape="/")


def _lower_bytes(text: Element) -> Element:
    # As bytes, since LIKE and substr() end at U+0000, and LIKE takes 50,000 bytes at most.
    return sa.cast(sa.func.lower(text), sqltypes.LargeBinary)


def _starts(text: Element, word: Element) -> Condition:
    return _part(text, 1, sa.func.length(word)) == word


def _ends(text: Element, word: Element) -> Condition:
    return _part(text, -sa.func.length(word)) == word


def _part(text: Element, *place: Any) -> Element:
    # SQLite makes NULL of a part of no bytes.
    return sa.func.coalesce(sa.func.substr(text, *place), sa.literal_column("''"))


_SQLITE_WORDS: Mapping[str, Callable[[Element, Element], Condition]] = {
    "contains": lambda text, word: sa.func.instr(text, word) > 0,
    "startswith": _starts,
    "endswith": _ends,
}


def as_utf8mb4(text: Element) -> Element:
    """Convert a text of MariaDB to the character set that has all characters."""
    # Imported here: it is loaded already where a MariaDB is used, and not needed elsewhere.
    from sqlalchemy.dialects.mysql import CHAR

    return sa.cast(text, CHAR(charset="utf8mb4"))


# -- operators ---------------------------------------------------------------------------

_COMPARISONS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "eq": lambda column, value: column == value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "in": lambda column, values: column.in_(values),
}

#: Comparisons with a moment that may be spelled with a blank or a T between day and time; the
#: values are the moment with a blank, its day with a T, and the moment with a T.  The blank
#: comes before the T, and both after what is spelled of the day before.
_MOMENTS: Mapping[str, Callable[[Any, Any, Any, Any], Condition]] = {
    "moment_lt": lambda column, blank, day, t: sa.or_(
        column < blank, sa.and_(column >= day, column < t)
    ),
    "moment_lte": lambda column, blank, day, t: sa.or_(
        column <= blank, sa.and_(column >= day, column <= t)
    ),
    "moment_gt": lambda column, blank, day, t: sa.or_(
        column > t, sa.and_(column > blank, column < day)
    ),
    "moment_gte": lambda column, blank, day, t: sa.or_(
        column >= t, sa.and_(column >= blank, column < day)
    ),
}
