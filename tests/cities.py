"""What the tests of a collection's HTTP share: a client, and the same data in each store."""

import json
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import WSGIWarning, validator

import sqlalchemy as sa
from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.model import Field, MemoryModel, Reference
from wsgikit.sql import TableModel

TEMPLATE = "[{id:key}][;{noun}]"
FORM = "application/x-www-form-urlencoded"


class Client:
    """Sends requests to an application, under the eyes of the WSGI validator."""

    def __init__(self, app: Any) -> None:
        self.app = validator(app)

    def __call__(
        self, method: str, path: str, *, form: Any = None, body: Any = None, **headers: str
    ) -> Response:
        """Send a request.

        Args:
            method: An HTTP method.
            path: The path and query.
            form: Fields of a form to send.
            body: Bytes, or anything to send as JSON.
            headers: With `_` for `-`.
        """
        request = Request.blank(path, method=method)
        if form is not None:
            request.content_type = FORM
            request.body = urlencode(form, doseq=True).encode()
        elif body is not None:
            request.content_type = "application/json"
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        with warnings.catch_warnings():
            if method == "QUERY":  # younger than the validator
                warnings.filterwarnings("ignore", "Unknown REQUEST_METHOD", WSGIWarning)
            response = request.get_response(self.app)
        response.body  # noqa: B018  reads and closes it, as a server does
        return response


def mounted(*collections: tuple[str, Any]) -> Client:
    """Mount collections at their names."""
    app = Dispatcher()
    for name, collection in collections:
        app.add(f"/{name}/{TEMPLATE}", collection, name=name)
    return Client(app)


COUNTRIES = [{"code": "CH", "name": "Switzerland"}, {"code": "NZ", "name": "New Zealand"}]
CITIES = [
    {"id": 1, "name": "Bern", "country": "CH", "height": 540.0},
    {"id": 2, "name": "Wellington", "country": "NZ", "height": None},
    {"id": 3, "name": "Zug", "country": "CH", "height": 425.5},
    {"id": 4, "name": "100%", "country": None, "height": None},
    {"id": 5, "name": "Auckland", "country": "NZ", "height": 425.5},
]


def memory_cities(_directory: Path, **options: Any) -> Any:
    """Give the cities in memory."""
    fields = [Field("code", length=2, nullable=False, required=True), Field("name")]
    countries = MemoryModel(fields, key=["code"], name="countries")
    cities = MemoryModel(
        [
            Field("id", "integer", required=False, has_default=True, nullable=False),
            Field("name", length=20, nullable=False, required=True),
            Field("country", length=2, references=Reference("countries", "code")),
            Field("height", "float"),
        ],
        name="cities",
        search=["name"],
        references={"country": countries},
        **options,
    )
    return _filled(cities, countries)


def table_cities(directory: Path, **options: Any) -> Any:
    """Give the cities in a SQLite file."""
    engine = sa.create_engine(f"sqlite:///{directory / 'cities.db'}")
    metadata = MetaData()
    countries = Table(
        "countries", metadata, Column("code", String(2), primary_key=True), Column("name", String)
    )
    cities = Table(
        "cities",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
        Column("country", ForeignKey(countries.c.code)),
        Column("height", Float),
    )
    metadata.create_all(engine)
    return _filled(TableModel(cities, engine, **options), TableModel(countries, engine))


def _filled(cities: Any, countries: Any) -> Any:
    for row in COUNTRIES:
        countries.create(row)
    for row in CITIES:
        cities.create(row)
    return cities


class Plain:
    """A model with the six verbs and no more."""

    read_only = False

    def __init__(self, model: MemoryModel) -> None:
        self._model = model
        self.fields, self.key, self.name = model.fields, model.key, model.name
        for verb in ("list", "retrieve", "create", "update", "delete", "stream"):
            setattr(self, verb, getattr(model, verb))
