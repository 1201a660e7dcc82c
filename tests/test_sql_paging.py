"""Pages of a table: every row once, in order, whatever orders them, and at the same cost."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, event

from wsgikit.model import Page
from wsgikit.query import (
    Cursor,
    Query,
    QueryError,
    describe_ordering,
    encode_cursor,
    parse_query,
)
from wsgikit.sql import TableModel, read_tables


def created(engine: sa.Engine, *columns: Any, name: str = "t", **options: Any) -> Table:
    table = Table(name, MetaData(), *columns, **options)
    table.create(engine)
    return table


def numbered(engine: sa.Engine, *columns: Any) -> Table:
    return created(engine, Column("id", Integer, primary_key=True), *columns)


def insert(engine: sa.Engine, table: Table, rows: list[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(table), rows)


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def listed(model: TableModel, text: str, cursor: str | None = None) -> Page:
    return model.list(parse_query(text + (f"&cursor={cursor}" if cursor else "")))


def forward(model: TableModel, text: str) -> list[Page]:
    pages = [listed(model, text)]
    while pages[-1].next:
        pages.append(listed(model, text, pages[-1].next))
        assert len(pages) < 1000
    return pages


def backward(model: TableModel, text: str, last: Page) -> list[Page]:
    pages = [last]
    while pages[0].prev:
        pages.insert(0, listed(model, text, pages[0].prev))
        assert len(pages) < 1000
    return pages


def values(pages: list[Page], name: str = "id") -> list[Any]:
    return [row[name] for page in pages for row in page.data]


def both_ways(model: TableModel, text: str, name: str = "id") -> list[Any]:
    """Walk to the end and back, and give what was seen, which must be the same."""
    pages = forward(model, text)
    there = values(pages, name)
    assert repr(values(backward(model, text, pages[-1]), name)) == repr(there)
    return there


# -- any sort of any rows --------------------------------------------------------------------

TYPES: dict[str, Any] = {
    "whole": Integer(),
    "word": String(5),
    "double": sa.Double(),
    "money": sa.Numeric(6, 2),
    "truth": sa.Boolean(),
    "day": sa.Date(),
    "moment": sa.DateTime(),
    "letter": sa.Enum("z", "a", "m", name="some_letters"),
    "always": Integer(),
}

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "whole": st.sampled_from([None, -1, 0, 3]),
            "word": st.sampled_from([None, "", "a", "ab"]),
            "double": st.sampled_from([None, 0.1, 1 / 3]),
            "money": st.sampled_from([None, Decimal("1.10"), Decimal("2.00")]),
            "truth": st.sampled_from([None, False, True]),
            "day": st.sampled_from([None, date(1999, 1, 1), date(2026, 1, 1)]),
            "moment": st.sampled_from([None, datetime(2026, 1, 1), datetime(2026, 1, 1, 2)]),
            "letter": st.sampled_from([None, "z", "a", "m"]),
            "always": st.sampled_from([0, 1]),
        }
    ),
    max_size=12,
)

SORTS = st.lists(
    st.tuples(st.sampled_from(["id", *TYPES]), st.booleans()),
    max_size=4,
    unique_by=lambda sort: sort[0],
)


def in_order(rows: list[dict[str, Any]], sorts: list[tuple[str, bool]]) -> list[Any]:
    """Sort as the contract says: nulls are the least, and the key decides at last."""
    rows = sorted(rows, key=lambda row: row["id"])
    for name, descending in reversed(sorts):
        absent = [row for row in rows if row[name] is None]
        present = [row for row in rows if row[name] is not None]
        present.sort(key=itemgetter(name), reverse=descending)
        rows = present + absent if descending else absent + present
    return [row["id"] for row in rows]


def spelled(sorts: list[tuple[str, bool]]) -> str:
    return "sort=" + ",".join(("-" if descending else "") + name for name, descending in sorts)


@pytest.fixture
def mixed(engine: sa.Engine) -> TableModel:
    columns = (Column(name, type_, nullable=name != "always") for name, type_ in TYPES.items())
    return TableModel(numbered(engine, *columns), engine)


def refill(model: TableModel, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    with model.engine.begin() as connection:
        connection.execute(sa.delete(model.table))
        if rows:
            connection.execute(sa.insert(model.table), rows)
    return rows


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@examples(60)
@given(rows=ROWS, sorts=SORTS, limit=st.integers(1, 5))
def test_a_walk_gives_every_row_once_and_in_order(
    mixed: TableModel, rows: list[dict[str, Any]], sorts: list[tuple[str, bool]], limit: int
) -> None:
    expected = in_order(refill(mixed, rows), sorts)
    text = f"{spelled(sorts)}&limit={limit}"
    pages = forward(mixed, text)
    assert values(pages) == expected
    assert [row["id"] for row in mixed.stream(parse_query(spelled(sorts)))] == expected
    # The first page has rows if there are any, and only the last may be short.
    assert all(len(page.data) == limit for page in pages[:-1])
    assert values(backward(mixed, text, pages[-1])) == expected


@examples(40)
@given(
    rows=ROWS,
    changes=st.lists(st.tuples(ROWS, st.sets(st.integers(1, 12))), max_size=5),
    sorts=SORTS,
    limit=st.integers(1, 4),
)
def test_rows_that_stay_are_seen_once_whatever_comes_and_goes(
    mixed: TableModel,
    rows: list[dict[str, Any]],
    changes: list[tuple[list[dict[str, Any]], set[int]]],
    sorts: list[tuple[str, bool]],
    limit: int,
) -> None:
    expected = in_order(refill(mixed, rows), sorts)
    gone: set[int] = set()
    text = f"{spelled(sorts)}&limit={limit}"
    page = listed(mixed, text)
    new = 100
    for backwards in (False, True):
        seen = [row["id"] for row in page.data]
        if backwards and not seen:
            return  # what was to come is gone, and with it the way back
        while cursor := page.prev if backwards else page.next:
            inserted, deleted = changes.pop() if changes else ([], set())
            gone |= deleted
            with mixed.engine.begin() as connection:
                connection.execute(sa.delete(mixed.table).where(mixed.table.c.id.in_(deleted)))
                for row in inserted:
                    new += 1
                    connection.execute(sa.insert(mixed.table).values(id=new, **row))
            page = listed(mixed, text, cursor)
            found = [row["id"] for row in page.data]
            seen = found + seen if backwards else seen + found
        assert [n for n in seen if n <= 12 and n not in gone] == [
            n for n in expected if n not in gone
        ]
