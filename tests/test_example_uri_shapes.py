"""examples/uri_shapes.py: the same notes at URLs of two shapes, in process and in a browser."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urljoin
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from examples.uri_shapes import TEMPLATE, make_app
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel
from wsgikit.model_collection import ModelCollection

USUAL = "/col/[{id:key}][;{noun}]"


def ask(app: WSGIApplication, path: str, method: str = "GET", **rest: Any) -> Response:
    response = Request.blank(path, method=method, **rest).get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


def links(response: Response) -> list[str]:
    return [unescape(link) for link in re.findall('href="([^"]*)"', response.text)]


@pytest.mark.parametrize(
    ("template", "add_form", "item", "edit_form"),
    [
        (TEMPLATE, "/col/add_form", "/col;1/", "/col;1/edit_form"),
        (USUAL, "/col/;add_form", "/col/1", "/col/1;edit_form"),
    ],
)
def test_links_have_the_shape_of_the_template(
    template: str, add_form: str, item: str, edit_form: str
) -> None:
    app = make_app(template)
    assert links(ask(app, "/col/")) == [add_form]
    assert ask(app, add_form).status_int == 200
    created = ask(app, "/col/", "POST", POST={"text": "<b>"})
    assert created.headers["Location"] == f"http://localhost{item}"
    assert links(ask(app, "/col/")) == [item, add_form]
    assert links(ask(app, item)) == [edit_form, "/col/"]
    assert "&lt;b&gt;</textarea>" in ask(app, edit_form).text


def test_every_form_is_one_step_below_what_it_is_about() -> None:
    for form, target in [("/col/add_form", "/col/"), ("/col;1/edit_form", "/col;1/")]:
        assert urljoin(form, ".") == target
    assert urljoin("/col/1;edit_form", ".") != "/col/1"


def test_a_url_without_its_slash_leads_on() -> None:
    app = make_app()
    assert ask(app, "/col").headers["Location"] == "/col/"
    assert ask(app, "/col;1").headers["Location"] == "/col;1/"


@pytest.mark.parametrize(
    "path", ["/col;1/", "/col;1/edit_form", "/col/edit_form", "/col/1", "/col;/", "/col;1/absent"]
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert ask(make_app(), path).status_int == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_note_that_is_not_there_cannot_be_changed(method: str) -> None:
    assert ask(make_app(), "/col;1/", "POST", POST={"_method": method}).status_int == 404


@pytest.mark.parametrize("prefix", ["", "/site/notes"])
def test_forms_land_where_they_should_in_a_browser(
    browser: Any, serve: Callable[[WSGIApplication], str], prefix: str
) -> None:
    site = Dispatcher()
    site.add(f"{prefix}|", make_app())
    url = serve(site) + prefix
    page = browser.new_page()
    page.goto(f"{url}/col/")
    page.click("text=Add a note")
    assert page.url == f"{url}/col/add_form"
    page.fill("textarea", "\nfirst & <b>")
    page.click("text=Add")
    assert page.url == f"{url}/col;1/"
    assert page.text_content("pre") == "\nfirst & <b>"
    page.click("text=Change it")
    assert page.url == f"{url}/col;1/edit_form"
    assert page.input_value("textarea") == "\nfirst & <b>"
    page.fill("textarea", "second")
    page.click("text=Save")
    assert page.url == f"{url}/col;1/"
    assert page.inner_text("pre") == "second"
    page.click("text=Change it")
    page.click("text=Delete")
    assert page.url == f"{url}/col/"
    assert page.locator("li").count() == 0
    page.close()


@pytest.mark.parametrize(
    ("template", "new_form", "item", "edit_form"),
    [
        ("/col[;{id:key}]/[{noun}]", "/col/new_form", "/col;1/", "/col;1/edit_form"),
        (USUAL, "/col/;new_form", "/col/1", "/col/1;edit_form"),
    ],
)
def test_a_collection_of_a_model_takes_any_shape_too(
    template: str, new_form: str, item: str, edit_form: str
) -> None:
    model = MemoryModel([Field("id", "integer", required=False, has_default=True), Field("name")])
    app = Dispatcher()
    app.add(template, ModelCollection(model, media=[HTML(), JSON]))
    html = {"accept": "text/html"}
    assert new_form in links(ask(app, "/col/", **html))
    actions = re.findall('<form[^>]* action="([^"]*)"', ask(app, new_form, **html).text)
    assert "/col/" in actions
    created = ask(app, "/col/", "POST", POST={"name": "Ada"}, **html)
    assert (created.status_int, created.headers["Location"]) == (303, f"http://localhost{item}")
    assert edit_form in links(ask(app, item, **html))
    actions = re.findall('<form[^>]* action="([^"]*)"', ask(app, edit_form, **html).text)
    assert item in actions
    assert ask(app, item, accept="application/json").json["name"] == "Ada"
