"""wsgikit.reflect: whatever is in a database can be read, and written where that is possible."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine
from sqlalchemy import __version__ as sqlalchemy
from webob import Request, Response

from wsgikit.model import UnavailableError
from wsgikit.reflect import Reflected, encode_name, reflect
from wsgikit.uri import URIPattern

SCHEMA = '''
CREATE TABLE country (code TEXT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO country VALUES ('NZ', 'New Zealand');
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, country REFERENCES country);
INSERT INTO city VALUES (1, 'Wellington', 'NZ');
CREATE TABLE "order item" ("order no" INTEGER, "select" TEXT, "größe" NUMERIC, "a ""q""" BLOB,
    PRIMARY KEY ("order no", "select"));
INSERT INTO "order item" VALUES (1, 'a/b', 2.5, x'00ff');
CREATE TABLE note (text, day DATE);
INSERT INTO note VALUES (NULL, '2020-02-30');
CREATE VIEW names AS SELECT name FROM city;
CREATE VIEW broken AS SELECT x FROM nowhere;
'''

#: Names of tables that a template, a URL or another part of the application could trip over.
ODD = ["a/b", ".", "..", "~", "static", "home", "{x}[y]|", "größe", "a?b#c%20", "A", "a b"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'world.db'}")
    run(engine, *filter(str.strip, SCHEMA.split(";")))
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(app: Reflected, path: str, method: str = "GET", **options: Any) -> Response:
    options.setdefault("content_type", "application/json" if "json" in options else "")
    request = Request.blank(path, method=method, accept="application/json", **options)
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


@pytest.mark.parametrize(("write", "actions"), [(True, 3), (False, 1)])
def test_rows_are_exported_and_ticked(engine: Engine, write: bool, actions: int) -> None:
    app = reflect(engine, write=write)
    page = Request.blank("/city/?name=Wellington", accept="text/html").get_response(app).text
    for name in ("json", "csv", "ndjson"):
        path = f"/city/?name=Wellington&format={name}&limit=all"
        assert path.replace("&", "&amp;") in page
        assert "Wellington" in ask(app, path).text
    assert page.count('name="action"') == actions
    assert ("import_form" in page) is write


def test_every_table_and_view_is_served_as_json_and_as_pages(engine: Engine) -> None:
    app = reflect(engine)
    assert ask(app, "/city/1").json == {"id": 1, "name": "Wellington", "country": "NZ"}
    for name in ("city", "country", "order~20item", "note", "names"):
        assert len(ask(app, f"/{name}/").json["data"]) == 1
        assert "Wellington" in ask(app, "/city/?format=html").text


def test_a_missing_slash_is_added(engine: Engine) -> None:
    response = Request.blank("/city").get_response(reflect(engine))
    assert (response.status_int, response.headers["Location"]) == (308, "/city/")


def test_foreign_keys_are_links(engine: Engine) -> None:
    page = ask(reflect(engine), "/city/1?format=html").text
    assert 'href="/country/NZ"' in page


def test_odd_columns_and_composite_keys_can_be_read(engine: Engine) -> None:
    row = {"order no": 1, "select": "a/b", "größe": "2.5", 'a "q"': "AP8="}
    found = ask(reflect(engine), "/order~20item/1,a~2Fb").json
    assert {**found, "größe": str(found["größe"])} | {"größe": "2.5"} == row


def test_what_does_not_fit_its_column_is_shown_as_it_is(engine: Engine) -> None:
    rows = ask(reflect(engine), "/note/").json["data"]
    assert rows == [{"text": None, "day": "2020-02-30"}]


def test_the_findings_say_what_can_be_done_and_why_not(engine: Engine) -> None:
    read = {finding.name: finding for finding in reflect(engine).findings}
    write = {finding.name: finding for finding in reflect(engine, write=True).findings}
    assert list(read) == ["broken", "city", "country", "names", "note", "order item"]
    assert read["city"][1:] == ("table", "/city/", "read only")
    assert write["city"][1:] == ("table", "/city/", "read and write")
    for findings in (read, write):
        assert findings["names"][1:] == ("view", "/names/", "read only: It is a view.")
        assert findings["note"][1:] == ("table", "/note/", "read only: It has no primary key.")
        assert findings["broken"][1:3] == ("view", None)
        assert findings["broken"].access.startswith("not served: ")


def test_what_cannot_be_read_leaves_the_rest_alone(engine: Engine) -> None:
    assert ask(reflect(engine), "/broken/").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written_unless_asked_for(engine: Engine, method: str) -> None:
    path = "/city/" if method == "POST" else "/city/1"
    app = reflect(engine)
    assert ask(app, path, method, json={"name": "x"}).status_code == 405
    assert "new_form" not in ask(app, "/city/?format=html").text
    assert ask(app, "/city/;new_form?format=html").status_code == 404


def test_tables_can_be_written_when_asked_for(engine: Engine) -> None:
    app = reflect(engine, write=True)
    created = ask(app, "/city/", "POST", json={"name": "Nelson"})
    assert (created.status_code, created.json["id"]) == (201, 2)
    assert "/city/;new_form" in ask(app, "/city/?format=html").text
    for path in ("/names/", "/note/"):
        assert ask(app, path, "POST", json={"name": "x"}).status_code == 405
        assert ";new_form" not in ask(app, f"{path}?format=html").text


@pytest.mark.parametrize("name", ODD)
def test_a_table_of_any_name_is_served(name: str) -> None:
    """And the others stay where they are."""
    engine = create_engine("sqlite://")
    run(
        engine,
        f'CREATE TABLE "{name}" (id INTEGER PRIMARY KEY)',
        f'INSERT INTO "{name}" VALUES (7)',
        f'CREATE TABLE other (id INTEGER PRIMARY KEY, "to" REFERENCES "{name}")',
        "INSERT INTO other VALUES (1, 7)",
    )
    app = reflect(engine)
    href = next(f.href for f in app.findings if f.name == name)
    assert href is not None
    assert ask(app, href).json["data"] == [{"id": 7}]
    assert ask(app, f"{href}7").json == {"id": 7}
    assert f'href="{href}7"' in ask(app, "/other/1?format=html").text
    home = ask(app, "/").json
    assert {r["href"] for r in home["resources"].values() if "href" in r} == {href, "/other/"}
    assert f'href="{href}"' in ask(app, "/?format=html").text


@pytest.mark.skipif(sqlalchemy < "2.1", reason="SQLAlchemy 2.0 cannot quote an empty name")
def test_a_table_without_a_name_is_served() -> None:
    engine = create_engine("sqlite://")
    run(engine, 'CREATE TABLE "" (id INTEGER PRIMARY KEY)', 'INSERT INTO "" VALUES (7)')
    assert ask(reflect(engine), "/~/7").json == {"id": 7}


@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=4, unique=True))
def test_names_stay_apart_and_survive_the_url(names: list[str]) -> None:
    encoded = [encode_name(name) for name in names]
    assert len(set(encoded)) == len(names)
    for text in encoded:
        assert text not in ("", ".", "..")
        assert "/" not in text
        template = URIPattern(f"/{text}/[{{id:key}}]")
        assert unquote(template.expand()) == f"/{text}/"
        assert template.match(f"/{text}/") is not None


def test_two_names_that_differ_in_case_stay_apart(postgresql_engine: Engine) -> None:
    run(
        postgresql_engine,
        'CREATE TABLE "Name" (id integer PRIMARY KEY)',
        'CREATE TABLE "name" (id integer PRIMARY KEY)',
        'INSERT INTO "Name" VALUES (1)',
        "CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one",
    )
    app = reflect(postgresql_engine)
    assert [(f.name, f.kind) for f in app.findings] == [
        ("Name", "table"),
        ("name", "table"),
        ("seen", "view"),
    ]
    assert ask(app, "/Name/1").status_code == 200
    assert ask(app, "/name/1").status_code == 404
    assert ask(app, "/seen/").json["data"] == [{"one": 1}]


def test_the_home_page_is_titled_by_the_database_or_as_told(engine: Engine) -> None:
    assert ask(reflect(engine, title="The world"), "/").json["api"]["title"] == "The world"
    assert ask(reflect(create_engine("sqlite://")), "/").json["api"]["title"] == "Database"
    assert ask(reflect(engine), "/").json["api"]["title"].endswith("world.db")


def test_progress_is_told_before_each_table(engine: Engine) -> None:
    told: list[tuple[int, int, str]] = []
    reflect(engine, progress=lambda *step: told.append(step))
    assert told[:2] == [(0, 6, "broken"), (1, 6, "city")]
    assert len(told) == 6


def test_a_database_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("This is no database at all.")
    engine = create_engine(f"sqlite:///{tmp_path / 'no.db'}")
    with pytest.raises(UnavailableError):
        reflect(engine)
    engine.dispose()
