"""What people see: every page over real collections, and in a real browser."""

import gzip
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import validator

import pytest
import sqlalchemy as sa
from webob import Request, Response

from examples.airports import loading
from examples.airports import make_app as make_airports
from tests import awkward, servers
from tests.visitors import WAYS, Visitor, visiting
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import BUILT_IN, HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

FIELDS = (
    Field("id", "integer", required=False, has_default=True),
    Field("name", nullable=False, required=True),
    Field("active", "boolean", nullable=False, has_default=True, default=True),
    Field("_odd", "boolean", nullable=False, has_default=True, default=False),
    Field("city"),
)


@pytest.fixture
def people() -> Dispatcher:
    model = MemoryModel(FIELDS)
    model.create({"name": "Ada", "city": "London"})
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(model, media=[HTML(), JSON]))
    return app


def get(app: Any, path: str) -> Response:
    return ask(app, Request.blank(path, accept="text/html"))


def ask(app: Any, request: Request) -> Response:
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


def post(app: Any, path: str, *pairs: tuple[str, str]) -> Response:
    request = Request.blank(path, method="POST", accept="text/html")
    request.content_type = "application/x-www-form-urlencoded"
    request.body = urlencode(pairs).encode()
    return ask(app, request)


def row(app: Any, path: str = "/people/1") -> dict[str, Any]:
    found: dict[str, Any] = Request.blank(f"{path}?format=json").get_response(app).json
    return found


PATCH = ("_method", "PATCH")


def test_a_box_that_is_not_ticked_means_no(people: Dispatcher) -> None:
    assert row(people) == {"id": 1, "name": "Ada", "active": True, "_odd": False, "city": "London"}
    form = get(people, "/people/1;edit_form").text
    assert '<input type="hidden" name="_unticked" value="active">' in form
    boxes = [("_unticked", "active"), ("_unticked", "_odd"), ("__odd", "true")]
    assert post(people, "/people/1", PATCH, *boxes).status_int == 303
    assert (row(people)["active"], row(people)["_odd"]) == (False, True)


def test_a_field_whose_stored_value_is_kept_is_not_written(people: Dispatcher) -> None:
    typed = [("name", "Grace"), ("city", "Arlington"), ("_keep", "city")]
    assert post(people, "/people/1", PATCH, *typed).status_int == 303
    assert (row(people)["name"], row(people)["city"]) == ("Grace", "London")


# -- somebody else was faster ------------------------------------------------------------------


def hidden(page: Response) -> list[tuple[str, str]]:
    """Give what a form sends along, as a browser reads it."""
    found = re.findall(r'<input type="hidden" name="(_[a-z]+)" value="([^"]*)">', page.text)
    return [pair for pair in found if pair[0] != "_unticked"]


def change(app: Any, values: dict[str, Any], path: str = "/people/1") -> None:
    headers = {"Content-Type": "application/json"}
    request = Request.blank(path, method="PATCH", json=values, headers=headers)
    assert ask(app, request).status_int == 200


TYPED = [("name", "Ada"), ("city", "London"), ("_unticked", "active"), ("active", "true")]


def test_what_nobody_touched_is_taken_from_somebody_else(people: Dispatcher) -> None:
    known = hidden(get(people, "/people/1;edit_form"))
    change(people, {"name": "Grace", "active": False})
    typed = [*TYPED[:1], ("city", "Paris"), *TYPED[2:]]
    page = post(people, "/people/1", *known, *typed)
    assert page.status_int == 412
    assert 'class="conflict"' not in page.text
    assert page.text.count("Somebody else changed this.") == 2
    assert 'value="Grace"' in page.text
    assert 'aria-describedby="field-name-changed"' in page.text
    again = [("name", "Grace"), ("city", "Paris"), ("_unticked", "active")]
    assert post(people, "/people/1", *hidden(page), *again).status_int == 303
    assert (row(people)["name"], row(people)["city"]) == ("Grace", "Paris")
    assert row(people)["active"] is False


def test_only_what_both_changed_is_to_be_decided(people: Dispatcher) -> None:
    known = hidden(get(people, "/people/1;edit_form"))
    change(people, {"name": "Grace", "city": "Arlington"})
    page = post(people, "/people/1", *known, ("name", "Ada"), ("city", "Paris\r\n"))
    assert page.text.count('class="conflict"') == 1
    assert 'Stored now: <q dir="auto">Arlington</q>' in page.text
    # Once more: that city was seen, and decided about.
    change(people, {"name": "Joan"})
    page = post(people, "/people/1", *hidden(page), ("name", "Grace"), ("city", "Paris\r\n"))
    assert page.status_int == 412
    assert 'class="conflict"' not in page.text
    assert 'value="Joan"' in page.text
    assert ">\nParis\r\n</textarea>" in page.text


def test_a_form_that_says_nothing_of_what_was_seen_shows_all_that_differs(
    people: Dispatcher,
) -> None:
    known = [pair for pair in hidden(get(people, "/people/1;edit_form")) if pair[0] != "_seen"]
    change(people, {"name": "Grace"})
    page = post(people, "/people/1", *known, *TYPED)
    assert page.text.count('class="conflict"') == 1


def test_a_form_with_mistakes_stays_that_of_the_version_that_was_seen() -> None:
    class Busy(MemoryModel):
        """Is written by somebody else whenever a form is about to be read."""

        def transaction(self, *, read_only: bool = False, rollback: bool = False) -> Any:
            if read_only:
                self.update(1, {"city": self.retrieve(1)["city"] + "!"})
            return super().transaction(read_only=read_only, rollback=rollback)

    model = Busy(FIELDS, name="people")
    model.create({"name": "Ada", "city": "London"})
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(model, media=[HTML(), JSON]))
    known = hidden(get(app, "/people/1;edit_form"))
    page = post(app, "/people/1", *known, ("name", ""), ("city", "London!"))
    assert page.status_int == 422
    assert dict(hidden(page))["_version"] == dict(known)["_version"]
    page = post(app, "/people/1", *hidden(page), ("name", "Ada"), ("city", "London!"))
    assert page.status_int == 412


def test_what_was_typed_for_a_row_that_is_gone_can_be_stored_anew(people: Dispatcher) -> None:
    known = hidden(get(people, "/people/1;edit_form"))
    assert ask(people, Request.blank("/people/1", method="DELETE")).status_int == 204
    page = post(people, "/people/1", *known, ("name", "Ada L."), ("city", " \u202e"))
    assert page.status_int == 404
    assert "Somebody else deleted this row in the meantime." in page.text
    assert '<form method="post" action="/people/" autocomplete="off">' in page.text
    assert hidden(page) == []
    assert 'value="Ada L."' in page.text
    made = post(people, "/people/", ("name", "Ada L."), ("active", "true"), ("__odd", "false"))
    assert made.status_int == 303
    # Of a row that nobody saw, there is nothing to say.
    assert "typed" not in post(people, "/people/7", PATCH, ("name", "typed")).text


def test_a_new_row_in_the_place_of_one_that_is_gone_has_its_key() -> None:
    model = MemoryModel([Field("code", nullable=False, required=True), Field("name")], key="code")
    app = Dispatcher()
    app.add("/codes/[{id:key}][;{noun}]", ModelCollection(model, media=[HTML(), JSON]))
    page = post(app, "/codes/a~2Fb", PATCH, ("name", "typed"), ("_version", "1"))
    assert page.status_int == 404
    assert 'value="a/b"' in page.text


def test_where_nothing_can_be_added_what_is_gone_is_not_found() -> None:
    class Fixed(ModelCollection):
        get_new_form = None  # type: ignore[assignment]

    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", Fixed(MemoryModel(FIELDS), media=[HTML(), JSON]))
    page = post(app, "/people/1", PATCH, ("name", "typed"), ("_version", "1"))
    assert (page.status_int, "typed" in page.text) == (404, False)


# -- files -------------------------------------------------------------------------------------


@pytest.fixture
def photos() -> Dispatcher:
    fields = (Field("id", "integer"), Field("name"), Field("a photo", "binary"))
    model = MemoryModel(fields)
    model.create({"id": 1, "name": "<b>", "a photo": awkward.PIXEL})
    model.create({"id": 2, "name": "svg", "a photo": b"<svg onload='alert(1)'/>"})
    model.create({"id": 3, "name": "none", "a photo": None})
    app = Dispatcher()
    collection = ModelCollection(model, media=[HTML(), JSON], title='Ph"otos/')
    app.add("/photos/[{id:key}][;{noun}]", collection)
    return app


def test_a_file_is_to_be_saved_whatever_it_is(photos: Dispatcher) -> None:
    page = get(photos, "/photos/1").text
    assert '<a href="/photos/1;file?field=a%20photo">70 bytes</a>' in page
    picture = get(photos, "/photos/1;file?field=a%20photo")
    assert (picture.body, picture.content_type) == (awkward.PIXEL, "image/png")
    disposition = picture.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="Ph_otos_-1-a_photo.png"'
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    odd = get(photos, "/photos/2;file?field=a+photo")
    assert odd.content_type == "application/octet-stream"
    assert odd.headers["Content-Disposition"].endswith('-a_photo.bin"')
    request = Request.blank("/photos/1;file?field=a+photo", if_none_match=picture.etag)
    assert ask(photos, request).status_int == 304


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/photos/3;file?field=a+photo", 404),
        ("/photos/9;file?field=a+photo", 404),
        ("/photos/;file?field=a+photo", 404),
        ("/photos/1;file", 400),
        ("/photos/1;file?field=name", 400),
        ("/photos/1;file?field=a+photo&field=a+photo", 400),
        ("/photos/1;file?field=a+photo&q=x", 400),
    ],
)
def test_what_is_no_file_cannot_be_had(path: str, status: int, photos: Dispatcher) -> None:
    assert get(photos, path).status_int == status


def test_a_query_of_a_file_is_utf_8(photos: Dispatcher) -> None:
    request = Request.blank("/photos/1;file", environ={"QUERY_STRING": "field=\xff"})
    assert ask(photos, request).status_int == 400


def test_a_column_without_a_name_may_hold_files() -> None:
    model = MemoryModel([Field("id", "integer"), Field("", "binary")])
    model.create({"id": 1, "": b"x"})
    app = Dispatcher()
    app.add("/odd/[{id:key}][;{noun}]", ModelCollection(model, media=[HTML(), JSON]))
    assert 'href="/odd/1;file?field="' in get(app, "/odd/1").text
    assert get(app, "/odd/1;file?field=").body == b"x"


def test_a_file_is_asked_about_and_had_in_parts(photos: Dispatcher) -> None:
    path = "/photos/1;file?field=a+photo"
    head = ask(photos, Request.blank(path, method="HEAD"))
    assert (head.body, head.content_length) == (b"", len(awkward.PIXEL))
    assert head.headers["Accept-Ranges"] == "bytes"
    parts = {
        "bytes=0-3": (206, awkward.PIXEL[:4], "bytes 0-3/70"),
        "bytes=-5": (206, awkward.PIXEL[-5:], "bytes 65-69/70"),
        # Of several parts, all is as good an answer.
        "bytes=0-3,8-9": (200, awkward.PIXEL, None),
    }
    for asked, (status, body, place) in parts.items():
        part = ask(photos, Request.blank(path, headers={"Range": asked}))
        answer = part.status_int, part.body, part.headers.get("Content-Range")
        assert answer == (status, body, place)
    assert ask(photos, Request.blank(path, headers={"Range": "bytes=70-"})).status_int == 416
    head = Request.blank(path, method="HEAD", headers={"Range": "bytes=0-3"})
    assert ask(photos, head).status_int == 200  # RFC 9110 14.2: ranges are for GET


def test_a_file_runs_nothing_whoever_opens_it(photos: Dispatcher) -> None:
    file = get(photos, "/photos/2;file?field=a+photo")
    assert file.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert file.headers["Content-Disposition"].startswith("attachment; ")


def test_a_file_that_was_chosen_is_to_be_chosen_again(photos: Dispatcher) -> None:
    known = hidden(get(photos, "/photos/1;edit_form"))
    file = {"a photo": ("new.png", b"new")}
    stale = Request.blank("/photos/1", POST={**dict(known), "name": "mine", **file})
    stale.accept = "text/html"
    change(photos, {"name": "theirs"}, "/photos/1")
    page = ask(photos, stale)
    assert page.status_int == 412
    assert page.text.count('class="conflict"') == 1
    assert '<small id="field-a.20.photo-error" class="error">Choose the file again.</small>' in (
        page.text
    )
    several = [("id", "x"), *file.items(), *file.items()]
    twice = Request.blank("/photos/", POST=several, content_type="multipart/form-data")
    twice.accept = "text/html"
    page = ask(photos, twice)
    assert page.status_int == 422
    assert "Choose the file again." in page.text


def test_a_file_stays_is_replaced_or_is_removed(photos: Dispatcher) -> None:
    page = get(photos, "/photos/1;edit_form").text
    assert '<input type="checkbox" name="a photo" value="">' in page

    def save(*pairs: tuple[str, Any]) -> Response:
        sent = Request.blank("/photos/1", POST=[PATCH, *pairs], content_type="multipart/form-data")
        sent.accept = "text/html"
        return ask(photos, sent)

    assert save(("name", "same"), ("a photo", ("", b""))).status_int == 303
    assert row(photos, "/photos/1")["a photo"] is not None
    assert save(("a photo", ("new", b"new"))).status_int == 303
    assert get(photos, "/photos/1;file?field=a+photo").body == b"new"
    both = save(("a photo", ("new", b"newer")), ("a photo", ""))
    assert both.status_int == 422
    assert "Choose one file. Choose the file again." in both.text
    assert save(("a photo", ("", b"")), ("a photo", "")).status_int == 303
    assert row(photos, "/photos/1")["a photo"] is None


def test_a_policy_is_for_files_as_well(tmp_path: Path) -> None:
    metadata = sa.MetaData()
    people = sa.Table(
        "people",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("photo", sa.LargeBinary),
        sa.Column("secret", sa.LargeBinary),
    )
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'people.db'}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": n, "photo": awkward.PIXEL, "secret": b"x"} for n in (1, 2)]
        connection.execute(sa.insert(people), rows)

    def policy(request: Request, model: Any) -> Any:
        return model.restrict(rows=people.c.id == 1, hidden=["secret"], read_only=True)

    app = Dispatcher()
    collection = ModelCollection(TableModel(people, engine), media=[HTML(), JSON], policy=policy)
    app.add("/people/[{id:key}][;{noun}]", collection)
    assert 'href="/people/1;file?field=photo"' in get(app, "/people/").text
    photo = get(app, "/people/1;file?field=photo")
    assert (photo.body, photo.headers["Cache-Control"]) == (awkward.PIXEL, "private, no-store")
    assert get(app, "/people/2;file?field=photo").status_int == 404
    refused = get(app, "/people/1;file?field=secret")
    assert refused.status_int == 400
    assert "secret" not in refused.text


def test_a_nested_collection_has_files_of_its_rows_alone() -> None:
    fields = (Field("post", "integer"), Field("id", "integer"), Field("photo", "binary"))
    model = MemoryModel(fields, key="id")
    model.create({"post": 1, "id": 7, "photo": b"x"})
    app = Dispatcher()
    collection = ModelCollection(model, media=[HTML(), JSON], within={"post": "post"})
    app.add("/posts/{post:int}/photos/[{id:key}][;{noun}]", collection)
    assert 'href="/posts/1/photos/7;file?field=photo"' in get(app, "/posts/1/photos/7").text
    assert get(app, "/posts/1/photos/7;file?field=photo").body == b"x"
    assert get(app, "/posts/2/photos/7;file?field=photo").status_int == 404


def test_a_collection_without_files_has_no_address_for_them(people: Dispatcher) -> None:
    assert get(people, "/people/1;file?field=name").status_int == 404


# -- in a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def airports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the demo."""
    path = tmp_path_factory.mktemp("airports") / "airports.db"
    loading.load(path, lambda *_: None)
    engine = loading.connect(path)
    with servers.http(make_airports(engine)) as url:
        yield url
    engine.dispose()


@pytest.fixture(scope="module")
def awkward_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('awkward') / 'awkward.db'}")
    awkward.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def awkward_site(awkward_engine: sa.Engine) -> Iterator[str]:
    with servers.http(awkward.make_app(awkward_engine)) as url:
        yield url


@pytest.fixture
def odd(awkward_site: str, awkward_engine: sa.Engine) -> str:
    """The URL of the awkward database, with the same rows for each test."""
    awkward.fill(awkward_engine)
    return awkward_site


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def visitor(request: pytest.FixtureRequest, browser: Any) -> Iterator[Visitor]:
    """Somebody who looks at pages in each of the ways."""
    with visiting(browser, request.param) as found:
        yield found


def expect(found: Any) -> Any:
    """Playwright's assertions, which wait."""
    from playwright.sync_api import expect  # slow to import, and few tests need it

    return expect(found)


def test_people_find_rows(visitor: Visitor, airports: str) -> None:
    """Search, filters, chips, order, pages, sizes, columns and exports of 28,000 rows."""
    page, visitor.base = visitor.page, airports
    visitor.go("/airports/?limit=10")
    expect(page.get_by_text("1\u201310 of 10,000+")).to_be_visible()
    visitor.look()

    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("11\u201320 of 10,000+")).to_be_visible()
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text("1\u201310 of 10,000+")).to_be_visible()

    page.get_by_role("searchbox", name="Search").fill("intl new zealand")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Show all").click()

    visitor.open("Filters")
    filters = page.locator("form.filters")
    country = filters.get_by_role("group", name="Country").get_by_label("is")
    if visitor.way.script:
        country.press_sequentially("zeal")
        expect(filters.locator("option[value=NZ]")).to_have_text("New Zealand")
    country.fill("NZ")
    filters.get_by_role("group", name="Elevation").get_by_label("from").fill("500")
    visitor.look()
    filters.get_by_role("button", name="Apply").click()
    chips = page.get_by_role("list", name="Active filters")
    expect(chips.get_by_text("Country is New Zealand")).to_be_visible()
    expect(chips.get_by_text("Elevation \u2265 500")).to_be_visible()

    page.get_by_role("link", name="Elevation", exact=True).click()
    page.get_by_role("link", name="Elevation", exact=True).click()
    heading = page.get_by_role("columnheader", name="Elevation")
    expect(heading).to_have_attribute("aria-sort", "descending")
    highest = [
        float(cell.replace(",", ""))
        for cell in page.locator("tbody td:nth-child(8)").all_inner_texts()
    ]
    assert highest == sorted(highest, reverse=True)
    assert len(highest) == 10
    visitor.look()

    chips.get_by_text("Elevation").click()
    expect(chips.get_by_text("Elevation")).to_have_count(0)
    page.get_by_role("navigation", name="Rows per page").get_by_role(
        "link", name="100", exact=True
    ).click()
    expect(page.locator("tbody tr")).to_have_count(100)

    visitor.open("Columns")
    columns = page.locator("form.columns")
    for box in columns.get_by_role("checkbox").all():
        box.uncheck()
    columns.get_by_label("City").check()
    visitor.look()
    columns.get_by_role("button", name="Show").click()
    assert page.locator("thead th").all_inner_texts() == ["City"]

    link = page.locator(".exports").get_by_role("link", name="CSV", exact=True)
    exported = page.request.get(airports + str(link.get_attribute("href"))).text()
    assert exported.splitlines()[0] == "city"
    assert len(exported.splitlines()) > 100
    visitor.look()


def test_people_read_a_row_and_what_belongs_to_it(visitor: Visitor, airports: str) -> None:
    page, visitor.base = visitor.page, airports
    visitor.go("/airports/LSZH")
    expect(page.get_by_role("heading", level=1)).to_have_text("Zurich Airport")
    visitor.look()
    page.get_by_role("link", name="Switzerland").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Switzerland")
    visitor.look()
    card = page.locator(".backlinks li")
    assert re.search(r"Airports\s+\d\d\s+Country", card.inner_text())
    card.get_by_role("link").click()
    expect(page.get_by_role("list", name="Active filters")).to_contain_text(
        "Country is Switzerland"
    )
    visitor.go("/countries/CH")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Côte d\u2019Ivoire")
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Switzerland")
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Airports of the world")
    visitor.look()


def test_people_search_everything_from_home(visitor: Visitor, airports: str) -> None:
    page, visitor.base = visitor.page, airports
    visitor.go("/")
    assert "10,000+" in page.locator(".cards li", has_text="Airports").inner_text()
    page.get_by_role("searchbox", name="Search everything").fill("heathrow")
    page.get_by_role("searchbox", name="Search everything").press("Enter")
    found = page.get_by_role("link", name="London Heathrow Airport")
    expect(found).to_be_visible()
    visitor.look()
    found.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("London Heathrow Airport")


def test_people_write_a_row_and_are_told_what_is_wrong(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/orders/")
    page.get_by_role("link", name="New").click()
    page.get_by_label("Country").fill("CH")
    page.get_by_label("Number").fill("1")
    page.get_by_label("Note").fill(" kept \u202e ")
    visitor.look()
    page.get_by_role("button", name="Save").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Note")).to_have_value(" kept \u202e ")
    visitor.look(refused=409)
    summary.get_by_role("link", name="Number").click()
    expect(page.get_by_label("Number")).to_be_focused()
    page.get_by_label("Number").fill("77")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Created.")).to_be_visible()
    visitor.look()

    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Note").fill("changed")
    visitor.look()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="changed")).to_be_visible()
    page.reload()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_have_count(0)

    page.get_by_role("link", name="Delete").click()
    visitor.look()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").filter(has_text="Deleted.")).to_be_visible()
    visitor.look()


def test_people_see_both_sides_of_a_conflict_and_choose(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/reserved/3;edit_form")
    page.get_by_label("Limit", exact=True).fill("mine")
    page.get_by_label("Format", exact=True).fill("mine")
    theirs = {"limit": "theirs", "format": "theirs"}
    page.request.patch(
        f"{odd}/reserved/3", data=theirs, headers={"Content-Type": "application/json"}
    )
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else saved first")
    expect(page.get_by_label("Limit", exact=True)).to_have_value("mine")
    assert page.locator(".conflict").count() == 2
    visitor.look(refused=412)
    page.locator(".field", has_text="Format").get_by_label("Keep what is stored").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    stored = page.request.get(f"{odd}/reserved/3?format=json").json()
    assert (stored["limit"], stored["format"]) == ("mine", "theirs")
    visitor.look()


def test_people_change_and_delete_many_rows(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/reserved/?sort=id")
    for id in (1, 2):
        page.get_by_role("checkbox", name=f"Tick {id}", exact=True).check()
    visitor.open("With the ticked rows")
    visitor.look()
    many = page.locator(".many-box")
    many.locator("[name=format]").select_option("csv")
    with page.expect_download() as download:
        many.get_by_role("button", name="Export").click()
    exported = Path(download.value.path()).read_text()
    visitor.trouble.clear()  # to Playwright, what becomes a download is aborted
    assert [line.partition(",")[0] for line in exported.splitlines()] == ["id", "1", "2"]
    many.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 rows?")
    visitor.look()
    json = {"Content-Type": "application/json"}
    page.request.patch(f"{odd}/reserved/2", data={"q": "theirs"}, headers=json)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed these rows first")
    visitor.look(refused=412)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").filter(has_text="2 rows were deleted.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(10)

    visitor.open("With the ticked rows")
    page.get_by_role("checkbox", name="All 10 that match").check()
    page.locator(".many-box").get_by_label("Column").select_option("Limit")
    page.get_by_role("button", name="Change").click()
    page.get_by_label("Limit", exact=True).fill("the same")
    visitor.look()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="10 rows were changed.")).to_be_visible()
    rows = page.request.get(f"{odd}/reserved/?format=json").json()["data"]
    assert {row["limit"] for row in rows} == {"the same"}
    visitor.look()


def test_people_import_a_file_after_a_look_at_it(
    visitor: Visitor, odd: str, tmp_path: Path
) -> None:
    page, visitor.base = visitor.page, odd
    wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
    wrong.write_text("country,number,note\nNO,1,first\nNO,many,second\n")
    right.write_text("country,number,note\nNO,1,first\nNO,2,\n")
    visitor.go("/orders/")
    page.get_by_role("link", name="Import").click()
    visitor.look()
    page.get_by_label("File").set_input_files(wrong)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("Row 2 Number: Must be a whole number")
    visitor.look()
    page.get_by_label("File").set_input_files(right)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="2 rows would be imported")).to_be_visible()
    visitor.look()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status").filter(has_text="2 rows were imported.")).to_be_visible()
    rows = page.request.get(f"{odd}/orders/?country=NO&format=json").json()["data"]
    assert [(row["number"], row["note"]) for row in rows] == [(1, "first"), (2, None)]


PAGES = [
    "/",
    "/every~20type/?limit=5",
    "/every~20type/1",
    "/every~20type/3",
    "/every~20type/5;edit_form",
    "/every~20type/1;delete_form",
    "/every~20type/;new_form",
    "/reserved/?limit__eq=3&q=3",
    "/reserved/3;edit_form",
    "/orders/",
    "/orders/N~2CZ,1",
    "/no~20key/",
    "/recent/",
    "/~3Ci~3Ehostile~3C~2Fi~3E~20~26~20~27names~27/",
    "/~3Ci~3Ehostile~3C~2Fi~3E~20~26~20~27names~27/javascript~3Aalert~281~29",
]


@pytest.mark.parametrize(("path", "status"), [("/orders/?limit=x", 400), ("/orders/CH,9", 404)])
def test_a_refusal_is_a_page_with_a_way_back(
    path: str, status: int, visitor: Visitor, odd: str
) -> None:
    visitor.base = odd
    assert visitor.go(path).status == status
    visitor.look(refused=status)
    way = visitor.page.get_by_role("navigation", name="Breadcrumb")
    assert way.get_by_role("link").all_inner_texts() == ["Home", "orders"]


def test_nothing_covers_what_is_beside_it(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/every~20type/?limit=5")
    visitor.open("Filters")
    visitor.look()
    assert covered(page, ".filters label > :not(span)") == []
    visitor.go(next(path for path in PAGES if "hostile" in path))
    assert covered(page, "tbody .tick input") == []


COVERED = """controls => controls.filter(control => {
    control.scrollIntoView({block: "center"});
    const {left, right, top, bottom} = control.getBoundingClientRect();
    return [(left + right) / 2, right - 3].some(
        x => document.elementFromPoint(x, (top + bottom) / 2) !== control);
}).map(control => control.name)"""


def covered(page: Any, selector: str) -> list[str]:
    """Give the names of the controls whose middle or end belongs to something else."""
    found: list[str] = page.locator(selector).evaluate_all(COVERED)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_no_page_of_an_awkward_database_is_out_of_order(
    path: str, visitor: Visitor, odd: str
) -> None:
    visitor.base = odd
    assert visitor.go(path).status == 200
    assert visitor.page.locator("script:not([src]), img[src=x], a[href^=javascript]").count() == 0
    visitor.look()


def test_forms_that_are_opened_and_saved_change_nothing(
    visitor: Visitor, odd: str, awkward_engine: sa.Engine
) -> None:
    page, visitor.base = visitor.page, odd
    select = sa.text('SELECT * FROM "every type" ORDER BY id')
    with awkward_engine.connect() as connection:
        before = connection.execute(select).all()
    for row in before:
        visitor.go(f"/every~20type/{row.id};edit_form")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    with awkward_engine.connect() as connection:
        assert connection.execute(select).all() == before


def test_a_box_ticks_all_rows_of_the_page(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/reserved/?sort=id")
    every = page.get_by_role("checkbox", name="Tick all rows of this page")
    if not visitor.way.script:
        assert every.count() == 0
        return
    every.check()
    expect(page.locator("tbody :checked")).to_have_count(12)
    expect(page.locator(".many-box summary")).to_contain_text("12")
    page.get_by_role("checkbox", name="Tick 5", exact=True).uncheck()
    expect(page.locator(".many-box summary")).to_contain_text("11")
    assert every.evaluate("box => [box.checked, box.indeterminate]") == [False, True]
    visitor.look()


def test_a_row_to_refer_to_is_found_by_its_name(visitor: Visitor, airports: str) -> None:
    page, visitor.base = visitor.page, airports
    visitor.go("/airports/;new_form")
    country = page.get_by_label("Country")
    if visitor.way.script:
        country.press_sequentially("new zea")
        option = page.locator("datalist option[value=NZ]")
        expect(option).to_have_text("New Zealand")
        country.fill("NZ")
        expect(page.locator("output.picked")).to_have_text("New Zealand")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Look it up").click()
    opened.value.get_by_role("searchbox").fill("new zea")
    opened.value.get_by_role("button", name="Search").click()
    expect(opened.value.locator("tbody th")).to_have_text("NZ")
    opened.value.close()
    visitor.look()


def test_a_second_click_does_not_save_again(visitor: Visitor, odd: str) -> None:
    if visitor.way.script:
        visitor.base = odd
        visitor.go("/orders/CH,1;edit_form")
        assert visitor.page.evaluate(TWO_CLICKS) == [False, True]


TWO_CLICKS = """() => {
    const prevented = [];
    addEventListener("submit", event => {
        prevented.push(event.defaultPrevented);
        event.preventDefault();
    });
    const button = document.querySelector("form button");
    button.click();
    button.click();
    return prevented;
}"""


def test_addresses_say_only_what_was_filled_in(visitor: Visitor, airports: str) -> None:
    if visitor.way.script:
        page, visitor.base = visitor.page, airports
        visitor.go("/airports/?sort=name")
        visitor.open("Filters")
        page.get_by_role("group", name="City").get_by_label("contains").fill("Wanaka")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("list", name="Active filters")).to_be_visible()
        assert page.url == f"{airports}/airports/?sort=name&city__contains=Wanaka"


def test_pages_fit_a_window_of_320_pixels(browser: Any, airports: str, odd: str) -> None:
    """As at 400 % in a window of 1280 pixels (WCAG 1.4.10); tables scroll in a box of their own."""
    wide = []
    with visiting(browser, replace(WAYS[1], width=320)) as visitor:
        paths = ("/", "/airports/?country=NZ&q=field", "/airports/LSZH;edit_form")
        for url in [*(airports + path for path in paths), *(odd + path for path in PAGES)]:
            visitor.page.goto(url)
            if visitor.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(url)
    assert wide == []


@pytest.mark.parametrize("height", [850, 300])
def test_what_has_the_focus_is_not_covered(height: int, browser: Any, airports: str) -> None:
    """By the box for ticked rows, which stays in sight where there is room (WCAG 2.4.11)."""
    with visiting(browser, WAYS[0]) as visitor:
        page = visitor.page
        page.set_viewport_size({"width": 640, "height": height})
        page.goto(f"{airports}/airports/?limit=25")
        page.locator("tbody .tick input").first.check()
        page.locator(".many-box").evaluate("box => { box.open = true; }")
        page.locator("tbody .tick input").first.focus()
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.outerHTML")
            assert page.evaluate(FOCUS_IS_AT_HAND), focused


FOCUS_IS_AT_HAND = """() => {
    const focused = document.activeElement, box = focused.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return top === null || focused.contains(top) || top.contains(focused);
}"""


def test_ticks_are_seen_in_forced_colours(browser: Any, airports: str) -> None:
    with visiting(browser, WAYS[0], forced_colors="active") as visitor:
        visitor.page.goto(f"{airports}/airports/?limit=10")
        box = visitor.page.locator("tbody .tick input").first
        assert box.evaluate("box => getComputedStyle(box).appearance") == "auto"


def test_everything_works_by_keyboard(visitor: Visitor, airports: str) -> None:
    page, visitor.base = visitor.page, airports
    visitor.go("/airports/?limit=10")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type("queenstown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Search: queenstown")).to_be_visible()
    tab_to(page, page.locator("summary", has_text="Filters"))
    page.keyboard.press("Enter")
    expect(page.locator("form.filters")).to_be_visible()
    if visitor.way.script:
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.locator("form.filters")).to_be_hidden()
        expect(page.locator("summary", has_text="Filters")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="NZQN"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queenstown International Airport")
    tab_to(page, page.get_by_role("link", name="Edit"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Edit:")
    tab_to(page, page.get_by_label("City"))
    tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()


def test_many_rows_are_deleted_by_keyboard(visitor: Visitor, odd: str) -> None:
    page, visitor.base = visitor.page, odd
    visitor.go("/reserved/?sort=id")
    for id in (1, 3):
        tab_to(page, page.get_by_role("checkbox", name=f"Tick {id}", exact=True))
        page.keyboard.press("Space")
    tab_to(page, page.locator("summary", has_text="With the ticked rows"))
    page.keyboard.press("Enter")
    tab_to(page, page.locator(".many-box").get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 rows?")
    tab_to(page, page.get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="2 rows were deleted.")).to_be_visible()


def tab_to(page: Any, wanted: Any) -> None:
    """Press Tab until something has the focus, which is seen wherever it is."""
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_IS_VISIBLE), page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


FOCUS_IS_VISIBLE = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""


@pytest.mark.parametrize(
    ("locale", "texts"),
    [
        ("de-DE", ("Country ist New Zealand", "Löschen …", "Filter")),
        ("ja-JP", ("Country が New Zealand", "削除…", "絞り込み")),
    ],
)
def test_a_visitor_reads_their_own_language(
    locale: str, texts: tuple[str, ...], browser: Any, airports: str
) -> None:
    with visiting(browser, WAYS[0], locale=locale) as visitor:
        page, visitor.base = visitor.page, airports
        visitor.go("/airports/?country=NZ&limit=10&q=field")
        assert page.locator("html").get_attribute("lang") == locale[:2]
        content = page.content()
        assert [text for text in texts if text not in content] == []
        visitor.look()
        visitor.go("/airports/NZQN;edit_form")
        visitor.look()


def test_paper_shows_rows_and_no_controls(visitor: Visitor, airports: str) -> None:
    page, visitor.base = visitor.page, airports
    page.emulate_media(media="print")
    visitor.go("/airports/?limit=10")
    assert page.locator("tbody tr").first.is_visible()
    for control in (".tools", ".top a", ".tick", ".pager", ".exports", ".many-box", "header nav"):
        assert not page.locator(control).first.is_visible()
    page.emulate_media(media="screen")


# -- what it weighs ----------------------------------------------------------------------------


def test_a_page_of_fifty_rows_weighs_at_most_30_kilobytes(airports: str) -> None:
    """Compressed, with the style sheet and the script."""
    weights = {}
    for path in ("/airports/", "/airports/?format=css", "/airports/?format=js"):
        request = urllib.request.Request(airports + path, headers={"Accept": "text/html"})
        with urllib.request.urlopen(request) as answer:
            weights[path] = len(gzip.compress(answer.read(), 6))
    assert sum(weights.values()) <= 30_000, weights


def test_our_script_is_at_most_40_lines() -> None:
    script = (BUILT_IN / "script.js").read_text(encoding="utf-8")
    assert len(script.splitlines()) <= 40
    assert all(len(line) <= 120 for line in script.splitlines())
