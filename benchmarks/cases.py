"""The cases: what wsgikit does, against a bare WSGI function that does the same by hand."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults

import sqlalchemy as sa
from sqlalchemy import event

from benchmarks import by_hand
from benchmarks.harness import Case, call
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

ROUTES = 200
ROWS = 1000

# The disk is not what is measured.
NO_WAITING = "PRAGMA synchronous = OFF"

employees = sa.Table(
    "employees",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(250), nullable=False),
    sa.Column("title", sa.String(250)),
    sa.Column("office_number", sa.Integer),
    sa.Column("hired", sa.Date),
    sa.Column("email", sa.String(250)),
)

NEW = {
    "name": "Zoë Müller",
    "title": None,
    "office_number": 204,
    "hired": "2024-02-29",
    "email": "zoe@example.com",
}


@contextmanager
def cases() -> Iterator[list[Case]]:
    """Build every case, with its database, for the length of the block."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        databases = Databases(Path(name), stack)
        yield [*routing(), *collection(databases)]


def routing() -> Iterator[Case]:
    """Reach one of 200 routes, the last but one that was added."""
    names = [f"part{number}" for number in range(ROUTES // 2)]
    app = Dispatcher()
    for name in names:
        app.add(f"/{name}/", done)
        app.add(f"/{name}/{{number:int}}/{{name}}", done)
    static = by_hand.static_route({f"/{name}/": done for name in names})
    variable = by_hand.variable_route(dict.fromkeys(names, done))
    yield versus("dispatch, static route", static, app, get(f"/{names[-1]}/"))
    yield versus("dispatch, two variables", variable, app, get(f"/{names[-1]}/42/zoe"))


def done(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without doing anything."""
    start_response("204 No Content", [])
    return []


def collection(databases: "Databases") -> Iterator[Case]:
    """Read and write rows of the same table."""
    item = get("/employees/500", "application/json")
    page = get("/employees/", "text/html", "limit=100")
    rows = get("/employees/", "application/json", "limit=100")
    table = [
        ("retrieve one row, JSON", by_hand.retrieve, item),
        ("list 100 rows, JSON", by_hand.list_json, rows),
        ("list 100 rows, HTML", by_hand.list_html, page),
        ("create one row, JSON", by_hand.create, post("/employees/", NEW)),
    ]
    for name, baseline, request in table:
        yield versus(name, baseline(databases.connect()), make_app(databases.engine()), request)


def versus(
    name: str,
    baseline: WSGIApplication,
    app: WSGIApplication,
    request: Callable[[], WSGIEnvironment],
) -> Case:
    """Give both the same requests."""
    return Case(
        name,
        {
            "by hand": lambda: call(baseline, request()),
            "wsgikit": lambda: call(app, request()),
        },
    )


def make_app(engine: sa.Engine) -> Dispatcher:
    """Return a collection behind a dispatcher, as an application has it."""
    app = Dispatcher()
    media = [HTML(), JSON]
    people = ModelCollection(TableModel(employees, engine), media=media)
    app.add("/employees/[{id:key}][;{noun}]", people, name="employees")
    return app


class Databases:
    """Databases with the same rows, one for each contestant; none waits for the disk."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._paths = (directory / f"{number}.db" for number in count())
        self._stack = stack
        self._template = next(self._paths)
        fill(self._template)

    def connect(self) -> sqlite3.Connection:
        """Return a connection to a new database."""
        connection = self._stack.enter_context(closing(sqlite3.connect(self._copy())))
        connection.execute(NO_WAITING)
        return connection

    def engine(self) -> sa.Engine:
        """Return an engine for a new database."""
        engine = make_engine(self._copy())
        self._stack.callback(engine.dispose)
        return engine

    def _copy(self) -> Path:
        path = next(self._paths)
        shutil.copyfile(self._template, path)
        return path


def make_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", lambda connection, _: connection.execute(NO_WAITING))
    return engine


def fill(path: Path) -> None:
    """Make a database with rows of every usual kind, some values of which are missing."""
    rows = [
        {
            "name": f"Zoë Müller {number}",
            "title": None if number % 5 == 0 else "Engineer & <architect>",
            "office_number": number,
            "hired": date(2000, 1, 1) + timedelta(number),
            "email": f"zoe{number}@example.com",
        }
        for number in range(ROWS)
    ]
    engine = make_engine(path)
    with engine.begin() as connection:
        employees.create(connection)
        connection.execute(sa.insert(employees), rows)
    engine.dispose()


def get(path: str, accept: str = "*/*", query: str = "") -> Callable[[], WSGIEnvironment]:
    """Return a function that gives a new environ each time."""
    environ: WSGIEnvironment = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_ACCEPT": accept}
    setup_testing_defaults(environ)
    return lambda: environ


def post(path: str, values: object) -> Callable[[], WSGIEnvironment]:
    """Return the same for a body, which can be read only once."""
    body = json.dumps(values).encode()
    environ = {
        **get(path, "application/json")(),
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
    }
    return lambda: {**environ, "wsgi.input": BytesIO(body)}
