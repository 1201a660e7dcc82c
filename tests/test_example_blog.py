"""examples/blog.py: comments below posts, on every database and in a browser."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
from sqlalchemy import Engine
from webob import Request, Response

from examples.blog import make_app, open_database

JSON = "application/json"


class Client:
    """Asks an application for JSON, unless told otherwise."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, method: str, path: str, json: Any = None, **rest: Any) -> Response:
        rest.setdefault("accept", JSON)
        if json is not None:
            rest |= {"json": json, "content_type": JSON}
        return Request.blank(path, method=method, **rest).get_response(self.app)


@pytest.fixture
def ask(engine: Engine) -> Client:
    """The blog with posts 1 and 2, and comments 1 to 3 of the first and 4 of the second."""
    ask = Client(make_app(engine))
    for title in ("First", "Second"):
        assert ask("POST", "/blog/", {"title": title}).status_int == 201
    for post_id, author in ((1, "Ada"), (1, "Grace"), (1, "Ada"), (2, "Edsger")):
        found = ask("POST", f"/blog/{post_id}/comments/", {"author": author, "body": "Well."})
        assert found.status_int == 201
    return ask


def ids(response: Response) -> list[int]:
    assert response.status_int == 200, response.text
    return [row["id"] for row in response.json["data"]]


def all_comments(ask: Client) -> dict[int, tuple[int, str]]:
    return {
        row["id"]: (row["post_id"], row["author"])
        for post_id in (1, 2)
        for row in ask("GET", f"/blog/{post_id}/comments/").json["data"]
    }


# -- reading --------------------------------------------------------------------------------


def test_only_the_comments_of_the_post_are_listed_counted_searched_and_exported(
    ask: Client,
) -> None:
    assert ids(ask("GET", "/blog/1/comments/")) == [1, 2, 3]
    assert ids(ask("GET", "/blog/2/comments/")) == [4]
    assert ask("GET", "/blog/1/comments/?count=exact").json["count"] == 3
    assert ids(ask("GET", "/blog/2/comments/?q=well")) == [4]
    assert ids(ask("GET", "/blog/2/comments/?author=Ada")) == []
    assert ids(ask("GET", "/blog/1/comments/?post_id=2")) == []
    export = ask("GET", "/blog/2/comments/?limit=all&format=csv")
    assert export.text == "id,post_id,author,body\r\n4,2,Edsger,Well.\r\n"


def test_pages_and_links_stay_below_the_post(ask: Client) -> None:
    page = ask("GET", "/blog/1/comments/?limit=2").json
    assert page["next"].startswith("/blog/1/comments/?")
    assert ids(ask("GET", page["next"])) == [3]
    other = page["next"].replace("/blog/1/", "/blog/2/")
    assert ids(ask("GET", other)) == [4]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_comment_under_the_wrong_post_is_not_there(ask: Client, method: str) -> None:
    before = all_comments(ask)
    body = {"author": "Eve", "body": "!"} if method in ("PUT", "PATCH") else None
    assert ask(method, "/blog/2/comments/1", body).status_int == 404
    assert all_comments(ask) == before
    for noun in ("edit_form", "delete_form"):
        assert ask("GET", f"/blog/2/comments/1;{noun}", accept="text/html").status_int == 404


@pytest.mark.parametrize("post", ["3", "0", "99999999999999999999"])
def test_below_a_post_that_is_not_there_is_nothing(ask: Client, post: str) -> None:
    for path in ("", "?limit=all", "1", ";schema", ";new_form"):
        accept = "text/html" if path == ";new_form" else JSON
        found = ask("GET", f"/blog/{post}/comments/{path}", accept=accept)
        assert found.status_int == 404, path
    assert ask("POST", f"/blog/{post}/comments/", {"author": "A", "body": "B"}).status_int == 404
    page = ask("GET", f"/blog/{post}/comments/", accept="text/html")
    assert (page.status_int, page.content_type) == (404, "text/html")


# -- writing --------------------------------------------------------------------------------


def test_a_new_comment_belongs_to_the_post_of_its_url(ask: Client) -> None:
    created = ask("POST", "/blog/2/comments/", {"author": "Ada", "body": "Hm."})
    assert created.headers["Location"] == "http://localhost/blog/2/comments/5"
    assert created.json == {"id": 5, "post_id": 2, "author": "Ada", "body": "Hm."}


def test_a_comment_may_name_its_own_post_and_no_other(ask: Client) -> None:
    url, values = "/blog/2/comments/", {"author": "Ada", "body": "Hm."}
    assert ask("POST", url, {**values, "post_id": 2}).status_int == 201
    for other in (1, None, "2x"):
        refused = ask("POST", url, {**values, "post_id": other})
        assert refused.status_int == 422
        assert refused.json["errors"][0]["pointer"] == "/post_id"
        assert refused.json["errors"][0]["code"] == "read_only"


def test_a_comment_stays_with_its_post(ask: Client) -> None:
    row = ask("GET", "/blog/1/comments/1").json
    assert ask("PUT", "/blog/1/comments/1", {**row, "author": "Lin"}).json["author"] == "Lin"
    assert ask("PUT", "/blog/1/comments/1", {"author": "Kay", "body": "."}).json["post_id"] == 1
    for method in ("PUT", "PATCH"):
        assert ask(method, "/blog/1/comments/1", {**row, "post_id": 2}).status_int == 422
    assert all_comments(ask)[1] == (1, "Kay")


def test_many_comments_belong_to_the_post_too(ask: Client) -> None:
    many = [{"author": "A", "body": "1"}, {"author": "B", "body": "2", "post_id": 2}]
    assert [row["post_id"] for row in ask("POST", "/blog/2/comments/", many).json] == [2, 2]
    many[1]["post_id"] = 1
    refused = ask("POST", "/blog/2/comments/", many)
    assert refused.status_int == 422
    assert refused.json["errors"][0]["pointer"] == "/1/post_id"


def test_an_imported_file_needs_no_column_for_the_post(ask: Client) -> None:
    def post(body: bytes) -> Response:
        return ask("POST", "/blog/2/comments/", body=body, content_type="text/csv")

    assert post(b"author,body\r\nA,1\r\nB,2\r\n").json == {"count": 2, "created": 2}
    assert post(b"post_id,author,body\r\n2,C,3\r\n").json == {"count": 1, "created": 1}
    assert post(b"post_id,author,body\r\n1,D,4\r\n").status_int == 422
    assert ids(ask("GET", "/blog/2/comments/")) == [4, 5, 6, 7]


def test_a_comment_can_be_put_where_there_is_none(ask: Client) -> None:
    def put(path: str, values: dict[str, Any]) -> Response:
        return ask("PUT", path, values, headers={"If-None-Match": "*"})

    values = {"author": "Ada", "body": "Hm."}
    created = put("/blog/2/comments/9", values)
    assert (created.status_int, created.json["post_id"]) == (201, 2)
    assert put("/blog/2/comments/10", {**values, "post_id": 1}).status_int == 422
    assert put("/blog/2/comments/9", values).status_int == 412
    # Its key is taken, by a comment that is not there.
    assert put("/blog/2/comments/1", values).status_int == 409
    assert all_comments(ask)[1] == (1, "Ada")


@pytest.mark.parametrize("resolution", ["merge-duplicates", "ignore-duplicates"])
def test_a_comment_of_another_post_is_no_duplicate_to_merge_with(
    ask: Client, resolution: str
) -> None:
    refused = ask(
        "POST",
        "/blog/2/comments/",
        [{"id": 1, "author": "Eve", "body": "!"}],
        headers={"Prefer": f"resolution={resolution}"},
    )
    assert refused.status_int == 409
    assert all_comments(ask)[1] == (1, "Ada")


def test_a_write_of_many_touches_the_comments_of_the_post_only(ask: Client) -> None:
    assert ask("PATCH", "/blog/2/comments/?limit=all", {"author": "X"}).json == {"count": 1}
    assert ask("PATCH", "/blog/2/comments/?limit=all", {"post_id": 1}).status_int == 422
    assert ask("DELETE", "/blog/1/comments/?author__in=Ada,X").json == {"count": 2}
    assert all_comments(ask) == {2: (1, "Grace"), 4: (2, "X")}


# -- pages and descriptions -------------------------------------------------------------------


def links(response: Response) -> list[str]:
    return [unescape(link) for link in re.findall(' (?:href|action)="([^"?]*)"', response.text)]


def test_pages_know_their_place(ask: Client) -> None:
    html = {"accept": "text/html"}
    assert "/blog/1/comments/" in links(ask("GET", "/blog/1", **html))
    page = ask("GET", "/blog/1/comments/", **html)
    assert {"/", "/blog/", "/blog/1", "/blog/1/comments/;new_form"} <= {*links(page)}
    assert not [link for link in links(page) if link.startswith("/blog/2/comments")]
    form = ask("GET", "/blog/1/comments/;new_form", **html)
    assert "/blog/1/comments/" in links(form)
    assert 'name="post_id"' not in form.text
    created = ask("POST", "/blog/1/comments/", POST={"author": "Ada", "body": "Hm."}, **html)
    assert created.headers["Location"] == "http://localhost/blog/1/comments/5"
    edit = ask("GET", "/blog/1/comments/5;edit_form", **html)
    assert "/blog/1/comments/5" in links(edit)
    assert 'name="post_id"' not in edit.text


def test_the_description_knows_the_variable_and_asks_for_no_column(ask: Client) -> None:
    document = ask("GET", "/openapi.json").json
    item = document["paths"]["/blog/{post_id}/comments/{id}"]
    assert [p["name"] for p in item["parameters"]] == ["post_id", "id"]
    create = document["components"]["schemas"]["comments.create"]
    assert create["required"] == ["author", "body"]
    home = ask("GET", "/", accept="application/json-home").json["resources"]
    assert home["comments"]["hrefTemplate"].startswith("/blog/{post_id}/comments/")


def test_comments_are_written_below_a_post_in_a_browser(
    browser: Any, serve: Callable[[WSGIApplication], str], sqlite_engine: Engine
) -> None:
    url = serve(make_app(sqlite_engine))
    page = browser.new_page()
    page.goto(url)
    page.click("text=posts")
    page.click("text=New")
    page.fill("[name=title]", "First")
    page.click("text=Save")
    page.click("text=comments")
    page.click("text=New")
    page.fill("[name=author]", "Ada")
    page.fill("[name=body]", "Well.")
    page.click("text=Save")
    assert page.url == f"{url}/blog/1/comments/1"
    page.click("nav >> text=First")
    assert page.url == f"{url}/blog/1"
    assert page.inner_text(".backlinks .amount").startswith("1")
    page.close()


def test_the_database_of_the_example_checks_foreign_keys(tmp_path: Any) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/blog.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
