"""The list page: what its template sees, and what that costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from webob import Request, exc

from tests.cities import Plain, memory_cities, mounted, table_cities
from tests.pages import HTML_FIRST, Pages
from wsgikit.dispatcher import Dispatcher
from wsgikit.model import Field, MemoryModel, Page, Reference, StoreError
from wsgikit.model_collection import ModelCollection, relations
from wsgikit.model_collection.browsing import State, numbered, telling_fields, unnumbered
from wsgikit.model_collection.relations import MAX_CHOICES
from wsgikit.query import Query, parse_query
from wsgikit.sql import TableModel


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@pytest.fixture
def pages(model: Any) -> Pages:
    return served(model)


def served(model: Any, **options: Any) -> Pages:
    """Serve the cities and their countries."""
    return Pages().mount(("cities", model), ("countries", model.follow("country")), **options)


def names(context: Any) -> list[Any]:
    return [row["name"] for row in context["data"]]


# -- rows and their number -------------------------------------------------------------------


def test_a_page_always_has_a_bounded_count_and_says_which_rows_it_has(pages: Pages) -> None:
    context = pages("/cities/?limit=2")
    assert context["count"] == {"n": 5, "exact": True}
    assert context["range"] == {"first": 1, "last": 2}
    context = pages(context["next"])
    assert context["range"] == {"first": 3, "last": 4}
    context = pages(context["next"])
    assert context["range"] == {"first": 5, "last": 5}
    assert context["next"] is None
    context = pages(context["prev"])
    assert (names(context), context["range"]) == (["Zug", "100%"], {"first": 3, "last": 4})
    context = pages(context["prev"])
    assert (context["range"], context["prev"]) == ({"first": 1, "last": 2}, None)


def test_the_links_of_a_page_are_those_of_its_header(pages: Pages) -> None:
    context = pages("/cities/?limit=2")
    header = pages.ask("HEAD", "/cities/?limit=2", Accept=HTML_FIRST).headers["Link"]
    assert f'<{context["next"]}>; rel="next"' in header


def test_a_page_that_links_lead_to_can_be_had_in_another_format(pages: Pages) -> None:
    following = pages("/cities/?limit=2")["next"]
    rows = pages.ask("GET", f"{following}&format=json").json
    assert [row["id"] for row in rows["data"]] == [3, 4]
    assert "." not in rows["next"].partition("cursor=")[2]


def test_rows_that_came_in_between_make_the_numbers_unknown(pages: Pages) -> None:
    last = pages(pages(pages("/cities/?limit=2")["next"])["next"])
    for id in (-1, -2, -3):
        pages.ask("POST", "/cities/", body={"id": id, "name": "New"})
    first = pages(pages(last["prev"])["prev"])
    assert first["prev"] is not None
    assert first["range"] is None
    assert pages(first["next"])["range"] is None
    assert pages(pages(first["prev"])["prev"])["range"] == {"first": 1, "last": 1}


def test_an_empty_list_has_no_rows_to_number(pages: Pages) -> None:
    context = pages("/cities/?name=nobody")
    assert (context["count"], context["range"]) == ({"n": 0, "exact": True}, None)


@given(st.text(min_size=1), st.none() | st.integers(1, 10**15 - 1))
def test_a_number_is_told_from_any_cursor(cursor: str, number: int | None) -> None:
    spelled = numbered(cursor, number)
    assert spelled is not None
    query, found = unnumbered(Query(cursor=spelled))
    assert (query.cursor, found) == (cursor, number)


def test_a_model_that_does_not_count_has_a_page(tmp_path: Path) -> None:
    class Uncounted(Plain):
        def __init__(self, model: MemoryModel) -> None:
            super().__init__(model)
            self.list = lambda query: Page(model.list(Query()).data)

    context = Pages().mount(("cities", Uncounted(memory_cities(tmp_path))))("/cities/?limit=9")
    assert context["count"] is None
    assert len(context["data"]) == 5
    assert context["search"] is None
    assert [size["n"] for size in context["sizes"] if size["current"]] == [9]


# -- columns ---------------------------------------------------------------------------------


WIDE = [
    Field("note", length=1000),
    *(Field(name, "json") for name in ("a", "b")),
    Field("photo", "binary"),
    Field("text", multiline=True),
    *(Field(name, "integer") for name in ("c", "d", "e", "f")),
    Field("title"),
    Field("id", "integer", required=False),
    Field("g", "date"),
]


def test_a_wide_table_shows_its_key_its_label_and_what_is_telling() -> None:
    model = MemoryModel(WIDE, label="title")
    assert [f.name for f in telling_fields(model)] == [*("id", "title", "c", "d", "e", "f", "g"),
                                                       "note"]  # fmt: skip
    model.create({"title": "A", "a": {"x": 1}})
    pages = Pages().mount(("wide", model))
    context = pages("/wide/")
    assert [f.name for f in context["meta"]] == [f.name for f in telling_fields(model)]
    assert "a" not in context["data"][0]
    assert len(context["all_fields"]) == len(WIDE)
    shown = {option["value"]: option["shown"] for option in context["columns"]["options"]}
    assert shown["id"]
    assert not shown["photo"]


def test_a_narrow_table_shows_all_as_it_is(pages: Pages) -> None:
    assert [f.name for f in pages("/cities/")["meta"]] == ["id", "name", "country", "height"]


def test_columns_are_chosen_by_checkboxes(pages: Pages) -> None:
    context = pages("/cities/?country=CH&fields=height&fields=name&limit=1&cursor=")
    assert [f.name for f in context["meta"]] == ["height", "name"]
    assert context["columns"]["hidden"] == [("country", "CH"), ("limit", "1")]
    assert "fields=height&fields=name" in context["next"]
    assert [row["id"] for row in pages(context["next"])["data"]] == [3]
    assert {"text": "Some columns", "remove_url": "/cities/?country=CH&limit=1"} in context["chips"]


def test_a_column_with_a_comma_in_its_name_is_quoted() -> None:
    model = MemoryModel([Field("id", "integer", required=False), Field("a,b"), Field(" c")])
    model.create({"a,b": "x"})
    pages = Pages().mount(("odd", model))
    context = pages("/odd/")
    assert [option["value"] for option in context["columns"]["options"]] == ["id", '"a,b"']
    assert context["sorts"]["a,b"]["url"] == "/odd/?sort=%22a%2Cb%22"
    assert "direction" in pages(context["sorts"]["a,b"]["url"])["sorts"]["a,b"]


# -- order -----------------------------------------------------------------------------------


def test_a_click_sorts_up_then_down_then_not(pages: Pages) -> None:
    found = pages("/cities/?country=CH")["sorts"]["name"]
    assert found == {"url": "/cities/?country=CH&sort=name", "direction": None}
    found = pages(found["url"])["sorts"]["name"]
    assert found == {"url": "/cities/?country=CH&sort=-name", "direction": "ascending"}
    found = pages(found["url"])["sorts"]["name"]
    assert found == {"url": "/cities/?country=CH", "direction": "descending"}


def test_a_click_on_another_column_sorts_by_that_alone(pages: Pages) -> None:
    sorts = pages("/cities/?sort=height,-name")["sorts"]
    assert sorts["name"] == {"url": "/cities/?sort=name", "direction": "descending"}
    assert sorts["height"]["direction"] == "ascending"


def test_what_has_no_order_is_not_sorted() -> None:
    model = MemoryModel([Field("id", "integer", required=False), Field("data", "json")])
    assert set(Pages().mount(("m", model))("/m/")["sorts"]) == {"id"}


def test_sizes_keep_the_rest_and_end_at_the_ceiling(tmp_path: Path) -> None:
    pages = served(memory_cities(tmp_path, max_page_size=100))
    sizes = pages("/cities/?country=CH&limit=7")["sizes"]
    assert [size["n"] for size in sizes] == [7, 10, 25, 50, 100]
    assert [size["current"] for size in sizes] == [True, False, False, False, False]
    assert sizes[1]["url"] == "/cities/?country=CH&limit=10"


# -- filters ---------------------------------------------------------------------------------


def controls(context: Any) -> dict[str, Any]:
    return {c["name"]: c for found in context["filters"] for c in found["controls"]}


KINDS = [
    (Field("text"), [("text__contains", "text")]),
    (Field("number", "integer"), [("number__gte", "number"), ("number__lte", "number")]),
    (Field("float", "float"), [("float__gte", "number"), ("float__lte", "number")]),
    (Field("decimal", "decimal"), [("decimal__gte", "number"), ("decimal__lte", "number")]),
    (Field("date", "date"), [("date__gte", "date"), ("date__lte", "date")]),
    (Field("time", "time"), [("time__gte", "time"), ("time__lte", "time")]),
    (Field("at", "datetime"), [("at__gte", "datetime-local"), ("at__lte", "datetime-local")]),
    (Field("tz", "datetime", timezone=True), [("tz__gte", "text"), ("tz__lte", "text")]),
    (Field("span", "interval"), [("span__gte", "text"), ("span__lte", "text")]),
    (Field("flag", "boolean"), [("flag", "select")]),
    (Field("enum", "enum", choices=("a", "b")), [("enum", "select")]),
    (Field("uuid", "uuid"), [("uuid", "text")]),
    (Field("bytes", "binary"), []),
    (Field("json", "json"), []),
    (Field("array", "array"), []),
    (Field("other", "other"), [("other", "text")]),
    (Field("q"), [("q__contains", "text")]),
    (Field("limit", "uuid"), [("limit__in", "text")]),
    (Field("format", "boolean"), [("format__in", "select")]),
    (Field("fields", "enum", choices=("a,b", "c")), [("fields__in", "select")]),
    (Field("_method", "integer"), [("_method__gte", "number"), ("_method__lte", "number")]),
    (Field("a__in"), [("a__in__contains", "text")]),
    (Field("self"), [("self__contains", "text")]),
]


@pytest.mark.parametrize(("field", "expected"), KINDS, ids=[field.name for field, _ in KINDS])
def test_a_column_has_the_filter_that_suits_its_kind(field: Field, expected: Any) -> None:
    model = MemoryModel([Field("id", "integer", required=False, nullable=False), field])
    context = Pages().mount(("kinds", model))("/kinds/")
    found = {name: control["kind"] for name, control in controls(context).items()}
    nulls = (f"{field.name}__isnull", "select")
    assert [*found.items()] == [("id__gte", "number"), ("id__lte", "number"), *expected, nulls]


@pytest.mark.parametrize("field", [field for field, _ in KINDS], ids=lambda field: field.name)
def test_the_empty_form_of_filters_means_no_filter(field: Field) -> None:
    model = MemoryModel([Field("id", "integer", required=False), field])
    model.create({})
    pages = Pages().mount(("kinds", model))
    for name in controls(pages("/kinds/")):
        assert len(pages(f"/kinds/?{name}=")["data"]) == 1


def test_a_choice_with_a_comma_is_one_value() -> None:
    words = Field("q", "enum", choices=("a,b", "c"))
    model = MemoryModel([Field("id", "integer", required=False), words])
    model.create({"q": "a,b"})
    pages = Pages().mount(("m", model))
    [_any, choice, _c] = controls(pages("/m/"))["q__in"]["options"]
    assert choice == {"value": '"a,b"', "text": "a,b", "selected": False}
    context = pages("/m/?q__in=%22a,b%22")
    assert len(context["data"]) == 1
    assert controls(context)["q__in"]["options"][1]["selected"]
    assert context["chips"][0]["text"] == "Q is one of a,b"


def test_what_cannot_be_empty_or_has_no_name_has_no_such_filter() -> None:
    model = MemoryModel([Field("id", "integer", nullable=False, required=False), Field("")])
    context = Pages().mount(("m", model))("/m/")
    assert [*controls(context)] == ["id__gte", "id__lte"]


def test_a_control_shows_its_filter_and_the_rest_is_sent_along(pages: Pages) -> None:
    context = pages(
        "/cities/?name__contains=b&height__gte=1&height__isnull=false&id__in=1,3&sort=id"
    )
    found = controls(context)
    assert found["name__contains"]["value"] == "b"
    assert found["height__gte"]["value"] == "1"
    assert [o["value"] for o in found["height__isnull"]["options"] if o["selected"]] == ["false"]
    assert context["filter_hidden"] == [("id__in", "1,3"), ("sort", "id")]
    assert names(context) == ["Bern"]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        (Field("n", "integer"), "12", "number"),
        (Field("n", "integer"), "+12", "text"),
        (Field("n", "float"), "1e3", "text"),
        (Field("n", "decimal"), "-1.50", "number"),
        (Field("n", "datetime"), "2026-02-28T10:00", "datetime-local"),
        (Field("n", "datetime"), "2026-02-28T10:00:00.123456", "text"),
        (Field("n", "date"), "2026-02-28", "date"),
        (Field("n", "time"), "10:00:00.5", "time"),
    ],
)
def test_a_value_that_a_control_would_drop_is_kept_as_text(
    field: Field, value: str, kind: str
) -> None:
    model = MemoryModel([Field("id", "integer", required=False), field])
    context = Pages().mount(("m", model))(f"/m/?n__gte={value.replace('+', '%2B')}")
    assert controls(context)["n__gte"] | {"label": ""} == {
        "name": "n__gte",
        "label": "",
        "operator": "gte",
        "value": value,
        "kind": kind,
        "options": None,
    }


def test_a_choice_that_is_none_stays_selected() -> None:
    flag = Field("flag", "boolean")
    pages = Pages().mount(("m", MemoryModel([Field("id", "integer", required=False), flag])))
    options = controls(pages("/m/?flag=yes"))["flag"]["options"]
    assert [(o["value"], o["selected"]) for o in options] == [
        *[("", False), ("true", False), ("false", False)],
        ("yes", True),
    ]


def test_a_reference_to_few_rows_is_chosen_by_their_labels(pages: Pages) -> None:
    control = controls(pages("/cities/?country=NZ"))["country"]
    assert control["options"] == [
        {"value": "", "text": "any", "selected": False},
        {"value": "NZ", "text": "New Zealand", "selected": True},
        {"value": "CH", "text": "Switzerland", "selected": False},
    ]


def test_a_reference_to_many_rows_is_typed(pages: Pages, model: Any) -> None:
    for number in range(MAX_CHOICES):
        model.follow("country").create({"code": f"{number:02}", "name": "Many"})
    context = pages("/cities/?country=NZ")
    assert controls(context)["country"]["kind"] == "text"
    assert names(context) == ["Wellington", "Auckland"]
    assert context["label_of"](context["meta"][2], "NZ") == "New Zealand"


def test_search_is_there_where_columns_are_searched(pages: Pages) -> None:
    assert pages("/countries/")["search"] == {"value": "", "hidden": []}
    context = pages("/cities/?q=e+n&sort=-name&q=&limit=1&count=exact".replace("&q=&", "&"))
    hidden = [("sort", "-name"), ("limit", "1"), ("count", "exact")]
    assert context["search"] == {"value": "e n", "hidden": hidden}
    assert context["count"] == {"n": 2, "exact": True}


# -- chips -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("q=be", "Search: be"),
        ("name=Bern", "Name is Bern"),
        ("name__ne=", "Name is not "),
        ("name__contains=e", "Name contains e"),
        ("name__startswith=B", "Name begins with B"),
        ("name__endswith=n", "Name ends with n"),
        ("height__lt=1", "Height < 1"),
        ("height__lte=1", "Height \u2264 1"),
        ("height__gt=1", "Height > 1"),
        ("height__gte=1", "Height \u2265 1"),
        ("height__isnull=yes", "Height is empty"),
        ("height__isnull=0", "Height is not empty"),
        ("id__in=1,2", "Id is one of 1, 2"),
        ("id__notin=1", "Id is none of 1"),
        ("country=CH", "Country is Switzerland"),
        ("country__in=CH,NZ", "Country is one of Switzerland, New Zealand"),
        ("country__ne=XX", "Country is not XX"),
        ("country__startswith=C", "Country begins with C"),
        ("country.name=Switzerland", "Country \u203a Name is Switzerland"),
    ],
)
def test_a_chip_says_what_narrows_the_list_and_removes_it(
    pages: Pages, query: str, text: str
) -> None:
    context = pages(f"/cities/?limit=2&{query}&sort=name")
    [chip] = context["chips"]
    assert chip == {"text": text, "remove_url": "/cities/?limit=2&sort=name"}
    assert context["clear_url"] == "/cities/?limit=2&sort=name"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12345", 12345),
        ("float", "10", Decimal("10")),
        ("decimal", "9.50", Decimal("9.50")),
        ("date", "2026-05-01", date(2026, 5, 1)),
        ("datetime", "2026-05-01T10:30", datetime(2026, 5, 1, 10, 30)),
        ("interval", "PT1H", "PT1H"),
    ],
)
def test_a_chip_tells_numbers_and_moments_as_such(kind: str, text: str, value: Any) -> None:
    fields = [Field("id", "integer", required=False), Field("x", kind)]
    pages = Pages().mount(("m", MemoryModel(fields)))
    [chip] = pages(f"/m/?x__gte={text}")["chips"]
    assert chip["text"].values == {"column": "X", "value": value}
    assert type(chip["text"].values["value"]) is type(value)
    [chip] = pages("/m/?id__gte=12345")["chips"]
    assert chip["text"].values["value"] == "12345"  # a name


def test_a_chip_of_a_choice_says_what_people_read() -> None:
    flag = Field("flag", "boolean")
    pages = Pages().mount(("m", MemoryModel([Field("id", "integer", required=False), flag])))
    chips = pages("/m/?flag=1&flag__ne=false")["chips"]
    assert [chip["text"] for chip in chips] == ["Flag is yes", "Flag is not no"]


def test_several_chips_are_removed_one_by_one_or_all(pages: Pages) -> None:
    context = pages("/cities/?country=CH&id__in=1&id__in=3&fields=name&sort=-id&name=")
    assert [chip["remove_url"] for chip in context["chips"]] == [
        "/cities/?id__in=1&id__in=3&fields=name&sort=-id",
        "/cities/?country=CH&fields=name&sort=-id",
        "/cities/?country=CH&id__in=1&id__in=3&sort=-id",
    ]
    assert context["clear_url"] == "/cities/?sort=-id"


def test_a_list_that_nothing_narrows_has_no_chips(pages: Pages) -> None:
    context = pages("/cities/?sort=name&limit=3&name=")
    assert (context["chips"], context["clear_url"]) == ([], None)


def test_a_filter_with_the_empty_text_is_kept_by_links(pages: Pages) -> None:
    context = pages("/cities/?name__ne=&limit=2")
    assert "name__ne=&" in context["next"]
    assert names(pages(context["next"])) == ["Zug", "100%"]


def test_a_chip_can_be_translated(pages: Pages) -> None:
    [chip] = pages("/cities/?country=CH")["chips"]
    assert chip["text"].template == "{column} is {value}"
    assert chip["text"].values == {"column": "Country", "value": "Switzerland"}


def test_a_query_in_a_body_has_no_chips(pages: Pages) -> None:
    response = pages.ask("QUERY", "/cities/", body={"country": "CH"}, Accept=HTML_FIRST)
    assert response.content_type == "text/html"
    assert (names(pages.seen), pages.seen["chips"]) == (["Bern", "Zug"], [])


@given(st.lists(st.tuples(st.text(), st.text())))
def test_the_state_of_a_list_survives_its_url(pairs: list[tuple[str, str]]) -> None:
    told = [(n, v) for n, v in pairs if v and n != "cursor"]
    url = State("/people/", told).url()
    read = Request.blank(url).GET
    assert [*read.items()] == told


# -- other formats ---------------------------------------------------------------------------


def test_exports_carry_the_filter_and_the_order(pages: Pages) -> None:
    exports = pages("/cities/?country=CH&sort=-name&limit=1")["exports"]
    assert [export["format"] for export in exports] == ["json", "csv", "ndjson"]
    assert exports[1]["url"] == "/cities/?country=CH&sort=-name&format=csv&limit=all"
    assert pages.ask("GET", exports[1]["url"]).text.split() == [
        *("id,name,country,height", "3,Zug,CH,425.5", "1,Bern,CH,540.0"),
    ]


def test_a_program_gets_what_it_got_before(pages: Pages) -> None:
    rows = pages.ask("GET", "/cities/?limit=1", Accept="application/json")
    assert set(rows.json) == {"data", "next", "prev"}
    assert "wsgikit-flash" not in str(rows.headers)


# -- labels ----------------------------------------------------------------------------------


def test_a_reference_has_the_label_and_the_url_of_its_row(pages: Pages) -> None:
    context = pages("/cities/")
    country = context["meta"][2]
    assert context["label_of"](country, "CH") == "Switzerland"
    assert context["reference"](country, "CH") == "/countries/CH"
    for value in (None, "XX", ["CH"], {"code": "CH"}, 7):
        assert context["label_of"](country, value) is None
        assert context["reference"](country, value) is None
    assert context["label_of"](context["meta"][1], "CH") is None
    assert context["reference"](context["meta"][1], "CH") is None


def test_without_a_collection_the_model_says_what_is_referred_to(model: Any) -> None:
    context = Pages().mount(("cities", model))("/cities/")
    country = context["meta"][2]
    assert context["label_of"](country, "CH") == "Switzerland"
    assert context["reference"](country, "CH") is None


def test_without_any_dispatcher_there_are_labels_and_no_links(model: Any) -> None:
    pages = Pages()
    app = ModelCollection(model, media=pages.media)
    environ = {"wsgiorg.routing_args": ((), {"id": None}), "PATH_INFO": "/cities/"}
    response = Request.blank("/cities/", environ=environ).get_response(app)
    assert response.status_int == 200
    country = pages.seen["meta"][2]
    assert pages.seen["label_of"](country, "CH") == "Switzerland"
    assert pages.seen["reference"](country, "CH") is None


def test_a_plain_model_has_pages(tmp_path: Path) -> None:
    cities = Plain(memory_cities(tmp_path))
    context = Pages().mount(("cities", cities))("/cities/")
    assert context["label_of"](context["meta"][2], "CH") is None
    assert context["many"] is None
    assert controls(context)["country"]["kind"] == "text"


class Guard:
    """A wrapper that nobody looks behind."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def guarded(model: Any, wrap: Any = lambda app: app, **options: Any) -> Pages:
    """Serve cities to all, and their countries with more options."""
    pages = Pages()
    countries = ModelCollection(model.follow("country"), media=pages.media, **options)
    cities = ModelCollection(model, media=pages.media)
    pages.ask = mounted(("countries", wrap(countries)), ("cities", cities))
    return pages


def only_nz(request: Request, model: Any) -> Any:
    if isinstance(model, TableModel):
        return model.restrict(rows=model.table.c.code == "NZ")
    narrow = MemoryModel(model.fields, key=model.key, name=model.name)
    narrow.create(model.retrieve("NZ"))
    return narrow


def test_labels_and_choices_are_as_narrow_as_the_collection_they_come_from(model: Any) -> None:
    context = guarded(model, policy=only_nz)("/cities/")
    country = context["meta"][2]
    assert context["label_of"](country, "NZ") == "New Zealand"
    assert context["reference"](country, "NZ") == "/countries/NZ"
    assert context["label_of"](country, "CH") is None
    assert context["reference"](country, "CH") is None
    assert [o["value"] for o in controls(context)["country"]["options"]] == ["", "NZ"]


def refuse(request: Request, model: Any) -> Any:
    return None


@pytest.mark.parametrize("policy", [only_nz, refuse])
def test_a_page_with_labels_that_depend_on_who_asks_is_private(model: Any, policy: Any) -> None:
    pages = guarded(model, policy=policy)
    page = pages.ask("GET", "/cities/", Accept=HTML_FIRST)
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "Cache-Control" not in pages.ask("GET", "/cities/?format=json").headers
    assert "Cache-Control" not in guarded(model).ask("GET", "/cities/").headers


@pytest.mark.parametrize(
    "closed", [{"policy": refuse}, {"wrap": Guard}], ids=["its policy refuses", "it is wrapped"]
)
def test_a_collection_that_is_closed_gives_no_labels(model: Any, closed: Any) -> None:
    context = guarded(model, **closed)("/cities/")
    assert context["label_of"](context["meta"][2], "CH") is None
    assert controls(context)["country"]["kind"] == "text"
    # Whoever answers there decides.
    assert context["reference"](context["meta"][2], "CH") == "/countries/CH"


def test_a_policy_is_asked_as_if_the_request_had_gone_there(model: Any) -> None:
    asked = []

    def policy(request: Request, model: Any) -> Any:
        environ = request.environ
        asked.append((request.method, request.url, request.body, dict(request.urlvars)))
        assert request.headers["X-Who"] == "Ada"
        assert environ["wsgikit.route"] == "/countries/[{id:key}][;{noun}]"
        assert not {"wsgikit.action", "wsgikit.parsed"} & environ.keys()
        assert not request.content_type
        return model

    pages = guarded(model, policy=policy)
    pages.ask("GET", "/cities/3?fields=name,country&format=html", X_Who="Ada")
    pages.post("/cities/", {"name": ""}, X_Who="Ada")
    assert pages.action == "get_new_form"
    assert asked == [("GET", "http://localhost/countries/", b"", {})] * 2


def test_a_hidden_label_does_not_exist(tmp_path: Path) -> None:
    def nameless(request: Request, model: Any) -> Any:
        return model.restrict(hidden=["name"])

    context = guarded(table_cities(tmp_path), policy=nameless)("/cities/")
    country = context["meta"][2]
    assert context["label_of"](country, "CH") is None
    assert context["reference"](country, "CH") == "/countries/CH"
    options = controls(context)["country"]["options"]
    assert [option["text"] for option in options] == ["any", "CH", "NZ"]


def test_a_collection_without_pages_of_rows_is_not_linked_to(model: Any) -> None:
    class Listed(ModelCollection):
        retrieve = None  # type: ignore[assignment]

    pages = Pages()
    countries = Listed(model.follow("country"), media=pages.media)
    cities = ModelCollection(model, media=pages.media)
    pages.ask = mounted(("countries", countries), ("cities", cities))
    context = pages("/cities/")
    assert context["label_of"](context["meta"][2], "CH") == "Switzerland"
    assert context["reference"](context["meta"][2], "CH") is None


def test_a_name_that_leads_to_something_else_gives_no_labels(model: Any) -> None:
    pages = Pages()
    cities = ModelCollection(model, media=pages.media)
    people = ModelCollection(MemoryModel([Field("id")]), media=pages.media)
    pages.ask = mounted(("countries", people), ("cities", cities))
    context = pages("/cities/")
    assert context["label_of"](context["meta"][2], "CH") is None


def test_labels_that_cannot_be_read_leave_the_page_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(MemoryModel):
        def list(self, query: Query) -> Page:
            raise StoreError("It is away.")

    cities = memory_cities(tmp_path)
    cities.references["country"] = Away([Field("code"), Field("name")], key=["code"])
    context = Pages().mount(("cities", cities))("/cities/")
    assert context["label_of"](context["meta"][2], "CH") is None
    assert "cannot be read" in caplog.text


def test_a_reference_to_what_cannot_be_compared_has_no_labels() -> None:
    there = MemoryModel([Field("id", "integer"), Field("data", "json")], name="there")
    there.create({"id": 1, "data": {"a": 1}})
    ref = Field("ref", "json", references=Reference("there", "data"))
    here = MemoryModel([Field("id", "integer", required=False), ref], references={"ref": there})
    here.create({"ref": {"a": 1}})
    context = Pages().mount(("here", here), ("there", there))("/here/")
    assert context["label_of"](ref, {"a": 1}) is None


def test_rows_with_the_same_label_are_told_apart() -> None:
    boss = Field("boss", "integer", references=Reference("people", "id"))
    people = MemoryModel([Field("id", "integer", required=False), Field("name"), boss], name="p")
    people.references["boss"] = people
    for name in ("Ada", "Bob", "Ada", "", None):
        people.create({"name": name, "boss": 1})
    context = Pages().mount(("people", people))("/people/")
    texts = [option["text"] for option in controls(context)["boss"]["options"]]
    assert texts == ["any", "4", "5", "Ada (1)", "Ada (3)", "Bob"]


def test_values_that_no_key_can_be_are_not_looked_up() -> None:
    there = MemoryModel([Field("id", "float"), Field("name")], name="there")
    there.create({"id": 1.5, "name": "One and a half"})
    ref = Field("ref", "other", references=Reference("there", "id"))
    here = MemoryModel([Field("id", "integer", required=False), ref], references={"ref": there})
    for value in (1.5, "x", None):
        here.create({"ref": value})
    context = Pages().mount(("here", here), ("there", there))("/here/")
    assert context["label_of"](ref, 1.5) == "One and a half"
    assert context["label_of"](ref, "x") is None


def test_more_values_than_a_page_of_the_other_model_has_are_all_found(tmp_path: Path) -> None:
    there = MemoryModel(
        [Field("id", "integer"), Field("name")], name="there", page_size=2, max_page_size=3
    )
    ref = Field("ref", "integer", references=Reference("there", "id"))
    here = MemoryModel([Field("id", "integer", required=False), ref], references={"ref": there})
    for id in range(1, 21):
        there.create({"id": id, "name": f"No. {id}"})
        here.create({"ref": id})
    context = Pages().mount(("here", here))("/here/")
    assert {context["label_of"](ref, id) for id in range(1, 21)} == {
        f"No. {id}" for id in range(1, 21)
    }


# -- where it is mounted ---------------------------------------------------------------------


def test_collections_of_an_outer_dispatcher_are_known_inside(model: Any) -> None:
    pages = Pages()
    inner, outer = Dispatcher(), Dispatcher()
    inner.add("/cities/[{id:key}]", ModelCollection(model, media=pages.media), name="cities")
    countries = ModelCollection(model.follow("country"), media=pages.media)
    outer.add("/in/{tenant}|", Guard(inner))
    outer.add("/countries/[{id:key}]", countries, name="countries")
    response = Request.blank("/in/here/cities/").get_response(outer)
    assert response.status_int == 200
    context = pages.seen
    assert context["reference"](context["meta"][2], "CH") == "/countries/CH"
    assert context["label_of"](context["meta"][2], "CH") == "Switzerland"


def test_what_is_beside_a_collection_behind_a_wrapper_is_known_to_it(model: Any) -> None:
    pages, tenants = Pages(), []

    def policy(request: Request, model: Any) -> Any:
        tenants.append(request.urlvars["tenant"])
        return model

    inner, outer = Dispatcher(), Dispatcher()
    inner.add("/cities/[{id:key}]", ModelCollection(model, media=pages.media), name="cities")
    countries = ModelCollection(model.follow("country"), media=pages.media, policy=policy)
    inner.add("/countries/[{id:key}]", countries, name="countries")
    outer.add("/in/{tenant}|", Guard(inner))
    assert Request.blank("/in/here/cities/").get_response(outer).status_int == 200
    context = pages.seen
    assert context["reference"](context["meta"][2], "CH") == "/in/here/countries/CH"
    assert tenants == ["here"]


# -- crumbs and context ----------------------------------------------------------------------


def test_breadcrumbs_lead_home(model: Any) -> None:
    pages = Pages()
    app = Dispatcher()
    app.add("/", exc.HTTPOk(), name="home")
    cities = ModelCollection(model, media=pages.media, title="Cities")
    app.add("/cities/[{id:key}][;{noun}]", cities, name="cities")
    crumbs = {}
    for path in ("", "1", "1;edit_form", "1;delete_form", ";new_form", ";import_form"):
        assert Request.blank(f"/cities/{path}").get_response(app).status_int == 200
        crumbs[path] = [(crumb["text"], crumb["href"]) for crumb in pages.seen["crumbs"]]
    way = [("Home", "/"), ("Cities", "/cities/")]
    assert crumbs == {
        "": [("Home", "/"), ("Cities", None)],
        "1": [*way, ("Bern", None)],
        "1;edit_form": [*way, ("Bern", "/cities/1"), ("Edit", None)],
        "1;delete_form": [*way, ("Bern", "/cities/1"), ("Delete", None)],
        ";new_form": [*way, ("New", None)],
        ";import_form": [*way, ("Import", None)],
    }


def test_a_problem_can_lead_back_to_the_list(model: Any) -> None:
    found = {}

    def render(value: Any, request: Request) -> bytes:
        found[request.environ["wsgikit.action"]] = request.environ["wsgikit.crumbs"](request)
        return b""

    pages = Pages()
    pages.media[0] = type(pages.media[0])("text/html", render, pages.media[0].parser)
    pages.mount(("cities", model))
    pages.ask("GET", "/cities/99", Accept=HTML_FIRST)
    assert found == {"problem": [{"text": "cities", "href": "/cities/"}]}


def test_the_ids_of_rows_are_those_of_their_urls(pages: Pages, model: Any) -> None:
    context = pages("/cities/")
    assert [context["row_id"](row) for row in context["data"]] == ["1", "2", "3", "4", "5"]


def test_a_table_without_a_key_has_a_list(tmp_path: Path) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    log = Table("log", MetaData(), Column("word", String), Column("id", Integer))
    log.create(engine)
    with engine.begin() as connection:
        connection.execute(log.insert(), [{"word": "a"}, {"word": "b"}])
    context = Pages().mount(("log", TableModel(log, engine)), bulk_limit=9)("/log/?limit=1")
    assert context["many"] is None
    assert context["range"] == {"first": 1, "last": 1}
    assert context["row_id"](context["data"][0]) is None
    assert "retrieve" not in context["can"]


# -- what it costs ---------------------------------------------------------------------------


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    """Note the statements that read rows."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "SELECT" in statement and "FROM" in statement:
            found.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(engine, "before_cursor_execute", note)


def referring_tables(engine: sa.Engine, rows: int) -> tuple[Table, list[Table]]:
    """Make a table of six columns, three of which refer to other tables of some rows."""
    metadata = MetaData()
    others = [
        Table(f"other{n}", metadata, Column("id", Integer, primary_key=True),
              Column("name", String(20)))
        for n in (1, 2)
    ]  # fmt: skip
    things = Table(
        "things",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
        Column("one", ForeignKey(others[0].c.id)),
        Column("again", ForeignKey(others[0].c.id)),
        Column("two", ForeignKey(others[1].c.id)),
        Column("parent", ForeignKey("things.id")),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        for other in others:
            made = [{"id": n, "name": f"No. {n}"} for n in range(1, rows + 1)]
            connection.execute(other.insert(), made)
        for n in range(1, 61):
            refers = {"one": n % rows + 1, "again": 1, "two": rows, "parent": 1}
            connection.execute(things.insert(), {"id": n, "name": f"Thing {n}", **refers})
    return things, others


@pytest.mark.parametrize("rows", [3, 150], ids=["few rows", "many rows"])
def test_a_page_reads_each_referenced_table_once(engine: sa.Engine, rows: int) -> None:
    things, others = referring_tables(engine, rows)
    tables = [(table.name, TableModel(table, engine)) for table in (things, *others)]
    pages = Pages().mount(*tables)
    with statements(engine) as found:
        context = pages("/things/?sort=-name&one=1&two__gte=1")
    # The rows, which are all there are, and one for each of three referenced tables.
    assert len(found) == 4, found
    with statements(engine) as found:
        context = pages("/things/")
    assert len(found) == 5  # and the number of the rows
    fields = {field.name: field for field in context["meta"]}
    assert len(context["data"]) == 50
    assert context["label_of"](fields["two"], rows) == f"No. {rows}"
    assert context["label_of"](fields["parent"], 1) == "Thing 1"
    assert context["reference"](fields["one"], 2) == "/other1/2"
    kind = "select" if rows <= MAX_CHOICES else "number"
    found_controls = controls(context)
    assert {found_controls[name]["kind"] for name in ("one", "again", "two")} == {kind}


KEYS = {
    "text": (String(9), ["a", "B", "\u00e9", "a,b"]),
    "integer": (sa.BigInteger(), [1, -2, 2**62]),
    "decimal": (sa.Numeric(8, 2), [Decimal("1.50"), Decimal("-2.00")]),
    "date": (sa.Date(), [date(2026, 2, 28)]),
    "datetime": (sa.DateTime(), [datetime(2026, 2, 28, 10, 30)]),
    "uuid": (sa.Uuid(), [UUID(int=1), UUID(int=2**100)]),
    "enum": (sa.Enum("red", "green", name="colour"), ["green", "red"]),
    "boolean": (sa.Boolean(), [True, False]),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("choices", [MAX_CHOICES, 0], ids=["few rows", "many rows"])
def test_labels_are_found_by_keys_of_any_kind(
    engine: sa.Engine, kind: str, choices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_, keys = KEYS[kind]
    metadata = MetaData()
    there = Table("there", metadata, Column("key", type_, primary_key=True, autoincrement=False),
                  Column("name", String(20)))  # fmt: skip
    here = Table("here", metadata, Column("id", Integer, primary_key=True),
                 Column("ref", ForeignKey("there.key")))  # fmt: skip
    metadata.create_all(engine)
    for number, key in enumerate(keys):
        TableModel(there, engine).create({"key": key, "name": f"No. {number}"})
        TableModel(here, engine).create({"ref": key})
    if not choices:
        monkeypatch.setattr(relations, "MAX_CHOICES", 1)
    pages = Pages().mount(("here", TableModel(here, engine)), ("there", TableModel(there, engine)))
    context = pages("/here/")
    ref = context["meta"][1]
    assert [context["label_of"](ref, key) for key in keys] == [f"No. {n}" for n in range(len(keys))]
    for row in context["data"]:
        assert pages(context["reference"](ref, row["ref"]))["backlinks"][0]["count"]["n"] == 1


def test_a_program_costs_one_statement(engine: sa.Engine) -> None:
    things, _others = referring_tables(engine, 3)
    pages = Pages().mount(("things", TableModel(things, engine)))
    with statements(engine) as found:
        pages.ask("GET", "/things/?format=json")
    assert len(found) == 1


def test_nothing_is_read_of_a_table_that_is_only_referred_to_by_hidden_columns(
    engine: sa.Engine,
) -> None:
    things, others = referring_tables(engine, 3)

    def hide(request: Request, model: Any) -> Any:
        return model.restrict(hidden=["one", "again", "two"])

    pages = Pages()
    collections = [("things", ModelCollection(TableModel(things, engine), media=pages.media,
                                              policy=hide))]  # fmt: skip
    collections += [
        (other.name, ModelCollection(TableModel(other, engine), media=pages.media))
        for other in others
    ]
    pages.ask = mounted(*collections)
    with statements(engine) as found:
        context = pages("/things/")
    assert len(found) == 3
    assert [field.name for field in context["all_fields"]] == ["id", "name", "parent"]
    assert "one" not in controls(context)
    assert pages.ask("GET", "/things/?one=1", Accept=HTML_FIRST).status_int == 400


def test_a_query_is_read_as_forms_of_pages_send_it() -> None:
    assert parse_query("fields=a&fields=b").fields == ("a", "b")
