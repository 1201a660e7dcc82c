"""wsgikit.media: negotiation, bodies, answers and problems."""

import json
import math
import subprocess
import sys
from collections import UserDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.sql.elements import quoted_name
from webob import Request, Response
from webob.dec import wsgify
from webob.exc import (
    HTTPBadRequest,
    HTTPException,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPNotFound,
    HTTPRequestEntityTooLarge,
    HTTPServiceUnavailable,
    HTTPUnsupportedMediaType,
)

import wsgikit.model
from wsgikit.media import (
    CHUNK,
    Asset,
    Form,
    MediaType,
    ParseError,
    Rows,
    accepted,
    answer,
    asset,
    body_lines,
    body_stream,
    columns_of,
    deliver,
    is_header,
    json_text,
    media_types,
    negotiate,
    page_of,
    parse_body,
    parse_content_type,
    problem,
    read_body,
    respond,
    rows_of,
    title_of,
    to_text,
    without_body,
)


def render_json(value: Any, _request: Request) -> bytes:
    return json.dumps(value).encode()


def render_html(value: Any, request: Request) -> Iterator[bytes]:
    action = request.environ.get("wsgikit.action")
    yield f"<p>{action}: {value['status']} {value['detail']}".encode()
    yield f" {sorted(request.environ.get('wsgikit.context', ()))}</p>".encode()


def render_rows(value: Any, _request: Request) -> Iterator[bytes]:
    return (f"{row}\n".encode() for row in value)


def parse_json(request: Request) -> Any:
    try:
        return json.loads(read_body(request, 100))
    except ValueError as error:
        raise ParseError("Not JSON.") from error


class ParseText:
    content_types = ("text/plain", "text/Markdown")

    def __call__(self, request: Request) -> str:
        return read_body(request).decode()


class ParsePatches:
    content_types = ("application/json", "application/Merge-Patch+json")
    methods: ClassVar = {"application/merge-patch+json": ("PATCH",)}

    def __call__(self, request: Request) -> Any:
        return parse_json(request)


class PageWithStyle:
    assets: ClassVar = {
        "css": Asset("text/css", b"p { margin: 0 }", "abc"),
        "json": Asset("text/css", b"p { margin: 1px }", "def"),
    }

    def __call__(self, _value: Any, _request: Request) -> bytes:
        return b"<p>Hello</p>"


JSON = MediaType("application/json", render_json, parse_json)
HTML = MediaType("text/html", render_html)
PATCHES = MediaType("application/json", render_json, ParsePatches())
ROWS = MediaType("application/x-ndjson", render_rows)
TEXT = MediaType("text/plain", parser=ParseText())
STYLED = MediaType("text/html", PageWithStyle())

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@wsgify
def hello(request: Request) -> Response:
    return respond({"status": 200, "detail": "Hello"}, request, [JSON, HTML])


@wsgify
def echo(request: Request) -> Response:
    return respond(parse_body(request, [JSON, TEXT]), request, JSON)


@wsgify
def failing(request: Request) -> Response:
    error = HTTPNotFound("There is no <b> here.", headers=[("Retry-After", "5")])
    return problem(request, error, [JSON, HTML], errors=[{"pointer": "/a"}])


def get(app: Any, url: str = "/", **environ: Any) -> Response:
    environ = {name: value for name, value in environ.items() if value is not None}
    return send(Request.blank(url, environ), app)


def send(request: Request, app: Any) -> Response:
    response = request.get_response(validator(app))
    assert response.body is not None  # WebOb closes what it has read
    return response


def post(content_type: str, body: bytes, method: str = "POST", **environ: str) -> Request:
    environ = {"CONTENT_TYPE": content_type, "REQUEST_METHOD": method, **environ}
    return Request.blank("/", environ, body=body)


# -- media types -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("application/json", "json"),
        ("text/html", "html"),
        ("text/csv", "csv"),
        ("application/x-ndjson", "ndjson"),
        ("application/atom+xml", "atom"),
        ("Text/HTML; charset=utf-8", "html"),
    ],
)
def test_a_format_is_the_subtype_without_prefix_and_suffix(name: str, short: str) -> None:
    assert MediaType(name).format == short


def test_a_media_type_reads_its_own_name_unless_the_parser_says_more() -> None:
    assert JSON.content_types == ("application/json",)
    assert TEXT.content_types == ("text/plain", "text/markdown")
    assert HTML.content_types == ()


def test_one_media_type_several_and_none_become_a_tuple() -> None:
    assert media_types(JSON) == (JSON,)
    assert media_types(iter([JSON, HTML])) == (JSON, HTML)
    assert media_types(None) == ()


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("POST", ("application/json", "text/plain", "text/markdown")),
        (
            "PATCH",
            ("application/json", "application/merge-patch+json", "text/plain", "text/markdown"),
        ),
    ],
)
def test_the_method_decides_which_content_types_are_accepted(
    method: str, names: tuple[str, ...]
) -> None:
    assert accepted([PATCHES, JSON, HTML, TEXT], method) == names


def test_nothing_accepts_nothing() -> None:
    assert accepted(None, "POST") == accepted(HTML, "POST") == ()


# -- negotiation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("", "application/json"),
        (" ", "application/json"),
        ("*/*", "application/json"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("text/*", "text/html"),
        ("text/html;q=0.5, application/json;q=0.4", "text/html"),
        ("text/html;q=0.4, application/json;q=0.5", "application/json"),
        ("text/html, application/json", "application/json"),
        ("application/json;q=0, */*", "text/html"),
        # What axios and older jQuery send: named beats covered by a wildcard.
        ("text/html, text/plain, */*", "text/html"),
        ("application/json, text/plain, */*", "application/json"),
        # RFC 9110, 12.5.1: the most specific range decides, wherever it stands.
        ("*/*;q=0.9, text/html;q=0.1", "application/json"),
        ("text/*;q=0.9, text/html;q=0.1, application/*;q=0.2", "application/json"),
        # All is UTF-8, and parameters that cannot be had do not make a 406.
        ("text/html; charset=utf-8", "text/html"),
        ('text/html;charset="UTF8";q=0.5, */*;q=0.1', "text/html"),
        ("text/html;charset=utf-8;q=0.1, application/json;q=0.2", "application/json"),
        ("text/html;charset=utf-80", "text/html"),
        ('text/html; a="b,\\"c"; level=1', "text/html"),
        ("text/html;level=1;q=0.1, application/json;level=1;q=0.2", "application/json"),
        ("text/html;level=1, application/json", "application/json"),
        # What cannot be read counts as absent.
        ("html", "application/json"),
        ("text/html;q=2", "application/json"),
        ("text/html;q=", "application/json"),
        ("\xff\xfe", "application/json"),
    ],
)
def test_accept_chooses_the_media_type(accept: str | None, expected: str) -> None:
    response = get(hello, HTTP_ACCEPT=accept)
    assert response.content_type == expected
    assert response.vary == ("Accept",)


@pytest.mark.parametrize(
    "accept",
    ["image/png", "text/html;q=0, application/json;q=0", "*/*;q=0", "text/html;level=1;q=0"],
)
def test_nothing_wanted_is_406_that_says_what_is_on_offer(accept: str) -> None:
    response = get(hello, HTTP_ACCEPT=accept)
    assert response.status_int == 406
    assert "application/json, text/html" in response.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("format=html", "text/html"),
        ("format=json", "application/json"),
        ("a=1&format=html&b=", "text/html"),
        ("%66ormat=html", "text/html"),
        ("format=%68tml", "text/html"),
        ("format=", "application/json"),
        ("format", "application/json"),
        ("q=%41", "application/json"),
        ("q=format", "application/json"),
        ("q=\xc3\xa9&format=html", "text/html"),
    ],
)
def test_format_in_the_query_wins(query: str, expected: str) -> None:
    assert get(hello, QUERY_STRING=query, HTTP_ACCEPT="*/*").content_type == expected


def test_format_wins_over_accept() -> None:
    assert get(hello, "/?format=json", HTTP_ACCEPT="text/html").content_type == "application/json"
    assert get(hello, "/?format=json", HTTP_ACCEPT="image/png").status_int == 200


@pytest.mark.parametrize("query", ["format=xml", "format=JSON", "format=application/json"])
def test_an_unknown_format_is_406_that_names_those_there_are(query: str) -> None:
    response = get(hello, "/?" + query)
    assert response.status_int == 406
    assert "json, html" in response.text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("format=json&format=json", "more than once"),
        ("format=html&%66ormat=json", "more than once"),
        ("format=%ff", "not UTF-8"),
        ("q=%ff&format=json", "not UTF-8"),
        ("format=\xff", "not UTF-8"),
        ("format=\u20ac", "not UTF-8"),
        ("format=%zz", "two hex digits"),
        ("format=%4", "two hex digits"),
        ("format=json&" * 1001, "over 1000 parameters"),
    ],
)
def test_an_unreadable_query_is_400(query: str, sentence: str) -> None:
    response = get(hello, QUERY_STRING=query)
    assert response.status_int == 400
    assert sentence in response.text


@pytest.mark.parametrize(
    ("method", "sent", "accept", "expected"),
    [
        ("POST", "application/json", None, "application/json"),
        ("POST", "application/json", "*/*", "application/json"),
        ("PATCH", "Application/JSON; charset=utf-8", "*/*", "application/json"),
        ("POST", "application/json", "text/html, application/json", "application/json"),
        ("POST", "application/json", "text/html, */*", "text/html"),
        ("POST", "application/json", "application/json;q=0.1, */*", "text/html"),
        ("POST", "text/plain", "*/*", "text/html"),
        ("POST", "application/jsonp", "*/*", "text/html"),
        ("GET", "application/json", "*/*", "text/html"),
        ("HEAD", "application/json", "*/*", "text/html"),
    ],
)
def test_who_sends_json_and_takes_anything_gets_json(
    method: str, sent: str, accept: str | None, expected: str
) -> None:
    """As curl and most libraries do."""
    headers = {"Content-Type": sent, **({} if accept is None else {"Accept": accept})}
    request = Request.blank("/", method=method, headers=headers)
    assert negotiate(request, [HTML, JSON]).name == expected


def test_media_types_without_a_renderer_are_not_offered() -> None:
    request = Request.blank("/")
    assert negotiate(request, [TEXT, HTML]) is HTML
    assert "Vary" not in respond({"status": 1, "detail": ""}, request, [TEXT, HTML]).headers
    with pytest.raises(ValueError, match="No media type with a renderer"):
        negotiate(request, [TEXT])


@given(
    accept=st.text(st.characters(max_codepoint=255)),
    query=st.text(st.characters(max_codepoint=255)),
)
def test_any_accept_and_query_gets_an_answer(accept: str, query: str) -> None:
    request = Request.blank("/", {"HTTP_ACCEPT": accept, "QUERY_STRING": query})
    statuses = [200]
    try:
        negotiate(request, [JSON, HTML])
    except HTTPException as error:
        refusal = problem(request, error, [JSON, HTML])
        statuses = [error.wsgi_response.status_int, refusal.status_int]
    assert statuses in ([200], [400, 400], [406, 406])


# -- bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("Application/JSON ; Charset=UTF-8", b"[]", []),
        ('application/json;charset="utf8"', b"[]", []),
        ("application/json;; version=1;", b"[]", []),
        ("text/plain", b"Hi", "Hi"),
        ("text/markdown", b"Hi", "Hi"),
    ],
)
def test_the_content_type_chooses_the_parser(content_type: str, body: bytes, value: Any) -> None:
    response = send(post(content_type, body), echo)
    assert response.json == value


@pytest.mark.parametrize(
    ("method", "header"),
    [("POST", "Accept-Post"), ("PATCH", "Accept-Patch"), ("PUT", "Accept")],
)
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "json",
        "image/png",
        "application/jsonp",
        "application/json; charset",
        "application/json; charset=latin-1",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json; charset=utf-8; CHARSET=latin-1",
        "application/json, application/json",
        'application/json; a="',
        "application/json" + ";  " * 2000 + "!",
        "application/json" + '; a="\\"' * 2000,
    ],
)
def test_an_unsupported_type_is_415_that_says_what_is_read(
    method: str, header: str, content_type: str
) -> None:
    response = send(post(content_type, b"[]", method), echo)
    assert response.status_int == 415
    accepted = "application/json, text/plain, text/markdown"
    assert response.headers[header] == accepted
    assert accepted in response.text
    assert "Accept-Encoding" not in response.headers


def test_a_type_for_another_method_is_415_that_names_what_would_do() -> None:
    @wsgify
    def app(request: Request) -> Response:
        return respond(parse_body(request, PATCHES), request, PATCHES)

    assert send(post("application/merge-patch+json", b"{}", "PATCH"), app).json == {}
    response = send(post("application/merge-patch+json", b"{}"), app)
    assert response.status_int == 415
    assert response.headers["Accept-Post"] == "application/json"
    # Without the validator, which does not know the method.
    response = post("text/plain", b"{}", "QUERY").get_response(app)
    assert response.headers["Accept-Query"] == "application/json"
    response = send(post("text/plain", b"{}", "PATCH"), app)
    assert response.headers["Accept-Patch"] == "application/json, application/merge-patch+json"


def test_without_any_parser_415_promises_nothing() -> None:
    with pytest.raises(HTTPUnsupportedMediaType, match="No body is read here") as caught:
        parse_body(post("text/html", b""), [HTML])
    assert "Accept-Post" not in caught.value.headers


def test_a_compressed_body_is_415() -> None:
    request = post("application/json", b"[]", HTTP_CONTENT_ENCODING="gzip")
    response = send(request, echo)
    assert response.status_int == 415
    assert response.headers["Accept-Encoding"] == "identity"
    request = post("application/json", b"[]", HTTP_CONTENT_ENCODING="Identity")
    assert send(request, echo).status_int == 200


def test_a_body_that_cannot_be_parsed_is_400_with_the_reason() -> None:
    response = send(post("application/json", b"{"), echo)
    assert response.status_int == 400
    assert "Not JSON." in response.text


def test_a_body_is_parsed_once_and_stays_readable() -> None:
    request = post("application/json", b"[1]")
    value = parse_body(request, [JSON])
    assert parse_body(request, [JSON]) is value
    assert read_body(request) == b"[1]"
    assert request.body == b"[1]"


def test_the_parsed_null_is_remembered_too() -> None:
    request = post("application/json", b"null")
    assert parse_body(request, [JSON]) is None
    request.environ["wsgi.input"] = BytesIO(b"")
    assert parse_body(request, [JSON]) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/plain", ("text/plain", {})),
        ("Text/Plain;A=b", ("text/plain", {"a": "b"})),
        (' a/b ; c="d\\"e;" ; f=g ', ("a/b", {"c": 'd"e;', "f": "g"})),
        ('a/b;c=""', ("a/b", {"c": ""})),
    ],
)
def test_a_content_type_is_split(header: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_content_type(header) == expected


class Slow(BytesIO):
    """An input that gives a byte at a time, and never more than asked for."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0
        return super().read(1)


class Broken(BytesIO):
    def read(self, _size: int | None = -1) -> NoReturn:
        raise ConnectionResetError("gone")


def receive(body: BytesIO, limit: int = 10, **environ: Any) -> bytes:
    request = Request.blank("/", {"wsgi.input": body, "REQUEST_METHOD": "POST"})
    request.environ.pop("CONTENT_LENGTH", None)
    request.environ.update(environ)
    received = read_body(request, limit)
    assert read_body(request, limit) == received
    return received


def test_a_body_is_read_to_its_length() -> None:
    assert receive(Slow(b"hello world"), CONTENT_LENGTH="5") == b"hello"
    assert receive(Slow(b"hello worl"), CONTENT_LENGTH="10") == b"hello worl"
    assert receive(Slow(b"hello"), CONTENT_LENGTH="0") == b""
    assert receive(Slow(b"hello"), CONTENT_LENGTH="") == b""
    assert receive(Slow(b"hello")) == b""


def test_a_terminated_body_is_read_to_its_end() -> None:
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert receive(Slow(b"hello"), **chunked) == b"hello"
    assert receive(Slow(b"hello worl"), **chunked) == b"hello worl"
    with pytest.raises(HTTPRequestEntityTooLarge):
        receive(Slow(b"hello world"), **chunked)


def test_a_chunked_body_without_an_end_is_411() -> None:
    with pytest.raises(HTTPLengthRequired):
        receive(Slow(b""), HTTP_TRANSFER_ENCODING="chunked")


@pytest.mark.parametrize("length", ["11", "99999999999999999999", "9" * 5000])
def test_a_body_over_the_limit_is_413_and_not_read(length: str) -> None:
    with pytest.raises(HTTPRequestEntityTooLarge, match="10 bytes"):
        receive(Broken(), CONTENT_LENGTH=length)


@pytest.mark.parametrize("length", ["x", "-1", "+5", "5, 5", "1_0", "5.0", "\u0665", "0x5"])
def test_a_content_length_that_is_no_number_is_400(length: str) -> None:
    with pytest.raises(HTTPBadRequest, match="not a number"):
        receive(Broken(), CONTENT_LENGTH=length)


def test_a_body_with_two_lengths_is_400() -> None:
    with pytest.raises(HTTPBadRequest, match="Transfer-Encoding"):
        receive(Slow(b"hello"), CONTENT_LENGTH="5", HTTP_TRANSFER_ENCODING="chunked")


def test_a_body_that_ends_early_is_400() -> None:
    with pytest.raises(HTTPBadRequest, match="after 3 of 5 bytes"):
        receive(Slow(b"hel"), CONTENT_LENGTH="5")
    with pytest.raises(HTTPBadRequest, match="not be received"):
        receive(Broken(), CONTENT_LENGTH="5")


def test_a_body_is_streamed_in_the_pieces_that_come() -> None:
    request = Request.blank("/", {"wsgi.input": Slow(b"hello"), "CONTENT_LENGTH": "5"})
    assert list(body_stream(request)) == [b"h", b"e", b"l", b"l", b"o"]
    request = Request.blank("/", {"wsgi.input": BytesIO(b"a" * (CHUNK + 1))})
    request.environ["wsgi.input_terminated"] = True
    assert [len(chunk) for chunk in body_stream(request)] == [CHUNK, 1]
    assert list(body_stream(Request.blank("/"))) == []


def test_what_the_headers_show_is_refused_before_anything_is_read() -> None:
    request = Request.blank("/", {"wsgi.input": Broken(), "CONTENT_LENGTH": "6"})
    with pytest.raises(HTTPRequestEntityTooLarge):
        body_stream(request, 5)
    with pytest.raises(HTTPBadRequest, match="not be received"):
        list(body_stream(request, 6))


def test_a_streamed_body_that_is_broken_is_refused_where_it_breaks() -> None:
    request = Request.blank("/", {"wsgi.input": Slow(b"abc"), "CONTENT_LENGTH": "4"})
    stream = body_stream(request)
    assert [next(stream) for _ in range(3)] == [b"a", b"b", b"c"]
    with pytest.raises(HTTPBadRequest, match="after 3 of 4 bytes"):
        next(stream)
    request = Request.blank("/", {"wsgi.input": Slow(b"abc"), "wsgi.input_terminated": True})
    stream = body_stream(request, 2)
    assert [next(stream) for _ in range(2)] == [b"a", b"b"]
    with pytest.raises(HTTPRequestEntityTooLarge):
        next(stream)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"\n", [b""]),
        (b"a\r\n\nb c\nd", [b"a\r", b"", b"b c", b"d"]),
    ],
)
def test_a_body_is_read_line_by_line(body: bytes, lines: list[bytes]) -> None:
    for source in (Slow(body), BytesIO(body)):
        environ = {"wsgi.input": source, "CONTENT_LENGTH": str(len(body))}
        assert list(body_lines(Request.blank("/", environ), 100, 10)) == lines


@pytest.mark.parametrize("body", [b"a\n" + b"b" * 11 + b"\nc\n", b"a\n" + b"b" * 11])
def test_a_line_that_is_too_long_is_named(body: bytes) -> None:
    for source in (Slow(body), BytesIO(body)):
        environ = {"wsgi.input": source, "CONTENT_LENGTH": str(len(body))}
        lines = body_lines(Request.blank("/", environ), 100, 10)
        assert next(lines) == b"a"
        with pytest.raises(ParseError, match="Line 2 is longer than 10 bytes"):
            next(lines)


def test_rows_are_read_while_they_are_consumed_and_can_be_closed() -> None:
    events = []

    def read() -> Iterator[dict[str, Any]]:
        try:
            for number in range(3):
                events.append(number)
                yield {"a": number}
        finally:
            events.append("closed")

    rows = Rows(read(), texts=False)
    assert (events, rows.texts) == ([], False)
    assert next(rows) == {"a": 0}
    rows.close()
    assert events == [0, "closed"]
    assert list(rows) == []
    rows = Rows([{"a": "1"}], texts=True)
    assert list(rows) == [{"a": "1"}]
    rows.close()


# -- answers ---------------------------------------------------------------------------------


def test_respond_gives_status_length_type_and_headers() -> None:
    @wsgify
    def app(request: Request) -> Response:
        return respond([1], request, JSON, 201, [("Location", "/1"), ("Content-Length", "99")])

    response = get(app)
    assert response.status == "201 Created"
    assert response.headers["Location"] == "http://localhost/1"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == "3"
    assert "Vary" not in response.headers
    assert response.body == b"[1]"


def test_respond_to_head_renders_nothing() -> None:
    def render(_value: Any, _request: Request) -> NoReturn:
        raise AssertionError

    @wsgify
    def app(request: Request) -> Response:
        return respond([], request, MediaType("text/plain", render), headers={"X": "y"})

    response = get(app, REQUEST_METHOD="HEAD")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X"] == "y"
    assert "Content-Length" not in response.headers
    assert response.body == b""


@pytest.mark.parametrize("shape", [iter, lambda rows: {"data": rows, "next": None, "prev": None}])
def test_respond_to_head_closes_the_rows_it_does_not_read(shape: Any) -> None:
    rows = Rows([], texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    request = Request.blank("/", method="HEAD")
    assert respond(shape(rows), request, ROWS).app_iter == []
    assert closed == [True]
    assert respond({"data": []}, request, ROWS).app_iter == []


def test_respond_streams_what_a_renderer_yields() -> None:
    response = respond(iter([1, 2]), Request.blank("/"), ROWS)
    assert "Content-Length" not in response.headers
    assert list(response.app_iter) == [b"1\n", b"2\n"]


def test_an_error_before_the_first_chunk_is_raised_and_the_rest_is_closed() -> None:
    class Failing:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            raise HTTPNotFound
            yield b""

        def close(self) -> None:
            self.closed += 1

    body = Failing()
    with pytest.raises(HTTPNotFound):
        respond([], Request.blank("/"), MediaType("text/plain", lambda *_: body))
    assert body.closed == 1


def test_the_stream_of_a_renderer_is_closed_when_the_client_goes_away() -> None:
    events = []

    def render(value: Any, _request: Request) -> Iterator[bytes]:
        try:
            yield from value
        finally:
            events.append("closed")

    response = respond([b"a", b"b"], Request.blank("/"), MediaType("text/plain", render))
    assert events == []
    chunks = iter(response.app_iter)
    assert next(chunks) == b"a"
    response.app_iter.close()
    assert events == ["closed"]
    assert list(respond([], Request.blank("/"), ROWS).app_iter) == []


def test_a_renderer_may_have_headers_and_headers_given_win_over_them() -> None:
    class RenderCSV:
        def headers(self, value: Any, _request: Request) -> dict[str, str]:
            return {"Content-Type": "text/csv; header=present", "X-Rows": str(len(value))}

        def __call__(self, _value: Any, _request: Request) -> bytes:
            return b""

    def send(method: str, **headers: str) -> Response:
        return respond([1], Request.blank("/", method=method), csv, headers=headers)

    csv = MediaType("text/csv", RenderCSV())
    for method in ("GET", "HEAD"):
        response = send(method)
        assert response.headers.getall("Content-Type") == ["text/csv; header=present"]
        assert response.headers["X-Rows"] == "1"
    assert send("GET", **{"x-rows": "5"}).headers.getall("X-Rows") == ["5"]
    with pytest.raises(ValueError, match="Not a header line"):
        respond("\n", Request.blank("/"), MediaType("text/csv", HeaderOfValue()))


class HeaderOfValue:
    def headers(self, value: str, _request: Request) -> list[tuple[str, str]]:
        return [("X", value)]

    def __call__(self, _value: Any, _request: Request) -> bytes:
        raise AssertionError


def test_headers_given_win_and_vary_is_joined() -> None:
    headers = {"content-type": "application/vnd.api+json", "vary": "Cookie"}
    response = respond([1], Request.blank("/"), [JSON, HTML], headers=headers)
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    assert response.headers.getall("Vary") == ["Accept, Cookie"]


def test_text_says_its_charset_once() -> None:
    request = Request.blank("/")
    assert respond([], request, MediaType("text/csv", render_rows)).headers["Content-Type"] == (
        "text/csv; charset=utf-8"
    )
    named = MediaType("text/csv; header=present", render_rows)
    assert respond([], request, named).headers["Content-Type"] == "text/csv; header=present"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0"),
        ("Location", "/\u20ac"),
        ("X\n", "a"),
        ("X Y", "a"),
        ("", "a"),
    ],
)
def test_a_header_that_would_split_the_answer_is_refused(name: str, value: str) -> None:
    assert not is_header(name, value)
    with pytest.raises(ValueError, match="Not a header line"):
        respond([], Request.blank("/"), JSON, headers=[(name, value)])


def returning(result: Any, media: Any = ()) -> Any:
    @wsgify
    def app(request: Request) -> Any:
        return answer(result, request, media)

    return app


def test_an_application_is_its_own_answer() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return Response("from an app")(environ, start_response)

    assert answer(app, Request.blank("/")) is app
    assert get(returning(HTTPNotFound())).status_int == 404


@pytest.mark.parametrize("result", ["<p>\u20ac</p>", "<p>\u20ac</p>".encode()])
def test_text_and_bytes_are_html(result: str | bytes) -> None:
    response = get(returning(result))
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Length"] == "10"
    assert response.text == "<p>\u20ac</p>"


def test_an_iterator_is_streamed_chunk_by_chunk_and_closed() -> None:
    events = []

    def chunks() -> Iterator[str | bytes]:
        try:
            for chunk in ("a\u20ac", b"b", ""):
                events.append(chunk)
                yield chunk
        finally:
            events.append("closed")

    response: Any = answer(chunks(), Request.blank("/"))
    assert events == ["a\u20ac"]
    assert list(response.app_iter) == ["a\u20ac".encode(), b"b", b""]
    assert events[-1] == "closed"

    events.clear()
    response = answer(chunks(), Request.blank("/"))
    response.app_iter.close()
    assert events == ["a\u20ac", "closed"]
    assert get(returning(chunks())).text == "a\u20acb"


def test_any_iterator_can_be_streamed() -> None:
    assert get(returning(iter(["a", "b"]))).text == "ab"
    assert get(returning(iter([]))).text == ""


def test_an_http_error_before_the_first_chunk_is_the_answer() -> None:
    def chunks() -> Iterator[str]:
        raise HTTPNotFound
        yield "never"

    assert get(returning_lazily(chunks)).status_int == 404


def returning_lazily(function: Any) -> Any:
    @wsgify
    def app(request: Request) -> Any:
        return answer(function(), request)

    return app


def test_a_stream_of_anything_else_is_a_type_error() -> None:
    response: Any = answer(iter(["a", 1]), Request.blank("/"))
    with pytest.raises(TypeError, match="not int"):
        list(response.app_iter)


@pytest.mark.parametrize("result", [{"a": 1}, [1], 3])
def test_data_is_rendered_with_media(result: Any) -> None:
    assert get(returning(result, JSON)).json == result


@pytest.mark.parametrize("result", [{"a": 1}, None])
def test_data_without_media_is_a_type_error_that_says_what_to_do(result: Any) -> None:
    with pytest.raises(TypeError, match=r"media=\[JSON\]"):
        answer(result, Request.blank("/"), None)


def test_head_of_an_application_is_its_headers() -> None:
    closed = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Chunks:
        start_response("200 OK", [("Content-Type", "a/b"), ("Content-Length", "9")])(b"early")
        return Chunks([b"late"])

    response = get(without_body(app), REQUEST_METHOD="HEAD")
    assert (response.headers["Content-Length"], response.body) == ("9", b"")
    assert closed == [True]


# -- assets ----------------------------------------------------------------------------------


@wsgify
def styled(request: Request) -> Response:
    return asset(request, [JSON, STYLED]) or respond([], request, [JSON, STYLED])


def test_an_asset_of_this_version_is_cached_for_ever() -> None:
    response = get(styled, "/?format=css&v=abc")
    assert response.headers["Content-Type"] == "text/css"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.body == b"p { margin: 0 }"


@pytest.mark.parametrize("query", ["format=css", "format=css&v=old", "format=css&v=abc&v=abc"])
def test_an_asset_of_another_version_is_revalidated(query: str) -> None:
    response = get(styled, "/?" + query)
    assert response.headers["Cache-Control"] == "no-cache"
    response = get(styled, "/?" + query, HTTP_IF_NONE_MATCH=response.headers["ETag"])
    assert response.status_int == 304


def test_a_format_is_never_hidden_by_an_asset() -> None:
    assert get(styled, "/?format=json").content_type == "application/json"


@pytest.mark.parametrize("query", ["", "format=html", "format=js", "format=%ff"])
def test_everything_else_is_no_asset(query: str) -> None:
    assert asset(Request.blank("/?" + query), [JSON, STYLED]) is None


def test_only_get_and_head_reach_assets() -> None:
    assert asset(Request.blank("/?format=css", method="POST"), [STYLED]) is None
    assert get(styled, "/?format=css", REQUEST_METHOD="HEAD").content_length == 15


# -- what renderers share --------------------------------------------------------------------


class Page:
    def __init__(self, **members: Any) -> None:
        vars(self).update(members)


class Colour(Enum):
    RED = "red"
    NOTHING = None


FULL = {"data": [1], "next": None, "prev": "/p", "count": 3}


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (FULL, FULL),
        ({"data": (1,), "next": None}, {"data": (1,), "next": None}),
        ({"id": 1, "data": [1]}, None),
        ({"data": "text"}, None),
        ({}, None),
        ([1], None),
        (None, None),
        (Page(**FULL), FULL),
        (Page(**FULL, count_exact=False), {**FULL, "count_exact": False}),
        (Page(**FULL, count_exact=None), FULL),
        (
            Page(data=[], next=None, prev=None, count=None, count_exact=True),
            {"data": [], "next": None, "prev": None},
        ),
        (Page(data=[]), None),
    ],
)
def test_a_page_is_told_from_a_row(value: Any, members: Any) -> None:
    assert page_of(value) == members


def test_rows_are_those_of_a_list_or_of_a_page() -> None:
    rows = iter([1])
    assert rows_of(rows) is rows
    assert rows_of({"id": 1, "data": rows}) is rows
    assert rows_of([1]) == rows_of(Page(**FULL)) == [1]
    assert rows_of((1,)) == (1,)
    assert rows_of({"id": 1}) is rows_of("text") is rows_of(None) is None


class Column:
    name = "id"


def test_columns_are_those_that_describe_the_rows() -> None:
    request = Request.blank("/", {"wsgikit.columns": [Column]})
    assert columns_of(request) == columns_of(request, {"id": 1}, {"id": 2, "a": 3}) == (Column,)
    assert columns_of(request, {"count": 3}) == columns_of(request, 3) == ()
    assert columns_of(Request.blank("/"), {"id": 1}) == ()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/people/", "people"),
        ("/a/people/7", "7"),
        ("/%C3%AB", "\xeb"),
        ("/%ff", "\ufffd"),
        ("/", ""),
    ],
)
def test_the_title_is_that_of_the_path_unless_there_is_one(path: str, title: str) -> None:
    assert title_of(Request.blank(path)) == title
    assert title_of(Request.blank(path, {"wsgikit.title": "Staff"})) == "Staff"


def test_the_pieces_of_an_iterator_are_sent_in_chunks_and_it_is_closed() -> None:
    pieces = [b"a" * 1000] * 200
    rows = Rows([], texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    chunks = [*deliver(pieces, rows)]
    assert [len(chunk) for chunk in chunks] == [66_000, 66_000, 66_000, 2_000]  # type: ignore[arg-type]
    assert closed == [True]
    assert [*deliver([], iter([]))] == [b""]


def test_the_pieces_of_a_list_are_one() -> None:
    assert deliver(iter([b"a", b"b"]), []) == b"ab"


# -- how values are written ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("a", "a"),
        (quoted_name("a", None), "a"),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (HTTPStatus.OK, "200"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+2"), "1E+2"),
        (Decimal("1E+400"), "1E+400"),
        (Decimal("-sNaN123"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\xff\xfe+", "//4r"),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        (date(1, 2, 3), "0001-02-03"),
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01T12:00:00+00:00"),
        (time(1, 2, 3), "01:02:03"),
        (timedelta(days=-1, hours=-2), "-P1DT2H"),
        (Colour.RED, "red"),
        (Colour.NOTHING, None),
        ({"a": [1, "\u20ac", None]}, '{"a": [1, "\u20ac", null]}'),
        ((1, date(2026, 5, 1)), '[1, "2026-05-01"]'),
        ([math.nan, {"a": Decimal("NaN")}], '["NaN", {"a": "NaN"}]'),
        (UserDict(a=1), '{"a": 1}'),
        (Page(**FULL), '{"data": [1], "next": null, "prev": "/p", "count": 3}'),
    ],
)
def test_each_value_has_one_text(value: Any, text: str | None) -> None:
    assert to_text(value) == text
    assert type(to_text(value)) is type(text)


def test_json_is_written_compactly_or_for_people() -> None:
    value = {"a": [1, math.inf]}
    assert json_text(value) == '{"a": [1, "Infinity"]}'
    assert json_text(value, compact=True) == '{"a":[1,"Infinity"]}'


@pytest.mark.parametrize("value", [object(), {1}, iter([1]), [object()], 1j])
def test_what_has_no_text_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="has no text or JSON form"):
        to_text(value)


plain = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.floats(),
    # What a driver gives as a decimal never signals.
    st.decimals().filter(lambda number: not number.is_snan()),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.times(timezones=st.none() | st.just(UTC)),
    st.timedeltas(),
    st.uuids(),
    st.binary(),
)
# Inside of JSON the model does not care for what JSON lacks.
finite = plain.filter(lambda value: not isinstance(value, float) or math.isfinite(value))
nested = st.recursive(finite, lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=9)


@given(plain | nested)
@example(timedelta.max)
@example(timedelta.min)
def test_the_text_of_each_kind_of_value_is_that_of_the_model(value: Any) -> None:
    assert to_text(value) == wsgikit.model.to_text(value)


# -- problems --------------------------------------------------------------------------------


def test_programs_get_problem_json_with_the_headers_of_the_error() -> None:
    response = get(failing)
    assert response.status == "404 Not Found"
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Vary"] == "Accept"
    assert response.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no <b> here.",
        "errors": [{"pointer": "/a"}],
    }


def test_the_page_is_rendered_as_the_action_problem_without_context() -> None:
    environ = {"wsgikit.action": "list", "wsgikit.context": {"row": 1}}
    request = Request.blank("/", {"HTTP_ACCEPT": BROWSER, **environ})
    response = problem(request, HTTPNotFound("Gone."), [JSON, HTML])
    assert response.text == "<p>problem: 404 Gone. []</p>"
    assert request.environ["wsgikit.action"] == "list"
    assert request.environ["wsgikit.context"] == {"row": 1}


def test_without_an_html_renderer_a_minimal_page_escapes_the_detail() -> None:
    request = Request.blank("/", {"HTTP_ACCEPT": BROWSER})
    response = problem(request, HTTPNotFound("<script>\ud800"), JSON)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<p>&lt;script&gt;?</p>" in response.text
    assert "<h1>404 Not Found</h1>" in response.text


@pytest.mark.parametrize(
    ("query", "accept", "media", "page"),
    [
        ("", None, [], False),
        ("", "*/*", [], False),
        ("", "*/*", [JSON, HTML], False),
        ("", "*/*", [HTML, JSON], False),
        ("", "*/*", [HTML], True),
        ("", None, [HTML], True),
        ("", None, [HTML, TEXT], True),
        ("", "application/json", [HTML], False),
        ("", "application/problem+json", [HTML], False),
        ("", "application/json, text/plain, */*", [HTML], False),
        ("", "text/html;q=0", [HTML], False),
        ("", "image/png", [], False),
        ("", BROWSER, [], True),
        ("", "text/html", [JSON], True),
        ("format=html", "application/json", [JSON, HTML], True),
        ("format=json", BROWSER, [JSON, HTML], False),
        ("format=csv", BROWSER, [JSON, HTML], True),
        ("format=%ff", BROWSER, [JSON, HTML], True),
        ("format=%ff", None, [JSON, HTML], False),
    ],
)
def test_people_get_a_page(
    query: str, accept: str | None, media: list[MediaType], page: bool
) -> None:
    request = Request.blank("/?" + query, {"HTTP_ACCEPT": accept} if accept is not None else {})
    response = problem(request, HTTPNotFound(), media)
    assert response.content_type == ("text/html" if page else "application/problem+json")


def test_the_detail_is_the_detail_else_the_explanation_else_the_title() -> None:
    request = Request.blank("/")
    assert problem(request, HTTPNotFound("a")).json["detail"] == "a"
    assert problem(request, HTTPNotFound()).json["detail"] == "The resource could not be found."
    assert problem(request, HTTPMethodNotAllowed()).json["detail"] == "Method Not Allowed"
    plain = HTTPException("Teapot", Response(status="418 I'm a teapot"))
    assert problem(request, plain).json["title"] == "I'm a teapot"
    assert problem(request, plain).json["detail"] == "I'm a teapot"


def test_headers_of_the_error_that_cannot_be_sent_are_left_out() -> None:
    error = HTTPServiceUnavailable(headers=[("X-Bad", "a\r\nb"), ("Allow", "GET")])
    error.headers["Vary"] = "Cookie"
    response = problem(Request.blank("/"), error)
    assert "X-Bad" not in response.headers
    assert response.headers["Allow"] == "GET"
    assert response.headers.getall("Vary") == ["Accept, Cookie"]


@pytest.mark.parametrize("member", [float("nan"), {(1, 2): 3}])
def test_members_that_are_not_json_are_left_out_rather_than_raised(member: Any) -> None:
    response = problem(Request.blank("/"), HTTPNotFound("a"), errors=member)
    assert response.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "a",
    }


def test_half_a_surrogate_pair_is_escaped_in_json() -> None:
    response = problem(Request.blank("/"), HTTPNotFound("\ud800\u20ac"))
    assert b'"\\ud800\xe2\x82\xac"' in response.body


def test_a_broken_template_still_gives_a_page(caplog: pytest.LogCaptureFixture) -> None:
    def render(_value: Any, _request: Request) -> Iterator[bytes]:
        yield b"<p>half"
        raise LookupError("no template")

    request = Request.blank("/", {"HTTP_ACCEPT": BROWSER})
    response = problem(request, HTTPNotFound("a"), [MediaType("text/html", render)])
    assert "<p>a</p>" in response.text
    assert "no template" in caplog.text


def test_a_page_may_be_rendered_in_one_piece() -> None:
    request = Request.blank("/", {"HTTP_ACCEPT": BROWSER})
    assert problem(request, HTTPNotFound(), STYLED).text == "<p>Hello</p>"


def test_a_problem_answers_head_without_a_body() -> None:
    response = get(failing, REQUEST_METHOD="HEAD")
    assert response.status_int == 404
    assert response.body == b""


def test_importing_a_format_does_not_break_problems() -> None:
    """Importing wsgikit.media.json binds the name json in this package; html likewise."""
    import wsgikit.media.json

    assert wsgikit.media.json.JSON.format == "json"
    request = Request.blank("/", {"HTTP_ACCEPT": BROWSER})
    assert problem(request, HTTPNotFound()).status_int == 404
    assert problem(Request.blank("/"), HTTPNotFound()).json["status"] == 404


def test_a_form_is_a_dict_that_can_be_told_from_others() -> None:
    assert Form(a="1") == {"a": "1"}
    assert not isinstance({"a": "1"}, Form)


def test_importing_media_loads_no_format_and_no_optional_library() -> None:
    code = "import sys, wsgikit.media; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    for module in ("sqlalchemy", "genshi", "msgspec", "multipart", "wsgikit.media.json"):
        assert f"'{module}'" not in run.stdout
