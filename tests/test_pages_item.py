"""The pages of one row: the row itself, its forms, what points to it, and what just happened."""

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from webob import Request, Response

from tests.cities import Client, Plain, memory_cities, mounted, table_cities
from tests.pages import HTML_FIRST, Pages
from wsgikit.deferred import DeferredCollection
from wsgikit.dispatcher import Dispatcher
from wsgikit.model import Field, MemoryModel, Page, Reference, StoreError
from wsgikit.model_collection import ModelCollection, flashes
from wsgikit.model_collection.relations import MAX_CHOICES, MAX_COUNTED
from wsgikit.query import Query
from wsgikit.sql import TableModel


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@pytest.fixture
def pages(model: Any) -> Pages:
    return Pages().mount(("cities", model), ("countries", model.follow("country")))


def field(context: Any, name: str) -> Field:
    return next(found for found in context["meta"] if found.name == name)


# -- the row ---------------------------------------------------------------------------------


def test_a_row_is_called_by_its_label_or_its_key(pages: Pages) -> None:
    assert pages("/cities/1")["heading"] == "Bern"
    pages.ask("PATCH", "/countries/CH", body={"name": None})
    assert pages("/countries/CH")["heading"] == "CH"
    assert pages("/cities/")["heading"] == "cities"


def test_a_reference_of_a_row_has_its_label(pages: Pages) -> None:
    context = pages("/cities/1")
    country = field(context, "country")
    assert context["label_of"](country, "CH") == "Switzerland"
    assert context["reference"](country, "CH") == "/countries/CH"


def test_an_embedded_row_is_shown_as_it_is(pages: Pages) -> None:
    context = pages("/cities/1?embed=country")
    assert context["row"]["country"] == {"code": "CH", "name": "Switzerland"}


def test_chosen_columns_are_shown_alone(pages: Pages) -> None:
    assert [f.name for f in pages("/cities/1?fields=name")["meta"]] == ["name"]


def test_a_row_that_a_program_wrote_can_be_answered_as_a_page(pages: Pages) -> None:
    response = pages.ask("POST", "/cities/", body={"name": "X"}, Accept="text/html")
    assert response.status_int == 201
    assert pages.seen["heading"] == "X"
    assert "get_edit_form" in pages.seen["can"]


def test_a_row_that_is_not_there_has_no_page(pages: Pages) -> None:
    assert pages.ask("GET", "/cities/99", Accept=HTML_FIRST).status_int == 404


# -- its neighbours --------------------------------------------------------------------------


def test_neighbours_are_those_in_the_order_of_keys(pages: Pages) -> None:
    assert pages("/cities/1")["neighbours"] == {"prev": None, "next": "/cities/2"}
    assert pages("/cities/3")["neighbours"] == {"prev": "/cities/2", "next": "/cities/4"}
    assert pages("/cities/5")["neighbours"] == {"prev": "/cities/4", "next": None}
    assert pages("/countries/CH")["neighbours"]["next"] == "/countries/NZ"


def test_neighbours_in_a_composite_key_are_found_part_by_part(engine: sa.Engine) -> None:
    table = Table(
        "places",
        MetaData(),
        Column("x", Integer, primary_key=True, autoincrement=False),
        Column("y", Integer, primary_key=True, autoincrement=False),
        Column("z", String(2), primary_key=True),
    )
    table.create(engine)
    keys = [(1, 1, "a"), (1, 1, "b"), (1, 2, "a"), (2, 0, "a"), (2, 0, "b")]
    model = TableModel(table, engine)
    for key in keys:
        model.create(dict(zip("xyz", key, strict=True)))
    pages = Pages().mount(("places", model))
    ids = [f"/places/{x},{y},{z}" for x, y, z in keys]
    way, url = [], ids[0]
    while url is not None:
        way.append(url)
        url = pages(url)["neighbours"]["next"]
    assert way == ids
    assert [pages(url)["neighbours"]["prev"] for url in ids] == [None, *ids[:-1]]


def test_a_key_that_has_no_order_has_no_neighbours() -> None:
    model = MemoryModel([Field("id", "uuid"), Field("name")])
    id = "6f1f9e0c-0000-4000-8000-000000000001"
    model.create({"id": id})
    assert Pages().mount(("m", model))(f"/m/{id}")["neighbours"] == {"prev": None, "next": None}


def test_neighbours_are_as_narrow_as_the_policy(tmp_path: Path) -> None:
    def swiss(request: Request, model: Any) -> Any:
        return model.restrict(rows=model.table.c.country == "CH")

    pages = Pages().mount(("cities", table_cities(tmp_path)), policy=swiss)
    assert pages("/cities/1")["neighbours"] == {"prev": None, "next": "/cities/3"}


# -- what points here ------------------------------------------------------------------------


def test_a_row_knows_what_points_to_it(pages: Pages) -> None:
    context = pages("/countries/CH")
    assert context["backlinks"] == [
        {
            "title": "cities",
            "field_label": "Country",
            "url": "/cities/?country=CH",
            "count": {"n": 2, "exact": True},
        }
    ]
    assert [row["name"] for row in pages("/cities/?country=CH")["data"]] == ["Bern", "Zug"]
    assert pages("/cities/1")["backlinks"] == []


def test_who_removes_a_row_is_told_what_refers_to_it(pages: Pages) -> None:
    context = pages("/countries/NZ;delete_form")
    assert [found["count"]["n"] for found in context["referring"]] == [2]
    assert "referring" not in pages("/countries/NZ;edit_form")


def referring(name: str, **options: Any) -> MemoryModel:
    """Make a model of two columns that refer to people."""
    fields = [
        Field("id", "integer", required=False),
        Field("by", references=Reference("people", "name")),
        Field("limit", references=Reference("people", "name")),
    ]
    return MemoryModel(fields, name=name, **options)


def people() -> MemoryModel:
    found = MemoryModel([Field("name", nullable=False), Field("age", "integer")], key=["name"],
                        name="people")  # fmt: skip
    for name in ("Ada", "a&b"):
        found.create({"name": name})
    return found


def test_each_column_that_points_here_is_told_by_itself() -> None:
    notes = referring("notes")
    notes.create({"by": "a&b", "limit": "Ada"})
    notes.create({"by": "a&b"})
    pages = Pages().mount(("notes", notes), ("people", people()))
    found = pages("/people/a~26b")["backlinks"]
    assert [(each["field_label"], each["url"], each["count"]["n"]) for each in found] == [
        ("By", "/notes/?by=a%26b", 2),
        ("Limit", "/notes/?limit__eq=a%26b", 0),
    ]
    for each in found:
        assert len(pages(each["url"])["data"]) == each["count"]["n"]


def test_the_empty_text_is_pointed_to_as_well() -> None:
    someone, notes = people(), referring("notes")
    someone.create({"name": ""})
    notes.create({"by": ""})
    notes.create({"by": None})
    pages = Pages().mount(("notes", notes), ("people", someone))
    url = pages("/people/~")["backlinks"][0]["url"]
    assert url == "/notes/?by__eq="
    assert [row["id"] for row in pages(url)["data"]] == [1]


def test_a_large_table_is_counted_up_to_a_bound(tmp_path: Path) -> None:
    class Endless(MemoryModel):
        def list(self, query: Query) -> Page:
            assert query.count == "bounded"
            assert query.limit == 1
            return Page([{"id": 1}], count=10_000, count_exact=False)

    endless = Endless(referring("notes").fields, name="notes")
    context = Pages().mount(("notes", endless), ("people", people()))("/people/Ada")
    assert context["backlinks"][0]["count"] == {"n": 10_000, "exact": False}


def test_of_very_many_collections_only_some_are_counted() -> None:
    many = [(f"notes{n}", referring(f"notes{n}")) for n in range(MAX_COUNTED)]
    context = Pages().mount(("people", people()), *many)("/people/Ada")
    counts = [found["count"] for found in context["backlinks"]]
    assert len(counts) == 2 * MAX_COUNTED
    assert counts.count(None) == MAX_COUNTED


def test_a_collection_that_cannot_be_read_is_linked_to_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away(MemoryModel):
        def list(self, query: Query) -> Page:
            raise StoreError("It is away.")

    away = Away(referring("notes").fields, name="notes")
    context = Pages().mount(("notes", away), ("people", people()))("/people/Ada")
    assert [found["count"] for found in context["backlinks"]] == [None, None]
    assert "cannot be counted" in caplog.text


def closed(request: Request, model: Any) -> Any:
    return None


def without_by(request: Request, model: Any) -> Any:
    fields = [field for field in model.fields if field.name != "by"]
    return MemoryModel(fields, name=model.name)


@pytest.mark.parametrize(("policy", "labels"), [(closed, []), (without_by, ["Limit"])])
def test_what_a_policy_hides_does_not_point_here(policy: Any, labels: list[str]) -> None:
    pages = Pages()
    notes = ModelCollection(referring("notes"), media=pages.media, policy=policy)
    pages.ask = mounted(("notes", notes), ("people", ModelCollection(people(), media=pages.media)))
    found = pages("/people/Ada")["backlinks"]
    assert [each["field_label"] for each in found] == labels


def test_what_points_to_another_collection_does_not_point_here() -> None:
    pages = Pages().mount(("notes", referring("notes")), ("folk", people()), ("people", people()))
    assert pages("/folk/Ada")["backlinks"] == []
    assert len(pages("/people/Ada")["backlinks"]) == 2


def test_a_collection_under_several_names_points_here_once() -> None:
    pages = Pages()
    notes = ModelCollection(referring("notes"), media=pages.media)
    folk = ModelCollection(people(), media=pages.media)
    pages.ask = mounted(("notes", notes), ("again", notes), ("people", folk), ("folk", folk))
    assert len(pages("/folk/Ada")["backlinks"]) == 2


def test_a_model_is_known_by_its_own_name_where_no_route_has_it() -> None:
    pages = Pages()
    app = Dispatcher()
    folk = ModelCollection(people(), media=pages.media)
    app.add("/folk/[{id:key}]", folk)
    app.add("/notes/[{id:key}]", ModelCollection(referring("n"), media=pages.media), name="notes")
    pages.ask = Client(app)
    assert len(pages("/folk/Ada")["backlinks"]) == 2


def test_a_null_that_is_referred_to_points_nowhere() -> None:
    notes = MemoryModel(
        [Field("id", "integer"), Field("of", "integer", references=Reference("people", "age"))],
        name="notes",
    )
    context = Pages().mount(("notes", notes), ("people", people()))("/people/Ada")
    assert context["backlinks"] == []


def test_without_a_dispatcher_nothing_points_here(model: Any) -> None:
    pages = Pages()
    app = ModelCollection(model, media=pages.media)
    environ = {"wsgiorg.routing_args": ((), {"id": "1"})}
    assert Request.blank("/cities/1", environ=environ).get_response(app).status_int == 200
    assert pages.seen["backlinks"] == []


def test_a_plain_model_has_a_page_for_each_row(tmp_path: Path) -> None:
    context = Pages().mount(("cities", Plain(memory_cities(tmp_path))))("/cities/3")
    assert context["neighbours"] == {"prev": "/cities/2", "next": "/cities/4"}
    assert context["heading"] == "3"


# -- forms -----------------------------------------------------------------------------------


def test_a_reference_to_few_rows_is_a_choice(pages: Pages) -> None:
    choices = pages("/cities/1;edit_form")["choices"]
    assert choices == {
        "country": {
            "options": [
                {"value": "NZ", "text": "New Zealand"},
                {"value": "CH", "text": "Switzerland"},
            ],
            "more": False,
            "search_url": "/countries/",
            "value_field": "code",
            "label_field": "name",
            "searchable": True,
        }
    }
    assert pages("/cities/;new_form")["choices"] == choices


def test_a_reference_to_many_rows_offers_the_present_one_and_a_search(
    pages: Pages, model: Any
) -> None:
    for number in range(MAX_CHOICES):
        model.follow("country").create({"code": f"{number:02}", "name": "Many"})
    choice = pages("/cities/1;edit_form")["choices"]["country"]
    assert choice["options"] == [{"value": "CH", "text": "Switzerland"}]
    assert choice["more"]
    assert pages("/cities/4;edit_form")["choices"]["country"]["options"] == []
    found = pages.ask("GET", f"{choice['search_url']}?q=zea&format=json&fields=code,name")
    assert found.json["data"] == [{"code": "NZ", "name": "New Zealand"}]


def test_what_was_typed_stays_a_choice(pages: Pages) -> None:
    response = pages.post("/cities/", {"name": "", "country": "XX"})
    assert response.status_int == 422
    options = pages.seen["choices"]["country"]["options"]
    assert {"value": "XX", "text": "XX"} in options
    assert len(options) == 3


def test_what_is_stored_stays_a_choice_though_it_refers_to_nothing(tmp_path: Path) -> None:
    model = memory_cities(tmp_path)
    model.update(1, {"country": "??"})
    options = Pages().mount(("cities", model))("/cities/1;edit_form")["choices"]["country"]
    assert {"value": "??", "text": "??"} in options["options"]
    assert options["search_url"] is None


def test_a_typed_value_that_cannot_be_one_is_kept() -> None:
    boss = Field("boss", "integer", references=Reference("people", "id"))
    model = MemoryModel([Field("id", "integer", required=False), boss, Field("name")], name="p")
    model.references["boss"] = model
    pages = Pages().mount(("people", model))
    assert pages.post("/people/", {"boss": "me"}).status_int == 422
    options = pages.seen["choices"]["boss"]["options"]
    assert options == [{"value": "me", "text": "me"}]


def test_a_reference_in_the_key_is_no_choice_of_an_edit_form() -> None:
    there = MemoryModel([Field("code")], key=["code"], name="there")
    code = Field("code", references=Reference("there", "code"))
    here = MemoryModel([code, Field("name")], key=["code"], references={"code": there})
    here.create({"code": "a"})
    pages = Pages().mount(("here", here))
    assert pages("/here/a;edit_form")["choices"] == {}
    assert set(pages("/here/;new_form")["choices"]) == {"code"}


def test_a_reference_that_cannot_be_seen_is_typed(tmp_path: Path) -> None:
    cities = Plain(memory_cities(tmp_path))
    assert Pages().mount(("cities", cities))("/cities/1;edit_form")["choices"] == {}


def test_a_form_reads_each_referenced_table_once(engine: sa.Engine) -> None:
    metadata = MetaData()
    groups = Table("groups", metadata, Column("id", Integer, primary_key=True),
                   Column("name", String(20)))  # fmt: skip
    people = Table(
        "people",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("one", ForeignKey(groups.c.id)),
        Column("two", ForeignKey(groups.c.id)),
    )
    metadata.create_all(engine)
    model = TableModel(people, engine)
    with engine.begin() as connection:
        made = [{"id": n, "name": f"No. {n}"} for n in range(1, MAX_CHOICES + 3)]
        connection.execute(groups.insert(), made)
    model.create({"one": 1, "two": 2})
    pages = Pages().mount(("people", model), ("groups", TableModel(groups, engine)))
    found: list[str] = []
    sa.event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_rest: found.append(statement),
    )
    choices = pages("/people/1;edit_form")["choices"]
    assert sum("groups" in statement for statement in found) == 1
    assert choices["one"]["options"] == [{"value": "1", "text": "No. 1"}]
    assert choices["two"]["options"] == [{"value": "2", "text": "No. 2"}]


@pytest.mark.parametrize("indexed", [True, False])
def test_what_points_here_is_counted_by_an_index_or_if_it_is_little(
    sqlite_engine: sa.Engine, indexed: bool
) -> None:
    metadata = sa.MetaData()
    groups = Table("groups", metadata, Column("id", Integer, primary_key=True))
    of = Column("of", ForeignKey(groups.c.id), index=indexed)
    people = Table("people", metadata, Column("id", Integer, primary_key=True), of)
    metadata.create_all(sqlite_engine)
    pages = Pages().mount(*((t.name, TableModel(t, sqlite_engine)) for t in (people, groups)))
    with sqlite_engine.begin() as connection:
        connection.execute(groups.insert(), {"id": 1})
        connection.execute(people.insert(), [{"of": 1}] * 3)
    [link] = pages("/groups/1")["backlinks"]
    assert link["count"] == {"n": 3, "exact": True}
    with sqlite_engine.begin() as connection:
        connection.execute(people.insert(), [{}] * 10_000)
    [link] = pages("/groups/1")["backlinks"]
    assert link["count"] == ({"n": 3, "exact": True} if indexed else None)
    assert len(pages(link["url"])["data"]) == 3


# -- flash messages --------------------------------------------------------------------------


def cookie_of(response: Response) -> str:
    """Give the cookie that a browser would send back."""
    return response.headers["Set-Cookie"].partition(";")[0]


def followed(pages: Pages, response: Response) -> Response:
    """Follow a redirect as a browser does."""
    assert response.status_int == 303
    path = response.location.removeprefix("http://localhost")
    return pages.ask("GET", path, Accept=HTML_FIRST, Cookie=cookie_of(response))


@pytest.mark.parametrize(
    ("path", "form", "text"),
    [
        ("/cities/", {"name": "New"}, "Created."),
        ("/cities/1", {"_method": "PATCH", "name": "Changed"}, "Saved."),
        ("/cities/1", {"_method": "PUT", "name": "Changed"}, "Saved."),
        ("/cities/1", {"_method": "DELETE"}, "Deleted."),
    ],
)
def test_what_happened_is_said_once(pages: Pages, path: str, form: Any, text: str) -> None:
    response = pages.post(path, form)
    assert response.headers["Set-Cookie"].endswith(
        "; Max-Age=60; Path=/cities/; HttpOnly; SameSite=Lax"
    )
    shown = followed(pages, response)
    assert pages.seen["flash"] == text
    assert shown.headers["Set-Cookie"].startswith("wsgikit-flash=; Max-Age=0; Path=/cities/")
    assert shown.headers.getall("Cache-Control") == ["private, no-store"]
    pages("/cities/")
    assert pages.seen["flash"] is None


def test_nobody_is_told_before_it_is_shown(pages: Pages) -> None:
    cookie = cookie_of(pages.post("/cities/", {"name": "New"}))
    for answer in (
        pages.ask("GET", "/cities/?format=json", Cookie=cookie),
        pages.ask("HEAD", "/cities/", Accept=HTML_FIRST, Cookie=cookie),
        pages.ask("GET", "/cities/99", Accept=HTML_FIRST, Cookie=cookie),
    ):
        assert "Set-Cookie" not in answer.headers


def test_a_program_gets_no_cookie(pages: Pages) -> None:
    response = pages.ask("POST", "/cities/", body={"name": "New"})
    assert "Set-Cookie" not in response.headers


def test_a_view_that_cannot_be_imported_does_not_spoil_the_pages_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package = tmp_path / "spoilt_views"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "countries.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    app, pages = Dispatcher(), Pages()
    app.add("/cities/[{id:key}]", ModelCollection(memory_cities(tmp_path), media=pages.media))
    app.add("/{view:word}/[{id:key}]", DeferredCollection("spoilt_views"))
    pages.ask = Client(app)
    context = pages("/cities/1")
    assert context["label_of"](field(context, "country"), "CH") is None
    assert "what is at /countries/ cannot be found out" in caplog.text
    assert pages.ask("GET", "/cities/1?embed=country&format=json").status_int == 400
    del sys.modules["spoilt_views"]


@pytest.mark.parametrize(
    "value",
    [
        *("", "saved", "nosuch.1", "<b>.1"),
        *(f"deleted_many.{number}" for number in ("x", "", "-1", "9999999999999")),
    ],
)
def test_a_cookie_of_somebody_else_says_nothing(value: str) -> None:
    request = Request.blank("/", headers={"Cookie": f"wsgikit-flash={value}"})
    assert flashes.heard(request) is None


@pytest.mark.parametrize(
    ("count", "text"), [(1, "One row was deleted."), (12, "12 rows were deleted.")]
)
def test_a_number_is_told(count: int, text: str) -> None:
    response = Response()
    flashes.say_count(response, Request.blank("/"), "/people/", "deleted", count)
    request = Request.blank("/", headers={"Cookie": cookie_of(response)})
    assert flashes.heard(request) == text


def test_the_cookie_keeps_to_its_scheme_and_path() -> None:
    response = Response()
    request = Request.blank("https://example.org/x/col;1")
    flashes.say(response, request, "/x/col;1/y", "saved", "a,b~2F")
    assert response.headers["Set-Cookie"] == (
        "wsgikit-flash=saved.a%2Cb~2F; Max-Age=60; Path=/x/; HttpOnly; SameSite=Lax; Secure"
    )
