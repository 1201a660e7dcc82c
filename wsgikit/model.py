"""The contract between a collection and a store: `Model`, `Field`, `Page` and the errors.

Use it alone to write a model of your own: anything with these six verbs (list, retrieve,
create, update, delete, stream) can be served by a
`wsgikit.model_collection.ModelCollection`.  `MemoryModel` is the worked example.

    from wsgikit.model import Field, MemoryModel

    people = MemoryModel([Field("id", "integer", required=False), Field("name", length=80)])
    ada = people.create({"name": "Ada"})
    assert people.retrieve(ada["id"]) == {"id": 1, "name": "Ada"}

Values travel as plain Python objects: a row is a dict from field name to `str`, `int`,
`float`, `Decimal`, `bool`, `date`, `time`, `datetime`, `timedelta`, `UUID`, `bytes`, a
dict or list (JSON), or `None`.
What a client sends comes in as JSON spells it (`Field.check` converts it), or as `Text`,
which is what forms send and still needs reading by the field's kind.
`clean` does this for a whole row and reports every mistake at once.
Nothing here knows SQL or WSGI.
"""

import base64
import binascii
import hashlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from wsgikit.query import (
    Cursor,
    Part,
    Query,
    QueryError,
    decode_cursor,
    describe_ordering,
    encode_cursor,
)

T = TypeVar("T")
Zoned = TypeVar("Zoned", datetime, time)
Number = TypeVar("Number", int, float, Decimal)

Row = dict[str, Any]
Values = Mapping[str, Any]

#: The most decimal digits of a number (Python's own default bound for text to int).
MAX_DIGITS = 4300

#: Levels of a JSON value: with the row and the list around it, below what JSON parsers take.
MAX_DEPTH = 60


class Text(str):
    """A value as people type it, such as a form field: still to be read by its field's kind."""


class _Default:
    """The type of `DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


#: In the values of an update: set this field to what a new row would get.
DEFAULT: Final = _Default()


_NONFINITE = frozenset({"NaN", "Infinity", "-Infinity"})

REQUIRED = "A value is required."


# -- errors ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one value.

    Attributes:
        field: The field's name; empty when no single field is at fault.
        code: One of `required type length range choice unique reference in_use check
            unknown read_only`.
        detail: One sentence for people.
    """

    field: str
    code: str
    detail: str


class ModelError(Exception):
    """The base of what a model raises on purpose."""


class NotFoundError(ModelError, KeyError):
    """There is no row of this key."""


class RefusedError(ModelError):
    """The values cannot be stored; `errors` says which and why."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{e.field}: {e.detail}" for e in self.errors))


class ValidationError(RefusedError, ValueError):
    """The values themselves are wrong; one entry per field."""


class ConflictError(RefusedError):
    """The values are right, but clash with other rows."""


class VersionError(ModelError):
    """The row is no longer the version that the caller saw; `row` is what it is now."""

    def __init__(self, row: Row) -> None:
        self.row = row
        super().__init__("The row was changed in the meantime.")


class DeniedError(ModelError, PermissionError):
    """This model, or its database, does not allow the operation."""


class UnavailableError(ModelError):
    """The store cannot be reached, or is busy.

    Attributes:
        retry_after: Seconds after which another try is worthwhile.
    """

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreError(ModelError):
    """The store failed in a way that is nobody's fault who asked; the cause is chained."""


class Unfit(ValueError):
    """One value does not fit its field: a code and a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


# -- fields ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: the model it points to, and the field there."""

    model: str
    field: str


@dataclass(frozen=True)
class Field:
    """One column of a model: its kind, its limits, and how its values are read and written.

    `kind` is one of the names in `KINDS`: text, integer, float, decimal, boolean, date,
    datetime, time, interval, uuid, binary, enum, json, array, other.
    """

    name: str
    kind: str = "text"
    _: KW_ONLY
    #: What people read; derived from the name when empty.
    label: str = ""
    #: Whether `None` may be stored.
    nullable: bool = True
    #: Whether a new row must be given a value.
    required: bool = False
    #: Whether clients may set it.
    writable: bool = True
    #: Whether the store gives a value to a new row that has none.
    has_default: bool = False
    #: That value, where it is a constant.
    default: Any = None
    #: Characters of a text, or bytes of a binary, at most.
    length: int | None = None
    #: The least and the greatest number.
    minimum: int | None = None
    maximum: int | None = None
    #: Digits of a decimal in all, and after the point.
    precision: int | None = None
    scale: int | None = None
    #: Digits of a decimal that the store keeps exactly, wherever the point is.
    digits: int | None = None
    #: What a float or decimal may be besides a number: "NaN", "Infinity", "-Infinity".
    nonfinite: frozenset[str] = frozenset()
    #: The texts that an enum may be.
    choices: tuple[str, ...] = ()
    #: Whether a datetime or time carries a UTC offset: it must, or it must not.
    timezone: bool = False
    #: What the elements of an array are.
    items: "Field | None" = None
    #: Whether a text may hold U+0000.
    nul: bool = True
    #: Whether a text usually has several lines.
    multiline: bool = False
    #: A sentence that helps to fill it in.
    hint: str = ""
    #: The row of another model that the value names.
    references: Reference | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if not self.label:
            words = self.name.replace("_", " ").strip() or self.name
            object.__setattr__(self, "label", words[:1].upper() + words[1:])

    def check(self, value: Any) -> Any:
        """Turn what a client sent into a value to store.

        Args:
            value: As JSON spells it (ISO 8601 for dates and times, text for decimals and
                UUIDs, base64 for bytes), a `Text` as people type it, or the Python value.

        Returns:
            The Python value.  `None`, or an empty `Text`, becomes `None`.

        Raises:
            Unfit: If it is none of these, or outside the field's limits.
        """
        if isinstance(value, Text):
            value = self._read(_newlines(value)) if value else None
        if value is None:
            if not self.nullable:
                raise Unfit("required", REQUIRED)
            return None
        return KINDS[self.kind](self, value)

    def read(self, text: str) -> Any:
        """Turn the exact text of a key or a cursor into a value; the inverse of `to_text`.

        It names what may be stored already, so the field's limits do not count.

        Raises:
            Unfit: If the text is no such value.
        """
        return self._unlimited.check(self._read(text))

    def holds(self, value: Any) -> bool:
        """Whether a value has the field's type, be it within the limits or not."""
        try:
            return bool(self._unlimited.check(value) == value)
        except Unfit:
            return False

    @cached_property
    def _unlimited(self) -> "Field":
        """The same type for what is stored already; whole numbers keep their width."""
        return replace(
            self,
            nullable=False,
            length=None,
            precision=None,
            scale=None,
            digits=None,
            nonfinite=_NONFINITE,
        )

    def _read(self, text: str) -> Any:
        reader = READERS.get(self.kind)
        return str(text) if reader is None else reader(text)

    def same(self, stored: Any, given: Any) -> bool:
        """Whether what a client gave is what it was shown of the stored value."""
        if isinstance(given, Text):
            return _newlines(given) == _newlines(to_text(stored) or "")
        if isinstance(stored, _PLAIN) and not isinstance(given, str):
            return type(given) is type(stored) and bool(given == stored)
        if isinstance(given, str) and not isinstance(stored, dict | list):
            return to_text(stored) == given
        return type(stored) is type(given) and _dumps(stored) == _dumps(given)


_PLAIN = (bool, int, float, type(None))


def _newlines(text: str) -> str:
    # Browsers send every line break of a form as CR LF (HTML, "constructing the entry list").
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=to_text)


def to_text(value: Any) -> str | None:
    """Write a value as people and URLs see it; `None` stays `None`.

    The inverse of `Field.read`: ISO 8601, `true`/`false`, base64, JSON.
    A value of any other type is its `str()`.
    """
    if value is None or isinstance(value, str):
        return value
    writer = WRITERS.get(type(value))
    return str(value) if writer is None else writer(value)


def write_interval(value: timedelta) -> str:
    """Write an ISO 8601 duration of days, hours, minutes and seconds (`-P1DT2H3M4.5S`)."""
    if not value:
        return "PT0S"
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}{fraction}S" if seconds or fraction else ""
    return f"{sign}P{days}" + (f"T{clock}" if clock else "")


def write_float(value: float) -> str:
    """Write a float as its shortest exact text; `NaN`, `Infinity`, `-Infinity`."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _write_decimal(value: Decimal) -> str:
    return str(value) if value.is_finite() else write_float(float(value))


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=to_text)


WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: write_float,
    Decimal: _write_decimal,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: write_interval,
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
    dict: _write_json,
    list: _write_json,
}


# -- kinds: what a client may send, and what is stored ------------------------------------


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("type", f"Must be text, not {_spell(value)}.")
    if not _is_unicode(value) or ("\0" in value and not field.nul):
        raise Unfit("type", "Has a character that cannot be stored.")
    _bound_length(field, len(value), "characters")
    return value


def _is_unicode(text: str) -> bool:
    # A lone surrogate is no character (Unicode, D75), and no UTF-8.
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _integer(field: Field, value: Any) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit("type", f"Must be a whole number, not {_spell(value)}.")
    return _bound(field, value)


def _float(field: Field, value: Any) -> float:
    if isinstance(value, str) and value in field.nonfinite:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("type", f"Must be a number, not {_spell(value)}.")
    try:
        number = float(value)
    except OverflowError as error:
        raise Unfit("range", "Is too large a number.") from error
    if not math.isfinite(number) and write_float(number) not in field.nonfinite:
        raise Unfit("range", "Must be a finite number.")
    return _bound(field, number)


_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)


def _decimal(field: Field, value: Any) -> Decimal:
    if isinstance(value, str) and value in field.nonfinite:
        return Decimal(value)
    if isinstance(value, float):
        value = write_float(value)
    spelled = isinstance(value, str) and len(value) <= MAX_DIGITS and _DECIMAL.fullmatch(value)
    if spelled or (isinstance(value, int) and not isinstance(value, bool)):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise Unfit("type", f'Must be a decimal number such as "12.50", not {_spell(value)}.')
    if not value.is_finite():
        if _write_decimal(value) not in field.nonfinite:
            raise Unfit("range", "Must be a finite number.")
        return value
    _bound_digits(field, value)
    return _bound(field, value)


def _bound_digits(field: Field, value: Decimal) -> None:
    _sign, digits, exponent = value.as_tuple()
    places = max(0, -int(exponent))
    if value and not -MAX_DIGITS <= value.adjusted() <= MAX_DIGITS:
        raise Unfit("range", "Has too large an exponent.")
    # 1.500 fits two places: zeros at the end say nothing.
    if field.scale is not None and any(digits[len(digits) - max(0, places - field.scale) :]):
        raise Unfit("range", f"Must have at most {field.scale} decimal places.")
    whole = None if field.precision is None else field.precision - (field.scale or 0)
    if whole is not None and value and value.adjusted() >= whole:
        raise Unfit("range", f"Must have at most {whole} digits before the point.")
    if field.digits is not None and len("".join(map(str, digits)).strip("0")) > field.digits:
        raise Unfit("range", f"Must have at most {field.digits} digits.")


def _boolean(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("type", f"Must be true or false, not {_spell(value)}.")
    return value


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]" + _CLOCK, re.ASCII)


def _date(field: Field, value: Any) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        value = _iso(date.fromisoformat, value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit("type", f"Must be a date such as 2026-02-28, not {_spell(value)}.")
    return value


def _datetime(field: Field, value: Any) -> datetime:
    if isinstance(value, str) and _DATETIME.fullmatch(value):
        value = _iso(datetime.fromisoformat, value)
    example = "2026-02-28T12:30:00" + ("+00:00" if field.timezone else "")
    if not isinstance(value, datetime):
        raise Unfit("type", f"Must be a date and time such as {example}, not {_spell(value)}.")
    return _zoned(field, value)


def _time(field: Field, value: Any) -> time:
    if isinstance(value, str) and _TIME.fullmatch(value):
        value = _iso(time.fromisoformat, value)
    if not isinstance(value, time):
        raise Unfit("type", f"Must be a time such as 12:30:00, not {_spell(value)}.")
    return _zoned(field, value)


def _iso(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise Unfit("range", f"There is no such date or time as {text}.") from error


def _zoned(field: Field, value: Zoned) -> Zoned:
    if field.timezone and value.tzinfo is None:
        raise Unfit("type", "Must have a UTC offset, such as +00:00 at the end.")
    if not field.timezone and value.tzinfo is not None:
        raise Unfit("type", "Must have no UTC offset: a local time is stored.")
    return value


_INTERVAL = re.compile(
    r"(?P<sign>-?)P(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9})(?:\.(?P<fraction>\d{1,6}))?S)?)?",
    re.ASCII,
)


def _interval(field: Field, value: Any) -> timedelta:
    match = _INTERVAL.fullmatch(value) if isinstance(value, str) else None
    if match and not value.endswith("P"):
        parts = {unit: int(match[unit] or 0) for unit in ("days", "hours", "minutes", "seconds")}
        fraction = int((match["fraction"] or "").ljust(6, "0"))
        value = _span(-1 if match["sign"] else 1, microseconds=fraction, **parts)
    if not isinstance(value, timedelta):
        raise Unfit("type", f"Must be a duration such as P1DT2H30M, not {_spell(value)}.")
    return value


def _span(sign: int, **parts: int) -> timedelta:
    try:
        return sign * timedelta(**parts)
    except OverflowError as error:
        raise Unfit("range", "Is too long a duration.") from error


def _uuid(field: Field, value: Any) -> UUID:
    if isinstance(value, str) and len(value) == 36:
        try:
            value = UUID(value)
        except ValueError as error:
            raise Unfit("type", f"Must be a UUID, not {_spell(value)}.") from error
    if not isinstance(value, UUID):
        raise Unfit("type", f"Must be a UUID, not {_spell(value)}.")
    return value


def _binary(field: Field, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Unfit("type", "Must be bytes in base64 (RFC 4648, section 4).") from error
    if not isinstance(value, bytes):
        raise Unfit("type", f"Must be bytes in base64, not {_spell(value)}.")
    _bound_length(field, len(value), "bytes")
    return value


def _enum(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("type", f"Must be text, not {_spell(value)}.")
    if value not in field.choices:
        raise Unfit("choice", f"Must be one of {', '.join(field.choices)}.")
    return value


def _json(field: Field, value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit("type", "Must be JSON.") from error
    if not _is_unicode(text) or _depth(value) > MAX_DEPTH:
        raise Unfit("type", f"Must be JSON text of at most {MAX_DEPTH} levels.")
    return value


def _depth(value: Any) -> int:
    """Count how deep arrays and objects are nested; an early end for what is too deep."""
    depth, level = 0, [value]
    while depth <= MAX_DEPTH and (level := [c for c in level if isinstance(c, dict | list)]):
        depth += 1
        level = [item for c in level for item in (c.values() if isinstance(c, dict) else c)]
    return depth


def _array(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit("type", f"Must be an array, not {_spell(value)}.")
    return value if field.items is None else [field.items.check(item) for item in value]


def _other(field: Field, value: Any) -> Any:
    if not isinstance(value, str | int | float | bytes):
        raise Unfit("type", f"Must be text or a number, not {_spell(value)}.")
    return _bound(field, value) if isinstance(value, int) else value


#: Kind to the function that converts and checks a value that is not `None`.
KINDS: dict[str, Callable[[Field, Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "interval": _interval,
    "uuid": _uuid,
    "binary": _binary,
    "enum": _enum,
    "json": _json,
    "array": _array,
    "other": _other,
}


def _bound(field: Field, value: Number) -> Number:
    if field.minimum is not None and value < field.minimum:
        raise Unfit("range", f"Must be at least {field.minimum}.")
    if field.maximum is not None and value > field.maximum:
        raise Unfit("range", f"Must be at most {field.maximum}.")
    return value


def _bound_length(field: Field, length: int, unit: str) -> None:
    if field.length is not None and length > field.length:
        raise Unfit("length", f"Must have at most {field.length} {unit}, not {length}.")


def _spell(value: Any) -> str:
    """Name a value in a message, shortly."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(str(value)) if isinstance(value, str) else str(to_text(value))
    return text if len(text) <= 40 else text[:40] + "…"


# -- readers: text to what JSON would spell ------------------------------------------------


_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False,
             "yes": True, "no": False}  # fmt: skip


def _read_integer(text: str) -> Any:
    text = text.strip()
    return int(text) if len(text) <= MAX_DIGITS and _INTEGER.fullmatch(text) else text


def _read_float(text: str) -> Any:
    text = text.strip()
    if len(text) > MAX_DIGITS or not _DECIMAL.fullmatch(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise Unfit("range", "Is too large a number.")
    return number


def read_json(text: str) -> Any:
    """Read a JSON text without losing anything of it.

    Raises:
        Unfit: If it is no JSON, or if Python's value would be another one: for a name that
            is given twice, or a number with more digits than a float has.
    """
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_exact_float,
            object_pairs_hook=_unique_names,
        )
    except (ValueError, RecursionError) as error:
        raise Unfit("type", "Must be JSON.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _exact_float(text: str) -> float:
    number = float(text)
    if math.isinf(number) or Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text} has too many digits")
    return number


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name is given twice")
    return result


def _read_other(text: str) -> Any:
    return int(text) if len(text) <= MAX_DIGITS and _WHOLE.fullmatch(text) else text


#: Kind to the function that reads a text into what JSON would spell; kinds that JSON spells
#: as text need none.
READERS: dict[str, Callable[[str], Any]] = {
    "integer": _read_integer,
    "float": _read_float,
    "decimal": str.strip,
    "boolean": lambda text: _BOOLEANS.get(text.strip().lower(), text),
    "json": read_json,
    "array": read_json,
    "other": _read_other,
}


# -- whole rows ------------------------------------------------------------------------


def clean(fields: Iterable[Field], values: Values, *, current: Row | None = None) -> Row:
    """Check the values of a row, and convert them to what is stored.

    Args:
        fields: The fields of the model; the order of the errors.
        values: What a client sent, by field name.
        current: The stored row when it is to be changed; `None` for a new row.

    Returns:
        The values to write.  For a change, those only that differ from *current*: a value
        that came out and goes back in is never written, even if it would not pass today.

    Raises:
        ValidationError: With every mistake, one entry per field.
    """
    errors: list[FieldError] = []
    result: Row = {}
    known = {field.name: field for field in fields}
    for name in values:
        if name not in known:
            errors.append(FieldError(name, "unknown", "There is no such field."))
    for field in known.values():
        try:
            if field.name in values:
                _clean_value(field, values[field.name], current, result)
            elif current is None and field.required:
                raise Unfit("required", REQUIRED)
        except Unfit as unfit:
            errors.append(FieldError(field.name, unfit.code, unfit.detail))
    if errors:
        raise ValidationError(errors)
    return result


def _clean_value(field: Field, value: Any, current: Row | None, result: Row) -> None:
    if current is not None and value is not DEFAULT and field.same(current[field.name], value):
        return
    if current is None and field.has_default and isinstance(value, Text) and not value:
        return
    if not field.writable:
        raise Unfit("read_only", "Cannot be set.")
    if value is DEFAULT:
        result[field.name] = DEFAULT
        return
    value = field.check(value)
    # Other spellings of the stored value ("+7", "2026-01-01 00:00") change nothing either.
    if current is None or not _identical(current[field.name], value):
        result[field.name] = value


def _identical(stored: Any, value: Any) -> bool:
    return type(stored) is type(value) and to_text(stored) == to_text(value)


def replacement(fields: Iterable[Field], values: Values) -> Row:
    """Complete the values of a replacement (PUT): fields not given take their defaults.

    Raises:
        ValidationError: For a field that has no default and may not be null.
    """
    result = dict(values)
    errors = []
    for field in fields:
        if field.name in values or not field.writable:
            continue
        if field.has_default:
            result[field.name] = DEFAULT
        elif field.nullable:
            result[field.name] = None
        else:
            errors.append(FieldError(field.name, "required", REQUIRED))
    if errors:
        raise ValidationError(_with_other_errors(fields, values, errors))
    return result


def _with_other_errors(
    fields: Iterable[Field], values: Values, errors: list[FieldError]
) -> list[FieldError]:
    """Add what is wrong with the given values, so that a client hears of everything at once."""
    absent = {error.field for error in errors}
    try:
        clean([field for field in fields if field.name not in absent], values)
    except ValidationError as error:
        errors = [*error.errors, *errors]
    return errors


def version_of(row: Row) -> str:
    """Digest a row, so that any change of a value gives another text.

    Returns:
        22 URL-safe characters.
    """
    # The type is part of it: the text "1" and the number 1 are different rows.
    state = repr([(name, type(value).__name__, to_text(value)) for name, value in row.items()])
    digest = hashlib.blake2b(state.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


# -- keys in URLs ----------------------------------------------------------------------


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
_TILDE = {byte: chr(byte) if byte in _UNRESERVED else f"~{byte:02X}" for byte in range(256)}
_TILDES = re.compile(r"(?:[A-Za-z0-9._-]|~[0-9A-F]{2})*")
#: Whole identifiers that would not survive in a URL, and what stands for them: the empty
#: text would be the collection's own URL, and RFC 3986 5.2.4 removes dot segments.
_SPECIAL = {"": "~", ".": "~2E", "..": "~2E~2E"}
_SPECIAL_BACK = {text: key for key, text in _SPECIAL.items()}


def encode_key(key: Sequence[Any]) -> str | None:
    """Write a key as the one text that names its row in a URL.

    The parts, in order, are joined by a comma and tilde-encoded: unreserved characters
    except `~` stay, every other byte of the UTF-8 form is `~XX`.

    Returns:
        Text of unreserved characters and commas; `None` if a part is null or not Unicode.
    """
    parts = []
    for value in key:
        text = to_text(value)
        if text is None:
            return None
        try:
            parts.append("".join([_TILDE[byte] for byte in text.encode()]))
        except UnicodeEncodeError:
            return None
    text = ",".join(parts)
    return _SPECIAL.get(text, text)


def decode_key(text: str, fields: Sequence[Field]) -> tuple[Any, ...]:
    """Read the text that `encode_key` wrote.

    Args:
        text: The `id` of a URL, percent-decoded.
        fields: The key's fields, in order.

    Raises:
        NotFoundError: If it is not exactly the text that names a possible row.  (A row has
            one URL: "007" does not name the row 7.)
    """
    parts = _SPECIAL_BACK.get(text, text).split(",")
    if len(parts) != len(fields):
        raise NotFoundError(text)
    try:
        key = tuple(field.read(_untilde(part)) for field, part in zip(fields, parts, strict=True))
    except (Unfit, UnicodeDecodeError) as error:
        raise NotFoundError(text) from error
    if encode_key(key) != text:
        raise NotFoundError(text)
    return key


def _untilde(part: str) -> str:
    if "~" not in part:
        return part
    if not _TILDES.fullmatch(part) and part not in _SPECIAL.values():
        raise Unfit("type", "is not tilde-encoded")
    return bytes(
        int(byte[1:], 16) if byte[0] == "~" else ord(byte) for byte in re.findall("~..|[^~]", part)
    ).decode()


# -- the contract ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and where to go from here.

    Attributes:
        data: The rows.
        next: The cursor of the following page (a URL once a collection has rendered it).
        prev: The cursor of the page before.
        count: How many rows there are in all, where that was asked for.
    """

    data: Sequence[Row]
    next: str | None = None
    prev: str | None = None
    count: int | None = None


class Model(Protocol):
    """A table seen through six verbs.

    A key is a tuple of values in the order of `key`; a model of one key column also takes
    the bare value.  A model may have these as well: `name` (a word for people and links),
    `read_only` (`False`, or a sentence that says why nothing can be written), `label` (the
    field that stands for a row) and `version(row)` (its version as text; without it, a
    digest of the row).

    Every verb raises `UnavailableError` when the store cannot be reached, and `StoreError`
    when it fails in an unforeseen way.
    """

    @property
    def fields(self) -> Sequence[Field]:
        """The fields, in the order in which they are shown."""

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key fields; empty when rows cannot be told apart."""

    def list(self, query: Query) -> Page:
        """Give the page that the query names.

        Raises:
            QueryError: If the query's cursor is not one of this list.
        """

    def retrieve(self, key: Any) -> Row:
        """Give the row of a key.

        Raises:
            NotFoundError: If there is none.
        """

    def create(self, values: Values) -> Row:
        """Store a new row, and give it as it was stored.

        Raises:
            ValidationError: If the values do not fit.
            ConflictError: If another row stands in the way.
        """

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """Change the given fields of a row, and give it as it was stored.

        Args:
            key: The key of the row.
            values: The fields to change; `DEFAULT` sets one to what a new row would get.
            version: Change it only if this is its version, in one step with the change.

        Raises:
            NotFoundError, ValidationError, ConflictError: As above.
            VersionError: If the row has another version.
        """

    def delete(self, key: Any, version: str | None = None) -> None:
        """Remove a row.

        Raises:
            NotFoundError, VersionError: As above.
            ConflictError: If other rows refer to it.
        """

    def stream(self, query: Query) -> Iterator[Row]:
        """Give all rows that the query selects, one by one, at constant memory."""


class MemoryModel:
    """A model in a dict, for tests and prototypes: nothing outlives the process.

    Args:
        fields: The fields.  A key of one integer field that is not required counts up.
        key: The names of the key fields.
        name: What links and titles call it.
        page_size: Rows of a page when the query does not say.
        max_page_size: The most rows of a page.
    """

    read_only = False

    def __init__(
        self,
        fields: Iterable[Field],
        *,
        key: Sequence[str] = ("id",),
        name: str = "memory",
        page_size: int = 50,
        max_page_size: int = 1000,
    ) -> None:
        self.fields = tuple(fields)
        self.key = (key,) if isinstance(key, str) else tuple(key)
        self.name = name
        self.page_size = page_size
        self.max_page_size = max_page_size
        names = {field.name: field for field in self.fields}
        if not self.key or not set(self.key) <= set(names):
            raise ValueError(f"the key {self.key} is not among the fields {tuple(names)}")
        self._counts = len(self.key) == 1 and names[self.key[0]].kind == "integer"
        self._ordering = describe_ordering(name, self.key)
        self._rows: dict[tuple[Any, ...], Row] = {}
        self._highest = 0
        self._lock = threading.Lock()

    def list(self, query: Query) -> Page:
        """See `Model.list`."""
        limit = min(query.limit or self.page_size, self.max_page_size)
        cursor = read_position(query.cursor, self._ordering, len(self.key))
        with self._lock:
            keys = sorted(self._rows)
            try:
                if cursor is None:
                    chosen = keys[: limit + 1]
                elif cursor.backward:
                    chosen = [key for key in keys if key < cursor.position][-limit - 1 :]
                else:
                    chosen = [key for key in keys if key > cursor.position][: limit + 1]
            except TypeError as error:
                raise foreign_cursor() from error
            rows = [deepcopy(self._rows[key]) for key in chosen]
        return make_page(rows, limit, cursor, self._ordering, self.key)

    def stream(self, query: Query) -> Iterator[Row]:
        """See `Model.stream`."""
        with self._lock:
            rows = [deepcopy(self._rows[key]) for key in sorted(self._rows)]
        return iter(rows)

    def retrieve(self, key: Any) -> Row:
        """See `Model.retrieve`."""
        with self._lock:
            return deepcopy(self._find(key))

    def create(self, values: Values) -> Row:
        """See `Model.create`."""
        given = clean(self.fields, values)
        row = {f.name: deepcopy(given.get(f.name, f.default)) for f in self.fields}
        with self._lock:
            if self._counts and row[self.key[0]] is None:
                row[self.key[0]] = self._highest + 1
            missing = [name for name in self.key if row[name] is None]
            if missing:
                raise ValidationError([FieldError(n, "required", REQUIRED) for n in missing])
            key = tuple(row[name] for name in self.key)
            if key in self._rows:
                taken = FieldError(self.key[-1], "unique", "Another row has this key.")
                raise ConflictError([taken])
            if self._counts:
                self._highest = max(self._highest, key[0])
            self._rows[key] = row
            return deepcopy(row)

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `Model.update`."""
        fields = [immutable(field) if field.name in self.key else field for field in self.fields]
        with self._lock:
            row = self._find(key, version)
            for name, value in clean(fields, values, current=row).items():
                default = next(field.default for field in fields if field.name == name)
                row[name] = deepcopy(default if value is DEFAULT else value)
            return deepcopy(row)

    def delete(self, key: Any, version: str | None = None) -> None:
        """See `Model.delete`."""
        with self._lock:
            row = self._find(key, version)
            del self._rows[tuple(row[name] for name in self.key)]

    def _find(self, key: Any, version: str | None = None) -> Row:
        key = key if isinstance(key, tuple) else (key,)
        row = self._rows.get(key)
        # Python's 1, 1.0 and True are one key to a dict.
        if row is None or [type(row[n]) for n in self.key] != [type(part) for part in key]:
            raise NotFoundError(key)
        if version is not None and version != version_of(row):
            raise VersionError(deepcopy(row))
        return row


def immutable(field: Field) -> Field:
    """Give the same field for rows that exist: a key is set once."""
    return replace(field, writable=False)


def read_position(text: str | None, ordering: str, length: int) -> Cursor | None:
    """Read the cursor of a query, with the Python values of its position.

    Args:
        text: The cursor; `None` for the first page.
        ordering: As in `wsgikit.query.encode_cursor`.
        length: How many columns order the list.

    Raises:
        QueryError: If it is no cursor of this ordering.
    """
    if text is None:
        return None
    cursor = decode_cursor(text, ordering, length)
    try:
        return Cursor(tuple(map(_read_part, cursor.position)), cursor.backward)
    except (Unfit, LookupError) as error:
        raise foreign_cursor() from error


def foreign_cursor() -> QueryError:
    """Make the refusal of a cursor that does not come from here."""
    return QueryError("cursor", "is not one that this collection gave.")


#: How values that JSON cannot spell travel in cursors: by kind.
_PARTS = {
    kind: Field("part", kind, nonfinite=_NONFINITE)
    for kind in ("decimal", "date", "time", "interval", "uuid", "binary", "float")
}
_PARTS["datetime"] = Field("part", "datetime")
_PARTS["moment"] = Field("part", "datetime", timezone=True)
_PART_KINDS = {Decimal: "decimal", date: "date", time: "time", timedelta: "interval",
               UUID: "uuid", bytes: "binary", float: "float"}  # fmt: skip


def _read_part(part: Any) -> Any:
    if isinstance(part, list):
        return _PARTS[part[0]].read(part[1])
    if isinstance(part, int) and abs(part) >= 2**64:
        raise Unfit("range", "is no key")
    if isinstance(part, float) and not math.isfinite(part):
        raise Unfit("range", "is no key")
    return part


def _write_part(value: Any) -> Part:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return ["datetime" if value.tzinfo is None else "moment", value.isoformat()]
    kind = _PART_KINDS.get(type(value))
    return str(value) if kind is None else [kind, to_text(value) or ""]


def make_page(
    rows: Sequence[Row],
    limit: int,
    cursor: Cursor | None,
    ordering: str,
    columns: Sequence[str],
) -> Page:
    """Cut what was read for a page to its size, and give the cursors of its neighbours.

    Args:
        rows: Up to *limit* + 1 rows, in order; the one too many tells that there are more,
            after the page or (going backward) before it.
        limit: Rows of the page.
        cursor: Where the page begins; `None` for the first.
        ordering: As in `wsgikit.query.encode_cursor`.
        columns: The names of the ordering columns.
    """
    backward = cursor is not None and cursor.backward
    more = len(rows) > limit
    if more:
        rows = rows[1:] if backward else rows[:-1]

    def neighbour(row: Row, *, backward: bool) -> str:
        position = tuple(_write_part(row[name]) for name in columns)
        return encode_cursor(Cursor(position, backward), ordering)

    if not rows:
        return Page(())
    after = neighbour(rows[-1], backward=False) if more or backward else None
    has_before = more if backward else cursor is not None
    return Page(rows, after, neighbour(rows[0], backward=True) if has_before else None)
