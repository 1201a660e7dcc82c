"""wsgikit.media.ndjson: a row a line, both ways."""

import json
import math
import tracemalloc
from collections.abc import Iterator
from datetime import date
from typing import Any
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response
from webob.dec import wsgify
from webob.exc import HTTPBadRequest, HTTPRequestEntityTooLarge

from wsgikit.media import ParseError, Rows, accepted, parse_body, respond
from wsgikit.media.json import encode
from wsgikit.media.ndjson import NDJSON, NDJSONParser, NDJSONRenderer


def render(value: Any) -> bytes:
    body = NDJSONRenderer()(value, Request.blank("/"))
    return body if isinstance(body, bytes) else b"".join(body)


def request_of(body: bytes, content_type: str = "application/x-ndjson", **environ: Any) -> Request:
    environ = {"CONTENT_TYPE": content_type, "REQUEST_METHOD": "POST", **environ}
    return Request.blank("/people/", environ, body=body)


def parse(body: bytes, **limits: int) -> list[dict[str, Any]]:
    rows = NDJSONParser(**limits)(request_of(body))
    assert not rows.texts
    return [*rows]


@wsgify
def echo(request: Request) -> Response:
    return respond([*parse_body(request, NDJSON)], request, NDJSON)


def send(request: Request) -> Response:
    response = request.get_response(validator(echo))
    assert response.body is not None  # WebOb closes what it has read
    return response


# -- writing ---------------------------------------------------------------------------------

ROWS = [{"id": 1, "name": "Ada\n"}, {"id": 2, "name": None}]
TEXT = b'{"id":1,"name":"Ada\\n"}\n{"id":2,"name":null}\n'


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        tuple(ROWS),
        {"data": ROWS, "next": None, "prev": None, "count": 2, "count_exact": True},
        iter(ROWS),
        {"data": iter(ROWS), "next": None, "prev": None},
    ],
)
def test_lists_and_pages_have_a_line_for_each_row(value: Any) -> None:
    assert render(value) == TEXT


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"id": 1, "data": [1]}, b'{"id":1,"data":[1]}\n'),
        ({"count": 3}, b'{"count":3}\n'),
        ({}, b"{}\n"),
        (None, b"null\n"),
        ("a\nb", b'"a\\nb"\n'),
        (3, b"3\n"),
        ([], b""),
        (iter([]), b""),
        ([1, [2]], b"1\n[2]\n"),
    ],
)
def test_anything_else_is_one_line(value: Any, lines: bytes) -> None:
    assert render(value) == lines


values = st.one_of(
    st.none(), st.text(st.characters()), st.integers(), st.floats(), st.dates(), st.binary()
)


@given(st.lists(st.dictionaries(st.text(), values, max_size=3)))
def test_each_line_is_what_json_has(rows: list[dict[str, Any]]) -> None:
    assert render(rows) == render(iter(rows)) == b"".join(encode(row) + b"\n" for row in rows)


def test_the_answer_says_its_type() -> None:
    response = respond(ROWS, Request.blank("/"), NDJSON)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.content_length == len(TEXT)
    assert NDJSON.format == "ndjson"


def test_an_iterator_is_streamed_in_chunks_and_closed() -> None:
    rows = Rows(({"id": number, "name": "x" * 100} for number in range(5000)), texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    response = respond({"data": rows, "next": None, "prev": None}, Request.blank("/"), NDJSON)
    assert (response.content_length, closed) == (None, [])
    chunks = [*response.app_iter]
    assert closed == [True]
    assert all(2**16 <= len(chunk) < 2**17 for chunk in chunks[:-1])
    assert b"".join(chunks).count(b"\n") == 5000


def test_what_has_no_json_form_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object has no text or JSON form"):
        respond(iter([{"a": object()}]), Request.blank("/"), NDJSON)


# -- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"", []),
        (b'{"a": 1}', [{"a": 1}]),
        (b'{"a": 1}\n{"a": [true, null]}\n', [{"a": 1}, {"a": [True, None]}]),
        (b'{"a": "\xc3\xab"}\r\n\r\n \t\n{}\r\n', [{"a": "\xeb"}, {}]),
        (b' {"a":"\xe2\x80\xa8"} \n', [{"a": "\u2028"}]),
    ],
)
def test_each_line_that_is_not_blank_is_an_object(body: bytes, rows: list[Any]) -> None:
    assert parse(body) == rows


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "Line 3: Not JSON at column 2: Expecting property name"),
        (b'{"a": 1} {}', "Line 3: Not JSON at column 10: Extra data."),
        (b'{"a":', "Line 3: Not JSON at column 6"),
        (b"[]", "Line 3: Each line must be a JSON object."),
        (b"null", "Line 3: Each line must be a JSON object."),
        (b'{"a": 1, "a": 2}', "Line 3: The name 'a' stands more than once in one object."),
        (b'{"a": NaN}', "Line 3: NaN is not JSON."),
        (b'{"a": "\xff"}', "Line 3: The JSON is not UTF-8 at byte 8."),
        (b'{"a": "\\ud800"}', "Line 3: Half a surrogate pair at column 8."),
        (b'{"a":' * 65, "Line 3: More than 64 levels deep at column 321."),
        (b'\xef\xbb\xbf{"a": 1}', "Line 3: The JSON begins with a BOM"),
        (b'{"a": ' + b"1" * 4301 + b"}", "Line 3: A number has more than 4300 digits."),
        (b'{"a": "' + b"x" * 2**20, "Line 3 is longer than 1048576 bytes."),
        (b"\x1e{}", "Line 3: Not JSON at column 1"),
        (b"\x0c", "Line 3: Not JSON at column 1"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_by_its_number(line: bytes, sentence: str) -> None:
    rows = NDJSONParser()(request_of(b'{"a": 0}\n\n' + line + b'\n{"a": 1}\n'))
    assert next(rows) == {"a": 0}
    with pytest.raises(ParseError) as caught:
        next(rows)
    assert str(caught.value).startswith(sentence)


def test_the_limits_are_arguments() -> None:
    assert parse(b'{"a":[12]}\n', limit=11, max_record=10, max_depth=2, max_digits=2)
    for limits, sentence in (
        ({"max_record": 9}, "Line 1 is longer than 9 bytes"),
        ({"max_depth": 1}, "More than 1 levels deep"),
        ({"max_digits": 1}, "more than 1 digits"),
    ):
        with pytest.raises(ParseError, match=sentence):
            parse(b'{"a":[12]}\n', **limits)
    with pytest.raises(HTTPRequestEntityTooLarge):
        parse(b'{"a":[12]}\n', limit=10)


def test_a_body_that_ends_early_is_refused_when_its_end_is_reached() -> None:
    request = request_of(b'{"a": 1}\n{"a": 2}\n')
    request.environ["CONTENT_LENGTH"] = "99"
    rows = NDJSONParser()(request)
    assert [next(rows), next(rows)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(HTTPBadRequest, match="after 18 of 99 bytes"):
        next(rows)


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/ndjson", "application/jsonl"]
)
def test_ndjson_under_each_of_its_names_is_for_post_alone(kind: str) -> None:
    assert send(request_of(b"{}\n", kind)).body == b"{}\n"
    assert send(request_of(b"{}\n", kind, REQUEST_METHOD="PUT")).status_int == 415
    assert kind in accepted(NDJSON, "POST")
    assert accepted(NDJSON, "PATCH") == accepted(NDJSON, "QUERY") == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats().filter(math.isfinite),
    lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=5))
def test_what_is_written_is_read_as_the_same_rows(rows: list[dict[str, Any]]) -> None:
    assert parse(render(rows)) == rows
    assert [json.loads(line) for line in render(rows).split(b"\n")[:-1]] == rows


@given(st.lists(st.sampled_from([b'{"a":1}', b"\n", b" ", b"\r", b"1", b"\xff", b"{"])))
def test_any_body_is_read_or_refused(parts: list[bytes]) -> None:
    try:
        parse(b"".join(parts))
    except ParseError as error:
        message = str(error)
        assert message.startswith("Line ")


class Endless:
    """A body that is made while it is read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks

    def read(self, size: int) -> bytes:
        return next(self.chunks, b"")


def test_rows_pass_through_at_constant_memory() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        day = date(2026, 5, 1)
        return ({"id": number, "name": "x" * 200, "day": day} for number in range(20_000))

    environ = {"CONTENT_TYPE": "application/x-ndjson", "wsgi.input_terminated": True}
    request = Request.blank("/", environ, method="POST")
    tracemalloc.start()
    try:
        chunks = respond({"data": rows()}, Request.blank("/"), NDJSON).app_iter
        request.environ["wsgi.input"] = Endless(iter(chunks))
        assert sum(1 for _ in parse_body(request, NDJSON)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 800_000
    finally:
        tracemalloc.stop()
