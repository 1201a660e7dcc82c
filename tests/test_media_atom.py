"""wsgikit.media.atom: feeds and entries that keep the RFC's musts, and that readers understand."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.collection import Collection
from wsgikit.dispatcher import Dispatcher
from wsgikit.media import Rows, respond
from wsgikit.media.atom import PUBLISHED, UPDATED, Atom, AtomRenderer

ATOM = "{http://www.w3.org/2005/Atom}"

# RFC 4287, 4.1.1 and 4.1.2: how often each element may stand there, at least and at most.
COMMON = {"author": (0, 99), "id": (1, 1), "link": (0, 99), "title": (1, 1), "updated": (1, 1)}
FEED = {**COMMON, "entry": (0, 9999)}
ENTRY = {**COMMON, "published": (0, 1), "content": (1, 1)}

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
IRI = re.compile(r"[a-z]+:[^\s<>\"{}|\\^`]+")


def check(root: ET.Element) -> None:
    """Hold a document against what RFC 4287 says that a producer must."""
    if root.tag == f"{ATOM}entry":
        assert root.find(f"{ATOM}author/{ATOM}name") is not None  # 4.1.2
        check_entry(root)
        return
    assert root.tag == f"{ATOM}feed"
    check_children(root, FEED)
    assert root.find(f"{ATOM}author/{ATOM}name") is not None  # 4.1.1
    entries = root.findall(f"{ATOM}entry")
    # Appendix B: nothing stands behind the entries but entries.
    assert [*root][len(root) - len(entries) :] == entries
    for entry in entries:
        check_entry(entry)


def check_entry(entry: ET.Element) -> None:
    check_children(entry, ENTRY)
    content = entry.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"  # 4.1.3.3: other types but texts and XML are base64


def check_children(element: ET.Element, allowed: dict[str, tuple[int, int]]) -> None:
    names = [child.tag.removeprefix(ATOM) for child in element]
    assert set(names) <= set(allowed)
    for name, (least, most) in allowed.items():
        assert least <= names.count(name) <= most, name
    for name in ("updated", "published"):
        for moment in element.findall(ATOM + name):
            assert RFC3339.fullmatch(moment.text or "")  # 3.3
    assert IRI.fullmatch(text_of(element, "id"))  # 4.2.6: absolute
    assert (element.findtext(f"{ATOM}author/{ATOM}name") or "-").strip()  # 3.2.1
    links = [(link.get("rel"), link.get("type")) for link in element.findall(f"{ATOM}link")]
    assert len(links) == len(set(links))  # 4.1.1: no two alternates of a type
    for link in element.findall(f"{ATOM}link"):
        assert IRI.fullmatch(link.get("href") or "")


def text_of(element: ET.Element, name: str) -> str:
    return element.findtext(ATOM + name) or ""


def links_of(element: ET.Element) -> dict[str, str]:
    links = element.findall(f"{ATOM}link")
    return {str(link.get("rel")): urlsplit(str(link.get("href")))._replace(
        scheme="", netloc="").geturl() for link in links}  # fmt: skip


def render(
    value: Any, url: str = "/people/", renderer: AtomRenderer | None = None, **environ: Any
) -> ET.Element:
    request = Request.blank(url)
    request.environ.update({f"wsgikit.{name}": item for name, item in environ.items()})
    body = (renderer or AtomRenderer())(value, request)
    root = ET.fromstring(body if isinstance(body, bytes) else b"".join(body))
    check(root)
    return root


def entries_of(feed: ET.Element) -> list[ET.Element]:
    return feed.findall(f"{ATOM}entry")


def column(name: str, label: str = "") -> Any:
    return SimpleNamespace(name=name, kind="text", label=label or name)


DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROWS = [
    {"id": 1, "name": "Ada", "note": None, "updated": DAY},
    {"id": 2, "name": "", "note": "<b>", "updated": DAY - timedelta(days=1)},
]
MODEL = {
    "columns": [column("id", "Id"), column("name", "Full name"), column("note"), column("updated")],
    "label": "name",
    "title": "Our people",
    "link": lambda row: f"/people/{row['id']}",
}


# -- feeds -----------------------------------------------------------------------------------


def test_a_page_is_a_feed_with_an_entry_for_each_row() -> None:
    feed = render({"data": ROWS, "next": None, "prev": None}, **MODEL)
    assert text_of(feed, "id") == "http://localhost/people/"
    assert text_of(feed, "title") == "Our people"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Our people"
    first, second = entries_of(feed)
    assert text_of(first, "id") == "http://localhost/people/1"
    assert links_of(first) == {"alternate": "/people/1", "self": "/people/1?format=atom"}
    assert text_of(first, "updated") == "2026-05-01T12:00:00Z"
    assert text_of(second, "updated") == "2026-04-30T12:00:00Z"


def test_an_entry_is_called_by_its_label_else_by_its_key_else_by_its_first_column() -> None:
    feed = render(ROWS, **MODEL)
    assert [text_of(entry, "title") for entry in entries_of(feed)] == ["Ada", "2"]
    rows = [{"a": 5}, {"a": None}, {}]
    assert [text_of(entry, "title") for entry in entries_of(render(rows))] == ["5", "", ""]
    encoded = {**MODEL, "label": None, "link": lambda row: "/people/a%20b,~2F"}
    assert text_of(entries_of(render(ROWS[:1], **encoded))[0], "title") == "a b,~2F"


def test_the_content_is_a_list_of_the_columns_that_are_not_null() -> None:
    first, second = entries_of(render(ROWS, **MODEL))
    assert text_of(first, "content") == (
        "<dl><dt>Id</dt><dd>1</dd><dt>Full name</dt><dd>Ada</dd>"
        "<dt>updated</dt><dd>2026-05-01T12:00:00+00:00</dd></dl>"
    )
    assert "<dt>Full name</dt><dd></dd><dt>note</dt><dd>&lt;b&gt;</dd>" in text_of(
        second, "content"
    )
    plain = entries_of(render([{"<a>": b"123", 5: [1, {"b": "&"}]}]))[0]
    assert text_of(plain, "content") == (
        "<dl><dt>&lt;a&gt;</dt><dd>3 bytes</dd>"
        "<dt>5</dt><dd>[1, {&quot;b&quot;: &quot;&amp;&quot;}]</dd></dl>"
    )


def test_the_links_are_those_of_a_paged_feed() -> None:
    value = {"data": [], "next": "/people/?age=3&cursor=n", "prev": "/people/?format=atom&cursor=p"}
    feed = render(value, "/people/?age=3&format=atom&cursor=c&limit=5")
    assert links_of(feed) == {
        "alternate": "/people/?age=3&cursor=c&limit=5",
        "self": "/people/?age=3&cursor=c&limit=5&format=atom",
        "first": "/people/?age=3&limit=5&format=atom",
        "next": "/people/?age=3&cursor=n&format=atom",
        "previous": "/people/?format=atom&cursor=p",
    }
    # RFC 5005, 2: one feed, so one id, whatever page of it this is.
    assert text_of(feed, "id") == "http://localhost/people/?age=3"


def test_the_links_of_the_first_and_only_page() -> None:
    feed = render({"data": [], "next": None, "prev": None}, "/people/")
    assert links_of(feed) == {
        "alternate": "/people/",
        "self": "/people/?format=atom",
        "first": "/people/?format=atom",
    }
    assert links_of(render([], "/people/")).keys() == {"alternate", "self"}


def test_urls_are_encoded_whatever_was_asked_for() -> None:
    request = Request.blank(
        "/a%20b/%C3%AB/%22/?q=%3Cb%3E%26&x=\xe2\x82\xac&y=%ff", base_url="http://h/m"
    )
    root = ET.fromstring(b"".join([AtomRenderer()([], request)]))  # type: ignore[list-item]
    check(root)
    assert text_of(root, "id") == (
        "http://h/m/a%20b/%C3%AB/%22/?q=%3Cb%3E%26&x=%E2%82%AC&y=%EF%BF%BD"
    )


def test_what_an_iterator_gives_is_streamed_and_closed() -> None:
    rows = Rows(({"id": number, "name": "x" * 100} for number in range(1000)), texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    response = respond(rows, Request.blank("/"), Atom)
    assert (response.content_length, closed) == (None, [])
    chunks = [*response.app_iter]
    assert closed == [True]
    assert len(chunks) > 3
    root = ET.fromstring(b"".join(chunks))
    check(root)
    assert len(entries_of(root)) == 1000
    assert text_of(root, "updated") == "1970-01-01T00:00:00Z"


def test_the_answer_says_what_it_is() -> None:
    def type_of(value: Any) -> str:
        return respond(value, Request.blank("/"), Atom).headers["Content-Type"]

    assert type_of([]) == type_of({"data": [], "next": None}) == "application/atom+xml; type=feed"
    assert type_of({"id": 1}) == "application/atom+xml; type=entry"
    assert Atom.format == "atom"


# -- entries ---------------------------------------------------------------------------------


def test_one_row_is_an_entry_document() -> None:
    entry = render(ROWS[0], "/people/1?format=atom", **MODEL)
    assert text_of(entry, "id") == "http://localhost/people/1"
    assert text_of(entry, "title") == "Ada"
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == "Our people"
    in_feed = entries_of(render(ROWS, **MODEL))[0]
    assert {**links_of(entry), "id": text_of(entry, "id")} == {
        **links_of(in_feed),
        "id": text_of(in_feed, "id"),
    }


def test_one_thing_without_a_url_of_its_own_has_that_of_the_request() -> None:
    entry = render({"count": 3}, "/people/?q=a&format=atom", **MODEL)
    assert text_of(entry, "id") == "http://localhost/people/?q=a"
    assert text_of(entry, "title") == "people"
    assert links_of(entry) == {"alternate": "/people/?q=a", "self": "/people/?q=a&format=atom"}
    assert text_of(render({}, "/"), "id") == "http://localhost/"


def test_a_row_without_a_url_has_an_id_made_of_its_content() -> None:
    ids = [
        text_of(e, "id") for e in entries_of(render([{"a": 1}, {"a": 2}], link=lambda row: None))
    ]
    assert all(id.startswith("urn:uuid:") for id in ids)
    assert len(set(ids)) == 2
    again = render({"data": iter([{"a": 2}])}, "/people/?limit=1")
    assert [text_of(e, "id") for e in entries_of(again)] == ids[1:]
    elsewhere = render([{"a": 2}], "/others/")
    assert text_of(entries_of(elsewhere)[0], "id") != ids[1]


class People(Collection):
    def list(self, request: Request) -> Any:
        return [{"id": 1, "name": "Ada"}, {"id": "a/b"}, {"id": None}, {"name": "no id"}]

    def retrieve(self, request: Request, id: str) -> Any:
        return {"id": id, "name": "Ada"}


def ask(app: Any, url: str) -> ET.Element:
    response: Response = Request.blank(url, accept="application/atom+xml").get_response(app)
    root = ET.fromstring(response.body)
    check(root)
    return root


def test_a_plain_collection_links_rows_that_have_an_id() -> None:
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", People(media=[Atom]))
    ids = [text_of(entry, "id") for entry in entries_of(ask(app, "/people/"))]
    assert ids[0] == "http://localhost/people/1"
    assert all(id.startswith("urn:uuid:") for id in ids[1:])
    entry = ask(app, "/people/1")
    assert text_of(entry, "id") == "http://localhost/people/1"
    assert text_of(entry, "title") == "1"


@pytest.mark.parametrize("value", [3, "text", None, [1], iter([1]), {"data": ["a"]}])
def test_what_has_no_rows_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="Atom is made of rows"):
        respond(value, Request.blank("/"), Atom)


# -- options ---------------------------------------------------------------------------------


def test_author_and_base_are_arguments() -> None:
    renderer = AtomRenderer(author="A & B", base="https://example.org/")
    feed = render(ROWS, renderer=renderer, **MODEL)
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "A & B"
    assert text_of(feed, "id") == "https://example.org/people/"
    assert text_of(entries_of(feed)[0], "id") == "https://example.org/people/1"


def test_without_a_title_the_path_is_the_title() -> None:
    assert text_of(render([], "/a/people/"), "title") == "people"
    assert text_of(render([], "/"), "title") == "Collection"


# -- times -----------------------------------------------------------------------------------


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "updated"),
    [
        (datetime(2026, 5, 1, 12), "2026-05-01T12:00:00Z"),
        (datetime(2026, 5, 1, 12, tzinfo=EAST), "2026-05-01T10:00:00Z"),
        (datetime(2026, 5, 1, 12, 0, 0, 5), "2026-05-01T12:00:00.000005Z"),
        (date(2026, 5, 1), "2026-05-01T00:00:00Z"),
        (datetime(1, 1, 1), "0001-01-01T00:00:00Z"),
        ("2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00Z"),
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        # What is no time, or cannot be said in UTC, is passed over.
        (datetime(1, 1, 1, tzinfo=EAST), "1970-01-01T00:00:00Z"),
        ("yesterday", "1970-01-01T00:00:00Z"),
        (time(12), "1970-01-01T00:00:00Z"),
        (5, "1970-01-01T00:00:00Z"),
        (None, "1970-01-01T00:00:00Z"),
    ],
)
def test_times_are_in_utc(value: Any, updated: str) -> None:
    feed = render([{"updated": value}])
    assert text_of(feed, "updated") == text_of(entries_of(feed)[0], "updated") == updated


@pytest.mark.parametrize("name", [*UPDATED, "Updated", "LAST_UPDATE"])
def test_a_row_is_as_new_as_the_column_for_it_says(name: str) -> None:
    entry = entries_of(render([{"created": datetime(2020, 1, 1), name: DAY}]))[0]
    assert text_of(entry, "updated") == "2026-05-01T12:00:00Z"
    assert text_of(entry, "published") == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_that_was_never_changed_is_as_new_as_it_was_made(name: str) -> None:
    entry = entries_of(render([{"updated": None, name: DAY}]))[0]
    assert text_of(entry, "updated") == text_of(entry, "published") == "2026-05-01T12:00:00Z"


def test_the_column_of_the_time_is_an_argument() -> None:
    rows = [{"updated": datetime(2020, 1, 1), "Seen": DAY}]
    entry = entries_of(render(rows, renderer=AtomRenderer(updated="Seen")))[0]
    assert text_of(entry, "updated") == "2026-05-01T12:00:00Z"


def test_a_feed_is_as_new_as_its_newest_entry() -> None:
    assert text_of(render(ROWS[::-1]), "updated") == "2026-05-01T12:00:00Z"
    assert text_of(render([]), "updated") == "1970-01-01T00:00:00Z"


# -- XML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("a\r\nb\r", "a\r\nb\r"),
        ("\t\n", "\t\n"),
        ("<&>\"']]>", "<&>\"']]>"),
        ("\0\x0b\x1f", "\\x00\\x0b\\x1f"),
        ("\ud800", "\\ud800"),
        ("\ufffe\uffff\ufffd", "\\ufffe\\uffff\ufffd"),
        ("\U0001f600\x7f\x85\u2028", "\U0001f600\x7f\x85\u2028"),
    ],
)
def test_every_text_is_well_formed_and_comes_back(text: str, title: str) -> None:
    entry = render({"name": text}, label="name")
    assert text_of(entry, "title") == title


anything = st.text(st.characters()) | st.integers() | st.floats() | st.datetimes() | st.binary()


@given(
    st.lists(st.dictionaries(st.text(st.characters()), anything, max_size=4), max_size=3),
    st.text(st.characters()),
)
def test_whatever_the_rows_hold_the_feed_is_valid(rows: list[dict[str, Any]], title: str) -> None:
    feed = render(rows, title=title, label="name")
    assert len(entries_of(feed)) == len(rows)
    read = feedparser.parse(ET.tostring(feed))
    assert not read.bozo


def test_a_feed_reader_understands_it() -> None:
    body = respond(
        {"data": ROWS, "next": "/people/?cursor=n", "prev": None},
        Request.blank("/people/", {f"wsgikit.{name}": item for name, item in MODEL.items()}),
        Atom,
    ).body
    read = feedparser.parse(body)
    assert (read.bozo, read.version) == (False, "atom10")
    assert (read.feed.title, read.feed.author) == ("Our people", "Our people")
    relations = {link.rel: link.href for link in read.feed.links}
    assert relations["next"] == "http://localhost/people/?cursor=n&format=atom"
    entry = read.entries[0]
    assert (entry.title, entry.link) == ("Ada", "http://localhost/people/1")
    assert entry.updated_parsed[:5] == (2026, 5, 1, 12, 0)
    assert "<dd>Ada</dd>" in entry.content[0].value


def test_entries_pass_one_by_one() -> None:
    taken = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(2000):
            taken.append(number)
            yield {"id": number, "note": "x" * 100}

    chunks = iter(respond(rows(), Request.blank("/"), Atom).app_iter)
    next(chunks)
    assert len(taken) < 500
