"""The demo: 28,000 airports and their countries, as pages for people, and in four more formats.

Run it from the checkout with ``make demo``, or with ``python -m examples.airports`` where wsgikit
and the PyPI package ``airportsdata`` are installed.  Then open the address that it prints, or:

    curl 'http://127.0.0.1:8000/airports/LSZH?format=json'
    curl 'http://127.0.0.1:8000/airports/?country.name=New+Zealand&sort=-elevation&format=csv'

Two tables are all there is to it: their columns say how they are shown, what may be typed into
the forms, and which cells are links.  ``loading.py`` fills them, ``__main__.py`` starts the server.
"""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, MetaData, String, Table

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.atom import Atom
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.security import SecurityHeaders
from wsgikit.sql import TableModel

metadata = MetaData()

# A column's comment is the hint beside its control, its info["label"] what it is called there, and
# its bounds are those of the CHECK below, known to forms and to the description.
countries = Table(
    "countries",
    metadata,
    Column("code", String(2), primary_key=True, comment="ISO 3166-1: two capital letters."),
    Column("name", String(60), nullable=False, unique=True),
)

airports = Table(
    "airports",
    metadata,
    Column(
        "icao",
        String(4),
        primary_key=True,
        comment="The location indicator of the ICAO, or of the FAA where there is none.",
        info={"label": "ICAO"},
    ),
    Column(
        "iata",
        String(3),
        index=True,
        comment="What is printed on tickets; most airports have none.",
        info={"label": "IATA"},
    ),
    Column("name", String(100), nullable=False),
    Column("city", String(60)),
    Column("subdivision", String(60), comment="A state, province or region."),
    Column("country", ForeignKey(countries.c.code), nullable=False, index=True),
    Column("elevation", Float, comment="In feet above the mean sea level."),
    Column(
        "latitude",
        Float,
        nullable=False,
        comment="In degrees; north is positive.",
        info={"minimum": -90, "maximum": 90},
    ),
    Column(
        "longitude",
        Float,
        nullable=False,
        comment="In degrees; east is positive.",
        info={"minimum": -180, "maximum": 180},
    ),
    Column(
        "tz",
        String(40),
        comment="As in the tz database: Europe/Zurich.",
        info={"label": "Time zone"},
    ),
    CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
    CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
)


def make_app(engine: sa.Engine) -> SecurityHeaders:
    """Return the application: two collections, what finds them, and what describes them."""
    media = [HTML(), JSON, CSV, NDJSON, Atom]
    app = Dispatcher(redirect_slashes=True, not_found=lambda *call: home.not_found(*call))
    home = Home(app, title="Airports of the world")
    app.add("/", home, name="home")
    app.add("/openapi.json", OpenAPI(app, title="Airports of the world"), name="openapi")
    for table in (airports, countries):
        collection = ModelCollection(
            TableModel(table, engine, label="name"),
            media=media,
            title=table.name.capitalize(),
            bulk_limit=100_000,  # all of them: it is a demo
        )
        # The name is the table's, so that a foreign key finds it and becomes a link.
        app.add(f"/{table.name}/[{{id:key}}][;{{noun}}]", collection, name=table.name)
    return SecurityHeaders(app)
