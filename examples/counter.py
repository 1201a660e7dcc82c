"""Classes with a method per HTTP method, one table of routes, and a thousand open connections.

Run it with ``python examples/counter.py``, or on a server for many connections::

    gunicorn --worker-class gevent --worker-connections 1200 'examples.counter:make_app()'
    gunicorn --threads 1200 --worker-connections 1400 'examples.counter:make_app()'

then open http://127.0.0.1:8000/ in a browser, and /count/ in as many as you have.

Nothing is global: what the handlers need is made by ``make_app()``, and given to them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sqlalchemy import Engine, create_engine, text
from webob import Request
from webob.exc import HTTPNotFound

from wsgikit.dispatcher import Dispatcher
from wsgikit.events import MaxStreams
from wsgikit.security import SecurityHeaders
from wsgikit.server import serve
from wsgikit.views import View


@dataclass(frozen=True)
class Config:
    """All that can be configured, and what it is by default."""

    database: str = "sqlite:///counter.db"
    connections: int = 5
    streams: int = 1000
    seconds: float = 1


class Home(View):
    def get(self, request: Request) -> str:
        url_for = request.environ["wsgikit.url_for"]
        links = url_for("count", start=1), url_for("person", person_id=1)
        return "".join(f'<p><a href="{link}">{link}</a>' for link in links)


@dataclass(frozen=True)
class Count(View):
    """A line a second, for as long as somebody reads."""

    seconds: float

    def get(self, request: Request, start: int = 0) -> Iterator[str]:
        for number in count(start):
            yield f"{number}<br>\n"
            time.sleep(self.seconds)


@dataclass(frozen=True)
class Person(View):
    """A row, by a connection that is given back before the answer goes out."""

    pool: Engine

    def get(self, request: Request, person_id: int) -> str:
        with self.pool.connect() as connection:
            query = text("SELECT name FROM people WHERE id = :id")
            name = connection.scalar(query, {"id": person_id})
        if name is None:
            raise HTTPNotFound("There is no such person.")
        return f"<p>{name}"


def timed(app: WSGIApplication) -> WSGIApplication:
    """Say how long the application took: a middleware is a function of an application."""

    def timed_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = time.perf_counter()

        def started(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            took = f"app;dur={(time.perf_counter() - start) * 1000:.1f}"
            return start_response(status, [*headers, ("Server-Timing", took)], *exc_info)

        return app(environ, started)

    return timed_app


MIDDLEWARES: list[Callable[[WSGIApplication], WSGIApplication]] = [SecurityHeaders, timed]


def make_app(config: Config = Config()) -> WSGIApplication:
    """Make the pools, hand them to the handlers, and wrap it all."""
    people = create_engine(config.database, pool_size=config.connections)
    fill(people)
    routes = Dispatcher()
    routes.add_all(
        [
            ("/", "home", Home()),
            ("/count/[{start:int}/]", "count", MaxStreams(Count(config.seconds), config.streams)),
            ("/people/{person_id:int}/", "person", Person(people)),
        ]
    )
    app: WSGIApplication = routes
    for middleware in MIDDLEWARES:
        app = middleware(app)
    return app


def fill(people: Engine) -> None:
    """Make sure that there are people, and leave no connection open: a server may fork now."""
    with people.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, name)"))
        connection.execute(text("INSERT OR IGNORE INTO people VALUES (1, 'Ada'), (2, 'Grace')"))
    people.dispose()


if __name__ == "__main__":
    serve(make_app(), port=8000)
