"""examples/redis_model.py: a collection over a real Redis server, by HTTP and in a browser."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as HTTPRequest
from urllib.request import urlopen
from wsgiref.types import WSGIApplication

import pytest
from redis import Redis
from webob import Request, Response

from examples.redis_model import RedisModel, make_app
from tests.redis_server import Valkey, valkey
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.json import JSON
from wsgikit.model import Field
from wsgikit.model_collection import ModelCollection

HTML = {"accept": "text/html"}
DUNE = {"title": "Dune", "year": 1984, "rating": "6.5", "seen": "2026-01-31"}


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def app(redis_server: Valkey) -> WSGIApplication:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return make_app(redis_server.url)


Ask = Callable[..., Response]


@pytest.fixture
def ask(app: WSGIApplication) -> Ask:
    def ask(method: str, path: str, json: Any = None, **rest: Any) -> Response:
        rest.setdefault("accept", "application/json")
        if json is not None:
            rest |= {"json": json, "content_type": "application/json"}
        return Request.blank(path, method=method, **rest).get_response(app)

    return ask


def test_a_row_comes_back_as_it_was_sent(ask: Ask) -> None:
    created = ask("POST", "/films/", DUNE)
    assert created.status_int == 201
    assert created.headers["Location"] == "http://localhost/films/1"
    assert created.json == {"id": 1, **DUNE}
    assert ask("GET", "/films/1").json == {"id": 1, **DUNE}
    assert ask("POST", "/films/", {"title": "Alien"}).json["id"] == 2


def test_what_does_not_fit_is_refused_with_every_mistake(ask: Ask) -> None:
    refused = ask("POST", "/films/", {"year": 1800, "rating": "6.55", "stars": 5, "id": 7})
    assert refused.status_int == 422
    assert {(error["pointer"], error["code"]) for error in refused.json["errors"]} == {
        ("/id", "read_only"),
        ("/title", "required"),
        ("/year", "range"),
        ("/rating", "range"),
        ("/stars", "unknown"),
    }
    assert ask("GET", "/films/").json["data"] == []


def test_rows_are_filtered_sorted_counted_and_paged(ask: Ask) -> None:
    for number in range(7):
        ask("POST", "/films/", {"title": f"Film {number}", "year": 1980 + number})
    page = ask("GET", "/films/?year__gte=1982&sort=-year&limit=3&count=1").json
    assert [row["year"] for row in page["data"]] == [1986, 1985, 1984]
    assert page["count"] == 5
    rest = ask("GET", page["next"]).json
    assert [row["year"] for row in rest["data"]] == [1983, 1982]
    assert rest["next"] is None
    assert [row["id"] for row in ask("GET", "/films/?q=film+3").json["data"]] == [4]
    export = ask("GET", "/films/?limit=all&format=csv&fields=title&year=1980").text
    assert export == "title\r\nFilm 0\r\n"
    assert ask("GET", "/films/?stars=5").status_int == 400


def test_rows_are_changed_and_removed(ask: Ask) -> None:
    ask("POST", "/films/", DUNE)
    assert ask("PATCH", "/films/1", {"rating": "7"}).json["rating"] == "7"
    assert ask("PUT", "/films/1", {"title": "Dune II"}).json["year"] is None
    assert ask("DELETE", "/films/1").status_int == 204
    assert ask("GET", "/films/").json["data"] == []
    for method, body in [("GET", None), ("PATCH", {"year": 2000}), ("DELETE", None)]:
        assert ask(method, "/films/1", body).status_int == 404


def test_a_version_that_has_changed_is_not_written_over(ask: Ask) -> None:
    ask("POST", "/films/", DUNE)
    seen = ask("GET", "/films/1").headers["ETag"]
    assert ask("GET", "/films/1", headers={"If-None-Match": seen}).status_int == 304
    assert ask("PATCH", "/films/1", {"year": 2021}, headers={"If-Match": seen}).status_int == 200
    assert ask("PATCH", "/films/1", {"year": 2022}, headers={"If-Match": seen}).status_int == 412
    assert ask("DELETE", "/films/1", headers={"If-Match": seen}).status_int == 412
    assert ask("GET", "/films/1").json["year"] == 2021


def test_keys_may_be_given_and_are_taken_once(redis_server: Valkey) -> None:
    with Redis.from_url(redis_server.url) as client:
        fields = [
            Field("code", nullable=False, required=True),
            Field("day", "date", nullable=False, required=True),
        ]
        model = RedisModel("days", fields, client, key=("code", "day"))
        app = Dispatcher()
        app.add("/days/[{id:key}][;{noun}]", ModelCollection(model, media=[JSON]))
        post = Request.blank("/days/", json={"code": "a/b", "day": "2026-02-03"}, method="POST")
        post.content_type = "application/json"
        created = post.copy().get_response(app)
        assert created.headers["Location"] == "http://localhost/days/a~2Fb,2026-02-03"
        assert post.copy().get_response(app).status_int == 409


def test_forms_write_too(ask: Ask) -> None:
    form = ask("GET", "/films/;new_form", **HTML)
    assert re.findall('id="field-([a-z]+)"', form.text) == ["title", "year", "rating", "seen"]
    again = ask("POST", "/films/", POST={"title": "", "year": "soon"}, **HTML)
    assert again.status_int == 422
    assert "soon" in again.text
    saved = ask("POST", "/films/", POST={"title": "Dune", "year": "", "seen": "2026-01-31"}, **HTML)
    assert (saved.status_int, saved.headers["Location"]) == (303, "http://localhost/films/1")
    assert ask("GET", "/films/1").json["seen"] == "2026-01-31"


def test_a_film_is_kept_by_a_browser(
    browser: Any, serve: Callable[[WSGIApplication], str], app: WSGIApplication
) -> None:
    page = browser.new_page()
    page.goto(serve(app))
    page.click("main >> role=link[name=films]")
    page.click("text=New")
    page.fill("[name=title]", "Dune")
    page.click("text=Save")
    page.click("text=Edit")
    page.fill("[name=year]", "1984")
    page.click("text=Save")
    assert page.inner_text("dd >> nth=2") == "1984"
    page.click("text=Delete")
    page.click("main button")
    assert page.locator("tbody tr").count() == 0
    page.close()


# -- over sockets -----------------------------------------------------------------------------


def send(method: str, url: str, values: Any = None, **headers: str) -> tuple[int, Any, str]:
    """Give status, JSON body and ETag of an answer."""
    body = None if values is None else json.dumps(values).encode()
    given = {"Accept": "application/json", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = HTTPRequest(url, body, given, method=method)
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, json.load(response), response.headers.get("ETag", "")
    except HTTPError as error:
        with error:
            return error.code, json.load(error), ""


def test_no_increment_of_many_clients_is_lost(
    serve: Callable[[WSGIApplication], str], app: WSGIApplication
) -> None:
    url = f"{serve(app)}/films/"
    send("POST", url, {"title": "Count", "year": 1900})
    statuses: list[int] = []

    def count_up(times: int) -> None:
        while times:
            _status, row, tag = send("GET", f"{url}1")
            status, _, _ = send("PATCH", f"{url}1", {"year": row["year"] + 1}, If_Match=tag)
            statuses.append(status)
            times -= status == 200

    clients = [threading.Thread(target=count_up, args=[10]) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert {*statuses} <= {200, 412}
    assert send("GET", f"{url}1")[1]["year"] == 1960


def test_while_redis_is_away_it_is_503_and_then_as_before(
    serve: Callable[[WSGIApplication], str], tmp_path: Path
) -> None:
    with valkey(tmp_path) as server:
        url = f"{serve(make_app(server.url))}/films/"
        assert send("POST", url, DUNE)[0] == 201
        server.stop()
        for method, path, body in [("GET", "", None), ("GET", "1", None), ("POST", "", DUNE)]:
            status, told, _ = send(method, f"{url}{path}", body)
            assert (status, told["detail"]) == (503, "Redis cannot be reached.")
        server.start()
        assert send("GET", f"{url}1")[1] == {"id": 1, **DUNE}
        assert send("POST", url, DUNE)[1]["id"] == 2


def test_what_redis_itself_refuses_is_an_error_of_the_store(ask: Ask, redis_server: Valkey) -> None:
    with Redis.from_url(redis_server.url) as client:
        client.set("films", "no set")
    assert ask("GET", "/films/").status_int == 500
