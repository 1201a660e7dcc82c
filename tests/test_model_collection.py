"""All the HTTP of a collection over a model."""

import base64
import re
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from webob import Request, Response
from webob.exc import HTTPUnauthorized

from tests.cities import TEMPLATE, Client, Plain, mounted
from wsgikit.dispatcher import Dispatcher
from wsgikit.media import MediaType
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import (
    Field,
    MemoryModel,
    NotFoundError,
    Page,
    StoreError,
    UnavailableError,
    VersionError,
)
from wsgikit.model_collection import ModelCollection
from wsgikit.model_collection.pages import form_text
from wsgikit.model_collection.patches import merge
from wsgikit.query import Query
from wsgikit.sql import TableModel

PEOPLE = [
    Field("id", "integer", required=False, has_default=True, nullable=False),
    Field("name", length=20, nullable=False, required=True),
    Field("age", "integer", minimum=0),
    Field("data", "json"),
    Field("photo", "binary"),
    Field("_secret"),
    Field("notes", multiline=True),
]


def memory_model(_tmp_path: Path) -> Any:
    return MemoryModel(PEOPLE, name="people", page_size=2)


def table_model(tmp_path: Path) -> Any:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    table = Table(
        "people",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
        Column("age", Integer, sa.CheckConstraint("age >= 0")),
        Column("data", sa.JSON),
        Column("photo", sa.LargeBinary),
        Column("_secret", String(20)),
        Column("notes", sa.Text),
    )
    table.create(engine)
    return TableModel(table, engine, page_size=2)


@pytest.fixture(params=[memory_model, table_model])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@pytest.fixture
def ask(model: Any) -> Client:
    return mounted(("people", ModelCollection(model, media=[JSON, HTML()])))


ADA = {"name": "Ada", "age": 36}
STORED = {
    "id": 1,
    "name": "Ada",
    "age": 36,
    "data": None,
    "photo": None,
    "_secret": None,
    "notes": None,
}


@pytest.fixture
def ada(ask: Client) -> Response:
    return ask("POST", "/people/", body=ADA)


# -- JSON: the six actions -------------------------------------------------------------------


def test_a_row_is_created_and_described_as_it_is_stored(ask: Client, ada: Response) -> None:
    assert ada.status_int == 201
    assert ada.headers["Location"].endswith("/people/1")
    assert ada.json == STORED
    again = ask("GET", "/people/1")
    assert (again.status_int, again.json) == (200, STORED)
    assert again.headers["ETag"] == ada.headers["ETag"]


def test_a_row_is_replaced_and_what_is_missing_takes_its_default(
    ask: Client, ada: Response
) -> None:
    response = ask("PUT", "/people/1", body={"name": "Bob"})
    assert (response.status_int, response.json) == (200, {**STORED, "name": "Bob", "age": None})
    assert ask("GET", "/people/1").headers["ETag"] == response.headers["ETag"]


def test_a_row_goes_back_in_as_it_came_out(ask: Client, ada: Response) -> None:
    response = ask("PUT", "/people/1", body=ada.json, If_Match=ada.headers["ETag"])
    assert (response.status_int, response.json) == (200, STORED)
    assert response.headers["ETag"] == ada.headers["ETag"]


def test_some_fields_are_changed(ask: Client, ada: Response) -> None:
    assert ask("PATCH", "/people/1", body={"age": 37}).json == {**STORED, "age": 37}
    assert ask("PATCH", "/people/1", body={"age": None}).json["age"] is None
    patch = ask(
        "PATCH", "/people/1", body=b'{"age": 5}', Content_Type="application/merge-patch+json"
    )
    assert patch.json["age"] == 5


def test_objects_are_merged_into_json_columns(ask: Client, ada: Response) -> None:
    ask("PATCH", "/people/1", body={"data": {"a": 1, "b": {"c": 2}}})
    response = ask("PATCH", "/people/1", body={"data": {"a": None, "b": {"d": 3}}, "age": 1})
    assert response.json["data"] == {"b": {"c": 2, "d": 3}}
    assert response.json["age"] == 1
    assert ask("PATCH", "/people/1", body={"data": [1]}).json["data"] == [1]


def test_a_merge_keeps_its_precondition(ask: Client, ada: Response) -> None:
    body = {"data": {"a": 1}}
    stale = ask("PATCH", "/people/1", body=body, If_Match='"stale"')
    assert stale.status_int == 412
    assert ask("PATCH", "/people/1", body=body, If_Match=ada.headers["ETag"]).status_int == 200


def test_a_merge_is_tried_again_when_somebody_else_writes(tmp_path: Path) -> None:
    class Busy(MemoryModel):
        others = 3

        def update(self, key: Any, values: Any, version: str | None = None) -> Any:
            if self.others:
                self.others -= 1
                super().update(key, {"age": self.others})
            return super().update(key, values, version)

    model = Busy(PEOPLE)
    ask = mounted(("people", ModelCollection(Plain(model), media=[JSON])))
    ask("POST", "/people/", body=ADA)
    assert ask("PATCH", "/people/1", body={"data": {"a": 1}}).json["data"] == {"a": 1}
    model.others = 100
    response = ask("PATCH", "/people/1", body={"data": {"a": 2}})
    assert (response.status_int, response.headers["Retry-After"]) == (503, "1")
    changed = ask(
        "PATCH",
        "/people/1",
        body={"data": {"a": 2}},
        If_Match=ask("GET", "/people/1").headers["ETag"],
    )
    assert changed.status_int == 412


def test_a_merge_with_a_precondition_is_not_tried_again(tmp_path: Path) -> None:
    class Busy(MemoryModel):
        def update(self, key: Any, values: Any, version: str | None = None) -> Any:
            row = super().update(key, values, version)
            if not values:  # read, and somebody else comes in between
                super().update(key, {"age": 1})
            return row

    ask = mounted(("people", ModelCollection(Plain(Busy(PEOPLE)), media=[JSON])))
    tag = ask("POST", "/people/", body=ADA).headers["ETag"]
    assert ask("PATCH", "/people/1", body={"data": {"a": 1}}, If_Match=tag).status_int == 412


@given(st.recursive(st.none() | st.integers(), lambda x: st.dictionaries(st.text(), x)))
def test_merging_a_patch_twice_is_merging_it_once(patch: Any) -> None:
    once = merge({"a": {"b": 1}}, patch)
    assert merge(once, patch) == once


def test_a_row_is_removed(ask: Client, ada: Response) -> None:
    response = ask("DELETE", "/people/1")
    assert (response.status_int, response.body) == (204, b"")
    assert ask("GET", "/people/1").status_int == 404
    assert ask("DELETE", "/people/1").status_int == 404


def test_the_list_is_paged_by_links_alone(ask: Client, model: Any) -> None:
    for name in "abcde":
        model.create({"name": name})
    seen: list[list[str]] = []
    url = "/people/"
    while url:
        response = ask("GET", url)
        seen.append([row["name"] for row in response.json["data"]])
        url = response.json["next"]
        assert ('rel="next"' in response.headers["Link"]) is bool(url)
    assert seen == [["a", "b"], ["c", "d"], ["e"]]
    back = ask("GET", response.json["prev"])
    assert [row["name"] for row in back.json["data"]] == ["c", "d"]
    first = ask("GET", re.search(r'<([^>]*)>; rel="first"', back.headers["Link"])[1])  # type: ignore[index]
    assert [row["name"] for row in first.json["data"]] == ["a", "b"]
    assert first.json["prev"] is None


def test_a_model_that_counts_is_quoted() -> None:
    class Counting(MemoryModel):
        def list(self, query: Query) -> Page:
            return Page([], count=5)

    ask = mounted(("people", ModelCollection(Counting(PEOPLE), media=JSON)))
    assert ask("GET", "/people/").json == {"data": [], "next": None, "prev": None, "count": 5} | {
        "count_exact": True
    }


def test_links_keep_limit_and_format(ask: Client, model: Any) -> None:
    for name in "abc":
        model.create({"name": name})
    response = ask("GET", "/people/?limit=1&format=json")
    assert "limit=1&format=json&cursor=" in response.json["next"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=x", "nosuch=1", "limit=1&limit=2"])
def test_a_bad_query_names_the_parameter(ask: Client, query: str) -> None:
    response = ask("GET", f"/people/?{query}")
    assert (response.status_int, response.content_type) == (400, "application/problem+json")
    assert response.json["errors"][0]["parameter"] == query.partition("=")[0]
    assert ask("GET", "/people/?limit=%ff").status_int == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/people/1?nosuch=1"),
        ("GET", "/people/1?limit=5"),
        ("DELETE", "/people/1?age=5"),
        ("PATCH", "/people/1?name=Ada"),
        ("PUT", "/people/1?cursor=x"),
        ("POST", "/people/?name=Ada"),
        ("GET", "/people/;new_form?name=Ada"),
    ],
)
def test_a_query_where_none_belongs_is_refused(
    ask: Client, ada: Response, method: str, path: str
) -> None:
    body = {"name": "Bob"} if method in ("PATCH", "PUT", "POST") else None
    assert ask(method, path, body=body).status_int == 400
    assert ask("GET", "/people/").json["data"] == [STORED]


def test_head_and_options(ask: Client, ada: Response) -> None:
    head = ask("HEAD", "/people/1")
    assert (head.status_int, head.body) == (200, b"")
    assert head.headers["ETag"] == ada.headers["ETag"]
    options = ask("OPTIONS", "/people/1")
    assert options.status_int == 204
    assert set(options.headers["Allow"].split(", ")) == {
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "PUT",
    }


# -- preconditions ---------------------------------------------------------------------------


def test_a_cache_is_told_when_nothing_changed(ask: Client, ada: Response) -> None:
    for tag in (
        ada.headers["ETag"],
        f"{ada.headers['ETag']},",
        f"W/{ada.headers['ETag']}",
        f'"x", {ada.headers["ETag"]}',
        "*",
    ):
        response = ask("GET", "/people/1", If_None_Match=tag)
        assert (response.status_int, response.body) == (304, b"")
        assert response.headers["ETag"] == ada.headers["ETag"]
        assert "Accept" in response.headers["Vary"]
    assert ask("GET", "/people/1", If_None_Match='"x"').status_int == 200


def test_a_page_has_a_tag_of_its_own(ask: Client, ada: Response) -> None:
    page = ask("GET", "/people/1", Accept="text/html")
    assert page.headers["ETag"] != ada.headers["ETag"]
    again = ask("GET", "/people/1", Accept="text/html", If_None_Match=page.headers["ETag"])
    assert again.status_int == 304
    saved = ask("PATCH", "/people/1", body={"age": 1}, If_Match=page.headers["ETag"])
    assert saved.status_int == 200


WRITES: list[tuple[str, Any]] = [("PUT", ADA), ("PATCH", {"age": 1}), ("DELETE", None)]


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_a_stale_write_is_refused_with_the_current_tag(
    ask: Client, ada: Response, method: str, body: Any
) -> None:
    ask("PATCH", "/people/1", body={"age": 40})
    response = ask(method, "/people/1", body=body, If_Match=ada.headers["ETag"])
    assert (response.status_int, response.content_type) == (412, "application/problem+json")
    current = ask("GET", "/people/1")
    assert current.json["age"] == 40
    assert response.headers["ETag"] == current.headers["ETag"]
    tags = f'"other" , {current.headers["ETag"]}'
    assert ask(method, "/people/1", body=body, If_Match=tags).status_int in (200, 204)


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_any_version_will_do_only_when_it_is_said(
    ask: Client, ada: Response, method: str, body: Any
) -> None:
    for header in ("", " ", "abc", '"a" "b"', '"a", "b', '"a" b', ","):
        response = ask(method, "/people/1", body=body, If_Match=header)
        assert response.status_int == 400, header
    assert (
        ask(method, "/people/1", body=body, If_Match=f"W/{ada.headers['ETag']}").status_int == 412
    )
    assert ask(method, "/people/1", body=body, If_Match="*").status_int in (200, 204)
    # RFC 9110 13.1.1: a PUT might make the row, and is told that there is no version of it.
    missing = 412 if method == "PUT" else 404
    assert ask(method, "/people/9", body=body, If_Match="*").status_int == missing


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_if_none_match_on_a_write(ask: Client, ada: Response, method: str, body: Any) -> None:
    for tag in (ada.headers["ETag"], "*"):
        response = ask(method, "/people/1", body=body, If_None_Match=tag)
        assert response.status_int == 412
    assert ask(method, "/people/1", body=body, If_None_Match='"x"').status_int in (200, 204)


def test_reading_has_preconditions_too(ask: Client, ada: Response) -> None:
    assert ask("GET", "/people/1", If_Match='"x"').status_int == 412
    assert ask("GET", "/people/1", If_Match=ada.headers["ETag"]).status_int == 200


def test_a_row_is_made_under_its_own_url_once(ask: Client) -> None:
    made = ask("PUT", "/people/7", body=ADA, If_None_Match="*")
    assert (made.status_int, made.json["id"]) == (201, 7)
    assert made.headers["Location"].endswith("/people/7")
    again = ask("PUT", "/people/7", body=ADA, If_None_Match="*")
    assert (again.status_int, again.headers["ETag"]) == (412, made.headers["ETag"])
    assert "There is such a row already" in again.json["detail"]
    other = ask("PUT", "/people/8", body={**ADA, "id": 9}, If_None_Match="*")
    assert (other.status_int, other.json["errors"][0]["pointer"]) == (422, "/id")
    assert ask("PUT", "/people/8", body={**ADA, "id": 8}, If_None_Match="*").status_int == 201
    assert ask("PUT", "/people/9", body=ADA).status_int == 404


def test_of_many_who_make_the_same_row_one_does(ask: Client) -> None:
    statuses: list[int] = []

    def make() -> None:
        statuses.append(ask("PUT", "/people/7", body=ADA, If_None_Match="*").status_int)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [412] * 7


class Late(MemoryModel):
    """Rows that somebody else makes after we have looked."""

    looked = True

    def retrieve(self, key: Any) -> Any:
        if not self.looked:
            self.looked = True
            raise NotFoundError(key)
        return super().retrieve(key)


def test_a_row_that_somebody_else_made_just_before() -> None:
    model = Late(PEOPLE)
    model.create({"id": 7, **ADA})
    model.looked = False
    ask = mounted(("people", ModelCollection(Plain(model), media=JSON)))
    assert ask("PUT", "/people/7", body=ADA, If_None_Match="*").status_int == 412


def test_a_row_that_cannot_be_made_for_another_reason(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True),
                  Column("name", String(9), unique=True))  # fmt: skip
    table.create(engine)
    ask = mounted(("t", ModelCollection(TableModel(table, engine), media=[JSON])))
    ask("POST", "/t/", body={"name": "Ada"})
    taken = ask("PUT", "/t/7", body={"name": "Ada"}, If_None_Match="*")
    assert problem_of(taken) == (409, {"/name": "unique"})


def test_of_many_concurrent_increments_none_is_lost(ask: Client, ada: Response) -> None:
    failures: list[int] = []

    def increment() -> None:
        for _ in range(10):
            while True:
                row = ask("GET", "/people/1")
                response = ask(
                    "PATCH",
                    "/people/1",
                    body={"age": row.json["age"] + 1},
                    If_Match=row.headers["ETag"],
                )
                if response.status_int == 200:
                    break
                if response.status_int not in (412, 503):
                    failures.append(response.status_int)
                    return

    threads = [threading.Thread(target=increment) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert ask("GET", "/people/1").json["age"] == 36 + 80


# -- what is refused -------------------------------------------------------------------------


def problem_of(response: Response) -> tuple[int, dict[str, str]]:
    assert response.content_type == "application/problem+json"
    document = response.json
    assert document["status"] == response.status_int
    assert {"type", "title", "detail"} <= set(document)
    return response.status_int, {e["pointer"]: e["code"] for e in document.get("errors", ())}


def test_every_wrong_value_is_named_at_once(ask: Client, ada: Response) -> None:
    wrong = {"name": "x" * 21, "age": "old", "zip/code~": 1}
    errors = {"/name": "length", "/age": "type", "/zip~1code~0": "unknown"}
    assert problem_of(ask("POST", "/people/", body=wrong)) == (422, errors)
    assert problem_of(ask("PUT", "/people/1", body=wrong)) == (422, errors)
    assert problem_of(ask("PATCH", "/people/1", body=wrong)) == (422, errors)
    assert problem_of(ask("POST", "/people/", body={})) == (422, {"/name": "required"})


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/people/", {"body": b"{"}, 400),
        ("POST", "/people/", {"body": b'{"a": 1, "a": 2}'}, 400),
        ("POST", "/people/", {"body": b"\xff"}, 400),
        ("POST", "/people/", {"body": [1]}, 422),
        ("POST", "/people/", {"body": "text"}, 422),
        ("PUT", "/people/1", {"body": []}, 422),
        ("PATCH", "/people/1", {"body": 7}, 422),
        ("POST", "/people/", {"body": b" " * (2**20 + 1)}, 413),
        ("POST", "/people/", {"body": b"x", "Content_Type": "text/csv"}, 415),
        ("PUT", "/people/1", {"body": b"[]", "Content_Type": "application/json-patch+json"}, 415),
        ("PATCH", "/people/1", {"body": b"[", "Content_Type": "application/json-patch+json"}, 400),
        ("PATCH", "/people/1", {"body": b"{}", "Content_Type": "application/json-patch+json"}, 400),
        ("GET", "/people/1", {"Accept": "image/png"}, 406),
        ("GET", "/people/?format=xml", {}, 406),
        ("GET", "/people/x", {}, 404),
        ("GET", "/people/007", {}, 404),
        ("GET", "/people/1,1", {}, 404),
        ("GET", "/people/1;nosuch", {}, 404),
        ("GET", "/people/1;new_form", {}, 404),
        ("GET", "/people/;edit_form", {}, 404),
        ("PUT", "/people/", {"body": ADA}, 405),
        ("POST", "/people/1", {"body": ADA}, 405),
    ],
)
def test_bad_input_gets_a_clear_answer(
    ask: Client, ada: Response, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    response = ask(method, path, **options)
    assert response.status_int == status
    problem_of(response)
    assert ask("GET", "/people/").json["data"] == [STORED]


def test_what_can_be_sent_is_named(ask: Client, ada: Response) -> None:
    post = ask("POST", "/people/", body=b"x", Content_Type="text/csv")
    assert "application/json" in post.headers["Accept-Post"]
    patch = ask("PATCH", "/people/1", body=b"x", Content_Type="text/csv")
    assert "application/merge-patch+json" in patch.headers["Accept-Patch"]


def test_a_person_gets_a_page(ask: Client) -> None:
    response = ask("GET", "/people/9", Accept="text/html")
    assert (response.status_int, response.content_type) == (404, "text/html")
    assert "There is no such row" in response.text


# -- forms -----------------------------------------------------------------------------------

HTML_FIRST = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


def inputs(page: str) -> dict[str, str]:
    """What a browser would send of a form's inputs and textareas, untouched."""
    found = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        name, value = (re.search(rf'\b{a}="([^"]*)"', tag) for a in ("name", "value"))
        kind = re.search(r'\btype="([^"]*)"', tag)
        if kind and kind[1] in ("checkbox", "radio") and "checked" not in tag:
            continue
        if name and not (kind and kind[1] in ("file", "submit")):
            found[unescape(name[1])] = unescape(value[1]) if value else ""
    for attributes, text in re.findall(r"<textarea\b([^>]*)>(.*?)</textarea>", page, re.DOTALL):
        name = re.search(r'\bname="([^"]*)"', attributes)
        if name:
            text = unescape(text).removeprefix("\n").replace("\n", "\r\n")
            found[unescape(name[1])] = text
    return found


def test_a_person_creates_a_row(ask: Client) -> None:
    form = ask("GET", "/people/;new_form", Accept=HTML_FIRST)
    fields = inputs(form.text)
    assert "id" not in fields
    created = ask(
        "POST", "/people/", form={**fields, "name": "Ada", "age": "36"}, Accept=HTML_FIRST
    )
    assert created.status_int == 303
    assert created.headers["Location"].endswith("/people/1")
    page = ask("GET", "/people/1", Accept=HTML_FIRST)
    assert "Ada" in page.text
    assert ask("GET", "/people/1").json == STORED


def test_a_program_may_send_a_form_and_get_json(ask: Client) -> None:
    response = ask("POST", "/people/", form={"name": "Ada", "age": "36"}, Accept="application/json")
    assert (response.status_int, response.json) == (201, STORED)


def test_an_untouched_form_changes_nothing(ask: Client, model: Any) -> None:
    row = {
        "name": "\n Ada ",
        "age": 1,
        "data": {"a": [1.5]},
        "photo": "AAE=",
        "_secret": "x",
        "notes": "\na\nb\n",
    }
    made = ask("POST", "/people/", body=row)
    page = ask("GET", "/people/1;edit_form", Accept=HTML_FIRST).text
    fields = inputs(page)
    assert fields["_method"] == "PATCH"
    assert fields["__secret"] == "x"
    saved = ask("POST", "/people/1", form=fields, Accept=HTML_FIRST)
    assert saved.status_int == 303
    after = ask("GET", "/people/1")
    assert after.json == made.json
    assert after.headers["ETag"] == made.headers["ETag"]


def test_a_person_changes_a_row(ask: Client, ada: Response) -> None:
    fields = inputs(ask("GET", "/people/1;edit_form", Accept=HTML_FIRST).text)
    saved = ask(
        "POST", "/people/1", form={**fields, "age": "37", "__secret": "s"}, Accept=HTML_FIRST
    )
    assert (saved.status_int, saved.headers["Location"].endswith("/people/1")) == (303, True)
    assert ask("GET", "/people/1").json == {**STORED, "age": 37, "_secret": "s"}


def test_a_form_may_replace_a_row_but_cannot_send_a_file_again(ask: Client) -> None:
    ask("POST", "/people/", body={**ADA, "photo": "AAE="})
    saved = ask("POST", "/people/1", form={"_method": "PUT", "name": "Bob"}, Accept=HTML_FIRST)
    assert saved.status_int == 303
    assert ask("GET", "/people/1").json == {**STORED, "name": "Bob", "age": None, "photo": "AAE="}


def test_the_form_comes_back_with_messages_and_what_was_typed(ask: Client, ada: Response) -> None:
    wrong = {"name": "x" * 21, "age": "old<"}
    new = ask("POST", "/people/", form=wrong, Accept=HTML_FIRST)
    edited = ask("POST", "/people/1", form={**wrong, "_method": "PATCH"}, Accept=HTML_FIRST)
    for response in (new, edited):
        assert response.status_int == 422
        assert "Must have at most 20 characters" in response.text
        assert "Must be a whole number" in response.text
        assert inputs(response.text)["name"] == "x" * 21
        assert "old&lt;" in response.text
        assert "old<" not in response.text


def test_the_second_editor_sees_both_values(ask: Client, ada: Response) -> None:
    fields = inputs(ask("GET", "/people/1;edit_form", Accept=HTML_FIRST).text)
    ask("PATCH", "/people/1", body={"age": 40})
    stale = ask("POST", "/people/1", form={**fields, "age": "50"}, Accept=HTML_FIRST)
    assert stale.status_int == 412
    assert "40" in stale.text
    again = inputs(stale.text)
    assert again["age"] == "50"
    assert ask("POST", "/people/1", form=again, Accept=HTML_FIRST).status_int == 303
    assert ask("GET", "/people/1").json["age"] == 50


def test_a_person_removes_a_row_after_a_question(ask: Client, ada: Response) -> None:
    fields = inputs(ask("GET", "/people/1;delete_form", Accept=HTML_FIRST).text)
    assert fields["_method"] == "DELETE"
    ask("PATCH", "/people/1", body={"age": 40})
    stale = ask("POST", "/people/1", form=fields, Accept=HTML_FIRST)
    assert stale.status_int == 412
    fields = inputs(stale.text)
    gone = ask("POST", "/people/1", form=fields, Accept=HTML_FIRST)
    assert (gone.status_int, gone.headers["Location"].endswith("/people/")) == (303, True)
    assert ask("GET", "/people/1").status_int == 404


def test_a_program_that_sends_a_stale_form_gets_a_problem(ask: Client, ada: Response) -> None:
    for method in ("PATCH", "DELETE"):
        form = {"_method": method, "_version": "stale"}
        response = ask("POST", "/people/1", form=form, Accept="application/json")
        assert problem_of(response) == (412, {})
    twice = ask(
        "POST",
        "/people/1",
        form={"_method": "PATCH", "_version": ["a", "b"]},
        Accept="application/json",
    )
    assert twice.status_int == 400
    gone = ask("POST", "/people/1", form={"_method": "DELETE"}, Accept="application/json")
    assert gone.status_int == 204


def test_wrong_forms_of_programs_are_problems(ask: Client, ada: Response) -> None:
    new = ask("POST", "/people/", form={"age": "old"}, Accept="application/json")
    assert problem_of(new) == (422, {"/name": "required", "/age": "type"})
    form = {"_method": "PATCH", "age": ["1", "2"]}
    assert problem_of(ask("POST", "/people/1", form=form, Accept="application/json")) == (
        422,
        {"/age": "type"},
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 2, 28, 10, 30), "2026-02-28T10:30"),
        (datetime(2026, 2, 28, 10, 30, 5), "2026-02-28T10:30:05"),
        (datetime(2026, 2, 28, 10, 30, 10, 500_000), "2026-02-28T10:30:10.5"),
        (datetime(2026, 2, 28, 10, 30, tzinfo=UTC), "2026-02-28T10:30:00+00:00"),
        (time(10, 30), "10:30"),
        (date(2026, 2, 28), "2026-02-28"),
        (None, None),
    ],
)
def test_a_form_shows_times_as_browsers_keep_them(value: Any, text: str | None) -> None:
    model = MemoryModel([Field("id", "integer"), Field("at", "other", default=value)])
    assert form_text(value) == text
    assert inputs(
        mounted(("t", ModelCollection(model, media=[HTML()])))("GET", "/t/;new_form").text
    )["at"] == (text or "")


def test_a_file_is_stored(ask: Client) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n'
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n"
    )
    created = ask(
        "POST",
        "/people/",
        body=body,
        Content_Type="multipart/form-data; boundary=x",
        Accept="application/json",
    )
    assert created.status_int == 201
    assert base64.b64decode(created.json["photo"]) == b"\x89PNG"


def test_a_column_may_have_the_name_of_our_own_inputs(tmp_path: Path) -> None:
    names = ["_version", "_method", "__version", "limit", "id", "format", "self"]
    fields = [Field("key", "integer"), *(Field(name) for name in names)]
    model = MemoryModel(fields, key="key")
    ask = mounted(("t", ModelCollection(model, media=[HTML(), JSON])))
    ask("POST", "/t/", body={name: name for name in names})
    fields_sent = inputs(ask("GET", "/t/1;edit_form", Accept=HTML_FIRST).text)
    saved = ask("POST", "/t/1", form={**fields_sent, "___version": "new"}, Accept=HTML_FIRST)
    assert saved.status_int == 303
    expected = {"key": 1, **{name: name for name in names}, "__version": "new"}
    assert ask("GET", "/t/1?format=json").json == expected


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "1e999", '{"a":1,"a":2}', r'"\ud800"'])
def test_json_in_a_form_is_read_as_strictly_as_json(ask: Client, ada: Response, text: str) -> None:
    form = {"_method": "PATCH", "data": text}
    refused = ask("POST", "/people/1", form=form, Accept="application/json")
    assert problem_of(refused) == (422, {"/data": "type"})
    assert ask("GET", "/people/1").json == STORED


def test_the_case_of_a_content_type_does_not_matter(ask: Client, ada: Response) -> None:
    response = ask("POST", "/people/1", body=b"_method=PATCH&age=5",
                   Content_Type="Application/X-WWW-Form-Urlencoded", Accept=HTML_FIRST)  # fmt: skip
    assert response.status_int == 303


def test_a_file_in_the_wrong_place_is_not_shown_again(ask: Client) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="name"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n"
    )
    response = ask("POST", "/people/", body=body, Content_Type="multipart/form-data; boundary=x",
                   Accept=HTML_FIRST)  # fmt: skip
    assert response.status_int == 422
    assert "Upload(" not in response.text


def test_a_form_of_another_site_is_refused(ask: Client) -> None:
    response = ask("POST", "/people/", form=ADA, Sec_Fetch_Site="cross-site")
    assert response.status_int == 403
    assert ask("GET", "/people/").json["data"] == []
    model = MemoryModel(PEOPLE)
    open_to_all = ModelCollection(model, media=[JSON, HTML()], allow_cross_origin=True)
    response = mounted(("people", open_to_all))(
        "POST", "/people/", form={"name": "Ada"}, Sec_Fetch_Site="cross-site"
    )
    assert response.status_int == 201


def test_the_list_is_a_page_too(ask: Client, model: Any) -> None:
    for name in ("Ada", "<Bob>", "Eve"):
        model.create({"name": name})
    page = ask("GET", "/people/", Accept=HTML_FIRST).text
    assert "&lt;Bob&gt;" in page
    assert "<Bob>" not in page
    assert "Eve" not in page
    assert "/people/1" in page
    assert "cursor=" in page


def test_a_form_wants_html(ask: Client) -> None:
    assert ask("GET", "/people/;new_form", Accept="application/json").status_int == 406


# -- other keys, views, references -----------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> tuple[Client, sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'world.db'}")
    sa.event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys = ON"))
    metadata = MetaData()
    countries = Table(
        "countries",
        metadata,
        Column("code", String(9), primary_key=True),
        Column("name", String(40), unique=True),
    )
    cities = Table(
        "cities",
        metadata,
        Column("country", ForeignKey(countries.c.code), primary_key=True),
        Column("no", Integer, primary_key=True),
        Column("name", String(40)),
    )
    log = Table(
        "log", metadata, Column("line", String(40)), Column("country", ForeignKey(countries.c.code))
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(countries), [{"code": "A/B c", "name": "Slash"}])
        connection.execute(sa.insert(log), [{"line": "x", "country": "A/B c"}])
    media = [JSON, HTML()]
    tables = [countries, cities, log]
    collections = [(t.name, ModelCollection(TableModel(t, engine), media=media)) for t in tables]
    return mounted(*collections), engine


def test_composite_keys_are_spelled_in_urls(world: tuple[Client, sa.Engine]) -> None:
    ask, _engine = world
    made = ask("POST", "/cities/", body={"country": "A/B c", "no": 1, "name": "X"})
    assert made.headers["Location"].endswith("/cities/A~2FB~20c,1")
    assert ask("GET", "/cities/A~2FB~20c,1").json["name"] == "X"
    assert '"/cities/A~2FB~20c,1"' in ask("GET", "/cities/", Accept=HTML_FIRST).text
    for path in ("A~2fB~20c,1", "A~2FB~20c", quote("A/B c,1"), "A~2FB~20c,01", ",1"):
        assert ask("GET", f"/cities/{path}").status_int == 404


def test_conflicts_name_the_field(world: tuple[Client, sa.Engine]) -> None:
    ask, _engine = world
    taken = ask("POST", "/countries/", body={"code": "X", "name": "Slash"})
    assert problem_of(taken) == (409, {"/name": "unique"})
    dangling = ask("POST", "/cities/", body={"country": "X", "no": 1})
    assert problem_of(dangling) == (409, {"/country": "reference"})
    ask("POST", "/cities/", body={"country": "A/B c", "no": 1})
    in_use = ask("DELETE", "/countries/A~2FB~20c")
    assert problem_of(in_use) == (409, {"": "in_use"})
    form = ask("POST", "/countries/", form={"code": "X", "name": "Slash"}, Accept=HTML_FIRST)
    assert form.status_int == 409
    assert "Another row has this value" in form.text
    version = inputs(ask("GET", "/countries/A~2FB~20c;delete_form", Accept=HTML_FIRST).text)
    kept = ask("POST", "/countries/A~2FB~20c", form=version, Accept=HTML_FIRST)
    assert kept.status_int == 409
    assert "Other rows refer to this one" in kept.text


def test_a_reference_is_a_link_where_its_model_is_served(world: tuple[Client, sa.Engine]) -> None:
    ask, engine = world
    assert "/countries/A~2FB~20c" in ask("GET", "/log/", Accept=HTML_FIRST).text
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE log SET country = NULL")
    assert "/countries/" not in ask("GET", "/log/", Accept=HTML_FIRST).text


def test_a_reference_is_no_link_where_its_model_is_not_served(
    world: tuple[Client, sa.Engine],
) -> None:
    _ask, engine = world
    metadata = MetaData()
    metadata.reflect(engine)
    log = ModelCollection(TableModel(metadata.tables["log"], engine), media=[HTML()])
    page = mounted(("log", log))("GET", "/log/").text
    assert "Slash" in page
    assert "A~2FB" not in page


def test_a_renderer_of_ones_own_is_told_what_templates_are_told(model: Any) -> None:
    def render(value: Any, request: Request) -> bytes:
        context = request.environ["wsgikit.context"]
        name = context["meta"][1]
        assert context["reference"](name, "Ada") is None
        return context["url"](context["row"], "edit_form").encode()

    model.create(ADA)
    ask = mounted(("people", ModelCollection(model, media=[MediaType("text/html", render)])))
    assert ask("GET", "/people/1").text == "/people/1;edit_form"


def test_a_key_that_no_url_can_spell(tmp_path: Path) -> None:
    model = MemoryModel([Field("k", "other")], key="k")
    ask = mounted(("t", ModelCollection(model, media=[JSON])))
    assert "Location" in ask("POST", "/t/", body={"k": 5}).headers
    # The text "5" would be read as the number.
    assert "Location" not in ask("POST", "/t/", body={"k": "5"}).headers


def test_a_table_without_a_key_has_a_list_and_nothing_else(
    world: tuple[Client, sa.Engine],
) -> None:
    ask, _engine = world
    assert ask("GET", "/log/").json["data"] == [{"line": "x", "country": "A/B c"}]
    assert ask("POST", "/log/", body={}).headers["Allow"] == "GET, HEAD, QUERY, OPTIONS"
    assert ask("GET", "/log/1").status_int == 404
    assert ask("GET", "/log/;new_form").status_int == 404


def test_a_read_only_model_has_no_buttons(tmp_path: Path) -> None:
    model = table_model(tmp_path)
    model.create(ADA)
    frozen = TableModel(model.table, model.engine, read_only="It is an archive.")
    ask = mounted(("people", ModelCollection(frozen, media=[HTML(), JSON])))
    page = ask("GET", "/people/1", Accept=HTML_FIRST).text
    assert "edit_form" not in page
    assert "new_form" not in ask("GET", "/people/", Accept=HTML_FIRST).text
    for method in ("PUT", "PATCH", "DELETE"):
        assert ask(method, "/people/1", body={}).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_collection_without_pages_has_no_forms(model: Any) -> None:
    ask = mounted(("people", ModelCollection(model, media=[JSON])))
    assert ask("GET", "/people/;new_form").status_int == 404
    assert ask("POST", "/people/", body=ADA).status_int == 201
    assert ask("POST", "/people/", form=ADA).status_int == 415


def test_a_cell_that_does_not_fit_names_no_row(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'odd.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INT PRIMARY KEY, v)")
        connection.exec_driver_sql("INSERT INTO t VALUES (NULL, 1), ('odd', 2), (3, 3)")
    table = Table("t", MetaData(), autoload_with=engine)
    ask = mounted(("t", ModelCollection(TableModel(table, engine), media=[HTML(), JSON])))
    assert [row["id"] for row in ask("GET", "/t/?format=json").json["data"]] == [None, 3, "odd"]
    page = ask("GET", "/t/", Accept=HTML_FIRST).text
    assert "/t/3" in page
    assert "/t/odd" not in page


def test_mounted_below_a_prefix_the_links_are_right(model: Any) -> None:
    app = Dispatcher()
    app.add(f"/people/{TEMPLATE}", ModelCollection(model, media=[JSON, HTML()]))
    outer = Dispatcher()
    outer.add("/api|", app)
    ask = Client(outer)
    made = ask("POST", "/api/people/", body=ADA)
    assert made.headers["Location"].endswith("/api/people/1")
    page = ask("GET", "/api/people/", Accept=HTML_FIRST).text
    assert '"/api/people/1"' in page


def test_home_is_linked_where_there_is_one(model: Any) -> None:
    app = Dispatcher()
    app.add("/start", lambda environ, start_response: [], name="home")
    app.add(f"/people/{TEMPLATE}", ModelCollection(model, media=[HTML()], title="Folks"))
    page = Client(app)("GET", "/people/", Accept=HTML_FIRST).text
    assert '"/start"' in page
    assert "Folks" in page


def test_any_router_that_sets_the_variables_will_do(model: Any) -> None:
    model.create(ADA)
    collection = ModelCollection(model, media=[HTML(), JSON])
    request = Request.blank("/people/1", headers={"Accept": HTML_FIRST})
    request.environ["wsgiorg.routing_args"] = ((), {"id": "1"})
    assert "Ada" in request.get_response(collection).text


# -- policies --------------------------------------------------------------------------------


def by_owner(request: Request, people: Any) -> Any:
    if request.remote_user is None:
        raise HTTPUnauthorized(headers=[("WWW-Authenticate", "Basic")])
    if request.remote_user == "nobody":
        return None
    if request.remote_user == "bug":
        raise RuntimeError("a bug in the policy")
    read_only = request.remote_user == "reader"
    return people.restrict(rows=people.table.c.name == "Ada", hidden=["age"], read_only=read_only)


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[..., Response]:
    model = table_model(tmp_path)
    model.create(ADA)
    model.create({"name": "Bob"})
    ask = mounted(("people", ModelCollection(model, media=[JSON, HTML()], policy=by_owner)))

    def send(user: str | None, *arguments: Any, **options: Any) -> Response:
        def app(environ: Any, start_response: Any) -> Any:
            if user is not None:
                environ["REMOTE_USER"] = user
            return ask.app(environ, start_response)

        return Client(app)(*arguments, **options)

    return send


def test_a_policy_narrows_everything(guarded: Callable[..., Response]) -> None:
    listed = guarded("ada", "GET", "/people/")
    assert [row["name"] for row in listed.json["data"]] == ["Ada"]
    assert "age" not in listed.json["data"][0]
    assert guarded("ada", "GET", "/people/2").status_int == 404
    assert guarded("ada", "DELETE", "/people/2").status_int == 404
    assert guarded("ada", "PATCH", "/people/1", body={"name": "Eve"}).status_int == 422
    assert problem_of(guarded("ada", "PATCH", "/people/1", body={"age": 1})) == (
        422,
        {"/age": "unknown"},
    )
    stale = guarded("ada", "PUT", "/people/1", body={"name": "Ada"}, If_Match='"x"')
    assert stale.status_int == 412


def test_what_depends_on_who_asks_is_kept_by_no_cache(guarded: Callable[..., Response]) -> None:
    for path in ("/people/", "/people/1", "/people/2", "/people/?limit=x"):
        assert guarded("ada", "GET", path).headers["Cache-Control"] == "private, no-store"
    assert guarded(None, "GET", "/people/").headers["Cache-Control"] == "private, no-store"
    style = guarded("ada", "GET", "/people/?format=css", Accept="text/css")
    assert style.headers["Cache-Control"] != "private, no-store"


def test_a_policy_that_gives_nothing_means_no(guarded: Callable[..., Response]) -> None:
    assert guarded("nobody", "GET", "/people/").status_int == 403
    assert guarded("bug", "GET", "/people/1").status_int == 403
    anonymous = guarded(None, "GET", "/people/1")
    assert (anonymous.status_int, anonymous.headers["WWW-Authenticate"]) == (401, "Basic")


def test_a_reader_has_no_buttons_and_may_not_write(guarded: Callable[..., Response]) -> None:
    assert guarded("reader", "DELETE", "/people/1").status_int == 403
    for noun in ("1;edit_form", "1;delete_form", ";new_form"):
        assert guarded("reader", "GET", f"/people/{noun}", Accept=HTML_FIRST).status_int == 403
    assert "edit_form" not in guarded("reader", "GET", "/people/1", Accept=HTML_FIRST).text
    assert "edit_form" in guarded("ada", "GET", "/people/1", Accept=HTML_FIRST).text


# -- a store that fails ------------------------------------------------------------------------


class Broken(MemoryModel):
    """A store that fails as it is told."""

    failure: Exception

    def list(self, query: Query) -> Page:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "status"),
    [(UnavailableError("Away.", 7), 503), (StoreError("SELECT secret"), 500)],
)
def test_a_failure_is_told_without_its_cause_and_logged_with_an_id(
    failure: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    model = Broken(PEOPLE)
    model.failure = failure
    ask = mounted(("people", ModelCollection(model, media=[JSON])))
    response = ask("GET", "/people/")
    assert response.status_int == status
    assert "secret" not in response.text
    assert response.json["id"] in caplog.text
    assert response.headers.get("Retry-After") == ("7" if status == 503 else None)


def test_a_bug_is_not_hidden() -> None:
    model = Broken(PEOPLE)
    model.failure = KeyError("bug")
    ask = mounted(("people", ModelCollection(model, media=[JSON])))
    with pytest.raises(KeyError):
        ask("GET", "/people/")


def test_a_version_error_of_a_model_of_ones_own() -> None:
    model = Broken(PEOPLE)
    model.failure = VersionError({"id": 1})
    ask = mounted(("people", ModelCollection(model, media=[JSON])))
    assert ask("GET", "/people/").status_int == 412


@pytest.mark.parametrize("range_", ["digits", "int", "number", "key", "segment", "word"])
def test_any_range_of_the_id_will_do(range_: str) -> None:
    model = MemoryModel(PEOPLE, name="people")
    app = Dispatcher()
    app.add(f"/people/[{{id:{range_}}}]", ModelCollection(model, media=[HTML(), JSON]))
    ask = Client(app)
    made = ask("POST", "/people/", body=ADA, Accept="application/json")
    assert made.headers["Location"].endswith("/people/1")
    assert ask("GET", "/people/1", Accept="application/json").json == STORED
    assert '"/people/1"' in ask("GET", "/people/", Accept=HTML_FIRST).text
    assert ask("PATCH", "/people/1", body={"age": 1}, Accept="application/json").status_int == 200


def test_a_template_that_cannot_spell_nouns_still_lists(model: Any) -> None:
    model.create(ADA)
    app = Dispatcher()
    app.add("/people/[{id}][;{noun}]", ModelCollection(model, media=[HTML()]))
    page = Client(app)("GET", "/people/", Accept=HTML_FIRST)
    assert (page.status_int, "Ada" in page.text) == (200, True)


def test_a_version_may_be_any_text() -> None:
    class Dotted(MemoryModel):
        def version(self, row: Any) -> str:
            return f'1.{row["age"]}"'

    ask = mounted(("people", ModelCollection(Dotted(PEOPLE), media=[JSON, HTML()])))
    ask("POST", "/people/", body=ADA)
    for accept in ("application/json", "text/html"):
        tag = ask("GET", "/people/1", Accept=accept).headers["ETag"]
        assert ask("GET", "/people/1", If_Match=tag).status_int == 200


def test_there_is_room_for_the_files_of_the_columns() -> None:
    fields = [Field("id", "integer"), Field("data", "binary", length=2_000_000)]
    ask = mounted(("t", ModelCollection(MemoryModel(fields), media=[JSON, HTML()])))
    data = base64.b64encode(bytes(2_000_000)).decode()
    assert ask("POST", "/t/", body={"data": data}).status_int == 201
    assert ask("POST", "/t/", body={"data": data * 2}).status_int == 413
    part = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n'
    form = {"Content_Type": "multipart/form-data; boundary=x", "Accept": "application/json"}
    sent = ask("POST", "/t/", body=part + bytes(2_000_000) + b"\r\n--x--\r\n", **form)
    assert sent.status_int == 201


def test_methods_can_be_overridden_one_by_one() -> None:
    class Loud(ModelCollection):
        delete = None  # type: ignore[assignment]

        def retrieve(self, request: Request, id: str, **urlvars: Any) -> Any:
            response = super().retrieve(request, id, **urlvars)
            response.headers["X-Loud"] = "yes"
            return response

    ask = mounted(("people", Loud(MemoryModel(PEOPLE), media=[JSON])))
    ask("POST", "/people/", body=ADA)
    assert ask("GET", "/people/1").headers["X-Loud"] == "yes"
    assert ask("DELETE", "/people/1").status_int == 405


def test_other_formats_are_ordinary_media_types() -> None:
    text = MediaType("text/plain", lambda value, request: str(len(value)).encode())
    ask = mounted(("people", ModelCollection(MemoryModel(PEOPLE), media=[JSON, text])))
    ask("POST", "/people/", body=ADA)
    assert ask("GET", "/people/1", Accept="text/plain").text == "7"
