"""examples/airports: loading, serving, and the program that does both."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from examples.airports import loading, make_app
from examples.airports.__main__ import main, show_progress
from tests.programs import ROOT, serving


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    """The file, loaded once, and the progress that was reported."""
    path = tmp_path_factory.mktemp("airports") / "cache" / "airports.db"
    progress: list[tuple[int, int]] = []
    assert loading.load(path, lambda *step: progress.append(step))
    return path, progress


@pytest.fixture
def app(loaded: tuple[Path, object]) -> Iterator[WSGIApplication]:
    engine = loading.connect(loaded[0])
    yield make_app(engine)
    engine.dispose()


def get(app: WSGIApplication, path: str, accept: str = "application/json", **rest: Any) -> Response:
    return Request.blank(path, accept=accept, **rest).get_response(validator(app))


def test_an_airport_is_a_row_with_a_reference_to_its_country(app: WSGIApplication) -> None:
    airport = get(app, "/airports/LSZH").json
    assert airport["name"] == "Zurich Airport"
    assert airport["iata"] == "ZRH"
    assert airport["elevation"] == 1416.0
    assert get(app, f"/countries/{airport['country']}").json["name"] == "Switzerland"


def test_an_address_with_a_mistake_leads_home(app: WSGIApplication) -> None:
    found = get(app, "/airport/LSZH", "text/html")
    assert found.status_int == 404
    assert '<a href="/" dir="auto">Home</a>' in found.text


def test_the_same_url_is_a_page_for_people_that_links_the_country(app: WSGIApplication) -> None:
    response = get(app, "/airports/LSZH", "text/html")
    assert response.content_type == "text/html"
    assert '<a href="/countries/CH">' in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_what_the_data_leave_empty_is_no_value(app: WSGIApplication) -> None:
    assert get(app, "/airports/00AA").json["iata"] is None


def test_every_country_of_an_airport_has_a_name(app: WSGIApplication) -> None:
    page = get(app, "/countries/?limit=1000").json
    assert len(page["data"]) >= 250
    assert [row for row in page["data"] if row["name"] == row["code"]] == []


def test_the_list_is_read_page_by_page(app: WSGIApplication) -> None:
    first = get(app, "/airports/?limit=2").json
    second = get(app, first["next"]).json
    codes = [row["icao"] for row in first["data"] + second["data"]]
    assert codes == sorted(set(codes))
    assert len(codes) == 4


def test_the_home_page_finds_both_tables(app: WSGIApplication) -> None:
    page = get(app, "/", "text/html").text
    assert re.findall(r'<a href="(/\w+/)"', page) == ["/airports/", "/countries/"]


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"latitude": 91}, "latitude", "range"),
        ({"country": "??"}, "country", "reference"),
        ({"icao": "LSZHX"}, "icao", "length"),
        ({"name": None}, "name", "required"),
        ({"icao": "LSZH"}, "icao", "unique"),
    ],
)
def test_the_tables_refuse_what_is_no_airport(
    app: WSGIApplication, values: dict[str, object], field: str, code: str
) -> None:
    sound = {"icao": "XXXX", "name": "Nowhere", "country": "CH", "latitude": 0, "longitude": 0}
    body = json.dumps({**sound, **values}).encode()
    response = get(app, "/airports/", method="POST", body=body, content_type="application/json")
    assert response.status_int in (409, 422)
    (error,) = response.json["errors"]
    assert (error["pointer"], error["code"]) == (f"/{field}", code)


def test_loading_reports_its_progress_up_to_the_end(
    loaded: tuple[Path, list[tuple[int, int]]],
) -> None:
    _, progress = loaded
    total = progress[-1][1]
    assert total > 28_000
    assert [done for done, _ in progress] == [*range(0, total, loading.STEP), total]


def test_a_complete_file_is_not_loaded_again(loaded: tuple[Path, object]) -> None:
    assert not loading.load(loaded[0], lambda *_: pytest.fail("it was loaded"))


def test_a_load_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loading.load(tmp_path / "airports.db", interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at"])
def test_a_file_that_holds_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "precious.db"
    path.write_bytes(content)
    assert main(["--database", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert path.read_bytes() == content


def test_a_code_without_a_name_is_its_own_name() -> None:
    assert {"code": "??", "name": "??"} in loading.read_countries(["??", "CH"])


def test_the_file_is_kept_in_the_checkout_s_cache() -> None:
    assert loading.default_path().parent == ROOT / ".cache"


def test_a_port_that_is_taken_is_one_line(
    loaded: tuple[Path, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--database", str(loaded[0]), "--port", "99999"]) == 2
    assert capsys.readouterr().err.startswith("airports: cannot listen")


def test_the_progress_is_one_line_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_progress(1000, 2000)
    show_progress(2000, 2000)
    text = "\rLoading 1,000 of 2,000 airports\rLoading 2,000 of 2,000 airports\n"
    assert capsys.readouterr().out == text


def test_a_missing_package_is_named(loaded: tuple[Path, object]) -> None:
    program = (
        "import sys; sys.modules['airportsdata'] = None\n"
        "from examples.airports.__main__ import main; sys.exit(main([]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "pip install airportsdata" in found.stderr


def test_it_serves_when_it_is_run(loaded: tuple[Path, object]) -> None:
    command = ["-m", "examples.airports", "--port", "0", "--database", str(loaded[0])]
    with serving(command) as url, urlopen(f"{url}/airports/LSZH?format=json") as response:
        assert json.load(response)["iata"] == "ZRH"
