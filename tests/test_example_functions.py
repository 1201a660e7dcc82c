"""examples/functions.py: how short it is, and what it answers when it is run."""

import runpy
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from tests.programs import ROOT, serving

EXAMPLE = ROOT / "examples" / "functions.py"
SECONDS = 60  # what takes a second is waited for this long, on a loaded machine


def ask(path: str, method: str = "GET", **headers: str) -> Response:
    app = runpy.run_path(str(EXAMPLE))["app"]
    response = Request.blank(path, method=method, headers=headers).get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


def test_it_is_twelve_lines_of_code() -> None:
    _, _, code = EXAMPLE.read_text().rpartition('"""')
    assert sum(bool(line.strip()) for line in code.splitlines()) == 12


def test_the_documentation_shows_all_of_it() -> None:
    _, _, code = EXAMPLE.read_text().rpartition('"""')
    assert code.strip() in (ROOT / "docs" / "lineage.md").read_text()


@pytest.mark.parametrize(
    ("path", "text"), [("/hello/", "Hello, World!"), ("/hello/Ada", "Hello, Ada!")]
)
def test_a_function_gets_the_variables_of_its_path(path: str, text: str) -> None:
    response = ask(path)
    assert (response.status, response.text) == ("200 OK", text)
    assert response.content_type == "text/html"


def test_errors_become_responses() -> None:
    assert ask("/hello/Nobody").json["detail"] == "There is nobody to greet."
    assert "There is nobody to greet." in ask("/hello/Nobody", Accept="text/html").text
    assert ask("/hello/1").status == "404 Not Found"
    assert ask("/hello/", "POST").headers["Allow"] == "GET, HEAD, OPTIONS"


def read(url: str) -> str:
    with urlopen(url, timeout=SECONDS) as response:
        text: str = response.read().decode()
        return text


def test_it_serves_when_it_is_run_and_starts_anew_when_it_changes(tmp_path: Path) -> None:
    program = tmp_path / "functions.py"
    program.write_text(EXAMPLE.read_text().replace("run(app)", "run(app, port=0)"))
    with serving([program.name], directory=tmp_path) as url:
        assert read(f"{url}/hello/") == "Hello, World!"
        with pytest.raises(HTTPError, match="404"):
            read(f"{url}/hello/Nobody")
        program.write_text(program.read_text().replace("Hello,", "Good morning,"))
        deadline = time.monotonic() + SECONDS
        while read(f"{url}/hello/") != "Good morning, World!":
            assert time.monotonic() < deadline
            time.sleep(0.1)
