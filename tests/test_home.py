"""wsgikit.home: a page that links to what there is, and JSON Home for programs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from wsgikit.collection import Collection
from wsgikit.deferred import DeferredCollection
from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media import MediaType
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.views import view


class People(Collection):
    def list(self, request: Request) -> Any:
        return []

    def retrieve(self, request: Request, id: str) -> Any:
        return {"id": id}


class Inbox(Collection):
    def create(self, request: Request) -> Any:
        return None


@view
def hello(request: Request) -> str:
    return "Hello"


def ask(app: WSGIApplication, path: str = "/", *, method: str = "GET", **headers: str) -> Response:
    request = Request.blank(path, method=method)
    request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, as the validator demands
    return response


def links(app: WSGIApplication, path: str = "/") -> list[str]:
    """Give the targets of the links of the page, in order."""
    page = ask(app, path, Accept="text/html").text
    return [part.partition('"')[0] for part in page.split('<a href="')[1:]]


def resources(app: WSGIApplication, path: str = "/") -> dict[str, Any]:
    found: dict[str, Any] = ask(app, path, Accept="application/json-home").json["resources"]
    return found


def site() -> Dispatcher:
    app = Dispatcher()
    app.add("/", Home(app, title="Staff <&>"), name="home")
    return app


# -- what is listed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "app", "href", "hreftemplate"),
    [
        ("/hello", hello, "/hello", None),
        ("/people/[{id:key}][;{noun}]", People(media=[JSON]), "/people/", "/people/{id}"),
        ("/naïve people/", People(media=[JSON]), "/na%C3%AFve%20people/", None),
        ("/blog/{post_id:int}/", People(media=[JSON]), None, "/blog/{post_id}/"),
        ("/hello/{name}", hello, None, "/hello/{name}"),
        ("/search{?q,limit:3}", hello, "/search", "/search{?q,limit:3}"),
        ("/in/[{id:key}]", Inbox(media=[JSON]), None, None),
    ],
)
def test_what_can_be_reached_is_listed(
    template: str, app: Any, href: str | None, hreftemplate: str | None
) -> None:
    dispatcher = site()
    dispatcher.add(template, app, name="it")
    assert links(dispatcher) == ([] if href is None else [href])
    found = resources(dispatcher)
    assert [r["href"] for r in found.values() if "href" in r] == ([href] if href else [])
    templates = [r["hrefTemplate"] for r in found.values() if "hrefTemplate" in r]
    assert templates == ([hreftemplate] if hreftemplate else [])


def test_what_is_not_for_get_or_has_no_template_is_left_out() -> None:
    app = site()
    app.add("/only-post", POST=hello)
    app.add("/get-too", GET=hello, POST=hello)
    app.add_regex("/regex/(.*)", hello)
    assert links(app) == ["/get-too"]


def test_the_same_address_is_listed_once() -> None:
    app = site()
    app.add("/people/", GET=hello, name="first")
    app.add("/people/", GET=People(media=[JSON]))
    assert links(app) == ["/people/"]
    assert list(resources(app)) == ["first"]


def test_a_description_of_the_dispatcher_is_linked_and_not_listed() -> None:
    outer, app = Dispatcher(), site()
    app.add("/people/[{id:key}]", People(media=[JSON]), name="people")
    app.add("/api/[{version}]", OpenAPI(app))
    outer.add("/in|", app)
    assert links(outer, "/in/") == ["/in/people/"]
    response = ask(outer, "/in/", Accept="application/json-home")
    assert response.json["api"]["links"] == {"service-desc": "/in/api/"}
    assert response.headers["Link"] == '</in/api/>; rel="service-desc"'
    assert sorted(response.json["resources"]) == ["people", "people-item"]


def test_a_collection_without_nouns_has_no_url_for_its_schema() -> None:
    app = site()
    app.add("/people/[{id:key}]", ModelCollection(MemoryModel([Field("id")]), media=[JSON]))
    assert "describedBy" not in str(resources(app))


def test_mounted_dispatchers_are_followed() -> None:
    inner, innermost, app = Dispatcher(), Dispatcher(), site()
    innermost.add("/x", hello)
    inner.add("/people/[{id:key}]", People(media=[JSON]), name="people")
    inner.add("/deep|", innermost)
    app.add("/a b|", inner)
    app.add("/with/|", innermost)
    app.add("/of/{name}|", innermost)
    assert links(app) == ["/a%20b/people/", "/a%20b/deep/x", "/with/x"]
    assert ask(app, "/with/x").text == "Hello"
    templates = [r["hrefTemplate"] for r in resources(app).values() if "hrefTemplate" in r]
    assert templates == ["/a%20b/people/{id}", "/of/{name}/x"]


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "home_views").mkdir()
    for name in ("__init__", "fred", "broken", "_private"):
        (tmp_path / f"home_views/{name}.py").write_text(
            "raise ValueError" if name == "broken" else ""
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("home_views", None)


@pytest.mark.usefixtures("views")
def test_views_are_listed_by_name_and_not_imported() -> None:
    app = site()
    app.add("/{view:word}/[{id:key}][;{noun}]", DeferredCollection("home_views"))
    app.add("/other/{name}/", DeferredCollection("home_views"))
    assert links(app) == ["/broken/", "/fred/"]
    assert resources(app) == {"broken": {"href": "/broken/"}, "fred": {"href": "/fred/"}}


def test_a_collection_is_called_by_its_title() -> None:
    app = site()
    people = MemoryModel([Field("id", "integer")])
    app.add("/p/[{id:key}]", ModelCollection(people, media=[JSON], title="Our <people>"))
    page = ask(app, Accept="text/html").text
    assert "Our &lt;people&gt;" in page


def test_what_cannot_be_written_says_so() -> None:
    app = site()
    people = MemoryModel([Field("id", "integer", required=False)])
    app.add("/read/", People(media=[JSON]))
    app.add("/write/", ModelCollection(people, media=[JSON]))
    app.add("/view/", hello)
    items = ask(app, Accept="text/html").text.split("<li>")[1:]
    assert ["read-only" in item for item in items] == [True, False, False]


# -- the page ------------------------------------------------------------------------------


def test_without_any_pages_there_is_a_plain_one() -> None:
    response = ask(site(), Accept="text/html")
    assert response.status_code == 200
    assert response.content_type == "text/html"
    assert "<h1>Staff &lt;&amp;&gt;</h1>" in response.text


def test_the_page_is_rendered_as_those_of_the_first_collection_with_pages() -> None:
    app = site()
    app.add("/programs/", People(media=[JSON]))
    app.add("/people/", People(media=[JSON, HTML()]))
    page = ask(app, Accept="text/html").text
    assert '<link rel="stylesheet" href="/?format=css' in page
    assert "Staff &lt;&amp;&gt;</h1>" in page
    style = page.partition('stylesheet" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert ask(app, style).content_type == "text/css"


def test_the_page_can_have_a_template_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "home.html").write_text(
        '<ul xmlns:py="http://genshi.edgewall.org/"><li py:for="c in collections">'
        "$title: ${c['title']} at ${c['href']}</li></ul>"
    )
    app = Dispatcher()
    app.add("/", Home(app, title="Staff", media=HTML(tmp_path)))
    app.add("/hello", hello, name="greeting")
    assert "<li>Staff: greeting at /hello</li>" in ask(app, Accept="text/html").text


def test_an_application_without_pages_may_have_none() -> None:
    app = Dispatcher()
    app.add("/", Home(app, media=[]))
    assert ask(app).content_type == "application/json-home"
    assert ask(app, Accept="text/html").status_code == 406


# -- JSON Home -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/", "text/html", "text/html"),
        ("/", "", "text/html"),
        ("/", "application/json-home", "application/json-home"),
        ("/", "application/json", "application/json"),
        ("/?format=json", "text/html", "application/json"),
    ],
)
def test_the_representation_is_negotiated(path: str, accept: str, content_type: str) -> None:
    response = ask(site(), path, Accept=accept)
    assert (response.status_code, response.content_type) == (200, content_type)
    assert response.vary == ("Accept",)


def test_json_home_describes_items_methods_and_formats() -> None:
    app = site()
    people = MemoryModel([Field("id", "integer", required=False)])
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(people, media=[JSON]), name="people")
    app.add("/parse/", People(media=[MediaType("text/x", parser=len)]), name="parse")
    document = ask(app, "http://example.org/?format=json").json
    assert document == {
        "api": {"title": "Staff <&>"},
        "resources": {
            "people": {
                "href": "/people/",
                "hints": {
                    "allow": ["GET", "QUERY", "POST"],
                    "formats": {"application/json": {}},
                    "describedBy": "/people/;schema",
                },
            },
            "parse": {"href": "/parse/", "hints": {"allow": ["GET"]}},
            "people-item": {
                "hrefTemplate": "/people/{id}",
                "hrefVars": {"id": "http://example.org/#id"},
                "hints": {
                    "allow": ["GET", "PUT", "PATCH", "DELETE"],
                    "formats": {"application/json": {}},
                    "describedBy": "/people/;schema",
                },
            },
        },
    }


def test_names_that_collide_stay_apart() -> None:
    app = site()
    app.add("/a/[{id:key}]", People(media=[JSON]), name="a")
    app.add("/b/", hello, name="a-item")
    inner = Dispatcher()
    inner.add("/c", hello, name="a")
    app.add("/in|", inner)
    found = resources(app)
    assert {name: r.get("href", r.get("hrefTemplate")) for name, r in found.items()} == {
        "a": "/a/",
        "a-item": "/b/",
        "a-": "/in/c",
        "a-item-": "/a/{id}",
    }


def test_all_variables_of_a_template_are_described() -> None:
    app = site()
    app.add("/x/{a}{/b*}{?c,d:3}", hello)
    (found,) = resources(app).values()
    assert list(found["hrefVars"]) == ["a", "b", "c", "d"]


# -- where it is ---------------------------------------------------------------------------


def test_links_hold_where_the_dispatcher_is_mounted() -> None:
    app, outer = site(), Dispatcher()
    app.add("/people/", People(media=[JSON]))
    outer.add("/in tern/{lang:word}|", app)
    assert links(outer, "/in%20tern/en/") == ["/in%20tern/en/people/"]
    request = Request.blank("/", environ={"SCRIPT_NAME": "/mo\xc3\xa4unt"})
    assert 'href="/mo%C3%A4unt/people/"' in request.get_response(app).text


def test_home_can_stand_anywhere() -> None:
    app = Dispatcher()
    app.add("/people/", People(media=[JSON]))
    app.add("/{lang}/start", Home(app))
    assert links(app, "/en/start") == ["/people/"]
    alone = Home(app)
    request = Request.blank("/", environ={"SCRIPT_NAME": "/a b"})
    assert 'href="/a%20b/people/"' in request.get_response(alone).text


def test_home_inside_a_wrapper_finds_its_place() -> None:
    app, outer = Dispatcher(), Dispatcher()
    home = Home(app)
    app.add("/", lambda environ, start_response: home(environ, start_response))
    app.add("/people/", People(media=[JSON]))
    outer.add("/mounted|", app)
    assert "/mounted/people/" in links(outer, "/mounted/")


# -- methods -------------------------------------------------------------------------------


def test_head_has_no_body() -> None:
    response = ask(site(), method="HEAD")
    assert (response.status_code, response.body) == (200, b"")


def test_options_tells_the_methods() -> None:
    response = ask(Home(Dispatcher()), method="OPTIONS")
    assert (response.status_code, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_other_methods_are_405(accept: str) -> None:
    response = ask(site(), method="POST", Accept=accept)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "405" in response.text


@pytest.mark.parametrize("path", ["/?format=xml", "/?format=%ff", "/?format=json&format=html"])
def test_a_bad_query_is_a_problem(path: str) -> None:
    response = ask(site(), path, Accept="application/json")
    assert response.status_code in (400, 406)
    assert response.content_type == "application/problem+json"


def test_an_application_below_an_open_end_is_listed_if_it_has_a_name() -> None:
    app = Dispatcher()
    app.add("/", Home(app))
    app.add("/static|", hello)
    app.add("/other|", hello, name="other")
    assert links(app) == ["/other"]
