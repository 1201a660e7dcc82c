"""wsgikit.events: events as browsers read them, streams that end when they should."""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webob import Request, Response
from webob.exc import HTTPException, HTTPForbidden, HTTPNoContent, HTTPUnauthorized

from wsgikit.dispatcher import Dispatcher
from wsgikit.events import EventStream, MaxStreams, encode_event, last_event_id
from wsgikit.views import view

SECONDS = 30  # what cannot take long is waited for this long, on a loaded machine


def read(stream: bytes) -> list[tuple[str, str, str]]:
    """Read a stream as browsers do (HTML 9.2.6): the name, data and last id of each event."""
    events: list[tuple[str, str, str]] = []
    name, data, last_id = "", [], ""
    for line in re.split("\r\n|\n|\r", stream.decode("utf-8").removeprefix("\ufeff"))[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append((name or "message", "\n".join(data), last_id))
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


def ask(app: WSGIApplication, method: str = "GET", path: str = "/", **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Request.blank(path, method=method, headers=names).get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Source:
    """Events that a test gives one by one; remembers whether it was closed."""

    def __init__(self) -> None:
        self.events: Queue[Any] = Queue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from iter(self.events.get, "end")
        finally:
            self.closed.set()

    def go_on_until_closed(self) -> None:
        """Give events that nobody reads: what is sent before a client's end is seen is lost."""
        deadline = time.monotonic() + SECONDS
        while not self.closed.wait(0.02):
            assert time.monotonic() < deadline
            self.events.put("nobody reads this")


# -- encode_event() -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"data": "hello"}, b"data: hello\n\n"),
        ({"data": ""}, b"data: \n\n"),
        ({"data": " a "}, b"data:  a \n\n"),
        ({"data": "a\nb"}, b"data: a\ndata: b\n\n"),
        ({"data": "a\r\nb\rc\n"}, b"data: a\ndata: b\ndata: c\ndata: \n\n"),
        ({"data": "a\u2028b\x0bc\x85d"}, "data: a\u2028b\x0bc\x85d\n\n".encode()),
        ({"data": "data: x"}, b"data: data: x\n\n"),
        ({"data": "x", "event": "tick"}, b"event: tick\ndata: x\n\n"),
        ({"data": "x", "id": "7"}, b"id: 7\ndata: x\n\n"),
        ({"data": "x", "id": ""}, b"id: \ndata: x\n\n"),
        ({"data": "x", "retry": 0}, b"retry: 0\ndata: x\n\n"),
        (
            {"data": "é", "event": "ö", "id": "ü", "retry": 10},
            "retry: 10\nevent: ö\nid: ü\ndata: é\n\n".encode(),
        ),
    ],
)
def test_an_event_is_encoded(arguments: dict[str, Any], expected: bytes) -> None:
    assert encode_event(**arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event": "a\nb"}, "no line breaks"),
        ({"event": "a\rb"}, "no line breaks"),
        ({"id": "a\nb"}, "no line breaks and no NUL"),
        ({"id": "a\r"}, "no line breaks and no NUL"),
        ({"id": "a\0"}, "no line breaks and no NUL"),
        ({"retry": -1}, "0 or more"),
        ({"event": "\ud800"}, "surrogates"),
    ],
)
def test_what_a_browser_would_read_otherwise_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        encode_event("data", **arguments)


texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@settings(deadline=None)
@given(st.lists(st.tuples(texts, names, names), max_size=5))
def test_a_browser_reads_what_was_encoded(events: list[tuple[str, str, str]]) -> None:
    """But for the line ends, which are all LF to a page."""
    stream = b"".join(encode_event(data, event=event, id=id) for data, event, id in events)
    assert read(stream) == [
        (event or "message", re.sub("\r\n|\r", "\n", data), id) for data, event, id in events
    ]


# -- Last-Event-ID --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"), [(None, None), ("", None), ("7", "7"), ("\xc3\xa9", "é")]
)
def test_the_last_id_is_what_the_client_has_seen(header: str | None, expected: str | None) -> None:
    request = Request.blank("/")
    if header is not None:
        request.environ["HTTP_LAST_EVENT_ID"] = header
    assert last_event_id(request) == expected


def test_a_last_id_that_is_not_utf8_is_400() -> None:
    app = EventStream(lambda request: [last_event_id(request)])
    request = Request.blank("/")
    request.environ["HTTP_LAST_EVENT_ID"] = "\xff"
    assert request.get_response(app).status == "400 Bad Request"
    assert app.open == 0


def test_a_client_that_comes_back_gets_what_it_has_missed() -> None:
    news = ["zero", "one", "two", "three"]

    def events(request: Request) -> Iterator[bytes]:
        start = int(last_event_id(request) or "-1") + 1
        for number, text in enumerate(news[start:], start):
            yield encode_event(text, id=str(number))

    app = EventStream(events)
    assert [data for _, data, _ in read(ask(app).body)] == news
    body = ask(app, Last_Event_ID="1").body
    assert read(body) == [("message", "two", "2"), ("message", "three", "3")]


# -- EventStream ----------------------------------------------------------------------------

WAITED_FOR_OR_NOT = pytest.mark.parametrize("heartbeat", [60.0, None])


@WAITED_FOR_OR_NOT
def test_text_encoded_events_and_nothing_may_be_yielded(heartbeat: float | None) -> None:
    events = ["a\nb", encode_event("c", event="tick"), None, "d"]
    response = ask(EventStream(iter(events), heartbeat=heartbeat))
    assert response.status == "200 OK"
    assert response.body == b":\n\ndata: a\ndata: b\n\nevent: tick\ndata: c\n\n:\n\ndata: d\n\n"


def test_nothing_keeps_or_holds_back_a_stream() -> None:
    headers = Request.blank("/").get_response(EventStream([])).headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-store, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Length" not in headers


def test_the_client_is_told_when_to_come_back() -> None:
    assert ask(EventStream(["x"], retry=100)).body == b"retry: 100\n\ndata: x\n\n"


def test_a_function_is_called_for_each_client_with_the_uri_variables() -> None:
    app = Dispatcher()
    app.add("/rooms/{room:int}", GET=EventStream(lambda request, room: [f"{room!r}"]))
    assert read(ask(app, path="/rooms/7").body) == [("message", "7", "")]
    assert read(ask(app, path="/rooms/8").body) == [("message", "8", "")]


def test_positional_variables_come_first() -> None:
    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = (("a",), {"b": "c"})
    app = EventStream(lambda request, first, b: [first + b])
    assert read(request.get_response(app).body) == [("message", "ac", "")]


def test_a_view_may_return_a_stream() -> None:
    app = view(lambda request: EventStream(["x"]))
    assert read(ask(app).body) == [("message", "x", "")]


def raising(error: Exception) -> EventStream:
    def events(request: Request) -> Iterable[str]:
        raise error

    return EventStream(events)


def test_the_function_may_raise_http_errors() -> None:
    app = raising(HTTPUnauthorized("Log in.", headers=[("WWW-Authenticate", "Basic")]))
    response = ask(app, Accept="text/event-stream")
    assert response.status == "401 Unauthorized"
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == "Log in."
    assert response.headers["WWW-Authenticate"] == "Basic"
    assert app.open == 0


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (HTTPNoContent(), 204, b""),
        (HTTPForbidden(body=b"My own words"), 403, b"My own words"),
        (HTTPException("", Response("Theirs", status=418)), 418, b"Theirs"),
    ],
)
def test_what_is_raised_with_a_body_of_its_own_keeps_it(
    error: Exception, status: int, body: bytes
) -> None:
    response = ask(raising(error))
    assert (response.status_int, response.body) == (status, body)


def test_an_error_that_explains_itself_needs_no_detail() -> None:
    assert ask(raising(HTTPForbidden())).json["detail"].startswith("Access was denied")


def test_other_errors_of_the_function_are_the_servers() -> None:
    app = raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        ask(app)
    assert app.open == 0


@pytest.mark.parametrize("text", ["text", b"text"])
def test_a_text_is_no_stream_of_its_letters(text: Any) -> None:
    with pytest.raises(TypeError, match="yield it"):
        ask(EventStream(lambda request: text))


@WAITED_FOR_OR_NOT
@pytest.mark.parametrize(
    ("event", "error"),
    [(b"data: x", ValueError), (b"", ValueError), (7, TypeError), ("\ud800", UnicodeEncodeError)],
)
def test_what_is_no_event_is_refused(
    event: Any, error: type[Exception], heartbeat: float | None
) -> None:
    app = EventStream([event], heartbeat=heartbeat)
    with pytest.raises(error):
        ask(app)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_events_can_only_be_read(method: str) -> None:
    response = ask(EventStream([]), method)
    assert response.status == "405 Method Not Allowed"
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.json["detail"] == "Events can only be read."


def test_head_has_the_headers_and_asks_for_no_events() -> None:
    response = ask(EventStream(lambda request: 1 / 0), "HEAD")
    assert (response.status, response.body) == ("200 OK", b"")
    assert response.content_type == "text/event-stream"


@pytest.mark.parametrize(
    "options", [{"heartbeat": 0}, {"heartbeat": -1}, {"retry": -1}, {"limit": 0}]
)
def test_wrong_settings_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        EventStream([], **options)


# -- the life of a stream -------------------------------------------------------------------


def open_stream(app: WSGIApplication) -> Iterator[bytes]:
    """Ask for a stream, and leave it open: an iterator with ``close()``."""
    status: list[str] = []
    body = app(Request.blank("/").environ, lambda s, h, e=None: status.append(s) or print)
    assert status == ["200 OK"]
    return body  # type: ignore[return-value]


def test_the_first_line_goes_out_before_there_is_an_event() -> None:
    source = Source()
    stream = open_stream(EventStream(lambda request: source))
    assert next(stream) == b":\n\n"
    source.events.put("end")
    assert list(stream) == []
    stream.close()  # type: ignore[attr-defined]


def test_silence_is_filled_while_an_iterator_blocks() -> None:
    source = Source()
    stream = open_stream(EventStream(lambda request: source, heartbeat=0.01))
    assert [next(stream) for _ in range(3)] == [b":\n\n"] * 3
    source.events.put("late")
    assert next(line for line in stream if line != b":\n\n") == b"data: late\n\n"
    source.events.put("end")
    assert set(stream) <= {b":\n\n"}
    assert list(stream) == []  # and stays at its end
    assert source.closed.wait(SECONDS)
    stream.close()  # type: ignore[attr-defined]


@WAITED_FOR_OR_NOT
def test_an_error_of_the_iterator_is_the_servers(heartbeat: float | None) -> None:
    def events(request: Request) -> Iterator[str]:
        yield "x"
        raise ZeroDivisionError("the reason")

    stream = open_stream(EventStream(events, heartbeat=heartbeat))
    assert [next(stream), next(stream)] == [b":\n\n", b"data: x\n\n"]
    with pytest.raises(ZeroDivisionError, match="the reason"):
        next(stream)
    assert list(stream) == []
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("read_before", [0, 1, 2])
@WAITED_FOR_OR_NOT
def test_closing_a_stream_closes_the_iterator(heartbeat: float | None, read_before: int) -> None:
    closed = threading.Event()

    class Events:
        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            return "x"

        def close(self) -> None:
            closed.set()

    app = EventStream(lambda request: Events(), heartbeat=heartbeat)
    stream = open_stream(app)
    for _ in range(read_before):
        next(stream)
    assert app.open == 1
    stream.close()  # type: ignore[attr-defined]
    assert closed.wait(SECONDS)
    wait_until(lambda: app.open == 0)


def test_an_iterator_that_blocks_is_closed_when_it_yields_and_counts_until_then() -> None:
    source = Source()
    app = EventStream(lambda request: source, heartbeat=0.01)
    stream = open_stream(app)
    assert [next(stream), next(stream)] == [b":\n\n", b":\n\n"]
    stream.close()  # type: ignore[attr-defined]
    assert app.open == 1
    source.events.put("nobody is there to read this")
    assert source.closed.wait(SECONDS)
    wait_until(lambda: app.open == 0)


def test_an_iterator_that_cannot_be_closed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def events(request: Request) -> Iterator[str]:
        try:
            yield "x"
        finally:
            raise ZeroDivisionError("in closing")

    app = EventStream(events)
    stream = open_stream(app)
    assert [next(stream), next(stream)] == [b":\n\n", b"data: x\n\n"]
    stream.close()  # type: ignore[attr-defined]
    wait_until(lambda: "in closing" in caplog.text)
    assert app.open == 0


def test_what_fails_after_its_client_has_gone_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def events(request: Request) -> Iterator[str]:
        yield "x"
        go_on.wait(SECONDS)
        raise ZeroDivisionError("too late")

    app = EventStream(events, heartbeat=0.01)
    stream = open_stream(app)
    while next(stream) != b"data: x\n\n":
        pass
    assert next(stream) == b":\n\n"
    stream.close()  # type: ignore[attr-defined]
    go_on.set()
    wait_until(lambda: app.open == 0)
    assert "too late" in caplog.text


def test_an_event_is_not_taken_before_it_can_be_sent() -> None:
    taken: list[int] = []

    def events(request: Request) -> Iterator[str]:
        for number in range(3):
            taken.append(number)
            yield str(number)

    stream = open_stream(EventStream(events))
    next(stream)
    assert next(stream) == b"data: 0\n\n"
    stream.close()  # type: ignore[attr-defined]
    assert taken == [0]


@WAITED_FOR_OR_NOT
def test_beyond_the_limit_the_answer_is_503(heartbeat: float | None) -> None:
    app = EventStream(lambda request: iter("ab"), heartbeat=heartbeat, limit=2)
    streams = [open_stream(app), open_stream(app)]
    response = ask(app)
    assert response.status == "503 Service Unavailable"
    assert response.headers["Retry-After"] == "5"
    assert response.json == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "As many streams are open as may be: try again later.",
    }
    page = ask(app, Accept="text/html")
    assert page.content_type == "text/plain"
    assert page.text.startswith("503 Service Unavailable\n")
    for stream in streams:
        stream.close()  # type: ignore[attr-defined]
        stream.close()  # type: ignore[attr-defined]
    wait_until(lambda: app.open == 0)
    assert ask(app).status == "200 OK"


# -- MaxStreams -----------------------------------------------------------------------------


def letters(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"a", b"b"])


def test_so_many_answers_are_streamed_at_once_and_no_more() -> None:
    app = MaxStreams(letters, 2)
    first, second = open_stream(app), open_stream(app)
    assert app.open == 2
    assert ask(app).status == "503 Service Unavailable"
    first.close()  # type: ignore[attr-defined]
    first.close()  # type: ignore[attr-defined]
    assert app.open == 1
    assert ask(app).body == b"ab"
    assert list(second) == [b"a", b"b"]
    second.close()  # type: ignore[attr-defined]
    assert app.open == 0


def test_a_streams_own_close_is_called() -> None:
    source = Source()
    source.events.put("x")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        letters(environ, start_response)
        return iter(source)

    stream = open_stream(MaxStreams(app, 1))
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    assert source.closed.is_set()


def test_short_answers_do_not_count() -> None:
    app = MaxStreams(view(lambda request: "short"), 1)
    body = app(Request.blank("/").environ, lambda status, headers, exc_info=None: print)
    assert (body, app.open) == ([b"short"], 0)


def test_an_application_that_fails_does_not_count() -> None:
    app = MaxStreams(view(lambda request: 1 / 0), 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            ask(app)
    assert app.open == 0


def test_head_beyond_the_limit_has_no_body() -> None:
    app = MaxStreams(letters, 1)
    stream = open_stream(app)
    response = ask(app, "HEAD")
    assert (response.status_int, response.body) == (503, b"")
    stream.close()  # type: ignore[attr-defined]


def test_a_limit_is_a_number_of_streams() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        MaxStreams(letters, 0)


# -- over a socket --------------------------------------------------------------------------


def test_a_client_that_goes_away_is_noticed_in_the_silence(
    serve: Callable[[WSGIApplication], str],
) -> None:
    source = Source()
    app = EventStream(lambda request: source, heartbeat=0.02)
    connection = http.client.HTTPConnection(urlsplit(serve(app)).netloc, timeout=SECONDS)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read(3) == b":\n\n"
    assert app.open == 1
    response.close()
    connection.close()
    source.go_on_until_closed()
    wait_until(lambda: app.open == 0)


PAGE = "<!DOCTYPE html><title>Events</title><p>Waiting</p>"

LISTEN = """
() => {
  window.seen = [];
  window.source = new EventSource("/events");
  const note = ({ type, data, lastEventId }) =>
    window.seen.push([type, data ?? null, lastEventId ?? null]);
  for (const type of ["open", "message", "tick"]) window.source.addEventListener(type, note);
}
"""


def test_a_browser_reads_events_and_comes_back_for_those_it_missed(
    browser: Any, serve: Callable[[WSGIApplication], str]
) -> None:
    seen: list[str | None] = []

    def events(request: Request) -> Iterable[bytes]:
        seen.append(last_event_id(request))
        if len(seen) == 1:
            return [encode_event("first\r\n  line", id="né"), encode_event("", event="tick")]
        if len(seen) == 2:
            return [encode_event("again", id="2")]
        raise HTTPNoContent  # which a browser takes as the end

    app = Dispatcher()
    app.add("/", GET=Response(PAGE))
    app.add("/events", GET=EventStream(events, retry=10))
    page = browser.new_page()
    page.goto(serve(app) + "/")
    page.evaluate(LISTEN)
    page.wait_for_function("window.source.readyState === EventSource.CLOSED")
    assert page.evaluate("window.seen") == [
        ["open", None, None],
        ["message", "first\n  line", "né"],
        ["tick", "", "né"],
        ["open", None, None],
        ["message", "again", "2"],
    ]
    assert seen == [None, "né", "2"]
    page.close()


def test_a_browser_is_connected_before_there_is_an_event_and_gone_when_it_leaves(
    browser: Any, serve: Callable[[WSGIApplication], str]
) -> None:
    source = Source()
    stream = EventStream(lambda request: source, heartbeat=0.02)
    app = Dispatcher()
    app.add("/", GET=Response(PAGE))
    app.add("/events", GET=stream)
    page = browser.new_page()
    page.goto(serve(app) + "/")
    page.evaluate(LISTEN)
    page.wait_for_function("window.source.readyState === EventSource.OPEN")
    source.events.put(json.dumps({"text": "hello"}))
    page.wait_for_function("window.seen.length === 2")
    assert json.loads(page.evaluate("window.seen[1][1]")) == {"text": "hello"}
    assert stream.open == 1
    page.close()
    source.go_on_until_closed()
    wait_until(lambda: stream.open == 0)
