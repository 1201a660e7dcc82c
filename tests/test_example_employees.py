"""examples/employees: run as a program, since its modules have the names that a project's have."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.programs import ROOT, serving


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = tmp_path_factory.mktemp("employees") / "database.db"
    environment = {"DATABASE_URL": f"sqlite:///{database}"}
    with serving(["examples/employees", "0"], environment) as url:
        post(f"{url}/departments/", {"code": "sales", "name": "Sales"})
        post(f"{url}/employees/", {"name": "Ada", "hired": "2024-02-29", "department": "sales"})
        post(f"{url}/employees/", {"name": "Bob"})
        yield url


def get(url: str, accept: str = "application/json") -> Any:
    with urlopen(Request(url, headers={"Accept": accept})) as response:
        return json.load(response) if accept == "application/json" else response.read().decode()


def post(url: str, values: dict[str, str]) -> str:
    """Send a form; give the URL of the page that it leads to."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    with urlopen(Request(url, urlencode(values).encode(), headers)) as response:
        return str(response.url)


def test_a_new_row_has_a_page_of_its_own(url: str) -> None:
    page = post(f"{url}/employees/", {"name": "Grace", "office_number": "204"})
    assert re.fullmatch(f"{url}/employees/\\d+", page)
    assert get(page)["office_number"] == 204


def test_a_foreign_key_is_a_link(url: str) -> None:
    assert '<a href="/departments/sales">' in get(f"{url}/employees/1", "text/html")


def test_a_variable_of_the_template_narrows_the_model(url: str) -> None:
    rows = get(f"{url}/departments/sales/employees/")["data"]
    assert [row["name"] for row in rows] == ["Ada"]
    assert get(f"{url}/departments/sales/employees/1")["name"] == "Ada"
    with pytest.raises(HTTPError, match="404"):
        get(f"{url}/departments/sales/employees/2")


def test_what_a_view_returns_is_a_page_or_json(url: str) -> None:
    assert get(f"{url}/about/") == {
        "host": url.removeprefix("http://"),
        "purpose": "Who works where.",
    }
    assert "<p>Who works where.</p>" in get(f"{url}/about/", "text/html")


@pytest.mark.parametrize("path", ["/", "/about/", "/employees/", "/departments/sales/employees/1"])
def test_every_page_has_its_style_sheet(url: str, path: str) -> None:
    (href,) = re.findall(r'rel="stylesheet" href="([^"]+)"', get(url + path, "text/html"))
    assert "{" in get(url + href.replace("&amp;", "&"), "text/css")


def test_the_home_page_lists_what_has_a_fixed_url(url: str) -> None:
    links = re.findall(r'<a href="([^"]+)"', get(f"{url}/", "text/html"))
    assert links == ["/about/", "/departments/", "/employees/"]


def test_the_project_s_commands_find_it(tmp_path: Path) -> None:
    """The same files, by ``wsgikit createdb`` and ``wsgikit run``."""
    environment = {"PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path / 'database.db'}"}
    found = subprocess.run(
        [sys.executable, "-m", "wsgikit", "createdb"],
        cwd=ROOT / "examples" / "employees",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "departments" in found.stdout
