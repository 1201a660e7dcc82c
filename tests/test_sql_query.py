"""The query grammar in SQL: the same rows as Python would choose, on every database."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, String, event

from tests.library import Library, created, filled, ids, listed, refused, run
from wsgikit.model import KIND_OPERATORS, Field, describe_model, to_text
from wsgikit.query import QueryError, parse_query
from wsgikit.sql import TableModel, read_tables
from wsgikit.sql.plans import MAX_PLANS

# -- every operator of every kind -------------------------------------------------------------

#: For each kind a type, and values in ascending order.
KINDS: Mapping[str, tuple[Any, list[Any]]] = {
    "text": (String(20), ["", "a%c", "a/_", "bC"]),
    "integer": (Integer(), [-5, 0, 7, 2**31 - 1]),
    "float": (sa.Double(), [-1.5, 0.1, 1 / 3, 1e300]),
    "decimal": (sa.Numeric(10, 2), [Decimal("-1.10"), Decimal("0.00"), Decimal("2.30")]),
    "boolean": (sa.Boolean(), [False, True]),
    "date": (sa.Date(), [date(1, 1, 1), date(2026, 2, 28), date(9999, 12, 31)]),
    "datetime": (
        sa.DateTime(),
        [datetime(1999, 12, 31, 23, 59, 59), datetime(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5)],
    ),
    "time": (sa.Time(), [time(0), time(3, 4), time(23, 59, 59)]),
    "interval": (sa.Interval(), [-timedelta(days=2, hours=1), timedelta(0), timedelta(hours=30)]),
    "uuid": (sa.Uuid(), [UUID(int=1), UUID(int=2**100)]),
    "enum": (sa.Enum("p", "Q", "r%", name="letters"), ["Q", "p", "r%"]),
    "binary": (sa.LargeBinary(), [b"", b"\0a", b"\xff"]),
    "json": (sa.JSON(), [{"a": 1}, [1, 2]]),
}

TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda stored, value: stored == value,
    "lt": lambda stored, value: stored < value,
    "lte": lambda stored, value: stored <= value,
    "gt": lambda stored, value: stored > value,
    "gte": lambda stored, value: stored >= value,
    "contains": lambda stored, value: value.lower() in stored.lower(),
    "startswith": lambda stored, value: stored.lower().startswith(value.lower()),
    "endswith": lambda stored, value: stored.lower().endswith(value.lower()),
}

COMPLEMENTS = {"ne": "eq", "notin": "in"}


def passes(operator: str, stored: Any, values: list[Any]) -> bool:
    """Say what a test means, in Python."""
    if operator in COMPLEMENTS:
        return not passes(COMPLEMENTS[operator], stored, values)
    if operator == "isnull":
        return (stored is None) == values[0]
    if stored is None:
        return False
    if operator == "in":
        return stored in values
    return TESTS[operator](stored, values[0])


def asked(field: Field, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Give the tests of a column: each operator with each value, and some lists of values."""
    for operator in KIND_OPERATORS[field.kind]:
        if operator == "isnull":
            yield from ((operator, [truth]) for truth in (True, False))
        elif operator in ("in", "notin"):
            yield from ((operator, values[n:]) for n in range(len(values)))
        else:
            yield from ((operator, [value]) for value in values)


@pytest.fixture
def everything(engine: sa.Engine) -> TableModel:
    """A row for each value of each kind, and nulls everywhere else."""
    columns = [Column(name, type_) for name, (type_, _values) in KINDS.items()]
    rows: list[dict[str, Any]] = []
    for name, (_type, values) in KINDS.items():
        for value in values:
            row = {"id": len(rows) + 1, **dict.fromkeys(KINDS, None), "json": sa.null()}
            rows.append({**row, name: value})
    return filled(engine, rows, *columns)


def spelled(value: Any) -> str:
    text = to_text(value) or ""
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_chooses_what_python_would(everything: TableModel, kind: str) -> None:
    field = next(field for field in everything.fields if field.name == kind)
    rows = [{name: row[name] for name in ("id", kind)} for row in listed(everything).data]
    for operator, values in asked(field, KINDS[kind][1]):
        expected = [row["id"] for row in rows if passes(operator, row[kind], values)]
        many = operator in ("in", "notin")
        text = ",".join(map(spelled, values)) if many else to_text(values[0]) or ""
        query = f"{kind}__{operator}={quote(text)}"
        if text or operator in ("eq", "ne"):
            assert ids(everything, query) == expected, query
        as_json = [v if isinstance(v, bool | int | float) else to_text(v) for v in values]
        condition = {f"{kind}__{operator}": as_json if many else as_json[0]}
        assert ids(everything, **condition) == expected, condition
        rest = [row["id"] for row in rows if row["id"] not in expected]
        assert ids(everything, **{"not": condition}) == rest, condition


def test_filters_say_what_a_form_and_a_document_can(engine: sa.Engine) -> None:
    rows = [{"n": n % 5 or None, "w": "abcde"[n % 5], "d": None} for n in range(1, 11)]
    model = filled(engine, rows, Column("n", Integer), Column("w", String(5)), Column("d", sa.Date))
    everyone = list(range(1, 11))
    assert ids(model, "n=&w=&n__gte=&w__in=&n__isnull=") == everyone
    assert ids(model, "n=3") == [3, 8]
    assert ids(model, "n__eq=3&w=d") == [3, 8]
    assert ids(model, "n=3&w=a") == []
    assert ids(model, 'w__in=a,"b"&w__in=c') == [1, 2, 5, 6, 7, 10]
    assert ids(model, "n__ne=3") == [1, 2, 4, 5, 6, 7, 9, 10]
    assert ids(model, "n__notin=3,4") == [1, 2, 5, 6, 7, 10]
    assert ids(model, "d__isnull=yes&n__isnull=on") == [5, 10]
    assert ids(model, n=None) == [5, 10]
    assert ids(model, n__ne=None, w__ne="a") == [1, 2, 3, 4, 6, 7, 8, 9]
    assert ids(model, **{"or": [{"n": 1}, {"w": "c", "n__gte": 2}]}) == [1, 2, 6, 7]
    assert ids(model, **{"not": {"or": [{"n": 1}, {"n__gt": 2}]}}) == [2, 5, 7, 10]
    assert ids(model, **{"not": {"not": {"n__lt": 2}}}) == [1, 6]
    assert ids(model, **{"and": [{"n__lt": 3}, {"not": {"w": "b"}}]}) == [2, 7]
    assert ids(model, "w__lt=c&sort=-id", limit=3) == [10, 6, 5]


def test_words_ignore_case_and_take_wildcards_as_they_are(engine: sa.Engine) -> None:
    texts = ["100%", "1000", "a_b", "aXb", "c/d", "c\\d", "C\\D\\", "Straße", "'q'", "[x]", ""]
    model = filled(engine, [{"w": text} for text in texts], Column("w", String(20)))
    for operator, word, expected in (
        ("contains", "0%", ["100%"]),
        ("contains", "_", ["a_b"]),
        ("contains", "/", ["c/d"]),
        ("contains", "\\", ["c\\d", "C\\D\\"]),
        ("contains", "X", ["aXb", "[x]"]),
        ("contains", "'", ["'q'"]),
        ("startswith", "A", ["a_b", "aXb"]),
        ("startswith", "100", ["100%", "1000"]),
        ("startswith", "%", []),
        ("endswith", "%", ["100%"]),
        ("endswith", "\\", ["C\\D\\"]),
        ("endswith", "D", ["c/d", "c\\d"]),
        ("contains", "STRA", ["Straße"]),
        ("contains", "longer than any of these texts", []),
    ):
        found = listed(model, f"w__{operator}={quote(word)}").data
        assert [row["w"] for row in found] == expected, (operator, word)
        rest = listed(model, **{"not": {f"w__{operator}": word}}).data
        assert [row["w"] for row in rest] == [text for text in texts if text not in expected]
    assert len(ids(model, w__contains="")) == len(texts)


def test_all_of_unicode_is_folded_but_on_sqlite(engine: sa.Engine) -> None:
    model = filled(engine, [{"w": "ÉTÉ"}, {"w": "été"}, {"w": "ete"}], Column("w", String(20)))
    sqlite = engine.dialect.name == "sqlite"
    assert ids(model, f"w__contains={quote('é')}") == ([2] if sqlite else [1, 2])
    assert ids(model, "w__startswith=E") == [3]
    assert ids(model, f"q={quote('T')}") == [1, 2, 3]


def test_sqlite_takes_texts_of_any_length_and_character(sqlite_engine: sa.Engine) -> None:
    rows = [{"w": "a\0b"}, {"w": "ab"}, {"w": "x" * 70_000 + "Y"}, {"w": ""}, {"w": None}]
    model = filled(sqlite_engine, rows, Column("w", sa.Text))
    assert ids(model, w__contains="\0") == [1]
    assert ids(model, w__contains="\0B") == [1]
    assert ids(model, w__startswith="a\0") == [1]
    assert ids(model, w__endswith="\0b") == [1]
    assert ids(model, w__contains="x" * 60_000) == [3]
    assert ids(model, w__endswith="xy") == [3]
    assert ids(model, **{"not": {"w__startswith": "a"}}) == [3, 4, 5]
    run(sqlite_engine, "UPDATE t SET w = CAST(x'ff4142' AS TEXT) WHERE id = 2")
    assert ids(model, w__endswith="aB") == [2]
    assert ids(model, w__startswith="aB") == []


# -- what is stored in other ways ---------------------------------------------------------------


@pytest.fixture
def foreign(sqlite_engine: sa.Engine) -> Callable[[str, list[str]], TableModel]:
    """A column of a file that somebody else made: ``foreign(type, cells)``."""

    def make(declared: str, cells: list[str]) -> TableModel:
        run(
            sqlite_engine,
            "DROP TABLE IF EXISTS t",
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
            f"INSERT INTO t (v) VALUES {', '.join(f'({cell})' for cell in cells)}",
        )
        return TableModel(read_tables(sqlite_engine)[0].table, sqlite_engine)

    return make


SPELLINGS = [
    "'2026-01-02'", "'2026-01-02 03:03:59.999999'", "'2026-01-02T03:03'", "'2026-01-02 03:04'",
    "'2026-01-02 03:04:00'", "'2026-01-02 03:04:00.000'", "'2026-01-02 03:04:00.000000'",
    "'2026-01-02T03:04'", "'2026-01-02T03:04:00'", "'2026-01-02T03:04:00.000'",
    "'2026-01-02T03:04:00.000000'", "'2026-01-02 03:04:00.000001'", "'2026-01-02T03:04:01'",
    "'2026-01-03 00:00'", "'2025-12-31T23:00'", "NULL",
]  # fmt: skip


def test_all_spellings_of_a_moment_are_one(foreign: Callable[[str, list[str]], TableModel]) -> None:
    model = foreign("DATETIME", SPELLINGS)
    moment = datetime(2026, 1, 2, 3, 4)
    rows = [(row["id"], row["v"]) for row in listed(model).data]
    assert isinstance(rows[0][1], str)  # a day alone is no moment; it is before all of its own
    as_moment = {number: value if isinstance(value, datetime) else None for number, value in rows}
    for operator in ("eq", "ne", "lt", "lte", "gt", "gte"):
        found = ids(model, f"v__{operator}={moment.isoformat()}")
        expected = [n for n, value in as_moment.items() if passes(operator, value, [moment])]
        if operator in ("lt", "lte"):
            expected = sorted([*expected, 1])
        assert found == expected, operator
    for text in ("03:04:00.001", "03:04:00.000001", "03:04:01"):
        found = ids(model, f"v=2026-01-02T{text}")
        assert len(found) == (0 if text == "03:04:00.001" else 1)


def test_all_spellings_of_a_time_are_one(foreign: Callable[[str, list[str]], TableModel]) -> None:
    cells = ["'03:03:59.999'", "'03:04'", "'03:04:00'", "'03:04:00.000'", "'03:04:00.000000'",
             "'03:04:00.000001'", "'03:05'", "NULL"]  # fmt: skip
    model = foreign("TIME", cells)
    assert ids(model, "v=03:04") == [2, 3, 4, 5]
    assert ids(model, "v__ne=03:04") == [1, 6, 7, 8]
    assert ids(model, "v__lt=03:04") == [1]
    assert ids(model, "v__lte=03:04") == [1, 2, 3, 4, 5]
    assert ids(model, "v__gt=03:04") == [6, 7]
    assert ids(model, "v__gte=03:04") == [2, 3, 4, 5, 6, 7]
    assert ids(model, "v__in=03:04,03:05") == [2, 3, 4, 5, 7]
    assert ids(model, "v__gt=03:04:00.000001") == [7]


def test_cells_of_other_types_come_after_those_that_fit(
    foreign: Callable[[str, list[str]], TableModel],
) -> None:
    """As SQLite orders them: numbers, texts, bytes."""
    model = foreign("INTEGER", ["1", "2.5", "'x'", "x'00'", "NULL", "9e999"])
    assert ids(model, "v__gt=1") == [2, 3, 4, 6]
    assert ids(model, "v__lte=2") == [1]
    assert ids(model, "v__ne=1") == [2, 3, 4, 5, 6]
    model = foreign("BOOLEAN", ["1", "0", "2", "'x'", "NULL"])
    assert ids(model, "v=true") == [1]
    assert ids(model, "v__ne=true") == [2, 3, 4, 5]
    model = foreign("", ["1", "'1'", "1.0", "x'31'", "'y'", "1e20"])
    assert ids(model, "v=1") == [1, 3]
    assert ids(model, v="1") == [2]
    assert ids(model, "v=y") == [5]
    assert ids(model, f"v={10**20}") == [6]
    assert ids(model, "v__in=1,y") == [1, 3, 5]


def test_json_null_is_shown_as_none_and_so_it_is(engine: sa.Engine) -> None:
    model = filled(engine, [{"j": {"a": 1}}, {"j": sa.JSON.NULL}, {"j": sa.null()}, {"j": False}],
                   Column("j", sa.JSON))  # fmt: skip
    assert [row["j"] for row in listed(model).data] == [{"a": 1}, None, None, False]
    assert ids(model, "j__isnull=true") == [2, 3]
    assert ids(model, "j__isnull=false") == [1, 4]


# -- numbers that a column cannot hold ----------------------------------------------------------

DECIMALS = ["0", "1.1", "1.10", "1.105", "1.11", "-1.101", "1e-40", "-1e-40", "1e60", "-1e60",
            "1e4000", "-1e4000", "99999999.99", "1.1000000000000001"]  # fmt: skip


@pytest.mark.parametrize("operator", ["eq", "ne", "lt", "lte", "gt", "gte", "in", "notin"])
def test_a_decimal_is_compared_exactly(engine: sa.Engine, operator: str) -> None:
    stored = [Decimal(text) for text in ("-1.10", "0.00", "1.10", "1.11", "99999999.99")]
    model = filled(engine, [{"v": value} for value in stored], Column("v", sa.Numeric(10, 2)))
    for text in DECIMALS:
        expected = [n for n, v in enumerate(stored, 1) if passes(operator, v, [Decimal(text)])]
        assert ids(model, f"v__{operator}={text}") == expected, text


def test_a_decimal_without_a_declared_size(engine: sa.Engine) -> None:
    model = filled(engine, [{"v": Decimal(7)}, {"v": Decimal(-3)}], Column("v", sa.Numeric()))
    assert ids(model, "v=7.0") == [1]
    assert ids(model, "v__gt=6.9999999999") == [1]
    assert ids(model, "v__lt=1e70") == [1, 2]
    assert ids(model, "v__lt=-1e70") == []
    assert ids(model, f"v__lte={2**53 + 1}") == [1, 2]


def test_large_whole_numbers_of_sqlite_are_compared_exactly(
    foreign: Callable[[str, list[str]], TableModel],
) -> None:
    model = foreign("NUMERIC", [str(2**53), str(2**53 + 1), "1e30"])
    assert ids(model, f"v={2**53 + 1}") == [2]
    assert ids(model, f"v__gt={2**53}.5") == [2, 3]
    assert ids(model, "v=1e30") == [3]
    assert ids(model, "v__lt=1e400") == [1, 2, 3]
    assert ids(model, "v__gt=-1e400") == [1, 2, 3]


SINGLES = [0.1, -0.1, 16777216.0, 16777217.0, 1e-46, -1e-46, 0.0, 3.4e38, 1e300, -1e300,
           0.10000000149011612, 1.5]  # fmt: skip


def test_a_float_of_32_bits_is_compared_as_it_is_shown(engine: sa.Engine) -> None:
    stored = [-16777216.0, -0.1, 0.0, 0.1, 1.5, 16777216.0, 3e38]
    single = sa.REAL() if engine.dialect.name == "postgresql" else sa.FLOAT()
    model = filled(engine, [{"v": value} for value in stored], Column("v", single))
    assert [row["v"] for row in listed(model).data] == stored
    for value in SINGLES:
        for operator in ("eq", "lt", "lte", "gt", "gte", "in"):
            expected = [n for n, v in enumerate(stored, 1) if passes(operator, v, [value])]
            found = ids(model, f"v__{operator}={quote(repr(value))}")
            assert found == expected, (operator, value)


def test_infinite_numbers_are_beyond_all_others(postgresql_engine: sa.Engine) -> None:
    model = filled(postgresql_engine, [{"v": float(t)} for t in ("-inf", "0", "inf", "nan")],
                   Column("v", sa.REAL))  # fmt: skip
    assert ids(model, "v__lt=-1e300") == [1]
    assert ids(model, "v__lt=1e300") == [1, 2]
    assert ids(model, "v__gt=1e300") == [3, 4]


def test_an_interval_of_any_length_can_be_asked_for(engine: sa.Engine) -> None:
    spans = [timedelta(days=-1000), timedelta(0), timedelta(days=1000)]
    model = filled(engine, [{"v": span} for span in spans], Column("v", sa.Interval))
    for text, expected in (("P999999999D", [1, 2, 3]), ("-P999999999D", []), ("PT1S", [1, 2])):
        assert ids(model, f"v__lt={text}") == expected
        assert ids(model, f"v__gte={text}") == [n for n in (1, 2, 3) if n not in expected]
        assert ids(model, f"v={text}") == []


# -- what one database does otherwise -------------------------------------------------------------


def test_mariadb_texts_of_other_character_sets(mariadb_engine: sa.Engine) -> None:
    run(
        mariadb_engine,
        "CREATE TABLE p (k VARCHAR(10) CHARACTER SET latin1 PRIMARY KEY)",
        "CREATE TABLE t (id INT PRIMARY KEY, l VARCHAR(10) CHARACTER SET latin1,"
        " b VARCHAR(10) COLLATE utf8mb4_bin, k VARCHAR(10) CHARACTER SET utf8mb4,"
        " e ENUM('a', 'é') CHARACTER SET latin1)",
        "INSERT INTO p VALUES ('é'), ('a')",
        "INSERT INTO t VALUES (1, 'é', 'É', 'é', 'é'), (2, 'a', 'b', '漢', 'a'),"
        " (3, NULL, NULL, NULL, NULL)",
    )
    found = {item.name: item.table for item in read_tables(mariadb_engine)}
    parents = TableModel(found["p"], mariadb_engine)
    model = TableModel(found["t"], mariadb_engine, references={"k": parents})
    assert ids(model, f"l={quote('é')}") == [1]
    assert ids(model, f"l={quote('漢')}") == []
    assert ids(model, f"l__ne={quote('漢')}") == [1, 2, 3]
    assert ids(model, f"l__in={quote('漢,é')}") == [1]
    assert ids(model, f"l__lt={quote('漢')}&count=1") == [1, 2]
    assert ids(model, f"l__contains={quote('漢')}") == []
    assert ids(model, f"l__contains={quote('É')}") == [1]
    assert ids(model, f"b__startswith={quote('é')}") == [1]
    assert ids(model, f"q={quote('É')}") == [1]
    assert ids(model, f"e={quote('é')}") == [1]
    assert ids(model, f"k.k={quote('é')}") == [1]
    rows = listed(model, "embed=k").data
    assert [row["k"] for row in rows] == [{"k": "é"}, None, None]
    assert [row["k"] for row in model.stream(parse_query("embed=k"))] == [{"k": "é"}, None, None]


def test_types_of_one_database_are_compared_as_they_are_shown(
    postgresql_engine: sa.Engine, mariadb_engine: sa.Engine
) -> None:
    run(
        postgresql_engine,
        "CREATE TABLE t (id INT PRIMARY KEY, v INET, r INT4RANGE, c CHAR(5))",
        "INSERT INTO t VALUES (1, '10.0.0.1', '[1,5)', 'ab'), (2, NULL, NULL, 'abcde')",
    )
    model = TableModel(read_tables(postgresql_engine)[0].table, postgresql_engine)
    assert ids(model, "v=10.0.0.1/32") == [1]
    assert ids(model, "v__ne=5") == [1, 2]
    assert ids(model, "r__in=[1%2C5),x") == [] == ids(model, "v=nonsense")
    assert ids(model, 'r__in="[1,5)",x') == [1]
    assert ids(model, "c=ab") == [1] == ids(model, "c=ab   ")
    assert ids(model, "c=abcdefgh") == []
    for text in ("v=%00", "v__in=a,%00"):
        with pytest.raises(QueryError, match="cannot be stored"):
            model.list(parse_query(text))
    parameters = {p["name"]: p["schema"] for p in describe_model(model)["parameters"]}
    assert parameters["v"] == {"type": "string", "pattern": r"^[^\x00]*$"}
    run(
        mariadb_engine,
        "CREATE TABLE t (id INT PRIMARY KEY, s SET('a', 'b'), b BIT(4), g POINT, y YEAR)",
        "INSERT INTO t VALUES (1, 'a,b', 5, POINT(1, 2), 2026), (2, NULL, NULL, NULL, NULL)",
    )
    model = TableModel(read_tables(mariadb_engine)[0].table, mariadb_engine)
    assert ids(model, "s=a,b") == [1]
    assert ids(model, "s=b,a") == []
    assert ids(model, "b=5") == [1]
    assert ids(model, "b__ne=5") == [2]
    assert ids(model, "g=5") == []
    assert ids(model, f"b={10**30}") == []
    assert ids(model, "y__gt=2000") == [1]


def test_words_are_found_whatever_the_collation(postgresql_engine: sa.Engine) -> None:
    run(
        postgresql_engine,
        'CREATE TABLE t (id INT PRIMARY KEY, v TEXT COLLATE "C")',
        "INSERT INTO t VALUES (1, 'É'), (2, 'é'), (3, 'e')",
    )
    model = TableModel(read_tables(postgresql_engine)[0].table, postgresql_engine)
    assert ids(model, f"v__contains={quote('É')}") == [1, 2]


class Backwards(sa.types.TypeDecorator[str]):
    """A project's own type, whose texts are stored backwards; it takes no blanks."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is not None and " " in value:
            raise ValueError("no blanks")
        return None if value is None else value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1]


def test_a_projects_own_type_converts_what_is_compared(engine: sa.Engine) -> None:
    model = filled(engine, [{"v": "abc"}, {"v": "abd"}, {"v": None}], Column("v", Backwards))
    assert ids(model, "v=abc") == [1]
    assert ids(model, "v__in=abc,abd") == [1, 2]
    assert ids(model, "v__ne=abc") == [2, 3]
    assert ids(model, "v__contains=ba") == [1, 2]  # as it is stored
    assert model.search == []
    assert refused(model, "v=a b") == ""


# -- search, fields, count ----------------------------------------------------------------------


@pytest.fixture
def library(engine: sa.Engine) -> Library:
    return Library(engine)


def test_every_word_is_searched_in_every_column(library: Library) -> None:
    books = library.model(library.books)
    assert books.search == ["title", "secret"]
    assert ids(books, "q=O") == [1, 2, 4]
    assert ids(books, "q=x+o") == [1, 4]
    assert ids(books, "q=x+one") == [1]
    assert ids(books, "q=+&title=one") == [1]
    assert ids(books, "q=o+nothing") == []
    assert ids(books, "q=o&secret=y&sort=-id") == [2]
    assert ids(books, q="ONE x") == [1]
    titles = library.model(library.books, search=["title"])
    assert titles.search == ["title"]
    assert ids(titles, "q=x") == []
    assert ids(titles.restrict(hidden=["secret"]), "q=fi") == [5]
    assert refused(titles.restrict(hidden=["title"]), "q=fi") == "q"
    with pytest.raises(ValueError, match="nope"):
        library.model(library.books, search=["nope"])
    assert refused(books, "q=" + "+".join(f"w{n}" for n in range(51))) == "q"
    assert ids(books, "q=" + "+".join("o" for _ in range(50))) == [1, 2, 4]


def test_an_enum_can_be_searched(engine: sa.Engine) -> None:
    rows = [{"e": "red"}, {"e": "blue"}, {"e": None}]
    table = created(engine, Column("e", sa.Enum("red", "blue", name="colours")))
    with engine.begin() as connection:
        connection.execute(sa.insert(table), rows)
    model = TableModel(table, engine, search=["e"])
    assert ids(model, "q=RE") == [1]
    assert ids(model, "e__contains=E&sort=-e") == [1, 2]
    assert ids(model, "e__endswith=UE") == [2]


def test_at_most_ten_columns_are_searched_by_default(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, *(Column(f"c{n}", String(5)) for n in range(12)))
    assert TableModel(table, sqlite_engine).search == [f"c{n}" for n in range(10)]


def test_rows_have_the_fields_that_are_asked_for(library: Library) -> None:
    books = library.model(library.books)
    assert listed(books, "fields=title&limit=1").data == [{"id": 1, "title": "one"}]
    assert list(listed(books, "fields=secret,title&limit=1").data[0]) == ["id", "title", "secret"]
    rows = listed(books, "fields=title&sort=-secret,author&limit=2").data
    assert rows == [{"id": 3, "title": "three"}, {"id": 2, "title": "two"}]
    page = listed(books, "fields=title&sort=-secret,author&limit=2")
    page = listed(books, f"fields=id&sort=-secret,author&limit=2&cursor={page.next}")
    assert page.data == [{"id": 1}, {"id": 4}]
    whole = books.stream(parse_query("fields=title&sort=-id"))
    [first, *_rest] = whole
    assert first == {"id": 5, "title": "five"}
    assert refused(books, "fields=nope") == "fields"


def test_a_count_is_bounded_unless_it_is_to_be_exact(engine: sa.Engine) -> None:
    table = created(engine, Column("n", Integer))
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [{"n": n % 2} for n in range(10_001)])
    model = TableModel(table, engine)
    for text, expected in (
        ("count=1", (10_000, False)),
        ("count=exact", (10_001, True)),
        ("count=1&n=1", (5_000, True)),
        ("count=exact&n=1", (5_000, True)),
        ("count=1&id__lte=10000", (10_000, True)),
        ("count=1&n=7", (0, True)),
        ("", (None, True)),
    ):
        page = listed(model, f"{text}&limit=1")
        assert (page.count, page.count_exact) == expected
        if page.next:
            page = listed(model, f"{text}&limit=1&cursor={page.next}")
            assert (page.count, page.count_exact) == expected


# -- limits, and what is prepared ---------------------------------------------------------------


def test_as_many_conditions_and_values_as_the_grammar_has(library: Library) -> None:
    books = library.model(library.books)
    many = [{f"{'author.name' if n % 2 else 'title'}__contains": f"no{n}"} for n in range(190)]
    assert ids(books, **{"or": [*many, {"title": "two"}]}) == [2]
    assert ids(books, **{"and": [{"not": item} for item in many[:99]]}) == [1, 2, 3, 4, 5]
    assert ids(books, id__in=list(range(2, 1002)), title__notin=[str(n) for n in range(1000)]) == [
        2, 3, 4, 5,
    ]  # fmt: skip
    moments = TableModel(created(library.engine, Column("m", sa.DateTime)), library.engine)
    minutes = [f"2026-01-01T{n // 60:02}:{n % 60:02}" for n in range(1000)]
    assert ids(moments, m__in=minutes) == []
    if library.engine.dialect.name == "sqlite":  # which has eight spellings of each
        assert refused(moments, **{"or": [{"m__in": minutes}, {"m__in": minutes}]}) == ""


def test_a_query_that_comes_again_costs_no_building(library: Library) -> None:
    books = library.model(library.books)
    built: list[Any] = []
    event.listen(library.engine, "before_execute", lambda *given: built.append(given[1]))
    for text in ("title={}&sort=-secret&author.name__ne={}", "id__in={},1", "q=o{}", "limit=2"):
        built.clear()
        for n in range(3):
            listed(books, text.format(n, n))
        assert len({id(statement) for statement in built}) == 1


def test_only_so_many_plans_are_kept(sqlite_engine: sa.Engine) -> None:
    books = Library(sqlite_engine)
    model = books.model(books.books)
    names = ["title", "author", "sequel", "secret"]
    for count in range(MAX_PLANS + 10):
        fields = ",".join(name for n, name in enumerate(names) if count >> n & 1) or "id"
        sort = ("-" if count & 16 else "") + names[count >> 5 & 3]
        operator = "gt" if count & 128 else "gte"
        assert len(ids(model, f"fields={fields}&sort={sort}&id__{operator}=0")) == 5
    assert len(model._prepared.plans._plans) == MAX_PLANS


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ({"id__gt": 0}, 60),
        ({"author.name": "a"}, 7),
        ({"sequel.sequel.id": 1}, 4),
    ],
)
def test_statements_that_take_much_memory_are_not_kept(
    sqlite_engine: sa.Engine, part: Any, kept: int
) -> None:
    """A client chooses their shapes: without this, a few requests would fill any memory."""
    books = Library(sqlite_engine)
    model = books.model(books.books)
    compiled = sqlite_engine._compiled_cache  # type: ignore[attr-defined]
    for number, more in ((kept, 1), (kept + 1, 0)):
        plans, statements = len(model._prepared.plans._plans), len(compiled)
        query = parse_query("", {"or": [part] * number})
        assert model.list(query) == model.list(query)
        assert len(model._prepared.plans._plans) == plans + more
        assert len(compiled) == statements + more
    assert [*model.stream(query)] == [*model.list(query).data]
    assert len(compiled) == statements
    model.update_where(query, {"title": "Z"}, 10)
    assert len(compiled) == statements
    model.list(parse_query("q=" + "+".join(map(str, range(50)))))
    assert len(model._prepared.plans._plans) == plans
