"""wsgikit.media.html: what pages show of what a collection tells, and what they leave out."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genshi.template import TemplateNotFound, TemplateSyntaxError
from webob import Request

from tests.test_media_html import NAMES, Element, ask, describe, form, raw, sent, write
from wsgikit.media import picture_type
from wsgikit.media.html import HTMLRenderer, control
from wsgikit.media.html.values import MAX_PICTURE, MAX_THUMBNAIL, Values, plain
from wsgikit.model import Field, Reference
from wsgikit.model_collection.wording import Wording

ROWS = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]


def listed(**more: Any) -> Element:
    return ask("list", describe(meta=NAMES, data=ROWS, label="name", **more))


# -- lists -------------------------------------------------------------------------------------


def test_a_list_can_be_searched_and_keeps_the_rest_of_its_address() -> None:
    page = listed(search={"value": "a&b", "hidden": [("sort", "-name")]})
    found = page.one("form", role="search")
    assert found["action"] == "/people/"
    assert sent(found) == {"sort": "-name", "q": "a&b"}


def test_a_list_can_be_filtered() -> None:
    options = [
        {"value": "", "text": Wording("any"), "selected": False},
        {"value": "true", "text": "<yes>", "selected": True},
    ]
    controls = [
        {"name": "id__gte", "label": Wording("from"), "kind": "number", "value": "5"},
        {"name": 'x"y', "label": "odd", "kind": "text", "value": '"><b>'},
        {"name": "id__isnull", "label": "empty?", "kind": "select", "options": options},
    ]
    filters = [{"field": Field("id"), "controls": controls}]
    page = listed(filters=filters, filter_hidden=[("q", "x")], clear_url="/people/")
    found = page.one("form", class_="filters")
    assert sent(found) == {"q": "x", "id__gte": "5", 'x"y': '"><b>', "id__isnull": "true"}
    assert found.one("legend").text == "Id"
    assert [label.one("span").text for label in found.all("label")] == ["from", "odd", "empty?"]
    assert found.one("input", type="number")["step"] == "any"
    assert [option.text for option in found.all("option")] == ["any", "<yes>"]
    assert found.one("a")["href"] == "/people/"


def test_a_filter_of_many_rows_finds_them_by_a_part_of_their_name() -> None:
    search = {"search_url": "/x/", "value_field": "id", "label_field": "name", "searchable": True}
    control = {"name": "boss id", "label": "is", "kind": "number", "value": "7", "search": search}
    filters = [{"field": BOSS, "controls": [control]}]
    found = listed(filters=filters).one("form", class_="filters")
    typed = found.one("input", name="boss id")
    assert (typed["type"], typed["value"]) == ("text", "7")
    assert typed["data-find"] == "/x/?format=json&limit=20&fields=id%2Cname&q="
    assert found.one("datalist")["id"] == typed["list"] == "list-boss.20.id"
    control["search"] = {}
    assert listed(filters=filters).one("input", name="boss id")["type"] == "number"


def test_active_filters_are_chips_that_can_be_removed() -> None:
    chips = [{"text": Wording("{column} is {value}", column="<A>", value="b"), "remove_url": "/x"}]
    page = listed(chips=chips, clear_url="/people/").one("ul", class_="chips")
    (link,) = page.all("a")
    assert (link["href"], link.one("bdi").text) == ("/x", "<A> is b")
    several = listed(chips=chips * 2, clear_url="/people/").one("ul", class_="chips")
    assert [a.words() for a in several.all("a")] == [
        "<A> is b \u00d7",
        "<A> is b \u00d7",
        "Clear all",
    ]


def test_headings_sort_and_say_how_it_is_sorted() -> None:
    sorts = {"name": {"url": "/people/?sort=-name", "direction": "ascending"}}
    first, second = listed(sorts=sorts).all("th", scope="col")
    assert (first["aria-sort"], first.all("a")) == (None, [])
    assert second["aria-sort"] == "ascending"
    assert second.one("a")["href"] == "/people/?sort=-name"


def test_a_list_has_sizes_columns_and_exports() -> None:
    sizes = [{"n": 10, "url": "/a", "current": True}, {"n": 50, "url": "/b", "current": False}]
    options = [{"field": Field("id"), "value": "id", "shown": True}]
    options.append({"field": Field("name"), "value": "name", "shown": False})
    columns = {"hidden": [("q", "x")], "options": options}
    page = listed(sizes=sizes, columns=columns, exports=[{"format": "csv", "url": "/csv"}])
    links = page.one("nav", class_="sizes").all("a")
    assert [(a.text, a["href"], a["aria-current"]) for a in links] == [
        ("10", "/a", "true"),
        ("50", "/b", None),
    ]
    assert sent(page.one("form", class_="columns")) == {"q": "x", "fields": "id"}
    assert page.one("p", class_="exports").one("a").text == "CSV"


@pytest.mark.parametrize(("more", "expected"), [(0, "Columns"), (3, "Columns 2/5")])
def test_a_list_tells_that_it_has_more_columns(more: int, expected: str) -> None:
    fields = [*NAMES, *(Field(f"more{n}") for n in range(more))]
    options = [{"field": f, "value": f.name, "shown": f in NAMES} for f in fields]
    page = listed(columns={"hidden": [], "options": options})
    assert page.one("summary").words() == expected


@pytest.mark.parametrize(
    ("count", "numbers", "expected"),
    [
        ({"n": 10_000, "exact": False}, {"first": 51, "last": 52}, "51\u201352 of 10000+"),
        ({"n": 2, "exact": True}, None, "2 of 2"),
        (None, {"first": 1, "last": 2}, None),
        (12, None, "2 of 12"),
    ],
)
def test_a_list_says_where_it_is(count: Any, numbers: Any, expected: str | None) -> None:
    notes = [note.text for note in listed(count=count, range=numbers).all("p", class_="note")]
    assert notes == ([] if expected is None else [expected.replace("-", "\u2013")])


def test_an_empty_list_says_whether_that_is_because_of_a_filter() -> None:
    context = describe(meta=NAMES, data=[], clear_url="/people/")
    assert "Nothing matches. Show all" in ask("list", context).words()


def test_rows_can_be_ticked_where_there_is_something_to_do_with_them() -> None:
    many = {
        "url": "/people/;selection?q=x",
        "actions": ["delete", "set", "export"],
        "fields": NAMES[1:],
        "formats": ["csv"],
    }
    row_id = {1: "1", 2: None}.get
    count = {"n": 2, "exact": True}
    page = listed(many=many, row_id=lambda row: row_id(row["id"]), count=count)
    found = page.one("form", class_="many")
    assert (found["action"], found["method"]) == ("/people/;selection?q=x", "post")
    (box,) = found.all("input", name="id")
    assert (box["value"], box["aria-label"]) == ("1", "Tick Ada")
    assert [button["value"] for button in found.all("button")] == ["export", "delete", "set"]
    assert "All 2 that match" in found.words()
    assert [option["value"] for option in found.all("option")] == ["csv", "name"]
    nothing = listed(many=many | {"actions": []}).one("form", class_="many")
    assert not nothing.all("button")
    assert not nothing.all("input", name="id")
    assert not listed().all("form")


def test_a_list_offers_an_import_where_there_is_one() -> None:
    page = listed(can={"get_import_form"})
    assert page.one("a", class_="button plain")["href"] == "/people/;import_form"


def test_foreign_keys_show_what_they_refer_to() -> None:
    fields = (*NAMES, Field("boss", "integer", references=Reference("people", "id")))
    rows = [{"id": 2, "name": "Ada", "boss": 12345}, {"id": 3, "name": "Bob", "boss": 9}]
    context = describe(
        meta=fields,
        data=rows,
        label_of=lambda field, value: {12345: "Grace <G>"}.get(value),
        reference=lambda field, value: f"/people/{value}",
    )
    links = ask("list", context).one("tbody").all("a")
    assert [a.text for a in links] == ["2", "Grace <G>", "3", "9"]
    item = ask("retrieve", context | {"row": rows[0]})
    assert item.all("dd")[2].words() == "Grace <G> 12345"


# -- where we are ------------------------------------------------------------------------------


def test_the_way_to_a_page_is_what_the_collection_tells() -> None:
    crumbs = [{"text": Wording("Home"), "href": "/"}, {"text": "<p>", "href": None}]
    way = listed(crumbs=crumbs).one("header").one("nav")
    assert way.one("a").text == "Home"
    assert (way.one("span").text, way.one("span")["aria-current"]) == ("<p>", "page")


def one_crumb(request: Request) -> list[dict[str, Any]]:
    return [{"text": "people", "href": "/people/"}]


def test_a_problem_leads_back_to_its_collection() -> None:
    page = ask("problem", describe(), {"title": "Bad"}, **{"wsgikit.crumbs": one_crumb})
    assert [a["href"] for a in page.one("nav").all("a")] == ["/people/"]


def test_what_just_happened_is_said_once() -> None:
    page = listed(flash=Wording("{count} rows were deleted.", count=3))
    assert page.one("p", role="status").text == "3 rows were deleted."
    assert not listed(flash=None).all("p", role="status")


def test_a_problem_of_parameters_says_it_once() -> None:
    errors = [{"parameter": "limit", "detail": "Must be a number, not 'x'."}]
    value = {"title": "Bad Request", "status": 400, "detail": "limit: Must be …", "errors": errors}
    assert not ask("problem", None, value).all("p", class_="lead")


# -- one row -----------------------------------------------------------------------------------


def item(field: Field, value: Any, **more: Any) -> Element:
    row = {"id": 7, field.name: value}
    return ask("retrieve", describe(meta=[field], row=row, **more)).one("dd")


def test_an_item_has_neighbours_and_says_what_refers_to_it() -> None:
    links = [
        {"title": "Orders", "field_label": "Of", "url": "/orders/?of=7", "count": {"n": 3}},
        {"title": "Notes", "field_label": "On", "url": "/notes/?on=7", "count": None},
    ]
    neighbours = {"prev": None, "next": "/people/8"}
    context = describe(meta=NAMES, row=ROWS[0], backlinks=links, neighbours=neighbours)
    page = ask("retrieve", context)
    cards = [card.words() for card in page.one("section", class_="backlinks").all("li")]
    assert cards == ["Orders 3+ Of", "Notes On"]
    assert [a["href"] for a in page.one("nav", class_="pager").all("a")] == ["/people/8"]
    alone = ask("retrieve", context | {"neighbours": {"prev": None, "next": None}})
    assert not alone.all("nav", class_="pager")
    deleting = ask("get_delete_form", describe(meta=NAMES, row=ROWS[0], referring=links))
    assert len(deleting.one("section", class_="backlinks").all("li")) == 2


def test_long_texts_scroll_in_a_box_that_the_keyboard_reaches() -> None:
    shown = item(Field("name"), "x" * 5000).one("div", class_="tall")
    assert (shown["tabindex"], len(shown.text)) == ("0", 5000)
    assert item(Field("name", "json"), ["x" * 100] * 40).all("div", class_="tall")


def test_json_is_spread_over_lines() -> None:
    assert item(Field("j", "json"), {"a": [1]}).text == '{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.0, "2"), (2.5, "2.5"), (Decimal("2.0"), "2.0"), (1e22, "1e+22"), (-0.0, "-0")],
)
def test_floats_have_no_digits_that_say_nothing(value: Any, expected: str) -> None:
    assert item(Field("f", "float"), value).text == expected


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("ada@example.org", "mailto:ada@example.org"),
        ("a.b+c@mail.example.co.uk", "mailto:a.b+c@mail.example.co.uk"),
        ("mailto:ada@example.org", "mailto:ada@example.org"),
        ("https://example.org/?a=1&b=<2", None),
        ("https://user@example.org/", "https://user@example.org/"),
        ("ada@localhost", None),
        ("a@b.c?subject=x", None),
        ("Ada <ada@example.org>", None),
        ("javascript://x@example.org/%0aalert(1)", None),
    ],
)
def test_addresses_of_mail_and_web_are_links(text: str, href: str | None) -> None:
    shown = item(Field("name"), text)
    assert shown.text == text
    assert [a["href"] for a in shown.all("a")] == ([] if href is None else [href])


# -- files -------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\x00\n\x00\x00WEBPVP8 ", "image/webp"),
        (SVG, None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_pictures_are_known_by_how_they_begin(data: bytes, expected: str | None) -> None:
    assert picture_type(data) == expected


PHOTO = Field("photo", "binary", label="Photo of <her>")


def test_small_pictures_are_a_part_of_the_page() -> None:
    picture = item(PHOTO, PNG).one("img")
    assert (picture["src"] or "").startswith("data:image/png;base64,iVBORw0KGgoAAAAA")
    assert (picture["alt"], picture["class"]) == ("Photo of <her>", "picture")
    in_list = ask("list", describe(meta=[*NAMES, PHOTO], data=[{**ROWS[0], "photo": PNG}]))
    assert in_list.one("img")["class"] == "thumb"
    assert not item(PHOTO, SVG).all("img")
    assert item(PHOTO, SVG).text == f"{len(SVG)} bytes"


def test_files_can_be_had_where_there_is_an_address_for_them() -> None:
    everything = {"get_file"}
    large = PNG + bytes(MAX_PICTURE)
    shown = item(PHOTO, large, can=everything)
    assert shown.one("img")["src"] == "/people/7;file?field=photo"
    assert shown.one("a")["href"] == "/people/7;file?field=photo"
    assert shown.words() == "65.6 kB"
    assert not item(PHOTO, large).all("img")
    medium = {"id": 7, "name": "", "a b": PNG + bytes(MAX_THUMBNAIL)}
    fields = [*NAMES, Field("a b", "binary")]
    page = ask("list", describe(meta=fields, data=[medium], can=everything)).one("tbody")
    assert not page.all("img")
    assert page.all("a")[1]["href"] == "/people/7;file?field=a%20b"
    nowhere = describe(meta=[PHOTO], row={"photo": PNG}, can=everything, url=lambda *_, **__: None)
    assert not ask("retrieve", nowhere).one("dd").all("a")


def test_a_thumbnail_comes_with_its_file() -> None:
    row = {**ROWS[0], "photo": PNG}
    page = ask("list", describe(meta=[*NAMES, PHOTO], data=[row], can={"get_file"})).one("tbody")
    assert page.all("td")[1].words() == "108 bytes"
    assert page.one("img")["alt"] == "Photo of <her>"


# -- choosing rows to refer to -----------------------------------------------------------------

BOSS = Field("boss", "integer", references=Reference("people", "id"))
OPTIONS = [{"value": 1, "text": "Ada"}, {"value": 2, "text": "<Grace>"}]


def choosing(text: str | None, **choices: Any) -> Element:
    values = {"boss": text}
    return form(BOSS, values=values, choices={"boss": {"options": OPTIONS, **choices}}).one("form")


def test_few_rows_are_a_list_to_choose_from() -> None:
    page = choosing("2", more=False)
    assert [o.text for o in page.all("option")] == ["", "Ada", "<Grace>"]
    assert sent(page) == {"boss": "2"}
    assert sent(choosing("99")) == {"boss": "99"}


def test_many_rows_are_found_by_a_part_of_their_name() -> None:
    found = {
        "more": True,
        "search_url": "/people/",
        "value_field": "id",
        "label_field": "name",
        "searchable": True,
        "options": [{"value": "2", "text": "<Grace>"}],
    }
    page = choosing("2", **found)
    typed = page.one("input", name="boss")
    assert (typed["type"], typed["value"]) == ("text", "2")
    assert typed["data-find"] == "/people/?format=json&limit=20&fields=id%2Cname&q="
    assert page.one("datalist")["id"] == typed["list"] == "field-boss-list"
    assert page.one("output")["for"] == "field-boss"
    assert page.one("output").text == "<Grace>"
    assert page.one("a", class_="seek")["href"] == "/people/"
    assert sent(page) == {"boss": "2"}
    same = choosing("2", **found | {"options": [{"value": "2", "text": "2"}]})
    assert same.one("output").text == ""
    mute = choosing("nobody", **found | {"searchable": False, "label_field": None})
    assert mute.one("input", name="boss")["data-find"] is None
    assert mute.one("output").text == ""
    nowhere = choosing(None, **found | {"search_url": None})
    assert not nowhere.all("a", class_="seek")


def test_a_conflict_names_the_row_that_is_stored() -> None:
    context = describe(
        meta=[BOSS],
        row={"id": 7, "boss": 2},
        values={"boss": "1"},
        conflict={"boss": "2"},
        label_of=lambda field, value: "Grace" if value == 2 else None,
    )
    page = ask("get_edit_form", context).one("div", class_="conflict")
    assert page.one("p").words() == "Stored now: Grace 2"


# -- many rows, and files of rows --------------------------------------------------------------


def selection(**more: Any) -> Element:
    shared = {
        "order": "delete",
        "count": {"n": 2, "exact": True},
        "hidden": [("id", "1 2"), ("confirm", "1")],
        "post_url": "/people/;selection",
        "cancel_url": "/people/?q=x",
        "errors": {},
        "values": {},
    }
    return ask("post_selection", describe(**{"meta": NAMES, "data": ROWS} | shared | more))


def test_deleting_rows_asks_with_their_number() -> None:
    page = selection()
    assert page.one("h1").text == "Delete 2 rows?"
    assert page.one("form")["action"] == "/people/;selection"
    assert sent(page.one("form")) == {"id": "1 2", "confirm": "1"}
    assert page.one("form").one("a")["href"] == "/people/?q=x"
    assert len(page.one("tbody").all("tr")) == 2
    one = selection(count={"n": 1, "exact": True}, data=ROWS[:1])
    assert one.one("h1").text == "Delete 1 row?"
    some = selection(count={"n": 500, "exact": True})
    assert "The first 2 of them" in some.words()


def test_changing_rows_asks_for_the_column_and_then_for_the_value() -> None:
    page = selection(order="set", fields=NAMES[1:])
    assert page.one("select", name="field").one("option").text == "Name"
    field = Field("value", label="Name", required=True)
    page = selection(order="set", field=field, errors={"value": ["Odd."]}, values={"value": "x"})
    assert page.one("h1").text == "Change 2 rows"
    assert sent(page.one("form"))["value"] == "x"
    assert "Odd." in page.one("form").words()
    changed = selection(changed=True).one("section", role="alert")
    assert "Somebody else changed these rows first" in changed.words()


DUPLICATES = {"refuse": Wording("Refuse the file"), "merge": Wording("Change")}


def importing(action: str, **more: Any) -> Element:
    shared = {
        "kinds": ["csv", "ndjson"],
        "accept": ".csv,.ndjson",
        "limit": 10 * 2**20,
        "on_duplicate": "merge",
        "duplicates": DUPLICATES,
        "post_url": "/people/;import",
        "cancel_url": "/people/",
    }
    return ask(action, describe(meta=NAMES, **shared | more))


def test_an_import_asks_for_a_file() -> None:
    page = importing("get_import_form").one("form")
    assert (page["enctype"], page["action"]) == ("multipart/form-data", "/people/;import")
    assert page.one("input", type="file")["accept"] == ".csv,.ndjson"
    assert sent(page) == {"on_duplicate": "merge"}
    assert "CSV, NDJSON, with the names of the columns; up to 10 MB." in page.words()


PREVIEW = {
    "filename": "people.csv",
    "columns": [{"name": "id", "label": "Id"}, {"name": "name", "label": "Name"}],
    "rows": [["1", None], ["2", "x" * 100], ["3", ""]],
    "written": {"count": 3, "created": 1, "changed": 2, "left": 1},
    "mistakes": [],
}


def test_an_import_shows_what_would_be() -> None:
    page = importing("post_import", again="aWQ=", **PREVIEW)
    told = page.one("section", role="status")
    assert "3 rows would be imported" in told.words()
    assert [li.words() for li in told.all("li")] == [
        "1 row is new",
        "2 rows are there and would be changed",
        "1 row is there and stays as it is",
    ]
    assert sent(told.one("form")) == {
        "packed": "aWQ=",
        "filename": "people.csv",
        "on_duplicate": "merge",
        "confirm": "1",
    }
    cells = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert cells == [["1", "1", "\u2013"], ["2", "2", "x" * 79 + "…"], ["3", "3", "empty"]]
    large = importing("post_import", again=None, **PREVIEW).one("section", role="status")
    assert "required" in large.one("form").one("input", type="file").attributes
    same = {"count": 0, "created": 0, "changed": 0, "left": 4}
    none = importing("post_import", again="aWQ=", **PREVIEW | {"written": same})
    told = none.one("section", role="status")
    assert told.words() == "Nothing would change 4 rows are there and stay as they are"


def test_an_import_says_what_is_wrong_in_which_row() -> None:
    mistakes = [
        {"row": 2, "field": "Name", "detail": "A value is required."},
        {"row": 3, "field": "", "detail": "Another row has this key."},
        {"row": None, "field": "", "detail": "The file is no list of rows."},
    ]
    told = importing("post_import", **PREVIEW | {"mistakes": mistakes, "more_mistakes": True})
    assert [li.words() for li in told.one("section", role="alert").all("li")] == [
        "Row 2 Name: A value is required.",
        "Row 3: Another row has this key.",
        "The file is no list of rows.",
    ]
    assert "There may be more." in told.words()
    assert not told.all("section", role="status")
    assert "Row 1 is the first one below the names of the columns." not in told.words()
    told = importing("post_import", **PREVIEW | {"mistakes": mistakes[:1], "header": True})
    assert "Row 1 is the first one below the names of the columns." in told.words()


# -- home --------------------------------------------------------------------------------------


def test_home_says_how_large_collections_are_and_what() -> None:
    shared = {"href": "/x/", "title": "x", "note": "read-only"}
    collections = [
        shared | {"count": {"n": 12345, "exact": True}, "kind": "table", "read_only": ""},
        shared | {"count": None, "kind": "view", "read_only": "It is a view."},
        shared | {"kind": "collection", "read_only": "read-only"},
        shared,
    ]
    page = ask("home", {"title": "Home", "collections": collections})
    assert [card.words() for card in page.one("ul", class_="cards").all("li")] == [
        "x 12345 table",
        "x view, read-only: It is a view.",
        "x collection, read-only",
        "x read-only",
    ]


def test_home_searches_everything() -> None:
    results = [
        {
            "title": "people",
            "url": "/people/?q=a",
            "count": {"n": 5, "exact": False},
            "rows": [{"text": "<Ada>", "url": "/people/1"}, {"text": "Bob", "url": None}],
        }
    ]
    context = {"title": "Home", "search": {"url": "/", "value": "a"}, "collections": []}
    page = ask("home", context | {"results": results})
    assert sent(page.one("form", role="search")) == {"q": "a"}
    found = page.one("section", class_="result")
    assert found.one("h2").words() == "people 5+"
    assert [li.words() for li in found.all("li")] == ["<Ada>", "Bob"]
    assert "Nothing matches." in ask("home", context | {"results": []}).words()


# -- templates ---------------------------------------------------------------------------------


def test_every_page_stands_without_being_told_anything() -> None:
    for action in ("list", "retrieve", "home", "get_new_form", "get_edit_form", "get_delete_form"):
        assert ask(action, {"title": "x"}).one("h1").text
    for action in ("post_selection", "get_import_form", "post_import", "problem"):
        assert ask(action, {"title": "x"}, {}).one("h1").text


@pytest.mark.parametrize("name", ["filters", "search", "many", "told", "chips", "count", "flash"])
def test_no_name_in_a_value_is_taken_for_what_a_collection_tells(name: str, tmp_path: Path) -> None:
    write(tmp_path, "list.html", '<xi:include href="wsgikit/list.html"/>')
    page = ask("list", None, {"data": [{"a": 1}], name: "x"}, tmp_path)
    assert [row.words() for row in page.one("tbody").all("tr")] == ["1"]


def test_a_template_can_include_itself_and_others_in_circles(tmp_path: Path) -> None:
    include = '<xi:include href="tree.html"/>'
    tree = f'<ul py:if="rest"><li py:with="rest = rest[1:]">$rest{include}</li></ul>'
    write(tmp_path, "tree.html", tree)
    page = ask("tree", None, {"rest": "abc"}, tmp_path)
    assert [li.text for li in page.all("li")] == ["bcc", "c", ""]
    write(tmp_path, "one.html", '<p py:if="n"><xi:include href="two.html"/></p>')
    write(tmp_path, "two.html", '<b py:with="n = n - 1">$n<xi:include href="one.html"/></b>')
    assert [b.text for b in ask("one", None, {"n": 2}, tmp_path).all("b")] == ["10", "0"]


def test_what_a_page_includes_must_be_there(tmp_path: Path) -> None:
    write(tmp_path, "hello.html", '<xi:include href="gone.html"/>')
    message = f"There is no template 'gone.html', which hello.html includes, in any of: {tmp_path}"
    with pytest.raises(TemplateNotFound, match=re.escape(message)):
        ask("hello", None, {}, tmp_path)
    write(
        tmp_path,
        "hello.html",
        '<xi:include href="gone.html"><xi:fallback>x</xi:fallback></xi:include>',
    )
    assert ask("hello", None, {}, tmp_path).text.strip() == "x"


def test_a_template_that_was_wrong_is_read_again(tmp_path: Path) -> None:
    renderer = HTMLRenderer(tmp_path)
    request = Request.blank("/", environ={"wsgikit.action": "hello"})
    write(tmp_path, "hello.html", "<script>$x</script>")
    for _ in range(2):
        with pytest.raises(TemplateSyntaxError):
            renderer({}, request)
    write(tmp_path, "hello.html", "<p>right</p>")
    assert b"<p>right</p>" in renderer({}, request)


def test_a_part_that_changes_changes_the_pages_that_include_it(tmp_path: Path) -> None:
    renderer = HTMLRenderer(tmp_path, tmp_path / "other")
    request = Request.blank("/", environ={"wsgikit.action": "hello"})
    write(tmp_path, "hello.html", '<xi:include href="parts/part.html"/>')
    write(tmp_path / "parts", "part.html", "<p>one</p>")
    assert b"<p>one</p>" in renderer({}, request)
    write(tmp_path / "parts", "part.html", "<p>another</p>")
    assert b"<p>another</p>" in renderer({}, request)


def test_directives_that_look_at_a_tag_find_it(tmp_path: Path) -> None:
    body = (
        "<p py:attrs=\"{'id': 'a'}\"><b>x</b></p><p py:strip=\"True\"><i>y</i></p>"
        '<div py:strip="False"/><script>if (a &lt; b) {}</script><pre>\n \n</pre>'
        '<py:def function="f(x)"><u>$x</u></py:def>${f(1)}<br py:if="True"/><!-- c -->'
    )
    write(tmp_path, "hello.html", body)
    assert raw("hello", None, {}, tmp_path).split("\n", 1)[1] == (
        '<p id="a"><b>x</b></p><i>y</i><div></div><script>if (a < b) {}</script><pre>\n \n</pre>'
        "<u>1</u><br><!-- c -->"
    )


def test_a_match_finds_what_its_own_template_holds(tmp_path: Path) -> None:
    body = '<p py:match="note"><b>Note:</b> ${select("text()")}</p><div><note>x</note></div>'
    write(tmp_path, "hello.html", body)
    assert "<div><p><b>Note:</b> x</p></div>" in raw("hello", None, {}, tmp_path)


def test_raw_elements_hold_what_they_hold_wherever_it_comes_from(tmp_path: Path) -> None:
    body = '<script>a &lt; <py:if test="True">b &lt; c</py:if> d</script><p>&lt;</p>'
    write(tmp_path, "hello.html", body)
    assert "<script>a < b < c d</script><p>&lt;</p>" in raw("hello", None, {}, tmp_path)


# -- pieces ------------------------------------------------------------------------------------


def test_a_control_alone_speaks_english() -> None:
    found = control(Field("b", "boolean"), None)
    assert [str(option.children[0]) for option in found.children[1:]] == ["yes", "no"]


def test_values_alone_are_written_without_links() -> None:
    from wsgikit.media.html.languages import Language

    values = Values(Language("en"))
    assert values.show(BOSS, 7) == "7"
    assert values.show(Field("d", "date"), date(2026, 5, 1)) == "2026-05-01"
    assert plain(b"abc") == "3 bytes"


def test_attributes_of_links_cannot_be_broken_out_of() -> None:
    row: Mapping[str, Any] = {"id": 1, "name": 'https://example.org/"onmouseover="x'}
    page = raw("list", describe(meta=NAMES, data=[row]))
    assert not re.search(r'\sonmouseover="', page)
