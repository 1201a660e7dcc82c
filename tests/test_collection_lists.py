"""Lists over HTTP: queries, pages, links, formats and exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from webob import Response

from tests.cities import CITIES, Client, memory_cities, mounted, table_cities
from wsgikit.media.atom import Atom
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path, page_size=2)


@pytest.fixture
def ask(model: Any) -> Client:
    media = [JSON, HTML(), CSV, NDJSON, Atom]
    return mounted(("cities", ModelCollection(model, media=media)))


def ids(response: Response) -> list[int]:
    assert response.status_int == 200, response.text
    return [row["id"] for row in response.json["data"]]


def link(response: Response, relation: str) -> str | None:
    """Give the target of a link in the header."""
    found = re.findall(r'<([^>]*)>; rel="([^"]*)"', response.headers["Link"])
    return next((url for url, name in found if name == relation), None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("country=CH", [1, 3]),
        ("country__ne=CH", [2, 4, 5]),
        ("country.name=New+Zealand", [2, 5]),
        ("height__gte=500", [1]),
        ("height__isnull=true", [2, 4]),
        ("name__contains=%25", [4]),
        ("name__startswith=we", [2]),
        ("id__in=1,3&id__in=5", [1, 3, 5]),
        ("q=LAND", [5]),
        ("name=&country=NZ", [2, 5]),
        ("sort=-height", [1, 3, 5, 2, 4]),
        ("sort=height,-name", [2, 4, 3, 5, 1]),
        ("country__eq=", []),
    ],
)
def test_a_query_selects_and_orders(ask: Client, query: str, expected: list[int]) -> None:
    assert ids(ask("GET", f"/cities/?{query}&limit=10")) == expected


@pytest.mark.parametrize("query", ["", "sort=-height", "sort=country,height&height__isnull=0"])
def test_links_lead_forward_to_the_end_and_back(ask: Client, query: str) -> None:
    whole = ids(ask("GET", f"/cities/?{query}&limit=10"))
    page = ask("GET", f"/cities/?{query}")
    forward, pages = ids(page), [page]
    while page.json["next"]:
        assert page.json["next"] == link(page, "next")
        page = ask("GET", page.json["next"])
        pages.append(page)
        forward += ids(page)
    assert forward == whole
    for before in reversed(pages[:-1]):
        page = ask("GET", page.json["prev"])
        assert page.json["data"] == before.json["data"]
    assert page.json["prev"] is None
    assert ids(ask("GET", link(page, "first") or "")) == ids(pages[0])


def test_a_cursor_belongs_to_its_query(ask: Client) -> None:
    page = ask("GET", "/cities/?sort=name")
    for other in ("sort=-name", "sort=name&country=CH", "sort=name&q=b"):
        cursor = page.json["next"].partition("cursor=")[2]
        refused = ask("GET", f"/cities/?{other}&cursor={cursor}")
        assert refused.status_int == 400
        assert refused.json["errors"][0]["parameter"] == "cursor"
    # How many rows, and which columns, is no matter of the position.
    assert ask("GET", page.json["next"] + "&count=1&fields=name").status_int == 200


def test_rows_are_counted_when_that_is_asked_for(ask: Client) -> None:
    assert "count" not in ask("GET", "/cities/").json
    assert ask("GET", "/cities/?count=1&country=CH").json["count"] == 2
    page = ask("GET", "/cities/?count=exact").json
    assert (page["count"], page["count_exact"]) == (5, True)


def test_only_the_wanted_fields_come_in_the_wanted_order(ask: Client) -> None:
    page = ask("GET", "/cities/?fields=name,height")
    assert page.json["data"] == [
        {"name": "Bern", "height": 540.0},
        {"name": "Wellington", "height": None},
    ]
    assert ids(ask("GET", "/cities/?fields=id")) == [1, 2]
    csv = ask("GET", "/cities/?fields=height,name&format=csv").text
    assert csv == "height,name\r\n540.0,Bern\r\n,Wellington\r\n"
    html = ask("GET", "/cities/?fields=name&format=html").text
    assert "540" not in html
    assert "/cities/1" in html  # the row's page, which the key leads to


def test_a_reference_is_replaced_by_its_row(ask: Client) -> None:
    page = ask("GET", "/cities/?embed=country&limit=4")
    assert [row["country"] for row in page.json["data"]] == [
        {"code": "CH", "name": "Switzerland"},
        {"code": "NZ", "name": "New Zealand"},
        {"code": "CH", "name": "Switzerland"},
        None,
    ]
    one = ask("GET", "/cities/1?embed=country&fields=country")
    assert one.json == {"country": {"code": "CH", "name": "Switzerland"}}
    assert one.headers["ETag"] != ask("GET", "/cities/1").headers["ETag"]
    assert ask("GET", "/cities/4?embed=country").json["country"] is None
    refused = ask("GET", "/cities/1?fields=nosuch")
    assert (refused.status_int, refused.json["errors"][0]["parameter"]) == (400, "fields")
    refused = ask("GET", "/cities/1?embed=nosuch&fields=name")
    assert (refused.status_int, refused.json["errors"][0]["parameter"]) == (400, "embed")
    refused = ask("GET", "/cities/1?embed=name")
    assert (refused.status_int, refused.json["errors"][0]["parameter"]) == (400, "embed")


def test_a_reference_that_leads_nowhere_is_shown_as_none(tmp_path: Path) -> None:
    model = memory_cities(tmp_path)
    model.create({"name": "Rungholt", "country": "XX"})
    ask = mounted(("cities", ModelCollection(model, media=[JSON])))
    assert ask("GET", "/cities/6").json["country"] == "XX"
    assert ask("GET", "/cities/6?embed=country").json["country"] is None
    assert ask("GET", "/cities/?name=Rungholt&embed=country").json["data"][0]["country"] is None


def test_a_query_that_is_not_utf_8_is_told_so(ask: Client) -> None:
    refused = ask("GET", "/cities/?name=\xff")
    assert (refused.status_int, "not UTF-8" in refused.text) == (400, True)


def test_the_description_of_rows_is_not_one_of_a_row(ask: Client) -> None:
    assert ask("GET", "/cities/;schema").json["title"]
    assert ask("GET", "/cities/1;schema").status_int == 404


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("nosuch=1", "nosuch"),
        ("nosuch=", "nosuch"),
        ("height=high", "height"),
        ("height__like=1", "height__like"),
        ("height__contains=1", "height__contains"),
        ("country.nosuch=1", "country.nosuch"),
        ("name.x=1", "name.x"),
        ("sort=nosuch", "sort"),
        ("fields=nosuch", "fields"),
        ("embed=name", "embed"),
        ("count=many", "count"),
        ("limit=0", "limit"),
        ("limit=all", "limit"),  # as a page; see below
        ("name=a&name=b", "name"),
    ],
)
@pytest.mark.parametrize("format", ["json", "html"])
def test_a_refusal_names_the_parameter(
    ask: Client, query: str, parameter: str, format: str
) -> None:
    if (query, format) == ("limit=all", "json"):
        return
    response = ask("GET", f"/cities/?{query}&format={format}")
    assert response.status_int == 400
    if format == "json":
        assert response.json["errors"][0]["parameter"] == parameter
    else:
        assert parameter in response.text


# -- whole collections -----------------------------------------------------------------------

CSV_TEXT = (
    "id,name,country,height\r\n1,Bern,CH,540.0\r\n2,Wellington,NZ,\r\n3,Zug,CH,425.5\r\n"
    "4,100%,,\r\n5,Auckland,NZ,425.5\r\n"
)


def test_all_rows_come_at_once_in_the_formats_that_stream(ask: Client) -> None:
    assert ask("GET", "/cities/?limit=all&format=csv").text == CSV_TEXT
    lines = ask("GET", "/cities/?limit=all&format=ndjson").text.splitlines()
    assert [json.loads(line) for line in lines] == CITIES
    whole = ask("GET", "/cities/?limit=all").json
    assert whole == {"data": CITIES, "next": None, "prev": None}
    some = ask("GET", "/cities/?limit=all&country=CH&sort=-name&fields=name&format=csv").text
    assert some == "name\r\nZug\r\nBern\r\n"


@pytest.mark.parametrize("format", ["html", "atom"])
def test_pages_do_not_hold_all_rows(ask: Client, format: str) -> None:
    refused = ask("GET", f"/cities/?limit=all&format={format}")
    assert refused.status_int == 400
    assert "format=csv" in refused.text


def test_all_rows_have_neither_a_cursor_nor_a_count(ask: Client) -> None:
    cursor = ask("GET", "/cities/").json["next"].partition("cursor=")[2]
    assert ask("GET", f"/cities/?limit=all&cursor={cursor}").status_int == 400
    assert ask("GET", "/cities/?limit=all&count=1").status_int == 400


def test_each_format_links_to_the_pages_and_to_the_others(ask: Client) -> None:
    for format in ("json", "html", "csv", "ndjson", "atom"):
        page = ask("GET", f"/cities/?country__ne=XX&format={format}")
        assert "cursor=" in (link(page, "next") or "")
        found = re.findall(r'<([^>]*)>; rel="alternate"; type="([^"]*)"', page.headers["Link"])
        others = {media_type: url for url, media_type in found}
        assert set(others) >= {"text/csv", "application/x-ndjson", "application/json"}
        assert ask("GET", others["text/csv"]).text == CSV_TEXT


def test_a_feed_has_an_entry_for_each_row(ask: Client) -> None:
    feed = ask("GET", "/cities/?format=atom")
    assert feed.content_type == "application/atom+xml"
    assert feed.text.count("<entry") == 2
    assert "/cities/1" in feed.text
    some = ask("GET", "/cities/?format=atom&fields=height").text
    assert "/cities/1" in some
    assert "CH" not in some
    assert "/cities/1" in ask("GET", "/cities/1?format=atom&fields=height").text


# -- HEAD ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "html", "csv", "ndjson", "atom"])
@pytest.mark.parametrize("path", ["/cities/?limit=2", "/cities/1?"])
def test_head_has_the_headers_without_the_body(ask: Client, path: str, format: str) -> None:
    full = ask("GET", f"{path}&format={format}")
    head = ask("HEAD", f"{path}&format={format}")
    assert (head.status_int, head.body) == (200, b"")
    told = {name: value for name, value in head.headerlist if name != "Content-Length"}
    assert told.items() <= dict(full.headerlist).items()
    assert {"Content-Type", "Vary", "Link"} <= set(told)


def test_head_of_all_rows_reads_none(ask: Client) -> None:
    head = ask("HEAD", "/cities/?limit=all&format=csv")
    assert (head.status_int, head.body) == (200, b"")


# -- QUERY (RFC 10008) -----------------------------------------------------------------------


def test_a_query_can_be_a_document(ask: Client) -> None:
    document = {
        "or": [{"country": "CH", "height__gte": 500}, {"not": {"country__isnull": False}}],
        "sort": ["-id"],
        "limit": 10,
    }
    assert ids(ask("QUERY", "/cities/", body=document)) == [4, 1]
    assert "alternate" not in ask("QUERY", "/cities/", body=document).headers["Link"]
    # The words of a URL may stay there.
    assert ids(ask("QUERY", "/cities/?limit=1", body={"country": "NZ"})) == [2]


def test_the_pages_of_a_document_are_asked_for_with_the_same_document(ask: Client) -> None:
    document = {"not": {"id": 3}, "sort": "-name"}
    page = ask("QUERY", "/cities/", body=document)
    seen = ids(page)
    while page.json["next"]:
        page = ask("QUERY", page.json["next"], body=document)
        seen += ids(page)
    assert seen == [2, 1, 5, 4]
    assert ask("QUERY", link(page, "prev") or "", body={"not": {"id": 4}}).status_int == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"nosuch": 1}, 400),
        ({"or": []}, 400),
        ({"and": [{"limit": 1}]}, 400),
        ({"format": "csv"}, 400),
        (b"{", 400),
        ({"height": "x"}, 400),
    ],
)
def test_a_document_that_is_no_query_is_refused(ask: Client, body: Any, status: int) -> None:
    assert ask("QUERY", "/cities/", body=body).status_int == status


def test_a_word_is_given_in_one_place(ask: Client) -> None:
    refused = ask("QUERY", "/cities/?limit=1", body={"limit": 2})
    assert refused.json["errors"][0]["parameter"] == "limit"


def test_a_query_is_json(ask: Client) -> None:
    refused = ask("QUERY", "/cities/", body=b"a=1", Content_Type="text/csv")
    assert (refused.status_int, refused.headers["Accept-Query"]) == (415, "application/json")


def test_options_say_what_may_be_sent(ask: Client) -> None:
    options = ask("OPTIONS", "/cities/")
    assert options.headers["Allow"] == "GET, HEAD, QUERY, POST, OPTIONS"
    assert options.headers["Accept-Query"] == "application/json"
    assert {"text/csv", "application/x-ndjson", "application/json"} <= set(
        options.headers["Accept-Post"].split(", ")
    )
    item = ask("OPTIONS", "/cities/1")
    patches = item.headers["Accept-Patch"].split(", ")
    assert "application/json-patch+json" in patches
    assert "application/merge-patch+json" in patches
    assert "text/csv" not in patches
