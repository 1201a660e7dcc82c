"""What a query learns by the way of a foreign key: no more than by going there."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from webob import Request

from tests.cities import TEMPLATE, Client, mounted
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel, Reference
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.sql import TableModel

metadata = MetaData()
teams = Table("teams", metadata, Column("id", Integer, primary_key=True), Column("code", String(9)))
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(9)),
    Column("secret", String(9)),
    Column("team", ForeignKey("teams.id")),
    Column("boss", ForeignKey("users.id")),
)
books = Table(
    "books",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String(9)),
    Column("owner", ForeignKey("users.id")),
)
ROWS: Mapping[Table, list[dict[str, Any]]] = {
    teams: [{"id": 1, "code": "x"}, {"id": 2, "code": "y"}],
    users: [
        {"id": 1, "name": "ada", "secret": "s1", "team": 1, "boss": None},
        {"id": 2, "name": "bob", "secret": "s2", "team": 2, "boss": 1},
    ],
    books: [{"id": 1, "title": "A", "owner": 1}, {"id": 2, "title": "B", "owner": 2}],
}


@pytest.fixture
def database(engine: sa.Engine) -> sa.Engine:
    metadata.create_all(engine)
    with engine.begin() as connection:
        for table, rows in ROWS.items():
            connection.execute(table.insert(), rows)
    return engine


@pytest.fixture
def sqlite(sqlite_engine: sa.Engine) -> sa.Engine:
    metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        for table, rows in ROWS.items():
            connection.execute(table.insert(), rows)
    return sqlite_engine


def only_self(request: Request, model: TableModel) -> TableModel | None:
    """People see themselves only, and nobody's secret."""
    who = request.remote_user or request.headers.get("X-Who")
    return who and model.restrict(rows=users.c.name == who, hidden=["secret"])


def library(engine: sa.Engine, **options: Any) -> Client:
    """Serve books, and users with a policy."""
    return mounted(
        ("books", ModelCollection(TableModel(books, engine), media=[JSON], bulk_limit=9)),
        ("users", ModelCollection(TableModel(users, engine), media=[JSON], **options)),
    )


def shown(ask: Client, path: str, **headers: str) -> list[Any]:
    return list(ask("GET", path, **headers).json["data"])


def refused(ask: Client, path: str, **headers: str) -> str:
    response = ask("GET", path, **headers)
    assert response.status_int == 400
    return str(response.json["errors"][0]["parameter"])


def test_the_policy_of_a_collection_holds_on_every_way_to_its_rows(database: sa.Engine) -> None:
    ask = library(database, policy=only_self)
    ada = {"id": 1, "name": "ada", "team": 1, "boss": None}
    response = ask("GET", "/books/?embed=owner", X_Who="ada")
    assert [row["owner"] for row in response.json["data"]] == [ada, None]
    assert response.headers["Cache-Control"] == "private, no-store"
    assert ask("GET", "/books/1?embed=owner", X_Who="ada").json["owner"] == ada
    assert ask("GET", "/books/2?embed=owner", X_Who="ada").json["owner"] is None
    whole = shown(ask, "/books/?limit=all&embed=owner", X_Who="bob")
    assert [row["owner"] and row["owner"]["name"] for row in whole] == [None, "bob"]
    assert [row["id"] for row in shown(ask, "/books/?owner.id__gt=0", X_Who="bob")] == [2]
    for name in ("owner.secret", "owner.secret__startswith", "owner.boss.secret"):
        assert refused(ask, f"/books/?{name}=s1", X_Who="ada") == name
    assert refused(ask, "/books/?embed=owner") == "embed"
    assert refused(ask, "/books/?owner.name=ada") == "owner.name"
    assert ask("GET", "/books/?owner=1").headers.get("Cache-Control") is None


def test_it_holds_for_a_query_in_a_body_and_for_writes_of_many_rows(sqlite: sa.Engine) -> None:
    ask = library(sqlite, policy=only_self)
    nested = {"or": [{"not": {"owner.secret": "s1"}}, {"id": 1}]}
    assert ask("QUERY", "/books/", body=nested, X_Who="ada").status_int == 400
    nested = {"or": [{"owner.name": "bob"}, {"id": 1}]}
    found = ask("QUERY", "/books/", body=nested, X_Who="ada").json["data"]
    assert [row["id"] for row in found] == [1]
    path = "/books/?owner.secret__startswith=s"
    assert ask("DELETE", path, X_Who="ada", Prefer="tx=rollback").status_int == 400
    path = "/books/?owner.name__in=ada,bob"
    assert ask("PATCH", path, body={"title": "C"}, X_Who="ada").json == {"count": 1}
    assert ask("DELETE", path, X_Who="bob").json == {"count": 1}


def test_columns_that_a_collection_does_not_have_are_nowhere(sqlite: sa.Engine) -> None:
    """Without any policy: what is served of a table is what its model reads."""
    model = TableModel(users, sqlite, readable=["name"])
    book = TableModel(books, sqlite)
    ask = mounted(
        ("books", ModelCollection(book, media=[JSON])),
        ("users", ModelCollection(model, media=[JSON])),
    )
    for _ in range(2):
        response = ask("GET", "/books/1?embed=owner")
        assert response.json["owner"] == {"id": 1, "name": "ada"}
        assert "Cache-Control" not in response.headers
        assert refused(ask, "/books/?owner.secret=s1") == "owner.secret"


def test_what_is_prepared_for_it_is_prepared_once(
    sqlite: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, model = TableModel(books, sqlite), TableModel(users, sqlite)
    assert book.refer({"owner": model}) is book.refer({"owner": model})
    assert book.refer({"owner": model}) is not book.refer({"owner": model.restrict()})
    monkeypatch.setattr("wsgikit.sql.MAX_REFERRING", 1)
    assert book.refer({"owner": None}) is book.refer({"owner": None})
    assert book.refer({"title": None}) is not book.refer({"title": None})


def test_each_step_of_a_path_is_as_narrow_as_its_collection(sqlite: sa.Engine) -> None:
    hidden: list[str] = []
    ask = mounted(
        ("books", ModelCollection(TableModel(books, sqlite), media=[JSON])),
        (
            "teams",
            ModelCollection(
                TableModel(teams, sqlite),
                media=[JSON],
                policy=lambda request, model: model.restrict(hidden=hidden),
            ),
        ),
    )
    assert [row["id"] for row in shown(ask, "/books/?owner.team.code=y&owner.name=bob")] == [2]
    hidden.append("code")
    assert refused(ask, "/books/?owner.team.code=y") == "owner.team.code"
    assert [row["id"] for row in shown(ask, "/books/?owner.boss.team.id=1")] == [2]
    assert refused(ask, "/books/?owner.boss.boss.team.code=y") == "owner.boss.boss.team.code"
    assert refused(ask, f"/books/?{'owner.' * 2000}id=1").startswith("owner.")


def test_a_way_back_is_as_narrow_as_where_it_began(sqlite: sa.Engine) -> None:
    ask = library(sqlite, policy=only_self)
    [bob] = shown(ask, "/users/?embed=boss", X_Who="bob")
    assert bob["boss"] is None
    assert shown(ask, "/users/?boss.name=ada", X_Who="bob") == []
    wider = ModelCollection(TableModel(users, sqlite), media=[JSON])
    narrow = ModelCollection(TableModel(users, sqlite), media=[JSON], policy=only_self)
    ask = mounted(("users", wider), ("selves", narrow))
    [bob] = shown(ask, "/selves/?embed=boss", X_Who="bob")
    assert bob["boss"] is None


def narrower(model: TableModel) -> TableModel:
    return model.restrict(hidden=["secret"], references={"team": None})


@pytest.mark.parametrize(
    ("reference", "owners"),
    [
        (lambda model: None, None),
        (lambda model: model, [["ada", "s1"], ["bob", "s2"]]),
        (narrower, [["ada", None], ["bob", None]]),
        (lambda model: model.restrict(rows=users.c.id == 2), [None, ["bob", "s2"]]),
    ],
)
def test_references_that_are_named_hold_as_well(
    sqlite: sa.Engine, reference: Callable[[TableModel], Any], owners: Any
) -> None:
    model = TableModel(users, sqlite)
    book = TableModel(books, sqlite, references={"owner": reference(model)})
    ask = mounted(
        ("books", ModelCollection(book, media=[JSON])),
        ("users", ModelCollection(model, media=[JSON])),
        ("teams", ModelCollection(TableModel(teams, sqlite), media=[JSON])),
    )
    if owners is None:
        assert refused(ask, "/books/?embed=owner") == "embed"
        return
    found = [row["owner"] for row in shown(ask, "/books/?embed=owner")]
    assert [row and [row["name"], row.get("secret")] for row in found] == owners
    path = "/books/?owner.team.code=y"
    if reference is narrower:
        assert refused(ask, path) == "owner.team.code"
    else:
        assert [row["id"] for row in shown(ask, path)] == [2]


def test_what_is_no_table_of_this_kind_is_not_followed_to(sqlite: sa.Engine) -> None:
    other = sa.create_engine("sqlite://")
    elsewhere = Table("users", MetaData(), Column("id", Integer, primary_key=True), schema="a")
    described = Table("users", MetaData(), autoload_with=sqlite, resolve_fks=False)
    ids = Table("users", MetaData(), Column("name", String(9), primary_key=True))
    closed = [
        TableModel(users, other),
        TableModel(elsewhere, sqlite),
        TableModel(ids, sqlite),
        MemoryModel([Field("id", "integer")], name="users"),
    ]
    for model in closed:
        ask = mounted(
            ("books", ModelCollection(TableModel(books, sqlite), media=[JSON])),
            ("users", ModelCollection(model, media=[JSON])),
        )
        assert refused(ask, "/books/?embed=owner") == "embed"
    # Another description of the same table will do, but not where a condition speaks of one.
    again = TableModel(described, sqlite)
    one = TableModel(users, sqlite).restrict(rows=users.c.id == 1)
    for references, status in (({}, 200), ({"owner": one}, 400)):
        book = TableModel(books, sqlite, references=references)
        ask = mounted(
            ("books", ModelCollection(book, media=[JSON])),
            ("users", ModelCollection(again, media=[JSON])),
        )
        assert ask("GET", "/books/?embed=owner").status_int == status


def test_a_collection_is_found_by_its_table_where_its_route_has_another_name(
    sqlite: sa.Engine,
) -> None:
    for name in (None, "people"):
        app = Dispatcher()
        people = ModelCollection(TableModel(users, sqlite), media=[JSON], policy=only_self)
        app.add(f"/books/{TEMPLATE}", ModelCollection(TableModel(books, sqlite), media=[JSON]))
        app.add(f"/people/{TEMPLATE}", people, name=name)
        outer = Dispatcher()
        outer.add("/in|", app)
        ask = Client(outer)
        assert shown(ask, "/in/books/?embed=owner", X_Who="ada")[1]["owner"] is None
        assert refused(ask, "/in/books/?embed=owner") == "embed"


def test_what_is_wrapped_in_another_application_is_not_followed_to(sqlite: sa.Engine) -> None:
    people = ModelCollection(TableModel(users, sqlite), media=[JSON])
    app = Dispatcher()
    app.add(f"/books/{TEMPLATE}", ModelCollection(TableModel(books, sqlite), media=[JSON]))
    app.add(f"/users/{TEMPLATE}", lambda *arguments: people(*arguments), name="users")
    assert refused(Client(app), "/books/?owner.name=ada") == "owner.name"


def test_what_is_not_served_is_followed_as_the_model_says(sqlite: sa.Engine) -> None:
    ask = mounted(("books", ModelCollection(TableModel(books, sqlite), media=[JSON])))
    assert shown(ask, "/books/?embed=owner")[0]["owner"]["name"] == "ada"
    assert refused(ask, "/books/?title.name=ada") == "title.name"
    assert refused(ask, "/books/?nosuch.name=ada") == "nosuch.name"


def test_a_description_lists_what_can_be_embedded(sqlite: sa.Engine) -> None:
    app = Dispatcher()
    app.add(f"/books/{TEMPLATE}", ModelCollection(TableModel(books, sqlite), media=[JSON]))
    people = ModelCollection(TableModel(users, sqlite), media=[JSON], policy=only_self)
    app.add(f"/users/{TEMPLATE}", people)
    app.add("/openapi.json", OpenAPI(app))
    for user, embed in ((None, []), ("ada", ["owner"])):
        request = Request.blank("/openapi.json", remote_user=user)
        listed = request.get_response(app).json["paths"]["/books/"]["get"]["parameters"]
        found = [item["schema"]["items"]["enum"] for item in listed if item["name"] == "embed"]
        assert found == [embed] * bool(embed)


# -- a model in memory ---------------------------------------------------------------------------


def memory(references: Callable[[MemoryModel], Any], **options: Any) -> Client:
    people = MemoryModel([Field("id", "integer"), Field("team")], name="users")
    for id, team in ((1, "x"), (2, "y")):
        people.create({"id": id, "team": team})
    owner = Field("owner", "integer", references=Reference("users", "id"))
    found = MemoryModel(
        [Field("id", "integer"), owner], name="books", references={"owner": references(people)}
    )
    for id in (1, 2):
        found.create({"id": id, "owner": id})
    return mounted(
        ("books", ModelCollection(found, media=[JSON])),
        ("users", ModelCollection(people, media=[JSON], **options)),
    )


def owners(ask: Client) -> list[Any]:
    return [row["owner"] and row["owner"]["id"] for row in shown(ask, "/books/?embed=owner")]


def test_it_is_the_same_in_memory() -> None:
    assert owners(memory(lambda model: model)) == [1, 2]
    of_team: Callable[..., Any] = lambda request, model: model.restrict({"team": "x"})  # noqa: E731
    assert owners(memory(lambda model: model, policy=of_team)) == [1, None]
    assert owners(memory(lambda model: model.restrict({"team": "y"}))) == [None, 2]
    both = memory(lambda model: model.restrict({"team": "y"}), policy=of_team)
    assert owners(both) == [None, None]
    nobody = memory(lambda model: model, policy=lambda request, model: None)
    assert refused(nobody, "/books/?owner.team=x") == "owner.team"
    assert refused(memory(lambda model: None), "/books/?embed=owner") == "embed"
