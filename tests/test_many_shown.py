"""What people read on the pages about many rows."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from webob import Response

from tests.cities import Client, mounted, table_cities
from tests.conftest import enforce_foreign_keys
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection


@pytest.fixture
def ask(tmp_path: Path) -> Client:
    cities = table_cities(tmp_path)
    sa.event.listen(cities.engine, "connect", enforce_foreign_keys)
    cities.engine.dispose()
    media = [HTML(), JSON, CSV]
    countries = ModelCollection(cities.follow("country"), media=media, bulk_limit=9)
    return mounted(
        ("cities", ModelCollection(cities, media=media, bulk_limit=9)), ("countries", countries)
    )


def send(ask: Client, path: str, **form: str) -> Response:
    return ask("POST", path, form=form, Accept="text/html")


def words(page: Response) -> str:
    """Give the text of a page, without what is in controls."""
    main = page.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<option.*?</option>|<[^>]*>", " ", main).split())


def test_the_summary_names_the_column_and_leads_to_its_control(ask: Client) -> None:
    form = {"id": "1 2", "action": "set", "field": "height", "value": "high", "confirm": "1"}
    page = send(ask, "/cities/;selection", **form)
    assert page.status_int == 422
    link = '<a href="#field-value"><bdi>Height</bdi></a>'
    assert f"<li>{link}: Must be a number, not 'high'.</li>" in page.text
    assert "What is left empty here will be empty in all of them." in page.text
    form["field"] = "name"
    assert "What is left empty" not in send(ask, "/cities/;selection", **form).text


def test_rows_that_others_refer_to_could_not_be_deleted(ask: Client) -> None:
    form = {"id": "CH NZ", "action": "delete"}
    page = words(send(ask, "/countries/;selection", **form))
    assert "Delete 2 rows?" in page
    assert "What refers to these rows cities 4 Country" in page
    page = words(send(ask, "/countries/;selection", **form, confirm="1"))
    assert "This could not be deleted Other rows refer to at least one of these." in page
