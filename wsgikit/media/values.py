"""How values are written as text, in every format alike."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json import JSONEncoder
from math import isfinite
from typing import Any
from uuid import UUID

from wsgikit.media.rows import page_of


def to_text(value: Any) -> str | None:
    """Write a value as text, the same in every format; None stays None.

    ISO 8601 for dates, times and durations, `true` and `false`, base64 for bytes, decimals and
    floats in full (`NaN`, `Infinity`, `-Infinity`), JSON for mappings and lists.

    Raises:
        TypeError: It is none of these.
    """
    if value is None:
        return None
    for base in type(value).__mro__:
        if base in _TEXTS:
            return _TEXTS[base](value)
    return json_text(value)


def json_text(value: Any, *, compact: bool = False) -> str:
    """Write a value as JSON; each type as `to_text()` does, where JSON has nothing of its own.

    Args:
        compact: Leave out the space behind commas and colons.

    Raises:
        TypeError: Some part of it has no JSON form.
    """
    encode = _encode_compactly if compact else _encode
    try:
        return encode(value)
    except ValueError:  # NaN or an infinity, which are too rare to look for first
        return encode(_finite(value))


def _simpler(value: Any) -> Any:
    """Return a form of *value* that is a step nearer to what JSON has."""
    for base in type(value).__mro__:
        if base in _SIMPLER:
            return _SIMPLER[base](value)
    page = page_of(value)
    if page is not None or isinstance(value, Mapping):
        return dict(value if page is None else page)
    raise TypeError(f"{type(value).__name__} has no text or JSON form.")


_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, default=_simpler).encode
_encode_compactly = JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_simpler
).encode


def _finite(value: Any) -> Any:
    """Return *value* with texts in the place of floats that JSON lacks."""
    if isinstance(value, float):
        return value if isfinite(value) else _float(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return _finite(_simpler(value))


def _float(value: float) -> str:
    if isfinite(value):
        return float.__repr__(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> str:
    if value.is_finite():
        return str(value)
    return "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"


def _base64(value: bytes | bytearray | memoryview) -> str:
    return b64encode(value).decode("ascii")


def _duration(value: timedelta) -> str:
    """Write an ISO 8601 duration of days and less, with one sign for all of it."""
    seconds, microseconds = divmod(abs(value // timedelta(microseconds=1)), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fraction = f".{microseconds:06d}".rstrip("0") if microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}{fraction}S" if seconds or fraction or not value else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")


_SIMPLER: dict[type, Callable[[Any], Any]] = {
    bytes: _base64,
    bytearray: _base64,
    memoryview: _base64,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
    Decimal: _decimal,
    UUID: str,
    Enum: lambda member: member.value,
}

_TEXTS: dict[type, Callable[[Any], str | None]] = {
    **_SIMPLER,
    Enum: lambda member: to_text(member.value),
    str: str.__str__,
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    float: _float,
}


#: Pictures that run no code, by how they begin.
_PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def picture_type(data: bytes) -> str | None:
    """Give the media type of a picture that runs no code; None for any other bytes."""
    return next((name for form, name in _PICTURES if form.match(data)), None)
