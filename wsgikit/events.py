"""EventStream: server-sent events, from an iterator to an ``EventSource`` in a browser.

Use it alone for whatever a page is to be told as it happens; it needs nothing else of wsgikit.

    import time
    from wsgikit.events import EventStream

    def ticks(request):
        while True:
            yield time.ctime()
            time.sleep(1)

    app = EventStream(ticks, limit=100)

In the page: ``new EventSource("/ticks/").onmessage = event => show(event.data)``.

Each client that is connected holds a connection, and on a threaded server a thread, for as long
as the page is open.  So how many there may be has a limit, beyond which the answer is 503, and
while there is nothing to say a comment is sent now and then: that is how a server finds out that
a client has gone.  `MaxStreams` gives the same limit to any other application that streams.

How it works, in three rules:

1. The headers go out at once, with a first line, so that the page knows that it is connected.
2. An iterator that blocks is waited for in a thread of its own, so that its silence can be
   filled.  With ``heartbeat=None`` there is no such thread; the iterator yields None for that.
3. When the client has gone the iterator is closed, as soon as it has yielded.  Until then it
   counts as open.

Reads ``wsgiorg.routing_args``: URI variables are keyword arguments of the function.
"""

import json
import logging
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request
from webob.exc import HTTPBadRequest, HTTPException, WSGIHTTPException

#: Seconds of silence before a comment is sent. HTML, 9.2.7: "every 15 seconds or so", since
#: proxies drop connections on which nothing happens, some after 30.
HEARTBEAT = 15.0
#: Streams at once. Most systems let a process open 1,024 files, and a connection is one.
LIMIT = 1000
#: Seconds that a client is told to wait when there are too many.
RETRY_AFTER = 5

Event = str | bytes | None
Events = Iterable[Event]

# HTML 9.2.5: these three end a line, and nothing else that str.splitlines() knows.
_LINE_END = re.compile("\r\n|\r|\n")
_NO_ID = re.compile("[\r\n\0]")
_COMMENT = b":\n\n"

_log = logging.getLogger(__name__)

_HEADERS = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    # A compressing proxy would hold events back.
    ("Cache-Control", "no-store, no-transform"),
    # nginx collects what an application sends unless it is told not to.
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
)


def encode_event(
    data: str, *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """Encode one server-sent event.

    Args:
        data: Text, maybe of several lines; a page reads each line end as LF.  May be empty.
        event: Its name, for ``addEventListener()``.  Browsers default to ``message``.
        id: What the client sends as ``Last-Event-ID`` when it comes back; empty to forget it.
        retry: Milliseconds after which a client that was cut off comes back.

    Returns:
        UTF-8 that ends in a blank line, ready to be yielded.

    Raises:
        ValueError: *event* or *id* has a line break, *id* a NUL, which browsers ignore, *retry*
            is negative, or a text has no UTF-8 form.

    Source: HTML, 9.2 "Server-sent events".
    """
    fields = []
    if retry is not None:
        fields.append(("retry", _milliseconds(retry)))
    if event is not None:
        if _LINE_END.search(event):
            raise ValueError(f"event={event!r}: the name of an event has no line breaks")
        fields.append(("event", event))
    if id is not None:
        if _NO_ID.search(id):
            raise ValueError(f"id={id!r}: the id of an event has no line breaks and no NUL")
        fields.append(("id", id))
    fields += [("data", line) for line in _LINE_END.split(data)]
    return "".join(f"{name}: {value}\n" for name, value in fields).encode() + b"\n"


def _milliseconds(retry: int) -> str:
    if retry < 0:
        raise ValueError(f"retry={retry!r}: give milliseconds, 0 or more")
    return f"{retry:d}"


def last_event_id(request: Request) -> str | None:
    """Return the id of the last event that a client has seen; None if it comes for the first time.

    Raises:
        HTTPBadRequest: It is not UTF-8.
    """
    raw = request.environ.get("HTTP_LAST_EVENT_ID", "")
    try:
        # PEP 3333: raw bytes arrive as if they were Latin-1.
        return raw.encode("latin-1").decode("utf-8") or None
    except UnicodeError as error:
        raise HTTPBadRequest("The Last-Event-ID is not UTF-8.") from error


class EventStream:
    """A WSGI application that sends events to every client that asks, until that goes away.

    Args:
        events: A function, called for each client with the request and the URI variables, that
            returns an iterator of events: text, what `encode_event()` gives, or None for a
            heartbeat.  Or such an iterator itself, for the one answer to one request.  The
            function may raise HTTP errors; ``HTTPNoContent`` tells a browser not to come back.
        heartbeat: Seconds of silence after which a comment is sent.  None: only where the
            iterator yields None; it is then not waited for in a thread of its own.
        retry: Milliseconds after which a client that was cut off comes back; browsers have a
            default of a few seconds.
        limit: Streams that may be open at once, in this process; beyond it the answer is 503.

    Raises:
        ValueError: *heartbeat*, *retry* or *limit* is too small.
    """

    def __init__(
        self,
        events: Events | Callable[..., Events],
        *,
        heartbeat: float | None = HEARTBEAT,
        retry: int | None = None,
        limit: int = LIMIT,
    ) -> None:
        if heartbeat is not None and heartbeat <= 0:
            raise ValueError(f"heartbeat={heartbeat!r}: give seconds, or None for no heartbeat")
        self._events = events
        self._heartbeat = heartbeat
        self._first = _COMMENT if retry is None else f"retry: {_milliseconds(retry)}\n\n".encode()
        self._slots = _Slots(limit)

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._slots.taken

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            detail = "Events can only be read."
            status = "405 Method Not Allowed"
            return _refuse(environ, start_response, status, detail, ("Allow", "GET, HEAD"))
        if method == "HEAD":
            start_response("200 OK", [*_HEADERS])
            return []
        free = self._slots.take()
        if free is None:
            return _too_many(environ, start_response)
        try:
            body = self._open(environ, free)
        except HTTPException as error:
            free()
            return _fail(environ, start_response, error)
        except BaseException:
            free()
            raise
        start_response("200 OK", [*_HEADERS])
        return body

    def _open(self, environ: WSGIEnvironment, free: Callable[[], None]) -> "_Body":
        events = self._events
        if callable(events):
            urlargs, urlvars = environ.get("wsgiorg.routing_args") or ((), {})
            events = events(Request(environ), *urlargs, **urlvars)
        if isinstance(events, str | bytes):
            raise TypeError("A stream is an iterator of events, not one text: yield it.")
        source = iter(events)
        if self._heartbeat is None:
            return _Body(self._first, _Direct(source, free))
        return _Body(self._first, _Waiting(source, free, self._heartbeat))


class MaxStreams:
    """A WSGI wrapper that lets only so many answers be on their way at once, in this process.

    Keep it below the number of threads of the server, so that some are left for short requests.
    An answer that is a list, as short ones are, does not count once it has been made.

    Args:
        app: The application that streams.
        limit: How many; beyond it the answer is 503, with ``Retry-After``.

    Raises:
        ValueError: *limit* is less than 1.
    """

    def __init__(self, app: WSGIApplication, limit: int = LIMIT) -> None:
        self.app = app
        self._slots = _Slots(limit)

    @property
    def open(self) -> int:
        """How many answers are on their way."""
        return self._slots.taken

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        free = self._slots.take()
        if free is None:
            return _too_many(environ, start_response)
        try:
            body = self.app(environ, start_response)
        except BaseException:
            free()
            raise
        if isinstance(body, list | tuple):
            free()
            return body
        return _Counted(body, free)


class _Slots:
    """Counts what is open, up to a limit."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"limit={limit!r}: give a number of streams, 1 or more")
        self.taken = 0
        self._limit = limit
        self._lock = threading.Lock()

    def take(self) -> Callable[[], None] | None:
        """Count one more, and return what gives it back; None beyond the limit."""
        with self._lock:
            if self.taken >= self._limit:
                return None
            self.taken += 1
        held = [True]

        def free() -> None:
            # Servers and middlewares may close a body twice.
            with self._lock:
                self.taken -= held.pop() if held else False

        return free


class _Counted:
    """A body that gives its slot back when it is closed."""

    def __init__(self, body: Iterable[bytes], free: Callable[[], None]) -> None:
        self._body = body
        self._free = free

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the body (PEP 3333)."""
        _end(self._body, self._free)


class _Body:
    """What the server sends: a first line, then events.

    Not a generator, since closing one that was never started does nothing.
    """

    def __init__(self, first: bytes, events: "_Direct | _Waiting") -> None:
        self._first = first
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, b""
        return first or _encoded(next(self._events))

    def close(self) -> None:
        """Close the iterator of events: the client has gone, or there are no more."""
        self._events.close()


class _Direct:
    """The events as they come."""

    def __init__(self, events: Iterator[Event], free: Callable[[], None]) -> None:
        self._events = events
        self._free = free

    def __next__(self) -> Event:
        return next(self._events)

    def close(self) -> None:
        _end(self._events, self._free)


class _Waiting:
    """The events as they come, and None whenever none has come for a while.

    A thread asks for the next event when the server does, and never ahead of it: an event that
    was taken is one that is sent.  The iterator is closed in that thread too, since a generator
    that is running cannot be closed from another.
    """

    def __init__(self, events: Iterator[Event], free: Callable[[], None], seconds: float) -> None:
        self._events = events
        self._free = free
        self._seconds = seconds
        # Looked up here, not imported: gevent puts its own in place, maybe after the import.
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._wanted = threading.Semaphore(0)
        self._asked = self._ended = self._closed = False
        threading.Thread(target=self._work, name="wsgikit.events", daemon=True).start()

    def __next__(self) -> Event:
        if self._ended:
            raise StopIteration
        if not self._asked:
            self._asked = True
            self._wanted.release()
        try:
            answer = self._answers.get(timeout=self._seconds)
        except queue.Empty:
            return None
        self._asked = False
        if isinstance(answer, BaseException):
            self._ended = True
            raise answer
        event: Event = answer
        return event

    def close(self) -> None:
        self._closed = True
        self._wanted.release()

    def _work(self) -> None:
        try:
            while self._wanted.acquire() and not self._closed:
                self._answers.put(next(self._events))
        except BaseException as error:  # StopIteration too
            self._answers.put(error)
            if self._closed and not isinstance(error, StopIteration):
                _log.exception("A stream that was closed has failed.")
        try:
            _end(self._events, self._free)
        except Exception:
            _log.exception("The events of a stream could not be closed.")


def _encoded(event: Event) -> bytes:
    if event is None:
        return _COMMENT
    if isinstance(event, str):
        return encode_event(event)
    if isinstance(event, bytes):
        if not event.endswith(b"\n\n"):
            raise ValueError(f"{event[:50]!r} is no event: yield text, or use encode_event()")
        return event
    raise TypeError(f"A stream yields text, encoded events or None, not {type(event).__name__}.")


def _end(source: Any, free: Callable[[], None]) -> None:
    try:
        close = getattr(source, "close", None)
        if close is not None:
            close()
    finally:
        free()


def _too_many(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    detail = "As many streams are open as may be: try again later."
    again = ("Retry-After", str(RETRY_AFTER))
    return _refuse(environ, start_response, "503 Service Unavailable", detail, again)


def _fail(
    environ: WSGIEnvironment, start_response: StartResponse, error: HTTPException
) -> Iterable[bytes]:
    if not isinstance(error, WSGIHTTPException) or error.status_int < 400 or error.has_body:
        return error(environ, start_response)
    detail = str(error.detail or error.explanation)
    own = ("content-type", "content-length", "vary")
    kept = [line for line in error.headerlist if line[0].lower() not in own]
    return _refuse(environ, start_response, error.status, detail, *kept)


def _refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: str,
    detail: str,
    *headers: tuple[str, str],
) -> Iterable[bytes]:
    """Answer with one line of text for a browser's window, else with a problem (RFC 9457)."""
    code, _, title = status.partition(" ")
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        kind, body = "text/plain; charset=utf-8", f"{status}\n\n{detail}\n".encode()
    else:
        problem = {"type": "about:blank", "title": title, "status": int(code), "detail": detail}
        kind, body = "application/problem+json", json.dumps(problem).encode()
    lines = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Vary", "Accept")]
    start_response(status, [*lines, *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
