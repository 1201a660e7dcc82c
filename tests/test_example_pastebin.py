"""examples/pastebin: a form on the list, code highlighted on the item, under the default CSP."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from sqlalchemy import create_engine
from webob import Request, Response

from examples.pastebin import LANGUAGES, make_app

PYTHON = "\r\n\r\ndef f(x):\r\n\r\n\r\n    return '</pre><script>alert(1)</script>'\r\n"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[WSGIApplication]:
    engine = create_engine(f"sqlite:///{tmp_path / 'pastebin.db'}")
    yield make_app(engine)
    engine.dispose()


def send(app: WSGIApplication, path: str, accept: str = "text/html", **rest: Any) -> Response:
    response = Request.blank(path, accept=accept, **rest).get_response(validator(app))
    response.body  # noqa: B018  the validator looks at the end of the iterable too
    return response


def paste(app: WSGIApplication, **values: str) -> Response:
    return send(app, "/", POST={"code": "x", "language": "Plain text", "filename": "", **values})


def test_the_list_is_the_form_with_a_menu_of_languages(app: WSGIApplication) -> None:
    page = send(app, "/").text
    assert re.search(r'<form method="post" action="/"', page)
    assert "<textarea" in page
    options = re.findall(r'<option value="([^"]*)"', page)
    assert options == list(LANGUAGES)
    assert '<option value="Plain text" selected>' in page


def test_a_paste_leads_to_its_page_and_is_listed(app: WSGIApplication) -> None:
    response = paste(app, filename="<b>.py", language="Python")
    assert (response.status_int, response.headers["Location"]) == (303, "http://localhost/1")
    assert re.search(r'<a href="/1"[^>]*>&lt;b&gt;.py</a>', send(app, "/").text)


def test_the_code_is_highlighted_with_classes_and_escaped(app: WSGIApplication) -> None:
    paste(app, code=PYTHON, language="Python")
    page = send(app, "/1").text
    assert '<span class="k">def</span>' in page
    assert "<script>" not in page
    assert not re.search(r"\sstyle=|<style", page)


def test_the_code_comes_back_as_it_was(app: WSGIApplication) -> None:
    paste(app, code=PYTHON, language="Python")
    stored = PYTHON.replace("\r\n", "\n")
    assert send(app, "/1", "application/json").json["code"] == stored
    assert send(app, "/1;raw").text == stored
    (shown,) = re.findall(r"<code>(.*)</code>", send(app, "/1").text, re.DOTALL)
    shown = re.sub(r'<span class="linenos">.*?</span>|<[^>]*>', "", shown)
    assert unescape(shown) == stored


def test_raw_code_is_never_taken_for_a_page(app: WSGIApplication) -> None:
    paste(app, code="<script>alert(1)</script>", language="HTML")
    response = send(app, "/1;raw")
    assert response.content_type == "text/plain"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_loads_nothing_but_style_sheets_of_its_own_site(app: WSGIApplication) -> None:
    paste(app)
    response = send(app, "/1")
    assert "style-src 'self'" in response.headers["Content-Security-Policy"]
    links = re.findall(r'<link rel="stylesheet" href="([^"]+)"', response.text)
    sheets = [send(app, unescape(link)) for link in links]
    assert [sheet.content_type for sheet in sheets] == ["text/css", "text/css"]
    assert ".code .k " in sheets[1].text
    assert "immutable" in sheets[1].headers["Cache-Control"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"code": ""}, "code"),
        ({"language": "Basic"}, "language"),
        ({"filename": "x" * 101}, "filename"),
    ],
)
def test_a_paste_that_is_refused_keeps_what_was_typed(
    app: WSGIApplication, values: dict[str, str], field: str
) -> None:
    response = paste(app, **{"filename": "kept", **values})
    assert response.status_int == 422
    assert f'id="field-{field}-error"' in response.text
    assert (values.get("filename") or "kept") in response.text


@pytest.mark.parametrize(
    "path", ["/2", "/2;raw", f"/{'9' * 5000};raw", "/;raw", "/1;edit_form", "/;new_form"]
)
def test_what_is_not_there_is_not_found(app: WSGIApplication, path: str) -> None:
    paste(app)
    assert send(app, path).status_int == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_nobody_can_change_a_paste(app: WSGIApplication, method: str) -> None:
    paste(app)
    response = send(app, "/1", method=method)
    assert (response.status_int, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_other_sites_cannot_paste(app: WSGIApplication) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert send(app, "/", POST={"code": "x"}, headers=headers).status_int == 403
