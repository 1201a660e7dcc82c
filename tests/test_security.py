"""wsgikit.security: other sites are refused, headers are added, bodies are bounded."""

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.security import (
    DEFAULT_CSP,
    DEFAULT_HEADERS,
    BodyTooLarge,
    CrossOriginProtection,
    MaxBody,
    SecurityHeaders,
)

# Method, headers of the request, passes.  The collection, which applies the same rule by itself,
# is held against this table too.
CROSS_ORIGIN_CASES: list[tuple[str, dict[str, str], bool]] = [
    ("GET", {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, True),
    ("HEAD", {"Sec-Fetch-Site": "cross-site"}, True),
    ("OPTIONS", {"Sec-Fetch-Site": "cross-site"}, True),
    ("POST", {}, True),
    ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
    ("POST", {"Sec-Fetch-Site": "none"}, True),
    ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"}, True),
    ("POST", {"Sec-Fetch-Site": "cross-site"}, False),
    ("POST", {"Sec-Fetch-Site": "same-site"}, False),
    ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
    ("POST", {"Sec-Fetch-Site": ""}, False),
    ("POST", {"Sec-Fetch-Site": "Same-Origin"}, False),
    ("POST", {"Sec-Fetch-Site": "same-origin, cross-site"}, False),
    ("POST", {"Origin": "http://localhost"}, True),
    ("POST", {"Origin": "http://LOCALHOST"}, True),
    ("POST", {"Origin": "https://localhost", "Host": "localhost"}, True),
    ("POST", {"Origin": "http://localhost", "Host": "localhost"}, True),
    ("POST", {"Origin": "http://localhost", "Host": "localhost:80"}, True),
    ("POST", {"Origin": "https://localhost", "Host": "localhost:443"}, True),
    ("POST", {"Origin": "http://localhost:8080", "Host": "localhost:8080"}, True),
    ("POST", {"Origin": "http://localhost:8080", "Host": "localhost:8081"}, False),
    ("POST", {"Origin": "http://localhost:8080", "Host": "localhost"}, False),
    ("POST", {"Origin": "http://localhost:443", "Host": "localhost"}, False),
    ("POST", {"Origin": "http://localhost.evil.example"}, False),
    ("POST", {"Origin": "http://evil.example"}, False),
    ("POST", {"Origin": "null"}, False),
    ("POST", {"Origin": ""}, False),
    ("POST", {"Origin": "localhost"}, False),
    ("POST", {"Origin": "http://", "Host": "localhost"}, False),
    ("POST", {"Origin": "http://localhost http://evil.example"}, False),
    ("PUT", {"Sec-Fetch-Site": "cross-site"}, False),
    ("PATCH", {"Origin": "http://evil.example"}, False),
    ("DELETE", {"Sec-Fetch-Site": "cross-site"}, False),
    ("DELETE", {"Sec-Fetch-Site": "same-origin"}, True),
    ("PROPFIND", {"Sec-Fetch-Site": "cross-site"}, False),
]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what is in the request's body."""
    body = b"".join(iter(lambda: environ["wsgi.input"].read(7), b""))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def ask(
    app: WSGIApplication, method: str = "GET", headers: dict[str, str] | None = None, **kw: Any
) -> Response:
    return finished(Request.blank("/", method=method, headers=headers or {}, **kw), app)


def finished(request: Request, app: WSGIApplication) -> Response:
    """The validated answer, read to its end: the validator wants it closed."""
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


def unannounced(body: bytes, method: str = "POST", **environ: Any) -> Request:
    """A request whose body has no length, as a server gives a chunked one."""
    request = Request.blank("/", method=method, environ=environ)
    request.environ["wsgi.input"] = io.BytesIO(body)
    request.environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    request.environ["wsgi.input_terminated"] = True
    request.environ.pop("CONTENT_LENGTH", None)
    return request


# CrossOriginProtection


@pytest.mark.parametrize(("method", "headers", "passes"), CROSS_ORIGIN_CASES)
def test_only_what_other_sites_did_not_send_passes(
    method: str, headers: dict[str, str], passes: bool
) -> None:
    # The validator does not know PROPFIND, and warns.
    request = Request.blank("/", method=method, headers=headers)
    response = request.get_response(CrossOriginProtection(echo))
    assert response.status_int == (200 if passes else 403)


def test_a_refusal_is_a_problem_with_an_explanation() -> None:
    response = ask(CrossOriginProtection(echo), "POST", {"Sec-Fetch-Site": "cross-site"})
    assert response.content_type == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == 403
    assert problem["title"] == "Forbidden"
    assert "another site" in problem["detail"]


def test_a_browser_is_refused_in_plain_words() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html,*/*;q=0.8"}
    response = ask(CrossOriginProtection(echo), "POST", headers)
    assert response.content_type == "text/plain"
    assert "another site" in response.text


def test_the_server_name_stands_in_for_a_missing_host() -> None:
    request = Request.blank("/", method="POST", headers={"Origin": "http://localhost"})
    del request.environ["HTTP_HOST"]
    assert request.get_response(CrossOriginProtection(echo)).status_int == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://forms.example.com"},
        {"Origin": "https://FORMS.example.com"},
    ],
)
def test_a_trusted_origin_passes(headers: dict[str, str]) -> None:
    app = CrossOriginProtection(echo, ["https://Forms.example.com"])
    assert ask(app, "POST", headers).status_int == 200
    assert ask(app, "POST", headers | {"Origin": "https://evil.example"}).status_int == 403


@pytest.mark.parametrize(
    "origin", ["example.com", "https://example.com/", "https://", "null", "*", "https://a b"]
)
def test_a_trusted_origin_must_be_written_as_browsers_do(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        CrossOriginProtection(echo, [origin])


def test_a_single_text_is_not_a_list_of_origins() -> None:
    with pytest.raises(TypeError, match=r"write \['https://example.com'\]"):
        CrossOriginProtection(echo, "https://example.com")


# SecurityHeaders


def test_responses_get_the_headers() -> None:
    response = ask(SecurityHeaders(echo))
    assert response.headers["Content-Security-Policy"] == DEFAULT_CSP
    for name, value in DEFAULT_HEADERS.items():
        assert response.headers[name] == value


def test_what_the_application_says_itself_stays() -> None:
    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("content-security-policy", "default-src *"), ("Content-Type", "text/plain")]
        start_response("200 OK", headers)
        return [b""]

    response = ask(SecurityHeaders(app))
    assert response.headers.getall("Content-Security-Policy") == ["default-src *"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_headers_can_be_changed_left_out_and_added() -> None:
    headers = {"x-frame-options": None, "Referrer-Policy": "no-referrer", "X-More": "1"}
    response = ask(SecurityHeaders(echo, csp=None, headers=headers))
    assert "Content-Security-Policy" not in response.headers
    assert "X-Frame-Options" not in response.headers
    assert response.headers.getall("Referrer-Policy") == ["no-referrer"]
    assert response.headers["X-More"] == "1"


@pytest.mark.parametrize(("name", "value"), [("X-A", "a\r\nSet-Cookie: b"), ("X A", "b"), ("", "")])
def test_a_header_that_is_not_one_line_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="cannot be a header"):
        SecurityHeaders(echo, headers={name: value})


def test_an_error_page_gets_the_headers_and_write_still_works() -> None:
    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise RuntimeError("too late")
        except RuntimeError as error:
            info = (type(error), error, error.__traceback__)
            write = start_response("500 Oops", [("Content-Type", "text/plain")], info)
        write(b"written, ")
        return [b"returned"]

    request = Request.blank("/")
    status, headers, chunks, info = request.call_application(
        validator(SecurityHeaders(app)), catch_exc_info=True
    )
    assert status == "500 Oops"
    assert ("X-Content-Type-Options", "nosniff") in headers
    assert b"".join(chunks) == b"written, returned"
    assert info is not None


# MaxBody


@pytest.mark.parametrize("body", [b"", b"a", b"0123456789"])
def test_a_body_up_to_the_limit_arrives_whole(body: bytes) -> None:
    app = MaxBody(echo, limit=10)
    assert ask(app, "POST", body=body).body == body
    assert finished(unannounced(body), app).body == body


def test_an_announced_body_beyond_the_limit_is_413_and_never_read() -> None:
    request = Request.blank("/", method="POST", body=b"01234567890")
    source = request.environ["wsgi.input"]
    response = finished(request, MaxBody(echo, limit=10))
    assert response.status == "413 Content Too Large"
    assert "10 bytes" in response.json["detail"]
    assert source.tell() == 0


@pytest.mark.parametrize("length", ["9" * 19, "9" * 5000, "1048577"])
def test_the_default_limit_is_a_mebibyte(length: str) -> None:
    request = Request.blank("/", method="PUT", environ={"CONTENT_LENGTH": length})
    assert request.get_response(MaxBody(echo)).status_int == 413


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "ten", " 5", "٣", "5,5"])
def test_a_length_that_is_no_number_is_400(length: str) -> None:
    request = Request.blank("/", method="POST", environ={"CONTENT_LENGTH": length})
    assert request.get_response(MaxBody(echo)).status_int == 400


@given(body=st.binary(max_size=40), limit=st.integers(0, 40))
def test_an_unannounced_body_is_read_to_one_byte_past_the_limit(body: bytes, limit: int) -> None:
    request = unannounced(body)
    source = request.environ["wsgi.input"]
    response = finished(request, MaxBody(echo, limit=limit))
    assert response.status_int == (200 if len(body) <= limit else 413)
    assert source.tell() <= limit + 1


def test_an_unannounced_body_is_refused_for_head_without_a_body() -> None:
    response = finished(unannounced(b"0123", "HEAD"), MaxBody(echo, limit=3))
    assert response.status_int == 413
    assert response.body == b""


@pytest.mark.parametrize(
    ("body", "status"), [(b"one\ntwo\nthree", 200), (b"one\ntwo\nthree\nfour", 413)]
)
@pytest.mark.parametrize("way", ["read", "readline", "readlines", "iter"])
def test_every_way_of_reading_is_counted(way: str, body: bytes, status: int) -> None:
    ways = {
        "read": lambda source: source.read(),
        "readline": lambda source: b"".join(iter(lambda: source.readline(2), b"")),
        "readlines": lambda source: b"".join(source.readlines(4)),
        "iter": lambda source: b"".join(source),
    }

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response(ways[way](environ["wsgi.input"]))(environ, start_response)

    response = finished(unannounced(body), MaxBody(app, limit=len(b"one\ntwo\nthree")))
    assert response.status_int == status
    assert status == 413 or response.body == body


def test_webob_reads_a_bounded_body() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response(Request(environ).body)(environ, start_response)

    assert ask(MaxBody(app, limit=10), "POST", body=b"0123456789").body == b"0123456789"
    assert unannounced(b"0123").get_response(MaxBody(app, limit=10)).body == b"0123"
    assert unannounced(b"0123").get_response(MaxBody(app, limit=3)).status_int == 413


class Streamed:
    """An application that reads while it answers, and knows whether it was closed."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> "Streamed":
        start_response("200 OK", [("Content-Type", "text/plain")])
        self.source = environ["wsgi.input"]
        return self

    def __iter__(self) -> Iterator[bytes]:
        if self.first:
            yield self.first
        yield self.source.read()

    def close(self) -> None:
        self.closed += 1


def answer_to(app: WSGIApplication, body: bytes) -> tuple[str, bytes]:
    """Run *app* as a server does: headers are sent with the first chunk, not earlier (PEP 3333)."""
    said: list[str] = []
    sent = b""

    def start_response(status: str, _headers: Any, exc_info: Any = None) -> Any:
        if exc_info and sent:
            raise exc_info[1]
        said.append(status)

    chunks: Any = app(unannounced(body).environ, start_response)
    try:
        for chunk in chunks:
            sent += chunk
    finally:
        chunks.close()
    return said[-1], sent


def test_reading_too_far_while_answering_is_413() -> None:
    app = Streamed()
    status, body = answer_to(MaxBody(app, limit=3), b"0123")
    assert status == "413 Content Too Large"
    assert json.loads(body)["status"] == 413
    assert app.closed == 1


def test_reading_too_far_after_the_answer_began_breaks_it_off() -> None:
    app = Streamed(b"first")
    with pytest.raises(BodyTooLarge):
        answer_to(MaxBody(app, limit=3), b"0123")
    assert app.closed == 1


def test_a_streamed_answer_within_the_limit_is_passed_on() -> None:
    app = Streamed(b"got ")
    assert answer_to(MaxBody(app, limit=4), b"0123") == ("200 OK", b"got 0123")


def test_beyond_the_limit_nothing_more_is_read() -> None:
    def stubborn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for _ in range(3):
            with pytest.raises(BodyTooLarge):
                environ["wsgi.input"].read(2) and environ["wsgi.input"].read(100)
        return Response("stubborn")(environ, start_response)

    request = unannounced(b"0123456789")
    source = request.environ["wsgi.input"]
    assert request.get_response(MaxBody(stubborn, limit=3)).text == "stubborn"
    assert source.tell() <= 4


def test_a_request_without_a_body_goes_straight_through() -> None:
    request = Request.blank("/")
    source = request.environ["wsgi.input"]
    request.get_response(MaxBody(echo))
    assert request.environ["wsgi.input"] is source


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not -1"):
        MaxBody(echo, limit=-1)


def test_the_wrappers_stack() -> None:
    app = SecurityHeaders(CrossOriginProtection(MaxBody(validator(echo))))
    response = ask(app, "POST", body=b"hello")
    assert response.body == b"hello"
    assert "X-Frame-Options" in response.headers
