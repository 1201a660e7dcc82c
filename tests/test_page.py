"""wsgikit.media.html.page: a template as a WSGI application."""

from collections.abc import Callable
from pathlib import Path
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import page

ABOUT = """\
<!DOCTYPE html>
<html xmlns:py="http://genshi.edgewall.org/">
<title>About</title>
<p py:if="defined('topic')">About $topic, for ${request.params.get('who', 'all')}.</p>
</html>
"""

FRAMED = """\
<html py:strip="" xmlns:py="http://genshi.edgewall.org/" xmlns:xi="http://www.w3.org/2001/XInclude">
<py:def function="heading">Who we are</py:def>
<py:def function="main"><h1>${heading()}</h1><a href="${url_for('about')}">About</a></py:def>
<xi:include href="layout.html"/>
</html>
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def ask(app: WSGIApplication, path: str = "/", method: str = "GET", **headers: str) -> Response:
    request = Request.blank(path, method=method, headers={"Accept": "text/html", **headers})
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


def test_a_template_is_an_application(write: Write) -> None:
    response = ask(page(write("about.html", ABOUT)))
    assert response.status == "200 OK"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.text.startswith("<!DOCTYPE html>")
    assert "<title>About</title>" in response.text


def test_its_variables_are_those_of_the_uri_and_escaped(write: Write) -> None:
    app = Dispatcher()
    app.add("/about/{topic}", GET=page(write("about.html", ABOUT)))
    text = ask(app, "/about/%3Cus%3E?who=me").text
    assert "About &lt;us&gt;, for me." in text


def test_it_can_stand_in_the_frame_of_the_other_pages(write: Write) -> None:
    app = Dispatcher()
    app.add("/about", page(write("who-we.are.html", FRAMED)), name="about")
    response = ask(app, "/about")
    assert "<title>Who we are</title>" in response.text
    assert '<a href="/about">About</a>' in response.text
    link = response.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    sheet = ask(app, link.replace("&amp;", "&"))
    assert (sheet.status_int, sheet.content_type) == (200, "text/css")


def test_includes_are_looked_for_in_the_other_directories_too(write: Write, tmp_path: Path) -> None:
    write("site/layout.html", ABOUT.replace("About", "A frame"))
    file = write("help/faq.html", FRAMED)
    assert "<title>A frame</title>" in ask(page(file, tmp_path / "site")).text


@pytest.mark.parametrize("name", ["home.html", "list.html", "problem.html", "retrieve.html"])
def test_no_name_is_special(write: Write, name: str) -> None:
    assert "<title>About</title>" in ask(page(write(name, ABOUT))).text


def test_a_template_that_changes_is_read_again(write: Write) -> None:
    app = page(write("about.html", ABOUT))
    ask(app)
    write("about.html", ABOUT.replace("About", "After the change"))
    assert "<title>After the change</title>" in ask(app).text


def test_a_page_that_is_known_is_not_sent_again(write: Write) -> None:
    app = page(write("about.html", ABOUT))
    tag = ask(app).headers["ETag"]
    again = ask(app, If_None_Match=f'"other", W/{tag}')
    assert (again.status_int, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Vary"] == "Accept-Language"
    write("about.html", ABOUT.replace("About", "After the change"))
    changed = ask(app, If_None_Match=tag)
    assert changed.status_int == 200
    assert changed.headers["ETag"] != tag


def test_a_range_of_a_page_is_of_the_version_that_was_begun(write: Write) -> None:
    app = page(write("about.html", ABOUT))
    whole = ask(app)
    part = ask(app, Range="bytes=2-8", If_Range=whole.headers["ETag"])
    assert (part.status_int, part.body) == (206, b"DOCTYPE")
    assert part.headers["Content-Range"] == f"bytes 2-8/{len(whole.body)}"
    assert ask(app, Range="bytes=2-8", If_Range='"other"').body == whole.body
    assert ask(app, Range=f"bytes={len(whole.body)}-").status_int == 416


def test_head_has_no_body(write: Write) -> None:
    response = ask(page(write("about.html", ABOUT)), method="HEAD")
    assert (response.status_int, response.body) == (200, b"")
    assert response.content_type == "text/html"


def test_a_page_can_only_be_read(write: Write) -> None:
    response = ask(page(write("about.html", ABOUT)), method="POST")
    assert response.status == "405 Method Not Allowed"
    assert response.headers["Allow"] == "GET, HEAD"
    assert "<h1" in response.text


def test_who_does_not_read_pages_is_told(write: Write) -> None:
    response = ask(page(write("about.html", ABOUT)), Accept="application/json")
    assert response.status == "406 Not Acceptable"
    assert response.content_type == "application/problem+json"


def test_a_template_that_is_not_there_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'absent\.html'"):
        page("absent.html")
