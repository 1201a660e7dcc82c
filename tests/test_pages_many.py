"""Many rows by hand: a selection that is deleted, changed or exported, and the import of a file."""

import base64
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table
from webob import Request, Response

from tests.cities import FORM, Client, Plain, memory_cities, mounted, table_cities
from tests.pages import HTML_FIRST, Pages
from wsgikit.dispatcher import Dispatcher
from wsgikit.media import MediaType
from wsgikit.media.atom import Atom
from wsgikit.media.forms import FormParser
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel, Page
from wsgikit.model_collection import ModelCollection, importing, selecting
from wsgikit.query import Query
from wsgikit.sql import TableModel

SELECTION = "/cities/;selection"


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@pytest.fixture
def pages(model: Any) -> Pages:
    return served(model)


def served(model: Any, **options: Any) -> Pages:
    """Serve the cities, of which four may be written at once, and their countries."""
    countries = model.follow("country")
    return Pages().mount(
        ("cities", model), ("countries", countries), **{"bulk_limit": 4, **options}
    )


def ids(model: Any) -> list[int]:
    return [row["id"] for row in model.list(Query()).data]


def confirmed(pages: Pages) -> list[tuple[str, str]]:
    """Give what the form of the page that is seen sends."""
    assert pages.action == "post_selection"
    return [*pages.seen["hidden"]]


# -- what is offered -------------------------------------------------------------------------


def test_a_list_says_what_can_be_done_with_many_rows(pages: Pages) -> None:
    many = pages("/cities/?country=CH&sort=-name&cursor=")["many"]
    assert many["url"] == "/cities/;selection?country=CH&sort=-name"
    assert many["actions"] == ["delete", "set", "export"]
    assert many["ceiling"] == 4
    assert [field.name for field in many["fields"]] == ["name", "country", "height"]
    assert many["formats"] == ["json", "csv", "ndjson"]


def test_without_a_limit_nothing_is_offered(model: Any) -> None:
    pages = served(model, bulk_limit=0)
    assert pages("/cities/")["many"] is None
    assert pages.post(SELECTION, {"id": "1", "action": "delete"}).status_int == 404


def test_who_only_reads_can_export(tmp_path: Path) -> None:
    def reader(request: Request, model: Any) -> Any:
        return model.restrict(read_only="You are a reader.")

    pages = served(table_cities(tmp_path), policy=reader)
    many = pages("/cities/")["many"]
    assert (many["actions"], many["fields"]) == (["export"], ())
    for action in ("delete", "set"):
        refused = pages.post(SELECTION, {"id": "1", "action": action, "confirm": "1"})
        assert refused.status_int == 403
    assert pages.post(SELECTION, {"id": "1", "action": "export"}).status_int == 200


def test_a_model_without_transactions_is_only_exported(tmp_path: Path) -> None:
    pages = Pages().mount(("cities", Plain(memory_cities(tmp_path))), bulk_limit=4)
    assert pages("/cities/")["many"]["actions"] == ["export"]
    assert pages.post(SELECTION, {"id": "1", "action": "delete"}).status_int == 403


def test_without_other_formats_nothing_is_exported(model: Any) -> None:
    pages = Pages()
    pages.media = pages.media[:1]
    pages.mount(("cities", model), bulk_limit=4)
    assert pages("/cities/")["many"]["actions"] == ["delete", "set"]
    assert pages.post(SELECTION, {"id": "1", "action": "export"}).status_int == 400


def test_a_collection_without_forms_has_no_selection(model: Any) -> None:
    collection = ModelCollection(model, media=[JSON], bulk_limit=4)
    assert "post_selection" not in collection.actions


def test_a_template_without_nouns_offers_nothing(model: Any) -> None:
    pages, app = Pages(), Dispatcher()
    app.add("/cities/[{id:key}]", ModelCollection(model, media=pages.media, bulk_limit=4))
    pages.ask = Client(app)
    context = pages("/cities/")
    assert context["many"] is None
    assert context["url"](noun="new_form") is None
    assert context["url"](context["data"][0], "edit_form") is None
    assert context["url"](context["data"][0]) == "/cities/1"
    assert "describedby" not in pages.ask("GET", "/cities/").headers["Link"]


def test_a_selection_is_not_of_one_row(pages: Pages) -> None:
    assert pages.post("/cities/1;selection", {"id": "1", "action": "delete"}).status_int == 404


# -- asking first ----------------------------------------------------------------------------


def test_a_page_names_the_number_before_anything_is_done(pages: Pages, model: Any) -> None:
    response = pages.post(f"{SELECTION}?sort=name", {"id": ["1", "3"], "action": "delete"})
    assert response.status_int == 200
    context = pages.seen
    assert pages.action == "post_selection"
    assert (context["order"], context["count"]) == ("delete", {"n": 2, "exact": True})
    assert [row["name"] for row in context["data"]] == ["Bern", "Zug"]
    assert context["label_of"](context["meta"][2], "CH") == "Switzerland"
    assert context["post_url"] == "/cities/;selection?sort=name"
    assert context["cancel_url"] == "/cities/?sort=name"
    assert not context["changed"]
    assert [crumb["text"] for crumb in context["crumbs"]] == ["cities", "Selected rows"]
    assert ids(model) == [1, 2, 3, 4, 5]


def test_what_was_confirmed_is_done_and_told(pages: Pages, model: Any) -> None:
    pages.post(f"{SELECTION}?sort=name", {"id": ["1", "3"], "action": "delete"})
    response = pages.post(pages.seen["post_url"], confirmed(pages))
    assert response.status_int == 303
    assert response.location == "http://localhost/cities/?sort=name"
    assert ids(model) == [2, 4, 5]
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    pages.ask("GET", "/cities/?sort=name", Accept=HTML_FIRST, Cookie=cookie)
    assert pages.seen["flash"] == "2 rows were deleted."


def test_all_that_match_are_deleted(pages: Pages, model: Any) -> None:
    pages.post(f"{SELECTION}?country=CH", {"all": "1", "action": "delete", "id": "2"})
    assert pages.seen["count"]["n"] == 2
    assert ("all", "1") in confirmed(pages)
    assert pages.post(pages.seen["post_url"], confirmed(pages)).status_int == 303
    assert ids(model) == [2, 4, 5]


def test_all_that_a_search_finds_are_deleted(pages: Pages, model: Any) -> None:
    pages.post(f"{SELECTION}?q=e", {"all": "1", "action": "delete", "confirm": "1"})
    assert ids(model) == [3, 4, 5]


def test_curl_needs_no_page(pages: Pages, model: Any) -> None:
    response = pages.ask(
        "POST", SELECTION, form={"id": "1 3", "action": "delete"}, Accept="application/json"
    )
    assert response.status_int == 200
    assert response.json["count"] == 2
    form = {"id": "1 3", "action": "delete", "confirm": "1", "_version": response.json["_version"]}
    response = pages.ask("POST", SELECTION, form=form, Accept="application/json")
    assert (response.status_int, response.json) == (200, {"count": 2})
    assert ids(model) == [2, 4, 5]


# -- setting a column ------------------------------------------------------------------------


def test_a_column_is_set_in_three_steps(pages: Pages, model: Any) -> None:
    pages.post(SELECTION, {"id": ["1", "4"], "action": "set"})
    assert pages.seen["field"] is None
    assert [field.name for field in pages.seen["fields"]] == ["name", "country", "height"]
    assert "confirm" not in dict(confirmed(pages))

    pages.post(SELECTION, [*confirmed(pages), ("field", "country")])
    field = pages.seen["field"]
    assert (field.name, field.label, field.required) == ("value", "Country", False)
    assert pages.seen["values"] == {"value": None}
    options = pages.seen["choices"]["value"]["options"]
    assert [option["value"] for option in options] == ["NZ", "CH"]

    response = pages.post(SELECTION, [*confirmed(pages), ("value", "NZ")])
    assert response.status_int == 303
    assert model.retrieve(1)["country"] == model.retrieve(4)["country"] == "NZ"
    assert "set_many.2" in response.headers["Set-Cookie"]


def test_an_empty_value_is_no_value(pages: Pages, model: Any) -> None:
    form = {"id": "1", "action": "set", "field": "height", "value": "", "confirm": "1"}
    response = pages.post(SELECTION, form)
    assert "set_one.1" in response.headers["Set-Cookie"]
    assert model.retrieve(1)["height"] is None


def test_a_value_that_does_not_fit_is_told_beside_it(pages: Pages, model: Any) -> None:
    form = {"id": ["1", "2"], "action": "set", "field": "height", "value": "high", "confirm": "1"}
    response = pages.post(SELECTION, form)
    assert response.status_int == 422
    assert pages.seen["errors"] == {"value": ["Must be a number, not 'high'."]}
    assert pages.seen["values"] == {"value": "high"}
    assert model.retrieve(1)["height"] == 540.0
    # It can be mended on the page.
    again = [*confirmed(pages), ("value", "7")]
    assert pages.post(SELECTION, again).status_int == 303
    assert model.retrieve(2)["height"] == 7.0


def test_a_program_is_told_as_usual(pages: Pages) -> None:
    form = {"id": "1", "action": "set", "field": "height", "value": "high", "confirm": "1"}
    response = pages.ask("POST", SELECTION, form=form, Accept="application/json")
    assert response.status_int == 422
    assert response.json["errors"][0]["pointer"] == "/height"


@pytest.mark.parametrize("name", ["id", "nosuch", "photo"])
def test_some_columns_cannot_be_set(tmp_path: Path, name: str) -> None:
    fields = [Field("id", "integer", required=False), Field("photo", "binary"), Field("name")]
    model = MemoryModel(fields)
    model.create({})
    pages = Pages().mount(("cities", model), bulk_limit=4)
    for more in ({}, {"value": "1", "confirm": "1"}):
        response = pages.post(SELECTION, {"id": "1", "action": "set", "field": name, **more})
        assert response.status_int == 422


def test_a_change_without_a_value_is_refused(pages: Pages, model: Any) -> None:
    for field in ("height", ""):
        form = {"id": "1", "action": "set", "field": field, "confirm": "1"}
        assert pages.post(SELECTION, form).status_int == 422
    assert model.retrieve(1)["height"] == 540.0


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "form", "status"),
    [
        ("", {"action": "delete"}, 303),
        ("", {"action": "delete", "id": ""}, 303),
        ("", {"action": "delete", "id": "  "}, 303),
        ("", {"action": "delete", "all": ""}, 303),
        ("", {"action": "delete", "all": "yes", "id": "1"}, 400),
        ("", {"action": "delete", "all": ["1", "1"]}, 400),
        ("", {"id": "1"}, 400),
        ("", {"id": "1", "action": "drop"}, 400),
        ("", {"id": "1", "action": ["delete", "set"]}, 400),
        ("", {"id": "99", "action": "delete"}, 404),
        ("", {"id": ["1", "99"], "action": "delete"}, 404),
        ("", {"id": "x", "action": "delete"}, 404),
        ("", {"id": "1,2", "action": "delete"}, 404),
        ("", {"all": "1", "action": "delete"}, 400),
        ("", {"id": ["1", "2", "3", "4", "5"], "action": "delete"}, 400),
        ("nosuch=1", {"all": "1", "action": "delete"}, 400),
        ("name=nobody", {"all": "1", "action": "delete"}, 400),
        ("height=high", {"all": "1", "action": "delete"}, 400),
    ],
)
def test_a_mistake_never_widens_a_write(
    pages: Pages, model: Any, query: str, form: Any, status: int
) -> None:
    for more in ({}, {"confirm": "1"}):
        response = pages.post(f"{SELECTION}?{query}", {**form, **more})
        assert response.status_int == status
    assert ids(model) == [1, 2, 3, 4, 5]


def test_who_forgot_to_tick_is_told_beside_the_list(pages: Pages) -> None:
    response = pages.post(f"{SELECTION}?sort=name", {"action": "delete"})
    assert response.location == "http://localhost/cities/?sort=name"
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    pages.ask("GET", "/cities/?sort=name", Accept=HTML_FIRST, Cookie=cookie)
    assert pages.seen["flash"] == "No row was chosen, so nothing was done."
    json = pages.ask("POST", SELECTION, form={"action": "delete"}, Accept="application/json")
    assert json.status_int == 400


def test_the_query_counts_only_where_all_are_meant(pages: Pages, model: Any) -> None:
    form = {"id": "2", "action": "delete", "confirm": "1"}
    assert pages.post(f"{SELECTION}?country=CH", form).status_int == 303
    assert ids(model) == [1, 3, 4, 5]


def test_an_identifier_is_no_file(pages: Pages) -> None:
    body, headers = multipart(id=("x.txt", b"1"), action="delete")
    response = pages.ask("POST", SELECTION, body=body, Accept=HTML_FIRST, **headers)
    assert response.status_int == 400


def test_what_is_no_form_is_refused(pages: Pages) -> None:
    response = pages.ask("POST", SELECTION, body={"id": [1], "action": "delete"})
    assert response.status_int == 400


def test_a_page_of_another_site_cannot_write(pages: Pages, model: Any) -> None:
    form = {"id": "1", "action": "delete", "confirm": "1"}
    response = pages.post(SELECTION, form, Sec_Fetch_Site="cross-site")
    assert response.status_int == 403
    assert ids(model) == [1, 2, 3, 4, 5]


def test_a_row_that_others_refer_to_leaves_all_as_they_are(sqlite_engine: sa.Engine) -> None:
    metadata = MetaData()
    groups = Table("groups", metadata, Column("id", Integer, primary_key=True))
    people = Table("people", metadata, Column("id", Integer, primary_key=True),
                   Column("group", ForeignKey(groups.c.id)))  # fmt: skip
    metadata.create_all(sqlite_engine)
    model = TableModel(groups, sqlite_engine)
    model.create({}), model.create({})
    TableModel(people, sqlite_engine).create({"group": 2})
    pages = Pages().mount(("cities", model), bulk_limit=4)
    response = pages.post(SELECTION, {"id": ["1", "2"], "action": "delete", "confirm": "1"})
    assert response.status_int == 409
    assert pages.seen["errors"] == {"": ["Other rows refer to at least one of these."]}
    assert ids(model) == [1, 2]
    pages.post(SELECTION, {"id": "2", "action": "delete", "confirm": "1"})
    assert pages.seen["errors"] == {"": ["Other rows refer to this one."]}


def test_what_refers_to_the_rows_is_shown_before_they_are_deleted(tmp_path: Path) -> None:
    cities = table_cities(tmp_path)
    countries = cities.follow("country")
    countries.create({"code": "A,", "name": "Nowhere"})
    pages = Pages().mount(("cities", cities), ("countries", countries), bulk_limit=50)

    def referring(*codes: str) -> Any:
        pages.post("/countries/;selection", {"id": codes, "action": "delete"})
        return [(link["url"], link["count"]["n"]) for link in pages.seen["referring"]]

    assert referring("CH", "NZ") == [("/cities/?country__in=CH%2CNZ", 4)]
    assert referring("NZ") == [("/cities/?country=NZ", 2)]
    assert referring("A~2C") == []
    assert referring("CH", "A~2C") == [("/cities/?country__in=CH%2C%22A%2C%22", 2)]
    assert len(pages("/cities/?country__in=CH%2C%22A%2C%22")["data"]) == 2
    for number in range(selecting.MAX_SHOWN):
        countries.create({"code": str(number)})
    pages.post("/countries/;selection", {"all": "1", "action": "delete"})
    assert pages.seen["referring"] == ()


# InnoDB checks references row by row, so there the order counts.
@pytest.mark.parametrize("database", ["sqlite_engine", "postgresql_engine"])
def test_rows_that_refer_to_one_another_are_deleted_together(
    request: pytest.FixtureRequest, database: str
) -> None:
    engine = request.getfixturevalue(database)
    table = Table("people", MetaData(), Column("id", Integer, primary_key=True),
                  Column("boss", ForeignKey("people.id")))  # fmt: skip
    table.create(engine)
    model = TableModel(table, engine)
    model.create({"id": 1})
    model.create({"id": 2, "boss": 1})
    pages = Pages().mount(("cities", model), bulk_limit=4)
    response = pages.post(SELECTION, {"id": ["2", "1"], "action": "delete", "confirm": "1"})
    assert response.status_int == 303
    assert ids(model) == []


def test_rows_out_of_sight_are_not_there(tmp_path: Path) -> None:
    def swiss(request: Request, model: Any) -> Any:
        return model.restrict(rows=model.table.c.country == "CH")

    model = table_cities(tmp_path)
    pages = Pages().mount(("cities", model), policy=swiss, bulk_limit=4)
    assert pages.post(SELECTION, {"id": "2", "action": "delete", "confirm": "1"}).status_int == 404
    assert pages.post(SELECTION, {"all": "1", "action": "delete"}).status_int == 200
    assert pages.seen["count"]["n"] == 2
    assert pages.post(SELECTION, confirmed(pages)).status_int == 303
    assert ids(model) == [2, 4, 5]


def test_a_table_without_a_key_has_no_selection(tmp_path: Path) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    log = Table("log", MetaData(), Column("word", String))
    log.create(engine)
    pages = Pages().mount(("cities", TableModel(log, engine)), bulk_limit=4)
    assert pages.post(SELECTION, {"all": "1", "action": "delete"}).status_int == 404


def test_a_row_whose_key_no_url_spells_is_not_written(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (name TEXT PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t VALUES ('a'), (NULL)")
    table = Table("t", MetaData(), autoload_with=engine)
    pages = Pages().mount(("cities", TableModel(table, engine)), bulk_limit=4)
    assert pages.post(SELECTION, {"all": "1", "action": "delete"}).status_int == 403


# -- others write at the same time -----------------------------------------------------------


@pytest.mark.parametrize("form", [{"id": ["1", "3"]}, {"all": "1"}])
def test_rows_that_somebody_changed_are_asked_about_again(
    pages: Pages, model: Any, form: Any
) -> None:
    url = f"{SELECTION}?country=CH"
    pages.post(url, {**form, "action": "delete"})
    order = confirmed(pages)
    model.update(3, {"height": 1.0})
    response = pages.post(url, order)
    assert response.status_int == 412
    assert pages.seen["changed"]
    assert pages.seen["data"][1]["height"] == 1.0
    assert ids(model) == [1, 2, 3, 4, 5]
    assert pages.post(url, confirmed(pages)).status_int == 303
    assert ids(model) == [2, 4, 5]


def test_a_row_that_is_gone_by_now_is_left_out_of_the_question(pages: Pages, model: Any) -> None:
    pages.post(SELECTION, {"id": ["1", "3"], "action": "delete"})
    order = confirmed(pages)
    model.delete((3,))
    assert pages.post(SELECTION, order).status_int == 412
    assert (pages.seen["changed"], pages.seen["count"]["n"]) == (True, 1)
    order = confirmed(pages)
    assert dict(order)["id"] == "1"
    model.delete((1,))
    assert pages.post(SELECTION, order).status_int == 404
    assert ids(model) == [2, 4, 5]


def test_other_rows_that_match_by_now_are_asked_about_again(pages: Pages, model: Any) -> None:
    url = f"{SELECTION}?country=CH"
    pages.post(url, {"all": "1", "action": "set", "field": "height"})
    order = [*confirmed(pages), ("value", "1")]
    model.create({"name": "Basel", "country": "CH"})
    assert pages.post(url, order).status_int == 412
    assert pages.seen["count"]["n"] == 3
    assert pages.seen["values"] == {"value": "1"}
    assert model.retrieve(1)["height"] == 540.0


def test_a_program_is_told_that_rows_have_changed(pages: Pages, model: Any) -> None:
    form = {"id": "1", "action": "delete", "confirm": "1", "_version": "1-x"}
    response = pages.ask("POST", SELECTION, form=form, Accept="application/json")
    assert response.status_int == 412
    assert response.json["detail"] == str(selecting.CHANGED)


def test_a_version_is_demanded_where_the_collection_says_so(model: Any) -> None:
    pages = served(model, require_match=True)
    form = {"id": "1", "action": "delete"}
    assert pages.post(SELECTION, {**form, "confirm": "1"}).status_int == 428
    pages.post(SELECTION, form)
    assert pages.post(SELECTION, confirmed(pages)).status_int == 303


class Meddled(MemoryModel):
    """A store in which somebody is faster, between finding rows and locking them."""

    def update(self, key: Any, values: Any, version: str | None = None) -> Any:
        if not values and key == (2,):
            super().update(key, {"name": "Changed"})
        return super().update(key, values, version)


def test_a_row_that_changes_before_it_is_locked_stops_all() -> None:
    model = Meddled([Field("id", "integer", required=False), Field("name")])
    for name in "abc":
        model.create({"name": name})
    pages = Pages().mount(("cities", model), bulk_limit=4)
    form = {"id": ["1", "2"], "action": "delete", "confirm": "1"}
    assert pages.post(SELECTION, form).status_int == 412
    assert ids(model) == [1, 2, 3]


class Sparing(MemoryModel):
    """A store that deletes one row less than it is told."""

    def delete_where(self, query: Query, ceiling: int) -> int:
        return super().delete_where(query, ceiling) - 1


def test_a_store_that_does_not_do_all_of_it_is_undone() -> None:
    model = Sparing([Field("id", "integer", required=False)])
    model.create({}), model.create({})
    pages = Pages().mount(("cities", model), bulk_limit=4)
    form = {"id": ["1", "2"], "action": "delete", "confirm": "1"}
    assert pages.post(SELECTION, form).status_int == 412
    assert ids(model) == [1, 2]


def test_of_two_who_delete_the_same_rows_at_once_one_is_told(engine: sa.Engine) -> None:
    table = Table("people", MetaData(), Column("id", Integer, primary_key=True))
    table.create(engine)
    model = TableModel(table, engine)
    model.create_many([{"id": n} for n in range(1, 21)])
    answers = []

    def delete() -> None:
        pages = Pages().mount(("cities", model), bulk_limit=50)
        every = " ".join(map(str, range(1, 21)))
        form = {"id": every, "action": "delete", "confirm": "1"}
        answers.append(pages.post(SELECTION, form).status_int)

    threads = [threading.Thread(target=delete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 404]
    assert ids(model) == []


# -- stores of all kinds ---------------------------------------------------------------------


class OneByOne(MemoryModel):
    """A store that has transactions, and writes one row at a time."""

    @property
    def delete_where(self) -> Any:  # type: ignore[override]
        raise AttributeError


def one_by_one(rows: int = 3) -> OneByOne:
    model = OneByOne([Field("id", "integer", required=False), Field("name")])
    for _ in range(rows):
        model.create({})
    return model


def test_a_store_that_writes_one_row_at_a_time_does_so() -> None:
    model = one_by_one()
    pages = Pages().mount(("cities", model), bulk_limit=4)
    form = {"id": ["1", "2"], "confirm": "1"}
    change = {**form, "action": "set", "field": "name", "value": "x"}
    assert pages.post(SELECTION, change).status_int == 303
    assert model.retrieve(2)["name"] == "x"
    assert pages.post(SELECTION, {**form, "action": "delete"}).status_int == 303
    assert ids(model) == [3]


def test_composite_keys_are_selected(engine: sa.Engine) -> None:
    table = Table(
        "parts",
        MetaData(),
        Column("a", String(9), primary_key=True),
        Column("b", Integer, primary_key=True, autoincrement=False),
        Column("note", String(9)),
    )
    table.create(engine)
    model = TableModel(table, engine)
    for a in ("x", "y,z", "  ", "~"):
        for b in (1, 2):
            model.create({"a": a, "b": b})
    pages = Pages().mount(("cities", model), bulk_limit=8)
    context = pages("/cities/")
    chosen = [context["row_id"](row) for row in context["data"] if row["b"] == 2]
    form = {"id": chosen, "action": "set", "field": "note", "value": "n", "confirm": "1"}
    assert pages.post(SELECTION, form).status_int == 303
    rows = model.list(Query()).data
    assert {(row["b"], row["note"]) for row in rows} == {(1, None), (2, "n")}
    pages.post(SELECTION, {"id": " ".join(chosen), "action": "delete", "confirm": "1"})
    assert [row["b"] for row in model.list(Query()).data] == [1, 1, 1, 1]


def large(engine: sa.Engine, rows: int) -> TableModel:
    table = Table("people", MetaData(), Column("id", Integer, primary_key=True),
                  Column("name", String(9)))  # fmt: skip
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"id": n, "name": "a"} for n in range(1, rows + 1)])
    return TableModel(table, engine)


def test_very_many_rows_are_compared_by_their_number(engine: sa.Engine) -> None:
    model = large(engine, 2500)
    pages = Pages().mount(("cities", model), bulk_limit=3000)
    url = f"{SELECTION}?id__gt=100"
    pages.post(url, {"all": "1", "action": "set", "field": "name"})
    assert pages.seen["count"] == {"n": 2400, "exact": True}
    assert len(pages.seen["data"]) == 20
    order = [*confirmed(pages), ("value", "b")]
    model.delete(2500)
    assert pages.post(url, order).status_int == 412
    assert pages.seen["count"]["n"] == 2399
    again = [*confirmed(pages), ("value", "b")]
    assert pages.post(url, again).status_int == 303
    assert model.list(Query(count="exact")).count == 2499
    assert model.retrieve(100)["name"] == "a"
    assert model.retrieve(101)["name"] == "b"


def test_all_of_a_thousand_rows_are_locked_and_deleted(sqlite_engine: sa.Engine) -> None:
    model = large(sqlite_engine, 1100)
    pages = Pages().mount(("cities", model), bulk_limit=20_000)
    pages.post(f"{SELECTION}?id__lte=1000", {"all": "1", "action": "delete"})
    assert pages.seen["count"]["n"] == 1000
    assert pages.post(pages.seen["post_url"], confirmed(pages)).status_int == 303
    assert model.list(Query(count="exact")).count == 100


def test_more_rows_than_the_limit_are_not_written(sqlite_engine: sa.Engine) -> None:
    model = large(sqlite_engine, 1500)
    pages = Pages().mount(("cities", model), bulk_limit=1400)
    for limit in (1400, 20_000):
        pages = Pages().mount(("cities", model), bulk_limit=limit)
        response = pages.post(SELECTION, {"all": "1", "action": "delete"})
        assert response.status_int == (400 if limit < 1500 else 200)


def test_rows_that_come_while_very_many_are_written_stop_that() -> None:
    class Growing(MemoryModel):
        def delete_where(self, query: Query, ceiling: int) -> int:
            self.create({})
            return super().delete_where(query, ceiling)

    model = Growing([Field("id", "integer", required=False)])
    for _ in range(1001):
        model.create({})
    pages = Pages().mount(("cities", model), bulk_limit=2000)
    form = {"all": "1", "action": "delete", "confirm": "1"}
    assert pages.post(SELECTION, form).status_int == 412
    assert len(model.list(Query(limit=1000)).data) == 1000


def test_a_store_without_writes_of_many_rows_refuses_very_many() -> None:
    pages = Pages().mount(("cities", one_by_one(1001)), bulk_limit=2000)
    form = {"all": "1", "action": "delete", "confirm": "1"}
    assert pages.post(SELECTION, form).status_int == 403


def test_a_store_that_does_not_count_refuses_very_many() -> None:
    class Uncounted(MemoryModel):
        def list(self, query: Query) -> Page:
            page = super().list(query)
            return Page(page.data, page.next, page.prev)

    model = Uncounted([Field("id", "integer", required=False)])
    for _ in range(1001):
        model.create({})
    pages = Pages().mount(("cities", model), bulk_limit=2000)
    assert pages.post(SELECTION, {"all": "1", "action": "delete"}).status_int == 400


def test_all_rows_of_a_page_may_be_ticked(sqlite_engine: sa.Engine) -> None:
    model = large(sqlite_engine, 1000)
    pages = Pages().mount(("cities", model), bulk_limit=1000)
    ticked = [("id", str(n)) for n in range(1, 1001)]
    assert pages.post(SELECTION, [*ticked, ("action", "delete")]).status_int == 200
    assert pages.seen["count"]["n"] == 1000


# -- export ----------------------------------------------------------------------------------


def test_ticked_rows_are_exported_as_the_form_says(pages: Pages) -> None:
    form = {"id": ["3", "1"], "action": "export", "format": "csv"}
    response = pages.post(f"{SELECTION}?fields=name", form)
    assert response.content_type == "text/csv"
    assert response.text.split() == ["name", "Zug", "Bern"]
    whole = pages.post(SELECTION, form)
    assert whole.text.splitlines()[0] == "id,name,country,height"


def test_the_first_format_is_the_one_that_is_meant(pages: Pages) -> None:
    response = pages.post(SELECTION, {"id": "1", "action": "export"})
    assert [row["name"] for row in response.json["data"]] == ["Bern"]


def test_all_rows_are_exported_by_a_link(pages: Pages) -> None:
    form = {"all": "1", "action": "export", "format": "ndjson"}
    response = pages.post(f"{SELECTION}?country=CH&limit=1", form)
    assert response.status_int == 303
    assert response.location == "http://localhost/cities/?country=CH&format=ndjson&limit=all"


def test_a_format_that_has_pages_exports_one(model: Any) -> None:
    pages = Pages()
    pages.media.append(Atom)
    pages.mount(("cities", model), bulk_limit=4)
    form = {"all": "1", "action": "export", "format": "atom"}
    response = pages.post(f"{SELECTION}?limit=2", form)
    assert response.location == "http://localhost/cities/?format=atom&limit=2"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"id": "1", "format": "xml"}, 400),
        ({"id": "99", "format": "csv"}, 404),
        ({"format": "csv"}, 303),
        ({"id": " ".join(map(str, range(selecting.MAX_ROWS + 1))), "format": "csv"}, 400),
    ],
)
def test_an_export_that_cannot_be_is_refused(pages: Pages, form: Any, status: int) -> None:
    assert pages.post(SELECTION, {**form, "action": "export"}).status_int == status


# -- import ----------------------------------------------------------------------------------


IMPORT = "/cities/;import"


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def multipart(**parts: Any) -> tuple[bytes, dict[str, str]]:
    """Write a multipart form: texts, and files as (name, bytes) or (name, bytes, type)."""
    lines = []
    for name, value in parts.items():
        if isinstance(value, str):
            head, data = f'form-data; name="{name}"', value.encode()
        else:
            head, data = f'form-data; name="{name}"; filename="{value[0]}"', value[1]
            if len(value) > 2:
                head += f"\r\nContent-Type: {value[2]}"
        lines.append(f"--b\r\nContent-Disposition: {head}\r\n\r\n".encode() + data + b"\r\n")
    return b"".join(lines) + b"--b--\r\n", {"Content_Type": "multipart/form-data; boundary=b"}


def send(pages: Pages, accept: str = HTML_FIRST, **parts: Any) -> Response:
    """Send the form of an import."""
    body, headers = multipart(**parts)
    pages.seen = {}
    return pages.ask("POST", IMPORT, body=body, Accept=accept, **headers)


GOOD = b"name,country\r\nBasel,CH\r\nOban,\r\n"
BAD = b"name,country,height\r\nBasel,CH,\r\n,CH,1\r\n" + b"x" * 30 + b",NZ,high\r\n"


def test_a_form_asks_for_a_file(pages: Pages) -> None:
    assert "get_import_form" in pages("/cities/")["can"]
    context = pages("/cities/;import_form")
    assert context["post_url"] == IMPORT
    assert context["cancel_url"] == "/cities/"
    assert context["kinds"] == ["json", "csv", "ndjson"]
    assert context["accept"] == ".json,.csv,.tsv,.ndjson,.jsonl"
    assert [field.name for field in context["meta"]] == ["name", "country", "height"]
    assert list(context["duplicates"]) == ["refuse", "merge", "ignore"]


def test_a_preview_shows_the_first_rows_and_keeps_nothing(pages: Pages, model: Any) -> None:
    response = send(pages, file=("new.csv", GOOD))
    assert response.status_int == 200
    assert pages.action == "post_import"
    context = pages.seen
    assert context["columns"] == [
        {"name": "name", "label": "Name"},
        {"name": "country", "label": "Country"},
    ]
    assert context["rows"] == [["Basel", "CH"], ["Oban", None]]
    assert context["count"] == {"n": 2, "exact": True}
    assert context["written"] == {"count": 2, "created": 2, "changed": 0, "left": 0}
    assert (context["mistakes"], context["more_mistakes"]) == ([], False)
    assert ids(model) == [1, 2, 3, 4, 5]


def test_a_preview_is_imported_as_it_was(pages: Pages, model: Any) -> None:
    send(pages, file=("new.csv", GOOD), on_duplicate="merge")
    context = pages.seen
    again = {name: context[name] for name in ("filename", "on_duplicate")}
    response = send(pages, packed=context["again"], confirm="1", **again)
    assert response.status_int == 303
    assert response.location == "http://localhost/cities/"
    assert "imported_many.2" in response.headers["Set-Cookie"]
    assert [row["name"] for row in model.list(Query()).data][5:] == ["Basel", "Oban"]


def test_a_preview_tells_the_mistakes_of_each_row(pages: Pages) -> None:
    response = send(pages, file=("bad.csv", BAD))
    assert response.status_int == 200
    context = pages.seen
    places = {(m["row"], m["field"]) for m in context["mistakes"]}
    assert places == {(2, "Name"), (3, "Name"), (3, "Height")}
    assert context["rows"][2] == ["x" * 30, "NZ", "high"]
    assert not context["more_mistakes"]


def test_an_import_with_mistakes_keeps_nothing(pages: Pages, model: Any) -> None:
    assert send(pages, file=("bad.csv", BAD), confirm="1").status_int == 422
    assert pages.seen["mistakes"]
    assert ids(model) == [1, 2, 3, 4, 5]


def test_a_file_that_breaks_off_says_where(pages: Pages, model: Any) -> None:
    broken = GOOD + b'"open'
    assert send(pages, file=("bad.csv", broken)).status_int == 200
    [mistake] = pages.seen["mistakes"]
    assert mistake["row"] is None
    assert "Line 4" in mistake["detail"]
    assert pages.seen["count"] == {"n": 2, "exact": False}
    assert send(pages, file=("bad.csv", broken), confirm="1").status_int == 400
    assert ids(model) == [1, 2, 3, 4, 5]


def test_rows_that_are_there_are_treated_as_the_form_says(pages: Pages, model: Any) -> None:
    file = ("old.csv", b"id,name\r\n1,Berne\r\n9,Nine\r\n")
    assert send(pages, file=file, confirm="1").status_int == 409
    assert pages.seen["mistakes"][0]["row"] == 1
    send(pages, file=file, on_duplicate="ignore")
    assert pages.seen["written"] == {"count": 1, "created": 1, "changed": 0, "left": 1}
    assert send(pages, file=file, on_duplicate="ignore", confirm="1").status_int == 303
    assert model.retrieve(1)["name"] == "Bern"
    assert send(pages, file=file, on_duplicate="merge", confirm="1").status_int == 303
    assert model.retrieve(1)["name"] == "Berne"


@pytest.mark.parametrize(
    "file",
    [
        ("x.ndjson", b'{"name": "a"}\n{"name": "b"}\n'),
        ("x.JSONL", b'{"name": "a"}\n{"name": "b"}\n'),
        ("x.json", b'[{"name": "a"}, {"name": "b"}]'),
        ("x", b"name\r\na\r\nb\r\n", "text/csv; charset=utf-8"),
        ("x.txt", b'{"name": "a"}\n{"name": "b"}\n', "application/jsonl"),
    ],
)
def test_a_file_is_known_by_its_name_or_its_type(pages: Pages, model: Any, file: Any) -> None:
    assert send(pages, file=file, confirm="1").status_int == 303
    assert [row["name"] for row in model.list(Query()).data][5:] == ["a", "b"]


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"file": "text"},
        {"file": ("x.doc", b"x")},
        {"file": ("x.csv", b"name\r\na\r\n"), "on_duplicate": "x"},
        {"packed": "!", "filename": "x.csv"},
        {"packed": base64.b64encode(b"name").decode(), "filename": "x.csv"},
        {"packed": packed(b"name")},
        {"packed": packed(bytes(importing.MAX_FILE + 1)), "filename": "x.csv"},
        {"packed": packed(b"name\n" * 1000)[:12], "filename": "x.csv"},
        {"packed": ("x.csv", b"x")},
    ],
)
def test_a_form_without_a_file_to_read_is_refused(pages: Pages, parts: Any) -> None:
    parts = parts or {"on_duplicate": "merge"}
    assert send(pages, **parts).status_int == 400
    assert send(pages, "application/json", **parts).status_int == 400


def test_a_file_of_another_kind_is_refused_beside_the_form(pages: Pages) -> None:
    assert send(pages, file=("book.xlsx", b"PK")).status_int == 400
    [mistake] = pages.seen["mistakes"]
    assert mistake["detail"].startswith("The name of the file must end with one of: .json, .csv")
    assert pages.seen["post_url"] == IMPORT


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (("x.csv", b""), "The file is empty."),
        (("x.csv", b"name,country\r\n"), "The file has no rows."),
        (("x.json", b"[]"), "The file has no rows."),
    ],
)
def test_a_file_without_rows_is_no_import(pages: Pages, file: Any, message: str) -> None:
    assert send(pages, file=file).status_int == 200
    assert [mistake["detail"] for mistake in pages.seen["mistakes"]] == [message]
    assert send(pages, "application/json", file=file, confirm="1").status_int == 400


def test_wrong_columns_are_told_once(pages: Pages) -> None:
    send(pages, file=("x.csv", b"town,country\r\nBasel,CH\r\nOban,\r\n"))
    told = [(m["row"], m["field"], m["detail"]) for m in pages.seen["mistakes"]]
    assert told == [
        (None, "town", "There is no such column."),
        (None, "Name", "The file has no such column."),
    ]
    assert len(pages.seen["rows"]) == 2
    # Of rows that are there, the others stay.
    send(pages, file=("x.csv", b"id,height\r\n1,2\r\n"), on_duplicate="merge")
    assert pages.seen["written"] == {"count": 1, "created": 0, "changed": 1, "left": 0}


def test_a_spreadsheet_is_imported_as_it_was_saved(pages: Pages, model: Any) -> None:
    text = "Name; COUNTRY ;height\r\nSt. Moritz;CH;1.822,5\r\nOban;;\r\n\r\n"
    for data in (text.encode("utf-8-sig"), text.encode("utf-16")):
        send(pages, file=("x.csv", data))
        assert pages.seen["mistakes"] == []
        assert pages.seen["rows"] == [["St. Moritz", "CH", "1822.5"], ["Oban", None, None]]
    assert send(pages, file=("x.csv", text.encode()), confirm="1").status_int == 303
    assert [row["height"] for row in model.list(Query(search="Moritz")).data] == [1822.5]


def test_who_imports_nothing_new_is_told_so(pages: Pages) -> None:
    file = ("x.csv", b"id,name\r\n1,Bern\r\n")
    send(pages, file=file, on_duplicate="ignore")
    assert pages.seen["written"] == {"count": 0, "created": 0, "changed": 0, "left": 1}
    response = send(pages, file=file, on_duplicate="ignore", confirm="1")
    assert "imported_none.0" in response.headers["Set-Cookie"]


def test_a_list_is_expected(pages: Pages) -> None:
    assert send(pages, file=("x.json", b'{"name": "a"}')).status_int == 200
    assert "no list" in pages.seen["mistakes"][0]["detail"]


def test_what_is_no_form_cannot_be_imported(pages: Pages) -> None:
    response = pages.ask("POST", IMPORT, body={"name": "a"}, Accept=HTML_FIRST)
    assert response.status_int == 400


def test_a_large_file_is_to_be_chosen_again(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_AGAIN", 2**12)
    number = 2**11
    rows = b"".join(b"%06d,\r\n" % n for n in range(number))
    broken = b"name,country\r\n" + rows + b"x" * 99 + b",\r\n"
    assert send(pages, file=("large.csv", broken)).status_int == 200
    assert pages.seen["again"] is None
    assert len(pages.seen["rows"]) == importing.MAX_SHOWN
    assert pages.seen["mistakes"][0]["row"] == number + 1
    monkeypatch.setattr(importing, "MAX_AGAIN", 30)
    send(pages, file=("large.csv", GOOD))
    assert (pages.seen["again"], pages.seen["mistakes"]) == (None, [])


def test_a_file_has_its_bounds(pages: Pages) -> None:
    large = ("x.csv", b"x" * (importing.MAX_FILE * 4 // 3 + 2**17))
    assert send(pages, "application/json", file=large).status_int == 413
    assert send(pages, file=large).status_int == 413
    assert [m["detail"] for m in pages.seen["mistakes"]] == ["The file has more than 10 MB."]
    # Other forms keep to theirs.
    assert pages.post("/cities/", {"name": "x" * 2**21}).status_int == 413


def test_a_program_may_import_like_that(pages: Pages, model: Any) -> None:
    dry = send(pages, "application/json", file=("new.csv", GOOD))
    assert (dry.status_int, dry.json) == (200, {"count": 2, "created": 2})
    assert ids(model) == [1, 2, 3, 4, 5]
    response = send(pages, "application/json", file=("new.csv", GOOD), confirm="1")
    assert (response.status_int, response.json) == (201, {"count": 2, "created": 2})
    bad = send(pages, "application/json", file=("bad.csv", BAD))
    assert bad.status_int == 422


def test_a_page_of_another_site_cannot_import(pages: Pages, model: Any) -> None:
    body, headers = multipart(file=("new.csv", GOOD), confirm="1")
    headers["Sec_Fetch_Site"] = "cross-site"
    assert pages.ask("POST", IMPORT, body=body, Accept=HTML_FIRST, **headers).status_int == 403
    assert ids(model) == [1, 2, 3, 4, 5]


def test_only_a_collection_is_imported_to(pages: Pages) -> None:
    assert pages.ask("GET", "/cities/1;import_form", Accept=HTML_FIRST).status_int == 404
    body, headers = multipart(file=("new.csv", GOOD))
    assert pages.ask("POST", "/cities/1;import", body=body, **headers).status_int == 404
    assert pages.ask("GET", "/cities/;import_form?name=x", Accept=HTML_FIRST).status_int == 400


def test_who_only_reads_imports_nothing(tmp_path: Path) -> None:
    def reader(request: Request, model: Any) -> Any:
        return model.restrict(read_only=True)

    pages = served(table_cities(tmp_path), policy=reader)
    assert "get_import_form" not in pages("/cities/")["can"]
    assert pages.ask("GET", "/cities/;import_form", Accept=HTML_FIRST).status_int == 403
    assert send(pages, file=("new.csv", GOOD), confirm="1").status_int == 403


def test_an_import_is_there_where_it_can_be_done(tmp_path: Path) -> None:
    def actions(model: Any, *media: Any) -> frozenset[str]:
        return ModelCollection(model, media=media).actions

    page = MediaType("text/html", lambda value, request: b"", FormParser())
    cities = memory_cities(tmp_path)
    assert "post_import" in actions(cities, page, JSON)
    assert "post_import" not in actions(cities, page)
    assert "post_import" not in actions(cities, JSON)
    assert "post_import" not in actions(Plain(cities), page, JSON)


def test_binary_columns_are_imported_in_base64(sqlite_engine: sa.Engine) -> None:
    table = Table("files", MetaData(), Column("id", Integer, primary_key=True),
                  Column("data", LargeBinary))  # fmt: skip
    table.create(sqlite_engine)
    model = TableModel(table, sqlite_engine)
    pages = Pages().mount(("cities", model))
    assert send(pages, file=("x.csv", b"data\r\neA==\r\n"), confirm="1").status_int == 303
    assert model.retrieve(1)["data"] == b"x"


def test_the_form_of_a_row_is_read_as_before(pages: Pages, model: Any) -> None:
    response = pages.ask(
        "POST", "/cities/1", body=b"_method=DELETE", Content_Type=FORM, Accept=HTML_FIRST
    )
    assert response.status_int == 303
    assert ids(model) == [2, 3, 4, 5]


def test_collections_side_by_side_do_not_share_their_selections(model: Any) -> None:
    pages = Pages()
    one = ModelCollection(model, media=pages.media, bulk_limit=4)
    none = ModelCollection(model.follow("country"), media=pages.media)
    pages.ask = mounted(("cities", one), ("countries", none))
    assert pages("/countries/")["many"] is None
    assert pages("/cities/")["many"] is not None
