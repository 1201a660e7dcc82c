"""The baselines: bare WSGI functions over sqlite3 and json, as one would write them by hand.

They do what the answer needs and nothing else: no negotiation, no validation, no ETag, no
protection from other sites.  The ratios say what all that costs.
"""

import json
import re
import sqlite3
from collections.abc import Iterable
from html import escape
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

COLUMNS = ("id", "name", "title", "office_number", "hired", "email")
SELECT = f"SELECT {', '.join(COLUMNS)} FROM employees "
LIST = SELECT + "ORDER BY id LIMIT 101"
ITEM = SELECT + "WHERE id = ?"
INSERT = (
    "INSERT INTO employees (name, title, office_number, hired, email) "
    "VALUES (:name, :title, :office_number, :hired, :email)"
)


def _send(start: StartResponse, body: bytes, kind: str, status: str = "200 OK") -> Iterable[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def static_route(handlers: dict[str, WSGIApplication]) -> WSGIApplication:
    """Choose by the whole path."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return handlers[environ["PATH_INFO"]](environ, start)

    return app


def variable_route(handlers: dict[str, WSGIApplication]) -> WSGIApplication:
    """Choose by the first segment; two variables follow."""
    path = re.compile(r"/([^/]+)/(-?[0-9]+)/([^/]+)")

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match = path.fullmatch(environ["PATH_INFO"].encode("latin-1").decode())
        assert match is not None
        urlvars = {"number": int(match[2]), "name": match[3]}
        environ["wsgiorg.routing_args"] = ((), urlvars)
        return handlers[match[1]](environ, start)

    return app


def retrieve(connection: sqlite3.Connection) -> WSGIApplication:
    """Answer one row as JSON."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        id = int(environ["PATH_INFO"].removeprefix("/employees/"))
        row = connection.execute(ITEM, (id,)).fetchone()
        return _send(start, _json(dict(zip(COLUMNS, row, strict=True))), "application/json")

    return app


def list_json(connection: sqlite3.Connection) -> WSGIApplication:
    """Answer 100 rows, and the way to more of them, as JSON."""

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        rows = connection.execute(LIST).fetchall()
        data = [dict(zip(COLUMNS, row, strict=True)) for row in rows[:100]]
        following = f"/employees/?limit=100&after={data[-1]['id']}" if len(rows) > 100 else None
        value = {"data": data, "next": following, "prev": None}
        return _send(start, _json(value), "application/json")

    return app


def list_html(connection: sqlite3.Connection) -> WSGIApplication:
    """Answer 100 rows as a table in a page, with a link in each row."""
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)

    def line(id: int, *cells: object) -> str:
        link = f'<th><a href="/employees/{id}">{id}</a></th>'
        shown = "".join(f"<td>{'-' if c is None else escape(str(c))}</td>" for c in cells)
        return f"<tr>{link}{shown}</tr>"

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        rows = connection.execute(LIST).fetchall()
        lines = "\n".join(line(*row) for row in rows[:100])
        page = (
            f"<!DOCTYPE html>\n<title>Employees</title>\n<table>\n<tr>{head}</tr>\n{lines}</table>"
        )
        return _send(start, page.encode(), "text/html; charset=utf-8")

    return app


def create(connection: sqlite3.Connection) -> WSGIApplication:
    """Store one row that comes as JSON, and answer it."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        values = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        with connection:
            id = connection.execute(INSERT, values).lastrowid
            row = connection.execute(ITEM, (id,)).fetchone()
        body = _json(dict(zip(COLUMNS, row, strict=True)))
        return _send(start, body, "application/json", "201 Created")

    return app
