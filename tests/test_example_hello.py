"""examples/hello.py, in process and as it is run."""

import runpy
import socket
from pathlib import Path
from urllib.request import urlopen
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from tests.programs import serving

EXAMPLE = Path(__file__).parent.parent / "examples" / "hello.py"


def get(path: str, method: str = "GET") -> Response:
    app = runpy.run_path(str(EXAMPLE))["app"]
    response = Request.blank(path, method=method).get_response(validator(app))
    response.body  # noqa: B018  the validator looks at the end of the iterable too
    return response


def test_the_home_page_shows_where_to_go() -> None:
    response = get("/")
    assert response.status == "200 OK"
    paths = response.text.split()[-3:]
    assert [get(path).status_code for path in paths] == [200, 200, 404]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/hello/world/", "Hello, world!\n"),
        ("/hello/%3Cb%3E%C3%A9/", "Hello, <b>é!\n"),
        ("/add/40/2", "42\n"),
        ("/add/-1/1", "0\n"),
    ],
)
def test_variables_come_from_the_path(path: str, text: str) -> None:
    response = get(path)
    assert (response.text, response.content_type) == (text, "text/plain")


def test_what_does_not_fit_is_refused() -> None:
    assert get("/add/40/two").status == "404 Not Found"
    assert get("/add/40/2", "POST").status == "405 Method Not Allowed"
    assert get("/hello/world").headers["Location"] == "/hello/world/"


def test_it_serves_when_it_is_run() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        serving([str(EXAMPLE)], {"PORT": str(port)}) as url,
        urlopen(f"{url}/add/40/2", timeout=10) as response,
    ):
        assert url == f"http://127.0.0.1:{port}"
        assert response.read() == b"42\n"
