"""The query grammar in SQL: the same rows as Python would choose, on every database."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, event

from wsgikit.model import KIND_OPERATORS, Field, Page, to_text
from wsgikit.query import QueryError, parse_query
from wsgikit.sql import TableModel, read_tables


def created(engine: sa.Engine, *columns: Any, name: str = "t") -> Table:
    table = Table(name, MetaData(), Column("id", Integer, primary_key=True), *columns)
    table.create(engine)
    return table


def filled(engine: sa.Engine, rows: list[dict[str, Any]], *columns: Any) -> TableModel:
    table = created(engine, *columns)
    with engine.begin() as connection:
        connection.execute(sa.insert(table), rows)
    return TableModel(table, engine)


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def listed(model: TableModel, text: str = "", **document: Any) -> Page:
    return model.list(parse_query(text, document or None))


def ids(model: TableModel, text: str = "", **document: Any) -> list[Any]:
    return [row["id"] for row in listed(model, text, **document).data]


def refused(model: TableModel, text: str = "", **document: Any) -> str:
    with pytest.raises(QueryError) as caught:
        listed(model, text, **document)
    return caught.value.parameter


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
