"""wsgikit.openapi: a valid document, of all that there is and nothing that there is not."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
import sqlalchemy as sa
from openapi_spec_validator import validate
from sqlalchemy.pool import StaticPool
from webob import Request, Response
from webob.exc import HTTPUnauthorized

from tests.described import Counter, Plain, demo_app, every_kind, hello
from wsgikit.deferred import DeferredCollection
from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media import MediaType
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel, Reference
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.openapi.components import references
from wsgikit.openapi.places import to_path
from wsgikit.reflect import reflect
from wsgikit.sql import TableModel


def ask(app: WSGIApplication, path: str = "/openapi.json", **options: Any) -> Response:
    response = Request.blank(path, **options).get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


def document(app: WSGIApplication, path: str = "/openapi.json", **options: Any) -> Any:
    """Give the document; its validity is tested once for each kind of thing."""
    response = ask(app, path, **options)
    assert response.status_int == 200
    return json.loads(response.body)


def described(*routes: tuple[str, Any] | tuple[str, str, Any], **methods: Any) -> Any:
    """Give the document of a dispatcher of these routes."""
    app = Dispatcher()
    app.add("/openapi.json", OpenAPI(app))
    app.add_all(routes)
    return document(app)


def operations(found: Any) -> dict[str, list[str]]:
    """Give the methods of each path."""
    return {
        path: [name for name in item if name != "parameters"]
        for path, item in found["paths"].items()
    }


def people(**options: Any) -> ModelCollection:
    model = MemoryModel([Field("id", "integer", has_default=True), Field("name")], name="people")
    return ModelCollection(model, **{"media": [JSON], **options})


TEMPLATE = "/people/[{id:key}][;{noun}]"


# -- the answer ------------------------------------------------------------------------------


def test_the_document_says_what_it_is() -> None:
    app = Dispatcher()
    api = OpenAPI(app, title="Staff", version="7", description="All *of* us.")
    app.add("/openapi.json", api)
    found = document(app)
    assert found["openapi"] == "3.1.1"
    assert found["info"] == {"title": "Staff", "version": "7", "description": "All *of* us."}
    assert found["servers"] == [{"url": "/"}]
    assert found["paths"] == {}
    assert document(app, "/openapi.json?openapi=3.1") == found
    assert json.loads(ask(app, "/openapi.json?openapi=3.2").body)["openapi"] == "3.2.0"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/openapi+json"),
        ("application/json", "application/json"),
        ("application/openapi+json", "application/openapi+json"),
    ],
)
def test_it_is_served_as_what_is_wanted(accept: str, content_type: str) -> None:
    app = Dispatcher()
    app.add("/api", OpenAPI(app))
    response = ask(app, "/api", accept=accept)
    assert (response.status_int, response.content_type) == (200, content_type)
    assert response.vary == ("Accept",)
    assert ask(app, "/api?format=json").content_type == "application/json"


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/api?openapi=4", {}, 400),
        ("/api?openapi=%ff", {}, 400),
        ("/api?format=html", {}, 406),
        ("/api", {"accept": "text/html"}, 406),
        ("/api", {"method": "POST"}, 405),
        ("/api", {"method": "OPTIONS"}, 204),
        ("/api", {"method": "HEAD"}, 200),
    ],
)
def test_anything_else_is_refused(path: str, options: Any, status: int) -> None:
    app = Dispatcher()
    app.add("/api", OpenAPI(app))
    response = ask(app, path, **options)
    assert response.status_int == status
    if status in (204, 405):
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_client_can_ask_whether_it_changed() -> None:
    app = Dispatcher()
    app.add("/api", OpenAPI(app))
    app.add(TEMPLATE, people())
    tag = ask(app, "/api").headers["ETag"]
    assert ask(app, "/api", headers={"If-None-Match": tag}).status_int == 304
    assert ask(app, "/api?openapi=3.2").headers["ETag"] != tag


def test_it_is_prepared_once_but_for_where_it_is_mounted() -> None:
    inner, outer = Dispatcher(), Dispatcher()
    api = OpenAPI(inner)
    inner.add("/api", api)
    inner.add(TEMPLATE, people())
    outer.add("/{version}|", inner)
    first = document(outer, "/v1/api", base_url="http://localhost/app%20x")
    assert first["servers"] == [{"url": "/app%20x/v1"}]
    inner.add("/later", hello)  # the first request was there already
    second = document(outer, "/v2/api")
    assert second["servers"] == [{"url": "/v2"}]
    assert second["paths"] == first["paths"]


# -- what is valid -----------------------------------------------------------------------------


def several() -> Dispatcher:
    """Give dispatchers within one another, plain collections, views and others."""
    inner, innermost, app = Dispatcher(), Dispatcher(), Dispatcher()
    innermost.add("/x/{y:int}", Counter())
    inner.add("/people/[{id:key}][;{noun}]", people(bulk_limit=5, require_match=True))
    inner.add("/deep/|", innermost)
    app.add("/in/{place}|", inner)
    app.add("/plain/[{id:key}][;{noun}]", Plain([JSON]), name="plain")
    app.add("/hello/[{name:alpha}]{?loud}", hello)
    app.add("/other", Response("x"))
    app.add("/openapi.json", OpenAPI(app))
    return app


# The validator takes its time, so the large ones are checked in one version.
@pytest.mark.parametrize(
    ("make", "version"),
    [
        (demo_app, "3.2"),
        (every_kind, "3.1"),
        (several, "3.1"),
        (several, "3.2"),
        (lambda: reflect(odd(), write=True), "3.1"),
    ],
)
def test_the_document_is_valid(make: Any, version: str) -> None:
    validate(document(make(), f"/openapi.json?openapi={version}"))


# -- what is described -----------------------------------------------------------------------


def test_the_demo_is_described() -> None:
    found = document(demo_app())
    assert found["info"]["title"] == "Airports of the world"
    assert {"/airports/", "/airports/{id}", "/airports/;schema", "/countries/"} <= {*found["paths"]}
    rows = found["components"]["schemas"]["airports"]
    assert "Refers to countries by its code." in rows["properties"]["country"]["description"]


def test_columns_of_every_kind_are_described() -> None:
    found = document(every_kind())
    assert operations(found)["/log/"] == ["get", "x-query"]  # it has no key
    assert operations(found)["/totals/"] == ["get", "x-query"]  # a view
    assert "/totals/{id}" not in found["paths"]


ODD = ["order item", "{x}[y]ß|", "openapi", "Problem"]


def odd() -> sa.Engine:
    """Give a database with names that a document could trip over."""
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        for name in ODD:
            columns = '"limit" INTEGER PRIMARY KEY, "ß ,{" BLOB'
            connection.exec_driver_sql(f'CREATE TABLE "{name}" ({columns})')
    return engine


def test_a_database_with_odd_names_is_described() -> None:
    app = reflect(odd(), write=True)
    found = document(app)
    lists = [path for path in found["paths"] if path.endswith("/") and path != "/"]
    assert len(lists) == len(ODD)
    schemas = found["components"]["schemas"]
    assert {"order_item", "_x_y_", "openapi", "Problem", "Problem_2"} <= {*schemas}
    for path in lists:
        assert ask(app, f"{path}?format=json").status_int == 200


def test_every_component_is_used_and_every_reference_has_one() -> None:
    found = document(every_kind())
    known = {(kind, name) for kind, some in found["components"].items() for name in some}
    assert {*references(found)} == known


def test_components_have_names_of_their_own() -> None:
    found = described(("/a/[{id}]", "a.page", people()), ("/b/[{id}]", "a", people()))
    assert {"a.page", "a.page.page", "a_2", "a_2.page"} <= {*found["components"]["schemas"]}


def test_operations_have_ids_of_their_own() -> None:
    found = document(every_kind())
    ids = [
        operation["operationId"]
        for item in found["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))
    assert {"list_kinds", "retrieve_kinds", "query_kinds", "get_schema_kinds"} <= {*ids}


# -- where it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "paths"),
    [
        (TEMPLATE, ["/people/", "/people/;schema", "/people/{id}"]),
        ("/people/[{id:key}]", ["/people/", "/people/{id}"]),
        ("/people/", ["/people/"]),
        ("/people/{id:key}", ["/people/{id}"]),
        ("/people[/{id}][.{noun}]", ["/people", "/people.schema", "/people/{id}"]),
        ("/in/{place}/[{id}]", ["/in/{place}/", "/in/{place}/{id}"]),
        ("/naïve/[{id}]", ["/na%C3%AFve/", "/na%C3%AFve/{id}"]),
        ("/short/[{noun:digits}]", ["/short/"]),
    ],
)
def test_a_collection_is_where_its_template_says(template: str, paths: Sequence[str]) -> None:
    assert sorted(described((template, people()))["paths"]) == sorted(paths)


@pytest.mark.parametrize(
    ("template", "path", "names"),
    [
        ("/a/{b}", "/a/{b}", ["b"]),
        ("/a/{b:3}/{c*}", "/a/{b}/{c}", ["b", "c"]),
        ("/a{/b,c}", "/a/{b}/{c}", ["b", "c"]),
        ("/a{.b}", "/a.{b}", ["b"]),
        ("/a{;b,c}", "/a;b={b};c={c}", ["b", "c"]),
        ("/{+a}", "/{a}", ["a"]),
        ("/{a,b}", "/{a},{b}", ["a", "b"]),
        ("/a{?b}{&c}{#d}", "/a", []),
    ],
)
def test_a_template_becomes_a_path(template: str, path: str, names: list[str]) -> None:
    assert to_path(template) == (path, tuple(names))


def test_variables_are_described_by_their_ranges() -> None:
    found = described(
        ("/{a:int}/{b:uuid}/{c:date}/{d:number}/{e}/{:word}[/{id:int}]", Plain([JSON]))
    )
    (path,) = [path for path in found["paths"] if path.endswith("/{id}")]
    kinds = {p["name"]: p["schema"] for p in found["paths"][path]["parameters"]}
    assert kinds == {
        "a": {"type": "integer"}, "b": {"type": "string", "format": "uuid"},
        "c": {"type": "string", "format": "date"}, "d": {"type": "number"},
        "e": {"type": "string"}, "0": {"type": "string"}, "id": {"type": "integer"},
    }  # fmt: skip


def test_mounted_dispatchers_are_followed() -> None:
    inner, innermost, app = Dispatcher(), Dispatcher(), Dispatcher()
    innermost.add("/x", hello)
    inner.add(TEMPLATE, people())
    inner.add("/deep/|", innermost)
    app.add("/in/{place}|", inner)
    app.add("/gets|", GET=innermost)
    app.add("/posts|", POST=innermost, GET=lambda environ, start_response: [])
    app.add("/foreign|", hello)
    app.add("/openapi.json", OpenAPI(app))
    assert operations(document(app)) == {
        "/in/{place}/people/": ["get", "x-query", "post"],
        "/in/{place}/people/{id}": ["get", "put", "patch", "delete"],
        "/in/{place}/people/;schema": ["get"],
        "/in/{place}/deep/x": ["get"],
        "/gets/x": ["get"],
        "/posts/x": ["post"],
    }


def test_routes_that_exclude_each_other_lead_nowhere() -> None:
    inner, app = Dispatcher(), Dispatcher()
    inner.add("/x", GET=hello)
    app.add("/in|", POST=inner)
    app.add("/openapi.json", OpenAPI(app))
    assert document(app)["paths"] == {}


def test_of_two_for_the_same_request_the_first_counts() -> None:
    found = described(("/a/{b}", Plain([JSON])), ("/a/{c:int}", Counter()), ("/a/[{id}]", people()))
    assert operations(found) == {"/a/{b}": ["get", "post", "put", "patch", "delete"],
                                 "/a/": ["get", "x-query", "post"]}  # fmt: skip
    assert found["paths"]["/a/{b}"]["parameters"][0]["name"] == "b"


def test_deferred_views_are_imported_to_be_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "oa_views"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "fred.py").write_text("from tests.test_openapi import people\napp = people()\n")
    (package / "broken.py").write_text("raise RuntimeError('no')")
    monkeypatch.syspath_prepend(tmp_path)
    app = Dispatcher()
    app.add("/{view:word}/[{id:key}][;{noun}]", DeferredCollection("oa_views"))
    app.add("/openapi.json", OpenAPI(app))
    found = document(app)
    assert sorted(found["paths"]) == ["/fred/", "/fred/;schema", "/fred/{id}"]
    assert "fred" in found["components"]["schemas"]


# -- model collections -------------------------------------------------------------------------


def operation(found: Any, path: str, method: str) -> Any:
    return found["paths"][path][method]


def statuses(operation: Any) -> list[int]:
    return sorted(map(int, operation["responses"]))


def test_reading_is_described() -> None:
    found = described((TEMPLATE, people(media=[HTML(), JSON])))
    listing = operation(found, "/people/", "get")
    assert [p["name"] for p in listing["parameters"]][:3] == ["id", "id__ne", "id__lt"]
    assert statuses(listing) == [200, 400, 406, 500, 503]
    answer = listing["responses"]["200"]
    assert answer["content"] == {
        "text/html": {"schema": {"type": "string"}},
        "application/json": {"schema": {"$ref": "#/components/schemas/people.page"}},
    }
    assert answer["headers"]["Link"]["required"] is True
    one = operation(found, "/people/{id}", "get")
    assert statuses(one) == [200, 304, 400, 404, 406, 500, 503]
    assert one["responses"]["200"]["headers"]["ETag"]["required"] is True
    assert found["paths"]["/people/{id}"]["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    ]
    refusal = found["components"]["responses"]["NotFound"]["content"]
    assert set(refusal) == {"application/problem+json", "text/html"}


def test_a_query_in_a_body_is_an_extension_of_3_1_and_an_operation_of_3_2() -> None:
    app = Dispatcher()
    app.add("/openapi.json", OpenAPI(app))
    app.add(TEMPLATE, people())
    old, new = document(app), json.loads(ask(app, "/openapi.json?openapi=3.2").body)
    assert old["paths"]["/people/"]["x-query"] == new["paths"]["/people/"]["query"]
    conditions = old["components"]["schemas"]["people.conditions"]["properties"]
    assert conditions["not"] == {"$ref": "#/components/schemas/people.conditions"}


def test_writing_is_described() -> None:
    found = described((TEMPLATE, people(media=[HTML(), JSON], require_match=True)))
    creation = operation(found, "/people/", "post")
    assert set(creation["requestBody"]["content"]) == {
        "application/x-www-form-urlencoded", "multipart/form-data", "application/json",
    }  # fmt: skip
    assert statuses(creation) == [
        200, 201, 303, 400, 403, 405, 406, 409, 411, 412, 413, 415, 422, 500, 503,
    ]  # fmt: skip
    change = operation(found, "/people/{id}", "patch")
    assert set(change["requestBody"]["content"]) >= {
        "application/merge-patch+json", "application/json-patch+json", "application/json",
    }  # fmt: skip
    assert {404, 412, 428} <= {*statuses(change)}
    headers = {p["$ref"].rpartition("/")[2] for p in change["parameters"] if "$ref" in p}
    assert headers == {"If-Match", "If-None-Match", "Prefer"}
    replacement = operation(found, "/people/{id}", "put")
    assert 201 in statuses(replacement)
    assert operation(found, "/people/{id}", "delete")["responses"]["204"]
    assert operation(found, "/people/;new_form", "get")
    assert (
        "428" not in operation(described((TEMPLATE, people())), "/people/{id}", "put")["responses"]
    )


def test_options_show_in_the_description() -> None:
    plain = described((TEMPLATE, people()))
    assert "/people/;import" not in plain["paths"]
    assert "patch" not in plain["paths"]["/people/"]
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    columns = [sa.Column("photo", sa.LargeBinary(5)), sa.Column("_x", sa.LargeBinary)]
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    model = TableModel(table, engine)
    keys = MemoryModel([Field("key")], key=("key",))
    collection = ModelCollection(
        model, media=[HTML(), JSON], bulk_limit=5, idempotency=keys, allow_cross_origin=True
    )
    found = described((TEMPLATE, "staff", collection))
    assert operations(found)["/people/"] == ["get", "x-query", "post", "patch", "delete"]
    deletion = operation(found, "/people/", "delete")
    (everything,) = [p for p in deletion["parameters"] if p.get("name") == "limit"]
    assert everything["schema"] == {"const": "all"}
    assert 412 in statuses(deletion)
    empty = [p["name"] for p in deletion["parameters"] if "allowEmptyValue" in p]
    assert empty == ["format"]
    creation = operation(found, "/people/", "post")
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in creation["parameters"]
    files = creation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    binary = {"contentMediaType": "application/octet-stream"}
    assert (files["photo"], files["__x"]) == (binary, binary)
    assert "staff.new-form" in found["components"]["schemas"]


def test_a_read_only_model_has_nothing_that_writes() -> None:
    model = MemoryModel([Field("id", "integer")])
    model.read_only = True  # type: ignore[misc]
    found = described((TEMPLATE, ModelCollection(model, media=[HTML(), JSON])))
    assert operations(found) == {
        "/people/": ["get", "x-query"], "/people/{id}": ["get"], "/people/;schema": ["get"],
    }  # fmt: skip


def test_a_store_of_single_rows_takes_single_rows() -> None:
    class Single:
        """A model of the six verbs, and no more."""

        fields = (Field("id", "integer", has_default=True), Field("name"))
        key = ("id",)

    found = described((TEMPLATE, ModelCollection(Single(), media=[JSON])))
    creation = operation(found, "/people/", "post")
    schema = creation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/collection.create"}
    assert "200" not in creation["responses"]


def test_nouns_of_ones_own_are_described_by_their_docstrings() -> None:
    class People(ModelCollection):
        def post_promotion(self, request: Request, id: str, **urlvars: Any) -> Any:
            """Promote somebody.

            One step up.
              Two if they
              are lucky.

            Raises:
                HTTPConflict: For programmers.
            """

    model = MemoryModel([Field("id", "integer")])
    found = described((TEMPLATE, People(model, media=[JSON])))
    promotion = operation(found, "/people/{id};promotion", "post")
    assert promotion["summary"] == "Promote somebody."
    assert promotion["description"] == "One step up.\n  Two if they\n  are lucky."
    assert promotion["requestBody"] == {"content": {"application/json": {}}}


def test_what_a_class_says_of_itself_is_for_programmers() -> None:
    home = operation(described(("/", Home(Dispatcher()))), "/", "get")
    assert not {"summary", "description"} & home.keys()


def test_embedding_needs_a_model_that_follows() -> None:
    class Following(MemoryModel):
        def follow(self, name: str) -> Any:
            return self

    fields = [Field("id", "integer"), Field("up", "integer", references=Reference("x", "id"))]
    found = described((TEMPLATE, ModelCollection(Following(fields), media=[JSON])))
    listed = found["components"]["schemas"]["memory.listed"]["properties"]["up"]
    assert listed["anyOf"][1]["description"] == "The row itself, with embed=up."


# -- policies ----------------------------------------------------------------------------------


class Narrow(MemoryModel):
    """A model whose field `name` can be hidden."""

    def without_names(self) -> "Narrow":
        return Narrow([field for field in self.fields if field.name != "name"], name=self.name)


def by_user(request: Request, model: Narrow) -> Narrow | None:
    if request.remote_user == "boss":
        return model
    if request.remote_user is None:
        raise HTTPUnauthorized()
    return model.without_names() if request.remote_user == "staff" else None


def test_what_a_policy_hides_is_not_described() -> None:
    model = Narrow([Field("id", "integer"), Field("name")], name="people")
    app = Dispatcher()
    app.add("/openapi.json", OpenAPI(app))
    app.add(TEMPLATE, ModelCollection(model, media=[JSON], policy=by_user))
    app.add("/open/[{id}]", people())

    def seen(user: str | None) -> Any:
        environ = {} if user is None else {"REMOTE_USER": user}
        response = ask(app, environ=environ)
        assert response.headers["Cache-Control"] == "private, no-store"
        return document(app, environ=environ)

    assert "name" in seen("boss")["components"]["schemas"]["people"]["properties"]
    assert "name" not in seen("staff")["components"]["schemas"]["people"]["properties"]
    assert "401" in seen("staff")["paths"]["/people/"]["get"]["responses"]
    for nobody in ("guest", None):
        assert sorted(seen(nobody)["paths"]) == ["/open/", "/open/{id}"]
    assert "name__ne" not in str(seen("staff")["paths"]["/people/"])


# -- other applications ------------------------------------------------------------------------


def test_a_plain_collection_is_described_as_far_as_it_is_known() -> None:
    text = MediaType("text/x; charset=utf-8", len, len)
    found = described(("/plain/[{id:key}][;{noun}]", "plain", Plain([text])))
    assert operations(found) == {
        "/plain/": ["get"], "/plain/{id}": ["get"], "/plain/{id};comment": ["post"],
    }  # fmt: skip
    listing = operation(found, "/plain/", "get")
    assert listing == {
        "operationId": "list_plain",
        "summary": "Give all of them.",
        "description": "There are none.",
        "responses": listing["responses"],
    }
    assert listing["responses"]["2XX"]["content"] == {"text/x": {}}
    assert set(listing["responses"]["default"]["content"]) == {
        "application/problem+json", "text/html",
    }  # fmt: skip
    assert "requestBody" not in listing
    comment = operation(found, "/plain/{id};comment", "post")
    assert comment["requestBody"] == {"content": {"text/x; charset=utf-8": {}}}


def test_views_are_described_by_their_methods() -> None:
    app = Dispatcher()
    app.add("/openapi.json", OpenAPI(app))
    app.add("/hello/[{name:alpha}]{?loud}", hello, name="hello")
    app.add("/counter/", Counter())
    app.add("/both", GET=hello, DELETE=hello, TRACE=hello)
    found = document(app)
    assert operations(found) == {
        "/hello/": ["get"], "/hello/{name}": ["get"], "/counter/": ["get", "post"],
        "/both": ["get", "delete"],
    }  # fmt: skip
    greeting = operation(found, "/hello/", "get")
    assert greeting["summary"] == "Greet somebody."
    assert greeting["parameters"] == [{"name": "loud", "in": "query", "schema": {"type": "string"}}]
    assert greeting["operationId"] == "get_hello"
    assert operation(found, "/hello/{name}", "get")["operationId"] == "get_hello_2"
    counter = operation(found, "/counter/", "get")
    assert (counter["operationId"], counter["summary"]) == ("get_counter", "Tell the number.")


def test_any_application_is_described_by_its_path() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response("x")(environ, start_response)

    found = described(("/", app), ("/x", Response("y")))
    assert operations(found) == {"/": ["get"], "/x": ["get"]}
    assert operation(found, "/", "get")["operationId"] == "get_root"
    assert "content" not in operation(found, "/", "get")["responses"]["2XX"]


def test_a_regular_expression_is_left_out() -> None:
    app = Dispatcher()
    app.add_regex("/x(.*)", hello)
    app.add("/openapi.json", OpenAPI(app))
    assert document(app)["paths"] == {}
