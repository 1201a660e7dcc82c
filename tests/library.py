"""What the tests of SQL queries share: small tables, and ways to ask them."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from wsgikit.model import Page
from wsgikit.query import QueryError, parse_query
from wsgikit.sql import TableModel


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


class Library:
    """Books with authors, who have a country, and a master, who is an author too."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.metadata = MetaData()
        self.countries = Table(
            "countries", self.metadata,
            Column("code", String(2), primary_key=True),
            Column("name", String(20)),
            Column("ruler", Integer),
        )  # fmt: skip
        self.authors = Table(
            "authors", self.metadata,
            Column("id", Integer, primary_key=True),
            Column("name", String(20), nullable=False),
            Column("country", ForeignKey("countries.code")),
            Column("master", ForeignKey("authors.id")),
            Column("salary", Integer),
        )  # fmt: skip
        self.books = Table(
            "books", self.metadata,
            Column("id", Integer, primary_key=True),
            Column("title", String(20)),
            Column("author", ForeignKey("authors.id")),
            Column("sequel", ForeignKey("books.id")),
            Column("secret", String(20)),
        )  # fmt: skip
        self.metadata.create_all(engine)
        with engine.begin() as connection:
            for table, rows in (
                (self.countries, [("NZ", "New Zealand", 3), ("DE", "Germany", None)]),
                (self.authors, [(1, "Ann", "NZ", None, 10), (2, "Bob", "DE", 1, 20),
                                (3, "Cid", None, 2, 30), (4, "Dee", "NZ", 3, 40)]),
                (self.books, [(1, "one", 1, None, "x"), (2, "two", 2, 1, "y"),
                              (3, "three", 3, 2, "z"), (4, "four", 4, 3, "x"),
                              (5, "five", None, 4, None)]),
            ):  # fmt: skip
                names = table.c.keys()
                values = [dict(zip(names, row, strict=True)) for row in rows]
                connection.execute(sa.insert(table), values)

    def model(self, table: Table, **options: Any) -> TableModel:
        return TableModel(table, self.engine, **options)
