"""A column's cells: what is fetched of them, and what it means.

A column is read as its type says, except where that could fail or show another value than the
stored one.  What does not convert is shown as it is.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite.base import SQLiteDialect as sqlite_dialect

from wsgikit.model import KINDS, Field, Unfit, read_json, write_interval
from wsgikit.sql.columns import is_decorated, is_untyped, kind_of

Loader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
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


def column_of(column: sa.Column[Any], field: Field, dialect: str) -> Column:
    own: sqltypes.TypeEngine[Any] = column.type
    store = _store_type(own, field, dialect)
    raw: sa.ColumnElement[Any] = sa.type_coerce(column, sqltypes.NullType())
    if is_decorated(own):
        if dialect == "sqlite":
            return Column(field, column, column, _spelled_out(column), _load_plain,
                          _SpelledOutLoader(_load_plain), own)  # fmt: skip
        return Column(field, column, column, raw, _load_plain, _load_plain, own)
    load = _SQLITE_LOADERS.get(field.kind) if dialect == "sqlite" else _LOADERS.get(field.kind)
    if dialect == "sqlite":
        if field.kind == "decimal" and field.scale:
            load = _DecimalLoader(field.scale)
        if column.primary_key and field.kind in SPELLINGS:
            load = _SpelledLoader(_SQLITE_LOADERS[field.kind], SPELLINGS[field.kind])
        careful = _spelled_out(column)
        return Column(field, column, raw, careful, load, _SpelledOutLoader(load), store)
    if field.kind == "enum":
        text = sa.type_coerce(column, sqltypes.String())
        return Column(field, column, text, text, None, None, store)
    as_text: sa.ColumnElement[Any] = sa.cast(
        column, sqltypes.Text if dialect == "postgresql" else sqltypes.CHAR
    )
    if field.kind == "interval" or (dialect == "postgresql" and field.kind == "other"):
        return Column(field, column, as_text, as_text, load, load, store)
    if field.kind == "boolean":
        # MariaDB's TINYINT(1) may hold 2, which is not true.
        number = column if dialect == "postgresql" else sa.type_coerce(column, sa.Integer())
        return Column(field, column, number, number, load, load, store)
    if field.kind == "json":
        as_text = as_text if dialect == "postgresql" else raw
        return Column(field, column, as_text, as_text, _load_json, _load_json, store)
    if field.kind == "array":
        elements = sa.cast(sa.func.to_json(column), sqltypes.Text)
        return Column(field, column, column, elements, _load_plain, _ElementsLoader(field), store)
    if is_single(own, dialect) and dialect != "postgresql":
        # MariaDB writes a FLOAT with six digits; as a double it comes with all of them.
        double: sa.ColumnElement[Any] = sa.type_coerce(
            column + sa.literal_column("0e0"), sa.Double()
        )
        return Column(field, column, double, double, load_single, load_single, store)
    if field.kind == "other":
        return Column(field, column, raw, raw, load, load, store)
    if field.kind == "time" and dialect != "postgresql":
        # SQLAlchemy would show MariaDB's 838:59:59 as a time of day.
        return Column(field, column, raw, raw, _load_span, _load_span, store)
    typed = sa.type_coerce(column, store)
    if field.kind in ("date", "datetime", "time"):
        return Column(field, column, typed, as_text, load, _TextLoader(field), store)
    return Column(field, column, typed, typed, load, load, store)


def names_rows(column: sa.Column[Any], dialect: str) -> bool:
    """Whether a key of this type names a row exactly, in a URL and to the database."""
    kind, _limits = kind_of(column.type, dialect)
    if dialect == "sqlite":
        return kind not in ("json", "array", "interval") or is_untyped(column.type, dialect)
    return kind not in ("float", "json", "array", "interval", "other")


def undecorated(column: Column, dialect: str) -> Column:
    """Give a column as the type that its own type decorates."""
    own = column.column.type
    if not is_decorated(own):
        return column
    plain: Any = sa.type_coerce(column.column, own.impl_instance)  # type: ignore[attr-defined]
    return undecorated(column_of(plain, column.field, dialect), dialect)


def is_single(type_: sqltypes.TypeEngine[Any], dialect: str) -> bool:
    """Whether numbers of a type have 32 bits, so that 0.1 is stored as 0.100000001490116."""
    name, digits = type(type_).__name__.upper(), getattr(type_, "precision", None)
    if dialect == "postgresql":
        return name == "REAL" or (name == "FLOAT" and 0 < (digits or 53) <= 24)
    return dialect != "sqlite" and name == "FLOAT" and (digits or 0) <= 24


def quoted(table: sa.Table) -> str:
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


def _spelled_out(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Select a cell of SQLite so that texts come as their bytes, which need not be UTF-8."""
    as_bytes = sa.literal("t") + sa.func.hex(column)
    raw = sa.type_coerce(column, sqltypes.NullType())
    cell = sa.case((sa.func.typeof(column) == "text", as_bytes), else_=raw)
    return sa.type_coerce(cell, sqltypes.NullType())


class Undecodable(bytes):
    """The bytes of a text that is not UTF-8."""


def read_spelled_out(value: Any) -> Any:
    """Give the cell that was selected by its bytes."""
    if not isinstance(value, str):
        return value
    text = bytes.fromhex(value[1:])
    try:
        return text.decode()
    except UnicodeDecodeError:
        return Undecodable(text)


class _SpelledOutLoader:
    """Read a cell of SQLite that was selected by its bytes; what is not UTF-8 stays bytes."""

    def __init__(self, load: Loader | None) -> None:
        self.load = load

    def __call__(self, value: Any) -> Any:
        value = read_spelled_out(value)
        if isinstance(value, Undecodable):
            return bytes(value)
        return value if self.load is None else self.load(value)


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


SPELLINGS: dict[str, Callable[[Any], str]] = {
    "datetime": lambda value: f"{value:%Y-%m-%d %H:%M:%S.%f}",
    "time": lambda value: f"{value:%H:%M:%S.%f}",
}


def load_single(value: Any) -> Any:
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

PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
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


def is_value(field: Field, value: Any) -> bool:
    """Whether a value can be bound as one of its field, and so be looked for."""
    if isinstance(value, bool) and field.kind != "boolean":
        return False
    return isinstance(value, PYTHON_TYPES[field.kind]) and field.holds(value)
