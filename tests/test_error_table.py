"""Every error that a collection answers, provoked over HTTP on a real database, in both formats.

A row of the table is a request and what comes of it.  Each is sent twice: by a program, which
gets a problem (RFC 9457), and by a person with a browser, who gets a page; values are an object
for the one and a form for the other, and a form that was refused comes back to be corrected.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import validator

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Integer, MetaData, String, Table
from webob import Request, Response
from webob.exc import HTTPUnauthorized

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

JSON_BODY = "application/json"
FORM_BODY = "application/x-www-form-urlencoded"
PROGRAM = "application/json"
PERSON = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


# -- the world -------------------------------------------------------------------------------


def tables(metadata: MetaData) -> tuple[Table, Table]:
    countries = Table(
        "countries",
        metadata,
        Column("code", String(2), primary_key=True),
        Column("name", String(40), unique=True),
    )
    people = Table(
        "people",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("email", String(20), nullable=False, unique=True),
        Column("age", Integer),
        Column("role", Enum("author", "editor")),
        Column("country", ForeignKey(countries.c.code)),
        Column("created", Integer, server_default="7"),
        CheckConstraint(sa.column("age") < 150, name="age_is_possible"),
        CheckConstraint("role <> 'editor' OR age > 17"),
    )
    return countries, people


def someone_only(request: Request, people: Any) -> Any:
    """A policy: nobody is unknown, and guests may not."""
    if request.headers.get("X-User") is None:
        raise HTTPUnauthorized(headers=[("WWW-Authenticate", 'Basic realm="people"')])
    return None


@pytest.fixture
def ask(sqlite_engine: sa.Engine, tmp_path: Path) -> Any:
    metadata = MetaData()
    countries, people = tables(metadata)
    metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(sa.insert(countries), {"code": "NZ", "name": "New Zealand"})
        ada = {"email": "ada@example.org", "age": 36, "role": "author", "country": "NZ"}
        connection.execute(sa.insert(people), ada)
    away = sa.create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'away.db'}")
    (tmp_path / "broken.db").write_bytes(b"This is no database, whatever SELECT it is sent. " * 99)
    broken = sa.create_engine(f"sqlite:///{tmp_path / 'broken.db'}")

    columns = ["email", "age", "role", "country"]
    model = TableModel(people, sqlite_engine, writable=columns)
    collections = {
        "countries": (TableModel(countries, sqlite_engine), {}),
        "people": (model, {}),
        "guarded": (model, {"policy": someone_only}),
        "frozen": (model, {"policy": lambda request, people: people.restrict(read_only=True)}),
        "strict": (model, {"require_match": True}),
        "away": (TableModel(people, away), {}),
        "broken": (TableModel(people, broken), {}),
    }
    app = Dispatcher()
    for name, (served, options) in collections.items():
        collection = ModelCollection(served, media=[JSON, HTML()], **options)
        app.add(f"/{name}/[{{id:key}}][;{{noun}}]", collection, name=name)
    checked = validator(app)

    def ask(method: str, path: str, **arguments: Any) -> Response:
        request = Request.blank(path, method=method, **arguments)
        response = request.get_response(checked)
        response.body  # noqa: B018  reads and closes it, as a server does
        return response

    return ask


# -- the table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A request, and what it is answered.

    Attributes:
        title: What is wrong.
        status: Of the answer.
        values: What is to be stored; or nothing, or a body as it stands with its type.
        headers: Of the request.
        errors: The members of the problem, by what they point to, with their codes.
        parameter: The parameter that is at fault.
        answered: Patterns of the headers of the answer.
        detail: A part of the sentence that says what is wrong.
    """

    title: str
    status: int
    method: str
    path: str
    values: Mapping[str, Any] | None = None
    body: tuple[str, bytes] = ("", b"")
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    parameter: str = ""
    answered: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""


NEW = {"email": "bob@example.org"}
ANY_TAG = r'"[^"]+"'

CASES = [
    # 400: what cannot be read
    Case("a broken body", 400, "POST", "/people/", body=(JSON_BODY, b'{"email": '),
         detail="Not JSON at line 1, column 11"),
    Case("no body", 400, "POST", "/people/", body=(JSON_BODY, b""), detail="The body is empty"),
    Case("a body that is not UTF-8", 400, "PATCH", "/people/1", body=(JSON_BODY, b'{"a": "\xff"}'),
         detail="not UTF-8"),
    Case("an ambiguous body", 400, "PUT", "/people/1", body=(JSON_BODY, b'{"age": 1, "age": 2}'),
         detail="stands more than once"),
    Case("a broken form", 400, "POST", "/people/", body=(FORM_BODY, b"email=%zz"), detail="%"),
    Case("a form of a broken method", 400, "POST", "/people/1", body=(FORM_BODY, b"_method=GET"),
         detail="_method must be one of"),
    Case("a broken JSON Patch", 400, "PATCH", "/people/1",
         body=("application/json-patch+json", b'[{"op": "spam", "path": "/age"}]'),
         detail="Operation 0 at '/age'"),
    Case("a broken precondition", 400, "DELETE", "/people/1", headers={"If-Match": "abc"},
         detail="list of entity tags"),
    Case("an empty precondition", 400, "DELETE", "/people/1", headers={"If-Match": ""},
         detail="list of entity tags"),
    Case("a broken preference", 400, "DELETE", "/people/1",
         headers={"Prefer": "return=minimal tx=rollback"}, detail="Prefer cannot be read"),
    Case("an unknown preference", 400, "DELETE", "/people/1",
         headers={"Prefer": "handling=strict, tx=rolback"}, detail="tx is rollback or commit"),
    # 400: a bad parameter
    Case("an unknown parameter", 400, "GET", "/people/?nosuch=1", parameter="nosuch"),
    Case("an unknown operator", 400, "GET", "/people/?age__like=1", parameter="age__like"),
    Case("a value of the wrong type", 400, "GET", "/people/?age=old", parameter="age"),
    Case("a value that is no choice", 400, "GET", "/people/?role=boss", parameter="role"),
    Case("a page of nothing", 400, "GET", "/people/?limit=0", parameter="limit"),
    Case("a limit that is no number", 400, "GET", "/people/?limit=x", parameter="limit"),
    Case("a forged cursor", 400, "GET", "/people/?cursor=x", parameter="cursor"),
    Case("a sort by nothing", 400, "GET", "/people/?sort=nosuch", parameter="sort"),
    Case("a field that is none", 400, "GET", "/people/?fields=email,nosuch", parameter="fields"),
    Case("a reference that is none", 400, "GET", "/people/?embed=age", parameter="embed"),
    Case("a count of nothing", 400, "GET", "/people/?count=maybe", parameter="count"),
    Case("a parameter given twice", 400, "GET", "/people/?limit=1&limit=2", parameter="limit"),
    Case("a query that is not UTF-8", 400, "GET", "/people/?email=%ff"),
    Case("a filter where none belongs", 400, "DELETE", "/people/1?age=36"),
    # 401, 403
    Case("nobody has signed in", 401, "GET", "/guarded/1",
         answered={"WWW-Authenticate": "Basic", "Cache-Control": "private, no-store"}),
    Case("the policy says no", 403, "GET", "/guarded/1", headers={"X-User": "guest"},
         answered={"Cache-Control": "private, no-store"}),
    Case("only reading is allowed", 403, "DELETE", "/frozen/1"),
    Case("another site sent a form", 403, "DELETE", "/people/1",
         headers={"Sec-Fetch-Site": "cross-site"}, detail="another site"),
    # 404
    Case("no such row", 404, "GET", "/people/99", detail="There is no such row"),
    Case("no such row to change", 404, "PATCH", "/people/99", values={"age": 1}),
    Case("no such row to remove", 404, "DELETE", "/people/99"),
    Case("no key of this table", 404, "GET", "/people/one"),
    Case("another spelling of a key", 404, "GET", "/people/01"),
    Case("too many parts of a key", 404, "GET", "/people/1,1"),
    Case("no such noun", 404, "GET", "/people/1;nosuch"),
    # 405
    Case("a list cannot be replaced", 405, "PUT", "/people/", body=(JSON_BODY, b"{}"),
         answered={"Allow": r"^GET, HEAD, .*POST.*, OPTIONS$"}),
    Case("nothing can be posted to a row", 405, "POST", "/people/1", body=(JSON_BODY, b"{}"),
         answered={"Allow": r"^GET, HEAD, PUT, PATCH, DELETE, OPTIONS$"}),
    Case("all rows cannot be removed", 405, "DELETE", "/people/",
         answered={"Allow": r"^GET, HEAD, .*POST.*, OPTIONS$"}),
    # 406
    Case("no such format", 406, "GET", "/people/?format=xml", detail="json, html"),
    Case("no such format of a row", 406, "GET", "/people/1?format=xml", detail="json, html"),
    Case("no such format of the answer to a write", 406, "DELETE", "/people/1?format=xml"),
    # 409
    Case("a value that is taken", 409, "POST", "/people/", {"email": "ada@example.org"},
         errors={"/email": "unique"}),
    Case("a key that is taken", 409, "POST", "/countries/", {"code": "NZ", "name": "Nova"},
         errors={"/code": "unique"}),
    Case("a row that does not exist", 409, "PATCH", "/people/1", {"country": "XX"},
         errors={"/country": "reference"}),
    Case("a new row's row that does not exist", 409, "POST", "/people/", {**NEW, "country": "XX"},
         errors={"/country": "reference"}),
    Case("a row that others refer to", 409, "DELETE", "/countries/NZ", values={},
         errors={"": "in_use"}),
    Case("a JSON Patch that does not fit", 409, "PATCH", "/people/1",
         body=("application/json-patch+json", b'[{"op": "test", "path": "/age", "value": 1}]'),
         detail="Operation 0 at '/age': The test fails"),
    # 412
    Case("an old version to replace", 412, "PUT", "/people/1", NEW, headers={"If-Match": '"old"'},
         answered={"ETag": ANY_TAG}),
    Case("an old version to change", 412, "PATCH", "/people/1", {"age": 1},
         headers={"If-Match": '"old", W/"older"'}, answered={"ETag": ANY_TAG}),
    Case("an old version to remove", 412, "DELETE", "/people/1", headers={"If-Match": '"old"'},
         answered={"ETag": ANY_TAG}),
    Case("a row that is there already", 412, "PUT", "/people/1", body=(JSON_BODY, b"{}"),
         headers={"If-None-Match": "*"}, answered={"ETag": ANY_TAG}),
    Case("an old version to read", 412, "GET", "/people/1", headers={"If-Match": '"old"'},
         answered={"ETag": ANY_TAG}),
    # 413
    Case("a body that is too long", 413, "POST", "/people/",
         body=(JSON_BODY, b" " * (2**20 + 1)), detail="1048576 bytes"),
    Case("a form that is too long", 413, "POST", "/people/",
         body=(FORM_BODY, b"email=" + b"x" * 2**20), detail="1048576 bytes"),
    # 415
    Case("a type that is not read", 415, "POST", "/people/", body=("text/plain", b"Bob"),
         answered={"Accept-Post": "application/json"}),
    Case("a type of a patch that is not read", 415, "PATCH", "/people/1",
         body=("text/plain", b"Bob"),
         answered={"Accept-Patch": "application/merge-patch.json, application/json-patch.json"}),
    Case("a type of a replacement that is not read", 415, "PUT", "/people/1",
         body=("text/plain", b"Bob"), answered={"Accept": "application/json"}),
    Case("no type at all", 415, "POST", "/people/", body=("", b"{}"),
         answered={"Accept-Post": "application/json"}),
    Case("a compressed body", 415, "POST", "/people/", body=(JSON_BODY, b"{}"),
         headers={"Content-Encoding": "gzip"}, answered={"Accept-Encoding": "identity"}),
    # 422
    Case("a value that is missing", 422, "POST", "/people/", {"age": 7},
         errors={"/email": "required"}),
    Case("a value of another type", 422, "PATCH", "/people/1", {"age": "old"},
         errors={"/age": "type"}),
    Case("a value that is too long", 422, "POST", "/people/", {"email": "x" * 21},
         errors={"/email": "length"}),
    Case("a value out of range", 422, "PATCH", "/people/1", {"age": 2**63},
         errors={"/age": "range"}),
    Case("a value that is no choice", 422, "PATCH", "/people/1", {"role": "boss"},
         errors={"/role": "choice"}),
    Case("a value that breaks a rule", 422, "PATCH", "/people/1", {"age": 151},
         errors={"/age": "check"}),
    Case("values that break a rule together", 422, "PATCH", "/people/1",
         {"role": "editor", "age": 9}, errors={"/age": "check", "/role": "check"}),
    Case("a name that is no column", 422, "PATCH", "/people/1", {"nosuch": "1"},
         errors={"/nosuch": "unknown"}),
    Case("a name that is no pointer", 422, "POST", "/people/", {**NEW, "a/b~c": "1"},
         errors={"/a~1b~0c": "unknown"}),
    Case("a column that is not to be written", 422, "PATCH", "/people/1", {"created": 1},
         errors={"/created": "read_only"}),
    Case("several mistakes at once", 422, "POST", "/people/",
         {"email": "x" * 21, "age": "old", "role": "boss", "nosuch": "1", "created": 1},
         errors={"/email": "length", "/age": "type", "/role": "choice", "/nosuch": "unknown",
                 "/created": "read_only"}),
    Case("several mistakes in a replacement", 422, "PUT", "/people/1", {"age": "old"},
         errors={"/email": "required", "/age": "type"}),
    Case("a list that is no row", 422, "PUT", "/people/1", body=(JSON_BODY, b"[1]"),
         errors={"": "type"}),
    Case("many rows with mistakes", 422, "POST", "/people/",
         body=(JSON_BODY, json.dumps([NEW, {"age": 7}, 5]).encode()),
         errors={"/2": "type"}),
    Case("one of many rows with a mistake", 422, "POST", "/people/",
         body=(JSON_BODY, json.dumps([NEW, {"email": "x", "age": "old"}]).encode()),
         errors={"/1/age": "type"}),
    # 428
    Case("a change of any version", 428, "PATCH", "/strict/1", {"age": 37}, detail="If-Match"),
    Case("a replacement of any version", 428, "PUT", "/strict/1", NEW, detail="If-Match"),
    Case("a removal of any version", 428, "DELETE", "/strict/1", detail="If-Match"),
    # 500, 503
    Case("a database that is broken", 500, "GET", "/broken/1", detail="the log knows more"),
    Case("a database that is broken, for a write", 500, "POST", "/broken/", NEW),
    Case("a database that is away", 503, "GET", "/away/", answered={"Retry-After": "^[1-9][0-9]*$"},
         detail="The database file is not there."),
    Case("a database that is away, for a write", 503, "PATCH", "/away/1", {"age": 1},
         answered={"Retry-After": "^[1-9][0-9]*$"}),
]  # fmt: skip

EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.status} {c.title}")

#: What would tell how things are stored, or how they are made.
LEAKS = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE FROM|FROM|WHERE|VALUES|PRAGMA|CONSTRAINT|sqlite3?|sqlalchemy"
    r"|\w+Error|Traceback|constraint failed|sqlalche\.me|not a database|unable to open)\b"
    r'|File "|\.py\b|\.db\b|/tmp/'
)


# -- for programs ----------------------------------------------------------------------------


@EVERY_CASE
def test_a_program_gets_a_problem(ask: Any, case: Case) -> None:
    content_type, body = case.body
    if case.values is not None and case.method != "DELETE":
        content_type, body = JSON_BODY, json.dumps(case.values).encode()
    response = send(ask, case, case.method, PROGRAM, content_type, body)
    check_headers(response, case)
    assert response.content_type == "application/problem+json"
    document = response.json
    assert {"type": "about:blank", "status": case.status}.items() <= document.items()
    assert document["title"] == response.status.partition(" ")[2]
    assert case.detail in document["detail"]
    assert document["detail"].endswith((".", ")"))
    pointed = {e["pointer"]: e["code"] for e in document.get("errors", ()) if "pointer" in e}
    assert pointed == dict(case.errors)
    named = [error["parameter"] for error in document.get("errors", ()) if "parameter" in error]
    assert named == ([case.parameter] if case.parameter else [])
    assert all(error["detail"].endswith(".") for error in document.get("errors", ()))


def send(
    ask: Any, case: Case, method: str, accept: str, content_type: str, body: bytes
) -> Response:
    """Send a case, and check what is the same in both formats."""
    before = everything(ask)
    headers = {"Accept": accept, **case.headers}
    response = ask(method, case.path, headers=headers, content_type=content_type, body=body)
    assert response.status_int == case.status, response.text
    assert not LEAKS.search(response.text), response.text
    assert everything(ask) == before
    return response


def check_headers(response: Response, case: Case) -> None:
    assert "Accept" in response.headers["Vary"]
    for name, pattern in case.answered.items():
        assert re.search(pattern, response.headers[name]), response.headers


def everything(ask: Any) -> Any:
    """All that is stored: a mistake changes nothing."""
    return [ask("GET", f"/{name}/").json["data"] for name in ("people", "countries")]


# -- for people ------------------------------------------------------------------------------


@EVERY_CASE
def test_a_person_gets_a_page(ask: Any, case: Case) -> None:
    method, (content_type, body) = case.method, case.body
    if case.values is not None:
        content_type, body = FORM_BODY, as_form(case).encode()
        method = "POST"
    response = send(ask, case, method, PERSON, content_type, body)
    assert response.content_type == "text/html"
    page = Page(response.text)
    assert case.detail in page.text
    assert case.parameter in page.text
    if case.values is not None and case.status in FORM_AGAIN:
        check_form(page, case)
    else:
        check_headers(response, case)
        assert str(case.status) in page.text
        assert page.title.startswith(response.status.partition(" ")[2])
        assert all(pointer in page.text for pointer in case.errors)


#: What can be put right in the form itself.
FORM_AGAIN = {409, 412, 422}


def as_form(case: Case) -> str:
    method = [] if case.method == "POST" else [("_method", case.method)]
    return urlencode([*method, *(case.values or {}).items()])


def check_form(page: "Page", case: Case) -> None:
    """The form again: what was typed, and beside each field what is wrong with it."""
    assert page.forms
    # The same once more at the top, where a conflict has a way out as well.
    assert page.alerts.strip().endswith((".", "Keep all that is stored"))
    for pointer in case.errors:
        name = pointer[1:].replace("~1", "/").replace("~0", "~")
        if name in page.controls:
            assert name in page.alerts.lower()
            assert page.said(name).endswith("."), f"no message beside {name}"
            assert page.invalid(name)
        else:
            assert f"{name}: " in page.alerts or not name
    for name, value in (case.values or {}).items():
        if name in page.controls:
            assert page.controls[name] == str(value)


class Page(HTMLParser):
    """What a person sees of a page.

    Attributes:
        title: Of the page.
        text: All of it.
        forms: How many forms it has.
        controls: What the controls of the forms hold, by name.
        alerts: The text of what a screen reader is told at once.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.title = self.text = self.alerts = ""
        self.forms = 0
        self.controls: dict[str, str] = {}
        self._attributes: dict[str, dict[str, str]] = {}
        self._texts: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def said(self, name: str) -> str:
        """Give the message that belongs to a control."""
        described = self._attributes[name].get("aria-describedby", "").split()
        return "".join(self._texts[id].strip() for id in described if id.endswith("-error"))

    def invalid(self, name: str) -> bool:
        return self._attributes[name].get("aria-invalid") == "true"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = {key: value or "" for key, value in attrs}
        self.forms += tag == "form"
        name = found.get("name", "")
        if tag in ("input", "select", "textarea") and found.get("type") not in ("submit", "image"):
            self._attributes[name] = found
            self.controls[name] = found.get("value", "")
        if tag == "option" and "selected" in found:
            select = next(each for opened, each in reversed(self._open) if opened == "select")
            self.controls[select["name"]] = found["value"]
        if tag not in ("input", "meta", "link", "br", "hr", "img"):
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        for tag, found in self._open:
            if tag == "title":
                self.title += data
            if found.get("role") == "alert":
                self.alerts += data
            if "id" in found:
                self._texts[found["id"]] = self._texts.get(found["id"], "") + data
        if self._open and self._open[-1][0] == "textarea":
            self.controls[self._open[-1][1]["name"]] += data


def test_a_form_that_comes_back_was_negotiated_and_says_so(ask: Any) -> None:
    for accept, content_type in ((PERSON, "text/html"), (PROGRAM, "application/problem+json")):
        response = ask("POST", "/people/", POST={"age": "old"}, headers={"Accept": accept})
        assert (response.status_int, response.content_type) == (422, content_type)
        assert "Accept" in response.headers["Vary"]


def test_a_person_who_saves_an_old_version_sees_both(ask: Any) -> None:
    form = {"_method": "PATCH", "_version": "old", "email": "new@example.org", "age": "36"}
    response = ask("POST", "/people/1", POST=form, headers={"Accept": PERSON})
    assert (response.status_int, response.content_type) == (412, "text/html")
    page = Page(response.text)
    assert page.controls["email"] == "new@example.org"
    assert "Stored now: ada@example.org" in re.sub(r"\s+", " ", page.text)
    assert page.controls["_version"] not in ("", "old")
    assert ask("GET", "/people/1").json["email"] == "ada@example.org"


def test_what_is_typed_again_is_saved(ask: Any) -> None:
    wrong = {"email": "x" * 21, "age": "<7>", "role": "author"}
    again = ask("POST", "/people/", POST=wrong, headers={"Accept": PERSON})
    typed = Page(again.text).controls
    assert (again.status_int, typed["age"], typed["role"]) == (422, "<7>", "author")
    right = {**typed, "email": "bob@example.org", "age": "7"}
    saved = ask("POST", "/people/", POST=right, headers={"Accept": PERSON})
    assert saved.status_int == 303, saved.text
    row = ask("GET", saved.headers["Location"].removeprefix("http://localhost")).json
    assert (row["email"], row["age"], row["role"]) == ("bob@example.org", 7, "author")


# -- failures and the log --------------------------------------------------------------------


FAILURES = [case for case in CASES if case.status >= 500]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.ERROR, logger="wsgikit"):
        yield caplog


@pytest.mark.parametrize("accept", [PROGRAM, PERSON], ids=["program", "person"])
@pytest.mark.parametrize("case", FAILURES, ids=lambda case: f"{case.status} {case.title}")
def test_a_failure_is_named_by_an_id_that_the_log_has(
    ask: Any, logged: pytest.LogCaptureFixture, case: Case, accept: str
) -> None:
    body = json.dumps(case.values).encode() if case.values else b""
    headers = {"Accept": accept}
    response = ask(case.method, case.path, headers=headers, content_type=JSON_BODY, body=body)
    assert response.status_int == case.status
    (record,) = logged.records
    id = record.getMessage().partition(":")[0]
    assert re.fullmatch(r"[0-9a-f]{12}", id)
    if accept == PROGRAM:
        assert response.json["id"] == id
    else:
        assert id in Page(response.text).text
    # The log, and only the log, knows what the database said.
    assert ("file is not a database" in logged.text) is (case.status == 500)


# -- the table is whole ----------------------------------------------------------------------

STATUSES = {400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 500, 503}
CODES = {"required", "type", "length", "range", "choice", "unique", "reference", "in_use", "check",
         "unknown", "read_only"}  # fmt: skip


def test_the_table_has_every_status_and_every_code() -> None:
    assert {case.status for case in CASES} == STATUSES
    assert {code for case in CASES for code in case.errors.values()} == CODES
