"""Write and read JSON exactly: what a table holds, and bodies that have only one reading.

Use it with any application of your own through `respond()` and `parse_body()`, or call the two
functions below it alone::

    from datetime import date
    from wsgikit.media.json import decode, encode

    assert encode({"day": date(2026, 5, 1)}) == b'{"day":"2026-05-01"}'
    assert decode(b'{"day": "2026-05-01"}') == {"day": "2026-05-01"}

How each type is written:

- mappings as objects, with the keys that `json.dumps()` takes; lists and tuples as arrays
- a page (anything with `data`, `next`, `prev` and `count`) as an object of these, without the
  count when it is None, else with `count_exact` where there is that
- integers in full, whatever their size; floats as their shortest exact form, and those that
  JSON lacks as the texts `NaN`, `Infinity` and `-Infinity`
- `Decimal` as text, `UUID` as text, bytes as base64 text, members of an `Enum` as their values
- dates and times as ISO 8601 text, `timedelta` as an ISO 8601 duration (`-P1DT2H3M4.5S`)
- text as UTF-8; half a surrogate pair, which UTF-8 cannot hold, as its `\\uXXXX` escape

Anything else is a `TypeError`: sets have no order, generators may have no end.
Only as the `data` of a page an iterator is taken: its rows are streamed.
msgspec, when it is installed (the `fast` extra), does the writing; not one byte differs.

What is read is RFC 8259 without its ambiguities: UTF-8, no repeated names, no `NaN` or
`Infinity`, no number beyond the floats, no half of a surrogate pair, bounded depth and digits.

`JSON` is the media type made of both.
No environ key is read or written here; `wsgikit.media.read_body()` does that.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice
from math import isfinite
from typing import Any, ClassVar
from uuid import UUID

from webob import Request

from wsgikit.media import (
    MAX_BODY,
    MediaType,
    ParseError,
    deliver,
    json_text,
    page_of,
    read_body,
)

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

#: Arrays and objects within one another.
MAX_DEPTH = 64
#: Digits of a number: what Python's int() takes (CVE-2020-10735).
MAX_DIGITS = 4300


# -- writing ---------------------------------------------------------------------------------
#
# The standard library defines the result; msgspec is given only what it is known to write the
# same way, which _alike() finds out. It looks at a whole level of the value at once, so that C
# loops do nearly all of it. 100 rows of 6 columns: see benchmarks. Where msgspec differs: floats
# with an exponent (1e16, not 1e+16), NaN (null), UTC (Z), timedelta, dataclasses and sets (which
# it takes), lone surrogates (which it refuses).


#: Rows that are encoded at once.
_BATCH = 100


class JSONRenderer:
    """Render whatever the module's description lists as JSON: UTF-8, compact.

    A list whose rows come from an iterator is streamed in chunks, any other value is one piece.
    """

    def __init__(self, *, _encode: Callable[[Any], bytes] | None = None) -> None:
        self._encode = _encode or encode

    def __call__(self, value: Any, request: Request) -> bytes | Iterator[bytes]:
        """Return the JSON of *value*.

        Raises:
            TypeError: Some part of it has no JSON form.
        """
        page = page_of(value)
        if page is not None and isinstance(page["data"], Iterator):
            return deliver(self._pieces(page), page["data"])
        return self._encode(value)

    def _pieces(self, page: Mapping[str, Any]) -> Iterator[bytes]:
        names = [*page]
        place = names.index("data")
        before = self._encode({**{name: page[name] for name in names[:place]}, "data": []})
        yield before.removesuffix(b"]}")
        comma = b""
        while batch := [*islice(page["data"], _BATCH)]:
            yield comma + self._encode(batch)[1:-1]
            comma = b","
        after = self._encode({name: page[name] for name in names[place + 1 :]})
        yield b"]" + after.replace(b"{", b"," if len(after) > 2 else b"", 1)


def encode(value: Any) -> bytes:
    """Write a value as JSON, with msgspec when it is installed.

    Raises:
        TypeError: Some part of it has no JSON form.
    """
    return _write(value)


def encode_lines(values: list[Any]) -> bytes:
    """Write values as `encode()` does, each with an LF behind it (NDJSON).

    Raises:
        TypeError: Some part of one has no JSON form.
    """
    return _write_lines(values)


def _write_with_json(value: Any) -> bytes:
    # JSON can spell a lone surrogate as what backslashreplace makes of it: \udXXX.
    return json_text(value, compact=True).encode("utf-8", "backslashreplace")


def _write_lines_with_json(values: list[Any]) -> bytes:
    return b"".join(_write_with_json(value) + b"\n" for value in values)


#: What msgspec writes as _write_with_json() does, wherever it stands, ...
_SAME = frozenset({dict, list, str, int, bool, type(None), date, UUID, bytes})
#: ... and what it does only for some values.
_SOMETIMES: dict[type, Callable[[Any], bool]] = {
    Decimal: Decimal.is_finite,
    float: lambda number: 1e-4 <= abs(number) < 1e16 or number == 0,
    datetime: lambda moment: moment.tzinfo is None,
    time: lambda moment: moment.tzinfo is None,
}
_KNOWN = _SAME | frozenset(_SOMETIMES)
_TEXT = frozenset({str})
#: A list of rows has three levels; what is much deeper is not worth the look.
_LEVELS = 8


def _alike(value: Any) -> bool:
    """Say whether msgspec surely writes *value* byte for byte as the standard library does."""
    level = [value]
    for _ in range(_LEVELS):
        kinds = set(map(type, level))
        if not kinds <= _KNOWN:
            return False
        for kind in kinds & _SOMETIMES.keys():
            if not all(map(_SOMETIMES[kind], _only(kind, level))):
                return False
        objects = _only(dict, level) if dict in kinds else []
        # As a set, since rows share their keys. What equals a str is text, too.
        if not set(map(type, set(chain.from_iterable(objects)))) <= _TEXT:
            return False
        arrays = _only(list, level) if list in kinds else []
        level = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(arrays)]
        if not level:
            return True
    return False


def _only(kind: type, values: Iterable[Any]) -> list[Any]:
    return [value for value in values if type(value) is kind]


def _writer(library: Any, lines: bool = False) -> Callable[[Any], bytes]:
    """Return the fastest encoder there is; *library* is msgspec or None."""
    write_with_json = _write_lines_with_json if lines else _write_with_json
    if library is None:
        return write_with_json
    encoder = library.json.Encoder()
    write: Callable[[Any], bytes] = encoder.encode_lines if lines else encoder.encode

    def write_with_msgspec(value: Any) -> bytes:
        try:
            return write(value) if _alike(value) else write_with_json(value)
        except UnicodeEncodeError:  # a lone surrogate
            return write_with_json(value)

    return write_with_msgspec


_write = _writer(msgspec)
_write_lines = _writer(msgspec, lines=True)


# -- reading ---------------------------------------------------------------------------------

_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?+|([\[{])|[\]}]', re.DOTALL)
#: Escapes one by one: a whole pair is consumed, and only half a pair is captured.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)",
    re.DOTALL,
)


class JSONParser:
    """Parse a body of JSON.

    Args:
        limit: Bytes of the body; a longer one is 413.
        max_depth: Arrays and objects within one another.
        max_digits: Characters of a number, not counting its sign.
    """

    content_types = (
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
    )
    # RFC 7396 and RFC 6902 define them for PATCH alone.
    methods: ClassVar = dict.fromkeys(content_types[1:], ("PATCH",))

    def __init__(
        self, *, limit: int = MAX_BODY, max_depth: int = MAX_DEPTH, max_digits: int = MAX_DIGITS
    ) -> None:
        self.limit = limit
        self._max_depth = max_depth
        self._max_digits = max_digits

    def __call__(self, request: Request) -> Any:
        """Return dicts, lists, str, int, float, bool and None.

        Raises:
            ParseError: As `decode()`.
            HTTPException: As `wsgikit.media.read_body()`.
        """
        body = read_body(request, self.limit)
        return decode(body, max_depth=self._max_depth, max_digits=self._max_digits)


def decode(body: bytes, *, max_depth: int = MAX_DEPTH, max_digits: int = MAX_DIGITS) -> Any:
    """Read JSON strictly (RFC 8259, with the names of an object unique).

    Raises:
        ParseError: It is empty, not UTF-8, not JSON, ambiguous, or over a limit. The message
            has the line and column where they are known.
    """
    if not body:
        raise ParseError("The body is empty; JSON was expected.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"The JSON is not UTF-8 at byte {error.start + 1}.") from error
    _check_depth(text, max_depth)
    value = _load(text, max_digits)
    _check_escapes(text)
    return value


def _load(text: str, max_digits: int) -> Any:
    try:
        if text.startswith("\ufeff"):
            raise ParseError("The JSON begins with a BOM (byte order mark); leave it out.")
        return _decoder(max_digits).decode(text)
    except json.JSONDecodeError as error:
        raise ParseError(f"Not JSON at {_place(text, error.pos)}: {error.msg}.") from error
    except ParseError:
        raise
    # The limits of the interpreter, and of decimals: 0e99999999999999999999 is none.
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ParseError("A number has too many digits, or the JSON too many levels.") from error


# Making one costs as much as reading a row.
@lru_cache(maxsize=8)
def _decoder(max_digits: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_unique,
        parse_constant=_refuse_constant,
        parse_int=_number_reader(int, max_digits),
        parse_float=_number_reader(_read_float, max_digits),
    )


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(twice, _number)] = Counter(name for name, _ in pairs).most_common(1)
        raise ParseError(f"The name {twice[:50]!r} stands more than once in one object.")
    return value


def _refuse_constant(name: str) -> None:
    raise ParseError(f"{name} is not JSON.")


def _number_reader(read: Callable[[str], Any], max_digits: int) -> Callable[[str], Any]:
    def read_number(text: str) -> Any:
        if len(text) - text.startswith("-") > max_digits:
            raise ParseError(f"A number has more than {max_digits} digits.")
        return read(text)

    return read_number


#: A number that has a digit before its exponent.
_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")


def _read_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ParseError(f"The number {text[:50]} is too large.")
    if not number and _NOT_ZERO.match(text):
        raise ParseError(f"The number {text[:50]} is too small.")
    if len(text) > 15 and Decimal(repr(number)) != Decimal(text):
        # 15 digits always come back from a float (IEEE 754, binary64).
        raise ParseError(f"The number {text[:50]} has too many digits; send it as text.")
    return number


def _check_depth(text: str, max_depth: int) -> None:
    """Refuse too deep a nesting before the recursive parser sees it."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _BRACKET.finditer(text):
        if match[1]:
            depth += 1
            if depth > max_depth:
                place = _place(text, match.start())
                raise ParseError(f"More than {max_depth} levels deep at {place}.")
        elif match[0] in ("]", "}"):
            depth -= 1


def _check_escapes(text: str) -> None:
    """Refuse half a surrogate pair (RFC 8259, 8.2): such text cannot be stored or sent."""
    if "\\u" not in text:
        return
    for match in _ESCAPE.finditer(text):
        if match[1]:
            place = _place(text, match.start())
            raise ParseError(f"Half a surrogate pair at {place}.")


JSON = MediaType("application/json", JSONRenderer(), JSONParser())
