"""The home page: how large the collections are, what they are, and the search over all of them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from webob import Request

from tests.cities import Client, Plain, memory_cities, table_cities
from tests.pages import HTML_FIRST, Pages
from wsgikit.collection import Collection
from wsgikit.deferred import DeferredCollection
from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel, Page, StoreError
from wsgikit.model_collection import ModelCollection
from wsgikit.query import Query
from wsgikit.reflect import reflect
from wsgikit.sql import TableModel, read_tables


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


class Site(Pages):
    """A dispatcher with a home page whose variables are kept."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.app = Dispatcher()
        self.app.add("/", Home(self.app, "World", self.media[0], **options), name="home")
        self.ask = Client(self.app)

    def add(self, name: str, model: Any, **options: Any) -> "Site":
        collection = ModelCollection(model, media=self.media, **{"title": name, **options})
        self.app.add(f"/{name}/[{{id:key}}][;{{noun}}]", collection, name=name)
        return self

    def told(self, path: str = "/") -> dict[str, Any]:
        """Give what the page tells, by the titles of the collections."""
        return {found["title"]: found for found in self(path)["collections"]}


@pytest.fixture
def site(model: Any) -> Site:
    return Site().add("cities", model).add("countries", model.follow("country"))


def test_home_tells_what_there_is_and_how_large_it_is(site: Site, model: Any) -> None:
    kind = "table" if isinstance(model, TableModel) else "collection"
    assert site("/")["title"] == "World"
    assert site("/")["collections"] == [
        {
            "href": f"/{title}/",
            "title": title,
            "note": "",
            "kind": kind,
            "count": {"n": n, "exact": True},
            "read_only": "",
            "searchable": True,
        }
        for title, n in (("cities", 5), ("countries", 2))
    ]


def lost() -> tuple[Dispatcher, Home]:
    app = Dispatcher(not_found=lambda *call: home.not_found(*call))
    home = Home(app, media=HTML())
    return app, home


def test_what_leads_nowhere_has_a_way_home() -> None:
    app, home = lost()
    app.add("/start/", home)
    environ: Any = {"SCRIPT_NAME": "/a b", "HTTP_ACCEPT": HTML_FIRST}
    answer = Request.blank("/x/y", environ=environ).get_response(app)
    assert answer.status_int == 404
    assert '<a href="/a%20b/start/" dir="auto">Home</a>' in answer.text
    assert "There is nothing at this URL." in answer.text
    [style] = re.findall(r'"/a%20b(/x/y\?format=css&amp;v=\w+)"', answer.text)
    css = Request.blank(style.replace("&amp;", "&"), environ=environ).get_response(app)
    assert (css.status_int, css.content_type) == (200, "text/css")
    for method in ("GET", "POST"):
        answer = Request.blank("/x", method=method, accept="application/json").get_response(app)
        assert (answer.status_int, answer.content_type) == (404, "application/problem+json")


def test_what_leads_nowhere_further_inside_has_a_way_home_too() -> None:
    app, home = lost()
    app.add("/start/", home, name="home")
    app.add("/inside/{place:word}", lambda *call: home.not_found(*call))
    request = Request.blank("/inside/nowhere", base_url="http://localhost/at", accept="text/html")
    assert 'href="/at/start/"' in request.get_response(app).text


def test_what_leads_nowhere_may_be_without_a_home() -> None:
    app, _home = lost()
    answer = Request.blank("/x", accept=HTML_FIRST).get_response(app)
    assert answer.status_int == 404
    assert '<span aria-current="page" dir="auto">Home</span>' in answer.text


def test_what_is_wrong_with_a_search_has_a_way_back() -> None:
    app, home = lost()
    app.add("/start/", home)
    answer = Request.blank("/start/?q=%ff", accept=HTML_FIRST).get_response(app)
    assert answer.status_int == 400
    assert '<a href="/start/" dir="auto">Home</a>' in answer.text


def test_a_database_that_is_reflected_has_a_way_home(tmp_path: Path) -> None:
    app = reflect(sa.create_engine(f"sqlite:///{tmp_path / 'd.db'}"))
    answer = Request.blank("/nowhere/", accept=HTML_FIRST).get_response(app)
    assert answer.status_int == 404
    assert '<a href="/" dir="auto">Home</a>' in answer.text


def test_there_is_no_way_to_the_home_page_on_itself() -> None:
    app = Dispatcher()
    app.add("/", Home(app, "World", HTML()), name="home")
    page = Client(app)("GET", "/", Accept="text/html").text
    assert "<h1" in page
    assert "<nav" not in page


def test_a_large_collection_is_counted_up_to_a_bound() -> None:
    class Endless(MemoryModel):
        def list(self, query: Query) -> Page:
            assert query.count == "bounded"
            assert query.limit == 1
            return Page([], count=10_000, count_exact=False)

    site = Site().add("endless", Endless([Field("id", "integer")]))
    assert site.told()["endless"]["count"] == {"n": 10_000, "exact": False}


def test_home_says_what_is_a_view_and_why_something_is_read_only(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT)")
        connection.exec_driver_sql("CREATE TABLE log (word TEXT)")
        connection.exec_driver_sql("CREATE VIEW names AS SELECT name FROM city")
    site = Site()
    for found in read_tables(engine):
        reason = "It is a view." if found.is_view else False
        site.add(found.name, TableModel(found.table, engine, read_only=reason))
    told = site.told()
    kinds = {name: (each["kind"], each["read_only"], each["note"]) for name, each in told.items()}
    assert kinds == {
        "city": ("table", "", ""),
        "log": ("table", "It has no primary key.", "read-only"),
        "names": ("view", "It is a view.", "read-only"),
    }


def test_a_model_may_be_read_only_without_a_reason(tmp_path: Path) -> None:
    def reader(request: Request, model: Any) -> Any:
        return model.restrict(read_only=True)

    told = Site().add("cities", table_cities(tmp_path), policy=reader).told()["cities"]
    assert (told["note"], told["read_only"]) == ("read-only", "read-only")


def test_a_database_that_is_reflected_shows_its_sizes(tmp_path: Path) -> None:
    model = table_cities(tmp_path)
    page = Client(reflect(model.engine))("GET", "/", Accept=HTML_FIRST)
    assert page.status_int == 200
    assert "cities" in page.text


# -- search ----------------------------------------------------------------------------------


def test_a_search_looks_into_all_collections(site: Site) -> None:
    context = site("/?q=land")
    assert context["search"] == {"url": "/", "value": "land"}
    assert context["results"] == [
        {
            "title": "cities",
            "url": "/cities/?q=land",
            "rows": [{"text": "Auckland", "url": "/cities/5"}],
            "count": {"n": 1, "exact": True},
        },
        {
            "title": "countries",
            "url": "/countries/?q=land",
            "rows": [
                {"text": "Switzerland", "url": "/countries/CH"},
                {"text": "New Zealand", "url": "/countries/NZ"},
            ],
            "count": {"n": 2, "exact": True},
        },
    ]


def test_a_search_shows_a_few_rows_and_leads_to_the_others(site: Site, model: Any) -> None:
    for _ in range(7):
        model.create({"name": "A & B"})
    [found] = site("/?q=+A+%26+")["results"]
    assert len(found["rows"]) == 5
    assert found["count"] == {"n": 5, "exact": False}
    assert found["url"] == "/cities/?q=A+%26"
    assert len(site(found["url"])["data"]) == 7


@pytest.mark.parametrize("query", ["", "?q=", "?q=+", "?x=1"])
def test_without_words_nothing_is_searched(site: Site, query: str) -> None:
    context = site(f"/{query}")
    assert context["results"] is None
    assert context["search"]["value"] == ""


def test_what_is_nowhere_is_not_found(site: Site) -> None:
    assert site("/?q=nowhere")["results"] == []


def test_where_nothing_can_be_searched_there_is_no_search() -> None:
    site = Site().add("numbers", MemoryModel([Field("id", "integer")]))
    context = site("/?q=1")
    assert (context["search"], context["results"]) == (None, None)


def test_only_what_can_be_searched_is(site: Site) -> None:
    site.add("numbers", MemoryModel([Field("id", "integer")]))
    assert [found["title"] for found in site("/?q=bern")["results"]] == ["cities"]


def test_a_search_that_a_collection_cannot_do_is_left_out(site: Site) -> None:
    site.add("words", MemoryModel([Field("id", "integer")]), title="Words")
    assert site("/?q=" + "%00")["results"] == []


def test_more_words_than_a_list_takes_are_not_looked_for(site: Site) -> None:
    assert site("/?q=" + "+".join(["land"] * 50))["results"] != []
    assert site("/?q=" + "+".join(["land"] * 51))["results"] == []


@pytest.mark.parametrize("query", ["q=%FF", "&".join("x=1" for _ in range(101))])
def test_a_query_that_cannot_be_read_is_a_problem(site: Site, query: str) -> None:
    assert site.ask("GET", f"/?{query}", Accept=HTML_FIRST).status_int == 400


# -- what the request may see ----------------------------------------------------------------


def only_nz(request: Request, model: Any) -> Any:
    if request.headers.get("X-Who") == "nobody":
        return None
    return model.restrict(rows=model.table.c.country == "NZ")


def test_home_is_as_narrow_as_the_policies(tmp_path: Path) -> None:
    model = table_cities(tmp_path)
    site = Site().add("cities", model, policy=only_nz).add("countries", model.follow("country"))
    assert site.told()["cities"]["count"] == {"n": 2, "exact": True}
    assert [found["title"] for found in site("/?q=bern")["results"]] == []
    site.ask("GET", "/?q=auck", Accept=HTML_FIRST, X_Who="nobody")
    told = {found["title"]: found for found in site.seen["collections"]}
    assert told["cities"]["count"] is None
    assert told["cities"]["href"] == "/cities/"
    assert told["countries"]["count"]["n"] == 2
    assert site.seen["results"] == []


def test_a_page_that_depends_on_who_asks_is_private(site: Site) -> None:
    assert "Cache-Control" not in site.ask("GET", "/", Accept=HTML_FIRST).headers
    site.add("mine", MemoryModel([Field("id")]),
             policy=lambda request, model: model)  # fmt: skip
    page = site.ask("GET", "/", Accept=HTML_FIRST)
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "Cache-Control" not in site.ask("GET", "/?format=json").headers


def test_what_is_wrapped_is_listed_and_not_looked_into(model: Any) -> None:
    site = Site()
    collection = ModelCollection(model, media=site.media)
    site.app.add("/cities/[{id:key}]", lambda e, s: collection(e, s), name="cities")
    told = site.told()["cities"]
    assert told == {
        "href": "/cities/",
        "title": "cities",
        "note": "",
        "kind": None,
        "count": None,
        "read_only": "",
        "searchable": False,
    }


# -- what cannot be told ---------------------------------------------------------------------


class Away(MemoryModel):
    def list(self, query: Query) -> Page:
        raise StoreError("It is away.")


def test_a_collection_that_cannot_be_read_leaves_the_page_as_it_is(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("away", Away([Field("id", "integer"), Field("name")], name="away"))
    told = site.told("/?q=bern")
    assert told["away"]["count"] is None
    assert told["cities"]["count"]["n"] == 5
    assert [found["title"] for found in site.seen["results"]] == ["cities"]
    assert "away cannot be counted" in caplog.text
    assert "away cannot be searched" in caplog.text


def test_home_does_not_wait_for_ever(model: Any) -> None:
    site = Site(patience=-1).add("cities", model)
    context = site("/?q=bern")
    assert context["collections"][0]["count"] is None
    assert context["search"] is None


def test_other_collections_have_no_size(tmp_path: Path) -> None:
    class People(Collection):
        def list(self, request: Request) -> Any:
            return []

    site = Site().add("plain", Plain(memory_cities(tmp_path)))
    site.app.add("/people/[{id:key}]", People(media=[JSON]), name="people")
    told = site.told()
    assert told["people"]["count"] is None
    assert told["people"]["note"] == "read-only"
    assert told["plain"]["count"] == {"n": 5, "exact": True}


def test_without_a_dispatcher_around_it_home_lists_without_sizes(model: Any) -> None:
    site = Site().add("cities", model)
    alone = Home(site.app, media=site.media[0])
    assert Request.blank("/").get_response(alone).status_int == 200
    assert site.seen["collections"][0]["count"] is None


# -- where they are mounted ------------------------------------------------------------------


def test_collections_further_in_are_counted(model: Any) -> None:
    site, inner = Site(), Dispatcher()
    inner.add("/cities/[{id:key}]", ModelCollection(model, media=site.media), name="cities")
    site.app.add("/in|", inner)
    assert site.told()["cities"]["count"]["n"] == 5
    context = site("/?q=bern")
    assert context["results"][0]["url"] == "/in/cities/?q=bern"
    assert context["results"][0]["rows"][0]["url"] == "/in/cities/1"


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "counted_views"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "people.py").write_text(
        "from wsgikit.media.json import JSON\n"
        "from wsgikit.model import Field, MemoryModel\n"
        "from wsgikit.model_collection import ModelCollection\n"
        "people = MemoryModel([Field('id', 'integer', required=False), Field('name')])\n"
        "people.create({'name': 'Ada'})\n"
        "app = ModelCollection(people, media=[JSON])\n"
    )
    (package / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("counted_views")]:
        del sys.modules[name]


@pytest.mark.usefixtures("views")
def test_views_found_by_name_are_counted_and_a_broken_one_is_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    deferred = DeferredCollection("counted_views")
    site.app.add("/{view:word}/[{id:key}][;{noun}]", deferred)
    told = site.told("/?q=ada")
    assert told["people"]["count"] == {"n": 1, "exact": True}
    assert told["broken"]["count"] is None
    assert "/broken/ cannot be found out" in caplog.text
    [found] = site.seen["results"]
    assert found["rows"] == [{"text": "Ada", "url": "/people/1"}]


def test_a_program_pays_nothing_for_it(site: Site) -> None:
    site.add("away", Away([Field("id", "integer"), Field("name")]))
    assert site.ask("GET", "/?format=json").json["resources"]["cities"]["href"] == "/cities/"
    site.ask("HEAD", "/", Accept=HTML_FIRST)
    assert site.seen == {}


def test_a_page_without_templates_shows_what_was_found() -> None:
    model = MemoryModel([Field("id", "integer", required=False), Field("name")])
    model.create({"name": "<Ada>"})
    app = Dispatcher()
    app.add("/", Home(app))
    app.add("/p/[{id:key}]", ModelCollection(model, media=[JSON], title="<People>"), name="p")
    page = Client(app)("GET", "/?q=%3Cada", Accept=HTML_FIRST).text
    assert '<a href="/p/?q=%3Cada">&lt;People&gt;</a>' in page
    assert "Found in" not in Client(app)("GET", "/?q=nobody", Accept=HTML_FIRST).text
