"""A column of a table as a `wsgikit.model.Field`: SQLAlchemy's types as kinds with limits."""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy import types as sqltypes

from wsgikit.model import Field, Reference, Unfit

INT64 = (-(2**63), 2**63 - 1)
#: The ranges of whole numbers, by the names of types.  SQLite stores 64 bits in all of them.
_RANGES = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SmallInteger": (-(2**15), 2**15 - 1),
    "MEDIUMINT": (-(2**23), 2**23 - 1),
    "BigInteger": INT64,
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


def is_indexed(column: sa.Column[Any]) -> bool:
    """Say whether a column is the first one of an index, of the key, or of what is unique."""
    table: Any = column.table
    unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    sorted_by = (each.columns for each in (table.primary_key, *unique, *table.indexes))
    return any(column is next(iter(columns), None) for columns in sorted_by)


def field_of(column: sa.Column[Any], dialect: str) -> Field:
    """Describe a column as a field.

    Args:
        column: A column of a table.
        dialect: The name of the database's dialect: limits differ.
    """
    kind, limits = kind_of(column.type, dialect)
    generated = column.computed is not None or (
        column.identity is not None and bool(column.identity.always)
    )
    counts_up = column is column.table._autoincrement_column
    has_default = bool(counts_up or column.default is not None or column.server_default is not None)
    reflected = dialect == "sqlite" and type(column.type).__name__ == "DATETIME"
    if reflected and column.primary_key:
        # A foreign file spells times in its own way, and a key must be met exactly.
        kind, limits = "text", {}
    limits = _narrowed(limits, column.info)
    writable = not generated and (kind != "other" or is_untyped(column.type, dialect))
    nullable = bool(column.nullable) and not column.primary_key
    field = Field(
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
        misfits=_misfits_of(column, kind, dialect),
        **limits,
    )
    return field if column.default is not None else replace(field, default=_written(field, column))


def _narrowed(limits: dict[str, Any], info: Mapping[Any, Any]) -> dict[str, Any]:
    """Take over the bounds that a column says, so that clients hear of them from us."""
    bounds = {name: info[name] for name in ("minimum", "maximum") if name in info}
    if not bounds:
        return limits
    outside = {"minimum": {"-Infinity", "NaN"}, "maximum": {"Infinity", "NaN"}}
    nonfinite = limits.get("nonfinite", frozenset()).difference(*(outside[name] for name in bounds))
    width = (limits["minimum"], limits["maximum"]) if "minimum" in limits else None
    return {**limits, **bounds, "nonfinite": nonfinite, "width": width}


#: What `wsgikit.sql.cells` shows of cells that do not convert, by dialect and kind.  SQLite
#: keeps anything in any column; the others have dates that Python has not, and MariaDB's
#: boolean is a number.
_MISFITS: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {
        **dict.fromkeys(("boolean", "date", "datetime", "time", "interval", "uuid", "enum",
                         "integer", "array"), ("string", "number")),
        "float": ("string",),
        "binary": ("number",),
    },
    "postgresql": dict.fromkeys(("date", "datetime", "time", "interval"), ("string",)),
}  # fmt: skip
_MISFITS["mariadb"] = _MISFITS["mysql"] = {
    **dict.fromkeys(("date", "datetime", "time", "interval", "enum"), ("string",)),
    "boolean": ("number",),
}
_ANYTHING = ("string", "number", "boolean", "object", "array")


def _misfits_of(column: sa.Column[Any], kind: str, dialect: str) -> tuple[str, ...]:
    if is_decorated(column.type):
        return _ANYTHING
    misfits = _MISFITS.get(dialect, {}).get(kind, ())
    # SQLite lets a primary key be null, unless it is the number of the row.
    nulls = dialect == "sqlite" and column.primary_key and column.nullable
    counts_up = column is column.table._autoincrement_column
    return (*misfits, "null") if nulls and not counts_up else misfits


def is_untyped(type_: sqltypes.TypeEngine[Any], dialect: str) -> bool:
    return dialect == "sqlite" and isinstance(type_, sqltypes.NullType)


def is_decorated(type_: sqltypes.TypeEngine[Any]) -> bool:
    """Whether a project's own type converts the values."""
    ours = sqltypes.PickleType | sqltypes.Interval
    return isinstance(type_, sqltypes.TypeDecorator) and not isinstance(type_, ours)


def is_plain_text(column: sa.Column[Any], field: Field) -> bool:
    """Whether what is stored in a column is the text that people see."""
    return field.kind == "text" and not is_decorated(column.type)


def kind_of(type_: sqltypes.TypeEngine[Any], dialect: str) -> tuple[str, dict[str, Any]]:
    if is_decorated(type_):
        return kind_of(type_.impl_instance, dialect)  # type: ignore[attr-defined]
    if type(type_).__name__ in _NAMED_KINDS:
        return _NAMED_KINDS[type(type_).__name__]
    kind = next((kind for cls, kind in _TYPE_KINDS if isinstance(type_, cls)), "other")
    if kind == "decimal" and not getattr(type_, "asdecimal", True):
        kind = "float"
    return kind, _LIMITS[kind](type_, dialect) if kind in _LIMITS else {}


def _text_limits(type_: Any, dialect: str) -> dict[str, Any]:
    # MariaDB's MEDIUMTEXT and LONGTEXT are no subclasses.
    long = isinstance(type_, sqltypes.Text) or type(type_).__name__ in ("MEDIUMTEXT", "LONGTEXT")
    multiline = long or (type_.length or 0) > 255
    # A reflected MariaDB TEXT has its length in bytes, which the database checks itself.
    length = None if long else type_.length
    return {"length": length, "multiline": multiline, "nul": dialect != "postgresql"}


def _integer_limits(type_: Any, dialect: str) -> dict[str, Any]:
    low, high = INT64
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


#: Where there are no intervals, SQLAlchemy keeps moments before and after the first of 1970.
_MOMENTS = {
    "minimum": (datetime.min - datetime(1970, 1, 1)).days,
    "maximum": (datetime.max - datetime(1970, 1, 1)).days,
}


def _interval_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {} if dialect == "postgresql" else dict(_MOMENTS)


def _time_limits(type_: Any, dialect: str) -> dict[str, Any]:
    # Only PostgreSQL stores an offset.
    return {"timezone": dialect == "postgresql" and bool(type_.timezone)}


def _binary_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {"length": type_.length}


def _other_limits(type_: Any, dialect: str) -> dict[str, Any]:
    return {"nul": dialect != "postgresql"}


def _array_limits(type_: Any, dialect: str) -> dict[str, Any]:
    if (type_.dimensions or 1) > 1:
        return {}
    kind, limits = kind_of(type_.item_type, dialect)
    return {"items": Field("item", kind, **limits)}


_LIMITS: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "text": _text_limits,
    "integer": _integer_limits,
    "float": _float_limits,
    "decimal": _decimal_limits,
    "enum": _enum_limits,
    "interval": _interval_limits,
    "datetime": _time_limits,
    "time": _time_limits,
    "binary": _binary_limits,
    "array": _array_limits,
    "other": _other_limits,
}


def _constant_default(column: sa.Column[Any]) -> Any:
    default: Any = column.default
    return spelled(column, default.arg) if default is not None and default.is_scalar else None


#: A constant in SQL: a text, of a type on PostgreSQL, a number, or a truth value.  One with a
#: backslash is spelled differently everywhere.
_LITERAL = re.compile(
    r"\(?(?:'(?P<text>(?:[^'\\]|'')*)'(?:::[\w \"().]+)?|(?P<plain>-?[0-9.]+|true|false))\)?",
    re.IGNORECASE,
)


def _written(field: Field, column: sa.Column[Any]) -> Any:
    """Give the default that the database itself has for a column, if it is a plain constant."""
    default: Any = getattr(column.server_default, "arg", None)
    if isinstance(default, str):
        text: str | None = default
    else:
        match = _LITERAL.fullmatch(str(getattr(default, "text", default)))
        text = match and (match["plain"] or (match["text"] or "").replace("''", "'"))
    try:
        return None if text is None or field.kind in ("binary", "other") else field.read(text)
    except Unfit:
        return None


def spelled(column: sa.Column[Any], value: Any) -> Any:
    """Give what SQLAlchemy stores of a member of an enum: its name, unless told otherwise."""
    if not isinstance(value, enum.Enum) or not isinstance(column.type, sqltypes.Enum):
        return value
    members = type(value).__members__.values()
    return dict(zip(members, column.type.enums, strict=False)).get(value, value)


def _reference_of(column: sa.Column[Any]) -> Reference | None:
    target = target_of(column)
    return None if target is None else Reference(str(target.table.name), str(target.key))


def target_of(column: sa.Column[Any]) -> sa.Column[Any] | None:
    """Find the primary key that a foreign key of one column refers to."""
    for key in column.foreign_keys:
        try:
            target = key.column
        except exc.SQLAlchemyError:
            continue  # the other table was not described
        alone = key.constraint is None or len(key.constraint.elements) == 1
        if alone and list(target.table.primary_key.columns) == [target]:
            return target
    return None
