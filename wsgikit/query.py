"""The query string of a collection as a `Query`, and the cursors that its pages hand out.

Use it alone to read ``?limit=20&cursor=...`` in an application of your own: it knows
neither WSGI nor SQL.

    from wsgikit.query import parse_query

    query = parse_query("limit=20")
    assert query.limit == 20 and query.cursor is None

A query string is read in one place, strictly: what is unknown, repeated, undecodable or
out of range raises `QueryError`, which names the parameter.
A cursor is opaque to clients.  For us it is a position in an ordering and a direction,
with a mark of the ordering that it belongs to, so that it cannot be used with another.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

#: Parameters that never name a column.  A column of such a name is reached with an operator
#: (``limit__eq``).
RESERVED = frozenset({"q", "sort", "fields", "embed", "limit", "cursor", "count", "format"})

#: More parameters than any form of ours sends; the bound that `parse_body` has for forms.
MAX_PARAMETERS = 1000

#: Servers take no longer request line (gunicorn 8,190 bytes, wsgiref and Werkzeug 65,536).
MAX_CURSOR = 65_536

#: A larger limit means "as many as you give": the model clamps it to its own ceiling.
MAX_LIMIT = 10**9

#: One value of a cursor's position: a JSON scalar, or for any other type its name and text.
Part = str | int | float | list[str] | None

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class QueryError(ValueError):
    """A query string that cannot be answered.

    Attributes:
        parameter: The name of the parameter at fault; empty for the query string itself.
        detail: One sentence: what is wrong, and what would be accepted.
    """

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}" if parameter else detail)
        self.parameter = parameter
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks of a list."""

    #: Rows a page; `None` for the model's own page size.
    limit: int | None = None
    #: Where the page begins, as given by an earlier page; `None` for the first.
    cursor: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"a limit is at least 1, not {self.limit}")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position between two rows of an ordering.

    Attributes:
        position: One part per ordering column, or one offset where rows have no key.
        backward: Whether the page lies before the position rather than after it.
    """

    position: tuple[Part, ...]
    backward: bool = False


def parse_query(text: str) -> Query:
    """Read a query string.

    Args:
        text: The part of the URL after ``?``, percent-encoded, without the ``?``.
            An empty value means "not given", since plain HTML forms send every input.

    Raises:
        QueryError: For anything unknown, repeated, undecodable or out of range.
    """
    values: dict[str, str] = {}
    for name, value in _pairs(text):
        if name not in RESERVED:
            known = ", ".join(sorted(_KNOWN))
            raise QueryError(name or "(empty)", f"is not known here. Known: {known}.")
        if name in values:
            raise QueryError(name, "is given more than once; give it once.")
        values[name] = value
    for name, value in values.items():
        if name not in _KNOWN and value:
            raise QueryError(name, "is not supported by this collection.")
    return Query(limit=_limit(values.get("limit", "")), cursor=values.get("cursor") or None)


_KNOWN = frozenset({"limit", "cursor", "format"})


def _pairs(text: str) -> list[tuple[str, str]]:
    if _BROKEN_ESCAPE.search(text):
        raise QueryError("", "The query string has a % that is not followed by two hex digits.")
    try:
        return parse_qsl(
            text,
            keep_blank_values=True,
            errors="strict",
            separator="&",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeDecodeError as error:
        raise QueryError("", "The query string is not UTF-8.") from error
    except ValueError as error:
        raise QueryError("", f"The query string has over {MAX_PARAMETERS} parameters.") from error


def _limit(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise QueryError("limit", f"must be a whole number from 1, not {text[:20]!r}.")
    digits = text.lstrip("0")
    return int(digits) if len(digits) < len(str(MAX_LIMIT)) else MAX_LIMIT


def encode_cursor(cursor: Cursor, ordering: str) -> str:
    """Write a cursor as URL-safe text.

    Args:
        cursor: The position.
        ordering: What the position means (the model, its filter and its sort), as text of
            any length; `decode_cursor` accepts the cursor for the same ordering only.
    """
    data = [int(cursor.backward), list(cursor.position), _mark(ordering)]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def decode_cursor(text: str, ordering: str, length: int) -> Cursor:
    """Read a cursor that `encode_cursor` wrote.

    Args:
        text: The text of a client.
        ordering: The ordering of the list that is asked for.
        length: How many parts its positions have.

    Raises:
        QueryError: If the text is no cursor, or one of another ordering.
    """
    if len(text) > MAX_CURSOR:
        raise QueryError("cursor", "is not one that this collection gave.")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        backward, position, mark = json.loads(raw)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise QueryError("cursor", "is not one that this collection gave.") from error
    if mark != _mark(ordering):
        raise QueryError("cursor", "belongs to a list with another filter or order.")
    if backward not in (0, 1) or not isinstance(position, list) or len(position) != length:
        raise QueryError("cursor", "is not one that this collection gave.")
    if not all(_is_part(part) for part in position):
        raise QueryError("cursor", "is not one that this collection gave.")
    return Cursor(tuple(position), bool(backward))


def _is_part(part: object) -> bool:
    if isinstance(part, list):
        return len(part) == 2 and all(map(_is_text, part))
    return _is_text(part) or isinstance(part, int | float | None)


def _is_text(part: object) -> bool:
    # JSON can spell a lone surrogate, which no database driver can encode.
    return isinstance(part, str) and not any("\ud800" <= c <= "\udfff" for c in part)


def _mark(ordering: str) -> str:
    # Not a signature: a client that forges a cursor gets a page of what it may see anyway.
    return format(binascii.crc32(ordering.encode()), "08x")


def describe_ordering(model: str, columns: Sequence[str]) -> str:
    """Name an ordering for `encode_cursor`: the model and its ordering columns."""
    return json.dumps([model, *columns])
