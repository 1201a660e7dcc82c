"""wsgikit.media.html: pages, controls that send back what they show, and templates of one's own."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from genshi import builder
from genshi.core import COMMENT, START, TEXT, Attrs, Markup, QName
from genshi.template import TemplateSyntaxError
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.media import asset, parse_body, respond
from wsgikit.media.html import BUILT_IN, HTML, HTMLRenderer, control, serialize
from wsgikit.media.html.controls import MAX_TYPED
from wsgikit.model import KINDS, Field, Page, Reference

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; connect-src 'self'"
)
HEAD = '<html py:strip="" xmlns:py="http://genshi.edgewall.org/" \
xmlns:xi="http://www.w3.org/2001/XInclude">'
NONE = "\N{EN DASH}"
VOID = {"meta", "link", "input", "br", "img"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "</title></textarea></option>",
    "&amp;&lt;",
    "مرحبا \u202e",
    "\n\nfirst lines empty",
    "$name ${name} <?python x ?>",
)

media = HTML()


# -- a page, and a browser's idea of it --------------------------------------------------------


class Element:
    """A node of a page: its tag, attributes, children and text."""

    def __init__(self, tag: str, attributes: Mapping[str, str | None], parent: "Element | None"):
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Element] = []
        self.pieces: list[str | Element] = []

    def __getitem__(self, name: str) -> str | None:
        return self.attributes.get(name)

    @property
    def text(self) -> str:
        return "".join(p if isinstance(p, str) else p.text for p in self.pieces)

    def all(self, tag: str, **attributes: str) -> list["Element"]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        found = [self] if self.tag == tag and wanted.items() <= self.attributes.items() else []
        return found + [hit for child in self.children for hit in child.all(tag, **attributes)]

    def one(self, tag: str, **attributes: str) -> "Element":
        (found,) = self.all(tag, **attributes)
        return found

    def every(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child.every()

    def words(self) -> str:
        return " ".join(self.text.split())


class Tree(HTMLParser):
    """Builds `Element`s, and insists that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Element("", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, dict(attrs), self.at)
        assert len(dict(attrs)) == len(attrs)
        self.at.children.append(found)
        self.at.pieces.append(found)
        if tag not in VOID:
            self.at = found

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.pieces.append(data)


def parse(markup: str) -> Element:
    # HTML, "preprocessing the input stream": no carriage return is left.
    tree = Tree()
    tree.feed(markup.replace("\r\n", "\n").replace("\r", "\n"))
    tree.close()
    assert tree.at is tree.root
    return tree.root


def newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


FLOAT = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def sanitize_datetime(text: str) -> str:
    """Do as HTML's datetime-local: what is no moment is dropped, the rest gets its short form."""
    found = re.fullmatch(r"(\d{4,}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?", text)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    if not found:
        return ""
    day, minutes, seconds, fraction = found.groups(default="")
    fraction = fraction.rstrip("0")
    tail = f":{seconds}" if seconds.strip("0") or fraction else ""
    return f"{day}T{minutes}{tail}{'.' if fraction else ''}{fraction}"


def is_moment(read: Callable[[str], Any], form: str, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return re.fullmatch(form, text, re.ASCII) is not None


def sanitize(kind: str, text: str) -> str:
    """HTML 4.10.5.1: what a browser makes of the value of an input."""
    if kind == "number":
        return text if FLOAT.fullmatch(text) else ""
    if kind == "date":
        return text if is_moment(date.fromisoformat, r"\d{4}-\d\d-\d\d", text) else ""
    if kind == "time":
        form = r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?"
        return text if is_moment(time.fromisoformat, form, text) else ""
    if kind == "datetime-local":
        return sanitize_datetime(text)
    return text if kind == "hidden" else re.sub("[\r\n]", "", text)


def selected(select: Element) -> str | None:
    options = select.all("option")
    chosen = [option for option in options if "selected" in option.attributes] or options
    return chosen[0]["value"]


def unticked(found: Element) -> bool:
    return found["type"] == "checkbox" and "checked" not in found.attributes


def sent(form: Element) -> dict[str | None, str | None]:
    """HTML 4.10.21.4: the fields of a form that nobody touched."""
    entries: dict[str | None, str | None] = {}
    for found in form.all("input"):
        if found["type"] != "file" and not unticked(found):
            entries[found["name"]] = sanitize(found["type"] or "", found["value"] or "")
    for found in form.all("textarea"):
        entries[found["name"]] = found.text.removeprefix("\n")
    for found in form.all("select"):
        entries[found["name"]] = selected(found)
    return {name: text for name, text in entries.items() if name}


# -- a tiny application ------------------------------------------------------------------------


def url(row: Mapping[str, Any] | None = None, noun: str | None = None) -> str:
    return "/people/" + ("" if row is None else str(row["id"])) + (f";{noun}" if noun else "")


def describe(**more: Any) -> dict[str, Any]:
    """What a model collection tells its templates."""
    everything = {"get_new_form", "get_edit_form", "get_delete_form"}
    basic = {"title": "people", "home": "/", "primary": "id", "can": everything, "url": url}
    return {**basic, "reference": lambda *_: None, **more}


def ask(
    action: str,
    context: Mapping[str, Any] | None = None,
    value: Any = None,
    *directories: Path,
    path: str = "/people/",
    **environ: Any,
) -> Element:
    """Render a page in an application, and read it."""
    return parse(raw(action, context, value, *directories, path=path, **environ))


def raw(
    action: str,
    context: Mapping[str, Any] | None = None,
    value: Any = None,
    *directories: Path,
    path: str = "/people/",
    **environ: Any,
) -> str:
    offered = HTML(*directories) if directories else media

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        environ["wsgikit.action"] = action
        if context is not None:
            environ["wsgikit.context"] = context
        return respond(value, request, offered)(environ, start_response)

    response = Request.blank(path, environ=environ).get_response(validator(app))
    assert response.status_int == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.text.startswith("<!DOCTYPE html>\n")
    return response.text


def write(directory: Path, name: str, body: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"{HEAD}{body}</html>", encoding="utf-8")
    return directory


# -- lists -------------------------------------------------------------------------------------


NAMES = (Field("id", "integer"), Field("name"))


def test_a_list_shows_each_row_and_links_its_key() -> None:
    rows = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]
    page = ask("list", describe(meta=NAMES, data=rows))
    assert [cell.text for cell in page.all("th", scope="col")] == ["Id", "Name"]
    assert [link["href"] for link in page.one("tbody").all("a")] == ["/people/1", "/people/2"]
    assert [row.words() for row in page.one("tbody").all("tr")] == ["1Ada", "2Grace"]
    assert page.one("h1").text == page.one("title").text == "people"
    assert page.one("a", class_="button")["href"] == "/people/;new_form"
    assert not page.all("nav", aria_label="Pages")


def test_a_list_without_rows_says_so_and_shows_no_table() -> None:
    page = ask("list", describe(meta=NAMES, data=[]))
    assert "Nothing here yet." in page.words()
    assert not page.all("table")


def test_a_list_offers_only_what_can_be_done() -> None:
    page = ask("list", describe(meta=NAMES, data=[], can=set(), count=0))
    assert not page.all("a", class_="button")
    assert "0 in all" in page.words()


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"next": "/p?cursor=b"}, {"Next": "/p?cursor=b"}),
        (
            {"next": "/p?cursor=c", "prev": "/p?cursor=a&limit=5", "first": "/p"},
            {"First": "/p", "Previous": "/p?cursor=a&limit=5", "Next": "/p?cursor=c"},
        ),
        ({"first": "/p"}, {}),
    ],
)
def test_a_list_links_its_neighbouring_pages(
    links: dict[str, str], expected: dict[str, str]
) -> None:
    page = ask("list", describe(meta=NAMES, data=[{"id": 1, "name": "Ada"}], **links))
    found = {a.text: a["href"] for nav in page.all("nav", class_="pager") for a in nav.all("a")}
    assert found == expected


def test_only_the_first_part_of_a_composite_key_links_the_row() -> None:
    fields = (Field("note"), Field("id", "integer"), Field("line", "integer"))
    row = {"note": "x", "id": 7, "line": 2}
    page = ask("list", describe(meta=fields, data=[row], primary=("id", "line")))
    assert [link.text for link in page.one("tbody").all("a")] == ["7"]


def test_a_list_without_its_key_links_the_first_column() -> None:
    page = ask("list", describe(meta=(Field("name"),), data=[{"id": 7, "name": ""}]))
    link = page.one("tbody").one("a")
    assert (link.text, link["href"]) == ("(empty)", "/people/7")


@pytest.mark.parametrize("more", [{"primary": None}, {"url": lambda *_, **__: None}])
def test_rows_without_a_url_are_not_linked(more: dict[str, Any]) -> None:
    page = ask("list", describe(meta=NAMES, data=[{"id": 1, "name": "Ada"}]) | more)
    assert not page.one("tbody").all("a")


def test_foreign_keys_become_links_where_there_is_something_to_link_to() -> None:
    fields = (*NAMES, Field("boss", "integer", references=Reference("people", "id")))
    rows = [{"id": 2, "name": "Ada", "boss": 1}, {"id": 3, "name": "Bob", "boss": 99}]

    def reference(field: Field, value: Any) -> str | None:
        return f"/{field.references.model}/{value}" if field.references and value < 9 else None

    page = ask("list", describe(meta=fields, data=rows, reference=reference))
    first, second = page.one("tbody").all("tr")
    assert first.all("a")[1]["href"] == "/people/1"
    assert (len(second.all("a")), second.all("td")[1].text) == (1, "99")


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, NONE),
        ("", "empty"),
        ("text", "text"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (10**20, "100000000000000000000"),
        (1.5, "1.5"),
        (Decimal("12.50"), "12.50"),
        (date(2026, 5, 1), "2026-05-01"),
        (datetime(2026, 5, 1, 10, 30, 5), "2026-05-01 10:30:05"),
        (time(10, 30), "10:30:00"),
        (timedelta(days=2, hours=3), "2 d 3:00:00"),
        (timedelta(hours=-1), "\N{MINUS SIGN}1:00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"x", "1 byte"),
        (bytes(999), "999 bytes"),
        (bytearray(1500), "1.5 kB"),
        (memoryview(bytes(2_500_000)), "2.5 MB"),
        ({"a": [1, "é", None]}, '{"a": [1, "é", null]}'),
        ([date(2026, 5, 1)], '["2026-05-01"]'),
        (Colour.RED, "red"),
        ("long " * 100, "long " * 15 + "long…"),
        ("x" * 1_000_000, "x" * 79 + "…"),
        ("a\0b", "a\\x00b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, expected: str) -> None:
    page = ask("list", describe(meta=NAMES, data=[{"id": 1, "name": value}]))
    assert page.one("tbody").one("td").text == expected


def test_an_integer_that_python_does_not_write_in_decimal_is_shown() -> None:
    page = ask("list", describe(meta=NAMES, data=[{"id": 1, "name": 16**5000}]))
    assert page.one("tbody").one("td").text.startswith("0x1000")


def test_null_and_empty_text_differ_from_texts_that_look_like_them() -> None:
    rows = [{"id": 1, "name": name} for name in (None, NONE, "", "empty")]
    cells = ask("list", describe(meta=NAMES, data=rows)).one("tbody").all("td")
    assert [bool(cell.all("i")) for cell in cells] == [True, False, True, False]


@pytest.mark.parametrize(
    ("value", "is_link"),
    [
        ("https://example.org/?a=1&b=2", True),
        ("HTTP://EXAMPLE.ORG", True),
        ("mailto:ada@example.org", True),
        ("javascript:alert(1)", False),
        ("https://example.org/ and more", False),
        (" https://example.org/", False),
        ("https://example.org/\nx", False),
        ("data:text/html,x", False),
        ("example.org", False),
    ],
)
def test_only_safe_addresses_become_links(value: str, is_link: bool) -> None:
    page = ask("retrieve", describe(meta=NAMES, row={"id": 1, "name": value}))
    links = [link["href"] for link in page.one("dl").all("a")]
    assert links == ([value] if is_link else [])


def test_numbers_are_aligned_and_texts_know_their_direction() -> None:
    fields = [Field(kind, kind) for kind in sorted(KINDS)]
    row = dict.fromkeys(sorted(KINDS), "x")
    cells = ask("list", describe(meta=fields, data=[row], primary=None)).one("tbody").all("td")
    styles = {kind: cell["class"] for kind, cell in zip(sorted(KINDS), cells, strict=True)}
    assert {kind for kind, style in styles.items() if style == "num"} == {
        "integer",
        "float",
        "decimal",
    }
    assert [cell["dir"] for cell in cells if cell["class"] is None] == ["auto"] * 3


def test_names_of_other_rows_are_aligned_as_texts_are() -> None:
    of = Field("of", "integer", references=Reference("orders", "id"))
    page = ask("list", describe(meta=[of], data=[{"of": 7}], primary=None))
    for found in (page.one("th"), page.one("td")):
        assert (found["class"], found["dir"]) == (None, "auto")


# -- items, home, problems ---------------------------------------------------------------------


def test_an_item_shows_every_field_in_whole() -> None:
    row = {"id": 1, "name": "long text\n" * 50}
    page = ask("retrieve", describe(meta=NAMES, row=row))
    assert [term.text for term in page.all("dt")] == ["Id", "Name"]
    assert [shown.text for shown in page.all("dd")] == ["1", row["name"]]
    assert [link["href"] for link in page.one("main").all("a")] == [
        "/people/1;edit_form",
        "/people/1;delete_form",
    ]


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "1"),
        ({"label": "name"}, "Ada"),
        ({"label": "missing"}, "1"),
        ({"primary": ("id", "name")}, "1, Ada"),
        ({"primary": None}, "people"),
    ],
)
def test_an_item_is_called_by_its_label_or_its_key(more: dict[str, Any], name: str) -> None:
    page = ask("retrieve", describe(meta=NAMES, row={"id": 1, "name": "Ada"}) | more)
    assert page.one("h1").text == name


def test_a_page_of_no_row_is_called_like_its_collection() -> None:
    assert ask("retrieve", describe(meta=NAMES, row=None)).one("h1").text == "people"


def test_pages_say_where_they_are() -> None:
    context = describe(meta=NAMES, row={"id": 1, "name": "Ada"}, label="name", values={})
    crumbs = ask("get_edit_form", context).one("nav").all("a")
    assert [(a.text, a["href"]) for a in crumbs] == [
        ("Home", "/"),
        ("people", "/people/"),
        ("Ada", "/people/1"),
    ]


def test_home_lists_collections_and_what_they_are() -> None:
    collections = [
        {"href": "/people/", "title": "people", "note": None},
        {"href": "/busy/", "title": "<busy>", "note": "read-only: a view"},
    ]
    page = ask("home", {"title": "Everything", "collections": collections})
    assert [(a.text, a["href"]) for a in page.one("main").all("a")] == [
        ("people", "/people/"),
        ("<busy>", "/busy/"),
    ]
    assert [note.text for note in page.all("small")] == ["read-only: a view"]
    empty = ask("home", {"title": "Everything", "collections": []})
    assert "There are no collections." in empty.words()


def test_a_problem_names_what_is_wrong_and_where() -> None:
    errors = [
        {"pointer": "/email", "code": "unique", "detail": "<Taken>."},
        {"parameter": "limit", "detail": "Not a number."},
        {"code": "odd"},
        "nothing to read",
    ]
    value = {"title": "Bad", "status": 422, "detail": "Some <values>.", "errors": errors}
    page = ask("problem", describe(), value)
    assert page.one("h1").text == "Bad"
    assert "422" in page.one("main").words()
    assert "Some <values>." in page.one("main").words()
    assert [item.words() for item in page.one("main").all("li")] == [
        "/email <Taken>.",
        "limit Not a number.",
        "odd",
    ]
    assert page.one("nav").one("a")["href"] == "/"


def test_a_problem_without_details_is_still_a_page() -> None:
    assert ask("problem", None, {"errors": "?"}).one("h1").text == "Something went wrong"


def test_other_formats_are_linked_with_the_same_query() -> None:
    context = describe(meta=NAMES, data=[], formats=("json", "csv"))
    page = ask("list", context, path="/people/?q=a%26b&limit=&format=html")
    assert [a["href"] for a in page.one("footer").all("a")] == [
        "?q=a%26b&limit=&format=json",
        "?q=a%26b&limit=&format=csv",
    ]


# -- hostile values ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("action", ["list", "retrieve", "get_edit_form", "get_delete_form"])
def test_hostile_values_stay_values(action: str, text: str) -> None:
    fields = (
        Field("id", "integer"),
        Field(text, hint=text, label=text),
        Field("kind", "enum", choices=(text,)),
        Field("code", "integer"),
    )
    row = {"id": 1, text: text, "kind": text, "code": text}
    context = describe(
        title=text,
        meta=fields,
        label=text,
        row=row,
        data=[row] if action == "list" else (),
        values={name: str(value) for name, value in row.items()},
        errors={text: [text], "": [text], "gone": [text]},
        version=text,
    )
    if action == "list":
        context["row"] = None
    page = ask(action, context)
    assert [script.text for script in page.all("script")] == [""]
    assert not page.all("img")
    assert not [a for a in page.all("a") if (a["href"] or "").startswith("javascript")]
    assert " ".join(text.split()) in page.one("body").words()
    assert not [key for found in page.every() for key in found.attributes if key[:2] == "on"]


@pytest.mark.parametrize("home", ["javascript:alert(1)", " java\nscript:alert(1)", "data:x,y"])
def test_links_that_could_run_code_lose_their_target(home: str) -> None:
    page = ask("list", describe(home=home, next=home, data=[{"id": 1}], meta=NAMES))
    assert [a["href"] for a in page.all("a") if a.text in ("Home", "Next")] == [None, None]


@pytest.mark.parametrize(
    "href", ["/a:b", "a/b:c", "?a=b:c", "#x:y", "HTTPS://a", "mailto:a@b", "tel:+64", "//host/"]
)
def test_links_that_cannot_run_code_keep_it(href: str) -> None:
    assert ask("list", describe(home=href)).one("nav").one("a")["href"] == href


# -- controls ----------------------------------------------------------------------------------


def form(*fields: Field, **more: Any) -> Element:
    context = describe(meta=fields, values={}, errors={}, version=None, conflict=None) | more
    return ask("get_new_form" if context.get("row") is None else "get_edit_form", context)


#: kind, text, the type of control that keeps it
CONTROLS = [
    ("text", "Ada", "text"),
    ("text", " blanks ", "text"),
    ("text", "", "text"),
    ("text", "\nfirst line empty", "textarea"),
    ("text", "\r\n\r\nDOS", "textarea"),
    ("text", "lone\rreturn", "textarea"),
    ("text", "</textarea>\n<b>", "textarea"),
    ("text", "x" * 201, "textarea"),
    ("text", "\x01\x0c\x1f\x7f\x85\u2028\ufeff\ufffe", "text"),
    ("integer", "7", "number"),
    ("integer", "-999999999999999", "number"),
    ("integer", "9223372036854775807", "text"),
    ("integer", "+1", "text"),
    ("integer", "3.0", "text"),
    ("integer", "٣", "text"),
    ("integer", "n/a", "text"),
    ("integer", "two\nlines", "textarea"),
    ("float", "1.5", "number"),
    ("float", "1e-07", "number"),
    ("float", "1e+300", "text"),
    ("float", "NaN", "text"),
    ("float", "-Infinity", "text"),
    ("decimal", "0.10", "number"),
    ("decimal", "12345678901234567890.123456789", "text"),
    ("decimal", "1E+3", "text"),
    ("boolean", "true", "select"),
    ("boolean", "false", "select"),
    ("boolean", "2", "select"),
    ("date", "2026-05-01", "date"),
    ("date", "0001-01-01", "date"),
    ("date", "0000-01-01", "text"),
    ("date", "2026-02-30", "text"),
    ("date", "12026-01-01", "text"),
    ("date", "1.5.2026", "text"),
    ("time", "10:30", "time"),
    ("time", "10:30:00", "time"),
    ("time", "10:30:05.125", "time"),
    ("time", "10:30:05.123456", "text"),
    ("time", "24:00", "text"),
    ("time", "10:30+02:00", "text"),
    ("datetime", "2026-05-01T10:30", "datetime-local"),
    ("datetime", "2026-05-01T10:30:05", "datetime-local"),
    ("datetime", "2026-05-01T10:30:05.5", "datetime-local"),
    ("datetime", "2026-05-01T10:30:00.001", "datetime-local"),
    ("datetime", "2026-05-01T10:30:00", "text"),
    ("datetime", "2026-05-01T10:30:05.500", "text"),
    ("datetime", "2026-05-01T10:30:05.000", "text"),
    ("datetime", "2026-05-01T10:30:05.123456", "text"),
    ("datetime", "2026-05-01T10:30+00:00", "text"),
    ("datetime", "2026-05-01 10:30", "text"),
    ("datetime", "9999-12-31T23:59:59.999", "datetime-local"),
    ("interval", "P1DT2H", "text"),
    ("uuid", "00000000-0000-0000-0000-000000000001", "text"),
    ("enum", "red", "select"),
    ("enum", "", "select"),
    ("enum", "gone\nfrom the choices", "select"),
    ("json", '{"a": 1}', "textarea"),
    ("array", "[1, 2]", "textarea"),
    ("other", "POINT(1 2)", "text"),
]


def make(kind: str, name: str = "value", **more: Any) -> Field:
    choices = ("red", "green", "") if kind == "enum" else ()
    return Field(name, kind, **{"choices": choices, "length": 3, "minimum": 0, "maximum": 9} | more)


@pytest.mark.parametrize(("kind", "text", "expected"), CONTROLS)
def test_a_control_sends_back_what_it_shows(kind: str, text: str, expected: str) -> None:
    page = form(make(kind), row={"id": 1, "value": text}, values={"value": text}).one("form")
    (found,) = page.all("input", name="value") or page.all("textarea") or page.all("select")
    assert (found["type"] or found.tag) == expected
    assert newlines(sent(page)["value"] or "") == newlines(text)


texts = st.one_of(
    st.text(),
    st.text(alphabet="0123456789-+.eETZ: \r\n"),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.datetimes().map(datetime.isoformat),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="minutes")),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds")),
    st.times().map(time.isoformat),
    st.dates().map(date.isoformat),
)


@given(
    kind=st.sampled_from(sorted(set(KINDS) - {"binary"})),
    text=texts,
    nullable=st.booleans(),
    required=st.booleans(),
    multiline=st.booleans(),
)
def test_whatever_is_stored_is_sent_back(
    kind: str, text: str, nullable: bool, required: bool, multiline: bool
) -> None:
    field = make(kind, nullable=nullable, required=required, multiline=multiline)
    page = parse(serialize(control(field, text, new=False)))
    if re.search("[\0\ud800-\udfff]", text):
        assert sent(page) == {}
    else:
        assert newlines(sent(page)["value"] or "") == newlines(text)


@given(name=st.text(min_size=1))
def test_whatever_a_column_is_called_its_control_has_that_name(name: str) -> None:
    page = parse(serialize(control(Field(name), "x")))
    if re.search("[\0\r\n\ud800-\udfff]", name):
        assert sent(page) == {}
    else:
        assert sent(page) == {"_" + name if name.startswith("_") else name: "x"}


@pytest.mark.parametrize(
    "name", ["_method", "__x", "with space", 'a"quote', "it's", "limit", "naïve", "a\tb", "%22"]
)
def test_odd_column_names_keep_their_labels_and_controls_together(name: str) -> None:
    page = form(Field(name), Field("other"))
    label = page.all("label")[0]
    (found,) = page.all("input", id=str(label["for"]))
    assert found["name"] == ("_" + name if name.startswith("_") else name)
    assert not re.search(r"\s", str(label["for"]))


@pytest.mark.parametrize(
    ("name", "text"), [("a\0b", "x"), ("a\nb", "x"), ("", "x"), ("ok", "a\0b"), ("ok", "\udc80")]
)
def test_what_no_form_can_carry_is_shown_but_not_sent(name: str, text: str) -> None:
    page = form(Field(name, label="It"), row={"id": 1, name: text}, values={name: text})
    assert "It" not in sent(page.one("form"))
    assert sent(page.one("form")).keys() == {"_method"}
    assert page.one("output").text == text.replace("\0", "\\x00").replace("\udc80", "\\udc80")


def test_choices_that_no_form_can_carry_are_not_offered() -> None:
    page = form(Field("kind", "enum", choices=("good", "b\0d")))
    assert [option["value"] for option in page.all("option")] == ["", "good"]


@pytest.mark.parametrize(
    ("more", "text", "new", "options"),
    [
        ({}, None, True, ["", "true", "false"]),
        ({}, "true", False, ["", "true", "false"]),
        ({"nullable": False}, None, True, ["", "true", "false"]),
        ({"nullable": False}, "maybe", False, ["true", "false", "maybe"]),
    ],
)
def test_a_yes_or_no_is_never_chosen_for_people(
    more: dict[str, Any], text: str | None, new: bool, options: list[str]
) -> None:
    page = parse(serialize(control(Field("b", "boolean", **more), text, new=new)))
    assert [option["value"] for option in page.all("option")] == options
    assert sent(page) == {"b": text or ""}


@pytest.mark.parametrize("text", ["true", "false"])
@pytest.mark.parametrize("new", [True, False])
def test_a_yes_or_no_that_is_one_already_is_a_box(text: str, new: bool) -> None:
    field = Field("b", "boolean", nullable=False, required=True)
    page = parse(serialize(control(field, text, new=new)))
    box = page.one("input", type="checkbox")
    assert (box["value"], "required" in box.attributes) == ("true", False)
    assert sent(page) == {"_unticked": "b", **({"b": "true"} if text == "true" else {})}


LIMITS: list[tuple[str, dict[str, Any], str | None, dict[str, str | None]]] = [
    ("text", {"length": 5}, None, {"maxlength": "5"}),
    ("text", {"length": 5}, "abc", {"maxlength": "5"}),
    ("text", {"length": 5}, "too long", {"maxlength": None}),
    ("text", {"length": 5}, "😀", {"maxlength": None}),
    ("text", {}, "abc", {"maxlength": None}),
    ("text", {"length": 5, "multiline": True}, "abc", {"maxlength": "5", "rows": "3"}),
    ("json", {"length": 5}, "[]", {"maxlength": None}),
    ("integer", {"minimum": 0, "maximum": 9}, "5", {"min": "0", "max": "9", "step": "1"}),
    ("integer", {"minimum": 0, "maximum": 9}, "12", {"min": "0", "max": None}),
    ("integer", {"minimum": 0, "maximum": 9}, "-1", {"min": None, "max": "9"}),
    ("integer", {"minimum": -(2**63), "maximum": 2**63 - 1}, None, {"min": None, "max": None}),
    ("integer", {}, "9" * 16, {"type": "text", "inputmode": "numeric"}),
    ("decimal", {"scale": 2}, "1.5", {"step": "0.01"}),
    ("decimal", {"scale": 0}, None, {"step": "1"}),
    ("decimal", {"scale": 2}, "1.005", {"step": "any"}),
    ("decimal", {"scale": 2, "nonfinite": frozenset({"NaN"})}, "1", {"type": "number"}),
    ("float", {"nonfinite": frozenset({"NaN"})}, "NaN", {"type": "text"}),
    ("decimal", {}, "1", {"step": "any"}),
    ("float", {}, "1", {"step": "any"}),
    ("date", {}, None, {"max": "9999-12-31", "step": None}),
    ("time", {}, "10:30:05", {"max": None, "step": "1"}),
    ("time", {}, None, {"step": "1"}),
    ("datetime", {}, "2026-05-01T10:30", {"step": "1"}),
    ("datetime", {}, "2026-05-01T10:30:05.5", {"step": "0.001"}),
    (
        *("datetime", {"timezone": True}, None),
        {"type": "text", "placeholder": "2026-02-28T12:30:00+00:00"},
    ),
    ("time", {}, "10:30:05.123456", {"type": "text", "placeholder": "12:30:00"}),
    ("interval", {}, None, {"placeholder": "P1DT2H30M"}),
    ("text", {}, None, {"placeholder": None}),
    ("json", {}, None, {"placeholder": '{"name": "value"}'}),
    ("array", {"items": Field("item", "integer")}, None, {"placeholder": "[1, 2]"}),
    ("array", {}, None, {"placeholder": None}),
]


@pytest.mark.parametrize(("kind", "more", "text", "expected"), LIMITS)
def test_the_limits_of_a_field_reach_its_control(
    kind: str, more: dict[str, Any], text: str | None, expected: dict[str, str | None]
) -> None:
    page = parse(serialize(control(Field("f", kind, **more), text)))
    found = (page.all("input") or page.all("textarea"))[0]
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "new", "required"),
    [
        (None, True, True),
        ("x", True, True),
        ("", True, False),
        ("x", False, True),
        ("", False, False),
        (None, False, False),
    ],
)
def test_required_never_keeps_a_stored_value_from_being_saved(
    text: str | None, new: bool, required: bool
) -> None:
    page = parse(serialize(control(Field("f", nullable=False, required=True), text, new=new)))
    assert ("required" in page.one("input").attributes) is required


def test_a_file_names_the_size_of_what_is_there_and_sends_nothing() -> None:
    field = Field("photo", "binary", required=True, nullable=False)
    new = form(field)
    assert "required" in new.one("input", type="file").attributes
    assert new.one("form")["enctype"] == "multipart/form-data"
    page = form(field, row={"id": 1, "photo": b"x" * 12}, values={"photo": "eHh4"})
    assert "required" not in page.one("input", type="file").attributes
    assert page.one("input", type="file")["value"] is None
    assert "Now 12 bytes." in page.one("form").words()
    assert not page.all("input", type="checkbox")


@pytest.mark.parametrize("typed", [None, ""])
def test_a_file_that_may_be_missing_can_be_removed(typed: str | None) -> None:
    field = Field("photo", "binary")
    page = form(field, row={"id": 1, "photo": b"x"}, values={"photo": typed})
    box = page.one("input", type="checkbox")
    assert (box["name"], box["value"], "checked" in box.attributes) == ("photo", "", typed == "")
    assert sent(page.one("form")).keys() == {"_method"} | ({"photo"} if typed == "" else set())
    assert not form(field, row={"id": 1, "photo": None}).all("input", type="checkbox")


def test_what_is_too_long_to_be_typed_is_shown_but_not_sent() -> None:
    for length in (MAX_TYPED, MAX_TYPED + 1):
        text = "x" * length
        page = form(Field("a"), row={"id": 1, "a": text}, values={"a": text})
        is_typed = length == MAX_TYPED
        assert sent(page.one("form")).keys() == {"_method"} | ({"a"} if is_typed else set())
        assert page.one("form")["enctype"] == "multipart/form-data"
        assert ("too long to be changed here" in page.words()) != is_typed
    assert len(page.one("output").text) == 1000


def test_a_yes_or_no_that_is_there_is_not_called_required() -> None:
    field = Field("sure", "boolean", nullable=False, required=True)
    assert "required" in form(field, values={"sure": None}).one("label").words()
    assert "required" not in form(field, values={"sure": "false"}).one("label").words()


# -- forms -------------------------------------------------------------------------------------


def test_a_new_form_posts_to_the_collection() -> None:
    page = form(Field("name", required=True), Field("id", "integer", writable=False)).one("form")
    assert (page["method"], page["action"], page["enctype"]) == ("post", "/people/", None)
    assert sent(page) == {"name": ""}
    assert page.one("label").words() == "Name required"


def test_an_edit_form_patches_the_version_that_was_seen() -> None:
    row = {"id": 7, "name": "Ada"}
    page = form(*NAMES, row=row, values={"id": "7", "name": "Ada"}, version='"v1"').one("form")
    assert page["action"] == "/people/7"
    assert sent(page) == {"_method": "PATCH", "_version": '"v1"', "id": "7", "name": "Ada"}


def test_a_delete_form_asks_and_carries_the_version() -> None:
    context = describe(meta=NAMES, row={"id": 7, "name": "Ada"}, version="v1")
    page = ask("get_delete_form", context)
    assert page.one("form")["action"] == "/people/7"
    assert sent(page.one("form")) == {"_method": "DELETE", "_version": "v1"}
    assert [shown.text for shown in page.all("dd")] == ["7", "Ada"]


def test_errors_are_summed_up_and_stand_beside_their_fields() -> None:
    errors = {"name": ["Too long.", "Too odd."], "": ["Both at once."], "secret": ["Missing."]}
    page = form(*NAMES, errors=errors, values={"name": "kept"})
    found = page.one("input", name="name")
    assert (found["value"], found["aria-invalid"]) == ("kept", "true")
    (note,) = page.all("small", id=str(found["aria-describedby"]))
    assert note.text == "Too long. Too odd."
    summary = page.one("section", role="alert")
    assert [item.words() for item in summary.all("li")] == [
        "Name: Too long.",
        "Name: Too odd.",
        "Both at once.",
        "secret: Missing.",
    ]
    assert summary.all("a")[0]["href"] == f"#{found['id']}"
    assert page.one("input", name="id")["aria-invalid"] is None


def test_a_hint_describes_its_control() -> None:
    page = form(Field("name", hint="As on the passport."))
    (hint,) = page.all("small", id=str(page.one("input")["aria-describedby"]))
    assert hint.text == "As on the passport."


def test_what_the_store_fills_in_need_not_be_typed() -> None:
    made, known = Field("made", has_default=True), Field("known", has_default=True, default="x")
    page = form(made, known)
    (note,) = page.all("small")
    assert (note.text, note["id"]) == ("Filled in if it is left empty.", "field-made-filled")
    assert page.one("input", name="made")["aria-describedby"] == "field-made-filled"
    assert page.one("input", name="known")["aria-describedby"] is None
    assert not form(made, row={"id": 1, "made": "x"}).all("small")


def test_the_title_of_a_row_says_what_it_is_one_of() -> None:
    row = {"id": 7, "name": "Ada"}
    page = ask("retrieve", describe(meta=NAMES, row=row, label="name", title="People"))
    assert (page.one("title").text, page.one("h1").text) == ("Ada \N{EN DASH} People", "Ada")


def test_a_conflict_shows_both_values() -> None:
    fields = (Field("a"), Field("b"), Field("c"), Field("d", "binary"), Field("e"))
    conflict = {"a": "theirs\n", "b": None, "c": "", "d": "AAAA"}
    row = {"id": 1, **dict.fromkeys("abcde")}
    page = form(*fields, row=row, values=dict.fromkeys("abcde", "mine"), conflict=conflict)
    asked = [note.one("p").words() for note in page.all("div", class_="conflict")]
    assert asked == [
        "Stored now: theirs",
        "Stored now: nothing",
        "Stored now: empty",
        "Stored now: another file",
    ]
    assert [box["value"] for box in page.all("input", name="_keep")] == ["a", "b", "c", "d"]
    assert page.one("section", role="alert").one("h2").text == "Somebody else saved first"
    assert page.one("input", name="a")["aria-describedby"] == "field-a-conflict"
    deleting = ask("get_delete_form", describe(meta=fields, row=row, conflict=conflict))
    assert "Nothing is deleted yet." in deleting.words()


def test_an_action_that_was_refused_says_which() -> None:
    context = describe(meta=NAMES, row={"id": 1, "name": ""}, errors={"": ["In use."]})
    assert "could not be deleted" in ask("get_delete_form", context).words()


# -- values without a description --------------------------------------------------------------


def expand(**urlvars: Any) -> str:
    if urlvars.get("id") == "bad":
        raise LookupError("no such route")
    key, noun = urlvars.get("id"), urlvars.get("noun")
    return f"/things/{key or ''}{';' if noun else ''}{noun or ''}"


def plain(action: str, value: Any, *directories: Path, **environ: Any) -> Element:
    return ask(action, None, value, *directories, **{"wsgikit.url": expand} | environ)


def test_rows_without_a_description_are_a_table() -> None:
    rows = [{"id": 1, "name": "Ada"}, {"id": None, "size": 2.5}, {"id": "bad", 3: b"x"}, 7]
    page = plain("list", rows)
    assert [cell.text for cell in page.all("th", scope="col")] == [
        "id",
        "name",
        "size",
        "3",
        "value",
    ]
    assert [link["href"] for link in page.one("tbody").all("a")] == ["/things/1"]
    assert [row.words() for row in page.one("tbody").all("tr")][3] == NONE * 4 + "7"


@pytest.mark.parametrize(
    "value",
    [
        Page([{"id": 1}], None, None, 1),
        SimpleNamespace(data=[{"id": 1}], next=None, prev=None, count=1),
        {"data": [{"id": 1}], "next": None, "prev": None, "count": 1},
    ],
)
def test_a_page_of_rows_is_a_list(value: Any) -> None:
    page = plain("list", value)
    assert [row.words() for row in page.one("tbody").all("tr")] == ["1"]
    assert "1 in all" in page.words()


@pytest.mark.parametrize("action", ["unheard_of", "default", "layout", "field", "home", "../x", ""])
def test_an_action_without_a_template_is_shown_as_it_is(action: str) -> None:
    page = plain(action, {"name": "Ada", "none": None})
    assert [(t.text, d.text) for t, d in zip(page.all("dt"), page.all("dd"), strict=True)] == [
        ("name", "Ada"),
        ("none", NONE),
    ]
    assert [row.words() for row in plain(action, [{"a": 1}]).one("tbody").all("tr")] == ["1"]
    assert plain(action, "just text").one("dd").text == "just text"
    assert "Nothing to show." in plain(action, None).words()


@pytest.mark.parametrize(
    "name",
    [
        *("self", "title", "data", "next", "row", "url", "show", "errors", "can", "value", "main"),
        *("defined", "home", "_", "x-y", "status"),
    ],
)
@pytest.mark.parametrize("action", ["list", "retrieve", "get_edit_form", "other", "problem"])
def test_no_name_in_a_value_breaks_a_page(action: str, name: str) -> None:
    page = plain(action, {name: "javascript:alert(1)"})
    assert not page.all("a", href="javascript:alert(1)")
    assert page.one("h1").text


def test_nothing_is_an_empty_list_and_an_item_of_its_id() -> None:
    assert "Nothing here yet." in plain("list", {}).words()
    assert plain("list", {"message": "Hello"}).one("dd").text == "Hello"
    assert plain("retrieve", {"id": "7"}).one("dd").text == "7"


def test_forms_without_a_description_take_their_fields_from_the_row() -> None:
    value = {"id": 7, "name": "Ada", "ok": True, "tags": ["a"], "when": date(2026, 5, 1)}
    page = plain("get_edit_form", value).one("form")
    assert page["action"] == "/things/7"
    assert sent(page) == {
        "_method": "PATCH",
        "id": "7",
        "name": "Ada",
        "ok": "true",
        "tags": '["a"]',
        "when": "2026-05-01",
    }
    routed = {"wsgiorg.routing_args": ((), {"id": "8"})}
    page = plain("get_edit_form", {"name": None, "photo": b"x"}, **routed).one("form")
    assert (page["action"], page["enctype"]) == ("/things/8", "multipart/form-data")
    assert plain("get_edit_form", {"name": "x"}).one("form")["action"] is None


# -- templates of one's own --------------------------------------------------------------------


def test_a_projects_template_replaces_a_page_and_sees_the_keys_of_the_value(tmp_path: Path) -> None:
    write(tmp_path, "hello.html", "<html><p>Hello $name, ${value[3]}, ${request.path}</p></html>")
    page = ask("hello", None, {"name": "<Ada>", 3: "x"}, tmp_path)
    assert page.one("p").text == "Hello <Ada>, x, /people/"


def test_a_context_is_all_that_a_template_sees(tmp_path: Path) -> None:
    write(tmp_path, "hello.html", "<p>${defined('name')} $greeting</p>")
    page = ask("hello", {"greeting": "Hi"}, {"name": "Ada"}, tmp_path)
    assert page.one("p").text == "False Hi"


def test_directories_are_tried_in_order_and_noticed_when_they_change(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    offered = HTMLRenderer(str(first), second)

    def render() -> str:
        request = Request.blank("/", environ={"wsgikit.action": "hello"})
        return parse(offered({"a": 1}, request).decode()).words()

    assert "a 1" in render()
    write(second, "hello.html", "<p>second</p>")
    assert render() == "second"
    write(first, "hello.html", "<p>first</p>")
    assert render() == "first"
    write(first, "hello.html", "<p>changed</p>")
    os.utime(first / "hello.html", ns=(0, 0))
    assert render() == "changed"
    (first / "hello.html").unlink()
    assert render() == "second"


def test_a_file_in_the_place_of_a_directory_holds_no_templates(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    assert ask("list", describe(), None, tmp_path / "file").one("h1").text == "people"


def test_a_page_can_keep_the_built_in_one_and_change_a_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        "list.html",
        '<py:def function="heading">Everyone</py:def>'
        '<py:def function="intro"><p id="intro">Who works here.</p></py:def>'
        '<xi:include href="wsgikit/list.html"/>',
    )
    page = ask("list", describe(meta=NAMES, data=[{"id": 1, "name": "Ada"}]), None, tmp_path)
    assert page.one("h1").text == page.one("title").text == "Everyone"
    assert page.one("p", id="intro").text == "Who works here."
    assert page.one("tbody").one("td").text == "Ada"


def test_a_field_can_be_shown_and_edited_in_another_way(tmp_path: Path) -> None:
    write(
        tmp_path,
        "field.html",
        '<py:def function="show_name(value)"><b>$value!</b></py:def>'
        '<py:def function="control_name(field, text)">'
        '<input name="name" type="color" value="$text"/></py:def>'
        '<xi:include href="wsgikit/field.html"/>',
    )
    row = {"id": 1, "name": "<Ada>"}
    context = describe(meta=NAMES, row=row, values={"name": "#123456"}, errors={})
    assert ask("retrieve", context, None, tmp_path).one("b").text == "<Ada>!"
    write(tmp_path, "retrieve.html", '<xi:include href="wsgikit/retrieve.html"/>')
    assert ask("retrieve", context, None, tmp_path).one("b").text == "<Ada>!"
    assert ask("get_edit_form", context, None, tmp_path).one("input", type="color")["value"]
    listed = describe(meta=NAMES, data=[row])
    assert ask("list", listed, None, tmp_path).one("td").one("b").text == "<Ada>!"
    linked = ask("list", listed | {"primary": "name"}, None, tmp_path).one("tbody").one("a")
    assert (linked["href"], linked.one("b").text) == ("/people/1", "<Ada>!")


@pytest.mark.parametrize(
    "body",
    [
        "<script>var x = $x;</script>",
        "<style>p { color: ${x} }</style>",
        '<SCRIPT><py:for each="x in y">$x</py:for></SCRIPT>',
        '<script py:content="x"/>',
        '<script><xi:include href="field.html"/></script>',
        "<?python import os ?>",
    ],
)
def test_templates_that_would_run_or_not_escape_a_value_are_refused(
    tmp_path: Path, body: str
) -> None:
    write(tmp_path, "hello.html", f"<div>{body}</div>")
    with pytest.raises(TemplateSyntaxError):
        HTMLRenderer(tmp_path)({}, Request.blank("/", environ={"wsgikit.action": "hello"}))


def test_what_a_template_holds_itself_is_left_alone(tmp_path: Path) -> None:
    body = (
        '<div class="${None}" data-x="$x"><!-- note --><!--! secret -->'
        "<script src=\"/app.js\">if (1 &lt; 2 &amp;&amp; '&lt;/p>') {}\n\n</script>"
        "<style>p > b {}</style><pre>\n  \n</pre>\n   \n<br/><p>after &lt;</p>"
        '<input checked="checked" disabled=""/><img src="data:image/png;base64,AA"/></div>'
    )
    write(tmp_path, "hello.html", body)
    assert raw("hello", None, {"x": 'a"b<'}, tmp_path) == (
        "<!DOCTYPE html>\n"
        '<div data-x="a&quot;b&lt;"><!-- note -->'
        "<script src=\"/app.js\">if (1 < 2 && '</p>') {}\n\n</script>"
        "<style>p > b {}</style><pre>\n  \n</pre>\n<br><p>after &lt;</p>"
        '<input checked><img src="data:image/png;base64,AA"></div>'
    )


def test_attributes_made_of_values_cannot_become_others(tmp_path: Path) -> None:
    write(tmp_path, "hello.html", '<p py:attrs="attributes" xml:lang="de">x</p>')
    odd = {"a b": "1", 'x"y': "2", "z>": "3", "good": "4", "href": "javascript:x"}
    found = ask("hello", None, {"attributes": odd}, tmp_path).one("p")
    assert found.attributes == {"good": "4", "lang": "de"}


def test_only_markup_that_a_project_vouches_for_is_not_escaped() -> None:
    events = [(START, (QName("p"), Attrs()), None), (TEXT, Markup("<b>"), None), (TEXT, "<", None)]
    events += [(COMMENT, "x", None), ("PI", ("php", "y"), None)]
    assert serialize(events) == "<!DOCTYPE html>\n<p><b>&lt;<!--x-->"


def test_templates_can_ask_for_urls(tmp_path: Path) -> None:
    write(tmp_path, "hello.html", "<p>${url_for('people', id=id)}</p>")

    def url_for(name: str, /, **urlvars: Any) -> str:
        return f"/{name}/{urlvars['id']}"

    environ: dict[str, Any] = {"wsgikit.url_for": url_for}
    assert ask("hello", None, {"id": 7}, tmp_path, **environ).one("p").text == "/people/7"
    with pytest.raises(LookupError, match="no dispatcher"):
        ask("hello", None, {"id": 7}, tmp_path)


def test_one_renderer_serves_many_threads(tmp_path: Path) -> None:
    """A template is compiled while others wait, and no page holds another's values."""
    for name in "abcdefgh":
        body = f'<p py:if="True"><b py:for="i in range(3)">{name}$n</b></p>'
        write(tmp_path, f"{name}.html", body)
    render, wrong = HTMLRenderer(tmp_path), []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for name in "abcdefgh":
            request = Request.blank("/", environ={"wsgikit.action": name})
            page = render({"n": number}, request).decode()
            if page.count(f"<b>{name}{number}</b>") != 3:
                wrong.append(page)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- the style sheet ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({"wsgikit.url": expand}, "/things/"),
        ({}, "/caf%C3%A9/x%3Fy"),
        ({"wsgikit.url": lambda **_: expand(id="bad")}, "/caf%C3%A9/x%3Fy"),
        ({"PATH_INFO": "//evil.example/x"}, ""),
        ({"PATH_INFO": "/\xff"}, "/%FF"),
    ],
)
def test_the_style_sheet_has_a_url_on_the_same_host(environ: dict[str, Any], base: str) -> None:
    page = ask("list", describe(), path="/caf%C3%A9/x%3Fy", **environ)
    version = HTMLRenderer().assets["css"].version
    assert page.one("link", rel="stylesheet")["href"] == f"{base}?format=css&v={version}"


def test_the_style_sheet_is_pico_and_ours_and_stays_small() -> None:
    css = HTMLRenderer().assets["css"]
    assert css.content_type == "text/css; charset=utf-8"
    assert b"Pico CSS" in css.body
    assert b".table{" in css.body
    assert b"@import" not in css.body
    assert len((BUILT_IN / "style.css").read_bytes()) < 14_000
    assert "MIT License" in (BUILT_IN / "pico.LICENSE.md").read_text(encoding="utf-8")


def test_no_page_holds_style_or_script_of_its_own() -> None:
    row = {"id": 1, "name": "Ada"}
    context = describe(meta=NAMES, row=row, data=[row], values={}, errors={}, next="/x")
    script = f"/people/?format=js&amp;v={HTMLRenderer().assets['js'].version}"
    for template in BUILT_IN.glob("*.html"):
        page = raw(template.stem, context, {"title": "x"})
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)
        assert re.findall(r"<script.*?</script>", page) == [
            f'<script src="{script}" defer></script>'
        ]


# -- in a browser ------------------------------------------------------------------------------

BROWSER_FIELDS = [make(kind, f"f{n}") for n, (kind, _, _) in enumerate(CONTROLS)]
BROWSER_ROW = {f"f{n}": text for n, (_, text, _) in enumerate(CONTROLS)}


@pytest.fixture
def pages(serve: Callable[[Any], str]) -> tuple[str, list[Any]]:
    """Serves every built-in page under the strictest policy, and keeps what is posted."""
    posted: list[Any] = []
    row = {"id": 1, "name": HOSTILE[0]}
    shared = describe(meta=NAMES, formats=("json",), label="name")
    contexts: dict[str, tuple[str, dict[str, Any]]] = {
        "/list": (
            "list",
            shared | {"data": [row] * 40, "next": "/list", "prev": "/", "first": "/"},
        ),
        "/item": ("retrieve", shared | {"row": row}),
        "/delete": ("get_delete_form", shared | {"row": row}),
        "/home": ("home", {"title": "Home", "collections": [{"href": "/", "title": "x"}]}),
    }
    for path, extra in (("/edit", ()), ("/multipart", (Field("photo", "binary"),))):
        fields = [*BROWSER_FIELDS, *extra]
        values: dict[str, Any] = {"row": {"id": 1, **BROWSER_ROW}, "values": BROWSER_ROW}
        form = {**shared, "meta": fields, "errors": {"f1": ["Odd."]}, **values}
        contexts[path] = ("get_edit_form", form | {"url": lambda *_, **__: "/posted"})

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        if request.method == "POST":
            posted.append(parse_body(request, media))
            response = Response("thanks")
        elif request.path in contexts:
            environ["wsgikit.action"], environ["wsgikit.context"] = contexts[request.path]
            response = asset(request, media) or respond(None, request, media)
        else:
            response = Response(status=404)
        response.headers["Content-Security-Policy"] = CSP
        return response(environ, start_response)

    return serve(app), posted


@pytest.mark.parametrize("path", ["/edit", "/multipart"])
def test_a_browser_sends_back_what_was_stored(
    path: str, pages: tuple[str, list[Any]], browser: Any
) -> None:
    url, posted = pages
    page = browser.new_page()
    page.goto(url + path)
    page.click("button[type=submit]")
    page.wait_for_url("**/posted")
    page.close()
    (form,) = posted
    assert {name: newlines(text) for name, text in form.items() if name in BROWSER_ROW} == {
        name: newlines(text) for name, text in BROWSER_ROW.items()
    }
    assert form.keys() - BROWSER_ROW.keys() == {"_method"}


@pytest.mark.parametrize("path", ["/list", "/item", "/edit", "/delete", "/home"])
def test_pages_run_clean_and_fit_the_window(
    path: str, pages: tuple[str, list[Any]], browser: Any
) -> None:
    url, _ = pages
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            trouble: list[str] = []
            page.on("console", lambda message: trouble.append(message.text))  # noqa: B023
            page.on("requestfailed", lambda failed: trouble.append(failed.url))  # noqa: B023
            page.goto(url + path)
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            styled = page.evaluate("getComputedStyle(document.body).margin")
            page.close()
            assert (trouble, overflow, styled) == ([], 0, "0px")


def test_a_value_called_url_does_not_replace_the_function(tmp_path: Path) -> None:
    (tmp_path / "retrieve.html").write_text(
        '<html py:strip="" xmlns:py="http://genshi.edgewall.org/"'
        ' xmlns:xi="http://www.w3.org/2001/XInclude"><py:def function="main">'
        "<p>${value['url']}</p></py:def><xi:include href=\"layout.html\"/></html>"
    )
    request = Request.blank("/", {"wsgikit.action": "retrieve"})
    page = HTMLRenderer(tmp_path)({"id": 1, "url": "http://example.org"}, request)
    assert b"<p>http://example.org</p>" in page


def test_markup_in_the_name_of_an_element_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be the name of an element"):
        serialize(builder.Element("img src=x onerror=alert(1)").generate())
