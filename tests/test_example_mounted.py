"""examples/mounted_in_*.py: the same collection below a prefix of three frameworks.

Each is run in a process of its own: Django has one configuration a process, and importing Pyramid
makes setuptools warn.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from tests.programs import serving

# Werkzeug's server puts a number into the environ, which the validator refuses: wsgiref's it is.
PROGRAM = """
import sys
from contextlib import suppress
from threading import Event
from wsgiref.validate import validator
from sqlalchemy import create_engine
from examples.mounted_in_{framework} import make_app
from tests.servers import http

app = validator(make_app(create_engine(sys.argv[1])))
with http(app) as url, suppress(KeyboardInterrupt):
    print(url)
    Event().wait()
"""


@pytest.fixture(scope="module", params=["flask", "django", "pyramid"])
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def url(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = tmp_path_factory.mktemp(framework) / "staff.db"
    with serving(["-c", PROGRAM.format(framework=framework), f"sqlite:///{database}"]) as url:
        yield url


class NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def send(url: str, accept: str, **rest: Any) -> Any:
    request = Request(url, headers={"Accept": accept, **rest.pop("headers", {})}, **rest)
    try:
        return build_opener(NoRedirects).open(request, timeout=30)
    except HTTPError as response:
        return response


def create(url: str, name: str) -> str:
    """Create an employee by a form; give the path of its page."""
    with send(f"{url}/staff/employees/", "text/html", data=urlencode({"name": name}).encode()) as r:
        assert r.status == 303
        location: str = r.headers["Location"]
    assert location.startswith(url)
    return location.removeprefix(url)


def test_the_frameworks_own_pages_stay(url: str, framework: str) -> None:
    with send(f"{url}/", "text/html") as response:
        assert f"This page is {framework.capitalize()}'s." in response.read().decode()
    with send(f"{url}/staffroom", "text/html") as response:
        assert response.status == 404


def test_a_form_leads_to_a_page_below_the_prefix(url: str) -> None:
    assert re.fullmatch(r"/staff/employees/\d+", create(url, "Ada"))


def test_every_link_of_every_page_is_below_the_prefix_and_leads_somewhere(url: str) -> None:
    item = create(url, "Bob")
    for path in ("/staff/employees/", item, f"{item};edit_form", f"{item};delete_form"):
        with send(url + path, "text/html") as response:
            page = response.read().decode()
        links = re.findall(r' (?:href|action)="((?!data:|#|\?)[^"]+)"', page)
        assert len(links) > 2
        for link in map(unescape, links):
            assert link.startswith("/staff/employees/")
            with send(url + link, "*/*") as response:
                assert response.status == 200


def test_json_is_created_and_read_below_the_prefix(url: str) -> None:
    body, headers = json.dumps({"name": "Zoë"}).encode(), {"Content-Type": "application/json"}
    address = f"{url}/staff/employees/"
    with send(address, "application/json", data=body, headers=headers) as response:
        assert response.status == 201
        location = response.headers["Location"]
    assert location.startswith(address)
    with send(location, "application/json") as response:
        assert json.load(response)["name"] == "Zoë"
    with send(location, "application/json", method="DELETE") as response:
        assert response.status == 204


def test_a_path_that_the_collection_does_not_know_is_its_404(url: str) -> None:
    with send(f"{url}/staff/employees/nobody", "application/json") as response:
        assert response.status == 404
        assert response.headers["Content-Type"] == "application/problem+json"
