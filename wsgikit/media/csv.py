"""Write rows as CSV and read them back, so that what comes back is what went out.

Use it with any application of your own through `respond()` and `parse_body()`::

    from webob import Request
    from wsgikit.media import parse_body, respond
    from wsgikit.media.csv import CSV

    rows = [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}, {"id": 3, "name": ""}]
    response = respond(rows, Request.blank("/people/"), CSV)
    assert response.body == b'id,name\\r\\n1,Ada\\r\\n2,\\r\\n3,""\\r\\n'

    request = Request.blank("/", method="POST", content_type="text/csv", body=response.body)
    assert [*parse_body(request, CSV)][1] == {"id": "2", "name": None}

What is written is RFC 4180: UTF-8, a header line, CRLF at the end of each line, quotes where they
are needed.
An empty cell is NULL and `""` is the empty text, which is PostgreSQL's convention, too.
All values have the texts of `wsgikit.media.to_text()`: those that JSON has.
The cells of a column whose kind is json or array are JSON, so that the JSON text `"1"` and the
number 1 differ; a mapping or a list in another column, such as an embedded row, is JSON as well.
Half a surrogate pair, which UTF-8 cannot hold, becomes `\\\\udXXX`.

A list, an iterator or a page has a line for each row, anything else that is a mapping is one row.
What an iterator gives is streamed in chunks, at constant memory.

What is read is RFC 4180 strictly, with LF as well as CRLF, and with a byte order mark: as `Rows`
of texts, one by one while they are consumed.

`CSV` is the media type made of both.
Reads `wsgikit.columns` (the columns in order; the keys of the rows where there are none) and
`wsgikit.title` (for the name of the file).
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain, islice
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

from webob import Request

from wsgikit.media import (
    MAX_LINE,
    MAX_STREAM,
    MediaType,
    ParseError,
    Rows,
    body_lines,
    columns_of,
    deliver,
    json_text,
    parse_content_type,
    rows_of,
    title_of,
    to_text,
)

#: Columns of a body. PostgreSQL takes 1,600 in a table, SQLite 2,000 unless told otherwise.
MAX_COLUMNS = 1000

Cell: TypeAlias = str | None

_BOM = "\ufeff"


# -- writing ---------------------------------------------------------------------------------

#: RFC 4180, 2.6 and 2.7. A byte order mark is quoted, since at the start readers drop it.
_QUOTED = re.compile(f'[",\r\n{_BOM}]')
#: OWASP, "CSV Injection": what makes a spreadsheet take a cell for a formula, ...
_FORMULA = re.compile("[=+@\t\r\n\uff1d\uff0b\uff20\uff0d-]")
#: ... and what separates cells in some countries, or when text is pasted.
_SEPARATOR = re.compile(f'[",;\t\r\n{_BOM}]')
#: Their texts are never formulas that do anything.
_NUMBERS = (int, float, Decimal)
#: The kinds of columns whose cells are JSON, whatever they hold.
_JSON_KINDS = frozenset({"json", "array"})


class CSVRenderer:
    """Render rows as CSV.

    Args:
        safe: Put an apostrophe before whatever a spreadsheet might take for a formula. Numbers
            stay. What was changed that way does not come back as it was.
    """

    def __init__(self, *, safe: bool = False) -> None:
        self._quote = _quote_safely if safe else _quote

    def headers(self, value: Any, request: Request) -> dict[str, str]:
        """Return the type with its parameters (RFC 4180, 3), and a name for the file."""
        return {
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f"attachment; {_filename(request)}",
        }

    def __call__(self, value: Any, request: Request) -> bytes | Iterator[bytes]:
        """Return the lines, or yield them in chunks.

        Raises:
            TypeError: There is something else than rows, or than values that have a text; or an
                iterator without `wsgikit.columns` gives a row that has more than the first.
        """
        rows = rows_of(value)
        if rows is None:
            rows = [value]
        return deliver(self._lines(rows, request), rows)

    def _lines(self, rows: Iterable[Any], request: Request) -> Iterator[bytes]:
        source = iter(rows)
        first = [*islice(source, 1)]
        kinds: dict[Any, str] = {column.name: column.kind for column in columns_of(request, *first)}
        checked = not kinds
        if checked:
            kinds = _keys(rows if isinstance(rows, list | tuple) else first)
        if kinds:
            yield _line([self._quote(str(to_text(name))) for name in kinds])
        plan = [(name, self._writer(kind)) for name, kind in kinds.items()]
        for row in chain(first, source):
            if not isinstance(row, Mapping) or (checked and not row.keys() <= kinds.keys()):
                raise _unfit(row, kinds)
            if plan:
                yield _line([write(row.get(name)) for name, write in plan])

    def _writer(self, kind: str) -> Callable[[Any], str]:
        quote = self._quote
        spell = _spell_json if kind in _JSON_KINDS else to_text

        def write(value: Any) -> str:
            text = spell(value)
            if text is None:
                return ""
            return _quote(text) if isinstance(value, _NUMBERS) else quote(text)

        return write


def _keys(rows: Iterable[Any]) -> dict[Any, str]:
    names = chain.from_iterable(row for row in rows if isinstance(row, Mapping))
    return dict.fromkeys(names, "")


def _unfit(row: Any, kinds: Mapping[Any, str]) -> TypeError:
    if not isinstance(row, Mapping):
        return TypeError(
            f"CSV is made of rows: a mapping, a list of mappings or a page, not "
            f"{type(row).__name__}."
        )
    extra = next(name for name in row if name not in kinds)
    return TypeError(
        f"A row has {extra!r}, which the first has not: set wsgikit.columns, or give a list."
    )


def _line(cells: Iterable[str]) -> bytes:
    return f"{','.join(cells)}\r\n".encode("utf-8", "backslashreplace")


def _spell_json(value: Any) -> str | None:
    return None if value is None else json_text(value)


def _quote(text: str) -> str:
    if text.isalnum():  # the most frequent, and sooner found out
        return text
    return _in_quotes(text) if not text or _QUOTED.search(text) else text


def _quote_safely(text: str) -> str:
    if _FORMULA.match(text):
        text = f"'{text}"
    return _in_quotes(text) if not text or _SEPARATOR.search(text) else text


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _filename(request: Request) -> str:
    """Name the file after the collection: by its title, else by the path (RFC 6266, 4.3)."""
    name = (re.sub(r"[^\w.-]+", "-", title_of(request))[:100].strip("-.") or "data") + ".csv"
    if name.isascii():
        return f'filename="{name}"'
    return f"filename*=UTF-8''{quote(name, errors='replace')}"


# -- reading ---------------------------------------------------------------------------------
#
# A line without quotes, which nearly all are, is split at its commas. A quote begins or ends a
# quoted part, whether it stands alone or as half of a pair; so as long as their number is odd, a
# line break is data. Only then, with all of its lines, a record is looked at cell by cell.

_CELLS = {
    mark: re.compile(rf'(?:"((?:[^"]++|"")*+)"|([^"{mark}\r]*+))({re.escape(mark)}|\Z)')
    for mark in ",;\t|"
}
_CLOSED = re.compile(r'"(?:[^"]++|"")*+"')


class CSVParser:
    """Parse a body of CSV into `Rows` of texts.

    The header line is read at once, the rows while they are consumed.

    Args:
        limit: Bytes of the body; a longer one is 413.
        max_record: Bytes of a row.
        max_columns: Columns.
        separator: What separates cells, if it is no comma: a semicolon, a tab or a bar.
    """

    content_types = ("text/csv",)
    # Other methods are for one row.
    methods: ClassVar = {"text/csv": ("POST",)}

    def __init__(
        self,
        *,
        limit: int = MAX_STREAM,
        max_record: int = MAX_LINE,
        max_columns: int = MAX_COLUMNS,
        separator: str = ",",
    ) -> None:
        if separator not in _CELLS:
            raise ValueError(f"separator: give one of {', '.join(map(repr, _CELLS))}")
        self.limit = limit
        self.max_record = max_record
        self.max_columns = max_columns
        self.separator = separator

    def __call__(self, request: Request) -> Rows:
        """Return the rows: dicts by column name, of texts, and None for an empty cell.

        Raises:
            ParseError: It is no CSV, or ambiguous; the message names the line. What stands below
                the header is raised by the rows.
            HTTPException: As `wsgikit.media.body_stream()`, from here or from the rows.
        """
        _name, parameters = parse_content_type(request.environ.get("CONTENT_TYPE") or "text/csv")
        if parameters.get("header", "present").lower() != "present":
            raise ParseError("The CSV has no header line, which names the columns.")
        lines = body_lines(request, self.limit, self.max_record)
        records = _records(lines, self.max_record, self.separator)
        return Rows(_rows(records, _names(records, self.max_columns)), texts=True)


Record: TypeAlias = tuple[int, list[Cell]]


def _names(records: Iterator[Record], max_columns: int) -> list[str]:
    _number, cells = next(records, (0, []))
    if not cells:
        raise ParseError("The body is empty; CSV with a header line was expected.")
    if len(cells) > max_columns:
        raise ParseError(f"Line 1: There are more than {max_columns} columns.")
    names: dict[str, int] = {}
    for number, name in enumerate(cells, 1):
        if not name:
            raise ParseError(f"Line 1: Column {number} has no name.")
        if names.setdefault(name, number) != number:
            raise ParseError(f"Line 1: The column {name[:50]!r} is there more than once.")
    return [*names]


def _rows(records: Iterable[Record], names: Collection[str]) -> Iterator[dict[str, Cell]]:
    width = len(names)
    for number, cells in records:
        if len(cells) != width:
            found = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            raise ParseError(f"Line {number}: {found}, where the header has {width}.")
        yield dict(zip(names, cells, strict=True))


def _records(lines: Iterator[bytes], max_record: int, separator: str) -> Iterator[Record]:
    """Give each record with the number of its first line."""
    number = 1
    for raw in lines:
        if number == 1:
            raw = raw.removeprefix(_BOM.encode())
        parts = [raw]
        if b'"' in raw:
            parts += _rest(raw, lines, number, max_record)
        text = _decode(b"\n".join(parts), number).removesuffix("\r")
        yield number, _cells(text, number, separator)
        number += len(parts)


def _rest(raw: bytes, lines: Iterator[bytes], number: int, max_record: int) -> Iterator[bytes]:
    """Give the further lines of a record, of which the first is *raw*."""
    quotes, size = raw.count(b'"'), len(raw)
    while quotes % 2:
        line = next(lines, None)
        if line is None:
            return
        quotes += line.count(b'"')
        size += len(line) + 1
        if size > max_record:
            raise ParseError(
                f"Line {number}: The row that begins here is longer than {max_record} bytes; "
                "does a quote stand alone?"
            )
        yield line


def _decode(record: bytes, number: int) -> str:
    try:
        return record.decode("utf-8")
    except UnicodeDecodeError as error:
        number += record.count(b"\n", 0, error.start)
        raise ParseError(f"Line {number}: Not UTF-8.") from error


def _cells(text: str, number: int, separator: str) -> list[Cell]:
    if '"' not in text and "\r" not in text:
        return [cell or None for cell in text.split(separator)]
    cells: list[Cell] = []
    place, more, cell = 0, separator, _CELLS[separator]
    while more:
        match = cell.match(text, place)
        if match is None:
            raise _broken(text, place, number)
        quoted, plain, more = match.groups()
        cells.append(plain or None if quoted is None else quoted.replace('""', '"'))
        place = match.end()
    return cells


def _broken(text: str, place: int, number: int) -> ParseError:
    """Say what is wrong with the cell that begins at *place*."""
    number += text.count("\n", 0, place)
    if not text.startswith('"', place):
        wrong = next(mark for mark in text[place:] if mark in '"\r')
        reason = {
            '"': "A quote stands in a cell that is not in quotes.",
            "\r": "A CR stands alone; lines end with CRLF or LF.",
        }[wrong]
    elif closed := _CLOSED.match(text, place):
        number += closed[0].count("\n")
        reason = "Something follows the quote at the end of a cell."
    else:
        reason = "The quotes that begin here are never closed."
    return ParseError(f"Line {number}: {reason}")


CSV = MediaType("text/csv", CSVRenderer(), CSVParser())
