"""The contract of models, held by every store: the same rows, the same requests, the same answers.

Each test runs against `MemoryModel`, and against `TableModel` on SQLite, PostgreSQL and MariaDB.
What databases do differently for good reasons is in ``docs/sql.md``, and is kept out of here.
"""

import json
import operator as python
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event

from tests import servers
from tests.conftest import enforce_foreign_keys
from wsgikit.model import (
    COUNT_BOUND,
    DEFAULT,
    KIND_OPERATORS,
    SORTABLE,
    ConflictError,
    DeniedError,
    Exact,
    Field,
    LimitError,
    MemoryModel,
    ModelError,
    NotFoundError,
    Row,
    Text,
    ValidationError,
    VersionError,
    to_text,
    version_of,
)
from wsgikit.query import MANY, Query, QueryError, parse_query
from wsgikit.sql import TableModel

# -- the tables ------------------------------------------------------------------------------

METADATA = sa.MetaData()


def exact(length: int) -> sa.String:
    """Text that is compared by its code points, as Python does.

    The usual collations compare as people of some country would: "a" may equal "A", and what
    is between them depends on the database's version.
    """
    plain = sa.String(length)
    mariadb = sa.String(length, collation="utf8mb4_nopad_bin")
    return plain.with_variant(sa.String(length, collation="C"), "postgresql").with_variant(
        mariadb, "mysql", "mariadb"
    )


COUNTRIES = sa.Table(
    "countries",
    METADATA,
    sa.Column("code", exact(2), primary_key=True),
    sa.Column("name", exact(80), nullable=False),
)
MAKERS = sa.Table(
    "makers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", exact(80), nullable=False),
    sa.Column("country", exact(2), sa.ForeignKey("countries.code")),
)
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", exact(80)),
    sa.Column("note", exact(80), nullable=False, default=""),
    sa.Column("size", sa.Integer),
    sa.Column("ratio", sa.Double),
    sa.Column("price", sa.Numeric(10, 2)),
    sa.Column("active", sa.Boolean),
    sa.Column("day", sa.Date),
    sa.Column("at", sa.DateTime),
    sa.Column("clock", sa.Time),
    sa.Column("span", sa.Interval),
    sa.Column("token", sa.Uuid),
    sa.Column("data", sa.LargeBinary),
    sa.Column("color", sa.Enum("blue", "green", "red", name="color")),
    sa.Column("level", sa.Enum("low", "mid", "high", name="level")),
    sa.Column("doc", sa.JSON),
    sa.Column("maker", sa.Integer, sa.ForeignKey("makers.id")),
)
SEATS = sa.Table(
    "seats",
    METADATA,
    sa.Column("row", exact(2), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("guest", exact(80)),
)
# Text as people usually declare it, with the collation that the database has by itself.
WORDS = sa.Table(
    "words",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("word", sa.String(80)),
    sa.Column("token", sa.Uuid),
)

# -- and their rows --------------------------------------------------------------------------

COUNTRY_ROWS: list[Row] = [
    {"code": "CH", "name": "Switzerland"},
    {"code": "NZ", "name": "New Zealand"},
]
MAKER_ROWS: list[Row] = [
    {"id": 1, "name": "Ada & Sons", "country": "NZ"},
    {"id": 2, "name": "Böhm", "country": "CH"},
    {"id": 3, "name": "nobody", "country": None},
]
# What is hard about a value is in its row: wildcards, quotes, cases, blanks, ties.
THING_ROWS: list[Row] = [
    {"id": 1, "name": "Ada", "note": "first of all", "size": 1, "ratio": 0.5,
     "price": Decimal("9.50"), "active": True, "day": date(2026, 1, 1),
     "at": datetime(2026, 1, 1, 12), "clock": time(8, 30), "span": timedelta(hours=1),
     "token": UUID(int=1), "data": b"\0\xff", "color": "blue", "level": "low",
     "doc": {"a": [1]}, "maker": 1},
    {"id": 2, "name": "ada", "note": "100% wool", "size": -1, "ratio": -0.5,
     "price": Decimal("-9.50"), "active": False, "day": date(1999, 12, 31),
     "at": datetime(2026, 1, 1, 11, 59, 59), "clock": time(0, 0), "span": timedelta(0),
     "token": UUID(int=2), "data": b"", "color": "red", "level": "high",
     "doc": [], "maker": 2},
    {"id": 3, "name": "ADA", "note": "100 wool", "size": 10, "ratio": 1e10,
     "price": Decimal("10.00"), "active": True, "day": date(2026, 1, 1),
     "at": datetime(1999, 12, 31, 23, 59, 59), "clock": time(23, 59, 59),
     "span": timedelta(days=10), "token": UUID(int=10), "data": b"abc", "color": "green",
     "level": "mid", "doc": "text", "maker": 1},
    {"id": 4, "name": None, "note": "nothing else", "size": None, "ratio": None, "price": None,
     "active": None, "day": None, "at": None, "clock": None, "span": None, "token": None,
     "data": None, "color": None, "level": None, "doc": None, "maker": None},
    {"id": 5, "name": "Ada ", "note": "a_b", "size": 1, "ratio": 0.5, "price": Decimal("9.50"),
     "active": False, "day": date(2026, 1, 2), "at": datetime(2026, 1, 1, 12),
     "clock": time(8, 30), "span": timedelta(hours=1), "token": UUID(int=3), "data": b"abd",
     "color": "blue", "level": "low", "doc": 0, "maker": 3},
    {"id": 6, "name": "", "note": "a\\b", "size": 2, "ratio": 0.25, "price": Decimal("0.00"),
     "active": True, "day": date(2026, 10, 1), "at": datetime(2026, 1, 2), "clock": time(12),
     "span": timedelta(minutes=61), "token": UUID(int=4), "data": b"ABC", "color": "red",
     "level": "mid", "doc": False, "maker": 2},
    {"id": 7, "name": "O'Hara", "note": 'say "hi", then go', "size": 0, "ratio": 0.0,
     "price": Decimal("100.00"), "active": False, "day": date(2026, 1, 10),
     "at": datetime(2026, 1, 10), "clock": time(12, 0, 1), "span": timedelta(days=2),
     "token": UUID(int=5), "data": b"'", "color": "green", "level": "high", "doc": {},
     "maker": 1},
    {"id": 8, "name": "Zoë", "note": "日本語 🎉", "size": None, "ratio": 2.0,
     "price": Decimal("0.01"), "active": True, "day": date(2026, 1, 3),
     "at": datetime(2026, 1, 3), "clock": time(1), "span": timedelta(seconds=1),
     "token": UUID(int=6), "data": b"\xe9", "color": None, "level": "low", "doc": 1.5,
     "maker": None},
    {"id": 9, "name": "zoo", "note": "Ärger", "size": 2**31 - 1, "ratio": -1e-3,
     "price": Decimal("99999999.99"), "active": True, "day": date(2100, 2, 28),
     "at": datetime(2100, 2, 28), "clock": time(2), "span": timedelta(days=1),
     "token": UUID(int=7), "data": b"zoo", "color": "blue", "level": None, "doc": "null",
     "maker": 3},
    {"id": 10, "name": "Anna Ada", "note": "ab", "size": -(2**31), "ratio": 100.0,
     "price": Decimal("9.05"), "active": None, "day": None, "at": datetime(2026, 1, 1, 12),
     "clock": time(8, 30), "span": None, "token": UUID(int=8), "data": None, "color": "blue",
     "level": "high", "doc": [None], "maker": 2},
]  # fmt: skip
SEAT_ROWS: list[Row] = [
    {"row": "B", "number": 1, "guest": "Ada"},
    {"row": "A", "number": 10, "guest": None},
    {"row": "A", "number": 2, "guest": "Bob"},
    {"row": "a", "number": 1, "guest": "Ada"},
]
WORD_ROWS: list[Row] = [
    {"id": n, "word": word, "token": UUID(token.ljust(32, "0"))}
    for n, (word, token) in enumerate(
        [("a", "01"), ("A", "000001"), ("a ", "0000000001"), ("ä", "000000000001"), ("É", "f"),
         ("é", "0000000000004"), ("SS", "00000000000000000001"), ("ß", "1"), ("b", "2")], 1
    )
]  # fmt: skip
IDS = [row["id"] for row in THING_ROWS]
COLUMNS = [str(column.key) for column in THINGS.columns]


@dataclass
class Shop:
    """The models of a store, with their rows."""

    store: str
    countries: Any
    makers: Any
    things: Any
    seats: Any
    words: Any
    engine: Engine | None = None

    def fill(self) -> None:
        """Make the rows what they are above."""
        if self.engine is None:
            for model in (self.things, self.makers, self.countries, self.seats, self.words):
                model.delete_where(Query(), 10**6)
        else:
            with self.engine.begin() as connection:
                for table in reversed(METADATA.sorted_tables):
                    connection.execute(sa.delete(table))
        for model, rows in ((self.countries, COUNTRY_ROWS), (self.makers, MAKER_ROWS),
                            (self.things, THING_ROWS), (self.seats, SEAT_ROWS),
                            (self.words, WORD_ROWS)):  # fmt: skip
            for row in rows:
                assert model.create(row) == row
        if self.engine is not None and self.store == "postgresql":
            # Whose counter does not know of the numbers that were given.
            with self.engine.begin() as connection:
                connection.exec_driver_sql("SELECT setval('things_id_seq', 1000)")


def table_shop(engine: Engine) -> Shop:
    METADATA.create_all(engine)
    return Shop(
        engine.dialect.name,
        TableModel(COUNTRIES, engine),
        TableModel(MAKERS, engine),
        TableModel(THINGS, engine, search=["name", "note"]),
        TableModel(SEATS, engine),
        TableModel(WORDS, engine),
        engine,
    )


def memory_shop() -> Shop:
    described = {table.name: TableModel(table, create_engine("sqlite://")) for table in
                 METADATA.sorted_tables}  # fmt: skip

    def model(name: str, **options: Any) -> MemoryModel:
        return MemoryModel(described[name].fields, key=described[name].key, name=name, **options)

    countries = model("countries")
    makers = model("makers", references={"country": countries})
    things = model("things", references={"maker": makers}, search=["name", "note"])
    return Shop("memory", countries, makers, things, model("seats"), model("words"))


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The shop of a store, for all tests of it; empty databases would cost most of the time."""
    if request.param == "memory":
        shop = memory_shop()
    elif request.param == "sqlite":
        shop = table_shop(sqlite_file(tmp_path_factory.mktemp("contract") / "shop.db"))
    else:
        url = request.getfixturevalue(f"{request.param}_url")
        getattr(servers, f"empty_{request.param}")(url)
        shop = table_shop(create_engine(url))
    shop.fill()
    yield shop
    if shop.engine is not None:
        shop.engine.dispose()


def sqlite_file(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", enforce_foreign_keys)
    return engine


@pytest.fixture
def shop(filled: Shop) -> Iterator[Shop]:
    """The same, for tests that write."""
    yield filled
    filled.fill()


@pytest.fixture
def things(filled: Shop) -> Any:
    """The model of things, for tests that only read."""
    return filled.things


def ids(rows: Iterable[Row]) -> list[int]:
    return [row["id"] for row in rows]


def found(model: Any, text: str = "", document: dict[str, Any] | None = None) -> list[int]:
    return ids(model.list(parse_query(text, document)).data)


def refused(model: Any, text: str = "", document: dict[str, Any] | None = None) -> QueryError:
    with pytest.raises(QueryError) as caught:
        model.list(parse_query(text, document))
    assert caught.value.detail.endswith(".")
    return caught.value


#: Something that is refused.
Verb = Callable[[], Any]

# -- filters ---------------------------------------------------------------------------------

#: What each operator means, of two values that are not null.
MEANINGS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": python.eq,
    "lt": python.lt,
    "lte": python.le,
    "gt": python.gt,
    "gte": python.ge,
    "in": lambda value, values: value in values,
    "contains": lambda value, part: part.lower() in value.lower(),
    "startswith": lambda value, part: value.lower().startswith(part.lower()),
    "endswith": lambda value, part: value.lower().endswith(part.lower()),
}
COMPLEMENTS = {"ne": "eq", "notin": "in"}

KINDS = {
    "name": "text", "note": "text", "size": "integer", "ratio": "float", "price": "decimal",
    "active": "boolean", "day": "date", "at": "datetime", "clock": "time", "span": "interval",
    "token": "uuid", "data": "binary", "color": "enum", "level": "enum",
}  # fmt: skip


def meant(column: str, operator: str, wanted: Any) -> list[int]:
    """The rows that a filter means, in plain Python."""
    holds = MEANINGS[COMPLEMENTS.get(operator, operator)]

    def test(row: Row) -> bool:
        return row[column] is not None and holds(row[column], wanted)

    return [row["id"] for row in THING_ROWS if test(row) is not (operator in COMPLEMENTS)]


def distinct(column: str) -> list[Any]:
    return [*dict.fromkeys(row[column] for row in THING_ROWS if row[column] is not None)]


def filter_text(column: str, operator: str, values: Sequence[Any]) -> str:
    texts = [to_text(value) or "" for value in values]
    if operator in MANY:
        texts = [",".join('"' + text.replace('"', '""') + '"' for text in texts)]
    return urlencode([(f"{column}__{operator}", text) for text in texts])


CASES = [(column, operator) for column, kind in KINDS.items() for operator in KIND_OPERATORS[kind]]


def test_the_kinds_are_those_of_the_columns(things: Any) -> None:
    kinds = {field.name: field.kind for field in things.fields}
    assert kinds == {"id": "integer", **KINDS, "doc": "json", "maker": "integer"}
    assert things.key == ("id",)


@pytest.mark.parametrize(("column", "operator"), CASES, ids=str)
def test_an_operator_means_the_same_for_every_value(
    things: Any, column: str, operator: str
) -> None:
    values = distinct(column)
    if operator == "isnull":
        nulls = [row["id"] for row in THING_ROWS if row[column] is None]
        assert found(things, f"{column}__isnull=true") == nulls
        assert found(things, f"{column}__isnull=no") == [id for id in IDS if id not in nulls]
    elif operator in MANY:
        for wanted in (values[:1], values[1:4], values):
            text = filter_text(column, operator, wanted)
            assert found(things, text) == meant(column, operator, wanted), text
    else:
        for wanted in values:
            if wanted or operator in ("eq", "ne") or not isinstance(wanted, str):
                text = filter_text(column, operator, [wanted])
                assert found(things, text) == meant(column, operator, wanted), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", IDS),
        ("name=Ada", [1]),
        ("name=Ada+", [5]),
        ("name__eq=", [6]),
        ("name__ne=", [1, 2, 3, 4, 5, 7, 8, 9, 10]),
        ("name=", IDS),
        ("name__contains=", IDS),
        ("name__in=", IDS),
        # Cases are ignored, and blanks are not.
        ("name__contains=aDA", [1, 2, 3, 5, 10]),
        ("name__startswith=ADA", [1, 2, 3, 5]),
        ("name__endswith=ADA", [1, 2, 3, 10]),
        ("name__endswith=ada+", [5]),
        # Wildcards are data.
        ("note__contains=%25", [2]),
        ("note__contains=100%25", [2]),
        ("note__startswith=100%25+", [2]),
        ("note__contains=a_b", [5]),
        ("note__endswith=_b", [5]),
        ("note__contains=%5C", [6]),
        ("note__contains=a%5Cb", [6]),
        ("note__startswith=a%5C", [6]),
        ("note__contains=?", []),
        ("note__contains=*", []),
        ("note__contains=[a-z]", []),
        ("note__contains=%2F", []),
        # Quotes are data, and protect only values of lists.
        ("name=O'Hara", [7]),
        ("name__contains=%27", [7]),
        ("note__contains=%22hi%22", [7]),
        ('note__in="say+""hi"",+then+go",ab', [7, 10]),
        ("name__in=Ada,ada&name__in=ADA", [1, 2, 3]),
        ('name__in=""', [6]),
        ("name__in=Ada,", [1, 6]),
        # Beyond ASCII.
        ("name=Zo%C3%AB", [8]),
        ("name__contains=o%C3%AB", [8]),
        ("note__startswith=%E6%97%A5", [8]),
        ("note__contains=%F0%9F%8E%89", [8]),
        ("note__contains=%C3%84rger", [9]),
        # Several.
        ("size__gte=0&size__lt=10", [1, 5, 6, 7]),
        ("size__gte=1&size__lte=1&active=true", [1]),
        ("active=1", [1, 3, 6, 8, 9]),
        ("active__ne=on", [2, 4, 5, 7, 10]),
        ("active__in=true,false", [1, 2, 3, 5, 6, 7, 8, 9]),
        # Numbers by their value, however they are written.
        ("size=%2B1", [1, 5]),
        ("ratio=5e-1", [1, 5]),
        ("ratio=2", [8]),
        ("price=9.5", [1, 5]),
        ("price__gt=9.499", [1, 3, 5, 7, 9]),
        ("price__in=9.50,10", [1, 3, 5]),
        # Other spellings of times.
        ("at=2026-01-01T12:00", [1, 5, 10]),
        ("at=2026-01-01%2012:00:00", [1, 5, 10]),
        ("clock__lt=02:00", [2, 8]),
        ("span=PT3600S", [1, 5]),
        ("token=00000000-0000-0000-0000-00000000000A", [3]),
        # Parts of an enum's text.
        ("color__contains=RE", [2, 3, 6, 7]),
        ("color__startswith=r", [2, 6]),
        ("level__endswith=W", [1, 5, 8]),
        ("level__contains=%25", []),
        # JSON is there or not; its own null is a value of it.
        ("doc__isnull=true", [4]),
        ("doc__isnull=false", [1, 2, 3, 5, 6, 7, 8, 9, 10]),
        # Words of the grammar are columns, given an operator.
        ("id__in=3,1,7", [1, 3, 7]),
        ("id=99", []),
    ],
)
def test_filters(things: Any, text: str, expected: list[int]) -> None:
    assert found(things, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("maker=1", [1, 3, 7]),
        ("maker.id=1", [1, 3, 7]),
        ("maker.name=B%C3%B6hm", [2, 6, 10]),
        ("maker.country=NZ", [1, 3, 7]),
        ("maker.country.name=Switzerland", [2, 6, 10]),
        ("maker.country.name__contains=ZEAL", [1, 3, 7]),
        ("maker.country.name__in=Switzerland,New+Zealand", [1, 2, 3, 6, 7, 10]),
        ("maker.name__lt=B", [1, 3, 7]),
        # Where no row is at the end, nothing is said of it: the complement holds.
        ("maker.country__ne=NZ", [2, 4, 5, 6, 8, 9, 10]),
        ("maker.country.name__ne=New+Zealand", [2, 4, 5, 6, 8, 9, 10]),
        ("maker.country__notin=NZ,CH", [4, 5, 8, 9]),
        ("maker.country__isnull=true", [4, 5, 8, 9]),
        ("maker.country__isnull=false", [1, 2, 3, 6, 7, 10]),
        ("maker.name__isnull=true", [4, 8]),
        ("maker.country.code__isnull=false", [1, 2, 3, 6, 7, 10]),
        # Several paths, and the same twice.
        ("maker.country=NZ&maker.name__contains=sons&size=1", [1]),
        ("maker.country=NZ&maker.country__ne=NZ", []),
    ],
)
def test_filters_follow_foreign_keys(things: Any, text: str, expected: list[int]) -> None:
    assert found(things, text) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, IDS),
        ({"name": "Ada"}, [1]),
        ({"name": ""}, [6]),
        ({"name": None}, [4]),
        ({"name__ne": None}, [1, 2, 3, 5, 6, 7, 8, 9, 10]),
        ({"name__contains": ""}, [1, 2, 3, 5, 6, 7, 8, 9, 10]),
        ({"size__in": [1, 2]}, [1, 5, 6]),
        ({"size": 1.0}, [1, 5]),
        ({"price": 9.5}, [1, 5]),
        ({"price": "9.50"}, [1, 5]),
        ({"active": True, "day": "2026-01-01"}, [1, 3]),
        ({"active__isnull": True}, [4, 10]),
        ({"data": "YWJj"}, [3]),
        ({"or": [{"size": 1}, {"name": "zoo"}]}, [1, 5, 9]),
        ({"or": [{"size": 1, "active": True}, {"id": 9}]}, [1, 9]),
        ({"and": [{"size__gte": 0}, {"size__lte": 1}]}, [1, 5, 7]),
        ({"not": {"size": 1}}, [2, 3, 4, 6, 7, 8, 9, 10]),
        ({"not": {"size__gt": 0}}, [2, 4, 7, 8, 10]),
        ({"not": {"not": {"size": 1}}}, [1, 5]),
        ({"not": {"or": [{"size": 1}, {"active": True}]}}, [2, 4, 7, 10]),
        ({"not": {"and": [{"size": 1}, {"active": True}]}}, [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"not": {"name__contains": "a"}}, [4, 6, 8, 9]),
        ({"not": {"name__isnull": True}}, [1, 2, 3, 5, 6, 7, 8, 9, 10]),
        ({"not": {"maker.country": "NZ"}}, [2, 4, 5, 6, 8, 9, 10]),
        ({"or": [{"maker.country": "NZ"}, {"maker.country.name": "Switzerland"}], "size__lt": 2},
         [1, 2, 7, 10]),
        ({"or": [{"size": 1}], "sort": "-id", "fields": "id"}, [5, 1]),
    ],
)  # fmt: skip
def test_filters_of_a_document(things: Any, document: dict[str, Any], expected: list[int]) -> None:
    assert found(things, "", document) == expected


def test_filters_of_the_url_and_of_the_document_add_up(things: Any) -> None:
    assert found(things, "active=true", {"size": 1}) == [1]


@pytest.mark.parametrize(
    ("text", "parameter", "detail"),
    [
        ("nosuch=1", "nosuch", "There is no column 'nosuch'. There are: id, name, note,"),
        ("nosuch=", "nosuch", "There is no column 'nosuch'."),
        ("name__regex=a", "name__regex", "The text column name has no 'regex'. It has: eq, ne,"),
        ("size__contains=1", "size__contains", "The integer column size has no 'contains'."),
        ("token__lt=1", "token__lt", "The uuid column token has no 'lt'."),
        ("doc=1", "doc", "The json column doc has no 'eq'. It has: isnull."),
        ("size=x", "size", "Must be a whole number, not 'x'."),
        ("size__eq=", "size__eq", "Must be a whole number, not ''."),
        ("size__in=1,x", "size__in", "Must be a whole number, not 'x'."),
        ("size=99999999999999999999", "size", "Must be at most"),
        ("ratio=NaN", "ratio", "Must be a finite number."),
        ("ratio=1e999", "ratio", "Is too large a number."),
        ("price=Infinity", "price", "Must be a finite number."),
        ("active=maybe", "active", "Must be true or false, not 'maybe'."),
        ("day=2026-02-30", "day", "There is no such date or time as 2026-02-30."),
        ("at=yesterday", "at", "Must be a date and time such as"),
        ("color=pink", "color", "Must be one of blue, green, red."),
        ("name__isnull=perhaps", "name__isnull", "Must be true or false, not 'perhaps'."),
        ("maker.nosuch=1", "maker.nosuch", "There is no column 'nosuch'. There are: id, name,"),
        ("size.x=1", "size.x", "The column size does not lead to other rows here."),
        ("nosuch.x=1", "nosuch.x", "There is no column 'nosuch.x'."),
        ("sort=nosuch", "sort", "There is no column 'nosuch'."),
        ("sort=doc", "sort", "The json column doc has no order. These have: id, name,"),
        ("sort=data", "sort", "The binary column data has no order."),
        ("sort=maker.name", "sort", "There is no column 'maker.name'."),
        ("fields=nosuch", "fields", "There is no column 'nosuch'."),
        ("embed=nosuch", "embed", "There is no column 'nosuch'."),
        ("embed=size", "embed", "The column size does not lead to other rows here."),
        ("cursor=abc", "cursor", "Is not one that this collection gave."),
    ],
)
def test_what_is_not_understood_is_refused(
    things: Any, text: str, parameter: str, detail: str
) -> None:
    error = refused(things, text)
    assert error.parameter == parameter
    assert error.detail.startswith(detail)


@pytest.mark.parametrize("verb", ["list", "stream", "update_where", "delete_where"])
def test_every_verb_refuses_what_it_does_not_understand(shop: Shop, verb: str) -> None:
    arguments = {"update_where": ({"size": 1}, 100), "delete_where": (100,)}.get(verb, ())
    for text in ("nosuch=1", "size=x", "q=a&size__contains=1"):
        with pytest.raises(QueryError):
            list(getattr(shop.things, verb)(parse_query(text), *arguments))
    assert found(shop.things) == IDS


# -- laws ------------------------------------------------------------------------------------


@st.composite
def comparisons_of_things(draw: st.DrawFn) -> dict[str, Any]:
    column = draw(st.sampled_from(sorted({*KINDS} - {"data", "span"})))
    operator = draw(st.sampled_from(KIND_OPERATORS[KINDS[column]]))
    if operator == "isnull":
        return {f"{column}__isnull": draw(st.booleans())}
    value = st.sampled_from(distinct(column)).map(spelled)
    if operator in MANY:
        return {f"{column}__{operator}": draw(st.lists(value, min_size=1, max_size=3))}
    return {f"{column}__{operator}": draw(value)}


def spelled(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else to_text(value)


CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    comparisons_of_things(),
    lambda inner: (
        st.builds(lambda part: {"not": part}, inner)
        | st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=5,
)


def holds(row: Row, condition: dict[str, Any]) -> bool:
    """What a condition means, in plain Python."""
    ((name, wanted),) = condition.items()
    if name == "not":
        return not holds(row, wanted)
    if name in ("and", "or"):
        return {"and": all, "or": any}[name](holds(row, part) for part in wanted)
    column, _, operator = name.rpartition("__")
    value = spelled(row[column])
    if operator == "isnull":
        return (value is None) is wanted
    if column in ("price",):
        value = row[column]
        wanted = [*map(Decimal, wanted)] if operator in MANY else Decimal(wanted)
    meaning = MEANINGS[COMPLEMENTS.get(operator, operator)]
    return (value is not None and meaning(value, wanted)) is not (operator in COMPLEMENTS)


@settings(max_examples=40, deadline=None)
@given(condition=CONDITIONS)
def test_any_condition_means_what_it_says_and_not_is_its_complement(
    filled: Shop, condition: dict[str, Any]
) -> None:
    chosen = found(filled.things, "", condition)
    assert chosen == [row["id"] for row in THING_ROWS if holds(row, condition)]
    others = found(filled.things, "", {"not": condition})
    assert sorted(chosen + others) == IDS


# -- search ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q=ada", [1, 2, 3, 5, 10]),
        ("q=ADA", [1, 2, 3, 5, 10]),
        ("q=ada+wool", [2, 3]),
        ("q=wool+++ada", [2, 3]),
        ("q=first", [1]),
        ("q=100%25", [2]),
        ("q=%5C", [6]),
        ("q=a_b", [5]),
        ("q=%22hi%22,", [7]),
        ("q=O'H", [7]),
        ("q=zo%C3%AB", [8]),
        ("q=%E6%97%A5", [8]),
        ("q=red", []),
        ("q=+", IDS),
        ("q=ada&size=1", [1, 5]),
        ("q=ada&sort=-id&limit=2", [10, 5]),
    ],
)
def test_every_word_occurs_in_some_column(things: Any, text: str, expected: list[int]) -> None:
    assert found(things, text) == expected


# -- order -----------------------------------------------------------------------------------

SORTED = [column for column, kind in KINDS.items() if kind in SORTABLE and column != "level"]


def in_order(column: str, *, descending: bool) -> list[int]:
    nulls = [row["id"] for row in THING_ROWS if row[column] is None]
    rows = [row for row in THING_ROWS if row[column] is not None]
    rows.sort(key=lambda row: row[column], reverse=descending)  # which leaves ties as they are
    return [*ids(rows), *nulls] if descending else [*nulls, *ids(rows)]


@pytest.mark.parametrize("column", SORTED)
def test_rows_are_in_order_and_nulls_are_less_than_anything(things: Any, column: str) -> None:
    assert found(things, f"sort={column}") == in_order(column, descending=False)
    assert found(things, f"sort=-{column}") == in_order(column, descending=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sort=id", IDS),
        ("sort=-id", IDS[::-1]),
        ("sort=size,-id", [8, 4, 10, 2, 7, 5, 1, 6, 3, 9]),
        ("sort=-size,-id", [9, 3, 6, 5, 1, 7, 2, 10, 8, 4]),
        ("sort=active,-size", [10, 4, 5, 7, 2, 9, 3, 6, 1, 8]),
        ("sort=-at,name&at=2026-01-01T12:00", [1, 5, 10]),
        ("sort=name&name__contains=ada", [3, 1, 5, 10, 2]),
    ],
)
def test_rows_are_in_the_order_of_several_columns(
    things: Any, text: str, expected: list[int]
) -> None:
    assert found(things, text) == expected


def test_the_key_orders_what_nothing_else_does(filled: Shop) -> None:
    def places(text: str) -> list[tuple[str, int]]:
        return [(row["row"], row["number"]) for row in filled.seats.list(parse_query(text)).data]

    assert places("") == [("A", 2), ("A", 10), ("B", 1), ("a", 1)]
    assert places("sort=guest") == [("A", 10), ("B", 1), ("a", 1), ("A", 2)]
    assert places("sort=-number") == [("A", 10), ("A", 2), ("B", 1), ("a", 1)]
    assert places("sort=number,-row") == [("a", 1), ("B", 1), ("A", 2), ("A", 10)]


# -- pages -----------------------------------------------------------------------------------


def forwards(model: Any, text: str, limit: int) -> list[list[Row]]:
    """All pages, from the first to the last."""
    pages = []
    page = model.list(parse_query(f"{text}&limit={limit}"))
    while True:
        pages.append([*page.data])
        if page.next is None:
            return pages
        page = model.list(parse_query(f"{text}&limit={limit}&cursor={page.next}"))


def backwards(model: Any, text: str, limit: int) -> list[list[Row]]:
    """All pages but the last, from the last to the first; each led to by the one after."""
    page = model.list(parse_query(f"{text}&limit={limit}"))
    while page.next is not None:
        page = model.list(parse_query(f"{text}&limit={limit}&cursor={page.next}"))
    pages = []
    while page.prev is not None:
        page = model.list(parse_query(f"{text}&limit={limit}&cursor={page.prev}"))
        pages.append([*page.data])
        assert page.next is not None
    return pages


SORTS = [f"sort={sign}{column}" for column in [*SORTED, "level"] for sign in ("", "-")]
LISTS = [
    "",
    *SORTS,
    "sort=active,-size,name",
    "sort=-active,-color,-name",
    "sort=-level,color,-id",
    "sort=size&active=true",
    "sort=-name&q=a",
    "sort=-price&maker.country=NZ",
    "sort=name&fields=id",
    "sort=-maker&fields=size&embed=maker",
]


@pytest.mark.parametrize("text", LISTS)
def test_pages_are_the_stream_in_pieces_in_both_directions(things: Any, text: str) -> None:
    whole = list(things.stream(parse_query(text)))
    for limit in (1, 3):
        pieces = [whole[n : n + limit] for n in range(0, len(whole), limit)]
        assert forwards(things, text, limit) == pieces
        assert backwards(things, text, limit) == pieces[-2::-1]


@pytest.mark.parametrize("text", ["", "sort=guest", "sort=-guest", "sort=-number,row", "sort=-row"])
def test_pages_of_a_composite_key(filled: Shop, text: str) -> None:
    whole = list(filled.seats.stream(parse_query(text)))
    assert len(whole) == len(SEAT_ROWS)
    assert forwards(filled.seats, text, 1) == [[row] for row in whole]
    assert backwards(filled.seats, text, 1) == [[row] for row in whole[-2::-1]]


def test_the_first_page_has_no_neighbour_before_and_the_last_none_after(things: Any) -> None:
    first = things.list(parse_query("limit=3&sort=name"))
    assert first.prev is None
    second = things.list(parse_query(f"limit=7&sort=name&cursor={first.next}"))
    assert second.next is None
    back = things.list(parse_query(f"limit=3&sort=name&cursor={second.prev}"))
    assert back.prev is None
    assert back.next is not None
    assert back.data == first.data


@pytest.mark.parametrize(
    "text",
    ["", "sort=-size", "sort=size,name", "sort=size&active=true", "sort=size&q=ada",
     "sort=size&active__ne=false", "sort=size&maker.country=NZ"],
)  # fmt: skip
def test_a_cursor_belongs_to_its_filter_and_order(things: Any, text: str) -> None:
    cursor = things.list(parse_query("sort=size&limit=2")).next
    error = refused(things, f"{text}&cursor={cursor}")
    assert error.parameter == "cursor"
    assert error.detail == "Belongs to a list with another filter or order."


@pytest.mark.parametrize("text", ["limit=5", "fields=name", "embed=maker", "count=1", "name="])
def test_a_cursor_goes_with_any_page_size_and_columns(things: Any, text: str) -> None:
    cursor = things.list(parse_query("sort=size&limit=2")).next
    page = things.list(parse_query(f"sort=size&cursor={cursor}&{text}"))
    assert page.data[0]["id"] == 10


def test_a_cursor_of_another_model_is_refused(filled: Shop) -> None:
    cursor = filled.things.list(parse_query("limit=1")).next
    assert refused(filled.makers, f"cursor={cursor}").parameter == "cursor"


def test_a_limit_is_at_most_the_models_own(things: Any) -> None:
    assert len(things.list(parse_query("limit=99999999999")).data) == len(IDS)
    assert things.max_page_size == 1000
    assert things.page_size == 50


def test_pages_lose_and_repeat_nothing_when_rows_come_and_go(shop: Shop) -> None:
    first = shop.things.list(parse_query("sort=size&limit=4"))
    assert ids(first.data) == [4, 8, 10, 2]
    shop.things.delete(10)
    shop.things.delete(2)
    shop.things.create({"id": 11, "size": -5})
    second = shop.things.list(parse_query(f"sort=size&limit=4&cursor={first.next}"))
    assert ids(second.data) == [7, 1, 5, 6]
    back = shop.things.list(parse_query(f"sort=size&limit=4&cursor={second.prev}"))
    assert ids(back.data) == [4, 8, 11]


# -- columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", COLUMNS),
        ("fields=name", ["id", "name"]),
        ("fields=name,id", ["id", "name"]),
        ("fields=size,name", ["id", "name", "size"]),
        ("fields=doc", ["id", "doc"]),
        ("fields=name&sort=-size", ["id", "name"]),
        ("fields=name&size=1&q=ada", ["id", "name"]),
        ("fields=name&embed=maker", ["id", "name", "maker"]),
    ],
)
def test_rows_have_the_wanted_columns_and_the_key_in_the_models_order(
    things: Any, text: str, names: list[str]
) -> None:
    query = parse_query(text)
    for row in (*things.list(query).data, *things.stream(query)):
        assert [*row] == names
        stored = THING_ROWS[row["id"] - 1]
        assert all(row[name] == stored[name] for name in names if name != "maker")


def test_a_composite_key_is_always_there(filled: Shop) -> None:
    row = filled.seats.list(parse_query("fields=guest&guest=Bob")).data[0]
    assert row == {"row": "A", "number": 2, "guest": "Bob"}
    row = filled.seats.list(parse_query("fields=row&guest=Bob")).data[0]
    assert row == {"row": "A", "number": 2}


@pytest.mark.parametrize("text", ["", "fields=id", "sort=-name", "limit=7", "maker.country=NZ"])
def test_embedding_puts_the_row_in_the_place_of_its_key(things: Any, text: str) -> None:
    query = parse_query(f"{text}&embed=maker")
    makers = {row["id"]: row for row in MAKER_ROWS} | {None: None}
    rows = things.list(query).data
    assert rows
    for row in (*rows, *things.stream(query)):
        assert row["maker"] == makers[THING_ROWS[row["id"] - 1]["maker"]]


def test_a_text_is_embedded_by_as_well(filled: Shop) -> None:
    page = filled.makers.list(parse_query("embed=country&fields=name"))
    assert page.data[0]["country"] == {"code": "NZ", "name": "New Zealand"}
    assert page.data[2]["country"] is None


def test_rows_come_as_they_are_stored(things: Any) -> None:
    assert [*things.list(Query()).data] == THING_ROWS
    assert [*things.stream(Query())] == THING_ROWS
    for row in THING_ROWS:
        assert things.retrieve(row["id"]) == row


# -- counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", ["1", "exact"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 10), ("limit=2", 10), ("size=1", 2), ("q=ada&limit=1", 5), ("maker.country=NZ", 3),
     ("size=12345", 0), ("sort=-name&fields=id", 10)],
)  # fmt: skip
def test_counts_are_of_all_rows_that_are_meant(
    things: Any, text: str, count: str, expected: int
) -> None:
    page = things.list(parse_query(f"{text}&count={count}"))
    assert (page.count, page.count_exact) == (expected, True)
    if page.next:
        page = things.list(parse_query(f"{text}&count={count}&cursor={page.next}"))
        assert (page.count, page.count_exact) == (expected, True)


def test_nothing_is_counted_unless_asked(things: Any) -> None:
    assert things.list(Query()).count is None


def test_a_bounded_count_says_that_it_stopped(shop: Shop) -> None:
    many = ({"row": "Z", "number": number} for number in range(COUNT_BOUND + 1))
    assert shop.seats.create_many(many).count == COUNT_BOUND + 1
    page = shop.seats.list(parse_query("count=1&limit=1"))
    assert (page.count, page.count_exact) == (COUNT_BOUND, False)
    page = shop.seats.list(parse_query("count=exact&limit=1"))
    assert (page.count, page.count_exact) == (COUNT_BOUND + 5, True)
    page = shop.seats.list(parse_query(f"count=1&limit=1&row=Z&number__lt={COUNT_BOUND}"))
    assert (page.count, page.count_exact) == (COUNT_BOUND, True)


# -- streams ---------------------------------------------------------------------------------


def test_a_stream_has_no_pages(things: Any) -> None:
    cursor = things.list(parse_query("limit=2")).next
    for text in ("limit=2", "limit=all", f"cursor={cursor}", "count=1"):
        assert ids(things.stream(parse_query(text))) == IDS


@pytest.mark.parametrize("text", ["active=true&sort=-price", "q=ada", "maker.name__contains=ada"])
def test_a_stream_is_filtered_and_in_order(things: Any, text: str) -> None:
    query = parse_query(text)
    assert [*things.stream(query)] == [*things.list(query).data]


def test_a_stream_can_be_left(shop: Shop) -> None:
    rows = shop.things.stream(Query())
    assert next(rows)["id"] == 1
    if hasattr(rows, "close"):
        rows.close()
    shop.things.delete(2)
    assert found(shop.things, "limit=2") == [1, 3]


# -- one row ---------------------------------------------------------------------------------


def test_a_row_is_created_changed_and_removed(shop: Shop) -> None:
    row = shop.things.create({"id": 20, "name": "new", "doc": {"a": None}})
    assert row == {
        **dict.fromkeys(COLUMNS),
        "id": 20,
        "name": "new",
        "note": "",
        "doc": {"a": None},
    }
    assert shop.things.retrieve(20) == row
    changed = shop.things.update(20, {"size": 5, "name": None, "note": "x"})
    assert changed == {**row, "size": 5, "name": None, "note": "x"}
    assert shop.things.update(20, {"note": DEFAULT})["note"] == ""
    shop.things.delete(20)
    for verb in (shop.things.retrieve, shop.things.delete, lambda key: shop.things.update(key, {})):
        with pytest.raises(NotFoundError):
            verb(20)


def test_a_number_is_given_to_a_row_that_has_none(shop: Shop) -> None:
    assert shop.things.create({"name": "new"})["id"] not in IDS
    assert shop.things.create({"name": "new", "id": Text("")})["id"] not in IDS


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"id": 1}, {"id": "unique"}),
        ({"size": "x", "nosuch": 1}, {"size": "type", "nosuch": "unknown"}),
        ({"name": "x" * 81}, {"name": "length"}),
        ({"color": "pink"}, {"color": "choice"}),
        ({"note": None}, {"note": "required"}),
    ],
)
def test_what_cannot_be_stored_is_refused(
    shop: Shop, values: dict[str, Any], errors: dict[str, str]
) -> None:
    with pytest.raises((ValidationError, ConflictError)) as caught:
        shop.things.create(values)
    assert {error.field: error.code for error in caught.value.errors} == errors
    assert all(error.row is None for error in caught.value.errors)
    assert found(shop.things) == IDS


def test_a_composite_key_names_one_row_exactly(shop: Shop) -> None:
    assert shop.seats.retrieve(("a", 1))["guest"] == "Ada"
    assert shop.seats.update(("A", 2), {"guest": "Eve"})["guest"] == "Eve"
    for key in (("A", 1), ("A ", 2), ("A",), "A"):
        with pytest.raises(NotFoundError):
            shop.seats.retrieve(key)
    with pytest.raises(ConflictError) as caught:
        shop.seats.create({"row": "A", "number": 2})
    assert {error.code for error in caught.value.errors} == {"unique"}
    with pytest.raises(ValidationError):
        shop.seats.update(("A", 2), {"number": 3})
    assert shop.seats.retrieve(("A", 2))["guest"] == "Eve"


def test_a_stale_version_is_refused_with_the_row_as_it_is(shop: Shop) -> None:
    seen = version_of(shop.things.retrieve(1))
    changed = shop.things.update(1, {"size": 2}, seen)
    writes: list[Verb] = [
        lambda: shop.things.update(1, {"size": 3}, seen),
        lambda: shop.things.delete(1, seen),
    ]
    for write in writes:
        with pytest.raises(VersionError) as caught:
            write()
        assert caught.value.row == changed
    shop.things.delete(1, version_of(changed))
    assert found(shop.things, "limit=1") == [2]


# -- transactions ----------------------------------------------------------------------------


class Stop(Exception):
    """Ends a transaction from inside."""


@contextmanager
def undone(model: Any) -> Iterator[Any]:
    """A transaction that fails at its end."""
    with suppress(Stop), model.transaction() as store:
        yield store
        raise Stop


def test_a_transaction_keeps_all_of_it(shop: Shop) -> None:
    with shop.things.transaction() as store:
        store.create({"id": 20})
        store.update(1, {"size": 7})
        store.delete(2)
        assert found(store, "limit=3") == [1, 3, 4]
        assert store.retrieve(1)["size"] == 7
    assert found(shop.things) == [1, *IDS[2:], 20]


def test_a_transaction_that_fails_keeps_nothing(shop: Shop) -> None:
    with undone(shop.things) as store:
        store.create({"id": 20})
        store.update(1, {"size": 7})
        store.delete(2)
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_a_dry_run_keeps_nothing_but_shows_what_would_be(shop: Shop) -> None:
    with shop.things.transaction(rollback=True) as store:
        assert store.create({"id": 20, "name": "dry"})["name"] == "dry"
        assert store.update_where(parse_query("size=1"), {"size": 2}, 10) == 2
        assert found(store, "size=2") == [1, 5, 6]
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_a_dry_run_refuses_what_would_be_refused(shop: Shop) -> None:
    with pytest.raises(ConflictError), shop.things.transaction(rollback=True) as store:
        store.create({"id": 1})
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_a_transaction_that_only_reads_refuses_to_write(shop: Shop) -> None:
    with shop.things.transaction(read_only=True) as store:
        assert found(store) == IDS
        assert ids(store.stream(Query())) == IDS
        bound = store.bind(shop.makers)
        writes: list[Verb] = [
            lambda: store.create({"id": 20}),
            lambda: store.update(1, {"size": 2}),
            lambda: store.delete(1),
            lambda: store.create_many([{"id": 20}]),
            lambda: store.update_where(Query(), {"size": 2}, 100),
            lambda: store.delete_where(Query(), 100),
            lambda: bound.create({"id": 20, "name": "x"}),
        ]
        for write in writes:
            with pytest.raises(DeniedError):
                write()
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_several_models_share_a_transaction(shop: Shop) -> None:
    with undone(shop.makers) as makers:
        things = makers.bind(shop.things)
        makers.create({"id": 9, "name": "new"})
        things.create({"id": 20, "maker": 9})
        assert found(things, "maker.name=new") == [20]
        assert things.list(parse_query("id=20&embed=maker")).data[0]["maker"]["name"] == "new"
    assert found(shop.things) == IDS
    assert found(shop.makers) == [1, 2, 3]
    with shop.makers.transaction() as makers:
        makers.create({"id": 9, "name": "new"})
        makers.bind(shop.things).create({"id": 20, "maker": 9})
    assert found(shop.things, "maker.name=new") == [20]


def test_what_cannot_be_bound_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="is in no transaction"):
        shop.things.bind(shop.makers)
    with shop.things.transaction() as store:
        for other in (None, {}, object()):
            with pytest.raises(ValueError, match="is no"):
                store.bind(other)


def test_a_transaction_inside_of_one_can_be_undone_alone(shop: Shop) -> None:
    with shop.things.transaction() as store:
        store.delete(1)
        with undone(store) as inner:
            inner.delete(2)
        with store.transaction(rollback=True) as inner:
            inner.delete(3)
        with store.transaction() as inner:
            inner.delete(4)
    assert found(shop.things) == [2, 3, 5, 6, 7, 8, 9, 10]
    with undone(shop.things) as store, store.transaction() as inner:
        inner.delete(5)
    assert found(shop.things, "id=5") == [5]


def test_what_the_store_refused_is_not_committed_around(shop: Shop) -> None:
    def commit_around() -> None:
        with shop.things.transaction() as store:
            store.delete(3)
            with suppress(ConflictError):
                store.create({"id": 1})

    with pytest.raises(ConflictError):
        commit_around()
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_a_part_that_the_store_refused_can_be_left_out(shop: Shop) -> None:
    with shop.things.transaction() as store:
        store.delete(3)
        with suppress(ConflictError), store.transaction() as part:
            part.create({"id": 20})
            part.create({"id": 1})
    assert found(shop.things) == [1, 2, 4, 5, 6, 7, 8, 9, 10]


def test_mistakes_that_never_reached_the_store_spoil_nothing(shop: Shop) -> None:
    with shop.things.transaction() as store:
        store.delete(3)
        mistakes: list[Verb] = [
            lambda: store.create({"size": "x"}),
            lambda: store.retrieve(99),
            lambda: store.update(1, {"size": 5}, "another version"),
            lambda: store.list(parse_query("nosuch=1")),
            lambda: store.delete_where(Query(), 1),
        ]
        for mistake in mistakes:
            with pytest.raises((ModelError, QueryError)):
                mistake()
    assert found(shop.things) == [1, 2, 4, 5, 6, 7, 8, 9, 10]


# -- many rows -------------------------------------------------------------------------------


def new_things(*numbers: int) -> list[Row]:
    return [{"id": number, "name": f"new {number}", "size": number} for number in numbers]


def test_many_rows_are_created(shop: Shop) -> None:
    written = shop.things.create_many(new_things(20, 21, 22))
    assert (written.count, written.created, [*written.rows]) == (3, 3, [])
    assert found(shop.things) == [*IDS, 20, 21, 22]


def test_many_rows_are_given_as_they_were_stored_in_their_order(shop: Shop) -> None:
    rows = [{"id": 22, "price": "1.50"}, {"id": 20, "day": "2026-01-01"}, {"id": 21, "doc": [1]}]
    written = shop.things.create_many(rows, returning=True)
    assert ids(written.rows) == [22, 20, 21]
    assert [*written.rows] == [shop.things.retrieve(number) for number in (22, 20, 21)]
    assert written.rows[0]["price"] == Decimal("1.50")
    assert written.rows[0]["note"] == ""


def test_rows_without_a_number_get_one(shop: Shop) -> None:
    written = shop.things.create_many([{"name": "a"}, {"name": "b"}], returning=True)
    assert [row["name"] for row in written.rows] == ["a", "b"]
    assert len({*ids(written.rows)} - {*IDS}) == 2


def test_rows_of_different_columns_get_their_own_defaults(shop: Shop) -> None:
    rows: list[Row] = [{"id": 20}, {"id": 21, "note": "x"}, {"id": 22, "note": DEFAULT, "size": 1}]
    written = shop.things.create_many(rows, returning=True)
    assert [(row["note"], row["size"]) for row in written.rows] == [
        ("", None),
        ("x", None),
        ("", 1),
    ]


def test_texts_of_a_file_are_read_by_their_kinds(shop: Shop) -> None:
    def text(name: str, value: Any) -> Exact:
        return Exact(json.dumps(value) if name == "doc" else to_text(value))

    texts = [{n: None if v is None else text(n, v) for n, v in row.items()} for row in THING_ROWS]
    shop.things.delete_where(Query(), 100)
    assert [*shop.things.create_many(texts, returning=True).rows] == THING_ROWS


def test_no_rows_are_no_mistake(shop: Shop) -> None:
    for mode in ("refuse", "merge", "ignore"):
        written = shop.things.create_many([], on_duplicate=mode, returning=True)
        assert (written.count, written.created, [*written.rows]) == (0, 0, [])


def test_many_rows_are_read_one_after_the_other(shop: Shop) -> None:
    """And are not kept: where there are more of them than fit into memory."""
    alive: list[int] = []

    class Values(dict[str, Any]):
        def __init__(self, number: int) -> None:
            super().__init__(row="Z", number=number)
            alive.append(number)

        def __del__(self) -> None:
            alive.remove(self["number"])

    most = 0

    def rows() -> Iterator[Values]:
        nonlocal most
        for number in range(5000):
            most = max(most, len(alive))
            yield Values(number)

    assert shop.seats.create_many(rows()).count == 5000
    assert most < 4000
    assert len([*shop.seats.stream(Query())]) == 5000 + len(SEAT_ROWS)


@pytest.mark.parametrize("mode", ["refuse", "merge", "ignore"])
def test_mistakes_of_many_rows_say_which_row_they_are_in(shop: Shop, mode: Any) -> None:
    rows: list[Row] = [{"id": 20}, {"id": 21, "size": "x"}, {"id": 22}, {"nosuch": 1, "name": 7}]
    with pytest.raises(ValidationError) as caught:
        shop.things.create_many(iter(rows), on_duplicate=mode)
    assert {(error.row, error.field, error.code) for error in caught.value.errors} == {
        (1, "size", "type"), (3, "nosuch", "unknown"), (3, "name", "type"),
    }  # fmt: skip
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_no_more_than_a_hundred_mistakes_are_told(shop: Shop) -> None:
    with pytest.raises(ValidationError) as caught:
        shop.things.create_many({"size": "x"} for _ in range(1000))
    assert [error.row for error in caught.value.errors] == [*range(100)]


def test_a_row_whose_key_is_taken_refuses_all_of_them(shop: Shop) -> None:
    with pytest.raises(ConflictError) as caught:
        shop.things.create_many([*new_things(20, 5, 21)])
    assert {(error.row, error.field, error.code) for error in caught.value.errors} == {
        (1, "id", "unique")
    }
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_a_key_that_is_given_twice_is_taken_too(shop: Shop) -> None:
    with pytest.raises(ConflictError) as caught:
        shop.things.create_many(new_things(20, 21, 20))
    assert {(error.row, error.code) for error in caught.value.errors} == {(2, "unique")}
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_rows_that_are_there_are_ignored(shop: Shop) -> None:
    written = shop.things.create_many(new_things(20, 5, 20), on_duplicate="ignore")
    assert (written.count, written.created) == (1, 1)
    assert shop.things.retrieve(5) == THING_ROWS[4]
    assert found(shop.things) == [*IDS, 20]


def test_rows_that_are_there_are_merged_with_what_is_given(shop: Shop) -> None:
    rows: list[Row] = [{"id": 5, "size": 50}, {"id": 20, "size": 51}, {"id": 1, "name": None}]
    written = shop.things.create_many(rows, on_duplicate="merge", returning=True)
    assert (written.count, written.created) == (3, 1)
    assert written.rows[0] == {**THING_ROWS[4], "size": 50}
    assert written.rows[1]["size"] == 51
    assert written.rows[2] == {**THING_ROWS[0], "name": None}
    assert [*written.rows] == [shop.things.retrieve(number) for number in (5, 20, 1)]


def test_the_last_of_several_rows_of_one_key_wins_a_merge(shop: Shop) -> None:
    rows: list[Row] = [{"id": 20, "size": 1, "name": "a"}, {"id": 20, "size": 2}]
    written = shop.things.create_many(rows, on_duplicate="merge")
    assert written.created == 1
    row = shop.things.retrieve(20)
    assert (row["size"], row["name"]) == (2, "a")


def test_composite_keys_are_merged_and_ignored(shop: Shop) -> None:
    rows: list[Row] = [
        {"row": "A", "number": 2, "guest": "Eve"},
        {"row": "A", "number": 3, "guest": "Eve"},
    ]
    assert shop.seats.create_many(rows, on_duplicate="ignore").count == 1
    assert shop.seats.retrieve(("A", 2))["guest"] == "Bob"
    assert shop.seats.create_many(rows[:1], on_duplicate="merge").count == 1
    assert shop.seats.retrieve(("A", 2))["guest"] == "Eve"
    with pytest.raises(ConflictError):
        shop.seats.create_many(rows)


def test_a_source_that_breaks_off_leaves_nothing(shop: Shop) -> None:
    def rows() -> Iterator[Row]:
        yield from new_things(20, 21)
        raise Stop

    with pytest.raises(Stop):
        shop.things.create_many(rows())
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_many_rows_in_a_dry_run(shop: Shop) -> None:
    with shop.things.transaction(rollback=True) as store:
        written = store.create_many(new_things(5, 20), on_duplicate="merge", returning=True)
        assert [row["size"] for row in written.rows] == [5, 20]
        assert found(store, "name__startswith=new") == [5, 20]
    assert [*shop.things.stream(Query())] == THING_ROWS


# -- all that a query selects ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("size=1", [1, 5]),
        ("name__contains=ada&active=true", [1, 3]),
        ("q=ada", [1, 2, 3, 5, 10]),
        ("maker.country=NZ", [1, 3, 7]),
        ("size__isnull=true", [4, 8]),
        ("size=12345", []),
        ("", IDS),
    ],
)
def test_all_rows_that_a_query_selects_are_changed_or_removed(
    shop: Shop, text: str, changed: list[int]
) -> None:
    query = parse_query(text)
    values = {"note": "changed", "price": "1.25", "doc": None}
    assert shop.things.update_where(query, values, 10) == len(changed)
    new = {"note": "changed", "price": Decimal("1.25"), "doc": None}
    expected = [{**row, **new} if row["id"] in changed else row for row in THING_ROWS]
    assert [*shop.things.stream(Query())] == expected
    shop.fill()
    assert shop.things.delete_where(query, 10) == len(changed)
    assert found(shop.things) == [id for id in IDS if id not in changed]


def test_a_filter_may_be_on_what_is_changed(shop: Shop) -> None:
    assert shop.things.update_where(parse_query("size=1&sort=size&limit=1"), {"size": 2}, 10) == 2
    assert found(shop.things, "size=1") == []
    assert shop.things.update_where(parse_query("size=2"), {"size": None, "note": DEFAULT}, 10) == 3
    assert found(shop.things, "note__eq=") == [1, 5, 6]


def test_no_values_change_nothing(shop: Shop) -> None:
    assert shop.things.update_where(Query(), {}, 100) == 0
    with pytest.raises(LimitError):
        shop.things.update_where(Query(), {}, 5)
    assert [*shop.things.stream(Query())] == THING_ROWS


def test_more_rows_than_the_ceiling_are_left_alone(shop: Shop) -> None:
    query = parse_query("active=true")
    writes: list[Verb] = [
        lambda: shop.things.update_where(query, {"size": 2}, 4),
        lambda: shop.things.delete_where(query, 4),
    ]
    for write in writes:
        with pytest.raises(LimitError) as caught:
            write()
        assert caught.value.ceiling == 4
    assert [*shop.things.stream(Query())] == THING_ROWS
    assert shop.things.update_where(query, {"size": 2}, 5) == 5
    assert shop.things.delete_where(query, 5) == 5


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"size": "x"}, {"size": "type"}),
        ({"nosuch": 1, "note": None}, {"nosuch": "unknown", "note": "required"}),
        ({"id": 5}, {"id": "read_only"}),
    ],
)
def test_values_for_all_rows_are_checked(
    shop: Shop, values: dict[str, Any], errors: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        shop.things.update_where(parse_query("size=1"), values, 10)
    assert {error.field: error.code for error in caught.value.errors} == errors
    assert [*shop.things.stream(Query())] == THING_ROWS


# -- what stores do differently (``docs/sql.md`` tells) ---------------------------------------


def words(shop: Shop, text: str) -> list[str]:
    return [row["word"] for row in shop.words.list(parse_query(text)).data]


def test_case_is_ignored_beyond_ascii_where_the_store_knows_it(filled: Shop) -> None:
    for text in ("word__contains=%C3%89", "word__startswith=%C3%A9", "q=%C3%89"):
        found = words(filled, text)
        if filled.store == "sqlite":
            assert len(found) == 1
        else:
            assert found == ["É", "é"]
    assert words(filled, "q=ss") == (["SS", "ß"] if filled.store == "memory" else ["SS"])
    assert words(filled, "q=B") == ["b"]


def test_what_is_equal_is_up_to_the_collation(filled: Shop) -> None:
    alike = ["a", "A", "a ", "ä"] if filled.store == "mariadb" else ["a"]
    others = [row["word"] for row in WORD_ROWS if row["word"] not in alike]
    assert words(filled, "word=a") == words(filled, "word__in=a") == alike
    assert words(filled, "word__ne=a") == words(filled, "word__notin=a") == others


@pytest.mark.parametrize("text", ["sort=word", "sort=-word", "sort=token", "sort=-token,word"])
def test_pages_are_complete_whatever_the_order_of_the_store(filled: Shop, text: str) -> None:
    whole = list(filled.words.stream(parse_query(text)))
    assert sorted(ids(whole)) == ids(WORD_ROWS)
    assert forwards(filled.words, text, 2) == [whole[n : n + 2] for n in range(0, len(whole), 2)]


# -- fields of a model ------------------------------------------------------------------------


def test_a_model_leads_to_the_rows_that_its_foreign_keys_name(filled: Shop) -> None:
    assert filled.things.follow("maker").name == "makers"
    assert filled.things.follow("maker").follow("country").name == "countries"
    for name in ("size", "id", "nosuch"):
        assert filled.things.follow(name) is None


def test_fields_are_the_same_everywhere(filled: Shop) -> None:
    assert all(isinstance(field, Field) for field in filled.things.fields)
    assert [field.name for field in filled.things.fields] == COLUMNS
