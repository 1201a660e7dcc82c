"""wsgikit.media.csv: what is written, what is read, and that the one is the other's inverse."""

import csv
import io
import math
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from wsgiref.validate import validator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine
from webob import Request, Response
from webob.dec import wsgify
from webob.exc import HTTPBadRequest, HTTPRequestEntityTooLarge

from wsgikit.media import ParseError, Rows, accepted, json_text, parse_body, respond, to_text
from wsgikit.media.csv import CSV, CSVParser, CSVRenderer


def column(name: str, kind: str = "text") -> Any:
    return SimpleNamespace(name=name, kind=kind, label=name.title())


def render(value: Any, *columns: Any, safe: bool = False, **environ: Any) -> str:
    request = Request.blank("/people/", environ)
    if columns:
        request.environ["wsgikit.columns"] = columns
    body = CSVRenderer(safe=safe)(value, request)
    return (body if isinstance(body, bytes) else b"".join(body)).decode()


def request_of(body: bytes, content_type: str = "text/csv", **environ: Any) -> Request:
    environ = {"CONTENT_TYPE": content_type, "REQUEST_METHOD": "POST", **environ}
    return Request.blank("/people/", environ, body=body)


def parse(body: str | bytes, **limits: int) -> list[dict[str, str | None]]:
    body = body.encode() if isinstance(body, str) else body
    rows = CSVParser(**limits)(request_of(body))
    assert rows.texts
    return [*rows]


# -- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", '""'),
        ("a", "a"),
        (" a b ", " a b "),
        ("\xeb\u20ac", "\xeb\u20ac"),
        ("a,b", '"a,b"'),
        ('a "b"', '"a ""b"""'),
        ("a\r\nb", '"a\r\nb"'),
        ("a\nb", '"a\nb"'),
        ("\r", '"\r"'),
        ("\ufeffa", '"\ufeffa"'),
        ("=1+1", "=1+1"),
        ("a;b\tc'd", "a;b\tc'd"),
        ("\0", "\0"),
        ("\ud800", "\\ud800"),
        (True, "true"),
        (-3, "-3"),
        (1e16, "1e+16"),
        (math.nan, "NaN"),
        (Decimal("1.10"), "1.10"),
        (b"\xff\xfe+", "//4r"),
        (date(2026, 5, 1), "2026-05-01"),
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01T12:00:00+00:00"),
        (time(12, 30), "12:30:00"),
        (timedelta(days=1, hours=2), "P1DT2H"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"id": 1, "name": "Ada"}, '"{""id"": 1, ""name"": ""Ada""}"'),
        ([1, 2], '"[1, 2]"'),
        ([], "[]"),
    ],
)
def test_quotes_stand_only_where_they_are_needed(value: Any, cell: str) -> None:
    assert render([{"a": value, "b": 1}]) == f"a,b\r\n{cell},1\r\n"


@pytest.mark.parametrize("kind", ["json", "array"])
@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", '""""""'),
        ("a", '"""a"""'),
        ("1", '"""1"""'),
        (1, "1"),
        (True, "true"),
        (math.inf, '"""Infinity"""'),
        ([1, None], '"[1, null]"'),
        ({}, "{}"),
    ],
)
def test_the_cells_of_a_json_column_are_json(kind: str, value: Any, cell: str) -> None:
    assert render([{"a": value}], column("a", kind)) == f"a\r\n{cell}\r\n"


ROWS = [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}]
TEXT = "id,name\r\n1,Ada\r\n2,\r\n"


class Page:
    data = ROWS
    next = prev = count = None


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        tuple(ROWS),
        {"data": ROWS, "next": None, "prev": "/p"},
        {"data": ROWS, "count": 2, "count_exact": True},
        {"data": ROWS},
        Page(),
    ],
)
def test_lists_and_pages_have_a_line_for_each_row(value: Any) -> None:
    assert render(value) == TEXT


def test_what_an_iterator_gives_is_the_same() -> None:
    assert render(iter(ROWS)) == TEXT
    assert render({"data": iter(ROWS), "next": None, "prev": None}) == TEXT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"id": 1, "name": "Ada"}, "id,name\r\n1,Ada\r\n"),
        ({"count": 3}, "count\r\n3\r\n"),
        ({"id": 1, "data": [1]}, "id,data\r\n1,[1]\r\n"),
        ({}, ""),
        ([], ""),
        ({"data": [], "next": None, "prev": None}, ""),
    ],
)
def test_one_thing_is_one_row(value: Any, text: str) -> None:
    assert render(value) == text


def test_the_columns_are_those_of_the_environ_in_their_order() -> None:
    columns = column("name"), column("id", "integer")
    assert render(ROWS, *columns) == "name,id\r\nAda,1\r\n,2\r\n"
    assert render(iter(ROWS), *columns[:1]) == "name\r\nAda\r\n\r\n"
    assert render([], *columns) == render(iter([]), *columns) == "name,id\r\n"
    assert render(ROWS[0], *columns) == "name,id\r\nAda,1\r\n"


def test_columns_that_describe_something_else_are_left_aside() -> None:
    assert render({"count": 3}, column("id"), column("name")) == "count\r\n3\r\n"
    assert render([{"id": 1}], column("id"), column("name")) == "id\r\n1\r\n"


def test_rows_of_a_list_may_differ_in_their_keys() -> None:
    assert render([{"a": 1}, {"b": 2}, {"b": 4, "a": 3}]) == "a,b\r\n1,\r\n,2\r\n3,4\r\n"
    assert render(iter([{"a": 1, "b": 2}, {"b": 3}])) == "a,b\r\n1,2\r\n,3\r\n"


def test_a_column_that_comes_too_late_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="A row has 'b', which the first has not: set wsgikit"):
        render(iter([{"a": 1}, {"a": 1, "b": 2}]))


@pytest.mark.parametrize("value", [3, "text", b"", None, [1], [ROWS], iter([ROWS[0], "a"])])
def test_what_has_no_rows_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="CSV is made of rows: a mapping, a list of mappings"):
        render(value)
    with pytest.raises(TypeError):
        render([object()], column("a"))


def test_a_value_without_a_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object has no text or JSON form"):
        render([{"a": object()}])


@pytest.mark.parametrize("name", ["a,b", "", '"', "\ufeffa", "1"])
def test_names_are_quoted_like_cells(name: str) -> None:
    assert next(csv.reader(io.StringIO(render([{name: "x"}]), newline=""))) == [name]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-3", "'-3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", '"\'\tx"'),
        ("\r", '"\'\r"'),
        ("\n=1", '"\'\n=1"'),
        ("\uff1d1", "'\uff1d1"),
        ('=A1,"b"', '"\'=A1,""b"""'),
        ("a;=1+1", '"a;=1+1"'),
        (timedelta(days=-1), "'-P1D"),
        ("a=1", "a=1"),
        ("'", "'"),
        ("", '""'),
        (None, ""),
        (-3, "-3"),
        (-0.5, "-0.5"),
        (Decimal("-1E+5"), "-1E+5"),
        ({"=": 1}, '"{""="": 1}"'),
    ],
)
def test_the_safe_renderer_disarms_formulas_and_leaves_numbers(value: Any, cell: str) -> None:
    assert render([{"a": value, "b": 1}], safe=True) == f"a,b\r\n{cell},1\r\n"


def test_the_safe_renderer_disarms_names_of_columns_and_json() -> None:
    assert render([{"=a": 1}], safe=True) == "'=a\r\n1\r\n"
    assert render([{"a": "=1"}, {"a": -1}], column("a", "json"), safe=True) == (
        'a\r\n"""=1"""\r\n-1\r\n'
    )


@pytest.mark.parametrize(
    ("path", "environ", "name"),
    [
        ("/people/", {}, 'filename="people.csv"'),
        ("/people/7", {}, 'filename="7.csv"'),
        ("/", {}, 'filename="data.csv"'),
        ("/%ff", {}, 'filename="data.csv"'),
        ("/a/", {"wsgikit.title": "Our people"}, 'filename="Our-people.csv"'),
        ("/a/", {"wsgikit.title": '../"\r\n.x'}, 'filename="x.csv"'),
        ("/a/", {"wsgikit.title": "Bäume"}, "filename*=UTF-8''B%C3%A4ume.csv"),
        ("/a/", {"wsgikit.title": "a" * 200}, f'filename="{"a" * 100}.csv"'),
    ],
)
def test_the_answer_says_its_type_and_names_the_file(
    path: str, environ: dict[str, str], name: str
) -> None:
    response = respond(ROWS, Request.blank(path, environ), CSV)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["Content-Disposition"] == f"attachment; {name}"


def test_a_list_has_a_length_and_an_iterator_is_streamed_and_closed() -> None:
    assert respond(ROWS, Request.blank("/"), CSV).content_length == len(TEXT)
    rows = Rows(({"id": number, "name": "x" * 100} for number in range(5000)), texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    response = respond({"data": rows, "next": None, "prev": None}, Request.blank("/"), CSV)
    assert (response.content_length, closed) == (None, [])
    chunks = [*response.app_iter]
    assert closed == [True]
    assert all(2**16 <= len(chunk) < 2**17 for chunk in chunks[:-1])
    assert b"".join(chunks).count(b"\r\n") == 5001


# -- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("a,b\r\n1,2\r\n", [("1", "2")]),
        ("a,b\n1,2\n3,4", [("1", "2"), ("3", "4")]),
        ("a,b\r\n1,2\n3,4\r\n", [("1", "2"), ("3", "4")]),
        ("\ufeffa,b\r\n1,2\r\n", [("1", "2")]),
        ('\ufeff"a","b"\r\n1,2\r\n', [("1", "2")]),
        ("a,b\r\n", []),
        ("a,b", []),
        ('a,b\n,""\n', [(None, "")]),
        ('a,b\n"",\n', [("", None)]),
        ('a,b\n"",""', [("", "")]),
        ("a,b\n,", [(None, None)]),
        ('a,b\n"x,""y""\r\nz\n",2\n', [('x,"y"\r\nz\n', "2")]),
        ('a,b\n"\n\n","\n\n"\n', [("\n\n", "\n\n")]),
        ('a,b\n1,"x\r"\r\n', [("1", "x\r")]),
        ('a,b\n"""",""""""\n', [('"', '""')]),
        ("a,b\n 1 ,\t2\n", [(" 1 ", "\t2")]),
        ("a,b\n\ufeff1,\xeb\u20ac\n", [("\ufeff1", "\xeb\u20ac")]),
        ("a,b\nNULL,null\n", [("NULL", "null")]),
        ("a,b\n1;2,3\0\n", [("1;2", "3\0")]),
        ("a,b\n1\u20282,\x853\x0c\n", [("1\u20282", "\x853\x0c")]),
    ],
)
def test_csv_is_read(body: str, rows: list[tuple[str | None, ...]]) -> None:
    assert [tuple(row.values()) for row in parse(body)] == rows
    assert all([*row] == ["a", "b"] for row in parse(body))


def test_an_empty_line_of_a_single_column_is_null() -> None:
    assert parse('a\r\n\r\n""\r\n1\r\n\r\n') == [{"a": None}, {"a": ""}, {"a": "1"}, {"a": None}]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty; CSV with a header line was expected."),
        (b"\r\n", "Line 1: Column 1 has no name."),
        (b"a,,c\r\n", "Line 1: Column 2 has no name."),
        (b'a,""\r\n', "Line 1: Column 2 has no name."),
        (b"\xef\xbb\xbf", "Line 1: Column 1 has no name."),
        (b"a,b,a\r\n", "Line 1: The column 'a' is there more than once."),
        (b"a,b\r\n1\r\n", "Line 2: 1 cell, where the header has 2."),
        (b"a,b\r\n1,2\r\n1,2,3\r\n", "Line 3: 3 cells, where the header has 2."),
        (b"a,b\r\n1,2\r\n\r\n", "Line 3: 1 cell, where the header has 2."),
        (b'a\r\n"1\n2\n3"\r\n1,2\r\n', "Line 5: 2 cells, where the header has 1."),
        (b'a\r\nx"y"\r\n', "Line 2: A quote stands in a cell that is not in quotes."),
        (b'a\r\n1\r\nx"y\r\nz\r\n', "Line 3: A quote stands in a cell that is not in quotes."),
        (b'a,b\r\n1, "2"\r\n', "Line 2: A quote stands in a cell that is not in quotes."),
        (b'a,b\r\n"1" ,2\r\n', "Line 2: Something follows the quote at the end of a cell."),
        (b'a,b\r\n"1\n2"3,2\r\n', "Line 3: Something follows the quote at the end of a cell."),
        (b'a,b\r\n"1""\r\n2,3"x"\r\n', "Line 3: Something follows the quote at the end"),
        (b'a\r\n1\r\n"2\r\n3\r\n', "Line 3: The quotes that begin here are never closed."),
        (b'a\r\n"', "Line 2: The quotes that begin here are never closed."),
        (b'a,b\r\n"1\n2","', "Line 3: The quotes that begin here are never closed."),
        (b"a\rb\r", "Line 1: A CR stands alone; lines end with CRLF or LF."),
        (b"a,b\r\n1\r,2\r\n", "Line 2: A CR stands alone; lines end with CRLF or LF."),
        (b"a,b\r\n1,2\r\r\n", "Line 2: A CR stands alone; lines end with CRLF or LF."),
        (b'a\r\n"1"\r\r\n', "Line 2: Something follows the quote at the end of a cell."),
        (b"a\r\n1\r\n\xff\r\n", "Line 3: Not UTF-8."),
        (b'a\r\n"1\n\xed\xa0\x80"\r\n', "Line 3: Not UTF-8."),
        ("a\r\n1".encode("utf-16"), "Line 1: Not UTF-8."),
    ],
)
def test_what_is_broken_or_ambiguous_is_refused_with_its_line(body: bytes, sentence: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert str(caught.value).startswith(sentence)


def test_the_rows_before_a_broken_one_are_given_first() -> None:
    rows = CSVParser()(request_of(b"a,b\n1,2\n3\n4,5\n"))
    assert next(rows) == {"a": "1", "b": "2"}
    with pytest.raises(ParseError, match="Line 3"):
        next(rows)


def test_the_limits_are_arguments() -> None:
    assert parse("a,b\n1,2\n", max_columns=2) == [{"a": "1", "b": "2"}]
    with pytest.raises(ParseError, match="Line 1: There are more than 2 columns"):
        parse("a,b,c\n", max_columns=2)
    assert parse('a\n"12\n45"\n', max_record=7) == [{"a": "12\n45"}]
    with pytest.raises(ParseError, match="Line 3: The row that begins here is longer than 7 bytes"):
        parse('a\n1\n"12\n456"\n', max_record=7)
    with pytest.raises(ParseError, match="Line 2 is longer than 7 bytes"):
        parse("a\n12345678\n", max_record=7)
    with pytest.raises(HTTPRequestEntityTooLarge):
        parse("a\n1\n", limit=3)


def test_a_body_that_ends_early_is_refused_when_its_end_is_reached() -> None:
    request = request_of(b"a\n1\n2\n")
    request.environ["CONTENT_LENGTH"] = "9"
    rows = CSVParser()(request)
    assert [next(rows), next(rows)] == [{"a": "1"}, {"a": "2"}]
    with pytest.raises(HTTPBadRequest, match="after 6 of 9 bytes"):
        next(rows)


def test_a_body_without_a_header_is_refused() -> None:
    assert len([*CSVParser()(request_of(b"a\n1\n", "text/csv; header=Present"))]) == 1
    with pytest.raises(ParseError, match="has no header line"):
        CSVParser()(request_of(b"1,2\n", "text/csv; header=absent"))


@wsgify
def echo(request: Request) -> Response:
    try:
        return respond([*parse_body(request, CSV)], request, CSV)
    except ParseError as error:  # further down the body, where parse_body() was not looking
        raise HTTPBadRequest(str(error)) from error


def send(request: Request) -> Response:
    response = request.get_response(validator(echo))
    assert response.body is not None  # WebOb closes what it has read
    return response


def test_csv_is_for_post_alone() -> None:
    assert send(request_of(b"a\n1\n")).text == "a\r\n1\r\n"
    assert send(request_of(b"a\n1\n", "text/csv; charset=latin-1")).status_int == 415
    assert send(request_of(b"a,a\n")).status_int == 400
    assert send(request_of(b"a\n1\n", REQUEST_METHOD="PUT")).status_int == 415
    assert accepted(CSV, "POST") == ("text/csv",)
    assert accepted(CSV, "PATCH") == accepted(CSV, "QUERY") == ()


# -- both ------------------------------------------------------------------------------------


texts = st.text(st.characters(codec="utf-8")) | st.text('a",\r\n\ufeff;= ')
scalars = st.one_of(
    texts,
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.binary(),
)
json = st.recursive(
    st.none() | texts | st.integers() | st.floats(),
    lambda c: st.lists(c) | st.dictionaries(texts, c),
    max_leaves=5,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Any], list[dict[str, Any]]]:
    names = draw(st.lists(texts.filter(bool), min_size=1, max_size=5, unique=True))
    kinds = {name: draw(st.sampled_from(["text", "json", "array"])) for name in names}
    cells = {
        name: st.none() | (scalars | json if kinds[name] == "text" else json) for name in names
    }
    rows = draw(st.lists(st.fixed_dictionaries(cells), max_size=5))
    return [column(name, kind) for name, kind in kinds.items()], rows


def written(value: Any, kind: str) -> str | None:
    return to_text(value) if value is None or kind == "text" else json_text(value)


@given(tables())
@example(([column("a")], [{"a": None}, {"a": ""}, {"a": "\r"}, {"a": None}]))
@example(([column("\ufeffa")], [{"\ufeffa": "\ufeff"}]))
def test_what_is_written_is_read_as_the_same_texts(
    table: tuple[list[Any], list[dict[str, Any]]],
) -> None:
    columns, rows = table
    text = render(iter(rows), *columns)
    assert parse(text) == [{c.name: written(row[c.name], c.kind) for c in columns} for row in rows]
    assert render([*parse(text)], *[column(c.name) for c in columns]) == text


@given(tables())
def test_the_standard_library_reads_the_same_cells(
    table: tuple[list[Any], list[dict[str, Any]]],
) -> None:
    columns, rows = table
    found = csv.reader(io.StringIO(render(rows, *columns), newline=""))
    expected = [[written(row[c.name], c.kind) or "" for c in columns] for row in rows]
    # To it, a line of one empty cell is none.
    assert [cells or [""] for cells in found] == [[c.name for c in columns], *expected]


def test_postgresql_reads_what_is_written_and_writes_what_is_read(
    postgresql_engine: Engine,
) -> None:
    texts = [None, "", "a", " ", '"', "a,b", "a\r\nb", "\n", "'", "\\N", "\xeb\U0001f600"]
    rows = [{"a": text, "b": other} for text in texts for other in (None, "", "x")]
    with postgresql_engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("CREATE TABLE t (a TEXT, b TEXT)")
        with cursor.copy("COPY t FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            copy.write(render(rows))
        assert cursor.execute("SELECT a, b FROM t").fetchall() == [(*row.values(),) for row in rows]
        with cursor.copy("COPY t TO STDOUT WITH (FORMAT csv, HEADER)") as copy:
            assert parse(b"".join(copy)) == rows


@given(st.text(st.sampled_from('a",\r\n1')) | st.text(st.sampled_from('",\n')))
def test_any_body_is_read_or_refused(body: str) -> None:
    try:
        rows = parse(f"a,b\n{body}")
    except ParseError:
        return
    # The standard library, which repairs much, agrees on what is not refused.
    cells = [cells for cells in csv.reader(io.StringIO(body, newline=""), strict=True) if cells]
    assert [[cell or "" for cell in row.values()] for row in rows] == cells


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert send(request_of(body)).status_int in (200, 400)


class Endless:
    """A body of many lines that is made while it is read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines

    def read(self, size: int) -> bytes:
        return next(self.lines, b"")


def test_rows_pass_through_at_constant_memory() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        return ({"id": number, "name": "x" * 200, "note": "a,b"} for number in range(20_000))

    environ = {"CONTENT_TYPE": "text/csv", "wsgi.input_terminated": True}
    request = Request.blank("/", environ, method="POST")
    tracemalloc.start()
    try:
        chunks = respond({"data": rows()}, Request.blank("/"), CSV).app_iter
        request.environ["wsgi.input"] = Endless(iter(chunks))
        assert sum(1 for _ in parse_body(request, CSV)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 800_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_cells_may_be_separated_otherwise(separator: str) -> None:
    text = 'a,b;"x;y"\r\n"1";2\r\n'.replace(";", separator)
    request = Request.blank("/", method="POST", content_type="text/csv", body=text.encode())
    rows = CSVParser(separator=separator)(request)
    assert [*rows] == [{"a,b": "1", f"x{separator}y": "2"}]


def test_a_separator_is_one_of_a_few() -> None:
    with pytest.raises(ValueError, match="separator: give one of"):
        CSVParser(separator="x")
