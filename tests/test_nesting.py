"""wsgikit.model_collection.nesting, and models that are narrowed to values."""

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
)
from webob import Request, Response
from webob.exc import HTTPUnauthorized

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import (
    DEFAULT,
    ConflictError,
    Exact,
    Field,
    MemoryModel,
    NotFoundError,
    Reference,
    Text,
    ValidationError,
    clean,
    clean_changes,
    fixed,
)
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.query import parse_query
from wsgikit.sql import TableModel

metadata = MetaData()
rooms = Table("rooms", metadata, Column("name", String(20), primary_key=True))
seats = Table(
    "seats",
    metadata,
    Column("room", ForeignKey(rooms.c.name), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("note", String(40)),
)
tags = Table(
    "tags",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", String(20)),
    Column("number", Integer),
    Column("owner", Uuid),
    ForeignKeyConstraint(["room", "number"], ["seats.room", "seats.number"]),
)


def ask(app: Any, path: str, method: str = "GET", json: Any = None, **rest: Any) -> Response:
    rest.setdefault("accept", "application/json")
    if json is not None:
        rest |= {"json": json, "content_type": "application/json"}
    return Request.blank(path, method=method, **rest).get_response(app)


# -- fields that are fixed ------------------------------------------------------------------------

POST = Field("post", "integer", required=True, nullable=False)
FIELDS = [fixed(POST, 7), Field("text")]


@pytest.mark.parametrize("given", [{}, {"post": 7}, {"post": Exact("7")}, {"post": Text("7")}])
def test_a_fixed_value_is_filled_in_and_may_be_repeated(given: dict[str, Any]) -> None:
    assert clean(FIELDS, {"text": "a", **given}) == {"post": 7, "text": "a"}


@pytest.mark.parametrize("given", [8, None, "x", True, Exact("8"), Exact("")])
def test_any_other_value_is_refused(given: Any) -> None:
    for check in (clean, clean_changes):
        with pytest.raises(ValidationError) as caught:
            check(FIELDS, {"post": given})
        assert [(e.field, e.code) for e in caught.value.errors] == [("post", "read_only")]


def test_a_fixed_value_stays_in_rows_that_exist() -> None:
    row = {"post": 7, "text": "a"}
    assert clean(FIELDS, {"post": 7, "text": "b"}, current=row) == {"text": "b"}
    assert clean_changes(FIELDS, {"post": 7}) == {"post": 7}
    with pytest.raises(ValidationError):
        clean_changes(FIELDS, {"post": DEFAULT})


def test_what_is_no_value_of_the_field_cannot_be_fixed() -> None:
    with pytest.raises(ValueError, match="post cannot be 'x'"):
        fixed(POST, "x")


# -- models that are narrowed to values -----------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite", "postgresql", "mariadb"])
def model(request: pytest.FixtureRequest) -> Any:
    """Seats 1 and 2 in room a/1, seat 1 in room b."""
    if request.param == "memory":
        found: Any = MemoryModel(
            [
                Field("room", nullable=False, required=True),
                Field("number", "integer", nullable=False, required=True),
                Field("note"),
            ],
            key=("room", "number"),
            name="seats",
        )
    else:
        engine: Engine = request.getfixturevalue(f"{request.param}_engine")
        metadata.create_all(engine)
        for name in ("a/1", "b"):
            TableModel(rooms, engine).create({"name": name})
        found = TableModel(seats, engine)
    for room, number in [("a/1", 1), ("a/1", 2), ("b", 1)]:
        found.create({"room": room, "number": number})
    return found


def seats_of(model: Any) -> list[tuple[str, int, str | None]]:
    return [(row["room"], row["number"], row["note"]) for row in model.stream(parse_query(""))]


def test_only_rows_of_the_values_are_there(model: Any) -> None:
    b = model.restrict(values={"room": "b"})
    assert seats_of(b) == [("b", 1, None)]
    assert len(b.list(parse_query("")).data) == 1
    with pytest.raises(NotFoundError):
        b.retrieve(("a/1", 1))
    with pytest.raises(NotFoundError):
        b.update(("a/1", 1), {"note": "x"})
    with pytest.raises(NotFoundError):
        b.delete(("a/1", 1))
    assert b.update_where(parse_query(""), {"note": "x"}, 10) == 1
    assert b.delete_where(parse_query("number=1"), 10) == 1
    assert seats_of(model) == [("a/1", 1, None), ("a/1", 2, None)]


def test_a_part_of_the_key_may_be_fixed(model: Any) -> None:
    b = model.restrict(values={"room": "b"})
    assert b.create({"number": 2})["room"] == "b"
    with pytest.raises(ConflictError):
        b.create({"number": 2})
    written = b.create_many(
        [{"number": 2, "note": "x"}, {"number": 3}], on_duplicate="merge", returning=True
    )
    assert (written.count, written.created) == (2, 1)
    ignored = b.create_many([{"number": 2, "note": "y"}], on_duplicate="ignore")
    assert ignored.count == 0
    with pytest.raises(ValidationError):
        b.create_many([{"room": "a/1", "number": 1, "note": "x"}], on_duplicate="merge")
    assert seats_of(b) == [("b", 1, None), ("b", 2, "x"), ("b", 3, None)]
    assert len(seats_of(model)) == 5


def test_nothing_is_between_two_values(model: Any) -> None:
    neither = model.restrict(values={"room": "a/1"}).restrict(values={"room": "b"})
    assert seats_of(neither) == []
    with pytest.raises(ValidationError):
        neither.create({"number": 9})
    with pytest.raises(ValidationError):
        neither.create_many([{"number": 9}])
    assert len(seats_of(model)) == 3


def test_no_value_is_a_value(model: Any) -> None:
    without = model.restrict(values={"note": None})
    assert without.create({"room": "b", "number": 2})["note"] is None
    with pytest.raises(ValidationError):
        without.update(("b", 2), {"note": "x"})
    model.update(("b", 2), {"note": "x"})
    assert len(seats_of(without)) == 3


def test_unknown_columns_and_wrong_values_are_mistakes(model: Any) -> None:
    for values in ({"rooom": "b"}, {"number": "one"}):
        with pytest.raises(ValueError, match=r"has no|cannot be"):
            model.restrict(values=values)


def test_a_memory_model_merges_no_row_that_is_out_of_sight() -> None:
    model = MemoryModel([Field("id", "integer", required=False), Field("post", "integer")])
    model.create({"id": 1, "post": 8})
    with pytest.raises(ConflictError):
        model.restrict({"post": 7}).create_many([{"id": 1}], on_duplicate="merge")


def test_a_hidden_column_is_filled_in_all_the_same(engine: Engine) -> None:
    metadata.create_all(engine)
    rows = TableModel(rooms, engine)
    rows.create({"name": "a"})
    TableModel(seats, engine).create({"room": "a", "number": 1})
    plain = TableModel(tags, engine)
    values = {"room": "a", "number": 1, "owner": None}
    hidden = plain.restrict(values=values, hidden=["room", "number"])
    assert hidden.create({}) == {"id": 1, "owner": None}
    assert hidden.create_many([{}, {}]).created == 2
    assert {(row["room"], row["number"]) for row in plain.stream(parse_query(""))} == {("a", 1)}


# -- collections ----------------------------------------------------------------------------------


def make_app(model: Any, *, policy: Any = None, own: Any = None, served: bool = True) -> Dispatcher:
    """Give an application with the seats of rooms, and the rooms themselves."""
    app = Dispatcher()
    media = [HTML(), JSON]
    if served:
        parents = model.follow("room") or MemoryModel([Field("name")], key="name", name="rooms")
        collection = ModelCollection(
            parents, media=media, policy=policy, nested={"seats": "room", "absent": "room"}
        )
        app.add("/rooms/[{id:key}][;{noun}]", collection, name="rooms")
    collection = ModelCollection(model, media=media, within={"room": "room"}, policy=own)
    app.add("/rooms/{room:key}/seats/[{id:key}][;{noun}]", collection, name="seats")
    app.add("/openapi.json", OpenAPI(app), name="openapi")
    return app


@pytest.fixture
def table(sqlite_engine: Engine) -> TableModel:
    metadata.create_all(sqlite_engine)
    parents, model = TableModel(rooms, sqlite_engine), TableModel(seats, sqlite_engine)
    for name in ("a/1", "b"):
        parents.create({"name": name})
        model.create({"room": name, "number": 1})
    return model


@pytest.mark.parametrize("served", [True, False])
def test_parents_may_have_any_key(table: TableModel, served: bool) -> None:
    app = make_app(table, served=served)
    created = ask(app, "/rooms/a~2F1/seats/", "POST", {"number": 2})
    assert created.headers["Location"] == "http://localhost/rooms/a~2F1/seats/a~2F1,2"
    assert len(ask(app, "/rooms/a~2F1/seats/").json["data"]) == 2
    assert ask(app, "/rooms/b/seats/a~2F1,1").status_int == 404
    for name in ("c", "~2F", "A~2F1"):
        assert ask(app, f"/rooms/{name}/seats/").status_int == 404
    page = ask(app, "/rooms/a~2F1/seats/", accept="text/html").text
    assert ('href="/rooms/a~2F1"' in page) is served


def test_the_page_of_a_parent_leads_below(table: TableModel) -> None:
    page = ask(make_app(table), "/rooms/a~2F1", accept="text/html").text
    assert 'href="/rooms/a~2F1/seats/"' in page
    delete = ask(make_app(table), "/rooms/a~2F1;delete_form", accept="text/html").text
    assert 'href="/rooms/a~2F1/seats/"' in delete


def only_b(request: Request, model: Any) -> Any:
    if request.remote_user is None:
        raise HTTPUnauthorized()
    return model.restrict(rows=rooms.c.name == "b") if request.remote_user == "ada" else None


def test_what_cannot_be_seen_of_the_parents_has_nothing_below(table: TableModel) -> None:
    app = make_app(table, policy=only_b)

    def status(room: str, user: str | None) -> int:
        environ = {} if user is None else {"REMOTE_USER": user}
        response = ask(app, f"/rooms/{room}/seats/", environ=environ)
        assert response.headers["Cache-Control"] == "private, no-store"
        return int(response.status_int)

    assert status("b", "ada") == 200
    assert status("a~2F1", "ada") == 404
    assert status("b", "bob") == 403
    assert status("b", None) == 401


def test_a_policy_narrows_what_is_below(table: TableModel) -> None:
    def first(_request: Request, model: Any) -> Any:
        return model.restrict(rows=seats.c.number == 1, hidden=["note"])

    app = make_app(table, own=first)
    table.create({"room": "b", "number": 2})
    assert ask(app, "/rooms/b/seats/").json["data"] == [{"room": "b", "number": 1}]
    paths = ask(app, "/openapi.json").json["paths"]
    assert "/rooms/{room}/seats/{id}" in paths


def test_a_parent_behind_another_application_is_found_by_the_foreign_key(
    table: TableModel,
) -> None:
    app = make_app(table, served=False)
    inner = ModelCollection(TableModel(rooms, table.engine), media=[JSON])

    def wrapped(environ: Any, start_response: Any) -> Any:
        return inner(environ, start_response)

    app.add("/rooms/[{id:key}][;{noun}]", wrapped, name="rooms")
    assert ask(app, "/rooms/b/seats/").status_int == 200
    assert ask(app, "/rooms/c/seats/").status_int == 404


def test_a_parent_by_another_column_than_its_key_is_not_looked_for() -> None:
    model = MemoryModel(
        [
            Field("id", "integer", required=False),
            Field("room", references=Reference("rooms", "title")),
        ],
        name="seats",
    )
    app = make_app(model)
    assert ask(app, "/rooms/any/seats/").json["data"] == []
    assert ask(app, "/rooms/any/seats/", "POST", {}).json == {"id": 1, "room": "any"}


def test_under_another_router_the_variable_is_enough() -> None:
    model = MemoryModel([Field("id", "integer", required=False), Field("room")], name="seats")
    app = ModelCollection(model, media=[JSON], within={"room": "room"})
    environ = {"wsgiorg.routing_args": ((), {"room": "b", "id": None, "noun": None})}
    assert ask(app, "/b/", environ=environ).json["data"] == []
    environ = {"wsgiorg.routing_args": ((), {"id": None, "noun": None})}
    assert ask(app, "/b/", environ=environ).status_int == 404


def test_a_collection_knows_what_cannot_be_within() -> None:
    model = MemoryModel([Field("id", "integer", required=False)], name="seats")
    with pytest.raises(ValueError, match="no column 'room'"):
        ModelCollection(model, media=[JSON], within={"room": "room"})

    class Plain:
        fields = model.fields
        key = model.key

    with pytest.raises(ValueError, match="restrict"):
        ModelCollection(Plain(), media=[JSON], within={"id": "id"})


def test_a_parent_whose_key_fits_no_template_has_no_link_below() -> None:
    rows = MemoryModel([Field("at", "date", required=True, nullable=False)], key="at", name="days")
    rows.create({"at": "2026-01-31"})
    app = Dispatcher()
    below = ModelCollection(
        MemoryModel([Field("id", "integer", required=False), Field("at", "integer")]),
        media=[HTML(), JSON],
        within={"at": "at"},
    )
    app.add("/[{id:key}]", ModelCollection(rows, media=[HTML(), JSON], nested={"below": "at"}))
    app.add("/{at:int}/below/[{id:key}]", below, name="below")
    assert ask(app, "/2026-01-31", accept="text/html").status_int == 200
