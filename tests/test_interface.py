"""What people see: every page over real collections, and in a real browser."""

from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel
from wsgikit.model_collection import ModelCollection

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
