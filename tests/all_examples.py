"""The examples below one roof, with what else a server could get wrong, for every server."""

import time
from collections.abc import Iterator
from pathlib import Path

from webob import Request

from examples import blog, counter, functions, hello, pastebin, uri_shapes
from wsgikit.dispatcher import Dispatcher
from wsgikit.events import EventStream, MaxStreams, encode_event
from wsgikit.static import static
from wsgikit.views import view

ROOT = Path(__file__).parent.parent


def two_events(request: Request) -> Iterator[str | bytes]:
    yield "one\ntwo"
    yield encode_event("three", id="3")


def quiet(request: Request) -> Iterator[str | None]:
    """Say one thing, and then nothing, for as long as anybody listens."""
    yield "hello"
    while True:
        time.sleep(0.1)
        yield None


listening = EventStream(quiet, heartbeat=0.05)
counted = MaxStreams(counter.Count(seconds=0.05))
few = MaxStreams(counter.Count(seconds=0.05), 4)


@view
def open_streams(request: Request) -> str:
    return f"{listening.open} {counted.open}"


@view
def echo(request: Request, rest: object = None) -> str:
    """Say what of a request arrives."""
    parts = [request.method, request.script_name, request.path_info, request.query_string]
    return "|".join([*parts, request.GET.get("q", ""), str(len(request.body))])


database = blog.open_database()

app = Dispatcher()
app.add("/blog|", blog.make_app(database))
app.add("/functions|", functions.app)
app.add("/counter|", counter.make_app())
app.add("/shapes|", uri_shapes.make_app())
app.add("/hello|", hello.app)
app.add("/pastes|", pastebin.make_app(database))
app.add("/static|", static(ROOT / "examples"))
app.add("/echo/[{rest:path}]", echo)
app.add("/events", GET=EventStream(two_events))
app.add("/listening", GET=listening)
app.add("/counting/[{start:int}/]", GET=counted)
app.add("/few/[{start:int}/]", GET=few)
app.add("/open", GET=open_streams)

database.dispose()  # a server may fork now
