"""Several verbs in one transaction, and what becomes of it, on every database."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table, event

from wsgikit.model import (
    ConflictError,
    DeniedError,
    NotFoundError,
    RefusedError,
    RetryError,
    StoreError,
    UnavailableError,
    ValidationError,
    VersionError,
)
from wsgikit.query import Query
from wsgikit.sql import TableModel


def created(engine: sa.Engine, name: str, *columns: Any) -> Table:
    table = Table(name, sa.MetaData(), *columns)
    table.create(engine)
    return table


def people_table(engine: sa.Engine) -> Table:
    return created(
        engine,
        "people",
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
        Column("email", String(50), unique=True),
        Column("age", Integer),
        CheckConstraint("age >= 0", name="age_is_positive"),
    )


@pytest.fixture
def people(engine: sa.Engine) -> TableModel:
    return TableModel(people_table(engine), engine)


def names(model: TableModel) -> list[str]:
    return [row["name"] for row in model.list(Query()).data]


# -- all or nothing -----------------------------------------------------------------------


def test_verbs_of_a_transaction_are_committed_together(people: TableModel) -> None:
    with people.transaction() as tx:
        ada = tx.create({"name": "Ada"})
        tx.update(ada["id"], {"age": 36})
        tx.create({"name": "Bob"})
        tx.delete(2)
        assert tx.retrieve(1) == {"id": 1, "name": "Ada", "email": None, "age": 36}
        assert [row["name"] for row in tx.stream(Query())] == ["Ada"]
    assert names(people) == ["Ada"]


def test_an_exception_undoes_everything(people: TableModel) -> None:
    with pytest.raises(KeyError, match="mine"), people.transaction() as tx:
        tx.create({"name": "Ada"})
        assert names(tx) == ["Ada"]
        raise KeyError("mine")
    assert names(people) == []


def test_a_dry_run_leaves_nothing(people: TableModel) -> None:
    with people.transaction(rollback=True) as tx:
        assert tx.create({"name": "Ada"})["name"] == "Ada"
    assert names(people) == []


def test_what_others_do_not_see_before_the_end(people: TableModel) -> None:
    if people.engine.dialect.name == "sqlite":
        with people.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    with people.transaction() as tx:
        tx.create({"name": "Ada"})
        assert names(people) == []
    assert names(people) == ["Ada"]


def test_a_transaction_of_two_tables(engine: sa.Engine) -> None:
    people = TableModel(people_table(engine), engine)
    notes = TableModel(
        created(engine, "notes", Column("id", Integer, primary_key=True), Column("n", Integer)),
        engine,
    )
    with pytest.raises(ConflictError), people.transaction() as tx:
        tx.bind(notes).create({"n": 1})
        tx.create({"id": 1, "name": "Ada"})
        tx.create({"id": 1, "name": "Bob"})
    assert notes.list(Query()).data == ()
    with people.transaction() as tx:
        tx.bind(notes).create({"n": 1})
        tx.bind(notes.restrict(hidden=["n"])).create({})
    assert [row["n"] for row in notes.list(Query()).data] == [1, None]


def test_only_models_of_the_same_engine_are_bound(people: TableModel, tmp_path: Path) -> None:
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    elsewhere = TableModel(people_table(other), other)
    with pytest.raises(ValueError, match="people is in no transaction"):
        people.bind(people)
    with people.transaction() as tx:
        for stranger in (elsewhere, object()):
            with pytest.raises(ValueError, match="no TableModel of the same engine"):
                tx.bind(stranger)
        options = people.engine.execution_options(logging_token="a")
        assert tx.bind(TableModel(people.table, options)).list(Query()).data == ()
    other.dispose()


# -- failures -----------------------------------------------------------------------------


def test_what_failed_cannot_be_committed(people: TableModel) -> None:
    """Whoever catches the error goes on with half of a write, or none, without noticing."""
    people.create({"name": "Ada", "email": "x"})
    with pytest.raises(ConflictError), people.transaction() as tx:
        tx.create({"name": "Bob"})
        with pytest.raises(ConflictError):
            tx.create({"name": "Cleo", "email": "x"})
        with pytest.raises(ConflictError):
            tx.retrieve(1)
    assert names(people) == ["Ada"]


def test_a_refusal_that_wrote_nothing_is_no_failure(people: TableModel) -> None:
    people.create({"name": "Ada"})
    with people.transaction() as tx:
        for refused, call in (
            (NotFoundError, lambda: tx.retrieve(9)),
            (NotFoundError, lambda: tx.delete(9)),
            (ValidationError, lambda: tx.update(1, {"name": None})),
            (ValidationError, lambda: tx.create({})),
            (VersionError, lambda: tx.update(1, {"name": "Eve"}, "old")),
        ):
            with pytest.raises(refused):
                call()
        tx.create({"name": "Bob"})
    assert names(people) == ["Ada", "Bob"]


def test_a_row_out_of_sight_is_a_failure_that_wrote(people: TableModel) -> None:
    mine = people.restrict(rows=people.table.c.name == "Ada")
    with pytest.raises(ValidationError), mine.transaction() as tx:
        with pytest.raises(ValidationError):
            tx.create({"name": "Bob"})
    assert names(people) == []


def test_a_part_can_be_undone_alone(people: TableModel) -> None:
    with people.transaction() as tx:
        tx.create({"id": 1, "name": "Ada"})
        with pytest.raises(ConflictError), tx.transaction() as part:
            part.create({"name": "Bob"})
            part.create({"id": 1, "name": "Cleo"})
        with pytest.raises(ConflictError), tx.transaction() as part:
            with pytest.raises(ConflictError):
                part.create({"id": 1, "name": "Cleo"})
        with tx.transaction(rollback=True) as part:
            part.create({"name": "Dan"})
        with tx.transaction() as part:
            part.create({"name": "Eve"})
    assert names(people) == ["Ada", "Eve"]
