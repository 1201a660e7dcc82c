"""A database that is awkward on purpose: every type, every kind of key, names and values that bite.

``create(engine)`` makes its tables, ``fill(engine)`` their rows, ``make_app(engine)`` serves them.
"""

import base64
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.reflect import IS_VIEW, encode_name
from wsgikit.security import SecurityHeaders
from wsgikit.sql import TableModel

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "</title></textarea></option>",
    "&amp;&lt;",
    "مرحبا \u202e",
    "\n\n first lines empty ",
    "$name ${name} <?python x ?> {n} %(n)s",
    "",
    "Zoë \N{PILE OF POO} \u200b\ufeff",
)
#: The smallest picture that there is.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

metadata = sa.MetaData()

every_type = sa.Table(
    "every type",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(100)),
    sa.Column("long", sa.Text),
    sa.Column("whole", sa.BigInteger),
    sa.Column("small", sa.SmallInteger),
    sa.Column("number", sa.Float),
    sa.Column("exact", sa.Numeric(12, 2)),
    sa.Column("truth", sa.Boolean),
    sa.Column("sure", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("day", sa.Date),
    sa.Column("moment", sa.DateTime),
    sa.Column("clock", sa.Time),
    sa.Column("while", sa.Interval),
    sa.Column("uuid", sa.Uuid),
    sa.Column("colour", sa.Enum("red", "green", "")),
    sa.Column("picture", sa.LargeBinary),
    sa.Column("document", sa.JSON),
)

# Words of the query grammar, and of forms, as names of columns.
reserved = sa.Table(
    "reserved",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *[
        sa.Column(name, sa.String(50))
        for name in ("_method", "_version", "_keep", "limit", "format", "fields", "q", "sort")
    ],
    *[sa.Column(name, sa.String(50)) for name in ("a__gte", "with.dot", "with,comma", "all")],
    sa.Column("<b>bold</b>", sa.String(50), comment="</small><script>alert(1)</script>"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("country", sa.String(10), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("of", sa.ForeignKey(every_type.c.id)),
    sa.Column("note", sa.String(200)),
)

no_key = sa.Table("no key", metadata, sa.Column("name", sa.String(50)), sa.Column("n", sa.Integer))

hostile = sa.Table(
    "<i>hostile</i> & 'names'",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("value", sa.Text),
)


recent = sa.Table("recent", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("day", sa.Date))


def create(engine: sa.Engine) -> None:
    """Make the tables and a view."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE VIEW recent AS SELECT id, day FROM "every type"'))


def fill(engine: sa.Engine) -> None:
    """Give the tables their rows, and no others."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
        for table, rows in _rows().items():
            connection.execute(sa.insert(table), rows)


def _rows() -> dict[sa.Table, list[dict[str, Any]]]:
    full = {
        "text": "Ada",
        "long": "several\nlines",
        "whole": 2**53 + 1,
        "small": -7,
        "number": 1234567.5,
        "exact": Decimal("1234.50"),
        "truth": True,
        "sure": False,
        "day": date(2026, 5, 1),
        "moment": datetime(2026, 5, 1, 10, 30, 5, 123456),
        "clock": time(10, 30),
        "while": timedelta(days=1, hours=2),
        "uuid": UUID(int=1),
        "colour": "red",
        "picture": PIXEL,
        "document": {"a": [1, None, "é"]},
    }
    empty = dict.fromkeys(full) | {"sure": True}
    odd = full | {
        "text": "ada@example.org",
        "long": "x" * 1_000_000,
        "moment": datetime(2026, 5, 1),
        "picture": bytes(2_000),
        "colour": "",
        "document": None,
    }
    rows = [full, empty, odd, *({**empty, "text": text} for text in HOSTILE)]
    names = [column.name for column in reserved.columns][1:]
    return {
        every_type: [row | {"id": n} for n, row in enumerate(rows, 1)],
        reserved: [{"id": n, **dict.fromkeys(names, f"{n}")} for n in range(1, 13)],
        orders: [
            {"country": c, "number": n, "of": 1 + n % 3, "note": c * 30}
            for c in ("CH", "N,Z", "a/b")
            for n in range(3)
        ],
        no_key: [{"name": "twice", "n": 1}, {"name": "twice", "n": 1}, {"name": None, "n": None}],
        hostile: [{"key": text or "(empty)", "value": text} for text in HOSTILE],
    }


def make_app(engine: sa.Engine) -> Any:
    """Serve all of it, to be read and written, under the strictest policy."""
    app = Dispatcher(redirect_slashes=True)
    app.add("/", Home(app, title="Awkward"), name="home")
    for table in (*metadata.sorted_tables, recent):
        model = TableModel(table, engine, read_only=IS_VIEW if table is recent else False)
        collection = ModelCollection(model, media=[HTML(), JSON, CSV], bulk_limit=1000)
        app.add(f"/{path_of(table)}/[{{id:key}}][;{{noun}}]", collection, name=table.name)
    return SecurityHeaders(app)


def path_of(table: sa.Table) -> str:
    """Give the path of a table's collection."""
    return encode_name(table.name)
