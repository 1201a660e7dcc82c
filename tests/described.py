"""Applications whose descriptions are tested: the demo, and columns of every kind."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Engine, ForeignKey, MetaData, Table
from sqlalchemy.pool import StaticPool

from examples.airports import airports, countries, make_app
from examples.airports import metadata as demo
from wsgikit.collection import Collection
from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media import MediaType
from wsgikit.media.atom import Atom
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model import KINDS, Field, MemoryModel
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.sql import TableModel
from wsgikit.sql.records import idempotency_table
from wsgikit.views import View, view

metadata = MetaData()

groups = Table(
    "groups",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", sa.String(30), nullable=False, unique=True),
)

kinds = Table(
    "kinds",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("text", sa.String(20), nullable=False, default="x"),
    Column("note", sa.Text),
    Column("integer", sa.Integer, nullable=False),
    Column("small", sa.SmallInteger),
    Column("float", sa.Float),
    Column("decimal", sa.Numeric(10, 2)),
    Column("boolean", sa.Boolean, nullable=False, default=False),
    Column("date", sa.Date),
    Column("datetime", sa.DateTime),
    Column("time", sa.Time),
    Column("interval", sa.Interval),
    Column("uuid", sa.Uuid),
    Column("binary", sa.LargeBinary(10)),
    Column("enum", sa.Enum("red", "green", "dark blue", name="colour")),
    Column("json", sa.JSON),
    Column("_underscore", sa.Integer),
    Column("limit", sa.Integer),
    Column("group", ForeignKey(groups.c.id)),
    Column("double", sa.Integer, sa.Computed("integer * 2")),
    Column("version", sa.Integer, nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    Column("left", sa.String(5), primary_key=True),
    Column("right", sa.Integer, primary_key=True, autoincrement=False),
    Column("day", sa.Date, primary_key=True),
    Column("value", sa.Float, nullable=False),
)

log = Table("log", metadata, Column("at", sa.DateTime), Column("line", sa.Text))

records = idempotency_table(metadata)

#: SQLite has columns of no type, and views.
REST = """
CREATE TABLE loose (id INTEGER PRIMARY KEY, other);
CREATE VIEW totals AS SELECT text, integer FROM kinds;
"""

ANY_MEDIA = [HTML(), JSON, CSV, NDJSON, Atom]


def memory_engine() -> Engine:
    """Give an empty SQLite database in memory, in which foreign keys are enforced."""
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    sa.event.listen(engine, "connect", lambda c, _record: c.execute("PRAGMA foreign_keys = ON"))
    return engine


def demo_app() -> Any:
    """Give the airports' application, with three airports."""
    engine = memory_engine()
    demo.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(countries), [{"code": c, "name": c * 2} for c in ("NZ", "CH")])
        connection.execute(
            sa.insert(airports),
            [
                {"icao": icao, "name": icao, "country": "NZ", "latitude": 1.5, "longitude": 7.25}
                for icao in ("NZAA", "NZCH", "0")
            ],
        )
    return make_app(engine)


def every_kind(media: Sequence[MediaType] = ANY_MEDIA) -> Dispatcher:
    """Give an application over columns of every kind, with rows in it."""
    engine = memory_engine()
    metadata.create_all(engine)
    with engine.begin() as connection:
        for statement in REST.strip().splitlines():
            connection.exec_driver_sql(statement)
        connection.execute(sa.insert(groups), [{"name": "one"}, {"name": "two"}])
    app = Dispatcher()
    app.add("/", Home(app, title="Every kind"), name="home")
    app.add("/openapi.json", OpenAPI(app, title="Every kind"), name="openapi")

    def add(table: Table, **options: Any) -> None:
        settings = {name: options.pop(name) for name in ("version",) if name in options}
        model = TableModel(table, engine, **settings)
        collection = ModelCollection(model, **{"media": media, **options})
        app.add(f"/{table.name}/[{{id:key}}][;{{noun}}]", collection, name=table.name)

    add(groups, media=[JSON], bulk_limit=10_000)
    add(kinds, version="version", idempotency=TableModel(records, engine))
    add(pairs, require_match=True)
    add(log)
    found = MetaData()
    add(Table("loose", found, autoload_with=engine))
    add(Table("totals", found, autoload_with=engine), media=[JSON, CSV])
    fields = [Field("id", "integer", nullable=False, has_default=True)]
    fields += [Field(kind, kind, choices=("a", "b")) for kind in KINDS]
    memory = MemoryModel(fields, name="memory")
    app.add("/memory/[{id:int}][;{noun}]", ModelCollection(memory, media=[JSON, NDJSON]))
    return app


class Plain(Collection):
    """A plain collection."""

    def list(self, request: Any) -> Any:
        """Give all of them.

        There are none.
        """
        return []

    def retrieve(self, request: Any, id: str) -> Any:
        return {"id": id}

    def post_comment(self, request: Any, id: str) -> Any:
        return {"id": id}


@view
def hello(request: Any, name: str = "World") -> str:
    """Greet somebody."""
    return f"Hello {name}!"


class Counter(View):
    """Count."""

    def get(self, request: Any) -> str:
        """Tell the number."""
        return "3"

    def post(self, request: Any) -> str:
        return "4"
