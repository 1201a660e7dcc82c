"""`Field`: the kind of a column, its limits, and how its values are read and written."""

import base64
import json
import math
import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, TypeVar
from uuid import UUID

T = TypeVar("T")
Zoned = TypeVar("Zoned", datetime, time)
Number = TypeVar("Number", int, float, Decimal)
#: The most decimal digits of a number (Python's own default bound for text to int).
MAX_DIGITS = 4300

#: Levels of a JSON value: with the row and the list around it, below what JSON parsers take.
MAX_DEPTH = 60


class Text(str):
    """A value as people type it, such as a form field: still to be read by its field's kind."""


class Exact(Text):
    """A value as a file spells it: read by its field's kind, and not one character is changed.

    Where people leave a text empty, they mean that there is none; a file means what it says.
    """


class _Default:
    """The type of `DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


#: In the values of an update: set this field to what a new row would get.
DEFAULT: Final = _Default()


NONFINITE = frozenset({"NaN", "Infinity", "-Infinity"})

REQUIRED = "A value is required."


class Unfit(ValueError):
    """One value does not fit its field: a code and a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


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
    #: Whether every row has that value, so that a client can give no other (see `fixed`).
    fixed: bool = False
    #: Characters of a text, or bytes of a binary, at most.
    length: int | None = None
    #: The least and the greatest number; of an interval, in days.
    minimum: int | None = None
    maximum: int | None = None
    #: The same of what the store can hold at all, where the limits are narrower.
    width: tuple[int, int] | None = None
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
    #: What a stored value may be in JSON besides its kind, where the store does not hold
    #: columns to their types: "string", "number" and so on.
    misfits: tuple[str, ...] = ()

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
        if isinstance(value, Exact):
            value = self._read(value)
        elif isinstance(value, Text):
            value = self._read(newlines(value)) if value else None
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
        return self.unlimited.check(self._read(text))

    def read_value(self, value: Any) -> Any:
        """Turn what JSON spells into a value that may be stored already, as `read` does."""
        return self.unlimited.check(value)

    def holds(self, value: Any) -> bool:
        """Whether a value has the field's type, be it within the limits or not."""
        try:
            found = self.unlimited.check(value)
        except Unfit:
            return False
        return found is value or bool(found == value)  # NaN equals nothing, not even itself

    @cached_property
    def unlimited(self) -> "Field":
        """The same type for what is stored already; whole numbers keep their width."""
        low, high = self.width or (self.minimum, self.maximum)
        return replace(
            self,
            nullable=False,
            length=None,
            minimum=low if self.kind == "integer" else None,
            maximum=high if self.kind == "integer" else None,
            precision=None,
            scale=None,
            digits=None,
            nonfinite=NONFINITE,
        )

    def _read(self, text: str) -> Any:
        reader = READERS.get(self.kind)
        return str(text) if reader is None else reader(text)

    def same(self, stored: Any, given: Any) -> bool:
        """Whether what a client gave is what it was shown of the stored value."""
        if isinstance(given, Exact):
            return str(given) == to_text(stored)
        if isinstance(given, Text):
            return newlines(given) == newlines(to_text(stored) or "")
        if isinstance(stored, _PLAIN) and not isinstance(given, str):
            return type(given) is type(stored) and bool(given == stored)
        if isinstance(given, str) and not isinstance(stored, dict | list):
            return to_text(stored) == given
        return type(stored) is type(given) and _dumps(stored) == _dumps(given)


_PLAIN = (bool, int, float, type(None))


def newlines(text: str) -> str:
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
    if not is_unicode(value) or ("\0" in value and not field.nul):
        raise Unfit("type", "Has a character that cannot be stored.")
    _bound_length(field, len(value), "characters")
    return value


def is_unicode(text: str) -> bool:
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
        value = write_float(value) if math.isfinite(value) else Decimal(value)
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
    beyond = 0 if field.scale is None else min(len(digits), max(0, places - field.scale))
    if any(digits[len(digits) - beyond :]):
        raise Unfit("range", f"Must have at most {field.scale} decimal places.")
    whole = None if field.precision is None else field.precision - (field.scale or 0)
    if whole is not None and value and value.adjusted() >= whole:
        raise Unfit("range", f"Must have at most {whole} digits before the point.")
    if field.digits is not None and len("".join(map(str, digits)).strip("0")) > field.digits:
        raise Unfit("range", f"Must have at most {field.digits} digits.")
    if field.digits is not None and Decimal(repr(float(value))) != value:
        # As a float it is 0 or infinity.
        raise Unfit("range", "Has too large an exponent.")


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
    if field.minimum is not None and value.days < field.minimum:
        raise Unfit("range", f"Must be at least {field.minimum} days.")
    if field.maximum is not None and value.days > field.maximum:
        raise Unfit("range", f"Must be less than {field.maximum + 1} days.")
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
        length = len(value)
        try:
            value = base64.b64decode(value, validate=True)
            if length != -(-len(value) // 3) * 4:  # Python lets any padding follow a whole group
                raise ValueError
        except ValueError as error:
            raise Unfit("type", "Must be bytes in base64 (RFC 4648, section 4).") from error
    if isinstance(value, list):  # such as a file, and the wish to have none
        raise Unfit("type", "Choose one file.")
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
    if not is_unicode(text) or _depth(value) > MAX_DEPTH:
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
    if isinstance(value, str):
        return _text(field, value)
    if not isinstance(value, int | float | bytes):
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
    if isinstance(value, int) and value.bit_length() > 128:
        return "so large a number"  # of which Python writes no more than 4,300 digits
    text = repr(str(value)) if isinstance(value, str) else str(to_text(value))
    return text if len(text) <= 40 else text[:40] + "…"


# -- readers: text to what JSON would spell ------------------------------------------------


#: Spreadsheets write 5 as 5.0, and JSON takes that for a whole number, too.
_INTEGER = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False,
             "yes": True, "no": False}  # fmt: skip


def _read_integer(text: str) -> Any:
    text = text.strip()
    whole = _INTEGER.fullmatch(text) if len(text) <= MAX_DIGITS else None
    return int(whole[1]) if whole else text


def _read_float(text: str) -> Any:
    text = text.strip()
    if len(text) > MAX_DIGITS or not _DECIMAL.fullmatch(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise Unfit("range", "Is too large a number.")
    if not number and re.match(r"[+-]?[0.]*[1-9]", text):
        raise Unfit("range", "Is too small a number.")
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
    except (ValueError, ArithmeticError, RecursionError) as error:
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
