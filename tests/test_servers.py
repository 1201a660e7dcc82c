"""The fixtures themselves: every test starts from an empty database, whatever came before."""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    select,
    text,
)
from webob import Response

TEXT = "\N{SNOWMAN}\N{GRINNING FACE}"

metadata = MetaData()
table = Table(
    "people", metadata, Column("id", Integer, primary_key=True), Column("name", String(9))
)


@pytest.fixture(scope="module")
def left_open() -> Iterator[list[Connection]]:
    """Connections that a test forgets to close; referenced, so that no warning gives them away."""
    connections: list[Connection] = []
    yield connections
    for connection in connections:
        connection.invalidate()
        connection.close()


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_test_gets_an_empty_database(
    engine: Engine, left_open: list[Connection], time: str
) -> None:
    """The second time would find the table, and wait for its lock, if the first one's were kept."""
    assert inspect(engine).get_table_names() == [], time
    metadata.create_all(engine)
    connection = engine.connect()
    left_open.append(connection)
    connection.execute(table.insert().values(name=TEXT))
    assert connection.scalar(select(table.c.name)) == TEXT


def test_postgresql_is_the_newest_major_version(postgresql_engine: Engine) -> None:
    with postgresql_engine.connect() as connection:
        assert str(connection.scalar(text("SHOW server_version"))).startswith("18.")


def test_sqlite_enforces_foreign_keys(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1


def test_an_application_is_served_over_a_socket(serve: Callable[[WSGIApplication], str]) -> None:
    with urllib.request.urlopen(serve(validator(Response(b"hello"))) + "/") as answer:
        assert answer.read() == b"hello"


def test_a_page_is_shown_in_a_real_browser(
    browser: Any, serve: Callable[[WSGIApplication], str]
) -> None:
    page = browser.new_page()
    page.goto(serve(Response("<title>Hello</title><p>world</p>")) + "/")
    assert page.title() == "Hello"
    assert page.inner_text("p") == "world"
    page.close()
