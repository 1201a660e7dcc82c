"""The same requests get the same answers on every database.

What differs on purpose is kept out here, and told in docs/sql.md: the order and equality of texts
is that of the column's collation (so the columns here compare bytes), SQLite ignores the case of
A to Z only and has whole numbers of 64 bits, and MariaDB keeps whole seconds unless told otherwise.
"""

import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from webob import Response

from tests.cities import Client, mounted
from wsgikit.media.csv import CSV
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

REQUESTS = 5000
SEED = 20261121

COLLATIONS = {"sqlite": "BINARY", "postgresql": "C", "mariadb": "utf8mb4_bin"}


def make_client(engine: sa.Engine) -> Client:
    metadata = sa.MetaData()
    text = sa.String(40, collation=COLLATIONS[engine.dialect.name])
    sa.Table(
        "people",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", text, nullable=False),
        sa.Column("email", text, unique=True),
        sa.Column("age", sa.Integer),
        sa.Column("score", sa.Double),
        sa.Column("pay", sa.Numeric(9, 2), server_default="0"),
        sa.Column("active", sa.Boolean),
        sa.Column("born", sa.Date),
        sa.Column("seen", sa.DateTime),
        sa.Column("level", sa.Enum("low", "mid", "high", name="level", native_enum=False)),
        sa.Column("extra", sa.JSON),
        sa.Column("boss", sa.ForeignKey("people.id")),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.CheckConstraint("age >= 0", name="age"),
    )
    pets = sa.Table(
        "pets",
        metadata,
        sa.Column("kind", text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.ForeignKey("people.id")),
        sa.Column("note", sa.Text(collation=text.collation)),
    )
    metadata.create_all(engine)
    media = [JSON, CSV, NDJSON]
    people = TableModel(metadata.tables["people"], engine, version="changes", page_size=7)
    return mounted(
        ("people", ModelCollection(people, media=media, bulk_limit=20)),
        ("pets", ModelCollection(TableModel(pets, engine, page_size=5), media=media, bulk_limit=9)),
    )


# -- random requests ---------------------------------------------------------------------------

NAMES = ["Ada", "ada", "Bob", "100%", "a_b", "O'Neil", 'q"q', "a,b", "", " x", "Zoë", "back\\slash"]
VALUES: dict[str, Callable[[random.Random], Any]] = {
    "id": lambda r: r.choice([*range(1, 60), -1, 2**31 - 1, "x", 1.5]),
    "name": lambda r: r.choice([*NAMES, None, 7, "x" * 41]),
    "email": lambda r: r.choice([None, *(f"p{n}@x.org" for n in range(30))]),
    "age": lambda r: r.choice([None, *range(9), -1, "7", 1e3, True]),
    "score": lambda r: r.choice([None, 0.0, 0.1, -2.5, 1e100, 3, "x"]),
    "pay": lambda r: r.choice(["0.10", "12.50", 3, "1234567.89", "1.234", None, "x", "99999999"]),
    "active": lambda r: r.choice([True, False, None, 1, "yes"]),
    "born": lambda r: r.choice(["2000-02-29", "1999-12-31", None, "2001-02-29", "x"]),
    "seen": lambda r: r.choice(["2026-05-01T12:00:00", "2026-05-01 12:00:01", None, "12:00"]),
    "level": lambda r: r.choice(["low", "mid", "high", "top", None]),
    "extra": lambda r: r.choice([None, {"a": [1, {"b": None}]}, [], "text", 7, {"a": {"c": 1.5}}]),
    "boss": lambda r: r.choice([None, None, *range(1, 50), 999]),
    "changes": lambda r: 1,
}
PETS: dict[str, Callable[[random.Random], Any]] = {
    "kind": lambda r: r.choice(["cat", "dog", "a,b", "~", "Cat", ""]),
    "number": lambda r: r.choice([1, 2, 3, "x", None]),
    "owner": VALUES["boss"],
    "note": VALUES["name"],
}
OPERATORS = ["", "__eq", "__ne", "__lt", "__lte", "__gt", "__gte", "__in", "__notin", "__contains",
             "__startswith", "__endswith", "__isnull", "__like"]  # fmt: skip


def body_of(r: random.Random, columns: dict[str, Any], chance: float) -> dict[str, Any]:
    return {
        name: value(r)
        for name, value in columns.items()
        if r.random() < chance and (name != "changes" or r.random() < 0.05)
    }


def good_person(r: random.Random, id: int) -> dict[str, Any]:
    return {
        "id": id,
        "name": r.choice(NAMES),
        "email": r.choice([None, f"p{id}@x.org"]),
        "age": r.choice([None, 1, 2, 3]),
        "score": r.choice([None, 0.1, 0.1, 2.5]),
        "pay": r.choice(["0.10", "12.50", "3.00"]),
        "active": r.choice([True, False, None]),
        "born": r.choice([None, "2000-02-29", "1999-12-31"]),
        "seen": r.choice([None, "2026-05-01T12:00:00"]),
        "level": r.choice(["low", "mid", "high", None]),
        "extra": r.choice([None, {"a": 1}]),
    }


def filter_of(r: random.Random, columns: dict[str, Any]) -> tuple[str, str]:
    name = r.choice([*columns, "nosuch"])
    value: Any = columns.get(name, VALUES["name"])(r)
    if r.random() < 0.15:
        name, value = r.choice(["boss.name", "owner.age", "boss.boss.id", "boss"]), r.randrange(9)
    operator = r.choice(OPERATORS) if r.random() < 0.7 else ""
    if operator == "__isnull":
        value = r.choice(["true", "false", "1", "x"])
    text = "" if value is None else str(value).lower() if value in (True, False) else str(value)
    return name + operator, text


def query_of(r: random.Random, columns: dict[str, Any]) -> str:
    pairs = [filter_of(r, columns) for _ in range(r.choice([0, 1, 1, 2]))]
    if r.random() < 0.5:
        names = r.sample(list(columns), r.randrange(1, 4))
        pairs.append(("sort", ",".join(r.choice(["", "-"]) + name for name in names)))
    if r.random() < 0.2:
        pairs.append(("q", r.choice(["ad", "a b", "%", "_", "zoë", "X"])))
    if r.random() < 0.2:
        pairs.append(("fields", ",".join(r.sample(list(columns), 2))))
    if r.random() < 0.1:
        pairs.append(("embed", r.choice(["boss", "owner", "name"])))
    if r.random() < 0.3:
        pairs.append(("count", r.choice(["1", "exact", "x"])))
    if r.random() < 0.4:
        pairs.append(("limit", r.choice(["1", "3", "0", "all", "2000", ""])))
    if r.random() < 0.2:
        pairs.append(("format", r.choice(["csv", "ndjson", "json", "xml"])))
    return urlencode(pairs)


def document_of(r: random.Random, depth: int = 0) -> dict[str, Any]:
    name, _, value = r.choice([*VALUES]), None, None
    value = VALUES[name](r)
    leaf = {name + r.choice(["", "__ne", "__gt", "__lte"]): value}
    if depth > 2 or r.random() < 0.4:
        return leaf
    parts = [document_of(r, depth + 1) for _ in range(2)]
    return r.choice([{"and": parts}, {"or": parts}, {"not": parts[0]}, {**leaf, "or": parts}])


Prepared = tuple[str, str, Any, dict[str, str]]


def request_of(r: random.Random, n: int) -> Prepared:
    """Give a method, a path, a body and headers; `{next}` and `{etag}` are what came before."""
    kind = r.random()
    who, columns = ("people", VALUES) if r.random() < 0.8 else ("pets", PETS)
    id = (
        str(r.randrange(1, 60))
        if who == "people"
        else r.choice(["cat,1", "dog,2", "a~2Cb,1", "~7E,3"])
    )
    if kind < 0.3:
        return "GET", f"/{who}/?{query_of(r, columns)}", None, {}
    if kind < 0.4:
        return "GET", "{next}", None, {}
    if kind < 0.45:
        return "QUERY", "/people/", {**document_of(r), "sort": r.choice(["", "-name"])}, {}
    if kind < 0.5:
        headers = {"If_None_Match": "{etag}"} if r.random() < 0.3 else {}
        return "GET", f"/{who}/{id}", None, headers
    if kind < 0.6:
        return "POST", "/people/", good_person(r, r.randrange(1, 60)), prefer_of(r)
    if kind < 0.66:
        return "POST", f"/{who}/", body_of(r, columns, 0.5), prefer_of(r)
    if kind < 0.72:
        many = [good_person(r, r.randrange(1, 60)) for _ in range(r.randrange(4))]
        return "POST", "/people/", many, prefer_of(r)
    headers = r.choice([{}, {}, {"If_Match": "{etag}"}, {"If_Match": "*"}, {"If_None_Match": "*"}])
    headers = {**headers, **prefer_of(r)}
    if kind < 0.8:
        return "PATCH", f"/{who}/{id}", body_of(r, columns, 0.2), headers
    if kind < 0.85:
        return "PUT", f"/{who}/{id}", body_of(r, columns, 0.8), headers
    if kind < 0.89:
        return "PUT", f"/people/{id}", good_person(r, int(id) if id.isdigit() else 1), headers
    if kind < 0.93:
        return "DELETE", f"/{who}/{id}", None, headers
    if kind < 0.96:
        return "PATCH", f"/{who}/?{query_of(r, columns)}", body_of(r, columns, 0.1), {}
    # People refer to people; see `is_told_otherwise`.
    headers = prefer_of(r) if who == "pets" else {"Prefer": "tx=rollback"}
    return "DELETE", f"/{who}/?{urlencode([filter_of(r, columns)])}", None, headers


def prefer_of(r: random.Random) -> dict[str, str]:
    if r.random() < 0.7:
        return {}
    wish = r.choice(["return=minimal", "tx=rollback", "resolution=merge-duplicates",
                     "resolution=ignore-duplicates", "handling=strict, x=y"])  # fmt: skip
    return {"Prefer": wish}


# -- the comparison ----------------------------------------------------------------------------


class Side:
    """One database: what was answered last is what the next request may refer to."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.next = "/people/"
        self.etag = '"none"'

    def send(self, prepared: Prepared) -> Any:
        method, path, body, headers = prepared
        path = path.replace("{next}", self.next)
        headers = {name: value.replace("{etag}", self.etag) for name, value in headers.items()}
        response = self.client(method, path, body=body, **headers)
        if method == "GET" and response.status_int == 200 and response.content_type == JSON.name:
            self.next = response.json.get("next") or self.next
        self.etag = response.headers.get("ETag", self.etag)
        return seen(response)


def seen(response: Response) -> Any:
    """Give what a client sees, but for the insides of cursors."""
    told = {name: response.headers.get(name) for name in ("Location", "ETag", "Link")}
    text = json.dumps(told) + response.text
    return response.status_int, re.sub(r"cursor=[\w-]+", "cursor=…", text)


@pytest.fixture
def sides(
    sqlite_engine: sa.Engine, postgresql_engine: sa.Engine, mariadb_engine: sa.Engine
) -> list[Side]:
    engines = (sqlite_engine, postgresql_engine, mariadb_engine)
    return [Side(make_client(engine)) for engine in engines]


def is_told_otherwise(prepared: Prepared, statuses: tuple[int, int]) -> bool:
    """Whether MariaDB may differ: it checks references with each row and not at the end, so that
    rows that refer to each other cannot be removed together.
    """
    return (
        prepared[0] == "DELETE" and prepared[1].startswith("/people/?") and (statuses == (200, 409))
    )


def test_the_same_requests_get_the_same_answers(sides: list[Side]) -> None:
    r = random.Random(SEED)
    statuses: dict[int, int] = {}
    for n in range(REQUESTS):
        prepared = request_of(r, n)
        answers = [side.send(prepared) for side in sides]
        assert answers[1] == answers[0], ("PostgreSQL", n, prepared)
        if not is_told_otherwise(prepared, (answers[0][0], answers[2][0])):
            assert answers[2] == answers[0], ("MariaDB", n, prepared)
        status = answers[0][0]
        statuses[status] = statuses.get(status, 0) + 1
    # The requests are of all kinds, and most of them say something.
    assert {200, 201, 204, 304, 400, 404, 406, 409, 412, 422} <= set(statuses)
    assert 500 not in statuses
    assert 503 not in statuses
    assert statuses[200] > REQUESTS / 4
