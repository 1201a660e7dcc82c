"""Requests that are sent again, at the same time, by workers that know nothing of one another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from webob import Request, Response

from tests.cities import Client, mounted
from wsgikit.media.json import JSON
from wsgikit.model import Page, UnavailableError
from wsgikit.model_collection import ModelCollection
from wsgikit.model_collection.idempotency import FIELDS, Fingerprint, sweep
from wsgikit.model_collection.writing import Records
from wsgikit.query import Query
from wsgikit.sql import TableModel
from wsgikit.sql.records import idempotency_table

WORKERS = 6


@pytest.fixture
def tables(engine: sa.Engine) -> sa.MetaData:
    metadata = sa.MetaData()
    id = sa.Column("id", sa.Integer, primary_key=True)
    sa.Table("orders", metadata, id, sa.Column("item", sa.String(20), nullable=False))
    idempotency_table(metadata)
    metadata.create_all(engine)
    return metadata


def worker(engine: sa.Engine, tables: sa.MetaData) -> Client:
    """Give a worker of its own, with its own connections."""
    own = sa.create_engine(engine.url)
    records = TableModel(tables.tables["idempotency_keys"], own)
    orders = TableModel(tables.tables["orders"], own)
    return mounted(("orders", ModelCollection(orders, media=[JSON], idempotency=records)))


def test_a_request_that_several_workers_get_is_done_once(
    engine: sa.Engine, tables: sa.MetaData
) -> None:
    clients = [worker(engine, tables) for _ in range(WORKERS)]
    start = threading.Barrier(WORKERS)

    def order(ask: Client) -> Response:
        start.wait()
        return ask("POST", "/orders/", body={"item": "tea"}, Idempotency_Key="same")

    for _ in range(3):
        with ThreadPoolExecutor(WORKERS) as pool:
            answers = [*pool.map(order, clients)]
        # A worker that lost the race too often says when to come back.
        assert {answer.status_int for answer in answers} <= {201, 503}
        assert {answer.json["id"] for answer in answers if answer.status_int == 201} == {1}
    assert len(clients[0]("GET", "/orders/").json["data"]) == 1


def test_the_key_of_somebody_else_is_another_key(engine: sa.Engine, tables: sa.MetaData) -> None:
    ask = worker(engine, tables)
    inner = ask.app

    def as_user(name: str) -> Client:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            return inner({**environ, "REMOTE_USER": name}, start_response)

        return Client(app)

    for user in ("ada", "bob", "ada"):
        made = as_user(user)("POST", "/orders/", body={"item": user}, Idempotency_Key="1")
        assert made.json["item"] == user
    assert len(ask("GET", "/orders/").json["data"]) == 2


def test_the_table_has_the_fields_that_records_need(engine: sa.Engine, tables: sa.MetaData) -> None:
    fields = TableModel(tables.tables["idempotency_keys"], engine).fields
    assert [field.name for field in fields] == [field.name for field in FIELDS]


def test_old_records_are_removed(engine: sa.Engine, tables: sa.MetaData) -> None:
    records = TableModel(tables.tables["idempotency_keys"], engine)
    for key, year in (("old", 2020), ("new", 2999)):
        records.create({"key": key, "fingerprint": "", "created": datetime(year, 1, 1)})
    housekeeping = Records(records)
    for _ in range(3):
        housekeeping.sweep()  # the first of a hundred
    assert records.retrieve("new")
    with pytest.raises(KeyError):
        records.retrieve("old")
    sweep(records)
    assert records.retrieve("new")


def test_a_backlog_of_old_records_is_removed_bit_by_bit(
    engine: sa.Engine, tables: sa.MetaData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsgikit.model_collection.idempotency.SWEEP", 1)
    records = TableModel(tables.tables["idempotency_keys"], engine)
    for key in "ab":
        records.create({"key": key, "fingerprint": "", "created": datetime(2020, 1, 1)})
    for left in (1, 0, 0):
        sweep(records)
        assert len(records.list(Query()).data) == left


def test_housekeeping_that_fails_does_not_make_an_error_of_what_is_done(
    engine: sa.Engine, tables: sa.MetaData, caplog: pytest.LogCaptureFixture
) -> None:
    class Busy(TableModel):
        def list(self, query: Query) -> Page:
            raise UnavailableError("The database is busy; nothing was changed.")

    records = Busy(tables.tables["idempotency_keys"], engine)
    orders = TableModel(tables.tables["orders"], engine)
    ask = mounted(("orders", ModelCollection(orders, media=[JSON], idempotency=records)))
    made = ask("POST", "/orders/", body={"item": "tea"}, Idempotency_Key="1")
    assert made.status_int == 201
    assert "cannot be removed now" in caplog.text


def test_the_fingerprint_does_not_depend_on_the_order_of_members() -> None:
    def fingerprint(*rows: Any) -> str:
        mark = Fingerprint(Request.blank("/orders/", method="POST"))
        for _ in mark.watch(rows):
            pass
        return mark.text

    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}, {"b": 2}) != fingerprint({"a": 1, "b": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
