"""Write and read NDJSON: one row a line, each of them JSON, for programs that take many rows.

Use it with any application of your own through `respond()` and `parse_body()`::

    from webob import Request
    from wsgikit.media import parse_body, respond
    from wsgikit.media.ndjson import NDJSON

    rows = ({"id": number} for number in range(3))
    response = respond({"data": rows, "next": None}, Request.blank("/"), NDJSON)
    assert response.body == b'{"id":0}\\n{"id":1}\\n{"id":2}\\n'

    request = Request.blank("/", method="POST", content_type="application/x-ndjson")
    request.body = response.body
    assert [row["id"] for row in parse_body(request, NDJSON)] == [0, 1, 2]

Each line is what `wsgikit.media.json` writes, and is read as strictly.
A list, an iterator or a page has a line for each row, anything else is one line.
What an iterator gives is streamed in chunks, at constant memory.

What is read are objects, one a line, as `Rows`: one by one while they are consumed.

`NDJSON` is the media type made of both.
No environ key is read or written here.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

from webob import Request

from wsgikit.media import (
    MAX_LINE,
    MAX_STREAM,
    MediaType,
    ParseError,
    Rows,
    body_lines,
    deliver,
    rows_of,
)
from wsgikit.media.json import MAX_DEPTH, MAX_DIGITS, decode, encode_lines

#: Rows that are encoded at once.
_BATCH = 100


class NDJSONRenderer:
    """Render rows as lines of JSON."""

    def __call__(self, value: Any, request: Request) -> bytes | Iterator[bytes]:
        """Return the lines, or yield them in chunks.

        Raises:
            TypeError: Some part of a row has no JSON form.
        """
        rows = rows_of(value)
        if rows is None:
            rows = [value]
        return deliver(_pieces(rows), rows)


def _pieces(rows: Iterable[Any]) -> Iterator[bytes]:
    source = iter(rows)
    while batch := [*islice(source, _BATCH)]:
        yield encode_lines(batch)


class NDJSONParser:
    """Parse a body of NDJSON into `Rows`.

    Args:
        limit: Bytes of the body; a longer one is 413.
        max_record: Bytes of a line.
        max_depth: Arrays and objects within one another.
        max_digits: Characters of a number, not counting its sign.
    """

    # None of them is registered; the first is used most (https://github.com/ndjson/ndjson-spec).
    content_types = ("application/x-ndjson", "application/ndjson", "application/jsonl")
    # Other methods are for one row.
    methods: ClassVar = dict.fromkeys(content_types, ("POST",))

    def __init__(
        self,
        *,
        limit: int = MAX_STREAM,
        max_record: int = MAX_LINE,
        max_depth: int = MAX_DEPTH,
        max_digits: int = MAX_DIGITS,
    ) -> None:
        self.limit = limit
        self.max_record = max_record
        self._max_depth = max_depth
        self._max_digits = max_digits

    def __call__(self, request: Request) -> Rows:
        """Return the rows: dicts of what `wsgikit.media.json.decode()` gives.

        Raises:
            HTTPException: As `wsgikit.media.body_stream()`, from here or from the rows, which
                raise `ParseError`, too; its message names the line.
        """
        lines = body_lines(request, self.limit, self.max_record)
        return Rows(self._rows(lines), texts=False)

    def _rows(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines, 1):
            if line.strip(b" \t\r"):
                yield self._row(line, number)

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = decode(line, max_depth=self._max_depth, max_digits=self._max_digits)
        except ParseError as error:
            # To the JSON reader each line is the first.
            reason = str(error).replace(" at line 1, column ", " at column ", 1)
            raise ParseError(f"Line {number}: {reason}") from error
        if not isinstance(row, dict):
            raise ParseError(f"Line {number}: Each line must be a JSON object.")
        return row


NDJSON = MediaType("application/x-ndjson", NDJSONRenderer(), NDJSONParser())
